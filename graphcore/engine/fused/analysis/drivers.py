"""Pass 9: choose the driver, the loop that begins the cycles: the cheapest one that is correct."""

from collections.abc import Sequence
from enum import Enum

from graphcore.engine.fused.ir import NodeIR

_VARIABLES = 8  # sources whose next times are compared one by one
# Sources from which on sorting beats the heap, measured: it takes a quarter longer for 1,000, as
# long for 3,000 and a tenth less for 10,000, and the shorter text compiles in half the time.
_MERGED = 2_000


class DriverName(Enum):
    """What decides when the next cycle begins and which nodes start it."""

    EVENTS = "the events of the only source, all of which exist before the run"
    MERGED = "the events of thousands of sources, all of which exist before the run"
    EVENTS_AND_FURTHER = "the events of the only source that has them all, and further cycles"
    EVENTS_AND_ALARMS = "the events of the only source that has them all, and the alarms of others"
    VARIABLES = "the sources' next times, each a variable"
    HEAP = "the heap of the alarms"
    CLOCK = "the clock, the heap of the alarms, and the session where there is more to it"
    SESSION = "the session: a run that is watched, and alarms other than plain ones"


def choose(nodes: Sequence[NodeIR]) -> DriverName:
    """Return the driver for historical runs that nothing outside the graph watches."""
    woken = [node for node in nodes if node.woken]
    recorded = [node for node in woken if node.cycle is not None and node.is_recorded]
    if any(node.asks_between_cycles for node in nodes):
        return DriverName.EVENTS_AND_ALARMS if len(recorded) == 1 else DriverName.SESSION
    if len(woken) == len(recorded) == 1:
        return DriverName.EVENTS
    if len(woken) == len(recorded) > _MERGED:
        return DriverName.MERGED
    timers = [node for node in woken if not node.wakes_at_once]
    few = len(timers) <= _VARIABLES and len(woken) - len(timers) <= _VARIABLES
    alone = bool(timers) and all(not (node.active or node.passive) for node in timers)
    once = all(node.cycle is not None and node.cycle.wakes <= 1 for node in woken)
    needs_session = not woken or any(map(_needs_session, woken))
    if few and alone and once and not needs_session:
        only_recorded = len(timers) == len(recorded) == 1
        return DriverName.EVENTS_AND_FURTHER if only_recorded else DriverName.VARIABLES
    if len(recorded) == 1:
        return DriverName.EVENTS_AND_ALARMS
    return DriverName.SESSION if needs_session else DriverName.HEAP


def _needs_session(node: NodeIR) -> bool:
    """Return whether a node has other alarms than plain ones, or may cancel one."""
    may_cancel = node.cycle is None or node.cycle.wakes == float("inf") or node.keeps_alarms
    return may_cancel or not node.has_plain_alarms
