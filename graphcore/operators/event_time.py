"""Values in the order of their own time: watermarks, what is late, and `ordered` (R14).

`EventTimes` reads the time of each value and keeps the watermark: the greatest time seen less the
lateness. It ticks with (time, watermark, value); the operators by event time read nothing else.
A value is late if its time is below the watermark. In the closing instant the watermark is
infinite: `close` sets it, and schedules the `cycle` that delivers what is left.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Generic, TypeVar

from graphcore.declare import node, state
from graphcore.node import Active, MutableNode, QueueNode
from graphcore.operators.several import MergeFirst
from graphcore.state import GraphState
from graphcore.time import Time, to_time

T = TypeVar("T")
U = TypeVar("U")

Event = tuple[int, int, T]
"""The time of a value, the watermark after it, and the value; times in ns."""


@node
class EventTimes(MutableNode[Event[T]], Generic[T]):
    """Ticks with each value's own time, the watermark and the value."""

    source: Active[T]
    at: Callable[[T], Time]
    lateness: int
    newest: int | None = state(None)

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        time = self.at(value)
        if type(time) is not int:
            time = to_time(time)
        if self.newest is None or time > self.newest:
            self.newest = time
        self.value = (time, self.newest - self.lateness, value)
        return True


@node
class MapEvents(MutableNode[Event[U]], Generic[T, U]):
    """Ticks with a function's result for the value, and the same time and watermark."""

    source: Active[Event[T]]
    function: Callable[[T], U]

    def cycle(self, state: GraphState) -> bool:
        time, watermark, value = self.source.value
        self.value = (time, watermark, self.function(value))
        return True


@node
class Behind(MutableNode[tuple[T, int]], Generic[T]):
    """Ticks with each late value, and with how far behind the watermark its time is, ns."""

    source: Active[Event[T]]

    def cycle(self, state: GraphState) -> bool:
        time, watermark, value = self.source.value
        if time >= watermark:
            return False
        self.value = (value, watermark - time)
        return True


class Late(MergeFirst[tuple[T, int]], Generic[T]):
    """Ticks with each value that one of several operators leaves out because it is late.

    `leave_out` adds the stream of the values that an operator leaves out. Before the first such
    call, every value that arrives after the watermark has passed its time is left out.
    """

    def leave_out(self, source: MutableNode[tuple[T, int]], first: bool) -> None:
        """Add a stream of values that are left out.

        Args:
            source: the stream.
            first: whether it replaces the streams that are there.
        """
        others = [] if first else [each for each in self.sources if each is not source]
        self.sources = [*others, source]


@node
class Ordered(QueueNode[T]):
    """Ticks with the values in the order of their own time, once the watermark has passed them.

    Several follow one a cycle; values of the same time follow in the order in which they came.

    Attributes:
        waiting: a heap of (time, number of the value, value). It holds what is not yet below the
            watermark; its bound is the number of values within the lateness.
    """

    source: Active[Event[T]]
    waiting: list[tuple[int, int, T]] = state(factory=list)
    watermark: float = state(-inf)
    number: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):
            time, self.watermark, value = self.source.value
            if time >= self.watermark:
                self.number += 1
                heappush(self.waiting, (time, self.number, value))
        if not self.waiting or self.waiting[0][0] >= self.watermark:
            return False
        self.value = heappop(self.waiting)[2]
        if self.waiting and self.waiting[0][0] < self.watermark:
            state.schedule(state.time)
        return True

    def close(self, state: GraphState) -> bool:
        self.watermark = inf
        if self.waiting:
            state.schedule(state.time)
        return False

    def queued(self, time: int) -> int:
        return sum(1 for each in self.waiting if each[0] < self.watermark)
