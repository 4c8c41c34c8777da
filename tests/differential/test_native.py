"""Random numeric graphs give the same on the native tier as on the fused one.

All that can be seen is compared, after a run on either tier first: values, the state of each node,
the report, errors with their notes. Warm-ups and chunks are short, so each run goes back and forth
between Python and machine code many times.
"""

import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.differential import numeric
from tests.differential.both import THOROUGH
from tests.differential.observe import difference, run

pytest.importorskip("llvmlite")

from graphcore.engine.native import tier as native_tier
from graphcore.engine.native.run import Pace

GRAPHS = 20_000 if THOROUGH else 25


@pytest.mark.hypothesis
@pytest.mark.timeout(7200)
def test_random_numeric_graphs_give_the_same_on_the_native_tier(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRAPHCORE_CACHE", "")
    ran: Counter[bool] = Counter()

    @settings(max_examples=GRAPHS, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 1 << 40))
    def compare(seed: int) -> None:
        draw = random.Random(seed)
        pace = Pace(draw.randint(1, 20), draw.choice([5, 7, 33, 1000]), 0, draw.choice([0, 8]), 0)
        monkeypatch.setattr(native_tier, "PACE", pace)
        (one, options), (other, _) = numeric.graph(seed), numeric.graph(seed)
        for tiers in (("fused", "native"), ("native", "fused")):
            outcomes = [
                run(graph, tier=tier, **options)
                for graph, tier in zip((one, other), tiers, strict=True)
            ]
            found = difference(*outcomes)
            assert found is None, f"{' and '.join(tiers)} differ in {found}\nseed {seed}, {pace}"
        ran[other.explain("native").startswith("native")] += 1

    compare()
    assert ran[True] > sum(ran.values()) / 4
