"""Nodes as data, for tests of the passes that work on IR only."""

from collections.abc import Iterable
from typing import Any

from graphcore.engine.fused.ir import (
    Body,
    CycleIR,
    Kinds,
    NodeIR,
    Run,
    RunState,
    Set,
    Tick,
    Ticked,
    TickForm,
    Upstream,
    Valid,
    Value,
    holes_of,
)

COPY = Set(((Value(),),), "", (Upstream("source"),), sets_value=True)


def cycle_of(
    *body: Any,
    form: TickForm = TickForm.ALWAYS,
    kinds: Kinds | None = None,
    wakes: float = 0,
    sets_value: bool = True,
    assigns_value: bool | None = None,
    withheld: bool = False,
) -> CycleIR:
    """Return a cycle of these statements; by default of one that copies its source."""
    lines: Body = body or (COPY, Tick())
    holes = tuple(dict.fromkeys(holes_of(lines)))
    asked = {hole.what for hole in holes if isinstance(hole, RunState)}
    if wakes:
        asked |= {Run.TIME, Run.STATE}
    return CycleIR(
        body=lines,
        tick_form=form,
        wakes=wakes,
        assigns_value=sets_value if assigns_value is None else assigns_value,
        sets_value=sets_value,
        withheld=withheld,
        requires=frozenset(asked),
        holes=holes,
        asks_ticks=any(isinstance(hole, Ticked | Valid) for hole in holes),
        kinds=kinds or {},
    )


def node(
    active: Iterable[int] = (),
    passive: Iterable[int] = (),
    cycle: CycleIR | None = None,
    *,
    label: str = "node",
    woken: bool | None = None,
    waits: bool = True,
    **more: Any,
) -> NodeIR:
    """Return a node; `nodes` sets its place, and names its upstreams `source`."""
    active, passive = tuple(active), tuple(passive)
    return NodeIR(
        index=-1,
        label=label,
        number=-1,
        active=active,
        passive=passive,
        woken=not (active or passive) if woken is None else woken,
        needs_all=waits,
        cycle=cycle,
        **more,
    )


def source(**more: Any) -> NodeIR:
    """Return a node without upstreams that ticks whenever it runs."""
    return node((), (), cycle_of(Tick()), **more)


def always(*active: int, passive: tuple[int, ...] = (), **more: Any) -> NodeIR:
    """Return a node that ticks whenever it runs."""
    return node(active, passive, cycle_of(), **more)


def chooses(*active: int, passive: tuple[int, ...] = (), **more: Any) -> NodeIR:
    """Return a node that ticks in some of the cycles in which it runs."""
    return node(active, passive, cycle_of(form=TickForm.TAIL), **more)


def never(*active: int, **more: Any) -> NodeIR:
    """Return a node that never ticks."""
    return node(active, (), cycle_of(Set(((Value(),),), "", ("1",)), form=TickForm.NEVER), **more)


def called(*active: int, **more: Any) -> NodeIR:
    """Return a node that the function calls."""
    return node(active, (), None, why="it is a test", **more)


def nodes(*made: NodeIR) -> list[NodeIR]:
    """Return the nodes of a graph, each in its place, with its upstreams under `source`."""
    for place, each in enumerate(made):
        each.index = each.number = place
        reads = (*each.active, *each.passive)
        own: dict[tuple[str, int | None], int] = {("sources", n): r for n, r in enumerate(reads)}
        if reads:
            own["source", None] = reads[0]
        each.upstreams = own
    return list(made)
