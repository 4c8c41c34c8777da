"""Bars of a minute from a Parquet file, beside pandas, which reads and groups the whole table.

graphcore takes the rows one by one, as a live run would, and a longer file needs no more memory.
"""

import tempfile
from pathlib import Path
from time import perf_counter_ns

import numpy as np
import pandas as pd

import graphcore as gc
from benchmarks.figures import Figure, Measured, medians
from benchmarks.ticks import OURS

_ROWS = 1_000_000
_ROUNDS = 3
_WORK = f"read_parquet, rows: {_ROWS:,}, columns: 2, into ohlc of a minute"
_PEER = "pandas read_parquet and resample"


def measure() -> Measured:
    random = np.random.default_rng(7)
    times = np.cumsum(random.integers(1, 200_000_000, _ROWS)).astype("M8[ns]")
    prices = 100 + np.cumsum(random.normal(size=_ROWS)) / 100
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prices.parquet"
        pd.DataFrame({"at": times, "price": prices}).to_parquet(file)
        expected = pd.Series(prices, times).resample("1min").ohlc()
        out = gc.read_parquet(file, "at", "price").resample("1min").ohlc().collect()
        graph = gc.Graph(out)

        def ours() -> float:
            began = perf_counter_ns()
            graph.run()
            taken = perf_counter_ns() - began
            assert [bar.high for bar in out.values] == list(expected["high"])
            return taken

        def pandas() -> float:
            began = perf_counter_ns()
            pd.read_parquet(file).set_index("at")["price"].resample("1min").ohlc()
            return perf_counter_ns() - began

        return {_WORK: medians(_ROUNDS, {OURS: ours, _PEER: pandas})}


def figures(measured: Measured) -> list[Figure]:
    ours, peer = measured[_WORK][OURS], measured[_WORK][_PEER]
    return [
        Figure(
            f"{_WORK}; {_PEER}",
            f"{ours / 1e9:.2f} s against {peer / 1e9:.3f} s of whole tables; "
            f"{ours / _ROWS:.0f} ns a row",
            ours / peer,
        )
    ]
