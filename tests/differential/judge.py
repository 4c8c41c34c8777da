"""The judge: a third interpreter, written from the rules of docs/semantics.md alone.

Both tiers are compared with it. It carries out historical runs in the simplest way and does not use
the engine: it orders the nodes (R2), keeps a list of alarms (R6, R7), calls `start`, `cycle` and
`stop` (R3, R4, R10) and decides when a run ends (R9). While it runs, `value` of every node is its
own descriptor, which carries out R5: a node reads back in its own `start` and `cycle` the value
that it set last, everybody else reads the value that it last ticked with.
"""

import threading
from collections.abc import Iterable
from typing import Any

import graphcore as gc
from graphcore.output import OutputNode, Turn
from graphcore.time import format_time, to_duration, to_time

Node = gc.MutableNode[Any]


MOST_AT_THE_END = 2_000


class EndlessError(Exception):
    """Raised for a closing instant that goes on and on; the judge knows no R15."""


class Alarm:
    """An alarm of a node (R7)."""

    def __init__(self, run: "Run", at: int, node: Node, keeps_alive: bool, last: bool) -> None:
        self.run, self.at, self.node = run, at, node
        self.keeps_alive, self.last = keeps_alive, last

    def cancel(self) -> None:
        self.run.alarms = [alarm for alarm in self.run.alarms if alarm is not self]


class State:
    """What `GraphState` offers, for one node of a historical run."""

    run_mode = gc.RunMode.HISTORICAL
    live = False

    def __init__(self, run: "Run", node: Node) -> None:
        self._run, self._node = run, node

    time = property(lambda self: self._run.time)
    start_time = property(lambda self: self._run.start)
    elapsed = property(lambda self: self._run.time - self._run.start)
    cycle_at_time = property(lambda self: self._run.cycle - self._run.first_cycle)
    due = property(lambda self: self._node in self._run.due)
    stopping = property(lambda self: self._run.ended_by is not None)
    ended_by = property(lambda self: self._run.ended_by)
    ended = property(lambda self: self._run.ended)
    closing = property(lambda self: self._run.closing)

    def ticked(self, upstream: Any) -> bool:
        return bool(_node(upstream).ticked_in == self._run.cycle > 0)

    def valid(self, upstream: Any) -> bool:
        return _node(upstream).ticked_in > 0

    def schedule(self, at: Any, *, keeps_alive: bool = True, last: bool = False) -> Alarm:
        alarm = Alarm(self._run, self.moment(at), self._node, keeps_alive, last)
        self._run.alarms.append(alarm)
        return alarm

    def schedule_last(self, at: Any, *, keeps_alive: bool = True) -> Alarm:
        return self.schedule(at, keeps_alive=keeps_alive, last=True)

    def moment(self, at: Any) -> int:
        time = to_time(at)
        if time < self._run.start:
            raise gc.InvalidValueError(
                f"cannot schedule at {format_time(time)}: the run started at "
                f"{format_time(self._run.start)}"
            )
        return max(time, self._run.time)

    def stop(self) -> None:
        self._run.ended_by = self._run.ended_by or gc.EndedBy.STOP


def _node(upstream: Any) -> Any:
    found = upstream if hasattr(upstream, "ticked_in") else getattr(upstream, "node", None)
    if not hasattr(found, "ticked_in"):
        raise gc.InvalidTypeError(f"an upstream is a stream or a node, not {upstream!r}")
    return found


class _ById(dict[int, Any]):
    """Data about nodes, which are distinguished by identity."""

    def __contains__(self, node: object) -> bool:
        return super().__contains__(id(node))


class Run:
    """Data that the nodes of one run share.

    Attributes:
        last_time: engine time of the last ordinary cycle; `time` in `stop` is when the run ended
            (R10).
        last_cycle: the number of ordinary cycles.
        working: the value that each node set last, for the node itself (R5).
        current: the node whose own `start` or `cycle` runs.
    """

    def __init__(self, start: int) -> None:
        self.start = self.time = self.last_time = start
        self.cycle, self.first_cycle = 0, 1
        self.alarms: list[Alarm] = []
        self.due = _ById()
        self.offered = _ById()  # outputs that their owner's cycle has ticked
        self.working: dict[int, Any] = {}
        self.current: Node | None = None
        self.ended_by: gc.EndedBy | None = None
        self.ended = threading.Event()
        self.closing = False
        self.last_cycle = 0


class _Value:
    """`value` of every node during a run of the judge (R5); `vars` hold the value that last
    ticked."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __get__(self, node: Any, owner: type) -> Any:
        if node is None:
            return self
        own = node is self._run.current
        key, kept = (id(node), self._run.working) if own else ("value", vars(node))
        if key not in kept:
            raise gc.NoValueError(f"{node.name} has no value yet: it has not ticked in this run")
        return kept[key]

    def __set__(self, node: Any, value: object) -> None:
        self._run.working[id(node)] = value
        if node is not self._run.current:
            vars(node)["value"] = value

    def __delete__(self, node: Any) -> None:
        self._run.working.pop(id(node), None)
        if node is not self._run.current:
            vars(node).pop("value", None)


class Judge:
    """A graph that the judge can run any number of times.

    Args:
        nodes: the nodes, in any order.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        left = sorted(nodes, key=lambda node: node.serial)
        reads = {id(node): node.upstreams() for node in left}
        self.active = {key: list(map(_node, each.active)) for key, each in reads.items()}
        self.inputs = {
            key: [*self.active[key], *map(_node, each.passive)] for key, each in reads.items()
        }
        self.nodes: list[Node] = []
        placed = _ById()
        while left:
            node = next(n for n in left if all(u in placed for u in self.inputs[id(n)]))
            left = [other for other in left if other is not node]
            placed[id(node)] = node
            self.nodes.append(node)
        self.names: dict[int, str] = {}
        taken = {node.name for node in self.nodes if node._name is None}
        for node in self.nodes:
            name, number = node.name, 1
            while node._name is not None and name in taken:  # namesakes are numbered
                number += 1
                name = f"{node.name}_{number}"
            taken.add(name)
            self.names[id(node)] = name

    def run(
        self,
        *,
        start: Any = None,
        until: Any = None,
        duration: Any = None,
        cycles: int | None = None,
    ) -> dict[str, Any]:
        """Run the graph; return what a `RunReport` says, but for the time on the wall."""
        sources: list[Any] = [node for node in self.nodes if isinstance(node, gc.Source)]
        if start is None:
            firsts = [
                _noting(source, self.names[id(source)], source.first_event) for source in sources
            ]
            start = min((first for first in firsts if first is not None), default=0)
        run = Run(to_time(start))
        ends = [] if until is None else [to_time(until)]
        ends += [] if duration is None else [run.start + to_duration(duration)]
        end = min(ends, default=None)
        if end is not None and end < run.start:
            raise gc.InvalidValueError(
                f"until={until!r} lies before the start of the run, {run.start} ns"
            )
        usual, gc.MutableNode.value = gc.MutableNode.__dict__["value"], _Value(run)
        try:
            self._execute(run, end, cycles)
        finally:
            gc.MutableNode.value = usual
        skipped = sum(source.skipped for source in sources)
        return {
            "cycles": run.last_cycle,
            "start": run.start,
            "end": run.last_time,
            "ended_by": run.ended_by,
            "skipped": skipped,
        }

    def _execute(self, run: Run, end: int | None, cycles: int | None) -> None:
        states = {id(node): State(run, node) for node in self.nodes}
        started: list[Node] = []
        errors: list[Exception] = []
        try:
            for node in self.nodes:
                vars(node).pop("value", None)
                run.current = node
                where = f"start of {self.names[id(node)]}"
                _noting(node, where, node.reset)
                started.append(node)
                _noting(node, where, node.start, states[id(node)])
            run.current = None
            while self._is_to_go_on(run, end, cycles):
                self._cycle(run, states)
            run.last_time, run.last_cycle = run.time, run.cycle
            self._end_time(run, end)
            self._close(run, states)
        except Exception as error:
            errors.append(error)
            run.ended_by = gc.EndedBy.ERROR
            if run.current is not None:  # a node that failed stays as its `cycle` left it
                self._publish(run, run.current)
        run.current = None
        run.ended.set()
        for node in reversed(started):
            try:
                _noting(node, f"stop of {self.names[id(node)]}", node.stop, states[id(node)])
            except Exception as error:
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup("the run failed, and so did stopping it", errors)

    def _end_time(self, run: Run, end: int | None) -> None:
        if run.ended_by is gc.EndedBy.UNTIL and end is not None and end != run.time:
            run.time, run.first_cycle = end, run.cycle + 1

    def _close(self, run: Run, states: dict[int, State]) -> None:
        """Run the closing instant (R14): of what is scheduled only queues go on, and a node closes
        once nothing is due that may still reach it."""
        run.closing = True
        run.alarms = [each for each in run.alarms if isinstance(each.node, gc.QueueNode)]
        left = [n for n in self.nodes if type(n).close is not gc.MutableNode.close]
        while True:
            now = [alarm for alarm in run.alarms if alarm.at <= run.time]
            if not left and not now:
                return
            if run.cycle - run.last_cycle > MOST_AT_THE_END:
                raise EndlessError
            run.cycle += 1
            self._take(run, run.time)
            self._cycle(run, states, left)

    def _may_get_more(self, run: Run, node: Node, later: list[Node]) -> bool:
        """Return whether something is due at this instant that may still run this node."""
        reached = {id(each.node) for each in run.alarms if each.at <= run.time}
        reached |= {id(each) for each in later}
        before = -1
        while before < len(reached):
            before = len(reached)
            reached |= {id(n) for n in self.nodes for up in self.inputs[id(n)] if id(up) in reached}
            reached |= {id(p) for n in self.nodes if id(n) in reached for p in n.partners()}
        return id(node) in reached

    def _is_to_go_on(self, run: Run, end: int | None, cycles: int | None) -> bool:
        """Go on to the time of the next alarm, unless the run is over (R9)."""
        if run.ended_by is None and run.cycle == cycles:
            run.ended_by = gc.EndedBy.CYCLES
        time = min((alarm.at for alarm in run.alarms), default=run.time + 1)
        alive = time <= run.time or any(alarm.keeps_alive for alarm in run.alarms)
        if run.ended_by is None and not alive:
            run.ended_by = gc.EndedBy.SOURCES
        if run.ended_by is None and end is not None and time > end:
            run.ended_by = gc.EndedBy.UNTIL
        if run.ended_by is not None:
            return False
        run.cycle += 1
        if time != run.time:
            run.time, run.first_cycle = time, run.cycle
        self._take(run, time)
        return True

    def _take(self, run: Run, time: int) -> None:
        """Let the alarms up to a time go off; those of `schedule_last` when there are no others."""
        now = [alarm for alarm in run.alarms if alarm.at <= time]
        if not all(alarm.last for alarm in now):
            now = [alarm for alarm in now if not alarm.last]
        run.due = _ById((id(each.node), each) for each in now)
        run.alarms = [alarm for alarm in run.alarms if alarm not in now]

    def _publish(self, run: Run, node: Node) -> None:
        """Make the value that the node set last visible to all (R5)."""
        if id(node) in run.working:
            vars(node)["value"] = run.working[id(node)]
        else:
            vars(node).pop("value", None)

    def _cycle(self, run: Run, states: dict[int, State], left: list[Node] | None = None) -> None:
        """Run in order what is due and what an active upstream's tick triggers (R2, R3).

        Args:
            run: the run.
            states: the nodes' states.
            left: in the closing instant, the nodes that have not closed.
        """
        ticked = _ById()
        for place, node in enumerate(self.nodes):
            if isinstance(node, OutputNode):
                if run.offered.pop(id(node), None) is not None:
                    ticked[id(node)] = node
                    node.ticked_in = run.cycle
                    if node.is_chosen:
                        vars(node)["value"] = node.turn.given
                continue
            if self._is_run(run, node, ticked) and (
                node.valid != "all" or all(each.ticked_in for each in self.inputs[id(node)])
            ):
                self._step(run, states, node, node.cycle, self.names[id(node)], ticked)
            if left is None or node in ticked or not any(node is each for each in left):
                continue
            later = [each for each in self.nodes[place + 1 :] if self._is_run(run, each, ticked)]
            if not self._may_get_more(run, node, later):
                left[:] = [each for each in left if each is not node]
                where = f"close of {self.names[id(node)]}"
                self._step(run, states, node, node.close, where, ticked)

    def _is_run(self, run: Run, node: Node, ticked: _ById) -> bool:
        if isinstance(node, OutputNode):  # its owner's cycle has ticked it
            return node in run.offered
        return node in run.due or any(each in ticked for each in self.active[id(node)])

    def _step(
        self, run: Run, states: Any, node: Node, method: Any, where: str, ticked: _ById
    ) -> None:
        run.current = node
        turn = vars(node).get("_turn", Turn())
        turn.cycle = run.cycle if method == node.cycle else 0
        try:
            has_ticked = _noting(node, where, lambda: bool(method(states[id(node)])))
        finally:
            turn.cycle = 0
        for output, before in turn.ticked:
            output.ticked_in = before
            run.offered[id(output)] = output
        turn.ticked.clear()
        if has_ticked:
            ticked[id(node)] = node
            node.ticked_in = run.cycle
            self._publish(run, node)
        run.current = None


def _noting(node: Node, where: str, step: Any, *given: Any) -> Any:
    """Call a method of a node; add a note with the node's name to an error (R11)."""
    try:
        return step(*given)
    except Exception as error:
        error.add_note(f"in {where} ({type(node).__name__})")
        raise
