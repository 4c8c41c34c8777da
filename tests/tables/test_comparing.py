"""`compare`: where a run differs from a recording, in the graph and on the command line."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import graphcore as gc
from graphcore.cli import application


def compared(recorded: Any, stream: Any, **options: Any) -> list[tuple[int, str, Any, Any]]:
    gc.replay(recorded).record("a.parquet").run()
    out = gc.replay(stream).compare("a.parquet", **options).collect()
    out.run(start=0)
    assert out.times == [each.time for each in out.values]
    return [(each.time, each.kind, each.expected, each.actual) for each in out.values]


def test_a_run_that_is_as_recorded_has_no_difference() -> None:
    events = [(1, "a"), (1, "b"), (2, "c")]
    assert compared(events, events) == []


def test_what_changed_what_is_missing_and_what_was_added_ticks() -> None:
    recorded = [(1, "a"), (2, "b"), (2, "c"), (4, "e"), (9, "f")]
    assert compared(recorded, [(1, "a"), (2, "x"), (3, "d"), (4, "e"), (4, "g")]) == [
        (2, "changed", "b", "x"),
        (2, "missing", "c", None),
        (3, "added", None, "d"),
        (4, "added", None, "g"),
        (9, "missing", "f", None),
    ]


def test_values_are_compared_in_the_cycles_in_which_they_ticked() -> None:
    def filtered(keep: list[int]) -> gc.Stream[int]:
        return gc.replay([5] * 4, range(4)).filter(lambda n: n in keep)

    filtered([1, 3]).record("a.parquet").run()
    out = filtered([2, 3]).compare("a.parquet").collect()
    out.run()
    assert [(each.kind, each.expected, each.actual) for each in out.values] == [
        ("missing", 1, None),
        ("added", None, 2),
    ]


class Side(Enum):
    BUY = "buy"


class Pair(NamedTuple):
    left: float
    right: str


@dataclass
class Order:
    at: datetime
    side: Side
    prices: list[float]
    pair: Pair
    cost: Decimal


def order(**changes: Any) -> Order:
    autumn = datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"), fold=1)
    fields = {"at": autumn, "side": Side.BUY, "prices": [1.0, float("nan")], "pair": Pair(2.0, "a")}
    return Order(**{**fields, "cost": Decimal("1.50"), **changes})


def test_records_equal_what_a_file_gives_back_of_them() -> None:
    assert compared([(1, order())], [(1, order())]) == []
    later = order().at + timedelta(microseconds=1)
    for change in (
        {"at": later},
        {"prices": [1.0, 2.0]},
        {"prices": [1.0]},
        {"pair": Pair(2.5, "a")},
        {"cost": Decimal("1.51")},
    ):
        [(_, kind, _, actual)] = compared([(1, order())], [(1, order(**change))])
        assert (kind, repr(actual)) == ("changed", repr(order(**change)))  # a NaN equals none


@pytest.mark.parametrize(
    ("recorded", "actual", "same"),
    [
        (float("nan"), np.float64("nan"), True),
        (float("nan"), 1.0, False),
        (1, 1.0, True),
        (1, True, False),
        (True, np.True_, True),
        (0.0, -0.0, True),
        ([1, 2], (1, 2), True),
        ([1.5], np.array([1.5]), True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (datetime(2026, 1, 1), np.datetime64("2026-01-01"), True),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1), False),
        ("1", 1, False),
        (None, float("nan"), False),
    ],
    ids=repr,
)
def test_which_values_are_the_same(recorded: Any, actual: Any, same: bool) -> None:
    assert (compared([(1, recorded)], [(1, actual)]) == []) is same


@pytest.mark.parametrize("tolerance", [0.0, 1e-9, 0.01])
def test_tolerance_is_relative_and_counts_in_the_parts_of_values(tolerance: float) -> None:
    for scale in (1e-12, 1.0, -1e12):
        inside, outside = scale * (1 + tolerance / 2), scale * (1 + tolerance * 2 + 1e-12)
        for holds in (lambda x: x, lambda x: {"a": [x]}):
            assert compared([(1, holds(scale))], [(1, holds(inside))], tolerance=tolerance) == []
            assert compared([(1, holds(scale))], [(1, holds(outside))], tolerance=tolerance) != []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=20), st.data())
def test_the_differences_are_those_of_two_dicts(
    steps: list[tuple[int, int]], data: st.DataObject
) -> None:
    times = np.cumsum([1 + step for step, _ in steps]).tolist()
    recorded = dict(zip(times, [value for _, value in steps], strict=True))
    run = {t: data.draw(st.integers(0, 2)) for t in times if data.draw(st.booleans())}
    run |= {t + 100: 1 for t in times[:2]}
    expected = [
        (t, recorded.get(t), run.get(t))
        for t in sorted({*recorded, *run})
        if recorded.get(t) != run.get(t)
    ]
    found = compared(list(recorded.items()), list(run.items()))
    assert [(t, there, here) for t, _, there, here in found] == expected


def test_it_is_refused_live_and_with_a_wrong_tolerance() -> None:
    gc.constant(1).record("a.parquet").run()
    with pytest.raises(gc.RunError, match="compare needs a historical run"):
        gc.constant(1).compare("a.parquet").run(realtime=True)
    with pytest.raises(gc.InvalidTypeError, match="tolerance must be a number, not 'much'"):
        gc.constant(1).compare("a.parquet", tolerance="much")  # type: ignore[arg-type]  # wrong
    with pytest.raises(gc.InvalidValueError, match="tolerance must be at least 0, not -1"):
        gc.constant(1).compare("a.parquet", tolerance=-1)
    with pytest.raises(gc.RunError, match="cannot read none.parquet"):
        gc.constant(1).compare("none.parquet").run()


def command(*arguments: str) -> tuple[int, list[str]]:
    done = CliRunner().invoke(application(), ["compare", *arguments])
    return done.exit_code, done.output.splitlines()


def test_the_command_prints_the_differences_and_tells_by_its_exit_code() -> None:
    gc.replay([1, 2, 2, 4], [1.0, 2.0, 3.0, 4.0]).record("a.parquet").run()
    gc.replay([1, 2, 3, 4], [1.0, 2.5, 9.0, 4.0000001]).record("b.parquet").run()
    assert command("a.parquet", "a.parquet") == (0, ["0 differences"])
    at = "1970-01-01T00:00:00.00000000"
    assert command("a.parquet", "b.parquet", "--tolerance", "1e-6") == (
        1,
        [
            f"{at}2Z changed 2.0 to 2.5",
            f"{at}2Z missing 3.0",
            f"{at}3Z added 9.0",
            "3 differences",
        ],
    )
    code, lines = command("a.parquet", "b.parquet", "--show", "1")
    assert (code, lines[1:]) == (1, ["... and 3 more", "4 differences"])


def test_the_command_compares_other_tables_and_says_what_is_wrong() -> None:
    pl.DataFrame({"at": [1, 2], "x": [1, 2]}).write_parquet("a.parquet")
    pl.DataFrame({"at": [1, 2], "x": [1, 3]}).write_parquet("b.parquet")
    code, lines = command("a.parquet", "b.parquet", "--time", "at")
    assert code == 1 and "changed {'x': 2} to {'x': 3}" in lines[0]
    code, lines = command("a.parquet", "b.parquet")
    assert (code, lines) == (
        2,
        ["graphcore: a.parquet has no column `time`; its columns are at, x"],
    )
