"""The loop over the merged events of many recorded sources gives what the other tier gives."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.engine.fused.analysis import drivers
from graphcore.engine.fused.backend import merged
from graphcore.sources import events, timer
from tests.engine.fused.both import node_class, source_of

MANY = 10  # more sources than are merged here
SPARSE = 30  # so many that blocks wait in a heap

Make = Callable[[], list[gc.Stream[Any]]]


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    """Make chunks short, read few events at once, and merge the events of few sources."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drivers, "_MERGED", 8)
        for module in (events, timer):
            patch.setattr(module, "_CHUNK", 3)
        patch.setattr(merged, "_ENOUGH", 4)
        patch.setattr(merged, "_MOST", 25)
        yield


def outcome(tier: Any, sources: Sequence[gc.Stream[Any]], options: Any) -> tuple[Any, ...]:
    """Run sources with nodes that read one of them, two of them, and all of them."""
    outs = [source.with_time().collect() for source in sources]
    counts = [source.count() for source in sources[::3]]
    pairs = [one.with_latest(other).collect() for one, other in pairwise(sources)]
    all_of_them = sources[0].merge_first(*sources[1:]).scan(lambda a, x: (a, x), 0).collect()
    bursts = sources[0].combine(*sources[1:]).collect()
    graph = gc.Graph(*outs, *counts, *pairs, all_of_them, bursts)
    told: Any
    try:
        report = graph.run(tier=tier, **options)
        told = report.cycles, report.start, report.end, report.ended_by, report.skipped
    except (Exception, KeyboardInterrupt) as error:
        notes = [note.split(" wired ")[0] for note in getattr(error, "__notes__", ())]
        told = type(error), str(error), [note.rpartition("_")[0] for note in notes]
    values = [vars(node).get("value") for node in graph.nodes]
    ticked = [node.ticked_in for node in graph.nodes]
    collected = [list(out) for out in (*outs, *pairs, all_of_them, bursts)]
    return collected, str(values), ticked, told


def same(make: Make, **options: Any) -> tuple[Any, ...]:
    interpreted, fused = (outcome(tier, make(), options) for tier in ("interpreted", "fused"))
    assert str(fused) == str(interpreted)
    return fused


def spread(count: int) -> list[gc.Stream[Any]]:
    return [
        gc.replay(
            range(n % 4, 40, 1 + n % 5), range(n, n + 100)[: len(range(n % 4, 40, 1 + n % 5))]
        )
        for n in range(count)
    ]


SOURCES: dict[str, Make] = {
    "many": lambda: spread(MANY),
    "so many that blocks wait in a heap": lambda: spread(SPARSE),
    "all at the same times": lambda: [gc.replay([1, 2, 5], "abc") for _ in range(MANY)],
    "several values at one time": lambda: [
        gc.replay(sorted((n * k) % 6 for k in range(9)), range(9)) for n in range(MANY)
    ],
    "values at one time only": lambda: [gc.from_iterable(range(n)) for n in range(MANY)],
    "of every kind": lambda: [
        *(gc.ticker(n) for n in (2, 3)),
        gc.constant(7),
        gc.replay(np.array([1, 2, 2, 9]), np.arange(4.0)),
        gc.replay([(3, "a"), (4, "b")]),
        gc.replay([], []),
        gc.from_iterable([3, 1, 4, 1, 5], period=2),
        *(gc.replay([n], [n]) for n in range(MANY)),
    ],
    "none with an event": lambda: [gc.replay([], []) for _ in range(MANY)],
}
BOUNDED = {"cycles": 60}


@pytest.mark.parametrize("name", SOURCES)
def test_the_events_of_many_sources_are_merged(name: str) -> None:
    lines = source_of(*SOURCES[name]()).splitlines()
    assert "    for time, due, given, cycle in events:" in lines
    same(SOURCES[name], **BOUNDED)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("cycles", [1, 2, 3, 4, 7, 20])
def test_a_bound_of_cycles_ends_it(name: str, cycles: int) -> None:
    same(SOURCES[name], cycles=cycles)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("duration", [0, 1, 2, 5, 30, 100])
def test_a_bound_of_time_ends_it(name: str, duration: int) -> None:
    same(SOURCES[name], duration=duration)
    same(SOURCES[name], duration=duration, cycles=4)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("start", [0, 2, 9, 100])
def test_it_begins_at_the_start_of_the_run(name: str, start: int) -> None:
    same(SOURCES[name], start=start, cycles=9)


@given(
    st.lists(st.lists(st.integers(0, 12), max_size=12), min_size=MANY, max_size=SPARSE),
    st.booleans(),
    st.integers(0, 12),
    st.integers(0, 12) | st.none(),
    st.integers(1, 30) | st.none(),
)
def test_both_tiers_agree_for_any_times(
    times: list[list[int]], ordered: bool, start: int, length: int | None, cycles: int | None
) -> None:
    options: dict[str, Any] = {"start": start, "cycles": cycles}
    if length is not None:
        options["duration"] = length
    same(
        lambda: [gc.replay(sorted(each) if ordered else each, range(len(each))) for each in times],
        **options,
    )


@pytest.mark.parametrize("count", [MANY, SPARSE])
@pytest.mark.parametrize("source", [0, 4, -1])
@pytest.mark.parametrize(
    ("place", "bad"),
    [(i, bad) for i in range(7) for bad in ("x", 1.5, -100, None) if (i, bad) != (0, -100)],
)
def test_an_error_among_the_events_comes_in_a_cycle_of_its_own(
    count: int, source: int, place: int, bad: Any
) -> None:
    def make() -> list[gc.Stream[Any]]:
        all_times: list[list[Any]] = [[1, 2, 2, 4, 5, 6, 7] for _ in range(count)]
        all_times[source][place] = bad
        return [
            gc.replay(times, "abcdefg").named(f"letters {n}") for n, times in enumerate(all_times)
        ]

    told = same(make)[-1]
    assert told[0] in (gc.InvalidTypeError, gc.InvalidValueError)
    same(make, cycles=place + 1)


@pytest.mark.parametrize("count", [MANY, SPARSE])
@pytest.mark.parametrize("last", [0, 1, 7, 20])
def test_a_node_that_stops_the_run_ends_it_after_its_cycle(count: int, last: int) -> None:
    made = node_class(
        "if self.source.value == self.last:\n    state.stop()\nself.value = self.source.value\n"
        "return True",
        "source: gc.Active[Any]\nlast: int",
    )
    same(lambda: [gc.Stream(made(source, last)) for source in spread(count)])


def test_a_run_that_is_stopped_in_start_has_no_cycle() -> None:
    made = node_class(
        "self.value = self.source.value\nreturn True",
        more="def start(self, state):\n    state.stop()",
    )
    assert same(lambda: [gc.Stream(made(source)) for source in spread(MANY)])[-1][0] == 0


@pytest.mark.parametrize("count", [MANY, SPARSE])
def test_a_failing_node_is_noted_and_leaves_whole_cycles(count: int) -> None:
    def make() -> list[gc.Stream[Any]]:
        return [
            source.map(lambda x: 1 // (x - 12)).named(f"inverse {n}")
            for n, source in enumerate(spread(count))
        ]

    assert same(make)[-1][0] is ZeroDivisionError


@pytest.mark.parametrize("count", [MANY, SPARSE])
@pytest.mark.parametrize("last", [0, 1, 7, 20])
def test_an_interrupt_leaves_the_nodes_as_they_were(count: int, last: int) -> None:
    def interrupted(value: int) -> int:
        if value == last:
            raise KeyboardInterrupt
        return value

    assert same(lambda: [each.map(interrupted) for each in spread(count)])[-1][0] is (
        KeyboardInterrupt
    )


def test_few_events_are_sorted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sorted_at_once: list[int] = []
    cycles_before = merged.MergedEvents._cycles

    def cycles(self: merged.MergedEvents, until: float) -> Any:
        times, due, values = cycles_before(self, until)
        all_due = list(due)
        sorted_at_once.append(sum(map(len, all_due)))
        return times, all_due, values

    monkeypatch.setattr(merged.MergedEvents, "_cycles", cycles)
    sources = [gc.replay(range(n, 4_000, 10), range(len(range(n, 4_000, 10)))) for n in range(MANY)]
    out = sources[0].merge_first(*sources[1:]).count()
    out.run()
    assert out.value == sum(sorted_at_once) == 4_000
    assert max(sorted_at_once) <= 25
    assert len(sorted_at_once) < 4_000 / 2


def test_events_are_read_no_further_than_needed() -> None:
    read: list[int] = []

    class Counted(gc.Source[int]):
        recorded = True

        def start(self, state: gc.GraphState) -> None:
            state.schedule(0)

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = state.time
            state.schedule(state.time + 1)
            return True

        def chunks(self, start: int) -> Any:
            for time in range(10_000):
                read.append(time)
                yield (time,), (time,)

    sources = [gc.Stream(Counted()) for _ in range(MANY)]
    merged_all = sources[0].merge_first(*sources[1:]).count()
    merged_all.run(cycles=20)
    assert merged_all.value == 20
    assert len(read) <= MANY * (20 + 2 * 4)
    read.clear()
    merged_all.run(duration=20)
    assert len(read) <= MANY * (20 + 2 * 4)
