"""Sum, mean and variance of vectors: the arithmetic of `moments`, for all elements at once.

An element's figure has the very bits that the figure of a stream of numbers has. Where the sums of
an element may have lost too many digits, they are taken anew from that element's values.
"""

from math import inf
from typing import Any

import numpy as np

from graphcore.declare import node, state
from graphcore.operators.statistics.moments import DOUBTED, LOST, SMALL
from graphcore.operators.statistics.numerics import (
    exact_mean,
    exact_sum,
    two_powers,
    wide_deviation,
    wide_score,
)
from graphcore.operators.statistics.vectors.window import Floats, Vectors


@node(valid="any")
class VectorCount(Vectors):
    """How many values are not missing; each is 1, and 0 if it is missing."""

    found: Any = state(None)

    def known(self, value: Any) -> Any:
        return np.isfinite(value).astype(float)

    def forget(self) -> None:
        self.found = np.zeros(self.size)

    def take_in(self, value: Any, present: Any) -> None:
        self.found += value

    def let_go(self, value: Any, present: Any) -> None:
        self.found -= value

    def figure(self) -> Any:
        return self.found.copy()


@node(valid="any")
class VectorSum(Vectors):
    """The sum; see `moments.Sum` for its state."""

    high: Any = state(None)
    low: Any = state(None)
    most_low: Any = state(None)
    last: Any = state(None)
    unit: Any = state(None)

    def forget(self) -> None:
        self.high, self.low, self.most_low, self.last = np.zeros((4, self.size))
        self.unit = np.ones(self.size)

    def take_in(self, value: Any, present: Any) -> None:
        self.last = np.where(present, value, self.last)
        self._put(np.where(present, value, 0.0))

    def let_go(self, value: Any, present: Any) -> None:
        self._put(np.where(present, -value, 0.0))

    def swap(self, value: Any) -> None:
        oldest = self.values.popleft()
        self.values.append(value)
        self.empty = False
        came, went = value == value, oldest == oldest
        change = value - oldest
        both = np.isfinite(change)
        back = change - value
        high = self.high + change
        part = high - self.high
        low = self.low + (
            ((value - (change - back)) - (oldest + back))
            + ((self.high - (high - part)) + (change - part))
        )
        high, low = np.where(both, high, self.high), np.where(both, low, self.low)
        self.high, self.low = high, low
        self.most_low = np.maximum(self.most_low, np.abs(low))
        self.last = np.where(came, value, self.last)
        self.counts += came
        self.counts -= went
        self.count = int(self.counts.max(initial=0))
        if not both.all():
            self._put(np.where(came & ~both, value, 0.0))
            self._put(np.where(went & ~both, -oldest, 0.0))

    def _put(self, term: Floats) -> None:
        if not self.keeps:
            term = term * self.unit
        high = self.high + term
        if not self.keeps and not np.isfinite(high).all():
            change = np.where(np.isfinite(high), 1.0, SMALL)
            self.unit, term = self.unit * change, term * change
            self.high, self.low = self.high * change, self.low * change
            high = self.high + term
        part = high - self.high
        self.low = self.low + ((self.high - (high - part)) + (term - part))
        self.high = high
        self.most_low = np.maximum(self.most_low, np.abs(self.low))

    def total(self) -> Floats:
        total: Floats = self.high + self.low
        if self.keeps:
            lost = ~(np.abs(total) >= self.most_low * LOST) & (self.counts >= self.minimum)
            for element in np.flatnonzero(lost):
                high, low = exact_sum(self.column(element))
                self.high[element], self.low[element] = high, low
                self.most_low[element] = abs(low)
                total[element] = high
            return np.where(total == total, total, self.high)
        return total

    def figure(self) -> Any:
        return self.total() / self.unit


@node(valid="any")
class VectorMean(VectorSum):
    """The arithmetic mean; of equal values it is exactly that value."""

    def figure(self) -> Any:
        total = self.total()
        equal = self.last * self.unit * self.counts == total
        mean = np.where(equal, self.last, total / self.counts / self.unit)
        if self.keeps:
            for element in np.flatnonzero(~np.isfinite(total) & (self.counts >= self.minimum)):
                mean[element] = exact_mean(self.column(element))
        return mean


@node(valid="any")
class VectorVar(Vectors):
    """The variance; see `moments.Var` for the pivot and the sums."""

    degrees: int
    pivot: Any = state(None)
    first: Any = state(None)
    second: Any = state(None)
    doubt: Any = state(None)

    def forget(self) -> None:
        self.pivot, self.first, self.second, self.doubt = np.zeros((4, self.size))

    def take_in(self, value: Any, present: Any) -> None:
        if not self.keeps:
            self.pivot = np.where(present & (self.counts == 1), value, self.pivot)
        distance = np.where(present, value - self.pivot, 0.0)
        self.first = self.first + distance
        self.second = self.second + distance * distance
        if self.keeps:
            self.doubt = self.doubt + np.where(present, self.second, 0.0)
        else:
            self._move(present & (self.counts & (self.counts - 1) == 0))

    def let_go(self, value: Any, present: Any) -> None:
        distance = np.where(present, value - self.pivot, 0.0)
        self.first = self.first - distance
        self.second = self.second - distance * distance

    def _move(self, moved: Any) -> None:
        """Move the pivots of some elements to their means."""
        if not moved.any():
            return
        counts = np.maximum(self.counts, 1)
        pivot = np.where(moved, self.pivot + self.first / counts, self.pivot)
        step = pivot - self.pivot
        self.second = self.second + step * (counts * step - 2.0 * self.first)
        self.first = self.first - counts * step
        self.pivot = pivot

    def squares(self) -> Floats:
        counts = np.maximum(self.counts, 1)
        squares: Floats = self.second - self.first * self.first / counts
        if self.keeps:
            doubted = ~(squares * DOUBTED >= self.doubt) & (self.counts >= self.minimum)
            for element in np.flatnonzero(doubted):
                pivot, first, second = two_powers(self.column(element))
                self.pivot[element], self.first[element] = pivot, first
                self.second[element] = self.doubt[element] = second
                squares[element] = second - first * first / counts[element]
        return np.where(squares < 0.0, 0.0, squares)

    def figure(self) -> Any:
        squares = self.squares()
        return np.where(squares == squares, squares / (self.counts - self.degrees), inf)


@node(valid="any")
class VectorStd(VectorVar):
    """The standard deviation: the root of the variance."""

    def figure(self) -> Any:
        squares = self.squares()
        root = np.sqrt(squares / (self.counts - self.degrees))
        return self.widened(squares, root)

    def widened(self, squares: Floats, figure: Floats, by_count: bool = False) -> Floats:
        """Return a figure with that of elements whose squares are too great put in."""
        for element in np.flatnonzero(~np.isfinite(squares) & (self.counts >= self.minimum)):
            if self.keeps:
                count = float(self.counts[element]) if by_count else 1.0
                figure[element] = wide_deviation(self.column(element), self.degrees, count)
            else:
                figure[element] = inf
        return figure


@node(valid="any")
class VectorSem(VectorStd):
    """The standard error of the mean: the deviation divided by the root of the count."""

    def figure(self) -> Any:
        squares = self.squares()
        root = np.sqrt(squares / (self.counts - self.degrees) / self.counts)
        return self.widened(squares, root, by_count=True)


@node(valid="any")
class VectorZScore(VectorVar):
    """How many standard deviations the newest value lies above the mean."""

    newest: Any = state(None)

    def note(self, value: Any) -> None:
        self.newest = value

    def figure(self) -> Any:
        squares = self.squares()
        above = self.newest - self.pivot - self.first / self.counts
        score = above / np.sqrt(squares / (self.counts - self.degrees))
        score[squares == 0.0] = np.nan
        wide = ~np.isfinite(squares) & (self.newest == self.newest)
        for element in np.flatnonzero(wide & (self.counts >= self.minimum)):
            score[element] = (
                wide_score(self.column(element), self.degrees) if self.keeps else np.nan
            )
        return score
