"""Rolling statistics, beside pandas: 1e-9 relative, the times of the ticks exactly."""

import statistics
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from itertools import dropwhile
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

SECOND = 10**9
STATISTICS = ["sum", "mean", "std"]
LONG = ["sum", "mean", "std", "skew", "kurt", "median", "max"]

# (time in s, value): times may repeat and leave gaps.
steps = st.lists(st.sampled_from([0, 0, 1, 1, 2, 3, 20]), min_size=1, max_size=25)
gaps = st.sampled_from([nan, inf, -inf])
usual = st.floats(-100, 100).map(lambda value: round(value, 3))
constant_runs = st.sampled_from([0.1, 0.1, 0.1, 0.3, 1.0, -0.7])
large = st.floats(0, 1).map(lambda fraction: 1e9 + fraction)


def as_pandas(times: list[int], values: list[float], window: int | str, statistic: str) -> Any:
    series = pd.Series(values, index=pd.DatetimeIndex(times), dtype=float)
    result = getattr(series.rolling(window), statistic)()
    pairs = list(zip(times, result.tolist(), strict=True))
    first = next((i for i, (_, value) in enumerate(pairs) if not isnan(value)), len(pairs))
    return pairs[first:]


def as_graphcore(times: list[int], values: list[float], window: int | str, statistic: str) -> Any:
    rolling = gc.replay(times, values).rolling(window)
    return ticks(getattr(rolling, statistic)())


def assert_agree(
    got: list[tuple[int, float]], expected: list[tuple[int, float]], lost: float = 1e-12
) -> None:
    assert [time for time, _ in got] == [time for time, _ in expected]
    values = [value for _, value in got]
    scale = max((abs(value) for _, value in expected if not isnan(value)), default=0.0)
    # Below this part of the greatest result, pandas' own rounding errors show.
    approximately = pytest.approx([v for _, v in expected], rel=1e-9, abs=lost * scale, nan_ok=True)
    assert values == approximately


FIGURES = (
    *("count", "sum", "mean", "var", "std", "sem", "min", "max", "median", "rank"),
    *("nunique", "first", "last"),
)
PLAIN = ("count", "sum", "mean", "min", "max", "median", "nunique", "first", "last")


class Wired:
    """A graph of all figures of a window, which runs on any values."""

    def __init__(self, window: int | str | None, closed: Any, minimum: int | None) -> None:
        self._rows: list[tuple[int, float]] = []
        values = gc.replay(lambda: self._rows)
        found: Any = (
            values.expanding(1 if minimum is None else minimum)
            if window is None
            else values.rolling(window, min_periods=minimum, closed=closed)
        )
        self.outs = {name: getattr(found, name)().collect() for name in FIGURES}
        self._graph = gc.Graph(*self.outs.values())

    def run(self, times: list[int], values: list[float], tier: Any) -> None:
        self._rows = list(zip(times, values, strict=True))
        self._graph.run(tier=tier)


wired = cache(Wired)


@pytest.mark.parametrize("closed", ["right", "left", "both", "neither"])
@pytest.mark.parametrize("window", [2, 5, "1s", "7s", None])
@settings(max_examples=max(settings().max_examples // 5, 10))
@given(
    steps=steps,
    data=st.data(),
    values_of=st.sampled_from([usual, constant_runs, large, st.one_of(usual, gaps)]),
)
def test_rolling_agrees_with_pandas(
    window: int | str | None,
    closed: Any,
    steps: list[int],
    data: st.DataObject,
    values_of: st.SearchStrategy[float],
    default_tier: str,
) -> None:
    minimum = data.draw(st.sampled_from([1, 2] if closed == "neither" else [None, 0, 1, 2]))
    if (window is None and closed != "right") or (
        window == 2 and closed == "neither" and minimum != 1
    ):
        return
    times = [int(second) * SECOND for second in np.cumsum(steps)]
    values = data.draw(st.lists(values_of, min_size=len(times), max_size=len(times)))
    series = pd.Series(values, index=pd.DatetimeIndex(times), dtype=float)
    series = series.replace([inf, -inf], nan)  # pandas' count and sem do not do it themselves
    if window is None:
        expected: Any = series.expanding(1 if minimum is None else minimum)
    else:
        expected = series.rolling(window, min_periods=minimum, closed=closed)
    graph = wired(window, closed, minimum)
    graph.run(times, values, default_tier)
    # Where the values are large, pandas loses digits of the others: test_windows has exact figures.
    for name in PLAIN if values_of is large else FIGURES:
        if name in ("rank", "count") and minimum == 0:
            continue  # of an empty window pandas' rank is 0, and its first count
        pairs = list(zip(times, getattr(expected, name)().tolist(), strict=True))
        lost = 1e-12 if name in PLAIN else 1e-6
        assert_agree(from_first(graph.outs[name]), from_first(pairs), lost)


def from_first(pairs: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    return list(dropwhile(lambda pair: isnan(pair[1]), pairs))


@pytest.mark.parametrize("window", [20, "30s"])
@pytest.mark.parametrize("statistic", LONG)
def test_rolling_stays_with_pandas_on_a_long_random_walk(statistic: str, window: int | str) -> None:
    random = np.random.default_rng(7)
    times = (np.cumsum(random.integers(0, 3, 20_000)) * SECOND).tolist()
    values = np.cumsum(random.standard_normal(20_000)).tolist()
    assert_agree(
        as_graphcore(times, values, window, statistic),
        as_pandas(times, values, window, statistic),
        1e-12 if statistic in PLAIN else 1e-5,
    )


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_count_ticks_first_when_the_window_is_full(statistic: str) -> None:
    assert [time for time, _ in as_graphcore([1, 2, 3, 4], [1, 2, 3, 4], 3, statistic)] == [3, 4]


def test_a_duration_ticks_from_the_first_value_and_std_from_the_second() -> None:
    assert [time for time, _ in as_graphcore([1, 2, 3], [1, 2, 3], "2ns", "sum")] == [1, 2, 3]
    assert [time for time, _ in as_graphcore([1, 2, 3], [1, 2, 3], "2ns", "std")] == [2, 3]


def test_a_duration_window_excludes_its_start() -> None:
    assert as_graphcore([0, 5, 10, 14], [1, 2, 4, 8], "10ns", "sum") == [
        (0, 1),
        (5, 3),
        (10, 6),
        (14, 14),
    ]


def test_values_at_one_time_come_into_the_window_one_by_one() -> None:
    assert as_graphcore([1, 1, 1], [1, 2, 4], "10ns", "sum") == [(1, 1), (1, 3), (1, 7)]


def test_values_that_are_not_finite_are_missing() -> None:
    # A count window with a missing value has too few values; the first tick waits until there are
    # enough.
    by_count = as_graphcore([1, 2, 3, 4, 5], [1, nan, 3, 4, inf], 2, "sum")
    assert by_count == [(4, 7), (5, pytest.approx(nan, nan_ok=True))]
    by_time = as_graphcore([1, 2, 3, 9], [nan, 2, -inf, nan], "5ns", "sum")
    assert by_time == [(2, 2), (3, 2), (9, pytest.approx(nan, nan_ok=True))]


def test_rolling_std_of_one_value_never_ticks() -> None:
    assert as_graphcore([1, 2], [1, 2], 1, "std") == []


@pytest.mark.parametrize("window", [3, "3ns"])
def test_equal_values_have_no_deviation_and_an_exact_mean(window: int | str) -> None:
    times, values = list(range(8)), [1e9, -1e-9, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1]
    assert as_graphcore(times, values, window, "std")[-3:] == [(5, 0.0), (6, 0.0), (7, 0.0)]
    assert as_graphcore(times, values, window, "mean")[-3:] == [(5, 0.1), (6, 0.1), (7, 0.1)]


@pytest.mark.parametrize("window", [3, "3ns"])
def test_an_outlier_that_leaves_destroys_no_digits(window: int | str) -> None:
    values = [1.0, 2.0, 1e12, 4.0, 5.5, 6.25]
    (_, last) = as_graphcore(list(range(6)), values, window, "std")[-1]
    assert last == pytest.approx(statistics.stdev(values[-3:]), rel=1e-9)


def test_a_window_is_a_count_or_a_duration() -> None:
    source = gc.replay([0, 1, 2], [1, 2, 4])
    two = ticks(source.rolling(2).sum())
    assert two == [(1, 3), (2, 6)]
    assert ticks(source.rolling(np.int64(2)).sum()) == two
    micro = ticks(source.rolling(timedelta(microseconds=1)).sum())
    assert micro == ticks(source.rolling("1us").sum()) == [(0, 1), (1, 3), (2, 7)]


@pytest.mark.parametrize("window", [10_500, None])
def test_figures_of_the_order_stay_with_pandas_beyond_10_000_values(
    window: int | None, default_tier: Any
) -> None:
    random = np.random.default_rng(7)
    values = random.integers(0, 5_000, 24_000) / 8
    values[random.random(24_000) < 0.01] = nan
    minimum = 9_000
    reset = gc.replay([12_500], [True])  # the window is small again, and then large
    source = gc.replay(np.arange(24_000), values)

    def figures(reset: gc.Stream[bool] | None) -> Any:
        found: Any = (
            source.expanding(minimum, reset=reset)
            if window is None
            else source.rolling(window, min_periods=minimum, reset=reset)
        )
        return [found.median(), found.quantile(0.3), found.rank(), found.quantile([0.1, 0.7])]

    outs = [[each.collect() for each in figures(given)] for given in (None, reset)]
    gc.Graph(*outs[0], *outs[1]).run(tier=default_tier)

    def expected(values: Any) -> list[Any]:
        series: Any = pd.Series(values)
        panes = series.expanding(minimum) if window is None else series.rolling(window, minimum)
        both = [panes.quantile(0.1).tolist(), panes.quantile(0.7).tolist()]
        plain = [panes.median().tolist(), panes.quantile(0.3).tolist(), panes.rank().tolist()]
        return [*plain, list(zip(*both, strict=True))]

    parts = zip(expected(values[:12_500]), expected(values[12_500:]), strict=True)
    agreeing = [*expected(values), *(first + second for first, second in parts)]
    for out, figure in zip([*outs[0], *outs[1]], agreeing, strict=True):
        np.testing.assert_allclose(out.values, figure[out.times[0] :], rtol=1e-9)
