"""Operators on several streams (R5): which stream wins, which waits, and which values are kept."""

import logging
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks


def first_of(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def test_r5_join_waits_for_all_and_then_ticks_with_any() -> None:
    a, b = gc.replay([1, 3], [1, 3]), gc.replay([2, 3, 4], [10, 20, 30])
    assert ticks(a.join(b, lambda x, y: x + y)) == [(2, 11), (3, 23), (4, 33)]


def test_join_takes_several_streams_and_the_function_in_either_place() -> None:
    a, b, c = gc.constant(1), gc.constant(2), gc.replay([0, 1], [3, 4])
    assert ticks(a.join(b, c, function=lambda x, y, z: (x, y, z))) == [
        (0, (1, 2, 3)),
        (1, (1, 2, 4)),
    ]
    untyped: Any = a
    assert ticks(untyped.join(b, c, lambda x, y, z: (x, y, z))) == [(0, (1, 2, 3)), (1, (1, 2, 4))]


def test_r2_join_ticks_once_when_a_stream_comes_by_two_ways() -> None:
    source = gc.replay([1, 2], [1, 2])
    doubled, squared = source.map(lambda n: 2 * n), source.map(lambda n: n * n)
    assert ticks(doubled.join(squared, source, function=lambda *n: n)) == [
        (1, (2, 1, 1)),
        (2, (4, 4, 2)),
    ]


def test_with_latest_is_triggered_by_its_own_stream_only() -> None:
    a, b = gc.replay([1, 3, 5], "abc"), gc.replay([2, 4, 5], "xyz")
    assert ticks(a.with_latest(b)) == [(3, ("b", "x")), (5, ("c", "z"))]
    assert ticks(a.with_latest(b, gc.constant(0))) == [(3, ("b", "x", 0)), (5, ("c", "z", 0))]


def test_of_several_that_tick_at_once_merge_first_takes_the_first_in_the_list() -> None:
    a, b, c = gc.replay([2, 4], "ab"), gc.replay([1, 2], "xy"), gc.replay([1, 3], "uv")
    assert ticks(a.merge_first(b, c)) == [(1, "x"), (2, "a"), (3, "v"), (4, "b")]
    assert ticks(c.merge_first(b, a)) == [(1, "u"), (2, "y"), (3, "v"), (4, "b")]


def test_merge_delivers_all_that_tick_at_once_one_a_cycle_in_the_order_of_the_arguments() -> None:
    a, b = gc.replay([1, 3], ["a1", "a3"]), gc.replay([2, 3], ["b2", "b3"])
    c = gc.replay([3], ["c3"])
    assert ticks(b.merge(c, a)) == [(1, "a1"), (2, "b2"), (3, "b3"), (3, "c3"), (3, "a3")]


def test_what_comes_while_values_wait_is_merged_behind_them() -> None:
    first, second = gc.replay([5, 5, 5], [1, 2, 3]), gc.replay([5, 5], [10, 20])
    assert [v for _, v in ticks(first.merge(second))] == [1, 10, 2, 20, 3]
    assert [v for _, v in ticks(first.merge(first, first))] == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_what_waits_in_a_merge_comes_when_a_bound_ends_the_run() -> None:
    first = gc.replay([5, 5, 6], [1, 2, 3])
    out = first.merge(first.map(lambda n: 10 * n), first).collect()
    report = out.run(cycles=2)
    assert report.cycles == 2
    assert out.values == [1, 10, 1, 2, 20, 2]


@given(st.lists(st.lists(st.integers(0, 4)), min_size=2, max_size=4), st.integers(0, 2))
def test_merge_loses_nothing_and_keeps_the_order_of_each_stream(
    times: list[list[int]], bursts: int
) -> None:
    sources = [
        gc.replay(sorted(each), [(place, number) for number, _ in enumerate(each)])
        for place, each in enumerate(times)
    ]
    merged = sources[0].merge(*sources[1:])
    for _ in range(bursts):
        merged = merged.merge(merged.map(lambda value: value))
    out = [value for _, value in ticks(merged)]
    for place, each in enumerate(times):
        mine = [number for where, number in out if where == place]
        assert len(mine) == 2**bursts * len(each)
        assert list(dict.fromkeys(mine)) == list(range(len(each)))


def test_merge_all_ticks_with_all_values_of_a_cycle_in_a_list() -> None:
    a, b = gc.replay([1, 3], ["a1", "a3"]), gc.replay([2, 3], ["b2", "b3"])
    assert ticks(gc.merge_all(b, a)) == [(1, ["a1"]), (2, ["b2"]), (3, ["b3", "a3"])]


def test_merge_needs_no_value_of_the_others() -> None:
    assert ticks(gc.never().merge(gc.replay([1], "a"))) == [(1, "a")]


def test_r5_combine_waits_for_all_and_then_ticks_with_any() -> None:
    a, b, c = gc.replay([1, 4], "ab"), gc.replay([2], "x"), gc.replay([3, 4], "uv")
    assert ticks(a.combine(b, c)) == [(3, ("a", "x", "u")), (4, ("b", "x", "v"))]
    assert ticks(a.combine(gc.never())) == []


# align


def keyed(times: list[int], pairs: list[tuple[int, str]]) -> gc.Stream[tuple[int, str]]:
    return gc.replay(times, pairs)


def test_align_joins_by_key_whatever_the_order_of_arrival() -> None:
    a = keyed([1, 2, 3], [(10, "a"), (20, "b"), (30, "c")])
    b = keyed([2, 4, 5], [(20, "x"), (30, "y"), (10, "z")])
    assert ticks(gc.align(a, b, key=first_of)) == [
        (2, ((20, "b"), (20, "x"))),
        (4, ((30, "c"), (30, "y"))),
        (5, ((10, "a"), (10, "z"))),
    ]


def test_align_waits_for_every_stream() -> None:
    a, b, c = (gc.replay([time], [7]) for time in (1, 2, 3))
    assert ticks(gc.align(a, b, c, key=lambda n: n)) == [(3, (7, 7, 7))]


def test_a_key_that_comes_twice_waits_for_the_partners_next_value() -> None:
    a = keyed([1, 2, 3], [(1, "first"), (1, "second"), (1, "third")])
    b = keyed([4, 5], [(1, "x"), (1, "y")])
    aligned = gc.align(a, b, key=first_of)
    assert [(time, left[1], right[1]) for time, (left, right) in ticks(aligned)] == [
        (4, "first", "x"),
        (5, "second", "y"),
    ]


def test_r6_tuples_complete_in_one_cycle_follow_in_further_cycles_at_the_same_time() -> None:
    # In cycle 1 at time 2 each of the two streams delivers the key that the other waits for.
    a = gc.replay([1, 2], [10, 20])
    b = gc.replay([1, 2], [20, 10])
    out = gc.align(a, b, key=lambda n: n).collect()
    report = out.run()
    assert list(out) == [(2, (20, 20)), (2, (10, 10))]
    assert report.cycles == 3


def test_values_that_align_drops_are_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    a = gc.replay([1, 2, 3, 4], [1, 2, 3, 4])
    b = gc.replay([5, 6], [3, 4])
    aligned = gc.align(a, b, key=lambda n: n, capacity=2).named("pairs")
    with caplog.at_level(logging.WARNING):
        assert ticks(aligned) == [(5, (3, 3)), (6, (4, 4))]
    assert aligned.node.dropped == 2  # type: ignore[attr-defined]  # of Align
    assert [record.message for record in caplog.records] == [
        "pairs: more than 2 values wait for a partner; the oldest are dropped"
    ]


def test_align_within_its_capacity_drops_nothing() -> None:
    keys = list(range(50))
    aligned = gc.align(
        gc.replay(range(50), keys), gc.replay(range(50, 100), keys), key=lambda n: n, capacity=50
    )
    assert len(ticks(aligned)) == 50
    assert aligned.node.dropped == 0  # type: ignore[attr-defined]  # of Align


@given(st.lists(st.integers(0, 4), max_size=10), st.lists(st.integers(0, 4), max_size=10))
def test_align_matches_each_key_as_often_as_both_have_it(left: list[int], right: list[int]) -> None:
    aligned = gc.align(gc.from_iterable(left), gc.from_iterable(right), key=lambda n: n)
    pairs = [value for _, value in ticks(aligned)]
    assert all(a == b for a, b in pairs)
    assert Counter(a for a, _ in pairs) == Counter(left) & Counter(right)
