"""The fused tier: compile a plan when a run first needs it, and keep the programs."""

from collections.abc import Iterable, Sequence

from graphcore.engine.fused.analysis.clocks import Placement
from graphcore.engine.fused.analysis.drivers import DriverName, choose
from graphcore.engine.fused.backend.program import Program
from graphcore.engine.fused.frontend.capture import Frontend
from graphcore.engine.fused.ir import NodeIR
from graphcore.engine.fused.pipeline import compile_for, read
from graphcore.engine.plan import Plan
from graphcore.engine.run.seen import Seen, seen_of
from graphcore.engine.run.session import Session
from graphcore.state import RunMode


class Fused:
    """The fused tier for one plan.

    Args:
        plan: the plan to run.

    Attributes:
        running: the program of the present run, or of the last one.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._to_call: dict[int, str] = {}
        self._read: Frontend | None = None
        self._programs: dict[DriverName, Program] = {}
        self.running: Program | None = None

    def prepare(self, mode: RunMode, watched: bool) -> None:
        """Compile the program that such a run needs."""
        self._program(self._driver_for(mode, watched))

    def run(self, session: Session) -> None:
        """Run the plan until the session is over."""
        self._run(self._ready(session), session)

    def _ready(self, session: Session) -> Program:
        """Return the program of a run, compiled again if something has changed."""
        program = self._program(self._driver(session))
        lacking = program.without_state()
        if lacking or not self._frontend().guards.hold():
            self._to_call |= lacking
            self._read = None
            self._programs.clear()
            program = self._program(self._driver(session))
        return program

    def _run(self, program: Program, session: Session) -> None:
        self.running = program
        try:
            program.run(session)
        finally:
            program.end()

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
        return choose(self._frontend().nodes)

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
        return self._programs[driver]

    def _compiled(self, driver: DriverName) -> Program:
        try:
            return compile_for(driver, self._plan, self._frontend())
        except (SyntaxError, RecursionError, MemoryError) as error:
            # CPython's own limits, such as how deep a text may be nested. The passes foresee those
            # that they can; for the rest, all nodes are called.
            for node in self._frontend().nodes:
                if node.cycle is not None:
                    node.call(f"CPython cannot compile the fused function: {error}")
        # A driver for history may need nodes that are fused.
        called = driver if driver is DriverName.CLOCK else DriverName.SESSION
        return compile_for(called, self._plan, self._frontend())
