"""Find instants that never end (R15)."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from graphcore.engine.notes import add_note
from graphcore.engine.plan import Plan
from graphcore.errors import RunError
from graphcore.node import MutableNode, QueueNode, Source
from graphcore.time import format_time

MAX_CYCLES_AT_ONCE = 1_000_000

_LATELY = 1_000  # the last cycles at one time; an error names the nodes due in them
_MOST_NAMES = 5


# How many values each queue is still to deliver, if any. The place of a queue is the indices of the
# owners around it, the outermost first, and its own; sub-graphs of one owner count together.
Queues = Counter[tuple[int, ...]]


class Inside(NamedTuple):
    """What is in a sub-graph between two cycles.

    Attributes:
        what: what it is for: a word such as "key", and which one.
        names: the names of its own nodes.
        values: what each of them last ticked with, `ABSENT` without a tick.
    """

    what: tuple[str, Any]
    names: Sequence[str]
    values: Sequence[Any]


class Owner(Protocol):
    """The sub-graphs of one node.

    Attributes:
        index: the index of the node.
    """

    index: int

    @property
    def count(self) -> int:
        """How many sub-graphs run."""

    def inside(self, most: int) -> "list[Inside]":
        """Return what is in the first sub-graphs between two cycles, but no more than this many."""

    def queues(self, time: int, place: tuple[int, ...]) -> Queues:
        """Return the queues in the sub-graphs.

        Args:
            time: engine time, ns.
            place: the first part of their places: that of the node around the owner.
        """

    def have_delivered(self) -> bool:
        """Return whether a source in them has delivered since this was last asked."""


class Now(Protocol):
    """Where a run is.

    Attributes:
        plan: what is run.
        time: engine time, ns.
        cycle: the number of the last cycle.
        first_cycle: the number of the first one at this time.
    """

    plan: Plan
    time: int
    cycle: int
    first_cycle: int

    @property
    def owners(self) -> Sequence[Owner]:
        """The sub-graphs of its nodes."""

    def lately_due(self, since: int) -> Collection[int]:
        """Return the nodes that were due in a cycle after this one."""


def queues_of(
    nodes: Iterable[MutableNode[Any]],
    owners: Iterable[Owner],
    time: int,
    place: tuple[int, ...] = (),
) -> Queues:
    """Return the queues of a graph, and of the sub-graphs in it.

    Args:
        nodes: the nodes of the graph.
        owners: the sub-graphs of its nodes.
        time: engine time, ns.
        place: the place of the graph; empty for the whole graph.
    """
    queues: Queues = Counter()
    for index, node in enumerate(nodes):
        if isinstance(node, QueueNode):
            queues[(*place, index)] = node.queued(time)
    for owner in owners:
        queues += owner.queues(time, place)
    return +queues


class EndlessWatch:
    """Tells whether the cycles at one time lead anywhere.

    They lead nowhere if, over more than `most` of them, no source delivered and the queues got no
    shorter. Queues are compared in the order of R2, and the first one that changed decides, since
    it feeds the later ones. A source in a sub-graph does not tell in which cycle it delivered, so
    the cycles count from the look that saw it.

    Args:
        most: how many cycles that lead nowhere may run at one time.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._mark: tuple[int, Queues] = (0, Counter())  # a number of cycles, the queues after it
        self._delivered_inside = 0

    def look(self, now: Now, due: Iterable[int]) -> int:
        """Return after which cycle to look again.

        Args:
            now: where the run is.
            due: the nodes that would start the further cycle.

        Raises:
            RunError: if the cycles lead nowhere; it names the nodes that kept scheduling.
        """
        nodes = now.plan.nodes
        ticks = [node.ticked_in for node in nodes if isinstance(node, Source)]
        delivered = max(now.first_cycle - 1, self._delivered_inside, *ticks)
        if now.cycle - delivered <= self.most:
            return delivered + self.most + 1
        if any([owner.have_delivered() for owner in now.owners]):  # a list: each notes what it saw
            self._delivered_inside = now.cycle
            return now.cycle + self.most + 1
        queues = queues_of(nodes, now.owners, now.time)
        marked, before = self._mark
        if marked <= delivered and queues:
            self._mark = (now.cycle, queues)
        elif marked <= delivered or (
            now.cycle - marked > self.most and not _got_shorter(before, queues)
        ):
            raise self._error(now, due, delivered)
        elif now.cycle - marked > self.most:
            self._mark = (now.cycle, queues)
        return self._mark[0] + self.most + 1

    def _error(self, now: Now, due: Iterable[int], delivered: int) -> RunError:
        since = max(delivered, now.cycle - _LATELY)
        indices = sorted({*now.lately_due(since), *due})
        every = now.plan.names()
        names = [every[index] for index in indices]
        if len(names) > _MOST_NAMES:
            names[_MOST_NAMES:] = [f"{len(names) - _MOST_NAMES} more"]
        error = RunError(
            f"more than {self.most:,} cycles ran at {format_time(now.time)} ({now.time} ns) in "
            "which no source delivered and no queue got shorter: "
            f"{', '.join(names[:-1]) + ' and ' if names[1:] else ''}{names[-1]} kept scheduling at "
            "the present time; have the loop settle, or raise max_cycles_at_once"
        )
        for index in indices[:_MOST_NAMES]:
            add_note(error, now.plan, index, now.time)
        return error


def _got_shorter(before: Queues, now: Queues) -> bool:
    """Return whether the first queue that changed got shorter."""
    changed = [place for place in before.keys() | now.keys() if before[place] != now[place]]
    first = min(changed, default=())
    return now[first] < before[first]
