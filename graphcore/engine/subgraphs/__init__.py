"""Sub-graphs while a graph runs: wired, started, run and stopped by the node that owns them."""

from graphcore.engine.subgraphs.subgraph import RunningSubgraph, Subgraph, is_own_source
from graphcore.engine.subgraphs.subgraphs import Subgraphs
from graphcore.engine.subgraphs.subsession import Subsession

__all__ = ["RunningSubgraph", "Subgraph", "Subgraphs", "Subsession", "is_own_source"]
