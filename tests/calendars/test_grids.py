"""Bars in zones where the clock changes beside pandas, and by the sessions of exchanges."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

import exchange_calendars
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks
from graphcore.time import to_time

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
Side = Literal["left", "right"]
sides = st.sampled_from(["left", "right"])

# Nights in which the clock changes, by an hour and by half an hour.
NIGHTS = [
    ("Europe/Berlin", "2026-03-28T12:00Z"),
    ("Europe/Berlin", "2026-10-24T12:00Z"),
    ("America/New_York", "2026-03-07T18:00Z"),
    ("America/New_York", "2026-10-31T18:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T02:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T02:00Z"),
]
# Many of them are within two hours of the change.
minutes = st.lists(st.integers(0, 36 * 60) | st.integers(690, 930), min_size=1, max_size=30).map(
    sorted
)


@given(st.sampled_from(NIGHTS), minutes, sides)
def test_bars_of_hours_and_days_in_a_zone_are_those_of_pandas(
    night: tuple[str, str], after: list[int], closed: Side
) -> None:
    zone, begin = night
    times = [to_time(begin) + minute * MINUTE for minute in after]
    series = pd.Series(after, pd.DatetimeIndex(times, tz="UTC").tz_convert(zone))
    # pandas goes on in steps from midnight, also where these are no longer full hours.
    periods = ["30min", "1d"] if zone == "Australia/Lord_Howe" else ["15min", "1h", "1d"]
    for period in periods:
        spans = series.resample(period.replace("d", "D"), closed=closed).sum()
        sizes = series.resample(period.replace("d", "D"), closed=closed).size()
        expected = [
            (label.value, total)
            for label, total, size in zip(spans.index, spans, sizes, strict=True)
            if size
        ]
        bars = gc.replay(times, after).resample(period, zone=zone, closed=closed)
        out = gc.make(lambda start, total: (start, total), start=bars.start(), total=bars.sum())
        assert [pair for _, pair in ticks(out)] == expected


def instants(zone: str, around: int, period: int) -> list[int]:
    """Return when the clock shows multiples of so many minutes, by `zoneinfo`.

    pandas moves skipped times too far in Lord Howe, by an hour instead of half an hour.
    """
    known = ZoneInfo(zone)

    def shown(at: int) -> datetime:
        return datetime.fromtimestamp(at // 10**9, known).replace(tzinfo=None)

    found: set[int] = set()
    first = (around // MINUTE // period - 6000 // period) * period
    for minute in range(first, first + 12_000, period):
        wall = datetime(1970, 1, 1) + timedelta(minutes=minute)
        both = [to_time(wall.replace(tzinfo=known, fold=fold)) for fold in (0, 1)]
        exact = {at for at in both if shown(at) == wall}
        later = range(both[1], both[0] + 1, MINUTE)
        found |= exact or {next(at for at in later if shown(at) >= wall)}
    return sorted(found)


@given(
    st.sampled_from(NIGHTS),
    minutes,
    sides,
    st.sampled_from([7, 20, 45, 60, 90, 120, 240, 300, 1440, 2880]),
)
def test_spans_in_a_zone_begin_at_the_multiples_that_its_clock_shows(
    night: tuple[str, str], after: list[int], closed: Side, period: int
) -> None:
    zone, begin = night
    bounds = np.array(instants(zone, to_time(begin), period))
    times = [to_time(begin) + minute * MINUTE for minute in after]
    places = np.searchsorted(bounds, times, side="right" if closed == "left" else "left")
    expected: dict[tuple[int, int], list[int]] = {}
    for place, minute in zip(places, after, strict=True):
        expected.setdefault((bounds[place - 1], bounds[place]), []).append(minute)
    bars = gc.replay(times, after).resample(period * MINUTE, zone=zone, closed=closed)
    out = gc.make(dict, start=bars.start(), end=bars.end(), values=bars.values())
    found = [value for _, value in ticks(out)]
    assert [((each["start"], each["end"]), each["values"]) for each in found] == [*expected.items()]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # exchange_calendars beside pandas 3.1
@pytest.mark.parametrize(
    ("name", "day", "period"),
    [("XNYS", "2026-11-25", 60), ("XNYS", "2026-03-06", 45), ("XHKG", "2026-02-13", 60)],
)
def test_bars_of_an_exchange_are_counted_from_the_beginning_of_its_sessions(
    name: str, day: str, period: int
) -> None:
    # Half days, the clock's change and a break at noon are among them.
    begin = to_time(f"{day}T00:10Z")
    times = [begin + n * 10 * MINUTE for n in range(5 * 144)]
    schedule = exchange_calendars.get_calendar(name).schedule
    edges = sorted(edge.value for column in schedule for edge in schedule[column].dropna())
    expected: dict[int, int] = {}
    for time in times:
        place = int(np.searchsorted(edges, time, side="right")) - 1
        start = edges[place] + (time - edges[place]) // (period * MINUTE) * period * MINUTE
        expected[start] = expected.get(start, 0) + 1
    bars = gc.replay(times, times).resample(period * MINUTE, calendar=name)
    out = gc.make(dict, start=bars.start(), end=bars.end(), count=bars.count())
    found = [value for _, value in ticks(out)]
    assert [(each["start"], each["count"]) for each in found] == list(expected.items())
    assert all(a["end"] == b["start"] for a, b in pairwise(found))
    assert {each["end"] - each["start"] for each in found} > {period * MINUTE}


def test_empty_spans_of_an_exchange_are_filled_only_while_it_is_open() -> None:
    times = ["2026-03-05T14:40Z", "2026-03-05T20:50Z", "2026-03-06T14:45Z"]
    bars = gc.replay(times, [1, 2, 3]).resample("1h", calendar="XNYS", fill="nan")
    out = gc.make(lambda start, count: (start, count), start=bars.start(), count=bars.count())
    starts = [to_time("2026-03-05T14:30Z") + n * HOUR for n in range(7)]
    starts.append(to_time("2026-03-06T14:30Z"))
    assert [pair for _, pair in ticks(out)] == list(
        zip(starts, [1, 0, 0, 0, 0, 0, 1, 1], strict=True)
    )


def test_sessions_that_follow_each_other_without_a_break_are_open_all_the_time() -> None:
    times = ["2026-03-05T23:30Z", "2026-03-06T00:30Z", "2026-03-06T07:00Z"]
    source = gc.replay(times, [1, 2, 3])
    assert [value for _, value in ticks(source.between(calendar="24/7"))] == [1, 2, 3]
    starts = ticks(source.resample("7h", calendar="24/7").start())
    expected = ["2026-03-05T21:00Z", "2026-03-06T00:00Z", "2026-03-06T07:00Z"]
    assert [start for _, start in starts] == list(map(to_time, expected))
