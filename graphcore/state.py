"""`GraphState`: what a node may ask of the engine during a run (R4, R5, R7, R9).

Each node of a run has its own state, which `start`, `cycle` and `stop` are called with. The state
calls the engine through the `Session` protocol below, so this module imports neither the engine nor
nodes.
"""

import threading
from collections.abc import Callable, Coroutine, Sequence
from enum import StrEnum
from typing import Any, Protocol

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.polling import Pollable, Receive
from graphcore.time import Time, format_time, to_time


class RunMode(StrEnum):
    """How time passes in a run."""

    HISTORICAL = "historical"
    REALTIME = "realtime"


class EndedBy(StrEnum):
    """What ended a run (R9). Only `stop` sees `ERROR`: such a run returns no report."""

    CYCLES = "cycles"
    UNTIL = "until"
    SOURCES = "sources"
    STOP = "stop"
    SIGNAL = "signal"
    ERROR = "error"


class Alarm:
    """A time at which a node asked to be woken."""

    __slots__ = ("_entry", "_made", "_schedule")

    def __init__(self, schedule: "Alarms", entry: int, made: int) -> None:
        self._schedule: Alarms | None = schedule
        self._entry = entry
        self._made = made

    def cancel(self) -> None:
        """Cancel the alarm; no effect if it has gone off or was cancelled before."""
        schedule, self._schedule = self._schedule, None
        if schedule is not None:
            schedule.cancel(self._entry, self._made)


class Alarms(Protocol):
    """Keeps the alarms of a run."""

    def add(self, at: int, index: int, keeps_alive: bool = True, last: bool = False) -> Alarm:
        """Wake the node with this index at this time."""

    def cancel(self, entry: int, made: int) -> None:
        """Cancel an alarm that has not gone off."""


class SpawnedTask(Protocol):
    """A coroutine in the event loop of a run, as other threads see it.

    Attributes:
        ended: an event that is set when the coroutine has ended.
    """

    ended: threading.Event

    def end(self, seconds: float) -> bool:
        """Cancel the coroutine, and return whether it ended within this time."""


class EventLoop(Protocol):
    """The event loop of a run's coroutines: that of `run_async`, or one in a thread of its own."""

    def call(self, function: Callable[[], object]) -> None:
        """From any thread: call a function in the loop."""

    def spawn(self, coroutine: Coroutine[Any, Any, object], name: str) -> SpawnedTask:
        """From any thread: begin a coroutine in the loop.

        The node that does so ends it in its `stop`. What it raises is lost, unless it tells a node.
        """


class Session(Protocol):
    """What the engine offers to the states of a run."""

    @property
    def time(self) -> int:
        """Engine time, ns."""

    @property
    def cycle(self) -> int:
        """The number of the present cycle; 0 before the first."""

    @property
    def start_time(self) -> int:
        """Engine time of the start, ns."""

    @property
    def run_mode(self) -> RunMode:
        """How time passes."""

    @property
    def live(self) -> bool:
        """Whether the present is reached: never in a historical run."""

    @property
    def receive(self) -> Receive:
        """Which thread reads the sockets of sources that do not say so themselves."""

    @property
    def ended_by(self) -> EndedBy | None:
        """What ended the run; `None` before."""

    @property
    def ended(self) -> threading.Event:
        """An event that is set when the run has ended."""

    @property
    def closing(self) -> bool:
        """Whether the ordinary cycles are over (R14)."""

    @property
    def event_loop(self) -> EventLoop | None:
        """The loop of the run's coroutines; `None` for one of their own."""

    @property
    def schedule(self) -> Alarms:
        """The alarms of the run."""

    @property
    def cycle_at_time(self) -> int:
        """The number of the cycle among the cycles at the present time, from 0."""

    @property
    def stopping(self) -> bool:
        """Whether the run has been told to end, or its time is over."""

    def request_stop(self, reason: EndedBy) -> None:
        """End the run after the present cycle."""

    def wake(self, index: int) -> None:
        """From any thread: run the node with this index in the next cycle."""

    def call_soon(self, index: int, function: Callable[[], None]) -> None:
        """From any thread: call the function between two cycles."""

    def poll(self, source: Pollable) -> None:
        """Read a source's sockets in the graph's thread."""

    def end_poll(self, source: Pollable) -> None:
        """Read a source's sockets no more."""

    def hold(self, count: int) -> None:
        """Add `count` to the holds; while there are any, a run without alarms goes on."""

    def subgraphs(self, index: int, outside: Sequence[Any], resumable: bool) -> Any:
        """Return what wires and runs the sub-graphs of the node with this index."""

    def retire(self) -> None:
        """Ask the owner of this sub-graph to retire it."""


class GraphState:
    """A node's view of its run.

    `ticked` and `valid` take any upstream of the node, as a node or a stream.
    """

    __slots__ = ("_index", "_session", "due_in")

    def __init__(self, session: Session, index: int) -> None:
        self._session = session
        self._index = index
        self.due_in = -1  # never equal to a cycle's number, not even to the 0 of `start`

    @property
    def time(self) -> int:
        """Engine time of the present cycle, ns since the epoch; in `stop`, when the run ended."""
        return self._session.time

    @property
    def cycle_at_time(self) -> int:
        """The number of this cycle among the cycles at the present time, from 0 (R6)."""
        return self._session.cycle_at_time

    @property
    def start_time(self) -> int:
        """Engine time at which the run started, ns since the epoch."""
        return self._session.start_time

    @property
    def elapsed(self) -> int:
        """Engine time since the run started, ns."""
        return self._session.time - self._session.start_time

    @property
    def run_mode(self) -> RunMode:
        """Whether the run is historical or real-time."""
        return self._session.run_mode

    @property
    def live(self) -> bool:
        """Whether the run is in the present.

        It is false in a historical run, and in a real-time run that starts in the past until all
        events up to now have run.
        """
        return self._session.live

    @property
    def receive(self) -> Receive:
        """Which thread reads the sockets of sources, where they do not say so themselves."""
        return self._session.receive

    @property
    def due(self) -> bool:
        """Whether an alarm of this node went off in this cycle."""
        return self.due_in == self._session.cycle

    @property
    def stopping(self) -> bool:
        """Whether the run ends after this cycle; a `cycle` that waits for something checks it."""
        return self._session.stopping

    @property
    def closing(self) -> bool:
        """Whether the ordinary cycles are over: in the closing instant and in `stop` (R14)."""
        return self._session.closing

    @property
    def ended_by(self) -> EndedBy | None:
        """What ended the run, for use in `close` and `stop`; `None` before."""
        return self._session.ended_by

    @property
    def ended(self) -> threading.Event:
        """An event that is set when the run ends, before any `stop` is called."""
        return self._session.ended

    @property
    def event_loop(self) -> EventLoop:
        """The event loop for coroutines of this run's nodes, started at first use."""
        loop = self._session.event_loop
        assert loop is not None, "a run has a loop from before `start` until after `stop`"
        return loop

    def ticked(self, upstream: object) -> bool:
        """Return whether an upstream ticked in this cycle.

        Raises:
            InvalidTypeError: if it is neither a stream nor a node.
        """
        return _last_tick(upstream) == self._session.cycle > 0

    def valid(self, upstream: object) -> bool:
        """Return whether an upstream has ticked in this run, this cycle included.

        Raises:
            InvalidTypeError: if it is neither a stream nor a node.
        """
        return _last_tick(upstream) > 0

    def schedule(self, at: Time, *, keeps_alive: bool = True) -> Alarm:
        """Wake this node at a time.

        Args:
            at: engine time. If it is not later than now, the node runs in a further cycle at the
                present time, never in the present cycle. In `start`, now is the time of cycle 1.
            keeps_alive: whether the run goes on until then even if nothing else would happen.

        Returns:
            The alarm; its `cancel()` cancels it.

        Raises:
            InvalidValueError: if the time is before the start of the run.
        """
        session = self._session
        if type(at) is not int or at < session.time:
            at = self.moment(at)
        return session.schedule.add(at, self._index, keeps_alive)

    def schedule_last(self, at: Time, *, keeps_alive: bool = True) -> Alarm:
        """Wake this node at a time, once no other cycle is left at that time.

        Cycles at that time that the node's cycle causes follow.

        Args:
            at: engine time; now or earlier is the end of the present time's cycles.
            keeps_alive: as in `schedule`.

        Returns:
            The alarm; its `cancel()` cancels it.

        Raises:
            InvalidValueError: if the time is before the start of the run.
        """
        return self._session.schedule.add(self.moment(at), self._index, keeps_alive, True)

    def moment(self, at: Time) -> int:
        """Return the engine time at which an alarm for `at` goes off: never before now.

        Raises:
            InvalidValueError: if the time is before the start of the run.
        """
        time = at if type(at) is int else to_time(at)
        session = self._session
        if time < session.start_time:
            raise InvalidValueError(
                f"cannot schedule at {format_time(time)}: the run started at "
                f"{format_time(session.start_time)}"
            )
        return max(time, session.time)

    def stop(self) -> None:
        """End the run after the present cycle; no further cycle runs."""
        self._session.request_stop(EndedBy.STOP)

    def wake(self) -> None:
        """From any thread: run this node in the next cycle. Real-time runs only."""
        self._session.wake(self._index)

    def call_soon(self, function: Callable[[], None]) -> None:
        """From any thread: let the graph's thread call a function between two cycles.

        The call is not a cycle, ticks nothing, and does not keep the run alive. If it raises, the
        run is aborted with that as this node's error. Real-time runs only.
        """
        self._session.call_soon(self._index, function)

    def poll(self, source: Pollable) -> None:
        """Let the graph's thread read a source's sockets between cycles, until `end_poll`.

        Real-time runs only; not on Windows.
        """
        self._session.poll(source)

    def end_poll(self, source: Pollable) -> None:
        """End a `poll`; no effect if there is none."""
        self._session.end_poll(source)

    def hold(self) -> None:
        """Keep the run alive without alarms until `release`, because events may still come."""
        self._session.hold(1)

    def release(self) -> None:
        """End one `hold`."""
        self._session.hold(-1)

    def subgraphs(self, outside: Sequence[Any], resumable: bool = False) -> Any:
        """Return what wires and runs the sub-graphs of this node: a `graphcore.subgraph.Subgraphs`.

        Args:
            outside: the nodes from outside that the sub-graphs may read.
            resumable: whether the sub-graphs may go on after a cycle in which a node raised.
        """
        return self._session.subgraphs(self._index, outside, resumable)

    def retire(self) -> None:
        """Retire the sub-graph of this node after the present cycle, as `stop_key` does."""
        self._session.retire()


def _last_tick(upstream: Any) -> int:
    node = upstream if hasattr(upstream, "ticked_in") else getattr(upstream, "node", None)
    ticked_in: int | None = getattr(node, "ticked_in", None)
    if ticked_in is None:
        raise InvalidTypeError(f"an upstream must be a stream or a node, not {upstream!r}")
    return ticked_in
