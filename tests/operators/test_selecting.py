"""Operators that choose which values pass: each beside a plain loop or itertools."""

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

integers = st.lists(st.integers(-5, 5), max_size=12)
floats = st.lists(st.sampled_from([nan, inf, -inf, 0.0, 1.0, 1.25, -2.0, 100.0]), max_size=12)


def values(stream: gc.Stream[Any]) -> list[Any]:
    return [value for _, value in ticks(stream)]


def of(given_values: Sequence[Any]) -> gc.Stream[Any]:
    return gc.from_iterable(given_values)


def test_distinct_takes_nan_for_equal_to_nan() -> None:
    assert repr(values(of([nan, float("nan"), 1.0, 1.0, nan]).distinct())) == "[nan, 1.0, nan]"


@given(floats, st.sampled_from([0, 0.25, 2]))
def test_drop_small_change_compares_with_the_value_that_last_ticked(
    numbers: list[float], by: float
) -> None:
    expected: list[float] = []
    for value in numbers:
        if expected:
            last = expected[-1]
            both_nan = value != value and last != last
            if both_nan or value == last or abs(value - last) <= by:
                continue
        expected.append(value)
    assert repr(values(of(numbers).drop_small_change(by))) == repr(expected)


def test_drop_small_change_may_be_relative_to_the_value_that_last_ticked() -> None:
    numbers = [100.0, 101.0, 101.5, 102.0, 0.0, 1e-9, inf, 5.0]
    assert values(of(numbers).drop_small_change(relative=0.01)) == [100.0, 101.5, 0.0, 1e-9, inf, 5]


@pytest.mark.parametrize(
    ("given_as", "message"),
    [
        ({}, "takes by or relative"),
        ({"by": 1, "relative": 1}, "takes by or relative"),
        ({"by": -1}, "by must be at least 0 and finite, not -1"),
        ({"relative": nan}, "relative must be at least 0 and finite, not nan"),
        ({"by": "1"}, "by must be a number, not '1'"),
    ],
)
def test_drop_small_change_refuses(given_as: dict[str, Any], message: str) -> None:
    with pytest.raises(gc.GraphcoreError, match=message):
        of([1]).drop_small_change(**given_as)


@given(integers, st.integers(1, 4))
def test_unique_drops_what_is_among_the_last_different_keys(numbers: list[int], last: int) -> None:
    keys: deque[int] = deque(maxlen=last)
    expected = []
    for number in numbers:
        key = abs(number)
        if key in keys:
            keys.remove(key)
        else:
            expected.append(number)
        keys.append(key)
    assert values(of(numbers).unique(abs, last=last)) == expected


def test_unique_finds_nan_again() -> None:
    assert repr(values(of([nan, 1.0, float("nan")]).unique(last=2))) == "[nan, 1.0]"


def test_unique_names_the_node_when_a_key_cannot_be_hashed() -> None:
    with pytest.raises(TypeError, match="unhashable") as caught:
        of([[1]]).unique(last=1).named("seen").run()
    assert "in seen" in caught.value.__notes__[0]


def test_dropna_drops_nan_and_none_alone() -> None:
    assert values(of([1.0, nan, None, 0.0, "", inf]).dropna()) == [1.0, 0.0, "", inf]


@given(integers, st.integers(1, 4))
def test_step_by_is_a_slice(numbers: list[int], step: int) -> None:
    assert values(of(numbers).step_by(step)) == numbers[::step]


WHILE: list[tuple[str, Callable[..., Any]]] = [
    ("take_while", itertools.takewhile),
    ("skip_while", itertools.dropwhile),
]


@pytest.mark.parametrize(("name", "oracle"), WHILE)
@given(numbers=integers)
def test_take_while_and_skip_while_are_those_of_itertools(
    name: str, oracle: Callable[..., Any], numbers: list[int]
) -> None:
    def predicate(n: int) -> bool:
        return n < 2

    assert values(getattr(of(numbers), name)(predicate)) == list(oracle(predicate, numbers))


def test_take_while_asks_no_more_once_it_has_ended() -> None:
    asked: list[int] = []
    values(of([1, 0, 1]).take_while(lambda n: asked.append(n) or n))
    assert asked == [1, 0]


def test_take_until_and_skip_until_split_at_the_other_streams_first_tick() -> None:
    letters = gc.replay([1, 2, 3, 4], "abcd")
    bell = gc.replay([3, 4], [False, False])
    assert ticks(letters.take_until(bell)) == [(1, "a"), (2, "b")]
    assert ticks(letters.skip_until(bell)) == [(3, "c"), (4, "d")]
    assert ticks(letters.take_until(gc.never())) == ticks(letters)
    assert ticks(letters.skip_until(gc.never())) == []


def test_each_run_chooses_anew() -> None:
    stream = gc.replay([1, 2, 3], [1, 5, 1])
    for chosen in (
        stream.take_while(lambda n: n < 5),
        stream.skip_while(lambda n: n < 5),
        stream.step_by(2),
        stream.unique(last=9),
        stream.drop_small_change(1),
        stream.take_until(gc.replay([2], [0])),
    ):
        assert ticks(chosen) == ticks(chosen)


def test_filter_given_a_stream_says_to_use_gate() -> None:
    condition = gc.constant(True).named("open")
    with pytest.raises(gc.InvalidTypeError, match=r"not the stream open: gate\(stream\)"):
        of([1]).filter(condition)  # type: ignore[arg-type]  # what is tried
