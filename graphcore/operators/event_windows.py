"""Windows by event time: spans of fixed length, and sessions (R14).

A window ticks as (start, end, values), with its values in the order of their own time. Windows
follow in the order of their ends; several that close at once follow one a cycle. The values of all
open windows are in one sorted list, and a window is a slice of it. So a value is kept once even if
it belongs to many windows. The list holds what the open windows span.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Generic, TypeVar

from graphcore.declare import node, output, state
from graphcore.node import Active, MutableNode, QueueNode
from graphcore.operators.event_time import Event
from graphcore.output import OutputNode
from graphcore.state import GraphState

T = TypeVar("T")
U = TypeVar("U")

Window = tuple[int, int, list[T]]
"""Start and end of a window, ns, and its values in the order of their own time."""


@node
class Spans(QueueNode[Window[T]], Generic[T]):
    """Ticks with the windows [k * every, k * every + length) that hold values, when they close.

    A window closes when the watermark reaches its end.

    Attributes:
        times: the times of the values in open windows, in order.
        closes_at: the end of the first window with values.
        begins: windows that begin earlier are closed.
        late: ticks with each value all of whose windows are closed, and how late it is, ns.
    """

    source: Active[Event[T]]
    length: int
    every: int
    partial: bool
    times: list[int] = state(factory=list)
    values: list[T] = state(factory=list)
    complete: deque[Window[T]] = state(factory=deque)
    watermark: float = state(-inf)
    closes_at: float = state(inf)
    begins: float = state(-inf)
    late: OutputNode[tuple[T, int]] = output()

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):
            time, watermark, value = self.source.value
            self.watermark = watermark
            end = time - time % self.every + self.length  # of the last window that may hold it
            if time >= end:
                pass  # between two windows
            elif end <= watermark:
                self.late.tick((value, watermark - time))
            else:
                place = bisect_right(self.times, time)
                self.times.insert(place, time)
                self.values.insert(place, value)
                if time < watermark:
                    begins = (watermark - self.length) // self.every * self.every + self.every
                    if begins > self.begins:
                        self.begins = begins
                if place == 0:
                    first: float = (time - self.length) // self.every * self.every + self.every
                    if first < self.begins:
                        first = self.begins
                    self.closes_at = first + self.length
        while self.times and self.closes_at <= self.watermark:
            start, end = int(self.closes_at) - self.length, int(self.closes_at)
            self.complete.append((start, end, self.values[: bisect_left(self.times, end)]))
            start += self.every
            self.begins = start
            place = bisect_left(self.times, start)
            self.times = self.times[place:]
            self.values = self.values[place:]
            if self.times:
                first = (self.times[0] - self.length) // self.every * self.every + self.every
                if first < start:
                    first = start
                self.closes_at = first + self.length
        if not self.complete:
            return False
        self.value = self.complete.popleft()
        if self.complete:
            state.schedule(state.time)
        return True

    def close(self, state: GraphState) -> bool:
        if self.times and self.partial:
            self.watermark = inf
            state.schedule(state.time)
        return False

    def queued(self, time: int) -> int:
        return len(self.complete)


@node
class Sessions(QueueNode[Window[T]], Generic[T]):
    """Ticks with the values between which no more than `gap` passes, when the session closes.

    A session ends `gap` after its last value, and closes when the watermark has passed its end: a
    value at the very end still belongs to it.

    Attributes:
        times: the times of the values in open sessions, in order.
        known: how many of the first values, at least, are of the first session.
        late: ticks with each value that belongs to no open session, and how late it is, ns.
    """

    source: Active[Event[T]]
    gap: int
    partial: bool
    times: list[int] = state(factory=list)
    values: list[T] = state(factory=list)
    known: int = state(0)
    complete: deque[Window[T]] = state(factory=deque)
    watermark: float = state(-inf)
    late: OutputNode[tuple[T, int]] = output()

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):
            time, watermark, value = self.source.value
            self.watermark = watermark
            place = bisect_right(self.times, time)
            joins_next = place < len(self.times) and self.times[place] - time <= self.gap
            # A late value that joins an open session lies before that session's last value.
            if time + self.gap < watermark and not joins_next:
                self.late.tick((value, watermark - time))
            else:
                self.times.insert(place, time)
                self.values.insert(place, value)
                if place == 0 and not joins_next:
                    self.known = 1
        while self.times and self.times[self.known - 1] + self.gap < self.watermark:
            last = self.times[self.known - 1]
            if self.known < len(self.times) and self.times[self.known] - last <= self.gap:
                self.known += 1
            else:
                window = (self.times[0], last + self.gap, self.values[: self.known])
                self.complete.append(window)
                self.times = self.times[self.known :]
                self.values = self.values[self.known :]
                self.known = 1
        if not self.complete:
            return False
        self.value = self.complete.popleft()
        if self.complete:
            state.schedule(state.time)
        return True

    def close(self, state: GraphState) -> bool:
        if self.times and self.partial:
            self.watermark = inf
            state.schedule(state.time)
        return False

    def queued(self, time: int) -> int:
        return len(self.complete)


@node
class Figure(MutableNode[U], Generic[T, U]):
    """Ticks with a function's result for each window."""

    source: Active[Window[T]]
    function: Callable[[Window[T]], U]

    def cycle(self, state: GraphState) -> bool:
        self.value = self.function(self.source.value)
        return True
