"""The memory that a tick keeps, and the memory that it uses temporarily, in a warmed-up graph.

Counts at the beginning and the end of a long part of a second run show by how many memory blocks it
grew, how often the garbage collector ran, and how many bytes there were at most above those at the
beginning. Python cannot measure the memory of the peers.
"""

import gc as collector
import sys
import tracemalloc
from typing import Any

import graphcore as gc
from benchmarks.contenders import graphcore_source
from benchmarks.crossover import crossings
from benchmarks.figures import Figure, Measured
from benchmarks.shapes import chain
from benchmarks.ticks import TIERS, tier_label

_FIRST, _LAST = 1_000, 21_000
_TICKS = _LAST - _FIRST
_WORKS = {"maps with a lambda, chain of 51": lambda x: chain(x, 51), "EMA crossover": crossings}


def measure() -> Measured:
    return {
        f"{work}, {tier_label(tier)}": _measure(wire, tier)
        for work, wire in _WORKS.items()
        for tier in TIERS
    }


def figures(measured: Measured) -> list[Figure]:
    return [
        Figure(
            f"allocation, {work}",
            f"a tick leaves {found['blocks']:.3f} blocks, takes {found['peak']:,.0f} B at most; "
            f"collector runs: {found['collections']:.0f} in {_TICKS:,} ticks",
        )
        for work, found in measured.items()
    ]


def _measure(wire: Any, tier: Any) -> dict[str, float]:
    looks: list[tuple[int, int, int]] = []

    def look(_: int) -> None:
        size, peak = tracemalloc.get_traced_memory()
        if looks:
            size = peak
        looks.append((sys.getallocatedblocks(), collector.get_stats()[0]["collections"], size))
        tracemalloc.reset_peak()

    source = graphcore_source([float(value) for value in range(_LAST)])
    at_times = source.count().filter(lambda n: n in (_FIRST, _LAST)).for_each(look)
    graph = gc.Graph(wire(source), at_times)
    graph.run(tier=tier)
    looks.clear()
    collector.collect()
    tracemalloc.start()
    graph.run(tier=tier)
    tracemalloc.stop()
    begin, end = looks
    blocks, collections, peak = (after - before for before, after in zip(begin, end, strict=True))
    return {"blocks": blocks / _TICKS, "collections": collections, "peak": peak}
