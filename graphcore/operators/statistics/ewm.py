"""Exponentially weighted figures, with the results of pandas' `ewm`.

A value's weight is (1 - alpha)^k once k values have come after it, or (1/2)^(age / halflife) by
engine time. The mean and the variance are updated for each value (Finch 2009, "Incremental
calculation of weighted mean and variance"): with the newest value's share s of all weights, its
distance d from the mean moves the mean by s*d, and the variance becomes (1 - s) * (variance +
s*d^2). A value that is not finite is missing: it ages the weights of the others, unless `ignore_na`
is set.
"""

from math import nan, sqrt
from typing import Any

from graphcore.declare import node, state
from graphcore.operators.statistics.twinned import Twinned
from graphcore.state import GraphState

SMALL = 2.0**-600  # the unit of a variance whose values are too great to be squared
BACK = 2.0**-300


@node(valid="any")
class Ewm(Twinned):
    """A figure of all values so far, which loses weight with age.

    A class for a figure defines `clear`, `add` and `figure`, and may define `plain`,
    `known` and `age`.

    Attributes:
        decay: the weight of a value after the next one.
        newest: the weight of a new value.
        adjusts: whether weights are relative to those of all values so far.
        ignores: whether a missing value leaves the weights as they are.
        by_time: whether weights follow engine time.
        halflife: the time after which a weight has halved, ns.
        minimum: with fewer values the figure is NaN.
        weight: the sum of the weights.
        updated: the engine time of the weights.
        begun: whether the figure has been defined.
    """

    decay: float
    newest: float
    adjusts: bool
    ignores: bool
    by_time: bool
    halflife: int
    minimum: int
    weight: float = state(0.0)
    updated: int = state(0)
    begun: bool = state(False)

    def start(self, state: GraphState) -> None:
        self.clear()

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):  # noqa: SIM108  # the compiler inlines a call that is a statement
            value = self.arrived()
        else:
            value = nan
        if self.by_element:
            emptied = False
            for reset in self.resets:
                if state.ticked(reset):
                    emptied = True
            now = 0
            if self.by_time:
                now = state.time  # other weights need not know it, and it costs 20 ns
            came, computes = state.ticked(self.source), state.ticked(self.trigger)
            figure = self.twin.step(now, came, value, emptied, computes)
            if figure is None:
                return False
            self.value = figure
            return True
        for reset in self.resets:
            if state.ticked(reset):
                self.count = 0
                self.weight = 0.0
                self.clear()
        if state.ticked(self.source):
            if self.by_time:
                factor = 0.5 ** ((state.time - self.updated) / self.halflife)
                self.updated = state.time
            else:
                factor = self.decay
            self.enter(value, factor)
        if not state.ticked(self.trigger):
            return False
        if self.count >= self.minimum:
            self.begun = True
            if self.by_time:
                figure = self.figure_at(0.5 ** ((state.time - self.updated) / self.halflife))
            else:
                figure = self.figure()
        elif self.begun:
            figure = self.undefined()
        else:
            return False
        self.value = figure
        return True

    def known(self, value: Any) -> Any:
        """Return a value of the source, NaN for a missing one."""
        if value - value != 0.0:
            return nan
        return value

    def enter(self, value: Any, factor: float) -> None:
        """Take in a value of the source after all weights have been multiplied by a factor."""
        value = self.known(value)
        if value == value:
            self.count += 1
            self.age(factor)
            self.add(value)
        elif not self.ignores:
            self.age(factor)

    def undefined(self) -> Any:
        """Return what ticks if there are too few values."""
        return nan

    def age(self, factor: float) -> None:
        """Multiply the weights of all values."""
        self.weight *= factor

    def weigh(self) -> float:
        """Return the weight of a new value."""
        if self.by_time and not self.adjusts:
            return 1.0 - self.weight
        return self.newest

    def clear(self) -> None:
        """Set the state before the first value."""
        raise NotImplementedError

    def add(self, value: Any) -> None:
        """Take in a value."""
        raise NotImplementedError

    def figure(self) -> Any:
        """Return the figure."""
        raise NotImplementedError

    def figure_at(self, factor: float) -> Any:
        """Return the figure once all weights have been multiplied by a factor."""
        return self.figure()


@node(valid="any")
class EwmMean(Ewm):
    """The weighted mean; of equal values it is exactly that value."""

    mean: float = state(0.0)

    def clear(self) -> None:
        self.mean = 0.0

    def enter(self, value: Any, factor: float) -> None:
        aged = self.weight * factor
        if self.adjusts:  # the new value has the weight 1
            weight = aged + 1.0
            mean = self.mean + (value - self.mean) / weight
        else:
            newest = 1.0 - aged if self.by_time else self.newest
            weight = aged + newest
            mean = self.mean + (value - self.mean) * (newest / weight)
        # One test finds missing values, distances that are too great, and the first value.
        if mean - mean == 0.0 and aged:
            self.count += 1
            self.mean = mean
            self.weight = weight if self.adjusts else 1.0
        elif value - value != 0.0:
            if not self.ignores:
                self.weight = aged
        else:
            self.count += 1
            if aged:
                self.mean = self.mean * (aged / weight) + value * (1.0 - aged / weight)
                self.weight = weight if self.adjusts else 1.0
            else:
                self.mean = value
                self.weight = 1.0

    def figure(self) -> Any:
        return self.mean


@node(valid="any")
class EwmSum(Ewm):
    """The weighted sum, in which the newest value has the weight 1."""

    total: float = state(0.0)

    def clear(self) -> None:
        self.total = 0.0

    def age(self, factor: float) -> None:
        self.total *= factor

    def add(self, value: Any) -> None:
        self.total += value

    def figure(self) -> Any:
        return self.total

    def figure_at(self, factor: float) -> Any:
        return self.total * factor


@node(valid="any")
class EwmSpread(Ewm):
    """What the variance and the covariance share.

    A mean is kept as two floats, the second one what the first has lost by rounding. Otherwise the
    distances from a mean near 1e9 would be right to 1e-7 only.

    Attributes:
        biased: whether the figure is left as it is, not multiplied so that its expectation is
            right.
        unit: 1, or small while a variance is too great for a float; variances are those of the
            values times `unit`.
        squares: the sum of the squared weights.
    """

    biased: bool
    unit: float = state(1.0)
    squares: float = state(0.0)

    def age(self, factor: float) -> None:
        self.weight *= factor
        self.squares *= factor * factor

    def grow(self, newest: float, weight: float) -> None:
        """Add the weight of a new value; `weight` is the sum with it."""
        self.squares += newest * newest
        if self.adjusts:
            self.weight = weight
        else:
            self.squares /= weight * weight
            self.weight = 1.0

    def unbiased(self, spread: float) -> float:
        """Return a variance or covariance as the figure has it, NaN if it is not defined."""
        if self.biased:
            return spread
        whole = self.weight * self.weight
        left = whole - self.squares
        if left > 0.0:
            return spread * (whole / left)
        return nan


@node(valid="any")
class EwmVar(EwmSpread):
    """The weighted variance.

    Attributes:
        rest: what `mean` lacks.
        spread: the variance, biased, of the values times `unit`.
    """

    mean: float = state(0.0)
    rest: float = state(0.0)
    spread: float = state(0.0)

    def clear(self) -> None:
        self.mean = self.rest = self.spread = self.squares = 0.0
        self.unit = 1.0

    def add(self, value: Any) -> None:
        if self.weight:
            newest = self.weigh()
            weight = self.weight + newest
            share = newest / weight
            distance = value - self.mean - self.rest
            step = share * distance
            spread = (1.0 - share) * (self.spread + step * distance)
            if spread - spread == 0.0 and self.unit == 1.0:
                self.spread = spread
                step += self.rest
                mean = self.mean + step
                self.rest = step - (mean - self.mean)
                self.mean = mean
            else:
                self.add_far(value, share)
            self.grow(newest, weight)
        else:
            self.mean = value
            self.rest = 0.0
            self.weight = self.squares = 1.0

    def add_far(self, value: float, share: float) -> None:
        """Take in a value if the variance is too great for a float."""
        change = SMALL / self.unit
        self.unit = SMALL
        distance = value * SMALL - self.mean * SMALL - self.rest * SMALL
        spread = self.spread * change * change
        self.spread = (1.0 - share) * (spread + share * distance * distance)
        if self.spread < BACK:
            self.unit = 1.0
            self.spread = self.spread / SMALL / SMALL
        mean = self.mean + (value - self.mean) * share
        if mean - mean != 0.0:  # the distance is too great for a float
            mean = self.mean * (1.0 - share) + value * share
        self.mean = mean
        self.rest = 0.0

    def figure(self) -> Any:
        variance = self.unbiased(self.spread)
        return variance / self.unit / self.unit


@node(valid="any")
class EwmStd(EwmVar):
    """The root of the weighted variance."""

    def figure(self) -> Any:
        variance = self.unbiased(self.spread)
        return sqrt(variance) / self.unit


@node(valid="any")
class EwmZScore(EwmVar):
    """How many standard deviations the newest value lies above the mean; NaN if it is missing."""

    present: float = state(nan)

    def known(self, value: Any) -> Any:
        if value - value != 0.0:
            value = nan
        self.present = value
        return value

    def figure(self) -> Any:
        variance = self.unbiased(self.spread)
        if variance > 0.0:
            unit = self.unit
            above = self.present * unit - self.mean * unit - self.rest * unit
            return above / sqrt(variance)
        return nan
