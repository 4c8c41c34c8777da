"""`Graph`: all nodes that its roots need, planned once and run any number of times (R9, R12)."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypedDict, Unpack, get_args

from graphcore.checking import CheckName, Finding, check, tell
from graphcore.embedding.background import Background
from graphcore.embedding.event_loop import RunLoop
from graphcore.embedding.running import Running, awaited
from graphcore.embedding.tracing import is_tracing, traced
from graphcore.engine.collector import without_collections
from graphcore.engine.fused import Fused
from graphcore.engine.fused.ir import NodeIR
from graphcore.engine.fused.subgraphs import FusedSubgraphs
from graphcore.engine.interpreted import Interpreted
from graphcore.engine.native import auto, explain, native
from graphcore.engine.notes import add_note
from graphcore.engine.plan import Plan
from graphcore.engine.run.endless import MAX_CYCLES_AT_ONCE
from graphcore.engine.run.lifecycle import Control, Tier, control_of, execute
from graphcore.engine.run.session import Session
from graphcore.engine.subgraphs import Subgraphs
from graphcore.errors import InvalidTypeError, InvalidValueError, RunError
from graphcore.node import MutableNode, Source, node_of, refuse_list
from graphcore.polling import Receive
from graphcore.profiling import Profiler
from graphcore.progress import showing_progress
from graphcore.seeing import Drawing, RunReport, picture_of
from graphcore.state import RunMode
from graphcore.tiers import TierName, choose_tier
from graphcore.time import Duration, Time, to_duration, to_time
from graphcore.view import Serving, Views, is_watchable

if TYPE_CHECKING:
    import networkx as nx

ReceiveName = Literal["thread", "inline"]

_SUBGRAPHS = {
    "fused": FusedSubgraphs,
    "interpreted": Subgraphs,
    "native": FusedSubgraphs,
    "auto": FusedSubgraphs,
}
_TIERS: dict[str, Callable[[Plan], Tier]] = {
    "fused": Fused,
    "interpreted": Interpreted,
    "native": native,
    "auto": auto,
}


class RunOptions(TypedDict, total=False):
    """The keywords of `Graph.run`, for methods that pass them on."""

    realtime: bool
    start: Time | None
    until: Time | None
    duration: Duration | None
    cycles: int | None
    max_cycles_at_once: int
    tier: TierName | None
    receive: ReceiveName
    spin: Duration
    progress: bool
    profile: bool
    watchable: bool | None


class Graph:
    """The nodes that some roots need, in the order in which they run.

    Args:
        roots: streams, sinks or nodes. The graph holds them and every node that they read, directly
            or through other nodes.
        check: what to do about the findings of `check()`: ``"warn"`` warns of each of them, a
            `CheckWarning` at the line that wired the node, and ``"error"`` refuses the graph.

    Raises:
        InvalidTypeError: for a root that is not a stream, a sink or a node.
        InvalidValueError: for another `check`.
        WiringError: for a cycle in the wiring, a feedback that was not bound, or a node that
            nothing can ever run; with ``check="error"``, if there are findings.

    >>> import graphcore as gc
    >>> out = gc.ticker("1s").count().collect()
    >>> gc.Graph(out).run(duration="2s").cycles
    3
    >>> out.values
    [1, 2, 3]
    """

    def __init__(self, *roots: object, check: CheckName = "off") -> None:
        if not roots:
            raise InvalidValueError("a graph needs at least one stream or node")
        for root in roots:
            refuse_list(root, "Graph")
        self._plan = Plan([node_of(root, f"root {i}") for i, root in enumerate(roots, 1)])
        self._tiers: dict[str, Tier] = {}
        self._views = Views(self._plan)
        for node in self._plan.nodes:
            node._in_graph = True
        if check not in get_args(CheckName):
            raise InvalidValueError(f'check is "off", "warn" or "error", not {check!r}')
        if check != "off":
            tell(self.check(), check)

    @property
    def nodes(self) -> tuple[MutableNode[Any], ...]:
        """The nodes in the order in which they run."""
        return tuple(self._plan.nodes)

    @property
    def networkx(self) -> "nx.DiGraph[MutableNode[Any]]":
        """The graph for networkx, made anew; an edge's `active` says whether it triggers.

        Raises:
            InvalidTypeError: if networkx, which compares vertices by ``==``, cannot tell the nodes
                apart, because of a class's own `__eq__`.
        """
        return self._plan.graph()

    def check(self) -> list[Finding]:
        """Return what is probably wrong with the graph; it need not have run.

        The findings are: nodes that can never tick, and the input that keeps them from it; nodes
        that were wired to this graph's nodes and that no graph has; operators on both sides of a
        filter; queues that only grow; functions made in a loop that look at its variable;
        functions that return what an async function returned; and what adapters add for their own
        nodes.

        Sub-graphs, such as those of `group_by`, are checked once a run has made them: the first of
        the keys, and each branch.

        To find nodes that no graph has, it looks at all objects of the process, which takes some
        time; a graph that has been made by then counts.

        >>> import graphcore as gc
        >>> total = gc.from_iterable([]).named("prices").sum().named("total")
        >>> [finding.problem for finding in gc.Graph(total).check()]
        ['total can never tick: it waits for prices, which has no events']
        """
        return check(self._plan, self._facts)

    def draw(self) -> Drawing:
        """Draw the graph: what reads what, and which nodes tick in the same cycles.

        Sub-graphs, such as those of `group_by`, are drawn once a run has made them: the first of
        the keys, and each branch.

        Returns:
            A `Drawing`: its text is Mermaid, and it has `mermaid`, `dot` and `svg`.

        >>> import graphcore as gc
        >>> prices = gc.from_iterable([1, 2]).named("prices")
        >>> print(gc.Graph(prices.map(str).named("texts")).draw())
        flowchart TB
            n0(["prices<br/><small>FromIterable</small>"]):::c0
            n1[["texts<br/><small>Map</small>"]]:::c0
            n0 --> n1
            classDef c0 fill:#cfe8fa,stroke:#0072b2,color:#111111
        """
        return Drawing(picture_of(self._plan, self._clocks))

    def _facts(self, plan: Plan) -> Sequence[NodeIR]:
        return self._compiler_of(plan).facts()

    def _clocks(self, plan: Plan) -> list[int]:
        return self._compiler_of(plan).clocks()

    def _compiler_of(self, plan: Plan) -> Fused:
        """Return the fused tier of the graph's plan, or of that of a sub-graph."""
        return self._compiler() if plan is self._plan else Fused(plan)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return what a notebook shows: the drawing."""
        return {**self.draw()._repr_mimebundle_(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        """Show how many nodes there are."""
        return f"<Graph of {len(self._plan.nodes):,} nodes>"

    def fused_source(self) -> str:
        """Return the source of the function to which the fused tier compiles the graph."""
        return self._compiler().source()

    def explain(self, tier: Literal["fused", "native", "auto"] = "fused") -> str:
        """Return a line for each node: its name, and how a tier runs it.

        A node that cannot be fused is called, as on the interpreted tier; its line says why. For
        the native tier it tells of the last native run: how many cycles ran in machine code, which
        nodes left cycles for Python, and why; for the tier "auto" it tells the same of the last run
        on it, or why that run was fused.

        Args:
            tier: ``"fused"``, ``"native"`` or ``"auto"``.

        Raises:
            InvalidValueError: for another tier.
            RunError: for another tier than the fused one if no run was on it yet.
        """
        if tier in ("native", "auto"):
            last = self._tiers.get(tier)
            if last is None:
                raise RunError(f'no run of this graph was {tier} yet: run(tier="{tier}")')
            return explain(last)
        if tier != "fused":
            raise InvalidValueError(
                f'explain is of the tier "fused", "native" or "auto", not {tier!r}'
            )
        told = self._compiler().explain()
        return "\n".join(f"{name}  {f'called: {why}' if why else 'fused'}" for name, why in told)

    def _compiler(self) -> Fused:
        """Return a tier that compiles the graph: one that has run, so that it compiles once."""
        for name in ("auto", "native"):
            tier = self._tiers.get(name)
            if isinstance(tier, Fused):
                return tier
        return self._fused()

    def _fused(self) -> Fused:
        tier = self._tier("fused")
        assert isinstance(tier, Fused)
        return tier

    def run(
        self,
        *,
        realtime: bool = False,
        start: Time | None = None,
        until: Time | None = None,
        duration: Duration | None = None,
        cycles: int | None = None,
        max_cycles_at_once: int = MAX_CYCLES_AT_ONCE,
        tier: TierName | None = None,
        receive: ReceiveName = "thread",
        spin: Duration = 0,
        progress: bool = False,
        profile: bool = False,
        watchable: bool | None = None,
    ) -> RunReport:
        """Run the graph over history, or live, until the first of the given bounds.

        Args:
            realtime: whether engine time is the wall clock.
            start: engine time of the start; earlier events are skipped and counted. By default the
                time of the first event of any replay, or 0 without a replay. A real-time run starts
                now by default, and otherwise in the past: it runs all events up to now at once, in
                the order of history, and then goes on live. `GraphState.live` tells which.
            until: the last engine time at which cycles run.
            duration: the same, counted from the start; in a real-time run, from the time at which
                it is live.
            cycles: the largest number of cycles to run.
            max_cycles_at_once: how many cycles may run at one engine time while no source delivers
                and no queue gets shorter; more are an endless loop, which is an error.
            tier: how to run: ``"fused"`` compiles the graph to one function at its first run,
                ``"interpreted"`` calls node by node, and ``"native"`` compiles the loop over a
                recorded source of numbers to machine code; it needs the `native` extra, and takes
                any other run as ``"fused"`` does. ``"auto"`` is ``"native"`` for long runs over
                arrays if llvmlite is there, else ``"fused"``; `explain("auto")` says which and
                why. The results are the same. By default ``"auto"``, and ``"interpreted"`` while
                a debugger or a coverage tool follows the program, which the log tells once. The
                environment variable GRAPHCORE_TIER goes before all of these.
            receive: which thread reads the sockets of sources that do not say so themselves, such
                as `zmq_sub`: ``"thread"`` is one of each source's own, ``"inline"`` the graph's.
            spin: how long the graph's thread looks at such sockets without sleeping before it
                sleeps. It saves the time of waking up, and costs a core.
            progress: whether to show a progress line on standard error; needs the `cli` extra.
            profile: whether to note where the time goes, for `RunReport.profile`. The interpreted
                tier counts each run of a node, and takes up to a third longer. The fused tier is
                looked at every few milliseconds, and takes hardly longer. Machine code cannot be
                looked at, so ``"native"`` and ``"auto"`` are profiled on the fused tier.
            watchable: whether ``graphcore watch PID`` may view this run from another process of the
                same user. With `None`, the environment variable `GRAPHCORE_WATCHABLE` decides:
                ``1`` is yes, and ``0`` or nothing is no.

        Returns:
            A `RunReport`.

        Raises:
            RunError: for a historical run that has no bound and a source that never ends, for a
                node that is in another run, for an endless loop at one time, or for
                ``tier="native"`` without llvmlite.
            InvalidTypeError: for an argument of a wrong type.
            InvalidValueError: for an unknown tier or `receive`, a bound that makes no sense, or a
                `start` of a real-time run that lies in the future.
            Exception: what a node raised, with a note about the node; several errors as an
                `ExceptionGroup`.
        """
        return self._execute(
            Control(self._plan),
            realtime=realtime,
            start=start,
            until=until,
            duration=duration,
            cycles=cycles,
            max_cycles_at_once=max_cycles_at_once,
            tier=tier,
            receive=receive,
            spin=spin,
            progress=progress,
            profile=profile,
            watchable=watchable,
        )

    def serve(self, port: int = 0, *, paused: bool = False) -> Serving:
        """Show the runs of this graph on a page in the browser, for the time of a `with` block.

        The page shows the run in progress, and each that begins in the block. It changes nothing
        in the graph, and costs nothing while nobody has it open. It is served on 127.0.0.1 alone,
        at an address with a secret: `Serving.url`.

        Args:
            port: the port; 0 means any that is free.
            paused: whether historical runs begin in a pause, so that the page can step through
                them from the first cycle on.

        Raises:
            RunError: without the extra `view`; in the `with`, if the port is not free.
            InvalidTypeError, InvalidValueError: for a port that is none.

        >>> import graphcore as gc
        >>> graph = gc.Graph(gc.ticker("1s").count().named("seconds"))
        >>> with graph.serve() as view:
        ...     print(view.url.startswith("http://127.0.0.1:"), graph.run(duration="3s").cycles)
        True 4
        """
        return Serving(self._views, port, paused)

    def stop(self) -> bool:
        """End the run in progress after its present cycle, as `state.stop()` does.

        It may be called from any thread, from a signal handler, and from a function inside the
        run. It does not wait until the run has ended. If this graph has no run in progress, it
        does nothing.

        Returns:
            Whether there was a run in progress.
        """
        control = control_of(self._plan.nodes[0])
        if control is None or control.plan is not self._plan:
            return False
        control.stop()
        return True

    def running(self, **options: Unpack[RunOptions]) -> Running:
        """Run in a thread of its own, for the time of a `with` block; live unless told otherwise.

        The block begins once all nodes have started, and its end stops the run. `run.stop()` ends
        the run earlier, `run.join()` waits for its own end, and `run.report` is its report.

        Args:
            options: those of `run`, with ``realtime=True`` as the default.

        Raises:
            Exception: at the beginning of the block what `run` would raise before all nodes have
                started, at its end what is raised later. If the block itself fails as well, an
                `ExceptionGroup` of both.

        >>> import graphcore as gc
        >>> out = gc.constant("on").collect()
        >>> with gc.Graph(out).running() as run:
        ...     run.join("10s")
        True
        >>> run.report.ended_by, out.values
        (<EndedBy.SOURCES: 'sources'>, ['on'])
        """
        options.setdefault("realtime", True)
        return Running(self._background(options, None))

    async def run_async(self, **options: Unpack[RunOptions]) -> RunReport:
        """Run in a thread of its own, while the present event loop goes on.

        A graph that computes for long, or waits in a function, does not hold up the loop. The
        functions given to operators are called in the graph's thread; the coroutines of
        `produce_async` and `consume_async` run in the present loop.

        If the task is cancelled, the run is stopped as by `stop`, its end is awaited, and
        `CancelledError` is raised; or, if stopping fails, that error.

        Args:
            options: those of `run`.

        Raises:
            Exception: what `run` raises.

        >>> import asyncio
        >>> import graphcore as gc
        >>> out = gc.from_iterable([1, 2, 3]).sum().collect()
        >>> asyncio.run(gc.Graph(out).run_async()).ended_by
        <EndedBy.SOURCES: 'sources'>
        >>> out.values
        [1, 3, 6]
        """
        return await awaited(self._background(options, asyncio.get_running_loop()))

    def _background(
        self, options: RunOptions, loop: asyncio.AbstractEventLoop | None
    ) -> Background:
        control = Control(self._plan, loop)
        defaults = Graph.run.__kwdefaults__
        assert defaults is not None
        given: dict[str, Any] = {**defaults, **options}
        return Background(partial(self._execute, control, **given), control)

    def _execute(
        self,
        control: Control,
        *,
        realtime: bool,
        start: Time | None,
        until: Time | None,
        duration: Duration | None,
        cycles: int | None,
        max_cycles_at_once: int,
        tier: TierName | None,
        receive: ReceiveName,
        spin: Duration,
        progress: bool,
        profile: bool,
        watchable: bool | None,
    ) -> RunReport:
        chosen = choose_tier(tier)
        if receive not in list(Receive):
            raise InvalidValueError(f'receive is "thread" or "inline", not {receive!r}')
        for name, given in (
            ("realtime", realtime),
            ("progress", progress),
            ("profile", profile),
        ):
            if not isinstance(given, bool):
                raise InvalidTypeError(f"{name} must be True or False, not {given!r}")
        if cycles is not None:
            cycles = _number_of_cycles("cycles", cycles)
        is_open = is_watchable(watchable)
        most = _number_of_cycles("max_cycles_at_once", max_cycles_at_once)
        spinning = to_duration(spin)
        if spinning < 0:
            raise InvalidValueError(f"spin is a duration of 0 or more, not {spin!r}")
        if realtime and start is not None and to_time(start) > time_ns():
            raise InvalidValueError(
                f"a real-time run starts now or in the past: start={start!r} lies in the future"
            )
        bounded = not (until is None and duration is None and cycles is None)
        if not realtime and not bounded:
            self._refuse_endless_sources()
        try:
            control.claim()
            began = perf_counter_ns()
            # Before the session is made, because with it the time of a real-time run begins.
            profiler: Profiler | None = None
            if profile:
                # Machine code cannot be sampled, so a native run is profiled as a fused one.
                profiled: Literal["fused", "interpreted"] = (
                    "interpreted" if chosen == "interpreted" else "fused"
                )
                profiler = Profiler(self._plan, profiled, self._fused())
            way = profiler or self._tier(chosen)
            way.prepare(RunMode.REALTIME if realtime else RunMode.HISTORICAL, progress)
            session = self._session(realtime, start, until, duration, cycles, progress, most)
            session.receive, session.spin = Receive(receive), spinning
            session.make_subgraphs = _SUBGRAPHS[chosen]
            control.begin(session)
            with (
                showing_progress(session) if progress else nullcontext(),
                RunLoop(control.loop) as session.event_loop,
                self._views.of_run(session, way, is_open),
                traced(session, chosen),
            ):
                execute(self._plan, session, way, control.started)
            wall_time = perf_counter_ns() - began
            assert session.ended_by is not None
            return RunReport(
                cycles=session.last_cycle,
                start=session.start_time,
                end=session.last_time,
                wall_time=wall_time,
                ended_by=session.ended_by,
                skipped=sum(source.skipped for source in self._sources()),
                profile=None if profiler is None else profiler.profile(),
            )
        finally:
            control.release()

    def _tier(self, name: str) -> Tier:
        if name not in self._tiers:
            self._tiers[name] = _TIERS[name](self._plan)
        return self._tiers[name]

    def _sources(self) -> list[Source[Any]]:
        return [node for node in self._plan.nodes if isinstance(node, Source)]

    def _refuse_endless_sources(self) -> None:
        for source in self._sources():
            if source.endless:
                raise RunError(
                    f"{source.name} never ends, so a historical run needs a bound: "
                    "give duration=, until= or cycles="
                )

    def _session(
        self,
        realtime: bool,
        start: Time | None,
        until: Time | None,
        duration: Duration | None,
        cycles: int | None,
        watched: bool,
        max_cycles_at_once: int,
    ) -> Session:
        begin: int | None = None
        if not realtime:
            with without_collections():
                begin = self._first_event() if start is None else to_time(start)
        since = to_time(start) if realtime and start is not None else None
        session = Session(self._plan, begin, None, cycles, watched, max_cycles_at_once, since)
        if since is not None and duration is not None:
            session.duration, duration = _length_of(duration), None
        session.end = end_of(session.start_time, until, duration)
        if session.end is not None and session.end < session.start_time:
            raise InvalidValueError(
                f"until={until!r} lies before the start of the run, {session.start_time} ns"
            )
        return session

    def _first_event(self) -> int:
        times: list[int] = []
        for index, node in enumerate(self._plan.nodes):
            if not isinstance(node, Source):
                continue
            try:
                time = node.first_event()
            except Exception as error:
                add_note(error, self._plan, index, None)
                raise
            if time is not None:
                times.append(time)
        return min(times, default=0)


def run_elsewhere(node: MutableNode[Any]) -> Control | None:
    """Return the control of the run that a node is in, `None` if no other thread runs it."""
    control = control_of(node)
    return control if control is not None and control.is_elsewhere else None


def views_of(graph: Graph) -> Views:
    """Return those that view a graph's runs, for what is to view them as well."""
    return graph._views


def are_observed() -> bool:
    """Return whether each run is traced, or may be viewed from another process."""
    return is_tracing() or is_watchable(None)


def end_of(start: int, until: Time | None, duration: Duration | None) -> int | None:
    """Return the last engine time at which cycles run, `None` if there is no bound."""
    ends = [] if until is None else [to_time(until)]
    if duration is not None:
        ends.append(start + _length_of(duration))
    return min(ends, default=None)


def _length_of(duration: Duration) -> int:
    length = to_duration(duration)
    if length < 0:
        raise InvalidValueError(f"a duration cannot be negative: {duration!r}")
    return length


def _number_of_cycles(argument: str, given: SupportsIndex) -> int:
    if type(given) is int and given > 0:
        return given  # `isinstance` with a protocol would take longer than the rest
    if isinstance(given, bool) or not isinstance(given, SupportsIndex):
        raise InvalidTypeError(f"{argument} must be a whole number, not {given!r}")
    number = given.__index__()
    if number < 1:
        raise InvalidValueError(f"{argument} must be at least 1, not {number}")
    return number
