"""The interpreted tier: call each node's `cycle`, one after the other.

The nodes to run wait in a heap of their indices, which is the order of R2. A node that ticks adds
the nodes that it triggers, and all of these come after it. An index that was added twice is popped
twice in a row.

A line is a run of nodes each of which triggers the next node and no other. Once every node of a
line has ticked, all its gates (R5) are open. Then the line runs from its first node on without the
heap, unless other nodes wait there.
"""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Any, cast

from graphcore.engine.notes import noted
from graphcore.engine.plan import Node, Plan
from graphcore.engine.run.running import RunningSession
from graphcore.engine.run.seen import Seen, seen_of
from graphcore.engine.run.session import Session
from graphcore.engine.withheld import Step, steps_of
from graphcore.output import OutputNode
from graphcore.state import GraphState, RunMode

NodeStep = tuple[Step, GraphState, Node]


class Line:
    """The steps of a line, the index of the first, and how many nodes have not ticked yet."""

    __slots__ = ("first", "steps", "triggered", "unticked")

    def __init__(self, first: int) -> None:
        self.first = first
        self.steps: list[NodeStep] = []
        self.triggered: tuple[int, ...] = ()
        self.unticked = 0


class Interpreted:
    """The interpreted tier for one plan.

    Args:
        plan: what is run.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def prepare(self, mode: RunMode, watched: bool) -> None:
        """Do nothing: nodes are called as they are."""

    def run(self, session: Session) -> None:
        """Run the plan's nodes cycle by cycle until the session is over."""
        run, next_cycle = Cycles(self._plan, session).run, session.next_cycle
        # Not `iter(next_cycle, None)`, which would take a user's StopIteration for the end.
        while True:
            pending = next_cycle()
            if pending is None:
                return
            run(pending)

    def look(self, session: Session, indices: Iterable[int]) -> Seen:
        """Look at the run between two cycles."""
        return seen_of(session, self._plan.nodes, indices)


class Cycles:
    """The nodes of a plan, to be run cycle by cycle.

    Args:
        plan: what is run.
        session: the run; another tier may have run the plan's cycles up to now.

    Attributes:
        steps: for each node, what runs it, with its state and itself.
        lines: the line of each node.
        ticked_lines: the lines whose nodes have all ticked, by the index of the first node.
    """

    def __init__(self, plan: Plan, session: RunningSession) -> None:
        self._plan = plan
        self._session = session
        steps = steps_of(enumerate(plan.nodes), session.withheld, session.resumable)
        self.steps: list[NodeStep] = [
            (step_with_outputs(plan, index, steps[index], session), session.states[index], node)
            for index, node in enumerate(plan.nodes)
        ]
        self.lines = lines_of(self.steps, plan)
        self.ticked_lines: dict[int, Line] = {}
        self._waiting = plan.inputs.copy()
        for index, node in enumerate(plan.nodes):
            if node.ticked_in:
                self._has_begun(index)

    def run(self, pending: list[int]) -> None:
        """Run a cycle.

        Args:
            pending: the nodes that start it; the list is used up.
        """
        steps, triggers, waiting = self.steps, self._plan.triggers, self._waiting
        ticked_lines, cycle = self.ticked_lines, self._session.cycle
        heapify(pending)
        self._session.pending = pending
        index = -1
        try:
            while pending:
                last, index = index, heappop(pending)
                if index == last:
                    continue
                if not pending and index in ticked_lines:
                    line = ticked_lines[index]
                    for step, state, node in line.steps:
                        if not step(state):
                            break
                        node.ticked_in = cycle
                    else:
                        pending.extend(line.triggered)
                    continue
                while not waiting[index]:
                    step, state, node = steps[index]
                    if not step(state):
                        break
                    if not node.ticked_in:
                        self._has_begun(index)
                    node.ticked_in = cycle
                    triggered = triggers[index]
                    if len(triggered) == 1 and not pending:
                        index = triggered[0]
                        continue
                    for each in triggered:
                        heappush(pending, each)
                    break
        except Exception as error:
            nodes = self._plan.nodes
            failed = next(i for i, each in enumerate(nodes) if each is node)
            raised = noted(error, self._plan, failed, self._session)
            if raised is error:
                raise
        else:
            return
        raise raised  # outside the `except`, so that the error has no other as its context

    def step(self, index: int) -> bool:
        """Run one node in the present cycle, unless it waits for a value; return if it ticked."""
        if self._waiting[index]:
            return False
        step, state, _ = self.steps[index]
        try:
            ticked = step(state)
        except Exception as error:
            raised = noted(error, self._plan, index, self._session)
            if raised is error:
                raise
        else:
            if ticked:
                self.tick(index)
            return ticked
        raise raised

    def tick(self, index: int) -> None:
        """Note that a node has ticked in the present cycle."""
        node = self._plan.nodes[index]
        if not node.ticked_in:
            self._has_begun(index)
        node.ticked_in = self._session.cycle

    def recover(self) -> None:
        """Make ready to go on after a cycle that failed: outputs that ticked in it have ticked."""
        for places in self._plan.outputs.values():
            places_of = {id(self._plan.nodes[place]): place for place in places}
            turn = cast(OutputNode[Any], self._plan.nodes[places[0]]).turn
            for output, before in turn.ticked:
                output.ticked_in = before
                turn.waiting.append(output)
            for output in turn.waiting:
                # One of a list that was chosen gets its value when it runs, and so it has none.
                if not output.is_chosen:
                    self.tick(places_of[id(output)])
            turn.ticked.clear()
            turn.waiting.clear()

    def _has_begun(self, index: int) -> None:
        """Open the gates that wait for a node's first tick."""
        for gated in self._plan.gated[index]:
            self._waiting[gated] -= 1
        line = self.lines[index]
        line.unticked -= 1
        if not line.unticked:
            self.ticked_lines[line.first] = line


def lines_of(steps: list[NodeStep], plan: Plan) -> list[Line]:
    """Return the line of each node; where several lines meet, the first goes on."""
    lines: list[Line] = []
    going_on: dict[int, Line] = {}
    for index, (step, triggered) in enumerate(zip(steps, plan.triggers, strict=True)):
        line = going_on.pop(index, None) or Line(index)
        line.steps.append(step)
        line.triggered = triggered
        line.unticked += 1
        lines.append(line)
        if len(triggered) == 1:
            going_on.setdefault(triggered[0], line)
    for index in plan.outputs:  # their lines always use the heap, in which the outputs wait
        lines[index].unticked += 1
    return lines


class _Emitting:
    """The `cycle` of a node that has outputs."""

    __slots__ = ("_places", "_session", "_step", "_turn")

    def __init__(
        self, step: Step, outputs: dict[OutputNode[Any], int], session: RunningSession
    ) -> None:
        self._step = step
        self._places = {id(node): index for node, index in outputs.items()}
        self._turn = next(iter(outputs)).turn
        self._session = session

    def __call__(self, state: GraphState) -> bool:
        """Run the node's cycle; the outputs that ticked in it run later in the same cycle."""
        turn, session = self._turn, self._session
        turn.cycle = session.cycle
        try:
            ticked = self._step(state)
        finally:
            turn.cycle = 0
        if turn.ticked:
            for output, before in turn.ticked:
                # The engine sets it again when the output runs, and opens gates at a first tick.
                output.ticked_in = before
                turn.waiting.append(output)
                if session.pending is not None:
                    heappush(session.pending, self._places[id(output)])
            turn.ticked.clear()
        return ticked


def _while_live(step: Step, session: RunningSession) -> Step:
    return lambda state: session.live and step(state)


def step_with_outputs(plan: Plan, index: int, step: Step, session: RunningSession) -> Step:
    """Return the step of a node, so that its outputs run when it ticks them.

    A node that is for the live part of a run alone does nothing before.
    """
    if plan.nodes[index].live_only and not session.live:
        step = _while_live(step, session)
    places = plan.outputs.get(index)
    if places is None:
        return step
    outputs = [(plan.nodes[place], place) for place in places]
    return _Emitting(
        step, {node: place for node, place in outputs if isinstance(node, OutputNode)}, session
    )
