"""Split a plan: what leaves machine code in most cycles, and all that reads it, stays fused.

The rest, which reads none of that, is the native part. A kernel runs a chunk of its cycles and
records in lists what the fused part reads: the ticks of the streams on the boundary, a row for each
cycle. Then a function of its own runs the fused part over these rows. A cycle that is left for
Python runs in the function of the whole plan, to which both parts give their variables.
"""

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping, MutableMapping, Sequence, Set
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, Protocol

from graphcore.engine.collector import without_collections
from graphcore.engine.fused.analysis.clocks import Placement
from graphcore.engine.fused.analysis.tests import Placed, PlacedBlock, PlacedNode, place
from graphcore.engine.fused.backend.emit import Entry, emit
from graphcore.engine.fused.backend.layout import Kept, Layout, lay_out
from graphcore.engine.fused.backend.live import Live, attributes_of, own_attribute
from graphcore.engine.fused.ir import OUTPUT, NodeIR, TickForm
from graphcore.engine.native.backend.memory import Memory
from graphcore.engine.native.drivers import (
    Recording,
    RecordingFeedDriver,
    RecordingMergedFeedDriver,
    RowsDriver,
)
from graphcore.engine.native.frontend.translation import Loop, Text
from graphcore.engine.native.parts.assigning import ANY, assigned_to_others
from graphcore.engine.native.stretches import Stretch
from graphcore.engine.plan import Node, Plan
from graphcore.engine.run.session import Session
from graphcore.errors import RunError
from graphcore.state import GraphState

# A node on the boundary, as the fused part has it: it ticks whenever a row says so.
_DELIVERED = replace(OUTPUT, tick_form=TickForm.ALWAYS)


class Behind(Protocol):
    """Knows the native part as of the cycle of the fused part."""

    def is_here(self) -> bool:
        """Return whether the calling thread is the one that runs the fused part."""

    def read(self, index: int, name: str, done: int) -> Any:
        """Return an attribute of a node of the native part as it was after so many cycles."""

    def assign(self, index: int, name: str, value: Any) -> None:
        """Assign an attribute of a node that has run in the present cycle, if it runs in it."""


class PartLive(Live):
    """The nodes of a plan while the fused part runs: those of the native part are ahead of it."""

    behind: Behind
    native: Set[int]
    boundary: Set[int]

    def read(self, node: Node, name: str) -> Any:
        """Return an attribute of a node as of the present cycle."""
        frame, kept = self._frame, self._kept_of(node)
        if frame is None or kept.node not in self.native:
            return super().read(node, name)
        if name in ("value", "ticked_in") and kept.node in self.boundary:
            return super().read(node, name)
        if not self.behind.is_here():
            return own_attribute(node, name)
        # Of the present cycle, the nodes before the running one have run.
        cycle = frame.f_locals["cycle"]
        return self.behind.read(kept.node, name, cycle - (kept.node > self._owner(frame)))

    def write(self, node: Node, name: str, value: Any) -> bool:
        """Set an attribute of a node; return `False` if no variable holds it."""
        frame, kept = self._frame, self._kept_of(node)
        held = {attribute for attribute, _ in (*kept.state, *kept.read)}
        if frame is None or kept.node not in self.native or name not in {*held, "value"}:
            return super().write(node, name, value)
        if self.behind.is_here():
            if name == "value" or kept.node > self._owner(frame):
                raise RunError(
                    f"{name} of {node.name} cannot be assigned in a cycle that machine code has "
                    'run: run with tier="fused"'
                )
            self.behind.assign(kept.node, name, value)
        attributes_of(node)[name] = value
        return True

    def _owner(self, frame: FrameType) -> int:
        return self._owner_at(frame.f_lineno, frame.f_locals)


class FusedPart(Stretch):
    """The function of the fused part.

    Attributes:
        failed: after an error, the index of the node that raised it; past the last node if the
            function stopped between two cycles; `None` if it did not come so far.
        nodes: the indices of its nodes, without the boundary.
        driver: its loop.
        last: the cycle of the last row before those of this call, if there was one in this kernel.
    """

    driver: RowsDriver
    last: int | None = None
    failed: int | None = None
    nodes: Set[int] = frozenset()

    def _give_back(
        self, variables: Mapping[str, Any], session: Session, failed: int, *only: Any
    ) -> None:
        self.failed = failed
        super()._give_back(variables, session, failed, *only)

    def begin_with(self, whole: Stretch, variables: Mapping[str, Any], done: int) -> dict[str, Any]:
        """Return its variables, when those of the whole plan are these.

        Args:
            whole: the function of the whole plan.
            variables: its variables.
            done: how many cycles have run.
        """
        begun = {
            own: variables[name]
            for own, name in self._pairs(whole, self._layout.kept)
            if name in variables
        }
        for index, flag in self._layout.flags.items():
            begun[flag] = whole.tick_of(index, variables, done)
        self.last = None
        self._begun = {
            index: whole.tick_of(index, variables, done)
            for index, (flag, *_) in self._flag_of.items()
            if flag is None
        }
        return begun

    def _tick_of(self, index: int, variables: Mapping[str, Any], cycle: int, at: int) -> int:
        if self._flag_of[index][0] is not None or index < at:
            return super()._tick_of(index, variables, cycle, at)
        # It ticks in every row, and not yet in the present one.
        before = self.driver.rows.before(cycle)
        if before is None:
            before = self.last
        return self._begun[index] if before is None else before

    def give_to(
        self, whole: Stretch, variables: MutableMapping[str, Any], own: Mapping[str, Any]
    ) -> None:
        """Give the function of the whole plan its variables, once it has run a cycle."""
        kept = [each for each in self._layout.kept if each.node in self.nodes]
        for mine, name in self._pairs(whole, kept):
            if mine in own:
                variables[name] = own[mine]
        for index, flag in whole.flags.items():
            if index in self.nodes and self._flag_of.get(index, ("",))[0] != "":
                variables[flag] = self.tick_of(index, own, own["cycle"])

    def _pairs(self, whole: Stretch, kept: Iterable[Kept]) -> Iterator[tuple[str, str]]:
        """Yield its variables, each with that of the whole plan's function for the same."""
        others = {each.node: each for each in whole.kept}
        for mine in kept:
            other = others[mine.node]
            if mine.value and other.value:
                yield mine.value, other.value
            # On the boundary nobody but the node itself, which is not here, sees what it sets (R5).
            if mine.working != mine.value and other.working:
                yield mine.working, other.working
            attributes = dict((*other.state, *other.read))
            for attribute, name in (*mine.state, *mine.read):
                yield name, attributes[attribute]

    def begin(self, behind: Behind) -> None:
        """Ask this about nodes of the native part from now on."""
        self._part_live.behind = behind

    def own(self, nodes: Set[int], whole: Stretch) -> None:
        """Say which nodes are its own; the others are those of the native part."""
        self.nodes = nodes
        mine = {each.node: each for each in self._layout.kept}
        kept = []
        for each in whole.kept:
            own = mine.get(each.node, each)
            if each.node in nodes:
                kept.append(own)
                continue
            # The items of these are in the kernel's memory, so the object does not have them.
            held = attributes_of(self._plan.nodes[each.node])
            filled = [pair for pair in each.read if type(held.get(pair[0])) in (deque, list)]
            kept.append(
                each._replace(
                    value=own.value,
                    working=own.working,
                    state=(*each.state, *filled),
                    read=tuple(pair for pair in each.read if pair not in filled),
                )
            )
        self._live = self._part_live = PartLive(
            self._plan.nodes,
            self._nodes,
            replace(self._layout, kept=kept),
            self._ticked_in,
            self._owner_at,
        )
        self._part_live.native = frozenset(range(len(self._nodes))) - nodes
        self._part_live.boundary = mine.keys() - nodes


@dataclass(eq=False)
class Split:
    """A plan in two parts.

    Attributes:
        fused: the indices of the nodes of the fused part.
        why: for each of them, why it is there.
        size: how many nodes the native part has, besides sources.
        loop: the loop of the native part.
        owners: for each line of its text, the index of the node, or -1.
        recording: the variables in which it records the boundary.
        part: the function of the fused part.
    """

    fused: frozenset[int]
    why: Mapping[int, str]
    size: int
    loop: Loop
    owners: Sequence[int]
    recording: Recording
    part: FusedPart

    def rows(self, memory: Memory, begin: int, ran: int) -> "Rows | None":
        """Take the rows that the last call of the kernel has recorded; `None` if there are none.

        Args:
            memory: that of the kernel.
            begin: how many cycles had run before the call.
            ran: how many it ran.
        """
        names, driver = self.recording, self.part.driver
        count = memory.length(names.rows)
        values = [memory.taken(name) for name in names.values.values()] if count else []
        rows: Rows | None = None
        if count:
            rows = Rows(
                range(begin + 1, begin + ran + 1) if count == ran else memory.taken(names.cycles),
                memory.taken(names.times),
                memory.taken(names.firsts) if driver.asks_session else (),
                () if driver.is_lone else memory.taken(names.rows),
                values,
                driver,
            )
        for name in names.lists:
            memory.forget(name)
        return rows

    def is_shared(self, plan: Plan, variables: Mapping[str, Any], whole: Stretch) -> bool:
        """Return whether the parts may share a list, deque or other object that may change."""
        native = {
            id(value)
            for kept in whole.kept
            if kept.node not in self.fused
            for _, name in (*kept.state, *kept.read)
            for value in [variables.get(name)]
            if type(value) in (deque, list)
        }
        return bool(native) and not native.isdisjoint(
            id(each)
            for index in self.fused
            for value in attributes_of(plan.nodes[index]).values()
            for each in _around(value)
        )


def _around(value: object) -> Iterator[object]:
    """Yield an attribute and, of a function, the objects in its closure and its defaults."""
    yield value
    for cell in getattr(value, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is empty
            continue
    yield from getattr(value, "__defaults__", None) or ()


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that a kernel has recorded.

    Attributes:
        cycles: the numbers of their cycles.
        times: their engine times.
        firsts: for each, the number of the first cycle at its time, if the session is to know it
            and a lone source does not start all cycles.
        ticks: for each, a number with a bit for each node of the boundary that ticked, if there are
            several.
        values: for each node of the boundary, the values that it ticked with.
        driver: the loop that takes the events.
    """

    cycles: Sequence[int]
    times: Sequence[int]
    firsts: Sequence[int]
    ticks: Sequence[int]
    values: Sequence[Sequence[Any]]
    driver: RowsDriver

    def events(self) -> Iterator[Any]:
        """Return the events of the rows, as the driver takes them."""
        columns: list[Iterable[Any]] = []
        if self.driver.asks_time:
            columns.append(self.times)
        if self.driver.asks_session:
            columns.append(self.firsts or self.cycles)
        columns.append(self.cycles)
        if self.driver.is_lone:
            columns.append(self.values[0])
        elif set(self.ticks) == {(1 << len(self.values)) - 1}:
            columns += [self.ticks, zip(*self.values, strict=True)]
        else:
            columns += [self.ticks, self._given()]
        return zip(*columns, strict=True)

    def time_of(self, cycle: int) -> int:
        """Return the engine time of a cycle."""
        return self.times[bisect_left(self.cycles, cycle)]

    def before(self, cycle: int) -> int | None:
        """Return the cycle of the row before a cycle, `None` if there is none."""
        place = bisect_left(self.cycles, cycle)
        return self.cycles[place - 1] if place else None

    def _given(self) -> Iterator[Sequence[Any]]:
        following = [iter(values) for values in self.values]
        bits = [(1 << at, at) for at in range(len(following))]
        given: list[Any] = [None] * len(following)
        for ticks in self.ticks:
            for bit, at in bits:
                if ticks & bit:
                    given[at] = next(following[at])
            yield given


class Splitting:
    """Splits a plan where it is told to.

    Args:
        plan: the plan.
        nodes: its nodes.
        placed: the nodes and blocks with their tests.
        layout: the variables of the whole plan's function.
        whole: that function, which goes on with variables.
        text: what a translation of it needs to know.
    """

    def __init__(
        self,
        plan: Plan,
        nodes: Sequence[NodeIR],
        placed: Placed,
        layout: Layout,
        whole: Stretch,
        text: Text,
    ) -> None:
        self._plan = plan
        self._nodes = nodes
        self._placed = placed
        self._layout = layout
        self._whole = whole
        self._text = text

    def at(self, leaving: Mapping[int, str]) -> Split | str:
        """Split the plan.

        Args:
            leaving: the nodes that have to be in the fused part, each with the reason.

        Returns:
            The parts, or why there is no use in them.
        """
        nodes, why = self._nodes, dict(leaving)
        if self._placed.sparse:
            return "very many nodes run side by side"
        names = self._plan.names()
        for index, node in enumerate(self._plan.nodes):
            if any(isinstance(each, GraphState) for each in attributes_of(node).values()):
                why.setdefault(index, "it keeps its state")
        while True:
            self._add_readers(why, names)
            boundary = self._boundary(why)
            outputs = {nodes[index].owner for index in boundary} - {-1}
            if not outputs:
                break
            why |= dict.fromkeys(outputs, "an output of it is read there")
        if any(nodes[index].is_source for index in why):
            return "the fused part would have a source"
        native = sum(not (node.index in why or node.is_source) for node in nodes)
        if not native:
            return "the native part would have no nodes but sources"
        held = self._held(why)
        for index in why:
            if not held.isdisjoint(assigned_to_others(self._plan.nodes[index])):
                return f"{names[index]} may assign attributes of nodes of the native part"
        return self._split(why, boundary, native)

    def _add_readers(self, why: dict[int, str], names: Sequence[str]) -> None:
        """Add all that read one of these nodes, and what belongs together with it."""
        plan, places = self._plan, {id(node): at for at, node in enumerate(self._plan.nodes)}
        partners: dict[int, list[int]] = {}
        readers: list[list[int]] = [[] for _ in plan.nodes]
        for index, node in enumerate(plan.nodes):
            for partner in (places[id(each)] for each in node.partners()):
                partners.setdefault(index, []).append(partner)
                partners.setdefault(partner, []).append(index)
            for upstream in (*plan.active[index], *plan.passive[index]):
                readers[upstream].append(index)
            if self._nodes[index].owner >= 0:
                readers[self._nodes[index].owner].append(index)
        waiting = list(why)
        while waiting:
            index = waiting.pop()
            for each in (*readers[index], *partners.get(index, ())):
                if each not in why:
                    why[each] = f"it reads {names[index]}"
                    waiting.append(each)

    def _held(self, fused: Container[int]) -> set[str]:
        """Return the names of what variables hold of the nodes of the native part."""
        native = [kept for kept in self._whole.kept if kept.node not in fused]
        held = {name for kept in native for name, _ in (*kept.state, *kept.read)}
        return held | {"value", ANY}

    def _boundary(self, fused: Iterable[int]) -> list[int]:
        plan = self._plan
        read = {each for index in fused for each in (*plan.active[index], *plan.passive[index])}
        return sorted(read.difference(fused))

    def _split(self, why: Mapping[int, str], boundary: Sequence[int], size: int) -> Split | str:
        fused = frozenset(why)
        loop, owners, recording = self._native(fused, boundary)
        if loop.refused:
            return loop.refused
        with without_collections():
            part = self._fused(fused, boundary)
        return Split(fused, why, size, loop, owners, recording, part)

    def _native(
        self, fused: Set[int], boundary: Sequence[int]
    ) -> tuple[Loop, Sequence[int], Recording]:
        # Its own text needs no mirrors: machine code gives nodes nothing before Python runs.
        nodes = [replace(node, mirrored=False) for node in self._nodes]
        recording = _recording(boundary, self._whole.source)
        made = RecordingFeedDriver if self._text.alarms is None else RecordingMergedFeedDriver
        driver = made(nodes, self._layout)
        driver.recording = recording
        placed = Placed(_without(self._placed.top, fused), False)
        lines = emit(nodes, placed, self._layout, driver, Entry.VARIABLES)
        carried = self._text.carried | recording.carried
        text = replace(self._text, source=str(lines), carried=carried)
        return Loop(text), lines.owners, recording

    def _fused(self, fused: Set[int], boundary: Sequence[int]) -> FusedPart:
        nodes = [
            replace(node, woken=False) if node.index in fused else _given(node, boundary)
            for node in self._nodes
        ]
        placed = place(nodes, Placement(nodes))
        native = frozenset(range(len(nodes))) - fused
        layout = lay_out(nodes, self._plan.nodes, placed, native)
        layout.kept = [each for each in layout.kept if each.node in {*fused, *boundary}]
        driver = RowsDriver(nodes, layout)
        part = FusedPart(self._plan, nodes, placed, layout, driver, Entry.VARIABLES)
        part.driver = driver
        part.own(fused, self._whole)
        return part


def _given(node: NodeIR, boundary: Sequence[int]) -> NodeIR:
    """Return a node of the native part as the fused part has it: as a source of rows, or idle."""
    is_read = node.index in boundary
    return NodeIR(
        node.index,
        node.label,
        node.number,
        (),
        (),
        woken=is_read,
        needs_all=False,
        is_source=is_read,
        is_recorded=is_read,
        cycle=_DELIVERED,
        mirrored=is_read and node.mirrored,
    )


def _without(block: PlacedBlock, nodes: Set[int]) -> PlacedBlock:
    """Return a block without some nodes; none of those that are left reads one of them."""
    items: list[PlacedNode | PlacedBlock] = []
    for item in block.items:
        if isinstance(item, PlacedBlock):
            inner = _without(item, nodes)
            if inner.items:
                items.append(inner)
        elif item.index not in nodes:
            dependants = None if item.dependants is None else _without(item.dependants, nodes)
            if dependants is not None and not dependants.items:
                dependants = None
            items.append(replace(item, dependants=dependants))
    return replace(block, items=items)


def _recording(boundary: Sequence[int], source: str) -> Recording:
    """Return variables that a text does not use."""
    used = set(re.findall(r"\w+", source))

    def free(name: str) -> str:
        while name in used:
            name += "_"
        used.add(name)
        return name

    values = {index: free(f"row_values_{index}") for index in boundary}
    return Recording(values, *(free(f"row_{name}") for name in Recording.NAMES))
