"""Exponential weights, beside pandas' `ewm(adjust=True)`: 1e-9 relative."""

from math import inf, isnan, nan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

values_of = st.one_of(
    st.floats(-100, 100).map(lambda value: round(value, 3)),
    st.sampled_from([nan, inf, -inf, 0.1, 0.1, 1e9, 1e9 + 0.25]),
)
weights = st.one_of(
    st.floats(1, 50).map(lambda span: {"span": span}),
    st.sampled_from([0.001, 0.3, 0.5, 0.99, 1.0]).map(lambda alpha: {"alpha": alpha}),
)


def as_pandas(values: list[float], weight: dict[str, Any]) -> list[tuple[int, float]]:
    result = pd.Series(values, dtype=float).ewm(**weight, adjust=True).mean().tolist()
    return [(i, value) for i, value in enumerate(result) if not isnan(value)]


def as_graphcore(values: list[float], weight: dict[str, Any]) -> list[tuple[int, float]]:
    return ticks(gc.replay(range(len(values)), values).ewm(**weight).mean())


@given(st.lists(values_of, max_size=25), weights)
def test_ewm_mean_agrees_with_pandas(values: list[float], weight: dict[str, Any]) -> None:
    got, expected = as_graphcore(values, weight), as_pandas(values, weight)
    assert [time for time, _ in got] == [time for time, _ in expected]
    assert [v for _, v in got] == pytest.approx([v for _, v in expected], rel=1e-9, abs=1e-15)


def test_ewm_stays_with_pandas_on_a_long_random_walk() -> None:
    values = (1e6 + np.cumsum(np.random.default_rng(7).standard_normal(20_000))).tolist()
    got, expected = as_graphcore(values, {"span": 20}), as_pandas(values, {"span": 20})
    assert [v for _, v in got] == pytest.approx([v for _, v in expected], rel=1e-9)


def test_ewm_ticks_with_the_first_value_itself() -> None:
    assert as_graphcore([5], {"span": 3}) == [(0, 5.0)]


def test_a_missing_value_ages_the_others_and_the_mean_stays() -> None:
    assert as_graphcore([nan, 4.0, nan, 1.0], {"alpha": 0.5}) == [
        (1, 4.0),
        (2, 4.0),
        (3, pytest.approx((0.25 * 4 + 1) / 1.25)),
    ]


def test_alpha_one_is_the_newest_value_and_keeps_it_over_a_gap() -> None:
    assert as_graphcore([1e16, 1.0, nan, 2.0], {"alpha": 1}) == [(0, 1e16), (1, 1), (2, 1), (3, 2)]


def test_equal_values_have_exactly_that_mean() -> None:
    assert {value for _, value in as_graphcore([0.1] * 50, {"span": 7})} == {0.1}
