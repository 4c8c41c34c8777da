"""(c) What a tick costs in a chain of 51 maps, beside the same chain of csp nodes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter_ns

import csp  # type: ignore[import-untyped]  # the wheel carries no types

import graphcore as gc
from benchmarks.figures import Figure, Target, medians

_LENGTH = 51
_TICKS = 20_000
_ROUNDS = 7
_START = datetime(2020, 1, 1)


def _increment() -> Callable[[int], int]:
    return lambda x: x + 1


@csp.node  # type: ignore[untyped-decorator]  # csp carries no types
def _apply(x: csp.ts[int], function: object) -> csp.ts[int]:
    if csp.ticked(x):
        return function(x)  # type: ignore[operator]  # csp checks it no further than object


@csp.node  # type: ignore[untyped-decorator]  # csp carries no types
def _add_one(x: csp.ts[int]) -> csp.ts[int]:
    if csp.ticked(x):
        return x + 1


def measure() -> list[Figure]:
    function = _increment()
    stream = gc.from_iterable(range(_TICKS), period="1us")
    for _ in range(_LENGTH):
        stream = stream.map(function)
    last = stream.node
    graph = gc.Graph(stream)
    graph.run()

    def ours() -> float:
        began = perf_counter_ns()
        graph.run()
        taken = perf_counter_ns() - began
        assert last.value == _TICKS - 1 + _LENGTH
        return taken / _TICKS

    ticks = medians(
        _ROUNDS,
        {
            "graphcore": ours,
            "calling": partial(_csp_tick, lambda x: _apply(x, function)),
            "inline": partial(_csp_tick, _add_one),
        },
    )
    return [
        Figure(
            f"(c) chain of {_LENGTH} maps, interpreted, second run, beside {peer}",
            f"{ticks['graphcore'] / 1e3:.1f} µs a tick, csp {ticks[name] / 1e3:.1f} µs",
            ticks["graphcore"] / ticks[name],
            Target("≤", 2.2),
            reason=reason,
        )
        for name, peer, reason in (
            (
                "calling",
                "@csp.node that calls the same function",
                "csp's loop is C++ and resumes one generator a node; ours makes two Python calls",
            ),
            (
                "inline",
                "@csp.node with x + 1 written in it",
                "the peer calls no function at all; ours makes two Python calls a node",
            ),
        )
    ]


def _csp_tick(link: Callable[[object], object]) -> float:
    """Run a chain of csp nodes, made beforehand, and return ns a tick."""

    def chain() -> None:
        stream = csp.curve(int, [(timedelta(microseconds=i), i) for i in range(_TICKS)])
        for _ in range(_LENGTH):
            stream = link(stream)
        csp.add_graph_output("last", stream, tick_count=1)

    made = csp.build_graph(csp.graph(chain))
    began = perf_counter_ns()
    found = csp.run(made, starttime=_START, endtime=timedelta(days=1))
    taken = perf_counter_ns() - began
    assert found["last"][-1][1] == _TICKS - 1 + _LENGTH
    return taken / _TICKS
