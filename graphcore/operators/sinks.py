"""Sinks: each hands values to the outside world, and ticks with them, so a chain can go on."""

import logging
import sys
from collections.abc import Callable
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


@node
class Collect(MutableNode[T]):
    """Keeps each value with its engine time."""

    source: Active[T]
    times: list[int] = state(factory=list)
    values: list[T] = state(factory=list)

    def cycle(self, state: GraphState) -> bool:
        self.value = self.source.value
        self.times.append(state.time)
        self.values.append(self.value)
        return True


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
