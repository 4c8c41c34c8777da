"""Signals that cost running sums their digits, beside exact fractions."""

from collections.abc import Iterator
from fractions import Fraction
from math import fsum, inf, nan
from typing import Any

import numpy as np
import pytest

import graphcore as gc
from graphcore.testing import ticks
from tests.operators.statistics.model import (
    LEAST,
    Pairs,
    assert_close,
    figure,
    from_first_number,
    present,
    root,
    rounded,
)

random = np.random.default_rng(7)
SENSOR = [round(20 + value, 1) for value in random.random(12)]
SIGNALS: dict[str, list[float]] = {
    # A reading far from all others, and what a sum may keep of it.
    "1e9, then ones": [1e9, 3e4, *[1.0] * 8],
    "a sensor after 6e7": [6e7, 65535.0, *SENSOR],
    "an outlier of 1e5": [*SENSOR[:5], 1e5, *SENSOR],
    "-1e15 between": [*SENSOR[:5], -1e15, *SENSOR, 1e15, *SENSOR],
    # Several magnitudes.
    "decaying by tens": [10.0**-place for place in range(14)],
    "decaying to 1e-63": [2.0 ** (-15 * place) for place in range(15)],
    "decaying with signs": [(-3.0) ** -place for place in range(40)],
    "growing": [7.0**place for place in range(30)],
    "three magnitudes": [1.12e16, -6.88e30, -521e6, -5.85e-4, 7.88e-8, 2.4e-8, 1e-8, 3e-8],
    # Values that differ little.
    "near 1e9": (1e9 + random.random(20) / 16).tolist(),
    "near -1e12": (-1e12 + random.random(20)).tolist(),
    "near 2^53": [2.0**53 + 2 * place % 14 for place in range(20)],
    # Sentinels, whose sums and squares are no floats.
    "1.7e308 twice": [1.0, 1.7e308, 1.7e308, *SENSOR],
    "-1.7e308 thrice": [*SENSOR[:4], *[-1.7e308] * 3, *SENSOR],
    "both sentinels": [1.7e308, -1.7e308, 2.0, 1.7e308, 1.7e308, -1.7e308, *SENSOR],
    "sentinels of 1e200": [*SENSOR[:4], 1e200, -2e200, 3e200, *SENSOR],
    # Missing values.
    "NaN first": [nan, *SENSOR],
    "NaN first, and between": [nan, nan, *SENSOR[:6], nan, *SENSOR[6:]],
    "infinity first": [inf, *SENSOR[:6], -inf, nan, *SENSOR[6:]],
    "NaN after a sentinel": [*SENSOR[:3], 1.7e308, nan, 1.7e308, nan, *SENSOR],
}
SQUARES = ("var", "skew", "kurt")
NAMES = ("count", "sum", "mean", "std", "sem", "zscore", "min", "max", "median", *SQUARES)


def figure_of(window: Any, name: str) -> Pairs:
    return from_first_number(ticks(getattr(window, name)()))


def held(values: list[float], length: int | None) -> Iterator[list[tuple[int, float]]]:
    """Yield what the window holds at each value."""
    pairs = list(enumerate(values))
    for end in range(1, len(pairs) + 1):
        yield pairs[max(0, end - length) if length else 0 : end]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("signal", SIGNALS)
def test_rolling_figures_are_those_of_the_values_in_the_window(signal: str, name: str) -> None:
    values = SIGNALS[signal]
    x = gc.replay(range(len(values)), values)
    for length in (3, 5):
        expected = [
            (pairs[-1][0], figure(name, pairs))
            for pairs in held(values, length)
            if len(present(pairs)) >= max(LEAST.get(name, 1), 1)
        ]
        # A skewness or an excess kurtosis near 0 is a difference of numbers around 1.
        scale = 1.0 if name in ("skew", "kurt", "zscore") else 0.0
        got = dict(figure_of(x.rolling(length, min_periods=1), name))
        assert_close(
            name,
            [(time, got[time]) for time, _ in expected],
            expected,
            scale,
        )
        by_time = dict(figure_of(x.rolling(f"{length}ns"), name))
        assert_close(name, [(time, by_time[time]) for time, _ in expected], expected, scale)


@pytest.mark.parametrize("signal", [name for name in SIGNALS if "sentinels" not in name])
@pytest.mark.parametrize("name", ["sum", "mean", "min", "max", "std"])
def test_expanding_figures_are_those_of_all_values(signal: str, name: str) -> None:
    values = SIGNALS[signal]
    if name == "std" and any(abs(value) > 1e150 for value in values if value - value == 0.0):
        return  # squares beyond the greatest float are infinite
    expected = [
        (pairs[-1][0], figure(name, pairs))
        for pairs in held(values, None)
        if len(present(pairs)) >= max(LEAST.get(name, 1), 1)
    ]
    got = dict(figure_of(gc.replay(range(len(values)), values).expanding(), name))
    # Errors stay below 1e-9 of the values themselves where they cancel out.
    largest = max(abs(value) for value in values if value - value == 0.0)
    pairs = [(time, got[time]) for time, _ in expected]
    assert_close(name, pairs, expected, 0.0 if name in ("min", "max") else largest * 1e-9)


def test_sums_and_means_of_prices_are_rounded_once() -> None:
    prices = np.round(np.cumsum(random.standard_normal(5_000)) + 100, 2)
    x = gc.replay(range(5_000), prices)
    windows = [prices[end - 20 : end].tolist() for end in range(20, 5_001)]
    assert [value for _, value in ticks(x.rolling(20).sum())] == [fsum(each) for each in windows]
    means = [fsum(each) / 20 for each in windows]
    assert [value for _, value in ticks(x.rolling(20).mean())] == means


@pytest.mark.parametrize(
    "values",
    [
        [1.7e308] * 3,
        [-1.7e308] * 7,
        [1.7e308, 1.6e308, 1.5e308],
        [1.7976931348623157e308, 1.7e308, 1e292, 3.0],
        [1.7e308, 1.7e308, -1.6e308, 1e300, 7.0],
        [8.98846567431158e307] * 11,
    ],
)
def test_a_mean_whose_sum_is_too_great_for_a_float_is_rounded_once(values: list[float]) -> None:
    exact = float(sum(map(Fraction, values)) / len(values))
    x = gc.replay(range(len(values)), values)
    assert ticks(x.rolling(len(values)).mean())[-1][1] == exact
    vectors = x.map(lambda value: np.array([value, 1.0]))
    assert ticks(vectors.rolling(len(values)).mean())[-1][1].tolist() == [exact, 1.0]


# Exponential weights that are exact as floats: halves and quarters.


def spread(values: list[float], decay: Fraction, joint: list[float]) -> Fraction | None:
    """Return the exact weighted covariance, unbiased; `None` if it is not defined."""
    if len(values) < 2:
        return None
    weights = [decay**age for age in reversed(range(len(values)))]
    whole, squares = sum(weights), sum(weight * weight for weight in weights)
    x, y = list(map(Fraction, values)), list(map(Fraction, joint))
    of_x = sum(weight * value for weight, value in zip(weights, x, strict=True)) / whole
    of_y = sum(weight * value for weight, value in zip(weights, y, strict=True)) / whole
    products = zip(weights, x, y, strict=True)
    total = sum(weight * (one - of_x) * (other - of_y) for weight, one, other in products)
    return total / whole * whole**2 / (whole**2 - squares)


STEADY = (random.random(60) / 16).tolist()
DRIFTS: dict[str, list[float]] = {
    "near 1e9": [1e9 + value for value in STEADY],
    "near -1e12": [-1e12 + value for value in STEADY],
    "near 1e15": [1e15 + 64 * value for value in STEADY],
    "from 0 to 1e9": [0.0, *(1e9 + value for value in STEADY)],
    "from 1e9 to 0": [1e9, 1e9, *STEADY],
    "rising through the magnitudes": [10.0 ** (place / 4) for place in range(60)],
    "after 1.7e308": [1.7e308, 1.7e308, -1.7e308, *(1e9 + value for value in STEADY)],
    "decaying": [10.0**-place for place in range(14)],
}


@pytest.mark.parametrize("com", [1, 3])
@pytest.mark.parametrize("drift", DRIFTS)
def test_exponentially_weighted_variances_keep_their_digits(drift: str, com: int) -> None:
    values, decay = DRIFTS[drift], Fraction(com, com + 1)
    x = gc.replay(range(len(values)), values)
    exact = [spread(values[: end + 1], decay, values[: end + 1]) for end in range(len(values))]
    variances = [each for each in exact if each is not None]
    ewm, both = x.ewm(com=com), x.map(lambda value: np.array([value, -value]))
    deviations = list(map(root, variances))
    got = [value for _, value in ticks(ewm.std())]
    assert got == pytest.approx(deviations, rel=1e-12)
    of_vectors = [value.tolist() for _, value in ticks(both.ewm(com=com).std())]
    assert of_vectors == [[value, value] for value in got]
    finite = list(map(rounded, variances))
    assert [value for _, value in ticks(ewm.var())] == pytest.approx(finite, rel=1e-12)
    assert [value for _, value in ticks(ewm.cov(-x))] == pytest.approx(
        [-value for value in finite], rel=1e-12
    )


@pytest.mark.parametrize("adjust", [True, False])
@pytest.mark.parametrize("value", [0.1, 1e9 + 0.3, -1.7e308, 5e-324])
def test_equal_values_have_that_mean_and_no_deviation_by_exponential_weights(
    value: float, adjust: bool
) -> None:
    x = gc.replay(range(50), [value] * 50)
    ewm = x.ewm(span=7, adjust=adjust)
    assert {mean for _, mean in ticks(ewm.mean())} == {value}
    assert {deviation for _, deviation in ticks(ewm.std())} == {0.0}
