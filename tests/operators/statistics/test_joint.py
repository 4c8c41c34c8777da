"""Figures of values with weights, beside those of repeated values; covariance beside pandas."""

from math import isnan, nan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks
from tests.operators.statistics.model import assert_close, from_first_number

numbers = st.one_of(st.floats(-9, 9).map(lambda value: round(value, 2)), st.just(nan))
rows = st.lists(st.tuples(numbers, numbers, st.integers(0, 3)), min_size=1, max_size=15)
FEW = settings(max_examples=max(settings().max_examples // 4, 10))
WINDOWS: list[Any] = [3, "4ns", None]


def window_of(stream: gc.Stream[float], window: Any, **more: Any) -> Any:
    return stream.expanding(**more) if window is None else stream.rolling(window, **more)


@pytest.mark.parametrize("window", WINDOWS)
@FEW
@given(rows=rows)
def test_covariance_agrees_with_pandas(window: Any, rows: list[Any]) -> None:
    times = range(len(rows))
    x, y, _ = (np.array(column, float) for column in zip(*rows, strict=True))
    index = pd.DatetimeIndex(times)
    series = pd.Series(x, index)
    frame: Any = series.expanding() if window is None else series.rolling(window)
    expected = list(zip(times, frame.cov(pd.Series(y, index)).tolist(), strict=True))
    got = ticks(window_of(gc.replay(times, x), window).cov(gc.replay(times, y)))
    assert_close("cov", from_first_number(got), from_first_number(expected), 100.0)


def test_correlation_is_exact_for_values_on_a_line_however_far_away() -> None:
    x = [1e9 + value for value in (0.1, 0.2, 0.4, 0.1, 0.9)]
    one = gc.replay(range(5), x)
    up = ticks(one.rolling(3).corr(one.map(lambda value: 2 * value - 5e9)))
    assert [value for _, value in up] == pytest.approx([1.0] * 3, rel=1e-9)
    down = ticks(one.expanding().corr(-one))
    assert [value for _, value in down] == pytest.approx([-1.0] * 4, rel=1e-9)
    assert all(isnan(value) for _, value in ticks(one.rolling(3).corr(one.map(lambda value: 1.0))))


def test_correlation_agrees_with_numpy() -> None:
    random = np.random.default_rng(7)
    x, y = random.normal(size=200), random.normal(size=200)
    got = ticks(gc.replay(range(200), x).rolling(50).corr(gc.replay(range(200), y)))
    expected = [np.corrcoef(x[end - 50 : end], y[end - 50 : end])[0, 1] for end in range(50, 201)]
    assert [value for _, value in got] == pytest.approx(expected, rel=1e-9)


def test_pairs_are_values_of_one_cycle() -> None:
    x = gc.replay([1, 2, 4, 5], [1.0, 2.0, 9.0, 3.0])
    y = gc.replay([1, 2, 3, 5], [2.0, 4.0, 0.0, 9.0])
    assert ticks(x.expanding().cov(y)) == [(2, pytest.approx(1.0)), (5, pytest.approx(3.5))]


@pytest.mark.parametrize("window", WINDOWS)
@FEW
@given(rows=rows)
def test_a_weight_says_how_often_a_value_counts(window: Any, rows: list[Any]) -> None:
    times = range(len(rows))
    x = gc.replay(times, [value for value, _, _ in rows])
    weights = gc.replay(times, [weight for _, _, weight in rows])
    found = window_of(x, window, min_periods=1, weights=weights)
    length = {3: 3, "4ns": 4, None: len(rows)}[window]
    for name in ("sum", "mean", "var", "std", "sem"):
        expected = []
        for end in times:
            held = rows[max(0, end + 1 - length) : end + 1]
            known = [(value, weight) for value, _, weight in held if not isnan(value)]
            repeated = pd.Series([v for v, weight in known for _ in range(weight)], dtype=float)
            expected.append((end, getattr(repeated, name)() if known else nan))
        got = ticks(getattr(found, name)())
        assert_close(name, from_first_number(got), from_first_number(expected), 1.0)


def test_a_value_without_a_weight_is_missing_and_a_heavy_one_leaves_no_trace() -> None:
    x = gc.replay(range(1, 7), [9.0, 1.0, 2.0, 3.0, 5.0, 8.0])
    weights = gc.replay([2, 3, 4, 5, 6], [1e12, 0.1, nan, 0.3, 0.1])
    got = ticks(x.rolling("3ns", weights=weights).mean())
    assert got[0] == (2, 1.0)
    assert got[-1] == (6, pytest.approx((5 * 0.3 + 8 * 0.1) / 0.4, rel=1e-12))


def test_weights_that_make_no_sense() -> None:
    x = gc.replay([1], [1.0])
    with pytest.raises(gc.InvalidValueError, match="a weight must be at least 0, not -1.0"):
        x.rolling(1, weights=x.map(lambda value: -value)).sum().run()
    with pytest.raises(gc.InvalidValueError, match="weights= is for sum, mean, var"):
        x.rolling(1, weights=x).median()


def test_products_with_weights_that_are_too_great_are_nan_while_they_are_in_the_window() -> None:
    x = gc.replay(range(5), [1.7e308, -1.7e308, 1.0, 2.0, 3.0])
    got = [value for _, value in ticks(x.rolling(2, weights=x.map(lambda _: 2.0)).sum())]
    assert got == pytest.approx([nan, -float("inf"), 6.0, 10.0], nan_ok=True)
