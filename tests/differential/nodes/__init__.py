"""Nodes as users write them, of every shape: the compiler has to fuse or call each.

`SHAPES` holds them by name, with the kinds of values that they read; `anything`
stands for any kind, a trailing `*` for a list of streams.
"""

from tests.differential.nodes import (
    alarms,
    attributes,
    by_time,
    classes,
    closing,
    control,
    inputs,
    neighbours,
    outputs,
    outside,
)
from tests.differential.nodes.shape import SHAPES, Shape

__all__ = [
    "SHAPES",
    "Shape",
    "alarms",
    "attributes",
    "by_time",
    "classes",
    "closing",
    "control",
    "inputs",
    "neighbours",
    "outputs",
    "outside",
]
