"""Operators that tick once, when the run ends (R14)."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks


@given(st.lists(st.integers()), st.integers())
def test_fold_is_reduce_over_all_values(values: list[int], initial: int) -> None:
    folded = gc.from_iterable(values).fold(lambda a, b: 3 * a - b, initial)
    assert ticks(folded) == [(0, reduce(lambda a, b: 3 * a - b, values, initial))]


def test_final_ticks_with_the_last_value_and_not_at_all_without_one() -> None:
    assert ticks(gc.replay([1, 5], "ab").final()) == [(5, "b")]
    assert ticks(gc.replay([1, 5], "ab").final(), until=3) == [(3, "a")]
    assert ticks(gc.never().final()) == []
    assert ticks(gc.constant(None).final()) == [(0, None)]


def test_both_start_anew_in_each_run() -> None:
    numbers = gc.from_iterable([1, 2])
    total, last = numbers.fold(lambda a, b: a + b, 0).collect(), numbers.final().collect()
    for _ in range(2):
        gc.Graph(total, last).run()
        assert (total.values, last.values) == ([3], [2])


def test_final_combined_with_other_streams_is_a_summary() -> None:
    numbers = gc.from_iterable([4, 1, 7])
    summary = numbers.min().final().combine(numbers.max().final(), numbers.count().final())
    assert ticks(summary) == [(0, (1, 7, 3))]


def test_fold_needs_a_function() -> None:
    with pytest.raises(gc.InvalidTypeError, match="a function is needed, not 3"):
        gc.constant(1).fold(3, 0)  # type: ignore[arg-type]
