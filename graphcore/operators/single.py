"""Operators on one stream: each handles the value that has just come (R4, R5)."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from graphcore.declare import node, state
from graphcore.node import Active, MutableNode
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
class Difference(MutableNode[T]):
    """Ticks with the new value minus the previous one, from the second value on."""

    source: Active[T]
    previous: Any = state(None)
    begun: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        previous, self.previous = self.previous, self.source.value
        if not self.begun:
            self.begun = True
            return False
        self.value = self.previous - previous
        return True


@node
class Distinct(MutableNode[T]):
    """Ticks with the first value and with each value that differs from the one before it."""

    source: Active[T]
    previous: Any = state(None)
    begun: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        if self.begun and value == self.previous:
            return False
        self.begun = True
        self.previous = self.value = value
        return True
