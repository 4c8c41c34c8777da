"""Operators that let values wait or watch the time between them, beside plain loops (R7, R14)."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

times_of_events = st.lists(st.integers(0, 40), max_size=20).map(sorted)


def events(times: list[int]) -> gc.Stream[int]:
    return gc.replay(times, list(range(len(times))))


@given(times_of_events, st.integers(1, 9))
def test_throttle_latest_is_a_loop_over_the_times(times: list[int], interval: int) -> None:
    expected: list[tuple[int, int]] = []
    free, waiting = -1, None
    for number, time in [*enumerate(times), (None, 10**6)]:
        if waiting is not None and free < time:
            expected.append((free, waiting))
            free, waiting = free + interval, None
        if number is None:
            break
        if time > free or (time == free and waiting is None):
            expected.append((time, number))
            free = time + interval
        elif time == free:
            expected.append((time, number))
            free, waiting = time + interval, None
        else:
            waiting = number
    assert ticks(events(times).throttle_latest(interval), start=0) == expected


def test_throttle_latest_counts_the_value_that_is_not_due_when_the_run_ends(caplog: Any) -> None:
    throttled = gc.replay([0, 1, 2], "abc").throttle_latest(5).named("slow")
    assert ticks(throttled, until=3) == [(0, "a")]
    assert throttled.node.left == 1  # type: ignore[attr-defined]
    assert caplog.messages == ["slow: the run ended before values were due; not delivered: 1"]
    assert ticks(throttled) == [(0, "a"), (5, "c")]


@given(times_of_events, st.integers(1, 9))
def test_debounce_is_the_last_value_before_each_gap(times: list[int], duration: int) -> None:
    expected = [
        (time + duration, number)
        for number, (time, after) in enumerate(itertools.pairwise([*times, 10**6]))
        if after > time + duration
    ]
    assert ticks(events(times).debounce(duration), start=0) == expected


def test_debounce_starts_anew_with_a_value_of_a_later_cycle_at_the_very_end() -> None:
    # The value at 5 comes in the second cycle at that time, which `schedule_last` waits for.
    late = gc.replay([5], "b").delay(0)
    assert ticks(gc.replay([0], "a").merge(late).debounce(5)) == [(10, "b")]


@given(times_of_events, st.integers(1, 9))
def test_silent_for_and_fresh_are_a_loop_over_the_gaps(times: list[int], duration: int) -> None:
    silent: list[tuple[int, bool]] = []
    fresh: list[tuple[int, bool]] = []
    last, is_silent, is_fresh = 0, False, False
    for time in sorted({*times, 60}):
        if last + duration < time or (last + duration == time and time not in times):
            if not is_silent:
                silent.append((last + duration, True))
            if is_fresh:
                fresh.append((last + duration, False))
            is_silent, is_fresh = True, False
        if time == 60:
            break
        if is_silent:
            silent.append((time, False))
        if not is_fresh:
            fresh.append((time, True))
        last, is_silent, is_fresh = time, False, True
    source = events(times)
    clock = gc.replay([0, 60], [0, 0])
    outs = [source.silent_for(duration).collect(), source.fresh(duration).collect()]
    gc.Graph(*outs, clock).run()
    assert [list(out) for out in outs] == [silent, fresh]


def test_they_keep_no_run_alive() -> None:
    source = gc.replay([0, 3], "ab")
    for watching in (source.silent_for(5), source.fresh(5), source.every(2), source.every_new(2)):
        report = watching.run()
        assert (report.end, report.ended_by) == (3, gc.EndedBy.SOURCES)


@given(times_of_events, st.integers(1, 9), st.booleans(), st.integers(0, 9))
def test_every_is_the_newest_value_at_each_multiple(
    times: list[int], period: int, align: bool, start: int
) -> None:
    source = events(times)
    expected: list[tuple[int, int]] = []
    fresh: list[tuple[int, int]] = []
    seen: int | None = None
    for at in range(start, 51):
        if (at if align else at - start) % period:
            continue
        # In the first cycle at a time, only the first of the values that come then is there.
        known = [n for n, t in enumerate(times) if start <= t < at]
        known += [n for n, t in enumerate(times) if t == at >= start][:1]
        if known:
            expected.append((at, known[-1]))
            if known[-1] != seen:
                fresh.append((at, known[-1]))
            seen = known[-1]
    outs = [
        source.every(period, align=align).collect(),
        source.every_new(period, align=align).collect(),
    ]
    gc.Graph(*outs, gc.replay([50], [0])).run(start=start)
    assert [list(out) for out in outs] == [expected, fresh]


@given(times_of_events, st.integers(1, 9))
def test_pace_lets_one_value_out_at_a_time(times: list[int], interval: int) -> None:
    expected: list[tuple[int, int]] = []
    free = -1
    for number, time in enumerate(times):
        expected.append((max(time, free), number))
        free = expected[-1][0] + interval
    assert ticks(events(times).pace(interval), start=0) == expected


@pytest.mark.parametrize(
    ("on_full", "expected"),
    [("drop_oldest", "ade"), ("drop_newest", "abc")],
)
def test_a_full_pace_drops_and_counts(on_full: Any, expected: str, caplog: Any) -> None:
    paced = gc.replay([0, 1, 2, 3, 4], "abcde").pace(10, capacity=2, on_full=on_full)
    assert [value for _, value in ticks(paced)] == list(expected)
    assert paced.node.dropped == 2  # type: ignore[attr-defined]
    assert len(caplog.messages) == 1


def test_a_full_pace_ends_the_run_by_default() -> None:
    paced = gc.replay([0, 1, 2, 3], "abcd").pace(10, capacity=2)
    with pytest.raises(gc.RunError, match="more than 2 values wait for their turn"):
        paced.run()


def test_hold_while_lets_the_held_values_follow_in_order() -> None:
    source = gc.replay([1, 2, 3, 4, 4, 5], "abcdef")
    held = source.hold_while(gc.replay([0, 2, 4], [False, True, False]))
    assert ticks(held) == [(1, "a"), (4, "b"), (4, "c"), (4, "d"), (4, "e"), (5, "f")]
    closed = source.hold_while(gc.replay([0], [True]))
    assert ticks(closed) == [(5, each) for each in "abcdef"]
    with pytest.raises(gc.RunError, match="holds more than 2 values"):
        source.hold_while(gc.constant(True), capacity=2).run()


def test_reopen_ticks_with_what_was_missed() -> None:
    source = gc.replay([1, 3, 9], "abc")
    condition = gc.replay([0, 2, 4, 5, 6], [True, False, True, False, True])
    assert ticks(source.reopen(condition)) == [(1, "a"), (4, "b"), (9, "c")]
    assert ticks(source.reopen(gc.replay([2], [True]))) == [(2, "a"), (3, "b"), (9, "c")]


def test_freeze_lets_nothing_through_once_the_condition_was_true() -> None:
    source = gc.replay([1, 2, 3, 5], "abcd")
    assert ticks(source.freeze(gc.replay([0, 3, 4], [False, True, False]))) == [(1, "a"), (2, "b")]


@given(st.integers(0, 20), st.integers(1, 5), st.integers(1, 5))
def test_sliding_is_slices(length: int, count: int, every: int) -> None:
    numbers = list(range(length))
    expected = [numbers[end - count : end] for end in range(count, length + 1, every)]
    out = ticks(gc.from_iterable(numbers).sliding(count, every=every))
    assert [value for _, value in out] == expected


@given(times_of_events, st.integers(1, 4), st.integers(1, 9), st.booleans())
def test_buffer_within_is_a_loop_over_the_groups(
    times: list[int], count: int, within: int, keyed: bool
) -> None:
    done: list[tuple[int, list[int]]] = []
    groups: dict[int, tuple[int, list[int]]] = {}

    def expire(now: int) -> None:
        for key, (end, group) in list(groups.items()):
            if end <= now:
                done.append((end, groups.pop(key)[1]))
                assert group

    for number, time in enumerate(times):
        expire(time)
        key = number % 3 if keyed else 0
        groups.setdefault(key, (time + within, []))[1].append(number)
        if len(groups[key][1]) == count:
            done.append((time, groups.pop(key)[1]))
    expire(10**6)
    key_of: Callable[[int], int] | None = (lambda number: number % 3) if keyed else None
    out = ticks(events(times).buffer(count, within=within, key=key_of), start=0)
    assert sorted(out) == sorted(done)
    assert [time for time, _ in out] == sorted(time for time, _ in done)


def test_groups_of_several_keys_are_emitted_at_the_end_in_the_order_of_their_first_values() -> None:
    words = gc.from_iterable(["a1", "b1", "a2", "b2", "b3", "a3"], period=1)
    grouped = words.buffer(2, key=lambda word: word[0])
    assert ticks(grouped) == [
        (2, ["a1", "a2"]),
        (3, ["b1", "b2"]),
        (5, ["b3"]),
        (5, ["a3"]),
    ]
    assert len(ticks(words.buffer(2, key=lambda word: word[0], partial=False))) == 2


def test_buffer_until_gives_the_triggers_own_cycle_to_the_closing_list() -> None:
    source = gc.replay([1, 2, 3, 6], "abcd")
    grouped = source.buffer_until(gc.replay([3, 4, 5], [0, 0, 0]))
    assert ticks(grouped) == [(3, ["a", "b", "c"]), (6, ["d"])]


def test_delay_until_lets_values_wait_for_the_next_tick_of_the_trigger(caplog: Any) -> None:
    source = gc.replay([1, 2, 3, 5, 9], "abcde")
    delayed = source.delay_until(gc.replay([3, 7], [0, 0]))
    assert ticks(delayed) == [(3, "a"), (3, "b"), (3, "c"), (7, "d")]
    assert delayed.node.left == 1  # type: ignore[attr-defined]
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        (lambda s: s.pace("1s", on_full="lose"), 'on_full must be "raise"'),
        (lambda s: s.pace("1s", capacity=0), "capacity must be at least 1, not 0"),
        (lambda s: s.debounce(0), "period"),
        (lambda s: s.sliding(0), "count must be at least 1, not 0"),
        (lambda s: s.buffer(2, within=0), "period"),
        (lambda s: s.buffer(2, key=3), "a function is needed, not 3"),
        (lambda s: s.every("1s", align=1), "align must be True or False, not 1"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(wire: Any, said: str) -> None:
    with pytest.raises(gc.GraphcoreError) as caught:
        wire(gc.constant(1))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
