"""Running statistics over all values since the start of the run, or since a stream ticked."""

from math import nan
from typing import Any

from graphcore.declare import node, state
from graphcore.node import Active, MutableNode
from graphcore.operators.scalars import NEVER_NUMPYS, plain
from graphcore.state import GraphState


@node(valid="any")
class Figure(MutableNode[Any]):
    """A figure of all values so far; NaN is a missing value, as in pandas.

    A class for a figure defines `first` and `further`. The figure ticks with each value from the
    first known one on. After a reset it is NaN until a value is known. A value in the cycle of a
    reset is the first of the new stretch.

    Attributes:
        source: the values.
        resets: the stream that starts the figure again, if there is one.
        figure: the figure, `None` before the first known value.
        known: whether a value since the last reset is known.
    """

    source: Active[Any]
    resets: list[Active[object]]
    figure: Any = state(None)
    known: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        for reset in self.resets:
            if state.ticked(reset) and self.known:
                self.known = False
                self.figure = nan
        if not state.ticked(self.source):
            return False
        value = self.source.value
        if type(value) is not float and type(value) is not int and type(value) is not bool:
            value = plain(value)
        if type(value) is float and value != value:
            if self.figure is None:
                return False
        elif self.known:
            self.further(value)
        else:
            self.first(value)
            self.known = True
        self.value = self.figure
        return True

    def first(self, value: Any) -> None:
        """Set the figure of a first value."""
        raise NotImplementedError

    def further(self, value: Any) -> None:
        """Set the figure with a further value."""
        raise NotImplementedError


@node(valid="any")
class Count(MutableNode[int]):
    """Ticks with the number of known values so far."""

    source: Active[object]
    resets: list[Active[object]]
    count: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        for reset in self.resets:
            if state.ticked(reset):
                self.count = 0
        if not state.ticked(self.source):
            return False
        value: Any = self.source.value
        # Floats first, and most others that are never missing with a test each.
        if type(value) is float:
            if value == value:
                self.count += 1
        elif type(value) is int or type(value) is bool or type(value) in NEVER_NUMPYS:
            self.count += 1
        else:
            value = plain(value)
            if type(value) is not float or value == value:
                self.count += 1
        self.value = self.count
        return True


@node(valid="any")
class Sum(Figure):
    """The sum, added from left to right."""

    def first(self, value: Any) -> None:
        self.figure = 0 + value

    def further(self, value: Any) -> None:
        self.figure = self.figure + value


@node(valid="any")
class Mean(Figure):
    """The arithmetic mean."""

    count: int = state(0)
    total: Any = state(0)

    def first(self, value: Any) -> None:
        self.count = 1
        self.total = value
        self.figure = value / 1

    def further(self, value: Any) -> None:
        self.count += 1
        self.total = self.total + value
        self.figure = self.total / self.count


@node(valid="any")
class Min(Figure):
    """The least value, the first of equals."""

    def first(self, value: Any) -> None:
        self.figure = value

    def further(self, value: Any) -> None:
        if value < self.figure:
            self.figure = value


@node(valid="any")
class Max(Figure):
    """The greatest value, the first of equals."""

    def first(self, value: Any) -> None:
        self.figure = value

    def further(self, value: Any) -> None:
        if value > self.figure:
            self.figure = value


@node(valid="any")
class Product(Figure):
    """The product, multiplied from left to right."""

    def first(self, value: Any) -> None:
        self.figure = 1 * value

    def further(self, value: Any) -> None:
        self.figure = self.figure * value
