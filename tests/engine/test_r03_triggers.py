"""R3, R4, R5: what runs a node, what its tick does, and missing values."""

from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import ticks

S = 1_000_000_000


@gc.node
class Runs(gc.MutableNode[int]):
    """Counts how often it runs, in a list that outlives the run."""

    active: list[gc.Active[Any]]
    passive: list[gc.Passive[Any]]
    log: list[int]

    def cycle(self, state: gc.GraphState) -> bool:
        self.log.append(state.time)
        return False


class Every(gc.MutableNode[int]):
    """Ticks when a function of its upstream's value says so; hand-written, never gated."""

    def __init__(self, source: gc.Stream[int], cycle: Any) -> None:
        super().__init__()
        self.source, self.body = source.node, cycle

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return bool(self.body(self, state))


def test_r3_an_active_upstreams_tick_runs_the_node() -> None:
    log: list[int] = []
    gc.Stream(Runs([gc.replay([1, 2, 5], ["a", "b", "c"])], [], log)).run()
    assert log == [1, 2, 5]


def test_r3_a_passive_upstream_is_read_and_triggers_nothing() -> None:
    log: list[int] = []
    read, active = gc.replay([1, 2, 3, 4], ["a", "b", "c", "d"]), gc.replay([2, 4], ["x", "y"])
    gc.Stream(Runs([active], [read], log)).run()
    assert log == [2, 4]
    assert ticks(active.with_latest(read)) == [(2, ("x", "b")), (4, ("y", "d"))]


def test_r3_a_node_with_passive_upstreams_alone_and_no_alarm_is_refused() -> None:
    class ByHand(gc.MutableNode[int]):
        def __init__(self, source: gc.Stream[str]) -> None:
            super().__init__()
            self.source = source

        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(passive=(self.source,))

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = state.time
            return True

    class Wakes(ByHand):
        def start(self, state: gc.GraphState) -> None:
            state.schedule(state.time + 3)

    source = gc.replay([1, 2], ["a", "b"])
    for node in (Runs([], [source], []), ByHand(source)):
        with pytest.raises(gc.WiringError) as caught:
            gc.Graph(source, gc.Stream(node).named("idle"))
        assert str(caught.value) == (
            "idle never runs: all that it reads is passive, which triggers nothing, and it sets no "
            "alarm in start; make an input Active"
        )
    assert ticks(gc.Stream(Wakes(source))) == [(4, 4)]
    woken: Any = ByHand(source)
    woken.start = lambda state: state.schedule(state.time + 2)
    assert ticks(gc.Stream(woken)) == [(3, 3)]
    assert ticks(gc.Stream(Runs([], [], []))) == []


def test_r3_an_upstream_that_is_active_and_passive_triggers() -> None:
    log: list[int] = []
    source = gc.replay([1, 2], ["a", "b"])
    gc.Stream(Runs([source], [source], log)).run()
    assert log == [1, 2]


def test_r3_a_node_runs_at_the_time_that_it_scheduled_without_any_tick() -> None:
    log: list[int] = []

    class Alarmed(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            state.schedule(state.time + 5)

        def cycle(self, state: gc.GraphState) -> bool:
            log.append(state.time)
            return False

    gc.Graph(Alarmed()).run()
    assert log == [5]


def test_r3_a_source_runs_when_it_has_events_and_only_then() -> None:
    log: list[int] = []
    other = gc.replay([1, 2, 3], ["a", "b", "c"])
    source = gc.Stream(Every(gc.replay([2], [0]), lambda node, state: log.append(state.time)))
    gc.Graph(other, source).run()
    assert log == [2]


def test_r4_only_a_node_that_ticked_runs_its_dependants() -> None:
    log: list[int] = []
    odd = gc.replay([1, 2, 3, 4], [1, 2, 3, 4]).filter(lambda n: n % 2)
    gc.Stream(Runs([odd], [], log)).run()
    assert log == [1, 3]


def test_r4_a_value_set_without_a_tick_runs_no_other_node() -> None:
    log: list[int] = []
    silent = gc.Stream(Every(gc.replay([1, 2], [1, 2]), lambda node, state: False))
    gc.Graph(gc.Stream(Runs([silent], [], log))).run()
    assert log == []


def test_r4_ticked_is_about_this_cycle_and_not_about_this_time() -> None:
    seen: list[tuple[int, bool, bool]] = []

    class Asks(gc.MutableNode[None]):
        def __init__(self, one: gc.Stream[str], other: gc.Stream[str]) -> None:
            super().__init__()
            self.one, self.other = one.node, other.node

        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(active=(self.one, self.other))

        def start(self, state: gc.GraphState) -> None:
            seen.append((state.time, state.ticked(self.one), state.ticked(self.other)))

        def cycle(self, state: gc.GraphState) -> bool:
            seen.append((state.time, state.ticked(self.one), state.ticked(self.other)))
            return False

    one, other = gc.replay([5, 5], ["a", "b"]), gc.replay([5, 6], ["x", "y"])
    gc.Graph(Asks(one, other)).run()
    assert seen == [(5, False, False), (5, True, True), (5, True, False), (6, False, True)]


@pytest.mark.parametrize("asked", ["ticked", "valid"])
@pytest.mark.parametrize("given", [1.5, None, "source"])
def test_r4_ticked_and_valid_refuse_anything_but_a_stream(asked: str, given: Any) -> None:
    def ask(node: Every, state: gc.GraphState) -> None:
        getattr(state, asked)(given)

    every = gc.Stream(Every(gc.constant(1), ask))  # type: ignore[arg-type]  # of text
    with pytest.raises(gc.InvalidTypeError, match=f"a stream or a node, not {given!r}"):
        every.run()


def test_r4_ticked_and_valid_take_a_stream_as_well_as_a_node() -> None:
    source = gc.replay([1], ["a"])
    asked: list[tuple[bool, ...]] = []

    def ask(node: Every, state: gc.GraphState) -> None:
        asked.append((state.ticked(source), state.ticked(source.node)))
        asked.append((state.valid(source), state.valid(source.node)))

    gc.Stream(Every(source, ask)).run()  # type: ignore[arg-type]  # of text
    assert asked == [(True, True), (True, True)]


INPUTS = pytest.mark.parametrize(
    "wire",
    [
        lambda a, b: a + b,
        lambda a, b: a < b,
        lambda a, b: a == b,
        lambda a, b: (a > 0) & (b > 0),
        lambda a, b: a.join(b, lambda x, y: x),
        lambda a, b: a.with_latest(b),
        lambda a, b: a.gate(b),
        lambda a, b: a.combine(b),
        lambda a, b: b.sample(a),
    ],
    ids=[
        "arithmetic",
        "less",
        "equal",
        "boolean",
        "join",
        "with_latest",
        "gate",
        "combine",
        "sample",
    ],
)


@INPUTS
def test_r5_an_operator_of_several_inputs_waits_until_each_has_a_value(wire: Any) -> None:
    a, b = gc.replay([1, 2, 3, 4], [1, 2, 3, 4]), gc.replay([3], [7])
    times = [time for time, _ in ticks(wire(a, b))]
    assert times == [3, 4]


@INPUTS
def test_r5_a_value_of_an_earlier_run_does_not_count(wire: Any) -> None:
    a = gc.replay([1, 2, 3], [1, 2, 3])
    calls = 0

    def times() -> list[tuple[int, int]]:
        nonlocal calls
        calls += 1
        return [(2, 7)] if calls == 1 else []

    out = wire(a, gc.replay(times)).collect()
    out.run()
    assert out.times == [2, 3]
    out.run()
    assert out.times == []


def test_r5_a_stream_without_a_value_says_so_by_its_name() -> None:
    source = gc.replay([1], [5]).named("mid")
    with pytest.raises(gc.NoValueError, match="^mid has no value yet"):
        _ = source.value
    with pytest.raises(gc.NoValueError, match="^mid has no value yet"):
        _ = source.node.value
    source.run()
    assert source.value == 5


def test_r5_a_read_in_a_cycle_before_the_first_tick_raises_with_the_name() -> None:
    late = gc.replay([9], [0]).named("late")

    @gc.node(valid="any")
    class Reads(gc.MutableNode[int]):
        now: gc.Active[int]
        later: gc.Passive[int]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.later.value
            return True

    with pytest.raises(gc.NoValueError, match="late has no value yet"):
        gc.Stream(Reads(gc.replay([1], [0]), late)).run()


def test_r5_valid_is_true_from_the_first_tick_on_this_cycle_included() -> None:
    one, other = gc.replay([1, 2, 3], ["a", "b", "c"]), gc.replay([2], ["x"])
    asked: list[tuple[int, bool, bool]] = []

    @gc.node(valid="any")
    class Asks(gc.MutableNode[None]):
        one: gc.Active[str]
        other: gc.Active[str]

        def cycle(self, state: gc.GraphState) -> bool:
            asked.append((state.time, state.valid(self.one), state.valid(self.other)))
            return False

    gc.Graph(Asks(one, other)).run()
    assert asked == [(1, True, False), (2, True, True), (3, True, True)]
