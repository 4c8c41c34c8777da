"""Nodes that set alarms (R7), and sources of a user's own."""

from collections import deque
from typing import Any

import graphcore as gc
from tests.differential.nodes.shape import SHAPES, Shape, shape
from tests.differential.observe import record


@shape("anything", gives="anything")
@gc.node
class Later(gc.MutableNode[Any]):
    source: gc.Active[Any]
    kept: deque[Any] = gc.state(factory=deque)

    def cycle(self, state: gc.GraphState) -> bool:
        if state.ticked(self.source):
            self.kept.append(self.source.value)
            state.schedule(state.time + 2)
        if not state.due:
            return False
        self.value = self.kept.popleft()
        return True


@shape("anything")
@gc.node
class ThreeTimesAtOnce(gc.MutableNode[Any]):
    source: gc.Active[Any]
    left: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        if state.ticked(self.source):
            self.left = 3
        self.left -= 1
        self.value = self.left
        if self.left > 0:
            state.schedule(state.time)
        return True


@shape("anything", gives="anything")
@gc.node
class WhenQuiet(gc.MutableNode[Any]):
    """Passes a value on when no other has come for a while: each value cancels the last alarm."""

    source: gc.Active[Any]
    alarm: gc.Alarm | None = gc.state(None)

    def cycle(self, state: gc.GraphState) -> bool:
        if state.ticked(self.source):
            if self.alarm is not None:
                self.alarm.cancel()
            self.alarm = state.schedule(state.time + 2)
            return False
        self.alarm = None
        self.value = self.source.value
        return True


@shape("number")
@gc.node
class TwoAlarms(gc.MutableNode[Any]):
    source: gc.Active[Any]
    woken: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.woken += state.due
        if state.ticked(self.source):
            for after in (1, 1, 3):
                state.schedule(state.time + after)
        self.value = self.woken
        return state.due


@shape("number")
@gc.node
class TooEarly(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        if self.value == 3:
            state.schedule(state.start_time - 1)
        return True


@shape()
class Pulse(gc.Source[int]):
    """A source with times of its own."""

    def start(self, state: gc.GraphState) -> None:
        self.number = 0
        state.schedule(state.time)

    def cycle(self, state: gc.GraphState) -> bool:
        self.number += 1
        self.value = self.number
        if self.number < 4:
            state.schedule(state.time + self.number)
        return self.number != 2


@shape()
@gc.node
class Burst(gc.MutableNode[int]):
    """A node without upstreams that runs in several cycles at one time."""

    left: int = gc.state(3)

    def start(self, state: gc.GraphState) -> None:
        state.schedule(state.time + 1)

    def cycle(self, state: gc.GraphState) -> bool:
        self.left -= 1
        self.value = self.left
        if self.left:
            state.schedule(state.time - 0)
        return True


@shape("number")
@gc.node(valid="any")
class StartsByItself(gc.MutableNode[Any]):
    """Runs before its input has a value."""

    source: gc.Active[Any]

    def start(self, state: gc.GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value if state.valid(self.source) else -1
        return True


@shape("number")
@gc.node
class StartsByItselfButWaits(gc.MutableNode[Any]):
    """Asks to run before its input has a value, which R5 prevents."""

    source: gc.Active[Any]

    def start(self, state: gc.GraphState) -> None:
        state.schedule(state.time)
        state.schedule(state.time + 5)

    def cycle(self, state: gc.GraphState) -> bool:
        record("waited", state.due, state.ticked(self.source))
        self.value = self.source.value
        return True


@shape("number")
@gc.node
class AsksADeputy(gc.MutableNode[Any]):
    """Passes `state` and its methods on."""

    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        schedule, ticked = state.schedule, state.ticked
        if ticked(self.source):
            schedule(state.time + 1)
        return self.decide(state)

    def decide(self, state: gc.GraphState) -> bool:
        self.value = state.time
        return state.due


@shape("anything", gives="anything")
@gc.node
class WhenQuietAtLast(gc.MutableNode[Any]):
    """Passes a value on 2 later, at the end of that instant, if no other has come."""

    source: gc.Active[Any]
    at: int = gc.state(-1)

    def cycle(self, state: gc.GraphState) -> bool:
        if state.ticked(self.source):
            self.at = state.time + 2
            state.schedule_last(self.at)
            return False
        if state.time != self.at:
            return False
        self.value = self.source.value
        return True


@shape("number")
@gc.node(valid="any")
class KeepsNothingAlive(gc.MutableNode[Any]):
    """Ticks every 2, as long as anything else goes on."""

    source: gc.Active[Any]
    woken: int = gc.state(0)

    def start(self, state: gc.GraphState) -> None:
        state.schedule(state.time, keeps_alive=False)

    def cycle(self, state: gc.GraphState) -> bool:
        if not state.due:
            return False
        self.woken += 1
        state.schedule(state.time + 2, keeps_alive=False)
        if self.woken == 3:
            state.schedule(state.time + 2)
            state.schedule(state.time)
        self.value = self.woken
        return True


@shape("number")
@gc.node
class CancelsOneOfMany(gc.MutableNode[Any]):
    """Sets alarms of every kind for few times, and cancels some of them."""

    source: gc.Active[Any]
    kept: list[Any] = gc.state(factory=list)
    seen: list[Any] = gc.state(factory=list)

    def cycle(self, state: gc.GraphState) -> bool:
        if state.ticked(self.source):
            at = state.time + 1
            kept = [state.schedule(at), state.schedule(at, keeps_alive=False)]
            kept += [state.schedule_last(at), state.schedule_last(at + 1, keeps_alive=False)]
            for place, alarm in enumerate(self.kept):
                if (place + len(self.seen)) % 3 == 0:
                    alarm.cancel()
            self.kept = kept
        self.seen.append((state.time, state.due, state.cycle_at_time))
        self.value = len(self.seen)
        return state.due


@shape("anything", gives="anything")
@gc.node
class EndsTheInstant(gc.MutableNode[Any]):
    """Ticks once at the end of each time, and once more then."""

    source: gc.Active[Any]
    again: bool = gc.state(False)

    def cycle(self, state: gc.GraphState) -> bool:
        if state.ticked(self.source):
            state.schedule_last(state.time, keeps_alive=False)
        if not state.due:
            return False
        self.again = not self.again
        if self.again:
            state.schedule(state.time, keeps_alive=False)
        self.value = self.source.value
        return True


def _ticker_of(stream: gc.Stream[Any]) -> gc.MutableNode[int]:
    periods = stream.map(lambda number: 1 + abs(int(number)) % 5 if abs(number) < 9 else 3)
    return gc.ticker(periods).node


SHAPES["ticker of periods"] = Shape(_ticker_of, ("number",), "number")
