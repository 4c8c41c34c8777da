"""Operators on one stream: each is tried on a handful of values, the pure ones beside itertools."""

import itertools
import operator
from collections.abc import Callable
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

integers = st.lists(st.integers(-5, 5), max_size=12)


def values(stream: gc.Stream[Any]) -> list[Any]:
    return [value for _, value in ticks(stream)]


def test_map_ticks_with_the_functions_result_at_the_time_of_the_value() -> None:
    assert ticks(gc.replay([10, 20], [1, 2]).map(str)) == [(10, "1"), (20, "2")]


def test_filter_lets_through_what_the_predicate_finds_true() -> None:
    assert ticks(gc.replay([10, 20, 30], ["", "a", "b"]).filter(len)) == [(20, "a"), (30, "b")]


def test_filter_map_drops_none_and_keeps_other_false_values() -> None:
    found = {"a": 0, "c": "", "d": False}
    assert values(gc.from_iterable("abcd").filter_map(found.get)) == [0, "", False]


def test_split_gives_those_that_the_predicate_is_true_for_and_the_others() -> None:
    asked: list[int] = []

    def is_even(n: int) -> bool:
        asked.append(n)
        return n % 2 == 0

    even, odd = gc.replay([1, 2, 3], [4, 5, 6]).split(is_even)
    evens, odds = even.collect(), odd.collect()
    gc.Graph(evens, odds).run()
    assert list(evens) == [(1, 4), (3, 6)]
    assert list(odds) == [(2, 5)]
    assert asked == [4, 5, 6]


def test_enumerate_numbers_the_values_from_its_argument() -> None:
    assert values(gc.from_iterable("ab").enumerate()) == [(0, "a"), (1, "b")]
    assert values(gc.from_iterable("ab").enumerate(first=7)) == [(7, "a"), (8, "b")]


def test_with_time_pairs_values_with_engine_time() -> None:
    assert values(gc.replay([10, 20], "ab").with_time()) == [(10, "a"), (20, "b")]


@given(integers)
def test_scan_is_accumulate_with_a_first_value_that_is_not_emitted(numbers: list[int]) -> None:
    function: Callable[[int, int], int] = lambda total, n: 2 * total - n  # noqa: E731  # used twice
    expected = list(itertools.accumulate(numbers, function, initial=3))[1:]
    assert values(gc.from_iterable(numbers).scan(function, 3)) == expected


def test_scan_may_accumulate_to_another_type() -> None:
    assert values(gc.from_iterable([1, 2]).scan(lambda text, n: text + str(n), "")) == ["1", "12"]


@given(integers)
def test_reduce_is_accumulate(numbers: list[int]) -> None:
    expected = list(itertools.accumulate(numbers, operator.sub))
    assert values(gc.from_iterable(numbers).reduce(operator.sub)) == expected


@given(integers)
def test_pairwise_is_pairwise_of_itertools(numbers: list[int]) -> None:
    assert values(gc.from_iterable(numbers).pairwise()) == list(itertools.pairwise(numbers))


@given(integers)
def test_difference_ticks_from_the_second_value_on(numbers: list[int]) -> None:
    expected = [b - a for a, b in itertools.pairwise(numbers)]
    assert values(gc.from_iterable(numbers).difference()) == expected


@given(integers)
def test_distinct_lets_the_first_of_equal_neighbours_through(numbers: list[int]) -> None:
    expected = [key for key, _ in itertools.groupby(numbers)]
    assert values(gc.from_iterable(numbers).distinct()) == expected


def test_distinct_ticks_on_a_first_none_and_keeps_the_first_of_equals() -> None:
    assert values(gc.from_iterable([None, None, 1, 1.0, True, 2])) == [None, None, 1, 1.0, True, 2]
    kept = values(gc.from_iterable([None, None, 1, 1.0, True, 2]).distinct())
    assert [repr(value) for value in kept] == ["None", "1", "2"]


def test_distinct_treats_nan_as_different_from_itself() -> None:
    assert len(values(gc.from_iterable([nan, nan]).distinct())) == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda s: s.scan(operator.add, 10),
        lambda s: s.reduce(operator.add),
        lambda s: s.enumerate(5),
        lambda s: s.pairwise(),
        lambda s: s.difference(),
        lambda s: s.distinct(),
        lambda s: s.count(),
        lambda s: s.sum(),
        lambda s: s.mean(),
        lambda s: s.min(),
        lambda s: s.max(),
        lambda s: s.limit(2),
        lambda s: s.skip(1),
        lambda s: s.throttle(2),
        lambda s: s.delay(5),
        lambda s: s.buffer(2),
        lambda s: s.window(2),
        lambda s: s.rolling(2).std(),
        lambda s: s.rolling("2ns").sum(),
        lambda s: s.ewm(span=3).mean(),
        lambda s: s.accumulate().map(len),
        lambda s: s.map(lambda n: [n, n]).unroll(),
        lambda s: gc.align(s, s.filter(lambda n: n > 1), key=lambda n: n),
    ],
)
def test_r12_an_operator_with_state_begins_anew_in_each_run(
    make: Callable[[gc.Stream[int]], gc.Stream[Any]],
) -> None:
    out = make(gc.replay([1, 2, 3, 4], [3, 3, 1, 2])).collect()
    out.run()
    first = list(out)
    assert first
    out.run()
    assert list(out) == first
