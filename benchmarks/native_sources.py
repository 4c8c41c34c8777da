"""Machine code over several sources and over a Parquet file, beside peers; and code that is kept.

Bars of a Parquet file are measured as whole processes, with their imports, in turn.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from typing import Any

import numba  # type: ignore[import-untyped]  # the wheel carries no types
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

import graphcore as gc
from benchmarks import book
from benchmarks.figures import Figure, Measured, Target, medians
from benchmarks.ticks import tier_label
from graphcore_examples.order_book import Summary, read_messages, wire

_ROUNDS = 3
_EVENTS = 1_000_000  # of each of two sources
_TRADES, _QUOTES = 1_000_000, 5_000_000
_VALUES, _KEYS, _SPAN = 1_000_000, 1_000, 10
_ROWS = 10_000_000
_START = 1_700_000_000_000_000_000
_OURS, _FUSED = tier_label("native"), tier_label("fused")
_NUMBA, _PANDAS, _POLARS = "numba by hand", "pandas merge_asof", "polars group_by_dynamic"
_GROUPED = "pandas groupby().ewm()"
_DIFFERENCE = "two sources, a - b, an event"
_JOIN = f"as-of join by engine time, trades: {_TRADES:,}, quotes: {_QUOTES:,}"
_JOIN_BY_EVENT_TIME = f"as-of join by event time, trades: {_TRADES:,}, quotes: {_QUOTES:,}"
_KEYED = f"group_by, keys: {_KEYS:,}, ewm each, a value"
_BARS = f'ohlc("1min") of {_ROWS:,} trades from Parquet, whole process'
_BOOK = "order book, AAPL messages, a message"
_CACHED = "compiling crossover with the code in the cache folder"
_PEERS = {
    _DIFFERENCE: (_NUMBA, 2.0),
    _JOIN: (_PANDAS, 1.0),
    _JOIN_BY_EVENT_TIME: (_PANDAS, 1.0),
    _KEYED: (_GROUPED, 0.5),
    _BARS: (_POLARS, 1.5),
}
_REASONS = {
    _DIFFERENCE: "which source comes next is tested as a cycle begins, and again as it ends",
    _JOIN_BY_EVENT_TIME: "values that may come late wait for both watermarks, in a heap or a list",
    _KEYED: "rows become arrays in each run, and each key begins in Python",
    _BARS: "decoding the file and importing take most of the time",
    _CACHED: "the nodes are read, and their loop is written twice, before the code is looked up",
}


@numba.njit  # type: ignore[untyped-decorator]  # numba carries no types
def _above(a_times: Any, a: Any, b_times: Any, b: Any) -> int:
    """Return after how many events of two sources the value of the one is above the other's."""
    i, j, count, never = 0, 0, 0, np.iinfo(np.int64).max
    while i < len(a) or j < len(b):
        at_a = a_times[i] if i < len(a) else never
        at_b = b_times[j] if j < len(b) else never
        if at_a <= at_b:
            i += 1
        if at_b <= at_a:
            j += 1
        if i and j and a[i - 1] - b[j - 1] > 0.0:
            count += 1
    return count


def measure() -> Measured:
    random = np.random.default_rng(7)
    return {
        _DIFFERENCE: _difference(random),
        _JOIN: _join(random),
        _JOIN_BY_EVENT_TIME: _join_by_event_time(random),
        _KEYED: _keyed(random),
        _BARS: _bars(random),
        _BOOK: _messages(),
        _CACHED: {_OURS: _cached()},
    }


def figures(measured: Measured) -> list[Figure]:
    found = []
    for work, (peer, limit) in _PEERS.items():
        ours, theirs = measured[work][_OURS], measured[work][peer]
        unit, scale = ("ns", 1.0) if work in (_DIFFERENCE, _KEYED) else ("ms", 1e6)
        found.append(
            Figure(
                f"{work}: {_OURS} beside {peer}",
                f"{ours / scale:.1f} {unit}, {theirs / scale:.1f} {unit}",
                ours / theirs,
                Target("≤", limit),
                reason=_REASONS.get(work, ""),
            )
        )
    if messages := measured[_BOOK]:
        ours, fused = messages[_OURS], messages[_FUSED]
        text = f"{ours / 1e3:.2f} µs, {fused / 1e3:.2f} µs"
        found.append(Figure(f"{_BOOK}: {_OURS} beside {_FUSED}", text, ours / fused))
    taken = measured[_CACHED][_OURS]
    found.append(
        Figure(
            f"{_OURS}: {_CACHED}",
            f"{taken:.1f} ms of CPU time",
            target=Target("≤", 5.0, " ms"),
            measured=taken,
            reason=_REASONS[_CACHED],
        )
    )
    return found


def _difference(random: Any) -> dict[str, float]:
    (a_times, a), (b_times, b) = (
        (np.cumsum(random.integers(1, 2_000, _EVENTS)), random.normal(size=_EVENTS))
        for _ in range(2)
    )
    one, other = gc.replay(a_times, a), gc.replay(b_times, b)
    count = (one - other).filter(lambda difference: difference > 0.0).count()
    contenders = {
        _OURS: _run(count, "native"),
        _NUMBA: lambda: int(_above(a_times, a, b_times, b)),
    }
    taken = _taken(contenders)
    return {name: each / (2 * _EVENTS) for name, each in taken.items()}


def _join(random: Any) -> dict[str, float]:
    trades, quotes = _times(random)
    total = gc.replay(quotes, quotes).sample(gc.replay(trades, trades)).sum()
    return _taken({_OURS: _run(total, "native"), _PANDAS: _merged(trades, quotes)})


def _join_by_event_time(random: Any) -> dict[str, float]:
    trades, quotes = _times(random)
    left, right = (
        gc.replay(times, times).event_time(lambda at: at, lateness=0) for times in (trades, quotes)
    )
    total = left.asof(right).map(lambda pair: pair[1] or 0).sum()
    return _taken({_OURS: _run(total, "native"), _PANDAS: _merged(trades, quotes)})


def _times(random: Any) -> tuple[Any, Any]:
    """Return the times of trades and of quotes; the first quote comes before the first trade."""
    quotes = np.cumsum(random.integers(1, 2_000, _QUOTES))
    return np.cumsum(random.integers(1, 2_000 * _QUOTES // _TRADES, _TRADES)) + quotes[0], quotes


def _merged(trades: Any, quotes: Any) -> Callable[[], int]:
    left, right = pd.DataFrame({"at": trades}), pd.DataFrame({"at": quotes, "quote": quotes})
    return lambda: int(pd.merge_asof(left, right, on="at")["quote"].sum())


def _keyed(random: Any) -> dict[str, float]:
    keys, values = random.integers(0, _KEYS, _VALUES), random.normal(size=_VALUES)
    rows = list(zip(keys.tolist(), values.tolist(), strict=True))
    frame = pd.DataFrame({"key": keys, "value": values})

    def mean(own: gc.Stream[tuple[int, float]], _: int) -> gc.Stream[float]:
        return own.map(lambda row: row[1]).ewm(span=_SPAN).mean()

    means = gc.replay(np.arange(_VALUES), rows).group_by(lambda row: row[0], mean).pairs()
    count = means.filter(lambda pair: pair[1] > 0.0).count()

    def grouped() -> int:
        return int((frame.groupby("key")["value"].ewm(span=_SPAN).mean() > 0.0).sum())

    taken = _taken({_OURS: _run(count, "native"), _GROUPED: grouped})
    return {name: each / _VALUES for name, each in taken.items()}


def _run(out: gc.Stream[Any], tier: Any) -> Callable[[], Any]:
    graph = gc.Graph(out)

    def run() -> Any:
        graph.run(tier=tier)
        return out.value

    return run


def _taken(contenders: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the CPU time of each, ns, once all agree."""
    results = {name: run() for name, run in contenders.items()}
    assert len(set(results.values())) == 1, results

    def timed(run: Callable[[], Any]) -> Callable[[], float]:
        def measure() -> float:
            began = process_time_ns()
            run()
            return process_time_ns() - began

        return measure

    return medians(_ROUNDS, {name: timed(run) for name, run in contenders.items()})


_OUR_BARS = """
import sys
import graphcore as gc
bars = gc.read_parquet(sys.argv[1], value="price").resample("1min").ohlc().collect()
gc.Graph(bars).run(tier="native")
print(len(bars))
"""
_POLARS_BARS = """
import sys
import polars as pl
price = pl.col("price")
bars = (
    pl.scan_parquet(sys.argv[1])
    .group_by_dynamic("time", every="1m")
    .agg(
        price.first().alias("open"),
        price.max().alias("high"),
        price.min().alias("low"),
        price.last().alias("close"),
    )
    .collect()
)
print(len(bars))
"""


def _bars(random: Any) -> dict[str, float]:
    times = _START + np.cumsum(random.integers(0, 50_000_000, _ROWS))
    prices = np.round(100.0 + random.normal(0.0, 0.01, _ROWS).cumsum(), 2)
    table = pa.table({"time": pa.array(times, pa.timestamp("ns", "UTC")), "price": prices})
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/trades.parquet"
        parquet.write_table(table, path)
        programs = {_OURS: _OUR_BARS, _POLARS: _POLARS_BARS}
        counts = {name: _output(program, path) for name, program in programs.items()}
        assert len(set(counts.values())) == 1, counts

        def timed(program: str) -> Callable[[], float]:
            def measure() -> float:
                began = perf_counter_ns()
                _output(program, path)
                return perf_counter_ns() - began

            return measure

        return medians(_ROUNDS, {name: timed(program) for name, program in programs.items()})


def _messages() -> dict[str, float]:
    if not book.FILE.exists():
        return {}
    messages = list(read_messages(book.FILE))

    def run(tier: Any) -> Callable[[], int]:
        summary = Summary()
        graph = gc.Graph(*wire(gc.replay(messages), summary, len))

        def once() -> int:
            summary.messages = 0
            graph.run(tier=tier)
            return summary.messages

        return once

    taken = _taken({_OURS: run("native"), _FUSED: run("fused")})
    return {name: each / len(messages) for name, each in taken.items()}


# An own process, because what a process has compiled it keeps in memory. Its first graph has LLVM
# loaded, so that the second one pays for itself alone.
_SECOND_GRAPH = """
from time import process_time_ns
import numpy as np
import graphcore as gc
prices = 100.0 + np.random.default_rng(7).normal(size=2_000).cumsum() / 100.0
first = gc.Graph(gc.replay(np.arange(2_000), prices) + 1.0)
first.run(tier="native")
source = gc.replay(np.arange(2_000), prices)
fast, slow = (source.ewm(span=span).mean() for span in (5, 20))
graph = gc.Graph((fast > slow).distinct().filter(lambda above: above).count())
graph.run(tier="fused")
spent = []
for _ in range(2):
    began = process_time_ns()
    graph.run(tier="native")
    spent.append(process_time_ns() - began)
print((spent[0] - spent[1]) / 1e6)
"""


def _cached() -> float:
    with tempfile.TemporaryDirectory() as folder:

        def measure() -> float:
            return float(_output(_SECOND_GRAPH, GRAPHCORE_CACHE=folder))

        measure()  # so that the code is in the folder
        return medians(2 * _ROUNDS + 1, {_OURS: measure})[_OURS]


def _output(program: str, *arguments: str, **variables: str) -> str:
    """Run a program in a process whose modules are compiled, as installed ones are."""
    environment = os.environ | variables
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "program.py")  # a lambda of -c has no source up to Python 3.12
        path.write_text(program)
        command = [sys.executable, str(path), *arguments]
        done = subprocess.run(command, capture_output=True, check=True, text=True, env=environment)
    return done.stdout
