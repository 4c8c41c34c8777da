"""Arithmetic, comparison and boolean operators, and access to fields and items."""

from collections.abc import Callable
from typing import Any, TypeVar

from graphcore.declare import node
from graphcore.node import Active, MutableNode
from graphcore.state import GraphState

U = TypeVar("U")


@node
class Binary(MutableNode[U]):
    """Ticks with the operator's result for two streams when either ticks."""

    left: Active[Any]
    right: Active[Any]
    function: Callable[[Any, Any], U]

    def cycle(self, state: GraphState) -> bool:
        self.value = self.function(self.left.value, self.right.value)
        return True


@node
class BinaryRight(MutableNode[U]):
    """Ticks with the operator's result for a stream and a constant on its right."""

    left: Active[Any]
    right: Any
    function: Callable[[Any, Any], U]

    def cycle(self, state: GraphState) -> bool:
        self.value = self.function(self.left.value, self.right)
        return True


@node
class BinaryLeft(MutableNode[U]):
    """Ticks with the operator's result for a constant and a stream on its right."""

    left: Any
    right: Active[Any]
    function: Callable[[Any, Any], U]

    def cycle(self, state: GraphState) -> bool:
        self.value = self.function(self.left, self.right.value)
        return True


@node
class Unary(MutableNode[U]):
    """Ticks with the operator's result for each value."""

    source: Active[Any]
    function: Callable[[Any], U]

    def cycle(self, state: GraphState) -> bool:
        self.value = self.function(self.source.value)
        return True


@node
class Field(MutableNode[Any]):
    """Ticks with one attribute of each value."""

    source: Active[Any]
    field: str

    def cycle(self, state: GraphState) -> bool:
        self.value = getattr(self.source.value, self.field)
        return True
