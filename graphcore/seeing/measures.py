"""What a node tells of itself in numbers, such as what was sent over a connection.

`graphcore.metrics` exports them. They are described here without any library for metrics, so that
a package can describe those of its own nodes whether such a library is installed or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import singledispatch
from typing import Any

from graphcore.node import MutableNode


class MeasureKind(StrEnum):
    """How a measure changes."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Buckets:
    """The value of a histogram.

    Attributes:
        counts: for each upper bound, how many values are no greater; the last bound is infinity.
        total: the sum of all values.
    """

    counts: Sequence[tuple[float, int]]
    total: float


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that a node tells of itself.

    Attributes:
        name: its name, with the unit, such as ``feed_received_bytes``. A counter's name is exported
            with ``_total`` after it.
        text: what it is, in a few words.
        kind: how it changes.
        value: its present value; `Buckets` for a histogram.
    """

    name: str
    text: str
    kind: MeasureKind
    value: float | Buckets


@dataclass(frozen=True, slots=True)
class Measured:
    """The measures that a node tells.

    Attributes:
        of: the node that they are about. Several nodes may tell of one, such as the streams of
            one connection; it is then exported once, under the first name that the user gave.
        measures: the measures.
    """

    of: MutableNode[Any]
    measures: Sequence[Measure]


@singledispatch
def measured(node: object) -> Measured | None:
    """Return what a node tells of itself in numbers; `None` by default. It may be any thread.

    A package registers a function for its own class of nodes, which must be quick:
    ``measured.register(MyNode, lambda node: Measured(node, [Measure(...)]))``.
    """
    return None
