"""Joins of two streams by event time (R14).

Each value of the first stream ticks in the order of its time, once no value that belongs to it can
come any more: both watermarks have passed its time, and that of the other stream also the latest
time at which a value may belong to it. So a join depends on what each stream delivers, not on how
the two streams interleave.

A value waits until the other stream's watermark has passed. If that stream is silent, values wait
without a bound: it may still deliver a value that belongs to them.
"""

from bisect import bisect_left, bisect_right
from heapq import heappop, heappush
from math import inf
from typing import Any, Generic, TypeVar

from graphcore.declare import node, state
from graphcore.node import Active, QueueNode
from graphcore.operators.event_time import Event
from graphcore.state import GraphState

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")

_FEW = 64  # values that may be in memory without need; to delete them one by one would cost more


class EventJoin(QueueNode[V]):
    """What the joins share: how values of the first stream wait, and the end.

    At the end no value can come any more, so what waits follows one a cycle.
    """

    source: Active[Event[Any]]
    waiting: list[tuple[int, int, Any]]
    watermark: float
    other_watermark: float
    number: int

    def _take(self, state: GraphState) -> None:
        """Let a value of the first stream wait."""
        if state.ticked(self.source):
            time, self.watermark, value = self.source.value
            if time >= self.watermark:
                self.number += 1
                heappush(self.waiting, (time, self.number, value))

    def close(self, state: GraphState) -> bool:
        self.watermark = self.other_watermark = inf
        if self.waiting:
            state.schedule(state.time)
        return False


class SortedJoin(EventJoin[V]):
    """A join that looks the other stream's values up by their times.

    A value that ticks is the last before the watermark that may need what is older than its own
    partners. So each tick forgets them, and a cycle without a tick has nothing to forget.
    """

    other: Active[Event[Any]]
    times: list[int]
    others: list[Any]

    def _take_other(self, state: GraphState) -> None:
        """Put a value of the other stream in its place."""
        if state.ticked(self.other):
            time, self.other_watermark, value = self.other.value
            if time >= self.other_watermark:
                if not self.times or time >= self.times[-1]:
                    self.times.append(time)
                    self.others.append(value)
                else:
                    place = bisect_right(self.times, time)
                    self.times.insert(place, time)
                    self.others.insert(place, value)

    def _forget(self, count: int) -> None:
        """Forget the first values of the other stream: none of the first stream needs them."""
        if count > _FEW and count * 2 > len(self.times):
            self.times[:count] = ()
            self.others[:count] = ()


@node(valid="any")
class AsofBackward(SortedJoin[tuple[T, U | None]], Generic[T, U]):
    """Ticks with each value and the newest of the other stream at or before its time.

    Attributes:
        waiting: a heap of (time, number, value) of the first stream.
        times: the times of the other stream's values, in order.
        others: these values.
    """

    source: Active[Event[T]]
    other: Active[Event[U]]
    tolerance: int | None
    waiting: list[tuple[int, int, T]] = state(factory=list)
    times: list[int] = state(factory=list)
    others: list[U] = state(factory=list)
    watermark: float = state(-inf)
    other_watermark: float = state(-inf)
    number: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        self._take(state)
        self._take_other(state)
        bound = self.watermark
        if self.other_watermark < bound:
            bound = self.other_watermark
        if not self.waiting or self.waiting[0][0] >= bound:
            return False
        time, _, value = heappop(self.waiting)
        place = bisect_right(self.times, time) - 1
        found = None
        if place >= 0 and (self.tolerance is None or time - self.times[place] <= self.tolerance):
            found = self.others[place]
        self._forget(place)
        self.value = (value, found)
        if self.waiting and self.waiting[0][0] < bound:
            state.schedule(state.time)
        return True

    def queued(self, time: int) -> int:
        bound = min(self.watermark, self.other_watermark)
        return sum(1 for each in self.waiting if each[0] < bound)


@node(valid="any")
class AsofAhead(SortedJoin[tuple[T, U | None]], Generic[T, U]):
    """Ticks with each value and the first of the other stream at or after its time.

    With `nearest`, it is the nearest in time, and of two that are equally near the earlier one.

    Attributes:
        waiting: a heap of (time, number, value) of the first stream.
        times: the times of the other stream's values, in order.
        others: these values.
    """

    source: Active[Event[T]]
    other: Active[Event[U]]
    tolerance: int
    nearest: bool
    waiting: list[tuple[int, int, T]] = state(factory=list)
    times: list[int] = state(factory=list)
    others: list[U] = state(factory=list)
    watermark: float = state(-inf)
    other_watermark: float = state(-inf)
    number: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        self._take(state)
        self._take_other(state)
        bound = self.other_watermark - self.tolerance
        if self.watermark < bound:
            bound = self.watermark
        if not self.waiting or self.waiting[0][0] >= bound:
            return False
        time, _, value = heappop(self.waiting)
        found = None
        distance = self.tolerance + 1
        if self.nearest:
            place = bisect_right(self.times, time) - 1
            if place >= 0 and time - self.times[place] < distance:
                distance = time - self.times[place]
                found = self.others[place]
        place = bisect_left(self.times, time)
        if place < len(self.times) and self.times[place] - time < distance:
            found = self.others[place]
        self._forget(bisect_left(self.times, time - self.tolerance) if self.nearest else place)
        self.value = (value, found)
        if self.waiting and self.waiting[0][0] < bound:
            state.schedule(state.time)
        return True

    def queued(self, time: int) -> int:
        bound = min(self.watermark, self.other_watermark - self.tolerance)
        return sum(1 for each in self.waiting if each[0] < bound)


@node(valid="any")
class IntervalJoin(SortedJoin[tuple[T, list[U]]], Generic[T, U]):
    """Ticks with each value and the list of the other stream's values in an interval about it.

    Attributes:
        waiting: a heap of (time, number, value) of the first stream.
        times: the times of the other stream's values, in order.
        others: these values.
    """

    source: Active[Event[T]]
    other: Active[Event[U]]
    before: int
    after: int
    prevailing: bool
    waiting: list[tuple[int, int, T]] = state(factory=list)
    times: list[int] = state(factory=list)
    others: list[U] = state(factory=list)
    watermark: float = state(-inf)
    other_watermark: float = state(-inf)
    number: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        self._take(state)
        self._take_other(state)
        bound = self.other_watermark - self.after
        if self.watermark < bound:
            bound = self.watermark
        if not self.waiting or self.waiting[0][0] >= bound:
            return False
        time, _, value = heappop(self.waiting)
        begin = bisect_left(self.times, time - self.before)
        exact = begin < len(self.times) and self.times[begin] == time - self.before
        if self.prevailing and begin > 0 and not exact:
            begin -= 1
        self.value = (value, self.others[begin : bisect_right(self.times, time + self.after)])
        self._forget(begin)
        if self.waiting and self.waiting[0][0] < bound:
            state.schedule(state.time)
        return True

    def queued(self, time: int) -> int:
        bound = min(self.watermark, self.other_watermark - self.after)
        return sum(1 for each in self.waiting if each[0] < bound)
