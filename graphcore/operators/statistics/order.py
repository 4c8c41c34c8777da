"""Figures of the values in their order: median, quantiles, rank, and how many differ.

The values of a window are kept in a sorted list. Up to `FEW` values it is Python's own: finding a
place takes log n comparisons, and moving the rest costs less than a tree's book-keeping. Beyond, it
is a `SortedList` (sortedcontainers), in which both take log n steps.
"""

from bisect import bisect_left, bisect_right, insort
from math import nan
from typing import Any

from sortedcontainers import SortedList

from graphcore.declare import node, state
from graphcore.operators.statistics.window import Window

# Measured on CPython 3.11, in random order: inserting and deleting takes 0.4 us with 100 values,
# 1.9 us with 10,000 and 17 us with 100,000; in a `SortedList` 0.8 us, 1.2 us and 1.8 us.
FEW = 10_000


@node(valid="any")
class Sorted(Window):
    """The values of the window in order."""

    ordered: Any = state(factory=list)
    large: bool = state(False)

    def clear(self) -> None:
        if self.large:
            self.ordered = []
            self.large = False
        else:
            self.ordered.clear()

    def swap(self, value: Any) -> None:
        newest = self.known(value)
        oldest = self.values.popleft()
        self.values.append(newest)
        self.note(newest)
        change = newest - oldest
        if change == change and not self.large:  # neither is missing
            # Both places are looked up before the list changes: machine code looks for them at the
            # same time, and moves the values that lie between them, once.
            place = bisect_left(self.ordered, oldest)
            to = bisect_right(self.ordered, newest)
            if place < to:
                to -= 1
            self.ordered.pop(place)
            self.ordered.insert(to, newest)
        else:
            if oldest == oldest:
                self.count -= 1
                self.remove(oldest)
            if newest == newest:
                self.count += 1
                self.add(newest)

    def add(self, value: Any) -> None:
        if self.large:
            self.ordered.add(value)
        else:
            insort(self.ordered, value)
            if self.count > FEW:
                self.ordered = SortedList(self.ordered)
                self.large = True

    def remove(self, value: Any) -> None:
        if self.large:
            self.ordered.remove(value)
        else:
            self.ordered.pop(bisect_left(self.ordered, value))


@node(valid="any")
class Median(Sorted):
    """The value in the middle, or the mean of the two."""

    def figure(self) -> Any:
        middle = self.count >> 1
        if self.count & 1:
            return self.ordered[middle]
        low, high = self.ordered[middle - 1], self.ordered[middle]
        both = low + high
        if both - both == 0.0:
            return both / 2.0
        return low / 2.0 + high / 2.0


@node(valid="any")
class Quantile(Sorted):
    """The value below which a share of the values lies, interpolated between two values."""

    share: float

    def figure(self) -> Any:
        place = self.share * (self.count - 1)
        below = int(place)
        low = self.ordered[below]
        if place == below:
            return low
        part = place - below
        high = self.ordered[below + 1]
        if high - low - (high - low) == 0.0:
            return low + (high - low) * part
        return low * (1.0 - part) + high * part


@node(valid="any")
class Quantiles(Sorted):
    """Several quantiles, as a tuple."""

    shares: tuple[float, ...]

    def figure(self) -> Any:
        found = []
        for share in self.shares:
            place = share * (self.count - 1)
            below = int(place)
            low = self.ordered[below]
            if place != below:
                part = place - below
                high = self.ordered[below + 1]
                if high - low - (high - low) == 0.0:
                    low = low + (high - low) * part
                else:
                    low = low * (1.0 - part) + high * part
            found.append(low)
        return tuple(found)

    def undefined(self) -> Any:
        return (nan,) * len(self.shares)


@node(valid="any")
class Rank(Sorted):
    """The newest value's place in order, from 1, the mean place of equals; NaN if it is missing."""

    newest: Any = state(nan)

    def note(self, value: Any) -> None:
        self.newest = value

    def figure(self) -> Any:
        if self.newest != self.newest:
            return nan
        if self.large:
            below = self.ordered.bisect_left(self.newest)
            return (below + 1 + self.ordered.bisect_right(self.newest)) / 2.0
        below = bisect_left(self.ordered, self.newest)
        return (below + 1 + bisect_right(self.ordered, self.newest, below)) / 2.0


@node(valid="any")
class NUnique(Window):
    """How many different values there are."""

    counts: dict[float, int] = state(factory=dict)

    def clear(self) -> None:
        self.counts.clear()

    def add(self, value: Any) -> None:
        self.counts[value] = self.counts.get(value, 0) + 1

    def remove(self, value: Any) -> None:
        left = self.counts[value] - 1
        if left:
            self.counts[value] = left
        else:
            self.counts.pop(value)

    def figure(self) -> Any:
        return float(len(self.counts))
