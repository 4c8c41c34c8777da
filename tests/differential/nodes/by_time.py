"""Operators by event time, which `event_time` returns as methods of its own handle."""

from collections.abc import Callable
from math import isfinite
from typing import Any

import graphcore as gc
from tests.differential.nodes.shape import SHAPES, Shape


def _own_time(value: Any) -> int:
    """Return a time for a number, so that the times of equal numbers are equal."""
    return int(value * 5) % 11 if isfinite(value) and abs(value) < 100 else 3


def _event_time(stream: Any, lateness: int) -> gc.EventTime[Any]:
    made: gc.EventTime[Any] = stream.event_time(_own_time, lateness)
    return made


def _ordered(stream: Any) -> Any:
    times = _event_time(stream, 4)
    node: Any = times.ordered().node
    node.behind = times.late.map(lambda pair: pair[1])
    return node


SHAPES["ordered"] = Shape(_ordered, ("number",), "number", ("behind",))


def _joined(make: Callable[[gc.EventTime[Any], gc.EventTime[Any]], gc.Stream[Any]]) -> Shape:
    def join(stream: Any, other: Any) -> Any:
        return make(_event_time(stream, 3), _event_time(other, 2)).node

    return Shape(join, ("number", "number"), "tuple")


SHAPES["asof"] = _joined(lambda e, other: e.asof(other, tolerance=4))
SHAPES["asof nearest"] = _joined(lambda e, o: e.asof(o, tolerance=2, direction="nearest"))
SHAPES["asof forward"] = _joined(lambda e, o: e.asof(o, tolerance=2, direction="forward"))
SHAPES["interval_join"] = _joined(
    lambda e, other: e.interval_join(other, before=2, after=1, prevailing=True)
)


def _windows(make: Callable[[gc.EventTime[Any]], gc.EventWindows[Any]]) -> Shape:
    def windows(stream: Any) -> Any:
        times = _event_time(stream, 3)
        made = make(times)
        node: Any = made.values().node
        node.behind = times.late.map(lambda pair: pair[1])
        node.mean = made.mean()
        return node

    return Shape(windows, ("number",), "list", ("behind", "mean"))


SHAPES["tumbling"] = _windows(lambda e: e.tumbling(4))
SHAPES["sliding windows"] = _windows(lambda e: e.sliding(5, every=2, partial=False))
SHAPES["session"] = _windows(lambda e: e.session(2))
