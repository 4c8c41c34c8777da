"""`between` and `session`: the wall clock by `zoneinfo`, exchanges by their calendars."""

from datetime import UTC, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import exchange_calendars
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks
from graphcore.time import to_time

MINUTE = 60_000_000_000
# Days around changes of the clock, of an hour and of half an hour, and one without.
DAYS = [
    ("Europe/Berlin", datetime(2026, 3, 29)),
    ("Europe/Berlin", datetime(2026, 10, 25)),
    ("America/New_York", datetime(2026, 3, 8)),
    ("America/New_York", datetime(2026, 11, 1)),
    ("Australia/Lord_Howe", datetime(2026, 4, 5)),
    ("Australia/Lord_Howe", datetime(2026, 10, 4)),
    ("Asia/Tokyo", datetime(2026, 6, 1)),
]
times_of_day = st.integers(0, 24 * 12 - 1).map(lambda n: time(n // 12, n % 12 * 5))


def shown(at: int, zone: str) -> time:
    """Return what the clock on the wall shows, by `zoneinfo`."""
    return datetime.fromtimestamp(at // 10**9, ZoneInfo(zone)).time()


def minutes_around(day: datetime) -> list[int]:
    first = to_time(day.replace(tzinfo=UTC) - timedelta(hours=18))
    return [first + n * MINUTE for n in range(0, 48 * 60, 5)]


@given(st.sampled_from(DAYS), times_of_day, times_of_day, st.integers(0, 20))
def test_between_and_session_are_the_times_that_the_clock_on_the_wall_shows(
    place: tuple[str, datetime], start: time, end: time, begin: int
) -> None:
    zone, day = place
    if start == end:
        return
    at = minutes_around(day)[begin:]

    def is_in(now: int) -> bool:
        if start < end:
            return start <= shown(now, zone) < end
        return not end <= shown(now, zone) < start

    inside = [now for now in at if is_in(now)]
    changes = [(at[0], is_in(at[0]))]
    changes += [(now, is_in(now)) for before, now in pairwise(at) if is_in(before) != is_in(now)]
    source = gc.replay(at, at)
    passed = source.between(start, end, zone).collect()
    hours = gc.session(start.isoformat(), end, ZoneInfo(zone)).collect()
    gc.Graph(passed, hours).run()
    assert passed.values == inside
    assert list(hours) == changes


def test_a_time_that_the_clock_skips_is_the_first_instant_after_it() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    day = gc.replay([datetime(2026, 3, 29, tzinfo=berlin), datetime(2026, 3, 30)], "ab")
    hours = gc.session("02:30", "04:00", berlin).collect()
    gc.Graph(day, hours).run()
    opened = to_time(datetime(2026, 3, 29, 3, tzinfo=berlin))
    assert [time for time, is_open in hours if is_open] == [opened]


def test_hours_in_a_repeated_hour_come_twice() -> None:
    day = gc.replay(["2026-10-25T00:00Z", "2026-10-25T02:00Z"], "ab")
    hours = gc.session("02:10", "02:20", "Europe/Berlin").collect()
    gc.Graph(day, hours).run()
    opened = [to_time("2026-10-25T00:10Z"), to_time("2026-10-25T01:10Z")]
    assert [time for time, is_open in hours if is_open] == opened


class Doubled(tzinfo):
    """A zone that is no `ZoneInfo`: two hours ahead of UTC."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=2)

    def dst(self, moment: datetime | None) -> timedelta:
        return timedelta(0)


def test_zones_are_any_tzinfo_and_any_year() -> None:
    hour = 60 * MINUTE
    at = [-(10**6) * 24 * hour, 8 * hour - 1, 8 * hour, 10**6 * 24 * hour + 8 * hour]
    values = gc.replay(at, "abcd").between("10:00", "11:00", Doubled())
    assert ticks(values) == [(at[2], "c"), (at[3], "d")]
    assert ticks(gc.replay(at, "abcd").between("10:00", "11:00", "Etc/GMT-2"))[-1] == (at[3], "d")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # exchange_calendars beside pandas 3.1
@pytest.mark.parametrize(("name", "month"), [("XNYS", "2026-11"), ("XHKG", "2026-02")])
def test_an_exchange_is_open_in_its_sessions_without_the_breaks(name: str, month: str) -> None:
    calendar = exchange_calendars.get_calendar(name)
    first = pd.Timestamp(f"{month}-01", tz="UTC")
    at = [(first + pd.Timedelta(minutes=15 * n)).value for n in range(30 * 96)]
    is_open = [
        calendar.is_open_at_time(pd.Timestamp(t, tz="UTC"), side="left", ignore_breaks=False)
        for t in at
    ]
    source = gc.replay(at, at)
    passed = source.between(calendar=name).collect()
    gated = source.gate(gc.session(calendar=name)).collect()
    gc.Graph(passed, gated).run()
    inside = [t for t, yes in zip(at, is_open, strict=True) if yes]
    assert passed.values == gated.values == inside


def test_an_exchange_knows_its_sessions_before_and_after_the_present_decades() -> None:
    christmas, after = "1975-12-25T15:00Z", "1975-12-26T15:00Z"
    later = "2040-01-03T15:00Z"
    values = gc.replay([christmas, after, later], "abc").between(calendar="XNYS")
    assert [value for _, value in ticks(values)] == ["b", "c"]


def test_a_session_keeps_no_run_alive_and_ticks_only_at_changes() -> None:
    hours = gc.session("00:00", "00:01", "UTC").collect()
    report = gc.Graph(hours, gc.replay([5, 10 * MINUTE], [0, 0])).run()
    assert list(hours) == [(5, True), (MINUTE, False)]
    assert (report.end, report.ended_by) == (10 * MINUTE, gc.EndedBy.SOURCES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"start": "09:30", "end": "16:00"}, "needs start, end and zone, or a calendar"),
        ({"start": "9h", "end": "16:00", "zone": "UTC"}, 'a time of day such as "09:30", not \'9h'),
        ({"start": 9, "end": "16:00", "zone": "UTC"}, "not 9"),
        ({"start": "09:30+01:00", "end": "16:00", "zone": "UTC"}, "no zone of its own"),
        ({"start": "09:30", "end": "09:30", "zone": "UTC"}, "must differ"),
        ({"start": "09:30", "end": "16:00", "zone": "Mars/North"}, "'Mars/North' is not a time zo"),
        ({"start": "09:30", "end": "16:00", "zone": "../etc"}, "'../etc' is not a time zone"),
        ({"start": "09:30", "end": "16:00", "zone": 5}, "a zone must be a name"),
        ({"calendar": "XNYZ"}, "'XNYZ' is not a calendar"),
        ({"calendar": 5}, "a calendar must be a name"),
        ({"calendar": "XNYS", "zone": "UTC"}, "takes a calendar, or start, end and zone, not both"),
    ],
)
def test_bad_hours_are_refused_in_one_sentence(arguments: dict[str, Any], said: str) -> None:
    for wire in (gc.session, gc.constant(1).between):
        with pytest.raises(gc.GraphcoreError) as caught:
            wire(**arguments)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_time_that_a_calendar_does_not_cover_ends_the_run() -> None:
    with pytest.raises(gc.RunError, match="XHKG .* does not know the sessions at 1900-01-01"):
        gc.replay(["1900-01-01"], [1]).between(calendar="XHKG").run()
