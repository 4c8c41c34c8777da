"""Queues that grow as long as the run goes on."""

from collections.abc import Iterator

from graphcore.checking.bounds import Bounds
from graphcore.checking.finding import Finding, Kind
from graphcore.checking.look import Look
from graphcore.node import node_of
from graphcore.operators.pacing import BufferUntil, DelayUntil


def queues_that_grow(look: Look) -> Iterator[Finding]:
    """Yield a finding for each node that keeps values for a trigger that ticks at most once."""
    bounds = Bounds(look)
    for index, node in enumerate(look.nodes):
        if not isinstance(node, BufferUntil | DelayUntil):
            continue
        trigger = look.places[id(node_of(node.trigger))]
        most = bounds.ticks[trigger]
        if most <= 1 and bounds.ticks[look.places[id(node_of(node.source))]] > 1:
            name, of = look.names[index], look.names[trigger]
            how = "never ticks" if not most else "ticks at most once"
            yield look.finding(
                Kind.GROWS,
                index,
                f"{name} keeps every value until {of} ticks, and {of} {how}, so its queue only "
                "grows",
                "give it a trigger that keeps ticking",
            )
