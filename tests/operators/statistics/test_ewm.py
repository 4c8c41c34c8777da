"""Exponential weights, beside pandas' `ewm(adjust=True)`: 1e-9 relative."""

from itertools import dropwhile
from math import inf, isfinite, isnan, nan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
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
    st.sampled_from([0.0, 0.5, 9]).map(lambda com: {"com": com}),
    st.sampled_from([0.3, 1, 20]).map(lambda halflife: {"halflife": halflife}),
    st.just({"halflife": "3s"}),
)
options = st.fixed_dictionaries(
    {},
    optional={
        "adjust": st.booleans(),
        "ignore_na": st.booleans(),
        "min_periods": st.sampled_from([0, 1, 2, 3]),
    },
)
SECOND = 10**9


def as_pandas(
    values: list[float], weight: dict[str, Any], statistic: str = "mean", gaps: Any = None
) -> list[tuple[int, float]]:
    times = np.cumsum(gaps or [1] * len(values)) * SECOND
    if weight.get("halflife") == "3s":
        weight = {**weight, "times": pd.DatetimeIndex(times)}
    series = pd.Series(values, dtype=float).replace([inf, -inf], nan)
    result = getattr(series.ewm(**weight), statistic)()
    if statistic in ("var", "std"):  # rounding gives pandas 0.0 for one value and some gaps
        result = result.where(series.notna().cumsum() > 1)
    pairs = list(zip(times.tolist(), result.tolist(), strict=True))
    return list(dropwhile(lambda pair: isnan(pair[1]), pairs))


def as_graphcore(
    values: list[float], weight: dict[str, Any], statistic: str = "mean", gaps: Any = None
) -> list[tuple[int, float]]:
    times = np.cumsum(gaps or [1] * len(values)) * SECOND
    got = ticks(getattr(gc.replay(times, values).ewm(**weight), statistic)())
    return list(dropwhile(lambda pair: isnan(pair[1]), got))


@pytest.mark.parametrize("statistic", ["mean", "sum", "var", "std"])
@settings(max_examples=max(settings().max_examples // 2, 10))
@given(
    values=st.lists(values_of, min_size=1, max_size=25),
    weight=weights,
    more=options,
    data=st.data(),
)
def test_ewm_agrees_with_pandas(
    statistic: str,
    values: list[float],
    weight: dict[str, Any],
    more: dict[str, Any],
    data: st.DataObject,
) -> None:
    if statistic != "mean" and weight.get("halflife") == "3s":
        return  # pandas has no other figure by time
    if statistic == "sum":
        more.pop("adjust", None)
    if weight in ({"alpha": 0.5}, {"halflife": 1}):
        more.pop("adjust", None)  # pandas 3.1 takes a centre of mass of 1 for weights by time
    gaps = data.draw(st.lists(st.integers(0, 5), min_size=len(values), max_size=len(values)))
    got = as_graphcore(values, {**weight, **more}, statistic, gaps)
    expected = as_pandas(values, {**weight, **more}, statistic, gaps)
    assert [time for time, _ in got] == [time for time, _ in expected]
    # pandas' variance of values near 1e9 has few correct digits if they differ little.
    size = max((abs(value) for value in values if abs(value) < inf), default=0.0)
    least = 1e-15 * size * {"var": size}.get(statistic, 1e7 if statistic == "std" else 1.0)
    assert [v for _, v in got] == pytest.approx(
        [v for _, v in expected], rel=1e-9, abs=max(least, 1e-15), nan_ok=True
    )


@pytest.mark.parametrize("statistic", ["mean", "var", "std", "sum"])
@given(
    values=st.lists(st.one_of(st.floats(-100, 100), st.just(nan)), min_size=1, max_size=12),
    gaps=st.lists(st.integers(0, 9), min_size=12, max_size=12),
    later=st.integers(0, 5),
)
def test_ewm_by_time_has_the_weights_of_its_halflife(
    statistic: str, values: list[float], gaps: list[int], later: int
) -> None:
    times = np.cumsum(gaps[: len(values)]) * SECOND
    end = int(times[-1]) + later * SECOND
    x = gc.replay(times, values)
    end_ticks = gc.replay([end], [None])
    figure = getattr(x.ewm(halflife="3s", on=end_ticks), statistic)()
    got = ticks(figure)
    known = np.array([not isnan(value) for value in values])
    data = np.array(values, np.longdouble)[known]
    weights = np.longdouble(0.5) ** ((end - times[known]) / np.longdouble(3 * SECOND))
    whole = weights.sum()
    if later == 0 and gaps[len(values) - 1] == 0 and len(values) > 1:
        return  # the figure is computed before the last value comes
    if len(data) < (1 if statistic in ("mean", "sum") else 2):
        assert got == []
        return
    mean = (weights * data).sum() / whole
    expected = {"mean": mean, "sum": (weights * data).sum()}.get(statistic)
    if expected is None:
        left = whole - (weights**2).sum() / whole
        if not left > 1e-12:
            return
        expected = (weights * (data - mean) ** 2).sum() / left
        expected = expected if statistic == "var" else np.sqrt(expected)
    [(time, value)] = got
    assert time == end
    assert value == pytest.approx(float(expected), rel=1e-9, abs=1e-12)


def test_a_sentinel_leaves_the_weighted_figures_with_its_weight() -> None:
    usual = [12.0, 13.0] * 1200
    values = [10.0, 11.0, 1.7e308, 1.7e308, *usual]
    for statistic in ("mean", "std"):
        got = [value for _, value in as_graphcore(values, {"alpha": 0.5}, statistic)]
        assert all(isfinite(value) for value in got)
        assert got[-1] == pytest.approx(
            as_graphcore([12.0, 13.0] * 1000, {"alpha": 0.5}, statistic)[-1][1]
        )


def test_ewm_computes_for_a_trigger_and_begins_again_after_a_reset() -> None:
    x = gc.replay([1, 2, 3, 4], [4.0, 2.0, 8.0, 6.0])
    on = gc.replay([2, 4, 5], [None] * 3)
    assert ticks(x.ewm(alpha=0.5, on=on).mean()) == [
        (2, pytest.approx((2 + 1 * 2) / 1.5)),
        (4, pytest.approx((4 / 8 + 2 / 4 + 8 / 2 + 6) / 1.875)),
        (5, pytest.approx((4 / 8 + 2 / 4 + 8 / 2 + 6) / 1.875)),
    ]
    reset = gc.replay([3], [None])
    assert ticks(x.ewm(alpha=0.5, reset=reset).mean())[2:] == [
        (3, 8.0),
        (4, pytest.approx((8 * 0.5 + 6) / 1.5)),
    ]
    assert [time for time, _ in ticks(x.ewm(alpha=0.5, reset=reset).std())] == [2, 3, 4]


def test_ewm_zscore_is_the_distance_of_the_newest_from_the_mean() -> None:
    values = [1.0, 2.0, nan, 7.0, 3.0]
    mean, std = as_graphcore(values, {"span": 3}), as_graphcore(values, {"span": 3}, "std")
    got = ticks(gc.replay(range(5), values).ewm(span=3).zscore())
    expected = [
        (value - m) / s for value, (_, m), (_, s) in zip(values[1:], mean[1:], std, strict=True)
    ]
    assert [value for _, value in got] == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_ewm_stays_with_pandas_on_a_long_random_walk() -> None:
    values = (1e6 + np.cumsum(np.random.default_rng(7).standard_normal(20_000))).tolist()
    got, expected = as_graphcore(values, {"span": 20}), as_pandas(values, {"span": 20})
    assert [v for _, v in got] == pytest.approx([v for _, v in expected], rel=1e-9)


def test_ewm_ticks_with_the_first_value_itself() -> None:
    assert as_graphcore([5], {"span": 3}) == [(SECOND, 5.0)]


def test_a_missing_value_ages_the_others_and_the_mean_stays() -> None:
    assert as_graphcore([nan, 4.0, nan, 1.0], {"alpha": 0.5}) == [
        (2 * SECOND, 4.0),
        (3 * SECOND, 4.0),
        (4 * SECOND, pytest.approx((0.25 * 4 + 1) / 1.25)),
    ]


def test_alpha_one_is_the_newest_value_and_keeps_it_over_a_gap() -> None:
    assert as_graphcore([1e16, 1.0, nan, 2.0], {"alpha": 1}) == [
        (SECOND, 1e16),
        (2 * SECOND, 1),
        (3 * SECOND, 1),
        (4 * SECOND, 2),
    ]


def test_equal_values_have_exactly_that_mean() -> None:
    assert {value for _, value in as_graphcore([0.1] * 50, {"span": 7})} == {0.1}
