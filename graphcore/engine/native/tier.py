"""The native tier for one plan: which runs it takes, and what it tells of them.

It takes historical runs of graphs in which recorded sources and alarms start all cycles and every
node is fused. Any other run is one of the fused tier, and `explain` tells why.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from math import inf
from typing import Any, cast

from graphcore.engine.clock import last_bit, weak_bit
from graphcore.engine.collector import without_collections
from graphcore.engine.fused.analysis.clocks import Placement
from graphcore.engine.fused.analysis.drivers import DriverName
from graphcore.engine.fused.analysis.tests import Placed, place
from graphcore.engine.fused.backend.emit import Entry
from graphcore.engine.fused.backend.layout import lay_out
from graphcore.engine.fused.backend.live import attributes_of
from graphcore.engine.fused.frontend.capture import Frontend
from graphcore.engine.fused.ir import NodeIR
from graphcore.engine.fused.tier import Fused
from graphcore.engine.native.drivers import FeedDriver, MergedFeedDriver
from graphcore.engine.native.feed import Copied, Feed, Incoming, Repeated
from graphcore.engine.native.frontend.translation import Loop, Text
from graphcore.engine.native.frontend.values import Alarms
from graphcore.engine.native.handover import Handover
from graphcore.engine.native.parts.split import Splitting
from graphcore.engine.native.run import Pace, Prepared, Run, Told
from graphcore.engine.native.stretches import Stretch
from graphcore.engine.run.seen import Seen
from graphcore.engine.run.session import Session
from graphcore.node import Source
from graphcore.state import RunMode
from graphcore.subgraph import QuickRuns

PACE = Pace()
_MOST_LINES = 20_000
_MOST_WOKEN = 62  # a bit each


class Native(Fused):
    """The native tier for one plan.

    Args:
        plan: the plan to run.
    """

    _prepared: tuple[Frontend, Prepared | str] | None = None
    _told: Told | None = None

    def prepare(self, mode: RunMode, watched: bool) -> None:
        """Compile the program of a run in real time; others have no need of one if native."""
        if mode is RunMode.REALTIME:
            super().prepare(mode, watched)
        else:
            self._frontend()  # before a `start` may change a node

    def run(self, session: Session) -> None:
        """Run the plan until the session is over."""
        self._look_anew()
        prepared = self._prepare(session)
        if isinstance(prepared, Prepared):
            begun = prepared.stretches[Entry.START]
            begun.take(self._plan)
            if lacking := begun.without_state():
                self.read_anew(lacking)
                prepared = self._prepare(session)
        if isinstance(prepared, str):
            self._told = Told(why=prepared)
            self._run(session)
            return
        nodes = self._frontend().nodes
        woken = MergedFeedDriver.order(nodes)
        recorded = MergedFeedDriver.replaces(nodes)
        sources = [self._plan.nodes[index] for index in woken if index in recorded]
        session.schedule.drop(recorded.__contains__)
        copied = None if self.company is None else self.company.copied
        incoming = [
            Incoming(source, session.start_time, PACE.chunk, prepared.categories, copied)
            for source in cast(list[Source[Any]], sources)
        ]
        feed = Feed(incoming, woken, prepared.lone, session)
        handover = Handover(session, woken, len(sources))
        self.go_on(Run(prepared, session, feed, handover, PACE, self.company))

    def go_on(self, run: Run) -> None:
        """Run the cycles of a run."""
        self._told = run.told
        try:
            run.run()
        finally:
            prepared = run.prepared
            for machine in prepared.machines.values():
                machine.memory.end()
            for stretch in prepared.stretches.values():
                stretch.end()
            if prepared.split is not None:
                prepared.split.part.end()

    # Runs of graphs of this shape that stand beside others

    @property
    def takes_more(self) -> bool:
        """Whether further graphs of this shape may run beside each other, by `beside`."""
        if self._prepared is None or self._has_changed:
            return False
        frontend, prepared = self._prepared
        made = prepared.side_by_side if isinstance(prepared, Prepared) else None
        return (
            made is not None
            and made.code is not None
            and frontend is self._read
            and frontend.guards.hold()
        )

    @property
    def starter(self) -> int:
        """The index of the source that starts all cycles."""
        return MergedFeedDriver.order(self._frontend().nodes)[0]

    def beside(self, session: Session, copied: Copied) -> Run:
        """Return a run of another graph of this shape, whose source has the events of a copy.

        Args:
            session: the run.
            copied: the copy.
        """
        assert self._prepared is not None
        prepared, woken = self._prepared[1], MergedFeedDriver.order(self._frontend().nodes)
        assert isinstance(prepared, Prepared)
        feed = Feed([Repeated(copied)], woken, True, session)
        return Run(prepared, session, feed, Handover(session, woken, 1), PACE)

    def look(self, session: Session, indices: Iterable[int]) -> Seen:
        """Look at the run between two cycles; machine code answers between two chunks."""
        looked_at = list(indices)
        prepared = None if self._prepared is None else self._prepared[1]
        if isinstance(prepared, Prepared):
            for stretch in prepared.stretches.values():
                seen = stretch.look(session, looked_at)
                if seen is not None:
                    return seen
        return super().look(session, looked_at)

    def told(self) -> str:
        """Return how the last run went: a line for the run, and one for each node."""
        told = self._told
        if told is None:
            return "there was no native run yet"
        if not (told.cycles or told.left):
            return f"fused: {told.why or 'the run was too short to leave Python'}"
        lines = [f"native: {told.cycles:,} of {told.all:,} cycles ran in machine code"]
        if told.why:
            lines[0] += f"; then {told.why}"
        reasons: dict[int, list[str]] = {}
        for (owner, text), times in told.left.items():
            cycles = "1 cycle" if times == 1 else f"{times:,} cycles"
            reasons.setdefault(owner, []).append(f"{text} ({cycles})")
        for index, name in enumerate(self._plan.names()):
            left = reasons.get(index)
            how = f"native, but for Python: {'; '.join(left)}" if left else "native"
            if index in told.fused:
                how = f"fused: {told.fused[index]}"
            lines.append(f"{name}  {how}")
        return "\n".join(lines)

    def _prepare(self, session: Session) -> Prepared | str:
        """Return what native runs need, or why this run cannot be native."""
        if session.run_mode is RunMode.REALTIME:
            return "the run is in real time"
        if session.watched:
            return "the run shows its progress"
        frontend = self._frontend()
        if self._prepared is None or self._prepared[0] is not frontend:
            with without_collections():
                self._prepared = frontend, self._made(session)
        made = self._prepared[1]
        return made if isinstance(made, str) else made.refused or made

    def _made(self, session: Session) -> Prepared | str:
        frontend, nodes = self._frontend(), self._plan.nodes
        all_names = self._plan.names()
        called = {
            node.index: f"it is called: {node.why}" for node in frontend.nodes if node.cycle is None
        }
        for index in chain.from_iterable(frontend.held):
            if frontend.nodes[index].mirrored:
                return f"a function or another node reads {all_names[index]}"
        placed = place(frontend.nodes, Placement(frontend.nodes))
        lone = self._driver(session) is DriverName.EVENTS
        refused = "" if lone else self._refusal(frontend.nodes, placed)
        if refused:
            return refused
        replaced = MergedFeedDriver.replaces(frontend.nodes)
        layout = lay_out(frontend.nodes, nodes, placed, replaced, self._shared)
        lone = lone and not (layout.asks_session or layout.may_linger)
        driver: FeedDriver | MergedFeedDriver = (
            FeedDriver(frontend.nodes, layout) if lone else MergedFeedDriver(frontend.nodes, layout)
        )
        stretches = {
            entry: Stretch(self._plan, frontend.nodes, placed, layout, driver, entry)
            for entry in Entry
        }
        resumed = stretches[Entry.VARIABLES]
        if resumed.source.count("\n") > _MOST_LINES:
            return f"the fused function has more than {_MOST_LINES:,} lines"
        try:
            stretches[Entry.START].compile()
        except (SyntaxError, RecursionError, MemoryError) as error:
            return f"CPython cannot compile the fused function: {error}"
        text = Text(
            resumed.source,
            resumed.namespace,
            layout.carried,
            frozenset(name for kept in layout.kept for _, name in kept.read),
            tuple(layout.values[index] for index in sorted(replaced)) if lone else (),
            None if lone else _alarms(frontend.nodes),
            frozenset(layout.symbols),
        )
        loop = Loop(text)
        if loop.refused:
            return loop.refused
        prepared = Prepared(stretches, loop, lone)
        if self.runs == 1 and not self._keyed() and not any(frontend.held):
            prepared.splitting = Splitting(
                self._plan,
                frontend.nodes,
                placed,
                layout,
                resumed,
                text,
            )
        if called:
            why = prepared.split_at(called)
            if why:
                first = next(iter(called))
                return f"{all_names[first]} is called: {frontend.nodes[first].why}"
        return prepared

    def _refusal(self, nodes: Sequence[NodeIR], placed: Placed) -> str:
        """Return why machine code cannot start the cycles; empty if it can."""
        names, keyed = self._plan.names(), self._keyed()
        woken = [node for node in nodes if node.woken]
        if not woken:
            return "nothing starts a cycle"
        if placed.sparse or len(woken) > _MOST_WOKEN:
            return "very many nodes start cycles"
        for node in nodes:
            if node.asks_between_cycles and node.index not in keyed:
                return f"{names[node.index]} may ask for a cycle at any time"
            if node.woken and node.is_source and not node.is_recorded:
                return f"the events of {names[node.index]} are not known before the run"
            if node.index in keyed:
                continue
            if node.cycle is None:
                continue  # it is in the fused part, whose alarms machine code does not set
            if node.woken and (node.keeps_alarms or node.cycle.wakes == inf):
                return f"{names[node.index]} keeps an alarm to cancel it"
        return ""

    def _keyed(self) -> frozenset[int]:
        """Return the nodes that run keys quickly, and their partners.

        These ask for cycles only while Python runs one, so a kernel need not know.
        """
        places = {id(node): index for index, node in enumerate(self._plan.nodes)}
        found = set[int]()
        for index, node in enumerate(self._plan.nodes):
            if any(isinstance(each, QuickRuns) for each in attributes_of(node).values()):
                found |= {index, *(places[id(each)] for each in node.partners())}
        return frozenset(found)


def _alarms(nodes: Sequence[NodeIR]) -> Alarms:
    order = MergedFeedDriver.order(nodes)
    bits = {index: bit for bit, index in enumerate(order)}
    return Alarms(bits, weak_bit(len(nodes)), last_bit(len(nodes)))
