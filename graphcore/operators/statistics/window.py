"""The window: which values a figure is computed from, and when it ticks.

In a cycle (1) a tick of `reset` empties the window, (2) the source's value enters, (3) what is too
old leaves, (4) the figure is computed if the trigger ticks. A value that is NaN or infinite is
missing, as in pandas: it takes its place among the last n, and counts for nothing.
"""

from collections import deque
from math import nan
from typing import Any

from graphcore.declare import node, state
from graphcore.operators.statistics.twinned import Twinned
from graphcore.state import GraphState


@node(valid="any")
class Window(Twinned):
    """A figure of the values in a window.

    A class for a figure defines `clear`, `add`, `remove` and `figure`, and may define `plain` and
    `known`.

    Attributes:
        keeps: whether values leave the window other than by a reset.
        by_count: whether the window holds the last `length` values.
        by_time: whether the window holds the values of the last `span` ns.
        includes_present: whether a value counts in its own instant.
        minimum: with fewer values the figure is NaN.
        sums_nothing: whether the figure of an empty window is 0.
        emits: whether a reset ticks the figure of the window that it empties.
        timed: whether the figure needs the time of each value.
        holds: whether a value counts for as long as it holds, up to the next one.
        values: what is in the window, NaN for a missing value.
        times: the times of `values`, in a window by time.
        waiting: (time, value) of what came and is not in the window yet.
        empty: whether nothing, not even a missing value, is in the window.
        full: whether `length` values are in it, and the next one takes the place of the oldest.
        begun: whether the figure has been defined.
    """

    keeps: bool
    by_count: bool
    by_time: bool
    length: int
    span: int
    includes_present: bool
    minimum: int
    sums_nothing: bool
    emits: bool
    timed: bool
    holds: bool
    values: deque[Any] = state(factory=deque)
    times: deque[int] = state(factory=deque)
    waiting: deque[tuple[int, Any]] = state(factory=deque)
    empty: bool = state(True)
    full: bool = state(False)
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
            if self.by_time or self.timed or self.holds or not self.includes_present:
                now = state.time  # other windows need not know it, and it costs 20 ns
            came, computes = state.ticked(self.source), state.ticked(self.trigger)
            figure = self.twin.step(now, came, value, emptied, computes)
            if figure is None:
                return False
            self.value = figure
            return True
        if self.holds:
            self.settle(state.time)
        if self.emits:
            emitted, last = False, nan
        for reset in self.resets:
            if state.ticked(reset):
                if self.emits:
                    if self.by_time:
                        self.evict(state.time - self.span)
                    if self.begun or self.count >= self.minimum:
                        last = self.present()
                        emitted = self.begun = True
                self.values.clear()
                self.times.clear()
                self.waiting.clear()
                self.count = 0
                self.empty = True
                self.full = False
                self.clear()
        if self.includes_present:
            if state.ticked(self.source):
                if self.timed:
                    value = (value, state.time)
                if self.by_time:
                    self.times.append(state.time)
                if self.by_count and self.full:
                    self.swap(value)
                else:
                    self.enter(self.known(value))
                    if self.by_count:
                        self.full = len(self.values) == self.length
        else:
            while self.waiting and (not self.by_time or self.waiting[0][0] < state.time):
                time, earlier = self.waiting.popleft()
                if self.by_time:
                    self.times.append(time)
                self.enter(earlier)
            if state.ticked(self.source):
                if self.timed:
                    value = (value, state.time)
                value = self.known(value)
                self.waiting.append((state.time, value))
            if self.by_count and len(self.values) > self.length:
                self.leave()
        if self.by_time:
            self.evict(state.time - self.span)
            if self.sums_nothing:
                self.empty = not self.values
        if self.emits and emitted:
            self.value = last
            return True
        if not state.ticked(self.trigger):
            return False
        if self.count >= self.minimum:
            self.begun = True
        elif not self.begun:
            return False
        figure = self.present()
        self.value = figure
        return True

    def present(self) -> Any:
        """Return the figure, or what stands for it if there are too few values."""
        if self.count >= self.minimum:
            return self.figure()
        if self.sums_nothing and self.empty:
            return 0.0
        return self.undefined()

    def enter(self, value: Any) -> None:
        """Take in a value, or NaN."""
        if self.keeps:
            self.values.append(value)
        if self.sums_nothing:
            self.empty = False
        self.note(value)
        if value == value:
            self.count += 1
            self.add(value)

    def swap(self, value: Any) -> None:
        """Take in a value of the source, and let the oldest one leave: the window is full."""
        self.enter(self.known(value))
        self.leave()

    def evict(self, begin: int) -> None:
        """Let the values leave that came, or if they hold, ended, at `begin` or before."""
        if self.holds:
            self.trim(begin)
        else:
            while self.times and self.times[0] <= begin:
                self.times.popleft()
                self.leave()

    def leave(self) -> None:
        """Let the oldest value leave."""
        value = self.values.popleft()
        if value == value:
            self.count -= 1
            self.remove(value)

    def known(self, value: Any) -> Any:
        """Return a value of the source, NaN for a missing one."""
        if value - value != 0.0:
            return nan
        return value

    def undefined(self) -> Any:
        """Return what ticks if there are too few values."""
        return nan

    def settle(self, now: int) -> None:
        """Count the newest value for as long as it has held."""

    def trim(self, begin: int) -> None:
        """Forget what held before `begin`."""

    def note(self, value: Any) -> None:
        """Look at a value that enters the window, and may be missing."""

    def clear(self) -> None:
        """Set the state of an empty window."""
        raise NotImplementedError

    def add(self, value: Any) -> None:
        """Take in a value that enters the window."""
        raise NotImplementedError

    def remove(self, value: Any) -> None:
        """Forget the value that has been in the window longest."""
        raise NotImplementedError

    def figure(self) -> Any:
        """Return the figure of the `count` values in the window."""
        raise NotImplementedError
