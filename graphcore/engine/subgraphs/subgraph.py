"""A sub-graph whose nodes are called one by one; see `subgraphs` for those of all kinds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from graphcore.engine.interpreted import Cycles
from graphcore.engine.notes import add_note, add_subgraph_note
from graphcore.engine.plan import Node, Plan
from graphcore.engine.run.closing import Closing
from graphcore.engine.run.endless import Queues, queues_of
from graphcore.engine.run.lifecycle import Started, start_nodes, stop_nodes
from graphcore.engine.run.seen import value_of
from graphcore.engine.subgraphs.subsession import Subsession
from graphcore.errors import Failure
from graphcore.node import Source
from graphcore.subgraph import ABSENT, Inlet, Instance

if TYPE_CHECKING:
    from graphcore.engine.subgraphs.subgraphs import Subgraphs


def raise_all(errors: Sequence[Exception], message: str) -> None:
    """Raise a lone error itself, and several in an `ExceptionGroup`."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(message, errors)


def is_own_source(node: Node) -> bool:
    """Return whether a node of a sub-graph is a source of its own, and no inlet."""
    return isinstance(node, Source) and not isinstance(node, Inlet)


class RunningSubgraph(Instance, Protocol):
    """A sub-graph that was started, as its owner sees it."""

    @property
    def what(self) -> tuple[str, Any]:
        """What it is for: a word such as "key", and which one."""

    @property
    def plan(self) -> Plan:
        """Its nodes, or those of another sub-graph of its shape."""

    @property
    def is_due(self) -> bool:
        """Whether something starts a cycle of it."""

    @property
    def last_delivery(self) -> int:
        """A number that grows with each cycle in which a source in it delivers; 0 before."""

    def queues(self, time: int, place: tuple[int, ...]) -> Queues:
        """Return the queues in it; see `queues_of`."""

    def have_delivered(self) -> bool:
        """Return whether a source in a sub-graph of it has delivered since this was last asked."""

    def values(self) -> Sequence[Any]:
        """Return what each node last ticked with, `ABSENT` without a tick."""

    def wake(self, index: int) -> None:
        """Let the next cycle start with a node, as an alarm of it went off."""

    def outside_ticked(self, index: int) -> None:
        """Let the next cycle start with a node from outside."""


class Subgraph:
    """A sub-graph that was started, its nodes called one by one.

    Args:
        owner: the sub-graphs to which it belongs.
        birth: its number.
        plan: its nodes.
        session: its session.
        inlets: its inlets.
        root: the node whose ticks are its result.
        what: what it is for, as errors name it.
    """

    def __init__(
        self,
        owner: "Subgraphs",
        birth: int,
        plan: Plan,
        session: Subsession,
        inlets: Sequence[Inlet[Any]],
        root: Node,
        what: tuple[str, Any],
    ) -> None:
        self.birth = birth
        self.what = what
        self.quick = None
        self._owner = owner
        self.plan = plan
        self._session = session
        places = {id(node): place for place, node in enumerate(plan.wired)}
        self._inlets = [(inlet, places[id(inlet)]) for inlet in inlets]
        self._root = plan.nodes[places[id(root)]]
        self._started = Started()
        self.pending: list[int] = []
        self._cycles: Cycles | None = None
        self._closing: Closing | None = None

    @property
    def is_closing(self) -> bool:
        """Whether its closing instant has begun."""
        return self._closing is not None

    @property
    def is_closed(self) -> bool:
        """Whether its closing instant is over."""
        closing = self._closing is not None and not self._closing.left
        return closing and not self.pending and not self._session.due_now()

    def start(self) -> None:
        """Start the nodes."""
        session, plan = self._session, self.plan
        start_nodes(plan, session, self._started)
        for index in plan.outside:
            ticked_in = plan.wired[index].ticked_in
            if ticked_in == session.cycle > 0:
                self.pending.append(index)
            else:
                plan.nodes[index].ticked_in = ticked_in
        for inlet, _ in self._inlets:
            if inlet.source is not None and inlet.source.ticked_in:
                inlet.value, inlet.ticked_in = inlet.source.value, inlet.source.ticked_in
        for index in session.end_start():
            self.wake(index)
        self._cycles = Cycles(plan, session)

    def go_on(self, started: Started, pending: list[int]) -> None:
        """Go on with nodes that were started and run in another way."""
        self._started, self.pending = started, pending
        self._cycles = Cycles(self.plan, self._session)

    def wake(self, index: int) -> None:
        """Let the next cycle start with a node, as an alarm of it went off."""
        self.pending.append(index)
        self._session.states[index].due_in = self._session.cycle

    def outside_ticked(self, index: int) -> None:
        """Let the next cycle start with a node from outside."""
        self.pending.append(index)

    @property
    def is_due(self) -> bool:
        """Whether something starts a cycle of it."""
        closing = self._closing
        return bool(self.pending) or (closing is not None and bool(closing.left))

    @property
    def last_delivery(self) -> int:
        """A number that grows with each cycle in which a source in it delivers; 0 before."""
        return max((node.ticked_in for node in self.plan.nodes if is_own_source(node)), default=0)

    def values(self) -> Sequence[Any]:
        """Return what each node last ticked with, `ABSENT` without a tick."""
        return [value_of(node) for node in self.plan.nodes]

    def queues(self, time: int, place: tuple[int, ...]) -> Queues:
        """Return the queues in it; see `queues_of`."""
        return queues_of(self.plan.nodes, self._session.owners, time, place)

    def have_delivered(self) -> bool:
        """Return whether a source in a sub-graph of it has delivered since this was last asked."""
        return any([owner.have_delivered() for owner in self._session.owners])

    def run(self, values: Mapping[int, Any]) -> Any:
        """Run a cycle; return the root's value if the root ticked, otherwise `ABSENT`."""
        pending, self.pending = self.pending, []
        for number, value in values.items():
            inlet, place = self._inlets[number]
            inlet.value = value
            pending.append(place)
        due = pending.copy() if self._session.resumable else pending
        assert self._cycles is not None
        try:
            if self._closing is not None:
                self._closing.run(pending)
            else:
                self._cycles.run(pending)
        except Exception as error:
            add_subgraph_note(error, self.what)
            if self._session.resumable:
                cycles = self._cycles if self._closing is None else self._closing.cycles
                cycles.recover()
                self._session.wake_again(due)
            raise
        return self._result()

    def attempt(self, values: Mapping[int, Any]) -> tuple[Any, Failure | None]:
        """Run a cycle; return what `run` returns, and what a node raised, if one did."""
        try:
            return self.run(values), None
        except Exception as error:
            failure = self._session.take_failure(error)
            assert failure is not None, "all that runs nodes notes which one failed"
            return self._result(), failure

    def _result(self) -> Any:
        """Return the root's value if the root ticked in the present cycle, otherwise `ABSENT`."""
        root = self._root
        return root.value if root.ticked_in == self._session.cycle else ABSENT

    def close(self) -> None:
        """Begin the closing instant."""
        self._session.begin_closing()
        self._owner.is_closing(self)
        self._closing = Closing(self.plan, self._session)

    def stop(self) -> None:
        """Cancel the alarms, and stop the nodes in reverse order."""
        self._owner.forget(self)
        session, started = self._session, self._started
        session.schedule.cancel_all()
        session.end()
        errors: list[Exception] = []
        while started.count:
            try:
                stop_nodes(self.plan, session, started)
            except Exception as error:  # raised again below, once all are stopped
                add_note(error, self.plan, started.count, session.time, "stop")
                add_subgraph_note(error, self.what)
                errors.append(error)
        raise_all(errors, "several nodes failed to stop")
