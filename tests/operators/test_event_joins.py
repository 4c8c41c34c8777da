"""Joins by event time beside pandas' `merge_asof` and plain lists."""

from bisect import bisect_left, bisect_right
from itertools import accumulate
from random import Random
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

Event = tuple[int, int]  # an own time and a number

own_times = st.lists(st.integers(0, 25), max_size=20)
# When each value arrives: the time between it and the one before.
arrivals = st.lists(st.integers(0, 3), min_size=20, max_size=20)
lateness = st.integers(0, 12)


def event_time(times: list[int], steps: list[int], late_by: int) -> gc.EventTime[Event]:
    at = list(accumulate(steps))[: len(times)]
    events = [(time, number) for number, time in enumerate(times)]
    return gc.replay(at, events).event_time(lambda event: event[0], late_by)


def on_time(times: list[int], late_by: int) -> list[Event]:
    marks = [newest - late_by for newest in accumulate(times, max)]
    events = [(time, number) for number, time in enumerate(times)]
    return sorted(e for e, mark in zip(events, marks, strict=True) if e[0] >= mark)


def values(stream: gc.Stream[Any]) -> list[Any]:
    return [value for _, value in ticks(stream)]


@given(own_times, own_times, arrivals, arrivals, lateness, lateness, st.none() | st.integers(0, 8))
@pytest.mark.parametrize("direction", ["backward", "forward", "nearest"])
def test_asof_is_pandas_merge_asof_however_the_streams_interleave(
    direction: Any,
    times: list[int],
    others: list[int],
    steps: list[int],
    other_steps: list[int],
    late_by: int,
    other_late_by: int,
    tolerance: int | None,
) -> None:
    if direction != "backward" and tolerance is None:
        tolerance = 6
    left = pd.DataFrame(on_time(times, late_by), columns=["at", "left"], dtype="int64")
    right = pd.DataFrame(on_time(others, other_late_by), columns=["at", "right"], dtype="int64")
    table = pd.merge_asof(left, right, on="at", direction=direction, tolerance=tolerance)
    expected = [
        (int(row.left), None if pd.isna(row.right) else int(row.right))
        for row in table.itertuples()
    ]
    joined = event_time(times, steps, late_by).asof(
        event_time(others, other_steps, other_late_by), tolerance=tolerance, direction=direction
    )
    assert [(v[1], o and o[1]) for v, o in values(joined)] == expected


@given(own_times, own_times, arrivals, arrivals, lateness, lateness, st.booleans())
def test_interval_join_lists_the_values_in_the_interval(
    times: list[int],
    others: list[int],
    steps: list[int],
    other_steps: list[int],
    late_by: int,
    other_late_by: int,
    prevailing: bool,
) -> None:
    right = on_time(others, other_late_by)
    expected = []
    for event in on_time(times, late_by):
        begin = event[0] - 3
        first = bisect_left(right, (begin,))
        if prevailing and first and not any(time == begin for time, _ in right):
            first -= 1
        expected.append((event, [each for each in right[first:] if each[0] <= event[0] + 2]))
    joined = event_time(times, steps, late_by).interval_join(
        event_time(others, other_steps, other_late_by), before=3, after=2, prevailing=prevailing
    )
    assert values(joined) == expected


def times_of_ticks(left: list[Event], right: list[Event], **options: Any) -> list[Any]:
    """Join by event time; each event is (arrival, own time), and both sides have no lateness."""
    sides = [gc.replay(each).event_time(lambda v: v, 0) for each in (left, right)]
    return ticks(sides[0].asof(sides[1], **options))


def test_asof_ticks_once_both_watermarks_have_passed() -> None:
    quotes = [(0, 9), (3, 10), (5, 11)]
    # Both 10s: a further quote of that time could still come.
    assert times_of_ticks([(1, 10), (2, 20)], quotes) == [(5, (10, 10)), (5, (20, 11))]
    # The trade's own watermark comes last.
    assert times_of_ticks([(1, 10), (7, 20)], quotes) == [(7, (10, 10)), (7, (20, 11))]


def test_asof_forward_waits_until_the_others_watermark_has_passed_the_tolerance() -> None:
    quotes = [(0, 11), (3, 13), (5, 14)]
    joined = times_of_ticks([(1, 10), (2, 20)], quotes, tolerance=3, direction="forward")
    assert joined == [(5, (10, 11)), (5, (20, None))]


def test_a_join_leaves_the_late_values_of_both_sides_out() -> None:
    left, right = event_time([5, 1], [0, 1], 2), event_time([5, 9, 4], [0, 1, 2], 2)
    late, other_late = left.late.collect(), right.late.collect()
    joined = left.asof(right).collect()
    gc.Graph(joined, late, other_late).run()
    assert joined.values == [((5, 0), (5, 0))]
    assert late.values == [((1, 1), 2)]
    assert other_late.values == [((4, 2), 3)]


def test_a_stream_may_be_joined_with_itself() -> None:
    e = gc.from_iterable([4, 1, 3]).event_time(lambda v: v, 5)
    assert values(e.asof(e)) == [(1, 1), (3, 3), (4, 4)]
    assert values(e.interval_join(e, before=1, after=1)) == [(1, [1]), (3, [3, 4]), (4, [3, 4])]


def test_a_join_forgets_what_no_value_needs_any_more() -> None:
    ones = gc.ticker(1).enumerate().map(lambda pair: pair[0])
    e = ones.event_time(lambda v: v, 0)
    joins = [
        e.asof(e),
        e.asof(e, tolerance=5, direction="nearest"),
        e.asof(e, tolerance=5, direction="forward"),
        e.interval_join(e, before=5, after=5, prevailing=True),
    ]
    gc.Graph(*joins).run(cycles=2000)
    assert all(len(joined.node.others) < 300 for joined in joins)  # type: ignore[attr-defined]


def test_joins_of_many_values_still_have_what_they_need() -> None:
    random = Random(7)
    times, others = ([random.randrange(3000) for _ in range(1500)] for _ in range(2))
    for each in (times, others):  # nearly in order, as they arrive
        each.sort(key=lambda time: time + random.randrange(30))
    e = gc.from_iterable(times, period=2).event_time(lambda v: v, 30)
    other = gc.from_iterable(others, period=2).event_time(lambda v: v, 30)
    left, right = pd.DataFrame({"at": sorted(times)}), pd.DataFrame({"at": sorted(others)})
    right["other"] = right["at"]
    nearest = pd.merge_asof(left, right, on="at", tolerance=20, direction="nearest")["other"]
    found = values(e.asof(other, tolerance=20, direction="nearest"))
    assert [o for _, o in found] == [None if pd.isna(o) else int(o) for o in nearest]
    intervals = values(e.interval_join(other, before=20, after=5, prevailing=True))
    for time, inside in intervals:
        begin = bisect_left(right["at"], time - 20)
        exact = begin < len(right) and right["at"][begin] == time - 20
        begin = max(0, begin - (not exact))
        assert inside == list(right["at"][begin : bisect_right(right["at"], time + 5)])


def test_bad_arguments_are_refused_in_one_sentence() -> None:
    e = event_time([1], [0], 0)
    with pytest.raises(gc.InvalidTypeError, match="asof needs another stream by event time"):
        e.asof(gc.constant(1))  # type: ignore[arg-type]  # the error
    with pytest.raises(gc.InvalidValueError, match="direction must be .* not 'up'"):
        e.asof(e, direction="up")  # type: ignore[arg-type]  # the error
    with pytest.raises(gc.InvalidValueError, match='direction="nearest" needs a tolerance'):
        e.asof(e, direction="nearest")
    with pytest.raises(gc.InvalidValueError, match="a tolerance cannot be negative: -1"):
        e.asof(e, tolerance=-1)
    with pytest.raises(gc.InvalidValueError, match="after cannot be negative: '-1s'"):
        e.interval_join(e, before=0, after="-1s")
    with pytest.raises(gc.InvalidTypeError, match="prevailing must be True or False"):
        e.interval_join(e, before=0, after=0, prevailing=1)  # type: ignore[arg-type]  # the error


def test_the_nodes_of_joins_are_fused() -> None:
    e = event_time([1], [0], 0)
    joins = [
        e.asof(e),
        e.asof(e, tolerance=1, direction="nearest"),
        e.interval_join(e, before=1, after=1),
    ]
    assert "called" not in gc.Graph(*joins).explain()
