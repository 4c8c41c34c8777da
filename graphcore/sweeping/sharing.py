"""Graphs of one shape share what was compiled: a set of parameters costs no compilation.

The first graph of a shape is compiled, with symbols in place of the objects that may differ: the
nodes, the values in closures, the parameters. A later graph gives its nodes to what was compiled.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypedDict, cast

from graphcore.engine.fused.shapes import Shape
from graphcore.engine.fused.tier import Fused
from graphcore.engine.native.company import Company
from graphcore.engine.plan import Node, Plan
from graphcore.engine.run.lifecycle import Tier
from graphcore.graph import Graph
from graphcore.handle import Handle
from graphcore.tiers import TierName, choose_tier
from graphcore.time import Duration, Time
from graphcore.view.attached import Views

if TYPE_CHECKING:
    from graphcore.engine.native.tier import Native  # which needs llvmlite

_MOST_FREE = 32


class HistoryOptions(TypedDict, total=False):
    """The keywords of `Graph.run` that a run over history takes."""

    start: Time | None
    until: Time | None
    duration: Duration | None
    cycles: int | None
    max_cycles_at_once: int
    tier: TierName | None


class SharedGraph(Graph):
    """A graph that takes the nodes of others of its shape.

    Args:
        sinks: its sinks, by name.
        made: the nodes that `build` made, in order of construction.
        runs: how many graphs are to run.

    Attributes:
        has_taken: whether it has the nodes of another graph than the first.
    """

    def __init__(self, sinks: Mapping[str, Handle], made: Sequence[Node], runs: int) -> None:
        super().__init__(*sinks.values())
        self.has_taken = False
        self._company: Company | None = None
        self._runs = runs
        self._shape = Shape(self._plan, made)
        self._sinks = _places(sinks, made)

    def take(self, sinks: Mapping[str, Handle], made: Sequence[Node]) -> bool:
        """Take other nodes between two runs; return whether they have this graph's shape.

        Args:
            sinks: their sinks, by name.
            made: the nodes that `build` made, in order of construction.
        """
        nodes = self.nodes_of(sinks, made)
        if nodes is None:
            return False
        self.has_taken = True
        for node in nodes:
            node._in_graph = True
        self.hold(self._plan.with_nodes(nodes))
        return True

    def nodes_of(self, sinks: Mapping[str, Handle], made: Sequence[Node]) -> list[Node] | None:
        """Return other nodes in the order of the plan, `None` if their shape is another one.

        Args:
            sinks: their sinks, by name.
            made: the nodes that `build` made, in order of construction.
        """
        return self._shape.nodes_of(made) if _places(sinks, made) == self._sinks else None

    def hold(self, plan: Plan) -> None:
        """Have the nodes of another plan of this shape, between two runs."""
        self._plan = plan
        self._views = Views(plan)
        for name, tier in [*self._tiers.items()]:
            if isinstance(tier, Fused):
                tier.take(self._plan)
            else:
                del self._tiers[name]

    @property
    def plan(self) -> Plan:
        """The present nodes."""
        return self._plan

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let another set use the graph during the block, in which the present run waits."""
        plan, views = self._plan, self._views
        try:
            yield
        finally:
            if self._plan is not plan:
                self.hold(plan)
                self._views = views

    def keep_company(self, company: Company | None) -> None:
        """Let the next run run side by side with others; with `None`, alone."""
        # A node from outside is in all of the graphs, and in one run at a time (R12).
        self._company = None if self._shape.has_outside else company
        for tier in self._tiers.values():
            if isinstance(tier, Fused):
                tier.company = self._company

    def tier_for_more(self, options: HistoryOptions) -> "Native | None":
        """Return the tier that takes further nodes for runs beside each other, if it does."""
        if self._shape.has_outside or self.why_alone:
            return None
        tier = self._tiers.get(choose_tier(options.get("tier")))
        return cast("Native", tier) if isinstance(tier, Fused) and tier.takes_more else None

    @property
    def why_alone(self) -> str:
        """Why what was compiled cannot take other nodes; empty if it can."""
        for tier in self._tiers.values():
            if isinstance(tier, Fused) and tier.why_alone:
                return tier.why_alone
        return ""

    def _tier(self, name: str) -> Tier:
        tier = super()._tier(name)
        if isinstance(tier, Fused):
            tier.runs = self._runs
            tier.company = self._company
        return tier


class Shared:
    """The graphs of one job, for any number of threads.

    Args:
        runs: how many graphs are to run.

    Attributes:
        runs: the argument.
    """

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self._free: list[SharedGraph] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["Shared"], tuple[int]]:
        """Pickle without the graphs: another process compiles its own."""
        return Shared, (self.runs,)

    @contextmanager
    def graph(
        self,
        sinks: Mapping[str, Handle],
        made: Sequence[Node],
        waiting: SharedGraph | None = None,
    ) -> Iterator[SharedGraph]:
        """Return a graph of some nodes, for the time of a `with` block.

        Args:
            sinks: its sinks, by name.
            made: the nodes that `build` made, in order of construction.
            waiting: a graph that is lent, if one is.
        """
        if waiting is not None and not waiting.why_alone and waiting.take(sinks, made):
            yield waiting
            return
        graph = self._taken(sinks, made) or SharedGraph(sinks, made, self.runs)
        try:
            yield graph
        finally:
            if not graph.why_alone:
                with self._lock:
                    self._free.append(graph)
                    del self._free[:-_MOST_FREE]

    def _taken(self, sinks: Mapping[str, Handle], made: Sequence[Node]) -> SharedGraph | None:
        """Return a free graph that has taken the nodes; the one that ran last is the likeliest."""
        with self._lock:
            for graph in reversed(self._free):
                if graph.take(sinks, made):
                    self._free.remove(graph)
                    return graph
        return None


def _places(sinks: Mapping[str, Handle], made: Sequence[Node]) -> dict[str, int | Node]:
    """Return where each sink is among the nodes that were made; one from outside itself."""
    places = {id(node): place for place, node in enumerate(made)}
    return {name: places.get(id(sink.node), sink.node) for name, sink in sinks.items()}
