"""Sum, mean, variance, skewness and kurtosis, updated as values enter and leave.

A sum is kept as two floats, so that adding and removing a value rounds nothing unless values differ
by more than 2^50 (Knuth's TwoSum: Knuth 1997, "The art of computer programming", vol. 2, 4.2.2).
Higher moments are sums of powers of the distances from a pivot near the mean (Chan, Golub, LeVeque
1983, "Algorithms for computing the sample variance"). Both know how much they may have lost. If
that is more than 1e-10 of the figure, the sums are taken anew from the values in the window: after
a very large value has left, or when the mean has moved far from the pivot.
"""

from math import inf, nan, sqrt
from typing import Any

from graphcore.declare import node, state
from graphcore.operators.statistics.numerics import (
    central_powers,
    exact_mean,
    exact_sum,
    four_powers,
    two_powers,
    wide_deviation,
    wide_score,
)
from graphcore.operators.statistics.window import Window

# A sum's rounding errors are at most 2^-53 of the greatest `low` for each value so far; with this
# factor the figure is right to 1e-10 for 10^9 values.
LOST = 2.0**24
# The errors of a sum of powers are at most 4 * 2^-53 of `doubt`, the total of the sum's values so
# far.
DOUBTED = 1e5
SMALL = 2.0**-80  # a sum of up to 2^80 values times this stays finite
LEAST = 2.0**-900  # from here on, a sum of fourth powers has lost nothing to underflow


@node(valid="any")
class Sum(Window):
    """The sum; `high + low` without rounding.

    Attributes:
        most_low: the greatest size of `low` so far; `least_low` is its negative.
        trusted: the least size of a sum that is right to 1e-10.
        unit: of an expanding window, 1, or small once the sum is too great for a float: then it is
            that of the values times `unit`.
    """

    def clear(self) -> None:
        self.high = self.low = self.most_low = self.least_low = self.last = self.trusted = 0.0
        self.unit = 1.0

    def add(self, value: Any) -> None:
        self.put(value)

    def remove(self, value: Any) -> None:
        self.take(value)

    def swap(self, value: Any) -> None:
        oldest = self.values.popleft()
        change = value - oldest
        if change - change == 0.0:  # both are numbers
            self.values.append(value)
            self.last = value
            back = change - value
            high = self.high + change
            part = high - self.high
            low = self.low + (
                ((value - (change - back)) - (oldest + back))
                + ((self.high - (high - part)) + (change - part))
            )
            self.low = low
            self.high = high
            if not self.least_low <= low <= self.most_low:
                self.widen()
        else:
            newest = self.known(value)
            self.values.append(newest)
            if newest == newest:
                self.count += 1
                self.add(newest)
            if oldest == oldest:
                self.count -= 1
                self.remove(oldest)

    def terms(self) -> Any:
        """Return the terms of the sum, NaN for missing ones."""
        return self.values

    def put(self, value: float) -> None:
        """Add a term."""
        self.last = value
        if not self.keeps:
            value *= self.unit
        high = self.high + value
        if not self.keeps and high - high != 0.0:
            self.unit = SMALL
            self.high *= SMALL
            self.low *= SMALL
            value *= SMALL
            high = self.high + value
        part = high - self.high
        low = self.low + ((self.high - (high - part)) + (value - part))
        self.low = low
        self.high = high
        if not self.least_low <= low <= self.most_low:
            self.widen()

    def take(self, value: float) -> None:
        """Take a term away."""
        high = self.high - value
        part = high - self.high
        low = self.low + ((self.high - (high - part)) - (value + part))
        self.low = low
        self.high = high
        if not self.least_low <= low <= self.most_low:
            self.widen()

    def widen(self) -> None:
        """Note that `low` is the greatest so far."""
        self.most_low = abs(self.low)
        self.least_low = -self.most_low
        self.trusted = self.most_low * LOST

    def renew(self) -> None:
        """Take the sum anew from the terms in the window."""
        terms = self.terms()
        self.high, self.low = exact_sum(terms)
        self.widen()

    def figure(self) -> Any:
        total = self.high + self.low
        if self.keeps:
            if total >= self.trusted or total <= -self.trusted:
                return total
            self.renew()
            return self.high
        return total / self.unit


@node(valid="any")
class Mean(Sum):
    """The arithmetic mean; of equal values it is exactly that value.

    Attributes:
        size: `count` as a float, which takes 35 ns to make.
    """

    size: float = state(0.0)

    def add(self, value: Any) -> None:
        self.size = float(self.count)
        self.put(value)

    def remove(self, value: Any) -> None:
        self.size = float(self.count)
        self.take(value)

    def figure(self) -> Any:
        total = self.high + self.low
        if self.keeps:
            if self.trusted <= total < inf or -self.trusted >= total > -inf:
                if self.last * self.size == total:
                    return self.last
                return total / self.size
            self.renew()
            total = self.high
            if total - total != 0.0:
                return exact_mean(self.values)
            if self.last * self.size == total:
                return self.last
            return total / self.size
        if self.last * self.unit * self.size == total:
            return self.last
        return total / self.size / self.unit


@node(valid="any")
class Var(Window):
    """The variance: squares about the mean, divided by the number of values less `degrees`."""

    degrees: int

    def clear(self) -> None:
        self.pivot = self.first = self.second = self.doubt = 0.0

    def add(self, value: Any) -> None:
        if not self.keeps and self.count == 1:
            self.pivot = value
        distance = value - self.pivot
        self.first += distance
        self.second += distance * distance
        if self.keeps:
            self.doubt += self.second
        elif self.count & (self.count - 1) == 0:
            self.move()

    def remove(self, value: Any) -> None:
        distance = value - self.pivot
        self.first -= distance
        self.second -= distance * distance

    def move(self) -> None:
        """Move the pivot to the mean."""
        pivot = self.pivot + self.first / self.count
        step = pivot - self.pivot
        self.second += step * (self.count * step - 2.0 * self.first)
        self.first -= self.count * step
        self.pivot = pivot

    def squares(self) -> float:
        squares = self.second - self.first * self.first / self.count
        if self.keeps and not squares * DOUBTED >= self.doubt:
            self.pivot, self.first, self.second = two_powers(self.values)
            self.doubt = self.second
            squares = self.second - self.first * self.first / self.count
        if squares < 0.0:  # but for rounding errors it is 0
            return 0.0
        return squares

    def figure(self) -> Any:
        squares = self.squares()
        if squares == squares:
            return squares / (self.count - self.degrees)
        return inf


@node(valid="any")
class Std(Var):
    """The standard deviation: the root of the variance."""

    def figure(self) -> Any:
        squares = self.squares()
        if 0.0 <= squares < inf:
            return sqrt(squares / (self.count - self.degrees))
        if self.keeps:
            return wide_deviation(self.values, self.degrees)
        return inf


@node(valid="any")
class Sem(Var):
    """The standard error of the mean: the deviation divided by the root of the count."""

    def figure(self) -> Any:
        squares = self.squares()
        if 0.0 <= squares < inf:
            return sqrt(squares / (self.count - self.degrees) / self.count)
        if self.keeps:
            return wide_deviation(self.values, self.degrees, self.count)
        return inf


@node(valid="any")
class ZScore(Var):
    """How many standard deviations the newest value lies above the mean; NaN if it is missing."""

    newest: Any = state(nan)

    def note(self, value: Any) -> None:
        self.newest = value

    def figure(self) -> Any:
        squares = self.squares()
        above = self.newest - self.pivot - self.first / self.count
        if 0.0 < squares < inf:
            return above / sqrt(squares / (self.count - self.degrees))
        if self.keeps and squares != 0.0 and self.newest == self.newest:
            return wide_score(self.values, self.degrees)
        return nan


@node(valid="any")
class Shape(Window):
    """Sums of the first four powers; its classes are the skewness and the kurtosis."""

    def clear(self) -> None:
        self.pivot = self.first = self.second = self.third = self.fourth = 0.0
        self.doubt = self.doubt_of_fourth = 0.0

    def add(self, value: Any) -> None:
        if not self.keeps and self.count == 1:
            self.pivot = value
        distance = value - self.pivot
        square = distance * distance
        self.first += distance
        self.second += square
        self.third += square * distance
        self.fourth += square * square
        if self.keeps:
            self.doubt += self.second
            self.doubt_of_fourth += self.fourth
        elif self.count & (self.count - 1) == 0:
            self.move()

    def remove(self, value: Any) -> None:
        distance = value - self.pivot
        square = distance * distance
        self.first -= distance
        self.second -= square
        self.third -= square * distance
        self.fourth -= square * square

    def move(self) -> None:
        """Move the pivot to the mean."""
        pivot = self.pivot + self.first / self.count
        step = pivot - self.pivot
        whole = self.count * step
        self.fourth -= step * (
            4.0 * self.third - step * (6.0 * self.second - step * (4.0 * self.first - whole))
        )
        self.third -= step * (3.0 * self.second - step * (3.0 * self.first - whole))
        self.second += step * (whole - 2.0 * self.first)
        self.first -= whole
        self.pivot = pivot

    def central(self) -> tuple[float, float, float]:
        """Return the sums of the second, third and fourth power of the distances from the mean."""
        found = self.about_mean()
        if self.keeps and not (
            found[0] * DOUBTED >= self.doubt and found[2] * DOUBTED >= self.doubt_of_fourth
        ):
            self.pivot, self.first, self.second, self.third, self.fourth = four_powers(self.values)
            self.doubt, self.doubt_of_fourth = self.second, self.fourth
            found = self.about_mean()
            fourth = found[2]
            if not LEAST < fourth < inf:
                found = central_powers(self.values)
        return found

    def about_mean(self) -> tuple[float, float, float]:
        """Return these sums as the present state gives them."""
        mean = self.first / self.count
        squares = self.second - mean * self.first
        return (
            squares,
            self.third - mean * (3.0 * self.second - 2.0 * mean * self.first),
            self.fourth
            - mean * (4.0 * self.third - mean * (6.0 * self.second - 3.0 * mean * self.first)),
        )


@node(valid="any")
class Skew(Shape):
    """The skewness, unbiased (the adjusted Fisher-Pearson coefficient); NaN if all are equal."""

    def figure(self) -> Any:
        squares, third, _ = self.central()
        if not squares > 0.0:
            return nan
        count = self.count
        return third * count * sqrt(count - 1) / (squares * sqrt(squares) * (count - 2))


@node(valid="any")
class Kurt(Shape):
    """The excess kurtosis, unbiased; NaN if all values are equal."""

    def figure(self) -> Any:
        squares, _, fourth = self.central()
        if not squares > 0.0:
            return nan
        count = self.count
        scale = (count - 1) / ((count - 2) * (count - 3))
        return scale * (count * (count + 1) * fourth / (squares * squares) - 3 * (count - 1))
