"""Operators that choose by the values themselves which of them pass.

Here NaN equals NaN.
"""

from collections.abc import Callable, Hashable
from math import inf, nan
from typing import Any, TypeVar

from graphcore.declare import node, state
from graphcore.node import Active, MutableNode, Passive
from graphcore.state import GraphState

T = TypeVar("T")


@node
class Distinct(MutableNode[T]):
    """Ticks with the first value and with each value that differs from the one before it."""

    source: Active[T]
    previous: Any = state(None)
    begun: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        value: Any = self.source.value
        previous = self.previous
        if self.begun and (value == previous or (value != value and previous != previous)):
            return False
        self.begun = True
        self.previous = self.value = value
        return True


@node
class DropSmallChange(MutableNode[T]):
    """Ticks with the first value and with each that is far enough from the last ticked one.

    Attributes:
        by: the largest change that does not tick.
        relative: the same, as a part of the last ticked value; the two add up.
    """

    source: Active[T]
    by: Any
    relative: Any
    last: Any = state(None)
    begun: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        value: Any = self.source.value
        if self.begun:
            last = self.last
            if value == last or (value != value and last != last):
                return False
            # From an infinite value every change is far: neither side of `<=` would be finite.
            if abs(value - last) <= self.by + self.relative * abs(last) < inf:
                return False
        self.begun = True
        self.last = self.value = value
        return True


@node
class Unique(MutableNode[T]):
    """Ticks with the values whose key is not among the last `most` different keys."""

    source: Active[T]
    key: Callable[[T], Hashable]
    most: int
    keys: dict[Hashable, bool] = state(factory=dict)

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        key = self.key(value)
        if key != key:
            key = nan  # one object, which a dict finds again
        known = self.keys.pop(key, False)
        self.keys[key] = True
        if known:
            return False
        if len(self.keys) > self.most:
            self.keys.pop(next(iter(self.keys)))
        self.value = value
        return True


@node
class Dropna(MutableNode[Any]):
    """Ticks with the values that are neither NaN nor None."""

    source: Active[Any]

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        if value is None or value != value:
            return False
        self.value = value
        return True


@node
class StepBy(MutableNode[T]):
    """Ticks with the first value and with each `step`-th after it."""

    source: Active[T]
    step: int
    left: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        if self.left:
            self.left -= 1
            return False
        self.left = self.step - 1
        self.value = self.source.value
        return True


@node
class TakeWhile(MutableNode[T]):
    """Ticks until the predicate is first false, and never again."""

    source: Active[T]
    predicate: Callable[[T], object]
    ended: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        if self.ended:
            return False
        value = self.source.value
        if not self.predicate(value):
            self.ended = True
            return False
        self.value = value
        return True


@node
class SkipWhile(MutableNode[T]):
    """Ticks with the value for which the predicate is first false, and with all later ones."""

    source: Active[T]
    predicate: Callable[[T], object]
    begun: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        if not self.begun:
            if self.predicate(value):
                return False
            self.begun = True
        self.value = value
        return True


@node(valid="any")
class TakeUntil(MutableNode[T]):
    """Ticks in the cycles before the one in which another stream first ticks."""

    source: Active[T]
    until: Passive[object]

    def cycle(self, state: GraphState) -> bool:
        if state.valid(self.until):
            return False
        self.value = self.source.value
        return True


@node(valid="any")
class SkipUntil(MutableNode[T]):
    """Ticks from the cycle on in which another stream first ticks."""

    source: Active[T]
    until: Passive[object]

    def cycle(self, state: GraphState) -> bool:
        if not state.valid(self.until):
            return False
        self.value = self.source.value
        return True
