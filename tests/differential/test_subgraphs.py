"""Sub-graphs of random operators: alike on both tiers, and like a filter for each key."""

import re
from collections.abc import Callable, Hashable
from itertools import groupby
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
    "later": lambda s: bound_later(s),
    "lag": lambda s: s - s.lag(2),
    "lag over time": lambda s: s.lag("2ns"),
    "drop_small_change": lambda s: s.drop_small_change(1.5),
    "step_by": lambda s: s.step_by(2),
    "take_while": lambda s: s.take_while(lambda v: v < 3),
    "skip_until": lambda s: s.skip_until(s.filter(lambda v: v > 1)),
    "sum with reset": lambda s: s.sum(reset=s.filter(lambda v: v < 0)),
    "throttle_latest": lambda s: s.throttle_latest("3ns"),
    "debounce": lambda s: s.debounce("2ns"),
    "pace": lambda s: s.pace("2ns"),
    "hold_while": lambda s: s.hold_while(s.map(lambda v: v > 1)),
    "reopen": lambda s: s.reopen(s.map(lambda v: v > 1)),
    "delay_until": lambda s: s.delay_until(s.filter(lambda v: v > 1)),
    "buffer within": lambda s: s.buffer(3, within="2ns").map(sum),
    "buffer_until": lambda s: s.buffer_until(s.filter(lambda v: v > 1)).map(sum),
    "sliding": lambda s: s.sliding(2, every=2).map(sum),
    "merge": lambda s: s.merge(s.map(lambda v: -v), s.delay("1ns")),
    "merge_all": lambda s: gc.merge_all(s, s.filter(lambda v: v > 0)).map(sum),
    "select": lambda s: gc.select(s.map(lambda v: v > 0), s, s.map(lambda v: -v)),
    "zip": lambda s: gc.zip(s, s.skip(1), capacity=9).map(sum),
    "sync": lambda s: gc.sync(s, s.filter(lambda v: v > 0), within="2ns").map(repr).map(len),
    "demux": lambda s: demuxed(s),
    "try_map": lambda s: s.try_map(lambda v: 6 // v)[0],
    "fold": lambda s: s.fold(lambda total, v: total + v, 0),
    "switch": lambda s: gc.switch(
        s.map(lambda v: v > 0).distinct(),
        {True: lambda own: own.sum(), False: lambda own: own.map(lambda v: -v)},
        s,
    ),
    "group_by": lambda s: s.group_by(lambda v: v > 0, lambda own, key: own.sum()).changes.map(
        lambda changes: sum(changes.values())
    ),
}


def looped(stream: Number) -> Number:
    back: gc.FeedbackStream[Any] = gc.feedback()
    back.bind(stream)
    return stream.with_latest(back).map(lambda both: both[0] - both[1])


def bound_later(stream: Number) -> Number:
    after: gc.LaterStream[Any] = gc.later()
    doubled = after.map(lambda v: 2 * v)
    after.bind(stream.skip(1))
    return doubled


def demuxed(stream: Number) -> Number:
    parts = stream.demux(lambda v: v > 0, [True])
    return parts[True].merge_first(parts.other.map(lambda v: -v))


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
    for key in {key for _, key, _ in given}:
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


@given(events, st.booleans(), st.integers(1, 6) | st.none())
@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_a_key_ends_when_it_is_stopped_or_idle_and_begins_anew(
    tier: Any, given: list[tuple[int, str, int]], stops: bool, idle: int | None
) -> None:
    def build(own: gc.Stream[tuple[str, int]], key: str) -> gc.Stream[int]:
        numbers = own.map(lambda item: item[1])
        if stops:
            numbers.filter(lambda n: n == 0).stop_key()
        return numbers.sum()

    # Keys that are not idle keep no run alive.
    source = by_key([*given, (100, "last", 1)])
    keyed = source.group_by(first, build, idle=idle)
    changes, removed, latest = (
        keyed.changes.collect(),
        keyed.removed.collect(),
        keyed.latest.collect(),
    )
    gc.Graph(changes, removed, latest).run(tier=tier)

    ticks: list[tuple[int, str, int]] = []
    ends: list[tuple[int, str]] = []
    left = {"last"}
    for key in "abc":
        total, last = None, 0
        for time, number in [*((t, n) for t, own, n in given if own == key), (99, None)]:
            if total is not None and idle is not None and time > last + idle:
                ends.append((last + idle, key))
                total = None
            if number is None:
                break
            total, last = (total or 0) + number, time
            ticks.append((time, key, total))
            if stops and number == 0:
                ends.append((time, key))
                total = None
        if total is not None:
            left.add(key)
    found = [(time, key, total) for time, tick in changes for key, total in tick.items()]
    assert sorted(found[:-1]) == sorted(ticks)
    assert sorted(removed) == sorted(ends)
    assert set(latest.values[-1]) == left


# These neither wait nor have anything left at the end.
AT_ONCE = sorted(
    {"map", "filter", "scan", "arithmetic", "sum", "ewm", "rolling", "difference", "distinct"}
    | {"lag", "skip and limit", "step_by", "take_while", "sum with reset", "sliding", "group_by"}
)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab"), st.integers(-3, 4)), max_size=30),
    st.fixed_dictionaries({k: st.lists(st.sampled_from(AT_ONCE), max_size=3) for k in "ab"}),
)
@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_switch_runs_a_new_branch_for_each_stretch_of_a_key(
    tier: Any, given: list[tuple[int, str, int]], branches: dict[str, list[str]]
) -> None:
    given = sorted({time: (time, key, number) for time, key, number in given}.values())
    source = by_key(given)
    builds = {key: lambda own, key=key: chain(own, branches[key]) for key in branches}
    out = gc.switch(source.map(first), builds, source.map(lambda item: item[1])).collect()
    out.run(tier=tier)
    expected: list[tuple[int, Any]] = []
    for key, stretch in groupby(given, first_key):
        own = gc.replay([(time, number) for time, _, number in stretch])
        alone = chain(own, branches[key]).collect()
        alone.run(tier=tier)
        expected += alone
    assert list(out) == expected


def first_key(event: tuple[int, str, int]) -> str:
    return event[1]


def picky(value: float) -> float:
    if int(value) % 3 == 2:
        raise ValueError(value)
    return value


def caught(stream: Number, operators: list[str], place: int, after: Any) -> gc.Stream[Any]:
    """Return what a chain ticks in which one place fails for some values, and its failures."""

    def build(given: Number) -> Number:
        return chain(chain(given, operators[:place]).map(picky), operators[place:])

    values, failures = stream.catch(build, after=after)
    told = failures.map(lambda each: (each.time, each.node.rstrip("0123456789"), str(each)))
    return gc.ticked(value=values, failure=told)


def without_addresses(ticks: Any) -> list[Any]:
    """Return ticks without what differs from run to run: serial numbers of nodes, addresses."""
    return [(time, re.sub(r"_\d+|0x\w+", "", str(value))) for time, value in ticks]


@given(
    events,
    names,
    st.integers(0, 4),
    st.sampled_from(["continue", "restart"]),
    st.booleans(),
    st.integers(1, 30) | st.none(),
)
def test_both_tiers_catch_alike(
    given: list[tuple[int, str, int]],
    operators: list[str],
    place: int,
    after: str,
    by_keys: bool,
    cycles: int | None,
) -> None:
    source = by_key(given)
    if by_keys:
        out = source.group_by(
            first,
            lambda stream, key: caught(stream.map(lambda item: item[1]), operators, place, after),
        ).changes.collect()
    else:
        out = caught(source.map(lambda item: item[1]), operators, place, after).collect()
    graph = gc.Graph(out)
    bound: Any = {"max_cycles_at_once": 2_000}
    bound |= {} if cycles is None else {"cycles": cycles}
    results: list[object] = []
    for tier in ("fused", "interpreted"):
        try:
            report = graph.run(tier=tier, **bound)  # type: ignore[arg-type]  # a name of a tier
            results.append((report.cycles, report.end))
        except gc.RunError as error:  # what fails in its second cycle may start anew for ever (R15)
            results.append(str(error))
        results.append(without_addresses(out))
    assert results[:2] == results[2:]


@given(events, names, st.sampled_from(["fused", "interpreted"]))
def test_catch_changes_nothing_where_nothing_fails(
    given: list[tuple[int, str, int]], operators: list[str], tier: Any
) -> None:
    numbers = [(time, number) for time, _, number in given]
    expected = chain(gc.replay(numbers), operators).collect()
    expected.run(tier=tier)
    values, failures = gc.replay(numbers).catch(lambda stream: chain(stream, operators))
    out, failed = values.collect(), failures.collect()
    gc.Graph(out, failed).run(tier=tier)
    assert list(out) == list(expected) and not failed.values


@given(events, names, st.sampled_from(["fused", "interpreted"]))
def test_threaded_changes_nothing_in_history(
    given: list[tuple[int, str, int]], operators: list[str], tier: Any
) -> None:
    numbers = [(time, number) for time, _, number in given]
    expected = chain(gc.replay(numbers), operators).collect()
    expected.run(tier=tier)
    out = gc.threaded(lambda own: chain(own, operators), gc.replay(numbers)).collect()
    out.run(tier=tier)
    assert list(out) == list(expected)
