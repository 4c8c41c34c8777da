"""Operators on several streams; all but `merge` and `align` wait until each has a value (R5)."""

import logging
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from graphcore.declare import node, state
from graphcore.node import Active, MutableNode, Passive, QueueNode
from graphcore.state import GraphState

T = TypeVar("T")
U = TypeVar("U")

_logger = logging.getLogger(__name__)


@node
class Join(MutableNode[U], Generic[U]):
    """Ticks with the function's result for all present values when any stream ticks."""

    sources: list[Active[Any]]
    function: Callable[..., U]

    def cycle(self, state: GraphState) -> bool:
        self.value = self.function(*[source.value for source in self.sources])
        return True


@node
class Combine(MutableNode[tuple[Any, ...]]):
    """Ticks with the tuple of all present values when any stream ticks."""

    sources: list[Active[Any]]

    def cycle(self, state: GraphState) -> bool:
        self.value = tuple([source.value for source in self.sources])
        return True


@node
class WithLatest(MutableNode[tuple[Any, ...]]):
    """Ticks when the source does, with its value and the present values of the others."""

    source: Active[Any]
    others: list[Passive[Any]]

    def cycle(self, state: GraphState) -> bool:
        self.value = (self.source.value, *[other.value for other in self.others])
        return True


@node(valid="any")
class Merge(MutableNode[T]):
    """Ticks with the value of the first stream in the list that ticked."""

    sources: list[Active[T]]

    def cycle(self, state: GraphState) -> bool:
        for source in self.sources:
            if state.ticked(source):
                self.value = source.value
                return True
        return False


@node(valid="any")
class Align(QueueNode[tuple[T, ...]], Generic[T]):
    """Ticks with a tuple when every stream has delivered a key, whatever the order of arrival.

    If a stream delivers a key again before the other streams have delivered it once, the second
    value waits for their second. If several tuples become complete in one cycle, each gets a cycle
    of its own at the same time.

    Attributes:
        dropped: how many values were dropped, oldest key first, because too many waited.
    """

    sources: list[Active[T]]
    key: Callable[[T], Hashable]
    capacity: int
    partial: dict[Hashable, list[deque[T]]] = state(factory=dict)
    complete: deque[tuple[T, ...]] = state(factory=deque)
    waiting: int = state(0)
    dropped: int = state(0)

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

    def queued(self, time: int) -> int:
        return len(self.complete)

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
        if not self.dropped:
            _logger.warning(
                "%s: more than %d values wait for a partner; the oldest are dropped",
                self.name,
                self.capacity,
            )
        self.waiting -= count
        self.dropped += count
