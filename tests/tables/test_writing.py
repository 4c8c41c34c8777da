"""`write_parquet`, `write_csv`, `write_ipc`: what was written can be read, however a run ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import polars as pl
import pyarrow.ipc as ipc
import pytest

import graphcore as gc
from graphcore.testing import ticks, wait_until

SECOND = 10**9
DAWN = 1_769_851_800_000_000_000  # 2026-01-31T09:30:00Z
FORMATS = ["parquet", "csv", "ipc"]


def writer(stream: gc.Stream[Any], form: str) -> Callable[..., gc.Stream[Any]]:
    method: Callable[..., gc.Stream[Any]] = getattr(stream, f"write_{form}")
    return method


def read(path: str, form: str, **options: Any) -> list[tuple[int, Any]]:
    source = gc.read_csv if form == "csv" else gc.read_parquet
    return ticks(source(path, **options))


class Quote(NamedTuple):
    bid: float
    ask: float
    note: str


@dataclass
class Bond:
    due: date
    at: datetime
    face: Decimal
    ok: bool | None


QUOTES = [(DAWN, Quote(1.5, 0.1, "a,b")), (DAWN + 1, Quote(float("inf"), 5e-324, '"'))]


@pytest.mark.parametrize("form", FORMATS)
def test_rows_have_a_column_for_each_field_and_are_read_again(form: str) -> None:
    out = writer(gc.replay(QUOTES), form)("q").collect()
    out.run()
    assert list(out) == QUOTES
    assert os.listdir() == ["q"]
    assert read("q", form, kind=Quote) == QUOTES
    assert read("q", form)[0] == (DAWN, {"bid": 1.5, "ask": 0.1, "note": "a,b"})
    frames = {"parquet": pl.read_parquet, "csv": pl.read_csv, "ipc": pl.read_ipc_stream}
    frame: pl.DataFrame = frames[form]("q")  # type: ignore[operator]  # they have options of their own
    assert frame.columns == ["time", "bid", "ask", "note"]
    if form != "csv":
        assert frame.schema["time"] == pl.Datetime("ns", "UTC")


@pytest.mark.parametrize("form", FORMATS)
def test_values_that_are_no_records_are_in_the_column_value(form: str) -> None:
    writer(gc.replay([1, 2, 3], [1.5, None, 2.5]), form)("v").run()
    assert read("v", form) == [(1, 1.5), (2, None), (3, 2.5)]


@pytest.mark.parametrize("form", FORMATS)
def test_the_types_that_columns_have_come_back(form: str) -> None:
    bond = Bond(date(2030, 1, 2), datetime(2026, 1, 1, 12, 0, 0, 5, UTC), Decimal("99.5"), None)
    events = [(1, bond), (2, Bond(bond.due, bond.at, Decimal(1), True))]
    writer(gc.replay(events), form)("b", Bond).run()
    assert read("b", form, kind=Bond) == events


@pytest.mark.parametrize("form", FORMATS)
def test_the_column_of_times_may_have_another_name(form: str) -> None:
    writer(gc.replay([5], [{"time": "noon", "x": 1}]), form)("t", time="ticked").run()
    assert read("t", form, time="ticked") == [(5, {"time": "noon", "x": 1})]


@pytest.mark.parametrize("form", FORMATS)
def test_after_an_error_the_earlier_rows_are_in_a_complete_file(form: str) -> None:
    values = gc.from_iterable([1, 2, 3, 4], period="1s")
    with pytest.raises(ZeroDivisionError):
        gc.Graph(writer(values, form)("v"), values.map(lambda n: 1 // (3 - n))).run()
    assert os.listdir() == ["v"]
    assert [value for _, value in read("v", form)] == [1, 2, 3]


@pytest.mark.parametrize("form", FORMATS)
def test_r12_each_run_writes_the_file_anew_and_without_a_tick_it_has_no_rows(form: str) -> None:
    stream = writer(gc.replay([1, 2], "ab"), form)("v")
    stream.run()
    stream.run()
    assert [value for _, value in read("v", form)] == ["a", "b"]
    writer(gc.never(), form)("none").run()
    assert read("none", form) == []


@pytest.mark.parametrize("form", FORMATS)
def test_a_new_file_begins_at_each_multiple_of_the_period(form: str) -> None:
    minutes = [0, 10, 29, 30, 31, 150]
    times = [DAWN + minute * 60 * SECOND for minute in minutes]
    stream = gc.replay(times, minutes).map(lambda minute: {"minute": minute})
    writer(stream, form)(f"m.{form}", every="1h").run()
    assert sorted(os.listdir()) == [
        f"m-20260131T093000.000000000Z.{form}",
        f"m-20260131T100000.000000000Z.{form}",
        f"m-20260131T120000.000000000Z.{form}",
    ]
    assert [row["minute"] for _, row in read(f"m-*T09*.{form}", form)] == [0, 10, 29]
    assert [row["minute"] for _, row in read(f"m-*T10*.{form}", form)] == [30, 31]
    assert [time for time, _ in read(f"m-*.{form}", form)] == times


def test_a_file_is_complete_when_its_period_is_over_though_no_value_comes() -> None:
    hour = 3600 * SECOND
    values = gc.replay([10, 2 * hour], "ab").write_parquet("v.parquet", every="1h")
    seen = gc.ticker("30min", count=5).map(lambda _: sorted(os.listdir())).collect()
    gc.Graph(values, seen).run(start=0)
    first, last = "v-19700101T000000.000000010Z.parquet", "v-19700101T020000.000000000Z.parquet"
    assert seen.values == [[], [f"{first}.partial"], [first], [first], [first, f"{last}.partial"]]


def test_many_rows_make_few_row_groups_and_none_is_lost() -> None:
    count = 5_000
    for form in FORMATS:
        writer(gc.from_iterable(range(count), period=1), form)(form).run()
        assert read(form, form) == [(i, i) for i in range(count)]


LIVE = """if True:
    import graphcore as gc
    numbers = gc.ticker("PERIOD").count().write_FORM("live")
    print("going", flush=True)
    numbers.run(realtime=True)
"""


@pytest.fixture
def child(request: pytest.FixtureRequest) -> Any:
    form, period = request.param
    code = LIVE.replace("PERIOD", period).replace("FORM", form)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    wait_until(lambda: any(p.stat().st_size for p in Path().glob("live*")), 30)
    yield form, process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("child", [("csv", "1ms"), ("ipc", "1ms")], indirect=True, ids=str)
def test_ctrl_c_leaves_a_complete_file(child: tuple[str, "subprocess.Popen[str]"]) -> None:
    form, process = child
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert os.listdir() == ["live"]
    values = [value for _, value in read("live", form)]
    assert values == list(range(1, len(values) + 1)) != []


@pytest.mark.parametrize("child", [("csv", "1h"), ("ipc", "1h")], indirect=True, ids=str)
def test_r13_a_lone_tick_is_written_within_a_second_and_outlives_sigkill(
    child: tuple[str, "subprocess.Popen[str]"],
) -> None:
    form, process = child
    process.kill()
    process.wait()
    assert os.listdir() == ["live.partial"]
    assert [value for _, value in read("live.partial", form)] == [1]
    if form == "ipc":
        with ipc.open_stream("live.partial") as stream:
            assert stream.read_next_batch().column("value").to_pylist() == [1]


# Bad input


@pytest.mark.parametrize("form", FORMATS)
def test_wrong_arguments_are_refused_where_the_graph_is_wired(form: str) -> None:
    @dataclass
    class Timed:
        time: int

    write = writer(gc.constant(1), form)
    for arguments, options, error, message in [
        ((7,), {}, gc.InvalidTypeError, "the path of a file must be text or a Path, not 7"),
        (("f", set[int]), {}, gc.InvalidTypeError, "no column can hold"),
        (("f",), {"time": 5}, gc.InvalidTypeError, "time must be the name of a column, not 5"),
        (("f",), {"every": 0}, gc.InvalidValueError, "a period must be longer than 0"),
        (("f", Timed), {}, gc.InvalidTypeError, f'.write_{form}\\(file, time="ticked"\\)'),
    ]:
        with pytest.raises(error, match=message):
            write(*arguments, **options)


@pytest.mark.parametrize("form", FORMATS)
def test_values_that_do_not_fit_are_refused_when_they_tick(form: str) -> None:
    for values, message in [
        ([1, "a"], f"of int cannot hold 'a', .*; give write_{form} the type of all values"),
        ([{"x": 1}, {"y": 1}], "dict with the keys x cannot hold"),
        ([None, {"time": 1}], "the values have a field `time`"),
    ]:
        with pytest.raises(gc.InvalidTypeError, match=message):
            writer(gc.from_iterable(values), form)("f").run()


@pytest.mark.parametrize("value", [[1], {"a": [1]}, {"a": {"b": 1}}, b"\xff", {"a": b"a"}])
def test_csv_takes_no_value_with_parts_and_no_bytes(value: Any) -> None:
    with pytest.raises(gc.InvalidTypeError, match="a column of a CSV file cannot hold "):
        gc.constant(value).write_csv("f").run()


@pytest.mark.parametrize("form", FORMATS)
def test_files_that_cannot_be_written_are_named_at_the_start(form: str) -> None:
    write = writer(gc.constant(1), form)
    os.mkdir("folder")
    Path("f.partial").touch()
    reader = "read_csv" if form == "csv" else "read_parquet"
    for path, options, message in [
        ("folder", {}, "cannot write folder: it is a folder"),
        ("none/f", {}, "cannot write none/f.partial: No such file"),
        ("none/f", {"every": "1h"}, "cannot write none/f: there is no such folder"),
        ("f", {}, rf"f.partial exists: another run .*\({reader} reads it\)"),
    ]:
        with pytest.raises(gc.RunError, match=message):
            write(path, **options).run()


def test_pandas_reads_the_csv_file() -> None:
    gc.replay(QUOTES).write_csv("q.csv").run()
    frame = pd.read_csv("q.csv", parse_dates=["time"])
    assert frame["time"].tolist() == [pd.Timestamp(time, tz="UTC") for time, _ in QUOTES]
    assert frame["note"].tolist() == ["a,b", '"']
    assert timedelta(0) == frame["time"].diff().iloc[1].to_pytimedelta()
