"""What every handle to a node can do: name the node, and run the graph that the node needs."""

from typing import Any, Self, Unpack

from graphcore.errors import GraphcoreError
from graphcore.graph import Graph, RunOptions
from graphcore.node import MutableNode
from graphcore.seeing import RunReport


class Handle:
    """A node as the code that wires the graph sees it.

    Attributes:
        node: the node behind the handle.
    """

    __slots__ = ("node",)
    node: MutableNode[Any]

    def named(self, name: str) -> Self:
        """Give the node a name and return this handle.

        The name stands for the node in errors, `explain()`, `fused_source()` and drawings.
        """
        self.node.name = name
        return self

    def run(self, **options: Unpack[RunOptions]) -> RunReport:
        """Run the graph that this node needs; short for ``Graph(self).run(...)``."""
        return Graph(self).run(**options)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return what a notebook shows: a drawing of the graph that this node needs."""
        try:
            drawn = Graph(self)._repr_mimebundle_()
        except GraphcoreError as error:  # such as a feedback that is not bound yet
            return {"text/plain": f"{self!r}, which cannot be drawn: {error}"}
        return {**drawn, "text/plain": repr(self)}

    def __repr__(self) -> str:
        """Show the kind of handle and the node's name."""
        return f"<{type(self).__name__} {self.node.name}>"


# What stands for a stream where a graph is wired. The expression `Handle | MutableNode` would take
# as long as half a node.
STREAMS = (Handle, MutableNode)
