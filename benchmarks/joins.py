"""An as-of join of trades and quotes by event time, beside pandas' `merge_asof` of whole tables.

pandas joins two sorted tables at once. graphcore takes the same values one by one, as a live run
would: the quotes arrive out of order, by up to the lateness.
"""

from time import perf_counter_ns

import numpy as np
import pandas as pd

import graphcore as gc
from benchmarks.figures import Figure, Measured, medians
from benchmarks.ticks import OURS

_TRADES, _QUOTES = 1_000_000, 5_000_000
_DELAY = 2_000  # ns, at most; quotes are 1,000 ns apart on average
_ROUNDS = 3
_WORK = f"as-of join, trades: {_TRADES:,}, quotes: {_QUOTES:,}"
_PEER = "pandas merge_asof"


def measure() -> Measured:
    random = np.random.default_rng(7)
    length = _QUOTES * 1_000
    trades = np.sort(random.integers(length // 100, length, _TRADES))
    quotes = np.sort(random.integers(0, length, _QUOTES))
    arrivals = quotes + random.integers(0, _DELAY, _QUOTES)
    order = np.argsort(arrivals, kind="stable")
    left, right = pd.DataFrame({"at": trades}), pd.DataFrame({"at": quotes, "quote": quotes})
    expected = int(pd.merge_asof(left, right, on="at")["quote"].sum())

    e = gc.replay(trades, trades).event_time(lambda at: at, 0)
    q = gc.replay(arrivals[order], quotes[order]).event_time(lambda at: at, _DELAY)
    total = e.asof(q).map(lambda pair: pair[1]).sum()
    graph = gc.Graph(total)

    def ours() -> float:
        began = perf_counter_ns()
        graph.run()
        taken = perf_counter_ns() - began
        assert total.value == expected, f"{OURS} came to {total.value}, not {expected}"
        return taken

    def pandas() -> float:
        began = perf_counter_ns()
        pd.merge_asof(left, right, on="at")
        return perf_counter_ns() - began

    return {_WORK: medians(_ROUNDS, {OURS: ours, _PEER: pandas})}


def figures(measured: Measured) -> list[Figure]:
    ours, peer = measured[_WORK][OURS], measured[_WORK][_PEER]
    return [
        Figure(
            f"{_WORK}; {_PEER}",
            f"{ours / 1e9:.2f} s against {peer / 1e9:.2f} s of whole tables; "
            f"{ours / (_TRADES + _QUOTES):.0f} ns a value",
            ours / peer,
        )
    ]
