"""What the checks look at: the plan, its names, and what the compiler knows of the nodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from graphcore.checking.finding import Finding, Kind
from graphcore.engine.fused.analysis.clocks import Placement
from graphcore.engine.fused.ir import NodeIR
from graphcore.engine.plan import Node, Plan


@dataclass
class Look:
    """A graph as the checks see it.

    Attributes:
        plan: its plan.
        facts: what the compiler knows of each node.
    """

    plan: Plan
    facts: Sequence[NodeIR]

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes in the order in which they run."""
        return self.plan.nodes

    @cached_property
    def names(self) -> Sequence[str]:
        """The names of the nodes."""
        return self.plan.names()

    @cached_property
    def places(self) -> dict[int, int]:
        """The index of each node, by its id."""
        return {id(node): index for index, node in enumerate(self.plan.nodes)}

    @cached_property
    def placement(self) -> Placement:
        """The clocks of the nodes."""
        return Placement(self.facts)

    def finding(self, kind: Kind, index: int, problem: str, advice: str) -> Finding:
        """Return a finding about a node."""
        node = self.plan.nodes[index]
        return Finding(kind, self.names[index], node.wired_at, problem, advice)
