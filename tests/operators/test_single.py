"""Operators on one stream: each is tried on a handful of values, the pure ones beside itertools."""

import itertools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan
from typing import Any, NamedTuple

import msgspec
import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

integers = st.lists(st.integers(-5, 5), max_size=12)


def values(stream: gc.Stream[Any]) -> list[Any]:
    return [value for _, value in ticks(stream)]


def test_map_ticks_with_the_functions_result_at_the_time_of_the_value() -> None:
    assert ticks(gc.replay([10, 20], [1, 2]).map(str)) == [(10, "1"), (20, "2")]


def test_filter_lets_through_what_the_predicate_finds_true() -> None:
    assert ticks(gc.replay([10, 20, 30], ["", "a", "b"]).filter(len)) == [(20, "a"), (30, "b")]


def test_filter_map_drops_none_and_keeps_other_false_values() -> None:
    found = {"a": 0, "c": "", "d": False}
    assert values(gc.from_iterable("abcd").filter_map(found.get)) == [0, "", False]


def test_split_gives_those_that_the_predicate_is_true_for_and_the_others() -> None:
    asked: list[int] = []

    def is_even(n: int) -> bool:
        asked.append(n)
        return n % 2 == 0

    even, odd = gc.replay([1, 2, 3], [4, 5, 6]).split(is_even)
    evens, odds = even.collect(), odd.collect()
    gc.Graph(evens, odds).run()
    assert list(evens) == [(1, 4), (3, 6)]
    assert list(odds) == [(2, 5)]
    assert asked == [4, 5, 6]


def test_enumerate_numbers_the_values_from_its_argument() -> None:
    assert values(gc.from_iterable("ab").enumerate()) == [(0, "a"), (1, "b")]
    assert values(gc.from_iterable("ab").enumerate(first=7)) == [(7, "a"), (8, "b")]


def test_with_time_pairs_values_with_engine_time() -> None:
    assert values(gc.replay([10, 20], "ab").with_time()) == [(10, "a"), (20, "b")]


@given(integers)
def test_scan_is_accumulate_with_a_first_value_that_is_not_emitted(numbers: list[int]) -> None:
    function: Callable[[int, int], int] = lambda total, n: 2 * total - n  # noqa: E731  # used twice
    expected = list(itertools.accumulate(numbers, function, initial=3))[1:]
    assert values(gc.from_iterable(numbers).scan(function, 3)) == expected


def test_scan_may_accumulate_to_another_type() -> None:
    assert values(gc.from_iterable([1, 2]).scan(lambda text, n: text + str(n), "")) == ["1", "12"]


@given(integers)
def test_reduce_is_accumulate(numbers: list[int]) -> None:
    expected = list(itertools.accumulate(numbers, operator.sub))
    assert values(gc.from_iterable(numbers).reduce(operator.sub)) == expected


@given(integers)
def test_pairwise_is_pairwise_of_itertools(numbers: list[int]) -> None:
    assert values(gc.from_iterable(numbers).pairwise()) == list(itertools.pairwise(numbers))


@given(integers)
def test_difference_ticks_from_the_second_value_on(numbers: list[int]) -> None:
    expected = [b - a for a, b in itertools.pairwise(numbers)]
    assert values(gc.from_iterable(numbers).difference()) == expected


@given(integers)
def test_distinct_lets_the_first_of_equal_neighbours_through(numbers: list[int]) -> None:
    expected = [key for key, _ in itertools.groupby(numbers)]
    assert values(gc.from_iterable(numbers).distinct()) == expected


def test_distinct_ticks_on_a_first_none_and_keeps_the_first_of_equals() -> None:
    assert values(gc.from_iterable([None, None, 1, 1.0, True, 2])) == [None, None, 1, 1.0, True, 2]
    kept = values(gc.from_iterable([None, None, 1, 1.0, True, 2]).distinct())
    assert [repr(value) for value in kept] == ["None", "1", "2"]


@pytest.mark.parametrize(
    "make",
    [
        lambda s: s.scan(operator.add, 10),
        lambda s: s.reduce(operator.add),
        lambda s: s.enumerate(5),
        lambda s: s.pairwise(),
        lambda s: s.difference(),
        lambda s: s.distinct(),
        lambda s: s.count(),
        lambda s: s.sum(),
        lambda s: s.mean(),
        lambda s: s.min(),
        lambda s: s.max(),
        lambda s: s.limit(2),
        lambda s: s.skip(1),
        lambda s: s.throttle(2),
        lambda s: s.delay(5),
        lambda s: s.buffer(2),
        lambda s: s.window(2),
        lambda s: s.rolling(2).std(),
        lambda s: s.rolling("2ns").sum(),
        lambda s: s.ewm(span=3).mean(),
        lambda s: s.accumulate().map(len),
        lambda s: s.map(lambda n: [n, n]).unroll(),
        lambda s: gc.align(s, s.filter(lambda n: n > 1), key=lambda n: n),
    ],
)
def test_r12_an_operator_with_state_begins_anew_in_each_run(
    make: Callable[[gc.Stream[int]], gc.Stream[Any]],
) -> None:
    out = make(gc.replay([1, 2, 3, 4], [3, 3, 1, 2])).collect()
    out.run()
    first = list(out)
    assert first
    out.run()
    assert list(out) == first


def test_starmap_spreads_each_value() -> None:
    assert values(gc.from_iterable([(1, 2), (3, 4)]).starmap(operator.mul)) == [2, 12]


def test_unzip_gives_streams_that_tick_together() -> None:
    left, right = gc.replay([1, 2], [(1, "a"), (2, "b")]).unzip(2)
    assert ticks(left.combine(right)) == [(1, (1, "a")), (2, (2, "b"))]
    assert ticks(left) == [(1, 1), (2, 2)]


@pytest.mark.parametrize("given_tuple", [(1,), (1, 2, 3)])
def test_unzip_refuses_a_tuple_of_another_length(given_tuple: tuple[int, ...]) -> None:
    with pytest.raises(gc.InvalidValueError, match=r"unzip\(2\) was given \(1"):
        gc.constant(given_tuple).unzip(2)[0].run()


class Named(NamedTuple):
    bid: int
    ask: int


@dataclass(frozen=True)
class Plain:
    bid: int
    ask: int


class Struct(msgspec.Struct, frozen=True):
    bid: int
    ask: int


@pytest.mark.parametrize("kind", [Named, Plain, Struct, dict])
def test_replace_puts_constants_and_present_values_into_a_copy_of_a_record(kind: Any) -> None:
    record = kind(bid=1, ask=2)
    records = gc.replay([1, 2, 3], [record, record, record])
    asks = gc.replay([2, 4], [7, 9])
    assert ticks(records.replace(bid=0, ask=asks)) == [
        (2, kind(bid=0, ask=7)),
        (3, kind(bid=0, ask=7)),
    ]
    assert record == kind(bid=1, ask=2)


@pytest.mark.parametrize("record", [Named(1, 2), Plain(1, 2), Struct(1, 2), {"bid": 1}])
def test_replace_refuses_a_field_that_the_record_does_not_have(record: object) -> None:
    with pytest.raises(gc.InvalidValueError, match="has no field 'price' to replace"):
        gc.constant(record).replace(price=1).run()


def test_replace_refuses_what_is_no_record() -> None:
    with pytest.raises(gc.InvalidTypeError, match="replace takes dataclasses, .* not 5"):
        gc.constant(5).replace(price=1).run()
    with pytest.raises(gc.InvalidTypeError, match="replace needs at least one field"):
        gc.constant(5).replace()


numbers_of = st.lists(st.floats(-100, 100), min_size=1, max_size=12)


@given(numbers_of, st.integers(1, 3))
def test_lag_and_the_changes_are_pandas_shift_diff_and_pct_change(
    numbers: list[float], lag: int
) -> None:
    series = pandas.Series(numbers)
    stream = gc.from_iterable(numbers)
    assert values(stream.lag(lag)) == list(series.shift(lag)[lag:])
    assert values(stream.difference(lag)) == list(series.diff(lag)[lag:])
    if 0.0 not in numbers:
        expected = list(series.pct_change(lag)[lag:])
        assert values(stream.pct_change(lag)) == expected


@given(st.lists(st.integers(0, 4), min_size=1, max_size=10), st.integers(1, 5))
def test_lag_by_a_duration_is_the_newest_value_that_is_old_enough(
    gaps: list[int], duration: int
) -> None:
    times = list(itertools.accumulate(gaps))
    expected = []
    for now in range(len(times)):
        old = [i for i in range(now + 1) if times[i] <= times[now] - duration]
        if old:
            expected.append((times[now], old[-1]))
    assert ticks(gc.replay(times, range(len(times))).lag(f"{duration}ns")) == expected


def test_pct_change_from_zero_is_pythons_error() -> None:
    with pytest.raises(ZeroDivisionError):
        gc.from_iterable([0, 1]).pct_change().run()


@pytest.mark.parametrize("lag", [0, -1, "0s", True, 1.5])
def test_a_lag_is_a_positive_count_or_duration(lag: Any) -> None:
    with pytest.raises(gc.GraphcoreError):
        gc.constant(1).lag(lag)


def test_time_interval_pairs_each_value_with_the_time_since_the_last() -> None:
    assert ticks(gc.replay([1, 4, 4], "abc").time_interval()) == [(4, (3, "b")), (4, (0, "c"))]


def test_ffill_and_fillna_replace_nan_and_none() -> None:
    stream = gc.from_iterable([nan, 1.0, None, nan, 0.0])
    assert values(stream.ffill()) == [1.0, 1.0, 1.0, 0.0]
    assert values(stream.fillna(9.0)) == [9.0, 1.0, 9.0, 9.0, 0.0]


@given(st.lists(st.sampled_from([nan, inf, -inf, -0.5, 0.0, 2.5, 1.0])))
def test_clip_round_and_sign_are_those_of_numpy(numbers: list[float]) -> None:
    stream, array = gc.from_iterable(numbers), numpy.array(numbers, dtype=float)
    assert numpy.array_equal(values(stream.clip(-0.5, 1.5)), array.clip(-0.5, 1.5), equal_nan=True)
    assert numpy.array_equal(values(stream.clip(low=0.0)), array.clip(0.0), equal_nan=True)
    assert numpy.array_equal(values(stream.clip(high=0.0)), array.clip(max=0.0), equal_nan=True)
    assert numpy.array_equal(values(stream.round()), array.round(), equal_nan=True)
    assert numpy.array_equal(values(stream.sign()), numpy.sign(array), equal_nan=True)


def test_clip_refuses_bounds_that_are_no_bounds() -> None:
    stream = gc.constant(1.0)
    with pytest.raises(gc.InvalidValueError, match="low must not be above high, and 2.0 is above"):
        stream.clip(2.0, 1.0)
    with pytest.raises(gc.InvalidValueError, match="high must not be NaN"):
        stream.clip(high=nan)
    with pytest.raises(gc.InvalidTypeError, match="low must be a value, not a stream"):
        stream.clip(stream)  # type: ignore[arg-type]  # what is tried


def test_default_ticks_in_the_first_cycle_if_its_stream_does_not() -> None:
    late, early = gc.replay([3], ["a"]), gc.replay([1], ["b"])
    both = gc.Graph(one := late.default("x").collect(), other := early.default("x").collect())
    both.run()
    assert list(one) == [(1, "x"), (3, "a")]
    assert list(other) == [(1, "b")]
    assert ticks(gc.never().default("x")) == [(0, "x")]


def test_check_hands_values_on_and_raises_at_a_wrong_one() -> None:
    seen: list[int] = []
    checked = gc.from_iterable([1, 2, -1, 3]).check(lambda n: n > 0, "not positive").named("lots")
    with pytest.raises(gc.CheckError, match="not positive: -1") as caught:
        checked.for_each(seen.append).run()
    assert seen == [1, 2]
    assert "in lots" in caught.value.__notes__[0]


def test_stop_run_ends_the_run_after_the_cycle() -> None:
    numbers = gc.from_iterable([1, 2, 3], period=1)
    ended = numbers.filter(lambda n: n == 2).stop_run()
    later = numbers.collect()
    report = gc.Graph(ended, later).run()
    assert report.ended_by is gc.EndedBy.STOP
    assert later.values == [1, 2]


def test_inspect_calls_a_function_and_hands_the_value_on() -> None:
    seen: list[int] = []
    assert values(gc.from_iterable([1, 2]).inspect(seen.append)) == seen == [1, 2]


def test_try_map_ticks_failures_in_place_of_ending_the_run() -> None:
    texts = gc.replay([1, 2, 3], ["1", "x", "2"]).named("texts")
    numbers, failures = texts.try_map(int)
    numbers.named("parsed")
    good, bad = numbers.collect(), failures.collect()
    gc.Graph(good, bad).run()
    assert list(good) == [(1, 1), (3, 2)]
    [(time, failure)] = bad
    assert (time, failure.time, failure.node) == (2, 2, "parsed")
    assert failure.values == {"texts": "x"}
    assert type(failure.exception) is ValueError


def test_try_map_does_not_catch_an_interrupt() -> None:
    def interrupt(value: int) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gc.constant(1).try_map(interrupt)[1].run()
