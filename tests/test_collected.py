"""`collect`: the ticks of a run, and the tables made from them."""

import threading
import tracemalloc
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID
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

# Not a whole number of microseconds: a table must not lose the nanoseconds.
TIME = 1_769_851_800_000_000_001


def collected(values: list[Any]) -> gc.Collected[Any]:
    # By a map, since a source makes numbers of numpy Python's.
    numbers = gc.replay([TIME + i for i in range(len(values))], range(len(values)))
    out = numbers.map(values.__getitem__).collect()
    out.run()
    return out


def test_collect_holds_times_and_values_and_iterates_over_pairs() -> None:
    out = collected(["a", "b"])
    assert out.times == [TIME, TIME + 1]
    assert out.values == ["a", "b"]
    assert list(out) == [(TIME, "a"), (TIME + 1, "b")]
    assert len(out) == 2


def test_r12_each_run_begins_with_an_empty_collection() -> None:
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


def test_empty_tables_have_their_columns() -> None:
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


MANY = 40_000  # so many that most of them are kept in arrays


@pytest.mark.parametrize(
    "value",
    [
        float,
        int,
        lambda i: i * 2**40 if i % 2 else i,
        lambda i: 2**63 + i,
        lambda i: i if i < MANY // 2 else i + 0.5,
        lambda i: None if i == MANY - 1 else i + 0.5,
        bool,
        np.float64,
        str,
        lambda i: Quote(i, i + 1),
    ],
)
def test_many_ticks_are_those_that_came_of_their_types_and_in_tables(value: Any) -> None:
    values = [value(i) for i in range(MANY)]
    out = collected(values)
    assert len(out) == MANY
    assert out.times == [TIME + i for i in range(MANY)]
    assert out.values == values
    assert set(map(type, out.values)) == set(map(type, values))
    assert list(out)[-1] == (TIME + MANY - 1, values[-1])
    assert out.values is out.values
    series, frame = out.to_pandas(), out.to_polars()
    assert isinstance(series.index, pd.DatetimeIndex)
    assert series.index.as_unit("ns").asi8.tolist() == out.times
    assert pd.Series(values).equals(series.reset_index(drop=True))
    assert series.dtype == pd.Series(values).dtype
    assert frame["time"].cast(pl.Int64).to_list() == out.times
    if 2**63 not in values:
        table = out.to_arrow()
        assert table["time"].cast(pa.int64()).to_pylist() == out.times
        assert table["value"].to_pylist() == frame["value"].to_list() == plain(values)


def test_r12_many_ticks_are_gone_in_the_next_run() -> None:
    out = gc.from_iterable(range(MANY), period=1).collect()
    out.run()
    first = out.values
    out.run(duration=4)
    assert out.values == list(range(5)) and len(first) == MANY
    out.run()
    assert out.values == first and out.values is not first


def test_many_ticks_take_less_than_half_the_memory_of_lists() -> None:
    def used(make: Callable[[], Any]) -> int:
        tracemalloc.start()
        made = make()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        del made
        return size

    out = gc.ticker(1).map(lambda time: time * 0.5).collect()
    out.run(cycles=1)  # compiles it
    kept = used(lambda: out.run(start=TIME, cycles=100_000))
    assert len(out) == 100_000
    assert kept < used(lambda: (out.times, out.values)) / 2


def test_a_thread_that_reads_while_ticks_move_to_arrays_sees_whole_ticks() -> None:
    out = gc.from_iterable(lambda: iter(range(150_000)), period=1).collect()
    thread = threading.Thread(target=out.run)
    thread.start()
    lengths = []
    while thread.is_alive():
        times, values = out.times, out.values
        assert times == list(range(len(times)))
        assert values == list(range(len(values)))
        lengths.append(len(values))
    thread.join()
    assert lengths == sorted(lengths)
    assert len(out) == 150_000


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(gc.RunError, match=r"polars: pip install 'graphcore\[tables\]'"):
        collected([1]).to_polars()


class Side(Enum):
    BUY = "buy"
    SELL = "sell"


@dataclass
class Trade:
    price: float
    side: Side
    levels: dict[float, int]
    note: str | None = None


@dataclass
class Bond:
    due: date
    face: Decimal
    place: int = field(init=False, default=5)


class Quote(NamedTuple):
    bid: float
    ask: float


class Reading(msgspec.Struct):
    city: str
    degrees: float


Pair = namedtuple("Pair", "a b")
Loose = namedtuple("Loose", "a b")  # tested without types
TRADE = Trade(1.5, Side.SELL, {1.5: 2})
AT = datetime(1970, 1, 1, microsecond=5)
INDIA = timezone(timedelta(hours=5, minutes=30))
NOON = datetime(2026, 7, 1, 12, tzinfo=INDIA)


@pytest.mark.parametrize(
    ("values", "back", "kind"),
    [
        (
            [Bond(NOON.date(), Decimal("1.50"))],
            [{"due": NOON.date(), "face": Decimal("1.50"), "place": 5}],
            "struct<due: date32[day], face: decimal128(3, 2), place: int64>",
        ),
        ([Quote(1, 2), None], [{"bid": 1, "ask": 2}, None], "struct<bid: double, ask: double>"),
        (
            [Reading("Bonn", 1)],
            [{"city": "Bonn", "degrees": 1}],
            "struct<city: string, degrees: double>",
        ),
        (
            [Loose(1, 2), Loose(2.5, 3)],
            [{"a": 1, "b": 2}, {"a": 2.5, "b": 3}],
            "struct<a: double, b: int64>",
        ),
        (
            [[], [Quote(1, 2)]],
            [[], [{"bid": 1, "ask": 2}]],
            "list<item: struct<bid: double, ask: double>>",
        ),
        (
            [{"q": Quote(1, 2)}],
            [{"q": {"bid": 1, "ask": 2}}],
            "struct<q: struct<bid: double, ask: double>>",
        ),
        (
            [{"a": 1, "b": 2}, {"b": 2.5, "a": 3}],
            [{"a": 1, "b": 2}, {"a": 3, "b": 2.5}],
            "struct<a: int64, b: double>",
        ),
        ([Side.BUY, None], ["buy", None], "string"),
        ([(1, 2), (3,)], [[1, 2], [3]], "list<item: int64>"),
        ([Decimal("1.5"), 2], [Decimal("1.5"), 2], "decimal128(2, 1)"),
        ([date(2026, 7, 1)], [date(2026, 7, 1)], "date32[day]"),
        ([time(1, 2)], [time(1, 2)], "time64[us]"),
        ([timedelta(1)], [timedelta(1)], "duration[us]"),
        ([np.int8(1), 300], [1, 300], "int64"),
        ([np.int64(1), np.float64(2.5)], [1, 2.5], "double"),
        ([np.datetime64(5000, "ns"), np.datetime64("NaT", "ns")], [AT, None], "timestamp[ns]"),
    ],
)
def test_values_that_arrow_can_hold_come_back_from_both(
    values: list[Any], back: list[Any], kind: str
) -> None:
    out = collected(values)
    column = out.to_arrow()["value"]
    assert str(column.type) == kind
    assert column.to_pylist() == back
    assert out.to_polars().schema["value"] != pl.Object()
    assert out.to_polars()["value"].to_list() == back


def test_a_field_that_is_a_dict_of_any_keys_is_a_map() -> None:
    out = collected([TRADE])
    column = out.to_arrow()["value"]
    assert str(column.type) == (
        "struct<price: double, side: string, levels: map<double, int64>, note: string>"
    )
    back = {"price": 1.5, "side": "sell", "levels": [(1.5, 2)], "note": None}
    assert column.to_pylist() == [back]
    pairs = [{"key": 1.5, "value": 2}]
    assert out.to_polars()["value"].to_list() == [{**back, "levels": pairs}]


def test_times_in_a_zone_without_a_name_in_polars_keep_their_moment() -> None:
    for values in ([NOON], [[NOON]], [{"at": NOON}]):
        out = collected(values)
        assert out.to_arrow()["value"].to_pylist() == values
        assert out.to_polars()["value"].to_list() == values
        assert "UTC" in str(out.to_polars().schema["value"])


@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize(
    ("zone", "day"), [("America/New_York", (11, 1, 1)), ("Europe/Berlin", (10, 25, 2))]
)
def test_times_of_the_repeated_hour_of_autumn_make_columns(
    zone: str, day: tuple[int, int, int], fold: int
) -> None:
    month, date_, hour = day
    moment = datetime(2026, month, date_, hour, 30, tzinfo=ZoneInfo(zone), fold=fold)
    stamp = pd.Timestamp(moment)
    for value in (moment, stamp, [moment], {"at": moment}):
        out = collected([value])
        column = out.to_arrow()["value"]
        if not isinstance(value, list | dict):
            assert column.type.tz == zone
            assert column.to_pylist()[0].timestamp() == moment.timestamp()
        assert out.to_polars().schema["value"] != pl.Object()


def test_times_past_64_bits_of_nanoseconds_are_refused_in_a_sentence() -> None:
    out = gc.replay([1, 32_503_680_000 * 10**9], "ab").collect()
    out.run()
    for table in (out.to_arrow, out.to_polars, out.to_pandas):
        with pytest.raises(gc.InvalidValueError, match="cannot hold 3000-01-01.*to 2262-04-11"):
            table()


NOT_ONE_COLUMN: list[tuple[list[Any], str]] = [
    ([2**70], "no Arrow column can hold 1180591620717411303424, a value of type int"),
    ([1, 2**70], "a column of int64 cannot hold 1180591620717411303424, a value of type int"),
    ([2**60 + 1, 0.5], "a column of int64 cannot hold 0.5, a value of type float"),
    ([1, 2, 3, "a", 5], "a column of int64 cannot hold 'a', a value of type str"),
    ([None, None, "a", 5], "a column of string cannot hold 5, a value of type int"),
    (["a", b"b"], "a column of binary cannot hold 'a', a value of type str"),
    ([["", b"\x80"]], r"a column of string cannot hold b'\\x80', a value of type bytes"),
    ([[date(2026, 7, 1), 0]], r"a column of date32\[day\] cannot hold 0, a value of type int"),
    (["\ud800"], r"no Arrow column can hold '\\ud800', a value of type str"),
    ([True, 1], "a column of bool cannot hold 1, a value of type int"),
    ([Decimal("1.5"), 0.5], "cannot hold 0.5, a value of type float"),
    ([[1], ["a"]], r"a column of list<item: int64> cannot hold \['a'\], a value of type list"),
    ([(1, "a")], r"no Arrow column can hold \(1, 'a'\), a value of type tuple"),
    ([np.complex128(1)], r"no Arrow column can hold np.complex128\(1\+0j\), a value of type"),
    ([1j], "no Arrow column can hold 1j, a value of type complex"),
    ([{"a": 1}, {"b": 2}], "a column of struct<a: int64, b: int64> cannot hold {'a': 1}"),
    ([[{"a": 1}], [{"b": 2}]], "a column of struct<a: int64, b: int64> cannot hold {'a': 1}"),
    ([{"a": {"x": 1}}, {"a": {"y": 1}}], "cannot hold {'x': 1}, a value of type dict"),
    ([{1: 2}], "no Arrow column can hold {1: 2}, a value of type dict"),
    ([NOON.date(), NOON.replace(tzinfo=None)], r"a column of date32\[day\] cannot hold datetime"),
    ([[NOON.replace(tzinfo=None), NOON]], "cannot hold datetime.datetime(.*), a value of type"),
    ([pd.Timestamp(5)], "cannot hold Timestamp(.*000000005.*), a value of type Timestamp"),
    ([Side.BUY, 5], "a column of Side cannot hold 5, a value of type int"),
    ([TRADE, 5], "a column of Trade cannot hold 5, a value of type int"),
    ([Loose(1, 2), Loose(1.5, 2), Pair(1, 2)], "a column of int cannot hold 1.5"),
    ([Quote(1, 2), Loose(1, 2)], "a column of Quote cannot hold Loose"),
    ([[Loose(1, 2.5)], [Loose(1, 2), Quote(1, 2)]], "a column of Loose cannot hold Quote"),
    ([Loose(1, object())], "no column can hold <class 'object'>: it takes bool, int,"),
]


@pytest.mark.parametrize(("values", "message"), NOT_ONE_COLUMN)
def test_values_that_arrow_cannot_hold_are_named_and_stay_objects_in_polars(
    values: list[Any], message: str
) -> None:
    out = collected(values)
    with pytest.raises(gc.InvalidTypeError, match=f"^.*{message}.*; to_pandas takes any values$"):
        out.to_arrow()
    frame = out.to_polars()
    assert frame.schema["value"] == pl.Object()
    assert all(a is b for a, b in zip(frame["value"], values, strict=True))
    assert frame.schema["time"] == pl.Datetime("ns", "UTC")


def test_values_that_arrow_holds_and_polars_does_not_stay_objects() -> None:
    for values in ([Decimal("1" * 45)], [pd.DateOffset(1)], [UUID(int=1)]):
        frame = collected(values).to_polars()
        assert frame.schema["value"] == pl.Object()
        assert frame["value"].to_list() == values


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(-5, 5)
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | st.dates()
    | st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.sampled_from([None, UTC, INDIA]))
    | st.times(timezones=st.sampled_from([None, UTC]))
    | st.timedeltas(timedelta(-(10**5)), timedelta(10**5))
    | st.integers(-5, 5).map(np.int64)
    | st.floats(width=32).map(np.float32)
    | st.decimals(allow_nan=False, allow_infinity=False, places=3)
    | st.sampled_from(Side)
)
_KEYS = st.sampled_from("abc")
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_KEYS, inner, max_size=2)
        | st.builds(Loose, inner, inner)
    ),
    max_leaves=4,
)


def plain(value: Any) -> Any:
    """Return a value as it comes back from a table."""
    if isinstance(value, Quote):
        return value._asdict()
    if isinstance(value, Loose):
        return {"a": plain(value.a), "b": plain(value.b)}
    if isinstance(value, Side):
        return value.value
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return "nan" if value != value else value


@given(st.lists(_VALUES, max_size=4) | _SCALARS.flatmap(lambda one: st.just([one, one])))
def test_whatever_becomes_a_column_comes_back_equal(values: list[Any]) -> None:
    out = collected(values)
    try:
        column = out.to_arrow()["value"]
    except gc.InvalidTypeError:
        assert out.to_polars().schema["value"] == pl.Object()
        return
    assert plain(column.to_pylist()) == plain(values)
    assert plain(out.to_polars()["value"].to_list()) == plain(values)
