"""Statistics over a sliding window, with pandas' results.

A window holds the last n values, or those of the time (t - d, t]. A value that is not finite counts
as missing, as in pandas. The sums are updated as values come and go, by the formulas of pandas:
compensated for rounding errors (Kahan 1965, "Further remarks on reducing truncation errors"),
with Welford's method for the squares about the mean (1962, "Note on a method for calculating
corrected sums of squares and products"). A very large value destroys the low digits of the squares;
when it leaves the window, the squares are summed again from the values that remain.
"""

from collections import deque
from collections.abc import Callable, Iterable
from math import isfinite, nan, sqrt
from typing import Protocol

from graphcore.declare import node, state
from graphcore.node import Active, MutableNode
from graphcore.state import GraphState

_CANCELLED = 1e3 * 2.0**-52


class Statistic(Protocol):
    """A figure that is updated as values are added and removed."""

    count: int

    def add(self, value: float) -> None:
        """Add a finite value."""

    def remove(self, value: float) -> None:
        """Remove a value that was added before."""

    def result(self, window: Iterable[float]) -> float:
        """Return the figure, `nan` where it is not defined; `window` holds the values added."""


class RunningSum:
    """A compensated sum; additions and removals each have a compensation of their own."""

    def __init__(self) -> None:
        self.count = 0
        self._total = self._lost_adding = self._lost_removing = 0.0
        self._last = nan
        self._alike = 0

    def add(self, value: float) -> None:
        self.count += 1
        self._alike = self._alike + 1 if value == self._last else 1
        self._last = value
        term = value - self._lost_adding
        total = self._total + term
        self._lost_adding = (total - self._total) - term
        self._total = total

    def remove(self, value: float) -> None:
        self.count -= 1
        if not self.count:
            self._total = self._lost_adding = self._lost_removing = 0.0
            return
        term = -value - self._lost_removing
        total = self._total + term
        self._lost_removing = (total - self._total) - term
        self._total = total

    def result(self, window: Iterable[float]) -> float:
        if not self.count:
            return nan
        # If all values in the window are equal, this product is exact, and the total may not be.
        return self._last * self.count if self._alike >= self.count else self._total


class RunningMean(RunningSum):
    """The sum divided by the number of values."""

    def result(self, window: Iterable[float]) -> float:
        if not self.count:
            return nan
        return self._last if self._alike >= self.count else self._total / self.count


class RunningStd:
    """The sample standard deviation: the root of the squares about the mean, divided by n - 1."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.count = 0
        self._mean = self._lost_adding = self._lost_removing = self._squares = 0.0
        self._cancelled = False

    def add(self, value: float) -> None:
        self.count += 1
        before = self._mean - self._lost_adding
        corrected = value - self._lost_adding
        delta = corrected - self._mean
        self._lost_adding = delta + self._mean - corrected
        self._mean += delta / self.count
        self._move_squares((value - before) * (value - self._mean))

    def remove(self, value: float) -> None:
        self.count -= 1
        if not self.count:
            self._clear()
            return
        before = self._mean - self._lost_removing
        corrected = value - self._lost_removing
        delta = corrected - self._mean
        self._lost_removing = delta + self._mean - corrected
        self._mean -= delta / self.count
        self._move_squares(-(value - before) * (value - self._mean))

    def result(self, window: Iterable[float]) -> float:
        if self.count < 2:
            return nan
        if self._cancelled:
            self._clear()
            for value in window:
                if isfinite(value):
                    self.add(value)
            self._cancelled = False
        return sqrt(max(self._squares, 0.0) / (self.count - 1))

    def _move_squares(self, change: float) -> None:
        squares = self._squares + change
        if squares < self._squares * _CANCELLED:
            self._cancelled = True
        self._squares = squares


@node
class RollingCount(MutableNode[float]):
    """A statistic of the last n values; ticks from the n-th value on."""

    source: Active[float]
    length: int
    minimum: int
    make: Callable[[], Statistic]
    values: deque[float] = state(factory=deque)
    begun: bool = state(False)

    def start(self, state: GraphState) -> None:
        self.statistic = self.make()

    def cycle(self, state: GraphState) -> bool:
        value = float(self.source.value)
        self.values.append(value)
        if len(self.values) > self.length:
            oldest = self.values.popleft()
            if isfinite(oldest):
                self.statistic.remove(oldest)
        if isfinite(value):
            self.statistic.add(value)
        enough = self.statistic.count >= self.minimum
        self.begun = self.begun or enough
        if not self.begun:
            return False
        self.value = self.statistic.result(self.values) if enough else nan
        return True


@node
class RollingDuration(MutableNode[float]):
    """A statistic of the values of the time (t - d, t]; ticks once it is defined."""

    source: Active[float]
    length: int
    minimum: int
    make: Callable[[], Statistic]
    times: deque[int] = state(factory=deque)
    values: deque[float] = state(factory=deque)
    begun: bool = state(False)

    def start(self, state: GraphState) -> None:
        self.statistic = self.make()

    def cycle(self, state: GraphState) -> bool:
        value = float(self.source.value)
        begin = state.time - self.length
        while self.times and self.times[0] <= begin:
            self.times.popleft()
            self.statistic.remove(self.values.popleft())
        if isfinite(value):
            self.times.append(state.time)
            self.values.append(value)
            self.statistic.add(value)
        enough = self.statistic.count >= self.minimum
        self.begun = self.begun or enough
        if not self.begun:
            return False
        self.value = self.statistic.result(self.values) if enough else nan
        return True
