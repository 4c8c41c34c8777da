"""A graph that takes the nodes of others of its shape runs them as each would run in its own.

The others have other events and other parameters: numbers in closures, defaults and attributes.
"""

import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphcore as gc
from graphcore.node import nodes_made
from graphcore.sweeping.sharing import SharedGraph
from tests.differential import numeric
from tests.differential.both import THOROUGH
from tests.differential.observe import difference, run
from tests.differential.tiers import NATIVE, Pace, at_pace

GRAPHS = 20_000 if THOROUGH else 10


@pytest.mark.hypothesis
@pytest.mark.timeout(7200)
def test_graphs_of_one_shape_share_what_was_compiled_and_give_the_same() -> None:
    took: Counter[bool] = Counter()

    @settings(max_examples=GRAPHS, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 1 << 40))
    def compare(seed: int) -> None:
        draw = random.Random(seed)
        shared: SharedGraph | None = None
        with at_pace(Pace(draw.randint(1, 20), draw.choice([5, 33, 1000]))):
            for variant in range(3):
                outs, options = numeric.wired(seed, variant)
                alone = gc.Graph(*outs)
                with nodes_made() as made:
                    outs, _ = numeric.wired(seed, variant)
                sinks = {str(place): out for place, out in enumerate(outs)}
                taken = shared is not None and not shared.why_alone and shared.take(sinks, made)
                if shared is not None:
                    took[taken] += 1
                if shared is None or not taken:
                    shared = SharedGraph(sinks, made, 3)
                for tier in draw.choice([("fused", NATIVE), (NATIVE, NATIVE)]):
                    for graph in (alone, shared):
                        numeric.number(graph)
                    outcomes = [run(alone, tier="fused", **options)]
                    outcomes.append(run(shared, tier=tier, **options))
                    found = difference(*outcomes)
                    assert found is None, f"{tier} differs in {found}\nseed {seed}, {variant}"

    compare()
    assert took[True] > sum(took.values()) / 4
