"""The cost of a value that goes to the stream of its key, over a few keys and over many.

For each key there are an exponential mean, and a count of the times at which it is above a limit.
The hand-written loop has a dict of objects that do the same.
"""

import random
from functools import partial

from benchmarks.contenders import graphcore_source, graphcore_tiers
from benchmarks.figures import Figure, Measured
from benchmarks.ticks import Comparison, again, compare, compete

_VALUES = 200_000
_FEW, _MANY = 20, 2_000
_ALPHA, _THRESHOLD = 0.1, 0.5


def _work(keys: int) -> str:
    return f"demux, keys: {keys:,}"


def measure() -> Measured:
    return {_work(keys): _measure(keys) for keys in (_FEW, _MANY)}


def figures(measured: Measured) -> list[Figure]:
    return compare(
        measured,
        [
            Comparison(
                _work(_MANY),
                "hand-written",
                2.0,
                "the fused tier keeps some 20 variables for each key, such as the value of each "
                "node and the cycle in which it last ticked, and checks whether a value is a "
                "number or an array; the hand-written loop keeps three",
            )
        ],
    )


def _measure(keys: int) -> dict[str, float]:
    chance = random.Random(7)
    values = [(chance.randrange(keys), chance.random()) for _ in range(_VALUES)]
    parts = graphcore_source(values).demux(lambda value: value[0], range(keys))
    counts = [
        part.map(lambda value: value[1])
        .ewm(alpha=_ALPHA)
        .mean()
        .filter(lambda mean: mean > _THRESHOLD)
        .count()
        for part in parts.values()
    ]
    contenders = {
        **graphcore_tiers(*counts, result=lambda: sum(count.value for count in counts)),
        "hand-written": again(partial(by_hand, values)),
    }
    return compete(_VALUES, by_hand(values), contenders)


class Key:
    """What the hand-written loop keeps of a key."""

    def __init__(self) -> None:
        self.mean = self.weight = 0.0
        self.count = 0

    def take(self, value: float) -> None:
        decayed = self.weight * (1.0 - _ALPHA)
        self.weight = decayed + 1.0
        self.mean = (decayed * self.mean + value) / self.weight
        if self.mean > _THRESHOLD:
            self.count += 1


def by_hand(values: list[tuple[int, float]]) -> int:
    """Return how often the mean of a key was above the threshold, over all keys."""
    keys: dict[int, Key] = {}
    for key, value in values:
        found = keys.get(key)
        if found is None:
            found = keys[key] = Key()
        found.take(value)
    return sum(found.count for found in keys.values())
