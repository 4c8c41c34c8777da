"""Takes frames from the data socket and hands their values over.

`Intake._take` reads any frame and decides what it means: it is the long way. Values and bursts that
are the publisher's next are taken in a faster way, by their layouts. The fast way takes a frame
only if the long way would do the same with it. All other frames go the long way, and so does a
frame whose payload does not decode, so that the long way raises the error.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from itertools import groupby, islice, repeat
from operator import itemgetter
from typing import Any

import zmq

from graphcore import Stopped
from graphcore_zmq.codec.codec import Codec, RawCodec, SelfDelimitingCodec, plain_decoder
from graphcore_zmq.read.bursts import BURST, BURST_BYTES, Handover
from graphcore_zmq.read.connector import Connector, Ended
from graphcore_zmq.read.sequence import Arrival, Sequence
from graphcore_zmq.read.topics import Topics
from graphcore_zmq.socket.sockets import Socket
from graphcore_zmq.stats.status import ZmqStatus
from graphcore_zmq.wire.frames import Read, Tag, Trailer, WireError, read_frame
from graphcore_zmq.wire.layouts import (
    BARE_VALUE,
    HEAD,
    TRAILER,
    VALUE,
    BurstLayouts,
    ValueLayouts,
    origin_of,
)

_logger = logging.getLogger(__name__)

_NOBLOCK = int(zmq.NOBLOCK)
_BATCH = 512  # messages
_BATCH_BYTES = 1 << 18  # so that a batch stays in the processor's cache
_LARGE = 512  # bytes; CPython leaves larger objects to malloc
_KEPT_BYTES = 1 << 22
_SHOWN = 32  # bytes of a frame in an error


@cache
def keep_freed_memory() -> None:
    """Make malloc keep a few megabytes that were freed, in place of returning them to the kernel.

    Each burst of large values is a megabyte that is soon freed. If its pages come from the kernel
    anew each time, a value of 64 kB takes twice as long. glibc keeps twice the size of the largest
    block that it got from the kernel for itself and that was freed, unless the environment says
    otherwise by MALLOC_TRIM_THRESHOLD_ and its like; see mallopt(3).
    """
    bytearray(_KEPT_BYTES)


class Intake:
    """Belongs to the thread that calls `drain`; serves one run.

    Args:
        connector: knows the publisher, and reports what happens to the connection.
        out: where the values go.
        codec: turns payloads into values.
        topics: what the subscriber names; `None` for a publisher without topics.
        max_burst: how many values a frame may hold.

    Attributes:
        lost: how many frames the publisher sent that never arrived.
    """

    def __init__(
        self,
        connector: Connector,
        out: Handover[Any],
        codec: Codec[Any],
        topics: Topics | None,
        max_burst: int,
    ) -> None:
        self.lost = 0
        self._connector = connector
        self._out = out
        self._topics = topics
        self._max_burst = max_burst
        read = partial(read_frame, max_burst=max_burst)
        # Makes a value of a payload; `None` if the payloads are the values.
        self._value_of: Callable[[Any], Any] | None = None
        if isinstance(codec, SelfDelimitingCodec):
            self._read: Read | None = codec.read
            self._read_frame = partial(read, read=codec.read, least=codec.least)
            self._take_values = self._take_bare_values
        else:
            self._read = None
            self._read_frame = read
            self._take_values = self._take_values_with_lengths
            if not isinstance(codec, RawCodec):
                self._value_of = codec.decode
        self._decode = None if self._value_of is None else plain_decoder(codec)
        self._instance: int | None = None
        # By topic; `None` for a publisher without topics.
        self._sequences: dict[str | None, Sequence] = {}
        self._values = ValueLayouts()
        self._bursts = BurstLayouts()
        self._reading = b""

    def drain(self, socket: Socket, most: int) -> bool:
        """Take frames that wait in the data socket; return whether it is empty.

        It does not wait for frames. It waits for the graph while the graph's inbox is full.

        Args:
            socket: the data socket.
            most: how many values to take at most, from 1 to `BURST`. A frame is not split.

        Raises:
            Ended: if the publisher has ended, and the source ends with it.
            Stopped: once the run has ended.
            WireError, CodecError: for a frame or a payload that does not decode, with a note.
        """
        out, receive = self._out, socket.recv
        take, parts = (
            (self._take_messages, 2) if self._topics else (partial(self._take_run, None), 1)
        )
        # The size of the first message tells how many make a batch.
        batch, emptied = 1, False
        while not emptied and len(out.burst) < most and out.pending < BURST_BYTES:
            frames: list[bytes] = []
            try:
                # `extend` keeps the frames that were received before `recv` raises.
                frames.extend(map(receive, repeat(_NOBLOCK, batch * parts)))
            except zmq.Again:
                # After frames, more may come while they are taken; and what is then told of the
                # connection may follow those.
                emptied = not frames
            try:
                take(frames)
            except (zmq.ZMQError, Stopped, Ended):
                raise
            except Exception as error:  # a frame is malformed, or a codec raises
                out.flush()
                self._tell(error, has_more=len(frames) == 1 and bool(socket.get(zmq.RCVMORE)))
                raise
            if frames:
                size = len(frames[-1])
                if size > _LARGE:
                    keep_freed_memory()
                batch = max(1, min(_BATCH, most - len(out.burst), _BATCH_BYTES // (size + 1)))
        out.flush()
        return emptied

    def _tell(self, error: Exception, has_more: bool) -> None:
        """Add a note to an error of the frame that was read last."""
        note = f"from {self._connector.address}; the frame begins {self._reading[:_SHOWN]!r}"
        if self._topics is None and has_more:
            told = WireError("this publisher has topics: name some with topics=[...]")
            told.add_note(note)
            raise told from error
        error.add_note(note)

    def _take_messages(self, parts: list[bytes]) -> None:
        """Take messages of two frames each, the topic and the values.

        Whether a message has other parts is not asked of the socket, which takes longer than to
        receive them. It shows in the next part: no topic is a valid frame, since a tag has three
        zero bytes and a topic one.
        """
        assert self._topics is not None
        for topic, run in groupby(zip(parts[::2], parts[1::2], strict=False), itemgetter(0)):
            self._reading = topic
            self._take_run(self._topics.name(topic), [frame for _, frame in run])
        if len(parts) % 2:
            self._reading = parts[-1]
            self._topics.refuse()

    def _take_run(self, topic: str | None, frames: list[bytes]) -> None:
        """Take frames that follow one another under one topic."""
        sequence, at, count = self._sequence_of(topic), 0, len(frames)
        while at < count:
            took = self._take_values(sequence, frames, at)
            if took and topic is not None:
                burst = self._out.burst
                burst[-took:] = [(topic, value) for value in burst[-took:]]
            at += took
            bursts = self._take_bursts(topic, sequence, frames, at)
            at += bursts
            if not took and not bursts:
                self._reading = frames[at]
                self._take(topic, sequence, frames[at])
                at += 1

    def _sequence_of(self, topic: str | None) -> Sequence:
        sequence = self._sequences.get(topic)
        if sequence is None:
            # Frames that a known publisher sent before its first one here are not missing.
            sequence = self._sequences[topic] = Sequence(self._instance)
        return sequence

    # The fast way

    def _take_values_with_lengths(self, sequence: Sequence, frames: list[bytes], at: int) -> int:
        """Take the frames from `at` on that hold the next values; return how many they are."""
        out, connector = self._out, self._connector
        if not connector.connected:
            return 0
        if len(out.burst) + len(frames) - at > BURST:
            out.flush()
        before = len(out.burst)
        # A payload that does not decode is left to the long way.
        with suppress(Exception):
            if connector.origin:
                self._take_sealed_values(sequence, frames, at)
            if len(out.burst) == before:
                self._take_plain_values(frames, at)
        return len(out.burst) - before

    def _take_sealed_values(self, sequence: Sequence, frames: list[bytes], at: int) -> None:
        out, decode, layouts, followed = (
            self._out,
            self._decode,
            self._values,
            self._connector.origin,
        )
        burst, sent_at, size, received = out.burst, out.sent_at, -1, 0
        try:
            for frame in islice(frames, at, None):
                if len(frame) != size:
                    size = len(frame)
                    unpack, value_head = layouts[size]
                head, payload, origin, number, sent = unpack(frame)
                if number != sequence.expected or head != value_head or origin != followed:
                    break
                burst.append(payload if decode is None else decode(payload))
                sent_at.append(sent)
                received += size
                sequence.expected = number + 1
        finally:
            out.bytes += received

    def _take_plain_values(self, frames: list[bytes], at: int) -> None:
        """Take frames that end with their value, so have no trailer, whatever their last bytes."""
        out, decode, head_of, begin = self._out, self._decode, HEAD.unpack_from, HEAD.size
        burst, received = out.burst, 0
        try:
            for frame in islice(frames, at, None):
                size = len(frame)
                tag, length = head_of(frame)
                if tag != VALUE or length != size - begin:
                    break
                payload = frame[begin:]
                burst.append(payload if decode is None else decode(payload))
                received += size
        finally:
            out.bytes += received

    def _take_bare_values(self, sequence: Sequence, frames: list[bytes], at: int) -> int:
        """Do the same for values without a length before them."""
        out, connector, read = self._out, self._connector, self._read
        assert read is not None
        if not connector.connected:
            return 0
        if len(out.burst) + len(frames) - at > BURST:
            out.flush()
        burst, followed = out.burst, connector.origin
        before = len(burst)
        with suppress(Exception):
            for frame in islice(frames, at, None):
                if not frame.startswith(BARE_VALUE):
                    break
                value, end = read(frame, len(BARE_VALUE))
                if end != len(frame):
                    origin, number, sent = TRAILER.unpack_from(frame, end)
                    if number != sequence.expected or origin != followed:
                        break
                    sequence.expected = number + 1
                    out.sent_at.append(sent)
                burst.append(value)
                out.bytes += len(frame)
        return len(burst) - before

    def _take_bursts(
        self, topic: str | None, sequence: Sequence, frames: list[bytes], at: int
    ) -> int:
        """Take the frames from `at` on that hold the next bursts; return how many they are."""
        out, connector, decode, layouts = self._out, self._connector, self._decode, self._bursts
        if not connector.connected or self._read is not None:
            return 0
        taken, followed = 0, connector.origin
        values: Any
        for frame in islice(frames, at, None):
            # A frame that is no burst, or whose payload does not decode, is left to the long way.
            try:
                payloads, end = layouts.read(frame, self._max_burst)
                if end != len(frame):
                    origin, number, sent = TRAILER.unpack_from(frame, end)
                    if number != sequence.expected or origin != followed:
                        break
                values = payloads if decode is None else list(map(decode, payloads))
            except Exception:
                break
            if end != len(frame):
                sequence.expected = number + 1
                if values:
                    out.sent_at.append(sent)
            if topic is not None:
                values = [(topic, value) for value in values]
            out.take(values, len(frame), None)
            taken += 1
        return taken

    # The long way

    def _take(self, topic: str | None, sequence: Sequence, frame: bytes) -> None:
        """Take any frame."""
        connector, out, value_of = self._connector, self._out, self._value_of
        if not connector.connected:
            connector.report_break()
        tag, payloads, trailer = self._read_frame(frame)
        if trailer is not None:
            if not self._is_new(topic, sequence, tag, trailer):
                return
            if payloads:
                out.sent_at.append(trailer.time)
        if topic is None:
            out.take(payloads, len(frame), value_of)
        elif value_of is None:
            out.take([(topic, payload) for payload in payloads], len(frame), None)
        else:
            out.take(payloads, len(frame), lambda payload: (topic, value_of(payload)))
        if tag is Tag.END_OF_STREAM:
            connector.take_end(topic, signing=trailer is not None)

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
            self.lost += sequence.missing
            _logger.warning("%s: frames lost: %d", connector.address, sequence.missing)
            connector.tell(ZmqStatus.GAP)
        connector.origin = origin_of(trailer.instance)
        return arrival is not Arrival.DUPLICATE
