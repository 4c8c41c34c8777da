"""`Runs`: the runs of one graph: what was counted of those that ended, and a look at the present.

A run pays nothing for it: it is told when it begins and when it ends. A scrape asks the graph's
thread to look between two cycles, as the live view does, and lets it look after some further
cycles, for at most 10 ms of computing, so that the next scrape knows how often nodes tick.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import time
from typing import Any

from graphcore.engine.plan import Plan
from graphcore.engine.run.lifecycle import Tier
from graphcore.engine.run.seen import value_of
from graphcore.engine.run.session import Session
from graphcore.metrics.nodes import Queue, dropped_of, drops, has_queue, queue_of
from graphcore.metrics.ticks import TickCount
from graphcore.state import EndedBy
from graphcore.subgraph import ABSENT
from graphcore.view import Lookout, Wanted

_HALF_LIFE = 60.0  # s; scrapes are some 15 s apart
STATES = ("idle", "starting", "running", "paused", "stopping")


@dataclass(frozen=True, slots=True)
class Last:
    """What is known of one node's ticks.

    Attributes:
        age: engine time since its last tick, or since the start of the run without one, s.
        rate: ticks a second, estimated.
    """

    age: float
    rate: float


@dataclass(slots=True)
class Reading:
    """What is known of a graph's runs at one moment.

    Attributes:
        state: one of `STATES`.
        ended: how many runs have ended, by what ended them.
        cycles: how many cycles have run.
        waiting: for how long runs have waited for the clock or for events, s.
        began: when the present run began, s since the epoch; `None` without one. Of a historical
            run in progress that is added, the time at which it was added.
        time: engine time of its last cycle, s; `None` without a run.
        lag: how late the next alarm of a real-time run is, s; `None` without such a run.
        nodes: the last ticks of nodes, by index.
        queues: the queues of nodes, by index.
        subgraphs: how many sub-graphs a node has, by index.
        dropped: how many values a node has dropped, by index.
        ticks: the ticks that each `TickCount` has counted, by its index.
    """

    state: str = "idle"
    ended: Mapping[EndedBy, int] = field(default_factory=dict)
    cycles: int = 0
    waiting: float = 0.0
    began: float | None = None
    time: float | None = None
    lag: float | None = None
    nodes: dict[int, Last] = field(default_factory=dict)
    queues: dict[int, Queue] = field(default_factory=dict)
    subgraphs: dict[int, int] = field(default_factory=dict)
    dropped: dict[int, int] = field(default_factory=dict)
    ticks: dict[int, int] = field(default_factory=dict)


class Runs:
    """The runs of one graph, as scrapes see them.

    Args:
        plan: the plan of the graph.
        shown: the indices of the nodes that have metrics of their own.
    """

    def __init__(self, plan: Plan, shown: Sequence[int]) -> None:
        self._nodes = plan.nodes
        self._shown = frozenset(shown)
        self._queues = [i for i in shown if has_queue(plan.nodes[i])]
        self._dropping = [i for i in shown if drops(plan.nodes[i])]
        self._counting = [i for i, node in enumerate(plan.nodes) if isinstance(node, TickCount)]
        self._lookout = Lookout(_ignore, _HALF_LIFE)
        self._lock = threading.Lock()
        self._present: tuple[Session, Tier, float] | None = None
        self._ended: Counter[EndedBy] = Counter()
        self._cycles = 0
        self._waited = 0

    def begin(self, session: Session, tier: Tier) -> None:
        """Take in that a run begins, or is in progress."""
        with self._lock:
            if self._present is None or self._present[0] is not session:
                clock = session.clock
                began = time() if clock is None else clock.start / 1e9
                self._present = session, tier, began
                self._lookout.forget()

    def end(self, session: Session, failure: str) -> None:
        """Take in that a run has ended."""
        with self._lock:
            if self._present is None or self._present[0] is not session:
                return
            self._present = None
            self._cycles += session.cycles_run
            self._waited += session.waited
            self._ended[EndedBy.ERROR if failure else session.ended_by or EndedBy.STOP] += 1

    def read(self) -> Reading:
        """From any thread: read the present figures.

        If a cycle takes more than a second, they are read meanwhile.
        """
        with self._lock:
            reading = Reading(
                ended=dict(self._ended), cycles=self._cycles, waiting=self._waited / 1e9
            )
            present = self._present
        if present is None:
            self._read_counts(reading, [value_of(self._nodes[i]) for i in self._counting])
            return reading
        session, tier, began = present
        reading.began = began
        reading.state = _state_of(session)
        if session.questions.are_answered and self._shown:
            self._lookout.look(session, tier, Wanted(rated=self._shown))
        session.ask(lambda: self._look(session, tier, reading))
        return reading

    def _look(self, session: Session, tier: Tier, reading: Reading) -> None:
        """Between two cycles: look at the run."""
        seen = tier.look(session, self._counting)
        reading.cycles += session.cycles_run if session.closing else seen.cycle
        reading.waiting += session.waited / 1e9
        reading.time = seen.time / 1e9
        reading.lag = _lag_of(session, seen.time)
        self._read_counts(reading, seen.values)
        if reading.state not in ("running", "paused"):
            return
        self._read_ticks(session, seen.time, reading)
        for index in self._queues:
            reading.queues[index] = queue_of(self._nodes[index], seen.time)
        for owner in session.owners:
            index = owner.index
            if index in self._shown:
                reading.subgraphs[index] = reading.subgraphs.get(index, 0) + owner.count

    def _read_ticks(self, session: Session, at: int, reading: Reading) -> None:
        sight = self._lookout.sight
        if sight is None:
            return
        now = at if session.clock is None or not session.live else session.clock.now()
        for index, row in sight.rows.items():
            last = session.start_time if row.at is None else row.at
            reading.nodes[index] = Last(max(0, now - last) / 1e9, row.rate)

    def _read_counts(self, reading: Reading, ticks: Sequence[Any]) -> None:
        """Read what is counted from the start of a run on, and kept after its end."""
        for index, count in zip(self._counting, ticks, strict=True):
            reading.ticks[index] = 0 if count is ABSENT else count
        for index in self._dropping:
            reading.dropped[index] = dropped_of(self._nodes[index])


def _ignore() -> None:
    """Take no notice of a new sight: each scrape reads the last one."""


def _state_of(session: Session) -> str:
    if session.questions.is_paused:
        return "paused"
    if session.questions.are_answered:
        return "running"
    return "stopping" if session.ended.is_set() or session.closing else "starting"


def _lag_of(session: Session, time: int) -> float | None:
    if session.clock is None:
        return None
    now = session.clock.now()
    if session.live:
        # Only a look at the heap: perhaps the graph's thread is in the midst of a long cycle.
        heap = session.schedule.heap[:1]
        if not heap or heap[0] in session.schedule.cancelled:
            return 0.0
        time = heap[0] >> session.schedule.bits
    return max(0, now - time) / 1e9
