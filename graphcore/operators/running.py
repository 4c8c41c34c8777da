"""Running statistics over all values since the start of the run."""

from typing import Any, TypeVar

from graphcore.declare import node, state
from graphcore.node import Active, MutableNode
from graphcore.state import GraphState

T = TypeVar("T")


@node
class Count(MutableNode[int]):
    """Ticks with the number of values so far."""

    source: Active[object]
    count: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        self.count += 1
        self.value = self.count
        return True


@node
class Sum(MutableNode[T]):
    """Ticks with the sum of the values so far, added from left to right."""

    source: Active[T]
    total: Any = state(0)

    def cycle(self, state: GraphState) -> bool:
        self.total = self.total + self.source.value
        self.value = self.total
        return True


@node
class Mean(MutableNode[float]):
    """Ticks with the arithmetic mean of the values so far."""

    source: Active[float]
    count: int = state(0)
    total: float = state(0)

    def cycle(self, state: GraphState) -> bool:
        self.count += 1
        self.total = self.total + self.source.value
        self.value = self.total / self.count
        return True


@node
class Min(MutableNode[T]):
    """Ticks with the least value so far."""

    source: Active[T]
    least: Any = state(None)
    begun: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        value: Any = self.source.value
        if not self.begun or value < self.least:
            self.least = value
            self.begun = True
        self.value = self.least
        return True


@node
class Max(MutableNode[T]):
    """Ticks with the greatest value so far."""

    source: Active[T]
    greatest: Any = state(None)
    begun: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        value: Any = self.source.value
        if not self.begun or value > self.greatest:
            self.greatest = value
            self.begun = True
        self.value = self.greatest
        return True
