"""What the fused tier's sub-graphs of one shape share."""

from collections.abc import Sequence
from typing import Any, cast

from graphcore.engine.fused.backend.instances import Compiled
from graphcore.engine.fused.frontend.guards import Guards
from graphcore.engine.fused.shapes import Shape
from graphcore.engine.plan import Node, Outside, Plan
from graphcore.engine.subgraphs import is_own_source
from graphcore.node import MutableNode, QueueNode
from graphcore.subgraph import Inlet


class Template:
    """What all sub-graphs of one shape share.

    Args:
        plan: one of the sub-graphs.
        made: its inlets, and the nodes that its build made, in order of construction.
        inlets: its inlets.
        root: its root.
        begun: the indices of the inlets and the nodes from outside that have a value already.
        compiled: the function.
        guards: what the program around it must not have changed when it is used in a later run.

    Attributes:
        starting: the indices of the nodes that have something to do before the first cycle.
        keeps_session: whether nodes need a session after that: for alarms, to stop or to close.
        keeps_nodes: whether a sub-graph's nodes are needed after its birth.
        closes: whether nodes have something to say at the end (R14).
        is_quick: whether a sub-graph needs nothing but the next value of its inlet.
        inlets: the indices of the inlets.
        root: the index of the root.
        sources: the indices of its own sources.
    """

    def __init__(
        self,
        plan: Plan,
        made: Sequence[Node],
        inlets: Sequence[Inlet[Any]],
        root: Node,
        begun: frozenset[int],
        compiled: Compiled,
        guards: Guards,
    ) -> None:
        self.plan = plan
        self.guards = guards
        self.compiled = compiled
        self.inlets = [plan.wired.index(inlet) for inlet in inlets]
        self.root = plan.wired.index(root)
        self._begun = begun
        self._shape = Shape(plan, made)
        self.sources = [i for i, node in enumerate(plan.nodes) if is_own_source(node)]
        own = own_nodes(plan)
        self.closes = any(_overrides(node, "close") for node in own)
        self.keeps_nodes = compiled.keeps_nodes
        # What a queue is still to deliver may depend on parameters that no variable holds.
        self.queues = [i for i, node in enumerate(plan.nodes) if isinstance(node, QueueNode)]
        self.starting = [i for i, node in enumerate(plan.nodes) if _overrides(node, "start")]
        self.keeps_session = self.keeps_nodes or compiled.keeps_states
        self.is_quick = compiled.takes_value and not act_at_end(own) and not compiled.keeps_states

    def nodes_of(
        self, made: Sequence[Node], root: Node, inlets: Sequence[Inlet[Any]], cycle: int
    ) -> list[Node] | None:
        """Return the nodes of another sub-graph in the order of the plan, if it has this shape."""
        nodes = self._shape.nodes_of(made)
        if nodes is None:
            return None
        at_root = nodes[self.root]
        if at_root is not root and not (isinstance(at_root, Outside) and at_root.node is root):
            return None
        begun = begun_of(self.plan, self.inlets, inlets, cycle)
        return nodes if begun == self._begun else None

    def ticked_outside(self, cycle: int) -> list[int]:
        """Return the indices of the nodes from outside that tick in this cycle."""
        outside = self.plan.outside
        if not outside:
            return []
        return [i for i in outside if self.plan.wired[i].ticked_in == cycle > 0]

    def begun_inlets(self, nodes: Sequence[Node]) -> list[Inlet[Any]]:
        """Return the inlets of a sub-graph that have a value before its first cycle."""
        if not self._begun:
            return []
        return [cast(Inlet[Any], nodes[i]) for i in self.inlets if i in self._begun]


def _overrides(node: Node, name: str) -> bool:
    return getattr(type(node), name) is not getattr(MutableNode, name)


def own_nodes(plan: Plan) -> list[Node]:
    """Return the nodes of a sub-graph that its build made."""
    return [node for node in plan.nodes if not isinstance(node, Inlet | Outside)]


def act_at_end(nodes: Sequence[Node]) -> bool:
    """Return whether nodes have something to do when the sub-graph ends."""
    return any(_overrides(node, name) for node in nodes for name in ("close", "stop", "reset"))


def begun_of(
    plan: Plan, places: Sequence[int], inlets: Sequence[Inlet[Any]], cycle: int
) -> frozenset[int]:
    """Return the indices of the inlets and nodes from outside that had a value before now."""
    if not plan.outside and len(inlets) == 1 and inlets[0].source is None:
        return frozenset()  # as for each key
    sources = [(index, plan.wired[index]) for index in plan.outside]
    sources += [(i, each.source) for i, each in zip(places, inlets, strict=True) if each.source]
    return frozenset(index for index, node in sources if 0 < node.ticked_in < cycle)
