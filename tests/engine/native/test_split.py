"""A plan in two parts gives what the fused tier gives, wherever the fused part ends or looks."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

from graphcore.engine.native import tier as native_tier
from graphcore.engine.native.run import Pace
from tests.differential.observe import difference, run

COUNT = 2_000
TIMES = np.arange(COUNT) * 2
VALUES = np.random.default_rng(5).normal(size=COUNT)
Wired = list[Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("machine_code"))


@pytest.fixture(
    autouse=True,
    params=[7, 1_000, *(pytest.param(chunk, marks=pytest.mark.thorough) for chunk in (5, 64))],
)
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, folder: str) -> int:
    monkeypatch.setenv("GRAPHCORE_CACHE", folder)
    monkeypatch.setattr(native_tier, "PACE", Pace(20, request.param, 500, 0, 0))
    found: int = request.param
    return found


@gc.node
class Tally(gc.MutableNode[int]):
    """Has a dict as its state, stops the run or fails at some value."""

    source: gc.Active[float]
    stops_at: int = -1
    fails_at: int = -1
    seen: dict[int, int] = gc.state(factory=dict)
    count: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.count += 1
        key = int(self.source.value)
        self.seen[key] = self.seen.get(key, 0) + 1
        if self.count == self.stops_at:
            state.stop()
        if self.count == self.fails_at:
            raise ValueError(f"{key} is the last straw")
        self.value = self.seen[key]
        return True


@gc.node(valid="any")
class Called(gc.MutableNode[Any]):
    """Is called; reads one stream, and is woken by the other."""

    first: gc.Active[float]
    second: gc.Passive[float]

    def cycle(self, state: gc.GraphState) -> bool:
        try:
            other = self.second.value if state.valid(self.second) else None
            self.value = [state.time, state.cycle_at_time, self.first.value, other]
        except ZeroDivisionError:
            return False
        return True


@gc.node
class Reminded(gc.MutableNode[str]):
    """Is called; sets an alarm at every hundredth value."""

    source: gc.Active[float]
    after: int
    count: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        try:
            if state.ticked(self.source):
                self.count += 1
                if self.count % 100 == 0:
                    state.schedule(state.time + self.after)
        except ZeroDivisionError:
            return False
        self.value = f"{self.count} at {state.time}"
        return state.due


@gc.node
class Total(gc.MutableNode[float]):
    source: gc.Active[float]
    total: float = gc.state(0.0)
    recent: deque[float] = gc.state(factory=deque)

    def cycle(self, state: gc.GraphState) -> bool:
        self.total += self.source.value
        self.recent.append(self.source.value)
        if len(self.recent) > 3:
            self.recent.popleft()
        self.value = self.total
        return True


def means() -> tuple[Any, Any]:
    """Return a stream of each cycle and one of some cycles, both with a native part before them."""
    source = gc.replay(TIMES, VALUES).named("source")
    mean = (source.ewm(span=5).mean() - source.ewm(span=9).mean()).named("mean")
    return mean, mean.filter(lambda x: x > 0.1).named("great")


def numbered(roots: Wired) -> gc.Graph:
    graph = gc.Graph(*roots)
    for serial, node in enumerate(graph.nodes, 1):
        node.serial = serial
    return graph


def same(wire: Callable[[], Wired], is_split: bool = True, **options: Any) -> dict[str, Any]:
    """Check that two runs on the native tier leave what fused ones leave; return that."""
    fused, native = numbered(wire()), numbered(wire())
    for _ in range(2):
        expected, found = run(fused, tier="fused", **options), run(native, tier="native", **options)
        assert difference(expected, found) is None
        assert ("  fused: " in native.explain("native")) == is_split, native.explain("native")
    return found


def test_each_value_of_the_boundary_comes_to_the_fused_part() -> None:
    def wire() -> Wired:
        mean, great = means()
        return [gc.Stream(Tally(mean)).collect(), gc.Stream(Tally(great)).collect(), mean.collect()]

    same(wire)


def test_the_tier_says_which_nodes_are_fused_and_why() -> None:
    _, great = means()
    tally = gc.Stream(Tally(great)).named("tally")
    graph = gc.Graph(tally.map(lambda x: x + 1).named("after"))
    graph.run(tier="native")
    told = dict(line.split("  ") for line in graph.explain("native").splitlines()[1:])
    assert told["great"] == "native"
    assert told["tally"] == "fused: it is left for Python: the attribute get of an object"
    assert told["after"] == "fused: it reads tally"


@pytest.mark.parametrize("at", [150, 300])
def test_an_error_in_the_middle_of_a_chunk_leaves_all_nodes_as_of_its_cycle(at: int) -> None:
    def wire() -> Wired:
        mean, great = means()
        tally = Tally(great, -1, at)
        # Of the cycle that fails, some nodes of the native part run before the node, some after.
        return [gc.Stream(tally).collect(), great.rolling(3).mean().lag(2).collect(), mean.sum()]

    assert "is the last straw" in same(wire)["error"]


@pytest.mark.parametrize("at", [150, 300])
def test_stop_in_the_middle_of_a_chunk_ends_both_parts_at_its_cycle(at: int) -> None:
    def wire() -> Wired:
        mean, great = means()
        return [gc.Stream(Tally(great, at)).collect(), mean.sum().collect()]

    assert "STOP" in same(wire)["report"]


def test_a_limit_of_cycles_and_a_last_time_end_both_parts() -> None:
    def wire() -> Wired:
        mean, great = means()
        return [gc.Stream(Tally(great)).collect(), mean.sum().collect()]

    same(wire, cycles=777)
    same(wire, until=1_111)


@pytest.mark.parametrize("after", [0, 1, 2, 7])
def test_alarms_of_the_fused_part_go_off_between_and_in_cycles(after: int) -> None:
    def wire() -> Wired:
        mean, great = means()
        return [gc.Stream(Reminded(great, after)).collect(), mean.count().collect()]

    same(wire)


def test_values_that_the_fused_part_unrolls_come_in_cycles_of_their_own() -> None:
    def wire() -> Wired:
        mean, great = means()
        listed = great.filter(lambda x: x > 0.5).map(lambda x: [x, str(x)])
        return [listed.unroll().collect(), mean.count().collect()]

    same(wire)


def test_nodes_of_the_native_part_close_before_the_fused_part_sees_it() -> None:
    def wire() -> Wired:
        mean, _ = means()
        return [gc.Stream(Tally(mean.resample("700ns").last())).collect()]

    same(wire)


def test_a_stream_that_is_only_read_has_its_present_value() -> None:
    def wire() -> Wired:
        mean, great = means()
        return [gc.Stream(Called(great, mean)).collect(), gc.Stream(Called(mean, great)).collect()]

    same(wire)


def test_a_stream_that_never_ticks_stays_without_a_value() -> None:
    def wire() -> Wired:
        mean, great = means()
        never = mean.filter(lambda x: x > 1e9)
        return [gc.Stream(Called(great, never)).collect(), gc.Stream(Tally(never)).collect()]

    same(wire)


def test_a_global_that_the_fused_part_assigns_counts_from_the_next_cycle_on() -> None:
    names: dict[str, Any] = {"factor": 1.0, "told": []}
    exec(
        "def scaled(x):\n    return x * factor\n"
        "def assign(x):\n    global factor\n    told.append(x)\n"
        "    factor = len(told) // 50\n    return x",
        names,
    )

    def wire() -> Wired:
        mean, great = means()
        scaled = mean.map(names["scaled"])
        return [great.map(names["assign"]).collect(), scaled.collect()]

    fused, native = numbered(wire()), numbered(wire())
    outcomes = []
    for graph, tier in ((fused, "fused"), (native, "native")):
        names["factor"], names["told"] = 1.0, []
        outcomes.append(run(graph, tier=tier))
    assert difference(*outcomes) is None


@pytest.mark.parametrize("what", ["value", "total", "recent", "ticked_in"])
def test_the_fused_part_sees_other_nodes_as_of_its_cycle(what: str) -> None:
    def wire() -> Wired:
        mean, great = means()
        total = gc.Stream(Total(mean))
        seen: list[Any] = []
        hidden = [total.node, great.node]

        def look(x: float) -> float:
            seen.append([str(getattr(node, what, None)) for node in hidden])
            return x

        return [great.map(look).map(lambda _: seen[-1]).collect(), total.collect()]

    same(wire, is_split=False)


def test_the_fused_part_assigns_an_attribute_of_a_node_of_the_native_part() -> None:
    def wire() -> Wired:
        mean, great = means()
        total = gc.Stream(Total(mean))
        hidden: list[Any] = [total.node, []]

        def assign(x: float) -> float:
            hidden[1].append(x)
            if len(hidden[1]) % 300 == 0:
                hidden[0].total = 5.0
            return x

        return [great.map(assign).collect(), total.collect()]

    fused, native = wire(), wire()
    outcomes = [
        run(numbered(roots), tier=tier) for roots, tier in ((fused, "fused"), (native, "native"))
    ]
    assert difference(*outcomes) is None


def test_a_small_native_part_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_tier, "PACE", Pace(20, 64, 500, 0, 3))
    source = gc.replay(TIMES, VALUES)
    graph = gc.Graph(gc.Stream(Tally(source.map(lambda x: x + 1))).collect())
    graph.run(tier="native")
    assert "then the native part was too small" in graph.explain("native")
    graph.run(tier="native")
    assert graph.explain("native").startswith("fused: the native part was too small")


def test_another_thread_stops_a_run_whose_fused_part_is_slow() -> None:
    mean, _ = means()
    running = threading.Event()

    def slow(x: float) -> str:
        running.set()
        again.wait(0.001)
        return str(x)

    again = threading.Event()
    out = mean.map(slow).collect()
    graph = gc.Graph(out, mean.count().named("count"))

    def stop() -> None:
        running.wait(60)
        graph.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    report = graph.run(tier="native")
    thread.join()
    assert report.ended_by is gc.EndedBy.STOP
    assert len(out.values) == graph.nodes[-1].value == report.cycles < COUNT
