"""Pass 8b: find the test that enters each block, and the tests of upstreams inside each `cycle`.

A test is data; a driver and the emitter turn it into text. A test depends on its place: inside a
block the block's clock holds, and after the node that sets a flag, the flag tells whether its clock
held.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from graphcore.engine.fused.analysis.clocks import SIDE_BY_SIDE, Block, Clock, Of, Placement
from graphcore.engine.fused.ir import Hole, NodeIR, Ticked, TickForm, Valid

_NONE: dict[Hole, "Test"] = {}


@dataclass(frozen=True, slots=True)
class Always:
    """The test is true at its place."""


@dataclass(frozen=True, slots=True)
class Never:
    """The test is false in every cycle."""


@dataclass(frozen=True, slots=True)
class Now:
    """The flag of this node was set in this cycle."""

    index: int


@dataclass(frozen=True, slots=True)
class Held:
    """The flag of this node was set in this run."""

    index: int


@dataclass(frozen=True, slots=True)
class IsDue:
    """An alarm or an event of this node starts the cycle."""

    index: int


@dataclass(frozen=True, slots=True)
class Case:
    """This node chose the output at this place in this cycle.

    Attributes:
        index: the index of the node.
        case: the output's place.
        inside: whether the node has certainly run in this cycle.
    """

    index: int
    case: int
    inside: bool


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of several tests holds."""

    tests: tuple["Test", ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of several tests hold."""

    tests: tuple["Test", ...]


Test = Always | Never | Now | Held | IsDue | Case | AnyOf | AllOf


@dataclass(slots=True)
class PlacedNode:
    """A node with its tests and the block of its dependants.

    Attributes:
        index: its index.
        tests: for each hole that asks for an upstream's tick, the test.
        dependants: the block that is emitted where the node ticks, and nowhere else.
        sets_flag: whether it sets a flag of its own when it ticks.
        starts: if `Placed.sparse`, the first nodes of the blocks that its tick starts.
        is_output: whether it is an output, which runs with its owner and not at its index.
    """

    index: int
    tests: Mapping[Hole, Test]
    dependants: "PlacedBlock | None" = None
    sets_flag: bool = False
    starts: tuple[int, ...] = ()
    is_output: bool = False


@dataclass(slots=True)
class PlacedBlock:
    """A block with its test and its contents.

    Attributes:
        first: the index of its first node.
        test: the test that enters it.
        items: its nodes, and the blocks between them.
        counter: the index of the node whose flag is set at the end of the block.
        starts: if `Placed.sparse`, the first nodes of the blocks that start once it has run.
        flag_of: the nodes that tick whenever the block runs.
    """

    first: int
    test: Test
    items: list["PlacedNode | PlacedBlock"] = field(default_factory=list)
    counter: int | None = None
    starts: tuple[int, ...] = ()
    flag_of: tuple[int, ...] = ()


@dataclass(slots=True)
class Placed:
    """All nodes and blocks with their tests.

    Attributes:
        top: the block of every cycle.
        sparse: whether blocks wait in a heap until something starts them; the cost of a cycle is
            then that of the blocks that run, not of all blocks.
    """

    top: PlacedBlock
    sparse: bool


def place(nodes: Sequence[NodeIR], placement: Placement) -> Placed:
    """Return the nodes and blocks with their tests."""
    return _Placing(nodes, placement).placed()


class _Placing:
    """Walks through the blocks in the order in which they run."""

    def __init__(self, nodes: Sequence[NodeIR], placement: Placement) -> None:
        self._nodes = nodes
        self._placement = placement
        self._inside = placement.every
        self._flagged: set[Clock] = set()
        self._starts: dict[Clock, list[int]] = {}

    def placed(self) -> Placed:
        top = self._placement.top
        blocks = [item for item in top.items if isinstance(item, Block)]
        sparse = len(top.items) > SIDE_BY_SIDE and len(blocks) == len(top.items)
        if not sparse:
            return Placed(self._block(top, Always()), False)
        opened: set[Clock] = set()
        for block in blocks:
            for clock in _starters(block.clock, opened):
                self._starts.setdefault(clock, []).append(block.first)
            opened.update(_clocks(block))
        placed = PlacedBlock(top.first, Always(), flag_of=self._flag_of(top))
        for block in blocks:
            # A block is in the heap because its upstream ticked, so only the values that it waits
            # for are left to test.
            checks = AllOf(tuple(map(self._has_held, block.clock.checked)))
            if block.clock.of is Of.CASE:
                checks = AllOf((Case(block.clock.node, block.clock.case, False),))
            placed.items.append(self._block(block, checks))
        return Placed(placed, True)

    def _block(self, block: Block, test: Test) -> PlacedBlock:
        outside, self._inside = self._inside, block.clock
        placed = PlacedBlock(block.first, test, counter=block.counter, flag_of=self._flag_of(block))
        position = 0
        while position < len(block.items):
            item = block.items[position]
            position += 1
            if isinstance(item, Block):
                placed.items.append(self._block(item, self._holds(item.clock)))
                continue
            while position < len(block.items) and self._is_fused_output(
                block.items[position], item
            ):
                # Before its owner, whose code ticks it.
                placed.items.append(self._node(cast(int, block.items[position])))
                position += 1
            following = block.items[position] if position < len(block.items) else None
            node = self._node(item)
            placed.items.append(node)
            ticks = self._placement.ticks[item]
            # A node that ticks whenever it runs has a clock of its own in a resumable sub-graph.
            at_end = self._nodes[item].tick_form in (TickForm.TAIL, TickForm.ALWAYS)
            own = at_end and ticks.of is Of.CHOICE and ticks.node == item
            if own and isinstance(following, Block) and following.clock is ticks:
                node.dependants = self._block(following, Always())
                position += 1
        self._inside = outside
        if block.counter is not None and block.clock.flag == block.counter:
            self._flagged.add(block.clock)
            placed.starts = tuple(self._starts.get(block.clock, ()))
        return placed

    def _is_fused_output(self, item: int | Block, owner: int) -> bool:
        if isinstance(item, Block):
            return False
        node = self._nodes[item]
        return node.owner == owner and node.case < 0 and node.cycle is not None

    def _flag_of(self, block: Block) -> tuple[int, ...]:
        own = (item for item in block.items if not isinstance(item, Block))
        return tuple(item for item in own if self._placement.ticks[item] is block.clock)

    def _node(self, index: int) -> PlacedNode:
        node = self._nodes[index]
        tests: dict[Hole, Test] = _NONE
        if node.cycle is not None and node.cycle.asks_ticks:
            tests = {}
            for hole in node.cycle.holes:
                if isinstance(hole, Ticked | Valid):
                    upstream = node.upstreams[hole.attribute, hole.place]
                    if isinstance(hole, Valid) and self._nodes[upstream].begun:
                        tests[hole] = Always()
                        continue
                    ticks = self._placement.ticks[upstream]
                    ask = self._holds if isinstance(hole, Ticked) else self._has_held
                    tests[hole] = Never() if ticks.of is Of.NEVER else ask(ticks)
        placed = PlacedNode(index, tests, is_output=node.owner >= 0 and not node.is_branch)
        ticks = self._placement.ticks[index]
        if ticks.of is Of.CHOICE and ticks.node == index:
            placed.sets_flag = True
            placed.starts = tuple(self._starts.get(ticks, ()))
            self._flagged.add(ticks)
        return placed

    def _holds(self, clock: Clock) -> Test:
        """Return the test of whether a clock holds in this cycle."""
        if self._inside.implies(clock):
            return Always()
        if clock in self._flagged:
            assert clock.flag is not None
            return Now(clock.flag)
        match clock.of:
            case Of.DUE:
                return IsDue(clock.node)
            case Of.CASE if clock.above is not None:
                return Case(clock.node, clock.case, self._inside.implies(clock.above))
            case Of.ANY:
                tests = tuple(map(self._holds, clock.members))
                return Always() if Always() in tests else AnyOf(tests)
            case Of.VALID if clock.above is not None:
                above = self._holds(clock.above)
                checks = tuple(map(self._has_held, clock.checked))
                if above != Always() and clock.above.members == clock.checked and len(checks) == 2:
                    # A clock that holds now has also held, so each side tests only the other clock.
                    first, second = map(self._holds, clock.checked)
                    return AnyOf((AllOf((first, checks[1])), AllOf((second, checks[0]))))
                return AllOf((above, *checks))
        raise AssertionError(f"{clock} is asked for before it can hold")

    def _has_held(self, clock: Clock) -> Test:
        """Return the test of whether a clock has held in this run."""
        if self._inside.has_held(clock):
            return Always()
        if clock.of is Of.NEVER or clock.flag is None:
            return Never()
        return Held(clock.flag)


def nodes_in(block: PlacedBlock) -> Iterator[int]:
    """Yield the nodes of a block and of the blocks in it."""
    for item in block.items:
        if isinstance(item, PlacedBlock):
            yield from nodes_in(item)
            continue
        yield item.index
        if item.dependants is not None:
            yield from nodes_in(item.dependants)


def asked_flags(block: PlacedBlock) -> Iterator[int]:
    """Yield the nodes whose flags a test asks for, some several times."""
    yield from _flags_in(block.test)
    for item in block.items:
        if isinstance(item, PlacedBlock):
            yield from asked_flags(item)
            continue
        for test in item.tests.values():
            yield from _flags_in(test)
        if item.dependants is not None:
            yield from asked_flags(item.dependants)


def _flags_in(test: Test) -> Iterator[int]:
    match test:
        case Now(index) | Held(index):
            yield index
        case AnyOf(tests) | AllOf(tests):
            for each in tests:
                yield from _flags_in(each)


def _starters(clock: Clock, opened: Container[Clock]) -> Iterator[Clock]:
    """Yield the clocks that start a block of this clock."""
    if clock.of is Of.CHOICE or clock in opened:
        yield clock
    elif clock.of is Of.ANY:
        for member in clock.members:
            yield from _starters(member, opened)
    elif clock.of in (Of.VALID, Of.CASE) and clock.above is not None:
        yield from _starters(clock.above, opened)


def _clocks(block: Block) -> Iterator[Clock]:
    if block.counter is not None:
        yield block.clock
    for item in block.items:
        if isinstance(item, Block):
            yield from _clocks(item)
