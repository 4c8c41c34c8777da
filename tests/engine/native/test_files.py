"""Files and tables in machine code: read column by column, with the events and errors of rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphcore as gc

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("llvmlite")

from graphcore.engine.native import feed, paying
from graphcore.engine.native import tier as native_tier
from graphcore.engine.native.run import Pace
from graphcore.tables.read import files, rows

COUNT = 900


@pytest.fixture(autouse=True)
def short_pace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native_tier, "PACE", Pace(3, 250))
    monkeypatch.setattr(files, "BATCH_ROWS", 100)
    monkeypatch.setattr(rows, "BATCH_ROWS", 100)
    monkeypatch.setenv("GRAPHCORE_CACHE", str(tmp_path / "cache"))


def prices() -> Any:
    return np.random.default_rng(2).normal(100, 5, COUNT)


def times() -> Any:
    return np.cumsum(np.random.default_rng(3).integers(0, 9, COUNT))


def both(path: Path, at: Any, values: Any, **options: Any) -> tuple[str, list[Any]]:
    """Run over a file on the fused and on the native tier; return what the latter tells and ticks.

    What a run raises ends the ticks, as text.
    """
    parquet.write_table(pa.table({"at": at, "price": values}), path / "trades.parquet")
    name = str(path / "trades.parquet")
    return on_both(lambda: gc.read_parquet(name, time="at", value="price"), **options)


def on_both(wire: Callable[[], gc.Stream[Any]], **options: Any) -> tuple[str, list[Any]]:
    """Run over a stream on the fused and on the native tier; see `both`."""
    ticks: list[list[Any]] = []
    for tier in ("fused", "native"):
        price = wire()
        out = price.map(lambda x: x if x is None else x * 2).collect()
        graph = gc.Graph(out)
        raised = ""
        try:
            report = graph.run(tier=tier, **options)  # type: ignore[arg-type]  # a tier's name
            raised = f"skipped {report.skipped}"
        except Exception as error:
            raised = f"{error}"
        ticks.append([*((time, type(value), value) for time, value in out), raised])
    assert list(map(repr, ticks[0])) == list(map(repr, ticks[1]))
    return graph.explain("native"), ticks[1]


def refuse(values: Any) -> None:
    raise AssertionError(f"{len(values)} values were copied from a list")


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x,
        lambda x: x.astype(np.float32),
        lambda x: x.astype(np.int64),
        lambda x: x.astype(np.int16),
        lambda x: x > 100,
    ],
)
def test_columns_of_numbers_are_read_as_arrays(
    make: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "column_of", refuse)
    told, _ = both(tmp_path, times(), make(prices()))
    assert told.startswith("native: 897 of 900")


@pytest.mark.parametrize("options", [{"start": 1200}, {"until": 2000}, {"cycles": 333}])
def test_bounds_end_a_run_over_a_file(options: dict[str, Any], tmp_path: Path) -> None:
    stamps = pa.array(times()).cast(pa.timestamp("ns", "UTC"))
    told, ticks = both(tmp_path, stamps, prices(), **options)
    assert 100 < len(ticks) < COUNT
    assert told.startswith("native")


def test_missing_values_are_read_as_rows(tmp_path: Path) -> None:
    values = prices().tolist()
    values[450] = None
    told, ticks = both(tmp_path, times(), pa.array(values))
    assert ticks[450][2] is None
    assert told.startswith("native")


@pytest.mark.parametrize("row", [0, 250, 300, 899])
def test_rows_before_a_wrong_time_are_delivered(row: int, tmp_path: Path) -> None:
    at = times() + 10
    at[row] = -5 if row else 10**9
    _, ticks = both(tmp_path, at, prices())
    assert "times must not go back" in ticks[-1]
    assert len(ticks) == max(row, 1) + 1


@pytest.mark.parametrize("unit", ["us", "ms", "s"])
def test_times_of_other_units_are_read_as_arrays(
    unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "column_of", refuse)
    told, ticks = both(tmp_path, pa.array(times()).cast(pa.timestamp(unit)), prices())
    assert told.startswith("native: 897 of 900")
    factor = {"us": 10**3, "ms": 10**6, "s": 10**9}[unit]
    assert [time for time, *_ in ticks[:-1]] == [int(time) * factor for time in times()]


@pytest.mark.parametrize("late", [1 << 62, -1 << 63])
def test_times_that_64_bits_of_nanoseconds_cannot_hold_are_pythons(
    late: int, tmp_path: Path
) -> None:
    at = times()
    at[-1 if late > 0 else 0] = late
    _, ticks = both(tmp_path, pa.array(at).cast(pa.timestamp("us")), prices(), start=0)
    assert late < 0 or ticks[-2][0] == late * 1_000


def test_an_empty_file_runs(tmp_path: Path) -> None:
    both(tmp_path, times()[:0], prices()[:0])


def test_the_tier_is_chosen_by_the_rows_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FEWEST_EVENTS", "FEWEST_AGAIN"):
        monkeypatch.setattr(paying, name, COUNT)
    path = str(tmp_path / "trades.parquet")
    parquet.write_table(pa.table({"at": times(), "price": prices(), "name": ["A"] * COUNT}), path)

    def told(value: str) -> str:
        graph = gc.Graph(gc.read_parquet(path, time="at", value=value).count())
        graph.run(tier="auto")
        return graph.explain("auto").partition("\n")[0]

    assert told("price") == "native: 897 of 900 cycles ran in machine code"
    assert told("name") == "fused: no source has its events in arrays"
    monkeypatch.setattr(paying, "FEWEST_AGAIN", COUNT + 1)
    assert told("price") == "fused: machine code pays from 901 events on, and here are 900"


@pytest.mark.parametrize("library", ["pyarrow", "pandas", "polars"])
def test_columns_of_tables_are_read_as_arrays(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "column_of", refuse)
    columns = {"at": times(), "price": prices(), "name": ["A"] * COUNT}
    module = pytest.importorskip(library)
    table = pa.table(columns) if library == "pyarrow" else module.DataFrame(columns)
    told, _ = on_both(lambda: gc.from_table(table, time="at", value="price"))
    assert told.startswith("native: 897 of 900")


@pytest.mark.parametrize("delivery", ["each", "latest"])
def test_a_column_of_a_table_with_missing_values_is_read_as_rows(delivery: Any) -> None:
    values = [*prices().tolist(), None]
    table = pa.table({"at": [*times(), 10**6], "price": values})
    _, ticks = on_both(lambda: gc.from_table(table, time="at", value="price", delivery=delivery))
    assert ticks[-2] == (10**6, type(None), None)


def test_the_tier_is_chosen_by_the_rows_of_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FEWEST_EVENTS", "FEWEST_AGAIN"):
        monkeypatch.setattr(paying, name, COUNT)
    table = pa.table({"at": times(), "price": prices()})
    graph = gc.Graph(gc.from_table(table, time="at", value="price").count())
    graph.run(tier="auto")
    assert graph.explain("auto").startswith("native: 897 of 900 cycles")
