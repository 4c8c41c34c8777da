"""Operators by event time beside sorted lists."""

from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

# The own times of values, in the order in which these arrive.
own_times = st.lists(st.integers(0, 40), max_size=30)
Event = tuple[int, int]  # an own time and a number


def events(times: list[int]) -> list[Event]:
    return [(time, number) for number, time in enumerate(times)]


def event_time(times: list[int], lateness: int, period: int = 1) -> gc.EventTime[Event]:
    source = gc.from_iterable(events(times), period=period)
    return source.event_time(lambda event: event[0], lateness)


def on_time(times: list[int], lateness: int) -> list[Event]:
    """Return the events that are not late, in order of their own time."""
    marks = [newest - lateness for newest in accumulate(times, max)]
    return sorted(e for e, mark in zip(events(times), marks, strict=True) if e[0] >= mark)


def ticks_of(*streams: gc.Stream[Any]) -> list[list[tuple[int, Any]]]:
    outs = [stream.collect() for stream in streams]
    gc.Graph(*outs).run()
    return [list(out) for out in outs]


@given(own_times, st.integers(0, 15))
def test_ordered_sorts_what_is_on_time_and_late_has_the_rest(
    times: list[int], lateness: int
) -> None:
    e = event_time(times, lateness)
    ordered, late = ticks_of(e.ordered(), e.late)
    expected = on_time(times, lateness)
    assert [value for _, value in ordered] == expected
    assert sorted([value for _, (value, _) in late] + expected) == sorted(events(times))
    greatest = list(accumulate(times, max))
    assert all(behind == greatest[number] - lateness - t for _, ((t, number), behind) in late)


@given(own_times, st.integers(0, 15))
def test_ordered_ticks_in_the_cycle_in_which_the_watermark_passes(
    times: list[int], lateness: int
) -> None:
    """A value is out at the first arrival with a greater time less the lateness."""
    expected = []
    for event in on_time(times, lateness):
        passing = (k for k, time in enumerate(times) if time - lateness > event[0])
        expected.append((next(passing, len(times) - 1), event))
    assert ticks(event_time(times, lateness).ordered()) == expected


def test_late_without_operators_has_all_that_is_behind_the_watermark() -> None:
    assert ticks(event_time([5, 9, 3, 7], 2).late) == [(2, ((3, 2), 4))]


def test_times_may_have_any_form() -> None:
    texts = ["2026-01-05T00:00:01Z", datetime(2026, 1, 5, tzinfo=UTC), 1]
    e = gc.from_iterable(texts).event_time(lambda v: v, "100d")
    assert [value for _, value in ticks(e.ordered())] == [texts[1], texts[0]]
    assert [value for _, (value, _) in ticks(e.late)] == [1]


def test_mapped_values_keep_their_times() -> None:
    ordered = event_time([3, 1, 2], 5).map(lambda event: event[1] * 10).ordered()
    assert [value for _, value in ticks(ordered)] == [10, 20, 0]


def test_values_that_tick_in_the_closing_instant_are_ordered_too() -> None:
    numbers = gc.from_iterable([4, 1, 3, 2]).buffer(10).unroll()
    ordered = numbers.event_time(lambda v: v, 3).ordered()
    assert [value for _, value in ticks(ordered)] == [1, 2, 3, 4]


def test_what_is_no_time_is_an_error_that_names_the_node() -> None:
    ordered = gc.from_iterable([0.5]).event_time(lambda v: v, 0).ordered()  # type: ignore[arg-type, return-value]  # the error
    with pytest.raises(gc.InvalidTypeError, match=r"0\.5 is not a time") as caught:
        ticks(ordered)
    assert "event_times" in caught.value.__notes__[0]


def test_a_negative_lateness_is_refused() -> None:
    with pytest.raises(gc.InvalidValueError, match="a lateness cannot be negative: '-1s'"):
        gc.constant(1).event_time(lambda v: v, "-1s")


def test_the_nodes_of_event_time_are_fused() -> None:
    e = event_time([1], 0)
    assert "called" not in gc.Graph(e.ordered(), e.late, e.map(str).ordered()).explain()
