"""`align` with a tolerance, and what `align` and `zip` say of values without partners."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

TOLERANCE = 4
Reading = tuple[int, int]  # the sensor's own time, and the number of the measurement

# For each of five measurements: how far off the sensor's clock is, and how late it arrives.
sensor = st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 60)), min_size=5, max_size=5)


def readings(sensor: list[tuple[int, int]]) -> gc.Stream[Reading]:
    """Return the measurements at 10, 20, …; the least distance of any two is 6."""
    arrivals = sorted(
        (number * 10 + delay, number * 10 + 10 + off) for number, (off, delay) in enumerate(sensor)
    )
    return gc.replay([(arrival, (time, (time + 5) // 10)) for arrival, time in arrivals])


def time_of(reading: Reading) -> int:
    return reading[0]


@given(st.lists(sensor, min_size=1, max_size=3))
def test_clocks_that_are_a_little_apart_are_aligned_whatever_the_order_of_arrival(
    sensors: list[list[tuple[int, int]]],
) -> None:
    aligned = gc.align(*map(readings, sensors), key=time_of, tolerance=TOLERANCE)
    groups = sorted([number for _, number in group] for _, group in ticks(aligned))
    assert groups == [[number] * len(sensors) for number in range(1, 6)]
    assert aligned.node.waiting == 0  # type: ignore[attr-defined]  # of AlignNear


@given(st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=2, max_size=3))
def test_the_times_of_a_tuple_are_within_the_tolerance(streams: list[list[int]]) -> None:
    sources = [gc.from_iterable(times, period=1) for times in streams]
    aligned = gc.align(*sources, key=lambda time: time, tolerance=3)
    groups = [group for _, group in ticks(aligned)]
    assert all(max(group) - min(group) <= 3 for group in groups)
    for place, times in enumerate(streams):
        left = list(times)
        for group in groups:
            left.remove(group[place])
    node: Any = aligned.node
    assert node.left == sum(map(len, streams)) - len(groups) * len(streams)


def test_a_value_joins_the_tuple_that_is_nearest() -> None:
    a, b = gc.replay([1, 2], [10, 16]), gc.replay([3, 4], [14, 12])
    aligned = gc.align(a, b, key=lambda time: time, tolerance=5)
    assert ticks(aligned) == [(3, (16, 14)), (4, (10, 12))]


def test_the_earliest_values_are_dropped_where_too_many_wait(caplog: Any) -> None:
    a, b = gc.replay([1, 2, 3, 8], [30, 10, 20, 50]), gc.replay([6, 7], [31, 21])
    aligned = gc.align(a, b, key=lambda time: time, tolerance=2, capacity=2).named("pairs")
    assert ticks(aligned) == [(6, (30, 31)), (7, (20, 21))]
    node: Any = aligned.node
    assert (node.dropped, node.left) == (1, 1)
    assert caplog.messages == [
        "pairs: more than 2 values wait for a partner; the oldest are dropped",
        "pairs: the run ended before values had partners; not delivered: 1",
    ]


@pytest.mark.parametrize(
    "make", [lambda a, b: gc.zip(a, b, capacity=5), lambda a, b: gc.align(a, b, key=lambda v: v)]
)
def test_values_without_partners_are_counted_at_the_end(make: Any, caplog: Any) -> None:
    joined = make(gc.replay([1, 2, 3], [7, 8, 9]), gc.replay([1], [7])).named("pairs")
    assert ticks(joined) == [(1, (7, 7))]
    assert joined.node.left == 2
    assert caplog.messages == ["pairs: the run ended before values had partners; not delivered: 2"]


def test_times_may_have_any_form_and_a_negative_tolerance_is_refused() -> None:
    a = gc.constant("2026-01-05T10:00:00.000Z")
    b = gc.constant("2026-01-05T10:00:00.004Z")
    assert len(ticks(gc.align(a, b, key=lambda text: text, tolerance="5ms"))) == 1
    assert ticks(gc.align(a, b, key=lambda text: text, tolerance="3ms")) == []
    with pytest.raises(gc.InvalidValueError, match="a tolerance cannot be negative: '-1ms'"):
        gc.align(a, b, key=lambda text: text, tolerance="-1ms")


def test_align_with_a_tolerance_is_fused() -> None:
    a = gc.constant(1)
    aligned = gc.align(a, a.map(lambda v: v + 1), key=lambda v: v, tolerance=1)
    assert "called" not in gc.Graph(aligned).explain()
