"""Pass 8a, clocks and blocks: a node runs when R3 and R5 say so, in R2's order."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given

from graphcore.engine.fused.analysis.clocks import Block, Clock, Of, Placement
from graphcore.engine.fused.ir import NodeIR
from tests.engine.fused.made import always, called, chooses, never, nodes, source
from tests.engine.fused.rules import Cycle, by_the_rules, may_tick, runs


def placed(*made: NodeIR) -> Placement:
    return Placement(nodes(*made))


def shown(block: Block) -> list[object]:
    return [shown(item) if isinstance(item, Block) else item for item in block.items]


def blocks_of(*made: NodeIR) -> list[object]:
    return shown(placed(*made).top)


def depth(block: Block) -> int:
    return 1 + max((depth(item) for item in block.items if isinstance(item, Block)), default=0)


def test_a_chain_of_nodes_that_always_tick_is_one_block() -> None:
    assert blocks_of(source(), always(0), always(1), always(2)) == [0, 1, 2, 3]


def test_several_sources_have_a_block_each() -> None:
    assert blocks_of(source(), source(), always(0), always(1)) == [[0], [1], [2], [3]]


def test_dependants_of_a_node_that_may_not_tick_are_in_its_block() -> None:
    assert blocks_of(source(), chooses(0), always(1), chooses(2), always(3)) == [0, 1, [2, 3, [4]]]


def test_neighbours_under_one_clock_share_a_block() -> None:
    assert blocks_of(source(), chooses(0), always(1), always(1)) == [0, 1, [2, 3]]


def test_a_new_block_is_opened_after_a_block_of_another_clock() -> None:
    placement = placed(source(), chooses(0), always(1), chooses(0), always(3), always(1))
    assert shown(placement.top) == [0, 1, [2], 3, [4], [5]]
    assert placement.runs[2] is placement.runs[5]
    assert placement.runs[5].flag == 1


def test_a_node_under_several_clocks_runs_at_any_of_them() -> None:
    placement = placed(source(), chooses(0), chooses(0), chooses(1, 2, waits=False))
    runs = placement.runs[3]
    assert runs.of is Of.ANY
    assert set(runs.members) == {placement.ticks[1], placement.ticks[2]}
    assert runs.above is placement.every


def test_an_or_of_two_clocks_of_which_one_implies_the_other_is_the_wider_one() -> None:
    placement = placed(source(), chooses(0), chooses(1), always(1, 2))
    assert placement.runs[3].of is Of.VALID
    assert placement.runs[3].above is placement.ticks[1]


def test_a_value_is_tested_for_only_where_it_may_be_missing() -> None:
    placement = placed(source(), chooses(0), always(0), always(2, passive=(1,)), always(1, 0))
    gated = placement.runs[3]
    assert (gated.of, gated.above) == (Of.VALID, placement.every)
    assert gated.checked == (placement.ticks[1],)
    assert placement.runs[2] is placement.every
    # Nodes that wait for the same values are under the same clock, below which nothing is tested.
    assert placement.runs[4] is gated


def test_below_the_clock_of_a_value_it_is_not_tested_for_again() -> None:
    placement = placed(source(), chooses(0), always(1), always(2, passive=(0, 1)))
    assert placement.runs[3] is placement.ticks[1]


def test_a_passive_upstream_triggers_nothing() -> None:
    placement = placed(source(), source(), chooses(0, passive=(1,), waits=False))
    assert placement.runs[2] is placement.runs[0]


def test_a_node_that_never_ticks_stops_all_nodes_that_wait_for_it() -> None:
    placement = placed(source(), never(0), always(1), always(0, passive=(1,)), always(0))
    assert placement.runs[1] is placement.every
    assert placement.runs[2] is placement.runs[3] is placement.never
    assert shown(placement.top) == [0, 1, 4]


def test_200_chained_filters_stay_within_40_levels() -> None:
    placement = placed(source(), *(chooses(index) for index in range(200)))
    assert depth(placement.top) == 40
    assert all(runs.depth == index for index, runs in enumerate(placement.runs[1:]))


def test_a_called_node_may_tick_or_not() -> None:
    placement = placed(source(), called(0), always(1))
    assert shown(placement.top) == [0, 1, [2]]
    assert placement.ticks[1].of is Of.CHOICE


def test_a_ladder_of_joins_is_placed_in_linear_time() -> None:
    # Each step has two paths to the one before, so there are 2 ** 500 paths to the first.
    made: list[NodeIR] = [source()]
    for _ in range(500):
        last = len(made) - 1
        made += [chooses(last), chooses(last), chooses(last + 1, last + 2)]
    placement = placed(*made)
    assert len(placement.runs) == 1501


# Running the blocks


@dataclass
class Blocks:
    graph: Sequence[NodeIR]
    placement: Placement
    cycle: Cycle = field(default_factory=lambda: Cycle(frozenset(), frozenset()))
    log: list[tuple[int, bool]] = field(default_factory=list)
    now: set[Clock] = field(default_factory=set)
    ever: set[Clock] = field(default_factory=set)

    def run(self, cycles: Sequence[Cycle]) -> list[list[tuple[int, bool]]]:
        logs = []
        for self.cycle in cycles:
            self.log, self.now = [], {self.placement.every}
            self.run_block(self.placement.top)
            logs.append(self.log)
        return logs

    def run_block(self, block: Block) -> None:
        for item in block.items:
            if isinstance(item, Block):
                if self.holds(item.clock):
                    self.run_block(item)
                continue
            ticks = may_tick(self.graph[item], item in self.cycle.chosen)
            self.log.append((item, ticks))
            if ticks:
                self.now.add(self.placement.ticks[item])
                self.ever.add(self.placement.ticks[item])

    def holds(self, clock: Clock) -> bool:
        match clock.of:
            case Of.DUE:
                return clock.node in self.cycle.due
            case Of.ANY:
                return any(map(self.holds, clock.members))
            case Of.VALID:
                assert clock.above is not None
                return self.holds(clock.above) and self.ever.issuperset(clock.checked)
        return clock in self.now


@given(runs())
def test_the_blocks_run_the_nodes_that_the_rules_say_in_their_order(
    run: tuple[list[NodeIR], list[Cycle]],
) -> None:
    made, cycles = run
    placement = Placement(made)
    assert depth(placement.top) <= 40
    assert Blocks(made, placement).run(cycles) == [
        [(ran.index, ran.ticks) for ran in each] for each in by_the_rules(made, cycles)
    ]
