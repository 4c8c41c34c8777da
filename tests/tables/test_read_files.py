"""`read_parquet` and `read_csv`: files, folders and patterns, merged by time, in little memory."""

import os
import random
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

SECOND = 10**9
DAWN = 1_769_851_800_000_000_000  # 2026-01-31T09:30:00Z


def write(path: str, times: list[int], values: list[Any], rows: int | None = None) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"time": times, "value": values}), path, row_group_size=rows)


def test_a_file_a_folder_and_a_pattern_are_read() -> None:
    write("days/2026-01-02.parquet", [20, 21], ["c", "d"])
    write("days/2026-01-01.parquet", [10, 11], ["a", "b"])
    write("days/deeper/2026-01-03.parquet", [30], ["e"])
    Path("days/notes.txt").write_text("no table")
    a, b, c, d, e = (10, "a"), (11, "b"), (20, "c"), (21, "d"), (30, "e")
    assert ticks(gc.read_parquet("days/2026-01-01.parquet")) == [a, b]
    assert ticks(gc.read_parquet(Path("days"))) == [a, b, c, d, e]
    assert ticks(gc.read_parquet("days/*-0[12].parquet")) == [a, b, c, d]
    assert ticks(gc.read_parquet("**/*.parquet")) == [a, b, c, d, e]


def test_names_with_the_signs_of_patterns_are_names_first() -> None:
    write("a[1]/x.parquet", [1], ["x"])
    write("b[1].parquet", [2], ["b"])
    assert ticks(gc.read_parquet("a[1]")) == [(1, "x")]
    assert ticks(gc.read_parquet("b[1].parquet")) == [(2, "b")]


files = st.lists(
    st.tuples(st.integers(0, 10), st.lists(st.integers(0, 2), max_size=12), st.integers(1, 5)),
    min_size=1,
    max_size=5,
)


@given(files)
def test_several_files_are_one_in_order_of_time_then_file_then_row(
    given_files: list[tuple[int, list[int], int]],
) -> None:
    expected = []
    for path in Path("many").glob("*"):
        path.unlink()
    for number, (start, steps, rows) in enumerate(given_files):
        times = [start + int(passed) for passed in np.cumsum(steps)]
        write(f"many/{number}.parquet", times, [f"{number}.{i}" for i in range(len(times))], rows)
        expected += [(time, f"{number}.{i}") for i, time in enumerate(times)]
    source = gc.read_parquet("many")
    assert ticks(source) == sorted(expected, key=lambda event: event[0])
    frames = [pl.read_parquet(path) for path in sorted(Path("many").glob("*"))]
    joined = pl.concat(frames, how="vertical_relaxed").sort("time", maintain_order=True)
    assert [value for _, value in ticks(source)] == joined["value"].to_list()


def test_long_files_that_overlap_are_merged_completely() -> None:
    chooser = random.Random(7)
    expected = []
    for number in range(3):
        times = sorted(chooser.randrange(30_000) for _ in range(20_000))
        write(f"long/{number}.parquet", times, [number] * len(times))
        expected += [(time, number) for time in times]
    assert ticks(gc.read_parquet("long")) == sorted(expected)


def test_of_files_that_follow_one_another_one_is_open_at_a_time() -> None:
    for number in range(20):
        write(f"days/{number:02}.parquet", [10 * number, 10 * number + 9], [number, number])

    def files_open(_: int) -> int:
        links = [os.path.join("/proc/self/fd", each) for each in os.listdir("/proc/self/fd")]
        paths = [os.readlink(link) for link in links if os.path.islink(link)]
        return sum(path.endswith(".parquet") for path in paths)

    if not os.path.exists("/proc/self/fd"):
        pytest.skip("only Linux lists the files that a process has open")
    counts = [value for _, value in ticks(gc.read_parquet("days").map(files_open))]
    assert len(counts) == 40 and max(counts) <= 1


def test_rows_of_several_files_become_records_and_streams_by_key() -> None:
    pl.DataFrame({"at": [1, 3], "symbol": ["A", "B"], "price": [1.5, 2.5]}).write_parquet(
        "1.parquet"
    )
    pl.DataFrame({"price": [9.5], "symbol": ["A"], "at": [2]}).write_parquet("2.parquet")
    keyed = gc.read_parquet("*.parquet", "at", "price", by="symbol")
    assert ticks(keyed.pairs()) == [(1, ("A", 1.5)), (2, ("A", 9.5)), (3, ("B", 2.5))]
    trades = gc.read_parquet("*.parquet", time="at", kind=Trade)
    assert [v for _, v in ticks(trades)] == [Trade("A", 1.5), Trade("A", 9.5), Trade("B", 2.5)]


@dataclass
class Trade:
    symbol: str
    price: float


def test_r12_each_run_looks_for_the_files_anew() -> None:
    write("days/1.parquet", [1], ["a"])
    out = gc.read_parquet("days").collect()
    out.run()
    write("days/2.parquet", [2], ["b"])
    out.run()
    assert out.values == ["a", "b"]


def test_what_pandas_writes_is_read_without_its_nameless_index() -> None:
    frame = pd.DataFrame({"time": pd.to_datetime([1, 2]), "price": [1.0, np.nan]}, index=[7, 5])
    frame.to_parquet("a.parquet")
    [(_, first), (_, second)] = ticks(gc.read_parquet("a.parquet"))
    assert first == {"price": 1.0} and np.isnan(second["price"])
    frame.set_index("time").to_parquet("b.parquet")
    assert ticks(gc.read_parquet("b.parquet"))[0] == (1, {"price": 1.0})


# The first run pays for what is there once, such as LLVM. `getrusage` would count the size of the
# process that started this one.
MEMORY = """if True:
    import sys
    import graphcore as gc
    import pyarrow.csv, pyarrow.parquet, pyarrow.ipc

    def peak():
        with open("/proc/self/status") as status:
            return int(next(line.split()[1] for line in status if line.startswith("VmHWM:")))

    read, tier = sys.argv[1:]
    for path in ("small", "large"):
        before = peak()
        out = getattr(gc, read)(path, value="a").count().final().collect()
        out.run(tier=tier)
        print(out.values[0], (peak() - before) / 1024)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="only Linux tells the peak")
@pytest.mark.parametrize(
    ("read", "tier"),
    [("read_parquet", "native"), ("read_parquet", "fused"), ("read_csv", "fused")],
)
def test_a_file_with_ten_times_the_rows_takes_hardly_more_memory(read: str, tier: str) -> None:
    if tier == "native":
        pytest.importorskip("llvmlite")
    many, sizes = 2_000_000, []
    for path, count in (("small", many // 10), ("large", many)):
        table = pa.table({"time": range(count), "a": np.random.default_rng(1).random(count)})
        if read == "read_parquet":  # one row group, as large as the file
            options = {"use_dictionary": False, "compression": "none", "row_group_size": count}
            parquet.write_table(table, path, **options)
        else:
            pl.DataFrame(table).write_csv(path)
        sizes.append(os.path.getsize(path) / 2**20)
    command = [sys.executable, "-c", MEMORY, read, tier]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (few, _), (all_rows, grown) = (map(float, line.split()) for line in done.stdout.splitlines())
    assert (few, all_rows) == (many // 10, many)
    # Read whole, the larger file takes at least as much more memory as it is larger. Read in
    # pieces, it took up to 0.35 of that on a busy machine.
    assert grown < (sizes[1] - sizes[0]) / 2


# CSV


def test_csv_columns_get_the_types_that_their_fields_show() -> None:
    text = (
        "time,price,size,name,up\n"
        "2026-01-31T09:30:00Z,1.5,2,a,true\n"
        '2026-01-31T09:30:00.000000001Z,,3,"b, c",false\n'
        "2026-01-31T10:30:01+01:00,nan,4,,true\n"
    )
    Path("a.csv").write_text(text)
    (one, first), (two, second), (three, third) = ticks(gc.read_csv("a.csv"))
    assert (one, two, three) == (DAWN, DAWN + 1, DAWN + SECOND)
    assert first == {"price": 1.5, "size": 2, "name": "a", "up": True}
    assert second == {"price": None, "size": 3, "name": "b, c", "up": False}
    assert np.isnan(third["price"]) and third["name"] == ""


def test_csv_fields_become_the_types_of_a_class() -> None:
    @dataclass
    class Row:
        code: str
        price: float
        at: int
        seen: datetime
        ok: bool | None

    text = (
        "at;code;price;seen;ok\n5;000001;2;2026-01-31 09:30:00;\n6;7;2.5;2026-01-31 09:30:00;true\n"
    )
    Path("a.csv").write_text(text)
    seen = datetime(2026, 1, 31, 9, 30)
    assert ticks(gc.read_csv("a.csv", "at", kind=Row, delimiter=";")) == [
        (5, Row("000001", 2.0, 5, seen, None)),
        (6, Row("7", 2.5, 6, seen, True)),
    ]
    assert ticks(gc.read_csv("a.csv", "at", "code", kind=str, delimiter=";"))[0] == (5, "000001")


def test_csv_dates_and_text_are_times() -> None:
    Path("days.csv").write_text("day,close\n1970-01-02,1\n1970-01-03,2\n")
    day = 86_400 * SECOND
    assert ticks(gc.read_csv("days.csv", "day", "close")) == [(day, 1), (2 * day, 2)]


def test_csv_files_of_a_folder_are_merged_by_time_and_key() -> None:
    Path("a.csv").write_text("time,symbol,price\n1,A,1.5\n3,A,2.5\n")
    Path("b.csv").write_text("time,symbol,price\n2,B,9.5\n")
    assert ticks(gc.read_csv("*.csv", value="price", by="symbol").pairs()) == [
        (1, ("A", 1.5)),
        (2, ("B", 9.5)),
        (3, ("A", 2.5)),
    ]


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(allow_nan=False)), max_size=20))
def test_csv_rows_are_those_that_pandas_reads(rows: list[tuple[int, float]]) -> None:
    times = np.cumsum([step for step, _ in rows]).tolist()
    frame = pd.DataFrame({"time": times, "x": [x for _, x in rows], "y": 1.5})
    frame.to_csv("any.csv", index=False)
    expected = pd.read_csv("any.csv").to_dict("records")
    got = [{"time": time, **value} for time, value in ticks(gc.read_csv("any.csv"))]
    assert got == expected


# Bad input


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "cannot read a.csv: Empty CSV file"),
        ("when,x\n1,2\n", {}, "a.csv has no column `time`; its columns are when, x"),
        ("time,x,x\n1,2,3\n", {}, "a.csv has 2 columns named `x`"),
        ("time,x\n1,2\n2\n", {}, "a.csv, line 3: Expected 2 columns, got 1: 2"),
        (
            "time,x\n1,2\n2,b\n",
            {"value": "x", "kind": float},
            "a.csv, line 3, column `x`: CSV conversion error to double: invalid value 'b'; kind= ",
        ),
        ("time,x\n1,2\n,3\n", {}, "a.csv, row 1, column `time`: there is no time"),
        ("time,x\n5,2\n4,3\n", {}, "a.csv, row 1, column `time`: times must not go back: 1970"),
        (
            "time,x\n2026-01-01,2\ntoday,3\n",
            {},
            "a.csv, row 1, column `time`: 'today' is not an IS",
        ),
    ],
)
def test_a_wrong_csv_file_is_named_with_line_or_row_and_column(
    text: str, options: Any, message: str
) -> None:
    Path("a.csv").write_text(text)
    with pytest.raises((gc.RunError, gc.InvalidValueError)) as raised:
        gc.read_csv("a.csv", **options).run()
    assert str(raised.value).startswith(message)


def test_a_csv_field_far_down_is_named_with_its_line() -> None:
    lines = [f"{i},{i}" for i in range(200_000)]
    Path("a.csv").write_text("time,x\n" + "\n".join(lines) + "\n200000,1.5\n")
    with pytest.raises(
        gc.RunError, match=r"a.csv, line 200002, column `x`: .* value '1.5'; kind= "
    ):
        gc.read_csv("a.csv").run()


@pytest.mark.parametrize("delimiter", ["", ";;", 5])
def test_a_delimiter_that_is_none_is_refused_where_the_graph_is_wired(delimiter: Any) -> None:
    with pytest.raises(gc.InvalidValueError, match="delimiter must be one character"):
        gc.read_csv("a.csv", delimiter=delimiter)


def test_paths_that_name_no_file_are_named() -> None:
    os.mkdir("empty")
    for path, message in [
        ("none.parquet", "cannot read none.parquet: No such file"),
        ("none-*.parquet", r"no file matches none-\*.parquet"),
        ("empty", r"the folder empty has no file \*.parquet"),
    ]:
        with pytest.raises(gc.RunError, match=message):
            gc.read_parquet(path).run()


def test_wrong_parquet_files_are_named_after_the_rows_before_them() -> None:
    write("1.parquet", [1, 2], [1, 2])
    write("2.parquet", [5, 4], [3, 4])
    out = gc.read_parquet("*.parquet").collect()
    with pytest.raises(gc.InvalidValueError, match="^2.parquet, row 1, column `time`: times must"):
        out.run()
    assert out.values == [1, 2, 3]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"time": pa.array([1])}, "a.parquet has no column besides `time`"),
        ({"time": pa.array([True]), "x": pa.array([1])}, "a.parquet has times of type bool in col"),
    ],
)
def test_odd_parquet_files_are_named(table: dict[str, pa.Array], message: str) -> None:
    parquet.write_table(pa.table(table), "a.parquet")
    with pytest.raises(gc.RunError, match=message):
        gc.read_parquet("a.parquet").run()
    parquet.write_table(pa.table([[1], [1], [2]], names=["time", "x", "x"]), "twice.parquet")
    with pytest.raises(gc.RunError, match="twice.parquet has 2 columns named `x`"):
        gc.read_parquet("twice.parquet").run()


def test_a_parquet_file_damaged_in_the_middle_is_named() -> None:
    write("a.parquet", list(range(50_000)), [i % 97 for i in range(50_000)], 10_000)
    whole = bytearray(Path("a.parquet").read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 200] = bytes(200)
    Path("a.parquet").write_bytes(whole)
    with pytest.raises(gc.RunError, match="cannot read a.parquet: "):
        gc.read_parquet("a.parquet").run()


def test_a_far_sentinel_is_a_time_like_any_other() -> None:
    last = pa.array([datetime(9999, 12, 31, tzinfo=UTC)], pa.timestamp("s", "UTC"))
    parquet.write_table(pa.table({"time": last, "value": [1]}), "a.parquet")
    assert ticks(gc.read_parquet("a.parquet")) == [(253_402_214_400 * SECOND, 1)]
