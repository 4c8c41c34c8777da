"""Sub-graphs: graphs that a node wires and starts during a run, such as one for each key.

A `build` function wires a sub-graph from its inlets and returns its root. The sub-graph consists of
the nodes that `build` makes and the root needs. It may also read nodes from outside, which the
enclosing graph runs. The engine's `Instance` starts such nodes, runs them at the place of the node
that owns the sub-graph (R2), and stops them.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from graphcore.errors import Failure, WiringError
from graphcore.node import Active, MutableNode, Source, node_of
from graphcore.state import GraphState

T = TypeVar("T")
K = TypeVar("K")
_Roots = list[MutableNode[Any]]

ABSENT: Final = object()


class Failed(NamedTuple):
    """What a resumable sub-graph's cycle comes to if a node raises.

    Attributes:
        exception: what the node raised.
        result: the root's value if the root had ticked before that, otherwise `ABSENT`.
        node: the index of that node.
    """

    exception: Exception
    result: Any
    node: int


class Inlet(Source[T]):
    """The stream that a `build` gets: it ticks with the values that the owner hands over.

    Args:
        source: the owner's input that it stands for, if the input's earlier value can be read.
    """

    def __init__(self, source: Active[T] | None = None) -> None:
        super().__init__()
        self.source = None if source is None else node_of(source)

    def cycle(self, state: GraphState) -> bool:
        """Tick with the value that the owner has set."""
        return True


class Quick(Protocol):
    """Runs the cycles of a sub-graph that needs nothing but the next value of its one inlet.

    A generator is one. To keep its `send` instead, an object of its own for each sub-graph, took
    a fifth longer where there are so many sub-graphs that the processor's cache holds few of them.
    """

    def send(self, value: Any, /) -> Any:
        """Run a cycle; return the root's value if the root ticked, otherwise `ABSENT`."""


class Instance(Protocol):
    """A sub-graph that was started."""

    @property
    def birth(self) -> int:
        """Its number among the sub-graphs of its owner, counted from 1."""

    @property
    def quick(self) -> Quick | None:
        """What runs a cycle with the value of the one inlet, as `run` does.

        Where `run` raises, that of a resumable sub-graph returns a `Failed`. `None` if anything
        else can start a cycle.
        """

    @property
    def is_due(self) -> bool:
        """Whether something else than an inlet starts a cycle, after a call of `due`."""

    @property
    def is_closing(self) -> bool:
        """Whether `close` was called."""

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called, and all nodes have said what they still held."""

    def run(self, values: Mapping[int, Any]) -> Any:
        """Run a cycle; return the root's value if the root ticked, otherwise `ABSENT`.

        Args:
            values: for the number of each inlet that ticks, its value.
        """

    def attempt(self, values: Mapping[int, Any]) -> tuple[Any, Failure | None]:
        """Run a cycle; return what `run` returns, and what a node raised, if one did.

        The owner has to be one whose sub-graphs are resumable.
        """

    def close(self) -> None:
        """Begin the closing instant of this sub-graph alone (R14)."""

    def stop(self) -> None:
        """Cancel the alarms, and stop the nodes in reverse order."""


class QuickRuns(dict[K, Quick], Generic[K]):
    """For each key whose sub-graph needs nothing but its next value, what runs a cycle of it.

    A key that is here stays for as long as its sub-graphs run.

    Args:
        instances: the sub-graphs of all keys.

    Attributes:
        instances: the argument.
    """

    def __init__(self, instances: Mapping[K, Instance]) -> None:
        super().__init__()
        self.instances = instances

    def take_back(self) -> None:
        """Have all sub-graphs hold their own state, if machine code holds it for them."""


class Separate(Protocol):
    """A sub-graph that runs apart: in a real-time run and a thread of its own.

    Attributes:
        error: what the run raised once all nodes had started.
    """

    error: BaseException | None

    @property
    def has_ended(self) -> bool:
        """Whether the run has ended."""

    @property
    def has_stopped_itself(self) -> bool:
        """Whether a node of the sub-graph has ended the run."""

    def start(self) -> None:
        """Start the thread, and wait until all nodes have started.

        Raises:
            BaseException: what starting a node raised.
        """

    def abandon(self) -> None:
        """End the run as an error would: after the present cycle, without closing (R14)."""

    def join(self, seconds: float) -> bool:
        """Wait until the run has ended, but no longer than this; return whether it has."""


class Subgraphs(Protocol):
    """The sub-graphs of one node."""

    @property
    def resumable(self) -> bool:
        """Whether they may go on after a cycle in which a node raised."""

    def open(
        self,
        build: Callable[[], MutableNode[Any]],
        inlets: Sequence[Inlet[Any]],
        what: tuple[str, Any],
    ) -> Instance:
        """Wire and start a sub-graph; alarms that its nodes set for now start its first cycle.

        Args:
            build: wires it and returns its root.
            inlets: its inlets.
            what: what the sub-graph is for, as errors name it: a word such as "key", and which.

        Raises:
            WiringError: if it uses a stream that it may not use.
        """

    def apart(
        self,
        build: Callable[[], MutableNode[Any]],
        entry: MutableNode[Any],
        what: tuple[str, Any],
        on_idle: Callable[[], object],
        on_end: Callable[[], object],
    ) -> Separate:
        """Wire a sub-graph that is to run apart; it reads no streams from outside.

        Args:
            build: wires it and returns a root.
            entry: the oldest of its nodes, which holds the run.
            what: as for `open`; its second part is in the name of the thread.
            on_idle: called in the thread before a wait in which only one hold keeps the run alive.
            on_end: called in the thread when the run has ended, however it ended.
        """

    def due(self) -> dict[int, Instance]:
        """Return the sub-graphs that something else than an inlet starts, by birth.

        Such are an alarm, a node from outside that ticked, and nodes that are still to close.
        """

    @property
    def are_closing(self) -> bool:
        """Whether some sub-graph is still to close."""

    def stop(self) -> None:
        """Stop all sub-graphs, the youngest first."""

    def failure(self, error: Exception) -> Failure | None:
        """Return which node raised an error in `open`; `None` if `build` raised it."""

    def retiring(self) -> list[Instance]:
        """Return, once, the sub-graphs that asked to be retired."""


class Raising:
    """Runs cycles by the `quick` of a resumable sub-graph, and raises what a node raises."""

    __slots__ = ("_quick",)

    def __init__(self, quick: Quick) -> None:
        self._quick = quick

    def send(self, value: Any, /) -> Any:
        """Run a cycle; return what `quick` returns.

        Raises:
            Exception: what a node raised.
        """
        result = self._quick.send(value)
        if type(result) is Failed:
            raise result.exception
        return result


class _Builds(threading.local):
    """The extra roots of the builds that are in progress in this thread, the innermost last."""

    def __init__(self) -> None:
        self.roots: list[_Roots] = []


_builds = _Builds()


class building:  # as `nodes_made`
    """In a `with` statement: the list of the roots that a build adds to the one that it returns."""

    __slots__ = ()

    def __enter__(self) -> list[MutableNode[Any]]:
        roots: list[MutableNode[Any]] = []
        _builds.roots.append(roots)
        return roots

    def __exit__(self, *raised: object) -> None:
        _builds.roots.pop()


def add_root(node: MutableNode[Any], operator: str) -> None:
    """Make a node a root of the sub-graph that is being built.

    Raises:
        WiringError: if none is being built; the message names the operator.
    """
    if not _builds.roots:
        raise WiringError(f"{operator} belongs in a build function, such as that of group_by")
    _builds.roots[-1].append(node)
