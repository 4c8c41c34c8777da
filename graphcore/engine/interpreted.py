"""The interpreted tier: each node's `cycle` is called, one after the other.

The nodes to run wait in a heap of their indices, which is the order of R2: a node that ticks adds
those it triggers, which all come behind it. An index that was added twice is met twice in a row.
Where nothing else waits, a node's only dependant runs without a way through the heap.

What matters only until a node first ticks, that its inputs have values (R5) and that others wait
for its own, stands in a function that takes the place of its `cycle` until then.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from graphcore.engine.notes import add_note
from graphcore.engine.plan import Node, Plan
from graphcore.engine.session import Session
from graphcore.state import GraphState

# A node, what runs it, its state, those it triggers, and that one if it is the only one, else 0:
# the first node in the order is triggered by none.
_Step = tuple[Node, Callable[[GraphState], bool], GraphState, tuple[int, ...], int]


def run(plan: Plan, session: Session) -> None:
    """Run the plan's nodes cycle by cycle until the session is over."""
    steps = _steps(plan, session)
    for pending in iter(session.next_cycle, None):
        heapify(pending)
        cycle = session.cycle
        index = -1
        try:
            while pending:
                last, index = index, heappop(pending)
                if index == last:
                    continue
                while True:
                    node, run_node, state, triggers, only = steps[index]
                    if not run_node(state):
                        break
                    node.ticked_in = cycle
                    if only and not pending:
                        index = only
                        continue
                    for triggered in triggers:
                        heappush(pending, triggered)
                    break
        except Exception as error:
            add_note(error, plan, index, session.time)
            raise


def _steps(plan: Plan, session: Session) -> list[_Step]:
    waiting = plan.inputs.copy()
    steps: list[_Step] = []

    def until_first_tick(index: int, node: Node) -> Callable[[GraphState], bool]:
        cycle = node.cycle

        def run_node(state: GraphState) -> bool:
            if waiting[index] or not cycle(state):
                return False
            for gated in plan.gated[index]:
                waiting[gated] -= 1
            steps[index] = (node, cycle, *steps[index][2:])
            return True

        return run_node

    for index, node in enumerate(plan.nodes):
        triggers = plan.triggers[index]
        only = triggers[0] if len(triggers) == 1 else 0
        steps.append((node, until_first_tick(index, node), session.states[index], triggers, only))
    return steps
