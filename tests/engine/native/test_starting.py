"""What starts the cycles of a kernel: the events of several sources, and alarms (R6, R7)."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphcore as gc

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

from graphcore.engine.native import tier as native_tier
from graphcore.engine.native.run import Pace
from tests.differential.observe import difference, run

Wire = Callable[[], Any]


@pytest.fixture(autouse=True)
def short_pace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native_tier, "PACE", Pace(3, 50, apart=0))
    monkeypatch.setenv("GRAPHCORE_CACHE", str(tmp_path / "cache"))


def same(wire: Wire, **options: Any) -> tuple[gc.Graph, str]:
    """Run a wiring on both tiers and compare all that can be seen; return the graph, and that."""
    graphs = [gc.Graph(wire()) for _ in range(2)]
    for graph in graphs:
        for serial, node in enumerate(graph.nodes):
            node.serial = serial
    outcomes = [
        run(graph, tier=tier, **options)
        for graph, tier in zip(graphs, ("fused", "native"), strict=True)
    ]
    assert difference(*outcomes) is None
    return graphs[1], str(outcomes[1])


def assert_native(wire: Wire, **options: Any) -> gc.Graph:
    """Do the same, and see that machine code ran."""
    graph, _ = same(wire, **options)
    told = graph.explain("native").partition("\n")[0]
    assert told.startswith("native") and not told.startswith("native: 0"), told
    return graph


def prices(seed: int, count: int = 700, most: int = 3) -> "gc.Stream[float]":
    """Return random floats at random times, several at one time among them."""
    draw = np.random.default_rng(seed)
    return gc.replay(np.cumsum(draw.integers(0, most, count)), draw.normal(size=count))


def listed(seed: int, count: int = 700, most: int = 3) -> "gc.Stream[float]":
    """Return the same as lists, which are read a chunk at a time."""
    draw = np.random.default_rng(seed)
    times, values = np.cumsum(draw.integers(0, most, count)), draw.normal(size=count)
    return gc.replay(times.tolist(), values.tolist())


@pytest.mark.parametrize("make", [prices, listed])
@pytest.mark.parametrize(
    "join",
    [
        lambda a, b: a - b,
        lambda a, b: a.join(b.count(), lambda x, n: x * n),
        lambda a, b: a.sample(b),
        lambda a, b: a.with_latest(b).map(lambda pair: pair[0] - pair[1]),
        lambda a, b: a.merge(b),
        lambda a, b: b.merge_first(a),
    ],
)
def test_r6_two_sources_are_merged_by_time(
    make: Callable[..., Any], join: Callable[[Any, Any], Any]
) -> None:
    graph = assert_native(lambda: join(make(1), make(2, 400, 7)).collect())
    assert graph.explain("native").count("  native") == len(graph.nodes)


def test_r6_values_of_one_time_come_one_a_cycle_from_each_source() -> None:
    def wire() -> Any:
        some = gc.replay([0] * 100, [float(i) for i in range(100)])
        more = gc.replay(np.zeros(60, int), np.arange(60))
        return (some * more).collect()

    assert_native(wire)


def test_sources_of_other_kinds_and_none_are_merged_as_well() -> None:
    def wire() -> Any:
        flags = gc.replay(np.arange(0, 400, 3), np.arange(134) % 2 == 0)
        whole = gc.replay(list(range(400)), list(range(400)))
        empty = gc.replay(np.arange(0), np.zeros(0))
        return whole.gate(flags).merge(empty.map(int)).collect()

    assert_native(wire)


def test_tickers_and_sources_run_up_to_the_bound() -> None:
    assert_native(lambda: gc.ticker("7ns").join(prices(3), lambda t, x: t + x).collect(), until=900)


@pytest.mark.parametrize(
    "options", [{"cycles": 111}, {"until": 222}, {"start": 100, "duration": 77}, {"until": 10_000}]
)
def test_bounds_end_a_run_of_several_sources(options: dict[str, Any]) -> None:
    assert_native(lambda: (prices(1) - listed(2)).every("4ns").collect(), **options)


@pytest.mark.parametrize("place", [0, 60, 300])
def test_a_source_fails_in_a_cycle_of_its_own(place: int) -> None:
    def wire() -> Any:
        times = list(range(400))
        times[place] = times[place + 1] + 5  # the next time goes back
        late = gc.replay(times, [float(each) for each in times]).named("late")
        return (prices(1).named("one") - late).collect()

    assert "times must not go back" in same(wire)[1]


ALARMS: dict[str, Callable[[Any], Any]] = {
    "delay": lambda a: a.delay("9ns"),
    "many delays": lambda a: a.delay("300ns") - a.delay("5ns"),
    "debounce": lambda a: a.debounce("2ns"),
    "throttle_latest": lambda a: a.throttle_latest("4ns"),
    "silent_for": lambda a: a.silent_for("2ns"),
    "every": lambda a: a.every("3ns"),
    "queue": lambda a: a.merge(a * 2, a.delay("3ns")),
    "delay_until": lambda a: a.delay_until(a.filter(lambda x: x > 1)),
}


@pytest.mark.parametrize("name", ALARMS)
def test_r7_alarms_go_off_in_machine_code(name: str) -> None:
    assert_native(lambda: ALARMS[name](prices(4)).collect())
    assert_native(lambda: ALARMS[name](prices(4, 300, 8) - listed(5, 200, 9)).collect())


def test_alarms_after_the_last_event_go_off_as_long_as_one_keeps_the_run_alive() -> None:
    graph = assert_native(lambda: prices(6).delay("1us").every("50ns").collect())
    assert graph.explain("native").startswith("native: 1,4")


@pytest.mark.parametrize("seed", range(5))
def test_alarms_go_off_in_the_order_of_their_times(seed: int) -> None:
    @gc.node
    class Reminder(gc.MutableNode[int]):
        source: gc.Active[int]

        def cycle(self, state: gc.GraphState) -> bool:
            if state.ticked(self.source):
                after = self.source.value
                if after % 3 == 0:
                    state.schedule(state.time + after)
                if after % 5 == 0:
                    state.schedule(state.time + 1000 - after, keeps_alive=False)
                if after % 4 == 0:
                    state.schedule_last(state.time + after // 2)
            if not state.due:
                return False
            self.value = state.time
            return True

    afters = [random.Random(seed).randrange(1000) for _ in range(600)]
    assert_native(lambda: gc.Stream(Reminder(gc.replay(list(range(600)), afters))).collect())


def test_r15_an_instant_that_never_ends_is_the_same_error() -> None:
    @gc.node
    class Endless(gc.MutableNode[float]):
        source: gc.Active[float]

        def cycle(self, state: gc.GraphState) -> bool:
            if state.time >= 300:
                state.schedule(state.time)
            self.value = self.source.value
            return True

    def wire() -> Any:
        return gc.Stream(Endless(prices(1))).named("endless").collect()

    assert "more than 1,000 cycles" in same(wire, max_cycles_at_once=1000)[1]


def test_a_node_that_asks_more_of_its_state_is_pythons_where_it_asks() -> None:
    @gc.node
    class Stopping(gc.MutableNode[float]):
        source: gc.Active[float]

        def cycle(self, state: gc.GraphState) -> bool:
            if self.source.value > 2.4:
                state.stop()
            self.value = self.source.value
            return True

    assert_native(lambda: gc.Stream(Stopping(prices(1) * 1.5)).collect())


def test_an_error_between_the_events_of_two_sources_is_pythons() -> None:
    def inverse(x: float) -> float:
        return 1 / (x if x < 2 else 0)

    seen = same(lambda: (prices(1) - prices(2)).map(inverse).collect())[1]
    assert "division by zero" in seen
