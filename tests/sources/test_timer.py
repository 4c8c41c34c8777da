"""`ticker`, `constant` and `never`: sources that need no input."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

SECOND = 10**9


@pytest.mark.parametrize("period", ["1s", SECOND, timedelta(seconds=1), "1000ms"])
def test_ticker_ticks_at_the_start_and_then_every_period(period: str | int | timedelta) -> None:
    expected = [(n * SECOND, n * SECOND) for n in range(3)]
    assert ticks(gc.ticker(period), duration="2s") == expected


def test_ticker_counts_from_the_start_of_the_run() -> None:
    assert [time for time, _ in ticks(gc.ticker(10), start=7, until=30)] == [7, 17, 27]


def test_constant_ticks_once_in_the_first_cycle() -> None:
    assert ticks(gc.constant("a")) == [(0, "a")]
    source = gc.replay([5, 6], [1, 2])
    assert ticks(source.combine(gc.constant("a"))) == [(5, (1, "a")), (6, (2, "a"))]


def test_constant_is_there_before_the_first_event_of_a_replay_that_starts_later() -> None:
    out = gc.constant(0).merge(gc.replay([5], [1])).collect()
    out.run(start=3)
    assert list(out) == [(3, 0), (5, 1)]


def test_constant_keeps_the_object_itself() -> None:
    given = [1, 2]
    [(_, value)] = ticks(gc.constant(given))
    assert value is given


def test_never_does_not_tick_and_does_not_keep_a_run_alive() -> None:
    out = gc.never().collect()
    report = out.run()
    assert (list(out), report.cycles, report.ended_by) == ([], 0, "sources")
    live = out.run(realtime=True)
    assert (live.cycles, live.ended_by) == (0, "sources")


@given(
    st.integers(1, 9),
    st.integers(0, 12),
    st.none() | st.integers(1, 9),
    st.booleans(),
    st.integers(0, 12),
)
def test_a_ticker_ticks_at_the_times_of_its_arguments(
    period: int, first: int, count: int | None, align: bool, start: int
) -> None:
    begin = start + first
    while align and begin % period:
        begin += 1
    expected = [begin + period * k for k in range(60 if count is None else count)]
    out = ticks(
        gc.ticker(period, first=first, count=count, align=align), start=start, until=start + 40
    )
    assert out == [(time, time) for time in expected if time <= start + 40]


def test_a_ticker_with_a_count_ends_and_needs_no_bound() -> None:
    counted = gc.ticker(3, count=10_000)
    assert len(ticks(counted)) == 10_000
    with pytest.raises(gc.RunError, match="never ends"):
        gc.ticker(3, first=1).run()


def test_a_live_ticker_counts_its_ticks() -> None:
    out = ticks(gc.ticker("1ms", count=3, first="1ms"), realtime=True)
    assert len(out) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"first": -1}, "the first tick cannot come before the start"),
        ({"count": 0}, "count must be at least 1, not 0"),
        ({"align": 1}, "align must be True or False, not 1"),
    ],
)
def test_bad_arguments_of_a_ticker_are_refused(options: Any, said: str) -> None:
    with pytest.raises(gc.GraphcoreError, match=said):
        gc.ticker("1s", **options)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=6))
def test_a_ticker_of_periods_counts_a_new_period_from_the_last_tick(
    changes: list[tuple[int, int]],
) -> None:
    changes = sorted(dict(changes).items())
    expected: list[int] = []
    for now in range(changes[0][0], 61):
        period = [period for time, period in changes if time <= now][-1]
        if not expected or now >= expected[-1] + period:
            expected.append(now)
    out = ticks(gc.ticker(gc.replay(changes)), start=0, until=60)
    assert out == [(time, time) for time in expected]


def test_a_ticker_of_periods_takes_durations_in_any_form() -> None:
    # The longer period comes in the cycle in which the shorter one has passed, and counts first.
    periods = gc.replay([0, SECOND], ["1s", timedelta(seconds=2)])
    times = [time for time, _ in ticks(gc.ticker(periods), until="1970-01-01T00:00:05Z")]
    assert times == [0, 2 * SECOND, 4 * SECOND]


def test_a_period_of_0_ends_the_run_in_one_sentence() -> None:
    with pytest.raises(gc.InvalidValueError) as caught:
        gc.ticker(gc.replay([0, 5], [2, 0])).run(until=9)
    assert str(caught.value) == "a period must be longer than 0, not 0"


def test_a_ticker_of_periods_needs_a_bound_and_takes_nothing_else() -> None:
    periods = gc.constant(3)
    with pytest.raises(gc.RunError, match="never ends"):
        gc.ticker(periods).run()
    with pytest.raises(gc.InvalidValueError, match="takes no first, count or align"):
        gc.ticker(periods, count=3)  # type: ignore[call-overload]


def test_a_live_ticker_of_periods_goes_on_at_the_new_pace() -> None:
    periods = gc.replay([0, 1], ["1h", "1ms"])
    out = ticks(gc.ticker(periods).limit(3), realtime=True, cycles=4)
    assert len(out) == 3
