"""Operators on several streams; all but `merge` and `align` wait until each has a value (R5)."""

import logging
from collections import deque
from collections.abc import Callable, Hashable
from math import nan
from typing import Any, Generic, TypeVar

from graphcore.declare import node, state
from graphcore.errors import InvalidValueError
from graphcore.node import Active, MutableNode, Passive, QueueNode
from graphcore.operators.pacing import tell_left
from graphcore.output import Branch
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
class Merge(QueueNode[T]):
    """Ticks with every value of every stream; those of one cycle follow one a cycle.

    Attributes:
        late: whether values wait: a cycle in which none does, and one stream ticks, needs no queue.
    """

    sources: list[Active[T]]
    waiting: deque[T] = state(factory=deque)
    late: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        taken = self.late
        if taken:
            self.value = self.waiting.popleft()
        for source in self.sources:
            if state.ticked(source):
                if taken:
                    self.waiting.append(source.value)
                    self.late = True
                else:
                    self.value = source.value
                    taken = True
        if self.late:
            if self.waiting:
                state.schedule(state.time)
            else:
                self.late = False
        return True

    def queued(self, time: int) -> int:
        return len(self.waiting)


@node(valid="any")
class MergeAll(MutableNode[list[T]], Generic[T]):
    """Ticks with the list of the values of all streams that ticked."""

    sources: list[Active[T]]

    def cycle(self, state: GraphState) -> bool:
        values: list[T] = []
        for source in self.sources:
            if state.ticked(source):
                values.append(source.value)
        self.value = values
        return True


@node(valid="any")
class MergeFirst(MutableNode[T]):
    """Ticks with the value of the first stream in the list that ticked."""

    sources: list[Active[T]]

    def cycle(self, state: GraphState) -> bool:
        for source in self.sources:
            if state.ticked(source):
                self.value = source.value
                return True
        return False


@node(valid="any")
class Select(MutableNode[T]):
    """Ticks with the value of one of two streams when the condition or that stream ticks."""

    condition: Active[object]
    then: Active[T]
    otherwise: Active[T]

    def cycle(self, state: GraphState) -> bool:
        if not state.valid(self.condition):
            return False
        asked = state.ticked(self.condition)
        if self.condition.value:
            if not state.valid(self.then) or not (asked or state.ticked(self.then)):
                return False
            value = self.then.value
        else:
            if not state.valid(self.otherwise) or not (asked or state.ticked(self.otherwise)):
                return False
            value = self.otherwise.value
        self.value = value
        return True


@node(valid="any")
class Multiplex(MutableNode[T]):
    """Ticks with the value of the stream that a key chooses.

    Attributes:
        places: for each key, the place of its stream among the sources.
    """

    key: Active[Hashable]
    sources: list[Active[T]]
    places: dict[Hashable, int]
    chosen: int = state(-1)

    def cycle(self, state: GraphState) -> bool:
        if not state.valid(self.key):
            return False
        chosen = self.places.get(self.key.value)
        if chosen is None:
            raise InvalidValueError(f"multiplex has no stream for the key {self.key.value!r}")
        changed = chosen != self.chosen
        self.chosen = chosen
        for place, source in enumerate(self.sources):
            if chosen == place and state.valid(source) and (changed or state.ticked(source)):
                self.value = source.value
                return True
        return False


@node(valid="any")
class FirstValid(MutableNode[T]):
    """Ticks with the ticks of the first stream in the list that has a value."""

    sources: list[Active[T]]

    def cycle(self, state: GraphState) -> bool:
        for source in self.sources:
            if state.valid(source):
                if not state.ticked(source):
                    return False
                self.value = source.value
                return True
        return False


@node(valid="any")
class Race(MutableNode[T]):
    """Ticks with the ticks of the stream that ticked first."""

    sources: list[Active[T]]
    winner: int = state(-1)

    def cycle(self, state: GraphState) -> bool:
        for place, source in enumerate(self.sources):
            if state.ticked(source) and self.winner in (-1, place):
                self.winner = place
                self.value = source.value
                return True
        return False


@node(valid="any")
class Zip(MutableNode[tuple[Any, ...]]):
    """Ticks with the tuple of the k-th values of all streams, once all have come.

    Attributes:
        passed: how many tuples were ticked or given up.
        dropped: how many values were dropped, oldest first, because too many waited; and as many of
            other streams as they were to be in a tuple with.
        left: how many values waited for others when the run ended.
    """

    sources: list[Active[Any]]
    capacity: int
    queues: list[deque[Any]] = state(factory=list)
    come: list[int] = state(factory=list)
    passed: int = state(0)
    dropped: int = state(0)
    left: int = state(0)
    label: str = state("")

    def start(self, state: GraphState) -> None:
        self.queues = [deque() for _ in self.sources]
        self.come = [0] * len(self.sources)
        self.label = self.name

    def cycle(self, state: GraphState) -> bool:
        for place, source in enumerate(self.sources):
            if state.ticked(source):
                self.come[place] += 1
                if self.come[place] > self.passed:
                    self.queues[place].append(source.value)
                else:  # the other values of its tuple have been dropped
                    self.dropped += 1
        if all(self.queues):
            self.passed += 1
            self.value = tuple(map(deque.popleft, self.queues))
            return True
        if max(map(len, self.queues)) > self.capacity:
            if not self.dropped:
                _logger.warning(
                    "%s: more than %d values of a stream wait for others; the oldest are dropped",
                    self.label,
                    self.capacity,
                )
            self.passed += 1
            for queue in self.queues:
                if queue:
                    queue.popleft()
                    self.dropped += 1
        return False

    def close(self, state: GraphState) -> bool:
        self.left = sum(map(len, self.queues))
        tell_left(self.label, self.left, "values had partners")
        return False


@node(valid="any")
class Sync(MutableNode[tuple[Any, ...]]):
    """Ticks with a tuple once all streams have ticked, or some time after the first of them did.

    Attributes:
        group: the values of the open tuple, `None` for a stream that has not ticked.
        come: which streams have ticked.
        missing: how many have not; all of them if no tuple is open.
        deadline: the engine time at which the open tuple ticks incomplete.
    """

    sources: list[Active[Any]]
    within: int
    group: list[Any] = state(factory=list)
    come: list[bool] = state(factory=list)
    size: int = state(0)
    missing: int = state(0)
    deadline: int = state(0)

    def start(self, state: GraphState) -> None:
        self.size = self.missing = len(self.sources)
        self.group = [None] * self.size
        self.come = [False] * self.size

    def cycle(self, state: GraphState) -> bool:
        was_open = self.missing < self.size
        for place, source in enumerate(self.sources):
            if state.ticked(source):
                self.group[place] = source.value
                if not self.come[place]:
                    self.come[place] = True
                    self.missing -= 1
        late = was_open and state.due and state.time >= self.deadline
        if self.missing and not late:
            if self.missing < self.size and not was_open:
                self.deadline = state.time + self.within
                state.schedule_last(self.deadline)
            return False
        self.value = tuple(self.group)
        self.group = [None] * self.size
        self.come = [False] * self.size
        self.missing = self.size
        return True

    def close(self, state: GraphState) -> bool:
        if self.missing == self.size:
            return False
        self.value = tuple(self.group)
        return True


@node
class Summary(MutableNode[U]):
    """Ticks with a function's result for the list of all present values."""

    sources: list[Active[Any]]
    function: Callable[[list[Any]], U]

    def cycle(self, state: GraphState) -> bool:
        self.value = self.function([source.value for source in self.sources])
        return True


@node
class Make(MutableNode[U]):
    """Ticks with a function's result for all present values, given by name."""

    sources: dict[str, Active[Any]]
    function: Callable[..., U]

    def cycle(self, state: GraphState) -> bool:
        given = {}
        for name, source in self.sources.items():
            given[name] = source.value
        self.value = self.function(**given)
        return True


@node(valid="any")
class Ticked(MutableNode[dict[str, Any]]):
    """Ticks with the values, by name, of the streams that ticked in this cycle."""

    sources: dict[str, Active[Any]]

    def cycle(self, state: GraphState) -> bool:
        values = {}
        for name, source in self.sources.items():
            if state.ticked(source):
                values[name] = source.value
        self.value = values
        return True


@node(valid="any")
class Stack(MutableNode[Any]):
    """Ticks with an array of all present values, with NaN where there is none.

    Attributes:
        array: makes an array of a list.
    """

    sources: list[Active[float]]
    array: Callable[[list[float]], Any]

    def cycle(self, state: GraphState) -> bool:
        values = []
        for source in self.sources:
            values.append(source.value if state.valid(source) else nan)
        self.value = self.array(values)
        return True


@node
class Demux(MutableNode[T]):
    """Hands each value to the branch of its key.

    Attributes:
        places: for each key, the place of its branch; the branch after those is for other keys.
        branches: the outputs.
    """

    source: Active[T]
    key: Callable[[T], Hashable]
    places: dict[Hashable, int]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.other = len(self.places)
        names = [key if isinstance(key, str) else repr(key) for key in self.places]
        self.branches: list[Branch[T]] = [Branch(self, name) for name in [*names, "other"]]

    def partners(self) -> tuple[MutableNode[Any], ...]:
        return tuple(self.branches)

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        self.branches[self.places.get(self.key(value), self.other)].tick(value)
        return False
