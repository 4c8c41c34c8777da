"""Arithmetic, comparison and boolean operators, and access to fields and items."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import graphcore as gc
from graphcore.testing import ticks

ARITHMETIC = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
]
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
LEFT, RIGHT = [7, 2, 5, 3], [2, 7, 5, 4]


def values(stream: gc.Stream[Any]) -> list[Any]:
    return [value for _, value in ticks(stream)]


@pytest.mark.parametrize("function", ARITHMETIC + COMPARISONS)
def test_an_operator_on_streams_is_the_operator_on_values(function: Callable[..., Any]) -> None:
    left, right = gc.from_iterable(LEFT), gc.from_iterable(RIGHT)
    assert values(function(left, right)) == list(map(function, LEFT, RIGHT))


@pytest.mark.parametrize("function", ARITHMETIC + COMPARISONS)
def test_a_constant_may_stand_on_either_side(function: Callable[..., Any]) -> None:
    stream = gc.from_iterable(LEFT)
    assert values(function(stream, 5)) == [function(value, 5) for value in LEFT]
    assert values(function(5, stream)) == [function(5, value) for value in LEFT]


@pytest.mark.parametrize("function", [operator.and_, operator.or_])
def test_boolean_operators(function: Callable[..., Any]) -> None:
    left, right = [True, True, False, False], [True, False, True, False]
    streams = gc.from_iterable(left), gc.from_iterable(right)
    assert values(function(*streams)) == list(map(function, left, right))
    for constant in (True, False):
        assert values(function(streams[0], constant)) == [function(v, constant) for v in left]
        assert values(function(constant, streams[0])) == [function(constant, v) for v in left]


def test_tilde_is_logical_not() -> None:
    assert values(~gc.from_iterable([True, False])) == [False, True]
    assert values(~gc.from_iterable([0, 1, ""])) == [True, False, True]


def test_minus_and_absolute_value() -> None:
    assert values(-gc.from_iterable([1, -2])) == [-1, 2]
    assert values(abs(gc.from_iterable([1, -2]))) == [1, 2]


def test_r5_an_operator_waits_for_both_and_then_ticks_with_either() -> None:
    a, b = gc.replay([1, 3], [1, 2]), gc.replay([2, 4], [10, 20])
    assert ticks(a + b) == [(2, 11), (3, 12), (4, 22)]
    assert ticks(a < b) == [(2, True), (3, True), (4, True)]
    assert ticks((a > 1) & (b > 10)) == [(2, False), (3, False), (4, True)]


def test_r2_a_stream_with_itself_ticks_once() -> None:
    a = gc.replay([1, 2], [3, 4])
    assert ticks(a * a) == [(1, 9), (2, 16)]


def test_a_node_or_a_sink_may_be_an_operand_on_either_side() -> None:
    a, b = gc.from_iterable([7]), gc.from_iterable([2])
    assert values(a - b.node) == values(a.node - b) == [5]
    assert values(a - b.collect()) == values(a.collect() - b) == [5]


def test_other_types_bring_their_own_operators() -> None:
    hour = gc.from_iterable([timedelta(hours=1)])
    assert values(hour * 2) == values(2 * hour) == [timedelta(hours=2)]
    assert values(gc.from_iterable(["a"]) + "b") == ["ab"]
    assert values("b" + gc.from_iterable(["a"])) == ["ba"]


def test_a_numpy_array_or_number_is_one_constant() -> None:
    [total] = values(np.array([1.0, 2.0]) + gc.from_iterable([10.0]))
    assert total.tolist() == [11.0, 12.0]
    assert values(np.float64(3) - gc.from_iterable([1.0])) == [2.0]
    number: Any = np.float64(3)
    assert values(number < gc.from_iterable([1.0, 4.0])) == [False, True]


@dataclass
class Quote:
    bid: float
    ask: float


def test_field_is_the_attribute_of_each_value() -> None:
    quotes = gc.replay([1, 2], [Quote(1.0, 1.5), Quote(2.0, 2.25)])
    assert ticks(quotes.field("ask") - quotes.field("bid")) == [(1, 0.5), (2, 0.25)]


def test_brackets_take_an_item_of_each_value() -> None:
    pairs = gc.from_iterable([("a", 1, 2), ("b", 3, 4)])
    assert values(pairs[0]) == ["a", "b"]
    assert values(pairs[-1]) == [2, 4]
    assert values(pairs[1:]) == [(1, 2), (3, 4)]
    assert values(gc.from_iterable([{"bid": 1}])["bid"]) == [1]
    assert values(gc.from_iterable([{"bid": 1, "ask": 2}])[gc.from_iterable(["ask"])]) == [2]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda a, b: divmod(a, b), (2, 1)),
        (lambda a, b: divmod(a, 2), (3, 1)),
        (lambda a, b: divmod(20, a), (2, 6)),
        (lambda a, b: a << b, 56),
        (lambda a, b: 1 << a, 128),
        (lambda a, b: a >> 1, 3),
        (lambda a, b: 256 >> b, 32),
        (lambda a, b: a ^ b, 4),
        (lambda a, b: 1 ^ a, 6),
        (lambda a, b: +a, 7),
    ],
)
def test_the_rarer_operators_are_pythons_too(
    made: Callable[[Any, Any], gc.Stream[Any]], expected: object
) -> None:
    assert ticks(made(gc.constant(7), gc.constant(3))) == [(0, expected)]


def test_matrices_multiply_on_either_side() -> None:
    matrix, vector = np.array([[1, 2], [3, 4]]), np.array([1, 10])
    stream = gc.constant(vector)
    for made, expected in (
        (gc.constant(matrix) @ stream, matrix @ vector),
        (stream @ matrix, vector @ matrix),
        (matrix @ stream, matrix @ vector),
    ):
        [(_, found)] = ticks(made)
        assert found.tolist() == expected.tolist()
