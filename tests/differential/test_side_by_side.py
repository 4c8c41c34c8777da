"""Sets of a sweep that run side by side in machine code give what each of them gives alone.

The values, the errors with their notes and the state of each node are compared with those of a
sweep on the fused tier.
"""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import graphcore as gc
from tests.differential import numeric
from tests.differential.observe import show
from tests.differential.tiers import Pace, at_pace

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

from graphcore.engine.native import company, feed
from graphcore.node import CopiedEvents
from graphcore.sources import events

# 25 by default, 20,000 with the profile "thorough".
GRAPHS = settings.default.max_examples // 5 if settings.default.max_examples < 1000 else 20_000


def seen(seed: int, times: Any, values: Any, sets: int, tier: Any) -> list[str]:
    """Return what can be seen of each set of a sweep, as text."""
    nodes: dict[int, list[Any]] = {}

    def build(variant: int) -> dict[str, gc.Handle]:
        outs = numeric.beside(seed, variant, times, values)
        graph = gc.Graph(*outs)
        numeric.number(graph)
        nodes[variant] = graph.nodes
        return {str(place): out for place, out in enumerate(outs)}

    grid = {"variant": range(sets)}
    table = gc.sweep(build, grid, take="columns", tier=tier, progress=False)
    texts = []
    for row, error in zip(table, table.errors, strict=True):
        columns = [list(column) for column in row.values() if hasattr(column, "__len__")]
        states = [
            {name: each for name, each in vars(node).items() if not callable(each)}
            for node in nodes[row["variant"]]
        ]
        notes = getattr(error, "__notes__", ())
        texts.append(f"{error!r} {notes} {show(columns)} {show(states)}")
    return texts


@pytest.mark.hypothesis
@pytest.mark.timeout(7200)
def test_sets_side_by_side_give_the_same_as_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(company, "FEWEST_EVENTS", 0)
    ran: Counter[bool] = Counter()
    go = company.go

    def counted(runs: Any) -> None:
        go(runs)
        made = runs[0].prepared.side_by_side if runs else None
        ran[len(runs) > 1 and made is not None and made.code is not None] += 1

    monkeypatch.setattr(company, "go", counted)

    @settings(max_examples=GRAPHS, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 1 << 40))
    @example(1)  # the sets of these graphs run side by side, as those of every third one do
    @example(4)
    @example(6)
    @example(15297)  # a window is searched, so the sets do not run side by side
    @example(990165)  # a set with more room than the others joins them late
    def compare(seed: int) -> None:
        draw = random.Random(seed)
        count, sets = draw.choice([40, 120]), draw.choice([4, 9, 12])
        strange = draw.choice([0.0, 0.0, 0.02])
        values = np.array(
            [
                draw.choice(numeric.FLOATS) if draw.random() < strange else draw.gauss(0, 2)
                for _ in range(count)
            ]
        )
        times = np.arange(count) * draw.choice([1, 2])
        with at_pace(Pace(draw.randint(1, 12), draw.choice([5, 33, 1000]))):
            alone, beside = (seen(seed, times, values, sets, tier) for tier in ("fused", "native"))
        assert beside == alone, f"seed {seed}"

    compare()
    assert ran[True] >= 3


@pytest.mark.parametrize("left", [8, 3])
def test_a_set_that_leaves_the_others_goes_on_alone(
    left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One set overflows 64 bits in the middle, which Python alone can compute."""
    monkeypatch.setattr(company, "FEWEST_EVENTS", 0)
    together: list[int] = []
    times, values = np.arange(400), np.arange(400)

    def build(factor: int) -> dict[str, gc.Handle]:
        grown = gc.replay(times, values).map(lambda x: x * factor + (1 << 62))
        return {"last": grown, "most": grown.max()}

    go = company.go

    def counted(runs: Any) -> None:
        go(runs)
        together.append(sum(run._done > 300 for run in runs))

    monkeypatch.setattr(company, "go", counted)
    factors = [1, *range(2, left + 1), 1 << 54]
    with at_pace(Pace(8, 50)):
        found = gc.sweep(build, {"factor": factors}, tier="native", progress=False)
    assert found.columns["last"] == [399 * each + (1 << 62) for each in factors]
    assert together == [left - 1]  # the first set compiles, and one leaves


def test_explain_names_the_nodes_that_ran_once_for_several_sets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(company, "FEWEST_EVENTS", 0)
    times, values = np.arange(400), np.random.default_rng(7).normal(size=400)

    def build(span: int) -> dict[str, gc.Handle]:
        price = gc.replay(times, values).named("price")
        change = price.difference()
        return {"out": (price.ewm(span=span).mean().lag(1) * change).sum()}

    with at_pace(Pace(8, 50)):
        found = gc.sweep(build, {"span": range(2, 8)}, tier="native", progress=False)
    assert found.explain().splitlines()[2:] == [
        "5 sets ran side by side in machine code",
        "in 5 of them, these ran once for several: price, lag, difference",
    ]


@pytest.mark.parametrize("form", [np.array, list])
@pytest.mark.parametrize("chunk", [50, 1000])
def test_a_build_may_fill_the_same_array_or_list_for_each_set(
    form: Any, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set that waits for others has the events that it was built with."""
    monkeypatch.setattr(company, "FEWEST_EVENTS", 0)
    first = [float(each % 7) for each in range(400)]
    times, filled = form(range(400)), form(first)

    def build(factor: int) -> dict[str, gc.Handle]:
        filled[:] = [each * factor for each in first]
        return {"out": gc.replay(times, filled).sum()}

    factors = [1, 2, 3, 2, 3, 3, 4, 5, 6, 7, 8]
    with at_pace(Pace(8, chunk)):
        found = gc.sweep(build, {"factor": factors}, tier="native", progress=False)
    assert found.columns["out"] == [sum(first) * each for each in factors]


@pytest.mark.parametrize("form", [np.array, list])
def test_sets_with_equal_events_run_side_by_side_wherever_these_are(
    form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(company, "FEWEST_EVENTS", 0)
    values = [float(each % 7) for each in range(400)]
    values[17] = float("nan")

    def build(span: int, changed: int) -> dict[str, gc.Handle]:
        own = [*values[:-1], float(changed)]
        return {"out": gc.replay(form(range(400)), form(own)).ewm(span=span).mean()}

    grid = [{"span": span, "changed": span == 6} for span in range(2, 10)]
    with at_pace(Pace(8, 1000)):
        found = gc.sweep(build, grid, tier="native", progress=False)
        alone = [gc.sweep(build, [each], tier="native", progress=False)[0] for each in grid]
    assert "6 sets ran side by side" in found.explain()  # the first is compiled, and one differs
    assert repr(list(found)) == repr(alone)


def test_a_set_that_joins_late_may_have_more_room_than_all_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While some wait, a set with other events runs alone; the next takes over its long lists."""
    monkeypatch.setattr(company, "FEWEST_EVENTS", 0)

    def build(factor: int, count: int) -> dict[str, gc.Handle]:
        events = np.arange(count)
        return {"out": (gc.replay(events, events) * factor).collect()}

    counts = [20, 3000, 3000, 3000, 4000, 3000, 3000]
    grid = [{"factor": factor, "count": count} for factor, count in enumerate(counts)]
    with at_pace(Pace(8, 900)):
        found = gc.sweep(build, grid, take="columns", tier="native", progress=False)
    assert "5 sets ran side by side" in found.explain()  # the first is compiled, and one differs
    for each, out in zip(grid, found.columns["out.value"], strict=True):
        assert list(out) == [value * each["factor"] for value in range(each["count"])]


def test_the_events_of_a_sweep_are_copied_and_checked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A set whose events are those of the copy is not asked whether its times are in order."""
    monkeypatch.setattr(company, "FEWEST_EVENTS", 0)
    copied: list[feed.Copied] = []
    copy, none_goes_back = feed.Incoming.copied, events._none_goes_back
    tested: list[int] = []

    def kept(self: feed.Incoming) -> feed.Copied:
        copied.append(copy(self))
        return copied[-1]

    def counted(times: Any) -> bool:
        tested.append(len(times))
        return none_goes_back(times)

    monkeypatch.setattr(feed.Incoming, "copied", kept)
    monkeypatch.setattr(events, "_none_goes_back", counted)
    values = np.arange(400.0)

    def build(span: int) -> dict[str, gc.Handle]:
        return {"out": gc.replay(np.arange(400), values.copy()).ewm(span=span).mean()}

    with at_pace(Pace(8, 1000)):
        found = gc.sweep(build, {"span": range(2, 40)}, tier="native", progress=False)
    assert "37 sets ran side by side" in found.explain()
    assert len(copied) == 1
    assert tested.count(400) == 2  # that of the set which is compiled, and of the one copied


@pytest.mark.parametrize("changed", [{3: 1}, {3: 200}, {99: 100}, {100: 99}, {250: 250.5}, {}])
def test_sets_that_differ_before_the_start_or_after_it_give_what_each_gives_alone(
    changed: dict[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the start on the events may be those of other sets, but not so the times before it."""
    monkeypatch.setattr(company, "FEWEST_EVENTS", 0)

    def build(span: int) -> dict[str, gc.Handle]:
        times, values = np.arange(400), np.arange(400.0)
        if span % 5 == 0:
            for place, other in changed.items():
                (times if isinstance(other, int) else values)[place] = other
        return {"out": gc.replay(times, values).ewm(span=span).mean()}

    def seen(tier: Any) -> tuple[gc.Sweep, list[str]]:
        found = gc.sweep(build, {"span": range(2, 19)}, start=100, tier=tier, progress=False)
        return found, [repr((row.get("out"), row["error"])) for row in found]

    with at_pace(Pace(8, 1000)):
        found, beside = seen("native")
    assert beside == seen("fused")[1]
    assert f"{13 if changed else 16} sets ran side by side" in found.explain()


@pytest.mark.parametrize("start", [0, 1, 2, 3])
def test_a_copy_of_events_stands_for_those_from_the_same_start_on(start: int) -> None:
    times, values = np.array([1, 2, 2, 5]), np.array([1.0, np.nan, -0.0, 3.0])
    copied = CopiedEvents(times[1:], values[1:], (times[1:].tobytes(), values[1:].tobytes()))
    found = events.arrays_from(start, times, values, copied)
    alone = events.arrays_from(start, times, values, None)
    assert found is not None and alone is not None
    assert (found[0] is copied.times) == (start == 2)
    assert [each.tobytes() for each in found] == [each.tobytes() for each in alone]


def test_hooks_and_errors_of_sets_side_by_side_are_those_of_graphs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each set is built, started, closed and stopped once, and each error has its note."""
    monkeypatch.setattr(company, "FEWEST_EVENTS", 0)
    calls: list[tuple[str, int]] = []
    times, values = np.arange(400), np.random.default_rng(1).normal(size=400)

    @gc.node
    class Hooked(gc.MutableNode[float]):
        source: gc.Active[float]
        n: int
        total: float = gc.state(0.0)

        def start(self, state: gc.GraphState) -> None:
            calls.append(("start", self.n))
            self.total = float(self.n)
            if self.n == 5:
                raise ValueError("five")

        def cycle(self, state: gc.GraphState) -> bool:
            self.total += self.source.value
            self.value = self.total
            return True

        def close(self, state: gc.GraphState) -> bool:
            calls.append(("close", self.n))
            self.value = self.total + 1000
            return True

        def stop(self, state: gc.GraphState) -> None:
            calls.append(("stop", self.n))

    def build(n: int) -> dict[str, gc.Handle]:
        calls.append(("build", n))
        if n == 7:
            raise KeyError("seven")
        hooked = gc.Stream(Hooked(gc.replay(times, values).named("in"), n)).named("hooked")
        return {"out": hooked.map(lambda x: x * n if n != 9 else 1 / (x * 0)).named("out")}

    def seen(tier: Any) -> tuple[gc.Sweep, list[str], list[tuple[str, int]]]:
        calls.clear()
        with at_pace(Pace(8, 100)):
            found = gc.sweep(build, {"n": range(20)}, tier=tier, progress=False)
        notes = [getattr(error, "__notes__", None) for error in found.errors]
        return found, [repr((*row.values(),)) + repr(notes) for row in found], sorted(calls)

    found, *beside = seen("native")
    assert beside == [*seen("fused")[1:]]
    assert "16 sets ran side by side" in found.explain()  # one is compiled, and three fail


def test_a_set_whose_start_replaces_a_function_runs_alone_with_that_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(company, "FEWEST_EVENTS", 0)
    times, values = np.arange(400), np.random.default_rng(2).normal(size=400)

    @gc.node
    class Chosen(gc.MutableNode[float]):
        source: gc.Active[float]
        n: int
        change: Callable[[float], float]

        def start(self, state: gc.GraphState) -> None:
            if self.n == 12:
                self.change = lambda x: x - 100

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.change(self.source.value)
            return True

    def build(n: int) -> dict[str, gc.Handle]:
        return {"out": gc.Stream(Chosen(gc.replay(times, values), n, lambda x: x * n)).sum()}

    with at_pace(Pace(8, 100)):
        found, alone = (
            gc.sweep(build, {"n": range(20)}, tier=tier, progress=False)
            for tier in ("native", "fused")
        )
    assert found.columns["out"] == alone.columns["out"]
    assert "side by side" in found.explain()
