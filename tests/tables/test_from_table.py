"""`from_table`: rows of anything that speaks Arrow's C stream interface, at their times."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

SECOND = 10**9
DAWN = 1_769_851_800_000_000_000  # 2026-01-31T09:30:00Z

TRADES: dict[str, Any] = {
    "at": [DAWN, DAWN + 1, DAWN + 1],
    "symbol": ["A", "B", "A"],
    "price": [1.5, 2.0, 2.5],
    "size": [1, 2, 3],
}


class Exported:
    """A table of a library that nobody knows: it has the C stream interface and nothing else."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


def with_times(columns: dict[str, Any]) -> pa.Table:
    table = pa.table(columns)
    return table.set_column(0, "at", table["at"].cast(pa.timestamp("ns", "UTC")))


TABLES: list[Callable[[dict[str, Any]], Any]] = [
    pd.DataFrame,
    lambda columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
    lambda columns: pd.DataFrame(columns, index=[7, 5, 3][: len(columns["at"])]),
    lambda columns: pd.DataFrame(columns).set_index("at"),
    lambda columns: pd.DataFrame(columns).assign(at=pd.to_datetime(columns["at"], utc=True)),
    lambda columns: pd.DataFrame(columns).astype({"symbol": "category"}),
    pl.DataFrame,
    lambda columns: pl.DataFrame(columns).with_columns(pl.col("at").cast(pl.Datetime("ns"))),
    lambda columns: pl.DataFrame(columns).with_columns(pl.col("symbol").cast(pl.Categorical)),
    pa.table,
    with_times,
    lambda columns: pa.concat_tables([pa.table(columns)[:1], pa.table(columns)[1:]]),
    pa.record_batch,
    lambda columns: pa.table(columns).to_reader(),
    lambda columns: Exported(pa.table(columns)),
]


@dataclass
class Trade:
    at: int
    symbol: str
    price: float


class Small(NamedTuple):
    size: int
    price: float


class Priced(msgspec.Struct, kw_only=True):
    price: float
    size: float


@dataclass(kw_only=True)
class Later:
    price: float
    at: datetime


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_dicts_records_values_or_streams_by_key(table: Callable[[Any], Any]) -> None:
    columns = zip(TRADES["symbol"], TRADES["price"], TRADES["size"], strict=True)
    rows = [{"symbol": a, "price": b, "size": c} for a, b, c in columns]
    assert ticks(gc.from_table(table(TRADES), "at")) == list(zip(TRADES["at"], rows, strict=True))
    assert ticks(gc.from_table(table(TRADES), "at", "price")) == [
        (DAWN, 1.5),
        (DAWN + 1, 2.0),
        (DAWN + 1, 2.5),
    ]
    assert [v for _, v in ticks(gc.from_table(table(TRADES), time="at", kind=Trade))] == [
        Trade(DAWN, "A", 1.5),
        Trade(DAWN + 1, "B", 2.0),
        Trade(DAWN + 1, "A", 2.5),
    ]
    small = gc.from_table(table(TRADES), "at", kind=Small)
    assert [v for _, v in ticks(small)] == [Small(1, 1.5), Small(2, 2.0), Small(3, 2.5)]
    keyed = gc.from_table(table(TRADES), "at", "size", by="symbol")
    assert [v for _, v in ticks(keyed.latest)] == [{"A": 1}, {"A": 1, "B": 2}, {"A": 3, "B": 2}]


def test_a_keyed_table_takes_a_further_graph_for_each_key() -> None:
    keyed = gc.from_table(pd.DataFrame(TRADES), "at", kind=Trade, by="symbol")
    highest = keyed.build(lambda trades, symbol: trades.field("price").max())
    assert [v for _, v in ticks(highest.pairs())] == [("A", 1.5), ("B", 2.0), ("A", 2.5)]


def test_records_whose_fields_are_keywords_are_made_by_keyword() -> None:
    priced = [v for _, v in ticks(gc.from_table(pl.DataFrame(TRADES), "at", kind=Priced))]
    assert priced[0] == Priced(price=1.5, size=1)
    assert type(priced[0].size) is float
    [first, *_] = [v for _, v in ticks(gc.from_table(with_times(TRADES), "at", kind=Later))]
    assert first == Later(price=1.5, at=datetime(2026, 1, 31, 9, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    "times",
    [
        pa.array([DAWN], pa.int64()),
        pa.array([DAWN], pa.uint64()),
        *[pa.array([DAWN // n], pa.timestamp(u)) for u, n in [("s", SECOND), ("us", 1000)]],
        pa.array([DAWN // SECOND], pa.timestamp("s", "America/New_York")),
        pa.array([DAWN], pa.timestamp("ns", "+05:30")),
        pa.array(["2026-01-31T09:30:00Z"]),
        pa.array(["2026-01-31T10:30:00.000+01:00"], pa.large_string()),
        pl.Series(["2026-01-31 09:30"]).to_arrow(),
    ],
)
def test_r1_a_time_comes_in_any_form(times: pa.Array) -> None:
    assert ticks(gc.from_table(pa.table({"time": times, "value": [1]}))) == [(DAWN, 1)]


def test_a_date_is_its_midnight_in_utc() -> None:
    for kind in (pa.date32(), pa.date64()):
        days = pa.array([date(2026, 1, 31)], kind)
        assert ticks(gc.from_table(pa.table({"time": days, "value": [1]}))) == [
            (DAWN - (9 * 3600 + 1800) * SECOND, 1)
        ]


@pytest.mark.parametrize("year", [3000, 9999])
def test_times_past_64_bits_of_nanoseconds_are_times_and_values(year: int) -> None:
    far = datetime(year, 12, 31, tzinfo=UTC)
    nanoseconds = (far - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    for unit in ("s", "ms", "us"):
        times = pa.array([far], pa.timestamp(unit, "UTC"))
        table = pa.table({"time": times, "until": times})
        assert ticks(gc.from_table(table, value="until")) == [(nanoseconds, far)]
        assert ticks(gc.from_table(table, value="until", kind=int)) == [(nanoseconds, nanoseconds)]


def test_times_as_values_keep_their_nanoseconds_and_their_zone() -> None:
    zone = ZoneInfo("Europe/Berlin")
    moments = pa.array([DAWN + 1], pa.timestamp("ns", "Europe/Berlin"))
    table = pa.table({"time": [1], "value": moments})
    [(_, value)] = ticks(gc.from_table(table))
    assert value == pd.Timestamp(DAWN + 1, tz=zone)
    assert value.nanosecond == 1 and value.utcoffset() == timedelta(hours=1)
    assert ticks(gc.from_table(table, kind=int)) == [(1, DAWN + 1)]


class Side(Enum):
    BUY = "buy"
    SELL = "sell"


@dataclass
class Everything:
    side: Side
    cost: Decimal
    day: date
    took: timedelta
    tags: list[str]
    quote: Small | None
    took_ns: int = field(default=0)


def test_fields_take_the_types_that_arrow_has() -> None:
    frame = pl.DataFrame(
        {
            "time": [1, 2],
            "side": ["buy", "sell"],
            "cost": [Decimal("1.5"), None],
            "day": [date(2026, 1, 1)] * 2,
            "took": [timedelta(microseconds=5)] * 2,
            "took_ns": [timedelta(microseconds=5)] * 2,
            "tags": [["a"], []],
            "quote": [{"size": 1, "price": 2.5}, None],
        }
    )
    rest = (date(2026, 1, 1), timedelta(microseconds=5))
    assert [v for _, v in ticks(gc.from_table(frame, kind=Everything))] == [
        Everything(Side.BUY, Decimal("1.5"), *rest, ["a"], Small(1, 2.5), 5000),
        Everything(Side.SELL, None, *rest, [], None, 5000),  # type: ignore[arg-type]  # missing
    ]


def test_a_missing_number_of_pandas_is_nan_and_of_others_none() -> None:
    columns = {"time": [1, 2], "value": [0.5, None]}
    [_, (_, value)] = ticks(gc.from_table(pd.DataFrame(columns)))
    assert np.isnan(value)
    for frame in (pl.DataFrame(columns), pa.table(columns)):
        assert ticks(gc.from_table(frame)) == [(1, 0.5), (2, None)]


def test_the_lone_other_column_value_is_the_values_and_a_row_if_the_kind_has_that_field() -> None:
    @dataclass
    class Reading:
        time: int
        value: float

    table = pa.table({"time": [1], "value": [2.5]})
    assert ticks(gc.from_table(table)) == [(1, 2.5)]
    assert ticks(gc.from_table(table, kind=Reading)) == [(1, Reading(1, 2.5))]
    assert ticks(gc.from_table(table.append_column("x", [[3]]))) == [(1, {"value": 2.5, "x": 3})]


def test_what_collect_returns_as_a_table_is_taken_again() -> None:
    out = gc.replay([1, 1, 2], [Small(1, 1.5), Small(2, 2.5), Small(3, 0.5)]).collect()
    out.run()
    for table in (out.to_arrow(), out.to_polars()):
        assert ticks(gc.from_table(table, kind=Small)) == list(out)


def test_delivery_combines_the_rows_of_one_time() -> None:
    frame = pl.DataFrame(TRADES)
    assert ticks(gc.from_table(frame, "at", "size", delivery="burst")) == [
        (DAWN, [1]),
        (DAWN + 1, [2, 3]),
    ]
    assert ticks(gc.from_table(frame, "at", "size", delivery="latest"))[1] == (DAWN + 1, 3)


def test_r12_a_table_serves_any_number_of_runs_and_a_reader_one() -> None:
    table = pa.table(TRADES)
    out = gc.from_table(table, "at", "size").collect()
    for _ in range(2):
        out.run()
        assert out.values == [1, 2, 3]
    once = gc.from_table(table.to_reader(), "at", "size").named("rows")
    assert len(ticks(once)) == 3
    with pytest.raises(gc.RunError, match="rows reads an iterator, which serves one run"):
        once.run()


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 9), st.data())
def test_all_rows_tick_in_order_however_the_table_is_cut(
    steps: list[int], rows: int, data: st.DataObject
) -> None:
    times = np.cumsum([0, *steps]).tolist()
    table = pa.table({"time": times, "value": list(range(len(times)))})
    cut = pa.Table.from_batches(table.to_batches(max_chunksize=rows), table.schema)
    start = data.draw(st.integers(0, 5))
    out = gc.from_table(cut).collect()
    report = out.run(start=start)
    assert list(out) == [(t, i) for i, t in enumerate(times) if t >= start]
    assert report.skipped == len(times) - len(out)


def test_many_rows_are_all_delivered() -> None:
    count = 20_000
    table = pa.table({"time": range(count), "a": range(count), "b": range(count)})
    values = [value for _, value in ticks(gc.from_table(table))]
    assert values[-1] == {"a": count - 1, "b": count - 1}
    assert [value["a"] for value in values] == list(range(count))


# Bad input


@pytest.mark.parametrize(
    ("table", "options", "error", "message"),
    [
        ([1, 2], {}, gc.InvalidTypeError, "with the Arrow C stream interface, .*, not list"),
        (pl.Series([1]), {}, gc.InvalidTypeError, "a table with columns, not Series"),
        (pa.table(TRADES), {}, gc.RunError, "the table has no column `time`; its columns are at, "),
        (pd.DataFrame(TRADES), {"time": "at", "value": "bid"}, gc.RunError, "no column `bid`; its"),
        (pl.DataFrame(TRADES), {"time": "at", "by": "name"}, gc.RunError, "no column `name`; its"),
        (pl.DataFrame(TRADES), {"time": "symbol"}, None, "'A' is not an ISO-8601 time"),
        (
            pl.DataFrame(TRADES),
            {"time": "price"},
            gc.RunError,
            "times of type double in",
        ),
        (pa.table({"at": [1]}), {"time": "at"}, gc.RunError, "no column besides `at`"),
        (
            pd.DataFrame({"price": [1.5]}, index=pd.to_datetime([1])),
            {},
            gc.RunError,
            r"name it: frame.rename_axis\('time'\)",
        ),
        (
            pa.table([[1], [1], [2]], names=["time", "x", "x"]),
            {},
            gc.RunError,
            "the table has 2 columns named `x`",
        ),
        (
            pd.DataFrame([[1, 2, 3, 4]], columns=["time", "x", "y", "x"]),
            {"value": "y"},
            gc.RunError,
            "the table has 2 columns named `x`",
        ),
        (pl.DataFrame(TRADES), {"time": 5}, gc.InvalidTypeError, "time must be the name of a col"),
        (
            pl.DataFrame(TRADES),
            {"time": "at", "value": ["a"]},
            gc.InvalidTypeError,
            "value must be",
        ),
        (
            pl.DataFrame(TRADES),
            {"time": "at", "value": "symbol", "kind": float},
            gc.InvalidTypeError,
            "the table, column `symbol`: a column of .* cannot hold values of type float",
        ),
        (
            pl.DataFrame(TRADES).drop("price"),
            {"time": "at", "kind": Small},
            gc.RunError,
            "no column `price`; its columns are at, symbol, size",
        ),
        (
            pl.DataFrame(TRADES),
            {"time": "at", "kind": float},
            gc.InvalidTypeError,
            "name the column",
        ),
        (
            pl.DataFrame(TRADES),
            {"time": "at", "by": "symbol", "delivery": "burst"},
            gc.InvalidValueError,
            "with by=, delivery must be \"each\", not 'burst'",
        ),
        (pl.DataFrame(TRADES), {"time": "at", "speed": 0}, gc.InvalidValueError, "speed must be"),
    ],
)
def test_bad_input_is_refused_where_the_graph_is_wired(
    table: Any, options: Any, error: Any, message: str
) -> None:
    if error is None:  # only the rows can tell
        with pytest.raises(gc.InvalidValueError, match=message):
            gc.from_table(table, **options).run()
        return
    with pytest.raises(error, match=message):
        gc.from_table(table, **options)


def test_another_tables_columns_are_checked_in_the_run() -> None:
    source = gc.from_table(Exported(pa.table(TRADES)))
    with pytest.raises(gc.RunError, match="the table has no column `time`; its columns are at"):
        source.run()


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([5, 7, 6, 8], "row 2, column `time`: times must not go back: .*006Z comes after .*007Z"),
        ([5, 7, None], "row 2, column `time`: there is no time"),
        (["1970-01-01", "1970-01-02", "1970-01-02T25:00"], "row 2, column `time`: .*ISO-8601"),
    ],
)
@pytest.mark.parametrize("rows", [1, 2, 10])
def test_a_row_with_a_wrong_time_is_named_after_the_rows_before_it(
    times: list[Any], message: str, rows: int
) -> None:
    table = pa.table({"time": times, "value": list(range(len(times)))})
    out = gc.from_table(pa.Table.from_batches(table.to_batches(max_chunksize=rows))).collect()
    with pytest.raises(gc.InvalidValueError, match=f"^the table, {message}"):
        out.run()
    assert out.values == [0, 1]


def test_a_wrong_value_is_named_by_row_and_column_after_the_rows_before_it() -> None:
    table = pa.table({"time": [1, 2, 3], "side": ["buy", "sell", "hold"], "size": [1, 2, 3]})
    sides = gc.from_table(table, value="side", kind=Side).collect()
    with pytest.raises(gc.InvalidValueError, match="row 2, column `side`: 'hold' is not a valid"):
        sides.run()
    assert sides.values == [Side.BUY, Side.SELL]

    @dataclass
    class Lot:
        size: int

        def __post_init__(self) -> None:
            if self.size == 2:
                raise ZeroDivisionError("no lots of 2")

    lots = gc.from_table(table, kind=Lot).collect()
    with pytest.raises(ZeroDivisionError, match="no lots of 2") as raised:
        lots.run()
    assert "while making row 1 of the table" in raised.value.__notes__
    assert lots.values == [Lot(1)]
