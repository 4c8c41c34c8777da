"""`zmq_pub` and `zmq_pub_burst`: they check their arguments and return a handle."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypedDict, TypeVar, Unpack

from graphcore import Handle, InvalidTypeError, InvalidValueError, stream_operator
from graphcore.stream import Stream
from graphcore.time import Duration, to_duration
from graphcore_zmq.codec.codec import Codec, check_codec, msgpack
from graphcore_zmq.config import (
    SocketOptions,
    ZmqPubRegistration,
    check_address,
    check_options,
    check_port,
)
from graphcore_zmq.registry import ZmqRegistry
from graphcore_zmq.socket.security import CurveServer, check_server
from graphcore_zmq.stats.status import PublisherStats
from graphcore_zmq.wire.framing import Framing, Limits, Topic, check_topic, each_value, whole_bursts
from graphcore_zmq.write.binding import Binding, OnFull
from graphcore_zmq.write.sender import ZeroMqSenderNode

T = TypeVar("T")

_KEEP_COUNT = 1_000


class ZmqPublisher(Handle):
    """The handle of a publisher: a root for a graph, with its address and stats."""

    __slots__ = ()
    node: ZeroMqSenderNode

    def __init__(self, node: ZeroMqSenderNode) -> None:
        self.node = node

    @property
    def port(self) -> int:
        """The bound port, once the run has started."""
        return self.node.port

    @property
    def address(self) -> str:
        """The bound address, once the run has started."""
        return self.node.address

    def stats(self) -> PublisherStats:
        """Return what the publisher has done in this run; from any thread."""
        return self.node.stats()


class PublisherOptions(TypedDict, total=False):
    """The keywords that `zmq_pub` and `zmq_pub_burst` share; `zmq_pub` explains them."""

    bind: str
    advertise: str | None
    wait_for: int
    on_full: str
    keep_for: Duration
    keep_count: int | None
    last_value: bool
    options: SocketOptions | None
    security: CurveServer | None


@stream_operator
def zmq_pub(
    stream: Stream[T],
    port: int,
    registration: ZmqPubRegistration | tuple[str, ZmqRegistry] | tuple[()] | None = None,
    *,
    codec: Codec[T] = msgpack,
    topic: Topic[T] | None = None,
    bind: str = "0.0.0.0",
    advertise: str | None = None,
    wait_for: int = 0,
    on_full: str = "drop",
    keep_for: Duration = "500ms",
    keep_count: int | None = None,
    last_value: bool = False,
    options: SocketOptions | None = None,
    security: CurveServer | None = None,
) -> ZmqPublisher:
    """Publish a stream; real-time runs only.

    Values published before the first subscriber are kept, each for `keep_for` after its own cycle,
    and sent when somebody subscribes. At the end of the run, kept values get the rest of that time,
    and EndOfStream is sent unless the run failed.

    Args:
        stream: what to publish, a frame for each tick.
        port: TCP port; 0 takes a free one, which is `.port` once the run has started.
        registration: ``(name, registry)`` under which subscribers find this publisher.
        codec: turns values into bytes.
        topic: returns the topic of a value, as text; a subscriber receives the topics that it
            names. Only subscribers of graphcore can read messages with topics.
        bind: the interface, an address of this host; the default is all interfaces.
        advertise: the address to register; the default is the bound address, or this host's
            address if all interfaces are bound.
        wait_for: hold the first value, and with it the graph, until so many have subscribed.
        on_full: what to do when a subscriber's queue is full. ``"drop"`` drops frames for that
            subscriber, which counts them and ticks GAP. ``"block"`` makes the graph wait for the
            slowest subscriber, and until there is a subscriber at all.
        keep_for: how long a value waits for the first subscriber.
        keep_count: how many values (or bursts) wait at most; the default is 1,000, or the send
            high-water mark if that is lower.
        last_value: send each new subscriber, and no other, the last value (or burst) of each
            topic. This value waits for the first subscriber without a limit.
        options: of the socket.
        security: who may subscribe, ``Curve.server(...)``; by default everybody, unencrypted.

    Returns:
        A handle: a root for `Graph`, with `port`, `address` and `stats()`.

    Raises:
        InvalidTypeError, InvalidValueError: at wiring, for an invalid argument; in `cycle`, for an
            invalid topic.
        RunError: in `start`, in a historical run, if the address cannot be bound, or if libzmq
            lacks what `last_value` needs.
        CodecError: in `cycle`, for a value that the codec cannot encode, or that is too large for
            a frame.
    """
    return _publisher(
        stream,
        port,
        registration,
        partial(each_value, check_codec(codec), check_topic(topic)),
        topical=topic is not None,
        bind=bind,
        advertise=advertise,
        wait_for=wait_for,
        on_full=on_full,
        keep_for=keep_for,
        keep_count=keep_count,
        last_value=last_value,
        options=options,
        security=security,
    )


@stream_operator
def zmq_pub_burst(
    stream: Stream[list[T]],
    port: int,
    registration: ZmqPubRegistration | tuple[str, ZmqRegistry] | tuple[()] | None = None,
    *,
    codec: Codec[T] = msgpack,
    topic: Topic[T] | None = None,
    **options: Unpack[PublisherOptions],
) -> ZmqPublisher:
    """Publish a stream of bursts (lists), each as one frame, which subscribers get as one burst.

    A frame costs about the same whether it holds one value or a hundred, so this is the fast way to
    send many values. An empty burst is not sent. With topics, a burst is sent as a frame for each
    topic in it.

    Args:
        stream: what to publish; ticks with lists of values.
        port: as in `zmq_pub`.
        registration: as in `zmq_pub`.
        codec: turns each value into bytes.
        topic: returns the topic of a value.
        **options: as in `zmq_pub`.

    Returns:
        A handle, as from `zmq_pub`.

    Raises:
        InvalidTypeError: in `cycle`, for a tick that is not a list.
        Exception: whatever `zmq_pub` raises.
    """
    framing = partial(whole_bursts, check_codec(codec), check_topic(topic))
    return _publisher(stream, port, registration, framing, topical=topic is not None, **options)


def _publisher(
    stream: Stream[Any],
    port: int,
    registration: ZmqPubRegistration | tuple[str, ZmqRegistry] | tuple[()] | None,
    framing: Callable[[Limits], Framing],
    *,
    topical: bool,
    bind: str = "0.0.0.0",
    advertise: str | None = None,
    wait_for: int = 0,
    on_full: str = "drop",
    keep_for: Duration = "500ms",
    keep_count: int | None = None,
    last_value: bool = False,
    options: SocketOptions | None = None,
    security: CurveServer | None = None,
) -> ZmqPublisher:
    check_port(port)
    if not isinstance(bind, str) or not bind or "/" in bind:
        raise InvalidTypeError(f'bind is an address of this host such as "127.0.0.1", not {bind!r}')
    if isinstance(wait_for, bool) or not isinstance(wait_for, int) or wait_for < 0:
        raise InvalidValueError(f"wait_for is a number of subscribers, not {wait_for!r}")
    if on_full not in list(OnFull):
        raise InvalidValueError(f'on_full is "drop" or "block", not {on_full!r}')
    used = check_options(options)
    limit = used.send_high_water_mark
    if keep_count is None:
        keep_count = min(_KEEP_COUNT, limit or _KEEP_COUNT)
    if isinstance(keep_count, bool) or not isinstance(keep_count, int) or keep_count < 0:
        raise InvalidValueError(f"keep_count is a number of values, not {keep_count!r}")
    if limit and keep_count > limit:
        raise InvalidValueError(
            f"keep_count={keep_count} is more than a subscriber's queue holds ({limit}, the send "
            "high-water mark), so sending them would lose some"
        )
    kept_for = to_duration(keep_for)
    if kept_for < 0:
        raise InvalidValueError(f"a duration cannot be negative: {keep_for!r}")
    if not isinstance(last_value, bool):
        raise InvalidTypeError(f"last_value is True or False, not {last_value!r}")
    if advertise is not None:
        check_address(advertise)
    host = f"[{bind}]" if ":" in bind and not bind.startswith("[") else bind
    binding = Binding(
        f"tcp://{host}:{port}", OnFull(on_full), used, check_server(security), topical, last_value
    )
    entry = ZmqPubRegistration.of(registration)
    limited = framing(Limits(used.max_message_size, used.max_burst))
    return ZmqPublisher(
        ZeroMqSenderNode(stream, binding, entry, limited, advertise, wait_for, kept_for, keep_count)
    )
