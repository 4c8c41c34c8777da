"""Operators that decide when and how often values pass (R6, R7)."""

from collections import deque
from collections.abc import Callable
from itertools import takewhile
from typing import Generic, TypeVar

from graphcore.declare import node, state
from graphcore.node import Active, MutableNode, Passive, QueueNode
from graphcore.operators.pacing import tell_left
from graphcore.state import GraphState

T = TypeVar("T")


@node
class Throttle(MutableNode[T]):
    """Lets a value through if at least `interval` has passed since it last let one through."""

    source: Active[T]
    interval: int
    next_time: int | None = state(None)

    def cycle(self, state: GraphState) -> bool:
        if self.next_time is not None and state.time < self.next_time:
            return False
        self.next_time = state.time + self.interval
        self.value = self.source.value
        return True


@node
class Sample(MutableNode[T]):
    """Ticks with the source's present value when the trigger ticks."""

    source: Passive[T]
    trigger: Active[object]

    def cycle(self, state: GraphState) -> bool:
        self.value = self.source.value
        return True


@node
class Delay(QueueNode[T]):
    """Ticks with each value a duration later; values of one time get a cycle each.

    Attributes:
        left: how many values were not due when the run ended.
    """

    source: Active[T]
    duration: int
    waiting: deque[tuple[int, T]] = state(factory=deque)
    left: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        delivers = state.due and bool(self.waiting) and self.waiting[0][0] <= state.time
        if state.ticked(self.source):
            at = state.time + self.duration
            self.waiting.append((at, self.source.value))
            state.schedule(at)
        if not delivers:
            return False
        self.value = self.waiting.popleft()[1]
        if self.waiting and self.waiting[0][0] <= state.time:
            state.schedule(state.time)
        return True

    def close(self, state: GraphState) -> bool:
        self.left = len(self.waiting)
        tell_left(self.name, self.left)
        return False

    def queued(self, time: int) -> int:
        return sum(1 for _ in takewhile(lambda item: item[0] <= time, self.waiting))


@node
class Limit(MutableNode[T]):
    """Lets the first `count` values through, and none after them."""

    source: Active[T]
    count: int
    passed: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        if self.passed == self.count:
            return False
        self.passed += 1
        self.value = self.source.value
        return True


@node
class Skip(MutableNode[T]):
    """Drops the first `count` values and lets all later ones through."""

    source: Active[T]
    count: int
    skipped: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        if self.skipped < self.count:
            self.skipped += 1
            return False
        self.value = self.source.value
        return True


@node
class Gate(MutableNode[T]):
    """Lets values through while the condition's value is true."""

    source: Active[T]
    condition: Passive[object]

    def cycle(self, state: GraphState) -> bool:
        if not self.condition.value:
            return False
        self.value = self.source.value
        return True


@node
class Reopen(MutableNode[T]):
    """A gate that on opening ticks with the present value, if that changed while it was closed."""

    source: Active[T]
    condition: Active[object]
    changed: bool = state(True)

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):
            self.changed = True
        if not self.changed or not self.condition.value:
            return False
        self.changed = False
        self.value = self.source.value
        return True


@node
class Freeze(MutableNode[T]):
    """Lets values through until the condition is true for the first time."""

    source: Active[T]
    condition: Active[object]
    frozen: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        if self.condition.value:
            self.frozen = True
        if self.frozen or not state.ticked(self.source):
            return False
        self.value = self.source.value
        return True


@node
class Between(MutableNode[T]):
    """Lets values through at the times that are in the hours.

    Attributes:
        hours: returns for a time whether it is in the hours, and until when that holds.
        until: until when the present answer holds, `None` before the first.
    """

    source: Active[T]
    hours: Callable[[int], tuple[bool, int]]
    is_open: bool = state(False)
    until: int | None = state(None)

    def cycle(self, state: GraphState) -> bool:
        if self.until is None or state.time >= self.until:
            self.is_open, self.until = self.hours(state.time)
        if not self.is_open:
            return False
        self.value = self.source.value
        return True


@node
class Sliding(MutableNode[list[T]], Generic[T]):
    """Ticks with the list of the last `count` values, at every `every`-th value."""

    source: Active[T]
    count: int
    every: int
    values: deque[T] = state(factory=deque)
    until_next: int = state(0)

    def start(self, state: GraphState) -> None:
        self.until_next = self.count

    def cycle(self, state: GraphState) -> bool:
        self.values.append(self.source.value)
        if len(self.values) > self.count:
            self.values.popleft()
        self.until_next -= 1
        if self.until_next:
            return False
        self.until_next = self.every
        self.value = list(self.values)
        return True


@node
class Buffer(MutableNode[list[T]], Generic[T]):
    """Ticks with a list of every `count` values, and at the end with those that are left."""

    source: Active[T]
    count: int
    partial: bool
    group: list[T] = state(factory=list)

    def cycle(self, state: GraphState) -> bool:
        self.group.append(self.source.value)
        if len(self.group) < self.count:
            return False
        self.value = self.group
        self.group = []
        return True

    def close(self, state: GraphState) -> bool:
        if not self.group or not self.partial:
            return False
        self.value = self.group
        self.group = []
        return True


@node
class Window(MutableNode[list[T]], Generic[T]):
    """Ticks at the end of each time span with the list of the values that came in it.

    A span without values ticks nothing. The last span ends with the run.

    Attributes:
        aligned: whether spans lie at multiples of their length, not counted from the start.
        right: whether a value at the end of a span belongs to it, and not to the next one.
    """

    source: Active[T]
    span: int
    aligned: bool
    right: bool
    partial: bool
    group: list[T] = state(factory=list)
    end: int = state(-(2**63))

    def cycle(self, state: GraphState) -> bool:
        now, group = state.time, self.group
        at_end = self.right and now == self.end
        complete = bool(group) and now >= self.end and (not at_end or state.due)
        came = state.ticked(self.source)
        if came and group and (at_end or not complete):
            group.append(self.source.value)
            came = False
        if complete:
            self.group = []
        if came:
            passed = (now if self.aligned else state.elapsed) % self.span
            if not self.right:
                self.end = now + self.span - passed
                state.schedule(self.end)
            else:
                # If a span that ends now has ticked, the rest of this instant is the next one's.
                end = now + -passed % self.span
                self.end = end + self.span if end == self.end else end
                state.schedule_last(self.end)
            self.group.append(self.source.value)
        if not complete:
            return False
        self.value = group
        return True

    def close(self, state: GraphState) -> bool:
        if not self.group or not self.partial:
            return False
        self.value = self.group
        self.group = []
        return True
