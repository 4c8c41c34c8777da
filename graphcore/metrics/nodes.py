"""Which nodes have a queue, and which of them drop values when it is full."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

from graphcore.node import MutableNode, QueueNode
from graphcore.operators.aligning import Aligning
from graphcore.operators.event_joins import EventJoin
from graphcore.operators.event_time import Ordered
from graphcore.operators.pacing import DelayUntil, HoldWhile, Pace
from graphcore.operators.rate import Delay
from graphcore.operators.several import Zip
from graphcore.sources.receiver import ReceiverStream

# What waits in them is longer than what is due now, which is what `queued` says.
_WAITING = (Delay, DelayUntil, EventJoin, HoldWhile, Ordered, Pace)
_DROPPING = (Aligning, Pace, Zip)


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue of a node.

    Attributes:
        length: how many values wait in it.
        capacity: how many may; `None` without a bound.
    """

    length: int
    capacity: int | None


def has_queue(node: MutableNode[Any]) -> bool:
    """Return whether values may wait in a node."""
    return isinstance(node, ReceiverStream | QueueNode | Zip | Pace)


def queue_of(node: MutableNode[Any], time: int) -> Queue:
    """Return the present queue of a node that has one and was started.

    Args:
        node: the node.
        time: engine time, ns.
    """
    if isinstance(node, ReceiverStream):
        sender = node._sender
        capacity = node.capacity if isfinite(sender._capacity) else None
        return Queue(sender.waiting + len(node._queue), capacity)
    if isinstance(node, Zip):
        length = max(map(len, node.queues), default=0)
    elif isinstance(node, Aligning):
        length = node.waiting
    elif isinstance(node, _WAITING):
        length = len(node.waiting)
    else:
        length = node.queued(time) if isinstance(node, QueueNode) else 0
    capacity = getattr(node, "capacity", None)
    return Queue(length, capacity if isinstance(capacity, int) else None)


def drops(node: MutableNode[Any]) -> bool:
    """Return whether a node may drop values."""
    return isinstance(node, _DROPPING)


def dropped_of(node: MutableNode[Any]) -> int:
    """Return how many values a node that may drop some has dropped in this run."""
    return int(getattr(node, "dropped", 0))
