"""Strings and members of enums in machine code: compared, kept, collected and given back."""

from collections import deque
from collections.abc import Callable
from enum import Enum, Flag, IntEnum, StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import graphcore as gc

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

from graphcore.engine.native import categories
from graphcore.engine.native import tier as native_tier
from graphcore.engine.native.run import Pace

COUNT = 400
WORDS = ["buy", "sell", "", "hold"]


@pytest.fixture(autouse=True)
def short_pace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native_tier, "PACE", Pace(8, 50, apart=0))
    monkeypatch.setenv("GRAPHCORE_CACHE", str(tmp_path / "cache"))


class Side(Enum):
    BUY = 1
    SELL = 2


class Number(IntEnum):
    ONE = 1


class Text(StrEnum):
    BUY = "buy"


class Choice(Flag):
    ONE = 1
    OTHER = 2


class Alike(Enum):
    ONE = 1
    OTHER = 2

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = Enum.__hash__


class Trade(NamedTuple):
    price: float
    side: str


def both(wire: Callable[[], Any]) -> tuple[str, list[Any]]:
    """Run on the fused and on the native tier; return what `explain` says, and the ticks."""
    seen = []
    for tier in ("fused", "native"):
        ticks = wire().collect()
        graph = gc.Graph(ticks)
        graph.run(tier=tier)  # type: ignore[arg-type]  # a tier's name
        seen.append(list(ticks))
    assert seen[0] == seen[1]
    assert [type(value) for _, value in seen[0]] == [type(value) for _, value in seen[1]]
    return graph.explain("native"), seen[1]


def assert_native(wire: Callable[[], Any]) -> list[Any]:
    told, seen = both(wire)
    assert "but for Python" not in told, told
    assert int(told.split()[1].replace(",", "")) > COUNT - 20, told
    return seen


def words() -> "gc.Stream[str]":
    return gc.replay(range(COUNT), [WORDS[number * number % 7 % 4] for number in range(COUNT)])


def sides() -> "gc.Stream[Side]":
    values = [Side.BUY if number * number % 7 < 2 else Side.SELL for number in range(COUNT)]
    return gc.replay(range(COUNT), values)


def is_long(word: object) -> bool:
    return word is Side.BUY or word == "buy"


@pytest.mark.parametrize("source", [words, sides])
@pytest.mark.parametrize(
    "function",
    [
        lambda word: word == "buy",
        lambda word: word != Side.SELL,
        lambda word: word in ("sell", None, 2.0, Side.BUY),
        lambda word: word not in ["buy", "hold"],
        lambda word: word,
        lambda word: "high" if is_long(word) else word,
        lambda word: (word, 1.5),
        lambda word: word == 1 or word is None,
    ],
)
def test_categories_are_compared_as_python_does(
    source: Callable[[], Any], function: Callable[[Any], Any]
) -> None:
    assert_native(lambda: source().map(function))


@pytest.mark.parametrize(
    "operator",
    [
        lambda words: words.distinct(),
        lambda words: words.lag(3),
        lambda words: words.pairwise(),
        lambda words: words.enumerate(),
        lambda words: words.delay(2),
        lambda words: words.sample(words.step_by(3)),
    ],
)
@pytest.mark.parametrize("source", [words, sides])
def test_operators_take_categories(
    source: Callable[[], Any], operator: Callable[[Any], Any]
) -> None:
    told, _ = both(lambda: operator(source()))
    assert "but for Python" not in told and told.startswith("native"), told


def test_the_rows_of_a_table_may_have_a_column_of_strings() -> None:
    rows = [Trade(number / 4, WORDS[number % 2]) for number in range(COUNT)]

    def signed(trade: Trade) -> float:
        return trade.price if trade.side == "buy" else -trade.price

    assert_native(lambda: gc.replay(range(COUNT), rows).map(signed))
    found = assert_native(lambda: gc.replay(range(COUNT), rows).lag(1))
    assert found[-1][1] == rows[-2]


@gc.node
class Kept(gc.MutableNode[int]):
    """Keeps strings in its state, and takes one as a parameter."""

    source: gc.Active[Any]
    wanted: str
    last: Any = gc.state(None)
    kept: deque[Any] = gc.state(factory=deque)
    same: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        if self.last is not None and self.source.value == self.last:
            self.same += 1
        self.last = self.source.value
        self.kept.append(self.last if self.same % 2 else None)
        if len(self.kept) > 5 and self.kept.popleft() == self.wanted:
            self.same += 100
        self.value = self.same
        return True


@gc.node
class Bought(gc.MutableNode[int]):
    """Asks in its cycle which member a value is."""

    source: gc.Active[Side]
    count: int = gc.state(0)
    last: Side | None = gc.state(None)

    def cycle(self, state: gc.GraphState) -> bool:
        if self.source.value is Side.BUY and self.last is not Side.BUY:
            self.count += 1
        self.last = self.source.value
        self.value = self.count
        return True


def test_a_cycle_may_ask_which_member_of_an_enum_a_value_is() -> None:
    found = assert_native(lambda: gc.Stream(Bought(sides())))
    assert found[-1][1] > 50


def test_strings_in_the_state_of_a_node_come_back_to_python() -> None:
    nodes = []
    for tier in ("fused", "native"):
        node = Kept(words(), "sell")
        gc.Graph(node).run(tier=tier)  # type: ignore[arg-type]  # a tier's name
        nodes.append((node.last, list(node.kept), node.same))
    assert nodes[0] == nodes[1]
    assert_native(lambda: gc.Stream(Kept(words(), "sell")))


def test_another_string_in_a_global_or_parameter_counts_in_the_next_run() -> None:
    node = Kept(words(), "sell")
    graph = gc.Graph(node)
    graph.run(tier="native")
    before = node.same
    node.wanted = "buy"
    graph.run(tier="native")
    after = node.same
    gc.Graph(other := Kept(words(), "buy")).run(tier="fused")
    assert before != after == other.same


@pytest.mark.parametrize("members", [list(Number) * 2, list(Text) * 2, list(Choice), list(Alike)])
def test_members_that_may_equal_other_objects_are_left_to_python(members: list[Any]) -> None:
    values = [members[number % 2] for number in range(COUNT)]
    told, _ = both(lambda: gc.replay(range(COUNT), values).map(lambda each: each == members[0]))
    assert told.startswith("fused")


@pytest.mark.parametrize(
    "function", [len, lambda word: word < "c", lambda word: word + "x", lambda word: not word]
)
def test_what_asks_more_of_a_string_is_left_to_python(function: Callable[[str], Any]) -> None:
    told, _ = both(lambda: words().map(function))
    assert told.startswith("fused")


def test_very_many_different_strings_are_left_to_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(categories, "_MOST", 2)
    told, _ = both(lambda: words().map(lambda word: word == "buy"))
    assert told.startswith("fused")
