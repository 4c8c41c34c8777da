"""Pass 8a: give each node the clock under which it runs, and put the nodes into blocks.

A clock is a set of cycles: those in which a condition holds. Clocks form a tree: a clock holds only
    in cycles in which its parent holds. A node that ticks whenever it runs passes its own clock on
    to its dependants; a node that ticks in some of its cycles makes a child clock for them. This is
    the clock calculus
of the synchronous languages (Caspi et al. 1987, "LUSTRE: a declarative language for programming
synchronous systems").

Blocks follow the order of R2. Neighbours under one clock share a block. A block is nested in the
block of its parent clock while that block is still open; after that, a new block tests a flag.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from graphcore.engine.fused.ir import NodeIR, TickForm

_DEEPEST = 40
_FEW = 8
SIDE_BY_SIDE = 24  # blocks that are tested one by one; more wait in a heap
_MOST_LOOKED_AT = 64  # clocks for one answer; giving up ("not known") costs one more test


class Of(Enum):
    """The kinds of conditions."""

    EVERY = "every cycle"
    DUE = "an alarm or an event of a node"
    CHOICE = "a node that ticks in some of the cycles in which it runs"
    ANY = "one of several clocks"
    VALID = "the parent clock, once other nodes have a value"
    CASE = "a node that chose one of its outputs"
    NEVER = "nothing"


@dataclass(eq=False, slots=True)
class Clock:
    """A condition that holds in some cycles, and so the set of those cycles.

    Attributes:
        of: the kind of condition.
        above: the parent clock; `None` for the clock of every cycle.
        node: of `DUE`, `CHOICE` and `CASE`, the index of the node.
        case: of `CASE`, the place of the output.
        members: of `ANY`, the clocks; at least one must hold.
        checked: of `VALID`, the clocks that must all have held in this run.
        flag: the index of the node whose flag tells, later in the cycle, that the clock held.
        depth: the number of its ancestors.
    """

    of: Of
    above: "Clock | None" = None
    node: int = -1
    members: tuple["Clock", ...] = ()
    checked: tuple["Clock", ...] = ()
    flag: int | None = None
    case: int = -1
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        self.depth = 0 if self.above is None else self.above.depth + 1

    def implies(self, other: "Clock") -> bool:
        """Return whether the other clock, this one or an ancestor, holds whenever this one does."""
        clock: Clock | None = self
        while clock is not None and clock.depth > other.depth:
            clock = clock.above
        return clock is other

    def has_held(self, other: "Clock") -> bool:
        """Return whether the other clock has surely held in the run by the time this one holds."""
        return self._has_held(other, {})

    def _has_held(self, other: "Clock", answers: dict[int, bool]) -> bool:
        # The number of paths to a clock doubles with each join, so each clock is visited once.
        known = answers.get(id(self))
        if known is not None or len(answers) >= _MOST_LOOKED_AT:
            return bool(known)
        answers[id(self)] = False
        clock: Clock | None = self
        while clock is not None and len(answers) < _MOST_LOOKED_AT:
            answers.setdefault(id(clock), False)
            members = clock.members if len(clock.members) <= _FEW else ()
            if (
                clock is other
                or other in clock.checked
                or (members and all(member._has_held(other, answers) for member in members))
            ):
                answers[id(self)] = True
                return True
            clock = clock.above
        return False


@dataclass(eq=False, slots=True)
class Block:
    """Nodes, and blocks between them, that run under one clock.

    Attributes:
        clock: the clock.
        items: indices of nodes, and blocks.
        counter: the index of the first node that ticks with the block; its flag is the block's.
    """

    clock: Clock
    items: list["int | Block"] = field(default_factory=list)
    counter: int | None = None

    @property
    def first(self) -> int:
        """The index of the block's first node."""
        item = self.items[0]
        return item.first if isinstance(item, Block) else item


class Placement:
    """Each node's clocks, and the blocks.

    Args:
        nodes: the nodes in the order of R2.
        resumable: whether cycles may follow one in which a node raised, so that no node's tick
            tells that another ticked.

    Attributes:
        runs: for each node, the clock under which it runs.
        ticks: for each node, the clock of its ticks.
        top: the block of every cycle.
    """

    def __init__(self, nodes: Sequence[NodeIR], resumable: bool = False) -> None:
        self.every = Clock(Of.EVERY)
        self.never = Clock(Of.NEVER, self.every)
        self.runs: list[Clock] = []
        self.ticks: list[Clock] = []
        self._known: dict[tuple[object, ...], Clock] = {}
        self._woken = {index for index, node in enumerate(nodes) if node.woken}
        # In a larger graph, a node without a block would keep the others' blocks out of the heap.
        self._is_small = len(nodes) <= SIDE_BY_SIDE
        for index, node in enumerate(nodes):
            runs = self._running(index, node, nodes)
            self.runs.append(runs)
            if runs is self.never or node.tick_form is TickForm.NEVER:
                self.ticks.append(self.never)
            elif node.tick_form is TickForm.ALWAYS and not resumable:
                self.ticks.append(runs)
            else:
                self.ticks.append(Clock(Of.CHOICE, runs, index, flag=index))
        self.top = self._blocks(nodes)

    def _running(self, index: int, node: NodeIR, nodes: Sequence[NodeIR]) -> Clock:
        if node.owner >= 0:
            runs = self.runs[node.owner]
            if not node.is_branch or runs is self.never:
                return runs
            return Clock(Of.CASE, runs, node.owner, case=node.case)
        triggers = list(dict.fromkeys(self.ticks[upstream] for upstream in node.active))
        triggers = [clock for clock in triggers if clock is not self.never]
        if node.woken:
            due = self.every if len(self._woken) == 1 else Clock(Of.DUE, self.every, index)
            triggers.append(due)
        if not triggers:
            return self.never
        if self._is_small and not node.needs_all:
            began = {clock.node for clock in triggers if clock.of is Of.DUE}
            if began == self._woken:  # an alarm or an event begins each cycle
                return self.every
        runs = self._any(triggers)
        if not node.needs_all:
            return runs
        needed = dict.fromkeys(
            self.ticks[each] for each in (*node.active, *node.passive) if not nodes[each].begun
        )
        if self.never in needed:
            return self.never
        checked = tuple(clock for clock in needed if not runs.has_held(clock))
        if not checked:
            return runs
        return self._clock(Of.VALID, runs, checked=checked)

    def _any(self, clocks: list[Clock]) -> Clock:
        if len(clocks) == 1:
            return clocks[0]
        if self.every in clocks:
            return self.every
        if len(clocks) <= _FEW:
            clocks = [
                clock
                for clock in clocks
                if not any(clock is not other and clock.implies(other) for other in clocks)
            ]
            if len(clocks) == 1:
                return clocks[0]
        return self._clock(Of.ANY, _common(clocks), members=tuple(clocks))

    def _clock(
        self,
        of: Of,
        above: Clock,
        members: tuple[Clock, ...] = (),
        checked: tuple[Clock, ...] = (),
    ) -> Clock:
        """Return the clock of this condition: the same object whenever it is asked for again."""
        key = (of, id(above), frozenset(map(id, members)), frozenset(map(id, checked)))
        if key not in self._known:
            self._known[key] = Clock(of, above, members=members, checked=checked)
        return self._known[key]

    def _blocks(self, nodes: Sequence[NodeIR]) -> Block:
        top = Block(self.every)
        stack = [top]
        # An output reads nothing but its owner, so its place among other nodes does not matter.
        outputs: dict[int, list[int]] = {}
        for node in nodes:
            if node.owner >= 0 and not node.is_branch:
                outputs.setdefault(node.owner, []).append(node.index)
        for index, clock in enumerate(self.runs):
            if clock is self.never or (nodes[index].owner >= 0 and not nodes[index].is_branch):
                continue
            while len(stack) > 1 and not clock.implies(stack[-1].clock):
                stack.pop()
            if stack[-1].clock is not clock:
                if len(stack) >= _DEEPEST:
                    del stack[1:]
                block = Block(clock)
                stack[-1].items.append(block)
                stack.append(block)
            block = stack[-1]
            block.items += [index, *outputs.get(index, ())]
            always_ticks = self.ticks[index] is clock
            if always_ticks and block.counter is None and block is not top:
                block.counter = index
                if clock.flag is None:
                    clock.flag = index
        return top


def _common(clocks: list[Clock]) -> Clock:
    """Return the deepest common ancestor of the clocks."""
    found = clocks[0]
    for clock in clocks[1:]:
        while found is not clock:
            if found.depth >= clock.depth:
                found = found.above or found
            else:
                clock = clock.above or clock
    return found
