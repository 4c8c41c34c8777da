"""The cost of a value that goes to the stream of its key, over a few keys and over many.

For each key there are an exponential mean, and a count of the times at which it is above a limit.
One hand-written loop has a dict of objects that do just that. Those of the other one have the
results of `ewm` to the last bit: a missing value ages the others, and the mean of equal values is
that value.
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
                peer,
                2.0,
                "a value above the limit reads 17 variables of its key and writes 14, such as each "
                "node's value and the cycle in which it last ticked, and is tested for being an "
                "array or missing; the hand-written loop keeps three. About a fifth of the time "
                "begins and ends the run of 10,000 nodes",
            )
            for peer in KINDS
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
        **{name: again(partial(by_hand, values, kind)) for name, kind in KINDS.items()},
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


class ExactKey(Key):
    """The same, with the results of `ewm` to the last bit."""

    def take(self, value: float) -> None:
        aged = self.weight * (1.0 - _ALPHA)
        weight = aged + 1.0
        mean = self.mean + (value - self.mean) / weight
        if mean - mean == 0.0 and aged:
            self.mean = mean
            self.weight = weight
        elif value - value != 0.0:  # it is missing
            self.weight = aged
        elif aged:  # the distance from the mean is too great for a float
            self.mean = self.mean * (aged / weight) + value * (1.0 - aged / weight)
            self.weight = weight
        else:
            self.mean = value
            self.weight = 1.0
        if self.weight and self.mean > _THRESHOLD:
            self.count += 1


KINDS = {"hand-written": Key, "hand-written, minding missing values": ExactKey}


def take(values: list[tuple[int, float]], keys: dict[int, Key], kind: type[Key]) -> None:
    """Give each key its values; a new key gets an object of a kind."""
    for key, value in values:
        found = keys.get(key)
        if found is None:
            found = keys[key] = kind()
        found.take(value)


def by_hand(values: list[tuple[int, float]], kind: type[Key] = ExactKey) -> int:
    """Return how often the mean of a key was above the threshold, over all keys."""
    keys: dict[int, Key] = {}
    take(values, keys, kind)
    return sum(found.count for found in keys.values())
