from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import graphcore as gc
from graphcore.sweeping.partition import _Part
from tests.sweeping.builds import means
from tests.sweeping.test_executors import KINDS

RANDOM = np.random.default_rng(11)
HOUR = 3_600_000_000_000
COUNT = 400
TRADES = pd.DataFrame(
    {
        "time": pd.to_datetime(
            np.sort(RANDOM.integers(-40 * HOUR, 40 * HOUR, COUNT) // HOUR * HOUR), utc=True
        ),
        "symbol": RANDOM.choice(["C", "A", "B"], COUNT),
        "price": 100 + RANDOM.normal(size=COUNT),
    }
)


def expected(by: pd.Series) -> pd.DataFrame:
    """Compute the means as pandas does: groups in order of first appearance, merged by time."""
    parts = []
    for key, part in TRADES.groupby(by, sort=False):
        value = part["price"].ewm(span=3).mean()
        parts.append(pd.DataFrame({"time": part["time"], "key": key, "value": value}))
    return pd.concat(parts).sort_values("time", kind="stable").reset_index(drop=True)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.Table.from_pandas])
def test_the_sinks_of_the_parts_are_merged_by_time(make: Any) -> None:
    table = pl.from_pandas(TRADES) if make is pl.DataFrame else make(TRADES)
    found = gc.partition(means, table, by="symbol")["mean"].to_pandas()
    wanted = expected(TRADES["symbol"]).rename(columns={"key": "symbol"})
    assert found["symbol"].tolist() == wanted["symbol"].tolist()
    assert (found["time"] == wanted["time"]).all()
    np.testing.assert_allclose(found["value"], wanted["value"], rtol=1e-9)


def test_the_parts_of_days_begin_at_midnight_utc_also_before_1970() -> None:
    found = gc.partition(means, TRADES, by="day")["mean"].to_pandas()
    wanted = expected(TRADES["time"].dt.floor("D"))
    assert found["day"].tolist() == [each.date() for each in wanted["key"]]
    assert date(1969, 12, 31) in found["day"].tolist()
    np.testing.assert_allclose(found["value"], wanted["value"], rtol=1e-9)


def test_days_of_whole_nanoseconds_and_of_another_zone() -> None:
    whole = TRADES.assign(time=TRADES["time"].dt.as_unit("ns").astype("int64"))
    zoned = TRADES.assign(time=TRADES["time"].dt.tz_convert("Asia/Tokyo"))
    wanted = gc.partition(means, TRADES, by="day")["mean"].columns
    for table in (whole, zoned):
        assert gc.partition(means, table, by="day")["mean"].columns == wanted


def test_a_frame_keeps_its_columns() -> None:
    rows = gc.partition(means, TRADES, by="symbol")["rows"]
    assert list(rows.columns) == ["time", "symbol", "price", "high"]
    assert len(rows) == COUNT
    assert rows.to_polars()["high"].null_count() > 0
    assert rows.to_arrow().schema.field("time").type == pa.timestamp("ns", "UTC")


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_executors_give_the_same_ticks(kind: str) -> None:
    here = gc.partition(means, TRADES, by="day")
    with KINDS[kind]() as executor:  # type: ignore[no-untyped-call]
        there = gc.partition(means, TRADES, by="day", executor=executor)
    assert {name: each.columns for name, each in there.items()} == {
        name: each.columns for name, each in here.items()
    }


@pytest.mark.parametrize("number", range(50))
def test_threads_give_the_same_ticks_each_time(number: int) -> None:
    table = TRADES.head(60)
    with ThreadPoolExecutor(4) as executor:
        there = gc.partition(means, table, by="day", executor=executor)
    assert there["mean"].columns == gc.partition(means, table, by="day")["mean"].columns


def test_a_part_that_is_sent_holds_nothing_of_the_others() -> None:
    table = pa.table({"x": np.arange(100_000)})
    make, (data,) = _Part(table.slice(500, 3)).__reduce__()
    assert make(data).table.to_pydict() == {"x": [500, 501, 502]}
    assert len(data) < 1_000


def test_rows_without_a_key_are_a_part() -> None:
    table = pl.DataFrame({"time": [1, 2, 3], "symbol": [None, "A", None], "price": [1.0, 2, 3]})
    found = gc.partition(
        lambda part: {"n": gc.from_table(part, value="price").count()}, table, by="symbol"
    )
    assert found["n"].columns == {
        "time": [1, 2, 3],
        "symbol": [None, "A", None],
        "value": [1, 1, 2],
    }


@pytest.mark.parametrize("make", [pd.DataFrame, pl.from_pandas])
def test_categories_come_in_the_order_of_the_rows(make: Any) -> None:
    symbols = pd.Categorical(["B", None, "A", "B"], categories=["A", "B"])
    table = make(pd.DataFrame({"time": [1, 1, 1, 1], "symbol": symbols, "price": [1.0, 2, 3, 4]}))
    found = gc.partition(
        lambda part: {"last": gc.from_table(part, value="price")}, table, by="symbol"
    )
    assert found["last"].columns["symbol"] == ["B", "B", None, "A"]
    assert found["last"].columns["value"] == [1.0, 4.0, 2.0, 3.0]


def test_the_error_of_the_first_part_that_fails_tells_which_it_is() -> None:
    def build(part: Any) -> dict[str, gc.Handle]:
        symbol = part.column("symbol")[0].as_py()
        if symbol != TRADES["symbol"][0]:
            raise ValueError(f"not {symbol}")
        return means(part)

    with pytest.raises(ValueError, match="not") as caught:
        gc.partition(build, TRADES, by="symbol")
    second = TRADES["symbol"].unique()[1]
    assert caught.value.__notes__ == [f"in the part symbol={second!r}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"table": [1]}, r"table must have Arrow's C stream interface, .* not \[1\]"),
        ({"by": "sym"}, "the table has no column 'sym'; its columns are time, symbol, price"),
        ({"by": "day", "time": "at"}, "the table has no column 'at'"),
        ({"by": "day", "time": "symbol"}, 'by="day" needs timestamps or whole nanoseconds in the'),
        ({"table": TRADES.head(0)}, "the table has no rows"),
        ({"build": 3}, "build must be a function that wires a graph, not 3"),
        ({"build": lambda part: 3}, "build must return sinks by name"),
        ({"realtime": True}, "there is no option 'realtime'"),
        ({"by": "price"}, "the sink 'rows' has a column 'price', which is that of the parts"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, message: str) -> None:
    given = {"build": means, "table": TRADES, "by": "symbol"} | arguments
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError), match=message):
        gc.partition(**given)


def test_sinks_that_differ_between_parts_are_refused() -> None:
    def build(part: Any) -> dict[str, gc.Handle]:
        name = part.column("symbol")[0].as_py()
        return {name: gc.from_table(part, value="price")}

    with pytest.raises(gc.InvalidValueError, match="build must return the same sinks for each"):
        gc.partition(build, TRADES, by="symbol")
