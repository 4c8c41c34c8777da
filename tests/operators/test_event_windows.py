"""Windows by event time beside pandas, polars and plain lists."""

from collections.abc import Callable
from itertools import accumulate
from math import nan
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

own_times = st.lists(st.integers(-10, 40), max_size=25)
lateness = st.integers(0, 15)
numbers = st.floats(-1e6, 1e6).map(lambda number: round(number, 3)) | st.just(nan)
pairs = st.lists(st.tuples(st.integers(0, 60), numbers), min_size=1, max_size=30)
Pair = tuple[int, float]


def event_time(times: list[int], late_by: int) -> gc.EventTime[int]:
    return gc.from_iterable(times, period=1).event_time(lambda v: v, late_by)


def marks(times: list[int], late_by: int) -> list[int]:
    return [newest - late_by for newest in accumulate(times, max)]


def run(*streams: gc.Stream[Any], **options: Any) -> list[list[tuple[int, Any]]]:
    outs = [stream.collect() for stream in streams]
    gc.Graph(*outs).run(**options)
    return [list(out) for out in outs]


@given(own_times, lateness, st.integers(1, 12), st.integers(1, 12), st.booleans())
def test_spans_tick_at_the_watermark_and_count_what_is_late_while_they_are_open(
    times: list[int], late_by: int, length: int, every: int, partial: bool
) -> None:
    e = event_time(times, late_by)
    windows = e.sliding(length, every=every, partial=partial)
    found, late = run(windows.values(), e.late)
    watermarks = marks(times, late_by)
    expected, left_out = [], []
    for start in range(-24, 60):
        end = start + length
        arrived = enumerate(zip(times, watermarks, strict=True))
        inside = [(k, time) for k, (time, mark) in arrived if start <= time < end and mark < end]
        closing = next((k for k, mark in enumerate(watermarks) if mark >= end), None)
        if start % every or not inside or (closing is None and not partial):
            continue
        at = len(times) - 1 if closing is None else closing
        expected.append((at, sorted(time for _, time in inside)))
    for k, (time, mark) in enumerate(zip(times, watermarks, strict=True)):
        ends = [start + length for start in range(-24, time + 1) if start % every == 0]
        ends = [end for end in ends if time < end]
        if ends and max(ends) <= mark:
            left_out.append((k, (time, mark - time)))
    assert found == expected
    assert late == left_out


@given(own_times, lateness, st.integers(1, 9))
def test_sessions_merge_what_touches_and_leave_out_what_belongs_to_none_that_is_open(
    times: list[int], late_by: int, gap: int
) -> None:
    e = event_time(times, late_by)
    found, late = run(e.session(gap).values(), e.late)
    expected: list[Any] = []
    left_out: list[Any] = []
    sessions: list[list[int]] = []
    for k, (time, mark) in enumerate(zip(times, marks(times, late_by), strict=True)):
        merged = [time]
        apart = []
        for session in sessions:
            near = min(session) - gap <= time <= max(session) + gap
            if near:
                merged += session
            else:
                apart.append(session)
        if max(merged) + gap < mark:
            left_out.append((k, (time, mark - time)))
            continue
        sessions = sorted([*apart, sorted(merged)])
        closed = [session for session in sessions if session[-1] + gap < mark]
        expected += [(k, session) for session in closed]
        sessions = [session for session in sessions if session not in closed]
    assert found == [*expected, *((len(times) - 1, session) for session in sessions)]
    assert late == left_out


def by_time(given: list[Pair]) -> gc.EventTime[Pair]:
    return gc.from_iterable(given).event_time(lambda pair: pair[0], 100)


FIGURES: dict[str, Callable[[Any], Any]] = {
    name: lambda windows, name=name: getattr(windows, name)()
    for name in ("first", "last", "sum", "mean", "min", "max", "count", "var", "std", "median")
}


def test_the_figures_of_tumbling_windows_are_those_of_pandas_resample() -> None:
    present: list[Pair] = []
    # Wired once, because to compile a graph takes longer than to run it.
    e = gc.from_iterable(lambda: iter(present)).event_time(lambda pair: pair[0], 100)
    windows = e.map(lambda pair: pair[1]).tumbling(7)
    starts = windows.start().collect()
    outs = {name: make(windows).collect() for name, make in FIGURES.items()}
    graph = gc.Graph(starts, *outs.values())

    @given(pairs)
    def compare(given: list[Pair]) -> None:
        present[:] = given
        graph.run()
        table = pd.DataFrame(sorted(given, key=lambda pair: pair[0]), columns=["at", "value"])
        groups = table.groupby(table["at"] // 7 * 7)["value"]
        expected = groups.agg(list(FIGURES)).astype(float)
        figures = {name: out.values for name, out in outs.items()}
        actual = pd.DataFrame(figures, index=pd.Index(starts.values, name="at")).astype(float)
        pd.testing.assert_frame_equal(
            actual, expected, rtol=1e-9, atol=1e-9, check_index_type=False
        )

    compare()


@given(pairs, st.integers(1, 9), st.integers(1, 9))
def test_sliding_windows_are_those_of_polars_group_by_dynamic(
    given: list[Pair], length: int, every: int
) -> None:
    windows = by_time(given).map(lambda pair: pair[1]).sliding(length, every=every)
    found = run(windows.start(), windows.values())
    table = pl.DataFrame(given, schema=["at", "value"], orient="row").sort(
        "at", maintain_order=True
    )
    groups = table.group_by_dynamic("at", every=f"{every}i", period=f"{length}i")
    expected = {row["at"]: row["value"] for row in groups.agg("value").to_dicts()}
    actual = {start: each for (_, start), (_, each) in zip(*found, strict=True)}
    # Polars begins with the last window that holds the first value.
    first = min(expected, default=100)
    assert repr({start: each for start, each in actual.items() if start >= first}) == repr(expected)
    assert list(actual) == sorted(actual)


def test_bars_have_the_times_of_their_window() -> None:
    e = by_time([(3, 5.0), (1, 4.0), (4, 9.0), (12, 1.0)]).map(lambda pair: pair[1])
    (bars,) = run(e.tumbling(10).ohlc())
    found = [(b.open, b.high, b.low, b.close, b.count, b.start, b.end) for _, b in bars]
    assert found == [(4.0, 9.0, 4.0, 9.0, 3, 0, 10), (1.0, 1.0, 1.0, 1.0, 1, 10, 20)]
    assert [(start[1], end[1]) for start, end in zip(*run(*spans_of(e)), strict=True)] == [(1, 24)]


def spans_of(e: gc.EventTime[Any]) -> tuple[gc.Stream[int], gc.Stream[int]]:
    session = e.session(12)
    return session.start(), session.end()


def test_vwap_and_fold() -> None:
    e = by_time([(1, 10.0), (2, 20.0), (11, 5.0)])
    windows = e.tumbling(10)
    assert [v for _, v in ticks(windows.vwap(lambda v: v[0], price=lambda v: v[1]))] == [50 / 3, 5]
    assert [v for _, v in ticks(windows.fold(lambda t, v: f"{t}{v[0]}", ">"))] == [">12", ">11"]
    prices = e.map(lambda pair: pair[1]).tumbling(10)
    assert [v for _, v in ticks(prices.vwap(lambda v: 2.0))] == [15.0, 5.0]


def test_what_is_late_for_a_window_is_late_once_beside_other_operators() -> None:
    e = event_time([5, 9, 4, 1], 2)
    windows, ordered, late = run(e.tumbling(5).values(), e.ordered(), e.late)
    assert [v for _, v in windows] == [[5, 9]]
    assert [v for _, v in late] == [(4, 3), (1, 6)]
    assert [v for _, v in ordered] == [5, 9]
    e = event_time([5, 6, 4, 9, 8], 1)
    # 4 came while its window was open; `ordered` has to leave it out.
    assert [v for _, v in run(e.tumbling(4).values(), e.late)[1]] == []
    assert [v for _, v in run(e.ordered(), e.late)[1]] == [(4, 1)]


def test_bad_arguments_are_refused_in_one_sentence() -> None:
    e = event_time([1], 0)
    with pytest.raises(gc.InvalidValueError, match="a period must be longer than 0, not 0"):
        e.tumbling(0)
    with pytest.raises(gc.InvalidValueError, match="longer than 0, not '-1s'"):
        e.sliding("1s", every="-1s")
    with pytest.raises(gc.InvalidTypeError, match="partial must be True or False"):
        e.session(1, partial=0)  # type: ignore[arg-type]  # the error
    with pytest.raises(gc.InvalidTypeError, match="a function is needed, not 3"):
        e.tumbling(1).vwap(3)  # type: ignore[arg-type]  # the error
    with pytest.raises(AttributeError, match=r"windows have no collect: .* such as \.values\(\)"):
        e.tumbling(1).collect()  # type: ignore[attr-defined]  # the error
    with pytest.raises(
        AttributeError, match=r"event time has no collect: .* such as \.ordered\(\)"
    ):
        e.collect()  # type: ignore[attr-defined]  # the error


def test_the_nodes_of_windows_are_fused() -> None:
    e = event_time([1], 0)
    outs = [e.sliding(2, every=1).mean(), e.session(2).mean(), e.late]
    assert "called" not in gc.Graph(*outs).explain()
