"""Nodes as users write them, of every shape: what fusing has to see through, or to call.

`SHAPES` holds them by name, with the kinds of values that they are meant to read; `anything`
stands for any kind, a trailing `*` for a list of streams.
"""

from tests.differential.nodes import (
    alarms,
    attributes,
    classes,
    control,
    inputs,
    neighbours,
    outside,
)
from tests.differential.nodes.shape import SHAPES, Shape

__all__ = [
    "SHAPES",
    "Shape",
    "alarms",
    "attributes",
    "classes",
    "control",
    "inputs",
    "neighbours",
    "outside",
]
