"""How much longer a run takes with `profile=True`, on each tier, beside the same run without it."""

from functools import partial
from time import process_time_ns

import graphcore as gc
from benchmarks.figures import Figure, Measured, Target, medians
from benchmarks.shapes import SHAPES
from graphcore.tiers import TierName

_NODES = 51
_TICKS: dict[TierName, int] = {"fused": 400_000, "interpreted": 10_000}
_LIMITS: dict[TierName, float] = {"fused": 1.05, "interpreted": 1.3}
_ROUNDS = 7


def _time(graph: gc.Graph, tier: TierName, profile: bool) -> float:
    began = process_time_ns()
    graph.run(tier=tier, profile=profile)
    return process_time_ns() - began


def measure() -> Measured:
    measured: Measured = {}
    for shape, build in SHAPES.items():
        for tier, ticks in _TICKS.items():
            graph = gc.Graph(build(gc.from_iterable(range(ticks)), _NODES))
            graph.run(tier=tier)
            ways = {
                name: partial(_time, graph, tier, name == "with") for name in ("with", "without")
            }
            measured[f"{shape}, {tier}"] = medians(_ROUNDS, ways)
    return measured


def figures(measured: Measured) -> list[Figure]:
    return [
        Figure(
            f"a run of {_NODES} nodes, {shape}, {tier}: with a profile beside without",
            f"{times['with'] / 1e6:,.0f} ms",
            times["with"] / times["without"],
            Target("≤", _LIMITS[tier]),
        )
        for shape in SHAPES
        for tier in _TICKS
        if (times := measured.get(f"{shape}, {tier}"))
    ]
