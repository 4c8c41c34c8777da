"""Statistics over a sliding window, with pandas' results.

A window holds the last n values, or those of the time (t - d, t]. A value that is not finite
stands in the window as missing, as in pandas. The sums are kept as values come and go: with
compensation for what rounding loses (Kahan 1965, "Further remarks on reducing truncation errors"),
the squares about the mean by Welford's method (1962, "Note on a method for calculating corrected
sums of squares and products").
"""

from collections import deque
from collections.abc import Callable
from math import isfinite, nan, sqrt
from typing import Protocol

from graphcore.node import Active, MutableNode, node, state
from graphcore.state import GraphState


class Statistic(Protocol):
    """A figure that follows values that are added and removed."""

    count: int

    def add(self, value: float) -> None:
        """Take a finite value in."""

    def remove(self, value: float) -> None:
        """Take out a value that was added before."""

    def result(self) -> float:
        """Return the figure, `nan` where it is not defined."""


class RunningSum:
    """A compensated sum; values that come and those that go lose their rounding apart."""

    def __init__(self) -> None:
        self.count = 0
        self._total = self._lost_adding = self._lost_removing = 0.0

    def add(self, value: float) -> None:
        self.count += 1
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

    def result(self) -> float:
        return self._total if self.count else nan


class RunningMean(RunningSum):
    """The sum by the number of values."""

    def result(self) -> float:
        return self._total / self.count if self.count else nan


class RunningStd:
    """The sample standard deviation: squares about the mean by the number of values less one."""

    def __init__(self) -> None:
        self.count = 0
        self._mean = self._lost = self._squares = 0.0
        self._last = nan
        self._alike = 0

    def add(self, value: float) -> None:
        self.count += 1
        self._alike = self._alike + 1 if value == self._last else 1
        self._last = value
        before = self._mean - self._lost
        self._move_mean(value, self.count)
        self._squares += (value - before) * (value - self._mean)

    def remove(self, value: float) -> None:
        self.count -= 1
        if not self.count:
            self._mean = self._lost = self._squares = 0.0
            return
        before = self._mean - self._lost
        self._move_mean(value, -self.count)
        self._squares -= (value - before) * (value - self._mean)

    def result(self) -> float:
        if self.count < 2:
            return nan
        # Values that are all the same have no deviation, whatever rounding has left over.
        if self._alike >= self.count:
            return 0.0
        return sqrt(max(self._squares, 0.0) / (self.count - 1))

    def _move_mean(self, value: float, count: int) -> None:
        corrected = value - self._lost
        delta = corrected - self._mean
        self._lost = delta + self._mean - corrected
        self._mean += delta / count


@node
class RollingCount(MutableNode[float]):
    """A statistic of the last n values, from the moment there are so many."""

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
        self.value = self.statistic.result() if enough else nan
        return True


@node
class RollingDuration(MutableNode[float]):
    """A statistic of the values of the time (t - d, t], from the moment it is defined."""

    source: Active[float]
    length: int
    minimum: int
    make: Callable[[], Statistic]
    values: deque[tuple[int, float]] = state(factory=deque)
    begun: bool = state(False)

    def start(self, state: GraphState) -> None:
        self.statistic = self.make()

    def cycle(self, state: GraphState) -> bool:
        value = float(self.source.value)
        begin = state.time - self.length
        while self.values and self.values[0][0] <= begin:
            self.statistic.remove(self.values.popleft()[1])
        if isfinite(value):
            self.values.append((state.time, value))
            self.statistic.add(value)
        enough = self.statistic.count >= self.minimum
        self.begun = self.begun or enough
        if not self.begun:
            return False
        self.value = self.statistic.result() if enough else nan
        return True
