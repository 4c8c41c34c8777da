"""One run of a plan: what time it is, which nodes start the next cycle, and when it ends.

`next_cycle` carries out R6 (what is due at one time) and R9 (the end); how the nodes of a cycle
are then run is a tier's affair. In real time all cycles at one time come before the clock and the
inbox are read again (R6, R13).
"""

import threading
from collections.abc import Callable, Iterable
from itertools import count

from graphcore.engine.clock import RealTimeClock, Schedule
from graphcore.engine.inbox import Entry, Inbox
from graphcore.engine.notes import add_note
from graphcore.engine.plan import Plan
from graphcore.errors import RunError
from graphcore.state import EndedBy, GraphState, RunMode

_LONGEST_WAIT = 3600.0


class States(dict[int, GraphState]):
    """The state of each node, by its index; made when it is first asked for."""

    def __init__(self, session: "Session") -> None:
        self._session = session

    def __missing__(self, index: int) -> GraphState:
        state = self[index] = GraphState(self._session, index)
        return state


class Session:
    """The state of a run that all its nodes share.

    Args:
        plan: what is run.
        start: engine time of the start, ns; `None` means now, and makes the run a real-time one.
        end: last engine time that still runs, or `None`.
        cycles: how many cycles may run, or `None`.
        watched: whether something else than the run's nodes looks at it while it runs.

    Attributes:
        limit: how many cycles may run, or `None`.
        watched: the same as the argument; so is every real-time run.
        first_cycle: the number of the first cycle at the present time.
        last_time: engine time of the last cycle, once the run has ended.
    """

    def __init__(
        self, plan: Plan, start: int | None, end: int | None, cycles: int | None, watched: bool
    ) -> None:
        self.clock = RealTimeClock() if start is None else None
        self.run_mode = RunMode.HISTORICAL if self.clock is None else RunMode.REALTIME
        self.start_time = self.time = self.clock.start if self.clock else start or 0
        self.end = end
        self.watched = watched or self.clock is not None
        self.cycle = 0
        self.ended_by: EndedBy | None = None
        self.ended = threading.Event()
        self.plan = plan
        self.states = States(self)
        self.limit = cycles
        self.schedule = Schedule(len(plan.nodes))
        self._inbox = Inbox()
        self._held = 0
        self._woken: list[int] = []
        self._time_is_over = False
        self.first_cycle = 1
        self.last_time = self.time

    @property
    def stopping(self) -> bool:
        """Whether the run has been told to end, or its time is over."""
        if self.ended_by is not None:
            return True
        return self.clock is not None and self.end is not None and self.clock.now() > self.end

    @property
    def cycle_at_time(self) -> int:
        """Which of the cycles at the present time this is, from 0."""
        return self.cycle - self.first_cycle

    def request_stop(self, reason: EndedBy) -> None:
        """End the run after the present cycle; safe in a signal handler."""
        if self.ended_by is None:
            self.ended_by = reason
        self._inbox.interrupt()

    def finish(self) -> None:
        """Have the time be that at which the run ended, which `stop` is told (R10)."""
        self.last_time = self.time
        if self.clock is not None:
            self.time = max(self.time, self.clock.now())
        elif self.ended_by is EndedBy.UNTIL and self.end is not None:
            self.time = self.end

    def wake(self, index: int) -> None:
        """From any thread: run the node of this index in the next cycle."""
        self._put(Entry(index))

    def call_soon(self, index: int, function: Callable[[], None]) -> None:
        """From any thread: call the function between two cycles."""
        self._put(Entry(index, function))

    def _put(self, entry: Entry) -> None:
        if self.clock is None:
            raise RunError("events from threads reach a graph in real-time runs only")
        self._inbox.put(entry)

    def hold(self, count: int) -> None:
        """Add to (or take from) what keeps a run without alarms alive."""
        self._held += count

    def next_cycle(self) -> list[int] | None:
        """Begin the next cycle: return the nodes that start it, or `None` when the run is over."""
        if self.ended_by is None and self.cycle == self.limit:
            self.ended_by = EndedBy.CYCLES
        if self.ended_by is not None:
            return None
        before = self.time
        due = self._next_historical() if self.clock is None else self._next_live(self.clock)
        if not due and not self._woken:
            return None
        self.cycle += 1
        if self.time != before:
            self.first_cycle = self.cycle
        for index in due:
            self.states[index].due_in = self.cycle
        if self._woken:
            due = [*due, *self._woken]
            self._woken = []
        return due

    def numbers(self) -> Iterable[int]:
        """Return the numbers of the cycles that may run, for a tier that counts them itself."""
        return count(1) if self.limit is None else range(1, self.limit + 1)

    def end_at(self, time: int | None) -> None:
        """Note what ended a historical run for a tier that keeps the alarms itself.

        Args:
            time: the time of the next alarm, which did not go off.
        """
        if self.ended_by is None and self.cycle == self.limit:
            self.ended_by = EndedBy.CYCLES
        elif self.ended_by is None:
            self.ended_by = EndedBy.SOURCES if time is None else EndedBy.UNTIL

    def _next_historical(self) -> list[int]:
        time = self.schedule.next_time()
        if time is None:
            self.ended_by = EndedBy.SOURCES
            return []
        if self.end is not None and time > self.end:
            self.ended_by = EndedBy.UNTIL
            return []
        self.time = time
        return self.schedule.take(time)

    def _next_live(self, clock: RealTimeClock) -> list[int]:
        if self.cycle:
            due = self.schedule.take(self.time)  # further cycles at this time
            if due:
                return due
        while True:
            # What comes in after the end would else keep a run alive for ever.
            if not self._time_is_over:
                self._read_inbox()
            now = clock.now()
            if self.end is not None and now > self.end:
                self._time_is_over = True
                now = max(self.end, self.time)
            if self.ended_by is not None:
                self._woken = []
                return []
            due = self.schedule.take(now)
            if due or self._woken:
                self.time = now
                return due
            if self._time_is_over:
                self.ended_by = EndedBy.UNTIL
                return []
            time = self.schedule.next_time()
            if time is None and self._held == 0:
                self.ended_by = EndedBy.SOURCES
                return []
            self._wait(clock, time)

    def _read_inbox(self) -> None:
        for index, function in self._inbox.take():
            if function is None:
                self._woken.append(index)
                continue
            try:
                function()
            except Exception as error:
                add_note(error, self.plan, index, self.time)
                raise

    def _wait(self, clock: RealTimeClock, time: int | None) -> None:
        ends = [t for t in (time, None if self.end is None else self.end + 1) if t is not None]
        if not ends:
            self._inbox.wait(None)
            return
        seconds = (min(ends) - clock.now()) / 1e9
        if seconds > 0:
            self._inbox.wait(min(seconds, _LONGEST_WAIT))
