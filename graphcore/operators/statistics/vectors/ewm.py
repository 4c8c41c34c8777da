"""Exponentially weighted figures of vectors: the arithmetic of `ewm`, for all elements at once."""

from typing import Any

import numpy as np

from graphcore.declare import node, state
from graphcore.operators.statistics.ewm import BACK, SMALL, Ewm
from graphcore.operators.statistics.vectors.window import Floats, Twin, floats


@node(valid="any")
class VectorEwm(Twin, Ewm):
    """A figure of all vectors so far, element by element; `weight` is that of each element."""

    def forget(self) -> None:
        self.weight: Any = np.zeros(self.size)

    def enter(self, value: Any, factor: Any) -> None:
        present = self.present_in(value)
        self.counts += present
        self.count = int(self.counts.max(initial=0))
        self.age(np.where(present, factor, 1.0) if self.ignores else factor)
        self.take_in(value, present)

    def present_in(self, value: Any) -> Any:
        """Return which elements are not missing."""
        return value == value

    def age(self, factor: Any) -> None:
        self.weight = self.weight * factor

    def shares(self, present: Any) -> tuple[Any, Any, Floats, Floats]:
        """Return which elements have their first value now, and which a later one, with what.

        The third and fourth are the weights with the new value, and its share of them.
        """
        begun = self.weight != 0.0
        weight = self.weight + self.weigh()
        return present & ~begun, present & begun, weight, self.weigh() / weight

    def undefined(self) -> Any:
        return np.full(self.size, np.nan)

    def figure(self) -> Any:
        return np.where(self.counts < self.minimum, np.nan, self.of_elements())

    def take_in(self, value: Any, present: Any) -> None:
        """Add a vector; some of its elements may be missing."""
        raise NotImplementedError

    def of_elements(self) -> Floats:
        """Return the figure of elements with enough values; what others have does not matter."""
        raise NotImplementedError


def moved(mean: Floats, value: Floats, share: Floats) -> Floats:
    """Return means after values with these shares of all weights."""
    found = mean + (value - mean) * share
    return np.where(np.isfinite(found), found, mean * (1.0 - share) + value * share)


@node(valid="any")
class VectorEwmMean(VectorEwm):
    """The weighted mean."""

    mean: Any = state(None)

    def forget(self) -> None:
        super().forget()
        self.mean = np.zeros(self.size)

    def take_in(self, value: Any, present: Any) -> None:
        first, later, weight, share = self.shares(present)
        left = self.weight / weight
        if self.adjusts:  # the new value has the weight 1
            mean = self.mean + (value - self.mean) / weight
        else:
            mean = self.mean + (value - self.mean) * share
        mean = np.where(np.isfinite(mean), mean, self.mean * left + value * (1.0 - left))
        self.mean = np.where(later, mean, np.where(first, value, self.mean))
        self.weight = np.where(
            later, weight if self.adjusts else 1.0, np.where(first, 1.0, self.weight)
        )

    def of_elements(self) -> Floats:
        mean: Floats = self.mean
        return mean


@node(valid="any")
class VectorEwmSum(VectorEwm):
    """The weighted sum, in which the newest value has the weight 1."""

    total: Any = state(None)

    def forget(self) -> None:
        super().forget()
        self.total = np.zeros(self.size)

    def age(self, factor: Any) -> None:
        self.total = self.total * factor

    def take_in(self, value: Any, present: Any) -> None:
        self.total = self.total + np.where(present, value, 0.0)

    def of_elements(self) -> Floats:
        total: Floats = self.total
        return total

    def figure_at(self, factor: float) -> Any:
        return self.figure() * factor


@node(valid="any")
class VectorEwmCov(VectorEwm):
    """The weighted covariance; see `EwmCov` for its sums.

    What the source ticks has the rows x, y and weight.
    """

    biased: bool
    mean_x: Any = state(None)
    mean_y: Any = state(None)
    rest_x: Any = state(None)
    rest_y: Any = state(None)
    xx: Any = state(None)
    yy: Any = state(None)
    xy: Any = state(None)
    unit: Any = state(None)
    squares: Any = state(None)

    def given(self, vector: Any) -> Any:
        rows = floats(vector, self.size, 2)
        rows[:, ~np.isfinite(rows).all(axis=0)] = np.nan
        return rows

    def present_in(self, value: Any) -> Any:
        return value[0] == value[0]

    def forget(self) -> None:
        super().forget()
        self.mean_x, self.mean_y, self.rest_x, self.rest_y = np.zeros((4, self.size))
        self.xx, self.yy, self.xy, self.squares = np.zeros((4, self.size))
        self.unit = np.ones(self.size)

    def age(self, factor: Any) -> None:
        self.weight = self.weight * factor
        self.squares = self.squares * (factor * factor)

    def take_in(self, value: Any, present: Any) -> None:
        self.take_pair(value[0], value[1], present)

    def take_pair(self, x: Any, y: Any, present: Any) -> None:
        first, later, weight, share = self.shares(present)
        xx, yy, xy = self._spread(self.unit, x, y, share)
        finite = np.isfinite(xx) & np.isfinite(yy)
        near, wide = finite & (self.unit == 1.0), later & ~finite
        if wide.any():
            change = SMALL / self.unit
            for sums in (self.xx, self.yy, self.xy):
                sums[wide] = (sums * change * change)[wide]
            self.unit = np.where(wide, SMALL, self.unit)
            xx, yy, xy = self._spread(self.unit, x, y, share)
        narrow = later & (self.unit != 1.0) & (xx < BACK) & (yy < BACK)
        if narrow.any():
            self.unit = np.where(narrow, 1.0, self.unit)
            xx, yy, xy = (np.where(narrow, sums / SMALL / SMALL, sums) for sums in (xx, yy, xy))
        self.xx = np.where(later, xx, self.xx)
        self.yy = np.where(later, yy, self.yy)
        self.xy = np.where(later, xy, self.xy)
        for kept, value in (("x", x), ("y", y)):
            mean, rest = getattr(self, f"mean_{kept}"), getattr(self, f"rest_{kept}")
            step = share * (value - mean - rest) + rest
            after = mean + step
            lacks = np.where(near, step - (after - mean), 0.0)
            after = np.where(near, after, moved(mean, value, share))
            setattr(self, f"mean_{kept}", np.where(later, after, np.where(first, value, mean)))
            setattr(self, f"rest_{kept}", np.where(later, lacks, np.where(first, 0.0, rest)))
        newest = self.weigh()
        squares = self.squares + newest * newest
        if not self.adjusts:
            squares = squares / (weight * weight)
            weight = np.ones(self.size)
        self.squares = np.where(later, squares, np.where(first, 1.0, self.squares))
        self.weight = np.where(later, weight, np.where(first, 1.0, self.weight))

    def _spread(self, unit: Any, x: Any, y: Any, share: Any) -> tuple[Floats, Floats, Floats]:
        """Return the sums with a new pair."""
        old = 1.0 - share
        right = x * unit - self.mean_x * unit - self.rest_x * unit
        up = y * unit - self.mean_y * unit - self.rest_y * unit
        return (
            old * (self.xx + share * right * right),
            old * (self.yy + share * up * up),
            old * (self.xy + share * right * up),
        )

    def unbiased(self, sums: Any) -> Any:
        """Return a sum times the factor that makes its expectation right."""
        if self.biased:
            return sums
        whole = self.weight * self.weight
        left = whole - self.squares
        return np.where(left > 0.0, sums * (whole / left), np.nan)

    def of_elements(self) -> Floats:
        cov: Floats = self.unbiased(self.xy) / self.unit / self.unit
        return cov


@node(valid="any")
class VectorEwmCorr(VectorEwmCov):
    """The weighted correlation."""

    def of_elements(self) -> Floats:
        corr = self.xy / np.sqrt(self.xx) / np.sqrt(self.yy)
        return np.where((self.xx > 0.0) & (self.yy > 0.0), np.clip(corr, -1.0, 1.0), np.nan)


@node(valid="any")
class VectorEwmVar(VectorEwmCov):
    """The weighted variance: the covariance with itself."""

    def given(self, vector: Any) -> Any:
        return Twin.given(self, vector)

    def present_in(self, value: Any) -> Any:
        return value == value

    def take_in(self, value: Any, present: Any) -> None:
        self.take_pair(value, value, present)

    def of_elements(self) -> Floats:
        variance: Floats = self.unbiased(self.xx) / self.unit / self.unit
        return variance


@node(valid="any")
class VectorEwmStd(VectorEwmVar):
    """The root of the weighted variance."""

    def of_elements(self) -> Floats:
        deviation: Floats = np.sqrt(self.unbiased(self.xx)) / self.unit
        return deviation


@node(valid="any")
class VectorEwmZScore(VectorEwmVar):
    """How many standard deviations the newest value lies above the mean."""

    newest_value: Any = state(None)

    def take_in(self, value: Any, present: Any) -> None:
        self.newest_value = value
        super().take_in(value, present)

    def of_elements(self) -> Floats:
        variance = self.unbiased(self.xx)
        unit = self.unit
        above = self.newest_value * unit - self.mean_x * unit - self.rest_x * unit
        return np.where(variance > 0.0, above / np.sqrt(variance), np.nan)
