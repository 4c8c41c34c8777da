"""Nodes that set alarms (R7), and sources of a user's own."""

from collections import deque
from typing import Any

import graphcore as gc
from tests.differential.nodes.shape import shape
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
