"""What is seen of a run between two cycles: where it is, and what some of its nodes ticked with."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from graphcore.engine.plan import Node
from graphcore.engine.run.session import Session
from graphcore.errors import NoValueError
from graphcore.subgraph import ABSENT


class Seen(NamedTuple):
    """A look at a run between two cycles.

    Attributes:
        cycle: the number of the last cycle; 0 before the first.
        time: its engine time, ns.
        ticked_in: for each node that was asked for, the number of the cycle in which it last
            ticked; 0 if it has not ticked.
        values: what each of them last ticked with, `ABSENT` without a tick.
    """

    cycle: int
    time: int
    ticked_in: Sequence[int]
    values: Sequence[Any]


def seen_of(session: Session, nodes: Sequence[Node], indices: Iterable[int]) -> Seen:
    """Look at nodes that hold their state themselves."""
    looked_at = [nodes[index] for index in indices]
    ticked_in = [node.ticked_in for node in looked_at]
    return Seen(session.cycle, session.time, ticked_in, [value_of(node) for node in looked_at])


def value_of(node: Node) -> Any:
    """Return what a node last ticked with, `ABSENT` without a tick."""
    try:
        return node.value
    except NoValueError:
        return ABSENT
