"""Parquet files as streams: bars of a file beside pandas, and the memory of large ones."""

import tempfile
from pathlib import Path
from time import perf_counter_ns

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

import graphcore as gc
from benchmarks.figures import Figure, Measured, Target, medians
from benchmarks.processes import measure_one
from benchmarks.ticks import OURS

_ROWS = 1_000_000
_ROUNDS = 3
_PEER = "pandas"
_FILES = 8
_ROWS_OF_A_FILE = 3_900_000  # of 64 bytes, not compressed: 250 MB
_BARS = f"read_parquet of {_ROWS:,} rows into bars of a minute"
_START = 1_700_000_000_000_000_000


def measure() -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        bars = _bars(f"{folder}/prices.parquet")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(_FILES):
            _write_wide(f"{folder}/{number}.parquet", number)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        memory = measure_one("replay_folder", 1, folder)
    return {_BARS: bars, "memory": {**memory, "size": size}}


def figures(measured: Measured) -> list[Figure]:
    ours, peer = measured[_BARS][OURS], measured[_BARS][_PEER]
    memory = measured["memory"]
    return [
        Figure(
            f"{_BARS}; {_PEER} read_parquet and resample",
            f"{ours / 1e9:.2f} s against {peer / 1e9:.2f} s of whole tables; "
            f"{ours / _ROWS:.0f} ns a row",
            ours / peer,
        ),
        Figure(
            f"memory of replaying a Parquet folder of {memory['size'] / 1e9:.1f} GB, "
            "whole process; each file is one row group",
            f"{memory['peak'] / 1e6:.0f} MB; {memory['taken'] / memory['rows']:.0f} ns a row of "
            "8 columns",
            target=Target("≤", 300, " MB"),
            measured=memory["peak"] / 1e6,
        ),
    ]


def _bars(path: str) -> dict[str, float]:
    random = np.random.default_rng(7)
    times = pa.array(_START + np.arange(_ROWS) * 250_000_000, pa.timestamp("ns", "UTC"))
    prices = 100 + random.normal(0, 0.01, _ROWS).cumsum()
    parquet.write_table(pa.table({"time": times, "price": prices}), path)
    bars = gc.read_parquet(path, value="price").resample("1min").ohlc().count()
    graph = gc.Graph(bars)

    def ours() -> float:
        began = perf_counter_ns()
        graph.run()
        return perf_counter_ns() - began

    def pandas() -> float:
        began = perf_counter_ns()
        frame = pd.read_parquet(path).set_index("time")["price"].resample("1min").ohlc()
        taken = perf_counter_ns() - began
        assert bars.value == len(frame), f"{bars.value} bars, pandas has {len(frame)}"
        return taken

    return medians(_ROUNDS, {OURS: ours, _PEER: pandas})


def _write_wide(path: str, number: int) -> None:
    random = np.random.default_rng(number)
    first = _START + number * _ROWS_OF_A_FILE * 1_000
    columns = {"time": pa.array(first + np.arange(_ROWS_OF_A_FILE) * 1_000, pa.timestamp("ns"))}
    for name in "abcdefg":
        columns[name] = pa.array(random.random(_ROWS_OF_A_FILE))
    parquet.write_table(
        pa.table(columns),
        path,
        row_group_size=_ROWS_OF_A_FILE,
        use_dictionary=False,
        compression="none",
    )
