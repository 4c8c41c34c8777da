"""How often nodes can tick at most: 0 means never.

The numbers start at 0 and grow until they agree with each other, the least fixed point. So a loop
in which each node waits for another stays at 0.
"""

from collections.abc import Iterator
from itertools import islice
from math import inf
from typing import Any

from graphcore.checking.look import Look
from graphcore.engine.fused.ir import TickForm
from graphcore.engine.plan import Node
from graphcore.node import MutableNode, node_of
from graphcore.operators.aligning import Align
from graphcore.operators.ending import Fold
from graphcore.operators.pacing import DelayUntil
from graphcore.operators.rate import Skip
from graphcore.operators.selecting import SkipUntil
from graphcore.operators.several import Multiplex, Select, Zip
from graphcore.operators.single import Lag, Pairwise, TimeInterval
from graphcore.operators.statistics.ewm import Ewm
from graphcore.operators.statistics.window import Window
from graphcore.output import OutputNode
from graphcore.sources.feedback import Feedback
from graphcore.sources.replay import Replay
from graphcore.sources.timer import Constant, Never

_COUNTED = 1_000  # events of a list that are counted
_PASSES = 20

# What else must have ticked before a node of the class can tick.
_NEEDS: dict[type[Node], tuple[str, ...]] = {
    Align: ("sources",),
    DelayUntil: ("source", "trigger"),
    Multiplex: ("key",),
    Select: ("condition",),
    SkipUntil: ("until",),
    Zip: ("sources",),
    Window: ("source", "trigger"),
    Ewm: ("source", "trigger"),
}


class Bounds:
    """The largest numbers of runs and ticks of each node.

    Args:
        look: the graph.

    Attributes:
        runs: for each node, in how many cycles it can run.
        ticks: for each node, in how many of them it can tick.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        count = len(look.nodes)
        self.runs: list[float] = [0] * count
        self.ticks: list[float] = [0] * count
        # By the plan: a run may have deleted the attributes that name a node's upstreams.
        self._events = {
            index: _events(node)
            for index, node in enumerate(look.nodes)
            if not look.plan.active[index] + look.plan.passive[index]
            if not isinstance(node, Feedback | OutputNode)
        }
        for number in range(_PASSES + 1):
            before = self.ticks.copy()
            for index, node in enumerate(look.nodes):
                self.runs[index] = self._runs(index, node)
                ticks = self._ticks(index, node)
                # A loop that keeps growing never ends.
                self.ticks[index] = inf if number > 2 and ticks > before[index] else ticks
            if self.ticks == before:
                return
        # Not reached a fixed point: nothing is known.
        self.ticks = self.runs = [inf] * count

    def is_dead(self, index: int) -> bool:
        """Return whether a node can never tick; if it ticks nothing, whether it never runs."""
        silent = self._look.facts[index].tick_form is TickForm.NEVER
        silent = silent and not _closes(self._look.nodes[index])
        return (self.runs if silent else self.ticks)[index] == 0

    def blocking(self, index: int) -> Iterator[int]:
        """Yield the upstreams that never tick and for which this node waits."""
        look, node = self._look, self._look.nodes[index]
        plan = look.plan
        needed = plan.active[index] + plan.passive[index]
        if node.valid != "all" and any(self.ticks[i] for i in plan.active[index]):
            needed = tuple(self._needed(node))
        yield from (i for i in dict.fromkeys(needed) if not self.ticks[i])

    def _needed(self, node: Node) -> Iterator[int]:
        for cls, names in _NEEDS.items():
            if isinstance(node, cls):
                for name in names:
                    given = getattr(node, name)
                    for each in given if isinstance(given, list) else (given,):
                        yield self._look.places[id(node_of(each))]

    def _runs(self, index: int, node: Node) -> float:
        plan, fact = self._look.plan, self._look.facts[index]
        if index in self._events:
            return self._events[index]
        if isinstance(node, Feedback):
            return self.ticks[self._look.places[id(feeder_of(node))]]
        if isinstance(node, OutputNode):
            return self.runs[self._look.places[id(node.owner)]]
        read = plan.active[index] + plan.passive[index]
        if node.valid == "all" and not all(self.ticks[i] for i in read):
            return 0
        if not read or not fact.starts_quietly or fact.asks_between_cycles:
            return inf
        runs = sum(self.ticks[i] for i in plan.active[index])
        return inf if runs and fact.woken else runs

    def _ticks(self, index: int, node: Node) -> float:
        closes = _closes(node)
        if closes and (isinstance(node, Fold) or not _is_ours(node)):
            return inf
        runs = self.runs[index]
        if not runs or not all(self.ticks[i] for i in self._needed(node)):
            return 0
        return inf if closes else max(0, runs - withheld(node))


def feeder_of(feedback: Feedback[Any]) -> Node:
    """Return the node whose values a feedback delivers."""
    (end,) = feedback.partners()
    return node_of(end.source)  # type: ignore[attr-defined]  # it is a FeedbackEnd


def withheld(node: Node) -> int:
    """Return how many values a node takes before it first ticks."""
    match node:
        case Lag() | Skip():
            return node.count
        case Pairwise() | TimeInterval():
            return 1
        case Window() if node.trigger is node.source:
            return max(node.minimum - node.includes_present, 0)
    return 0


def _events(node: Node) -> float:
    """Return how many events a source has; `inf` if that is not known."""
    match node:
        case Never():
            return 0
        case Constant():
            return 1
        case Replay() if node.all_there and not node.once:
            try:
                # Of its own, so that the node's run finds its events untouched.
                chunks = islice(node.open_events(0), _COUNTED)
                count = sum(len(times) for times, _ in chunks)
            except Exception:  # the run raises it, with the event's number
                return inf
            return count if count < _COUNTED else inf
    return inf


def _closes(node: Node) -> bool:
    return type(node).close is not MutableNode.close


def _is_ours(node: Node) -> bool:
    return type(node).__module__.partition(".")[0] == "graphcore"
