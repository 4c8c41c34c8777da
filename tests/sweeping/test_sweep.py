import io
import re
import sys
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import graphcore as gc

TIMES = list(range(10, 60))
PRICES = [100 + (7 * n % 13) / 4 for n in range(50)]


def crossover(fast: int, slow: int) -> dict[str, gc.Handle]:
    prices = gc.replay(TIMES, PRICES)
    gap = prices.ewm(span=fast).mean() - prices.ewm(span=slow).mean()
    return {"gap": gap, "crossings": (gap > 0).distinct().count()}


def one_by_one(build: Callable[..., Any], sets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run each set as a user would without a sweep."""
    rows = []
    for parameters in sets:
        sinks = build(**parameters)
        gc.Graph(*sinks.values()).run()
        values = {name: sink.value for name, sink in sinks.items()}
        rows.append({**parameters, **values, "error": None})
    return rows


SETS = [{"fast": fast, "slow": slow} for fast in (2, 5) for slow in (7, 9, 30)]


@pytest.mark.parametrize(
    "grid",
    [
        {"fast": [2, 5], "slow": (7, 9, 30)},
        {"fast": np.array([2, 5]), "slow": pd.Series([7, 9, 30])},
        {"fast": iter([2, 5]), "slow": [7, 9, 30]},
        SETS,
        iter(SETS),
        pd.DataFrame(SETS),
        pd.DataFrame(SETS, index=pd.Index([3, 1, 4, 1, 5, 9])),
        pl.DataFrame(SETS),
        pa.Table.from_pylist(SETS),
    ],
    ids=lambda grid: type(grid).__module__,
)
def test_each_form_of_a_grid_gives_the_rows_of_runs_one_by_one(grid: Any) -> None:
    assert list(gc.sweep(crossover, grid)) == one_by_one(crossover, SETS)


@pytest.mark.parametrize("tier", ["fused", "interpreted", "native"])
def test_the_options_of_runs_are_those_of_history(tier: Any) -> None:
    if tier == "native":
        pytest.importorskip("llvmlite")
    found = gc.sweep(
        lambda n: {"last": gc.replay(TIMES, PRICES).map(lambda x: x * n).collect()},
        {"n": [1, 2]},
        take="columns",
        tier=tier,
        start=20,
        until=22,
    )
    assert [row["last.time"].tolist() for row in found] == [[20, 21, 22]] * 2
    assert [row["last.value"].tolist() for row in found] == [
        [x * n for x in PRICES[10:13]] for n in (1, 2)
    ]


def sinks(n: int) -> dict[str, gc.Handle]:
    numbers = gc.replay([1, 2, 3], [n, n + 1, n + 2])
    return {
        "stream": numbers,
        "kept": numbers.map(float).collect(),
        "texts": numbers.map(str),
        "never": numbers.filter(lambda x: x < 0),
        "rows": gc.frame(a=numbers, b=numbers.filter(lambda x: x % 2 == 0), fill="last"),
    }


def test_the_last_values_of_streams_collections_and_frames() -> None:
    [row] = gc.sweep(sinks, {"n": [5]})
    assert row == {
        "n": 5,
        "stream": 7,
        "kept": 7.0,
        "texts": "7",
        "never": None,
        "rows.a": 7,
        "rows.b": 6,
        "error": None,
    }


def test_whole_columns_of_streams_collections_and_frames() -> None:
    found = gc.sweep(sinks, {"n": [5]}, take="columns")
    [row] = found
    times = array("q", [1, 2, 3])
    assert row["stream.time"] == row["kept.time"] == row["rows.time"] == times
    assert row["stream.value"] == array("q", [5, 6, 7])
    assert row["kept.value"] == array("d", [5, 6, 7])
    assert row["texts.value"] == ["5", "6", "7"]
    assert row["never.time"] == row["never.value"] == []
    assert row["rows.b"] == [None, 6, 6]
    arrow = found.to_arrow().to_pylist()[0]
    assert arrow["kept.value"] == [5.0, 6.0, 7.0]
    assert arrow["rows.b"] == [None, 6, 6]
    assert found.to_polars()["kept.value"].to_list() == [[5.0, 6.0, 7.0]]
    assert found.to_pandas()["kept.value"].tolist() == [[5.0, 6.0, 7.0]]


def test_reducers_and_what_is_taken_by_name() -> None:
    [row] = gc.sweep(
        sinks,
        {"n": [5]},
        take={"stream": lambda out: sum(out.values), "kept": len, "texts": "columns"},
    )
    assert row["stream"] == 18
    assert row["kept"] == 3
    assert row["texts.value"] == ["5", "6", "7"]
    assert row["rows.a"] == 7


def test_a_set_that_fails_is_a_row_with_its_error_and_the_others_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def build(n: int) -> dict[str, gc.Handle]:
        if n == 3:
            raise ValueError("no three")
        source = gc.replay([1, 2], [1, 2]).named("numbers")
        return {"inverse": source.map(lambda x: 1 / (x - n)).named("inverse")}

    found = gc.sweep(build, {"n": [0, 1, 2, 3, 4]})
    assert [row["inverse"] for row in found] == [0.5, None, None, None, -0.5]
    assert [type(error) for error in found.errors] == [
        type(None),
        ZeroDivisionError,
        ZeroDivisionError,
        ValueError,
        type(None),
    ]
    assert "inverse" in "".join(found.errors[1].__notes__)  # type: ignore[union-attr]
    texts = found.to_polars()["error"].to_list()
    assert texts[0] is None and texts[3] == "ValueError: no three"
    assert texts[1].startswith("ZeroDivisionError") and "inverse" in texts[1]
    assert found.to_pandas()["error"].isna().tolist() == [True, False, False, False, True]
    assert found.to_arrow()["error"].null_count == 2
    assert "3 of 5 sets of a sweep failed" in caplog.text
    assert repr(found) == "<Sweep of 5 sets, 3 failed>"


def test_a_reducer_that_fails_is_named_in_the_row_of_its_set() -> None:
    [row] = gc.sweep(sinks, {"n": [1]}, take={"never": lambda out: out.values[-1]})
    assert isinstance(row["error"], IndexError)
    assert row["error"].__notes__ == ["while the reducer of the sink 'never' ran"]


def test_rows_by_number_and_columns() -> None:
    found = gc.sweep(crossover, SETS)
    assert len(found) == 6
    assert found[-1] == list(found)[5]
    assert found.columns["fast"] == [2, 2, 2, 5, 5, 5]
    assert found.to_pandas()["slow"].tolist() == [7, 9, 30] * 2
    assert found.to_arrow().schema.names == ["fast", "slow", "gap", "crossings", "error"]
    with pytest.raises(IndexError):
        found[6]


def test_r12_a_source_of_an_iterator_is_refused_by_name() -> None:
    def build(n: int) -> dict[str, gc.Handle]:
        return {"out": gc.from_iterable(iter([n])).named("ticks")}

    with pytest.raises(gc.InvalidValueError, match="ticks reads an iterator, which serves one run"):
        gc.sweep(build, {"n": [1]})


def test_sinks_that_differ_are_the_error_of_the_set() -> None:
    found = gc.sweep(
        lambda n: {"a" if n < 2 else "b": gc.replay([1], [n])},
        {"n": [1, 2, 1]},
    )
    assert found.columns["a"] == [1, None, 1]
    assert str(found.errors[1]) == (
        "set 1 gives b, and set 0 gives a: build must return the same sinks for each set"
    )


@pytest.mark.parametrize("name", ["n", "error"])
def test_a_sink_with_the_name_of_another_column_is_the_error_of_the_set(name: str) -> None:
    [row] = gc.sweep(lambda n: {name: gc.replay([1], [n])}, {"n": [1]})
    assert f"the sink {name!r} has the name of another column" in str(row["error"])


BAD = [
    (4, "a grid is a dict of lists, a list of dicts, a data frame, or a sampler"),
    ("ab", "a grid is a dict of lists"),
    ([], "the grid has no sets"),
    ({"fast": [], "slow": [1]}, "the grid has no values for 'fast'"),
    ({"fast": 3, "slow": [1]}, "the grid needs a list of values for 'fast', not 3"),
    ({"fast": "ab", "slow": [1]}, "the grid needs a list of values for 'fast', not 'ab'"),
    ({3: [1]}, "the grid must have names of parameters as keys, not 3"),
    ([1], "set 0 must be a dict of parameters, not 1"),
    ({"fast": [1]}, "build takes fast, slow, and set 0 of the grid gives fast: missing"),
    ({"fast": [1], "slow": [2], "slwo": [2]}, "gives fast, slow, slwo: got an unexpected"),
    ([SETS[0], {"fast": 1, "low": 1}], "set 1 of the grid gives fast, low"),
]


@pytest.mark.parametrize(("grid", "message"), BAD)
def test_a_wrong_grid_is_refused_before_any_run(grid: Any, message: str) -> None:
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError), match=message):
        gc.sweep(crossover, grid)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (gc.never(), "build must return sinks by name"),
        ({}, "build must return sinks by name"),
        (None, "build must return sinks by name"),
        ({"x": 3}, "a sink of build must be a stream, .* not 3 under 'x'"),
        ({3: gc.never()}, "under 3"),
    ],
)
def test_a_build_that_returns_no_sinks_is_refused(returned: Any, message: str) -> None:
    with pytest.raises(gc.InvalidTypeError, match=message):
        gc.sweep(lambda n: returned, {"n": [1]})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"take": "first"}, 'take is "last", "columns" or a function of a sink, not \'first\''),
        ({"take": {"gap": 3}}, 'take is "last", "columns" or a function of a sink, not 3'),
        ({"progress": 1}, "progress must be True or False, not 1"),
        ({"realtime": True}, "there is no option 'realtime'; those of the runs are start"),
        ({"objective": "gap"}, "objective= is for a sampler with ask and tell"),
        ({"trials": 3}, "trials= is for a sampler with ask and tell"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError), match=message):
        gc.sweep(crossover, SETS, **arguments)


def test_a_build_that_is_no_function_is_refused() -> None:
    with pytest.raises(gc.InvalidTypeError, match="build must be a function that wires a graph"):
        gc.sweep(3, SETS)  # type: ignore[arg-type]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_line_on_a_terminal_and_nothing_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("graphcore.sweeping.progress._INTERVAL", 0)
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        gc.sweep(crossover, SETS)
        shown = stream.getvalue()
        found = re.search(r"sweep: 3 of 6 sets, \d+ s left", shown)
        assert (found is not None) == stream.isatty()
        assert shown.endswith(f"{' ' * 20}\r") or not shown
    monkeypatch.setattr(sys, "stderr", Terminal())
    gc.sweep(crossover, SETS, progress=False)
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]


# Samplers


class Listed:
    """A sampler that asks for what it was given, and notes what happened."""

    def __init__(self, sets: list[dict[str, Any]]) -> None:
        self.left = list(sets)
        self.log: list[Any] = []

    def ask(self) -> dict[str, Any]:
        self.log.append("ask")
        return self.left.pop(0)

    def tell(self, trial: dict[str, Any], value: Any) -> None:
        self.log.append((trial["n"], value))


def doubled(n: int) -> dict[str, gc.Handle]:
    return {"out": gc.replay([1], [n]).map(lambda x: 6 / x)}


def test_a_sampler_is_asked_and_told_in_batches_in_the_order_in_which_it_was_asked() -> None:
    sampler = Listed([{"n": n} for n in (3, 2, 0, 1, 6)])
    found = gc.sweep(doubled, sampler, objective="out", trials=5, batch=2)
    assert sampler.log == [
        *("ask", "ask", (3, 2.0), (2, 3.0)),
        *("ask", "ask", (0, None), (1, 6.0)),
        *("ask", (6, 1.0)),
    ]
    assert found.columns["n"] == [3, 2, 0, 1, 6]
    assert found.columns["out"] == [2.0, 3.0, None, 6.0, 1.0]


def test_an_objective_may_be_a_function_of_the_row() -> None:
    sampler = Listed([{"n": 3}, {"n": 2}])
    gc.sweep(doubled, sampler, objective=lambda row: row["out"] + row["n"], trials=2, batch=2)
    assert sampler.log[2:] == [(3, 5.0), (2, 5.0)]


def test_an_objective_that_cannot_be_computed_is_the_error_of_the_set() -> None:
    sampler = Listed([{"n": 3}])
    [row] = gc.sweep(doubled, sampler, objective="pnl", trials=1)
    assert "the objective is 'pnl', and the row has n, out" in str(row["error"])
    assert sampler.log[-1] == (3, None)


def test_a_study_of_optuna_finds_the_best_set_and_counts_failed_ones() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def build(x: int) -> dict[str, gc.Handle]:
        return {"out": gc.replay([1], [x]).map(lambda n: 1 / n if n == 3 or n == 0 else n * n)}

    def search() -> tuple[optuna.Study, gc.Sweep]:
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=7))
        return study, gc.sweep(
            build,
            study,
            suggest=lambda trial: {"x": trial.suggest_int("x", -2, 3)},
            objective="out",
            trials=30,
            batch=3,
        )

    study, found = search()
    assert study.best_params == {"x": 3}
    assert len(study.trials) == 30
    states = [trial.state is optuna.trial.TrialState.FAIL for trial in study.trials]
    assert states == [error is not None for error in found.errors]
    assert any(states)
    assert list(search()[1].columns["x"]) == found.columns["x"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trials": 1}, "a sampler needs objective="),
        ({"objective": "out"}, "a sampler needs trials="),
        ({"objective": 3, "trials": 1}, "objective is the name of a sink or a function of a row"),
        ({"objective": "out", "trials": 0}, "trials must be at least 1, not 0"),
        ({"objective": "out", "trials": 1.5}, "trials must be a whole number, not 1.5"),
        ({"objective": "out", "trials": 1, "batch": 0}, "batch must be at least 1, not 0"),
        ({"objective": "out", "trials": 1, "suggest": 3}, "suggest must be a function"),
    ],
)
def test_wrong_arguments_for_a_sampler_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError), match=message):
        gc.sweep(doubled, Listed([{"n": 1}]), **arguments)


def test_a_trial_without_parameters_and_wrong_ones_are_refused() -> None:
    study = optuna.create_study()
    with pytest.raises(gc.InvalidTypeError, match="names no parameters: give suggest="):
        gc.sweep(doubled, study, objective="out", trials=1)
    with pytest.raises(gc.InvalidTypeError, match="build takes n, and set 0"):
        gc.sweep(doubled, Listed([{"m": 1}]), objective="out", trials=1)
