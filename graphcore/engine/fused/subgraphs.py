"""The fused tier's sub-graphs: those of one shape share one compiled function."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from graphcore.engine.fused.backend.instances import Compiled, Generator
from graphcore.engine.fused.pipeline import compile_subgraph, read
from graphcore.engine.fused.shapes import Shape
from graphcore.engine.fused.tier import Fused
from graphcore.engine.notes import noted
from graphcore.engine.plan import Node, Outside, Plan
from graphcore.engine.run.endless import Queues, queues_of
from graphcore.engine.run.lifecycle import Started, Tier, start_nodes
from graphcore.engine.subgraphs import (
    RunningSubgraph,
    Subgraph,
    Subgraphs,
    Subsession,
    is_own_source,
)
from graphcore.engine.withheld import Withholding
from graphcore.errors import Failure
from graphcore.node import MutableNode, QueueNode, nodes_made
from graphcore.subgraph import ABSENT, Failed, Inlet, building

_MOST_SHAPES = 8  # of one owner: compiling takes as long as thousands of cycles


class FusedSubgraph:
    """A sub-graph whose nodes are local variables of a generator.

    Args:
        owner: the sub-graphs to which it belongs.
        birth: its number.
        what: what it is for, as errors name it.
        template: what it shares with others of its shape.
        nodes: its nodes.
    """

    __slots__ = (
        "_called",
        "_generator",
        "_owner",
        "_pending",
        "_plan",
        "_queues",
        "_session",
        "_started",
        "_template",
        "birth",
        "is_closing",
        "quick",
        "what",
    )

    def __init__(
        self,
        owner: "FusedSubgraphs",
        birth: int,
        what: tuple[str, Any],
        template: "_Template",
        nodes: Sequence[Node],
    ) -> None:
        self.birth = birth
        self.what = what
        self.is_closing = False
        self._owner = owner
        self._template = template
        self._pending: list[int] = []
        self._session: Subsession | None = None
        self._plan: Plan | None = None
        self._started: Started | None = None
        self._called: Subgraph | None = None
        if template.starting or template.keeps_session:
            self._session = Subsession(owner.session, owner, birth, template.plan)
        if template.keeps_nodes:
            self._plan = template.plan.with_nodes(nodes)
            self._started = Started()
        self._queues = [nodes[index] for index in template.queues]
        self._generator: Generator | None = None
        self.quick: Callable[[Any], Any] | None = None

    def start(self, nodes: Sequence[Node]) -> None:
        """Start the nodes, and make the generator, which from then on holds their state."""
        template, session = self._template, self._session
        states: Mapping[int, Any] = {}
        if session is not None:
            self._start(nodes, session)
            for index in session.end_start():
                self.wake(index)
            states = session.states
        self._pending += template.ticked_outside(self._owner.session.cycle)
        for inlet in template.begun_inlets(nodes):
            assert inlet.source is not None
            inlet.value = inlet.source.value
        self._generator = template.compiled.open(nodes, states, self._owner.session, self.what)
        self.quick = self._generator.send if template.is_quick else None
        if not template.keeps_session:
            self._session = None

    def _start(self, nodes: Sequence[Node], session: Subsession) -> None:
        if self._plan is not None:
            assert self._started is not None
            start_nodes(self._plan, session, self._started)
            return
        for index in self._template.starting:
            try:
                nodes[index].start(session.states[index])
            except Exception as error:
                plan = self._template.plan.with_nodes(nodes)
                noted(error, plan, index, session, "start")
                raise

    @property
    def plan(self) -> Plan:
        """Its nodes, or those of another sub-graph of its shape."""
        return self._template.plan

    @property
    def is_closed(self) -> bool:
        """Whether its closing instant is over."""
        if self._called is not None:
            return self._called.is_closed
        waits = self._session is not None and bool(self._session.due_now())
        return self.is_closing and not self._pending and not waits

    @property
    def is_due(self) -> bool:
        """Whether something starts a cycle of it."""
        return bool(self._pending) if self._called is None else self._called.is_due

    def wake(self, index: int) -> None:
        """Let the next cycle start with a node, as an alarm of it went off."""
        if self._called is not None:
            self._called.wake(index)
            return
        assert self._session is not None
        self._pending.append(index)
        self._session.states[index].due_in = self._session.cycle

    def outside_ticked(self, index: int) -> None:
        """Let the next cycle start with a node from outside."""
        (self._pending if self._called is None else self._called.pending).append(index)

    @property
    def last_delivery(self) -> int:
        """A number that grows with each cycle in which a source in it delivers; 0 before."""
        if self._called is not None:
            return self._called.last_delivery
        sources = self._template.sources
        return self._template.compiled.last_tick(sources, self._variables()) if sources else 0

    def values(self) -> Sequence[Any]:
        """Return what each node last ticked with, `ABSENT` without a tick."""
        if self._called is not None:
            return self._called.values()
        return self._template.compiled.values(self._variables(), len(self.plan.nodes))

    def queues(self, time: int, place: tuple[int, ...]) -> Queues:
        """Return the queues in it; see `queues_of`."""
        if self._called is not None:
            return self._called.queues(time, place)
        template = self._template
        nodes = list(template.plan.nodes)
        for index, queue in zip(template.queues, self._queues, strict=True):
            nodes[index] = queue
        nodes = template.compiled.copies(self._variables(), nodes, QueueNode)
        owners = () if self._session is None else self._session.owners
        return queues_of(nodes, owners, time, place)

    def have_delivered(self) -> bool:
        """Return whether a source in a sub-graph of it has delivered since this was last asked."""
        owners = () if self._session is None else self._session.owners
        return any([owner.have_delivered() for owner in owners])

    def _variables(self) -> Mapping[str, Any]:
        """Return the generator's variables; none at all if it has raised."""
        frame = None if self._generator is None else self._generator.gi_frame
        return {} if frame is None else frame.f_locals

    def run(self, values: Mapping[int, Any]) -> Any:
        """Run a cycle; return the root's value if the root ticked, otherwise `ABSENT`."""
        if self._called is not None:
            return self._called.run(values)
        result = self._send(values)
        if type(result) is Failed:
            raise result.exception
        return result

    def attempt(self, values: Mapping[int, Any]) -> tuple[Any, Failure | None]:
        """Run a cycle; return what `run` returns, and what a node raised, if one did."""
        if self._called is not None:
            return self._called.attempt(values)
        result = self._send(values)
        if type(result) is not Failed:
            return result, None
        failure = self._owner.session.take_failure(result.exception)
        assert failure is not None, "the generator notes which node failed"
        return result.result, failure

    def _send(self, values: Mapping[int, Any]) -> Any:
        assert self._generator is not None
        if self._template.compiled.takes_value:
            return self._generator.send(values[0]) if values else ABSENT
        pending, self._pending = self._pending, []
        pending += (self._template.inlets[number] for number in values)
        result = self._generator.send((pending, values, self._owner.session.time))
        if type(result) is Failed and self._session is not None:
            self._session.failed = result.node
            self._session.wake_again(pending)
        return result

    def close(self) -> None:
        """Begin the closing instant: nodes that close are called one by one from now on (R14)."""
        self.is_closing = True
        self._owner.is_closing(self)
        if self._template.closes:
            self._call().close()
        elif self._session is not None:
            self._session.begin_closing()

    def stop(self) -> None:
        """Cancel the alarms, and stop the nodes in reverse order."""
        if self._template.keeps_nodes:
            self._call().stop()
            return
        self._owner.forget(self)
        if self._session is not None:
            self._session.schedule.cancel_all()
            self._session.end()
        self._generator = None

    def _call(self) -> Subgraph:
        """Give the nodes their state back, and let them be called from now on."""
        if self._called is None:
            assert self._plan is not None and self._session is not None
            assert self._started is not None
            if self._generator is not None and self._generator.gi_frame is not None:
                variables = self._generator.gi_frame.f_locals
                compiled = self._template.compiled
                compiled.give_back(variables, self._plan.nodes)
                self._session.withheld |= {
                    index: Withholding(self._plan.nodes[index], working, compiled.resumable)
                    for index, working in compiled.working(variables).items()
                }
            self._generator = None
            self._called = Subgraph(
                self._owner,
                self.birth,
                self._plan,
                self._session,
                [cast(Inlet[Any], self._plan.nodes[i]) for i in self._template.inlets],
                self._plan.wired[self._template.root],
                self.what,
            )
            self._called.go_on(self._started, self._pending)
        return self._called


class _Template:
    """What all sub-graphs of one shape share.

    Args:
        plan: one of the sub-graphs.
        made: its inlets, and the nodes that its build made, in order of construction.
        inlets: its inlets.
        root: its root.
        begun: the indices of the inlets and the nodes from outside that have a value already.
        compiled: the function.

    Attributes:
        starting: the indices of the nodes that have something to do before the first cycle.
        keeps_session: whether nodes need a session after that: for alarms, to stop or to close.
        keeps_nodes: whether a sub-graph's nodes are needed after its birth.
        closes: whether nodes have something to say at the end (R14).
        is_quick: whether a sub-graph needs nothing but the next value of its inlet.
        inlets: the indices of the inlets.
        root: the index of the root.
        sources: the indices of its own sources.
    """

    def __init__(
        self,
        plan: Plan,
        made: Sequence[Node],
        inlets: Sequence[Inlet[Any]],
        root: Node,
        begun: frozenset[int],
        compiled: Compiled,
    ) -> None:
        self.plan = plan
        self.compiled = compiled
        self.inlets = [plan.wired.index(inlet) for inlet in inlets]
        self.root = plan.wired.index(root)
        self._begun = begun
        self._shape = Shape(plan, made)
        self.sources = [i for i, node in enumerate(plan.nodes) if is_own_source(node)]
        own = _own(plan)
        self.closes = any(_overrides(node, "close") for node in own)
        self.keeps_nodes = compiled.keeps_nodes
        # What a queue is still to deliver may depend on parameters that no variable holds.
        self.queues = [i for i, node in enumerate(plan.nodes) if isinstance(node, QueueNode)]
        self.starting = [i for i, node in enumerate(plan.nodes) if _overrides(node, "start")]
        self.keeps_session = self.keeps_nodes or compiled.keeps_states
        self.is_quick = compiled.takes_value and not _act_at_end(own) and not compiled.keeps_states

    def nodes_of(
        self, made: Sequence[Node], root: Node, inlets: Sequence[Inlet[Any]], cycle: int
    ) -> list[Node] | None:
        """Return the nodes of another sub-graph in the order of the plan, if it has this shape."""
        nodes = self._shape.nodes_of(made)
        if nodes is None:
            return None
        at_root = nodes[self.root]
        if at_root is not root and not (isinstance(at_root, Outside) and at_root.node is root):
            return None
        begun = _begun(self.plan, self.inlets, inlets, cycle)
        return nodes if begun == self._begun else None

    def ticked_outside(self, cycle: int) -> list[int]:
        """Return the indices of the nodes from outside that tick in this cycle."""
        return [i for i in self.plan.outside if self.plan.wired[i].ticked_in == cycle > 0]

    def begun_inlets(self, nodes: Sequence[Node]) -> list[Inlet[Any]]:
        """Return the inlets of a sub-graph that have a value before its first cycle."""
        return [cast(Inlet[Any], nodes[i]) for i in self.inlets if i in self._begun]


def _overrides(node: Node, name: str) -> bool:
    return getattr(type(node), name) is not getattr(MutableNode, name)


def _own(plan: Plan) -> list[Node]:
    """Return the nodes of a sub-graph that its build made."""
    return [node for node in plan.nodes if not isinstance(node, Inlet | Outside)]


def _act_at_end(nodes: Sequence[Node]) -> bool:
    """Return whether nodes have something to do when the sub-graph ends."""
    return any(_overrides(node, name) for node in nodes for name in ("close", "stop", "reset"))


def _begun(
    plan: Plan, places: Sequence[int], inlets: Sequence[Inlet[Any]], cycle: int
) -> frozenset[int]:
    """Return the indices of the inlets and nodes from outside that had a value before now."""
    sources = [(index, plan.wired[index]) for index in plan.outside]
    sources += [(i, each.source) for i, each in zip(places, inlets, strict=True) if each.source]
    return frozenset(index for index, node in sources if 0 < node.ticked_in < cycle)


class FusedSubgraphs(Subgraphs):
    """The sub-graphs of one node; see `Subgraphs`."""

    def __init__(
        self, session: Any, index: int, outside: Sequence[Node], resumable: bool = False
    ) -> None:
        super().__init__(session, index, outside, resumable)
        self._templates: list[_Template] = []

    def make_tier(self, plan: Plan) -> Tier:
        """Return how to run a sub-graph that runs apart."""
        return Fused(plan)

    def _wire(
        self,
        build: Callable[[], MutableNode[Any]],
        inlets: Sequence[Inlet[Any]],
        what: tuple[str, Any],
    ) -> RunningSubgraph:
        with nodes_made() as made, building() as more:
            root = build()
        made = [*inlets, *made]
        for template in self._templates:
            nodes = template.nodes_of(made, root, inlets, self.session.cycle)
            if nodes is not None:
                return self._open_fused(template, nodes, what)
        plan = self._plan(root, more, inlets)
        compiled = self._template(plan, made, inlets, root)
        if compiled is None:
            return self._open_called(plan, inlets, root, what)
        return self._open_fused(compiled, plan.nodes, what)

    def _template(
        self, plan: Plan, made: Sequence[Node], inlets: Sequence[Inlet[Any]], root: Node
    ) -> _Template | None:
        """Compile a sub-graph, unless it has to be called."""
        if len(self._templates) >= _MOST_SHAPES:
            return None
        frontend = read(plan, {}, self.resumable)
        if any(node.cycle is None for node in frontend.nodes) or any(frontend.held):
            return None
        places = [plan.wired.index(inlet) for inlet in inlets]
        begun = _begun(plan, places, inlets, self.session.cycle)
        for index in begun:
            frontend.nodes[index].begun = True
        # Of a resumable sub-graph, to name a node that fails.
        keeps_nodes = self.resumable or _act_at_end(_own(plan))
        place = plan.wired.index(root)
        compiled = compile_subgraph(plan, frontend, places, place, self.resumable, keeps_nodes)
        template = _Template(plan, made, inlets, root, begun, compiled)
        self._templates.append(template)
        return template

    def _open_fused(
        self, template: _Template, nodes: Sequence[Node], what: tuple[str, Any]
    ) -> FusedSubgraph:
        self.show(template.plan, what)
        made = FusedSubgraph(self, self.next_birth(), what, template, nodes)
        self.add(made, template.plan)
        made.start(nodes)
        return made
