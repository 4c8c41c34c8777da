"""The tier that chooses: native where that pays, fused otherwise. The results are the same.

Native pays where the time that it saves is longer than that of making the machine code. The rules
are measured: on one core, CPython 3.11, making it takes 20 to 60 ms for graphs of up to 50 nodes,
and a cycle takes 70 to 500 ns less, where the events come in arrays. For events in lists, copying
them into arrays costs 100 ns a cycle, which is what machine code saves on a small graph.
"""

from graphcore.engine.native.run import Prepared, Run
from graphcore.engine.native.tier import Native
from graphcore.engine.run.session import Session
from graphcore.node import Source
from graphcore.state import RunMode

FEWEST_EVENTS = 250_000
FEWEST_AGAIN = 10_000  # once machine code for the graph is there


class Auto(Native):
    """The tier that chooses, for one plan.

    Args:
        plan: the plan to run.
    """

    _left_most = False  # whether a run left most of its cycles for Python

    def go_on(self, run: Run) -> None:
        """Run the cycles of a run."""
        super().go_on(run)
        told = run.told
        if (told.left or told.why) and told.all > 2 * told.cycles:
            self._left_most = True

    @property
    def takes_more(self) -> bool:
        """Whether further graphs of this shape may run beside each other, by `beside`."""
        return super().takes_more and not self._left_most

    def _prepare(self, session: Session) -> Prepared | str:
        if session.run_mode is RunMode.REALTIME or session.watched:
            return super()._prepare(session)
        if self._left_most:
            return "an earlier run left most of its cycles for Python"
        events = [
            length
            for node in self._plan.nodes
            if isinstance(node, Source) and (length := node.length(session.start_time)) is not None
        ]
        if not events:
            return "no source has its events in arrays"
        most = max(events)
        if session.limit is not None:
            most = min(most, session.limit)
        fewest = FEWEST_AGAIN
        if not self._has_machine_code():
            # Machine code for one graph serves all that are to run, as in a sweep.
            graphs = 1 if self.why_alone else self.runs
            fewest = max(FEWEST_AGAIN, FEWEST_EVENTS // graphs)
        if most < fewest:
            return f"machine code pays from {fewest:,} events on, and here are {most:,}"
        return super()._prepare(session)

    def _has_machine_code(self) -> bool:
        made = self._prepared
        return made is not None and isinstance(made[1], Prepared) and bool(made[1].machines)
