"""What every handle to a node can do: give the node a name, and run the graph that it needs."""

from typing import Any, Self, Unpack

from graphcore.graph import Graph, RunOptions, RunReport
from graphcore.node import MutableNode


class Handle:
    """A node as seen by whoever wires the graph.

    Attributes:
        node: the node behind the handle.
    """

    __slots__ = ("node",)
    node: MutableNode[Any]

    def named(self, name: str) -> Self:
        """Give the node a name, which errors and drawings show; return this handle."""
        self.node.name = name
        return self

    def run(self, **options: Unpack[RunOptions]) -> RunReport:
        """Run the graph that this node needs; short for ``Graph(self).run(...)``."""
        return Graph(self).run(**options)

    def __repr__(self) -> str:
        """Show the kind of handle and the node's name."""
        return f"<{type(self).__name__} {self.node.name}>"
