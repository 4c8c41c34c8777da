"""The closing instant: after the last ordinary cycle, nodes say what they still hold (R14).

Whatever tier ran, these cycles call node by node. A node closes once nothing more can reach it at
this instant: not before the queues upstream of it are empty.
"""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from graphcore.engine.interpreted import Cycles
from graphcore.engine.notes import noted
from graphcore.engine.plan import Plan
from graphcore.engine.run.running import RunningSession
from graphcore.engine.run.session import Session


def close(plan: Plan, session: Session) -> None:
    """Run the closing instant of a run, if a node closes or a queue drains."""
    session.begin_closing()
    time = session.schedule.next_time()
    if plan.closing or (time is not None and time <= session.time):
        closing = Closing(plan, session)
        while (due := session.next_closing(bool(closing.left))) is not None:
            closing.run(due)


class Closing:
    """The closing instant of a graph or of a sub-graph, cycle by cycle.

    Args:
        plan: the graph.
        session: its session.

    Attributes:
        cycles: the nodes' cycles.
        left: the nodes that are still to close.
    """

    def __init__(self, plan: Plan, session: RunningSession) -> None:
        self._plan = plan
        self._session = session
        self.cycles = Cycles(plan, session)
        self.left = set(plan.closing)
        self._readers: list[list[int]] = []
        self._awaited: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())

    def run(self, due: list[int]) -> None:
        """Run a cycle.

        Args:
            due: the nodes that start it; the list is used up.
        """
        if self.left:
            self._cycle(due)
        else:
            self.cycles.run(due)

    def _cycle(self, due: list[int]) -> None:
        """Run a cycle in which nodes may close."""
        cycles, triggers = self.cycles, self._plan.triggers
        started = self._session.pending = []
        triggered = set(due)
        pending = [*due, *self.left]
        heapify(pending)
        index = -1
        while pending:
            last, index = index, heappop(pending)
            if index == last:
                continue
            ticked = index in triggered and cycles.step(index)
            triggered.discard(index)
            if not ticked and index in self.left and not self._may_run_again(index, triggered):
                self.left.discard(index)
                ticked = self._close(index)
            if started:  # outputs that the node ticked
                triggered.update(started)
                for each in started:
                    heappush(pending, each)
                started.clear()
            if ticked:
                triggered.update(triggers[index])
                for each in triggers[index]:
                    heappush(pending, each)

    def _close(self, index: int) -> bool:
        session, node = self._session, self._plan.nodes[index]
        if node.live_only and not session.live:
            return False
        withholding, state = session.withheld.get(index), session.states[index]
        try:
            if withholding is None:
                ticked = bool(node.close(state))
            else:
                ticked = withholding.call(node.close, state)
        except Exception as error:
            noted(error, self._plan, index, session, "close")
            raise
        if ticked:
            self.cycles.tick(index)
        return ticked

    def _may_run_again(self, index: int, triggered: Iterable[int]) -> bool:
        """Return whether an alarm for this instant, of this node or upstream of it, is left.

        Args:
            index: the node.
            triggered: the nodes that are still to run in this cycle; a feedback may lead from them
                to a node that has had its turn.
        """
        waiting = self._session.due_now()
        if not triggered and not waiting:
            return False
        return index in self._downstream(frozenset(waiting.union(triggered)))

    def _downstream(self, nodes: frozenset[int]) -> frozenset[int]:
        """Return these nodes, and all that read them directly or through others."""
        if self._awaited[0] != nodes:
            readers = self._readers or self._find_readers()
            found, waiting = set(nodes), list(nodes)
            while waiting:
                more = [each for each in readers[waiting.pop()] if each not in found]
                found.update(more)
                waiting += more
            self._awaited = nodes, frozenset(found)
        return self._awaited[1]

    def _find_readers(self) -> list[list[int]]:
        """Return for each node its readers, and the nodes that it feeds back to."""
        plan, places = self._plan, {id(node): i for i, node in enumerate(self._plan.nodes)}
        readers: list[list[int]] = [[] for _ in plan.nodes]
        for index, node in enumerate(plan.nodes):
            for each in plan.active[index] + plan.passive[index]:
                readers[each].append(index)
            readers[index] += (places[id(each)] for each in node.partners())
        self._readers = readers
        return readers
