"""The loops of the fused function in a native run: over some of the cycles, which `Feed` begins."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphcore.engine.fused.backend.drivers import EventsDriver, RunDriver
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
