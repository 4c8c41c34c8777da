"""One run of a plan: its time, the nodes that start the next cycle, and its end.

`next_cycle` carries out R6 (what is due at one time), R9 (the end) and R15 (no endless instant);
the tier then runs the nodes of the cycle. In real time all cycles at one time come
before the clock and the inbox are read again (R6, R13).
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from time import perf_counter_ns
from typing import Any, TypeVar

from graphcore.engine.clock import RealTimeClock, Schedule
from graphcore.engine.inbox import Inbox
from graphcore.engine.notes import add_note
from graphcore.engine.plan import Node, Plan
from graphcore.engine.poller import Poller
from graphcore.engine.run.endless import MAX_CYCLES_AT_ONCE, EndlessWatch, Owner
from graphcore.engine.run.questions import Questions
from graphcore.engine.run.running import States
from graphcore.engine.withheld import Withholding
from graphcore.errors import Failure, RunError
from graphcore.node import QueueNode
from graphcore.polling import Pollable, Receive
from graphcore.state import EndedBy, EventLoop, RunMode

T = TypeVar("T")

_LONGEST_WAIT = 3_600_000_000_000  # ns
_GRACE = 250_000_000  # ns
_UNREAD = 16  # cycles that may run, one right after the other, until sockets are read again
_LIVE_ONLY = "events from threads reach a graph in real-time runs only"


class Session:
    """The state of a run that all its nodes share.

    Args:
        plan: what is run.
        start: engine time of the start, ns; `None` means now, and makes the run a real-time one.
        end: last engine time that still runs, or `None`.
        cycles: how many cycles may run, or `None`.
        watched: whether code other than the nodes reads the session during the run.
        max_cycles_at_once: how many cycles that lead nowhere may run at one time (R15).
        since: engine time of the start of a real-time run that begins in the past, ns.
        offset: the offset of another run's clock, with which this real-time run shares its time.

    Attributes:
        owners: the sub-graphs of each node that has any.
        make_subgraphs: makes what wires and runs the sub-graphs of a node, given the session, the
            node's index, the nodes from outside that they may read, and whether they are resumable.
        pending: the heap of the nodes that are still to run in the present cycle, if there is one.
        receive: which thread reads the sockets of sources that do not say so themselves.
        spin: how long to look at sockets without sleeping before each sleep, ns.
        event_loop: where coroutines of the nodes run.
        on_idle: called before a wait in which only one hold keeps the run alive.
        limit: how many cycles may run, or `None`.
        watched: the argument.
        interrupted: whether `answer` has to be called before the next cycle: the run has been told
            to end, or another thread asks something.
        inbox: where events from other threads arrive, and where the run waits.
        waited: how long the run has waited, ns.
        first_cycle: the number of the first cycle at the present time.
        look_at: the number of cycles after which a further one at the same time makes `look` due.
        alone_until: the number of cycles from which on only `next_cycle` may begin one: the limit
            or `look_at` is reached, or sockets have to be read.
        questions: what other threads ask between two cycles.
        live: whether the run is in the present: not in a historical run, and in one that began in
            the past only once no event up to now is left.
        duration: how long the run may go on from then on, ns; `None` without such a bound, and once
            `end` says it.
        past: before the run is live, the alarms below this entry go off as in a historical run; 0
            otherwise.
        closing: whether the ordinary cycles are over (R14).
        last_time: engine time of the last ordinary cycle, once these are over.
        last_cycle: how many there were.
        withheld: how the nodes are called whose value may differ from what they last ticked with
            (R5), by index. So one tier can go on with them after another.
        resumable: no: an error ends the run.
    """

    # What a compiled loop reads or writes in each cycle; in a slot that takes half the time.
    __slots__ = ("__dict__", "__weakref__", "cycle", "first_cycle", "interrupted", "time")

    resumable = False

    def __init__(
        self,
        plan: Plan,
        start: int | None,
        end: int | None,
        cycles: int | None,
        watched: bool,
        max_cycles_at_once: int = MAX_CYCLES_AT_ONCE,
        since: int | None = None,
        offset: int | None = None,
    ) -> None:
        self.clock = RealTimeClock(offset) if start is None else None
        self.run_mode = RunMode.HISTORICAL if self.clock is None else RunMode.REALTIME
        self.live = self.clock is not None and since is None
        start = since if start is None else start
        self.start_time = self.time = (
            self.clock.start if start is None and self.clock else start or 0
        )
        self.duration: int | None = None
        self.past = 0
        self._caught_up_to = 0  # a reading of the clock in the past part of the run
        self.end = end
        self.watched = watched
        self.receive = Receive.THREAD
        self.owners: tuple[Owner, ...] = ()
        self.make_subgraphs: Callable[[Session, int, Sequence[Node], bool], Any]
        self.spin = 0
        self.event_loop: EventLoop | None = None
        self.on_idle: Callable[[], object] | None = None
        self._poller: Poller | None = None
        self.cycle = 0
        self.pending: list[int] | None = None
        self.ended_by: EndedBy | None = None
        self.ended = threading.Event()
        self.interrupted = False
        self.questions = Questions(self._interrupt, self._rest)
        self.plan = plan
        self.states = States(self)
        self.limit = cycles
        self.schedule = Schedule(len(plan.nodes))
        self.withheld: dict[int, Withholding] = {}
        self.inbox = Inbox()
        self.waited = 0
        self._held = 0
        self._failure: Failure | None = None
        self._woken: list[int] = []
        self._time_is_over = False
        self._began = self.time  # the clock's reading when the cycles at the present time began
        self.first_cycle = 1
        self._watch = EndlessWatch(max_cycles_at_once)
        self._look_again_at(max_cycles_at_once + 1)
        self.closing = False
        self.last_time = self.time
        self.last_cycle = 0

    @property
    def max_cycles_at_once(self) -> int:
        """How many cycles that lead nowhere may run at one time (R15)."""
        return self._watch.most

    @property
    def stopping(self) -> bool:
        """Whether the run has been told to end, or its time is over."""
        if self.ended_by is not None:
            return True
        if self.clock is None or not self.live or self.end is None:
            return False
        return self.clock.now() > self.end

    @property
    def cycle_at_time(self) -> int:
        """The number of this cycle among those at the present time, from 0."""
        return self.cycle - self.first_cycle

    def request_stop(self, reason: EndedBy) -> None:
        """End the run after the present cycle; safe in a signal handler."""
        if self.ended_by is None:
            self.ended_by = reason
        self.interrupted = True
        self.inbox.interrupt()

    def begin_answering(self) -> None:
        """Say that from now on `answer` is called between cycles."""
        self.questions.are_answered = True

    def ask(self, question: Callable[[], T]) -> T:
        """From another thread: call a function between two cycles; see `Questions.ask`."""
        return self.questions.ask(question)

    def _interrupt(self) -> None:
        self.interrupted = True
        if self.clock is not None:
            self.inbox.put((0, self.answer))  # ends a wait
        elif self.questions.holds_up:
            self.inbox.interrupt()

    def _rest(self) -> bool:
        """Wait for another thread while the run is paused; return whether the run goes on."""
        if self.ended_by is None:
            self.inbox.wait(None)
        return self.ended_by is None

    def answer(self) -> bool:
        """In the graph's thread, between two cycles: answer what other threads ask.

        Returns:
            Whether the run has been told to end.
        """
        # First, so that whoever interrupts after this has it called again.
        self.interrupted = False
        self.questions.answer()
        ended = self.ended_by is not None
        if ended or self.questions.go_on:
            self.interrupted = True
        return ended

    def begin_closing(self) -> None:
        """End the ordinary cycles, and set the time of the closing instant (R14).

        Of what is scheduled, only queues go on. A loop that never settles would not end here, and
        no further ordinary cycle is to run (R9).
        """
        self.closing = True
        self.last_time, self.last_cycle = self.time, self.cycle
        self._end_time()
        if self.time != self.last_time:
            self.first_cycle = self.cycle + 1
        self._look_again_at(self.cycle + self._watch.most + 1)
        nodes = self.plan.nodes
        self.schedule.drop(lambda index: not isinstance(nodes[index], QueueNode))

    def next_closing(self, more: bool) -> list[int] | None:
        """Begin the next cycle of the closing instant.

        Args:
            more: whether to begin one that no alarm starts.

        Returns:
            The nodes that alarms start; `None` if there is no further cycle.
        """
        self.answer()
        due = self.schedule.take(self.time)
        if not due and not more:
            return None
        if self.cycle >= self.look_at:
            self.look(due)
        self.cycle += 1
        for index in due:
            self.states[index].due_in = self.cycle
        return due

    def finish(self) -> None:
        """Set the time to the end of the run, for `stop` (R10)."""
        self.questions.are_answered = False
        self.answer()
        self.questions.end()
        self._end_time()

    def _end_time(self) -> None:
        if self.clock is not None and self.live:
            self.time = max(self.time, self.clock.now())
        elif self.ended_by is EndedBy.UNTIL and self.end is not None:
            self.time = self.end

    def wake(self, index: int) -> None:
        """From any thread: run the node of this index in the next cycle."""
        if self.clock is None:
            raise RunError(_LIVE_ONLY)
        self.inbox.put((index, None))

    def call_soon(self, index: int, function: Callable[[], None]) -> None:
        """From any thread: call the function between two cycles."""
        if self.clock is None:
            raise RunError(_LIVE_ONLY)
        self.inbox.put((index, function))

    def poll(self, source: Pollable) -> None:
        """Read a source in the graph's thread from now on."""
        if self._poller is None:
            self._poller = self.inbox.waiter = Poller(self.spin / 1e9)
        self._poller.add(source)

    def end_poll(self, source: Pollable) -> None:
        """Read a source no more."""
        if self._poller is not None and self._poller.remove(source):
            self._poller.close()

    def due_now(self) -> set[int]:
        """Return the nodes with an alarm for the present time that has not gone off."""
        return self.schedule.waiting(self.time)

    @property
    def bounded(self) -> bool:
        """Whether the run ends even if its sources do not."""
        return not (self.end is None and self.limit is None and self.duration is None)

    def subgraphs(self, index: int, outside: Sequence[Any], resumable: bool) -> Any:
        """Return what wires and runs the sub-graphs of a node."""
        made = self.make_subgraphs(self, index, outside, resumable)
        self.owners += (made,)
        return made

    @property
    def cycles_run(self) -> int:
        """How many ordinary cycles have run; those of the closing instant do not count (R14)."""
        return self.last_cycle if self.closing else self.cycle

    @property
    def is_starting(self) -> bool:
        """Whether nodes are being started, before cycle 1."""
        return not self.cycle

    def note_failure(
        self, error: Exception, index: int, node: str, values: Mapping[str, Any]
    ) -> None:
        """Keep the node that raised an error; if the error passes several nodes, the first."""
        if self._failure is None or self._failure.exception is not error:
            self._failure = Failure(self.time, node, values, error)

    def take_failure(self, error: Exception) -> Failure | None:
        """Return what was kept of an error, if anything, and keep it no more."""
        failure, self._failure = self._failure, None
        return failure if failure is not None and failure.exception is error else None

    def retire(self) -> None:
        """Refuse: the graph itself has no owner that could retire it."""
        raise RunError("retire belongs in a node of a sub-graph, such as that of a key")

    def hold(self, count: int) -> None:
        """Change the number of holds by this; while there is one, a run without alarms goes on."""
        self._held += count

    def next_cycle(self) -> list[int] | None:
        """Begin the next cycle: return the nodes that start it, or `None` when the run is over."""
        if self.interrupted:
            self.answer()
        if self.ended_by is None and self.cycle == self.limit:
            self.ended_by = EndedBy.CYCLES
        if self.ended_by is not None:
            return None
        before = self.time
        if self.clock is None:
            due = self._next_historical()
        else:
            due = self._next_live(self.clock) if self.live else self._next_past(self.clock)
        if not due and not self._woken:
            return None
        if self.time != before:
            self.first_cycle = self.cycle + 1
            if self.cycle >= self.look_at:
                self._look_again_at(self.cycle + self._watch.most + 1)
        elif self.cycle >= self.look_at:
            self.look(due)
        self.cycle += 1
        for index in due:
            self.states[index].due_in = self.cycle
        if self._woken:
            due = [*due, *self._woken]
            self._woken = []
        if self._poller is not None:
            self._look_again_at(self.look_at)
        return due

    def again(self, cycle: int, due: Iterable[int]) -> None:
        """Begin a further cycle at the present time, for a driver that counts the cycles itself.

        Args:
            cycle: its number.
            due: the nodes that start it.
        """
        if self.cycle >= self.look_at:
            self.look(due)
        for index in due:
            self.states[index].due_in = cycle

    def look(self, due: Iterable[int]) -> None:
        """Fail if the cycles at the present time lead nowhere (R15), and set `look_at` anew.

        A driver that counts cycles itself calls this before a further cycle at the same time, if
        `cycle` has reached `look_at`. It sets `time`, `cycle` and `first_cycle` before, and the
        `ticked_in` of each source.

        Args:
            due: the nodes that would start the further cycle.

        Raises:
            RunError: if they lead nowhere; it names the nodes that kept scheduling.
        """
        self._look_again_at(self._watch.look(self, due))

    def lately_due(self, since: int) -> set[int]:
        """Return the nodes that were due in a cycle after this one."""
        return {index for index, state in list(self.states.items()) if state.due_in > since}

    def _look_again_at(self, cycle: int) -> None:
        self.look_at = cycle
        self.alone_until = cycle if self.limit is None else min(cycle, self.limit)
        if self._poller is not None:
            self.alone_until = min(self.alone_until, self.cycle + _UNREAD)

    def numbers(self) -> Iterable[int]:
        """Return the numbers of the cycles that may run, for a driver that counts them itself."""
        return count(1) if self.limit is None else range(1, self.limit + 1)

    def end_at(self, time: int | None) -> None:
        """Set `ended_by` of a historical run for a driver that keeps the alarms itself.

        Args:
            time: the time of the next alarm, which did not go off; `None` if there is none.
        """
        if self.ended_by is None and self.cycle == self.limit:
            self.ended_by = EndedBy.CYCLES
        elif self.ended_by is None:
            self.ended_by = EndedBy.SOURCES if time is None else EndedBy.UNTIL

    def _next_historical(self) -> list[int]:
        time = self.schedule.next_time()
        if time is None or self._is_idle(time):
            self.ended_by = EndedBy.SOURCES
            return []
        if self.end is not None and time > self.end:
            self.ended_by = EndedBy.UNTIL
            return []
        self.time = time
        return self.schedule.take(time)

    def _is_idle(self, time: int) -> bool:
        """Return whether nothing would keep the run alive until a time, that of the next alarm."""
        schedule = self.schedule
        return bool(schedule.weak) and time > self.time and not schedule.keeps_alive()

    def _next_past(self, clock: RealTimeClock) -> list[int]:
        """Begin a cycle of the past, in the order of history; after the last one go on live.

        What comes from threads waits in the inbox meanwhile.
        """
        time = self.schedule.next_time()
        if time is None or time > self._caught_up_to:
            self._caught_up_to = clock.now()
        last = self._caught_up_to if self.end is None else min(self._caught_up_to, self.end)
        self.past = last + 1 << self.schedule.bits
        if time is not None and time <= last:
            if self._held == 0 and self._is_idle(time):
                self.ended_by = EndedBy.SOURCES
                return []
            self.time = time
            return self.schedule.take(time)
        if self.end is not None and self.end < self._caught_up_to:
            self.ended_by = EndedBy.UNTIL if time is not None or self._held else EndedBy.SOURCES
            return []
        self._hand_over(clock)
        return self._next_live(clock)

    def _hand_over(self, clock: RealTimeClock) -> None:
        self.live = True
        self.past = 0
        if self.duration is not None:
            end = clock.now() + self.duration
            self.end = end if self.end is None else min(self.end, end)
            self.duration = None

    def _next_live(self, clock: RealTimeClock) -> list[int]:
        if self.cycle:
            due = self.schedule.take(self.time)  # further cycles at this time
            if due:
                if self._overran(clock):
                    self.ended_by = EndedBy.UNTIL
                    return []
                return due
        waited = False
        while True:
            # Events that arrive after the end would otherwise keep the run alive for ever.
            if not self._time_is_over:
                if self._poller is not None and not waited:
                    self._poller.look()
                self._read_inbox()
            now = self._began = clock.now()
            if self.end is not None and now > self.end:
                self._time_is_over = True
                now = max(self.end, self.time)
            if self.ended_by is not None:
                self._woken = []
                return []
            time = self.schedule.next_time()
            if time is not None and self._held == 0 and not self._woken and self._is_idle(time):
                self.ended_by = EndedBy.SOURCES
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
            if self.on_idle is not None and self._held == 1 and not self.schedule.keeps_alive():
                self.on_idle()
            self._wait(clock, time)
            waited = True

    def _overran(self, clock: RealTimeClock) -> bool:
        """Return whether the clock ends the run between two cycles at one time.

        Cycles that are due at the bound itself still run, though the clock is past it by then (R9).
        So cycles at one time may run past the bound until they have taken `_GRACE` in all.
        """
        if self.end is None:
            return False
        now = clock.now()
        # A driver that begins a cycle itself sets only the time, to the clock's reading.
        return now > self.end and now - max(self._began, self.time) > _GRACE

    def _read_inbox(self) -> None:
        entries = self.inbox.entries
        for _ in range(len(entries)):
            index, function = entries.popleft()
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
        nanoseconds = min(ends) - clock.now() if ends else None
        if nanoseconds is None or nanoseconds > 0:
            began = perf_counter_ns()
            self.inbox.wait(None if nanoseconds is None else min(nanoseconds, _LONGEST_WAIT))
            self.waited += perf_counter_ns() - began
