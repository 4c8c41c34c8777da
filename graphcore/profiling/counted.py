"""The interpreted tier with a count of each node's runs and ticks, and the time of some cycles.

Each step is called by a function that counts. To time each step would cost more than most steps
take; so only the steps of about one cycle in `_EVERY` are timed, and the times are multiplied. The
gaps between these cycles are drawn anew each time, since the cycles of a graph may have a rhythm.
"""

from collections.abc import Callable, Sequence
from copy import copy
from random import Random
from time import perf_counter_ns

from graphcore.engine.interpreted import Cycles, Interpreted, NodeStep, lines_of
from graphcore.engine.plan import Plan
from graphcore.engine.run.session import Session
from graphcore.engine.withheld import Step
from graphcore.node import MutableNode
from graphcore.state import GraphState

_EVERY = 16


class Counts:
    """What was counted in a run.

    Args:
        count: how many nodes there are.

    Attributes:
        ticks: for each node, in how many cycles it ticked.
        misses: for each node, in how many it ran and did not tick.
        timed: for each node, how many of its runs were timed.
        time: for each node, how long these took, ns.
        longest: for each node, how long the longest of them took, and the second longest, ns.
    """

    def __init__(self, count: int) -> None:
        self.ticks = [0] * count
        self.misses = [0] * count
        self.timed = [0] * count
        self.time = [0] * count
        self.longest = [(0, 0)] * count

    def seconds(self, index: int) -> float:
        """Return about how long a node ran, s.

        A timed run stands for some 16 runs, except for the time by which the longest exceeds the
        second longest: if the system gave the processor to another process meanwhile, 16 times that
        wait could exceed all that the graph computes.
        """
        timed = self.timed[index]
        if not timed:
            return 0.0
        runs = self.ticks[index] + self.misses[index]
        longest, second = self.longest[index]
        once = longest - second if timed > 1 else 0
        # To read the clock takes time as well.
        time = max(0, self.time[index] - once - timed * _clock_time())
        return (time / timed * runs + once) / 1e9

    def add_time(self, index: int, time: int) -> None:
        """Add the time of a run, ns."""
        self.timed[index] += 1
        self.time[index] += time
        longest, second = self.longest[index]
        if time > second:
            self.longest[index] = (time, longest) if time > longest else (longest, time)


class CountedInterpreted(Interpreted):
    """The interpreted tier for one plan and one run.

    Args:
        plan: what is run.
        always: for each node, whether it ticks whenever it runs.

    Attributes:
        counts: what was counted.
    """

    def __init__(self, plan: Plan, always: Sequence[bool]) -> None:
        super().__init__(plan)
        self.counts = Counts(len(plan.nodes))
        self._always = always

    def run(self, session: Session) -> None:
        """Run the plan's nodes cycle by cycle until the session is over."""
        counted = Cycles(self._plan, session)
        timed = copy(counted)
        steps = counted.steps
        counted.steps = _wrapped(steps, _counted, self.counts)
        lines = _CountedLines(steps, self._plan, self._always)
        counted.lines, counted.ticked_lines = lines.lines, {}
        timed.steps = _wrapped(steps, _timed, self.counts)
        timed.lines, timed.ticked_lines = lines_of(timed.steps, self._plan), {}
        gap, next_cycle, run = Random(0).randint, session.next_cycle, counted.run
        left = _EVERY  # the first cycles are counted, and so these lines learn of first ticks
        try:
            while True:
                pending = next_cycle()
                if pending is None:
                    return
                left -= 1
                if left:
                    run(pending)
                else:
                    timed.run(pending)
                    left = gap(1, 2 * _EVERY - 1)
        finally:
            lines.add_to(self.counts)


class _CountedLines:
    """Lines that count how often they ran to their end, and the steps that may not tick.

    A node that always ticks ran as often as the next counted step of its line.

    Args:
        steps: for each node, what runs it.
        plan: what is run.
        always: for each node, whether it ticks whenever it runs.

    Attributes:
        lines: the line of each node.
    """

    def __init__(self, steps: list[NodeStep], plan: Plan, always: Sequence[bool]) -> None:
        self._counts = Counts(len(steps))
        self._always = always
        self.lines = lines_of(
            [
                (one if always[index] else _counted(one, self._counts, index), state, node)
                for index, (one, state, node) in enumerate(steps)
            ],
            plan,
        )
        self._nodes: dict[int, list[int]] = {}
        for index, line in enumerate(self.lines):
            self._nodes.setdefault(line.first, []).append(index)
        self._ends = Counts(len(steps))
        for first in self._nodes:
            _, state, _ = steps[first]
            # A further step at the end of the line; nothing reads the ticks of its node.
            end: MutableNode[None] = MutableNode()
            self.lines[first].steps.append((_counted(_ticks, self._ends, first), state, end))

    def add_to(self, counts: Counts) -> None:
        """Add what was counted."""
        for first, nodes in self._nodes.items():
            reached = self._ends.ticks[first]
            for index in reversed(nodes):
                if self._always[index]:
                    counts.ticks[index] += reached
                else:
                    counts.ticks[index] += self._counts.ticks[index]
                    counts.misses[index] += self._counts.misses[index]
                    reached = self._counts.ticks[index] + self._counts.misses[index]


def _wrapped(
    steps: list[NodeStep], wrap: Callable[[Step, Counts, int], Step], counts: Counts
) -> list[NodeStep]:
    return [
        (wrap(step, counts, index), state, node) for index, (step, state, node) in enumerate(steps)
    ]


def _ticks(state: GraphState) -> bool:
    return True


def _counted(step: Step, counts: Counts, index: int) -> Step:
    ticks, misses = counts.ticks, counts.misses

    def run(state: GraphState) -> bool:
        if step(state):
            ticks[index] += 1
            return True
        misses[index] += 1
        return False

    return run


def _timed(step: Step, counts: Counts, index: int) -> Step:
    counted = _counted(step, counts, index)
    now, add_time = perf_counter_ns, counts.add_time

    def run(state: GraphState) -> bool:
        began = now()
        try:
            return counted(state)
        finally:
            add_time(index, now() - began)

    return run


def _clock_time() -> float:
    """Return how much longer a timed step seems to take than it does, ns."""
    global _measured
    if _measured is None:
        counts = Counts(1)
        step = _timed(_ticks, counts, 0)
        state = GraphState.__new__(GraphState)
        best = min(_time_of(step, state, counts) for _ in range(20))
        began = perf_counter_ns()
        for _ in range(100):
            _ticks(state)
        _measured = max(0.0, best - (perf_counter_ns() - began) / 100)
    return _measured


def _time_of(step: Step, state: GraphState, counts: Counts) -> float:
    counts.time[0] = 0
    for _ in range(100):
        step(state)
    return counts.time[0] / 100


_measured: float | None = None
