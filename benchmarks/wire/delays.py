"""Publishers and subscribers for a worker that measure how long a value takes, at 1 kHz.

A value is the time of `perf_counter_ns` at which it was made, which all processes of a host share.
A subscriber says the delays of all values, ns, in the order in which they came.
"""

import time
from collections.abc import Callable, Iterator
from struct import Struct
from time import perf_counter_ns
from typing import Any

import graphcore as gc
from benchmarks.wire.lines import hear, say
from benchmarks.wire.sockets import END, HEAD, TRAILER, bound, connected, end
from graphcore_zmq import raw, zmq_pub, zmq_sub
from graphcore_zmq.wire.frames import Trailer, value_frame

_PERIOD = 1_000_000  # ns
_LIMIT = 10_000  # frames in a queue
_stamp = Struct("<qq")


def bare(count: int) -> None:
    """Send a frame each millisecond."""
    socket, address = bound("tcp", _LIMIT, None)
    say(address=address)
    socket.recv()
    due = perf_counter_ns()
    for number in range(count):
        due += _PERIOD
        time.sleep(max(due - perf_counter_ns(), 0) / 1e9)
        payload = _stamp.pack(perf_counter_ns(), number)
        socket.send(value_frame(payload, Trailer(1, number, number)))
    socket.send(end(count, True))
    hear()
    socket.close()


def graph(count: int) -> None:
    """Publish one from a graph."""
    # Wired before the publisher, which holds the graph until somebody subscribes.
    ready = gc.constant(None).for_each(lambda _: say(address=publisher.address))
    stamps = gc.ticker("1ms").count().map(lambda number: _stamp.pack(perf_counter_ns(), number))
    publisher = zmq_pub(stamps, 0, codec=raw, bind="127.0.0.1", wait_for=1)
    gc.Graph(ready, publisher).run(realtime=True, cycles=count)
    hear()


def receive_bare(address: str) -> None:
    """Receive in a loop by hand."""
    socket = connected(address, _LIMIT)
    receive, unpack = socket.recv, _stamp.unpack
    delays: list[int] = []
    while (frame := receive())[0] != END[0]:
        sent, _ = unpack(frame[HEAD:-TRAILER])
        delays.append(perf_counter_ns() - sent)
    say(delays=delays)
    socket.close(linger=0)


def _noting(delays: list[int]) -> Callable[[list[bytes]], None]:
    unpack = _stamp.unpack

    def look(burst: list[bytes]) -> None:
        now = perf_counter_ns()
        delays.extend(now - unpack(payload)[0] for payload in burst)

    return look


def receive_graphcore(address: str, **options: Any) -> None:
    """Receive in a graph; `options` are those of its run."""
    delays: list[int] = []
    data = zmq_sub(address, codec=raw, on_end="close").data
    gc.Graph(data.for_each(_noting(delays))).run(realtime=True, **options)
    say(delays=delays)


def receive_wingfoil(address: str) -> None:
    """Receive in a graph of wingfoil's."""
    import wingfoil as wheel  # type: ignore[import-untyped]  # the wheel carries no types

    delays: list[int] = []
    graph = wheel.Graph()
    data, status = wheel.zmq_sub(graph, address)
    seen = data.inspect(_noting(delays))
    graph.run(realtime=True)
    del seen, status
    say(delays=delays)


def receive_csp(address: str) -> None:
    """Receive in a graph of csp's, into which a thread pushes each value."""
    from benchmarks.wire.pushing import pushed

    delays: list[int] = []
    note = _noting(delays)

    def received() -> Iterator[bytes]:
        socket = connected(address, _LIMIT)
        while (frame := socket.recv())[0] != END[0]:
            yield frame[HEAD:-TRAILER]
        socket.close(linger=0)

    pushed(received, lambda payload: note([payload]))
    say(delays=delays)
