"""Rates from looks at the last ticks, beside counts of all ticks."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcore.view.rates import Cycles, Known, Tally


def looked_at(ticks: list[bool], looks: list[int]) -> Tally:
    """Return the tally of a node that ticked in some cycles, 1 ms each, looked at after some."""
    tally = None
    ticked_in = 0
    for cycle, ticked in enumerate(ticks, 1):
        ticked_in = cycle if ticked else ticked_in
        if cycle not in looks:
            continue
        if tally is None:
            tally = Tally(cycle, cycle * 1_000_000)
            tally.begin(ticked_in)
        else:
            tally.see(cycle, cycle * 1_000_000, ticked_in)
    assert tally is not None
    return tally


@given(st.lists(st.booleans(), min_size=2, max_size=60))
def test_a_node_seen_after_every_cycle_is_counted_exactly(ticks: list[bool]) -> None:
    tally = looked_at(ticks, list(range(1, len(ticks) + 1)))
    assert tally.is_exact
    assert (tally.ticks, tally.cycles) == (sum(ticks[1:]), len(ticks) - 1)
    last = max((cycle for cycle, ticked in enumerate(ticks, 1) if ticked), default=None)
    assert tally.ticked_in == (last or 0)
    if last is not None and any(ticks[1:]):
        assert (tally.at, tally.known) == (last * 1_000_000, Known.EXACTLY)


@given(st.lists(st.booleans(), min_size=30, max_size=60), st.sets(st.integers(1, 30), min_size=2))
def test_what_is_taken_for_known_is_true(ticks: list[bool], looks: set[int]) -> None:
    tally = looked_at(ticks, sorted(looks))
    first, last = min(looks), max(looks)
    assert tally.ticks <= sum(ticks[first:last])
    assert tally.ticks <= tally.cycles <= tally.all == last - first
    misses = (last - first) - sum(ticks[first:last])
    assert tally.cycles - tally.ticks <= misses


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.01, 0.001])
def test_samples_of_a_fast_graph_give_about_the_rate(share: float) -> None:
    draw = random.Random(3)
    tally = Tally(0, 0)
    cycles = Cycles(0, 0, 3.0)
    cycle = ticked_in = ticks = 0
    for _ in range(2_000):  # windows of 10 cycles, and 500 cycles that nobody sees
        for look in range(11):
            for _ in range(500 if not look else 1):
                cycle += 1
                if draw.random() < share:
                    ticked_in = cycle
                    ticks += 1
            tally.see(cycle, cycle * 1_000, ticked_in)
            cycles.see(cycle, cycle * 1_000)
    cycles.seconds = cycle / 1e6
    assert not tally.is_exact or share < 0.01
    assert tally.rate(cycles.rate) == pytest.approx(ticks / cycles.seconds, rel=0.2)


def test_a_tick_between_two_looks_lies_about_where_its_cycle_does() -> None:
    tally = Tally(10, 1_000)
    tally.begin(4)
    assert (tally.at, tally.known) == (1_000, Known.AT_LEAST)
    tally.see(20, 2_000, 15)
    assert (tally.at, tally.known) == (1_500, Known.ABOUT)
    tally.see(30, 3_000, 30)
    assert (tally.at, tally.known) == (3_000, Known.EXACTLY)


def test_what_happened_long_ago_counts_for_nothing() -> None:
    cycles = Cycles(0, 0, 3.0)
    cycles.pass_time(0.0)
    cycles.see(1_000, 0)
    cycles.pass_time(1.0)
    assert cycles.rate > 500
    for _ in range(20):
        cycles.pass_time(3.0)
    assert cycles.rate < 0.01
