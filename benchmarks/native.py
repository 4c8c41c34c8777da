"""Machine code beside peers whose loops are machine code too, on a million ticks of float64.

The first run of each graph, which compiles it, is not counted; what it costs has lines of its own.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isclose, isnan
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter_ns, process_time_ns
from typing import Any

import csp  # type: ignore[import-untyped]  # the wheel carries no types
import csp.stats  # type: ignore[import-untyped]  # nor does this part
import numba  # type: ignore[import-untyped]  # nor does this wheel
import numpy as np
import pandas as pd
import polars as pl

import graphcore as gc
from benchmarks import crossover, native_sources
from benchmarks.contenders import csp_run, times_of
from benchmarks.figures import Figure, Measured, Target, medians
from benchmarks.ticks import tier_label
from graphcore.tiers import TierName

_TICKS = 1_000_000
_ROUNDS = 3
_WINDOW = 100
_OURS = tier_label("native")
_FUSED = tier_label("fused")
_CSP, _PANDAS, _POLARS, _NUMBA, _LOOP = (
    "csp C++",
    "pandas",
    "polars",
    "numba by hand",
    "Python loop",
)
_CROSSOVER = "EMA crossover"
_IN_PARTS = "ten means, each 100th sum to a node with a dict"
_MAPS = {"1 map": 1, "11 maps": 11, "51 maps": 51}
_COMPILING = "compiling"
_FRESH = "first result of a fresh process, 100,000 ticks, with the code in the cache folder"
_COMPILED = {"crossover": 60.0, "300 maps": 400.0, "121 nodes": 900.0}  # ms
_TARGETS: dict[str, dict[str, float]] = {
    "1 map": {_CSP: 0.08},
    "11 maps": {_CSP: 0.03},
    "51 maps": {_CSP: 0.01},
    _CROSSOVER: {_CSP: 0.06, _POLARS: 0.5, _NUMBA: 1.5},
    "rolling mean(100)": {_CSP: 0.07, _PANDAS: 0.9},
    "rolling std(100)": {_CSP: 0.12, _PANDAS: 1.2},
    "rolling min(100)": {_CSP: 0.15},
    "rolling max(100)": {_CSP: 0.15},
    "rolling median(100)": {_CSP: 0.15},
    "RSI, a node in Python": {_LOOP: 0.03},
    _IN_PARTS: {_FUSED: 0.1},
}
_REASONS = {
    _CROSSOVER: "each mean is tested for values that are not finite, which the peers' are not",
}


@gc.node
class Rsi(gc.MutableNode[float]):
    """The relative strength index, with Wilder's averages."""

    price: gc.Active[float]
    decay: float
    last: float | None = gc.state(None)
    gain: float = gc.state(0.0)
    loss: float = gc.state(0.0)

    def cycle(self, state: gc.GraphState) -> bool:
        price = self.price.value
        last = self.last
        self.last = price
        if last is None:
            return False
        move = price - last
        self.gain += self.decay * (max(move, 0.0) - self.gain)
        self.loss += self.decay * (max(-move, 0.0) - self.loss)
        total = self.gain + self.loss
        self.value = 100.0 * self.gain / total if total > 0.0 else 50.0
        return True


@gc.node
class Levels(gc.MutableNode[int]):
    """Counts how often each level was seen, in a dict, which machine code leaves for Python."""

    price: gc.Active[float]
    seen: dict[int, int] = gc.state(factory=dict)

    def cycle(self, state: gc.GraphState) -> bool:
        level = round(self.price.value)
        self.value = self.seen[level] = self.seen.get(level, 0) + 1
        return True


def _levels(source: gc.Stream[float]) -> gc.Stream[int]:
    total = source
    for span in range(5, 15):
        total = total + source.ewm(span=span).mean()
    counted = total.with_latest(total.count())
    return gc.Stream(
        Levels(counted.filter(lambda pair: pair[1] % 100 == 0).map(lambda pair: pair[0]))
    )


def _rsi(prices: list[float], decay: float) -> float:
    last: float | None = None
    gain = loss = 0.0
    value = 50.0
    for price in prices:
        if last is not None:
            move = price - last
            gain += decay * (max(move, 0.0) - gain)
            loss += decay * (max(-move, 0.0) - loss)
            total = gain + loss
            value = 100.0 * gain / total if total > 0.0 else 50.0
        last = price
    return value


@numba.njit  # type: ignore[untyped-decorator]  # numba carries no types
def _by_numba(prices: Any, fast_decay: float, slow_decay: float) -> int:
    fast = slow = fast_weight = slow_weight = 0.0
    above, begun, count = False, False, 0
    for price in prices:
        fast_weight *= fast_decay
        fast = (fast_weight * fast + price) / (fast_weight + 1.0)
        fast_weight += 1.0
        slow_weight *= slow_decay
        slow = (slow_weight * slow + price) / (slow_weight + 1.0)
        slow_weight += 1.0
        now = fast > slow
        if not begun or now != above:
            begun, above = True, now
            if now:
                count += 1
    return count


def measure() -> Measured:
    prices = 100.0 + np.random.default_rng(7).normal(size=_TICKS).cumsum() / 100.0
    measured: Measured = {}
    with _no_files():
        for work, contenders in _works(prices).items():
            measured[work] = _cost(work, contenders)
        measured[_COMPILING] = _compiling(prices)
    measured[_FRESH] = _fresh()
    return measured | native_sources.measure()


def figures(measured: Measured) -> list[Figure]:
    found = []
    for work, targets in _TARGETS.items():
        costs = measured[work]
        for peer, limit in targets.items():
            found.append(
                Figure(
                    f"{work}: {_OURS} beside {peer}",
                    f"{costs[_OURS]:.1f} ns a tick, {costs[peer]:.1f} ns",
                    costs[_OURS] / costs[peer],
                    Target("≤", limit),
                    reason=_REASONS.get(work, ""),
                )
            )
    for work, taken in measured[_COMPILING].items():
        limit = Target("≤", _COMPILED[work], " ms")
        text = f"{taken:.0f} ms of CPU time"
        found.append(Figure(f"{_OURS}: compiling {work}", text, None, limit, taken))
    ours, fused = measured[_FRESH][_OURS], measured[_FRESH][_FUSED]
    text = f"{ours:.0f} ms, {fused:.0f} ms"
    found.append(
        Figure(
            f"{_OURS} beside {_FUSED}: {_FRESH}",
            text,
            ours / fused,
            Target("≤", 0.5),
            reason="the nodes' classes are read and parsed in each process",
        )
    )
    return found + native_sources.figures(measured)


def _works(prices: Any) -> dict[str, dict[str, Callable[[], object]]]:
    times = np.arange(0, _TICKS * 1_000, 1_000)
    moments = times_of(times)
    series, column = pd.Series(prices), pl.Series("price", prices)
    values = prices.tolist()

    def ours(
        wire: Callable[[gc.Stream[float]], gc.Stream[Any]], tier: TierName = "native"
    ) -> Callable[[], object]:
        out = wire(gc.replay(times, prices))
        graph = gc.Graph(out)

        def run() -> object:
            graph.run(tier=tier)
            return out.value

        return run

    def peer(wire: Callable[[Any], Any]) -> Callable[[], object]:
        return csp_run(lambda: [wire(csp.curve(float, (moments, prices)))])()

    works: dict[str, dict[str, Callable[[], object]]] = {}
    for work, count in _MAPS.items():
        works[work] = {
            _OURS: ours(lambda source, count=count: _maps(source, count)),  # type: ignore[misc]
            _CSP: peer(lambda source, count=count: _maps(source, count)),  # type: ignore[misc]
        }
    works[_CROSSOVER] = {
        _OURS: ours(crossover.crossings),
        _CSP: peer(_csp_crossings),
        _POLARS: lambda: _polars_crossings(column),
        _NUMBA: lambda: _by_numba(prices, *(1.0 - 2.0 / (span + 1) for span in (5, 20))),
        _PANDAS: lambda: _pandas_crossings(series),
    }
    for name in ("mean", "std", "min", "max", "median"):
        works[f"rolling {name}(100)"] = {
            _OURS: ours(lambda source, name=name: getattr(source.rolling(_WINDOW), name)()),  # type: ignore[misc]
            _CSP: peer(lambda source, name=name: _csp_statistic(source, name)),  # type: ignore[misc]
            _PANDAS: lambda name=name: getattr(series.rolling(_WINDOW), name)().iloc[-1],  # type: ignore[misc]
            _POLARS: lambda name=name: getattr(column, f"rolling_{name}")(_WINDOW)[-1],  # type: ignore[misc]
        }
    works["RSI, a node in Python"] = {
        _OURS: ours(lambda source: gc.Stream(Rsi(source, 1 / 14))),
        _LOOP: lambda: _rsi(values, 1 / 14),
    }
    works[_IN_PARTS] = {_OURS: ours(_levels), _FUSED: ours(_levels, "fused")}
    return works


def _cost(work: str, contenders: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the cost of a tick, ns, once all contenders agree."""
    results: dict[str, Any] = {name: run() for name, run in contenders.items()}
    expected = results[_OURS]
    for name, found in results.items():
        assert isclose(found, expected, rel_tol=1e-6), f"{work}: {name} is {found}, not {expected}"
        assert not isnan(found)

    def timed(run: Callable[[], object]) -> Callable[[], float]:
        def measure() -> float:
            began = perf_counter_ns()
            run()
            return (perf_counter_ns() - began) / _TICKS

        return measure

    return medians(_ROUNDS, {name: timed(run) for name, run in contenders.items()})


def _maps(source: Any, count: int) -> Any:
    for _ in range(count):
        source = source + 1.0
    return source


def _csp_crossings(source: Any) -> Any:
    fast, slow = (csp.stats.ema(source, alpha=2 / (span + 1), adjust=True) for span in (5, 20))
    above = csp.drop_dups(fast > slow)
    return csp.count(csp.filter(above, above))


def _csp_statistic(source: Any, name: str) -> Any:
    of = {"std": "stddev"}.get(name, name)
    return getattr(csp.stats, of)(source, interval=_WINDOW, min_window=_WINDOW)


def _polars_crossings(column: "pl.Series") -> int:
    above = column.ewm_mean(span=5) > column.ewm_mean(span=20)
    return int((above & ~above.shift(1, fill_value=False)).sum())


def _pandas_crossings(series: "pd.Series[float]") -> int:
    above = series.ewm(span=5).mean() > series.ewm(span=20).mean()
    return int((above & ~above.shift(1, fill_value=False)).sum())


@contextmanager
def _no_files() -> Iterator[None]:
    """Keep no machine code in files, so that it is compiled."""
    before = os.environ.get("GRAPHCORE_CACHE")
    os.environ["GRAPHCORE_CACHE"] = ""
    try:
        yield
    finally:
        del os.environ["GRAPHCORE_CACHE"]
        if before is not None:
            os.environ["GRAPHCORE_CACHE"] = before


def _compiling(prices: Any) -> dict[str, float]:
    """Return the CPU time of compiling, ms: what a first run takes longer than a second one.

    The numbers in the graphs differ from round to round, or the code would be kept in memory.
    """
    taken: dict[str, list[float]] = {name: [] for name in _COMPILED}
    for round_number in range(_ROUNDS):
        for name, times in taken.items():
            source = gc.replay(np.arange(2_000), prices[:2_000])
            moved = source + (round_number + 0.5)
            graph = gc.Graph(*_COMPILED_GRAPHS[name](moved))
            graph.run()
            spent = []
            for _ in range(2):
                began = process_time_ns()
                graph.run(tier="native")
                spent.append(process_time_ns() - began)
            times.append((spent[0] - spent[1]) / 1e6)
    return {name: median(times) for name, times in taken.items()}


def _crossings_of_many(source: "gc.Stream[float]") -> list["gc.Stream[float]"]:
    """Wire seven nodes seventeen times, with other spans each."""
    shares = []
    for span in range(5, 22):
        fast, slow = (source.ewm(span=each).mean() for each in (span, 4 * span))
        shares.append((fast > slow).distinct().filter(lambda above: above).count() * 0.5)
    return shares


_COMPILED_GRAPHS: dict[str, Callable[[Any], list[Any]]] = {
    "crossover": lambda source: [crossover.crossings(source)],
    "300 maps": lambda source: [_maps(source, 299)],
    "121 nodes": _crossings_of_many,
}

_PROGRAM = """
import sys
from time import perf_counter_ns
import numpy as np
import graphcore as gc
prices = 100.0 + np.random.default_rng(7).normal(size=100_000).cumsum() / 100.0
began = perf_counter_ns()
source = gc.replay(np.arange(100_000), prices)
fast, slow = (source.ewm(span=span).mean() for span in (5, 20))
gc.Graph((fast > slow).distinct().filter(lambda above: above).count()).run(tier=sys.argv[1])
print((perf_counter_ns() - began) / 1e6)
"""


def _fresh() -> dict[str, float]:
    """Return the time from wiring to the result in a process that has compiled nothing, ms."""

    with TemporaryDirectory() as folder:
        # In a file, because Python up to 3.12 knows no source of a program given with -c; and with
        # the bytecode of modules in files, as installing a package writes it.
        program = Path(folder) / "program.py"
        program.write_text(_PROGRAM)
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def run(tier: str) -> float:
            command = [sys.executable, str(program), tier]
            done = subprocess.run(
                command, capture_output=True, check=True, text=True, env=environment
            )
            return float(done.stdout)

        run("native")  # so that the code is in the cache folder
        run("native")
        return medians(
            2 * _ROUNDS + 1, {_OURS: lambda: run("native"), _FUSED: lambda: run("fused")}
        )
