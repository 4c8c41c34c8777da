"""`catch`: a sub-graph whose exceptions tick instead of ending the run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from graphcore.declare import node, output
from graphcore.errors import Failure
from graphcore.node import Active, MutableNode, node_of
from graphcore.output import OutputNode
from graphcore.state import GraphState
from graphcore.subgraph import ABSENT, Failed, Inlet, Instance, Quick, Subgraphs

V = TypeVar("V")

_NOTHING: Mapping[int, Any] = {}
_IDLE = (ABSENT, None)


class Attempts:
    """The sub-graph of a `Catch`, and those that take its place, within one run.

    Args:
        build: wires the sub-graph from its inlet.
        restarts: whether another takes its place after a failure.
        name: the name of the input.
        state: the state of the node that owns the sub-graph.
        outside: the nodes from outside that it may read.

    Attributes:
        quick: the `quick` of the present sub-graph, if it has one.
    """

    def __init__(
        self,
        build: Callable[..., MutableNode[Any]],
        restarts: bool,
        name: str,
        state: GraphState,
        outside: Sequence[Active[Any]],
    ) -> None:
        self._build = build
        self._restarts = restarts
        self._name = name
        self._state = state
        self._subgraphs: Subgraphs = state.subgraphs(outside, resumable=True)
        self._waits = False  # for the next value, before another takes its place
        self._present: Instance | None = None
        self.quick: Quick | None = None

    def begin(self) -> None:
        """Begin the first sub-graph."""
        self._open()

    def failed(self, failed: Failed) -> tuple[Any, Failure]:
        """Return what `run` returns, given what `quick` returned."""
        failure = self._subgraphs.failure(failed.exception)
        assert failure is not None and self._present is not None
        if self._restarts:
            failure = self._end(self._present, failure, False)
        return failed.result, failure

    def run(self, values: Mapping[int, Any]) -> tuple[Any, Failure | None]:
        """Run a cycle; return what the root ticked with, or `ABSENT`, and what failed."""
        self._subgraphs.due()
        present, is_new = self._present, False
        if present is None:
            if self._waits and not values:
                return _IDLE
            try:
                present = self._open()
            except Exception as error:
                self._waits = True
                failure = self._subgraphs.failure(error)
                if failure is None:
                    raise
                return ABSENT, failure
            is_new = True
        if not (values or present.is_due):
            return _IDLE
        result, failure = present.attempt(values)
        if self._subgraphs.retiring():
            self._state.retire()
        if failure is not None and self._restarts:
            failure = self._end(present, failure, is_new)
        if self._subgraphs.are_closing:
            self._state.schedule(self._state.time)
        return result, failure

    def begin_closing(self) -> None:
        """Let the sub-graph close; the closing instant of the run has begun (R14)."""
        self._waits = True
        self.quick = None
        if self._present is not None:
            self._present.close()

    def stop(self) -> None:
        """Stop the sub-graph."""
        self._subgraphs.stop()

    def _open(self) -> Instance:
        inlet: Inlet[Any] = Inlet()
        inlet.name = self._name
        what = "values of", self._name
        opened = self._subgraphs.open(lambda: self._build(inlet), (inlet,), what)
        self._present, self.quick = opened, opened.quick
        return opened

    def _end(self, failed: Instance, failure: Failure, is_new: bool) -> Failure:
        """Stop the sub-graph, and let another take its place in a further cycle."""
        self._present = self.quick = None
        # One that fails at once may go on so for ever.
        self._waits = self._waits or is_new
        if not self._waits:
            self._state.schedule(self._state.time)
        try:
            failed.stop()
        except Exception as error:
            message = "the sub-graph failed, and so did stopping it"
            both = ExceptionGroup(message, [failure.exception, error])
            return replace(failure, exception=both)
        return failure


@node(valid="any")
class Catch(MutableNode[V], Generic[V]):
    """Ticks what the sub-graph ticks; `failures` with what its nodes raise."""

    source: Active[Any]
    outside: list[Active[Any]]
    build: Callable[..., MutableNode[V]]
    restarts: bool
    failures: OutputNode[Failure] = output()

    def start(self, state: GraphState) -> None:
        name = node_of(self.source).name
        self.attempts = Attempts(self.build, self.restarts, name, state, self.outside)
        self.attempts.begin()

    def cycle(self, state: GraphState) -> bool:
        due = state.due
        for each in self.outside:
            due = due or state.ticked(each)
        quick = self.attempts.quick
        failure = None
        if quick is not None and not due:
            result = quick.send(self.source.value)
            if type(result) is Failed:
                result, failure = self.attempts.failed(result)
        else:
            values = {0: self.source.value} if state.ticked(self.source) else _NOTHING
            result, failure = self.attempts.run(values)
        if failure is not None:
            self.failures.tick(failure)
        if result is ABSENT:
            return False
        self.value = result
        return True

    def close(self, state: GraphState) -> bool:
        self.attempts.begin_closing()
        state.schedule(state.time)  # because an output ticks in `cycle` only
        return False

    def stop(self, state: GraphState) -> None:
        self.attempts.stop()
