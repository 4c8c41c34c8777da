"""The session of one sub-graph: a run as its nodes see it.

It passes on to the session around it whatever concerns the whole run. An alarm of a node is an
alarm of the node that owns the sub-graph as well: it wakes the owner, which then runs the sub-graph
at its own place in the cycle (R2).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Event
from typing import TYPE_CHECKING, Any

from graphcore.engine.clock import RealTimeClock
from graphcore.engine.plan import Node, Plan
from graphcore.engine.run.running import States
from graphcore.engine.run.session import Session
from graphcore.engine.withheld import Withholding
from graphcore.errors import Failure
from graphcore.node import QueueNode
from graphcore.polling import Pollable, Receive
from graphcore.state import Alarm, EndedBy, EventLoop, RunMode

if TYPE_CHECKING:
    from graphcore.engine.subgraphs.subgraphs import Subgraphs


class Subsession:
    """A run as the nodes of one sub-graph see it.

    Args:
        outer: the session around it.
        owner: the sub-graphs to which it belongs.
        birth: the number of the sub-graph.
        plan: its nodes, or those of another sub-graph of its shape.

    Attributes:
        plan: the argument.
        start_time: engine time of its birth.
        states: the state of each node.
        withheld: as `Session.withheld`.
        pending: as `Session.pending`.
        starting: the nodes that set an alarm for cycle 1 in `start`; `None` after that.
        resumable: whether cycles may follow one in which a node raised.
        failed: the index of the node that raised last.
        owners: as `Session.owners`.
        has_closed: whether its closing instant has begun.
    """

    def __init__(
        self, outer: "Session | Subsession", owner: "Subgraphs", birth: int, plan: Plan
    ) -> None:
        self._outer = outer
        self.plan = plan
        self._owner = owner
        self._birth = birth
        self.start_time = outer.time
        self.run_mode: RunMode = outer.run_mode
        self.receive: Receive = outer.receive
        self.states = States(self)
        self.withheld: dict[int, Withholding] = {}
        self.pending: list[int] | None = None
        self.schedule = _Alarms(owner, birth, self)
        # Where the owner itself is being started, the owner's alarm starts the first cycle.
        self.starting: list[int] | None = None if outer.is_starting else []
        self._is_starting = True
        self.resumable = owner.resumable
        self.failed = -1
        self.owners: tuple[Subgraphs, ...] = ()
        self._ended: Event | None = None
        self._has_ended = False
        self._holds = 0
        self.has_closed = False

    @property
    def time(self) -> int:
        """Engine time, ns."""
        return self._outer.time

    @property
    def cycle(self) -> int:
        """The number of the cycle, counted over the whole run."""
        return self._outer.cycle

    @property
    def cycle_at_time(self) -> int:
        """The number of this cycle among those at the present time, from 0."""
        return self._outer.cycle_at_time

    @property
    def ended_by(self) -> EndedBy | None:
        """What ended the run."""
        return self._outer.ended_by

    @property
    def event_loop(self) -> EventLoop | None:
        """The loop of the run's coroutines; `None` for one of their own."""
        return self._outer.event_loop

    @property
    def closing(self) -> bool:
        """Whether the ordinary cycles of the sub-graph are over."""
        return self.has_closed or self._outer.closing

    @property
    def stopping(self) -> bool:
        """Whether the run has been told to end, or its time is over."""
        return self._outer.stopping

    @property
    def live(self) -> bool:
        """Whether the run is in the present."""
        return self._outer.live

    @property
    def clock(self) -> RealTimeClock | None:
        """The clock of a real-time run."""
        return self._outer.clock

    @property
    def max_cycles_at_once(self) -> int:
        """How many cycles that lead nowhere may run at one time (R15)."""
        return self._outer.max_cycles_at_once

    @property
    def bounded(self) -> bool:
        """Whether the run ends even if its sources do not."""
        return self._outer.bounded

    def request_stop(self, reason: EndedBy) -> None:
        """End the run after the present cycle."""
        self._outer.request_stop(reason)

    def wake(self, index: int) -> None:
        """From any thread: run the node of this index in the next cycle."""
        self._owner.wake(self._birth, index)

    def call_soon(self, index: int, function: Callable[[], None]) -> None:
        """From any thread: call the function between two cycles."""
        self._outer.call_soon(self._owner.index, function)

    def poll(self, source: Pollable) -> None:
        """Read a source in the graph's thread from now on."""
        self._outer.poll(source)

    def end_poll(self, source: Pollable) -> None:
        """Read a source no more."""
        self._outer.end_poll(source)

    def hold(self, count: int) -> None:
        """Change the number of holds by this; those of a sub-graph end with it."""
        if not self._has_ended:
            self._holds += count
            self._outer.hold(count)

    @property
    def ended(self) -> Event:
        """An event that is set when the sub-graph has ended, before its nodes are stopped."""
        if self._ended is None:  # few sub-graphs need one, and it takes as much memory as a key
            self._ended = Event()
            if self._has_ended:
                self._ended.set()
        return self._ended

    def end(self) -> None:
        """Note that the sub-graph has ended."""
        if not self._has_ended:
            self._outer.hold(-self._holds)
            self._has_ended = True
            if self._ended is not None:
                self._ended.set()

    def subgraphs(self, index: int, outside: Sequence[Node], resumable: bool) -> "Subgraphs":
        """Return the sub-graphs of a node of this sub-graph."""
        made = type(self._owner)(self, index, outside, resumable or self.resumable)
        self.owners += (made,)
        return made

    @property
    def is_starting(self) -> bool:
        """Whether nodes are being started, before the first cycle."""
        return self._is_starting

    def end_start(self) -> list[int]:
        """Return the nodes that set an alarm for the first cycle in `start`, which is over."""
        starting, self.starting, self._is_starting = self.starting, None, False
        return starting or []

    def wake_again(self, due: Iterable[int]) -> None:
        """Wake the nodes that the present cycle, which failed, has not reached.

        Args:
            due: the nodes that started the cycle.
        """
        for index in sorted(set(due)):
            if index > self.failed and self.states[index].due_in == self.cycle:
                self.schedule.add(self.time, index)

    def note_failure(
        self, error: Exception, index: int, node: str, values: Mapping[str, Any]
    ) -> None:
        """Keep the node that raised an error; if the error passes several nodes, the first."""
        self.failed = index
        self._outer.note_failure(error, index, node, values)

    def take_failure(self, error: Exception) -> Failure | None:
        """Return what was kept of an error, if anything, and keep it no more."""
        return self._outer.take_failure(error)

    def due_now(self) -> set[int]:
        """Return the nodes with an alarm for the present time that has not gone off."""
        return self._owner.due_now(self._birth)

    def begin_closing(self) -> None:
        """Begin the closing instant (R14)."""
        if not self.closing:  # in that of what is around it, the owner drops the alarms
            self.schedule.cancel_ordinary()
        self.has_closed = True

    def retire(self) -> None:
        """Ask the owner to retire this sub-graph."""
        self._owner.ask_to_retire(self._birth)


class _Alarms:
    """The alarms of one sub-graph, each of which is an alarm of its owner as well."""

    def __init__(self, owner: "Subgraphs", birth: int, session: Subsession) -> None:
        self._owner = owner
        self._birth = birth
        self._session = session
        self._kept: list[_PairedAlarm] = []
        self._enough = 16

    @property
    def took_last(self) -> bool:
        """Whether the nodes that are due now are so by alarms of `schedule_last`."""
        return self._owner.took_last

    def add(self, at: int, index: int, keeps_alive: bool = True, last: bool = False) -> Alarm:
        """Add an alarm."""
        session = self._session
        if session.starting is not None and at <= session.time and not last:
            session.starting.append(index)
            return Alarm(self, index, -1)
        inner, outer = self._owner.add_alarm(at, self._birth, index, keeps_alive, last)
        alarm = _PairedAlarm(inner, outer, at, index)
        if len(self._kept) >= self._enough:
            self._kept = [each for each in self._kept if each.at >= session.time]
            self._enough = 2 * len(self._kept) + 16
        self._kept.append(alarm)
        return alarm

    def cancel(self, entry: int, made: int) -> None:
        """Cancel an alarm for cycle 1, before it has gone off."""
        starting = self._session.starting
        if starting is not None and entry in starting:
            starting.remove(entry)

    def cancel_ordinary(self) -> None:
        """Cancel the alarms of all nodes but queues; the ordinary cycles are over (R14)."""
        nodes = self._session.plan.nodes
        for alarm in self._kept:
            if not isinstance(nodes[alarm.index], QueueNode):
                alarm.cancel()

    def cancel_all(self) -> None:
        """Cancel all alarms that have not gone off."""
        for alarm in self._kept:
            alarm.cancel()
        self._kept.clear()


class _PairedAlarm(Alarm):
    """An alarm in a sub-graph, and the alarm that wakes the owner for it."""

    __slots__ = ("_inner", "_outer", "at", "index")

    def __init__(self, inner: Alarm, outer: Alarm, at: int, index: int) -> None:
        self._inner = inner
        self._outer = outer
        self.at = at
        self.index = index

    def cancel(self) -> None:
        self._inner.cancel()
        self._outer.cancel()
