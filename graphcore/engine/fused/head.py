"""Where the function has its cycles from: one of four heads, the least that serves."""

from collections.abc import Sequence
from enum import Enum
from typing import Any

from graphcore.engine.fused.outside import asks_between_cycles, keeps_alarms
from graphcore.engine.fused.parts import Part
from graphcore.engine.fused.reading import Node
from graphcore.node import Source

_VARIABLES = 8  # sources whose next times are compared one by one


class Head(Enum):
    """Where the function has its cycles from."""

    EVENTS = "the events of the only source, which are all there beforehand"
    VARIABLES = "the sources' next times, each a variable"
    HEAP = "the heap of the alarms"
    SESSION = "the session, which does all that there is: real time, alarms that are taken back"


def head_for(parts: Sequence[Part]) -> Head:
    """Return the head for historical runs of these nodes that nothing else looks at."""
    woken = [part for part in parts if part.woken]
    classes: set[Any] = {type(part.node) for part in parts}
    if any(asks_between_cycles(cls) for cls in classes):
        return Head.SESSION
    if len(woken) == 1 and woken[0].template is not None and _is_recorded(woken[0].node):
        return Head.EVENTS
    if not woken or any(_wants_alarms(part) for part in woken):
        return Head.SESSION
    few = len(woken) <= _VARIABLES
    alone = all(not (part.active or part.passive) for part in woken)
    once = all(part.template is not None and part.template.wakes <= 1 for part in woken)
    return Head.VARIABLES if few and alone and once else Head.HEAP


def _is_recorded(node: Node) -> bool:
    """Return whether a source's `chunks` stands for its `start` and `cycle`."""
    if not (isinstance(node, Source) and node.recorded):
        return False
    told = {"start", "cycle", "chunks"}
    return "chunks" in next(vars(cls) for cls in type(node).__mro__ if told & vars(cls).keys())


def _wants_alarms(part: Part) -> bool:
    """Return whether a node may keep an alarm."""
    cls: Any = type(part.node)
    return part.template is None or part.template.wakes == float("inf") or keeps_alarms(cls)
