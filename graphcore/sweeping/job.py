"""One set of a sweep: wire the graph, run it, and read its sinks.

A failure is an outcome, never the end of the sweep. What is wrong with `build` itself, whatever the
parameters, is a refusal, which ends it.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from graphcore.collected import Collected, Frame
from graphcore.engine.native.company import MOST, Company
from graphcore.engine.plan import Node
from graphcore.errors import InvalidTypeError, InvalidValueError, NoValueError, RunError, shorten
from graphcore.graph import Graph
from graphcore.handle import Handle
from graphcore.node import nodes_made
from graphcore.operators.sinks import in_array
from graphcore.stream import Stream
from graphcore.sweeping.grid import Parameters
from graphcore.sweeping.lanes import Lane, Lanes, lanes_of
from graphcore.sweeping.sharing import HistoryOptions, Shared, SharedGraph

if TYPE_CHECKING:
    from graphcore.engine.native.feed import Copied  # which needs llvmlite

Build = Callable[..., Mapping[str, Handle]]
Outcomes = Iterator["Outcome"]
Take = Literal["last", "columns"] | Callable[[Any], Any]


@dataclass(frozen=True)
class Job:
    """What all sets of a sweep have in common.

    Attributes:
        build: wires a graph and returns its sinks by name.
        take: what is taken of each sink, by its name, or of all sinks.
        options: those of each run.
        shared: what the graphs of the sets share.
    """

    build: Build
    take: Take | Mapping[str, Take]
    options: HistoryOptions
    shared: Shared

    def __call__(self, sets: Sequence[Parameters], goes_on: Callable[[], bool]) -> Outcomes:
        """Run the graphs of some sets, and yield what came of each.

        Args:
            sets: the sets.
            goes_on: called before each set, and returns whether it is to run.
        """
        left: deque[tuple[int, Parameters | Wired]] = deque(enumerate(sets))
        found: dict[int, Outcome] = {}
        copied: Copied | None = None
        for place in range(len(sets)):
            if place not in found and goes_on():
                group = _Group(self, left, found, goes_on, copied)
                group.run()
                copied = group.copied
            if place not in found:
                return
            yield found.pop(place)


class _Group:
    """Sets that may run side by side: while some wait to do so, the next ones are wired.

    Args:
        job: the job.
        left: the sets that have not run, with their places; some are wired.
        found: where outcomes are put, by place.
        goes_on: as in a job's call.
        copied: the copy of events that earlier groups had.
    """

    def __init__(
        self,
        job: Job,
        left: "deque[tuple[int, Parameters | Wired]]",
        found: "dict[int, Outcome]",
        goes_on: Callable[[], bool],
        copied: "Copied | None",
    ) -> None:
        self._job = job
        self._left = left
        self._found = found
        self._goes_on = goes_on
        self._company = Company(self._run_inside, job.shared.runs, copied)
        self._graph: SharedGraph | None = None  # that of the set which waits

    @property
    def copied(self) -> "Copied | None":
        """The copy of events that sets had here, or earlier ones."""
        return self._company.copied

    def run(self) -> None:
        """Run the next set, and those that run beside it."""
        job = self._job
        place, wired = self._next()
        if isinstance(wired, Outcome):
            self._found[place] = wired
            return
        with ExitStack() as stack:
            try:
                graph = stack.enter_context(job.shared.graph(wired.sinks, wired.made))
            except Exception as error:
                self._found[place] = Outcome(error=error)
                return
            self._graph = graph
            lanes = lanes_of(graph, self._company.copied, job.options)
            if lanes is None or not self._run_in_lanes(lanes, place, wired):
                self._found[place] = self._outcome_in(graph, wired, self._company)

    def _next(self) -> "tuple[int, Wired | Outcome]":
        """Wire the next set; return its place, and its outcome if that failed."""
        place, given = self._left.popleft()
        if isinstance(given, Wired):
            return place, given
        return place, wired_of(partial(self._job.build, **given), self._job.take)

    def _run_next(self, run: Callable[[int, "Wired"], "Outcome | None"]) -> bool:
        """Wire and run the next set while others wait.

        Args:
            run: runs it, given its place; returns `None` if it waits as well.

        Returns:
            Whether there was one.
        """
        if not self._left or not self._goes_on():
            return False
        given = self._left[0][1]
        place, wired = self._next()
        outcome = wired if isinstance(wired, Outcome) else run(place, wired)
        if outcome is None:
            return True
        if isinstance(outcome.error, RecursionError | RunError):
            # It may fail only because another set waits: the stack is deeper, or both have a node.
            self._left.appendleft((place, given if isinstance(wired, Outcome) else wired))
            return False
        self._found[place] = outcome
        return True

    # Sets in lanes

    def _run_in_lanes(self, lanes: Lanes, place: int, wired: "Wired") -> bool:
        """Run a set and further ones beside it; return whether it could wait for them."""
        waiting: list[tuple[int, Wired, Lane]] = []

        def join(place: int, wired: Wired) -> Outcome | None:
            try:
                lane = lanes.add(wired.sinks, wired.made)
            except RunError as error:
                return Outcome(error=error)
            if lane is None:
                return self._outcome(wired, None)
            waiting.append((place, wired, lane))
            return None

        with lanes:
            try:
                lane = lanes.add(wired.sinks, wired.made)
            except RunError as error:
                self._found[place] = Outcome(error=error)
                return True
            if lane is None:
                return False
            waiting.append((place, wired, lane))
            for _ in range(MOST - 1):
                if not self._run_next(join):
                    break
            lanes.go()
            for place, wired, lane in waiting:
                outcome = ran(partial(lanes.end, lane), wired, self._job.take)
                self._found[place] = replace(outcome, common=lane.common)
        return True

    # Sets as graphs: the run of each inside that of the one before

    def _run_inside(self) -> bool:
        return self._run_next(lambda _, wired: self._outcome(wired, self._company))

    def _outcome(self, wired: "Wired", company: Company | None) -> "Outcome":
        """Run a set as a graph while another waits."""
        waiting = self._graph
        assert waiting is not None
        try:
            with (
                waiting.lent(),
                self._job.shared.graph(wired.sinks, wired.made, waiting) as graph,
            ):
                return self._outcome_in(graph, wired, company)
        except Exception as error:
            return Outcome(error=error)

    def _outcome_in(self, graph: SharedGraph, wired: "Wired", company: Company | None) -> "Outcome":
        graph.keep_company(company)
        plan = graph.plan
        outcome = outcome_in(graph, wired, self._job.take, self._job.options)
        return outcome if company is None else replace(outcome, common=company.common_of(plan))


@dataclass(frozen=True)
class Outcome:
    """What came of a set.

    Attributes:
        cells: the values of the row, by the names of its columns.
        sinks: the names of these columns, by that of their sink.
        error: why it failed.
        refused: whether the error is one of `build` itself, which ends the sweep.
        compiled: how its graph came to be compiled: `None` if it took what was compiled for another
            set, else why no other can take what was compiled for it; empty if others can.
        common: the nodes that ran once for this set and those beside it; `None` if it ran alone.
    """

    cells: Parameters = field(default_factory=dict)
    sinks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    error: Exception | None = None
    refused: bool = False
    compiled: str | None = ""
    common: tuple[str, ...] | None = None


class _Refusal(Exception):
    """What is wrong with `build` itself."""


class Wired(NamedTuple):
    """The graph of a set before it runs.

    Attributes:
        sinks: the sinks, by name.
        made: the nodes that `build` made, in order of construction.
    """

    sinks: dict[str, Handle]
    made: list[Node]


def wired_of(
    build: Callable[[], Mapping[str, Handle]], take: Take | Mapping[str, Take]
) -> Wired | Outcome:
    """Wire a graph, or return why it failed.

    Args:
        build: wires the graph, and returns its sinks by name.
        take: what is taken of the sinks.
    """
    try:
        with nodes_made() as made:
            return Wired(sinks_of(build(), take), made)
    except Exception as error:
        return _failed(error)


def outcome_of(
    build: Callable[[], Mapping[str, Handle]],
    take: Take | Mapping[str, Take],
    options: HistoryOptions,
    shared: Shared,
) -> Outcome:
    """Wire a graph and run it; return what is taken of its sinks, or why it failed.

    Args:
        build: wires the graph, and returns its sinks by name.
        take: what is taken of the sinks.
        options: those of the run.
        shared: the graphs that may take the nodes.
    """
    wired = wired_of(build, take)
    if isinstance(wired, Outcome):
        return wired
    try:
        with shared.graph(wired.sinks, wired.made) as graph:
            return outcome_in(graph, wired, take, options)
    except Exception as error:
        return _failed(error)


def outcome_in(
    graph: SharedGraph, wired: Wired, take: Take | Mapping[str, Take], options: HistoryOptions
) -> Outcome:
    """Run a graph that has the nodes of a set; return what is taken of its sinks."""

    def run() -> str | None:
        refuse_iterators(graph)
        graph.run(**options)
        return None if graph.has_taken else graph.why_alone

    return ran(run, wired, take)


def ran(run: Callable[[], str | None], wired: Wired, take: Take | Mapping[str, Take]) -> Outcome:
    """Run a set; return what is taken of its sinks, or why it failed.

    Args:
        run: runs it; returns `compiled` of the outcome.
        wired: its graph.
        take: what is taken of the sinks.
    """
    try:
        compiled = run()
        taken = {name: cells_of(name, sink, take) for name, sink in wired.sinks.items()}
    except Exception as error:
        return _failed(error)
    cells = {column: value for each in taken.values() for column, value in each.items()}
    columns = {name: tuple(each) for name, each in taken.items()}
    return Outcome(cells, columns, compiled=compiled)


def _failed(error: Exception) -> Outcome:
    if not isinstance(error, _Refusal):
        return Outcome(error=error)
    cause = error.__cause__
    assert isinstance(cause, Exception)
    return Outcome(error=cause, refused=True)


def sinks_of(given: object, take: Take | Mapping[str, Take]) -> dict[str, Handle]:
    """Return what `build` returned, with a `collect` for each stream of which more is taken."""
    if not isinstance(given, Mapping) or not given:
        raise _Refusal from InvalidTypeError(
            f'build must return sinks by name, such as {{"pnl": pnl}}, not {shorten(given)}'
        )
    sinks: dict[str, Handle] = {}
    for name, sink in given.items():
        if not isinstance(name, str) or not isinstance(sink, Stream | Collected | Frame):
            raise _Refusal from InvalidTypeError(
                f"a sink of build must be a stream, or what collect or frame returned, "
                f"under a name, not {shorten(sink)} under {name!r}"
            )
        whole = isinstance(sink, Stream) and _take_of(name, take) != "last"
        sinks[name] = sink.collect() if whole and isinstance(sink, Stream) else sink
    return sinks


def refuse_iterators(graph: Graph) -> None:
    """Refuse a source that serves one run only (R12)."""
    for node in graph.nodes:
        if getattr(node, "once", False):
            raise _Refusal from InvalidValueError(
                f"{node.name} reads an iterator, which serves one run, but each set is a run of "
                "its own: give a list, an array or a function that returns an iterator"
            )


def cells_of(name: str, sink: Handle, take: Take | Mapping[str, Take]) -> dict[str, Any]:
    """Return what is taken of a sink of a run, by the names of the columns."""
    how = _take_of(name, take)
    if how == "last":
        return _last_of(name, sink)
    if how == "columns":
        return _columns_of(name, sink)
    try:
        return {name: how(sink)}
    except Exception as error:
        error.add_note(f"while the reducer of the sink {name!r} ran")
        raise


def check_options(options: HistoryOptions) -> None:
    """Refuse what is no option of a run over history.

    Raises:
        InvalidTypeError: for such an option.
    """
    for name in options:
        if name not in HistoryOptions.__annotations__:
            taken = ", ".join(HistoryOptions.__annotations__)
            raise InvalidTypeError(f"there is no option {name!r}; those of the runs are {taken}")


def _take_of(name: str, take: Take | Mapping[str, Take]) -> Take:
    return take.get(name, "last") if isinstance(take, Mapping) else take


def _last_of(name: str, sink: Handle) -> dict[str, Any]:
    if isinstance(sink, Frame):
        columns = sink.columns.items()
        return {f"{name}.{each}": values[-1] if values else None for each, values in columns}
    try:
        return {name: sink.node.value}
    except NoValueError:
        return {name: None}


def _columns_of(name: str, sink: Handle) -> dict[str, Any]:
    if isinstance(sink, Frame):
        columns = {"time": sink.times, **sink.columns}
    else:
        assert isinstance(sink, Collected)
        columns = {"time": sink.times, "value": sink.values}
    return {f"{name}.{each}": _packed(values) for each, values in columns.items()}


def _packed(values: list[Any]) -> "list[Any] | array[Any]":
    """Return a column that is small to keep and to send: numbers in an array."""
    packed = in_array(values) if values else []
    return packed if isinstance(packed, array) else list(packed)
