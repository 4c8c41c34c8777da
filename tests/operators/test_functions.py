"""The functions that make a stream of several, beside plain loops over the same events."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

# At each time, for each of three streams: a value, or none.
Cycles = list[tuple[int | None, int | None, int | None]]
cycles = st.lists(st.tuples(*[st.none() | st.integers(0, 2)] * 3), max_size=10)


def streams_of(cycles: Cycles) -> list[gc.Stream[int]]:
    return [
        gc.replay([(time, row[i]) for time, row in enumerate(cycles) if row[i] is not None])
        for i in range(3)
    ]


def last(cycles: Cycles, time: int, i: int) -> int | None:
    """Return the present value of a stream at a time."""
    return next((row[i] for row in cycles[time::-1] if row[i] is not None), None)


@given(cycles)
def test_select_ticks_with_the_chosen_stream_and_when_the_condition_does(cycles: Cycles) -> None:
    expected = []
    for time, row in enumerate(cycles):
        condition = last(cycles, time, 0)
        if condition is not None:
            chosen = 1 if condition else 2
            value = last(cycles, time, chosen)
            if value is not None and (row[0] is not None or row[chosen] is not None):
                expected.append((time, value))
    assert ticks(gc.select(*streams_of(cycles))) == expected


@given(cycles)
def test_multiplex_ticks_with_the_chosen_stream_and_when_the_key_changes(cycles: Cycles) -> None:
    key, *others = streams_of([(None if k is None else k % 2, a, b) for k, a, b in cycles])
    expected, before = [], None
    for time, row in enumerate(cycles):
        chosen = last(cycles, time, 0)
        if chosen is not None:
            chosen = 1 + chosen % 2
            value = last(cycles, time, chosen)
            if value is not None and (chosen != before or row[chosen] is not None):
                expected.append((time, value))
            before = chosen
    assert ticks(gc.multiplex(key, {0: others[0], 1: others[1]})) == expected


def test_multiplex_refuses_an_unknown_key_and_anything_but_a_dict() -> None:
    one = gc.constant(1)
    with pytest.raises(gc.InvalidValueError, match="multiplex has no stream for the key 'c'"):
        gc.multiplex(gc.constant("c"), {"a": one}).run()
    with pytest.raises(gc.InvalidTypeError, match="multiplex takes a dict of streams, not"):
        gc.multiplex(one, [one])  # type: ignore[arg-type]  # what is tried


@given(cycles)
def test_first_valid_is_the_first_that_has_a_value(cycles: Cycles) -> None:
    expected = []
    for time, row in enumerate(cycles):
        valid = [i for i in range(3) if last(cycles, time, i) is not None]
        if valid and row[valid[0]] is not None:
            expected.append((time, row[valid[0]]))
    assert ticks(gc.first_valid(*streams_of(cycles))) == expected


@given(cycles)
def test_race_is_won_by_the_stream_that_ticks_first(cycles: Cycles) -> None:
    winner = next((i for row in cycles for i in range(3) if row[i] is not None), 0)
    expected = [(t, row[winner]) for t, row in enumerate(cycles) if row[winner] is not None]
    assert ticks(gc.race(*streams_of(cycles))) == expected


@given(cycles)
def test_zip_pairs_the_values_by_their_number(cycles: Cycles) -> None:
    streams = streams_of(cycles)
    columns = [[row[i] for row in cycles if row[i] is not None] for i in range(3)]
    assert [value for _, value in ticks(gc.zip(*streams, capacity=99))] == list(
        zip(*columns, strict=False)
    )


def test_zip_drops_the_oldest_and_what_belongs_to_it(caplog: pytest.LogCaptureFixture) -> None:
    fast = gc.replay([1, 2, 3, 4], [10, 20, 30, 40])
    slow = gc.replay([5, 6, 7, 8], [1, 2, 3, 4])
    zipped = gc.zip(fast, slow, capacity=2).named("pairs")
    for _ in range(2):
        caplog.clear()
        # The partners of 10 and 20, which were dropped, are dropped when they come.
        assert ticks(zipped) == [(7, (30, 3)), (8, (40, 4))]
        assert zipped.node.dropped == 4  # type: ignore[attr-defined]  # of its node
        assert [record.message for record in caplog.records] == [
            "pairs: more than 2 values of a stream wait for others; the oldest are dropped"
        ]


def test_zip_keeps_what_is_completed_in_the_same_cycle() -> None:
    left, right = gc.replay([1, 2], [1, 2]), gc.replay([2, 3], [10, 20])
    assert ticks(gc.zip(left, right, capacity=1)) == [(2, (1, 10)), (3, (2, 20))]


SUMMARIES: list[tuple[Callable[..., gc.Stream[Any]], Callable[[list[int]], object]]] = [
    (gc.maximum, max),
    (gc.minimum, min),
    (gc.total, sum),
    (gc.average, lambda values: sum(values) / 3),
    (gc.all_of, all),
    (gc.any_of, any),
    (gc.math.hypot, lambda values: math.hypot(*values)),
]


@pytest.mark.parametrize(("function", "oracle"), SUMMARIES)
@given(cycles=cycles)
def test_a_summary_is_of_the_present_values_once_all_have_one(
    function: Callable[..., gc.Stream[Any]], oracle: Callable[[list[int]], object], cycles: Cycles
) -> None:
    expected = []
    for time, row in enumerate(cycles):
        present = [last(cycles, time, i) for i in range(3)]
        if any(value is not None for value in row) and None not in present:
            expected.append((time, oracle(present)))  # type: ignore[arg-type]  # none is None
    assert ticks(function(*streams_of(cycles))) == expected


@dataclass(frozen=True)
class Quote:
    bid: int
    ask: int


def test_make_calls_a_class_with_the_present_values() -> None:
    bid, ask = gc.replay([1, 3], [10, 11]), gc.replay([2], [20])
    assert ticks(gc.make(Quote, bid=bid, ask=ask)) == [(2, Quote(10, 20)), (3, Quote(11, 20))]


@given(cycles)
def test_ticked_has_what_came_in_this_cycle(cycles: Cycles) -> None:
    named = dict(zip("abc", streams_of(cycles), strict=True))
    rows = [
        {name: value for name, value in zip("abc", row, strict=True) if value is not None}
        for row in cycles
    ]
    assert ticks(gc.ticked(**named)) == [(time, row) for time, row in enumerate(rows) if row]


@given(cycles)
def test_stack_is_an_array_with_nan_where_there_is_no_value(cycles: Cycles) -> None:
    found = ticks(gc.stack(*streams_of(cycles)))
    rows = [
        [last(cycles, time, i) for i in range(3)]
        for time, row in enumerate(cycles)
        if any(value is not None for value in row)
    ]
    assert len(found) == len(rows)
    for (_, array), row in zip(found, rows, strict=True):
        assert array.dtype == float
        assert numpy.array_equal(array, numpy.array(row, dtype=float), equal_nan=True)


MANY = [gc.align, gc.first_valid, gc.race, gc.maximum, gc.all_of, gc.stack, gc.math.hypot]


@pytest.mark.parametrize("function", MANY)
def test_a_function_of_streams_needs_streams_one_by_one(function: Any) -> None:
    more = {"key": len} if function is gc.align else {}
    name = function.__name__
    with pytest.raises(gc.InvalidTypeError, match=f"{name} needs streams"):
        function(**more)
    with pytest.raises(gc.InvalidTypeError, match=rf"{name} takes streams one by one"):
        function([gc.constant(1)], **more)


def test_make_and_ticked_need_named_streams() -> None:
    with pytest.raises(gc.InvalidTypeError, match=r"make needs streams, each with a name"):
        gc.make(Quote)
    with pytest.raises(gc.InvalidTypeError, match="bid of ticked must be a stream or a node"):
        gc.ticked(bid=1)  # type: ignore[arg-type]  # what is tried
    with pytest.raises(gc.InvalidTypeError, match="a function is needed, not 5"):
        gc.make(5, bid=gc.constant(1))  # type: ignore[arg-type]  # what is tried


MATH = [
    name for name in vars(math) if name[0] != "_" and name != "hypot" and hasattr(gc.math, name)
]


@pytest.mark.parametrize("name", MATH)
def test_a_function_of_math_gives_pythons_result(name: str) -> None:
    numbers = [0.25, 0.5, 1.0]
    found = ticks(getattr(gc.math, name)(gc.from_iterable(numbers)))
    assert [value for _, value in found] == list(map(getattr(math, name), numbers))


def test_a_domain_error_of_math_is_an_error_of_the_run() -> None:
    with pytest.raises(ValueError, match="math domain error"):
        gc.math.sqrt(gc.constant(-1.0)).run()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=12), st.integers(1, 4))
def test_sync_waits_for_all_streams_or_for_the_end_of_its_time(
    events: list[tuple[int, int]], within: int
) -> None:
    # Each event: how long after the one before it, and of which stream.
    times = list(itertools.accumulate(gap for gap, _ in events))
    columns = [
        [
            (time, n)
            for n, (time, (_, which)) in enumerate(zip(times, events, strict=True))
            if which == i
        ]
        for i in range(3)
    ]
    # Events of one stream at one time have a cycle each, the k-th of all streams together.
    cycles: dict[tuple[int, int], dict[int, int]] = {}
    for i, column in enumerate(columns):
        seen: dict[int, int] = {}
        for time, value in column:
            k = seen[time] = seen.get(time, -1) + 1
            cycles.setdefault((time, k), {})[i] = value
    expected: list[tuple[int, tuple[int | None, ...]]] = []
    group: dict[int, int] = {}
    deadline = 0
    for time, k in sorted(cycles):
        if group and time > deadline:
            expected.append((deadline, tuple(group.get(i) for i in range(3))))
            group = {}
        if not group:
            deadline = time + within
        group.update(cycles[time, k])
        if len(group) == 3:
            expected.append((time, tuple(group.get(i) for i in range(3))))
            group = {}
    if group:
        expected.append((deadline, tuple(group.get(i) for i in range(3))))
    streams = [gc.replay(column) for column in columns]
    assert ticks(gc.sync(*streams, within=within)) == expected


def test_r14_sync_ticks_at_the_end_with_what_has_come() -> None:
    a, b = gc.replay([1], ["a"]), gc.replay([9], ["b"])
    assert ticks(gc.sync(a, b, within="5ns"), until=3) == [(3, ("a", None))]
    assert ticks(gc.sync(a, b, within="5ns")) == [(6, ("a", None)), (14, (None, "b"))]
