"""Nodes that can never tick, with the input that keeps them from it."""

from collections.abc import Iterator

from graphcore.checking.bounds import Bounds, feeder_of, withheld
from graphcore.checking.finding import Finding, Kind
from graphcore.checking.look import Look
from graphcore.node import Source
from graphcore.sources.feedback import Feedback, FeedbackEnd
from graphcore.sources.timer import Never


def nodes_that_never_tick(look: Look) -> Iterator[Finding]:
    """Yield a finding for each cause: the first nodes that it keeps from ticking."""
    bounds = Bounds(look)
    dead = {index for index in range(len(look.nodes)) if bounds.is_dead(index)}
    inner = (Source, Feedback, FeedbackEnd)
    found = [index for index in sorted(dead) if not isinstance(look.nodes[index], inner)]
    for index in found:
        why, advice = _why(look, bounds, index)
        if not why:
            continue
        after = _after(look, index).intersection(found)
        others = f", and neither can the {len(after)} after it" if len(after) > 1 else ""
        others = ", and neither can the one after it" if len(after) == 1 else others
        name = look.names[index]
        yield look.finding(Kind.NEVER_TICKS, index, f"{name} can never tick: {why}{others}", advice)


def _why(look: Look, bounds: Bounds, index: int) -> tuple[str, str]:
    """Return why a node never ticks, and what to do; empty if another finding says it."""
    names, nodes = look.names, look.nodes
    blocking = list(bounds.blocking(index))
    for each in blocking:
        node = nodes[each]
        if isinstance(node, Feedback):
            feeder = look.places[id(feeder_of(node))]
            return (
                f"it waits for {names[each]}, which delivers only what {names[feeder]} ticked",
                f"give the loop a first value, as {names[each]}.default(0) does",
            )
        if isinstance(node, Never):
            if all(isinstance(nodes[i], Never) for i in _read(look, index)):
                return "", ""  # nothing else was wired to it, so that is on purpose
            return f"it waits for {names[each]}, a gc.never()", "give it a stream that ticks"
        if isinstance(node, Source):
            return f"it waits for {names[each]}, which has no events", "give that source events"
    count = withheld(nodes[index])
    if not blocking and count:
        (source,) = look.plan.active[index]
        most = int(bounds.ticks[source])
        times = "once" if most == 1 else f"{most} times"
        return (
            f"it takes {count} value{'' if count == 1 else 's'} before it first ticks, and "
            f"{names[source]} ticks at most {times}",
            "give it a stream that ticks more often, or a smaller count",
        )
    return "", ""


def _read(look: Look, index: int) -> tuple[int, ...]:
    return look.plan.active[index] + look.plan.passive[index]


def _after(look: Look, index: int) -> set[int]:
    """Return the nodes that depend on a node."""
    found: set[int] = set()
    for each in range(index + 1, len(look.nodes)):
        if any(i == index or i in found for i in _read(look, each)):
            found.add(each)
    return found
