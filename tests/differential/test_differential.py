"""Graphs give the same on all tiers: one for each part alone, and random ones of all parts.

Runs are compared completely: times, values, the state of each node, calls with their arguments and
order, output and log, the report, and errors with their notes. Each graph is built twice and each
copy runs twice: one on the first and the second of the tiers in a drawn order, the other on the
second and the third. So leftovers of one tier would disturb the other (R12). The judge runs a third
copy twice, and is compared with each run. Native runs have short warm-ups and chunks, so they go
back and forth between Python and machine code.
"""

import itertools
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphcore as gc
from tests.differential import nodes
from tests.differential.both import THOROUGH
from tests.differential.draw import SOURCE_ARGUMENTS, WRITTEN, all_parts, alone, make_recipe
from tests.differential.judge import EndlessError, Judge
from tests.differential.observe import difference, difference_from_judge, run, run_by_judge
from tests.differential.operators import all_operators
from tests.differential.recipe import Recipe, build
from tests.differential.tiers import NATIVE, Pace, at_pace

GRAPHS = 20_000 if THOROUGH else 60


def assert_same(recipe: Recipe) -> gc.Graph:
    """Check that all tiers and the judge agree; return one of the graphs."""
    graphs = build(recipe), build(recipe)
    third = build(recipe)
    judge = Judge(third.nodes)
    with at_pace(recipe.pace):
        for tiers in itertools.pairwise(recipe.tiers):
            one, other = (
                run(graph, tier=tier, max_cycles_at_once=500, **recipe.options)
                for graph, tier in zip(graphs, tiers, strict=True)
            )
            judged = run_by_judge(third, judge, **recipe.options)
            found = difference(one, other)
            assert found is None, f"{' and '.join(tiers)} differ in {found}\n{recipe}"
            found = difference_from_judge(judged, one)
            endless = judged["raised"].startswith(EndlessError.__name__)
            assert found is None or endless, f"the judge and {tiers[0]} differ in {found}\n{recipe}"
    return graphs[recipe.tiers.index(NATIVE) // 2]


@pytest.mark.parametrize("part", all_parts())
def test_each_thing_alone_gives_the_same_on_all_tiers(part: str) -> None:
    for recipe in alone(part):
        assert_same(recipe)


def recipes() -> st.SearchStrategy[Recipe]:
    operators = all_operators()
    functional = [name for name, operator in operators.items() if operator.takes_a_function]
    # More of the stateful ones and of those that take a function, because there are many shapes of
    # them.
    steps = [*SOURCE_ARGUMENTS, *operators, *nodes.SHAPES]
    steps += ["replay"] * 40 + ["from_iterable", "ticker"] * 20 + functional * 14
    ending = st.binary(min_size=8, max_size=8)
    anything = st.builds(make_recipe, _graphs(steps, 7), ending)
    # A third of the graphs is of what machine code takes: hardly any of the others runs in it.
    taken = of_machine_code()
    steps = [*taken, *[name for name in functional if name in taken] * 3]
    numbers = st.builds(
        make_recipe, _graphs(steps, 50), ending, st.binary(min_size=32, max_size=32)
    )
    return st.one_of(anything, anything, numbers)


def _graphs(steps: list[str], known: int) -> st.SearchStrategy[list[tuple[str, bytes]]]:
    """Return lists of steps; one of `known + 1` is a node whose class is written at random."""
    # Copies of steps find little, but hypothesis would otherwise make most graphs of them.
    drawn = st.tuples(st.sampled_from(steps), st.binary(min_size=16, max_size=16))
    written = st.tuples(st.just(WRITTEN), st.binary(min_size=90, max_size=90))
    step = st.integers(0, known).flatmap(lambda each: written if each == known else drawn)
    small = st.lists(step, min_size=2, max_size=16, unique=True)
    large = st.lists(step, min_size=20, max_size=60, unique=True)
    return st.integers(0, 11).flatmap(lambda size: large if size == 11 else small)


def of_machine_code() -> list[str]:
    """Return the operators and node classes that the native tier can take; all without llvmlite."""
    names = [*all_operators(), *nodes.SHAPES]
    return [name for name in names if _may_be_native(name)] if NATIVE == "native" else names


def _may_be_native(name: str) -> bool:
    graph = build(make_recipe([(name, b"")], b"", b""))
    with at_pace(Pace(1_000, 1_000)):
        raised = run(graph, tier=NATIVE)["raised"]
    too_short = "fused: the run was too short to leave Python"
    return not raised and graph.explain("native") == too_short


@pytest.mark.hypothesis
@pytest.mark.timeout(7200)
def test_random_graphs_give_the_same_on_all_tiers() -> None:
    wired: Counter[str] = Counter()
    native: Counter[bool] = Counter()

    @settings(max_examples=GRAPHS, suppress_health_check=list(HealthCheck))
    @given(recipes())
    def compare(recipe: Recipe) -> None:
        wired.update(recipe.parts)
        graph = assert_same(recipe)
        if "native" in graph._tiers:
            native[graph.explain("native").startswith("native")] += 1

    compare()
    assert not native or native[True] > GRAPHS / 20
    if THOROUGH:
        assert wired.keys() >= set(all_parts()), "some things were never wired"
