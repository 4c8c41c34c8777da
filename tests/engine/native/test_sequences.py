"""Tuples, lists and builtins over them in machine code, and chains that stay unevaluated."""

from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import graphcore as gc

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

from graphcore.engine.native import tier as native_tier
from graphcore.engine.native.run import Pace

VALUES = [1.5, -2.25, 0.0, 3.0, 0.125, -0.0, 2.675, 1e9 + 0.5, 1.0, -1.0] * 30
LEVELS = (0.5, 1.0, 2.0)


@pytest.fixture(autouse=True)
def short_pace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native_tier, "PACE", Pace(12, 50, apart=0))
    monkeypatch.setenv("GRAPHCORE_CACHE", str(tmp_path / "cache"))


class Pair(NamedTuple):
    one: float
    other: float


def given() -> "gc.Stream[float]":
    return gc.replay(np.arange(len(VALUES)), np.array(VALUES))


def assert_native(wire: Callable[[], Any], most_left: int = 0) -> list[Any]:
    """Compare with the fused tier, and have all cycles but some run in machine code."""
    outs = []
    for tier in ("fused", "native"):
        ticks = wire().collect()
        graph = gc.Graph(ticks)
        graph.run(tier=tier)  # type: ignore[arg-type]  # a tier's name
        outs.append(list(map(repr, ticks.values)))
    assert outs[0] == outs[1]
    told = graph.explain("native")
    assert told.startswith("native"), told
    assert int(told.split()[1].replace(",", "")) >= len(VALUES) - 12 - most_left, told
    return outs[1]


def weighted(x: float) -> float:
    total = x
    for factor in (1.5, x, 2.0):
        if factor == x:
            continue
        total = total * 0.5 + factor
        if total > 3:
            break
    return total


def inverse(x: float) -> float:
    try:
        y = 1 / x
    except ZeroDivisionError:
        return -1.0
    else:
        return y + 1


def calls(x: float, y: float) -> float:
    return x - 2 * y


@pytest.mark.parametrize(
    "function",
    [
        lambda x: round(x, 2),
        lambda x: round(int(x), 1),
        lambda x: sum((x, 0.1, x)),
        lambda x: sum([x > 0, int(x), 3]),
        lambda x: max((x, 1)),
        lambda x: min([x, 0.5, -0.0]),
        lambda x: any((x > 2, x < -2)) or all([x, 1]),
        lambda x: len((x, x)) + len([x]),
        lambda x: x in (1, 0.125) or x not in LEVELS,
        lambda x: LEVELS[int(x) % 3],
        lambda x: (x, 2, x > 0)[int(abs(x)) % 3],
        lambda x: calls(*(x, 1.5)),
        lambda x: Pair(*divmod(x, 0.7)).other,
        lambda x: -2 < x <= abs(x) < 2 + abs(x),
        lambda x: tuple([x, x + 1])[1] + list((x, 2.0))[-1],
        weighted,
    ],
)
def test_a_function_of_sequences_runs_in_machine_code(function: Callable[[float], Any]) -> None:
    assert_native(lambda: given().map(function))


def test_a_function_with_try_leaves_for_python_only_what_raises() -> None:
    values = [each or 1.0 for each in VALUES]
    values[100] = values[200] = 0.0
    replayed = gc.replay(np.arange(len(values)), np.array(values))
    found = assert_native(lambda: replayed.map(inverse), most_left=2)
    assert found.count("-1.0") == 2


def test_a_search_for_nan_is_left_to_python() -> None:
    values = np.array([1.0, nan, 2.0, inf] * 60)
    seen = []
    for tier in ("fused", "native"):
        ticks = gc.replay(np.arange(len(values)), values).map(lambda x: x in (x, 2.0)).collect()
        graph = gc.Graph(ticks)
        graph.run(tier=tier)
        seen.append(list(ticks.values))
    assert seen[0] == seen[1] == [True] * len(values)
    assert "a search for NaN" in graph.explain("native")


def test_the_later_operands_of_a_chain_stay_unevaluated() -> None:
    found = assert_native(lambda: given().map(lambda x: 0 <= x < above_zero(x) * 2 + 1))
    assert "True" in found and "False" in found


def above_zero(x: float) -> float:
    return (x - 0.5) ** 2 if x >= 0 else 1 / 0


def test_a_list_that_a_variable_of_python_gets_is_left_to_python() -> None:
    seen = []
    for tier in ("fused", "native"):
        ticks = given().map(lambda x: [x] if x > 1e8 else x).collect()
        graph = gc.Graph(ticks)
        graph.run(tier=tier)
        seen.append(list(ticks.values))
    assert seen[0] == seen[1]
    assert "gets a list" in graph.explain("native")


def test_the_summary_of_several_streams_runs_in_machine_code() -> None:
    for function in (gc.maximum, gc.minimum, gc.total, gc.average, gc.any_of, gc.all_of):
        assert_native(lambda function=function: function(given(), given() * 2, given() - 1))


@pytest.mark.parametrize(
    "operator",
    [
        lambda one: one.round(1),
        lambda one: one.pairwise().starmap(calls),
        lambda one: one.pairwise().unzip(2)[1],
        lambda one: one.drop_small_change(0.2),
        lambda one: one.rolling(5).product(),
        lambda one: abs(one),
        lambda one: one.split(lambda x: x > 0.5)[1],
        lambda one: divmod(one, 2),
        lambda one: gc.race(one, one * 2),
        lambda one: one.pace(1, capacity=2),
    ],
)
def test_an_operator_runs_in_machine_code(operator: Callable[[Any], Any]) -> None:
    assert_native(lambda: operator(given()))
