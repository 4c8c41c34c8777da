"""Pass 8b: the tests that enter blocks, and the tests of upstreams inside nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

import pytest
from hypothesis import HealthCheck, given, settings

from graphcore.engine.fused.analysis import tests as module
from graphcore.engine.fused.analysis.clocks import Placement
from graphcore.engine.fused.analysis.tests import (
    AllOf,
    Always,
    AnyOf,
    Held,
    IsDue,
    Never,
    Now,
    Placed,
    PlacedBlock,
    PlacedNode,
    Test,
    place,
)
from graphcore.engine.fused.ir import Do, Hole, NodeIR, Ticked, TickForm, Valid
from tests.engine.fused.made import always, called, chooses, cycle_of, never, node, nodes, source
from tests.engine.fused.rules import Cycle, Ran, by_the_rules, may_tick, runs


def placed(*made: NodeIR) -> Placed:
    graph = nodes(*made)
    return place(graph, Placement(graph))


def block_at(found: Placed | PlacedBlock, place: int) -> PlacedBlock:
    block = found.top if isinstance(found, Placed) else found
    item = block.items[place]
    assert isinstance(item, PlacedBlock)
    return item


def node_at(found: Placed | PlacedBlock, place: int) -> PlacedNode:
    block = found.top if isinstance(found, Placed) else found
    item = block.items[place]
    assert isinstance(item, PlacedNode)
    return item


def asking(*active: int, passive: tuple[int, ...] = (), waits: bool = True) -> NodeIR:
    """Return a node that asks whether its upstreams ticked and whether they are valid."""
    places = range(len(active) + len(passive))
    asked = [kind("sources", place) for place in places for kind in (Ticked, Valid)]
    return node(active, passive, cycle_of(Do(tuple(asked))), waits=waits)


def test_nodes_that_run_in_every_cycle_need_no_test() -> None:
    found = placed(source(), always(0), always(1))
    assert [node_at(found, n).index for n in range(3)] == [0, 1, 2]
    assert (found.top.test, found.top.flag_of, found.sparse) == (Always(), (0, 1, 2), False)
    assert not any(node_at(found, n).sets_flag for n in range(3))


def test_dependants_of_a_node_that_may_not_tick_are_placed_where_it_ticks() -> None:
    chosen = node_at(placed(source(), chooses(0), always(1), always(2)), 1)
    assert chosen.sets_flag
    assert chosen.dependants is not None
    assert chosen.dependants.test == Always()
    assert [node_at(chosen.dependants, n).index for n in range(2)] == [2, 3]
    assert (chosen.dependants.counter, chosen.dependants.flag_of) == (2, (2, 3))


def test_a_node_that_ticks_in_several_places_has_its_dependants_after_it() -> None:
    several = node((0,), (), cycle_of(form=TickForm.FLAG))
    found = placed(source(), several, always(1))
    assert node_at(found, 1).dependants is None
    assert block_at(found, 2).test == Now(1)


def test_a_block_that_is_opened_again_tests_the_flag() -> None:
    found = placed(source(), chooses(0), always(1), chooses(0), always(3), always(1))
    assert block_at(found, 3).test == Now(1)


def test_each_of_several_sources_is_tested_for_being_due() -> None:
    found = placed(source(), source(), always(0), always(1))
    tests = [block_at(found, n).test for n in range(4)]
    assert tests == [IsDue(0), IsDue(1), Now(0), Now(1)]


def test_a_node_under_several_clocks_runs_if_one_of_them_holds() -> None:
    found = placed(source(), chooses(0), chooses(0), always(1, 2, waits=False))
    assert block_at(found, 3).test == AnyOf((Now(1), Now(2)))


def test_each_side_of_a_join_tests_only_the_other() -> None:
    found = placed(source(), chooses(0), chooses(0), always(1, 2))
    sides = AllOf((Now(1), Held(2))), AllOf((Now(2), Held(1)))
    assert block_at(found, 3).test == AnyOf(sides)


def test_a_value_that_may_be_missing_is_tested_for() -> None:
    found = placed(source(), chooses(0), always(0, passive=(1,)))
    assert block_at(found, 2).test == AllOf((Always(), Held(1)))


@pytest.mark.parametrize(
    ("upstream", "ticked", "valid"),
    [
        (always(0), Always(), Always()),
        (chooses(0), Now(1), Held(1)),
        (called(0), Now(1), Held(1)),
        (never(0), Never(), Never()),
    ],
)
def test_a_node_tests_its_upstreams_only_for_what_is_not_known(
    upstream: NodeIR, ticked: Test, valid: Test
) -> None:
    found = placed(source(), upstream, asking(0, passive=(1,), waits=False))
    tests = node_at(found, 2).tests
    assert (tests[Ticked("sources", 0)], tests[Valid("sources", 0)]) == (Always(), Always())
    assert (tests[Ticked("sources", 1)], tests[Valid("sources", 1)]) == (ticked, valid)


def test_a_node_deep_in_the_blocks_does_not_test_the_clocks_above() -> None:
    found = placed(source(), chooses(0), chooses(1), asking(2, passive=(1, 0)))
    outer = node_at(found, 1).dependants
    assert outer is not None
    inner = node_at(outer, 0).dependants
    assert inner is not None
    assert set(node_at(inner, 0).tests.values()) == {Always()}


@pytest.mark.parametrize("count", [24, 25, 100])
def test_many_blocks_side_by_side_wait_in_a_heap(count: int) -> None:
    graph = [*(source() for _ in range(count)), chooses(0), always(count), always(1)]
    found = placed(*graph)
    assert found.sparse is (len(found.top.items) > 24)
    if found.sparse:
        starts = {each.first: each.starts for each in found.top.items if block_of(each)}
        assert starts[0] == (count,)
        assert starts[1] == (count + 2,)
        assert starts[2] == ()
        assert block_at(found, count).test == AllOf(())


def block_of(item: PlacedBlock | PlacedNode) -> bool:
    return isinstance(item, PlacedBlock)


# Running the placed nodes by the rules


@dataclass
class Machine:
    """Runs placed nodes as the function does: with flags, and with a heap where they are sparse."""

    graph: Sequence[NodeIR]
    placed: Placed
    flags: dict[int, int] = field(default_factory=dict)
    number: int = 0
    cycle: Cycle = field(default_factory=lambda: Cycle(frozenset(), frozenset()))
    heap: list[int] = field(default_factory=list)
    log: list[Ran] = field(default_factory=list)

    def run(self, cycles: Sequence[Cycle]) -> list[list[Ran]]:
        logs = []
        for self.number, self.cycle in enumerate(cycles, 1):
            self.log = []
            if self.placed.sparse:
                self._sparse()
            else:
                self._items(self.placed.top)
            logs.append(self.log)
        return logs

    def _sparse(self) -> None:
        blocks = {each.first: each for each in self.placed.top.items if block_of(each)}
        self.heap = list(self.cycle.due)
        heapify(self.heap)
        last = -1
        while self.heap:
            first = heappop(self.heap)
            block = blocks.get(first)
            if first != last and isinstance(block, PlacedBlock) and self._holds(block.test):
                self._inside(block)
            last = first

    def _items(self, block: PlacedBlock) -> None:
        for item in block.items:
            if isinstance(item, PlacedNode):
                self._node(item)
            elif self._holds(item.test):
                self._inside(item)

    def _inside(self, block: PlacedBlock) -> None:
        self._items(block)
        if block.counter is not None:
            self._set(block.counter, block.starts)

    def _set(self, index: int, starts: Sequence[int]) -> None:
        self.flags[index] = self.number
        for first in starts:
            heappush(self.heap, first)

    def _node(self, item: PlacedNode) -> None:
        node = self.graph[item.index]
        ticks = may_tick(node, item.index in self.cycle.chosen)
        self.log.append(Ran(item.index, ticks, self._asked(node, item.tests)))
        if ticks:
            if item.sets_flag:
                self._set(item.index, item.starts)
            if item.dependants is not None:
                self._inside(item.dependants)

    def _asked(self, node: NodeIR, tests: Mapping[Hole, Test]) -> tuple[tuple[bool, bool], ...]:
        places = range(len(node.active) + len(node.passive)) if node.cycle is not None else ()
        return tuple(
            (self._holds(tests[Ticked("sources", n)]), self._holds(tests[Valid("sources", n)]))
            for n in places
        )

    def _holds(self, test: Test) -> bool:
        match test:
            case Now(index):
                return self.flags.get(index, 0) == self.number
            case Held(index):
                return index in self.flags
            case IsDue(index):
                return index in self.cycle.due
            case AnyOf(tests):
                return any(map(self._holds, tests))
            case AllOf(tests):
                return all(map(self._holds, tests))
        return isinstance(test, Always)


@pytest.mark.parametrize("most", [0, 24])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(run=runs())
def test_the_placed_nodes_run_as_the_rules_say(
    most: int, run: tuple[list[NodeIR], list[Cycle]], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, cycles = run
    with monkeypatch.context() as patch:
        patch.setattr(module, "SIDE_BY_SIDE", most)
        found = place(graph, Placement(graph))
    expected = [
        [each._replace(upstreams=()) if graph[each.index].cycle is None else each for each in log]
        for log in by_the_rules(graph, cycles)
    ]
    assert Machine(graph, found).run(cycles) == expected
