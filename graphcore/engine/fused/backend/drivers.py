"""The drivers: the loop that begins the cycles, as text and in a run.

A driver writes the loop (`prologue`, `epilogue`), the test of whether a node is due, and the lines
that wake a node; in a run it makes the function's arguments, and tells the session how the run
ended. Nothing else of the backend depends on which driver it is.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from graphcore.engine.clock import last_bit, weak_bit
from graphcore.engine.fused.analysis.drivers import DriverName
from graphcore.engine.fused.backend.events import RecordedEvents
from graphcore.engine.fused.backend.layout import Layout, delivers
from graphcore.engine.fused.backend.lines import Lines
from graphcore.engine.fused.backend.merged import MergedEvents
from graphcore.engine.fused.ir import NodeIR, reads_time
from graphcore.engine.run.session import Session
from graphcore.node import Source
from graphcore.subgraph import ABSENT

# Writes the nodes' lines, as a driver has them, with an indentation.
WriteNodes: TypeAlias = "Callable[[Driver, int], None]"

# Nodes up to which the text has the nodes twice: it takes twice the time to compile.
_MOST_TWICE = 200
NEVER = 1 << 10_000  # later and longer than any time, so comparing looks at lengths alone


class Driver(ABC):
    """The loop that begins the cycles.

    Args:
        nodes: the nodes.
        layout: the function's variables.

    Attributes:
        arguments: the text of the parameters that the function has with this driver only.
        replaced: the indices of the sources whose events the loop iterates over instead of running
            their cycles.
        begins: the number of lines before a cycle has begun; 0 if the session counts the cycles.
        indent: the indentation of the nodes' lines.
    """

    arguments = ""
    indent = 2

    def __init__(self, nodes: Sequence[NodeIR], layout: Layout) -> None:
        self._nodes = nodes
        self.count = len(nodes)
        self.woken = [node.index for node in nodes if node.woken]
        self.replaced = self.replaces(nodes)
        self.layout = layout
        self.begins = 0

    @classmethod
    def replaces(cls, nodes: Sequence[NodeIR]) -> frozenset[int]:
        """Return the indices of the sources whose cycles the loop replaces."""
        return frozenset()

    # As text

    def loop(self, out: Lines, write_nodes: "WriteNodes") -> None:
        """Write the loop; `write_nodes` writes the nodes' lines."""
        self.prologue(out)
        write_nodes(self, self.indent)
        self.epilogue(out)

    @abstractmethod
    def prologue(self, out: Lines) -> None:
        """Write the lines before the nodes, which begin a cycle."""

    def epilogue(self, out: Lines) -> None:  # noqa: B027  # most drivers need nothing here
        """Write the lines after the nodes, which end a cycle."""

    @abstractmethod
    def due_test(self, index: int) -> str:
        """Return the test of whether an alarm or an event of this node starts the cycle."""

    def ticked_test(self, index: int) -> str:
        """Return a test of whether a node ticked that is shorter than its flag's; empty if none."""
        return ""

    def take_event(self, out: Lines, indent: int, index: int) -> None:  # noqa: B027  # as it has it
        """Write the line that takes the value of a replaced source's event."""

    def ticked(self, out: Lines, indent: int, index: int) -> None:  # noqa: B027  # for sub-graphs
        """Write the line that follows a node's tick."""

    def due_list(self, out: Lines, indent: int) -> None:  # noqa: B027  # it may be one already
        """Write the lines that make `due` a heap of the nodes that start the cycle."""

    def went_off(self, index: int) -> str:
        """Return the test of whether an alarm that this node set went off."""
        return self.due_test(index)

    def closing_test(self, index: int) -> str:
        """Return the test of whether the ordinary cycles are over."""
        return "False"  # nodes are called in the closing instant

    def forget(self, out: Lines, indent: int, index: int) -> None:  # noqa: B027  # as it is popped
        """Write the line that removes the alarm which started a node's cycle."""

    def wake(
        self,
        out: Lines,
        indent: int,
        index: int,
        at: str,
        whole: bool,
        keeps_alive: bool = True,
        last: bool = False,
    ) -> None:
        """Write the lines that wake a node at a time.

        Args:
            out: the lines.
            indent: the indentation of the lines.
            index: the node.
            at: the time, as text.
            whole: whether the time is certainly an `int`.
            keeps_alive: whether the run goes on until then.
            last: whether it is woken once no other cycle is left at that time.
        """
        due, state = self.layout.dues[index], self.layout.states[index]
        out.add(indent, f"{due} = {at}", index)
        unknown = "" if whole else f"type({due}) is not int or "
        out.add(indent, f"if {unknown}{due} < time:", index)
        self._tell_time(out, indent + 1, index)
        out.add(indent + 1, f"{due} = {state}.moment({due})", index)
        if not keeps_alive:
            out.add(indent, "session.schedule.weak += 1", index)
        flags = 0 if keeps_alive else weak_bit(self.count)
        flags |= last_bit(self.count) if last else 0
        self._push(out, indent, index, due, index | flags)

    def _tell_time(self, out: Lines, indent: int, index: int) -> None:
        out.add(indent, "session.time = time", index)

    def _push(self, out: Lines, indent: int, index: int, due: str, flagged: int) -> None:
        out.add(indent, f"heappush(heap, {due} << bits | {flagged})", index)

    def _due(self) -> str:
        """Return the expression for the nodes that start the cycle."""
        return "due"

    def _end(self, out: Lines, over: str) -> None:
        out.add(2, f"if {over} or session.interrupted and session.answer():")
        out.add(3, "cycle -= 1")
        out.add(3, "break")
        self.begins = len(out)

    def _tell_session(self, out: Lines) -> None:
        if self.layout.asks_session or self.layout.may_linger:
            out.add(2, "if time != session.time:")
            out.add(3, "session.first_cycle = cycle")
            if self.layout.may_linger:
                out.add(2, "else:")
                out.add(3, f"session.again(cycle, {self._due()})")
            out.add(2, "session.time, session.cycle = time, cycle")


class RunDriver(Driver):
    """The loop of a whole graph."""

    @abstractmethod
    def given(self, session: Session, sources: Sequence[Any]) -> tuple[Any, ...]:
        """Return the function's arguments for a run."""

    @abstractmethod
    def finish(self, session: Session, variables: Mapping[str, Any]) -> None:
        """Tell the session the time, the number of cycles, and what ended the run."""

    def tell(self, session: Session, variables: Mapping[str, Any]) -> None:
        """Tell the session the time and the number of cycles."""
        session.cycle, session.time = self.moment(session, variables)

    def moment(self, session: Session, variables: Mapping[str, Any]) -> tuple[int, int]:
        """Return the number of the last cycle that began, and its engine time."""
        time = variables.get("time")  # `None` if no cycle has run
        return variables.get("cycle", 0), session.time if time is None else time


class RecordedDriver(RunDriver):
    """A loop over events that all exist before the run, in place of their sources' cycles."""

    arguments = ", events"

    @classmethod
    def replaces(cls, nodes: Sequence[NodeIR]) -> frozenset[int]:
        return frozenset(node.index for node in nodes if node.woken)


class EventsDriver(RecordedDriver):
    """A loop over the events of the only source, all of which exist before the run."""

    _events: RecordedEvents

    @property
    def asks_time(self) -> bool:
        """Whether the loop needs the times of the events."""
        return self.layout.asks_time or self.layout.asks_session

    def prologue(self, out: Lines) -> None:
        [source] = self.woken
        time = "time, " if self.asks_time else ""
        out.add(1, f"for {time}{self.layout.values[source]}, cycle in events:", source)
        self.begins = len(out)
        self._tell_session(out)

    def epilogue(self, out: Lines) -> None:
        # At the end of a cycle, before the loop takes an event that would not run.
        out.add(2, "if session.interrupted and session.answer():")
        out.add(3, "break")

    def due_test(self, index: int) -> str:
        return "True"

    def given(self, session: Session, sources: Sequence[Any]) -> tuple[Any, ...]:
        [index] = self.woken
        source = sources[index]
        assert isinstance(source, Source)
        session.schedule.heap.clear()
        self._events = RecordedEvents(source.chunks(session.start_time), session, self.asks_time)
        return (itertools.chain.from_iterable(self._events),)

    def finish(self, session: Session, variables: Mapping[str, Any]) -> None:
        self.tell(session, variables)
        session.end_at(self._events.following)

    def moment(self, session: Session, variables: Mapping[str, Any]) -> tuple[int, int]:
        cycle = variables.get("cycle", 0)
        return cycle, self._events.time_of(cycle)


class MergedDriver(RecordedDriver):
    """A loop over the events of many sources, all of which exist before the run."""

    _events: MergedEvents

    def prologue(self, out: Lines) -> None:
        out.add(1, "for time, due, given, cycle in events:")
        self._tell_session(out)

    def epilogue(self, out: Lines) -> None:
        out.add(2, "if session.interrupted and session.answer():")
        out.add(3, "break")

    def due_test(self, index: int) -> str:
        return f"{index} in due"

    def take_event(self, out: Lines, indent: int, index: int) -> None:
        out.add(indent, f"{self.layout.values[index]} = given.pop()", index)

    def given(self, session: Session, sources: Sequence[Any]) -> tuple[Any, ...]:
        session.schedule.heap.clear()
        chunks = {index: sources[index].chunks(session.start_time) for index in self.woken}
        self._events = MergedEvents(chunks, session)
        return (itertools.chain.from_iterable(self._events),)

    def finish(self, session: Session, variables: Mapping[str, Any]) -> None:
        self.tell(session, variables)
        session.end_at(self._events.following)


class EventsAndFurtherDriver(RunDriver):
    """A loop over the events of the only source, each with further cycles at its time.

    Nodes that wake themselves at the present time only, such as `merge` and `unroll`, start them;
    each has a variable that says whether it is to. While none does, a cycle costs hardly more than
    in the loop over events alone. All cycles take their numbers from one iterator; `further` counts
    the further ones, so that `cycle - further` is the number of the event.
    """

    arguments = ", events, recorded, cycles"
    indent = 3
    _events: RecordedEvents

    def __init__(self, nodes: Sequence[NodeIR], layout: Layout) -> None:
        super().__init__(nodes, layout)
        [self._source] = self.replaced
        self._at_once = [index for index in self.woken if index not in self.replaced]
        self._asks_time = layout.asks_session or any(
            reads_time(node.cycle.body)
            for node in nodes
            if node.cycle is not None and node.index not in self.replaced
        )

    @classmethod
    def replaces(cls, nodes: Sequence[NodeIR]) -> frozenset[int]:
        return frozenset(node.index for node in nodes if node.woken and node.is_recorded)

    def prologue(self, out: Lines) -> None:
        for index in self._at_once:
            out.add(1, f"{self.layout.dues[index]} = False", index)
        out.add(1, "further = 0")
        time, source = "time, " if self._asks_time else "", self._source
        out.add(1, f"for {time}{self.layout.values[source]}, cycle in events:", source)
        self.begins = len(out)
        if self.layout.asks_session:
            out.add(2, "if time != session.time:")
            out.add(3, "session.first_cycle = cycle")
            out.add(2, "session.time, session.cycle = time, cycle")
        out.add(2, "fresh = True")
        out.add(2, "while True:")

    def epilogue(self, out: Lines) -> None:
        out.add(3, "if session.interrupted and session.answer():")
        out.add(4, "return locals()")
        dues = [self.layout.dues[index] for index in self._at_once]
        out.add(3, f"if not ({' or '.join(dues) or False}):")
        out.add(4, "break")
        out.add(3, "if cycle >= session.look_at:")
        out.add(4, "session.time, session.cycle = recorded.time_of(cycle - further), cycle")
        pairs = ", ".join(f"{index}: {self.layout.dues[index]}" for index in self._at_once)
        out.add(4, f"session.look([each for each, due in {{{pairs}}}.items() if due])")
        for index in self._at_once:
            if more := len(self._at_once) > 1:
                out.add(3, f"if {self.due_test(index)}:")
            out.add(3 + more, f"{self.layout.states[index]}.due_in = cycle + 1")
        # If the next event has the same time, its cycle is the further one (R6).
        out.add(3, "if fresh and recorded.repeats(cycle - further):")
        out.add(4, "break")
        out.add(3, "following = next(cycles, None)")
        out.add(3, "if following is None:")
        out.add(4, "return locals()")
        out.add(3, "cycle = following")
        out.add(3, "further += 1")
        if self.layout.asks_session:
            out.add(3, "session.cycle = cycle")
        out.add(3, "fresh = False")

    def due_test(self, index: int) -> str:
        return "fresh" if index == self._source else self.layout.dues[index]

    def ticked_test(self, index: int) -> str:
        return "fresh" if index == self._source else ""

    def due_list(self, out: Lines, indent: int) -> None:
        out.add(indent, f"due = [{self._source}] if fresh else []")
        for index in self._at_once:
            out.add(indent, f"if {self.due_test(index)}:")
            out.add(indent + 1, f"due.append({index})")

    def forget(self, out: Lines, indent: int, index: int) -> None:
        out.add(indent, f"{self.layout.dues[index]} = False", index)

    def wake(
        self,
        out: Lines,
        indent: int,
        index: int,
        at: str,
        whole: bool,
        keeps_alive: bool = True,
        last: bool = False,
    ) -> None:
        """Write the line that wakes a node at the present time."""
        out.add(indent, f"{self.layout.dues[index]} = True", index)

    def given(self, session: Session, sources: Sequence[Any]) -> tuple[Any, ...]:
        session.schedule.heap.clear()
        chunks, cycles = sources[self._source].chunks(session.start_time), iter(session.numbers())
        self._events = RecordedEvents(chunks, session, self._asks_time, cycles)
        return itertools.chain.from_iterable(self._events), self._events, cycles

    def finish(self, session: Session, variables: Mapping[str, Any]) -> None:
        self.tell(session, variables)
        session.end_at(self._events.following)

    def tell(self, session: Session, variables: Mapping[str, Any]) -> None:
        super().tell(session, variables)
        for index in self._at_once:
            if variables.get(self.layout.dues[index], False):
                session.schedule.add(session.time, index)  # it goes off in the closing instant

    def moment(self, session: Session, variables: Mapping[str, Any]) -> tuple[int, int]:
        cycle = variables.get("cycle", 0)
        return cycle, self._events.time_of(cycle - variables.get("further", 0))


class EventsAndAlarmsDriver(RunDriver):
    """A loop over the events of the only recorded source, with the cycles of alarms in between.

    An alarm for the time of an event goes off in the cycle of the event (R6). The last event of the
    loop is `absent`: it lets the alarms up to the end of the run go off. There `recorded.following`
    is the time of the event after the end, which keeps the run alive up to the end. An event that
    the source fails to give is `failed`; its error is raised at the place of the source.

    Each event comes with the number of a cycle. A cycle of alarms before the event takes that
    number, and the event the next one.

    Most cycles have an event and no alarm. If there are few nodes, the text has them twice: first
    for these cycles, without any test about alarms.
    """

    arguments = ", events, recorded, cycles, limit"
    indent = 3
    _events: RecordedEvents

    @classmethod
    def replaces(cls, nodes: Sequence[NodeIR]) -> frozenset[int]:
        return frozenset(node.index for node in nodes if node.woken and node.is_recorded)

    def loop(self, out: Lines, write_nodes: WriteNodes) -> None:
        out.add(1, "schedule, time = session.schedule, session.time")
        out.add(1, "heap, bits, last_bit = schedule.heap, schedule.bits, schedule.last_bit")
        out.add(1, "cycle = 0")
        [source] = self.replaced
        out.add(1, "for moment, given, cycle in events:", source)
        self.begins = len(out)
        if self.count <= _MOST_TWICE:
            self._event_alone(out, write_nodes)
        super().loop(out, write_nodes)

    def _event_alone(self, out: Lines, write_nodes: WriteNodes) -> None:
        """Write the cycle of an event before which no alarm is due."""
        out.add(2, "if not heap or heap[0] >= (moment << bits) + last_bit:")
        out.add(3, "if given is not absent and given is not failed:")
        self._begin(out, 4, "moment", "()")
        write_nodes(EventAloneDriver(self._nodes, self.layout), 4)
        self._end_cycle(out, 4)
        out.add(4, "continue")

    def _begin(self, out: Lines, indent: int, now: str, woken: str) -> None:
        """Write that the session learns the time and the cycle."""
        out.add(indent, f"if {now} != time:")
        out.add(indent + 1, f"session.time = time = {now}")
        out.add(indent + 1, "session.first_cycle = cycle")
        out.add(indent, "elif cycle > session.look_at:")
        out.add(indent + 1, f"session.look({woken})")
        out.add(indent, "session.cycle = cycle")

    def _end_cycle(self, out: Lines, indent: int) -> None:
        """Write that the run may end after a cycle."""
        out.add(indent, "if cycle == limit or session.interrupted and session.answer():")
        out.add(indent + 1, "return locals()")

    def prologue(self, out: Lines) -> None:
        out.add(2, "while True:")
        out.add(3, "woken = ()")
        out.add(3, "now = moment")
        out.add(3, "alone = True")
        # Most cycles have no alarm: one test leads past all that is about alarms.
        out.add(3, "if heap or given is absent:")
        # An event comes before the last alarms of its time.
        bound = "(moment << bits) + last_bit if given is not absent else moment + 1 << bits"
        out.add(4, f"if heap and heap[0] < ({bound}):")
        out.add(5, "entry, now = heap[0], schedule.next_time()")
        out.add(5, "if not heap or heap[0] != entry:")
        out.add(6, "continue")  # it was cancelled
        over = "recorded.following is None and now != time and not schedule.keeps_alive()"
        out.add(5, f"if given is absent and {over}:")
        out.add(6, "break")
        out.add(5, "woken = schedule.take(now)")
        out.add(5, "alone = now == moment and given is not absent")
        out.add(4, "elif given is absent:")
        out.add(5, "break")
        self._begin(out, 3, "now", "woken")
        out.add(3, "if woken:")
        out.add(4, "for first in woken:")
        out.add(5, "states[first].due_in = cycle")

    def epilogue(self, out: Lines) -> None:
        self._end_cycle(out, 3)
        out.add(3, "if alone:")
        out.add(4, "break")
        out.add(3, "cycle = next(cycles)")

    def due_test(self, index: int) -> str:
        # Most cycles have no alarm: to ask that first takes half the time.
        return "alone" if index in self.replaced else f"(woken and {index} in woken)"

    def ticked_test(self, index: int) -> str:
        return "alone" if index in self.replaced else ""

    def went_off(self, index: int) -> str:
        return f"{index} in woken"

    def take_event(self, out: Lines, indent: int, index: int) -> None:
        out.add(indent, "if given is failed:", index)
        out.add(indent + 1, "raise recorded.error", index)
        out.add(indent, f"{self.layout.values[index]} = given", index)

    def due_list(self, out: Lines, indent: int) -> None:
        [source] = self.replaced
        out.add(indent, f"due = [{source}, *woken] if alone else [*woken]")
        out.add(indent, "heapify(due)")

    def _tell_time(self, out: Lines, indent: int, index: int) -> None:
        """Write nothing: the session knows the time."""

    def given(self, session: Session, sources: Sequence[Any]) -> tuple[Any, ...]:
        [index] = self.replaced
        schedule = session.schedule
        schedule.drop(lambda each: each == index)
        self._events = RecordedEvents(sources[index].chunks(session.start_time), session, True)
        last = NEVER - 1 if session.end is None else session.end
        cycles = self._events.cycles
        at_the_end = ((last, ABSENT, next(cycles)) for _ in range(1))
        events = itertools.chain.from_iterable(self._events.with_failure())
        no_limit = -1  # compared with an `int`, which takes less time than with `None`
        limit = no_limit if session.limit is None else session.limit
        return itertools.chain(events, at_the_end), self._events, cycles, limit

    def moment(self, session: Session, variables: Mapping[str, Any]) -> tuple[int, int]:
        return session.cycle, session.time

    def finish(self, session: Session, variables: Mapping[str, Any]) -> None:
        schedule, times = session.schedule, [self._events.following]
        if schedule.keeps_alive():
            times.append(schedule.next_time())
        session.end_at(min((time for time in times if time is not None), default=None))

    def tell(self, session: Session, variables: Mapping[str, Any]) -> None:
        """Do nothing: the session knows."""


class EventAloneDriver(EventsAndAlarmsDriver):
    """What the nodes' lines say in a cycle that an event starts and no alarm."""

    def due_test(self, index: int) -> str:
        return str(index in self.replaced)

    def ticked_test(self, index: int) -> str:
        return "True" if index in self.replaced else ""

    def went_off(self, index: int) -> str:
        return "False"

    def take_event(self, out: Lines, indent: int, index: int) -> None:
        out.add(indent, f"{self.layout.values[index]} = given", index)

    def due_list(self, out: Lines, indent: int) -> None:
        out.add(indent, f"due = [{', '.join(map(str, self.replaced))}]")


class VariablesDriver(RunDriver):
    """A few sources, each with its next time in a variable.

    Nodes that wake themselves at the present time only, such as `merge` and `unroll`, have such a
    variable as well: it is the present time if there is to be a further cycle, else earlier or
    `never`.
    """

    arguments = ", cycles, end, dues"

    def __init__(self, nodes: Sequence[NodeIR], layout: Layout) -> None:
        super().__init__(nodes, layout)
        self._at_once = [index for index in self.woken if nodes[index].wakes_at_once]
        self._timers = [index for index in self.woken if index not in self._at_once]
        # While each timer delivers an event, only the further cycles of other nodes may be endless.
        self._tells_at_once = not self.layout.asks_session and all(
            delivers(nodes[index]) for index in self._timers
        )

    def prologue(self, out: Lines) -> None:
        for index in self.woken:
            out.add(1, f"{self.layout.dues[index]} = dues[{index}]")
        dues = [self.layout.dues[index] for index in self._timers]
        at_once = " or ".join(f"{self.layout.dues[index]} == time" for index in self._at_once)
        if at_once:
            out.add(1, "time = None")
        out.add(1, "for cycle in cycles:")
        following = dues[0] if len(dues) == 1 and not at_once else "following"
        if at_once:
            out.add(2, f"if {at_once}:")
            if self._tells_at_once:
                # What `Session.again` does; to call it would take longer than most such cycles.
                out.add(3, "if cycle > session.look_at:")
                out.add(4, "session.time, session.cycle = time, cycle - 1")
                out.add(4, f"session.look({self._due()})")
                for index in self._at_once:
                    more = len(self._at_once) > 1
                    if more:
                        out.add(3, f"if {self.due_test(index)}:")
                    out.add(3 + more, f"{self.layout.states[index]}.due_in = cycle")
            else:
                out.add(3, "pass")
            out.add(2, "else:")
            out.add(3, f"following = {_earliest(dues)}")
        elif len(dues) > 1:
            out.add(2, f"following = {_earliest(dues)}")
        self._end(out, f"{following} > end")
        out.add(2, f"time = {following}")
        if not (self._at_once and self._tells_at_once):
            self._tell_session(out)

    def _due(self) -> str:
        pairs = (f"{index}: {self.layout.dues[index]}" for index in self.woken)
        return f"[each for each, at in {{{', '.join(pairs)}}}.items() if at == time]"

    def due_test(self, index: int) -> str:
        return f"{self.layout.dues[index]} == time"

    def ticked(self, out: Lines, indent: int, index: int) -> None:  # for sub-graphs
        """Write the line that follows a node's tick."""

    def due_list(self, out: Lines, indent: int) -> None:
        out.add(indent, "due = []")
        for index in self.woken:
            out.add(indent, f"if {self.due_test(index)}:")
            out.add(indent + 1, f"due.append({index})")

    def went_off(self, index: int) -> str:
        return "True"  # with this driver only alarms and events run a source

    def forget(self, out: Lines, indent: int, index: int) -> None:
        out.add(indent, f"{self.layout.dues[index]} = never", index)

    def _push(self, out: Lines, indent: int, index: int, due: str, flagged: int) -> None:
        """Write nothing: the loop compares the variable itself."""

    def given(self, session: Session, sources: Sequence[Any]) -> tuple[Any, ...]:
        dues = dict.fromkeys(self.woken, NEVER)
        schedule = session.schedule
        for entry in schedule.heap:
            dues[entry & schedule.mask] = entry >> schedule.bits
        schedule.heap.clear()
        end = NEVER - 1 if session.end is None else session.end
        return session.numbers(), end, dues

    def finish(self, session: Session, variables: Mapping[str, Any]) -> None:
        self.tell(session, variables)
        first = min(variables[self.layout.dues[index]] for index in self.woken)
        session.end_at(None if first == NEVER else first)

    def tell(self, session: Session, variables: Mapping[str, Any]) -> None:
        super().tell(session, variables)
        for index in self.woken:
            at = variables.get(self.layout.dues[index], NEVER)
            if at != NEVER:  # it may go off in the closing instant
                session.schedule.add(at, index)


class HeapDriver(RunDriver):
    """The heap of the alarms, for graphs that cancel none."""

    arguments = ", cycles, end"

    def prologue(self, out: Lines) -> None:
        out.add(1, "heap, bits = session.schedule.heap, session.schedule.bits")
        out.add(1, "mask, end = session.schedule.mask, end + 1 << bits")
        out.add(1, "for cycle in cycles:")
        self._end(out, "not heap or heap[0] >= end")
        out.add(2, "entry = heappop(heap)")
        out.add(2, "time = entry >> bits")
        out.add(2, "due = [entry & mask]")
        out.add(2, "following = time + 1 << bits")
        out.add(2, "while heap and heap[0] < following:")
        out.add(3, "due.append(heappop(heap) & mask)")
        if self.layout.asks_due:
            out.add(2, "woken = tuple(due)")
        self._tell_session(out)

    def due_test(self, index: int) -> str:
        return f"{index} in due"

    def went_off(self, index: int) -> str:
        return f"{index} in woken"

    def given(self, session: Session, sources: Sequence[Any]) -> tuple[Any, ...]:
        return session.numbers(), NEVER - 1 if session.end is None else session.end

    def finish(self, session: Session, variables: Mapping[str, Any]) -> None:
        self.tell(session, variables)
        session.end_at(session.schedule.next_time())


class SessionDriver(RunDriver):
    """The session, which supports everything."""

    def prologue(self, out: Lines) -> None:
        out.add(1, "heap, bits = session.schedule.heap, session.schedule.bits")
        out.add(1, "while (due := session.next_cycle()) is not None:")
        out.add(2, "time, cycle = session.time, session.cycle")

    def due_test(self, index: int) -> str:
        return f"{index} in due"

    def ticked(self, out: Lines, indent: int, index: int) -> None:  # for sub-graphs
        """Write the line that follows a node's tick."""

    def due_list(self, out: Lines, indent: int) -> None:
        out.add(indent, "heapify(due)")

    def went_off(self, index: int) -> str:
        return f"{self.layout.states[index]}.due_in == cycle"

    def _tell_time(self, out: Lines, indent: int, index: int) -> None:
        """Write nothing: the session knows the time."""

    def given(self, session: Session, sources: Sequence[Any]) -> tuple[Any, ...]:
        return ()

    def finish(self, session: Session, variables: Mapping[str, Any]) -> None:
        """Do nothing: the session knows."""

    def moment(self, session: Session, variables: Mapping[str, Any]) -> tuple[int, int]:
        return session.cycle, session.time

    def tell(self, session: Session, variables: Mapping[str, Any]) -> None:
        """Do nothing: the session knows."""


class ClockDriver(SessionDriver):
    """Real time: the clock and the heap of the alarms, read by the function itself.

    It asks the session if something else may begin the next cycle or end the run: an entry in the
    inbox, a wait, cancelled alarms, a bound, R15.
    """

    def prologue(self, out: Lines) -> None:
        out.add(1, "schedule, entries, end = session.schedule, session.inbox.entries, session.end")
        out.add(1, "heap, bits, mask = schedule.heap, schedule.bits, schedule.mask")
        out.add(1, "weak_bit, last_bit = schedule.weak_bit, schedule.last_bit")
        out.add(1, "cancelled, put_off = schedule.cancelled, schedule.put_off")
        out.add(1, "offset = session.clock.offset")
        out.add(1, "cycle = alone = past = 0")
        out.add(1, "while True:")
        out.add(2, "due = None")
        plain = "not cancelled and not put_off and not session.interrupted"
        out.add(2, f"if heap and cycle < alone and {plain}:")
        # All cycles at one time come before the clock and the inbox are read again (R6).
        out.add(3, "entry, now = heap[0], time")
        out.add(3, "if past:")
        out.add(4, "now = entry >> bits")
        out.add(4, "following = now + 1 << bits if entry < past else 0")
        out.add(3, "elif entry >= following and not entries:")
        out.add(4, "now = monotonic() + offset")
        out.add(4, "if end is None or now <= end:")
        out.add(5, "following = now + 1 << bits")
        out.add(3, "elif end is not None and monotonic() + offset > end:")
        out.add(4, "entry = never")
        # Only the session knows whether an alarm that keeps no run alive still goes off.
        out.add(3, "if entry < following and not entry & weak_bit:")
        out.add(4, "heappop(heap)")
        out.add(4, "if heap and heap[0] < following:")
        out.add(5, "due = schedule.take_with(entry, now)")
        out.add(5, "for first in due:")
        out.add(6, "states[first].due_in = cycle + 1")
        out.add(4, "else:")
        out.add(5, "first = entry & mask")
        out.add(5, "due = [first]")
        out.add(5, "states[first].due_in = cycle + 1")
        out.add(5, "schedule.takes += 1")
        out.add(5, "schedule.took_last = entry & last_bit != 0")
        out.add(5, "if entry > schedule.taken_to:")
        out.add(6, "schedule.taken_to = entry")
        out.add(4, "if now != time:")
        out.add(5, "session.first_cycle = cycle + 1")
        out.add(5, "session.time = time = now")
        out.add(4, "session.cycle = cycle = cycle + 1")
        out.add(2, "if due is None:")
        out.add(3, "due = session.next_cycle()")
        out.add(3, "if due is None:")
        out.add(4, "break")
        out.add(3, "time, cycle, alone = session.time, session.cycle, session.alone_until")
        out.add(3, "end, past = session.end, session.past")  # the hand-over sets both
        out.add(3, "following = time + 1 << bits")


DRIVERS: Mapping[DriverName, type[RunDriver]] = {
    DriverName.EVENTS: EventsDriver,
    DriverName.MERGED: MergedDriver,
    DriverName.EVENTS_AND_FURTHER: EventsAndFurtherDriver,
    DriverName.EVENTS_AND_ALARMS: EventsAndAlarmsDriver,
    DriverName.VARIABLES: VariablesDriver,
    DriverName.HEAP: HeapDriver,
    DriverName.CLOCK: ClockDriver,
    DriverName.SESSION: SessionDriver,
}


def _earliest(times: Sequence[str]) -> str:
    if len(times) > 2:
        return f"min({', '.join(times)})"
    return times[0] if len(times) == 1 else "{0} if {0} <= {1} else {1}".format(*times)
