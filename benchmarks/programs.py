"""Programs for separate processes. Each prints its result, and then the process that started it
ends it.

A publisher prints its port, and sends once somebody subscribes. `benchmarks.wire` measures the wire
itself.
"""

import json
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from operator import sub
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Any

import zmq

import graphcore as gc
from benchmarks.shapes import SHAPES
from graphcore_zmq.wire.frames import (
    Trailer,
    end_of_stream_frame,
    value_frame,
)

_HIGH_WATER_MARK = 10_000  # graphcore's default, given to all sockets that can be told
_BATCH = 1_000  # rows in a batch
_PERIOD = 1_000_000  # ns
_INSTANCE = 1


def say(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


# Rows


def publish_rows(count: int) -> None:
    """Send this many rows of four columns, each as a frame in msgpack."""
    from graphcore_zmq import msgpack

    frames = [
        value_frame(msgpack.encode(row), Trailer(_INSTANCE, number, number))
        for number, row in enumerate(_rows(count))
    ]
    _publish(frames, count)


def publish_batches(count: int) -> None:
    """Send the same number of rows in Arrow batches of a thousand."""
    import pyarrow as pa

    from graphcore_zmq import arrow

    columns = [list(column) for column in zip(*_rows(_BATCH), strict=True)]
    payload = arrow.encode(pa.record_batch(columns, names=["id", "price", "size", "buys"]))
    batches = count // _BATCH
    frames = (value_frame(payload, Trailer(_INSTANCE, n, n)) for n in range(batches))
    _publish(frames, batches)


def _rows(count: int) -> list[tuple[int, float, int, bool]]:
    return [
        (number, 100 + number % 7 / 4, number % 900, number % 2 == 0) for number in range(count)
    ]


def rows_rate(count: int, address: str) -> None:
    from graphcore_zmq import msgpack, zmq_sub

    data = zmq_sub(address, codec=msgpack).data
    gc.Graph(data.for_each(_counting(count))).run(realtime=True)


def batches_rate(count: int, address: str) -> None:
    """Print how many rows a second arrive."""
    from graphcore_zmq import arrow, zmq_sub

    look = _counting(count // _BATCH, _BATCH)
    gc.Graph(zmq_sub(address, codec=arrow).data.for_each(look)).run(realtime=True)


def _counting(count: int, rows: int = 1) -> Callable[[list[Any]], None]:
    """Return a function that gets bursts and prints the rate from the second burst to the last
    value.

    Args:
        count: how many values will come.
        rows: the number of rows in each value; the rate counts rows.
    """
    first = seen = began = 0

    def look(burst: list[bytes]) -> None:
        nonlocal first, seen, began
        seen += len(burst)
        if not began:
            first, began = seen, perf_counter_ns()
        elif seen >= count:
            _say_rate((seen - first) * rows, perf_counter_ns() - began)

    return look


def _say_rate(received: int, nanoseconds: int) -> None:
    say(rate=received / nanoseconds * 1e9)


# Many subscribers


def graphcore_fan_out(count: int, subscribers: int) -> None:
    """Publish to this many subscribers; print how long a value takes in the graph's thread, ns,
    median."""
    from graphcore_zmq import raw, zmq_pub

    stamps: list[int] = []
    ready = gc.constant(None).for_each(lambda _: say(port=publisher.port))
    source = gc.ticker(_PERIOD).count()
    values = source.map(lambda number: stamps.append(perf_counter_ns()) or b"%016d" % number)
    publisher = zmq_pub(values, 0, codec=raw, bind="127.0.0.1", wait_for=int(subscribers))
    # Wired after the publisher, so it runs after it.
    after = values.for_each(lambda _: stamps.append(perf_counter_ns()))
    gc.Graph(ready, publisher, after).run(realtime=True, duration=count * _PERIOD)
    # The first waits for the subscribers.
    say(cost=median(map(sub, stamps[3::2], stamps[2::2])))


def swallow(subscribers: int, address: str) -> None:
    """Subscribe this many times, and receive all values."""
    poller = zmq.Poller()
    for _ in range(subscribers):
        poller.register(_connect(address), zmq.POLLIN)
    while True:
        for socket, _ in poller.poll():
            socket.recv()


# Discovery


def publish_by_name(number: int, url: str, ttl: str) -> None:
    """Publish a number every 10 ms under a name, or stand by for it."""
    from graphcore_zmq import EtcdRegistry, raw, zmq_pub

    source = gc.ticker("10ms").map(lambda _: b"%d" % number)
    registry = EtcdRegistry(url, ttl=ttl, conflict="standby")
    publisher = zmq_pub(source, 0, ("quotes", registry), bind="127.0.0.1", codec=raw)
    ready = source.limit(1).for_each(lambda _: say(ready=True))
    gc.Graph(publisher, ready).run(realtime=True)


# Wiring and compiling


def wire(nodes: int, shape: str, tier: str) -> None:
    """Print how long it took to wire a graph, and how much longer its first run took than the
    second, ns."""
    began = perf_counter_ns()
    wired, first, second = _wire_and_run(nodes, shape, tier)
    say(wiring=wired - began, compiling=max(0, (first - wired) - (second - first)))


def wire_traced(nodes: int, shape: str, tier: str) -> None:
    """Print the peak memory of the same; measured separately, because tracing takes time."""
    tracemalloc.start()
    _wire_and_run(nodes, shape, tier)
    say(peak=tracemalloc.get_traced_memory()[1])


def _wire_and_run(nodes: int, shape: str, tier: str) -> list[int]:
    """Wire a graph and run it twice for one cycle; return when each of the three steps ended."""
    stream = SHAPES[shape](gc.from_iterable([0], period=1), nodes - 1)
    graph = gc.Graph(stream)
    ends = [perf_counter_ns()]
    for _ in range(2):
        graph.run(tier=tier)  # type: ignore[arg-type]  # a tier's name, as text
        ends.append(perf_counter_ns())
    assert len(graph.nodes) == nodes
    assert stream.value == (nodes - 1 if shape == "chain" else 0)
    return ends


def replay_folder(runs: int, folder: str) -> None:
    """Replay all rows of a Parquet folder; say how many, the time of a run, ns, and the memory."""
    count = gc.read_parquet(folder).count()
    began = perf_counter_ns()
    for _ in range(runs):
        count.run()
    taken = (perf_counter_ns() - began) / runs
    say(rows=count.value, taken=taken, peak=_peak_memory())


def _peak_memory() -> int:
    """Return the greatest size of this process, bytes; Linux only.

    `getrusage` would count the size of the process that started it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    [kilobytes] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(kilobytes) * 1024


# Bare sockets


# The live view


def page(rows: int, url: str) -> None:
    """Ask a live view for the first nodes, and read what it shows, as a page in a browser does."""
    from websockets.sync.client import connect

    origin = url.rsplit("/", 2)[0]
    with connect(f"{url.replace('http', 'ws')}socket", origin=origin, max_size=None) as socket:
        socket.send(json.dumps({"rows": {"search": "", "first": 0, "count": rows}}))
        while "now" not in json.loads(socket.recv()):
            pass
        say()
        for _ in socket:
            pass


def _publish(frames: Iterable[bytes], count: int) -> None:
    socket = zmq.Context.instance().socket(zmq.XPUB)
    socket.set(zmq.XPUB_NODROP, 1)
    socket.set(zmq.SNDHWM, _HIGH_WATER_MARK)
    say(port=socket.bind_to_random_port("tcp://127.0.0.1"))
    socket.recv()  # the subscription
    for frame in frames:
        socket.send(frame)
    socket.send(end_of_stream_frame(Trailer(_INSTANCE, count, count)))
    # A sign of life that meets a closed connection would cost its sender what it has not read.
    while True:
        socket.recv()


def _connect(address: str) -> "zmq.Socket[bytes]":
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.set(zmq.RCVHWM, _HIGH_WATER_MARK)
    socket.set(zmq.SUBSCRIBE, b"")
    socket.connect(address)
    return socket


if __name__ == "__main__":
    name, number, *rest = sys.argv[1:]
    globals()[name](int(number), *rest)
