"""Operators that tick once, when the run ends (R14)."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from graphcore.declare import node, state
from graphcore.node import Active, MutableNode
from graphcore.state import GraphState

T = TypeVar("T")
U = TypeVar("U")


@node
class Fold(MutableNode[U], Generic[T, U]):
    """Ticks once, in the closing instant, with the function's result for all values."""

    source: Active[T]
    function: Callable[[U, T], U]
    initial: U
    present: Any = state(None)

    def start(self, state: GraphState) -> None:
        self.present = self.initial

    def cycle(self, state: GraphState) -> bool:
        self.present = self.function(self.present, self.source.value)
        return False

    def close(self, state: GraphState) -> bool:
        self.value = self.present
        return True


@node
class Final(MutableNode[T]):
    """Ticks once, in the closing instant, with the last value; never, if no value came."""

    source: Active[T]
    last: Any = state(None)
    begun: bool = state(False)

    def cycle(self, state: GraphState) -> bool:
        self.last = self.source.value
        self.begun = True
        return False

    def close(self, state: GraphState) -> bool:
        if not self.begun:
            return False
        self.value = self.last
        return True
