"""The fused tier's sub-graphs: those of one shape share one compiled function."""

from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, cast

from graphcore.engine.fused.backend.instances import Compiled, Generator
from graphcore.engine.fused.pipeline import compile_subgraph, read
from graphcore.engine.fused.template import Template, act_at_end, begun_of, own_nodes
from graphcore.engine.fused.tier import Fused
from graphcore.engine.notes import noted
from graphcore.engine.plan import Node, Plan
from graphcore.engine.run.endless import Queues, queues_of
from graphcore.engine.run.lifecycle import Started, Tier, start_nodes
from graphcore.engine.subgraphs import (
    RunningSubgraph,
    Subgraph,
    Subgraphs,
    Subsession,
)
from graphcore.engine.withheld import Withholding
from graphcore.errors import Failure
from graphcore.node import MutableNode, QueueNode, nodes_made
from graphcore.subgraph import ABSENT, Failed, Inlet, Quick, building

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
        "what",
    )

    def __init__(
        self,
        owner: "FusedSubgraphs",
        birth: int,
        what: tuple[str, Any],
        template: "Template",
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
    def owner(self) -> "FusedSubgraphs":
        """The sub-graphs to which it belongs."""
        return self._owner

    @property
    def plan(self) -> Plan:
        """Its nodes, or those of another sub-graph of its shape."""
        return self._template.plan

    @property
    def quick(self) -> Quick | None:
        """What runs a cycle with the next value, if nothing else can start one."""
        return self._generator if self._template.is_quick else None

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

    @property
    def compiled(self) -> Compiled:
        """The function of its shape."""
        return self._template.compiled

    @property
    def frame(self) -> FrameType | None:
        """The frame whose variables hold its state; `None` if there is none, or it has raised."""
        return None if self._generator is None else self._generator.gi_frame

    def _variables(self) -> Mapping[str, Any]:
        """Return the generator's variables; none at all if it has raised."""
        if self._owner.take_back is not None:
            self._owner.take_back(self)
        frame = self.frame
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
        if self._owner.take_back is not None:
            self._owner.take_back(self)
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


class FusedSubgraphs(Subgraphs):
    """The sub-graphs of one node; see `Subgraphs`.

    Attributes:
        take_back: has a generator hold the state of its sub-graph again, if machine code holds it;
            `None` if machine code holds no state of these sub-graphs.
    """

    def __init__(
        self, session: Any, index: int, outside: Sequence[Node], resumable: bool = False
    ) -> None:
        super().__init__(session, index, outside, resumable)
        # Those of earlier runs, and in a sub-graph those of the same node in others of its plan.
        self._kept: list[Template] = session.plan.kept.setdefault((index, resumable), [])
        self._kept[:] = [template for template in self._kept if template.guards.hold()]
        self._templates = self._kept.copy()
        self._compiled = 0
        self.take_back: Callable[[FusedSubgraph], None] | None = None

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
    ) -> Template | None:
        """Compile a sub-graph, unless it has to be called."""
        if self._compiled >= _MOST_SHAPES:
            return None
        frontend = read(plan, {}, self.resumable)
        if any(node.cycle is None for node in frontend.nodes) or any(frontend.held):
            return None
        places = [plan.wired.index(inlet) for inlet in inlets]
        begun = begun_of(plan, places, inlets, self.session.cycle)
        for index in begun:
            frontend.nodes[index].begun = True
        # Of a resumable sub-graph, to name a node that fails.
        keeps_nodes = self.resumable or act_at_end(own_nodes(plan))
        place = plan.wired.index(root)
        compiled = compile_subgraph(plan, frontend, places, place, self.resumable, keeps_nodes)
        template = Template(plan, made, inlets, root, begun, compiled, frontend.guards)
        self._compiled += 1
        self._templates.append(template)
        if not plan.outside:  # it would hold for the present nodes from outside alone
            self._kept.append(template)
            del self._kept[:-_MOST_SHAPES]
        return template

    def _open_fused(
        self, template: Template, nodes: Sequence[Node], what: tuple[str, Any]
    ) -> FusedSubgraph:
        self.show(template.plan, what)
        made = FusedSubgraph(self, self.next_birth(), what, template, nodes)
        self.add(made, template.plan)
        made.start(nodes)
        return made
