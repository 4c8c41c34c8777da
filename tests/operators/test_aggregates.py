"""The figures of a span, beside pandas, and beside exact fractions where pandas loses digits."""

from fractions import Fraction
from math import inf, isnan, nan
from statistics import variance
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcore.operators.spans import aggregates

ROUND = st.integers(-(2**30), 2**30).map(lambda n: n / 1024)  # pandas loses no digits of these
PANDAS: dict[str, Any] = {
    "COUNT": pd.Series.count,
    "FIRST": lambda s: s.dropna().iloc[0] if s.count() else nan,
    "LAST": lambda s: s.dropna().iloc[-1] if s.count() else nan,
    "MIN": pd.Series.min,
    "MAX": pd.Series.max,
    "SUM": pd.Series.sum,
    "MEAN": pd.Series.mean,
    "VAR": pd.Series.var,
    "STD": pd.Series.std,
    "MEDIAN": lambda s: s.median() if s.count() else nan,  # pandas 2.2 warns
}


@given(st.lists(ROUND | st.just(nan), max_size=30))
def test_each_figure_is_that_of_pandas(values: list[float]) -> None:
    series = pd.Series(values, dtype=float)
    for name, of_pandas in PANDAS.items():
        found = getattr(aggregates, name).of(values)
        assert found == pytest.approx(of_pandas(series), rel=1e-9, abs=1e-12, nan_ok=True), name


HARD = [
    [1e9 + n * 1e-3 for n in range(50)],
    [1e16, 1.0, -1e16, 1.0, 1e-3],
    [6e7, 65535.0, *[20.0 + n / 10 for n in range(9)]],
    [10.0**-n for n in range(14)],
    [1e5, 1.0, 1.0, 1.0],
]


@pytest.mark.parametrize("values", HARD)
def test_sums_and_squares_agree_with_exact_fractions(values: list[float]) -> None:
    exact = [Fraction(value) for value in values]
    assert aggregates.SUM.of(values) == pytest.approx(float(sum(exact)), rel=1e-15)
    assert aggregates.MEAN.of(values) == pytest.approx(float(sum(exact) / len(exact)), rel=1e-15)
    assert aggregates.VAR.of(values) == pytest.approx(float(variance(exact)), rel=1e-13)
    assert aggregates.STD.of(values) ** 2 == pytest.approx(float(variance(exact)), rel=1e-13)


def test_whole_numbers_stay_whole_and_numpys_do_not_overflow() -> None:
    assert aggregates.SUM.of([2**62, 2**62, 1]) == 2**63 + 1
    small = np.array([30_000, 20_000], dtype=np.int16)
    assert aggregates.SUM.of(small) == 50_000
    assert aggregates.MEAN.of(small) == 25_000
    assert aggregates.MEDIAN.of(small) == 25_000
    assert aggregates.VWAP.of([(small[0], small[0])]) == 30_000
    assert aggregates.VAR.of(np.array([200, 100], dtype=np.uint8)) == 5_000


def test_infinity_is_a_value() -> None:
    assert aggregates.SUM.of([1.0, inf, 2.0]) == inf
    assert aggregates.MAX.of([1.0, inf, nan]) == inf
    assert isnan(aggregates.VAR.of([1.0, inf]))


def test_ohlc_passes_nan_over() -> None:
    assert aggregates.OHLC.of([nan, 3, 5, nan, 1, 2, nan]) == (3, 5, 1, 2, 4)
    *prices, count = aggregates.OHLC.of([nan])
    assert (list(map(isnan, prices)), count) == ([True] * 4, 0)


@given(st.lists(st.tuples(ROUND, st.integers(0, 100)) | st.just((nan, 1)) | st.just((1.0, nan))))
def test_vwap_is_the_turnover_by_the_volume(trades: list[tuple[float, float]]) -> None:
    known = [(Fraction(p), Fraction(s)) for p, s in trades if p == p and s == s]
    volume = sum(size for _, size in known)
    expected = float(sum(p * s for p, s in known) / volume) if volume else nan
    assert aggregates.VWAP.of(trades) == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


def test_values_are_all_values() -> None:
    assert aggregates.VALUES.of([3, 1, 2]) == [3, 1, 2]
