"""Bars beside pandas' `resample`, in UTC, in zones where the clock changes, and by sessions."""

from collections.abc import Sequence
from math import isnan, nan
from time import monotonic_ns
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
Side = Literal["left", "right"]
SIDES: list[Side] = ["left", "right"]
sides = st.sampled_from(SIDES)
FIGURES = ["first", "last", "min", "max", "count", "sum", "mean", "var", "std", "median"]
numbers = st.integers(-99, 99) | st.floats(-1e6, 1e6) | st.just(nan)


def same(found: Sequence[Any], expected: Sequence[Any]) -> None:
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


@given(
    st.lists(st.tuples(st.integers(0, 60), numbers), min_size=1, max_size=25),
    st.integers(1, 13),
    sides,
    sides,
    st.sampled_from([None, "ffill", "nan"]),
)
def test_bars_are_those_of_pandas(
    events: list[tuple[int, float]], period: int, closed: Side, label: Side, fill: Any
) -> None:
    times, values = zip(*sorted(events, key=lambda event: event[0]), strict=True)
    source = gc.replay(times, values)
    bars = source.resample(period, closed=closed, label=label, fill=fill)
    labels, starts = bars.label().collect(), bars.start().collect()
    ends = bars.end().collect()
    outs = {name: getattr(bars, name)().collect() for name in FIGURES}
    ohlc = bars.ohlc().collect()
    gc.Graph(labels, starts, ends, ohlc, *outs.values()).run()

    series = pd.Series(values, pd.DatetimeIndex(np.array(times, dtype="M8[ns]")), dtype=float)
    spans = series.resample(pd.Timedelta(period), closed=closed, label=label, origin="epoch")
    came = spans.size() > 0
    kept = came if fill is None else came | True
    assert labels.values == list(came.index.astype("int64")[kept])
    assert all(end - start == period for start, end in zip(starts.values, ends.values, strict=True))
    assert labels.values == (starts if label == "left" else ends).values
    # The last one ticks when the run ends.
    assert labels.times[:-1] == ends.values[:-1]
    assert labels.times[-1] == times[-1]
    for name in FIGURES:
        figures = getattr(spans, name)()
        if fill == "ffill":
            known = figures[came]
            figures = pd.Series(known.to_numpy()[came.cumsum() - 1], figures.index)
        same(outs[name].values, list(figures[kept]))
    prices = spans.ohlc()
    prices = prices[came].reindex(prices.index, method="ffill") if fill == "ffill" else prices
    for name in ("open", "high", "low", "close"):
        same([getattr(bar, name) for bar in ohlc.values], list(prices[name][kept]))
    counts = [bar.count for bar in ohlc.values]
    assert counts == list(spans.count()[kept])
    assert [bar.label for bar in ohlc.values] == labels.values


def test_the_incomplete_bar_at_the_end_carries_its_whole_span() -> None:
    source = gc.replay([5, 12], [1.0, 2.0])
    assert ticks(source.resample(10, label="right").ohlc()) == [
        (10, gc.Bar(1.0, 1.0, 1.0, 1.0, 1, start=0, end=10, label=10)),
        (12, gc.Bar(2.0, 2.0, 2.0, 2.0, 1, start=10, end=20, label=20)),
    ]
    assert ticks(source.resample(10, partial=False).sum()) == [(10, 1.0)]


def test_bars_keep_no_run_alive_and_end_with_it() -> None:
    out = gc.replay([5], [1.0]).resample(10, fill="ffill").sum().collect()
    report = out.run()
    assert (list(out), report.end, report.ended_by) == ([(5, 1.0)], 5, gc.EndedBy.SOURCES)
    bounded = out.run(until=50)
    assert (list(out), bounded.end) == ([(5, 1.0)], 5)


def test_without_align_spans_are_counted_from_the_start_of_the_run() -> None:
    source = gc.replay([7, 9, 16, 17, 30], [1, 2, 3, 4, 5])
    bars = source.resample(10, align=False)
    assert ticks(bars.values()) == [(17, [1, 2, 3]), (27, [4]), (30, [5])]
    assert [start for _, start in ticks(bars.start(), start=5)] == [5, 15, 25]


def test_all_values_at_the_end_of_a_span_that_is_closed_there_belong_to_it() -> None:
    # "y" comes in the cycle in which the span ends, and "z" in one after it: then it has ticked.
    late = gc.replay([6], "y").debounce(4)
    after = late.delay(0).map(lambda _: "z")
    source = gc.replay([4, 10, 10, 14], "abcd").merge(late, after)
    expected = [(10, ["a", "b", "c", "y"]), (14, ["z", "d"])]
    assert ticks(source.resample(10, closed="right").values()) == expected
    assert ticks(source.window(10, align=True, closed="right")) == [expected[0], (20, ["z", "d"])]
    source = gc.replay([4, 34], "ab").merge(late)
    assert ticks(source.resample(10, closed="right").values()) == [(10, ["a", "y"]), (34, ["b"])]
    # Alone, they begin the span that ends at once.
    alone = late.merge(after).resample(10, closed="right", fill="nan")
    assert ticks(alone.values()) == [(10, ["y", "z"])]


def test_bars_of_each_key_are_those_of_its_own_values() -> None:
    trades = gc.replay([1, 2, 12, 25], [("a", 1.0), ("b", 5.0), ("a", 2.0), ("b", 7.0)])
    keyed = trades.group_by(
        lambda trade: trade[0], lambda own, key: own[1].resample(10, fill="nan").sum()
    )
    assert ticks(keyed.changes) == [
        (10, {"a": 1.0, "b": 5.0}),
        (20, {"a": 2.0, "b": 0}),
        (25, {"b": 7.0}),
    ]


def test_vwap_weights_each_price_by_the_present_size() -> None:
    prices = gc.replay([1, 2, 3, 12], [10.0, 20.0, 40.0, 5.0])
    sizes = gc.replay([2, 3, 12, 12], [1, 3, 0, nan])
    # The first price has no size yet; 35 = (20 * 1 + 40 * 3) / 4.
    [(_, first), (_, second)] = ticks(prices.resample(10).vwap(sizes))
    assert first == 35.0
    assert isnan(second)


def test_a_live_run_gives_the_bars_of_a_historical_run_over_the_same_values() -> None:
    def hold_up(number: int) -> None:
        late = monotonic_ns() + 9_000_000  # for several spans
        while number % 10 in (0, 1) and monotonic_ns() < late:
            pass

    source = gc.ticker("1ms").count()
    stamped = source.with_time().collect()
    held = source.inspect(hold_up)
    # The run ends while empty spans are still to tick, because of the value before, and its closing
    # instant is later than the span of the last value.
    end = held.filter(lambda number: number == 31).stop_run()
    outs = [held.resample("2ms", closed=side, fill="nan").ohlc().collect() for side in SIDES]
    gc.Graph(stamped, end, *outs).run(realtime=True)
    again = gc.replay(stamped.times, range(1, 32))
    replayed = [again.resample("2ms", closed=side, fill="nan").ohlc().collect() for side in SIDES]
    gc.Graph(*replayed).run(start=stamped.times[0])
    for live, later in zip(outs, replayed, strict=True):
        # Further spans end between the last value and the closing instant of the live run.
        assert repr(live.values[: len(later)]) == repr(later.values)
        assert not any(bar.count for bar in live.values[len(later) :])
        assert any(bar.count == 0 for bar in later.values)


@pytest.mark.parametrize("closed", SIDES)
def test_r13_a_live_run_that_is_too_slow_for_its_bars_skips_empty_ones(
    closed: Side, caplog: pytest.LogCaptureFixture
) -> None:
    def hold_up(count: int) -> None:
        late = monotonic_ns() + 10_000  # for ten spans
        while monotonic_ns() < late:
            pass

    source = gc.ticker("1ms").count()
    seen = source.collect()
    bars = source.resample("1us", closed=closed, fill="nan").count().named("counts")
    out = bars.inspect(hold_up).collect()
    end = source.filter(lambda number: number == 20).stop_run()
    report = gc.Graph(seen, out, end).run(realtime=True, duration="20s")
    assert report.ended_by is gc.EndedBy.STOP
    assert len(seen) == sum(out.values) == 20
    assert "late, so empty spans were skipped" in caplog.text


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=20).map(sorted),
    st.integers(1, 13),
    st.booleans(),
    sides,
    st.integers(0, 9),
)
def test_windows_are_the_values_of_bars_but_keep_the_run_alive(
    times: list[int], length: int, align: bool, closed: Side, start: int
) -> None:
    source = gc.replay(times, range(len(times)))
    bars = source.resample(length, align=align, closed=closed)
    values, ends = bars.values().collect(), bars.end().collect()
    gc.Graph(values, ends).run(start=start)
    expected = list(zip(ends.values, values.values, strict=True))
    assert ticks(source.window(length, align=align, closed=closed), start=start) == expected


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        (lambda s: s.resample(0), "a period must be longer than 0, not 0"),
        (
            lambda s: s.resample("1min", closed="both"),
            'closed must be "left" or "right", not \'both',
        ),
        (lambda s: s.resample("1min", label=1), 'label must be "left" or "right", not 1'),
        (lambda s: s.window("1min", closed=None), 'closed must be "left" or "right", not None'),
        (lambda s: s.resample("1min", fill=0), 'fill must be "ffill", "nan" or None, not 0'),
        (lambda s: s.resample("1min", align=False, zone="UTC"), "need align=True"),
        (lambda s: s.resample("1min", zone="UTC", calendar="XNYS"), "a zone or a calendar, not"),
        (lambda s: s.resample("1min", zone="Mars"), "'Mars' is not a time zone"),
        (lambda s: s.resample("1min", calendar="MARS"), "'MARS' is not a calendar"),
        (lambda s: s.resample("1min").map(str), "bars have no map: call a figure on them first"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(wire: Any, said: str) -> None:
    with pytest.raises((gc.GraphcoreError, AttributeError)) as caught:
        wire(gc.constant(1.0))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
