"""R1: the forms in which users give times and durations, and that engine time is an int of ns."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks
from graphcore.time import format_time, to_duration, to_period, to_time

NANOSECONDS = st.integers(-(2**63) + 1, 2**63 - 1)
PANDAS_UNITS = {
    "ns": "ns",
    "us": "us",
    "µs": "us",
    "ms": "ms",
    "s": "s",
    "min": "min",
    "h": "h",
    "d": "D",
}
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


@given(NANOSECONDS)
def test_r1_an_int_is_nanoseconds_since_the_epoch(nanoseconds: int) -> None:
    assert to_time(nanoseconds) == nanoseconds
    assert to_time(np.int64(nanoseconds)) == nanoseconds
    assert type(to_time(np.int64(nanoseconds))) is int


@given(st.datetimes(timezones=OFFSETS))
def test_r1_an_aware_datetime_is_the_time_that_it_means(moment: datetime) -> None:
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert to_time(moment) == microseconds * 1_000


@given(st.datetimes())
def test_r1_a_naive_datetime_is_utc(moment: datetime) -> None:
    assert to_time(moment) == to_time(moment.replace(tzinfo=UTC))


@given(st.datetimes(timezones=OFFSETS), st.sampled_from("T "))
def test_r1_iso_text_is_the_time_of_its_datetime(moment: datetime, separator: str) -> None:
    assert to_time(moment.isoformat(separator)) == to_time(moment)
    assert to_time(moment.replace(tzinfo=None).isoformat()) == to_time(moment.replace(tzinfo=UTC))


@given(NANOSECONDS, OFFSETS)
def test_r1_iso_text_keeps_every_nanosecond_as_pandas_does(ns: int, zone: timezone) -> None:
    text = pd.Timestamp(ns, unit="ns").isoformat()
    assert to_time(text) == to_time(text + "Z") == ns
    offset = str(datetime(2000, 1, 1, tzinfo=zone))[19:]
    assert to_time(text + offset) == ns - zone.utcoffset(None) // timedelta(microseconds=1) * 1000


@given(NANOSECONDS)
def test_r1_a_time_is_shown_as_text_that_reads_back(nanoseconds: int) -> None:
    text = format_time(nanoseconds)
    assert to_time(text) == nanoseconds
    assert pd.Timestamp(text).value == nanoseconds


@given(st.datetimes(timezones=st.just(UTC)))
def test_r1_a_time_of_any_year_is_shown_as_text_that_reads_back(moment: datetime) -> None:
    assert to_time(format_time(to_time(moment))) == to_time(moment)


@given(NANOSECONDS.map(lambda ns: pd.Timestamp(ns, unit="ns", tz="UTC")), OFFSETS)
def test_r1_pandas_and_numpy_times_are_taken(stamp: pd.Timestamp, zone: timezone) -> None:
    assert to_time(stamp) == stamp.value
    assert to_time(stamp.to_datetime64()) == stamp.value


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31", 1_769_817_600_000_000_000),
        ("2026-01-31T09:30", 1_769_851_800_000_000_000),
        ("20260131T093000,5Z", 1_769_851_800_500_000_000),
        ("2026-01-31T09:30:00.000000001+01:00", 1_769_848_200_000_000_001),
        ("1969-12-31T23:59:59.999999999Z", -1),
    ],
)
def test_r1_iso_text_may_be_short_or_basic(text: str, time: int) -> None:
    assert to_time(text) == time


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-13-01", "10:30", "1s", "2026-01-31T09.5", "2026-01-31T00:00:00.0000000001Z"],
)
def test_r1_other_text_is_not_a_time(text: str) -> None:
    with pytest.raises(gc.InvalidValueError, match=f"'{text}'"):
        to_time(text)


@pytest.mark.parametrize("given", [1.5, np.float64(2), True, None, date(2026, 1, 1), Decimal(1)])
def test_r1_a_float_or_another_type_is_not_a_time(given: object) -> None:
    with pytest.raises(gc.InvalidTypeError, match="is not a time"):
        to_time(given)


@pytest.mark.parametrize(
    "given",
    [pd.NaT, np.datetime64("NaT", "ns"), np.datetime64(2**62, "s"), np.datetime64(5, "ps")],
)
def test_r1_a_numpy_time_without_nanoseconds_is_refused(given: object) -> None:
    with pytest.raises(gc.InvalidValueError):
        to_time(given)


@given(
    st.integers(-10_000, 10_000), st.sampled_from(list(PANDAS_UNITS)), st.sampled_from(["", " "])
)
def test_r1_duration_text_means_what_pandas_takes_it_for(count: int, unit: str, gap: str) -> None:
    assert to_duration(f"{count}{gap}{unit}") == pd.Timedelta(count, PANDAS_UNITS[unit]).value


@given(st.decimals(0, 1000, places=3), st.sampled_from(["us", "ms", "s", "min", "h"]))
def test_r1_duration_text_with_a_fraction_is_exact(count: Decimal, unit: str) -> None:
    whole = int(count * 1000)
    assert to_duration(f"{count}{unit}") == whole * to_duration(f"1{unit}") // 1000


@given(st.timedeltas())
def test_r1_a_timedelta_is_taken_to_the_microsecond(length: timedelta) -> None:
    assert to_duration(length) == length // timedelta(microseconds=1) * 1_000


@given(st.integers(-(2**62), 2**62))
def test_r1_an_int_or_a_numpy_or_pandas_length_is_taken_to_the_nanosecond(length: int) -> None:
    assert to_duration(length) == length
    assert to_duration(np.timedelta64(length, "ns")) == length
    assert to_duration(pd.Timedelta(length, "ns")) == length


@pytest.mark.parametrize("text", ["", "5", "s", "1 fortnight", "1S", "1e3s", "1s 5ms", "0.5ns"])
def test_r1_other_text_is_not_a_duration(text: str) -> None:
    with pytest.raises(gc.InvalidValueError, match=f"'{text}'"):
        to_duration(text)


@pytest.mark.parametrize("given", [0.5, np.float32(1), True, None, Decimal(1)])
def test_r1_a_float_or_another_type_is_not_a_duration(given: object) -> None:
    with pytest.raises(gc.InvalidTypeError, match="is not a duration"):
        to_duration(given)


@pytest.mark.parametrize("given", [np.timedelta64("NaT", "ns"), np.timedelta64(2**62, "s")])
def test_r1_a_numpy_duration_without_nanoseconds_is_refused(given: object) -> None:
    with pytest.raises(gc.InvalidValueError):
        to_duration(given)


@pytest.mark.parametrize("given", [0, -1, "0s", "-5ms", timedelta(0)])
def test_r1_a_period_is_longer_than_0(given: object) -> None:
    with pytest.raises(gc.InvalidValueError, match="longer than 0"):
        to_period(given)
    with pytest.raises(gc.InvalidValueError, match="longer than 0"):
        gc.ticker(given)  # type: ignore[arg-type]  # one wrong value of each type


def test_r1_every_argument_of_a_run_takes_all_forms() -> None:
    tick = gc.ticker("1min")
    start = datetime(2026, 1, 1)
    for begin in (start, start.replace(tzinfo=UTC), "2026-01-01", 1_767_225_600_000_000_000):
        for end in ({"until": "2026-01-01T00:01Z"}, {"duration": timedelta(minutes=1)}):
            times = [time for time, _ in ticks(tick, start=begin, **end)]
            assert times == [1_767_225_600_000_000_000, 1_767_225_660_000_000_000]


def test_r1_a_float_of_seconds_is_refused_at_the_call() -> None:
    with pytest.raises(gc.InvalidTypeError, match=r"0\.1 is not a duration"):
        gc.ticker(0.1)  # type: ignore[arg-type]  # the very mistake
    with pytest.raises(gc.InvalidTypeError, match=r"2\.5 is not a duration"):
        gc.ticker("1s").run(duration=2.5)  # type: ignore[arg-type]  # the very mistake


@pytest.mark.parametrize("realtime", [False, True])
def test_r1_engine_time_is_an_int_and_never_goes_back(realtime: bool) -> None:
    fast, slow = gc.ticker("1ms"), gc.ticker("3ms").delay("1ms")
    out = ticks(fast.merge(slow), realtime=realtime, cycles=12)
    times = [time for time, _ in out]
    assert all(type(time) is int for time in times)
    assert times == sorted(times)
    assert len(times) > 5


def test_r1_times_of_a_pandas_index_with_a_zone_are_utc() -> None:
    index = pd.date_range("2026-01-01", periods=3, freq="h", tz="Asia/Tokyo")
    for times in (index, pd.Series(index), list(index)):
        assert [t for t, _ in ticks(gc.replay(times, ["a", "b", "c"]))] == [t.value for t in index]
