"""Find instants that never end (R15)."""

from collections.abc import Collection, Iterable
from typing import Protocol

from graphcore.engine.notes import add_note
from graphcore.engine.plan import Plan
from graphcore.errors import RunError
from graphcore.node import QueueNode, Source
from graphcore.time import format_time

MAX_CYCLES_AT_ONCE = 1_000_000

_LATELY = 1_000  # the last cycles at one time; an error names the nodes due in them
_MOST_NAMES = 5


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

    def lately_due(self, since: int) -> Collection[int]:
        """Return the nodes that were due in a cycle after this one."""


class EndlessWatch:
    """Tells whether the cycles at one time lead anywhere.

    They lead nowhere if, over more than `most` of them, no source delivered and the queues got no
    shorter. Queues are compared in the order of R2, and the first one that changed decides, since
    it feeds the later ones.

    Args:
        most: how many cycles that lead nowhere may run at one time.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._mark: tuple[int, list[int]] = (0, [])  # a number of cycles, and the queues after it

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
        delivered = max(now.first_cycle - 1, *ticks, 0)
        if now.cycle - delivered <= self.most:
            return delivered + self.most + 1
        queues = [node.queued(now.time) for node in nodes if isinstance(node, QueueNode)]
        marked, before = self._mark
        if marked <= delivered and any(queues):
            self._mark = (now.cycle, queues)
        elif marked <= delivered or (now.cycle - marked > self.most and queues >= before):
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
