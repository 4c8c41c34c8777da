"""A sweep of 1,000 sets of parameters: the position of an EMA crossover, and what it earns.

The data are 100,000 prices in an array of numpy. The peers compute the same for all sets at once:
numpy steps through the prices with an array that has a place for each set, and numba runs a loop by
hand for each set, in parallel. Compiling is not counted, nor is the first set of the sweep.

On two cores the time counts that passes, in which no other work should run. The pool of processes
has run the sweep once before, and is sent the data anew in each sweep.
"""

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from math import isclose
from multiprocessing import get_context
from time import perf_counter_ns, process_time_ns
from typing import Any

import numba  # type: ignore[import-untyped]  # the wheel carries no types
import numpy as np

import graphcore as gc
from benchmarks.figures import Figure, Measured, Target, medians
from benchmarks.ticks import tier_label

_TICKS = 100_000
_SETS = [(fast, slow) for fast in range(2, 42) for slow in range(50, 300, 10)]
_ROUNDS = 3
_OURS, _NUMPY, _NUMBA = tier_label("native"), "numpy, all sets side by side", "numba prange"
_FUSED = tier_label("fused")
_WORK = "sweep of 1,000 sets over 100,000 ticks, per set"
_CORES = "the sweep on two cores"
_ONE, _THREADS, _PROCESSES = "one core", "two threads", "two processes"
_FEW = 20  # sets, for the fused tier
_REASON = (
    "each set is wired, started and stopped as a graph of its own, and its numbers are tested for "
    "what is not finite"
)
_WHY_THREADS = "what wires, starts and stops a graph is Python, which runs in one thread"


def _decay(span: float) -> float:
    return 1.0 - 2.0 / (span + 1.0)


class _Crossover:
    """The graph of a set."""

    def __init__(self, prices: Any) -> None:
        self._prices = prices
        self._times = np.arange(len(prices))

    def __call__(self, fast: int, slow: int) -> dict[str, gc.Handle]:
        price = gc.replay(self._times, self._prices)
        above = price.ewm(span=fast).mean() > price.ewm(span=slow).mean()
        position = above.map(lambda up: 1.0 if up else -1.0)
        return {"pnl": (position.lag(1) * price.difference()).sum()}


@numba.njit(parallel=True)  # type: ignore[untyped-decorator]  # numba carries no types
def _by_numba(prices: Any, fasts: Any, slows: Any, earned: Any) -> None:
    for place in numba.prange(len(fasts)):
        fast_decay, slow_decay = fasts[place], slows[place]
        fast = slow = fast_weight = slow_weight = total = position = last = 0.0
        for at in range(len(prices)):
            price = prices[at]
            fast_weight *= fast_decay
            fast = (fast_weight * fast + price) / (fast_weight + 1.0)
            fast_weight += 1.0
            slow_weight *= slow_decay
            slow = (slow_weight * slow + price) / (slow_weight + 1.0)
            slow_weight += 1.0
            if at:
                total += position * (price - last)
            position = 1.0 if fast > slow else -1.0
            last = price
        earned[place] = total


def _by_numpy(prices: Any, fasts: Any, slows: Any) -> Any:
    fast, slow, fast_weight, slow_weight, total, position = np.zeros((6, len(fasts)))
    last = float(prices[0])
    for price in prices.tolist():
        fast_weight *= fasts
        fast *= fast_weight
        fast += price
        fast_weight += 1.0
        fast /= fast_weight
        slow_weight *= slows
        slow *= slow_weight
        slow += price
        slow_weight += 1.0
        slow /= slow_weight
        total += position * (price - last)
        position = np.where(fast > slow, 1.0, -1.0)
        last = price
    return total


def measure() -> Measured:
    prices = 100.0 + np.random.default_rng(7).normal(size=_TICKS).cumsum() / 10.0
    fasts, slows = (np.array([_decay(each[at]) for each in _SETS]) for at in (0, 1))
    sets = [{"fast": fast, "slow": slow} for fast, slow in _SETS]
    build, earned = _Crossover(prices), np.zeros(len(sets))
    numba.set_num_threads(1)

    def ours(some: list[dict[str, int]], tier: Any, executor: Any = None) -> Any:
        options: dict[str, Any] = {"executor": executor, "tier": tier, "progress": False}
        return gc.sweep(build, some, **options).columns["pnl"]

    def by_numba() -> Any:
        _by_numba(prices, fasts, slows, earned)
        return earned

    contenders: dict[str, tuple[int, Callable[[], Any]]] = {
        _OURS: (len(sets), lambda: ours(sets, "native")),
        _FUSED: (_FEW, lambda: ours(sets[:_FEW], "fused")),
        _NUMPY: (len(sets), lambda: _by_numpy(prices, fasts, slows)),
        _NUMBA: (len(sets), by_numba),
    }
    by_numba()
    expected = earned.tolist()

    def cost(name: str) -> float:
        count, run = contenders[name]
        began = process_time_ns()
        found = run()
        taken = (process_time_ns() - began) / count / 1e6
        pairs = zip(found, expected, strict=False)
        assert all(isclose(one, other, abs_tol=1e-6) for one, other in pairs), name
        return taken

    def wall(executor: Executor | None = None) -> float:
        began = perf_counter_ns()
        ours(sets, "native", executor)
        return (perf_counter_ns() - began) / len(sets) / 1e6

    # Started anew: a fork takes over the locks of numba's threads, but not the threads.
    started = ProcessPoolExecutor(2, get_context("spawn"))
    with ThreadPoolExecutor(2) as threads, started as processes:
        walls = {
            _ONE: wall,
            _THREADS: partial(wall, threads),
            _PROCESSES: partial(wall, processes),
        }
        wall(processes)
        return {
            _WORK: medians(_ROUNDS, {name: partial(cost, name) for name in contenders}),
            _CORES: medians(_ROUNDS, walls),
        }


def figures(measured: Measured) -> list[Figure]:
    costs, walls = measured[_WORK], measured[_CORES]
    found = [
        Figure(
            f"{_WORK}: {_OURS} beside {peer}",
            f"{costs[_OURS]:.2f} ms of CPU time, {costs[peer]:.2f} ms",
            costs[_OURS] / costs[peer],
            None if limit is None else Target("≤", limit),
            reason=_REASON,
        )
        for peer, limit in ((_NUMPY, 0.5), (_NUMBA, 1.0), (_FUSED, None))
    ]
    found += [
        Figure(
            f"{_CORES}, in {workers}, beside one",
            f"{took:.2f} ms a set, {walls[_ONE]:.2f} ms",
            took / walls[_ONE],
            Target("≤", 0.6),
            reason=_WHY_THREADS if workers == _THREADS else "",
        )
        for workers, took in walls.items()
        if workers != _ONE
    ]
    return found
