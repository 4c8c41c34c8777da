"""`collect`: what a run leaves behind, and the tables made of it."""

from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import graphcore as gc

# Not a whole number of microseconds: a table must not lose the nanoseconds.
TIME = 1_769_851_800_000_000_001


def collected(values: list[Any]) -> gc.Collected[Any]:
    out = gc.replay([TIME + i for i in range(len(values))], values).collect()
    out.run()
    return out


def test_collect_holds_times_and_values_and_iterates_over_pairs() -> None:
    out = collected(["a", "b"])
    assert out.times == [TIME, TIME + 1]
    assert out.values == ["a", "b"]
    assert list(out) == [(TIME, "a"), (TIME + 1, "b")]
    assert len(out) == 2


def test_r12_each_run_begins_with_none() -> None:
    out = gc.replay([1, 2], "ab").collect()
    assert list(out) == []
    out.run()
    first = out.values
    out.run()
    assert out.values == first == ["a", "b"]
    assert out.values is not first


def test_collect_keeps_what_came_before_an_error() -> None:
    out = gc.from_iterable([1, 0]).map(lambda n: 1 // n).collect()
    with pytest.raises(ZeroDivisionError):
        out.run()
    assert out.values == [1]


def test_to_pandas() -> None:
    series = collected([1.5, 2.5]).to_pandas()
    assert series.name == "value"
    assert series.index.name == "time"
    assert str(series.index.dtype) == "datetime64[ns, UTC]"
    assert series.index.as_unit("ns").asi8.tolist() == [TIME, TIME + 1]
    assert series.tolist() == [1.5, 2.5]


def test_to_polars() -> None:
    frame = collected([1, 2]).to_polars()
    assert frame.schema == {"time": pl.Datetime("ns", "UTC"), "value": pl.Int64()}
    assert frame["time"].cast(pl.Int64).to_list() == [TIME, TIME + 1]
    assert frame["value"].to_list() == [1, 2]


def test_to_polars_mixes_numbers_and_leaves_other_values_as_they_are() -> None:
    assert collected([1, 2.5]).to_polars()["value"].to_list() == [1.0, 2.5]
    for values in ([1, "a"], [(1.5, "x"), (2.5, "y")], [[1], ["a"]]):
        frame = collected(values).to_polars()
        assert frame.schema["value"] == pl.Object()
        assert frame["value"].to_list() == values


def test_to_arrow() -> None:
    table = collected(["a", "b"]).to_arrow()
    assert table.schema.names == ["time", "value"]
    assert table.schema.types == [pa.timestamp("ns", "UTC"), pa.string()]
    assert table["time"].cast(pa.int64()).to_pylist() == [TIME, TIME + 1]
    assert table["value"].to_pylist() == ["a", "b"]


def test_integers_and_floats_make_a_column_of_floats() -> None:
    out = collected([1, 2.5])
    assert out.to_arrow()["value"].to_pylist() == [1.0, 2.5]
    assert out.to_polars()["value"].to_list() == [1.0, 2.5]
    assert out.to_polars().schema["value"] == pl.Float64()
    assert out.to_pandas().tolist() == [1.0, 2.5]


def test_tables_of_nothing_have_their_columns() -> None:
    out = collected([])
    assert out.to_arrow().schema.names == ["time", "value"]
    assert out.to_arrow().schema.types[0] == pa.timestamp("ns", "UTC")
    assert out.to_arrow().num_rows == 0
    assert out.to_polars().shape == (0, 2)
    assert out.to_polars().schema["time"] == pl.Datetime("ns", "UTC")
    series = out.to_pandas()
    assert len(series) == 0
    assert isinstance(series.index, pd.DatetimeIndex)
    assert str(series.index.dtype) == "datetime64[ns, UTC]"


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(gc.RunError, match=r"polars: pip install 'graphcore\[tables\]'"):
        collected([1]).to_polars()
