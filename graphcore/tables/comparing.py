"""Where the values of a run, or of a file, differ from those of a recording.

Values are compared in the plain form that a file gives back: a record as a dict of its fields, an
Enum as its value, a tuple or an array as a list. NaN equals NaN.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from math import isclose
from numbers import Real
from typing import Any, Literal

from graphcore.declare import node
from graphcore.errors import RunError
from graphcore.node import Active, MutableNode
from graphcore.state import GraphState, RunMode
from graphcore.tables.columns import field_names
from graphcore.tables.scalars import (
    is_array,
    is_bool,
    items_of,
    numpy_kind,
    whole_microseconds,
)


@dataclass(frozen=True)
class Difference:
    """A place where a run differs from a recording.

    Attributes:
        time: the engine time, ns.
        kind: ``"changed"``, ``"missing"`` if only the recording has a value, or ``"added"`` if only
            the run has one.
        expected: the recorded value; `None` if there is none.
        actual: the run's value; `None` if there is none.
    """

    time: int
    kind: Literal["changed", "missing", "added"]
    expected: Any
    actual: Any


@node(valid="any")
class Compare(MutableNode[Difference]):
    """Ticks where a stream and a recording differ."""

    source: Active[Any]
    recorded: Active[Any]
    same: Callable[[Any, Any], bool]

    def start(self, state: GraphState) -> None:
        if state.run_mode is RunMode.REALTIME:
            raise RunError("compare needs a historical run: a live one ticks at other times")

    def cycle(self, state: GraphState) -> bool:
        if not state.ticked(self.source):
            self.value = Difference(state.time, "missing", self.recorded.value, None)
            return True
        if not state.ticked(self.recorded):
            self.value = Difference(state.time, "added", None, self.source.value)
            return True
        if self.same(self.recorded.value, self.source.value):
            return False
        self.value = Difference(state.time, "changed", self.recorded.value, self.source.value)
        return True


# The time, how many events at that time come before, and the value.
Event = tuple[int, int, Any]


def differences(
    expected: Iterator[Event], actual: Iterator[Event], same: Callable[[Any, Any], bool]
) -> Iterator[Difference]:
    """Yield the differences of two sequences of events, compared one by one at each time."""
    there, here = next(expected, None), next(actual, None)
    while there or here:
        if there and (not here or there[:2] < here[:2]):
            yield Difference(there[0], "missing", there[2], None)
            there = next(expected, None)
        elif here and (not there or here[:2] < there[:2]):
            yield Difference(here[0], "added", None, here[2])
            here = next(actual, None)
        elif there and here:
            if not same(there[2], here[2]):
                yield Difference(here[0], "changed", there[2], here[2])
            there, here = next(expected, None), next(actual, None)


def sameness(tolerance: float) -> Callable[[Any, Any], bool]:
    """Return the function that says whether two values are the same.

    Args:
        tolerance: how much numbers may differ, relative to the greater of them.
    """

    def same(one: Any, other: Any) -> bool:
        one, other = _plain(one), _plain(other)
        if isinstance(one, dict) and isinstance(other, dict):
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        if isinstance(one, list) and isinstance(other, list):
            return len(one) == len(other) and all(map(same, one, other))
        if is_bool(one) or is_bool(other):
            return is_bool(one) and is_bool(other) and bool(one == other)
        if isinstance(one, Real) and isinstance(other, Real):
            if one != one or other != other:
                return one != one and other != other
            return one == other or isclose(one, other, rel_tol=tolerance)
        return bool(one == other)

    return same


def _plain(value: Any) -> Any:
    """Return a value in the form in which a file gives it back; its parts stay as they are."""
    if isinstance(value, Enum):
        return value.value
    names = field_names(type(value))
    if names:
        return {name: getattr(value, name) for name in names}
    if is_array(value):
        return items_of(value)
    if numpy_kind(value) in ("m", "M"):
        value = whole_microseconds(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)  # in a repeated hour, times of two zones never compare equal
    return list(value) if isinstance(value, tuple) else value
