"""Figures of the window as a whole: the count, the first, the last, the product, all values."""

from collections import deque
from collections.abc import Callable
from math import exp, frexp, log, nan
from typing import Any

from graphcore.declare import node, state
from graphcore.operators.statistics.numerics import product, scaled
from graphcore.operators.statistics.window import Window

_LOG_2 = log(2.0)
# A product that has been divided this often is right to 5e-11; then it is taken anew.
_OFTEN = 100_000


@node(valid="any")
class Count(Window):
    """How many values are not missing; each value is 1, and 0 if it is missing."""

    found: float = state(0.0)

    def known(self, value: Any) -> Any:
        if value - value != 0.0:
            return 0.0
        return 1.0

    def clear(self) -> None:
        self.found = 0.0

    def add(self, value: Any) -> None:
        self.found += value

    def remove(self, value: Any) -> None:
        self.found -= value

    def figure(self) -> Any:
        return self.found


@node(valid="any")
class First(Window):
    """The first value that is not missing."""

    kept: deque[float] = state(factory=deque)

    def clear(self) -> None:
        self.kept.clear()

    def add(self, value: Any) -> None:
        if self.keeps or not self.kept:
            self.kept.append(value)

    def remove(self, value: Any) -> None:
        self.kept.popleft()

    def figure(self) -> Any:
        return self.kept[0]


@node(valid="any")
class Last(Window):
    """The last value that is not missing."""

    newest: float = state(nan)

    def clear(self) -> None:
        self.newest = nan

    def add(self, value: Any) -> None:
        self.newest = value

    def remove(self, value: Any) -> None:
        pass

    def figure(self) -> Any:
        return self.newest


@node(valid="any")
class Product(Window):
    """The product, kept as mantissa and exponent, so that no part of it is too great or too small.

    Attributes:
        zeros: how many zeros there are; the mantissa is that of the other values.
        divided: how often the mantissa has been divided since it was taken anew.
    """

    mantissa: float = state(1.0)
    exponent: int = state(0)
    zeros: int = state(0)
    negatives: int = state(0)
    divided: int = state(0)

    def clear(self) -> None:
        self.mantissa = 1.0
        self.exponent = self.zeros = self.negatives = self.divided = 0

    def add(self, value: Any) -> None:
        if value == 0.0:
            self.zeros += 1
        else:
            if value < 0.0:
                self.negatives += 1
            part, power = frexp(value)
            self.mantissa, shift = frexp(self.mantissa * part)
            self.exponent += power + shift

    def remove(self, value: Any) -> None:
        if value == 0.0:
            self.zeros -= 1
        else:
            if value < 0.0:
                self.negatives -= 1
            part, power = frexp(value)
            self.mantissa, shift = frexp(self.mantissa / part)
            self.exponent += shift - power
            self.divided += 1

    def refresh(self) -> None:
        if self.divided > _OFTEN:
            self.mantissa, self.exponent = product(self.values)
            self.divided = 0

    def figure(self) -> Any:
        self.refresh()
        if self.zeros:
            return 0.0
        return scaled(self.mantissa, self.exponent)


@node(valid="any")
class GMean(Product):
    """The geometric mean; NaN if a value is negative."""

    def figure(self) -> Any:
        self.refresh()
        if self.negatives:
            return nan
        if self.zeros:
            return 0.0
        return exp((log(self.mantissa) + self.exponent * _LOG_2) / self.count)


@node(valid="any")
class Values(Window):
    """An array of the values, with NaN for missing ones.

    Attributes:
        array: makes an array of a list.
    """

    array: Callable[[list[float]], Any]

    def clear(self) -> None:
        pass

    def add(self, value: Any) -> None:
        pass

    def remove(self, value: Any) -> None:
        pass

    def figure(self) -> Any:
        return self.array(list(self.values))

    def undefined(self) -> Any:
        return self.array(list(self.values))


@node(valid="any")
class Apply(Values):
    """A function's result for the array of the values."""

    function: Callable[[Any], Any]

    def figure(self) -> Any:
        return self.function(self.array(list(self.values)))

    def undefined(self) -> Any:
        return nan
