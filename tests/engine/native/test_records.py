"""Records in machine code: built, read, kept, collected and handed back to Python."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import pytest

import graphcore as gc

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

from graphcore.engine.native import tier as native_tier
from graphcore.engine.native.frontend.records import fields_of
from graphcore.engine.native.run import Pace
from graphcore.node import nodes_made
from graphcore.sweeping.sharing import SharedGraph

T = TypeVar("T")


@pytest.fixture(autouse=True)
def short_pace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native_tier, "PACE", Pace(3, 50))
    monkeypatch.setenv("GRAPHCORE_CACHE", str(tmp_path / "cache"))


class Quote(NamedTuple):
    bid: float
    ask: float
    size: int = 7


@dataclass(frozen=True, slots=True)
class Spread:
    width: float
    quote: Quote
    is_wide: bool = False


@dataclass(frozen=True)
class Checked:
    width: float

    def __post_init__(self) -> None:
        if self.width > 200:
            raise ValueError(f"{self.width} is too wide")


@dataclass
class Changing:
    width: float


class Ends(NamedTuple):
    first: float
    last: float

    def __len__(self) -> int:
        return 9


@dataclass(frozen=True)
class Held(Generic[T]):
    value: T


@dataclass(frozen=True)
class Three:
    one: float
    two: float
    three: int


@dataclass(frozen=True)
class WithFactory:
    value: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Inheriting(Spread):
    more: int = 0


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (Quote, ("bid", "ask", "size")),
        (Spread, ("width", "quote", "is_wide")),
        (Held, ("value",)),
        (Checked, ()),
        (Changing, ()),
        (Ends, ()),
        (Inheriting, ()),
        (tuple, ()),
        (float, ()),
    ],
)
def test_records_that_cannot_change_and_check_nothing_are_held(
    cls: type, names: tuple[str, ...]
) -> None:
    assert fields_of(cls) == names


def quotes(count: int = 600) -> "gc.Stream[float]":
    return gc.replay(np.arange(count) * 10, np.random.default_rng(5).normal(100, 9, count))


def both(wire: Callable[[], Any]) -> tuple[str, list[Any]]:
    """Run a wiring on the fused and on the native tier; return what the latter tells, and ticks."""
    outs = [wire() for _ in range(2)]
    graphs = [gc.Graph(out) for out in outs]
    for graph, tier in zip(graphs, ("fused", "native"), strict=True):
        graph.run(tier=tier)  # type: ignore[arg-type]  # a tier's name
    assert list(map(repr, outs[0])) == list(map(repr, outs[1]))
    return graphs[1].explain("native"), outs[1].values


def assert_all_native(told: str) -> None:
    assert told.startswith("native: 597 of 600")
    assert "but for Python" not in told


@pytest.mark.parametrize(
    "make",
    [
        lambda x: Quote(x - 1, x + 1),
        lambda x: Quote(size=3, bid=x, ask=x + 1),
        lambda x: Spread(x, Quote(x, x + 2.0), is_wide=x > 100),
        lambda x: Held(x),
        lambda x: (x, 1),
    ],
)
def test_records_are_built_and_collected(make: Callable[[Any], Any]) -> None:
    told, values = both(lambda: quotes().map(make).collect())
    assert type(values[-1]) is type(make(1.0))
    if not isinstance(values[-1], Spread):  # a record in a record is collected by Python
        assert_all_native(told)


def test_fields_are_read_in_functions_and_nodes() -> None:
    def middle(quote: Quote) -> float:
        bid, ask, _ = quote
        return (bid + ask + quote[0]) / 2 + len(quote)

    def wire() -> Any:
        made = quotes().map(lambda x: Spread(x, Quote(x - 1, x + 1, 2)))
        middles = made.map(lambda spread: middle(spread.quote) if spread.is_wide else spread.width)
        return (middles + made.map(lambda spread: spread.quote.size)).rolling(5).mean().collect()

    assert_all_native(both(wire)[0])


def test_a_node_keeps_records_in_its_state() -> None:
    @gc.node
    class Widest(gc.MutableNode[Quote]):
        source: gc.Active[Quote]
        best: Quote | None = gc.state(None)
        recent: deque[Quote] = gc.state(factory=lambda: deque(maxlen=3))

        def cycle(self, state: gc.GraphState) -> bool:
            quote = self.source.value
            self.recent.append(quote)
            if self.best is None or quote.ask - quote.bid > self.best.ask - self.best.bid:
                self.best = quote
            self.value = Quote(self.best.bid, self.recent[0].ask, len(self.recent))
            return True

    told, _ = both(lambda: gc.Stream(Widest(quotes().map(lambda x: Quote(x, x * x)))).collect())
    assert_all_native(told)


@pytest.mark.parametrize("figure", ["ohlc", "mean", "std", "last", "count", "max"])
def test_bars_run_in_machine_code(figure: str) -> None:
    told, values = both(lambda: getattr(quotes().resample("70ns"), figure)().collect())
    assert len(values) == 86
    assert "but for Python" not in told and told.startswith("native")


def test_presents_of_two_streams_are_joined_in_a_tuple() -> None:
    told, _ = both(lambda: quotes().with_latest(quotes(300)).map(lambda p: p[0] - p[1]).collect())
    assert_all_native(told)


@pytest.mark.parametrize("cls", [Checked, Changing, Ends])
def test_other_records_are_pythons(cls: Any) -> None:
    fields = [1.0] * (2 if cls is Ends else 1)
    told, values = both(lambda: quotes().map(lambda _: cls(*fields)).collect())
    assert isinstance(values[-1], cls)
    assert told.startswith("fused: each cycle is left for Python")


def test_records_of_two_classes_are_pythons() -> None:
    told, _ = both(lambda: quotes().map(lambda x: Quote(x, x) if x > 100 else (x, x, 7)).collect())
    assert "several classes" in told


def test_graphs_of_one_shape_keep_their_own_classes() -> None:
    def wire(cls: Any, size: int) -> dict[str, Any]:
        made = quotes().map(lambda x: cls(x - 1, x + 1, size))
        kept = made.lag(2)
        return {"made": made.collect(), "kept": kept.collect()}

    class Other(NamedTuple):
        low: float
        high: float
        number: int

    shared: SharedGraph | None = None
    for cls, size in [(Quote, 1), (Quote, 2), (Other, 3), (Quote, 4), (Three, 5)]:
        with nodes_made() as made:
            sinks = wire(cls, size)
        if shared is None:
            shared = SharedGraph(sinks, made, 5)
        else:
            assert shared.take(sinks, made)
        alone = wire(cls, size)
        gc.Graph(*alone.values()).run(tier="fused")
        shared.run(tier="native")
        for name, sink in sinks.items():
            assert sink.values == alone[name].values
            assert set(map(type, sink.values)) == {cls}
        told = shared.explain("native")
        assert told.startswith("native: 59")
        assert "Python" not in told


RECORDS: list[Callable[[int], Any]] = [
    lambda number: Quote(number / 4, number / 3, number),
    lambda number: (number / 4, number % 2 == 0),
    lambda number: Twice(number / 4, number),
]


@dataclass(frozen=True)
class Twice:
    one: float
    other: int


@pytest.mark.parametrize("record", RECORDS)
def test_a_source_of_records_runs_in_machine_code(record: Callable[[int], Any]) -> None:
    values = list(map(record, range(300)))
    seen = []
    for tier in ("fused", "native"):
        source = gc.replay(range(300), values)
        ticks, kept = source.lag(2).collect(), source.final().collect()
        graph = gc.Graph(ticks, kept)
        graph.run(tier=tier)  # type: ignore[arg-type]  # a tier's name
        seen.append((list(ticks), list(kept)))
    assert seen[0] == seen[1]
    assert {type(each) for _, each in seen[1][0]} == {type(values[0])}
    assert "but for Python" not in graph.explain("native")
    assert int(graph.explain("native").split()[1]) > 280


def test_two_sources_of_records_run_in_machine_code() -> None:
    quotes = [RECORDS[0](number) for number in range(300)]
    pairs = [RECORDS[1](number) for number in range(300)]
    seen = []
    for tier in ("fused", "native"):
        one, other = gc.replay(range(300), quotes), gc.replay(range(1, 601, 2), pairs)
        joined = one.join(other, lambda quote, pair: quote.bid - pair[0] if pair[1] else quote.size)
        ticks = joined.collect()
        graph = gc.Graph(ticks)
        graph.run(tier=tier)  # type: ignore[arg-type]  # a tier's name
        seen.append(list(ticks))
    assert seen[0] == seen[1]
    assert "but for Python" not in graph.explain("native")
    assert graph.explain("native").startswith("native")


@pytest.mark.parametrize(
    "values",
    [
        [Quote(1.0, 2.0), (1.0, 2.0, 7)] * 100,
        [(1.0, 2.0), (1.0,)] * 100,
        [Quote(1.0, None), Quote(1.0, 2.0)] * 100,  # type: ignore[arg-type]
        [Quote(1, 2.0), Quote(1.0, 2.0)] * 100,
        [()] * 200,
        [(1.0, 2**70)] * 200,
    ],
)
def test_a_source_of_records_that_are_not_alike_is_fused(values: list[Any]) -> None:
    ticks = gc.replay(range(200), values).map(len).collect()
    graph = gc.Graph(ticks)
    graph.run(tier="native")
    assert list(ticks.values) == list(map(len, values))
    assert graph.explain("native").startswith("fused")


class Trade(NamedTuple):
    price: float
    size: int


@pytest.mark.parametrize("kind", [Trade, Twice])
def test_the_rows_of_a_table_run_in_machine_code_as_records(kind: Any) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    names = fields_of(kind)
    columns = {"time": np.arange(300), names[0]: np.arange(300) / 3, names[1]: np.arange(300)}
    rows = gc.from_table(pd.DataFrame(columns), time="time", kind=kind)
    ticks = rows.field(names[0]).sum().collect()
    graph = gc.Graph(ticks)
    graph.run(tier="native")
    assert ticks.values[-1] == pytest.approx(sum(range(300)) / 3)
    assert int(graph.explain("native").split()[1]) > 280
