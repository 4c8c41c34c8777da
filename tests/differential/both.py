"""Runs one wiring on both tiers, and sees that they agree."""

from collections.abc import Callable
from typing import Any, NamedTuple

import graphcore as gc
from tests.differential.observe import difference, run
from tests.differential.recipe import graph_of


class Seen(NamedTuple):
    """What came of a run on either tier.

    Attributes:
        values: what was collected.
        error: type and text of the error, with its notes; empty if there was none.
    """

    values: list[Any]
    error: str


def on_both_tiers(wire: Callable[[], "gc.Collected[Any]"], **options: Any) -> Seen:
    """Wire a graph for each tier, run it, and return what both have shown."""
    outs = [wire() for _ in range(2)]
    outcomes = [
        run(graph_of(out), tier=tier, **options)
        for out, tier in zip(outs, ("interpreted", "fused"), strict=True)
    ]
    found = difference(*outcomes)
    assert found is None, f"interpreted and fused differ in {found}"
    return Seen(outs[1].values, outcomes[1]["error"])


def fed(cls: Any, *values: Any) -> Callable[[], "gc.Collected[Any]"]:
    """Return a wiring of a node of one input, fed with these values at the times 1, 2, ..."""

    def wire() -> gc.Collected[Any]:
        source = gc.replay(list(range(1, len(values) + 1)), list(values)).named("source")
        return gc.Stream(cls(source)).named("node").collect()

    return wire
