"""Sets of one shape share what was compiled, and each row is that of a run by itself."""

import gc as collector
import random
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import graphcore as gc
from graphcore.engine.fused.backend import program
from graphcore.engine.native import company
from tests.differential.tiers import HAS_NATIVE, NATIVE

TIMES = np.arange(3_000)
PRICES = 100 + np.random.default_rng(7).normal(size=3_000).cumsum() / 10
SETS = [{"n": n, "k": k} for n in (2, 5, 9) for k in (0.5, 1.5, -1.0)]
Build = Callable[..., dict[str, gc.Handle]]


@gc.node
class Held(gc.MutableNode[float]):
    """Has a parameter that it reads, and one that `start` reads."""

    source: gc.Active[float]
    limit: float
    first: float
    total: float = gc.state(0.0)

    def start(self, state: gc.GraphState) -> None:
        self.total = self.first

    def cycle(self, state: gc.GraphState) -> bool:
        self.total += self.source.value
        if self.total > self.limit:
            self.total = self.first
            return False
        self.value = self.total
        return True


@gc.node
class Chosen(gc.MutableNode[float]):
    """Its `start` may put another function in the place of the one that it was given."""

    source: gc.Active[float]
    factor: float
    change: Callable[[float], float]

    def start(self, state: gc.GraphState) -> None:
        factor = self.factor
        if factor < 0:
            self.change = lambda x: x - factor

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.change(self.source.value)
        return True


@gc.node
class Named(gc.MutableNode[float]):
    """Has its upstreams by name."""

    of: dict[str, gc.Active[float]]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.of["a"].value - 2 * self.of["b"].value
        return True


def price() -> "gc.Stream[float]":
    return gc.replay(TIMES, PRICES)


def in_closures(n: int, k: float) -> dict[str, gc.Handle]:
    def capped(x: float) -> float:
        if x > 100 + n:
            return k
        return x * k

    made = price().map(lambda x: x * k + n)
    return {"inlined": made.sum(), "called": price().map(capped).sum()}


def in_defaults(n: int, k: float) -> dict[str, gc.Handle]:
    def capped(x: float, most: float = 100 + n, factor: float = k) -> float:
        if x > most:
            return factor
        return x

    return {"out": price().map(capped).sum(), "other": price().map(lambda x, k=k: x - k).sum()}


def in_nodes(n: int, k: float) -> dict[str, gc.Handle]:
    return {"out": gc.Stream(Held(price(), 500.0 * n, k)).sum()}


def in_operators(n: int, k: float) -> dict[str, gc.Handle]:
    mean = price().rolling(n).mean()
    return {"out": (mean * k - price().lag(n)).sum(), "std": mean.rolling(f"{n}ns").std()}


def in_the_number_of_nodes(n: int, k: float) -> dict[str, gc.Handle]:
    made = price()
    for _ in range(n):
        made = made.map(lambda x: x + k)
    return {"out": made.sum()}


def in_the_wiring(n: int, k: float) -> dict[str, gc.Handle]:
    first, second = price(), gc.replay(TIMES[::n], PRICES[::n])
    of = {"a": first, "b": second} if k > 0 else {"a": second, "b": first}
    return {"out": gc.Stream(Named(of)).sum()}


def in_the_kinds_of_numbers(n: int, k: float) -> dict[str, gc.Handle]:
    factor = n if k > 1 else k
    values = PRICES if k > 0 else PRICES.astype("int64")
    return {"out": gc.replay(TIMES, values).map(lambda x: x * factor).sum()}


def in_functions(n: int, k: float) -> dict[str, gc.Handle]:
    change: Callable[[Any], Any] = abs if k > 0 else float
    return {"out": price().map(change).map(lambda x: change(x) * n).sum()}


def in_start(n: int, k: float) -> dict[str, gc.Handle]:
    return {"out": gc.Stream(Chosen(price(), k * n, lambda x: x * k)).sum()}


def in_branches(n: int, k: float) -> dict[str, gc.Handle]:
    parts = price().demux(lambda x: int(x) % 20, range(20)).values()
    means = [(part.map(lambda x: x - 90).ewm(alpha=1 / n).mean() * k).sum() for part in parts]
    return {"out": means[0].merge(*means[1:]).sum()}


def in_functions_of_branches(n: int, k: float) -> dict[str, gc.Handle]:
    def shifted(part: "gc.Stream[float]", key: int) -> "gc.Stream[float]":
        added = key if n > 2 else 0  # in a third of the sets all branches add the same
        return part.map(lambda x: x * k + added).sum()

    parts = price().demux(lambda x: int(x) % 20, range(20)).items()
    sums = [shifted(part, key) for key, part in parts]
    return {"out": sums[0].merge(*sums[1:]).sum()}


def failing(n: int, k: float) -> dict[str, gc.Handle]:
    return {"out": price().count().map(lambda x: 1 / (x - 1_000 * n + (5_000 if k < 0 else 0)))}


BUILDS = [
    in_closures,
    in_defaults,
    in_nodes,
    in_operators,
    in_the_number_of_nodes,
    in_the_wiring,
    in_the_kinds_of_numbers,
    in_functions,
    in_start,
    in_branches,
    in_functions_of_branches,
    failing,
]


def by_themselves(build: Build) -> list[tuple[Any, ...]]:
    found = []
    for parameters in SETS:
        sinks = build(**parameters)
        try:
            gc.Graph(*sinks.values()).run()
            found.append((*(sink.node.value for sink in sinks.values()), "None"))
        except ArithmeticError as error:
            found.append((*(None for _ in sinks), repr(error)))
    return found


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("tier", ["fused", NATIVE, "interpreted"])
def test_rows_are_those_of_runs_by_themselves(build: Build, tier: Any) -> None:
    order = list(range(len(SETS)))
    random.Random(3).shuffle(order)
    found = gc.sweep(build, [SETS[place] for place in order], tier=tier, progress=False)
    expected = by_themselves(build)
    rows = [tuple(row.values())[2:] for row in found]
    assert [(*row[:-1], repr(row[-1])) for row in rows] == [expected[place] for place in order]


def test_values_that_branches_share_in_the_first_set_alone_give_each_branch_a_text() -> None:
    sets = [{"n": n, "k": 0.5} for n in (2, 5)]
    found = gc.sweep(in_functions_of_branches, sets, tier="fused", progress=False)
    assert found.explain().startswith("1 of 2 sets took what was compiled")
    called = gc.sweep(in_functions_of_branches, sets, tier="interpreted", progress=False)
    assert found.columns["out"] == called.columns["out"]


@pytest.mark.parametrize("tier", ["fused", NATIVE])
def test_in_threads_rows_are_the_same(tier: Any) -> None:
    with ThreadPoolExecutor(4) as executor:
        found = gc.sweep(in_closures, SETS, executor=executor, tier=tier, progress=False)
    assert [tuple(row.values())[2:4] for row in found] == [
        row[:2] for row in by_themselves(in_closures)
    ]


@pytest.mark.parametrize(
    ("build", "shapes"),
    [
        (in_closures, 1),
        (in_defaults, 1),
        (in_nodes, 1),
        (in_operators, 1),
        (in_the_wiring, 2),
        (in_branches, 1),
        (in_functions_of_branches, 1),
    ],
)
def test_a_shape_is_compiled_once(
    build: Build, shapes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    init = program.Program.__init__

    def counted(self: Any, *given: Any) -> None:
        made.append(self)
        init(self, *given)

    monkeypatch.setattr(program.Program, "__init__", counted)
    gc.sweep(build, SETS, tier="fused", progress=False)
    assert len(made) == shapes


@pytest.mark.skipif(not HAS_NATIVE, reason="needs llvmlite")
@pytest.mark.parametrize("build", [in_closures, in_defaults, in_nodes, in_operators])
def test_a_shape_has_one_kernel(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    run = pytest.importorskip("graphcore.engine.native.run")
    made: list[object] = []
    translate = run.translate

    def counted(*given: Any) -> Any:
        made.append(given)
        return translate(*given)

    monkeypatch.setattr(run, "translate", counted)
    gc.sweep(build, SETS, tier="native", progress=False)
    assert len(made) == 1


def test_explain_tells_how_many_sets_shared_and_why_others_did_not() -> None:
    grid = {"n": [2, 5], "k": [0.5, 1.5, -1.0]}
    found = gc.sweep(in_closures, grid, progress=False)
    assert found.explain() == (
        "5 of 6 sets took what was compiled for another set\n1 set was compiled"
    )
    assert gc.sweep(in_the_wiring, grid, progress=False).explain() == (
        "4 of 6 sets took what was compiled for another set\n2 sets were compiled"
    )

    def build(n: int) -> dict[str, gc.Handle]:
        with_node = price().named("prices")
        return {"out": with_node.map(lambda x: x + n * with_node.value).named("sums")}

    assert gc.sweep(build, {"n": [1, 2]}, progress=False).explain() == (
        "0 of 2 sets took what was compiled for another set\n"
        "2 sets were compiled, and no other takes that: a function or another node reads prices"
    )


def test_a_node_from_outside_of_build_is_not_taken_for_another() -> None:
    outside = [price().map(lambda x: x + 1), price().map(lambda x: x - 1)]

    def build(n: int) -> dict[str, gc.Handle]:
        return {"out": outside[n].sum()}

    found = gc.sweep(build, {"n": [0, 1, 0, 1]}, progress=False)
    one, other = (float(np.sum(PRICES + n)) for n in (1, -1))
    assert found.columns["out"] == pytest.approx([one, other, one, other])


@pytest.mark.parametrize("tier", ["interpreted", "fused", NATIVE])
def test_sets_are_freed_as_they_end_without_the_collector(
    tier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the first, which was compiled, and the last ones: of graphs, and side by side."""
    monkeypatch.setattr(company, "FEWEST_EVENTS", 0)
    made: list[weakref.ref[Any]] = []

    def build(n: int) -> dict[str, gc.Handle]:
        out = gc.replay(TIMES, PRICES).ewm(span=n).mean()
        made.append(weakref.ref(out.node))
        return {"out": out}

    collector.collect()
    collector.disable()
    try:
        table = gc.sweep(build, {"n": range(2, 30)}, tier=tier, progress=False)
        alive = [number for number, each in enumerate(made) if each() is not None]
    finally:
        collector.enable()
    assert table.errors == [None] * 28
    assert len(alive) <= 4, alive
