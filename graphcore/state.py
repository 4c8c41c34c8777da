"""What a node may ask of the engine while it runs: `GraphState` (R4, R5, R7, R9).

Each node of a run has a state of its own, given to `start`, `cycle` and `stop`. It speaks to the
engine through the small `Session` protocol below, so this module knows no engine and no node.
"""

import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.time import Time, format_time, to_time


class RunMode(StrEnum):
    """How time passes in a run."""

    HISTORICAL = "historical"
    REALTIME = "realtime"


class EndedBy(StrEnum):
    """What ended a run (R9). `ERROR` is seen by `stop` only: such a run makes no report."""

    CYCLES = "cycles"
    UNTIL = "until"
    SOURCES = "sources"
    STOP = "stop"
    SIGNAL = "signal"
    ERROR = "error"


class Alarm:
    """A time at which a node has asked to be woken."""

    __slots__ = ("_entry", "_made", "_schedule")

    def __init__(self, schedule: "Alarms", entry: int, made: int) -> None:
        self._schedule: Alarms | None = schedule
        self._entry = entry
        self._made = made

    def cancel(self) -> None:
        """Take the alarm back; without effect once it has gone off or was cancelled before."""
        schedule, self._schedule = self._schedule, None
        if schedule is not None:
            schedule.cancel(self._entry, self._made)


class Alarms(Protocol):
    """Who keeps the alarms of a run."""

    def add(self, at: int, index: int) -> Alarm:
        """Wake the node of this index at this time."""

    def cancel(self, entry: int, made: int) -> None:
        """Take an alarm back, if it has not gone off."""


class Session(Protocol):
    """What the engine offers to the states of one run."""

    time: int
    cycle: int
    start_time: int
    run_mode: RunMode
    ended_by: EndedBy | None
    ended: threading.Event

    @property
    def schedule(self) -> Alarms:
        """Where alarms are kept."""

    @property
    def cycle_at_time(self) -> int:
        """Which of the cycles at the present time this is, from 0."""

    @property
    def stopping(self) -> bool:
        """Whether the run has been told to end, or its time is over."""

    def request_stop(self, reason: EndedBy) -> None:
        """End the run after the present cycle."""

    def wake(self, index: int) -> None:
        """From any thread: run the node of this index in the next cycle."""

    def call_soon(self, index: int, function: Callable[[], None]) -> None:
        """From any thread: call the function between two cycles."""

    def hold(self, count: int) -> None:
        """Add to (or take from) what keeps a run without alarms alive."""


class GraphState:
    """A node's view of the run that it is in.

    `ticked` and `valid` may be asked of any upstream of the node, given as a node or a stream.
    """

    __slots__ = ("_index", "_session", "due_in")

    def __init__(self, session: Session, index: int) -> None:
        self._session = session
        self._index = index
        self.due_in = -1  # no cycle, not even the start, which is counted as 0

    @property
    def time(self) -> int:
        """Engine time of the present cycle, ns since the epoch; in `stop`, when the run ended."""
        return self._session.time

    @property
    def cycle_at_time(self) -> int:
        """Which of the cycles at the present time this is, from 0 (R6)."""
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
    def due(self) -> bool:
        """Whether an alarm of this very node went off in this cycle."""
        return self.due_in == self._session.cycle

    @property
    def stopping(self) -> bool:
        """Whether the run is to end after this cycle; a node that waits in `cycle` looks at it."""
        return self._session.stopping

    @property
    def ended_by(self) -> EndedBy | None:
        """What ended the run, for use in `stop`; `None` while it goes on."""
        return self._session.ended_by

    @property
    def ended(self) -> threading.Event:
        """An event that is set when the run has ended, before the first `stop` is called."""
        return self._session.ended

    def ticked(self, upstream: object) -> bool:
        """Return whether that upstream ticked in this cycle.

        Raises:
            InvalidTypeError: if it is neither a stream nor a node.
        """
        return _last_tick(upstream) == self._session.cycle > 0

    def valid(self, upstream: object) -> bool:
        """Return whether that upstream has ticked at all in this run, this cycle included.

        Raises:
            InvalidTypeError: if it is neither a stream nor a node.
        """
        return _last_tick(upstream) > 0

    def schedule(self, at: Time) -> Alarm:
        """Wake this node at a time.

        Args:
            at: engine time. One that is not later than now means a further cycle at the present
                time, never the present cycle. In `start` the present time is that of cycle 1.

        Returns:
            The alarm, whose `cancel()` takes it back.

        Raises:
            InvalidValueError: if the time lies before the start of the run.
        """
        session = self._session
        if type(at) is not int or at < session.time:
            at = self.moment(at)
        return session.schedule.add(at, self._index)

    def moment(self, at: Time) -> int:
        """Return the engine time at which an alarm for that time goes off: never before now.

        Raises:
            InvalidValueError: if the time lies before the start of the run.
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
        """End the run when the present cycle is done; no further cycle runs."""
        self._session.request_stop(EndedBy.STOP)

    def wake(self) -> None:
        """From any thread: have this node run in a cycle of its own accord. Real-time only."""
        self._session.wake(self._index)

    def call_soon(self, function: Callable[[], None]) -> None:
        """From any thread: have the graph's thread call a function between two cycles.

        The call ticks nothing, counts as no cycle and keeps no run alive; what it raises aborts
        the run as this node's error. Real-time only.
        """
        self._session.call_soon(self._index, function)

    def hold(self) -> None:
        """Keep the run from ending for want of alarms until `release`: events may still come."""
        self._session.hold(1)

    def release(self) -> None:
        """Take back one `hold`."""
        self._session.hold(-1)


def _last_tick(upstream: Any) -> int:
    node = upstream if hasattr(upstream, "ticked_in") else getattr(upstream, "node", None)
    ticked_in: int | None = getattr(node, "ticked_in", None)
    if ticked_in is None:
        raise InvalidTypeError(f"an upstream is a stream or a node, not {upstream!r}")
    return ticked_in
