"""Publishers for a worker. Each says its address, sends once all have subscribed, says what a frame
took it, and closes when it is told to.

What a frame took is the time, and the CPU time of the sending thread and of the whole process with
libzmq's threads, from the second frame to the last.
"""

import socket as networking
import time
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from time import perf_counter_ns, process_time_ns, thread_time_ns
from typing import Any

import zmq

import graphcore as gc
from benchmarks.wire.lines import QUIET, hear, say
from benchmarks.wire.payloads import payload
from benchmarks.wire.sockets import bound, end, envelope, frames, high_water_mark
from graphcore_zmq import SocketOptions, zmq_pub, zmq_pub_burst
from graphcore_zmq.wire.frames import Trailer, sealed

_FIRST = 1  # frames before the time is taken
_CONNECTING = 0.5  # s


class Spent:
    """What was spent between two moments."""

    def __init__(self) -> None:
        self._moments: list[tuple[int, int, int]] = []

    def take(self) -> None:
        self._moments.append((perf_counter_ns(), thread_time_ns(), process_time_ns()))

    def mark(self) -> Iterator[Any]:
        """Take the moment at which the consumer comes to this place; yield nothing."""
        self.take()
        yield from ()

    def around(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yield values and take both moments, at no cost for the values between them."""
        iterator = iter(values)
        return chain(islice(iterator, _FIRST), self.mark(), iterator, self.mark())

    def after(self, stream: gc.Stream[Any], count: int) -> tuple[gc.Handle, gc.Handle]:
        """Take both moments by nodes, which run after those that are wired before them."""
        first = stream.limit(_FIRST).for_each(lambda _: self.take())
        return first, stream.skip(count - 1).for_each(lambda _: self.take())

    def over(self, count: int) -> dict[str, float]:
        """Return what was spent for each of so many, ns."""
        spent = (after - before for before, after in zip(*self._moments, strict=True))
        return {
            name: each / (count - _FIRST)
            for name, each in zip(("time", "thread", "process"), spent, strict=True)
        }


def bare(
    kind: str,
    way: int,
    count: int,
    trailer: bool = False,
    transport: str = "tcp",
    subscribers: int = 1,
) -> None:
    """Send frames made beforehand as fast as the slowest subscriber takes them."""
    sent = payload(kind)
    keys = zmq.curve_keypair() if transport == "CURVE" else None
    socket, address = bound(transport, high_water_mark(sent, way), keys)
    made = frames(sent, way, count, trailer)
    say(address=address, key=keys and keys[0].decode())
    for _ in range(subscribers):
        _subscription(socket)
    spent = Spent()
    send = socket.send
    for frame in spent.around(made):
        send(frame)
    socket.send(end(count // way, trailer))
    say(**spent.over(count // way))
    hear()
    socket.close()


def by_hand(kind: str, way: int, count: int, subscribers: int = 1) -> None:
    """Make the frames that graphcore sends in a loop, and send each."""
    sent = payload(kind)
    values: list[Any] = _ways(sent.some(count), way)
    encode = sent.encode
    socket, address = bound("tcp", high_water_mark(sent, way), None)
    say(address=address, key=None)
    for _ in range(subscribers):
        _subscription(socket)
    spent = Spent()
    send = socket.send
    for number, value in enumerate(spent.around(values)):
        payloads = value if way > 1 else [value]
        if encode is not None:
            payloads = list(map(encode, payloads))
        send(sealed(envelope(payloads, number), Trailer(1, number, number)))
    socket.send(end(count // way, True))
    say(**spent.over(count // way))
    hear()
    socket.close()


def _subscription(socket: Any) -> None:
    while socket.recv() != b"\1":  # not a sign of life
        pass


def graphcore(kind: str, way: int, count: int, subscribers: int = 1) -> None:
    """Publish the values from a graph."""
    sent = payload(kind)
    spent = Spent()
    source = gc.from_iterable(_ways(sent.some(count), way))
    publish = zmq_pub if way == 1 else zmq_pub_burst
    # Wired before the publisher, which holds the graph until all have subscribed.
    ready = gc.constant(None).for_each(lambda _: say(address=publisher.address, key=None))
    publisher = publish(
        source,
        0,
        codec=sent.codec,
        bind="127.0.0.1",
        on_full="block",
        wait_for=subscribers,
        options=SocketOptions(send_high_water_mark=high_water_mark(sent, way)),
    )
    moments = spent.after(source, count // way)
    gc.Graph(ready, publisher, *moments).run(realtime=True)
    say(**spent.over(count // way))
    hear()


def cycles(kind: str, way: int, count: int, subscribers: int = 0) -> None:
    """Say what the same graph takes without a publisher."""
    spent = Spent()
    source = gc.from_iterable(_ways(payload(kind).some(count), way))
    ready = gc.constant(None).for_each(_ignore)
    graph = gc.Graph(ready, source.for_each(_ignore), *spent.after(source, count // way))
    graph.run(realtime=True)
    say(**spent.over(count // way))


def _ignore(value: Any) -> None: ...


def _ways(values: list[Any], way: int) -> list[Any]:
    if way == 1:
        return values
    return [values[at : at + way] for at in range(0, len(values) - way + 1, way)]


def wingfoil(kind: str, way: int, count: int, subscribers: int = 1) -> None:
    """Publish the values, encoded in Python, from a graph of wingfoil's."""
    import wingfoil as wheel  # type: ignore[import-untyped]  # the wheel carries no types

    assert way == 1
    sent = payload(kind)
    spent = Spent()
    port = _free_port()
    # The wheel drops what is queued when it ends. So a value comes after all others have arrived,
    # by which the subscriber knows the end, and one more, which may be lost.
    last = payload(kind).values[:1]
    values = chain(
        _once_connected(port), spent.around(sent.some(count)), _quiet(), last, _quiet(), last
    )
    graph = wheel.Graph()
    numbers = graph.counter(1)  # its source of values skips to the last one in real time
    if sent.encode is None:
        published = wheel.zmq_pub(numbers.map(lambda _: next(values)), port, "127.0.0.1")
    else:
        encode = sent.encode
        published = wheel.zmq_pub(numbers.map(lambda _: encode(next(values))), port, "127.0.0.1")
    graph.run(realtime=True, cycles=count + 2 * len(last))
    del published
    say(**spent.over(count))
    hear()


def _free_port() -> int:
    with networking.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _once_connected(port: int) -> Iterator[Any]:
    """Say the address and wait; the wheel's publisher does not say when somebody has subscribed."""
    say(address=f"tcp://127.0.0.1:{port}", key=None)
    time.sleep(_CONNECTING)
    yield from ()


def _quiet() -> Iterator[Any]:
    time.sleep(QUIET * 1.5)
    yield from ()
