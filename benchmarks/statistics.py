"""Statistics of a window of 100 values beside csp's, from numpy arrays; matrices of 100 streams.

Their cost is CPU time.
"""

from collections.abc import Callable
from time import process_time_ns
from typing import Any

import csp  # type: ignore[import-untyped]  # the wheel carries no types
import csp.stats  # type: ignore[import-untyped]  # the wheel carries no types
import numpy as np
from csp.typing import Numpy1DArray  # type: ignore[import-untyped]  # the wheel carries no types

import graphcore as gc
from benchmarks.contenders import csp_run, graphcore_tiers, times_of
from benchmarks.figures import Figure, Measured
from benchmarks.ticks import Comparison, compare, compete

_TICKS = 50_000
_LENGTH = 100
_STREAMS = 100
_TICKS_OF_MATRIX = 1_000
_PERIOD = 1_000  # ns
_CSP = "csp C++"

Wire = Callable[[Any], Any]
_WINDOW = {"interval": _LENGTH, "min_window": _LENGTH}
# The work, graphcore's figure, csp's, and the ratio that is to be reached.
_WORKS: dict[str, tuple[Wire, Wire, float]] = {
    "rolling mean(100)": (
        lambda x: x.rolling(_LENGTH).mean(),
        lambda x: csp.stats.mean(x, **_WINDOW),
        2.5,
    ),
    "rolling std(100)": (
        lambda x: x.rolling(_LENGTH).std(),
        lambda x: csp.stats.stddev(x, **_WINDOW),
        4,
    ),
    "rolling median(100)": (
        lambda x: x.rolling(_LENGTH).median(),
        lambda x: csp.stats.median(x, **_WINDOW),
        3,
    ),
    "rolling min(100)": (
        lambda x: x.rolling(_LENGTH).min(),
        lambda x: csp.stats.min(x, **_WINDOW),
        2.5,
    ),
    "rolling max(100)": (
        lambda x: x.rolling(_LENGTH).max(),
        lambda x: csp.stats.max(x, **_WINDOW),
        2.5,
    ),
    "ewm mean": (lambda x: x.ewm(span=100).mean(), lambda x: csp.stats.ema(x, span=100), 1.5),
    "ewm std": (lambda x: x.ewm(span=100).std(), lambda x: csp.stats.ema_std(x, span=100), 1.5),
}
_MATRIX = "covariances of 100 streams, window 100"
_REASON = "graphcore keeps sums as two floats, so that no value leaves a trace"


def measure() -> Measured:
    random = np.random.default_rng(7)
    values = random.normal(size=_TICKS)
    nanoseconds = range(0, _TICKS * _PERIOD, _PERIOD)
    found: Measured = {}
    for work, (ours, theirs, _) in _WORKS.items():
        stream = ours(gc.replay(times_of(nanoseconds), values))
        contenders = {
            **graphcore_tiers(stream, result=_rounded(lambda stream=stream: stream.value)),
            _CSP: csp_run(
                lambda theirs=theirs: [theirs(csp.curve(float, (times_of(nanoseconds), values)))],
                lambda last: round(float(last[0]), 9),
            ),
        }
        stream.run()
        found[work] = compete(_TICKS, round(float(stream.value), 9), contenders, process_time_ns)
    return found | {_MATRIX: _matrices(random.normal(size=(_STREAMS, _TICKS_OF_MATRIX)))}


def _matrices(columns: Any) -> dict[str, float]:
    times = times_of(range(0, _TICKS_OF_MATRIX * _PERIOD, _PERIOD))
    vectors = list(np.ascontiguousarray(columns.T))
    stream = gc.replay(times, vectors).rolling(_LENGTH).cov()
    events = list(zip(times.astype("datetime64[us]").tolist(), vectors, strict=True))

    def wire() -> list[Any]:
        return [csp.stats.cov_matrix(csp.curve(Numpy1DArray[float], events), **_WINDOW)]

    stream.run()
    contenders = {
        **graphcore_tiers(stream, result=lambda: round(float(stream.value[3, 5]), 9)),
        _CSP: csp_run(wire, lambda last: round(float(last[0][3, 5]), 9)),
    }
    found = round(float(stream.value[3, 5]), 9)
    return compete(_TICKS_OF_MATRIX, found, contenders, process_time_ns)


def _rounded(value: Callable[[], Any]) -> Callable[[], float]:
    return lambda: round(float(value()), 9)


def figures(measured: Measured) -> list[Figure]:
    comparisons = [
        Comparison(work, _CSP, at_most, _REASON) for work, (_, _, at_most) in _WORKS.items()
    ]
    return compare(measured, [*comparisons, Comparison(_MATRIX, _CSP, 1.5)])
