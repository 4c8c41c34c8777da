"""The second entry of the function, which takes all variables of an earlier one, flags included."""

from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.analysis.clocks import Placement
from graphcore.engine.fused.analysis.drivers import DriverName
from graphcore.engine.fused.analysis.tests import place
from graphcore.engine.fused.backend.drivers import DRIVERS
from graphcore.engine.fused.backend.emit import Entry, emit
from graphcore.engine.fused.backend.layout import lay_out
from graphcore.engine.fused.pipeline import read
from graphcore.engine.plan import Plan

NUMBERS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]


class Watched:
    """Stands in for `Live`; in these tests no code looks at the nodes."""

    def begin(self, frame: object) -> None:
        """Do nothing."""


def functions(stream: gc.Stream[Any]) -> tuple[Any, Any, Plan, list[str]]:
    """Return the function with each entry, for a loop over given events, and its variables."""
    plan = Plan([stream.node])
    nodes = read(plan, {}).nodes
    placed = place(nodes, Placement(nodes))
    made = DRIVERS[DriverName.EVENTS]
    layout = lay_out(nodes, plan.nodes, placed, made.replaces(nodes))
    found = []
    for entry in Entry:
        names = {**layout.constants, "current_frame": lambda: None}
        exec(str(emit(nodes, placed, layout, made(nodes, layout), entry)), names)
        found.append(names["run"])
    held = [kept.value for kept in layout.kept if kept.node]
    held += [name for kept in layout.kept for _, name in kept.state]
    return found[0], found[1], plan, held + list(layout.flags.values())


class Session:
    interrupted = False
    start_time = 0


@pytest.mark.parametrize("at", range(len(NUMBERS) + 1))
def test_a_run_that_is_entered_again_goes_on_as_if_it_had_not_been_interrupted(at: int) -> None:
    def make() -> gc.Stream[Any]:
        source = gc.from_iterable(NUMBERS)
        odd = source.filter(lambda n: n % 2 == 1)
        return (odd.count() + source.scan(lambda a, n: a + n, 0)).distinct()

    def variables(split: int) -> list[Any]:
        first, again, plan, names = functions(make())
        for node in plan.nodes:
            node.reset()
            if node.upstreams().active:
                node.start(gc.GraphState(Session(), 0))  # type: ignore[arg-type]  # asked nothing
        events = [(value, cycle) for cycle, value in enumerate(NUMBERS, 1)]
        given = Session(), list(map(vars, plan.nodes)), {}, {}, Watched()
        left = first(*given, events[:split])
        found = again(*given, left, events[split:])
        return [found.get(name) for name in names]

    whole = variables(len(NUMBERS))
    assert whole[-1] == len(NUMBERS)
    assert variables(at) == whole
