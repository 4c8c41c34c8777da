"""The cost of a tick that is replayed from two numpy arrays, times and values, and summed."""

from itertools import accumulate

import csp  # type: ignore[import-untyped]  # the wheel carries no types
import numpy as np

import graphcore as gc
from benchmarks.contenders import csp_run, graphcore_tiers, times_of
from benchmarks.figures import Figure, Measured
from benchmarks.ticks import again, compete

_TICKS = 50_000
_WORK = "replay of numpy arrays, summed"


def measure() -> Measured:
    random = np.random.default_rng(7)
    times = times_of(np.cumsum(random.integers(1, 2_000, _TICKS)).tolist())
    values = random.normal(size=_TICKS)
    *_, result = accumulate(values.tolist())
    stream = gc.replay(times, values).sum()

    def by_hand() -> float:
        total = 0.0
        for _, value in zip(times.tolist(), values.tolist(), strict=True):
            total += value
        return total

    contenders = {
        **graphcore_tiers(stream, result=lambda: stream.value),
        "hand-written": again(by_hand),
        "csp C++": csp_run(lambda: [csp.accum(csp.curve(float, (times, values)))]),
    }
    return {_WORK: compete(_TICKS, result, contenders)}


def figures(measured: Measured) -> list[Figure]:
    return []
