"""The loops of the fused function in a native run: over some of the cycles, which `Feed` begins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from graphcore.engine.fused.backend.drivers import Driver, EventsDriver, RunDriver
from graphcore.engine.fused.backend.layout import Layout
from graphcore.engine.fused.backend.lines import Lines
from graphcore.engine.fused.ir import NodeIR
from graphcore.engine.native.feed import Feed
from graphcore.engine.run.session import Session


class FeedDriver(EventsDriver):
    """The loop over the events of one source, a stretch of them at a time."""

    asks_time = True
    feed: Feed
    done = 0

    def finish(self, session: Session, variables: Mapping[str, Any]) -> None:
        """Do nothing: the run finishes itself."""

    def moment(self, session: Session, variables: Mapping[str, Any]) -> tuple[int, int]:
        """Return the number of the last cycle that began, and its engine time."""
        cycle = variables.get("cycle", self.done)
        return cycle, self.feed.time_of(cycle)


class MergedFeedDriver(RunDriver):
    """The loop over the cycles that the events of recorded sources and alarms start (R6).

    What starts a cycle is a bit each: first those of the sources, then those of other nodes.
    """

    arguments = ", events"
    feed: Feed
    done = 0

    def __init__(self, nodes: Sequence[NodeIR], layout: Layout) -> None:
        super().__init__(nodes, layout)
        self.bits = {index: 1 << bit for bit, index in enumerate(self.order(nodes))}

    @classmethod
    def replaces(cls, nodes: Sequence[NodeIR]) -> frozenset[int]:
        return frozenset(node.index for node in nodes if node.woken and node.is_recorded)

    @classmethod
    def order(cls, nodes: Sequence[NodeIR]) -> list[int]:
        """Return the indices of the nodes that start cycles, in the order of their bits."""
        sources = sorted(cls.replaces(nodes))
        return sources + [node.index for node in nodes if node.woken and not node.is_recorded]

    def prologue(self, out: Lines) -> None:
        out.add(1, "heap, bits = session.schedule.heap, session.schedule.bits")
        out.add(1, "for time, cycle, woken, given in events:")

    def epilogue(self, out: Lines) -> None:
        out.add(2, "if session.interrupted and session.answer():")
        out.add(3, "break")

    def due_test(self, index: int) -> str:
        return f"woken & {self.bits[index]} != 0"

    def take_event(self, out: Lines, indent: int, index: int) -> None:
        place = self.bits[index].bit_length() - 1
        out.add(indent, f"{self.layout.values[index]} = given[{place}]", index)

    def given(self, session: Session, sources: Sequence[Any]) -> tuple[Any, ...]:
        return ()

    def finish(self, session: Session, variables: Mapping[str, Any]) -> None:
        """Do nothing: the run finishes itself."""

    def moment(self, session: Session, variables: Mapping[str, Any]) -> tuple[int, int]:
        """Return the number of the last cycle that began, and its engine time."""
        return variables.get("cycle", self.done), variables.get("time", session.time)


@dataclass(frozen=True)
class Recording:
    """The variables in which a kernel records the ticks of some nodes, a row for each cycle.

    Attributes:
        values: for each node, the list of the values that it ticked with.
        ticks: a number with a bit for each node that ticked in the present cycle.
        rows: this number for each row.
        cycles: the number of its cycle.
        times: its engine time.
        firsts: the number of the first cycle at that time; no events of a lone source need it.
        time: the time of the cycle before.
        first: the number of the first cycle at it.
    """

    NAMES: ClassVar = ("ticks", "rows", "cycles", "times", "firsts", "time", "first")

    values: Mapping[int, str]
    ticks: str
    rows: str
    cycles: str
    times: str
    firsts: str
    time: str
    first: str

    @property
    def lists(self) -> tuple[str, ...]:
        """All of the lists."""
        return (self.rows, self.cycles, self.times, self.firsts, *self.values.values())

    @property
    def carried(self) -> frozenset[str]:
        """The variables that keep their values from one cycle to the next."""
        return frozenset((*self.lists, self.time, self.first))

    def bit(self, index: int) -> int:
        """Return the bit of a node."""
        return 1 << list(self.values).index(index)


class _Recording(Driver):
    """Records the ticks of some nodes; in front of another driver among the bases."""

    recording: Recording
    knows_firsts = True

    def prologue(self, out: Lines) -> None:
        super().prologue(out)  # type: ignore[safe-super]  # the other driver has it
        names = self.recording
        if self.knows_firsts:
            out.add(2, f"if time != {names.time}:")
            out.add(3, f"{names.time} = time")
            out.add(3, f"{names.first} = cycle")
        out.add(2, f"{names.ticks} = 0")

    def ticked(self, out: Lines, indent: int, index: int) -> None:
        names = self.recording
        if index in names.values:
            out.add(indent, f"{names.values[index]}.append({self.layout.values[index]})", index)
            out.add(indent, f"{names.ticks} += {names.bit(index)}", index)

    def epilogue(self, out: Lines) -> None:
        names = self.recording
        out.add(2, f"if {names.ticks} != 0:")
        out.add(3, f"{names.rows}.append({names.ticks})")
        out.add(3, f"{names.cycles}.append(cycle)")
        out.add(3, f"{names.times}.append(time)")
        if self.knows_firsts:
            out.add(3, f"{names.firsts}.append({names.first})")
        super().epilogue(out)


class RecordingFeedDriver(_Recording, FeedDriver):
    """The loop over the events of one source, which records the ticks of some nodes."""

    knows_firsts = False


class RecordingMergedFeedDriver(_Recording, MergedFeedDriver):
    """The loop over several sources and alarms, which records the ticks of some nodes."""


class Recorded(Protocol):
    """Knows the cycles of rows."""

    def time_of(self, cycle: int) -> int:
        """Return the engine time of a cycle."""

    def before(self, cycle: int) -> int | None:
        """Return the cycle of the row before a cycle, `None` if there is none."""


class RowsDriver(RunDriver):
    """The loop over the rows that a kernel has recorded: each is the cycle of some events.

    An alarm ends it, because the kernel may have gone past its time.

    Attributes:
        asks_session: whether the session has to know where the run is.
        asks_time: whether the loop needs the times of the rows.
        rows: the rows.
    """

    arguments = ", events, bound, is_to_end, has_changed"
    feed: Feed
    done = 0
    rows: Recorded

    def __init__(self, nodes: Sequence[NodeIR], layout: Layout) -> None:
        super().__init__(nodes, layout)
        self._places = {index: place for place, index in enumerate(self.woken)}
        self._may_wake = any(
            node.cycle is None or node.cycle.wakes > 0 or node.asks_between_cycles for node in nodes
        )
        self.asks_session = layout.asks_session
        self.asks_time = self._may_wake or layout.asks_time or layout.asks_session

    @classmethod
    def replaces(cls, nodes: Sequence[NodeIR]) -> frozenset[int]:
        return frozenset(node.index for node in nodes if node.is_recorded)

    @property
    def is_lone(self) -> bool:
        """Whether there is one node on the boundary, which ticks in each row."""
        return len(self.woken) == 1

    def prologue(self, out: Lines) -> None:
        if self._may_wake:
            out.add(1, "heap, bits = session.schedule.heap, session.schedule.bits")
        targets = ["time"] if self.asks_time else []
        targets += ["session.first_cycle"] if self.asks_session else []
        targets += ["cycle"]
        targets += [self.layout.values[self.woken[0]]] if self.is_lone else ["woken", "given"]
        out.add(1, f"for {', '.join(targets)} in events:")
        self.begins = len(out)
        if self.asks_session:
            out.add(2, "session.time, session.cycle = time, cycle")

    def epilogue(self, out: Lines) -> None:
        alarmed = " or heap and heap[0] < bound" if self._may_wake else ""
        stops = "session.interrupted and is_to_end()"
        out.add(2, f"if {stops}{alarmed} or has_changed and has_changed():")
        out.add(3, "break")

    def due_test(self, index: int) -> str:
        return "True" if self.is_lone else f"woken & {1 << self._places[index]} != 0"

    def due_list(self, out: Lines, indent: int) -> None:
        out.add(indent, "due = []")
        for index in self.woken:
            out.add(indent, f"if {self.due_test(index)}:")
            out.add(indent + 1, f"due.append({index})")

    def take_event(self, out: Lines, indent: int, index: int) -> None:
        if not self.is_lone:
            out.add(indent, f"{self.layout.values[index]} = given[{self._places[index]}]", index)

    def given(self, session: Session, sources: Sequence[Any]) -> tuple[Any, ...]:
        return ()

    def finish(self, session: Session, variables: Mapping[str, Any]) -> None:
        """Do nothing: the run finishes itself."""

    def moment(self, session: Session, variables: Mapping[str, Any]) -> tuple[int, int]:
        """Return the number of the last cycle that began, and its engine time."""
        cycle = variables.get("cycle", self.done)
        return cycle, self.rows.time_of(cycle) if cycle > self.done else session.time
