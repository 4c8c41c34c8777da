"""`record` and `replay_parquet`: a live run is replayed tick for tick, and nothing is lost."""

import os
import signal
import subprocess
import sys
import threading
from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks, wait_until

SECOND = 1_000_000_000
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@gc.node
class InCycle(gc.MutableNode[tuple[int, Any]]):
    """Ticks with pairs: the number of the cycle at that time, and the value."""

    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (state.cycle_at_time, self.source.value)
        return True


def in_cycle(stream: gc.Stream[Any]) -> gc.Stream[Any]:
    return gc.Stream(InCycle(stream))


def recorded(values: list[Any], kind: Any = Any, read: Any = None) -> list[Any]:
    """Return the values as they come back."""
    gc.from_iterable(values).record("values.parquet", kind).run()
    wanted = kind if read is None else read
    return [value for _, value in ticks(gc.replay_parquet("values.parquet", wanted))]


def wired(bursts: gc.Stream[Any], marks: gc.Stream[Any]) -> list[gc.Collected[Any]]:
    """Return a stream that depends on the times, the cycles and the bursts of two streams."""
    items = bursts.unroll()
    return [
        stream.collect()
        for stream in (
            in_cycle(bursts),
            in_cycle(marks),
            in_cycle(items),
            in_cycle(bursts.merge(marks)),
            in_cycle(items.with_latest(marks)),
            in_cycle(bursts.map(len).sum()),
        )
    ]


def test_a_replay_of_what_was_recorded_live_equals_the_live_run_tick_for_tick() -> None:
    # Bursts and marks come from one inbox: those waiting together have the same time and a cycle
    # each, so the two files have ticks at the same times in different cycles.
    sent = ["a", [1, 2, 3], [4], "b", "c", [5, 6], "d", [7], [8, 9]]

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        for _ in range(5):
            sender.send_many(sent)
            stop.wait(0.003)

    events = gc.receiver(run, delivery="each")
    bursts = events.filter(lambda event: isinstance(event, list))
    marks = events.filter(lambda event: isinstance(event, str))
    live = wired(bursts, marks)
    files = bursts.record("bursts.parquet"), marks.record("marks.parquet")
    gc.Graph(*files, *live).run(realtime=True)
    cycles = {cycle for _, (cycle, _) in live[3]}
    assert len(cycles) > 2 and len(live[2]) == 45

    again = wired(gc.replay_parquet("bursts.parquet"), gc.replay_parquet("marks.parquet"))
    gc.Graph(*again).run()
    assert [list(each) for each in again] == [list(each) for each in live]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers()), min_size=1, max_size=30
    )
)
def test_a_replay_ticks_in_the_recorded_cycles_whatever_they_are(
    steps: list[tuple[int, int, int]],
) -> None:
    """Each step: how much later, in which further cycle, and the value."""
    items, time = [], 0
    for later, waits, value in steps:
        time += later
        items += [(time, None)] * waits + [(time, value % 1000)]
    stream = gc.replay(items).filter(lambda value: value is not None)
    out = in_cycle(stream.record("cycles.parquet")).collect()
    out.run()
    again = in_cycle(gc.replay_parquet("cycles.parquet")).collect()
    again.run(start=0)
    assert list(again) == list(out)


@dataclass
class Quote:
    bid: float
    ask: float | None
    time: int


class Trade(msgspec.Struct):
    price: float
    tags: list[str]
    quote: Quote


class Pair(NamedTuple):
    left: int
    right: str


class Side(Enum):
    BUY = 1
    SELL = -1


class Mood(StrEnum):
    GOOD = "good"


class Mixed(Enum):
    NUMBER = 1
    TEXT = "a"


@pytest.mark.parametrize(
    "values",
    [
        [True, False],
        [1, -(2**63), 2**63 - 1],
        [0.1, float("inf"), 5e-324],
        ["", "é \U0001f600 \0"],
        [b"", b"\xff\0"],
        [None, None],
        [None, 1, None],
        [datetime(2024, 1, 2, 3, 4, 5, 6, UTC)],
        [[1, 2], [], [3]],
        [[], [[1.5], []]],
        [(1, "a", None), (2, "b", 2.5)],
        [((1, 2), [(3, 4)])],
        [{"bid": 1.5, "sizes": [1, 2]}, {"sizes": [], "bid": None}],
        [[{"a": 1}, {"a": 2}], []],
        [{"0": 1, "2": 1}],
    ],
    ids=repr,
)
def test_plain_values_come_back_equal_and_of_the_same_type(values: list[Any]) -> None:
    back = recorded(values)
    assert back == values
    assert [type(value) for value in back] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Quote, [Quote(1.0, None, 7), Quote(1.5, 2.5, 8)]),
        (Trade, [Trade(1.0, ["x"], Quote(1.0, 2.0, 3)), Trade(2.0, [], Quote(0.0, None, 3))]),
        (Pair, [Pair(1, "a")]),
        (list[Quote], [[], [Quote(1.0, 2.0, 3)]]),
        (Side, [Side.BUY, Side.SELL, None]),
        (Mood, [Mood.GOOD]),
        (dict[str, float], [{"a": 1.5}, {}, {"b": 2.5, "c": 0.5}]),
        (dict[int, Pair], [{1: Pair(1, "a")}]),
        (float | None, [None, 1.5]),
        (tuple[int, ...], [(1, 2), ()]),
        (tuple[Quote, str], [(Quote(1.0, 2.0, 3), "a")]),
    ],
    ids=str,
)
def test_values_of_a_given_type_come_back_equal(kind: Any, values: list[Any]) -> None:
    assert recorded(values, kind) == values
    if isinstance(kind, type):
        assert recorded(values, Any, kind) == values


def test_records_come_back_as_dicts_where_no_type_is_given() -> None:
    assert recorded([Quote(1.0, None, 7)], Quote, Any) == [{"bid": 1.0, "ask": None, "time": 7}]
    assert recorded([{"a": 1}], dict[str, int], Any) == [{"a": 1}]


scalars = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8")),
    st.binary(),
    st.booleans(),
)
shapes = st.recursive(
    st.sampled_from([int, float, str, bytes, bool]),
    lambda inner: st.one_of(
        inner.map(lambda kind: list[kind]),
        st.tuples(inner, inner).map(lambda kinds: tuple[kinds]),
        inner.map(lambda kind: dict[str, kind]),
        inner.map(lambda kind: tuple[kind, ...]),
    ),
    max_leaves=5,
)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    if kind is float:
        return st.floats(allow_nan=False)
    if kind is int:
        return st.integers(-(2**63), 2**63 - 1)
    if kind is str:
        return st.text(st.characters(codec="utf-8"))
    return st.from_type(kind) if not hasattr(kind, "__args__") else _nested(kind)


def _nested(kind: Any) -> st.SearchStrategy[Any]:
    arguments = kind.__args__
    if kind.__origin__ is list:
        return st.lists(values_of(arguments[0]), max_size=3)
    if kind.__origin__ is dict:
        return st.dictionaries(st.text("abc"), values_of(arguments[1]), max_size=3)
    if arguments[-1] is ...:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    return st.tuples(*map(values_of, arguments))


@given(shapes.flatmap(lambda kind: st.tuples(st.just(kind), st.lists(values_of(kind)))))
def test_values_that_fit_their_type_come_back_equal(case: tuple[Any, list[Any]]) -> None:
    kind, values = case
    assert recorded(values, kind) == values


@pytest.mark.parametrize(
    ("values", "back"),
    [
        ([datetime(2024, 1, 2, 3, 4, 5, 6), None], None),
        ([datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"), fold=1)], None),
        ([date(2024, 1, 2), date.max], None),
        ([time(1, 2, 3, 4)], None),
        ([timedelta(days=-5, microseconds=1)], None),
        ([Decimal("1.50"), Decimal("99999999999999999999"), Decimal("-1E-18")], None),
        ([Decimal("1E+5")], None),
        ([pd.Timestamp("2024-01-02 03:04:05"), pd.Timedelta("5us")][:1], None),
        ([pd.Timedelta("5us")], [timedelta(microseconds=5)]),
        ([np.datetime64("2024-01-02T03:04")], [datetime(2024, 1, 2, 3, 4)]),
        ([np.timedelta64(5, "s")], [timedelta(seconds=5)]),
        ([np.str_("a"), np.bytes_(b"b").decode()], ["a", "b"]),
        ([np.array([1.5, 2.5]), np.array([])], [[1.5, 2.5], []]),
        ([np.array([[1, 2], [3, 4]])], [[[1, 2], [3, 4]]]),
        ([np.array([5], "M8[s]")], [[datetime(1970, 1, 1, 0, 0, 5)]]),
        ([{"at": datetime(2024, 1, 1), "cost": Decimal("0.1")}], None),
    ],
    ids=repr,
)
def test_times_decimals_and_arrays_come_back(values: list[Any], back: Any) -> None:
    def moments(values: list[Any]) -> list[Any]:  # one of a repeated hour equals none in UTC
        aware = isinstance(values[0], datetime) and values[0].tzinfo is not None
        return [value.astimezone(UTC) for value in values] if aware else values

    expected = moments(values if back is None else back)
    got = recorded(values)
    assert got == expected
    assert [type(value) for value in got][1:] == [type(value) for value in expected][1:]


@dataclass
class Order:
    at: datetime
    due: date
    price: Decimal
    held: timedelta
    opens: time | None = None


def test_records_of_times_and_decimals_come_back_as_their_class() -> None:
    orders = [Order(NOON, NOON.date(), Decimal("1.25"), timedelta(1), NOON.time())]
    assert recorded(orders, Order) == orders
    assert recorded(orders, Any, Order) == orders


def test_a_time_past_64_bits_of_nanoseconds_ends_the_run_in_a_sentence() -> None:
    far = gc.replay([1, 32_503_680_000 * SECOND], "ab")
    with pytest.raises(gc.InvalidValueError, match="cannot hold 3000-01-01.*to 2262-04-11"):
        far.record("far.parquet").run()
    assert ticks(gc.replay_parquet("far.parquet")) == [(1, "a")]


def test_numbers_of_numpy_come_back_as_python_numbers() -> None:
    assert recorded([np.int64(3), np.uint8(4)]) == [3, 4]
    assert recorded([np.float32(0.5), np.float64(1.5)]) == [0.5, 1.5]
    assert list(map(repr, recorded([np.True_, False]))) == ["True", "False"]


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([1, 2.5], Any, "a column of int cannot hold 2.5, a value of type float; give record the"),
        ([1, True], Any, "column of int cannot hold True"),
        ([1, np.True_], Any, "column of int cannot hold True"),
        ([1, np.timedelta64(5, "s")], Any, "column of int cannot hold np.timedelta64(5,'s')"),
        ([1.5, np.timedelta64(5, "s")], Any, "column of float cannot hold np.timedelta64(5,'s')"),
        ([1.5, 2**53 + 1], Any, "column of float cannot hold 9007199254740993"),
        ([2**63], Any, "column of int cannot hold 9223372036854775808"),
        (["\ud800"], Any, "column of str cannot hold"),
        (["a", b"b"], Any, "column of str cannot hold b'b'"),
        ([{"a": 1}, {"b": 1}], Any, "column of dict with the keys a cannot hold {'b': 1}"),
        (
            [{}],
            Any,
            "no column can hold the dict {}: it needs keys, all of them text",
        ),
        ([{1: 2}], Any, "no column can hold the dict {1: 2}: it needs keys, all of them text"),
        ([{"0": 1}], Any, "no column can hold the dict {'0': 1}: it needs keys, all of them text"),
        ([(1, 2), (1, 2, 3)], Any, "cannot hold (1, 2, 3)"),
        ([object], Any, "no column can hold"),
        ([{1, 2}], Any, "no column can hold <class 'set'>: it takes bool, int"),
        ([[1], ["a"]], Any, "column of int cannot hold 'a'"),
        ([datetime(2024, 1, 1)], int, "column of int cannot hold datetime"),
        ([datetime(2024, 1, 1), NOON], Any, "column of naive datetime cannot hold"),
        ([NOON, datetime(2024, 1, 1)], Any, "a column has one of the two kinds"),
        ([NOON, pd.NaT], Any, "column of aware datetime cannot hold NaT, a value of type NaTType"),
        ([np.datetime64("NaT", "ns")], Any, "of aware datetime cannot hold np.datetime64('NaT'"),
        ([np.datetime64(1, "ns")], Any, "cannot hold np.datetime64('1970"),
        ([NOON.date(), NOON], Any, "column of date cannot hold datetime"),
        ([timedelta.max], Any, "column of timedelta cannot hold"),
        ([pd.Timedelta(1)], Any, "column of timedelta cannot hold Timedelta('0 days 00:00:00.00"),
        ([NOON.timetz()], Any, "column of time cannot hold datetime.time("),
        ([Decimal("NaN")], Any, "column of Decimal cannot hold Decimal('NaN')"),
        ([Decimal("1e-19")], Any, "column of Decimal cannot hold Decimal('1E-19')"),
        ([Decimal("1e20")], Any, "column of Decimal cannot hold Decimal('1E+20')"),
        ([np.array([1, 2]), np.array(["a"])], Any, "column of int cannot hold 'a'"),
        ([Pair(1, "a"), (1, "a")], Pair, "column of Pair cannot hold (1, 'a')"),
        ([{None: 1}], dict[str, int], "cannot hold {None: 1}"),
        ([pd.Timestamp(1, tz="UTC")], Any, "datetime cannot hold Timestamp('1970"),
        ([()], Any, "no column can hold the tuple (), which has no fields; give record the type"),
        ([Mixed.NUMBER], Any, "Mixed has values of several types: a column of int cannot hold 'a'"),
    ],
    ids=repr,
)
def test_values_that_do_not_fit_are_refused_when_they_tick(
    values: list[Any], kind: Any, message: str
) -> None:
    stream = gc.from_iterable(values, period="1s").record("values.parquet", kind)
    with pytest.raises(gc.InvalidTypeError) as refused:
        stream.run()
    assert message in str(refused.value)
    assert "record" in refused.value.__notes__[0]
    # The earlier values are in the file.
    assert len(ticks(gc.replay_parquet("values.parquet"))) == len(values) - 1


@pytest.mark.parametrize(
    ("value", "is_hinted"),
    [
        ([2**63], False),
        ({"a": [1, 2**63]}, False),
        ((1, Decimal("NaN")), False),
        ([{"a": {1}}], False),
        ([1, 2.5], True),  # list[float]
        ({1: 2}, True),  # dict[int, int]
        ([], True),
    ],
)
def test_a_type_is_recommended_only_for_values_that_some_type_holds(
    value: Any, is_hinted: bool
) -> None:
    with pytest.raises(gc.InvalidTypeError) as refused:
        gc.replay([1, 2], ["text", value]).record("values.parquet").run()
    assert ("give record the type of all values" in str(refused.value)) == is_hinted


Bare = namedtuple("Bare", [])  # it has no fields to give types


@pytest.mark.parametrize("kind", [set[int], int | str, object, Bare, "int", complex], ids=repr)
def test_a_type_that_no_column_holds_is_refused_where_the_graph_is_wired(kind: Any) -> None:
    with pytest.raises(gc.InvalidTypeError, match="no column can hold"):
        gc.constant(1).record("values.parquet", kind)


def test_an_enum_of_several_types_is_refused_where_the_graph_is_wired() -> None:
    with pytest.raises(gc.InvalidTypeError, match="Mixed has values of several types"):
        gc.constant(Mixed.NUMBER).record("values.parquet", Mixed)


def test_timestamps_of_pandas_come_back_as_equal_datetimes() -> None:
    assert recorded([pd.Timestamp("2024-01-02 03:04:05.000006", tz="UTC")]) == [
        datetime(2024, 1, 2, 3, 4, 5, 6, UTC)
    ]


def test_an_invalid_path_is_refused_where_the_graph_is_wired() -> None:
    with pytest.raises(
        gc.InvalidTypeError, match="the path of a file must be text or a Path, not 7"
    ):
        gc.constant(1).record(7)
    with pytest.raises(
        gc.InvalidTypeError, match="the path of a file must be text or a Path, not 7"
    ):
        gc.replay_parquet(7)


def test_a_list_that_grows_is_recorded_as_it_was() -> None:
    gc.from_iterable([1, 2, 3], period="1s").accumulate().record("lists.parquet").run()
    assert [v for _, v in ticks(gc.replay_parquet("lists.parquet"))] == [[1], [1, 2], [1, 2, 3]]


def test_polars_opens_the_file_as_a_table() -> None:
    quotes = gc.replay([(1, Quote(1.0, 2.0, 3)), (1, Quote(2.0, None, 4))])
    quotes.record("quotes.parquet").run()
    frame = pl.read_parquet("quotes.parquet").unnest("value", separator="_")
    assert frame.columns == ["time", "cycle", "value_bid", "value_ask", "value_time"]
    assert frame["time"].dtype == pl.Datetime("ns", "UTC")
    assert frame["cycle"].to_list() == [0, 1]
    assert frame["value_ask"].to_list() == [2.0, None]


def test_many_ticks_make_few_row_groups_and_none_is_lost() -> None:
    count = 150_000
    gc.from_iterable(range(count), period=1).record("many.parquet").run()
    assert parquet.ParquetFile("many.parquet").num_row_groups == 2
    assert [v for _, v in ticks(gc.replay_parquet("many.parquet"))] == list(range(count))


def test_without_a_tick_the_file_is_empty_and_replays_nothing() -> None:
    gc.never().record("none.parquet").run()
    assert pl.read_parquet("none.parquet").shape == (0, 3)
    assert ticks(gc.replay_parquet("none.parquet")) == []


def test_delivery_combines_the_values_of_one_time() -> None:
    gc.replay([(1, "a"), (1, "b"), (2, "c")]).record("letters.parquet").run()
    burst = gc.replay_parquet("letters.parquet", delivery="burst")
    assert ticks(burst) == [(1, ["a", "b"]), (2, ["c"])]
    assert ticks(gc.replay_parquet("letters.parquet", delivery="latest")) == [(1, "b"), (2, "c")]


def test_events_before_the_start_are_counted_without_the_cycles_between_them() -> None:
    ones = gc.replay([(1, 0), (1, 0), (1, 5), (2, 6)]).filter(bool)
    ones.record("ones.parquet").run()
    report = gc.replay_parquet("ones.parquet").run(start=2)
    assert (report.skipped, report.cycles) == (1, 1)


def test_r12_a_second_run_writes_the_file_anew_and_a_replay_runs_again() -> None:
    stream = gc.from_iterable("abc").record("letters.parquet")
    stream.run()
    stream.run()
    out = gc.replay_parquet("letters.parquet").collect()
    for _ in range(2):
        out.run()
        assert out.values == ["a", "b", "c"]


def test_a_failed_run_leaves_a_complete_file_of_the_earlier_values() -> None:
    def fail(value: int) -> int:
        return 1 // (3 - value)

    values = gc.from_iterable([1, 2, 3, 4], period="1s")
    with pytest.raises(ZeroDivisionError):
        gc.Graph(values.record("values.parquet"), values.map(fail)).run()
    assert [v for _, v in ticks(gc.replay_parquet("values.parquet"))] == [1, 2, 3]
    assert os.listdir() == ["values.parquet"]


def test_a_folder_is_refused_at_the_start_and_nothing_is_left_beside_it() -> None:
    os.mkdir("folder")
    with pytest.raises(gc.RunError, match="cannot write folder: it is a folder"):
        gc.from_iterable([1]).record("folder").run()
    assert os.listdir() == ["folder"]


def test_a_file_that_cannot_be_written_is_named_at_the_start() -> None:
    with pytest.raises(gc.RunError, match="cannot write nowhere/a.parquet.partial: No such file"):
        gc.constant(1).record("nowhere/a.parquet").run()


def test_a_file_that_cannot_be_read_is_named() -> None:
    for name, content, message in [
        ("missing", None, "cannot read missing: No such file"),
        ("empty", b"", "empty is empty"),
        ("text", b"one, two, three", "text is neither a Parquet file nor an Arrow stream"),
        ("cut", b"PAR1 and nothing more", "cut is not a complete Parquet file"),
    ]:
        if content is not None:
            Path(name).write_bytes(content)
        with pytest.raises(gc.RunError, match=message):
            gc.replay_parquet(name).run()


def test_a_type_that_the_file_does_not_hold_is_refused() -> None:
    gc.constant({"bid": 1.5}).record("quotes.parquet").run()
    for kind in (int, str, Quote, list[int], dict[str, float], tuple[float]):
        with pytest.raises(
            gc.InvalidTypeError, match="a column of struct<bid: double> cannot hold"
        ):
            gc.replay_parquet("quotes.parquet", kind).run()


def test_tables_of_other_programs_are_replayed() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = [start, start + timedelta(milliseconds=1)]
    nanoseconds = 1_704_067_200 * SECOND
    frame = pl.DataFrame({"time": times, "bid": [1, 2], "cycle": ["x", "y"]})
    frame.with_columns(pl.col("time").dt.cast_time_unit("ms")).write_parquet("a.parquet")
    assert ticks(gc.replay_parquet("a.parquet")) == [
        (nanoseconds, {"bid": 1, "cycle": "x"}),
        (nanoseconds + 1_000_000, {"bid": 2, "cycle": "y"}),
    ]
    pl.DataFrame({"time": [5, 6], "value": [1, 2]}).write_parquet("b.parquet")
    assert ticks(gc.replay_parquet("b.parquet", float)) == [(5, 1.0), (6, 2.0)]


def test_a_table_without_times_is_refused() -> None:
    pl.DataFrame({"when": [1]}).write_parquet("a.parquet")
    with pytest.raises(gc.RunError, match="a.parquet has no column `time`; its columns are when"):
        gc.replay_parquet("a.parquet").run()


def test_without_pyarrow_one_sentence_says_what_to_install() -> None:
    code = """if True:
        import sys
        sys.modules["pyarrow"] = None
        import graphcore as gc
        for wire in (lambda: gc.constant(1).record("a.parquet"), lambda: gc.replay_parquet("a")):
            try:
                wire()
            except gc.RunError as error:
                print(error)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "this needs pyarrow: pip install 'graphcore[tables]'\n" * 2


LIVE = """if True:
    import graphcore as gc
    numbers = gc.ticker("PERIOD").count().record("live.parquet")
    print("going", flush=True)
    numbers.run(realtime=True)
"""


@pytest.fixture
def recorder(request: pytest.FixtureRequest) -> Any:
    code = LIVE.replace("PERIOD", getattr(request, "param", "1ms"))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    yield child
    child.kill()
    child.communicate()


def test_ctrl_c_leaves_a_complete_file(recorder: "subprocess.Popen[str]") -> None:
    partial = Path("live.parquet.partial")
    wait_until(lambda: partial.exists() and partial.stat().st_size, 30)
    recorder.send_signal(signal.SIGINT)
    assert recorder.wait(20) == 0
    assert os.listdir() == ["live.parquet"]
    values = pl.read_parquet("live.parquet")["value"].to_list()
    assert values == list(range(1, len(values) + 1)) != []


# Presses Ctrl-C right after a batch or a part of the Parquet file has been written.
PRESSING = """if True:
    import os, signal
    import pyarrow.ipc, pyarrow.parquet
    import graphcore as gc

    signal.signal(signal.SIGINT, signal.default_int_handler)

    def pressing(function, times):
        left = [signal.SIGINT] * times
        def pressed(*arguments):
            done = function(*arguments)
            while left:
                os.kill(os.getpid(), left.pop())
            return done
        return pressed

    class Writer:
        def __init__(self, writer):
            self.write_batch = pressing(writer.write_batch, WHILE_WRITING)
            self.close = writer.close

    new_stream = pyarrow.ipc.new_stream
    pyarrow.ipc.new_stream = lambda *arguments: Writer(new_stream(*arguments))
    parquet = pyarrow.parquet.ParquetWriter
    parquet.write_table = pressing(parquet.write_table, WHILE_CLOSING)
    try:
        gc.from_iterable(range(5_000)).record("live.parquet").run(LIVE)
    except BaseException as error:
        leaves = getattr(error, "exceptions", [error])
        print(*(type(each).__name__ for each in leaves), *getattr(leaves[-1], "__notes__", []))
"""


def pressing(while_writing: int, while_closing: int, live: str) -> str:
    """Return the error of an interrupted recording."""
    code = PRESSING.replace("WHILE_WRITING", str(while_writing))
    code = code.replace("WHILE_CLOSING", str(while_closing)).replace("LIVE", live)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("while_writing", "while_closing", "live", "raised"),
    [
        (1, 0, "", ["KeyboardInterrupt"]),
        (0, 1, "", ["KeyboardInterrupt"]),
        (1, 1, "", ["KeyboardInterrupt", "KeyboardInterrupt"]),
        (1, 1, "realtime=True", ["KeyboardInterrupt"]),
        (2, 1, "realtime=True", ["KeyboardInterrupt", "KeyboardInterrupt"]),
    ],
)
def test_ctrl_c_while_the_file_is_written_leaves_each_value_once_in_a_complete_file(
    while_writing: int, while_closing: int, live: str, raised: list[str]
) -> None:
    assert pressing(while_writing, while_closing, live).split() == raised
    assert os.listdir() == ["live.parquet"]
    values = pl.read_parquet("live.parquet")["value"].to_list()
    assert values == list(range(len(values))) != []


def test_a_second_ctrl_c_while_the_file_is_made_keeps_the_recorded_values_and_says_where() -> None:
    said = pressing(0, 2, "")
    assert said == "KeyboardInterrupt what was recorded before is in live.parquet.partial\n"
    assert os.listdir() == ["live.parquet.partial"]
    again = [value for _, value in ticks(gc.replay_parquet("live.parquet.partial"))]
    assert again == list(range(5_000))


def test_values_written_by_a_killed_process_are_read_and_not_overwritten(
    recorder: "subprocess.Popen[str]",
) -> None:
    partial = Path("live.parquet.partial")
    wait_until(lambda: partial.exists() and partial.stat().st_size > 10_000, 30)
    recorder.kill()
    recorder.wait()
    assert os.listdir() == ["live.parquet.partial"]
    with pytest.raises(gc.RunError, match="live.parquet.partial exists: another run is writing"):
        gc.constant(1).record("live.parquet").run()
    gc.replay_parquet(partial).record("rescued.parquet").run()
    values = pl.read_parquet("rescued.parquet")["value"].to_list()
    assert values == list(range(1, len(values) + 1)) and len(values) > 100
    # Cut at any place, the complete batches are read, and the rest is reported.
    whole = partial.read_bytes()
    for cut in (len(whole) - 1, len(whole) // 2):
        partial.write_bytes(whole[:cut])
        part = [value for _, value in ticks(gc.replay_parquet(partial))]
        assert part == values[: len(part)] and len(part) < len(values)


@pytest.mark.parametrize("recorder", ["3s"], indirect=True)
def test_a_tick_a_second_after_the_last_write_is_written_at_once(
    recorder: "subprocess.Popen[str]",
) -> None:
    partial = Path("live.parquet.partial")
    wait_until(lambda: partial.exists() and partial.stat().st_size, 30)
    recorder.kill()
    recorder.wait()
    values = [value for _, value in ticks(gc.replay_parquet(partial))]
    assert values == list(range(1, len(values) + 1)) != []
