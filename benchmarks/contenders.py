"""graphcore and its peers: each with a source of values, and a function that runs a graph on it.

Each peer gets its fastest source: csp numpy arrays, wingfoil its list of values. They tick
with the same values, a microsecond apart, and a run's result is the last value that came out.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Any

import csp  # type: ignore[import-untyped]  # the wheel carries no types
import numpy as np
import reactivex as rx
import wingfoil  # type: ignore[import-untyped]  # the wheel carries no types
from reactivex import operators as rx_operators

import graphcore as gc
from benchmarks.ticks import TIERS, Prepare, Run, again, tier_label

_PERIOD = 1_000  # ns
_START = datetime(2020, 1, 1)


def graphcore_source(values: Sequence[Any]) -> gc.Stream[Any]:
    return gc.from_iterable(values, period=_PERIOD)


def graphcore_tiers(*roots: gc.Handle, result: Callable[[], object]) -> dict[str, Prepare]:
    """Return a contender for each tier; all run one graph."""
    graph = gc.Graph(*roots)

    def run(tier: Any) -> object:
        graph.run(tier=tier)
        return result()

    return {tier_label(tier): again(partial(run, tier)) for tier in TIERS}


def times_of(nanoseconds: Sequence[int]) -> "np.ndarray[Any, Any]":
    """Return times since the start of the run in csp's type."""
    return np.datetime64(_START, "ns") + np.asarray(nanoseconds, "timedelta64[ns]")


def csp_source(values: Sequence[Any]) -> Any:
    times = times_of(range(0, len(values) * _PERIOD, _PERIOD))
    return csp.curve(type(values[0]), (times, np.array(values)))


def csp_run(
    wire: Callable[[], Sequence[Any]], result: Callable[[list[Any]], object] = itemgetter(0)
) -> Prepare:
    """Return a contender that runs the graph that `wire` makes; `result` is given the last value of
    each."""

    def outputs() -> None:
        for number, stream in enumerate(wire()):
            csp.add_graph_output(number, stream, tick_count=1)

    built = csp.build_graph(csp.graph(outputs))

    def run() -> object:
        found = csp.run(built, starttime=_START, endtime=timedelta(days=1))
        return result([found[number][-1][1] for number in range(len(found))])

    return again(run)


def wingfoil_run(values: Sequence[Any], wire: Callable[[Any, Any], Any]) -> Prepare:
    """Return a contender that runs the graph that `wire` makes for a graph and its source."""

    def prepare() -> Run:
        graph = wingfoil.Graph()  # serves one run
        last = wire(graph, graph.values(values, _PERIOD))

        def run() -> object:
            graph.run(cycles=len(values))
            return last.value()

        return run

    return prepare


def reactivex_run(
    values: Sequence[Any], wire: Callable[[rx.Observable[Any]], rx.Observable[Any]]
) -> Prepare:
    """Return a contender that runs the graph that `wire` makes; the source begins once all is
    subscribed."""

    def run() -> object:
        last: object = None

        def look(value: object) -> None:
            nonlocal last
            last = value

        source = rx.from_iterable(values).pipe(rx_operators.publish())
        wire(source).subscribe(look)
        source.connect()
        return last

    return again(run)
