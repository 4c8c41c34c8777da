"""Run one wiring on both tiers, and check that they agree with each other and with the judge."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from hypothesis import settings

import graphcore as gc
from tests.differential.judge import Judge
from tests.differential.observe import (
    Outcome,
    difference,
    difference_from_judge,
    run,
    run_by_judge,
)
from tests.differential.recipe import graph_of

# Whether the random cases are those of `make test-thorough`.
THOROUGH = settings.default.max_examples > 100


class Seen(NamedTuple):
    """The outcome of a run, the same on both tiers.

    Attributes:
        values: the collected values.
        error: type and text of the error, with its notes; empty if there was none.
    """

    values: list[Any]
    error: str


def on_both_tiers(wire: Callable[[], "gc.Collected[Any]"], **options: Any) -> Seen:
    """Wire a graph for each tier, run it, and return the outcome of both."""
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


Change = Callable[[Any], object]
JUDGE = "judge"
# The tiers of successive runs.
WAYS = ((JUDGE,), ("interpreted",), ("fused",), ("fused", "interpreted"), ("interpreted", "fused"))


def agree(
    wire: Callable[[], Any], *changes: Change, judged: bool = True, **options: Any
) -> list[list[Any]]:
    """Run a graph once, and again after each change, in every way; check that all ways agree.

    Args:
        wire: wires a new graph for each way. It returns the stream to collect, in a list with other
            roots if there are any; or a pair of that and the subject of the changes.
        changes: functions that change the subject between two runs of one graph.
        judged: whether the judge runs the graph as well; the judge can do historical runs only.
        options: those of `Graph.run`.

    Returns: The collected values of each run, followed by the error's type and text if there was
        one.
    """
    ways = WAYS if changes else WAYS[:3]
    if not judged or options.get("realtime"):
        ways = tuple(way for way in ways if way != (JUDGE,))
    runs = {way: list(_runs(wire, changes, way, options)) for way in ways}
    (first, expected), *others = runs.items()
    for other, seen in others:
        for number, (one, two) in enumerate(zip(expected, seen, strict=True), 1):
            compare = difference_from_judge if first == (JUDGE,) else difference
            found = compare(one.outcome, two.outcome)
            names = " and ".join("/".join(way) for way in (first, other))
            assert found is None, f"{names} differ in run {number}, in {found}"
    return [each.values for each in expected]


class _Round(NamedTuple):
    outcome: Outcome
    values: list[Any]


def _runs(
    wire: Callable[[], Any], changes: tuple[Change, ...], way: tuple[str, ...], options: Any
) -> Iterator[_Round]:
    made = wire()
    out, subject = made if isinstance(made, tuple) else (made, None)
    out, *others = out if isinstance(out, list) else [out]
    graph = graph_of(out, *others)
    judge = Judge(graph.nodes)
    nothing: Change = lambda subject: None  # noqa: E731  # one that takes the type of the others
    for change, tier in zip((nothing, *changes), itertools.cycle(way), strict=False):
        change(subject)
        if tier == JUDGE:
            outcome = run_by_judge(graph, judge, **options)
        else:
            outcome = run(graph, tier=tier, **options)
        error = [outcome["raised"].partition("\n")[0]] if outcome["raised"] else []
        yield _Round(outcome, [*getattr(out, "values", []), *error])
