"""The items that a reader's thread hands over to its graph: bursts, and statuses between them.

A burst collects values until the data socket is empty, the burst is large, or a status follows.
While the graph takes nothing, the thread waits here.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from graphcore.sources.receiver import Sender
from graphcore_zmq.stats.latency import Histogram, Latency

T = TypeVar("T")

_POLL = 0.1  # s between two signs of life while the graph takes nothing
BURST = 4_096
BURST_BYTES = 1 << 20  # limits a burst of large frames
_HEAVY = 1_024  # bytes; a larger value counts as several in the graph's inbox

# Hands over the newest values alone; returns how many values they replaced.
Conflate = Callable[[Sender[Any], list[T]], int]


def newest_alone(sender: Sender[Any], burst: list[T]) -> int:
    """Hand over the newest value alone; return how many values it replaced."""
    return len(burst) - 1 + sender.replace(burst[-1:])


class Handover(Generic[T]):
    """Collects values and hands them over; belongs to the reader's thread.

    Args:
        conflate: how newer values replace those that the graph has not taken; `None` if they
            do not.

    Attributes:
        burst: the values not handed over yet; each burst is a new list.
        sent_at: when the frames of this burst were sent, ns, for frames with a trailer.
        received: how many values were handed over, replaced ones included.
        bytes: size of the frames they came in.
        conflated: how many values were replaced by newer ones.
    """

    def __init__(self, conflate: Conflate[T] | None) -> None:
        self.burst: list[T] = []
        self.sent_at: list[int] = []
        self.received = self.bytes = self.conflated = 0
        self._full_at = BURST_BYTES  # of `bytes`
        self._conflate = conflate
        self._latencies = Histogram()

    def begin(self, sender: Sender[Any], show_life: Callable[[], None]) -> None:
        """Begin a run.

        Args:
            sender: the way into the graph.
            show_life: called before each hand-over, and while the graph takes nothing.
        """
        self._sender = sender
        self._show_life = show_life

    @property
    def pending(self) -> int:
        """Size of the frames whose values are in the burst, bytes."""
        return self.bytes - self._full_at + BURST_BYTES

    def latency(self) -> Latency:
        """Return how long frames took; from any thread."""
        return self._latencies.latency()

    def take(self, payloads: Sequence[Any], size: int, value_of: Callable[[Any], T] | None) -> None:
        """Add the values of one frame to the burst; they stay together if a burst has room.

        Args:
            payloads: what the frame holds.
            size: of the frame, bytes.
            value_of: makes a value of a payload; `None` if the payloads are the values.
        """
        if not payloads:
            return
        count = len(payloads)
        if count > BURST or size > BURST_BYTES:
            self._take_in_parts(payloads, size, value_of)
            return
        if len(self.burst) + count > BURST or self.bytes + size > self._full_at:
            self.flush()
        self.bytes += size
        self.burst.extend(payloads if value_of is None else map(value_of, payloads))

    def _take_in_parts(
        self, payloads: Sequence[Any], size: int, value_of: Callable[[Any], T] | None
    ) -> None:
        self.flush()
        self.bytes += size
        limit = max(1, min(BURST, BURST_BYTES * len(payloads) // size))
        for begin in range(0, len(payloads), limit):
            part = payloads[begin : begin + limit]
            self.burst.extend(part if value_of is None else map(value_of, part))
            if len(self.burst) >= limit:
                self.flush()

    def flush(self) -> None:
        """Hand over the burst."""
        if self.burst:
            burst, self.burst = self.burst, []
            self.received += len(burst)
            now = time.time_ns()
            heavy = self.pending // _HEAVY
            self._full_at = self.bytes + BURST_BYTES
            if self._conflate is not None:
                self._show_life()
                self.conflated += self._conflate(self._sender, burst)
            else:
                self.send(burst, max(len(burst), heavy))
            self._latencies.add(self.sent_at, now)
            self.sent_at.clear()

    def send(self, value: object, size: int) -> None:
        """Hand over an item that counts as this many values in the graph's inbox."""
        self._show_life()
        while not self._sender.wait_for_room(_POLL):
            self._show_life()
        self._sender.send(value, size=size)
