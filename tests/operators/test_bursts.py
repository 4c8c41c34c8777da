"""Operators on bursts: lists of values that arrived for one cycle (R6)."""

from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks


def test_unroll_ticks_with_one_item_a_cycle_at_the_time_of_the_list() -> None:
    source = gc.replay([1, 5], [["a", "b", "c"], ["d"]])
    out = source.unroll().collect()
    report = out.run()
    assert list(out) == [(1, "a"), (1, "b"), (1, "c"), (5, "d")]
    assert report.cycles == 4


def test_r6_new_lists_go_after_the_waiting_items_of_unroll() -> None:
    lists = gc.replay([1, 1, 1], [["a", "b"], ["c", "d"], ["e"]])
    assert ticks(lists.unroll()) == [(1, value) for value in "abcde"]


def test_empty_lists_tick_nothing() -> None:
    lists: gc.Stream[list[str]] = gc.replay([1, 2, 3], [[], ["a"], []])
    assert ticks(lists.unroll()) == [(2, "a")]
    assert ticks(lists.collapse()) == [(2, "a")]


def test_collapse_ticks_with_the_last_item() -> None:
    assert ticks(gc.replay([1, 2], [["a", "b"], ["c"]]).collapse()) == [(1, "b"), (2, "c")]


@given(st.lists(st.integers(0, 5), max_size=12).map(sorted))
def test_unroll_undoes_a_burst(times: list[int]) -> None:
    numbers = range(len(times))
    burst = gc.replay(times, numbers, delivery="burst").unroll()
    assert ticks(burst) == list(zip(times, numbers, strict=True))


@given(st.lists(st.integers(0, 5), max_size=12).map(sorted))
def test_collapse_of_a_burst_is_the_latest(times: list[int]) -> None:
    numbers = range(len(times))
    burst = gc.replay(times, numbers, delivery="burst").collapse()
    assert ticks(burst) == ticks(gc.replay(times, numbers, delivery="latest"))
