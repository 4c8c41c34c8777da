"""`zmq_sub` and its nodes: a receiver, and the two streams that it is split into."""

import math
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, overload

from graphcore import (
    Active,
    GraphState,
    InvalidTypeError,
    InvalidValueError,
    MutableNode,
    ReceiverStream,
    node,
)
from graphcore.polling import Receive, Waker
from graphcore.sources.events import Delivery
from graphcore.sources.receiver import Sender
from graphcore.sources.retrying import Link
from graphcore.stream import Stream
from graphcore_zmq.codec.codec import Codec, check_codec, msgpack
from graphcore_zmq.config import SocketOptions, ZmqSubConfig, check_options
from graphcore_zmq.read.connector import Target
from graphcore_zmq.read.inline import InlineReader
from graphcore_zmq.read.locate import Missing
from graphcore_zmq.read.reader import Reader
from graphcore_zmq.read.topics import Topics
from graphcore_zmq.registry import ZmqRegistry
from graphcore_zmq.socket.security import CurveClient, check_client
from graphcore_zmq.socket.sockets import refuse_historical
from graphcore_zmq.stats.status import OnEnd, SubscriberStats, ZmqStatus

T = TypeVar("T")

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    # Without `codec=` nothing tells the type.
    Decoded = TypeVarWithDefault("Decoded", default=Any)


class ZmqReceiver(ReceiverStream[Any]):
    """Ticks with a burst (a list) or a status, in the order in which they came.

    Args:
        target: what it subscribes to.
        make: makes the reader of each run.
        receive: which thread reads; `None` is as the run says.
    """

    operator = "zmq_sub"

    def __init__(self, target: Target, make: Callable[[], Reader], receive: Receive | None) -> None:
        self._make = make
        self.target = target
        self._receive_in = receive
        self.reader = make()
        super().__init__(self._run, Delivery.EACH)

    def start(self, state: GraphState) -> None:
        self._thread = None
        self._inline: InlineReader | None = None
        self._waker: Waker | None = None
        refuse_historical(state)
        self.reader = self._make()
        self.reader.find(lambda: state.stopping)
        if (self._receive_in or state.receive) is Receive.THREAD:
            self._waker = Waker()
            super().start(state)
        else:
            self._inline = InlineReader(self.reader, self.begin(state, math.inf), self.capacity)
            state.poll(self._inline)

    def stop(self, state: GraphState) -> None:
        if self._inline is not None:
            state.end_poll(self._inline)
            self._inline.close()
            self.end()
        elif self._waker is not None:
            try:
                self._waker.ring()
                super().stop(state)
            finally:
                self._waker.close()

    def simulated(self, values: list[Any]) -> list[Any]:
        """Return the bursts in which values arrive."""
        return [values] if values else []

    def simulated_link(self) -> Link:
        """Return the statuses that come with an outage."""
        return Link(self, [ZmqStatus.CONNECTED], [ZmqStatus.DISCONNECTED], [ZmqStatus.GAP])

    def _run(self, sender: Sender[Any], stop: threading.Event) -> None:
        assert self._waker is not None
        self.reader.run(self._waker, sender, stop)


@node
class ZmqData(MutableNode[list[T]], Generic[T]):
    """Ticks with each burst."""

    operator = "zmq_sub_data"
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

    operator = "zmq_sub_status"
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
        data: bursts of values in the order in which they came, at most 4,096 in a burst.
        status: `CONNECTED` and `DISCONNECTED` on transitions, `GAP` where frames were lost,
            `REFUSED` when the publisher does not let this subscriber in.
    """

    data: Stream[list[T]]
    status: Stream[ZmqStatus]

    def stats(self) -> SubscriberStats:
        """Return what the subscriber has done in this run; from any thread."""
        status: Any = self.status.node
        stats: SubscriberStats = status.receiver.reader.stats()
        return stats


@overload
def zmq_sub(
    source: ZmqSubConfig | str | int | tuple[str, ZmqRegistry],
    *,
    codec: "Codec[Decoded]" = msgpack,
    topics: None = None,
    on_end: str | None = None,
    missing: str = Missing.WAIT,
    conflate: bool = False,
    receive: str | None = None,
    options: SocketOptions | None = None,
    security: CurveClient | None = None,
) -> "ZmqSubscription[Decoded]": ...


@overload
def zmq_sub(
    source: ZmqSubConfig | str | int | tuple[str, ZmqRegistry],
    *,
    codec: "Codec[Decoded]" = msgpack,
    topics: Sequence[str],
    on_end: str | None = None,
    missing: str = Missing.WAIT,
    conflate: bool = False,
    receive: str | None = None,
    options: SocketOptions | None = None,
    security: CurveClient | None = None,
) -> "ZmqSubscription[tuple[str, Decoded]]": ...


def zmq_sub(
    source: ZmqSubConfig | str | int | tuple[str, ZmqRegistry],
    *,
    codec: Codec[Any] = msgpack,
    topics: Sequence[str] | None = None,
    on_end: str | None = None,
    missing: str = Missing.WAIT,
    conflate: bool = False,
    receive: str | None = None,
    options: SocketOptions | None = None,
    security: CurveClient | None = None,
) -> ZmqSubscription[Any]:
    """Subscribe to a publisher; real-time runs only.

    The subscriber connects and reconnects by itself. Each status comes in a cycle of its own,
    after the data that was received before it.

    A name is followed: when its publisher moves, the subscriber first reads what the old address
    has sent, then `status` ticks `DISCONNECTED` and, at the new address, `CONNECTED`. If the name
    vanishes, or its address becomes invalid, the present connection stays until it is lost.

    Args:
        source: an address (``"tcp://host:5556"``), a port on this host, or ``(name, registry)``.
        codec: turns payloads into values; ``msgpack(Quote)`` decodes to a type.
        topics: the topics to receive from a publisher with topics; `data` then ticks with bursts
            of ``(topic, value)`` pairs. The publisher sends nothing else.
        on_end: what to do when the publisher ends normally: ``"close"`` ends the source,
            ``"follow"`` waits for a successor. The default is `close` for an address and `follow`
            for a name.
        missing: what to do when nobody has registered the name at the start: ``"wait"`` waits and
            logs a line every 10 s, ``"error"`` fails.
        conflate: where the graph is slower than the publisher, hand over only the newest value: a
            value that the graph has not taken is replaced by the next. Every status is delivered.
        receive: which thread reads: ``"thread"`` is one of its own, ``"inline"`` the graph's,
            which reads between two cycles. Inline, a value is in the graph sooner, and a long
            cycle delays the others. By default as ``run(receive=...)`` says.
        options: of the socket.
        security: ``Curve.client(...)``, for a publisher with ``Curve.server(...)``.

    Returns:
        ``(data, status)``, with `stats()`.

    Raises:
        InvalidTypeError, InvalidValueError: at wiring, for an invalid argument.
        RunError: in `start` of a historical run.
        NameNotFoundError: in `start`, with ``missing="error"``, if nobody has registered the name.
        RegistryError: in `start`, with ``missing="error"``, if the registry cannot be asked or
            holds an invalid address; a registry that is not graphcore's may raise another error.
        WireError, CodecError: for a frame or payload that does not decode, with the publisher's
            address and the frame's first bytes. It aborts the run.
    """
    config = ZmqSubConfig.of(source)
    if on_end is None:
        on_end = OnEnd.FOLLOW if config.address is None else OnEnd.CLOSE
    elif on_end not in list(OnEnd):
        raise InvalidValueError(f'on_end is "close" or "follow", not {on_end!r}')
    if missing not in list(Missing):
        raise InvalidValueError(f'missing is "wait" or "error", not {missing!r}')
    if not isinstance(conflate, bool):
        raise InvalidTypeError(f"conflate is True or False, not {conflate!r}")
    if receive not in (None, *Receive):
        raise InvalidValueError(f'receive is "thread" or "inline", not {receive!r}')
    target = Target(
        config,
        OnEnd(on_end),
        Missing(missing),
        check_options(options),
        check_client(security),
        None if topics is None else Topics(topics),
    )
    make = partial(Reader, target, check_codec(codec), conflate)
    receiver = ZmqReceiver(target, make, None if receive is None else Receive(receive))
    return ZmqSubscription(Stream(ZmqData(receiver)), Stream(ZmqStatusNode(receiver)))
