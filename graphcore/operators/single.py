"""Operators on one stream: each handles the value that has just come (R4, R5)."""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from graphcore.declare import node, output, state
from graphcore.errors import CheckError, Failure, InvalidTypeError, InvalidValueError, shorten
from graphcore.node import Active, MutableNode, Passive, node_of
from graphcore.output import OutputNode
from graphcore.state import GraphState

T = TypeVar("T")
U = TypeVar("U")


@node
class Map(MutableNode[U], Generic[T, U]):
    """Ticks with the function's result for each value."""

    source: Active[T]
    function: Callable[[T], U]

    def cycle(self, state: GraphState) -> bool:
        self.value = self.function(self.source.value)
        return True


@node
class Filter(MutableNode[T]):
    """Ticks with the values for which the predicate's truth is `wanted`."""

    source: Active[T]
    predicate: Callable[[T], object]
    wanted: bool

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        if bool(self.predicate(value)) is not self.wanted:
            return False
        self.value = value
        return True


@node
class FilterMap(MutableNode[U], Generic[T, U]):
    """Ticks with the function's results that are not `None`."""

    source: Active[T]
    function: Callable[[T], U | None]

    def cycle(self, state: GraphState) -> bool:
        result = self.function(self.source.value)
        if result is None:
            return False
        self.value = result
        return True


@node
class Scan(MutableNode[U], Generic[T, U]):
    """Ticks with the function's result for its last result and the new value."""

    source: Active[T]
    function: Callable[[U, T], U]
    initial: U
    present: Any = state(None)

    def start(self, state: GraphState) -> None:
        self.present = self.initial

    def cycle(self, state: GraphState) -> bool:
        self.present = self.function(self.present, self.source.value)
        self.value = self.present
        return True


@node
class Reduce(MutableNode[T]):
    """Like `Scan`, with the first value as the initial result; ticks with that as well."""

    source: Active[T]
    function: Callable[[T, T], T]
    present: Any = state(None)
    begun: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        if self.begun:
            self.present = self.function(self.present, self.source.value)
        else:
            self.present = self.source.value
            self.begun = True
        self.value = self.present
        return True


@node
class Enumerate(MutableNode[tuple[int, T]], Generic[T]):
    """Ticks with pairs of a running number and a value."""

    source: Active[T]
    first: int
    number: int = state(0)

    def start(self, state: GraphState) -> None:
        self.number = self.first

    def cycle(self, state: GraphState) -> bool:
        self.value = (self.number, self.source.value)
        self.number += 1
        return True


@node
class WithTime(MutableNode[tuple[int, T]], Generic[T]):
    """Ticks with pairs of the engine time and a value."""

    source: Active[T]

    def cycle(self, state: GraphState) -> bool:
        self.value = (state.time, self.source.value)
        return True


@node
class Pairwise(MutableNode[tuple[T, T]], Generic[T]):
    """Ticks with the pair of the previous value and the new one, from the second value on."""

    source: Active[T]
    previous: Any = state(None)
    begun: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        previous, self.previous = self.previous, self.source.value
        if not self.begun:
            self.begun = True
            return False
        self.value = (previous, self.previous)
        return True


@node
class Lag(MutableNode[T]):
    """Ticks with the value `count` ticks ago, from the tick after those on."""

    source: Active[T]
    count: int
    kept: deque[T] = state(factory=deque)

    def cycle(self, state: GraphState) -> bool:
        self.kept.append(self.source.value)
        if len(self.kept) <= self.count:
            return False
        self.value = self.kept.popleft()
        return True


@node
class LagDuration(MutableNode[T]):
    """Ticks with the newest value that is at least `duration` old, once there is one."""

    source: Active[T]
    duration: int
    kept: deque[tuple[int, T]] = state(factory=deque)

    def cycle(self, state: GraphState) -> bool:
        self.kept.append((state.time, self.source.value))
        before = state.time - self.duration
        while len(self.kept) > 1 and self.kept[1][0] <= before:
            self.kept.popleft()
        time, value = self.kept[0]
        if time > before:
            return False
        self.value = value
        return True


@node
class Difference(MutableNode[Any]):
    """Ticks with the value minus an earlier value."""

    source: Active[Any]
    earlier: Active[Any]

    def cycle(self, state: GraphState) -> bool:
        self.value = self.source.value - self.earlier.value
        return True


@node
class PctChange(MutableNode[Any]):
    """Ticks with the relative change since an earlier value."""

    source: Active[Any]
    earlier: Active[Any]

    def cycle(self, state: GraphState) -> bool:
        self.value = self.source.value / self.earlier.value - 1
        return True


@node
class Starmap(MutableNode[U]):
    """Ticks with the function's result for the items of each value."""

    source: Active[Iterable[Any]]
    function: Callable[..., U]

    def cycle(self, state: GraphState) -> bool:
        self.value = self.function(*self.source.value)
        return True


@node
class Unzip(MutableNode[T]):
    """Ticks with each value, which has `count` items."""

    source: Active[T]
    count: int

    def cycle(self, state: GraphState) -> bool:
        value: Any = self.source.value
        if len(value) != self.count:
            raise InvalidValueError(f"unzip({self.count}) was given {shorten(value)}")
        self.value = value
        return True


@node
class Replace(MutableNode[T]):
    """Ticks with each record, with some of its fields replaced.

    Attributes:
        names: the fields that get the present values of `others`.
        constants: the fields that get the same value each time.
    """

    source: Active[T]
    names: tuple[str, ...]
    others: list[Passive[Any]]
    constants: dict[str, Any]

    def cycle(self, state: GraphState) -> bool:
        fields = dict(self.constants)
        fields.update(zip(self.names, [other.value for other in self.others], strict=True))
        self.value = replaced(self.source.value, fields)
        return True


def replaced(record: Any, fields: dict[str, Any]) -> Any:
    """Return a record with other values in some of its fields.

    Raises:
        InvalidTypeError: if it is not a record.
        InvalidValueError: if it lacks one of the fields.
    """
    names: Iterable[str]
    if isinstance(record, dict):
        names = record
    elif dataclasses.is_dataclass(record):
        names = [field.name for field in dataclasses.fields(record)]
    else:
        names = getattr(record, "_fields", getattr(record, "__struct_fields__", ()))
    if not names:
        raise InvalidTypeError(
            "replace takes dataclasses, named tuples, msgspec Structs and dicts, not "
            f"{shorten(record)}"
        )
    for name in fields:
        if name not in names:
            raise InvalidValueError(f"{shorten(record)} has no field {name!r} to replace")
    if isinstance(record, dict):
        return {**record, **fields}
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return dataclasses.replace(record, **fields)
    if isinstance(record, tuple):
        return record._replace(**fields)  # type: ignore[attr-defined]  # it has `_fields`
    kept = {name: getattr(record, name) for name in names}
    return type(record)(**{**kept, **fields})


@node
class TimeInterval(MutableNode[tuple[int, T]], Generic[T]):
    """Ticks with pairs of the time since the last tick and a value, from the second value on."""

    source: Active[T]
    last: int | None = state(None)

    def cycle(self, state: GraphState) -> bool:
        last, self.last = self.last, state.time
        if last is None:
            return False
        self.value = (state.time - last, self.source.value)
        return True


@node
class Clip(MutableNode[Any]):
    """Ticks with each value, or with the bound that it passes."""

    source: Active[Any]
    low: Any
    high: Any

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        if self.low is not None and value < self.low:
            value = self.low
        if self.high is not None and value > self.high:
            value = self.high
        self.value = value
        return True


@node
class Round(MutableNode[T]):
    """Ticks with each value rounded to so many digits after the point."""

    source: Active[T]
    digits: int

    def cycle(self, state: GraphState) -> bool:
        value: Any = self.source.value
        self.value = round(value, self.digits)
        return True


@node
class Sign(MutableNode[Any]):
    """Ticks with 1, 0 or -1; NaN stays NaN."""

    source: Active[Any]

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        self.value = (value > 0) - (value < 0) if value == value else value
        return True


@node
class Fillna(MutableNode[Any]):
    """Ticks with each value, with a constant in place of NaN and None."""

    source: Active[Any]
    constant: Any

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        self.value = self.constant if value is None or value != value else value
        return True


@node
class Ffill(MutableNode[Any]):
    """Ticks with the last value that is neither NaN nor None, once there is one."""

    source: Active[Any]
    last: Any = state(None)

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        if value is not None and value == value:
            self.last = value
        if self.last is None:
            return False
        self.value = self.last
        return True


@node(valid="any")
class Default(MutableNode[T]):
    """Ticks with a constant in cycle 1, unless the source ticks in it, and with each value."""

    source: Active[T]
    constant: T

    def start(self, state: GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: GraphState) -> bool:
        self.value = self.source.value if state.ticked(self.source) else self.constant
        return True


@node
class Check(MutableNode[T]):
    """Ticks with each value; raises for one for which the predicate is false."""

    source: Active[T]
    predicate: Callable[[T], object]
    message: str

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        if not self.predicate(value):
            raise CheckError(f"{self.message}: {shorten(value)}")
        self.value = value
        return True


@node
class TryMap(MutableNode[U], Generic[T, U]):
    """Ticks with the function's result for each value; `failures` with what it raises instead."""

    source: Active[T]
    function: Callable[[T], U]
    failures: OutputNode[Failure] = output()
    label: str = state("")
    read: str = state("")

    def start(self, state: GraphState) -> None:
        self.label = self.name
        self.read = node_of(self.source).name

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        result, exception = attempted(self.function, value)
        if exception is not None:
            self.failures.tick(Failure(state.time, self.label, {self.read: value}, exception))
            return False
        self.value = result
        return True


def attempted(function: Callable[[T], U], value: T) -> tuple[Any, Exception | None]:
    """Return a function's result, or the exception that it raised."""
    try:
        return function(value), None
    except Exception as error:
        return None, error


@node
class StopRun(MutableNode[T]):
    """Ticks with the value, and ends the run."""

    source: Active[T]

    def cycle(self, state: GraphState) -> bool:
        state.stop()
        self.value = self.source.value
        return True
