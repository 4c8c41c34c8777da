"""Running statistics, beside itertools and the standard library."""

import itertools
import math
import statistics
from collections.abc import Callable
from decimal import Decimal
from math import nan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

numbers_of_any_kind = st.one_of(
    st.lists(st.integers(-100, 100), max_size=12),
    st.lists(st.floats(-1e6, 1e6), max_size=12),
)


def values(stream: gc.Stream[Any]) -> list[Any]:
    return [value for _, value in ticks(stream)]


def test_count_ticks_on_the_first_value() -> None:
    assert ticks(gc.replay([5, 6, 6], [None, 0, "a"]).count()) == [(5, 1), (6, 2), (6, 3)]


@given(numbers_of_any_kind)
def test_sum_is_accumulate(numbers: list[float]) -> None:
    assert values(gc.from_iterable(numbers).sum()) == list(itertools.accumulate(numbers))


@given(numbers_of_any_kind)
def test_min_and_max_are_accumulate(numbers: list[float]) -> None:
    assert values(gc.from_iterable(numbers).min()) == list(itertools.accumulate(numbers, min))
    assert values(gc.from_iterable(numbers).max()) == list(itertools.accumulate(numbers, max))


def test_min_and_max_take_whatever_can_be_compared() -> None:
    assert values(gc.from_iterable(["b", "a", "c"]).min()) == ["b", "a", "a"]
    assert values(gc.from_iterable(["b", "a", "c"]).max()) == ["b", "b", "c"]


@given(numbers_of_any_kind)
def test_mean_is_the_mean_of_the_values_so_far(numbers: list[float]) -> None:
    expected = [statistics.fmean(numbers[: i + 1]) for i in range(len(numbers))]
    assert values(gc.from_iterable(numbers).mean()) == pytest.approx(expected, rel=1e-9, abs=1e-9)


FIGURES: list[tuple[str, Callable[[list[int]], float]]] = [
    ("count", len),
    ("sum", sum),
    ("mean", statistics.fmean),
    ("min", min),
    ("max", max),
    ("product", math.prod),
]


@pytest.mark.parametrize(("name", "oracle"), FIGURES)
@given(stretches=st.lists(st.lists(st.integers(-3, 3), max_size=4), max_size=4))
def test_a_figure_with_reset_is_the_figure_of_each_stretch(
    name: str, oracle: Callable[[list[int]], float], stretches: list[list[int]]
) -> None:
    # Each stretch begins at a time of its own, at which reset ticks with its first value.
    numbers = [(10 * i + j, n) for i, each in enumerate(stretches) for j, n in enumerate(each)]
    resets = [(10 * i, None) for i in range(len(stretches))]
    expected = [
        (10 * i + j, oracle(each[: j + 1]))
        for i, each in enumerate(stretches)
        for j in range(len(each))
    ]
    assert ticks(getattr(gc.replay(numbers), name)(reset=gc.replay(resets))) == expected


@pytest.mark.parametrize(("name", "oracle"), FIGURES)
def test_a_figure_whose_reset_never_ticks_is_that_of_all_values(
    name: str, oracle: Callable[[list[int]], float]
) -> None:
    numbers = gc.from_iterable([3, 1, 2], period=1)
    assert ticks(getattr(numbers, name)(reset=gc.never())) == ticks(getattr(numbers, name)())


def test_product_multiplies() -> None:
    assert ticks(gc.replay([1, 2, 3], [2, 3, 4]).product()) == [(1, 2), (2, 6), (3, 24)]


CUMULATIVE: dict[str, Callable[[Any], Any]] = {
    "sum": lambda values: values.cumsum().ffill(),
    "min": lambda values: values.cummin().ffill(),
    "max": lambda values: values.cummax().ffill(),
    "product": lambda values: values.cumprod().ffill(),
    "count": lambda values: values.notna().cumsum(),
    "mean": lambda values: values.expanding().mean(),
    "var": lambda values: values.expanding().var(),
    "std": lambda values: values.expanding().std(),
}
known_or_missing = st.one_of(
    st.just(nan), st.integers(-9, 9), st.floats(-9, 9).map(lambda value: round(value, 2))
)


@pytest.mark.parametrize("figure", CUMULATIVE)
@given(
    rows=st.lists(st.tuples(known_or_missing, st.sampled_from([False, False, True])), min_size=1)
)
def test_a_missing_value_leaves_a_figure_as_pandas_does(
    figure: str, rows: list[tuple[float, bool]]
) -> None:
    series = pd.Series([value for value, _ in rows], dtype=float)
    stretch = pd.Series([resets for _, resets in rows]).cumsum()
    expected = pd.concat([CUMULATIVE[figure](each) for _, each in series.groupby(stretch)])
    expected = expected[expected.notna().cummax()]
    source = gc.replay([(time, value) for time, (value, _) in enumerate(rows)])
    reset = gc.replay([(time, None) for time, (_, resets) in enumerate(rows) if resets])
    got = ticks(getattr(source, figure)(reset=reset))
    assert [time for time, _ in got] == expected.index.tolist()
    approximately = pytest.approx(expected.tolist(), rel=1e-9, abs=1e-9, nan_ok=True)
    assert [value for _, value in got] == approximately
    if not any(resets for _, resets in rows):
        assert repr(got) == repr(ticks(getattr(source, figure)()))


@pytest.mark.parametrize("missing", [nan, np.float64(nan), np.float32(nan), Decimal("nan")])
@pytest.mark.parametrize("figure", ["sum", "mean", "min", "max", "product"])
def test_nan_of_any_kind_is_missing(figure: str, missing: Any) -> None:
    two = [missing, 2, missing]
    assert ticks(getattr(gc.replay([1, 2, 3], two), figure)()) == [(2, 2), (3, 2)]
    assert ticks(gc.replay([1, 2, 3], two).count()) == [(1, 0), (2, 1), (3, 1)]


def test_sums_and_products_of_ints_are_exact() -> None:
    large = [2**62, 2**62, 3]
    assert values(gc.from_iterable(large).sum()) == [2**62, 2**63, 2**63 + 3]
    assert values(gc.from_iterable(large).product()) == [2**62, 2**124, 3 * 2**124]


def test_arrays_are_added_element_by_element() -> None:
    sums = values(gc.from_iterable([np.array([1.0, 2.0]), np.array([3.0, nan])]).sum())
    np.testing.assert_array_equal(sums, [[1.0, 2.0], [4.0, nan]])


@pytest.mark.parametrize("figure", CUMULATIVE)
@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "float32", "float64", "bool"])
def test_figures_of_scalars_of_numpy_are_those_of_pythons_numbers(figure: str, kind: str) -> None:
    scalars = list(np.array([100, 100, 3, 0.1, 200 if kind == "uint8" else 100]).astype(kind))
    plain = [each.item() for each in scalars]
    mapped = gc.from_iterable(range(5)).map(lambda i: scalars[i])
    got = values(getattr(mapped, figure)())
    assert got == values(getattr(gc.from_iterable(plain), figure)())
    assert not any(isinstance(value, np.generic) for value in got)
