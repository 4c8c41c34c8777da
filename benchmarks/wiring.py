"""How long it takes to wire and to compile graphs of many nodes, and how much memory.

Each graph has its own process, so that none reuses the memory and caches of another. The compile
time is the difference between the first and the second run of one cycle. Memory and time are
measured separately.
"""

from statistics import median

from benchmarks.figures import Figure, Measured, Target
from benchmarks.processes import measure_one
from benchmarks.shapes import SHAPES
from benchmarks.ticks import DEFAULT_TIER, ROUNDS, TIERS, tier_label

_FEW, _MANY = 10_000, 100_000
# Times of seconds vary little.
_ROUNDS = {1_000: ROUNDS, _FEW: ROUNDS, _MANY: 3}  # nodes -> rounds


def _work(nodes: int, shape: str, tier: str) -> str:
    return f"{nodes:,} nodes, {shape}, {tier_label(tier)}"


def measure() -> Measured:
    measured: Measured = {}
    for nodes, rounds in _ROUNDS.items():
        # For the largest graphs only the default tier is measured.
        tiers = TIERS if nodes < _MANY else (DEFAULT_TIER,)
        graphs = [(nodes, shape, tier) for shape in SHAPES for tier in tiers]
        lines = [[measure_one("wire", *graph) for graph in graphs] for _ in range(rounds)]
        for graph, taken in zip(graphs, zip(*lines, strict=True), strict=True):
            measured[_work(*graph)] = {
                **{name: median(line[name] for line in taken) for name in taken[0]},
                **measure_one("wire_traced", *graph),
            }
    return measured


def figures(measured: Measured) -> list[Figure]:
    graphs = [(nodes, shape, tier) for shape in SHAPES for nodes in _ROUNDS for tier in TIERS]
    return [_figure(measured, *graph) for graph in graphs if _work(*graph) in measured]


def _figure(measured: Measured, nodes: int, shape: str, tier: str) -> Figure:
    costs = measured[_work(nodes, shape, tier)]
    seconds = _seconds(measured, nodes, shape, tier)
    ratio = target = None
    if tier == DEFAULT_TIER and nodes == _FEW:
        target = Target("≤", 2, " s")
    if tier == DEFAULT_TIER and nodes == _MANY:
        ratio = seconds / _seconds(measured, _FEW, shape, tier)
        target = Target("≤", 12)
    return Figure(
        f"wiring and compiling {_work(nodes, shape, tier)}",
        f"{costs['wiring'] / 1e9:.3g} s + {costs['compiling'] / 1e9:.3g} s, "
        f"{costs['peak'] / 1e6:,.0f} MB at most",
        ratio,
        target,
        measured=seconds if ratio is None else None,
    )


def _seconds(measured: Measured, nodes: int, shape: str, tier: str) -> float:
    costs = measured[_work(nodes, shape, tier)]
    return (costs["wiring"] + costs["compiling"]) / 1e9
