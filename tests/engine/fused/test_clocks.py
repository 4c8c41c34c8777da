"""Clocks and blocks: a node runs when R3 and R5 say so, in R2's order, and not too deep."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from graphcore.engine.fused.clocks import Block, Clock, Of, Placement, Reads

Log = list[tuple[int, bool]]


def source() -> Reads:
    return Reads((), (), True, False, True, False)


def always(*active: int, passive: tuple[int, ...] = ()) -> Reads:
    return Reads(active, passive, False, True, True, False)


def chooses(*active: int, passive: tuple[int, ...] = (), waits: bool = True) -> Reads:
    return Reads(active, passive, False, waits, False, False)


def shown(block: Block) -> list[object]:
    return [shown(item) if isinstance(item, Block) else item for item in block.items]


def blocks_of(*nodes: Reads) -> list[object]:
    return shown(Placement(nodes).top)


def depth(block: Block) -> int:
    return 1 + max((depth(item) for item in block.items if isinstance(item, Block)), default=0)


def test_a_chain_of_nodes_that_always_tick_is_one_block() -> None:
    assert blocks_of(source(), always(0), always(1), always(2)) == [0, 1, 2, 3]


def test_several_sources_have_a_block_each() -> None:
    assert blocks_of(source(), source(), always(0), always(1)) == [[0], [1], [2], [3]]


def test_what_follows_a_node_that_chooses_is_in_its_block() -> None:
    assert blocks_of(source(), chooses(0), always(1), chooses(2), always(3)) == [0, 1, [2, 3, [4]]]


def test_neighbours_under_one_clock_share_a_block() -> None:
    assert blocks_of(source(), chooses(0), always(1), always(1)) == [0, 1, [2, 3]]


def test_a_block_is_opened_anew_behind_one_of_another_clock() -> None:
    nodes = source(), chooses(0), always(1), chooses(0), always(3), always(1)
    placement = Placement(nodes)
    assert shown(placement.top) == [0, 1, [2], 3, [4], [5]]
    assert placement.runs[2] is placement.runs[5]
    assert placement.runs[5].flag == 1


def test_a_node_under_several_clocks_runs_at_any_of_them() -> None:
    placement = Placement([source(), chooses(0), chooses(0), chooses(1, 2, waits=False)])
    runs = placement.runs[3]
    assert runs.of is Of.ANY
    assert set(runs.members) == {placement.ticks[1], placement.ticks[2]}
    assert runs.above is placement.every


def test_an_or_with_a_clock_that_implies_the_other_is_the_wider_one() -> None:
    placement = Placement([source(), chooses(0), chooses(1), always(1, 2)])
    assert placement.runs[3].of is Of.VALID
    assert placement.runs[3].above is placement.ticks[1]


def test_a_gate_stands_only_where_a_value_may_be_missing() -> None:
    placement = Placement([source(), chooses(0), always(0), always(2, passive=(1,)), always(1, 0)])
    gated = placement.runs[3]
    assert (gated.of, gated.above) == (Of.VALID, placement.every)
    assert gated.checked == (placement.ticks[1],)
    assert placement.runs[2] is placement.every
    # What the same gate keeps shut is under the same clock, and below it no gate is needed.
    assert placement.runs[4] is gated


def test_below_the_clock_of_a_value_its_gate_is_not_asked_again() -> None:
    placement = Placement([source(), chooses(0), always(1), always(2, passive=(0, 1))])
    assert placement.runs[3] is placement.ticks[1]


def test_a_passive_upstream_triggers_nothing() -> None:
    placement = Placement([source(), source(), chooses(0, passive=(1,), waits=False)])
    assert placement.runs[2] is placement.runs[0]


def test_what_never_ticks_keeps_for_ever_what_waits_for_it() -> None:
    never = Reads((0,), (), False, True, False, True)
    placement = Placement([source(), never, always(1), always(0, passive=(1,)), always(0)])
    assert placement.runs[1] is placement.every
    assert placement.runs[2] is placement.runs[3] is placement.never
    assert shown(placement.top) == [0, 1, 4]


def test_200_chained_filters_stay_within_40_levels() -> None:
    nodes = [source(), *(chooses(index) for index in range(200))]
    placement = Placement(nodes)
    assert depth(placement.top) == 40
    assert all(runs.depth == index for index, runs in enumerate(placement.runs[1:]))


# R2, R3 and R5 written out, and the blocks gone through, on the same choices.


@dataclass
class Cycle:
    due: frozenset[int]
    chosen: frozenset[int]


def by_the_rules(nodes: Sequence[Reads], cycles: Sequence[Cycle]) -> list[Log]:
    have_values: set[int] = set()
    logs: list[Log] = []
    for cycle in cycles:
        log: Log = []
        ticked: set[int] = set()
        for index, reads in enumerate(nodes):
            triggered = ticked.intersection(reads.active) or index in cycle.due
            if not triggered:
                continue
            if reads.needs_all and not have_values.issuperset(reads.active + reads.passive):
                continue
            ticks = reads.always_ticks or (not reads.never_ticks and index in cycle.chosen)
            log.append((index, ticks))
            if ticks:
                ticked.add(index)
                have_values.add(index)
        logs.append(log)
    return logs


@dataclass
class Blocks:
    nodes: Sequence[Reads]
    placement: Placement
    cycle: Cycle = field(default_factory=lambda: Cycle(frozenset(), frozenset()))
    log: Log = field(default_factory=list)
    now: set[Clock] = field(default_factory=set)
    ever: set[Clock] = field(default_factory=set)

    def run(self, cycles: Sequence[Cycle]) -> list[Log]:
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
            reads = self.nodes[item]
            ticks = reads.always_ticks or (not reads.never_ticks and item in self.cycle.chosen)
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


@st.composite
def graphs(draw: st.DrawFn) -> list[Reads]:
    nodes: list[Reads] = []
    for index in range(draw(st.integers(1, 16))):
        # Upstreams that stand near make deep graphs.
        read = st.integers(max(0, index - 6), index - 1) if index else st.nothing()
        active = draw(st.lists(read, unique=True, max_size=3)) if index else []
        passive = draw(st.lists(read, unique=True, max_size=2)) if index else []
        passive = [each for each in passive if each not in active]
        woken = not (active or passive) or draw(st.integers(0, 9)) == 0
        tick = draw(st.sampled_from(["always", "chooses", "chooses", "never"] + ["always"] * 3))
        nodes.append(
            Reads(
                tuple(active),
                tuple(passive),
                woken,
                draw(st.booleans()),
                tick == "always",
                tick == "never",
            )
        )
    return nodes


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[Reads], list[Cycle]]:
    nodes = draw(graphs())
    woken = [index for index, reads in enumerate(nodes) if reads.woken]
    numbers = st.integers(0, len(nodes) - 1)
    due = st.frozensets(st.sampled_from(woken), min_size=1)
    chosen = st.frozensets(numbers)
    return nodes, draw(st.lists(st.builds(Cycle, due, chosen), min_size=1, max_size=6))


@given(runs())
def test_the_blocks_run_what_the_rules_say_in_their_order(
    run: tuple[list[Reads], list[Cycle]],
) -> None:
    nodes, cycles = run
    placement = Placement(nodes)
    assert depth(placement.top) <= 40
    assert Blocks(nodes, placement).run(cycles) == by_the_rules(nodes, cycles)
