"""Running statistics, beside itertools and the standard library."""

import itertools
import math
import statistics
from collections.abc import Callable
from typing import Any

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
