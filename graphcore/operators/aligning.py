"""Operators that join values of several streams by a key or a time that they carry (R6, R14)."""

import logging
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from graphcore.declare import node, state
from graphcore.node import Active, QueueNode
from graphcore.operators.pacing import tell_left
from graphcore.state import GraphState
from graphcore.time import Time, to_time

T = TypeVar("T")

_logger = logging.getLogger(__name__)


class Aligning(QueueNode[tuple[T, ...]], Generic[T]):
    """What `Align` and `AlignNear` share: what they say of values that tick in no tuple."""

    capacity: int
    complete: deque[tuple[T, ...]]
    waiting: int
    dropped: int
    left: int

    def close(self, state: GraphState) -> bool:
        self.left = self.waiting
        tell_left(self.name, self.left, "values had partners")
        return False

    def queued(self, time: int) -> int:
        return len(self.complete)

    def _note_dropped(self, count: int, name: str) -> None:
        """Count values that are dropped because too many wait; log the first time."""
        if not self.dropped:
            _logger.warning(
                "%s: more than %d values wait for a partner; the oldest are dropped",
                name,
                self.capacity,
            )
        self.dropped += count


@node(valid="any")
class Align(Aligning[T], Generic[T]):
    """Ticks with a tuple when every stream has delivered a key, whatever the order of arrival.

    If a stream delivers a key again before the other streams have delivered it once, the second
    value waits for their second. If several tuples become complete in one cycle, each gets a cycle
    of its own at the same time.

    Attributes:
        dropped: how many values were dropped, oldest key first, because too many waited.
        left: how many values waited for partners when the run ended.
    """

    sources: list[Active[T]]
    key: Callable[[T], Hashable]
    capacity: int
    partial: dict[Hashable, list[deque[T]]] = state(factory=dict)
    complete: deque[tuple[T, ...]] = state(factory=deque)
    waiting: int = state(0)
    dropped: int = state(0)
    left: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        for position, source in enumerate(self.sources):
            if state.ticked(source):
                self._take(position, source.value)
        if not self.complete:
            return False
        self.value = self.complete.popleft()
        if self.complete:
            state.schedule(state.time)
        return True

    def _take(self, position: int, value: T) -> None:
        key = self.key(value)
        queues = self.partial.get(key)
        if queues is None:
            queues = self.partial[key] = [deque() for _ in self.sources]
        queues[position].append(value)
        self.waiting += 1
        if all(queues):
            self.complete.append(tuple([queue.popleft() for queue in queues]))
            self.waiting -= len(queues)
            if not any(queues):
                del self.partial[key]
        elif self.waiting > self.capacity:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = next(iter(self.partial))
        count = sum(len(queue) for queue in self.partial.pop(oldest))
        self._note_dropped(count, self.name)
        self.waiting -= count


@node(valid="any")
class AlignNear(Aligning[T], Generic[T]):
    """Ticks with a tuple when every stream has delivered a value of nearly the same time.

    A value joins the open tuple that lacks its stream, all of whose times are within the tolerance
    of its own, and whose first time is the nearest; else it opens a tuple.

    Attributes:
        opened: for each open tuple, the time that opened it, in order.
        least: the least time in each.
        most: the greatest.
        partial: the values, by the places of their streams.
        dropped: how many values were dropped, the earliest tuple first, because too many waited.
        left: how many values waited for partners when the run ended.
    """

    sources: list[Active[T]]
    at: Callable[[T], Time]
    tolerance: int
    capacity: int
    opened: list[int] = state(factory=list)
    least: list[int] = state(factory=list)
    most: list[int] = state(factory=list)
    partial: list[dict[int, T]] = state(factory=list)
    complete: deque[tuple[T, ...]] = state(factory=deque)
    places: range = state(range(0))
    waiting: int = state(0)
    dropped: int = state(0)
    left: int = state(0)
    label: str = state("")

    def start(self, state: GraphState) -> None:
        self.places = range(len(self.sources))
        self.label = self.name

    def cycle(self, state: GraphState) -> bool:
        for position, source in enumerate(self.sources):
            if state.ticked(source):
                value = source.value
                time = self.at(value)
                if type(time) is not int:
                    time = to_time(time)
                found, distance = -1, self.tolerance + 1
                place = bisect_left(self.opened, time - self.tolerance)
                while place < len(self.opened) and self.opened[place] <= time + self.tolerance:
                    fits = (
                        position not in self.partial[place]
                        and time - self.least[place] <= self.tolerance
                        and self.most[place] - time <= self.tolerance
                    )
                    if fits and abs(time - self.opened[place]) < distance:
                        found, distance = place, abs(time - self.opened[place])
                    place += 1
                if found < 0:
                    found = bisect_right(self.opened, time)
                    self.opened.insert(found, time)
                    self.least.insert(found, time)
                    self.most.insert(found, time)
                    self.partial.insert(found, {})
                self.least[found] = min(self.least[found], time)
                self.most[found] = max(self.most[found], time)
                self.partial[found][position] = value
                self.waiting += 1
                values = self.partial[found]
                over = self.waiting > self.capacity and len(values) < len(self.places)
                if len(values) == len(self.places):
                    self.complete.append(tuple(map(values.__getitem__, self.places)))
                elif over:
                    found = 0
                    self._note_dropped(len(self.partial[0]), self.label)
                if over or len(values) == len(self.places):
                    self.waiting -= len(self.partial[found])
                    self.opened.pop(found)
                    self.least.pop(found)
                    self.most.pop(found)
                    self.partial.pop(found)
        if not self.complete:
            return False
        self.value = self.complete.popleft()
        if self.complete:
            state.schedule(state.time)
        return True
