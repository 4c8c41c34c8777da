"""Sources that make their ticks themselves: `ticker`, `session`, `constant`, `never` (R7, R13)."""

from collections.abc import Callable
from itertools import count
from typing import TypeVar

from graphcore.declare import node, state
from graphcore.node import Active, Chunks, Source
from graphcore.state import Alarm, GraphState
from graphcore.time import Duration, to_period

T = TypeVar("T")

_CHUNK = 4096


@node
class Ticker(Source[int]):
    """Ticks at start + k · period with the engine time; if it is late it skips missed ticks."""

    endless = True
    recorded = True
    period: int

    def start(self, state: GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: GraphState) -> bool:
        self.value = state.time
        state.schedule(state.time + self.period - state.elapsed % self.period)
        return True

    def chunks(self, start: int) -> Chunks:
        step = _CHUNK * self.period
        chunks = (range(time, time + step, self.period) for time in count(start, step))
        return ((times, times) for times in chunks)


@node
class Timetable(Source[int]):
    """Ticks with the engine time at first + k · period, a number of times or without an end."""

    recorded = True
    period: int
    first: int
    count: int | None
    align: bool
    _origin: int = state(0)
    _left: int = state(-1)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.endless = self.count is None

    def start(self, state: GraphState) -> None:
        self._origin = self._begin(state.time)
        self._left = -1 if self.count is None else self.count
        state.schedule(self._origin)

    def cycle(self, state: GraphState) -> bool:
        self.value = state.time
        self._left -= 1
        if self._left != 0:
            late = (state.time - self._origin) % self.period
            state.schedule(state.time + self.period - late)
        return True

    def stop(self, state: GraphState) -> None:
        self._left = -1

    def chunks(self, start: int) -> Chunks:
        begin, step = self._begin(start), _CHUNK * self.period
        if self.count is None:
            chunks = (range(time, time + step, self.period) for time in count(begin, step))
        else:
            end = begin + self.count * self.period
            some = range(begin, end, step)
            chunks = (range(time, min(time + step, end), self.period) for time in some)
        return ((times, times) for times in chunks)

    def _begin(self, start: int) -> int:
        begin = start + self.first
        return begin + -begin % self.period if self.align else begin


@node
class PeriodTicker(Source[int]):
    """Ticks when the first period comes, and then a period after each tick.

    Attributes:
        origin: the tick from which on the present period counts.
        next_time: engine time of the next tick, ns.
    """

    endless = True
    periods: Active[Duration]
    period: int = state(0)
    origin: int = state(0)
    next_time: int = state(0)
    alarm: Alarm | None = state(None)

    def cycle(self, state: GraphState) -> bool:
        now = state.time
        if state.ticked(self.periods):
            period = to_period(self.periods.value)
            if period != self.period:
                if not self.period:
                    self.next_time = now
                else:
                    self.origin = self.next_time - self.period
                    self.next_time = self.origin + period
                if self.alarm is not None:
                    self.alarm.cancel()
                if self.next_time <= now:
                    self.origin = now
                else:
                    self.alarm = state.schedule(self.next_time)
                self.period = period
        if now < self.next_time:
            return False
        self.next_time = now + self.period - (now - self.origin) % self.period
        self.alarm = state.schedule(self.next_time)
        self.value = now
        return True


@node
class Session(Source[bool]):
    """Ticks at the start with whether the time is in the hours, and then whenever that changes.

    Attributes:
        hours: returns for a time whether it is in the hours, and until when that holds.
    """

    hours: Callable[[int], tuple[bool, int]]
    known: bool | None = state(None)

    def start(self, state: GraphState) -> None:
        state.schedule(state.time, keeps_alive=False)

    def cycle(self, state: GraphState) -> bool:
        is_open, until = self.hours(state.time)
        state.schedule(until, keeps_alive=False)
        if is_open == self.known:
            return False
        self.known = is_open
        self.value = is_open
        return True


@node
class Constant(Source[T]):
    """Ticks once, in the first cycle."""

    recorded = True
    constant: T

    def start(self, state: GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: GraphState) -> bool:
        self.value = self.constant
        return True

    def chunks(self, start: int) -> Chunks:
        return iter([((start,), (self.constant,))])


class Never(Source[T]):
    """Never ticks, and does not keep a run alive."""
