"""Sub-graphs of random operators: alike on both tiers, and like a filter for each key."""

from collections.abc import Callable, Hashable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc

Number = gc.Stream[Any]

# Each makes a stream of numbers of one, and none depends on when the run began.
OPERATORS: dict[str, Callable[[Number], Number]] = {
    "map": lambda s: s.map(lambda v: v * 2 - 1),
    "filter": lambda s: s.filter(lambda v: v > 0),
    "scan": lambda s: s.scan(lambda total, v: total + v, 0),
    "arithmetic": lambda s: s * 3 - s,
    "sum": lambda s: s.sum(),
    "ewm": lambda s: s.ewm(span=3).mean(),
    "rolling": lambda s: s.rolling(3).mean(),
    "rolling over time": lambda s: s.rolling("3ns").sum(),
    "difference": lambda s: s.difference(),
    "distinct": lambda s: s.distinct(),
    "throttle": lambda s: s.throttle("2ns"),
    "delay": lambda s: s.delay("2ns"),
    "delay by nothing": lambda s: s.delay(0),
    "buffer": lambda s: s.buffer(2).map(sum),
    "unroll": lambda s: s.map(lambda v: [v, v + 1]).unroll(),
    "skip and limit": lambda s: s.skip(1).limit(5),
    "gate": lambda s: s.gate(s.map(lambda v: v > 1)),
    "sample": lambda s: s.map(abs).sample(s.filter(lambda v: v < 2)),
    "with_latest": lambda s: s.with_latest(s.filter(lambda v: v > 0)).map(sum),
    "difference of two": lambda s: s.filter(lambda v: v > 0) - s.filter(lambda v: v < 3),
    "feedback": lambda s: looped(s),
    "group_by": lambda s: s.group_by(lambda v: v > 0, lambda own, key: own.sum()).changes.map(
        lambda changes: sum(changes.values())
    ),
}


def looped(stream: Number) -> Number:
    back: gc.FeedbackStream[Any] = gc.feedback()
    back.bind(stream)
    return stream.with_latest(back).map(lambda both: both[0] - both[1])


names = st.lists(st.sampled_from(list(OPERATORS)), min_size=1, max_size=4)
# (time, key, number): times may be the same.
events = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from("abc"), st.integers(-3, 4)), max_size=30
).map(sorted)


def chain(stream: Number, operators: list[str]) -> Number:
    for name in operators:
        stream = OPERATORS[name](stream)
    return stream


def by_key(given: list[tuple[int, str, int]]) -> gc.Stream[tuple[str, int]]:
    return gc.replay([(time, (key, number)) for time, key, number in given])


def first(item: tuple[Hashable, Any]) -> Hashable:
    return item[0]


@given(events, names, st.integers(1, 30) | st.none())
@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_group_by_is_a_filter_for_each_key(
    tier: Any, given: list[tuple[int, str, int]], operators: list[str], cycles: int | None
) -> None:
    keyed = by_key(given).group_by(
        first, lambda stream, key: chain(stream.map(lambda item: item[1]), operators)
    )
    changes = keyed.changes.collect()
    bound: Any = {} if cycles is None else {"cycles": cycles}
    changes.run(tier=tier, **bound)
    for key in "abc":
        own = by_key(given).filter(lambda item, key=key: item[0] == key).map(lambda item: item[1])
        expected = chain(own, operators).collect()
        # The same cycles: those of all keys.
        beside = [
            chain(
                by_key(given).filter(lambda item, k=k: item[0] == k).map(lambda item: item[1]),
                operators,
            )
            for k in "abc"
        ]
        if cycles is None:
            gc.Graph(expected, *beside).run(tier=tier)
            found = [(time, tick[key]) for time, tick in changes if key in tick]
            assert found == list(expected)


@given(events, names, st.integers(1, 30) | st.none())
def test_both_tiers_run_sub_graphs_alike(
    given: list[tuple[int, str, int]], operators: list[str], cycles: int | None
) -> None:
    keyed = by_key(given).group_by(
        first, lambda stream, key: chain(stream.map(lambda item: item[1]), operators)
    )
    out = keyed.changes.collect(), keyed.removed.collect(), keyed.latest.collect()
    graph = gc.Graph(*out)
    bound: Any = {} if cycles is None else {"cycles": cycles}
    results = []
    for tier in ("fused", "interpreted"):
        report = graph.run(tier=tier, **bound)  # type: ignore[arg-type]  # a name of a tier
        results.append((report.cycles, report.end, [list(each) for each in out]))
    assert results[0] == results[1]
