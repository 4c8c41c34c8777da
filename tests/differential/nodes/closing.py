"""Nodes that close (R14)."""

from collections import deque
from typing import Any

import graphcore as gc
from tests.differential.nodes.shape import shape
from tests.differential.observe import record


@shape("anything", gives="anything")
@gc.node
class HoldsTheLast(gc.MutableNode[Any]):
    source: gc.Active[Any]
    last: Any = gc.state(None)

    def cycle(self, state: gc.GraphState) -> bool:
        self.last = self.source.value
        return False

    def close(self, state: gc.GraphState) -> bool:
        self.value = self.last
        return self.last is not None


@shape("anything", gives="tuple")
@gc.node(valid="any")
class SaysHowItCloses(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = ("cycle", state.closing)
        return True

    def close(self, state: gc.GraphState) -> bool:
        ticked, valid = state.ticked(self.source), state.valid(self.source)
        self.value = ("close", state.closing, state.time, str(state.ended_by), ticked, valid)
        record("closed", state.due, state.stopping, state.elapsed)
        return True

    def stop(self, state: gc.GraphState) -> None:
        record("stopped", state.closing, state.time)


@shape("anything", gives="anything")
@gc.node
class DrainsAtTheEnd(gc.QueueNode[Any]):
    """Keeps its values for the closing instant, and delivers them there one a cycle."""

    source: gc.Active[Any]
    waiting: deque[Any] = gc.state(factory=deque)

    def cycle(self, state: gc.GraphState) -> bool:
        if state.ticked(self.source):
            self.waiting.append(self.source.value)
        if not state.closing or not self.waiting:
            return False
        self.value = self.waiting.popleft()
        state.schedule(state.time)
        return True

    def close(self, state: gc.GraphState) -> bool:
        state.schedule(state.time - 0)
        state.schedule(state.time + 1)
        return False

    def queued(self, time: int) -> int:
        return len(self.waiting)


@shape("number")
@gc.node
class SetsMoreThanItTicksWith(gc.MutableNode[Any]):
    """Counts in its value, and ticks with every second one only (R5)."""

    source: gc.Active[Any]

    def start(self, state: gc.GraphState) -> None:
        self.value = 0

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.value + 1
        return self.value % 2 == 0

    def close(self, state: gc.GraphState) -> bool:
        self.value = self.value + 100
        record("closing with", self.value)
        return self.value % 2 == 0


@shape("number")
@gc.node
class SetsMoreThanItTicksWithAndIsCalled(gc.MutableNode[Any]):
    source: gc.Active[Any]
    kept: Any = gc.state(None)

    def cycle(self, state: gc.GraphState) -> bool:
        self.kept = state
        self.value = self.source.value
        return self.value != 2

    def close(self, state: gc.GraphState) -> bool:
        record("closing with", self.value, self.kept.time)
        return False


@shape("number")
@gc.node
class AsksWhichCycleItCloses(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return True

    def close(self, state: gc.GraphState) -> bool:
        self.value = state.cycle_at_time
        return True


@shape("number")
@gc.node
class HasAnAlarmLeft(gc.MutableNode[Any]):
    source: gc.Active[Any]
    alarms: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.alarms += state.due
        if state.ticked(self.source):
            for after in (0, 2, 1000):
                state.schedule(state.time + after)
        self.value = self.alarms
        return True

    def close(self, state: gc.GraphState) -> bool:
        self.value = -self.alarms
        return True


@shape("number")
@gc.node
class FailsToClose(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return self.value != 3

    def close(self, state: gc.GraphState) -> bool:
        if self.value == 3:
            raise ValueError("it does not close")
        return False


@shape()
@gc.node
class ClosesByItself(gc.MutableNode[int]):
    """A node without upstreams that is no source: it runs in the closing instant too."""

    left: int = gc.state(3)

    def start(self, state: gc.GraphState) -> None:
        state.schedule(state.time + 1)

    def cycle(self, state: gc.GraphState) -> bool:
        self.left -= 1
        self.value = self.left
        if self.left > 0:
            state.schedule(state.time)
        return True

    def close(self, state: gc.GraphState) -> bool:
        self.value = 10 * self.left
        return True
