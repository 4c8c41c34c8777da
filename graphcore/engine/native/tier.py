"""The native tier for one plan: which runs it takes, and what it tells of them.

It takes historical runs of graphs in which one recorded source starts all cycles and every node is
fused. Any other run is one of the fused tier, and `explain` tells why.
"""

from collections.abc import Iterable

from graphcore.engine.fused.analysis.clocks import Placement
from graphcore.engine.fused.analysis.drivers import DriverName
from graphcore.engine.fused.analysis.tests import place
from graphcore.engine.fused.backend.emit import Entry
from graphcore.engine.fused.backend.layout import Layout, lay_out
from graphcore.engine.fused.frontend.capture import Frontend
from graphcore.engine.fused.ir import NodeIR
from graphcore.engine.fused.tier import Fused
from graphcore.engine.native.feed import Feed, events_of
from graphcore.engine.native.frontend.translation import Loop, Text
from graphcore.engine.native.run import Pace, Prepared, Run, Told
from graphcore.engine.native.stretches import FeedDriver, Stretch
from graphcore.engine.run.seen import Seen
from graphcore.engine.run.session import Session
from graphcore.node import Source
from graphcore.state import RunMode

PACE = Pace()
_MOST_LINES = 20_000


class Native(Fused):
    """The native tier for one plan.

    Args:
        plan: the plan to run.
    """

    _prepared: tuple[Frontend, Prepared | str] | None = None
    _told: Told | None = None

    def run(self, session: Session) -> None:
        """Run the plan until the session is over."""
        program = self._ready(session)
        prepared = self._prepare(session)
        if isinstance(prepared, str):
            self._told = Told(why=prepared)
            self._run(program, session)
            return
        [source] = [node for node in self._frontend().nodes if node.woken]
        given = self._plan.nodes[source.index]
        assert isinstance(given, Source)
        session.schedule.heap.clear()
        events = events_of(given, session.start_time, PACE.chunk)
        run = Run(prepared, session, Feed(events, session, PACE.chunk), PACE)
        self._told = run.told
        try:
            run.run()
        finally:
            for stretch in prepared.stretches.values():
                stretch.end()

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
            lines.append(f"{name}  {how}")
        return "\n".join(lines)

    def _prepare(self, session: Session) -> Prepared | str:
        """Return what the native runs need, or why this run is none."""
        if session.run_mode is RunMode.REALTIME:
            return "the run is in real time"
        if session.watched:
            return "the run shows its progress"
        frontend = self._frontend()
        if self._prepared is None or self._prepared[0] is not frontend:
            self._prepared = frontend, self._made(session)
        return self._prepared[1]

    def _made(self, session: Session) -> Prepared | str:
        frontend, nodes = self._frontend(), self._plan.nodes
        all_names = self._plan.names()
        for node in frontend.nodes:
            name = all_names[node.index]
            if node.cycle is None:
                return f"{name} is called: {node.why}"
            if node.mirrored:
                return f"a function or another node reads {name}"
        if self._driver(session) is not DriverName.EVENTS:
            return self._starters(frontend.nodes)
        placed = place(frontend.nodes, Placement(frontend.nodes))
        layout = lay_out(frontend.nodes, nodes, placed, FeedDriver.replaces(frontend.nodes))
        driver = FeedDriver(frontend.nodes, layout)
        if layout.asks_session or layout.may_linger:
            return "a node asks for more of its state than the engine time"
        stretches = {
            entry: Stretch(self._plan, frontend.nodes, placed, layout, driver, entry)
            for entry in Entry
        }
        resumed = stretches[Entry.VARIABLES]
        if resumed.source.count("\n") > _MOST_LINES:
            return f"the fused function has more than {_MOST_LINES:,} lines"
        [source] = driver.woken
        read = frozenset(name for kept in layout.kept for _, name in kept.read)
        value = layout.values[source]
        text = Text(resumed.source, resumed.namespace, _carried(layout), read, value)
        loop = Loop(text)
        lines = resumed.source.count("\n")
        return loop.refused or Prepared(stretches, loop, lines, driver.asks_time)

    def _starters(self, nodes: list[NodeIR]) -> str:
        all_names = self._plan.names()
        names = [all_names[node.index] for node in nodes if node.woken]
        if not names:
            return "nothing starts a cycle"
        several = (
            f"{', '.join(names[:-1])} and {names[-1]} start" if names[1:] else f"{names[0]} starts"
        )
        return f"{several} cycles, but machine code takes them from one recorded source"


def _carried(layout: Layout) -> frozenset[str]:
    names = {name for kept in layout.kept for name in (kept.value, kept.working) if name}
    names |= {name for kept in layout.kept for _, name in (*kept.state, *kept.read)}
    names |= {name for names in layout.cases.values() for name in names}
    return frozenset(names | set(layout.flags.values()))
