"""Sets of one shape that run side by side in one kernel, without a graph for each.

Once sets of a shape have run side by side, a further one costs little: its nodes are compared with
those of the shape, started, and run for a few cycles in Python. Then the cycles of all run in one
call. Whatever else comes up, such as an error, goes as in `Graph.run`.
"""

from collections.abc import Mapping, Sequence
from operator import index
from types import TracebackType
from typing import TYPE_CHECKING, cast

from graphcore.engine.fused.subgraphs import FusedSubgraphs
from graphcore.engine.fused.tier import are_the_same
from graphcore.engine.native import company
from graphcore.engine.plan import Node, Plan
from graphcore.engine.run.endless import MAX_CYCLES_AT_ONCE
from graphcore.engine.run.lifecycle import Control, Started, begin, execute
from graphcore.engine.run.session import Session
from graphcore.graph import are_observed, end_of
from graphcore.handle import Handle
from graphcore.node import Source
from graphcore.sweeping.sharing import HistoryOptions, SharedGraph

if TYPE_CHECKING:
    from graphcore.engine.native.feed import Copied  # which needs llvmlite
    from graphcore.engine.native.run import Run
    from graphcore.engine.native.tier import Native


class Lanes:
    """The sets that wait to run side by side, for the time of a `with` block.

    Args:
        graph: a graph of their shape.
        tier: the graph's tier, which has a kernel with lanes.
        copied: the events of all sets.
        options: those of the runs.
    """

    def __init__(
        self, graph: SharedGraph, tier: "Native", copied: "Copied", options: HistoryOptions
    ) -> None:
        self.graph = graph
        self.tier = tier
        self.copied = copied
        self.source = tier.starter
        cycles = options.get("cycles")
        self._limit = None if cycles is None else index(cycles)
        self._most = index(options.get("max_cycles_at_once", MAX_CYCLES_AT_ONCE))
        self._end = end_of(copied.start, options.get("until"), options.get("duration"))
        self._waiting: list[Lane] = []
        self.starting = tier.started_by_users()

    def __enter__(self) -> "Lanes":
        """Return itself."""
        return self

    def __exit__(
        self,
        cls: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the nodes of the sets that still wait, as after Ctrl-C."""
        for lane in reversed(self._waiting):
            lane.give_up(error)
        self._waiting.clear()

    def add(self, sinks: Mapping[str, Handle], made: Sequence[Node]) -> "Lane | None":
        """Have a set wait, once it has run its first cycles.

        Args:
            sinks: its sinks, by name.
            made: the nodes that `build` made, in order of construction.

        Returns:
            `None` if it has another shape, or other events.

        Raises:
            RunError: if one of its nodes is in another run.
        """
        nodes = self.graph.nodes_of(sinks, made)
        if nodes is None:
            return None
        source = nodes[self.source]
        events = self.copied.events
        if events is None or not cast("Source[object]", source).repeats(events):
            return None
        for node in nodes:
            node._in_graph = True
        lane = Lane(self, self.graph.plan.with_nodes(nodes))
        self._waiting.append(lane)
        lane.begin()
        return lane

    def session_of(self, plan: Plan) -> Session:
        """Return the session of a set's run."""
        session = Session(plan, self.copied.start, self._end, self._limit, False, self._most)
        session.make_subgraphs = FusedSubgraphs
        return session

    def can_join(self, run: "Run") -> bool:
        """Return whether a run can stand beside those that wait."""
        first = next((lane.run_beside for lane in self._waiting if lane.run_beside), run)
        return first is run or run.can_stand_beside(first)

    def go(self) -> None:
        """Run the cycles of those that wait, as far as they can run side by side."""
        company.go([lane.run_beside for lane in self._waiting if lane.run_beside is not None])

    def end(self, lane: "Lane") -> None:
        """Run what is left of a set, and stop its nodes.

        Raises:
            Exception: as `Graph.run`.
        """
        self._waiting.remove(lane)
        lane.end()


class Lane:
    """The run of one set, in two halves: until it waits for others, and the rest.

    Args:
        lanes: the lanes that it belongs to.
        plan: its nodes.

    Attributes:
        run_beside: the run, if it can stand beside others.

    Raises:
        RunError: if one of the nodes is in another run.
    """

    def __init__(self, lanes: Lanes, plan: Plan) -> None:
        self._lanes = lanes
        self._plan = plan
        self._session = lanes.session_of(plan)
        self._run: Run | None = None
        self._error: BaseException | None = None
        self._started = Started(without=(lanes.source,))
        self._control = Control(plan)
        self._control.claim()
        self.run_beside: Run | None = None

    @property
    def common(self) -> tuple[str, ...] | None:
        """The nodes that ran once for this set and those beside it; `None` if it ran alone."""
        return None if self._run is None else self._run.common

    def begin(self) -> None:
        """Start the nodes, and run the first cycles; what they raise is raised by `end`."""
        lanes, plan = self._lanes, self._plan
        self._control.begin(self._session)
        try:
            fixed = lanes.tier.fixed_of(plan.nodes, lanes.starting)
            begin(plan, self._session, self._control.started, self._started)
            if not are_the_same(fixed):
                return  # the fused function has to be made anew for this set
            run = lanes.tier.beside(self._session, lanes.copied)
            if lanes.starting and not run.has_state:
                return
            self._run = run
            if run.warm_up() and lanes.can_join(run):
                self.run_beside = run
        except BaseException as error:
            self._error = error
            if not isinstance(error, Exception):
                raise

    def run(self, session: Session) -> None:
        """Run what is left of the cycles."""
        lanes = self._lanes
        if self._error is not None:
            raise self._error
        if self._run is not None:
            lanes.tier.go_on(self._run)
            return
        lanes.graph.hold(self._plan)
        lanes.tier.read_anew()
        self._started.without = ()
        self._plan.nodes[lanes.source].start(session.states[lanes.source])
        lanes.tier.run(session)

    def end(self) -> None:
        """Run the second half.

        Raises:
            Exception: as `Graph.run`.
        """
        try:
            execute(self._plan, self._session, self, self._control.started, self._started)
        finally:
            self._control.release()
            self._error = None  # which refers to frames that refer to this

    def give_up(self, error: BaseException | None) -> None:
        """Stop the nodes after an error of another set; what that raises is lost."""
        self._error = self._error or error or RuntimeError("the sweep has ended")
        try:
            self.end()
        except BaseException:
            return


def lanes_of(graph: SharedGraph, copied: "Copied | None", options: HistoryOptions) -> Lanes | None:
    """Return the lanes for sets of a graph's shape; `None` if they have to run as graphs.

    Args:
        graph: the graph.
        copied: the events of sets that ran side by side before.
        options: those of the runs.
    """
    # Who views or traces the runs of a process is to see each of them.
    if copied is None or copied.events is None or are_observed():
        return None
    tier = graph.tier_for_more(options)
    return None if tier is None else Lanes(graph, tier, copied, options)
