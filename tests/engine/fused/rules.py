"""R2, R3 and R5 carried out on nodes as data, and random graphs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import strategies as st

from graphcore.engine.fused.ir import Do, NodeIR, Ticked, TickForm, Valid
from tests.engine.fused.made import cycle_of, node, nodes


@dataclass
class Cycle:
    """A cycle of a run: which nodes are due, and which of the nodes that may tick do so."""

    due: frozenset[int]
    chosen: frozenset[int]


class Ran(NamedTuple):
    """A node that ran: whether it ticked, and for each upstream whether it ticked and was valid."""

    index: int
    ticks: bool
    upstreams: tuple[tuple[bool, bool], ...]


def may_tick(reader: NodeIR, chosen: bool) -> bool:
    """Return whether a node ticks where it runs."""
    if reader.tick_form is TickForm.ALWAYS:
        return True
    return reader.tick_form is not TickForm.NEVER and chosen


def by_the_rules(graph: Sequence[NodeIR], cycles: Sequence[Cycle]) -> list[list[Ran]]:
    """Return for each cycle which nodes run, in their order."""
    have_values: set[int] = set()
    logs: list[list[Ran]] = []
    for cycle in cycles:
        log: list[Ran] = []
        ticked: set[int] = set()
        for index, reader in enumerate(graph):
            upstreams = (*reader.active, *reader.passive)
            triggered = ticked.intersection(reader.active) or index in cycle.due
            if not triggered or (reader.needs_all and not have_values.issuperset(upstreams)):
                continue
            ticks = may_tick(reader, index in cycle.chosen)
            asked = tuple((each in ticked, each in have_values) for each in upstreams)
            log.append(Ran(index, ticks, asked))
            if ticks:
                ticked.add(index)
                have_values.add(index)
        logs.append(log)
    return logs


@st.composite
def graphs(draw: st.DrawFn) -> list[NodeIR]:
    """Return the nodes of a graph, which ask of all upstreams whether they ticked or are valid."""
    made: list[NodeIR] = []
    for index in range(draw(st.integers(1, 16))):
        # Upstreams close to the node make deep graphs.
        read = st.integers(max(0, index - 6), index - 1) if index else st.nothing()
        active = draw(st.lists(read, unique=True, max_size=3)) if index else []
        passive = draw(st.lists(read, unique=True, max_size=2)) if index else []
        passive = [each for each in passive if each not in active]
        woken = not (active or passive) or draw(st.integers(0, 9)) == 0
        # `None` is a called node, which may tick or not.
        form = draw(st.sampled_from([*TickForm, None, TickForm.TAIL, *[TickForm.ALWAYS] * 3]))
        asked: list[Any] = []
        for place in range(len(active) + len(passive)):
            asked += [Ticked("sources", place), Valid("sources", place)]
        cycle = None if form is None else cycle_of(Do(tuple(asked)), form=form)
        made.append(node(active, passive, cycle, woken=woken, waits=draw(st.booleans())))
    return nodes(*made)


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[NodeIR], list[Cycle]]:
    """Return a graph and the cycles of a run."""
    made = draw(graphs())
    woken = [each.index for each in made if each.woken]
    due = st.frozensets(st.sampled_from(woken), min_size=1)
    chosen = st.frozensets(st.integers(0, len(made) - 1))
    return made, draw(st.lists(st.builds(Cycle, due, chosen), min_size=1, max_size=6))
