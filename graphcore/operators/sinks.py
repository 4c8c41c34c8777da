"""Sinks: each hands values to the outside world, and ticks with them, so a chain can go on."""

import logging
import sys
import threading
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from graphcore.declare import node, state
from graphcore.node import Active, EffectNode, MutableNode
from graphcore.state import GraphState
from graphcore.time import format_time

T = TypeVar("T")

_logger = logging.getLogger(__name__)


@node
class ForEach(EffectNode[T]):
    """Calls a function with each value."""

    source: Active[T]
    function: Callable[[T], object]

    def cycle(self, state: GraphState) -> bool:
        self.function(self.source.value)
        self.value = self.source.value
        return True


@node
class Print(EffectNode[T]):
    """Writes each value to standard output, with its engine time."""

    source: Active[T]
    label: str

    def cycle(self, state: GraphState) -> bool:
        self.value = self.source.value
        sys.stdout.write(f"{format_time(state.time)} {self.label}{self.value!r}\n")
        return True


@node
class Log(EffectNode[T]):
    """Logs each value, with its engine time."""

    source: Active[T]
    label: str
    level: int

    def cycle(self, state: GraphState) -> bool:
        self.value = self.source.value
        _logger.log(self.level, "%s %s%r", format_time(state.time), self.label, self.value)
        return True


# How many ticks stay in lists before they are moved to arrays.
CHUNK = 1 << 14


class Packed:
    """Ticks that were moved from lists to arrays: floats and whole numbers take 8 bytes each.

    Attributes:
        lock: held while ticks are moved, and by those who read arrays and lists together.
        chunks: for each chunk its columns, the times first.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.chunks: list[list[Sequence[Any]]] = []

    def take(self, times: list[int], *columns: list[Any]) -> None:
        """Move all items of some lists of the same length to a new chunk."""
        chunk = [in_array(items) for items in (times, *columns)]
        with self.lock:
            self.chunks.append(chunk)
            for items in (times, *columns):
                items.clear()


def in_array(items: list[Any]) -> Sequence[Any]:
    """Return floats, or whole numbers of 64 bits, in an array, and anything else in a new list."""
    kind = type(items[0])
    code = {float: "d", int: "q"}.get(kind)
    if code is None or list(map(type, items)).count(kind) < len(items):
        return items.copy()
    try:
        return array(code, items)
    except OverflowError:
        return items.copy()


@node
class Collect(MutableNode[T]):
    """Keeps each value with its engine time."""

    source: Active[T]
    times: list[int] = state(factory=list)
    values: list[T] = state(factory=list)
    packed: Packed = state(factory=Packed)

    def cycle(self, state: GraphState) -> bool:
        self.value = self.source.value
        self.times.append(state.time)
        self.values.append(self.value)
        if len(self.values) == CHUNK:
            self.packed.take(self.times, self.values)
        return True

    def kept(self) -> tuple[Packed, list[list[Any]]]:
        """Return what is in arrays, and the lists, the times first."""
        return self.packed, [self.times, self.values]


@node(valid="any")
class CollectRows(MutableNode[int]):
    """Keeps the values of several streams as rows; ticks with the number of rows.

    Attributes:
        last: whether a row has the present values; else those that ticked in its cycle.
        on: the stream at whose ticks there is a row; without one, any of the sources.
    """

    sources: list[Active[Any]]
    on: list[Active[Any]]
    last: bool
    rows: int = state(0)
    times: list[int] = state(factory=list)
    columns: list[list[Any]] = state(factory=list)
    packed: Packed = state(factory=Packed)

    def start(self, state: GraphState) -> None:
        self.columns = [[] for _ in self.sources]

    def cycle(self, state: GraphState) -> bool:
        for trigger in self.on:
            if not state.ticked(trigger):
                return False
        self.times.append(state.time)
        for place, source in enumerate(self.sources):
            if state.ticked(source) or (self.last and state.valid(source)):
                self.columns[place].append(source.value)
            else:
                self.columns[place].append(None)
        if len(self.times) == CHUNK:
            self.packed.take(self.times, *self.columns)
        self.rows += 1
        self.value = self.rows
        return True

    def kept(self) -> tuple[Packed, list[list[Any]]]:
        """Return what is in arrays, and the lists, the times first."""
        return self.packed, [self.times, *self.columns]


@node
class Accumulate(MutableNode[list[T]], Generic[T]):
    """Ticks with the list of all values so far."""

    source: Active[T]
    values: list[T] = state(factory=list)

    def cycle(self, state: GraphState) -> bool:
        self.values.append(self.source.value)
        self.value = self.values
        return True


@node
class Finally(EffectNode[T]):
    """Calls a function with the last value when the run stops; never, if no value came."""

    source: Active[T]
    function: Callable[[T], object]
    last: Any = state(None)
    begun: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        self.value = self.last = self.source.value
        self.begun = True
        return True

    def stop(self, state: GraphState) -> None:
        if self.begun:
            self.function(self.last)
