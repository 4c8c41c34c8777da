"""Registers node classes for the differential test."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import graphcore as gc

N = TypeVar("N", bound=type[gc.MutableNode[Any]])


@dataclass(frozen=True)
class Shape:
    """A node class of the test.

    Attributes:
        make: called with a stream for each input, makes the node.
        inputs: the kind of values that each input takes.
        gives: the kind of the node's own values.
        outputs: the node's further outputs, which give numbers.
    """

    make: Callable[..., gc.MutableNode[Any]]
    inputs: tuple[str, ...]
    gives: str
    outputs: tuple[str, ...] = ()


SHAPES: dict[str, Shape] = {}


def shape(*inputs: str, gives: str = "number", outputs: tuple[str, ...] = ()) -> Callable[[N], N]:
    """Add a node class to those from which graphs are wired."""

    def add(cls: N) -> N:
        assert cls.__name__ not in SHAPES, f"two nodes are called {cls.__name__}"
        SHAPES[cls.__name__] = Shape(cls, inputs, gives, outputs)
        return cls

    return add
