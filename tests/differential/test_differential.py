"""Graphs give the same on both tiers: one for each part alone, and random ones of all parts.

Runs are compared completely: times, values, the state of each node, calls with their arguments and
    order, output and log, the report, and errors with their notes. Each graph is built twice and
    each copy runs twice, on the tiers in either order, so that leftovers of one tier would disturb
    the other (R12). The judge runs a third graph twice, and
is compared with the interpreted tier, and so with both.
"""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.differential import nodes
from tests.differential.both import THOROUGH
from tests.differential.draw import SOURCE_ARGUMENTS, WRITTEN, all_parts, alone, make_recipe
from tests.differential.judge import EndlessError, Judge
from tests.differential.observe import difference, difference_from_judge, run, run_by_judge
from tests.differential.operators import all_operators
from tests.differential.recipe import Recipe, build

TIERS = ("interpreted", "fused")
GRAPHS = 20_000 if THOROUGH else 500


def assert_same(recipe: Recipe) -> None:
    graphs = build(recipe), build(recipe)
    third = build(recipe)
    judge = Judge(third.nodes)
    for tiers in (TIERS, TIERS[::-1]):
        one, other = (
            run(graph, tier=tier, max_cycles_at_once=500, **recipe.options)
            for graph, tier in zip(graphs, tiers, strict=True)
        )
        judged = run_by_judge(third, judge, **recipe.options)
        found = difference_from_judge(judged, one if tiers == TIERS else other)
        endless = judged["raised"].startswith(EndlessError.__name__)
        assert found is None or endless, f"the judge and {TIERS[0]} differ in {found}\n{recipe}"
        found = difference(one, other)
        assert found is None, f"{' and '.join(tiers)} differ in {found}\n{recipe}"


@pytest.mark.parametrize("part", all_parts())
def test_each_thing_alone_gives_the_same_on_both_tiers(part: str) -> None:
    for recipe in alone(part):
        assert_same(recipe)


def recipes() -> st.SearchStrategy[Recipe]:
    operators = all_operators()
    functional = [name for name, operator in operators.items() if operator.takes_a_function]
    # More of the stateful ones and of those that take a function, because there are many shapes of
    # them.
    steps = [*SOURCE_ARGUMENTS, *operators, *nodes.SHAPES]
    steps += ["replay"] * 40 + ["from_iterable", "ticker"] * 20 + functional * 14
    # Copies of steps find little, but hypothesis would otherwise make most graphs of them.
    drawn = st.tuples(st.sampled_from(steps), st.binary(min_size=16, max_size=16))
    written = st.tuples(st.just(WRITTEN), st.binary(min_size=90, max_size=90))
    drawn = st.one_of(*[drawn] * 7, written)
    small = st.lists(drawn, min_size=2, max_size=16, unique=True)
    large = st.lists(drawn, min_size=20, max_size=60, unique=True)
    graphs = st.integers(0, 11).flatmap(lambda size: large if size == 11 else small)
    return st.builds(make_recipe, graphs, st.binary(min_size=4, max_size=4))


@pytest.mark.hypothesis
@pytest.mark.timeout(7200)
def test_random_graphs_give_the_same_on_both_tiers() -> None:
    wired: Counter[str] = Counter()

    @settings(max_examples=GRAPHS, suppress_health_check=list(HealthCheck))
    @given(recipes())
    def compare(recipe: Recipe) -> None:
        wired.update(recipe.parts)
        assert_same(recipe)

    compare()
    if THOROUGH:
        assert wired.keys() >= set(all_parts()), "some things were never wired"
