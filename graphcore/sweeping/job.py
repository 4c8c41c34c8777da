"""One set of a sweep: wire the graph, run it, and read its sinks.

A failure is an outcome, never the end of the sweep. What is wrong with `build` itself, whatever the
parameters, is a refusal, which ends it.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from graphcore.collected import Collected, Frame
from graphcore.engine.native.company import Company
from graphcore.engine.plan import Node, Plan
from graphcore.errors import InvalidTypeError, InvalidValueError, NoValueError, RunError, shorten
from graphcore.graph import Graph
from graphcore.handle import Handle
from graphcore.node import nodes_made
from graphcore.operators.sinks import in_array
from graphcore.stream import Stream
from graphcore.sweeping.grid import Parameters
from graphcore.sweeping.sharing import Shared, SharedGraph
from graphcore.tiers import TierName
from graphcore.time import Duration, Time

if TYPE_CHECKING:
    from graphcore.engine.native.feed import Copied  # which needs llvmlite

Build = Callable[..., Mapping[str, Handle]]
GraphOf = Callable[[Mapping[str, Handle], Sequence[Node]], AbstractContextManager[SharedGraph]]
Outcomes = Iterator["Outcome"]
Take = Literal["last", "columns"] | Callable[[Any], Any]


class HistoryOptions(TypedDict, total=False):
    """The keywords of `Graph.run` that a run over history takes."""

    start: Time | None
    until: Time | None
    duration: Duration | None
    cycles: int | None
    max_cycles_at_once: int
    tier: TierName | None


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
        left = deque(enumerate(sets))
        found: dict[int, Outcome] = {}
        copied: Copied | None = None
        for place in range(len(sets)):
            if place not in found:
                group = _Group(self, left, found, goes_on, copied)
                group.run()
                copied = group.copied
            if place not in found:
                return
            yield found.pop(place)


class _Group:
    """Sets that may run side by side: while one waits to do so, the next one runs.

    Args:
        job: the job.
        left: the sets that have not begun, with their places.
        found: where outcomes are put, by place.
        goes_on: as in a job's call.
        copied: the copy of events that earlier groups had.
    """

    def __init__(
        self,
        job: Job,
        left: deque[tuple[int, Parameters]],
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
        """Run the next set, and those that run while it waits."""
        if self._goes_on():
            place, parameters = self._left.popleft()
            self._found[place] = self._outcome_of(parameters)

    def _run_inside(self) -> bool:
        graph = self._graph
        if not self._left or graph is None or not self._goes_on():
            return False
        place, parameters = self._left.popleft()
        with graph.lent():
            outcome = self._outcome_of(parameters)
        if isinstance(outcome.error, RecursionError | RunError):
            # It may fail only because another set waits: the stack is deeper, or both have a node.
            self._left.appendleft((place, parameters))
            return False
        self._found[place] = outcome
        return True

    def _outcome_of(self, parameters: Parameters) -> "Outcome":
        job, plans = self._job, list[Plan]()

        @contextmanager
        def in_graph(sinks: Mapping[str, Handle], made: Sequence[Node]) -> Iterator[SharedGraph]:
            with self._in_graph(sinks, made) as graph:
                plans.append(graph.plan)
                yield graph

        wire = partial(job.build, **parameters)
        outcome = outcome_of(wire, job.take, job.options, in_graph)
        common = self._company.common_of(plans[0]) if plans else None
        return outcome if common is None else replace(outcome, common=common)

    @contextmanager
    def _in_graph(self, sinks: Mapping[str, Handle], made: Sequence[Node]) -> Iterator[SharedGraph]:
        with self._job.shared.graph(sinks, made, self._graph) as graph:
            if self._graph is None:
                self._graph = graph
            graph.keep_company(self._company)
            yield graph


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


def outcome_of(
    build: Callable[[], Mapping[str, Handle]],
    take: Take | Mapping[str, Take],
    options: HistoryOptions,
    graph_of: GraphOf,
) -> Outcome:
    """Wire a graph and run it; return what is taken of its sinks, or why it failed.

    Args:
        build: wires the graph, and returns its sinks by name.
        take: what is taken of the sinks.
        options: those of the run.
        graph_of: returns the graph, for the time of a block, given the sinks and all nodes.
    """
    try:
        with nodes_made() as made:
            sinks = sinks_of(build(), take)
        with graph_of(sinks, made) as graph:
            refuse_iterators(graph)
            graph.run(**options)
            compiled = None if graph.has_taken else graph.why_alone
        taken = {name: cells_of(name, sink, take) for name, sink in sinks.items()}
        cells = {column: value for each in taken.values() for column, value in each.items()}
        columns = {name: tuple(each) for name, each in taken.items()}
        return Outcome(cells, columns, compiled=compiled)
    except _Refusal as refusal:
        error = refusal.__cause__
        assert isinstance(error, Exception)
        return Outcome(error=error, refused=True)
    except Exception as error:
        return Outcome(error=error)


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
