"""The sub-graphs of a node while a graph runs: wired, started, run and stopped by that node.

A `Subgraph` is a plan in a session of its own, a `Subsession`. To a sub-graph, the cycle of its
birth is cycle 1 of a run, and its closing instant may come before that of the run (R14).
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from graphcore.engine.clock import Schedule
from graphcore.engine.interpreted import Interpreted
from graphcore.engine.notes import add_subgraph_note
from graphcore.engine.plan import Node, Outside, Plan
from graphcore.engine.run.endless import Inside, Queues
from graphcore.engine.run.lifecycle import Tier
from graphcore.engine.run.session import Session
from graphcore.engine.subgraphs.apart import Apart
from graphcore.engine.subgraphs.subgraph import RunningSubgraph, Subgraph, raise_all
from graphcore.engine.subgraphs.subsession import Subsession
from graphcore.errors import Failure, RunError
from graphcore.node import MutableNode, QueueNode, Source
from graphcore.state import Alarm, RunMode
from graphcore.subgraph import Inlet, Instance, building

# An index in the owner's alarms: the node's index in the lowest bits, the birth in the rest.
_NODE_BITS = 24
_BIRTH_BITS = 64
_KEY = "key"
_MOST_SHOWN = 20


class Subgraphs:
    """The sub-graphs of one node.

    Args:
        session: the session of the node.
        index: the index of the node.
        outside: the nodes from outside that the sub-graphs may read.
        resumable: whether the sub-graphs may go on after a cycle in which a node raised.
    """

    def __init__(
        self,
        session: "Session | Subsession",
        index: int,
        outside: Sequence[Node],
        resumable: bool = False,
    ) -> None:
        self.index = index
        self.resumable = resumable
        self.session = session
        self._outside = {id(node): node for node in outside}
        self._live: dict[int, RunningSubgraph] = {}
        self._closing: dict[int, RunningSubgraph] = {}
        self._apart: list[Apart] = []
        self._births = 0
        self._delivered: dict[int, int] = {}  # by birth, the `last_delivery` that was seen
        self._shown = session.plan.subgraphs.setdefault(index, {})
        self._alarms = Schedule((1 << _BIRTH_BITS) - 1)
        self._only_queues = False  # as the closing instant of the run has begun (R14)
        self._woken: deque[tuple[int, int]] = deque()
        self._retiring: list[RunningSubgraph] = []
        # For each node from outside, the sub-graphs that read it, with its index there.
        self._readers: dict[int, dict[int, int]] = {}

    def open(
        self,
        build: Callable[[], MutableNode[Any]],
        inlets: Sequence[Inlet[Any]],
        what: tuple[str, Any],
    ) -> "RunningSubgraph":
        """Wire and start a sub-graph; see `graphcore.subgraph.Subgraphs`."""
        births = self._births
        try:
            return self._wire(build, inlets, what)
        except Exception as error:
            add_subgraph_note(error, what)
            if self.resumable and self._births > births:
                # The run may go on without it; otherwise it is stopped with all others.
                self.stop_after(error, self._live[self._births])
            raise

    def stop_after(self, error: Exception, failed: Instance) -> None:
        """Stop a sub-graph in which a node raised.

        Raises:
            ExceptionGroup: of both errors, if stopping raises as well.
        """
        try:
            failed.stop()
        except Exception as another:
            both = ExceptionGroup("a sub-graph failed, and so did stopping it", [error, another])
            failure = self.session.take_failure(error)
            if failure is not None:
                self.session.note_failure(both, -1, failure.node, failure.values)
            raise both from None

    def _wire(
        self,
        build: Callable[[], MutableNode[Any]],
        inlets: Sequence[Inlet[Any]],
        what: tuple[str, Any],
    ) -> "RunningSubgraph":
        with building() as more:
            root = build()
        return self._open_called(self._plan(root, more, inlets), inlets, root, what)

    def _plan(self, root: Node, more: Sequence[Node], inlets: Sequence[Inlet[Any]]) -> Plan:
        oldest = min((each.serial for each in inlets), default=0)
        plan = Plan([root, *more, *inlets], self._outside, oldest)
        self._refuse_endless(plan)
        return plan

    def _open_called(
        self, plan: Plan, inlets: Sequence[Inlet[Any]], root: Node, what: tuple[str, Any]
    ) -> "Subgraph":
        birth = self.next_birth()
        self.show(plan, what)
        session = Subsession(self.session, self, birth, plan)
        made = Subgraph(self, birth, plan, session, inlets, root, what)
        self.add(made, plan)
        made.start()
        return made

    def show(self, plan: Plan, what: tuple[str, Any]) -> None:
        """Let drawings of the graph show a sub-graph: the first of the keys, or each branch."""
        kind, _ = what
        if kind == _KEY and self._shown:
            first = next(iter(self._shown.values()))
            plan.first = None if plan is first else first
            return
        if what in self._shown and self._shown[what] is not plan:  # that of a run before
            plan.first = self._shown[what]
        if what not in self._shown and len(self._shown) < _MOST_SHOWN:
            self._shown[what] = plan

    def make_tier(self, plan: Plan) -> Tier:
        """Return how to run a sub-graph that runs apart."""
        return Interpreted(plan)

    def apart(
        self,
        build: Callable[[], MutableNode[Any]],
        entry: Node,
        what: tuple[str, Any],
        on_idle: Callable[[], object],
        on_end: Callable[[], object],
    ) -> Apart:
        """Wire a sub-graph that runs apart; see `graphcore.subgraph.Subgraphs`."""
        try:
            with building() as more:
                root = build()
            plan = Plan([root, *more, entry], {}, entry.serial)
        except Exception as error:
            add_subgraph_note(error, what)
            raise
        outer = self.session
        assert outer.clock is not None, "only a real-time run has sub-graphs that run apart"
        most, offset = outer.max_cycles_at_once, outer.clock.offset
        session = Session(plan, None, None, None, False, most, offset=offset)
        session.receive, session.event_loop = outer.receive, outer.event_loop
        session.make_subgraphs, session.on_idle = type(self), on_idle
        made = Apart(plan, session, self.make_tier(plan), f"graphcore-{what[1]}", on_end)
        self._apart.append(made)
        return made

    def next_birth(self) -> int:
        """Return the number of the next sub-graph."""
        self._births += 1
        return self._births

    @property
    def count(self) -> int:
        """How many sub-graphs run."""
        return len(self._live) + sum(not each.has_ended for each in self._apart)

    def inside(self, most: int) -> list[Inside]:
        """Return what is in the first sub-graphs between two cycles, but no more than this many.

        Those that run apart are left out: they have cycles of their own.
        """
        found: list[Inside] = []
        for each in islice(self._live.values(), most):
            nodes, names, values = each.plan.nodes, each.plan.names(), each.values()
            own = [i for i, node in enumerate(nodes) if not isinstance(node, Inlet | Outside)]
            inside = [names[i] for i in own], [values[i] for i in own]
            found.append(Inside(each.what, *inside))
        return found

    def add(self, made: "RunningSubgraph", plan: Plan) -> None:
        """Own a sub-graph from now on, to stop it, and to run it when a node from outside ticks."""
        self._live[made.birth] = made
        for place in plan.outside:
            self._readers.setdefault(id(plan.wired[place]), {})[made.birth] = place

    def due(self) -> dict[int, RunningSubgraph]:
        """Return the sub-graphs that something else than an inlet starts, by birth."""
        session, live = self.session, self._live
        time, cycle = session.time, session.cycle
        found: dict[int, RunningSubgraph] = {}
        alarms = self._alarms
        if session.closing and not self._only_queues:
            self._only_queues = True
            alarms.drop(lambda entry: not self._is_queue(entry))
        if alarms.heap and (self._is_last() or not alarms.last_is_next()):
            for entry in alarms.take(time):
                self._wake(found, entry >> _NODE_BITS, entry & ((1 << _NODE_BITS) - 1))
        for _ in range(len(self._woken)):
            birth, index = self._woken.popleft()
            # A wake-up starts no cycle of a closing instant: as in a graph, only queues go on.
            if not (session.closing or birth in self._closing):
                self._wake(found, birth, index)
        for key, readers in self._readers.items():
            if self._outside[key].ticked_in == cycle:
                for birth, place in readers.items():
                    live[birth].outside_ticked(place)
                    found[birth] = live[birth]
        for birth, each in self._closing.items():
            if each.is_due:
                found[birth] = each
        return found

    def _is_queue(self, entry: int) -> bool:
        """Return whether an alarm is one of a queue, given its node and birth."""
        each = self._live.get(entry >> _NODE_BITS)
        if each is None:
            return False
        return isinstance(each.plan.nodes[entry & ((1 << _NODE_BITS) - 1)], QueueNode)

    def _is_last(self) -> bool:
        """Return whether alarms of `schedule_last` go off in this cycle: those of the owner do.

        The owner may run in earlier cycles at the same time, in which they have to wait.
        """
        session = self.session
        return session.schedule.took_last and session.states[self.index].due_in == session.cycle

    def _wake(self, found: dict[int, RunningSubgraph], birth: int, index: int) -> None:
        each = self._live.get(birth)  # it may have been stopped since it was woken from a thread
        if each is not None:
            each.wake(index)
            found[birth] = each

    @property
    def are_closing(self) -> bool:
        """Whether some sub-graph has nodes that are still to close."""
        return bool(self._closing) and any(each.is_due for each in self._closing.values())

    def retiring(self) -> list[RunningSubgraph]:
        """Return, once, the sub-graphs that asked to be retired."""
        if not self._retiring:
            return []
        retiring, self._retiring = self._retiring, []
        return retiring

    def failure(self, error: Exception) -> Failure | None:
        """Return which node raised an error in `open`; `None` if `build` raised it."""
        return self.session.take_failure(error)

    def stop(self) -> None:
        """Stop all sub-graphs, the youngest first.

        Raises:
            Exception: what stopping one of them raised; several errors as an `ExceptionGroup`.
        """
        errors: list[Exception] = []
        for each in reversed(list(self._live.values())):
            try:
                each.stop()
            except Exception as error:  # raised again below, once all are stopped
                errors.append(error)
        raise_all(errors, "several sub-graphs failed to stop")

    # Called by the watch for endless instants (R15)

    def queues(self, time: int, place: tuple[int, ...]) -> Queues:
        """Return the queues in the sub-graphs, those at one place counted together."""
        queues: Queues = Counter()
        for each in self._live.values():
            queues += each.queues(time, (*place, self.index))
        return queues

    def have_delivered(self) -> bool:
        """Return whether a source in them has delivered since this was last asked."""
        before, self._delivered = self._delivered, {}
        found = False
        for birth, each in self._live.items():
            last = each.last_delivery
            if last:
                self._delivered[birth] = last
            if each.have_delivered() or last > before.get(birth, 0):
                found = True
        return found

    # Called by the sub-graphs

    def add_alarm(
        self, at: int, birth: int, index: int, keeps_alive: bool, last: bool
    ) -> tuple[Alarm, Alarm]:
        """Add an alarm of a sub-graph's node, and one of the owner for the same time."""
        inner = self._alarms.add(at, birth << _NODE_BITS | index, keeps_alive, last)
        return inner, self.session.schedule.add(at, self.index, keeps_alive, last)

    @property
    def took_last(self) -> bool:
        """Whether the nodes whose alarms went off last had set them by `schedule_last`."""
        return self._alarms.took_last

    def due_now(self, birth: int) -> set[int]:
        """Return the nodes of a sub-graph with an alarm for the present time."""
        mask = (1 << _NODE_BITS) - 1
        waiting = self._alarms.waiting(self.session.time)
        return {index & mask for index in waiting if index >> _NODE_BITS == birth}

    def wake(self, birth: int, index: int) -> None:
        """From any thread: run a node of a sub-graph in the next cycle."""
        self._woken.append((birth, index))
        self.session.wake(self.index)

    def ask_to_retire(self, birth: int) -> None:
        """Add a sub-graph to those that `retiring` returns."""
        self._retiring.append(self._live[birth])

    def is_closing(self, subgraph: RunningSubgraph) -> None:
        """Run a sub-graph until all its nodes have closed."""
        self._closing[subgraph.birth] = subgraph

    def forget(self, subgraph: RunningSubgraph) -> None:
        """Give up a sub-graph that is being stopped."""
        self._live.pop(subgraph.birth, None)
        self._closing.pop(subgraph.birth, None)
        for readers in self._readers.values():
            readers.pop(subgraph.birth, None)

    def _refuse_endless(self, plan: Plan) -> None:
        session = self.session
        if session.run_mode is RunMode.REALTIME or session.bounded:
            return
        for node in plan.nodes:
            if isinstance(node, Source) and node.endless:
                raise RunError(
                    f"{node.name} never ends, so a historical run needs a bound: "
                    "give duration=, until= or cycles="
                )
