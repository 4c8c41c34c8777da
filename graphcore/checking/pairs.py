"""Operators on two streams that never tick in the same cycle: each has what the other lacks."""

from collections.abc import Iterator

from graphcore.checking.finding import Finding, Kind
from graphcore.checking.look import Look
from graphcore.engine.fused.analysis.clocks import Clock, Of
from graphcore.node import node_of
from graphcore.operators.arithmetic import Binary
from graphcore.operators.single import Filter


def pairs_that_never_tick_together(look: Look) -> Iterator[Finding]:
    """Yield a finding for each operator on both sides of a `split`, or of a filter.

    Streams of different sources may never meet either; that is usual, and no mistake. The two sides
    of one filter come from the same values, so an operator on both mixes a value with an older one.
    """
    for index, node in enumerate(look.nodes):
        if not isinstance(node, Binary):
            continue
        left, right = (look.places[id(node_of(each))] for each in (node.left, node.right))
        ticks = look.placement.ticks
        if _are_apart(look, ticks[left], ticks[right]):
            names = look.names
            yield look.finding(
                Kind.NEVER_TOGETHER,
                index,
                f"{names[index]} ticks on either, never on both: {names[left]} and {names[right]} "
                "are the two sides of one filter, so it joins each value with an older one",
                "compute on the values before they are split, or merge the sides",
            )


def _are_apart(look: Look, one: Clock, other: Clock) -> bool:
    sides = [_sides(look, clock) for clock in (one, other)]
    return any(
        node_of(a.source) is node_of(b.source)
        and a.wanted is not b.wanted
        and (a.predicate is b.predicate or _text(a.predicate) == _text(b.predicate) != "")
        for a in sides[0]
        for b in sides[1]
    )


def _sides(look: Look, clock: Clock | None) -> Iterator[Filter[object]]:
    while clock is not None:
        node = look.nodes[clock.node] if clock.of is Of.CHOICE else None
        if isinstance(node, Filter):
            yield node
        clock = clock.above


def _text(predicate: object) -> str:
    """Return what tells an `operator.itemgetter` apart; `split` makes one for each side."""
    return repr(predicate) if type(predicate).__module__ == "operator" else ""
