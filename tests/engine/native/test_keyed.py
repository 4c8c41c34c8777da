"""Keys in machine code: their sub-graphs give what they give in Python, and hold the same state."""

import random
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import graphcore as gc

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

from graphcore.engine.native import tier as native_tier
from graphcore.engine.native.backend.lending import Lending
from graphcore.engine.native.run import Pace
from tests.differential.observe import difference, run

CYCLES = 300
LIMITS = (0.1, -0.2, 0.3)


@pytest.fixture(autouse=True)
def short_pace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native_tier, "PACE", Pace(3, 50, apart=0))
    monkeypatch.setenv("GRAPHCORE_CACHE", str(tmp_path / "cache"))


def pairs_of(keys: Sequence[Any], values: Sequence[Any] | None = None) -> gc.Stream[Any]:
    """Return a stream of (key, value); at each time one of each kind comes."""
    chance = random.Random(3)
    given = [chance.gauss(0, 1) for _ in keys] if values is None else values
    times = np.arange(len(keys))
    of_keys, of_values = gc.replay(times, np.array(keys)), gc.replay(times, np.array(given))
    return of_values.with_latest(of_keys).map(lambda pair: (pair[1], pair[0]))


def drawn(keys: int, cycles: int = CYCLES) -> list[int]:
    chance = random.Random(7)
    return [chance.randrange(keys) for _ in range(cycles)]


def key_of(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def own_values(own: gc.Stream[Any]) -> gc.Stream[Any]:
    return own.map(lambda pair: pair[1]).named("own")


BUILDS: dict[str, Callable[[gc.Stream[Any], Any], Any]] = {
    "ewm": lambda own, key: own_values(own).ewm(alpha=0.1).mean(),
    "ewm over time": lambda own, key: own_values(own).ewm(halflife="5ns").std(),
    "threshold": lambda own, key: own_values(own).ewm(span=3).mean().filter(lambda x: x > 0.1),
    "several nodes": lambda own, key: (
        (own_values(own) - own_values(own).ewm(span=3).mean()).distinct().sum()
    ),
    "with the key": lambda own, key: own_values(own).filter(lambda x: x > key / 9).count(),
    "a list around": lambda own, key: own_values(own).map(lambda x: x > LIMITS[1]).distinct(),
    "scan": lambda own, key: own_values(own).scan(lambda total, x: total * 0.5 + x, 0.0),
    "tuples": lambda own, key: own_values(own).enumerate().map(lambda pair: (pair[1], pair)),
    "the pair": lambda own, key: own,
    "never": lambda own, key: own_values(own).filter(lambda x: x > 100),
    "none": lambda own, key: own_values(own).map(lambda x: None if x > 0 else x),
    "first few": lambda own, key: own_values(own).limit(3),
    "lag": lambda own, key: own_values(own).difference(),
    "expanding": lambda own, key: own_values(own).expanding().var(),
    "rolling": lambda own, key: own_values(own).rolling(3).mean(),
    "delay": lambda own, key: own_values(own).delay("2ns"),
}
IN_PYTHON = {"rolling", "lag", "delay", "a list around"}


def alike(wire: Callable[[], gc.Graph], **options: Any) -> gc.Graph:
    """Run a graph on both tiers, each first once; return the native one."""
    one, other = wire(), wire()
    for tiers in (("fused", "native"), ("native", "fused")):
        outcomes = [
            run(graph, tier=tier, **options)
            for graph, tier in zip((one, other), tiers, strict=True)
        ]
        found = difference(*outcomes)
        assert found is None, f"{' and '.join(tiers)} differ in {found}"
    return other


def number(*outs: Any) -> gc.Graph:
    graph = gc.Graph(*outs)
    for serial, node in enumerate(graph.nodes, 1):
        node.serial = serial
    return graph


def native_cycles(graph: gc.Graph) -> int:
    first = graph.explain("native").splitlines()[0]
    return int(first.split()[1].replace(",", "")) if first.startswith("native") else 0


@pytest.mark.parametrize("name", BUILDS)
def test_sub_graphs_give_the_same(name: str) -> None:
    def wire() -> gc.Graph:
        keyed = pairs_of(drawn(9)).group_by(key_of, BUILDS[name])
        return number(
            keyed.changes.collect(), keyed.pairs().collect(), keyed.changes.count(), keyed.removed
        )

    graph = alike(wire)
    if name not in IN_PYTHON:
        assert native_cycles(graph) > CYCLES / 2, graph.explain("native")


@pytest.mark.parametrize(
    "keys",
    [
        drawn(300),
        [each * (1 << 54) - (1 << 62) for each in drawn(200)],
        [-each for each in drawn(5)],
        [each % 2 == 0 for each in drawn(7)],
    ],
    ids=["many", "far apart", "negative", "bools"],
)
def test_keys_are_found(keys: list[Any]) -> None:
    def wire() -> gc.Graph:
        keyed = pairs_of(keys, [*range(len(keys))]).group_by(
            key_of, lambda own, key: own_values(own).scan(lambda total, x: total + x, 0)
        )
        return number(keyed.changes.collect(), keyed.pairs().collect())

    assert native_cycles(alike(wire))


def test_a_key_is_what_equals_it() -> None:
    def wire() -> gc.Graph:
        keyed = pairs_of(drawn(4)).group_by(
            lambda pair: pair[0] > 1 if pair[1] > 0 else pair[0], BUILDS["ewm"]
        )
        return number(keyed.changes.collect(), keyed.changes.count())

    assert native_cycles(alike(wire))


class Side(Enum):
    BUY = 1
    SELL = 2


class Venue(NamedTuple):
    symbol: str
    side: Side


SYMBOLS = [f"S{each}" for each in range(300)]


@pytest.mark.parametrize(
    "key",
    [
        lambda pair: "up" if pair[1] > 0 else "down",
        lambda pair: Side.BUY if pair[1] > 0 else Side.SELL,
        lambda pair: (pair[0], pair[1] > 0),
        lambda pair: (pair[0] > 3, Side.BUY if pair[1] > 0 else Side.SELL, "all"),
        lambda pair: Venue("up" if pair[1] > 0 else "down", Side.BUY),
        lambda pair: ("up" if pair[1] > 0 else Side.SELL, True if pair[0] < 2 else pair[0]),
        lambda pair: "always",
        lambda pair: (1, 2),
    ],
)
def test_keys_are_strings_members_and_tuples(key: Callable[[Any], Any]) -> None:
    def wire() -> gc.Graph:
        keyed = pairs_of(drawn(7)).group_by(key, BUILDS["ewm"])
        return number(keyed.changes.collect(), keyed.pairs().collect())

    assert native_cycles(alike(wire)) > CYCLES / 2


@pytest.mark.parametrize("symbols", [5, 90], ids=["few", "many"])
def test_keys_are_strings_from_a_source(symbols: int) -> None:
    chance = random.Random(1)
    rows = [(SYMBOLS[each], chance.gauss(0, 1)) for each in drawn(symbols, 1_500)]

    def wire() -> gc.Graph:
        keyed = gc.replay(range(len(rows)), rows).group_by(key_of, BUILDS["ewm"])
        return number(keyed.changes.collect(), keyed.pairs().map(lambda pair: pair[0]).collect())

    assert native_cycles(alike(wire)) > 100


@pytest.mark.parametrize(
    "key",
    [
        lambda pair: "up" if pair[1] > 1 else pair[0],
        lambda pair: pair[0] if pair[1] > 1 else "down",
        lambda pair: (pair[0],) if pair[1] > 1 else pair[0],
        lambda pair: (pair[0], 1) if pair[1] > 1 else (pair[0],),
        lambda pair: Venue("up", Side.BUY) if pair[1] > 1 else ("up", Side.BUY),
        lambda pair: None if pair[1] > 1 else pair[0],
        lambda pair: 0.5 if pair[1] > 1 else pair[0],
        lambda pair: (0.5, 1) if pair[1] > 1 else (1, 1),
    ],
)
def test_keys_of_another_kind_than_the_first_are_left_for_python(key: Callable[[Any], Any]) -> None:
    def wire() -> gc.Graph:
        keyed = pairs_of(drawn(4)).group_by(key, BUILDS["ewm"])
        return number(keyed.changes.collect())

    alike(wire)


def test_keys_that_no_kernel_finds_are_left_for_python() -> None:
    def wire() -> gc.Graph:
        keyed = pairs_of(drawn(4)).group_by(lambda pair: pair[0] / 2, BUILDS["ewm"])
        return number(keyed.changes.count())

    assert "a key that is no integer" in alike(wire).explain("native")


def test_the_first_keys_may_be_ones_that_no_kernel_finds() -> None:
    def wire() -> gc.Graph:
        keyed = pairs_of([0] * 30 + drawn(4, 200)).group_by(
            lambda pair: pair[0] or None, BUILDS["ewm"]
        )
        return number(keyed.changes.collect())

    assert native_cycles(alike(wire))


def test_new_keys_come_late() -> None:
    keys = [*drawn(3), *drawn(3), 50, *drawn(3), 51, 52, *drawn(60)]

    def wire() -> gc.Graph:
        keyed = pairs_of(keys).group_by(key_of, BUILDS["ewm"])
        return number(keyed.changes.collect())

    graph = alike(wire)
    assert "a new key" in graph.explain("native")
    assert native_cycles(graph) > len(keys) / 2


def test_the_kinds_of_values_may_change_within_a_key() -> None:
    def wire() -> gc.Graph:
        keyed = pairs_of(drawn(5)).group_by(
            key_of,
            lambda own, key: (
                own_values(own)
                .enumerate()
                .map(lambda pair: pair[0] if pair[0] < 40 + key else pair[1])
                .scan(lambda total, x: total + x, 0)
            ),
        )
        return number(keyed.changes.collect())

    assert native_cycles(alike(wire))


@pytest.mark.parametrize("at", [5, 150, 277])
def test_an_error_in_a_key_says_the_same(at: int) -> None:
    values = [1.0] * CYCLES
    values[at] = 0.0

    def wire() -> gc.Graph:
        keyed = pairs_of(drawn(6), values).group_by(
            key_of, lambda own, key: own_values(own).map(lambda x: 1 / x).named("inverse").sum()
        )
        return number(keyed.changes.collect())

    alike(wire)


def test_what_a_trap_undoes_is_undone_in_the_rows() -> None:
    """The sum changes before the product traps, as it no longer fits 64 bits."""

    def wire() -> gc.Graph:
        numbers = [each * 10**6 for each in range(CYCLES)]
        keyed = pairs_of(drawn(4), numbers).group_by(
            key_of,
            lambda own, key: own_values(own).sum().map(lambda x: x * 10**10 % 1_000_003).sum(),
        )
        return number(keyed.changes.collect())

    graph = alike(wire)
    assert "arithmetic that Python decides" in graph.explain("native")
    assert native_cycles(graph)


def test_sub_graphs_of_two_shapes() -> None:
    def build(own: gc.Stream[Any], key: int) -> gc.Stream[Any]:
        return BUILDS["ewm"](own, key) if key % 4 else own_values(own).count()

    def wire() -> gc.Graph:
        keyed = pairs_of(drawn(8)).group_by(key_of, build)
        return number(keyed.changes.collect())

    alike(wire)


def test_several_keyed_streams_in_a_graph() -> None:
    def wire() -> gc.Graph:
        pairs = pairs_of(drawn(8))
        one = pairs.group_by(key_of, BUILDS["ewm"])
        other = pairs.group_by(lambda pair: pair[0] % 3, BUILDS["threshold"])
        joined = one.pairs().map(lambda pair: pair[1]).sum() - other.changes.count()
        return number(joined.collect(), one.latest.count())

    alike(wire)


def test_further_sub_graphs_by_key_run_in_python() -> None:
    def wire() -> gc.Graph:
        keyed = pairs_of(drawn(5)).group_by(key_of, BUILDS["ewm"])
        return number(keyed.build(lambda own, key: own.sum()).changes.collect())

    alike(wire)


def test_streams_from_outside() -> None:
    def wire() -> gc.Graph:
        pairs = pairs_of(drawn(5))
        count = pairs.count()
        keyed = pairs.group_by(key_of, lambda own, key: own_values(own) + count)
        return number(keyed.changes.collect())

    alike(wire)


@pytest.mark.parametrize("options", [{"max_keys": 4}, {"idle": "9ns"}], ids=["max_keys", "idle"])
def test_bounds_of_keys(options: dict[str, Any]) -> None:
    def wire() -> gc.Graph:
        keyed = pairs_of([*drawn(4, 150), *drawn(6, 150)]).group_by(
            key_of, BUILDS["ewm"], **options
        )
        return number(keyed.changes.collect(), keyed.removed.collect())

    alike(wire)


def test_a_run_begins_without_keys() -> None:
    def wire() -> gc.Graph:
        late = pairs_of(drawn(4)).filter(lambda pair: pair[1] < 2)
        return number(late.skip(50).group_by(key_of, BUILDS["ewm"]).changes.collect())

    assert native_cycles(alike(wire))


def test_only_the_keys_that_python_runs_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []
    take_back = Lending.take_back

    def counting(self: Lending, subgraph: Any) -> None:
        taken.append(subgraph.what[1])
        take_back(self, subgraph)

    monkeypatch.setattr(Lending, "take_back", counting)
    marks: dict[int, int] = {}

    def build(own: gc.Stream[Any], key: int) -> gc.Stream[Any]:
        marks[key] = len(taken)
        return BUILDS["ewm"](own, key)

    keys = [*range(200), *[*range(200)] * 5, 500, *range(200), 501]
    graph = gc.Graph(pairs_of(keys).group_by(key_of, build).changes.count())
    graph.run(tier="native")
    assert native_cycles(graph) > 400
    assert marks[501] - marks[500] < 20
    assert len(taken) > marks[501] + 100  # at the end of the run


def test_looking_at_keys_shows_what_they_hold_now() -> None:
    """What is in a sub-graph is seen from outside as of the last cycle, wherever its state is."""
    seen: list[Any] = []

    def look(count: int) -> None:
        owner: Any = keyed.changes.node.runs._subgraphs
        seen.append([(each.what, each.values) for each in owner.inside(10)])

    def outcome(tier: Any) -> list[Any]:
        seen.clear()
        graph.run(tier=tier)
        return list(seen)

    keyed = pairs_of(drawn(5, 200)).group_by(key_of, BUILDS["ewm"])
    every = keyed.changes.filter(lambda changes: True).count().filter(lambda count: count % 50 == 0)
    graph = gc.Graph(every.for_each(look))
    assert outcome("native") == outcome("fused") != []
