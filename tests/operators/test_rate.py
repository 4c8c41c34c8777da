"""Operators on when and how often values pass (R6, R7)."""

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

event_times = st.lists(st.integers(0, 30), max_size=12).map(sorted)


def test_throttle_lets_the_first_through_and_then_the_next_that_comes_late_enough() -> None:
    assert ticks(gc.replay([0, 1, 2, 3, 4], "abcde").throttle(2)) == [(0, "a"), (2, "c"), (4, "e")]
    # The interval counts from the last value let through, not from a grid.
    assert ticks(gc.replay([0, 5, 6, 7], "abcd").throttle(2)) == [(0, "a"), (5, "b"), (7, "d")]


@given(event_times, st.integers(1, 9))
def test_throttle_is_the_loop_that_one_would_write(times: list[int], interval: int) -> None:
    expected: list[int] = []
    for time in times:
        if not expected or time - expected[-1] >= interval:
            expected.append(time)
    out = gc.replay(times, times).throttle(interval).collect()
    out.run()
    assert out.times == out.values == expected


def test_sample_ticks_with_the_value_of_the_same_cycle() -> None:
    source = gc.replay([1, 2, 4], "abc")
    trigger = gc.replay([2, 3, 4], [None, None, None])
    assert ticks(source.sample(trigger)) == [(2, "b"), (3, "b"), (4, "c")]


def test_sample_takes_the_same_cycle_even_when_the_trigger_was_wired_first() -> None:
    trigger = gc.replay([2], [None])
    source = gc.replay([1, 2], "ab").map(str.upper)
    assert ticks(source.sample(trigger)) == [(2, "B")]


def test_r5_sample_does_not_tick_before_the_source_has_a_value() -> None:
    source = gc.replay([2], "a")
    assert ticks(source.sample(gc.replay([1, 3], [0, 0]))) == [(3, "a")]


def test_a_stream_may_sample_itself() -> None:
    source = gc.replay([1, 2], "ab")
    assert ticks(source.sample(source)) == [(1, "a"), (2, "b")]


def test_delay_ticks_with_each_value_later() -> None:
    assert ticks(gc.replay([1, 2, 9], "abc").delay(4)) == [(5, "a"), (6, "b"), (13, "c")]


def test_r6_values_that_are_due_together_leave_a_delay_one_a_cycle_in_their_order() -> None:
    delayed = gc.replay([1, 1, 1], "abc").delay(3)
    out, counted = delayed.collect(), delayed.count().collect()
    report = gc.Graph(out, counted).run()
    assert list(out) == [(4, "a"), (4, "b"), (4, "c")]
    assert report.cycles == 6


def test_r6_delay_of_0_is_the_next_cycle_at_the_same_time() -> None:
    source = gc.replay([1, 1], "ab")
    seen = source.combine(source.delay(0))
    # In cycle 2 the source ticks with b and the delay with a; in cycle 3 only the delay ticks, with
    # b.
    assert ticks(seen) == [(1, ("b", "a")), (1, ("b", "b"))]


def test_r6_new_input_of_a_delay_goes_after_the_waiting_values() -> None:
    late = gc.replay([4, 4], "xy")
    early = gc.replay([1, 1, 1], "abc")
    assert [v for _, v in ticks(early.delay(3).merge_first(late))][:2] == ["a", "b"]
    again = gc.replay([1, 1, 4, 4], "abcd").delay(3)
    assert ticks(again) == [(4, "a"), (4, "b"), (7, "c"), (7, "d")]


@given(event_times, st.integers(0, 9))
def test_delay_loses_nothing_and_keeps_the_order(times: list[int], duration: int) -> None:
    out = gc.replay(times, range(len(times))).delay(duration).collect()
    out.run()
    assert out.values == list(range(len(times)))
    assert out.times == [time + duration for time in times]


def test_delay_in_real_time_keeps_order_and_is_never_early() -> None:
    source = gc.from_iterable(range(20), period="1ms")
    sent, got = source.collect(), source.delay("5ms").collect()
    gc.Graph(sent, got).run(realtime=True)
    assert got.values == list(range(20))
    pauses = [late - early for early, late in zip(sent.times, got.times, strict=True)]
    assert all(pause >= 5_000_000 for pause in pauses)


@given(st.lists(st.integers(), max_size=8), st.integers(0, 9))
def test_limit_and_skip_split_a_stream_in_two(numbers: list[int], count: int) -> None:
    source = gc.from_iterable(numbers)
    first, rest = source.limit(count).collect(), source.skip(count).collect()
    gc.Graph(first, rest).run()
    assert (first.values, rest.values) == (numbers[:count], numbers[count:])


def test_gate_lets_values_through_while_the_condition_is_true_and_is_not_triggered_by_it() -> None:
    source = gc.replay([1, 2, 3, 4, 5], "abcde")
    open_ = gc.replay([2, 4, 6], [True, False, True])
    # Nothing at 1: the condition has no value yet (R5). At 2 and 4 the condition takes effect at
    # once.
    assert ticks(source.gate(open_)) == [(2, "b"), (3, "c")]


def test_buffer_keeps_the_incomplete_group_back_if_told_to() -> None:
    assert ticks(gc.replay([1, 2, 3, 4, 5], "abcde").buffer(2, partial=False)) == [
        (2, ["a", "b"]),
        (4, ["c", "d"]),
    ]


def test_buffer_emits_the_incomplete_group_when_the_run_ends() -> None:
    source = gc.replay([1, 2, 3, 4, 5], "abcde")
    assert ticks(source.buffer(2)) == [(2, ["a", "b"]), (4, ["c", "d"]), (5, ["e"])]
    assert ticks(source.buffer(2), until=3)[1:] == [(3, ["c"])]
    assert ticks(source.buffer(2), until=4) == [(2, ["a", "b"]), (4, ["c", "d"])]
    assert ticks(source.buffer(9, partial=False)) == []


def test_buffered_lists_are_each_their_own() -> None:
    out = gc.from_iterable([1, 2]).buffer(1).collect()
    out.run()
    assert out.values == [[1], [2]]


def test_window_emits_the_values_of_each_span_when_it_ends() -> None:
    seconds = [second * 10**9 for second in range(4)]
    assert ticks(gc.replay(seconds, "abcd").window("2s")) == [
        (2 * 10**9, ["a", "b"]),
        (4 * 10**9, ["c", "d"]),
    ]


def test_window_counts_spans_from_the_start_and_skips_empty_ones() -> None:
    source = gc.replay([100, 101, 135], "abc")
    assert ticks(source.window(10)) == [(110, ["a", "b"]), (140, ["c"])]
    assert ticks(source.window(10), start=95) == [(105, ["a", "b"]), (145, ["c"])]


def test_window_gives_a_value_at_a_boundary_to_the_later_span() -> None:
    assert ticks(gc.replay([0, 10, 10], "abc").window(10)) == [(10, ["a"]), (20, ["b", "c"])]


def test_a_span_that_the_end_of_the_run_cuts_off_is_emitted_unless_it_is_kept_back() -> None:
    source = gc.replay([0, 5, 12], "abc")
    assert ticks(source.window(10), until=19) == [(10, ["a", "b"]), (19, ["c"])]
    assert ticks(source.window(10, partial=False), until=19) == [(10, ["a", "b"])]
    assert ticks(source.window(10), until=20) == [(10, ["a", "b"]), (20, ["c"])]


@given(event_times, st.integers(1, 9))
def test_window_is_groupby_on_the_number_of_the_span(times: list[int], span: int) -> None:
    start = times[0] if times else 0
    grouped: list[tuple[int, list[Any]]] = [
        (start + (number + 1) * span, list(group))
        for number, group in itertools.groupby(times, lambda time: (time - start) // span)
    ]
    assert ticks(gc.replay(times, times).window(span)) == grouped
