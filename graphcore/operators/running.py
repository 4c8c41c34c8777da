"""Running statistics over all values since the start of the run, or since a stream ticked."""

from collections.abc import Callable
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


@node
class Product(MutableNode[T]):
    """Ticks with the product of the values so far."""

    source: Active[T]
    product: Any = state(1)

    def cycle(self, state: GraphState) -> bool:
        self.product = self.product * self.source.value
        self.value = self.product
        return True


@node(valid="any")
class Since(MutableNode[Any]):
    """Ticks with a figure of the values since another stream ticked.

    A value in the cycle of such a tick is the first of the new stretch.

    Attributes:
        first: returns the figure of a stretch's first value.
        further: returns the figure for the figure before and a further value.
    """

    source: Active[Any]
    reset_by: Active[object]
    first: Callable[[Any], Any]
    further: Callable[[Any, Any], Any]
    figure: Any = state(None)
    begun: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.reset_by):
            self.begun = False
        if not state.ticked(self.source):
            return False
        value = self.source.value
        if self.begun:
            self.figure = self.further(self.figure, value)
        else:
            self.figure = self.first(value)
        self.begun = True
        self.value = self.figure
        return True
