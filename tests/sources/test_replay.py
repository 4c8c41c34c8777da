"""`replay` and `from_iterable`: the forms they take, delivery, pacing, and errors."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

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


@pytest.mark.parametrize(
    "make",
    [
        lambda: gc.replay([10, 20], ["a", "b"]),
        lambda: gc.replay((10, 20), "ab"),
        lambda: gc.replay(iter([10, 20]), iter("ab")),
        lambda: gc.replay(np.array([10, 20]), np.array(["a", "b"])),
        lambda: gc.replay(np.array([10, 20], "M8[ns]"), ["a", "b"]),
        lambda: gc.replay(pd.Series([10, 20], index=[5, 4]), pd.Series(["a", "b"], index=[1, 7])),
        lambda: gc.replay(pd.to_datetime([10, 20]), ["a", "b"]),
        lambda: gc.replay([(10, "a"), (20, "b")]),
        lambda: gc.replay({10: "a", 20: "b"}.items()),
        lambda: gc.replay((time, value) for time, value in [(10, "a"), (20, "b")]),
        lambda: gc.replay(lambda: [(10, "a"), (20, "b")]),
        lambda: gc.replay(lambda: zip([10, 20], "ab", strict=True)),
        lambda: gc.replay(pd.Series(["a", "b"], index=pd.to_datetime([10, 20])).items()),
    ],
)
def test_replay_takes_times_and_values_or_pairs_or_a_function_that_returns_pairs(
    make: Callable[[], gc.Stream[str]],
) -> None:
    assert ticks(make()) == [(10, "a"), (20, "b")]


@pytest.mark.parametrize(
    "time",
    [
        DAWN,
        np.int64(DAWN),
        "2026-01-31T09:30:00Z",
        "2026-01-31T10:30:00+01:00",
        datetime(2026, 1, 31, 9, 30),
        datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
        datetime(2026, 1, 31, 11, 30, tzinfo=timezone(timedelta(hours=2))),
        np.datetime64("2026-01-31T09:30"),
        pd.Timestamp("2026-01-31 09:30"),
        pd.Timestamp("2026-01-31 09:30", tz="UTC"),
    ],
)
def test_r1_times_come_in_every_form(time: Any) -> None:
    [(got, _)] = ticks(gc.replay([time], ["a"]))
    assert got == DAWN
    assert type(got) is int


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_datetime64_becomes_nanoseconds_as_time_and_as_value(unit: str) -> None:
    array = np.array(["2026-01-31T09:30:00"], f"M8[{unit}]")
    assert ticks(gc.replay(array, array)) == [(DAWN, DAWN)]
    assert ticks(gc.from_iterable(array - array + np.timedelta64(2, "s"))) == [(0, 2 * SECOND)]


def test_pandas_times_with_a_time_zone_are_taken_to_utc() -> None:
    index = pd.DatetimeIndex(["2026-01-31 10:30"], tz="Europe/Berlin")
    series = pd.Series([1.5], index=index)
    assert ticks(gc.replay(series.index, series)) == [(DAWN, 1.5)]
    assert ticks(gc.replay(index.to_series(), series)) == [(DAWN, 1.5)]


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "float64", "bool", "U1", "O"])
def test_numpy_values_become_python_scalars(dtype: str) -> None:
    array = np.array([1, 0], dtype)
    streams = gc.replay([0, 1], array), gc.from_iterable(array), gc.from_iterable(pd.Series(array))
    for stream in streams:
        values = [value for _, value in ticks(stream)]
        assert values == array.tolist()
        assert {type(value) for value in values} == {type(array.tolist()[0])}


NUMBERS = {
    "uint8": [200, 100],
    "int16": [30000, 20000],
    "float32": [0.5, 0.25],
    "float64": [0.1, 0.2],
    "bool": [True, False],
}


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_of_numpy_become_pythons_in_every_form(dtype: str) -> None:
    expected: list[Any] = NUMBERS[dtype]
    given = list(np.array(expected, dtype))
    objects = np.array([*given, None], "O")[:2]
    streams = [
        gc.replay(list(enumerate(given))),
        gc.replay(lambda: enumerate(given)),
        gc.replay([0, 1], given),
        gc.replay(iter([0, 1]), given),
        gc.replay(np.arange(2), objects),
        gc.from_iterable(given),
        gc.from_iterable(iter(given)),
        gc.from_iterable(lambda: given),
        gc.from_iterable(pd.Series(objects)),
    ]
    for stream in streams:
        values = [value for _, value in ticks(stream)]
        assert values == expected
        assert {type(value) for value in values} == {type(expected[0])}


def test_a_row_of_a_structured_array_keeps_its_fields_names() -> None:
    [row] = np.array([(1, 2.5)], [("n", "i4"), ("x", "f8")])
    [(_, got)] = ticks(gc.replay([(0, row)]))
    assert got["x"] == 2.5


FINE = [DAWN + 1, DAWN + 1_001]  # a nanosecond, which no `datetime` of Python can hold


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(FINE).cast(pl.Datetime("ns")),
        pl.Series(FINE).cast(pl.Datetime("ns", "Europe/Berlin")),
        pa.array(FINE, pa.timestamp("ns")),
        pa.chunked_array([FINE[:1], FINE[1:]], pa.timestamp("ns", "UTC")),
    ],
)
def test_r1_columns_of_polars_and_arrow_keep_the_nanoseconds_as_time_and_as_value(
    column: Any,
) -> None:
    assert ticks(gc.replay(column, column)) == [(time, time) for time in FINE]
    assert ticks(gc.replay(column, iter(column))) == ticks(gc.replay(FINE, iter(column)))
    assert [value for _, value in ticks(gc.from_iterable(column))] == FINE


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_columns_of_times_become_nanoseconds_whatever_their_unit(unit: Any) -> None:
    lengths = [timedelta(seconds=2), None]
    for column in (
        pl.Series(lengths).dt.cast_time_unit(unit),
        pa.array(lengths, pa.duration(unit)),
    ):
        assert ticks(gc.from_iterable(column, 1)) == [(0, 2 * SECOND), (1, None)]
    moment = pl.Series([datetime(2026, 1, 31, 9, 30)]).dt.cast_time_unit(unit)
    assert ticks(gc.replay(moment, moment.to_arrow())) == [(DAWN, DAWN)]


@pytest.mark.parametrize(
    "values", [[1, 2, None], [0.5, None, 2.0], ["a", None, "b"], [[1], [], None]]
)
def test_columns_of_polars_and_arrow_become_python_scalars(values: list[Any]) -> None:
    for column in (pl.Series(values), pa.array(values), pa.chunked_array([values, values])[:3]):
        got = [value for _, value in ticks(gc.replay([1, 2, 3], column))]
        assert (got, list(map(type, got))) == (values, list(map(type, values)))


def test_a_missing_time_in_a_column_is_named_by_its_index() -> None:
    for column in (pl.Series([datetime(2026, 1, 31), None]), pa.array([1, None])):
        with pytest.raises(gc.InvalidTypeError, match="index 1: None is not a time"):
            gc.replay(column, [1, 2]).run()


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]"])
def test_whole_numbers_of_pandas_stay_exact_beside_a_missing_one(dtype: Any) -> None:
    column = pd.Series([2**53 + 1, None], dtype=dtype)
    (_, whole), (_, missing) = ticks(gc.replay([1, 2], column))
    assert (whole, type(whole)) == (2**53 + 1, int)
    assert np.isnan(missing)


def test_an_array_longer_than_a_chunk_is_delivered_completely() -> None:
    array = np.arange(10_000)
    out = gc.replay(array, array).collect()
    out.run()
    assert out.values == out.times == list(range(10_000))


# R6 and delivery


def test_r6_delivery_decides_how_values_of_one_time_are_delivered() -> None:
    times, values = [1, 1, 1, 2], "abcd"
    assert ticks(gc.replay(times, values)) == [(1, "a"), (1, "b"), (1, "c"), (2, "d")]
    burst = gc.replay(times, values, delivery="burst")
    assert ticks(burst) == [(1, ["a", "b", "c"]), (2, ["d"])]
    assert ticks(gc.replay(times, values, delivery="latest")) == [(1, "c"), (2, "d")]


def test_r6_several_sources_deliver_their_same_time_values_in_the_same_cycles() -> None:
    a, b = gc.replay([1, 1], "ab"), gc.replay([1, 1, 1], "xyz")
    assert ticks(a.combine(b)) == [(1, ("a", "x")), (1, ("b", "y")), (1, ("b", "z"))]


def test_from_iterable_delivers_at_the_start_or_a_period_apart() -> None:
    assert ticks(gc.from_iterable("abc")) == [(0, "a"), (0, "b"), (0, "c")]
    assert ticks(gc.from_iterable("abc"), start=7) == [(7, "a"), (7, "b"), (7, "c")]
    assert ticks(gc.from_iterable("abc", "1s"), start=7) == [
        (7, "a"),
        (7 + SECOND, "b"),
        (7 + 2 * SECOND, "c"),
    ]
    assert ticks(gc.from_iterable("abc", delivery="burst")) == [(0, ["a", "b", "c"])]
    assert ticks(gc.from_iterable("abc", delivery="latest")) == [(0, "c")]


def test_from_iterable_takes_a_function_and_an_endless_iterator() -> None:
    assert ticks(gc.from_iterable(lambda: (n for n in (1, 2)))) == [(0, 1), (0, 2)]
    assert [v for _, v in ticks(gc.from_iterable(itertools.count), cycles=3)] == [0, 1, 2]


def test_nothing_to_replay_ends_the_run_at_once() -> None:
    sources: list[gc.Stream[str]] = [gc.replay([], []), gc.replay([]), gc.from_iterable([])]
    for source in sources:
        out = source.collect()
        report = out.run()
        assert (list(out), report.cycles, report.ended_by) == ([], 0, "sources")


# Start, and R12


def test_a_run_starts_at_the_earliest_first_event() -> None:
    late, early = gc.replay([20], "a"), gc.replay([10, 30], "xy")
    out = late.merge_first(early, gc.constant("start")).collect()
    assert out.run().start == 10
    assert list(out) == [(10, "x"), (20, "a"), (30, "y")]


def test_events_before_the_start_are_skipped_and_counted() -> None:
    a, b = gc.replay([1, 2, 2, 3], "abcd"), gc.replay([2, 4], "xy")
    out = a.merge(b).collect()
    report = out.run(start=3)
    assert list(out) == [(3, "d"), (4, "y")]
    assert report.skipped == 4
    assert report.start == 3
    assert out.run().skipped == 0
    everything = out.run(start=5)
    assert (everything.skipped, everything.cycles) == (6, 0)


@given(st.lists(st.integers(0, 20), max_size=10).map(sorted), st.integers(0, 21))
def test_events_that_are_not_skipped_are_delivered(times: list[int], start: int) -> None:
    out = gc.replay(times, times).collect()
    report = out.run(start=start)
    assert out.times == [time for time in times if time >= start]
    assert report.skipped == len(times) - len(out)


def test_r12_lists_arrays_and_functions_serve_any_number_of_runs() -> None:
    for source in (
        gc.replay([1, 2], "ab"),
        gc.replay(np.array([1, 2]), "ab"),
        gc.replay(lambda: iter([(1, "a"), (2, "b")])),
    ):
        out = source.collect()
        for _ in range(3):
            out.run()
            assert list(out) == [(1, "a"), (2, "b")]


@pytest.mark.parametrize(
    "make",
    [
        lambda: gc.replay(iter([(1, "a")])),
        lambda: gc.replay(iter([1]), ["a"]),
        lambda: gc.replay([1], iter(["a"])),
        lambda: gc.from_iterable(iter(["a"])),
    ],
)
def test_r12_an_iterator_serves_one_run(make: Callable[[], gc.Stream[str]]) -> None:
    source = make().named("letters")
    assert len(ticks(source)) == 1
    with pytest.raises(gc.RunError, match=r"letters .* iterator, which serves one run"):
        source.run()


def test_a_run_refused_before_its_start_uses_no_iterator_up() -> None:
    source = gc.replay(iter([(10, "a")]))
    with pytest.raises(gc.InvalidValueError, match="until=5"):
        source.run(until=5)
    assert ticks(source) == [(10, "a")]


# Errors


def test_times_that_go_back_name_index_and_both_times_after_the_event_before() -> None:
    out = gc.replay([10, 30, 20], "abc").named("letters").collect()
    with pytest.raises(gc.InvalidValueError) as caught:
        out.run()
    assert str(caught.value) == "times must not go back: 20 at index 2 comes after 30"
    assert "in letters (Replay)" in caught.value.__notes__[0]
    assert list(out) == [(10, "a"), (30, "b")]


@pytest.mark.parametrize("kind", ["int64", "int32", "datetime64[ns]", "datetime64[us]"])
@pytest.mark.parametrize("place", [1, 4095, 4096, 9_999])
def test_times_of_an_array_that_go_back_name_their_place(kind: str, place: int) -> None:
    times = np.arange(10_000) * 2
    times[place] = times[place - 1] - 1
    out = gc.replay(times.astype(kind), times).collect()
    given = times[place] * (1_000 if kind.endswith("[us]") else 1)
    with pytest.raises(gc.InvalidValueError, match=f"go back: {given} at index {place} comes"):
        out.run()
    assert len(out) == place


def test_times_of_an_array_may_be_equal_and_need_not_lie_side_by_side() -> None:
    times = np.repeat(np.arange(5_000), 2)
    out = ticks(gc.replay(times[::2], times[1::2]))
    assert out == [(each, each) for each in range(5_000)]
    assert {type(time) for time, _ in out} == {int}
    assert [time for time, _ in ticks(gc.replay(times, times))] == times.tolist()


def test_times_that_go_back_are_found_among_skipped_events() -> None:
    with pytest.raises(gc.InvalidValueError, match="20 at index 2 comes after 30"):
        gc.replay([10, 30, 20, 50], "abcd").run(start=40)


@pytest.mark.parametrize("delivery", ["each", "burst", "latest"])
def test_an_iterators_error_comes_after_the_event_before_it(delivery: Any) -> None:
    def events() -> Iterator[tuple[int, str]]:
        yield 10, "a"
        yield 20, "b"
        raise OSError("disk on fire")

    out = gc.replay(events, delivery=delivery).collect()
    with pytest.raises(OSError, match="disk on fire") as caught:
        out.run()
    assert out.times == [10, 20]
    assert out.node.source.value == out.values[-1]
    assert "test_replay.py" in caught.value.__notes__[0]


def test_an_iterator_that_fails_at_once_fails_in_the_first_cycle() -> None:
    for source in (
        gc.from_iterable(lambda: (1 // n for n in [0])),
        gc.replay(lambda: ((1 // n, n) for n in [0])),
    ):
        with pytest.raises(ZeroDivisionError) as caught:
            source.named("quotients").run()
        assert "in quotients" in caught.value.__notes__[0]


def test_an_error_about_nat_names_the_index() -> None:
    times = np.array(["2026-01-31", "NaT"], "M8[s]")
    with pytest.raises(gc.InvalidValueError, match="index 1 is NaT"):
        gc.replay(times, "ab").run()
    with pytest.raises(gc.InvalidValueError, match="index 1: NaT"):
        gc.replay(list(times), "ab").run()


FAR = {3000: 32_503_680_000 * SECOND, 9999: 253_370_764_800 * SECOND}  # past 64 bits of ns


@pytest.mark.parametrize("year", FAR)
@pytest.mark.parametrize(
    "column",
    [
        lambda day: np.array([day], "M8[D]"),
        lambda day: np.array([day], "M8[us]"),
        lambda day: [np.datetime64(day)],
        lambda day: [pd.Timestamp(day)],
        lambda day: pd.Series([day]).astype("M8[s]"),
        lambda day: pd.DatetimeIndex(np.array([day], "M8[s]")).tz_localize("UTC"),
        lambda day: pd.Series([day]).astype("M8[s]").astype(pd.ArrowDtype(pa.timestamp("s"))),
        lambda day: pl.Series([datetime.fromisoformat(day)]),
        lambda day: pa.array([datetime.fromisoformat(day)]),
    ],
)
def test_r1_times_past_64_bits_of_nanoseconds_are_exact_in_every_form(
    year: int, column: Callable[[str], Any]
) -> None:
    days = column(f"{year}-01-01")
    assert ticks(gc.replay(days, [1])) == [(FAR[year], 1)]
    [value] = [value for _, value in ticks(gc.from_iterable(days))]
    assert value == (days[0] if isinstance(days, list) else FAR[year])


def test_times_that_no_whole_number_of_nanoseconds_holds_name_the_index() -> None:
    for times in (np.array([1_000, 1_001], "M8[ps]"), np.array([0, 10**18], "M8[Y]")):
        with pytest.raises(gc.InvalidValueError, match="index 1: .* is finer than a nanosecond"):
            gc.replay(times, "ab").run()


def arrow_backed(values: list[Any], kind: pa.DataType) -> Any:
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, kind)))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_pandas_times_backed_by_arrow_are_times_in_any_unit_and_zone(unit: Any, zone: Any) -> None:
    moment = pa.array([DAWN, DAWN], pa.timestamp("ns", zone)).cast(pa.timestamp(unit, zone))
    column = pd.Series(pd.arrays.ArrowExtensionArray(moment))
    for times in (column, pd.Index(column), column.array):
        assert ticks(gc.replay(times, times)) == [(DAWN, DAWN), (DAWN, DAWN)]


def test_a_missing_item_of_pandas_columns_backed_by_arrow_is_none_and_no_time() -> None:
    for values, kind in (
        ([5, None], pa.timestamp("ns")),
        ([5, None], pa.timestamp("ns", "Europe/Berlin")),
        ([5, None], pa.duration("ns")),
    ):
        column = arrow_backed(values, kind)
        assert ticks(gc.replay([1, 2], column)) == [(1, 5), (2, None)]
        if pa.types.is_timestamp(kind):
            for times, index in ((column, 1), (column[::-1], 0)):
                with pytest.raises(gc.InvalidTypeError, match=f"index {index}: None is not a time"):
                    gc.replay(times, "ab").run()


@pytest.mark.parametrize(
    "column",
    [
        arrow_backed(["a", None], pa.string()),
        arrow_backed([True, None], pa.bool_()),
        arrow_backed([date(2026, 1, 1), None], pa.date32()),
        arrow_backed([Decimal("1.5"), None], pa.decimal128(3, 1)),
        arrow_backed([[1], None], pa.list_(pa.int64())),
        arrow_backed([{"a": 1}, None], pa.struct({"a": pa.int64()})),
        pd.Series([True, None], dtype="boolean"),
        pd.Series(["a", None], dtype="string"),
    ],
)
def test_a_missing_item_is_never_the_na_of_pandas(column: Any) -> None:
    assert [value for _, value in ticks(gc.replay([1, 2], column))] == [column[0], None]


def test_more_values_than_times_name_where_the_shorter_ends() -> None:
    out = gc.replay(iter([1, 2]), iter("abc")).collect()
    with pytest.raises(gc.InvalidValueError, match="the times end at index 2"):
        out.run()
    assert list(out) == [(1, "a"), (2, "b")]
    with pytest.raises(gc.InvalidValueError, match="the values end at index 1"):
        gc.replay(iter([1, 2]), iter("a")).run()


# Real time


@pytest.mark.parametrize("speed", [1.0, 2, 1000.0])
def test_real_time_replay_keeps_order_and_is_never_ahead_of_its_pace(speed: float) -> None:
    offsets = [0, 10_000_000, 10_000_000, 30_000_000]
    out = gc.replay([DAWN + offset for offset in offsets], "abcd", speed=speed).collect()
    report = out.run(realtime=True)
    assert out.values == list("abcd")
    passed = [time - report.start for time in out.times]
    assert all(p >= offset / speed for p, offset in zip(passed, offsets, strict=True))
    assert passed == sorted(passed)
    assert out.times[0] > DAWN


def test_real_time_replay_goes_as_fast_as_the_graph_can_by_default() -> None:
    hours = [DAWN + hour * 3600 * SECOND for hour in range(100)]
    out = gc.replay(hours, range(100)).collect()
    report = out.run(realtime=True, duration="30s")
    assert out.values == list(range(100))
    assert report.ended_by == "sources"


def test_an_endless_replay_in_real_time_still_ends_at_the_bound() -> None:
    source = gc.replay(lambda: ((n, n) for n in itertools.count()))
    assert source.run(realtime=True, duration="20ms").ended_by == "until"


def test_r6_real_time_delivery_is_by_the_recorded_times() -> None:
    source = gc.replay([1, 1, 2], "abc", delivery="burst").collect()
    source.run(realtime=True)
    assert source.values == [["a", "b"], ["c"]]


def test_real_time_from_iterable_keeps_its_period() -> None:
    out = gc.from_iterable("abc", "5ms").collect()
    report = out.run(realtime=True)
    assert out.values == ["a", "b", "c"]
    assert all(time - report.start >= i * 5_000_000 for i, time in enumerate(out.times))


@pytest.mark.parametrize("table", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_frame_is_refused_and_its_columns_are_taken(table: Callable[[Any], Any]) -> None:
    frame = table({"time": [1, 2], "price": [4.0, 5.0]})
    for wrong in ((frame,), (frame["time"], frame)):
        with pytest.raises(gc.InvalidTypeError, match=r"replay takes columns, .*, not a frame"):
            gc.replay(*wrong)
    if table is not pa.table:
        assert ticks(gc.replay(frame["time"], frame["price"])) == [(1, 4.0), (2, 5.0)]


@pytest.mark.parametrize("source", [gc.replay, gc.from_iterable])
def test_a_function_that_makes_nothing_to_iterate_over_is_named_in_a_sentence(source: Any) -> None:
    with pytest.raises(gc.InvalidTypeError, match="must return an iterable, not 5"):
        source(lambda: 5).run()
