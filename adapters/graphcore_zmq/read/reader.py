"""The thread of a subscriber: reads its publisher's frames and hands them over in whole bursts."""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import zmq

from graphcore import Stopped
from graphcore.sources.receiver import Sender
from graphcore_zmq.codec.codec import Codec, RawCodec, SelfDelimitingCodec
from graphcore_zmq.read.bursts import BURST, Handover, burst_limit, newest_alone
from graphcore_zmq.read.connector import POLL, Connector, Ended, Target
from graphcore_zmq.read.sequence import Arrival, Sequence
from graphcore_zmq.read.topics import newest_of_each
from graphcore_zmq.socket.sockets import Socket
from graphcore_zmq.stats.stats_log import StatsLog
from graphcore_zmq.stats.status import SubscriberStats, ZmqStatus
from graphcore_zmq.wire.frames import (
    BurstsAlike,
    Tag,
    Trailer,
    Unpack,
    WireError,
    bare_value_layout,
    origin_of,
    read_frame,
    value_layout,
)

_logger = logging.getLogger(__name__)

_ALONE = 500e-6  # s; after a longer wait, a frame rarely has others right after it
_SHOWN = 32  # bytes of a frame in an error

# The size of a frame, and how to unpack a frame of this size if it holds one value.
Shape = tuple[int, Unpack, bytes]


def no_layout(frame: bytes) -> tuple[bytes, bytes, bytes, int, int]:
    """Unpack a frame that is too small for a value: its head is not the empty one beside it."""
    return frame, b"", b"", 0, 0


class Reader:
    """Serves one run; belongs to the thread that calls `run`.

    Args:
        target: what to connect to, and how.
        codec: turns payloads into values.
        conflate: whether a value that the graph has not taken is replaced by the next.
    """

    def __init__(self, target: Target, codec: Codec[Any], conflate: bool) -> None:
        # A payload of `raw` is its value, which saves a call for each frame.
        self._decode = None if isinstance(codec, RawCodec) else codec.decode
        self._options = target.options
        self._topics = target.topics
        read = partial(read_frame, max_burst=target.options.max_burst)
        if isinstance(codec, SelfDelimitingCodec):
            self._layout = bare_value_layout
            self._read_frame = partial(read, read=codec.read, least=codec.least)
            self._value_of: Callable[[Any], Any] = lambda value: value
        else:
            self._layout = value_layout
            self._read_frame = read
            self._value_of = codec.decode
        # `read_frame` returns the values of these codecs as they are wanted.
        self._as_they_are = isinstance(codec, RawCodec | SelfDelimitingCodec)
        newest = newest_alone if target.topics is None else newest_of_each
        self._out: Handover[Any] = Handover(newest if conflate else None)
        self._connector = Connector(target, self._out)
        self._lost = 0
        self._instance: int | None = None
        # By topic; `None` for a publisher without topics.
        self._sequences: dict[str | None, Sequence] = {}
        self._shape: Shape = (0, no_layout, b"")
        self._alike: BurstsAlike | None = None
        self._burst_size = 0

    def find(self, stopping: Callable[[], bool]) -> None:
        """Find the publisher before the run begins, if it must be there; see `Connector.find`."""
        self._connector.find(stopping)

    def stats(self) -> SubscriberStats:
        """Return what has been done in this run; from any thread."""
        out = self._out
        return SubscriberStats(
            out.received,
            out.bytes,
            self._lost,
            out.conflated,
            int(self._connector.connected),
            out.latency(),
        )

    def run(self, sender: Sender[Any], stop: threading.Event) -> None:
        """Receive until the run ends, or the publisher does."""
        connector = self._connector
        self._out.begin(sender, connector.show_life)
        connector.open()
        try:
            self._receive(stop)
        except Ended:
            _logger.info("%s: the publisher has ended", connector.address)
        finally:
            _logger.info("%s: %s", connector.address, self.stats())
            connector.close()

    def _receive(self, stop: threading.Event) -> None:
        connector = self._connector
        log = StatsLog(lambda: f"{connector.address}: {self.stats()}", self._options.stats_interval)
        while not stop.is_set():
            link = connector.follow()
            if link is None:
                stop.wait(POLL / 1000)
                continue
            waited = connector.wait(link)
            if link.refused:
                continue
            if waited > _ALONE:
                # The graph gets this frame before the reader looks for more.
                self._drain(link.socket, 1)
            if self._drain(link.socket, BURST):
                connector.report_events()
            connector.look_after(link)
            log.look()

    def _drain(self, socket: Socket, most: int) -> bool:
        """Read frames that wait in the data socket; return whether it is empty.

        Args:
            socket: the data socket.
            most: how many values to read at most.
        """
        receive, decode, flags = socket.recv, self._decode, zmq.NOBLOCK
        out, connector, topics = self._out, self._connector, self._topics
        burst, sent_at, received_bytes = out.burst, out.sent_at, 0
        topic, sequence, followed = None, self._sequence_of(None), connector.origin
        size, unpack, value_head = self._shape
        limit = min(most, burst_limit(size))
        emptied = False
        try:
            while len(burst) < limit:
                frame = receive(flags)
                if topics is not None:
                    topic, frame = topics.receive_rest(socket, frame)
                    sequence = self._sequence_of(topic)
                # The next value of the same publisher is unpacked here, by a layout for frames of
                # its size. `_take` takes every other frame.
                if len(frame) != size:
                    size, unpack, value_head = self._shape = self._shape_of(frame)
                    limit = min(most, burst_limit(size))
                head, payload, origin, number, sent = unpack(frame)
                if number == sequence.expected and head == value_head and origin == followed:
                    sequence.expected = number + 1
                    value = payload if decode is None else decode(payload)
                    burst.append(value if topic is None else (topic, value))
                    received_bytes += size
                    sent_at.append(sent)
                else:
                    self._take(topic, sequence, frame)
                    burst, followed = out.burst, connector.origin
        except zmq.Again:
            emptied = True
        except (zmq.ZMQError, Stopped, Ended):
            raise
        except Exception as error:  # the frame is malformed, or a codec raises
            out.flush()
            note = f"from {connector.address}; the frame begins {frame[:_SHOWN]!r}"
            if topics is None and socket.get(zmq.RCVMORE):
                told = WireError("this publisher has topics: name some with topics=[...]")
                told.add_note(note)
                raise told from error
            error.add_note(note)
            raise
        finally:
            out.bytes += received_bytes
        out.flush()
        return emptied

    def _sequence_of(self, topic: str | None) -> Sequence:
        sequence = self._sequences.get(topic)
        if sequence is None:
            # Frames that a known publisher sent before its first one here are not missing.
            sequence = self._sequences[topic] = Sequence(self._instance)
        return sequence

    def _shape_of(self, frame: bytes) -> Shape:
        size = len(frame)
        return size, *(self._layout(size) or (no_layout, b""))

    def _take(self, topic: str | None, sequence: Sequence, frame: bytes) -> None:
        """Take a frame that is not the next single value of the publisher."""
        alike = self._alike
        if alike is not None and len(frame) == alike.size:
            taken = alike.take(frame, self._connector.origin, sequence.expected)
            if taken is not None:
                sequence.expected += 1
                self._hand_over(topic, taken[0], taken[1], len(frame))
                return
        if not self._connector.connected:
            self._connector.report_break()
        tag, payloads, trailer = self._read_frame(frame)
        if trailer is not None and not self._is_new(topic, sequence, tag, trailer):
            return
        self._hand_over(topic, payloads, None if trailer is None else trailer.time, len(frame))
        if tag is Tag.HISTORICAL_VALUE:
            self._expect_alike(payloads, len(frame))
        elif tag is Tag.END_OF_STREAM:
            self._connector.take_end(topic, signing=trailer is not None)

    def _hand_over(
        self, topic: str | None, payloads: list[Any], sent: int | None, size: int
    ) -> None:
        if payloads and sent is not None:
            self._out.sent_at.append(sent)
        value_of = self._value_of
        if topic is not None:
            self._out.take(payloads, size, lambda payload: (topic, value_of(payload)))
        else:
            self._out.take(payloads, size, None if self._as_they_are else value_of)

    def _expect_alike(self, payloads: list[Any], size: int) -> None:
        """Prepare for more bursts like this one, once two bursts of one size have come in a row."""
        again, self._burst_size = size == self._burst_size, size
        few = 0 < len(payloads) <= BurstsAlike.MOST
        if again and few and self._layout is value_layout and len(set(map(len, payloads))) == 1:
            self._alike = BurstsAlike(payloads)

    def _is_new(self, topic: str | None, sequence: Sequence, tag: Tag, trailer: Trailer) -> bool:
        """Report what precedes a frame; return whether the frame is a new one."""
        connector = self._connector
        arrival = sequence.accept(tag, trailer)
        if arrival is Arrival.NEW_PUBLISHER:
            connector.report_new_publisher()
            self._instance = trailer.instance
            self._sequences.clear()
            self._sequences[topic] = sequence
        elif arrival is Arrival.GAP:
            connector.report_break()
            self._lost += sequence.missing
            _logger.warning("%s: frames lost: %d", connector.address, sequence.missing)
            connector.tell(ZmqStatus.GAP)
        connector.origin = origin_of(trailer.instance)
        return arrival is not Arrival.DUPLICATE
