"""(e) How much memory a node takes, with its part of the plan and of the run."""

import gc as collector
import tracemalloc

import graphcore as gc
from benchmarks.figures import Figure, Measured, Target, medians

_NODES = 10_000
_ROUNDS = 5


def measure() -> Measured:
    return {"memory": medians(_ROUNDS, {"size": _bytes_a_node})}


def figures(measured: Measured) -> list[Figure]:
    size = measured["memory"]["size"]
    return [
        Figure(
            f"(e) memory of a running graph of {_NODES:,} nodes, a chain of maps",
            f"{size:,.0f} B a node",
            target=Target("<", 2_000, " B"),
            measured=size,
        )
    ]


def _bytes_a_node() -> float:
    found: list[int] = []
    collector.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    stream = gc.ticker("1s").count()
    for _ in range(_NODES - 3):
        stream = stream.map(float)
    graph = gc.Graph(stream.for_each(lambda _: found.append(tracemalloc.get_traced_memory()[0])))
    assert len(graph.nodes) == _NODES
    graph.run(cycles=5)
    tracemalloc.stop()
    return (found[-1] - before) / _NODES
