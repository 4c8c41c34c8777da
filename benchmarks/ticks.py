"""The cost of a tick for several contenders that do the same work, in turn.

A graph is wired, and compiled if the contender compiles, before it is timed; each contender's first
run is not counted.
"""

import gc as collector
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import floor, log10
from statistics import median
from time import perf_counter_ns

from benchmarks.figures import Figure, Measured, Target
from graphcore.tiers import TierName

ROUNDS = 7
# The part `native` measures the native tier.
TIERS: tuple[TierName, ...] = ("fused", "interpreted")

Run = Callable[[], object]  # the timed function; returns its result, so that it can be checked
Prepare = Callable[[], Run]


def tier_label(tier: str) -> str:
    """Return a tier's name among the contenders."""
    return f"graphcore {tier}"


# Targets are for the default tier.
DEFAULT_TIER: TierName = "fused"
OURS = tier_label(DEFAULT_TIER)


def again(run: Run) -> Prepare:
    """Return the preparation for a run that can be repeated unchanged."""
    return lambda: run


def compete(
    ticks: int,
    result: object,
    contenders: Mapping[str, Prepare],
    clock: Callable[[], int] = perf_counter_ns,
) -> dict[str, float]:
    """Return the cost of a tick for each contender, ns: the median of its runs after the first.

    Each round runs them in turn, and each must give the expected result. With `process_time_ns` as
    the clock it is CPU time, which other processes on the machine disturb less.
    """
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for round_number in range(ROUNDS + 1):
        for name, prepare in contenders.items():
            run = prepare()
            nanoseconds, found = timed(run, clock)
            assert found == result, f"{name} came to {found!r}, not {result!r}"
            if round_number:
                taken[name].append(nanoseconds / ticks)
    return {name: median(values) for name, values in taken.items()}


def timed(run: Run, clock: Callable[[], int] = perf_counter_ns) -> tuple[int, object]:
    """Return how long a run took, ns, and its result."""
    # The other contenders' objects are frozen, or this run would pay for collecting them.
    collector.collect()
    collector.freeze()
    began = clock()
    result = run()
    taken = clock() - began
    collector.unfreeze()
    return taken, result


@dataclass(frozen=True)
class Comparison:
    """The target for graphcore's cost of a tick, as a ratio to a contender's.

    Attributes:
        work: the task.
        peer: the contender.
        at_most: the target.
        reason: what limits graphcore, in one line; shown if the target is missed.
        ours: graphcore's tier.
    """

    work: str
    peer: str
    at_most: float
    reason: str = ""
    ours: str = OURS


def compare(measured: Measured, comparisons: Iterable[Comparison]) -> list[Figure]:
    """Return the figures of the comparisons whose both sides were measured."""
    figures = []
    for each in comparisons:
        costs = measured.get(each.work, {})
        if {each.ours, each.peer} <= costs.keys():
            ours, theirs = costs[each.ours], costs[each.peer]
            figures.append(
                Figure(
                    f"{each.work}: {each.ours} beside {each.peer}",
                    f"{microseconds(ours)} µs a tick, {microseconds(theirs)} µs",
                    ours / theirs,
                    Target("≤", each.at_most),
                    reason=each.reason,
                )
            )
    return figures


def microseconds(nanoseconds: float) -> str:
    """Return µs with three significant digits."""
    value = nanoseconds / 1e3
    return f"{value:,.{max(0, 2 - floor(log10(value)))}f}"
