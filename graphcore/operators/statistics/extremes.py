"""Least and greatest values, and their times.

A window keeps the values that may still become the extreme, each better than all that came after it
(a monotonic queue): a value enters and leaves it once, so a tick costs O(1).
"""

from collections import deque
from math import nan
from typing import Any

from graphcore.declare import node, state
from graphcore.operators.statistics.window import Window


@node(valid="any")
class Extreme(Window):
    """What the figures share; without eviction, the extreme alone is kept."""

    best: deque[Any] = state(factory=deque)
    extreme: Any = state(nan)

    def clear(self) -> None:
        self.best.clear()
        self.extreme = nan

    def figure(self) -> Any:
        if self.keeps:
            return self.best[0]
        return self.extreme


@node(valid="any")
class Min(Extreme):
    """The least value."""

    def add(self, value: Any) -> None:
        if self.keeps:
            while self.best and self.best[-1] > value:
                self.best.pop()
            self.best.append(value)
        elif not self.extreme <= value:
            self.extreme = value

    def remove(self, value: Any) -> None:
        if self.best[0] == value:
            self.best.popleft()


@node(valid="any")
class Max(Extreme):
    """The greatest value."""

    def add(self, value: Any) -> None:
        if self.keeps:
            while self.best and self.best[-1] < value:
                self.best.pop()
            self.best.append(value)
        elif not self.extreme >= value:
            self.extreme = value

    def remove(self, value: Any) -> None:
        if self.best[0] == value:
            self.best.popleft()


@node(valid="any")
class TimeOfExtreme(Extreme):
    """The engine time of the extreme, the most recent of equals; each value is (value, time).

    Attributes:
        added: how many values have entered; each that may become the extreme keeps its number.
        removed: how many have left.
    """

    extreme: Any = state((nan, 0))
    added: int = state(0)
    removed: int = state(0)

    def known(self, value: Any) -> Any:
        if value[0] - value[0] != 0.0:
            return nan
        return value

    def clear(self) -> None:
        self.best.clear()
        self.extreme = (nan, 0)
        self.added = self.removed = 0

    def remove(self, value: Any) -> None:
        self.removed += 1
        if self.best[0][2] == self.removed:
            self.best.popleft()

    def figure(self) -> Any:
        if self.keeps:
            return self.best[0][1]
        return self.extreme[1]


@node(valid="any")
class IdxMin(TimeOfExtreme):
    """The engine time of the least value."""

    def add(self, value: Any) -> None:
        if self.keeps:
            self.added += 1
            while self.best and self.best[-1][0] >= value[0]:
                self.best.pop()
            self.best.append((value[0], value[1], self.added))
        elif not self.extreme[0] < value[0]:
            self.extreme = value


@node(valid="any")
class IdxMax(TimeOfExtreme):
    """The engine time of the greatest value."""

    def add(self, value: Any) -> None:
        if self.keeps:
            self.added += 1
            while self.best and self.best[-1][0] <= value[0]:
                self.best.pop()
            self.best.append((value[0], value[1], self.added))
        elif not self.extreme[0] > value[0]:
            self.extreme = value
