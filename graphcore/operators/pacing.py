"""Operators that let values wait, and those that watch how time passes between them (R7, R14)."""

import logging
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from graphcore.declare import node, state
from graphcore.errors import RunError
from graphcore.node import Active, MutableNode, Passive, QueueNode
from graphcore.state import Alarm, GraphState

T = TypeVar("T")

_logger = logging.getLogger(__name__)


def tell_left(name: str, count: int, before: str = "values were due") -> None:
    """Log that values were still waiting when a run ended, and what had not happened to them."""
    if count:
        _logger.warning("%s: the run ended before %s; not delivered: %d", name, before, count)


@node
class ThrottleLatest(MutableNode[T]):
    """Ticks with the first value, and `interval` after each tick with the newest one since.

    Attributes:
        left: how many values were not due when the run ended.
    """

    source: Active[T]
    interval: int
    next_time: int = state(-1)
    waits: bool = state(False)
    left: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        if state.time < self.next_time:
            if not self.waits:
                self.waits = True
                state.schedule(self.next_time)
            return False
        self.waits = False
        self.next_time = state.time + self.interval
        self.value = self.source.value
        return True

    def close(self, state: GraphState) -> bool:
        self.left = int(self.waits)
        tell_left(self.name, self.left)
        return False


@node
class Debounce(MutableNode[T]):
    """Ticks with the newest value once no other has come for `duration`.

    Attributes:
        left: how many values were not due when the run ended.
    """

    source: Active[T]
    duration: int
    deadline: int = state(-1)
    armed: bool = state(False)
    waits: bool = state(False)
    left: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        if state.due:
            self.armed = False
        if state.ticked(self.source):
            self.deadline = state.time + self.duration
            self.waits = True
        if state.time < self.deadline:
            if not self.armed:
                self.armed = True
                state.schedule_last(self.deadline)
            return False
        self.waits = False
        self.value = self.source.value
        return True

    def close(self, state: GraphState) -> bool:
        self.left = int(self.waits)
        tell_left(self.name, self.left)
        return False


@node(valid="any")
class SilentFor(MutableNode[bool]):
    """Ticks with True when the source has not ticked for `duration`, and with False when it does.

    With `fresh` it tells the opposite: True when it ticks, and False when it has not.
    """

    source: Active[object]
    duration: int
    fresh: bool
    deadline: int = state(0)
    armed: bool = state(True)
    silent: bool = state(False)

    def start(self, state: GraphState) -> None:
        self.silent = self.fresh
        self.deadline = state.time + self.duration
        state.schedule_last(self.deadline, keeps_alive=False)

    def cycle(self, state: GraphState) -> bool:
        if state.due:
            self.armed = False
        before = self.silent
        if state.ticked(self.source):
            self.deadline = state.time + self.duration
            self.silent = False
        elif state.time >= self.deadline:
            self.silent = True
        if state.time < self.deadline and not self.armed:
            self.armed = True
            state.schedule_last(self.deadline, keeps_alive=False)
        if self.silent == before:
            return False
        self.value = self.silent != self.fresh
        return True


@node(valid="any")
class Every(MutableNode[T]):
    """Ticks with the source's present value once a period."""

    source: Passive[T]
    period: int
    align: bool

    def start(self, state: GraphState) -> None:
        first = state.time
        if self.align:
            first += -first % self.period
        state.schedule(first, keeps_alive=False)

    def cycle(self, state: GraphState) -> bool:
        since = state.time if self.align else state.elapsed
        state.schedule(state.time + self.period - since % self.period, keeps_alive=False)
        if not state.valid(self.source):
            return False
        self.value = self.source.value
        return True


@node(valid="any")
class EveryNew(MutableNode[T]):
    """Ticks with the source's present value once a period, if a value came since the last tick."""

    source: Active[T]
    period: int
    align: bool
    new: bool = state(False)

    def start(self, state: GraphState) -> None:
        first = state.time
        if self.align:
            first += -first % self.period
        state.schedule(first, keeps_alive=False)

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):
            self.new = True
        if not state.due:
            return False
        since = state.time if self.align else state.elapsed
        state.schedule(state.time + self.period - since % self.period, keeps_alive=False)
        if not self.new:
            return False
        self.new = False
        self.value = self.source.value
        return True


@node
class Pace(MutableNode[T]):
    """Ticks with each value, one every `interval`; values wait in a queue.

    Attributes:
        dropped: how many values were dropped because too many waited.
        left: how many values were not due when the run ended.
    """

    source: Active[T]
    interval: int
    capacity: int
    on_full: str
    waiting: deque[T] = state(factory=deque)
    next_time: int = state(-1)
    dropped: int = state(0)
    left: int = state(0)
    label: str = state("")

    def start(self, state: GraphState) -> None:
        self.label = self.name

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):
            self.waiting.append(self.source.value)
            if state.time < self.next_time:
                if len(self.waiting) == 1:
                    state.schedule(self.next_time)
                elif len(self.waiting) > self.capacity:
                    self._make_room()
        if not self.waiting or state.time < self.next_time:
            return False
        self.value = self.waiting.popleft()
        self.next_time = state.time + self.interval
        if self.waiting:
            state.schedule(self.next_time)
        return True

    def close(self, state: GraphState) -> bool:
        self.left = len(self.waiting)
        tell_left(self.name, self.left)
        return False

    def _make_room(self) -> None:
        if self.on_full == "raise":
            raise RunError(f"{self.label}: more than {self.capacity} values wait for their turn")
        if not self.dropped:
            kind = self.on_full.removeprefix("drop_")
            text = "%s: more than %d values wait for their turn; the %s are dropped"
            _logger.warning(text, self.label, self.capacity, kind)
        self.dropped += 1
        if self.on_full == "drop_oldest":
            self.waiting.popleft()
        else:
            self.waiting.pop()


@node
class HoldWhile(QueueNode[T]):
    """Holds values while the condition is true, and lets them follow one a cycle when it is not."""

    source: Active[T]
    condition: Active[object]
    capacity: int
    waiting: deque[T] = state(factory=deque)

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):
            self.waiting.append(self.source.value)
        if self.condition.value and not state.closing:
            if len(self.waiting) > self.capacity:
                raise RunError(f"hold_while holds more than {self.capacity} values")
            return False
        if not self.waiting:
            return False
        self.value = self.waiting.popleft()
        if self.waiting:
            state.schedule(state.time)
        return True

    def close(self, state: GraphState) -> bool:
        if not self.waiting:
            return False
        self.value = self.waiting.popleft()
        if self.waiting:
            state.schedule(state.time)
        return True

    def queued(self, time: int) -> int:
        return len(self.waiting)


@node(valid="any")
class DelayUntil(QueueNode[T]):
    """Ticks with each value when the trigger ticks next; several follow one a cycle.

    Attributes:
        left: how many values waited for the trigger when the run ended.
    """

    source: Active[T]
    trigger: Active[object]
    waiting: deque[T] = state(factory=deque)
    released: int = state(0)
    left: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):
            self.waiting.append(self.source.value)
        if state.ticked(self.trigger):
            self.released = len(self.waiting)
        if not self.released:
            return False
        self.released -= 1
        self.value = self.waiting.popleft()
        if self.released:
            state.schedule(state.time)
        return True

    def close(self, state: GraphState) -> bool:
        self.left = len(self.waiting)
        tell_left(self.name, self.left)
        return False

    def queued(self, time: int) -> int:
        return self.released


@node(valid="any")
class BufferUntil(MutableNode[list[T]], Generic[T]):
    """Ticks with the list of the values since the trigger last ticked, when it ticks."""

    source: Active[T]
    trigger: Active[object]
    group: list[T] = state(factory=list)

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):
            self.group.append(self.source.value)
        if not self.group or not state.ticked(self.trigger):
            return False
        self.value = self.group
        self.group = []
        return True

    def close(self, state: GraphState) -> bool:
        if not self.group:
            return False
        self.value = self.group
        self.group = []
        return True


class _Group(Generic[T]):
    """The values of an incomplete group, when it ends, and the alarm for that."""

    __slots__ = ("alarm", "end", "values")

    def __init__(self, end: int, alarm: Alarm | None) -> None:
        self.values: list[T] = []
        self.end = end
        self.alarm = alarm


@node
class BufferGroups(QueueNode[list[T]], Generic[T]):
    """Ticks with lists of `count` values of a key, or of those within a time of the first one."""

    source: Active[T]
    count: int
    within: int | None
    key: Callable[[T], Hashable] | None
    partial: bool
    groups: dict[Hashable, _Group[T]] = state(factory=dict)
    complete: deque[list[T]] = state(factory=deque)

    def cycle(self, state: GraphState) -> bool:
        self._expire(state.time)
        if state.ticked(self.source):
            value = self.source.value
            key = None if self.key is None else self.key(value)
            group = self.groups.get(key)
            if group is None:
                end = -1 if self.within is None else state.time + self.within
                alarm = None if self.within is None else state.schedule(end)
                group = self.groups[key] = _Group(end, alarm)
            group.values.append(value)
            if len(group.values) == self.count:
                self._complete(key)
        if not self.complete:
            return False
        self.value = self.complete.popleft()
        if self.complete:
            state.schedule(state.time)
        return True

    def close(self, state: GraphState) -> bool:
        if self.partial:
            for key in list(self.groups):
                self._complete(key)
        if not self.complete:
            return False
        self.value = self.complete.popleft()
        if self.complete:
            state.schedule(state.time)
        return True

    def queued(self, time: int) -> int:
        return len(self.complete)

    def _expire(self, time: int) -> None:
        # Groups are in the order of their first values, and so of their ends.
        while self.within is not None and self.groups:
            key, group = next(iter(self.groups.items()))
            if group.end > time:
                return
            self._complete(key)

    def _complete(self, key: Hashable) -> None:
        group = self.groups.pop(key)
        if group.alarm is not None:
            group.alarm.cancel()
        self.complete.append(group.values)
