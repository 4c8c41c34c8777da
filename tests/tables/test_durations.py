"""Durations in CSV files: what is written comes back, and what other programs write is read."""

import csv
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.tables.durations import nanoseconds_of, text_of
from graphcore.testing import ticks

SECOND = 10**9


@dataclass
class Trip:
    name: str
    length: timedelta | None


@dataclass
class Counted:
    name: str
    length: int


def values(path: str, *arguments: Any, **options: Any) -> list[Any]:
    return [value for _, value in ticks(gc.read_csv(path, *arguments, **options))]


durations = st.timedeltas(timedelta(days=-90_000), timedelta(days=90_000)) | st.sampled_from(
    [timedelta(0), timedelta(microseconds=-1), timedelta(days=-1), timedelta(hours=36)]
)


@given(st.lists(durations, min_size=1, max_size=20))
def test_durations_come_back_and_pandas_reads_them(lengths: list[timedelta]) -> None:
    gc.replay(list(enumerate(lengths))).write_csv("lengths.csv").run()
    for kind in (Any, timedelta):
        found = values("lengths.csv", kind=kind)
        assert found == lengths
        assert {type(length) for length in found} == {timedelta}
    assert pd.to_timedelta(pd.read_csv("lengths.csv")["value"]).tolist() == lengths


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["s", "ms", "us", "ns"]))
def test_text_is_read_as_the_duration_that_it_was_made_of(length: int, unit: str) -> None:
    nanoseconds = length * {"s": SECOND, "ms": 10**6, "us": 1_000, "ns": 1}[unit]
    assert nanoseconds_of(text_of(length, unit)) == nanoseconds


def test_records_with_durations_come_back_also_where_one_is_missing() -> None:
    trips = [Trip("a", timedelta(days=-3, microseconds=5)), Trip("b", None)]
    gc.replay([1, 2], trips).write_csv("trips.csv").run()
    assert values("trips.csv", kind=Trip) == trips
    assert values("trips.csv")[1] == {"name": "b", "length": None}
    assert values("trips.csv", "time", "length") == [trips[0].length, None]
    assert values("trips.csv", "time", "length", kind=str)[0] == "-P2DT23H59M59.999995S"


def test_a_field_that_is_a_whole_number_gets_nanoseconds() -> None:
    gc.replay([1], [Trip("a", timedelta(microseconds=5))]).write_csv("trips.csv").run()
    assert values("trips.csv", kind=Counted) == [Counted("a", 5_000)]


def test_what_pandas_writes_is_read_to_the_nanosecond() -> None:
    lengths = pd.to_timedelta([-5, 3, 86_400 * SECOND + 1], "ns")
    pd.DataFrame({"time": [1, 2, 3], "d": lengths}).to_csv("d.csv", index=False)
    assert values("d.csv", "time", "d") == lengths.tolist()
    coarse = pd.to_timedelta([-1, 90], "s")
    pd.DataFrame({"time": [1, 2], "d": coarse}).to_csv("d.csv", index=False)
    assert values("d.csv", "time", "d") == [timedelta(seconds=-1), timedelta(seconds=90)]


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("PT1S", SECOND),
        ("P1W", 7 * 86_400 * SECOND),
        ("-P1DT2H3M4.5S", -(93_784 * SECOND + SECOND // 2)),
        (pd.Timedelta(-5, "s").isoformat(), -5 * SECOND),
        (str(timedelta(seconds=-1)), -SECOND),
        (str(timedelta(days=2, microseconds=1)), 172_800 * SECOND + 1_000),
        ("0 days 00:00:00.000000001", 1),
        ("-1 days +23:59:59", -SECOND),
        ("P", None),
        ("PT", None),
        ("P1", None),
        ("P1Y", None),  # a year is of no certain length
        ("PFE", None),
        ("2:00:00", None),  # it may be a time of day
        ("5min", None),  # it may be a name
    ],
)
def test_text_that_can_only_be_a_duration_is_one(text: str, nanoseconds: int | None) -> None:
    assert nanoseconds_of(text) == nanoseconds


def test_where_durations_are_wanted_more_forms_are_read() -> None:
    texts = ["2:00:00", "5min", "-0:00:01", "1.5ms", ""]
    with open("d.csv", "w") as file:
        csv.writer(file).writerows([["time", "d"], *enumerate(texts)])
    hours, minutes = timedelta(hours=2), timedelta(minutes=5)
    expected = [hours, minutes, timedelta(seconds=-1), timedelta(milliseconds=1.5), None]
    assert values("d.csv", "time", "d", kind=timedelta) == expected
    assert values("d.csv", "time", "d") == texts


def test_a_column_of_durations_and_other_text_is_text() -> None:
    Path("d.csv").write_text("time,d\n1,PT1S\n2,A\n")
    assert values("d.csv", "time", "d") == ["PT1S", "A"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A", "'A' is not a duration: write a number and a unit"),
        ("PT0.0000001S", "'PT0.0000001S' is no whole number of us of 64 bits"),
        (f"P{10**9}D", "'P1000000000D' is no whole number of us of 64 bits"),
    ],
)
def test_a_wrong_duration_is_named_after_the_rows_before_it(text: str, message: str) -> None:
    Path("d.csv").write_text(f"time,d\n1,PT1S\n2,PT2S\n3,{text}\n4,PT4S\n")
    out = gc.read_csv("d.csv", "time", "d", kind=timedelta).collect()
    with pytest.raises(gc.InvalidValueError, match=f"^d.csv, row 2, column `d`: {message}"):
        out.run()
    assert out.values == [timedelta(seconds=1), timedelta(seconds=2)]


def test_a_wrong_duration_far_down_is_named_with_its_row() -> None:
    rows = 300_000
    lines = [f"{time},PT{time}S" for time in range(rows)]
    lines[-1] = f"{rows},A"
    Path("d.csv").write_text("\n".join(["time,d", *lines, ""]))
    with pytest.raises(gc.InvalidValueError, match=f"row {rows - 1}, column `d`: 'A' is not"):
        gc.read_csv("d.csv", "time", "d").run()
