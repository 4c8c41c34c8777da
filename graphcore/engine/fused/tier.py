"""The fused tier: compile a plan when a run first needs it, and keep the programs."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from graphcore.engine.fused.analysis.clocks import Placement
from graphcore.engine.fused.analysis.drivers import DriverName, choose
from graphcore.engine.fused.backend.live import attributes_of
from graphcore.engine.fused.backend.program import Program
from graphcore.engine.fused.frontend.capture import Frontend
from graphcore.engine.fused.frontend.subset import is_ours
from graphcore.engine.fused.ir import NodeIR
from graphcore.engine.fused.pipeline import compile_for, read
from graphcore.engine.plan import Node, Plan
from graphcore.engine.run.seen import Seen, seen_of
from graphcore.engine.run.session import Session
from graphcore.state import RunMode
from graphcore.subgraph import ABSENT

# A node's attributes, the name of one on which the text of the function depends, and its value.
Fixed = tuple[dict[str, Any], str, object]


def are_the_same(fixed: Iterable[Fixed]) -> bool:
    """Return whether the attributes still have these values."""
    return all(own.get(name, ABSENT) is given for own, name, given in fixed)


class Fused:
    """The fused tier for one plan.

    Args:
        plan: the plan to run.

    Attributes:
        running: the program of the present run, or of the last one.
        runs: how many graphs of this shape are to run; for more than one, what is compiled takes
            the nodes of each.
        company: the runs beside which the next one may run; the native tier uses it.
    """

    runs = 1
    company: Any = None

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._to_call: dict[int, str] = {}
        self._read: Frontend | None = None
        self._programs: dict[DriverName, Program] = {}
        self._has_changed = False
        self._alone: tuple[Frontend, str] | None = None
        self._fixed: tuple[Frontend, list[tuple[int, list[str]]]] | None = None
        self._chosen: tuple[Frontend, DriverName] | None = None
        self._taken: list[Fixed] = []  # of nodes that were taken
        self.running: Program | None = None

    def prepare(self, mode: RunMode, watched: bool) -> None:
        """Compile the program that such a run needs."""
        self._program(self._driver_for(mode, watched))

    @property
    def takes_more(self) -> bool:
        """Whether further graphs of this shape may run beside each other; see the native tier."""
        return False

    @property
    def why_alone(self) -> str:
        """Why `take` cannot be called; empty if it can."""
        if self._has_changed:
            # What it makes of the nodes of other graphs is not known before their runs.
            return "a start changed a function or an upstream of its node"
        frontend = self._frontend()
        if self._alone is None or self._alone[0] is not frontend:
            self._alone = frontend, self._found_alone(frontend)
        return self._alone[1]

    def _found_alone(self, frontend: Frontend) -> str:
        names = self._plan.names()
        for node, held in zip(frontend.nodes, frontend.held, strict=True):
            if node.cycle is None:
                return f"{names[node.index]} is called: {node.why}"
            if held:
                return f"a function of {names[node.index]} reads a node"
            if node.mirrored:
                return f"a function or another node reads {names[node.index]}"
        return ""

    def take(self, plan: Plan) -> None:
        """Take the nodes of another graph of this shape, between two runs."""
        self._plan = plan
        self._taken = self.fixed_of(plan.nodes)

    def fixed_of(self, nodes: Sequence[Node], which: Container[int] | None = None) -> "list[Fixed]":
        """Return on which objects the text of the function depends.

        Args:
            nodes: the nodes of a graph of this shape.
            which: the indices of those that are looked at; `None` for all.
        """
        frontend = self._frontend()
        if self._fixed is None or self._fixed[0] is not frontend:
            self._fixed = frontend, [(each.index, each.fixed) for each in frontend.nodes]
        return [
            (own, name, own.get(name, ABSENT))
            for index, names in self._fixed[1]
            if which is None or index in which
            for own in [attributes_of(nodes[index])]
            for name in names
        ]

    def started_by_users(self) -> frozenset[int]:
        """Return the nodes whose `start` is not graphcore's own, so that it may do anything."""
        return frozenset(
            index
            for index, node in enumerate(self._plan.nodes)
            if "start" in attributes_of(node) or not is_ours(type(node).start.__globals__)
        )

    def run(self, session: Session) -> None:
        """Run the plan until the session is over."""
        self._look_anew()
        self._run(session)

    def _run(self, session: Session) -> None:
        program = self._program(self._driver(session))
        if lacking := program.without_state():
            self.read_anew(lacking)
            program = self._program(self._driver(session))
        self.running = program
        try:
            program.run(session)
        finally:
            program.end()

    def _look_anew(self) -> None:
        """Read the nodes again if a `start` has replaced a function or an upstream of one."""
        if not (are_the_same(self._taken) and self._frontend().guards.hold()):
            self.read_anew()

    def read_anew(self, to_call: Mapping[int, str] | None = None) -> None:
        """Read the nodes again before the next run, because one of them is not as it was.

        Args:
            to_call: why nodes have to be called, by their indices.
        """
        self._taken, self._has_changed = [], True
        self._to_call |= to_call or {}
        self._read = None
        self._programs.clear()

    def look(self, session: Session, indices: Iterable[int]) -> Seen:
        """Look at the run between two cycles."""
        return self._look_at(self.running, session, list(indices))

    def _look_at(self, program: Program | None, session: Session, indices: list[int]) -> Seen:
        seen = None if program is None else program.look(session, indices)
        return seen or seen_of(session, self._plan.nodes, indices)

    def source(self) -> str:
        """Return the text of the function for historical runs."""
        return self._program(self._historical()).source

    def explain(self) -> list[tuple[str, str]]:
        """Return for each node its name, and the reason why it is called; empty if it is fused."""
        return [
            (name, read.why)
            for name, read in zip(self._plan.names(), self._frontend().nodes, strict=True)
        ]

    def facts(self) -> Sequence[NodeIR]:
        """Return what the compiler knows of each node."""
        return self._frontend().nodes

    def ticking_always(self) -> list[bool]:
        """Return for each node whether it surely ticks in every cycle."""
        placement = Placement(self._frontend().nodes)
        return [clock is placement.every for clock in placement.ticks]

    def clocks(self) -> list[int]:
        """Return a number for each node: nodes with the same number tick in the same cycles.

        A node that never ticks has the number of the nodes that tick whenever it runs.
        """
        placement = Placement(self._frontend().nodes)
        numbers: dict[int, int] = {}
        clocks = [
            runs if ticks is placement.never else ticks
            for runs, ticks in zip(placement.runs, placement.ticks, strict=True)
        ]
        return [numbers.setdefault(id(clock), len(numbers)) for clock in clocks]

    def _frontend(self) -> Frontend:
        if self._read is None:
            self._read = read(self._plan, self._to_call)
        return self._read

    def _historical(self) -> DriverName:
        frontend = self._frontend()
        if self._chosen is None or self._chosen[0] is not frontend:
            self._chosen = frontend, choose(frontend.nodes)
        return self._chosen[1]

    def _driver_for(self, mode: RunMode, watched: bool) -> DriverName:
        if mode is RunMode.REALTIME:
            return DriverName.CLOCK
        return DriverName.SESSION if watched else self._historical()

    def _driver(self, session: Session) -> DriverName:
        driver = self._driver_for(session.run_mode, session.watched)
        if driver is not DriverName.VARIABLES:
            return driver
        schedule = session.schedule
        indices = [entry & schedule.mask for entry in schedule.heap]
        # A variable holds only one alarm of each source.
        return driver if len(set(indices)) == len(indices) else DriverName.HEAP

    def _program(self, driver: DriverName) -> Program:
        if driver not in self._programs:
            self._programs[driver] = self._compiled(driver)
        program = self._programs[driver]
        program.take(self._plan)
        return program

    @property
    def _shared(self) -> Container[int] | None:
        """The nodes that all graphs of this shape share; `None` if there is one graph."""
        return () if self.runs > 1 and not self.why_alone else None

    def _compiled(self, driver: DriverName) -> Program:
        try:
            return compile_for(driver, self._plan, self._frontend(), self._shared)
        except (SyntaxError, RecursionError, MemoryError) as error:
            # CPython's own limits, such as how deep a text may be nested. The passes foresee those
            # that they can; for the rest, all nodes are called.
            for node in self._frontend().nodes:
                if node.cycle is not None:
                    node.call(f"CPython cannot compile the fused function: {error}")
            self._chosen = None
        # A driver for history may need nodes that are fused.
        called = driver if driver is DriverName.CLOCK else DriverName.SESSION
        return compile_for(called, self._plan, self._frontend())
