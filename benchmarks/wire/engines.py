"""Cycles in real time and over history: the same graph, source and function, in each engine.

Each function says the CPU time of a cycle, ns, of the whole process.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from time import process_time_ns
from typing import Any

import graphcore as gc
from benchmarks.wire.lines import say


def graphcore(count: int, realtime: bool) -> None:
    # Due one nanosecond after another, so no cycle of a real-time run has to wait.
    numbers = gc.from_iterable(range(count), period=1)
    graph = gc.Graph(numbers.map(lambda x: x + 1))
    run = partial(graph.run, realtime=realtime)
    run(cycles=10)  # compiles it
    _say_cost(partial(run, cycles=count), count)


def csp(count: int, realtime: bool) -> None:
    import csp as peer  # type: ignore[import-untyped]  # the wheel carries no types
    import numpy as np
    from csp.utils.datetime import utc_now  # type: ignore[import-untyped]

    from benchmarks.wire.pushing import ends_at

    began = utc_now()
    times = np.datetime64(began, "ns") + np.arange(count).astype("timedelta64[ns]")

    def wire() -> None:
        numbers = peer.curve(int, (times, np.arange(count)))
        ends_at(peer.apply(numbers, lambda x: x + 1, int), count)

    end = began + timedelta(hours=1)
    run = partial(peer.run, peer.graph(wire), starttime=began, endtime=end, realtime=realtime)
    _say_cost(run, count)


def wingfoil(count: int, realtime: bool) -> None:
    import wingfoil as wheel  # type: ignore[import-untyped]  # the wheel carries no types

    graph = wheel.Graph()
    last = graph.counter(1).map(lambda x: x + 1)
    _say_cost(partial(graph.run, cycles=count, realtime=realtime), count)
    del last


def _say_cost(run: Callable[[], Any], count: int) -> None:
    before = process_time_ns()
    run()
    say(cost=(process_time_ns() - before) / count)


def idle(count: int, seconds: int) -> None:
    """Say what share of a core this many subscribers of a silent publisher take."""
    import zmq

    from graphcore_zmq import raw, zmq_sub

    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    silent = context.socket(zmq.XPUB)
    port = silent.bind_to_random_port("tcp://127.0.0.1")
    streams = [zmq_sub(f"tcp://127.0.0.1:{port}", codec=raw).data.count() for _ in range(count)]
    used: list[int] = []
    second = gc.ticker("1s").for_each(lambda _: used.append(process_time_ns()))
    gc.Graph(*streams, second).run(realtime=True, duration=timedelta(seconds=seconds + 2))
    # Connecting is over after two seconds.
    say(share=(used[-1] - used[2]) / (len(used) - 3) / 1e9)
    context.destroy(linger=0)
