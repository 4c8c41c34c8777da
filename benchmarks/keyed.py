"""The cost of a value in `group_by`, of a new key, and the memory of a key.

Each key has a sub-graph: its values' exponential mean, and whether that is above a threshold. The
hand-written loop has a dict of objects that do the same.
"""

import gc as collector
import random
import tracemalloc
from functools import partial
from time import perf_counter_ns
from typing import Any

import graphcore as gc
from benchmarks.contenders import graphcore_source, graphcore_tiers
from benchmarks.demux import Key
from benchmarks.figures import Figure, Measured, Target, medians
from benchmarks.ticks import Comparison, again, compare, compete

_VALUES = 200_000
_KEYS = (1, 1_000, 100_000)
_AT_MOST = {1: 1.6, 1_000: 1.6, 100_000: 2.0}
_BIRTHS = 20_000
_ROUNDS = 3
_THRESHOLD = 0.5
_WORK = "group_by"


def _work(keys: int) -> str:
    return f"group_by, keys: {keys:,}"


def measure() -> Measured:
    births = medians(_ROUNDS, {"birth": _birth, "memory": _memory})
    return {**{_work(keys): _measure(keys) for keys in _KEYS}, _WORK: births}


def figures(measured: Measured) -> list[Figure]:
    reason = (
        "a generator is resumed where the peer calls a method, the loop looks for alarms before "
        "each value, and the sub-graph tests whether a value is missing"
    )
    lines = compare(
        measured,
        [Comparison(_work(keys), "hand-written", _AT_MOST[keys], reason) for keys in _KEYS],
    )
    birth, memory = measured[_WORK]["birth"], measured[_WORK]["memory"]
    return [
        *lines,
        Figure(
            "group_by: a new key, with a sub-graph of 5 nodes",
            f"{birth / 1000:.1f} µs",
            target=Target("≤", 60, " µs"),
            measured=birth / 1000,
            reason="wiring takes the most: five nodes and their streams",
        ),
        Figure(
            "group_by: memory of a key with a sub-graph of 5 nodes",
            f"{memory:,.0f} B",
            target=Target("≤", 2_500, " B"),
            measured=memory,
        ),
    ]


def build(own: gc.Stream[tuple[int, float]], key: int) -> gc.Stream[float]:
    """Wire the sub-graph of a key."""
    means = own.map(lambda value: value[1]).ewm(alpha=0.1).mean()
    return means.filter(lambda mean: mean > _THRESHOLD)


def build_five(own: gc.Stream[tuple[int, float]], key: int) -> gc.Stream[bool]:
    """Wire a sub-graph of five nodes."""
    prices = own.map(lambda value: value[1])
    return (prices > prices.ewm(alpha=0.1).mean() * 1.01).distinct()


def _measure(keys: int) -> dict[str, float]:
    chance = random.Random(7)
    values = [(chance.randrange(keys), chance.random()) for _ in range(_VALUES)]
    count = graphcore_source(values).group_by(lambda value: value[0], build).changes.count()
    contenders = {
        **graphcore_tiers(count, result=lambda: count.value),
        "hand-written": again(partial(by_hand, values)),
    }
    return compete(_VALUES, by_hand(values), contenders)


def by_hand(values: list[tuple[int, float]]) -> int:
    """Return how often the mean of a key was above the threshold, over all keys."""
    keys: dict[int, Key] = {}
    for key, value in values:
        found = keys.get(key)
        if found is None:
            found = keys[key] = Key()
        found.take(value)
    return sum(found.count for found in keys.values())


def _births() -> gc.Graph:
    values = [(key, 1.0) for key in range(_BIRTHS)]
    return gc.Graph(graphcore_source(values).group_by(lambda value: value[0], build_five).changes)


def _birth() -> float:
    graph = _births()
    graph.run(cycles=10)
    collector.collect()
    began = perf_counter_ns()
    graph.run()
    return (perf_counter_ns() - began) / _BIRTHS


def _memory() -> float:
    found: list[int] = []
    values = [(key, 1.0) for key in range(_BIRTHS)]
    keyed = graphcore_source(values).group_by(lambda value: value[0], build_five)
    collector.collect()
    tracemalloc.start()

    def note(changes: dict[int, Any]) -> None:
        if len(found) < 2:
            found.append(tracemalloc.get_traced_memory()[0])

    keyed.changes.filter(lambda changes: 9 in changes or _BIRTHS - 1 in changes).for_each(
        note
    ).run()
    tracemalloc.stop()
    return (found[1] - found[0]) / (_BIRTHS - 10)
