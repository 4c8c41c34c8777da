"""What a receiver's thread hands over to its graph: bursts, and the statuses between them.

Values gather in a burst until nothing more waits to be read, until the burst is large, or until
something is to come behind it. While the graph takes nothing, the thread waits here.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from graphcore.sources.receiver import Sender
from graphcore_zmq.stats.latency import Histogram, Latency

T = TypeVar("T")

_POLL = 0.1  # s between two signs of life while the graph takes nothing
BURST = 4_096
_BURST_BYTES = 1 << 22  # where frames are large, a burst is handed over before it has so many
_HEAVY = 1_024  # bytes of a value above which it counts as several in the graph's inbox

# Gives the graph the newest values alone; returns how many values gave way.
Conflate = Callable[[Sender[Any], list[T]], int]


def burst_limit(size: int) -> int:
    """Return how many values of frames of this size make a burst."""
    return max(1, min(BURST, _BURST_BYTES // (size or 1)))


def newest_alone(sender: Sender[Any], burst: list[T]) -> int:
    """Hand over the newest value alone; return how many values gave way to it."""
    return len(burst) - 1 + sender.replace(burst[-1:])


class Handover(Generic[T]):
    """Gathers values and hands them over; belongs to the receiver's thread.

    Args:
        conflate: how what the graph has not taken gives way to the newest, if it does.
        show_life: called whenever something is handed over, and while the graph takes nothing.

    Attributes:
        burst: what has not been handed over yet; another list each time.
        sent_at: when the frames of this burst were sent, as far as they tell, ns.
        received: how many values were handed over, those that gave way included.
        bytes: of the frames that they were in.
        conflated: how many gave way.
    """

    def __init__(self, conflate: Conflate[T] | None, show_life: Callable[[], None]) -> None:
        self.burst: list[T] = []
        self.sent_at: list[int] = []
        self.received = self.bytes = self.conflated = 0
        self._bytes_before = 0
        self._conflate = conflate
        self._show_life = show_life
        self._latencies = Histogram()

    def begin(self, sender: Sender[Any]) -> None:
        """Note the way into the graph."""
        self._sender = sender

    def latency(self) -> Latency:
        """Return how long frames took; from any thread."""
        return self._latencies.latency()

    def take(self, payloads: Sequence[Any], size: int, value_of: Callable[[Any], T] | None) -> None:
        """Take the values of a frame of this size; without `value_of` they are ready as they are.

        They stay together, unless they are more than a burst.
        """
        if not payloads:
            return
        self.bytes += size
        limit = burst_limit(size // len(payloads))
        if len(self.burst) + len(payloads) > limit:
            self.flush()
        for begin in range(0, len(payloads), limit):
            part = payloads[begin : begin + limit] if len(payloads) > limit else payloads
            self.burst.extend(part if value_of is None else map(value_of, part))
            if len(self.burst) >= limit:
                self.flush()

    def flush(self) -> None:
        """Hand over what there is."""
        if self.burst:
            burst, self.burst = self.burst, []
            self.received += len(burst)
            now = time.time_ns()
            if self._conflate is not None:
                self._show_life()
                self.conflated += self._conflate(self._sender, burst)
            else:
                heavy = (self.bytes - self._bytes_before) // _HEAVY
                self._bytes_before = self.bytes
                self.send(burst, max(len(burst), heavy))
            self._latencies.add(self.sent_at, now)
            self.sent_at.clear()

    def send(self, value: object, size: int) -> None:
        """Give the graph something that counts for so many values in its inbox."""
        self._show_life()
        while not self._sender.wait_for_room(_POLL):
            self._show_life()
        self._sender.send(value, size=size)
