"""Operators on bursts, the lists of values that arrived for one cycle (R6)."""

from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from graphcore.declare import node, state
from graphcore.node import Active, MutableNode, QueueNode
from graphcore.state import GraphState

T = TypeVar("T")


@node
class Unroll(QueueNode[T]):
    """Ticks with the items of each list, one item a cycle, all at the time of the list."""

    source: Active[Sequence[T]]
    waiting: deque[T] = state(factory=deque)

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):
            self.waiting.extend(self.source.value)
        if not self.waiting:
            return False
        self.value = self.waiting.popleft()
        if self.waiting:
            state.schedule(state.time)
        return True

    def queued(self, time: int) -> int:
        return len(self.waiting)


@node
class Collapse(MutableNode[T]):
    """Ticks with the last item of each list that is not empty."""

    source: Active[Sequence[T]]

    def cycle(self, state: GraphState) -> bool:
        burst = self.source.value
        if not burst:
            return False
        self.value = burst[-1]
        return True
