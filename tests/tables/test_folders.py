"""Folders such as `symbol=A` give the rows of their files a column, as in Hive."""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import graphcore as gc
from graphcore.testing import ticks

TRADES = pl.DataFrame(
    {"time": [1, 2, 3, 4], "symbol": ["A", "B", "A", "B"], "price": [1.5, 2.5, 3.5, 4.5]}
)
BY_KEY = [(1, ("A", 1.5)), (2, ("B", 2.5)), (3, ("A", 3.5)), (4, ("B", 4.5))]


class Symbol(Enum):
    FIRST = "A"
    SECOND = "B"


@dataclass
class Trade:
    symbol: str
    price: float


@dataclass
class Typed:
    symbol: Symbol
    price: float


def write(root: str, table: pl.DataFrame, *columns: str) -> None:
    parquet.write_to_dataset(table.to_arrow(), root, partition_cols=list(columns))


def put(path: str, table: pl.DataFrame) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    table.write_csv(path) if path.endswith(".csv") else table.write_parquet(path)


def test_the_folders_column_is_a_key_a_field_a_value_and_part_of_rows() -> None:
    write("trades", TRADES, "symbol")
    keyed = gc.read_parquet("trades", value="price", by="symbol")
    assert ticks(keyed.pairs()) == BY_KEY
    assert ticks(keyed.latest)[-1] == (4, {"A": 3.5, "B": 4.5})
    assert ticks(gc.read_parquet("trades"))[0] == (1, {"price": 1.5, "symbol": "A"})
    trades = ticks(gc.read_parquet("trades", kind=Trade))
    assert trades[:2] == [(1, Trade("A", 1.5)), (2, Trade("B", 2.5))]
    assert ticks(gc.read_parquet("trades", kind=Typed))[1] == (2, Typed(Symbol.SECOND, 2.5))
    symbols = [value for _, value in ticks(gc.read_parquet("trades", value="symbol"))]
    assert symbols == TRADES["symbol"].to_list()


@pytest.mark.parametrize("path", ["trades/symbol=A", "trades/symbol=A/*", "*/symbol=[A]/*"])
def test_folders_in_the_path_or_the_pattern_give_columns_too(path: str) -> None:
    write("trades", TRADES, "symbol")
    keyed = gc.read_parquet(path, value="price", by="symbol")
    assert ticks(keyed.pairs()) == BY_KEY[::2]


def test_csv_files_have_the_columns_of_their_folders() -> None:
    for symbol in "AB":
        rows = TRADES.filter(pl.col("symbol") == symbol).drop("symbol")
        put(f"trades/symbol={symbol}/0.csv", rows)
    assert ticks(gc.read_csv("trades", value="price", by="symbol").pairs()) == BY_KEY
    assert ticks(gc.read_csv("trades", kind=Trade))[0] == (1, Trade("A", 1.5))


TYPES: list[tuple[list[Any], list[Any]]] = [
    (["1", "-20"], [1, -20]),
    (["000001", "7"], ["000001", "7"]),  # a code
    (["2026-01-30", "2026-02-01"], [date(2026, 1, 30), date(2026, 2, 1)]),
    (["2026-01-30", "A"], ["2026-01-30", "A"]),
    (["20260130T", "x=y"], ["20260130T", "x=y"]),
    (["A/B", "100% ü"], ["A/B", "100% ü"]),
    ([None, "A"], [None, "A"]),
    ([None, "3"], [None, 3]),
    (["NAN", "INF"], ["NAN", "INF"]),
    ([str(2**63), "1"], [str(2**63), "1"]),
    (["1_0", "٣"], ["1_0", "٣"]),  # which Python would take for numbers
]


@pytest.mark.parametrize(("names", "values"), TYPES, ids=repr)
def test_values_are_numbers_or_dates_where_all_folders_are_else_text(
    names: list[Any], values: list[Any]
) -> None:
    write("t", pl.DataFrame({"time": [1, 2], "key": names, "n": [1, 2]}), "key")
    assert [value for _, value in ticks(gc.read_parquet("t", value="key"))] == values


def test_kind_gives_the_type_of_a_folders_column() -> None:
    write("t", pl.DataFrame({"time": [1, 2], "key": ["000001", "12"], "n": [1, 2]}), "key")
    for kind, values in [(int, [1, 12]), (float, [1.0, 12.0]), (str, ["000001", "12"])]:
        found = [value for _, value in ticks(gc.read_parquet("t", value="key", kind=kind))]
        assert found == values
        assert {type(value) for value in found} == {kind}


def test_a_folders_date_may_be_the_time() -> None:
    write("t", pl.DataFrame({"day": [date(1970, 1, 2), date(1970, 1, 3)], "n": [1, 2]}), "day")
    day = 86_400 * 10**9
    assert ticks(gc.read_parquet("t", "day", "n")) == [(day, 1), (2 * day, 2)]


def test_files_may_have_the_folders_column_themselves_and_agree() -> None:
    for symbol in "AB":
        put(f"t/symbol={symbol}/0.parquet", TRADES.filter(pl.col("symbol") == symbol))
    assert ticks(gc.read_parquet("t", value="price", by="symbol").pairs()) == BY_KEY
    put("u/n=01/0.parquet", pl.DataFrame({"time": [1], "n": [1], "x": [2]}))
    assert ticks(gc.read_parquet("u")) == [(1, {"n": 1, "x": 2})]
    categories = TRADES[:1].with_columns(pl.col("symbol").cast(pl.Categorical))
    put("v/symbol=A/0.parquet", categories)
    assert ticks(gc.read_parquet("v", value="price", by="symbol").pairs()) == BY_KEY[:1]


@pytest.mark.parametrize("symbols", [["A", "A", "B", "A"], ["A", "A", None, "A"]])
@pytest.mark.parametrize("rows", [1, 2, 4])
def test_a_row_that_disagrees_with_its_folder_is_named_after_the_rows_before_it(
    symbols: list[Any], rows: int
) -> None:
    Path("t/symbol=A").mkdir(parents=True)
    table = pa.table({"time": [1, 2, 3, 4], "symbol": symbols, "price": [1, 2, 3, 4]})
    parquet.write_table(table, "t/symbol=A/0.parquet", row_group_size=rows)
    out = gc.read_parquet("t", value="price", by="symbol").pairs().collect()
    message = f"t/symbol=A/0.parquet, row 2, column `symbol`: {symbols[2]!r} is not the value of"
    with pytest.raises(gc.InvalidValueError, match=message + " its folder symbol=A"):
        out.run()
    assert out.values == [("A", 1), ("A", 2)]


@pytest.mark.parametrize(
    ("paths", "options", "message"),
    [
        (
            ["t/symbol=A/0.parquet", "t/x.parquet"],
            {},
            "folders of t/symbol=A/0.parquet give `symbol`, and those of t/x.parquet give no col",
        ),
        (
            ["t/day=1/0.parquet", "t/symbol=A/day=1/0.parquet"],
            {},
            "give `day`, and those of t/symbol=A/day=1/0.parquet give `symbol`, `day`: all files",
        ),
        (
            ["t/symbol=A/symbol=B/0.parquet"],
            {},
            "two folders of t/symbol=A/symbol=B/0.parquet give the column `symbol`",
        ),
        (
            ["t/symbol=A/0.parquet"],
            {"value": "symbol", "kind": int},
            "t/symbol=A/0.parquet: the folder symbol=A gives no value of int64",
        ),
        (
            ["t/symbol=A/0.parquet"],
            {"by": "name"},
            "t/symbol=A/0.parquet has no column `name`; its columns are time, price, symbol",
        ),
        (["t/price=A/0.parquet"], {}, "t/price=A/0.parquet: the folder price=A gives no value of"),
    ],
)
def test_folders_that_do_not_fit_are_named(
    paths: list[str], options: dict[str, Any], message: str
) -> None:
    for path in paths:
        put(path, TRADES.drop("symbol"))
    source = gc.read_parquet("t", **options)
    with pytest.raises(gc.GraphcoreError, match=message):
        (source.pairs() if isinstance(source, gc.Keyed) else source).run()
