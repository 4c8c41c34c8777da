"""The loop over the events of a graph's only source: when it is used, and where it ends."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.node import Chunks
from graphcore.sources import events, timer
from graphcore.sources.timer import Constant, Ticker
from tests.engine.fused.both import node_class, same, source_of


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    """Make chunks short."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (events, timer):
            patch.setattr(module, "_CHUNK", 3)
        yield


def loop_of(stream: gc.Stream[Any]) -> str:
    """Return the line with which the function of a graph begins its cycles."""
    lines = source_of(stream).splitlines()
    return next(line.strip() for line in lines if line.startswith("    for "))


SOURCES: dict[str, Callable[[], gc.Stream[Any]]] = {
    "lists": lambda: gc.replay([1, 2, 2, 2, 5, 6, 7, 9], range(8)),
    "arrays": lambda: gc.replay(np.array([1, 2, 2, 2, 5, 6, 7, 9]), np.arange(8.0)),
    "pairs": lambda: gc.replay([(1, "a"), (2, "b"), (2, "c"), (2, "d"), (5, "e"), (9, "f")]),
    "no events": lambda: gc.replay([], []),
    "values a period apart": lambda: gc.from_iterable([3, 1, 4, 1, 5, 9, 2], period=2),
    "values at one time": lambda: gc.from_iterable([3, 1, 4, 1, 5, 9, 2]),
    "times as text": lambda: gc.replay([f"2024-01-0{day}" for day in range(1, 8)], range(7)),
    "a constant": lambda: gc.constant(5),
    "a ticker": lambda: gc.ticker(2),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_events_of_the_only_source_are_looped_over(name: str) -> None:
    stream = SOURCES[name]()
    line = loop_of(stream.map(lambda x: (x,)).named("after"))
    assert line == f"for {stream.node.operator}_0, cycle in events:"
    assert loop_of(stream.with_time()).startswith("for time, ")


def branches(source: gc.Stream[Any]) -> gc.Stream[Any]:
    """Merge branches of a source, which tie for some of its values."""
    some = source.enumerate().filter(lambda pair: pair[0] % 2 == 0)
    return some.merge(source.count().filter(lambda n: n % 3 != 1), source)


def repeated(source: gc.Stream[Any]) -> gc.Stream[Any]:
    """Give each value of a source, one a cycle, three, no or two times."""
    lists = source.count().map(lambda n: [n] * (3, 0, 2)[n % 3])
    return lists.unroll().merge(lists.unroll())


def timed(source: gc.Stream[Any]) -> gc.Stream[Any]:
    """Merge branches of a source, one of which reads the time."""
    return source.merge(source.with_time()).with_time()


def called(source: gc.Stream[Any]) -> gc.Stream[Any]:
    """Merge branches of a source, and call a node for each value."""
    made = node_class(
        "id(self)\nself.value = (state.time, state.cycle_at_time, self.source.value)\nreturn True"
    )
    return gc.Stream(made(branches(source)))


FURTHER = {each.__name__: each for each in (branches, repeated, timed, called)}


@pytest.mark.parametrize("wired", FURTHER)
@pytest.mark.parametrize("name", SOURCES)
def test_further_cycles_at_an_events_time_have_a_loop_in_its_round(name: str, wired: str) -> None:
    def make() -> gc.Stream[Any]:
        return FURTHER[wired](SOURCES[name]())

    lines = [line.strip() for line in source_of(make()).splitlines()]
    loop = lines.index("while True:")
    assert lines[loop - 1] == "fresh = True"
    assert "for time" in "".join(lines) or wired in ("branches", "repeated")
    for bounds in ({"cycles": 30}, *({"cycles": cycles} for cycles in range(1, 9))):
        same(make, **bounds)
    for duration in range(9):
        same(make, duration=duration)


@given(
    st.lists(st.integers(0, 12), max_size=12).map(sorted),
    st.sampled_from(sorted(FURTHER)),
    st.integers(0, 12),
    st.integers(0, 12) | st.none(),
    st.integers(1, 20) | st.none(),
    st.integers(-3, 60),
)
def test_both_tiers_agree_on_further_cycles(
    times: list[int], wired: str, start: int, length: int | None, cycles: int | None, bad: int
) -> None:
    options: dict[str, Any] = {"start": start, "cycles": cycles}
    if length is not None:
        options["duration"] = length
    left: list[Any] = list(times)
    if bad < len(left):
        left[bad:bad] = ["no time"]
    ends: list[Any] = []
    for tier in ("interpreted", "fused"):
        source = gc.replay(left, range(len(left)))
        out = FURTHER[wired](source).with_time().collect()
        try:
            report = out.run(tier=tier, **options)
        except gc.GraphcoreError as error:
            ended: Any = type(error), error.__notes__[0].split("_")[0]
        else:
            ended = report.cycles, report.end, report.ended_by, report.skipped
        ends.append((ended, list(out), source.node.ticked_in, out.node.ticked_in))
    assert str(ends[1]) == str(ends[0])


def test_a_stop_in_a_further_cycle_leaves_the_rest_to_the_closing_instant() -> None:
    made = node_class(
        "if self.source.value == 20:\n    state.stop()\nself.value = self.source.value\nreturn True"
    )

    def make() -> gc.Stream[Any]:
        source = gc.replay([1, 2, 3], [1, 2, 3])
        several = source.merge(source.map(lambda n: 10 * n), source.map(lambda n: -n))
        return gc.Stream(made(several))

    ends_like(make)
    assert [value for _, value in same(make)] == [1, 10, -1, 2, 20, -2]


def test_an_error_in_a_further_cycle_leaves_the_nodes_as_on_the_other_tier() -> None:
    def make() -> gc.Stream[Any]:
        source = gc.replay([1, 2, 2, 3], [4, 2, 0, 5])
        return source.merge(source.map(lambda n: -n)).map(lambda n: 1 // (n + 2))

    kind, _, notes = same(make)
    assert kind is ZeroDivisionError
    assert "cycle 3" in notes[0] or "2 ns" in notes[0]


def test_further_cycles_that_lead_nowhere_are_an_error() -> None:
    def make() -> gc.Stream[Any]:
        again = gc.feedback(int)
        source = gc.replay([1, 2], [1, 2])
        looped = source.merge(again.map(lambda n: n + 1))
        again.bind(looped.filter(lambda n: n > 1))
        return looped

    same(make, max_cycles_at_once=50)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("cycles", [1, 2, 3, 4, 6, 7, 8, 9])
def test_a_bound_of_cycles_ends_it_as_on_the_other_tier(name: str, cycles: int) -> None:
    ends_like(SOURCES[name], cycles=cycles)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("duration", [0, 1, 2, 3, 4, 5, 6, 7, 8, 20])
def test_a_bound_of_time_ends_it_as_on_the_other_tier(name: str, duration: int) -> None:
    ends_like(SOURCES[name], duration=duration)
    ends_like(SOURCES[name], duration=duration, cycles=4)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("start", [0, 2, 3, 9, 10])
def test_it_begins_at_the_start_of_the_run(name: str, start: int) -> None:
    ends_like(SOURCES[name], start=start, cycles=5)


def ends_like(make: Callable[[], gc.Stream[Any]], **options: Any) -> None:
    """Check that both tiers give the same ticks, report and state."""
    seen = []
    for tier in ("interpreted", "fused"):
        source = make()
        plain = source.count()
        out = source.with_time().collect()
        for roots in ((plain,), (out,), (plain, out)):
            report = gc.Graph(*roots).run(tier=tier, **options)
            found = [report.cycles, report.start, report.end, report.ended_by, report.skipped]
            seen.append((tier, *found, list(out), vars(source.node).get("value")))
            seen[-1] = (*seen[-1], plain.node.ticked_in, source.node.ticked_in)
    half = len(seen) // 2
    assert [str(each[1:]) for each in seen[half:]] == [str(each[1:]) for each in seen[:half]]


@given(
    st.lists(st.integers(0, 12), max_size=12),
    st.booleans(),
    st.integers(0, 12),
    st.integers(0, 12) | st.none(),
    st.integers(1, 9) | st.none(),
)
def test_both_tiers_agree_for_any_times(
    times: list[int], ordered: bool, start: int, length: int | None, cycles: int | None
) -> None:
    options: dict[str, Any] = {"start": start, "cycles": cycles}
    if length is not None:
        options["duration"] = length
    given_times = sorted(times) if ordered else times
    same(lambda: gc.replay(given_times, range(len(times))).with_time(), **options)
    same(lambda: gc.replay(list(zip(given_times, times, strict=True))).enumerate(), **options)


@pytest.mark.parametrize(
    ("place", "bad"),
    [(i, bad) for i in range(7) for bad in ("x", 1.5, -100, None) if (i, bad) != (0, -100)],
)
def test_an_error_among_the_events_comes_in_a_cycle_of_its_own(place: int, bad: Any) -> None:
    times: list[Any] = [1, 2, 2, 4, 5, 6, 7]
    times[place] = bad
    seen: list[list[Any]] = []
    found: list[Any] = []
    for tier in ("interpreted", "fused"):
        letters = gc.replay(times, "abcdefg").named("letters")
        out = letters.with_time().collect()
        with pytest.raises(gc.GraphcoreError) as caught:
            gc.Graph(out).run(tier=tier)
        seen.append([*out, letters.node.ticked_in, out.node.ticked_in])
        notes = caught.value.__notes__
        found.append(
            (type(caught.value), str(caught.value), [n.split(" wired ")[0] for n in notes])
        )
    assert seen[1] == seen[0]
    assert found[1] == found[0]
    same(lambda: gc.replay(times, "abcdefg").count(), cycles=place or 1)


@pytest.mark.parametrize("cycle", range(1, 8))
def test_a_node_that_stops_the_run_ends_it_after_its_cycle(cycle: int) -> None:
    made = node_class(
        "if self.source.value == self.last:\n    state.stop()\nself.value = self.source.value\n"
        "return True",
        "source: gc.Active[Any]\nlast: int",
    )
    ends_like(lambda: gc.Stream(made(gc.replay([1, 2, 2, 2, 5, 6, 7], range(1, 8)), cycle)))


def test_a_run_that_is_stopped_in_start_has_no_cycle() -> None:
    made = node_class(
        "self.value = self.source.value\nreturn True",
        more="def start(self, state):\n    state.stop()",
    )
    ends_like(lambda: gc.Stream(made(gc.replay([1, 2], "ab"))))


@pytest.mark.parametrize("cycle", range(1, 8))
def test_an_interrupt_leaves_the_nodes_as_they_were(cycle: int) -> None:
    def interrupt(x: int) -> int:
        if x == cycle:
            raise KeyboardInterrupt
        return x

    for tier in ("interpreted", "fused"):
        source = gc.replay([1, 2, 2, 2, 5, 6, 7], range(1, 8))
        before, after = source.count(), source.map(interrupt).count()
        graph = gc.Graph(before, after)
        with pytest.raises(KeyboardInterrupt):
            graph.run(tier=tier)
        assert source.node.value == before.node.value == cycle
        assert getattr(after.node, "count", 0) == cycle - 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: gc.replay(iter([(1, "a")])),
        lambda: gc.replay(lambda: [(1, "a")]),
        lambda: gc.replay([1, 1, 2], "abc", delivery="burst"),
        lambda: gc.replay([1, 2], iter("ab")),
        lambda: gc.from_iterable(iter("ab")),
    ],
)
def test_events_that_do_not_all_exist_before_the_run_are_asked_for_one_by_one(
    make: Callable[[], gc.Stream[str]],
) -> None:
    assert loop_of(make()) == "for cycle in cycles:"
    same(make)


def test_a_second_source_and_a_node_that_wakes_itself_need_another_loop() -> None:
    source = gc.replay([1, 2], "ab")
    assert loop_of(source.merge(gc.constant("c"))) == "for cycle in cycles:"
    assert loop_of(source.delay(5)) == "for moment, given, cycle in events:"


def test_the_cycle_of_a_subclass_runs() -> None:
    @gc.node
    class Twice(Ticker):
        def cycle(self, state: gc.GraphState) -> bool:
            self.value = 2 * state.time
            state.schedule(state.time + self.period)
            return True

    def make() -> gc.Stream[int]:
        return gc.Stream(Twice(3))

    assert loop_of(make()) == "for cycle in cycles:"
    assert same(make, cycles=3) == [(0, 0), (3, 6), (6, 12)]


def test_the_start_of_a_subclass_runs() -> None:
    @gc.node
    class Late(Constant[str]):
        def start(self, state: gc.GraphState) -> None:
            state.schedule(7)

    def make() -> gc.Stream[str]:
        return gc.Stream(Late("x"))

    assert same(make) == [(7, "x")]


@gc.node
class Interrupted(gc.Source[str]):
    """Has two events, and is interrupted where it is asked for a third."""

    recorded = True

    def start(self, state: gc.GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: gc.GraphState) -> bool:
        letters = "ab"
        self.value = letters[state.time - 1]
        state.schedule(state.time + 1)
        return True

    def chunks(self, start: int) -> Chunks:
        yield (1, 2), "ab"
        raise KeyboardInterrupt


def test_an_interrupt_between_two_events_leaves_all_nodes_ticked() -> None:
    source = gc.Stream(Interrupted())
    count = source.count()
    with pytest.raises(KeyboardInterrupt):
        count.run()
    assert (source.node.value, count.node.value) == ("b", 2)
    assert (source.node.ticked_in, count.node.ticked_in) == (2, 2)
