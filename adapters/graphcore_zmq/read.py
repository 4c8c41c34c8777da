"""The subscriber: a thread polls the data socket and its monitor, and hands over whole bursts.

libzmq reports a connection's end ahead of the data that still waits in the socket. So what the
monitor says is told only when the data socket is empty, or when a frame shows that it comes from
behind the break: its trailer has another instance, or a sequence with a jump.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar, cast

import zmq

from graphcore import (
    Active,
    GraphState,
    InvalidValueError,
    MutableNode,
    ReceiverStream,
    Stopped,
    node,
)
from graphcore.sources.events import Delivery
from graphcore.sources.receiver import Sender
from graphcore.stream import Stream
from graphcore_zmq.codec import Codec, SelfDelimitingCodec, check_codec, msgpack
from graphcore_zmq.config import SocketOptions, ZmqSubConfig, check_address, check_options
from graphcore_zmq.peers import ALIVE, DONE, SIGNING
from graphcore_zmq.registry import ZmqRegistry
from graphcore_zmq.sockets import Monitor, Socket, refuse_historical, set_options
from graphcore_zmq.wire import (
    Tag,
    Trailer,
    Unpack,
    bare_value_layout,
    origin_of,
    read_frame,
    value_layout,
)

T = TypeVar("T")

_logger = logging.getLogger(__name__)

_POLL = 100  # ms between two looks at `stop`
_BURST = 4_096
_BURST_BYTES = 1 << 22  # where frames are large, a burst is handed over before it has so many
_HEAVY = 1_024  # bytes of a value above which it counts as several in the graph's inbox
_SHOWN = 32
_SUBSCRIBE = b"\1"


def _no_layout(frame: bytes) -> tuple[bytes, bytes, bytes, int]:
    return b"", b"", b"", -1


def _burst_limit(size: int) -> int:
    """Return how many values of frames of this size make a burst."""
    return max(1, min(_BURST, _BURST_BYTES // (size or 1)))


class ZmqStatus(StrEnum):
    """What a subscriber's `status` ticks with."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    GAP = "gap"


class OnEnd(StrEnum):
    """What a subscriber does when its publisher says that nothing more will come."""

    CLOSE = "close"
    FOLLOW = "follow"


@dataclass(frozen=True, slots=True)
class SubscriberStats:
    """What a subscriber has done in this run.

    Attributes:
        received: values received.
        bytes: size of the frames they came in.
        lost: frames that the publisher sent and that never came.
        peers: connections now, 0 or 1.
    """

    received: int = 0
    bytes: int = 0
    lost: int = 0
    peers: int = 0


class _Ended(Exception):
    """The publisher has said that nothing more will come, and the source ends with it."""


class Subscriber(Generic[T]):
    """What the receiver's thread runs.

    Args:
        config: where the publisher is.
        codec: turns payloads into values.
        on_end: what to do at EndOfStream.
        options: of the socket.
    """

    def __init__(
        self, config: ZmqSubConfig, codec: Codec[T], on_end: OnEnd, options: SocketOptions
    ) -> None:
        self.config = config
        self.codec = codec
        if isinstance(codec, SelfDelimitingCodec):
            self._layout = bare_value_layout
            self._take_apart = partial(read_frame, read=codec.read, least=codec.least)
            self._value_of: Callable[[Any], T] = lambda value: value
        else:
            self._layout = value_layout
            self._take_apart = partial(read_frame)
            self._value_of = codec.decode
        self.on_end = on_end
        self.options = options
        self.reset()

    def reset(self) -> None:
        """Forget the last run."""
        self.address = self.config.address or ""
        self._received = self._bytes = self._lost = self._bytes_before = 0
        self._connected = False
        self._instance: int | None = None
        self._origin = b""
        self._expected = self._expected_at_connect = 0
        self._signs_at: float | None = None
        self._events: deque[bool] = deque()
        self._burst: list[T] = []

    def stats(self) -> SubscriberStats:
        """Return what has been done in this run; from any thread."""
        return SubscriberStats(self._received, self._bytes, self._lost, int(self._connected))

    def run(self, sender: Sender[Any], stop: threading.Event) -> None:
        """Receive until the run ends, or the publisher does."""
        if self.config.registry is not None and self.config.name is not None:
            self.address = check_address(self.config.registry.lookup(self.config.name))
        self._sender = sender
        context: zmq.Context[Socket] = zmq.Context()
        try:
            # Of the two kinds of subscribers, the one that can send signs of life.
            self._socket = socket = context.socket(zmq.XSUB)
            set_options(socket, self.options, self.address)
            socket.set(zmq.RCVHWM, self.options.receive_high_water_mark)
            socket.send(_SUBSCRIBE)
            if self.options.heartbeat_interval:
                socket.send(_SUBSCRIBE + SIGNING)
            self._monitor = Monitor(socket)
            socket.connect(self.address)
            self._receive(socket, stop)
        except _Ended:
            _logger.info("%s: the publisher has ended", self.address)
        finally:
            self._connected = False
            context.destroy(linger=0)

    def _receive(self, socket: Socket, stop: threading.Event) -> None:
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(self._monitor.socket, zmq.POLLIN)
        while not stop.is_set():
            poller.poll(_POLL)
            self._events.extend(self._monitor.read())
            if not self._connected:
                self._tell_events()
            self._drain(socket, stop)
            self._tell_events()
            self._show_life()

    def _drain(self, socket: Socket, stop: threading.Event) -> None:
        """Take all that waits in the data socket."""
        receive, decode, flags = socket.recv, self.codec.decode, zmq.NOBLOCK
        burst, expected, received_bytes = self._burst, self._expected, 0
        size, limit, unpack, value_head = 0, _BURST, cast(Unpack, _no_layout), b""
        try:
            while True:
                frame = receive(flags)
                # The next value of the publisher that is followed is taken apart here, by a
                # layout for its size; whatever is not that goes the long way.
                if len(frame) != size:
                    size = len(frame)
                    limit = _burst_limit(size)
                    unpack, value_head = self._layout(size) or (_no_layout, b"")
                head, payload, origin, sequence = unpack(frame)
                if sequence == expected and head == value_head and origin == self._origin:
                    expected += 1
                    burst.append(decode(payload))
                    received_bytes += size
                    if len(burst) < limit:
                        continue
                    self._expected = expected
                    self._bytes += received_bytes
                    received_bytes = 0
                    self._flush()
                    if stop.is_set():
                        return
                else:
                    self._expected = expected
                    self._take(frame)
                    expected = self._expected
                burst = self._burst
        except zmq.Again:
            pass  # nothing more waits
        except (zmq.ZMQError, Stopped, _Ended):
            raise
        except Exception as error:  # the frame's, or whatever a codec raises
            error.add_note(f"from {self.address}; the frame begins {frame[:_SHOWN]!r}")
            raise
        finally:
            self._bytes += received_bytes
        self._expected = expected
        self._flush()

    def _take(self, frame: bytes) -> None:
        """Take a frame that is not the next value of the publisher that is being followed."""
        tag, payloads, trailer = self._take_apart(frame)
        if trailer is not None and not self._continues(tag, trailer):
            return
        if payloads:
            self._bytes += len(frame)
        limit = _burst_limit(len(frame) // (len(payloads) or 1))
        for payload in payloads:
            self._burst.append(self._value_of(payload))
            if len(self._burst) >= limit:
                self._flush()
        if tag is Tag.END_OF_STREAM:
            self._signs_at = None
            if trailer is not None:
                self._sign(DONE)
            self._tell(ZmqStatus.DISCONNECTED)
            if self.on_end is OnEnd.CLOSE:
                raise _Ended

    def _continues(self, tag: Tag, trailer: Trailer) -> bool:
        """Follow the sequence: tell breaks and gaps; return whether the frame is a new one."""
        next_sequence = trailer.sequence + 1
        if trailer.instance != self._instance:
            self._break()
            if self._instance is not None and self._expected != self._expected_at_connect:
                # The monitor has told nothing of it since the last frame of the one before.
                self._tell(ZmqStatus.DISCONNECTED)
                self._tell(ZmqStatus.CONNECTED)
            self._instance = trailer.instance
            # Only a publisher that sends trailers is sent signs of life.
            self._signs_at = time.monotonic() if self.options.heartbeat_interval else None
            self._origin = origin_of(trailer.instance)
            self._expected = next_sequence
            return True
        first_missing = self._expected
        if tag is Tag.CHECK_POINT:
            first_missing, lost = next_sequence, next_sequence - first_missing
        else:
            lost = trailer.sequence - first_missing
        if lost > 0:
            self._break()
            self._lost += lost
            _logger.warning("%s: %d frames were lost", self.address, lost)
            self._tell(ZmqStatus.GAP)
        elif lost < 0:
            return False
        self._expected = max(self._expected, next_sequence)
        return True

    def _break(self) -> None:
        """Tell what the monitor knows of the break that the next frame comes from behind."""
        self._events.extend(self._monitor.read())
        self._tell_events()

    def _tell_events(self) -> None:
        while self._events:
            connected = self._events.popleft()
            self._tell(ZmqStatus.CONNECTED if connected else ZmqStatus.DISCONNECTED)

    def _tell(self, status: ZmqStatus) -> None:
        """Tell a transition, or a gap, in a cycle of its own behind the data before it."""
        if status is not ZmqStatus.GAP:
            connected = status is ZmqStatus.CONNECTED
            if connected == self._connected:
                return
            self._connected = connected
            self._expected_at_connect = self._expected
            _logger.info("%s: %s", self.address, status)
        self._flush()
        self._hand_over(status, 1)

    def _flush(self) -> None:
        if self._burst:
            burst, self._burst = self._burst, []
            self._received += len(burst)
            heavy = (self._bytes - self._bytes_before) // _HEAVY
            self._bytes_before = self._bytes
            self._hand_over(burst, max(len(burst), heavy))

    def _hand_over(self, value: object, size: int) -> None:
        """Give the graph something; while it takes nothing, show the publisher that one lives."""
        self._show_life()
        while not self._sender.wait_for_room(_POLL / 1000):
            self._show_life()
        self._sender.send(value, size=size)

    def _show_life(self) -> None:
        if self._signs_at is not None and self._connected and time.monotonic() >= self._signs_at:
            self._signs_at = time.monotonic() + self.options.heartbeat_interval / 1e9
            self._sign(ALIVE)

    def _sign(self, sign: bytes) -> None:
        try:
            self._socket.send(sign, zmq.NOBLOCK)
        except zmq.Again:
            _logger.debug("%s: no sign of life can be sent now", self.address)


class ZmqReceiver(ReceiverStream[Any]):
    """Ticks with a burst (a list) or a status, in the order in which they came."""

    def __init__(self, subscriber: Subscriber[Any]) -> None:
        super().__init__(subscriber.run, Delivery.EACH)
        self.subscriber = subscriber

    def start(self, state: GraphState) -> None:
        self._thread = None
        refuse_historical(state)
        self.subscriber.reset()
        super().start(state)


@node
class ZmqData(MutableNode[list[T]], Generic[T]):
    """Ticks with each burst."""

    receiver: Active[Any]

    def cycle(self, state: GraphState) -> bool:
        event = self.receiver.value
        if isinstance(event, ZmqStatus):
            return False
        self.value = event
        return True


@node
class ZmqStatusNode(MutableNode[ZmqStatus]):
    """Ticks with each status."""

    receiver: Active[Any]

    def cycle(self, state: GraphState) -> bool:
        event = self.receiver.value
        if not isinstance(event, ZmqStatus):
            return False
        self.value = event
        return True


class ZmqSubscription(NamedTuple, Generic[T]):
    """The two streams of a subscriber.

    Attributes:
        data: bursts of values in the order in which they came, at most 4,096 in one.
        status: `CONNECTED` and `DISCONNECTED` on transitions, `GAP` where frames were lost.
    """

    data: Stream[list[T]]
    status: Stream[ZmqStatus]

    def stats(self) -> SubscriberStats:
        """Return what the subscriber has done in this run; from any thread."""
        receiver: Any = self.status.node
        stats: SubscriberStats = receiver.receiver.subscriber.stats()
        return stats


def zmq_sub(
    source: ZmqSubConfig | str | int | tuple[str, ZmqRegistry],
    *,
    codec: Codec[T] = msgpack,
    on_end: str | None = None,
    options: SocketOptions | None = None,
) -> ZmqSubscription[T]:
    """Subscribe to a publisher; real-time runs only.

    The subscriber connects, and connects again, by itself. Each status comes in a cycle of its
    own, behind the data that was received before it.

    Args:
        source: an address (``"tcp://host:5556"``), a port on this host, ``(name, registry)``.
        codec: turns payloads into values; ``msgpack(Quote)`` decodes to a type.
        on_end: when the publisher ends in order, ``"close"`` ends the source and ``"follow"``
            waits for its successor; by default `close` for an address and `follow` for a name.
        options: of the socket.

    Returns:
        ``(data, status)``, with `stats()`.

    Raises:
        InvalidTypeError, InvalidValueError: at wiring, for what is no publisher.
        RunError: in `start` of a historical run.
        WireError, CodecError: for a frame or payload that does not decode, with the publisher's
            address and the frame's first bytes; it aborts the run.
    """
    config = ZmqSubConfig.of(source)
    if on_end is None:
        on_end = OnEnd.FOLLOW if config.address is None else OnEnd.CLOSE
    elif on_end not in list(OnEnd):
        raise InvalidValueError(f'on_end is "close" or "follow", not {on_end!r}')
    subscriber = Subscriber(config, check_codec(codec), OnEnd(on_end), check_options(options))
    receiver = ZmqReceiver(subscriber)
    return ZmqSubscription(Stream(ZmqData(receiver)), Stream(ZmqStatusNode(receiver)))
