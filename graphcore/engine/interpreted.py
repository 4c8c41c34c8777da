"""The interpreted tier: each node's `cycle` is called, one after the other.

The nodes to run wait in a heap of their indices, which is the order of R2: a node that ticks adds
those it triggers, which all come behind it. An index that was added twice is met twice in a row.
"""

from heapq import heapify, heappop, heappush

from graphcore.engine.notes import add_note
from graphcore.engine.plan import Plan
from graphcore.engine.session import Session


def run(plan: Plan, session: Session) -> None:
    """Run the plan's nodes cycle by cycle until the session is over."""
    nodes, triggers, states = plan.nodes, plan.triggers, session.states
    cycles = [node.cycle for node in nodes]
    waiting = plan.inputs.copy()
    for pending in iter(session.next_cycle, None):
        heapify(pending)
        cycle = session.cycle
        index = -1
        try:
            while pending:
                last, index = index, heappop(pending)
                if index == last:
                    continue
                while not waiting[index] and cycles[index](states[index]):
                    node = nodes[index]
                    if not node.ticked_in:
                        for gated in plan.gated[index]:
                            waiting[gated] -= 1
                    node.ticked_in = cycle
                    triggered = triggers[index]
                    if len(triggered) == 1 and not pending:
                        index = triggered[0]
                        continue
                    for each in triggered:
                        heappush(pending, each)
                    break
        except Exception as error:
            add_note(error, plan, index, session.time)
            raise
