"""Figures of values with weights, and of pairs of values: covariance and correlation.

They are sums of powers of the distances from a pivot, as in `moments`, each term times its weight.
A weight says how often a value counts (frequency weights).
"""

from math import nan, sqrt
from typing import Any

from graphcore.declare import node, state
from graphcore.errors import InvalidValueError
from graphcore.node import Active, MutableNode, Passive
from graphcore.operators.statistics.moments import DOUBTED, Sum
from graphcore.operators.statistics.numerics import (
    is_vector,
    joint_powers,
    number,
    rows,
    weighed,
)
from graphcore.operators.statistics.twinned import no_vector
from graphcore.operators.statistics.window import Window
from graphcore.state import GraphState


@node(valid="any")
class Together(MutableNode[Any]):
    """Ticks with (x, y, weight) when all sources tick in one cycle; NaN if one is missing.

    Of vectors it is an array with these three as rows.

    Attributes:
        sources: x, or x and y; without y it is x.
        weights: the stream of weights, if there is one.
        weight: the weight without such a stream.
    """

    sources: list[Active[Any]]
    weights: list[Passive[Any]]
    weight: float

    def cycle(self, state: GraphState) -> bool:
        for source in self.sources:
            if not state.ticked(source):
                return False
        x: Any = self.sources[0].value
        y: Any = x
        for source in self.sources:
            y = source.value
        weight: Any = self.weight
        if type(x) is not float or type(y) is not float:
            if is_vector(x) or is_vector(y):
                for given in self.weights:
                    weight = given.value if state.valid(given) else nan
                self.value = rows(x, y, weight)
                return True
            x, y = number(x), number(y)
        for given in self.weights:
            weight = number(given.value) if state.valid(given) else nan
            if weight < 0.0:
                raise InvalidValueError(f"a weight must be at least 0, not {weight}")
        if x - x == 0.0 and y - y == 0.0 and weight - weight == 0.0:
            self.value = (x, y, weight)
        else:
            self.value = nan
        return True


@node(valid="any")
class WeightedSum(Sum):
    """The sum of the values, each times its weight."""

    def plain(self, value: Any) -> Any:
        return value

    def known(self, value: Any) -> Any:
        return value

    def swap(self, value: Any) -> None:
        self.enter(value)
        self.leave()

    def add(self, value: Any) -> None:
        self.put(value[0] * value[2])

    def remove(self, value: Any) -> None:
        self.take(value[0] * value[2])

    def terms(self) -> Any:
        return weighed(self.values)


@node(valid="any")
class Joint(Window):
    """The sums of x, y, their squares and their product, about pivots.

    Attributes:
        degrees: what is subtracted from the sum of the weights in the denominator.
        newest: the newest value, if values hold: its weight grows with time, in ns.
        settled: the time up to which it has been counted.
    """

    degrees: int
    newest: Any = state(nan)
    settled: int = state(0)
    pivot_x: float = state(0.0)
    pivot_y: float = state(0.0)
    weight: float = state(0.0)
    x: float = state(0.0)
    y: float = state(0.0)
    xx: float = state(0.0)
    yy: float = state(0.0)
    xy: float = state(0.0)
    doubt: float = state(0.0)
    doubt_x: float = state(0.0)
    doubt_y: float = state(0.0)

    def plain(self, value: Any) -> Any:
        return value

    def known(self, value: Any) -> Any:
        return value

    def note(self, value: Any) -> None:
        if self.holds:
            self.newest = value

    def settle(self, now: int) -> None:
        if self.newest == self.newest:
            x, y, _ = self.newest
            held = (x, y, now - self.settled)
            self.add(held)
            if self.keeps:
                held = (x, y, self.values[-1][2] + held[2])
                self.values[-1] = held
        self.settled = now

    def trim(self, begin: int) -> None:
        while len(self.times) > 1 and self.times[1] <= begin:
            self.times.popleft()
            self.leave()
        if self.times and self.times[0] < begin:
            oldest = self.values[0]
            if oldest == oldest:
                x, y, weight = oldest
                gone = (x, y, begin - self.times[0])
                self.remove(gone)
                self.values[0] = (x, y, weight - gone[2])
            self.times[0] = begin

    def clear(self) -> None:
        self.newest = nan
        self.pivot_x = self.pivot_y = self.weight = self.x = self.y = 0.0
        self.xx = self.yy = self.xy = self.doubt = self.doubt_x = self.doubt_y = 0.0

    def add(self, value: Any) -> None:
        x, y, weight = value
        if not self.keeps and not self.weight:
            self.pivot_x, self.pivot_y = x, y
        x -= self.pivot_x
        y -= self.pivot_y
        self.weight += weight
        right, up = weight * x, weight * y
        self.x += right
        self.y += up
        self.xx += right * x
        self.yy += up * y
        self.xy += right * y
        if self.keeps:
            self.doubt += self.weight
            self.doubt_x += self.xx
            self.doubt_y += self.yy
        elif self.count & (self.count - 1) == 0 and self.weight:
            self.move()

    def remove(self, value: Any) -> None:
        x, y, weight = value
        x -= self.pivot_x
        y -= self.pivot_y
        self.weight -= weight
        right, up = weight * x, weight * y
        self.x -= right
        self.y -= up
        self.xx -= right * x
        self.yy -= up * y
        self.xy -= right * y

    def move(self) -> None:
        """Move the pivots to the means."""
        pivot = self.pivot_x + self.x / self.weight
        right = pivot - self.pivot_x
        self.pivot_x = pivot
        pivot = self.pivot_y + self.y / self.weight
        up = pivot - self.pivot_y
        self.pivot_y = pivot
        self.xx += right * (self.weight * right - 2.0 * self.x)
        self.yy += up * (self.weight * up - 2.0 * self.y)
        self.xy += right * (self.weight * up - self.y) - up * self.x
        self.x -= self.weight * right
        self.y -= self.weight * up

    def renew(self) -> None:
        """Take the sums anew if they may have lost too many digits."""
        if self.keeps and not (
            self.weight * DOUBTED >= self.doubt
            and (self.xx * self.weight - self.x * self.x) * DOUBTED >= self.doubt_x * self.weight
            and (self.yy * self.weight - self.y * self.y) * DOUBTED >= self.doubt_y * self.weight
        ):
            (
                self.pivot_x,
                self.pivot_y,
                self.weight,
                self.x,
                self.y,
                self.xx,
                self.yy,
                self.xy,
            ) = joint_powers(self.values)
            self.doubt, self.doubt_x, self.doubt_y = self.weight, self.xx, self.yy

    def squares(self) -> float:
        """Return the sum of the squares of x about the mean."""
        squares = self.xx - self.x * self.x / self.weight
        if squares < 0.0:  # but for rounding errors it is 0
            return 0.0
        return squares


@node(valid="any")
class HeldSum(Joint):
    """The sum of the values, each times the ns for which it held."""

    def figure(self) -> Any:
        self.renew()
        if not self.weight > 0.0:
            return nan
        return self.pivot_x * self.weight + self.x


@node(valid="any")
class WeightedMean(Joint):
    """The sum of the values, each times its weight, by the sum of the weights."""

    def figure(self) -> Any:
        self.renew()
        if not self.weight > 0.0:
            return nan
        return self.pivot_x + self.x / self.weight


@node(valid="any")
class WeightedVar(Joint):
    """The variance; each value counts as often as its weight says."""

    def figure(self) -> Any:
        self.renew()
        if not self.weight > self.degrees:
            return nan
        squares = self.squares()
        return squares / (self.weight - self.degrees)


@node(valid="any")
class WeightedStd(Joint):
    """The root of the variance."""

    def figure(self) -> Any:
        self.renew()
        if not self.weight > self.degrees:
            return nan
        squares = self.squares()
        return sqrt(squares / (self.weight - self.degrees))


@node(valid="any")
class WeightedSem(Joint):
    """The standard deviation divided by the root of the sum of the weights."""

    def figure(self) -> Any:
        self.renew()
        if not self.weight > self.degrees:
            return nan
        squares = self.squares()
        return sqrt(squares / (self.weight - self.degrees) / self.weight)


@node(valid="any")
class Cov(Joint):
    """The covariance."""

    def figure(self) -> Any:
        self.renew()
        if not self.weight > self.degrees:
            return nan
        return (self.xy - self.x * self.y / self.weight) / (self.weight - self.degrees)


@node(valid="any")
class Corr(Joint):
    """The correlation (Pearson's), from -1 to 1; NaN if all x or all y are equal."""

    def figure(self) -> Any:
        self.renew()
        if not self.weight > 0.0:
            return nan
        xx = self.xx - self.x * self.x / self.weight
        yy = self.yy - self.y * self.y / self.weight
        if not (xx > 0.0 and yy > 0.0):
            return nan
        corr = (self.xy - self.x * self.y / self.weight) / sqrt(xx) / sqrt(yy)
        return -1.0 if corr < -1.0 else 1.0 if corr > 1.0 else corr


@node(valid="any")
class CovMatrix(Window):
    """The matrix of the covariances of a vector's elements, which the twin computes.

    Attributes:
        degrees: what is subtracted from the sum of the weights in the denominator.
    """

    degrees: int

    def known(self, value: Any) -> Any:
        raise no_vector(value)

    def clear(self) -> None:
        pass


@node(valid="any")
class CorrMatrix(CovMatrix):
    """The matrix of the correlations."""
