"""`frame`: several streams as the columns of one table."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc

SECOND = 10**9


def collected(frame: gc.Frame) -> list[tuple[Any, ...]]:
    frame.run()
    assert len(frame) == len(frame.times)
    return list(zip(frame.times, *frame.columns.values(), strict=True))


def two() -> tuple[gc.Stream[str], gc.Stream[str]]:
    return gc.replay([1, 3, 3], ["a1", "a3", "a4"]), gc.replay([2, 3], ["b2", "b3"])


def test_a_row_has_what_ticked_in_its_cycle() -> None:
    a, b = two()
    assert collected(gc.frame(a=a, b=b)) == [
        (1, "a1", None),
        (2, None, "b2"),
        (3, "a3", "b3"),
        (3, "a4", None),
    ]


def test_fill_last_has_the_present_values() -> None:
    a, b = two()
    assert collected(gc.frame(a=a, b=b, fill="last")) == [
        (1, "a1", None),
        (2, "a1", "b2"),
        (3, "a3", "b3"),
        (3, "a4", "b3"),
    ]


def test_on_has_a_row_for_each_tick_of_its_stream() -> None:
    a, b = two()
    timer = gc.replay([0, 2, 5], "xyz")
    assert collected(gc.frame(a=a, b=b, fill="last", on=timer)) == [
        (0, None, None),
        (2, "a1", "b2"),
        (5, "a4", "b3"),
    ]
    assert collected(gc.frame(a=a, b=b, on=timer)) == [
        (0, None, None),
        (2, None, "b2"),
        (5, None, None),
    ]


series = st.dictionaries(st.integers(0, 20), st.floats(allow_nan=False), max_size=12)


@given(series, series)
def test_the_table_is_that_of_pandas(a: dict[int, float], b: dict[int, float]) -> None:
    columns = {"a": dict(sorted(a.items())), "b": dict(sorted(b.items()))}
    streams = {name: gc.replay(list(each.items())) for name, each in columns.items()}
    frame, filled = gc.frame(**streams), gc.frame(**streams, fill="last")
    gc.Graph(frame, filled).run()
    expected = pd.DataFrame({n: pd.Series(each, dtype=float) for n, each in columns.items()})
    expected.index = pd.to_datetime(expected.index).tz_localize("UTC").as_unit("ns")
    for made, wanted in ((frame, expected), (filled, expected.ffill())):
        got = made.to_pandas().astype(float)
        pd.testing.assert_frame_equal(got, wanted, check_names=False, check_freq=False)
        assert made.to_polars().height == made.to_arrow().num_rows == len(wanted)


def test_tables_have_a_column_for_each_stream() -> None:
    times = [SECOND, 2 * SECOND]
    odd: gc.Stream[Any] = gc.replay(times, [1, "a"])
    frame = gc.frame(
        size=gc.replay(times, [1, 2]),
        price=gc.replay(times[1:], [2.5]),
        tags=gc.replay(times, [["x"], []]),
        odd=odd,
    )
    frame.run()
    polars = frame.to_polars()
    assert polars.columns == ["time", "size", "price", "tags", "odd"]
    assert polars.schema["time"] == pl.Datetime("ns", "UTC")
    assert polars["price"].to_list() == [None, 2.5]
    assert polars.schema["odd"] == pl.Object()
    pandas = frame.to_pandas()
    assert pandas.index.name == "time" and list(pandas["size"]) == [1, 2]
    with pytest.raises(gc.InvalidTypeError, match="column 'odd': a column of .*to_pandas takes"):
        frame.to_arrow()


@pytest.mark.parametrize("fill", [None, "last"])
def test_many_rows_are_those_of_few(fill: Any) -> None:
    count = 40_000  # most of them are kept in arrays
    n = gc.from_iterable(range(count), period=1)
    odd = n.filter(lambda i: i % 2 == 1)
    frame = gc.frame(n=n, half=n.map(lambda i: i / 2), odd=odd, fill=fill)
    assert len(collected(frame)) == count
    assert frame.columns["n"] == list(range(count))
    table = frame.to_arrow()
    assert table.schema.types[1:] == [pa.int64(), pa.float64(), pa.int64()]
    assert table["half"].to_pylist() == [i / 2 for i in range(count)]
    assert np.array_equal(frame.to_pandas()["half"], np.arange(count) / 2)
    assert table["odd"].to_pylist()[1:4] == ([1, 1, 3] if fill else [1, None, 3])


def test_r12_each_run_begins_with_an_empty_frame() -> None:
    frame = gc.frame(a=gc.replay([1, 2], "ab"))
    assert frame.times == [] and len(frame) == 0
    for _ in range(2):
        frame.run()
        assert frame.columns == {"a": ["a", "b"]}
    assert repr(frame.named("kept")) == "<Frame kept of 2 rows: a>"


def test_wrong_arguments_are_refused_where_the_graph_is_wired() -> None:
    one, no_stream, no_fill = gc.constant(1), 1, "ffill"
    calls: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({}, gc.InvalidTypeError, "frame needs streams, each with the name"),
        ({"time": one}, gc.InvalidTypeError, "`time` has the engine times"),
        ({"a": no_stream}, gc.InvalidTypeError, "a of frame"),
        ({"a": one, "on": no_stream}, gc.InvalidTypeError, "on of frame"),
        ({"a": one, "fill": no_fill}, gc.InvalidValueError, 'fill is "last" or None'),
    ]
    for arguments, error, message in calls:
        with pytest.raises(error, match=message):
            gc.frame(**arguments)
