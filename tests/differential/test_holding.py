"""Nodes that hold other nodes outside their inputs: by name, in a list, in an object."""

import types
from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import ticks
from tests.differential.both import on_both_tiers
from tests.engine.fused.both import node_class, why


@gc.node
class Total(gc.MutableNode[float]):
    source: gc.Active[float]
    total: float = gc.state(0.0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.total += self.source.value
        self.value = self.total
        return True


def source() -> gc.Stream[float]:
    return gc.replay([1, 2, 3], [1.0, 2.0, 3.0])


class Book:
    """Holds a stream, like an object of a user."""

    def __init__(self, held: gc.Stream[float]) -> None:
        self.held = held

    def twice(self) -> float:
        return self.held.value * 2

    def total(self) -> float:
        total: float = self.held.node.total  # type: ignore[attr-defined]  # it is a Total's
        return total


BY_HAND = "def upstreams(self):\n    return gc.Upstreams(tuple({}))"


@pytest.mark.parametrize(
    ("given", "upstreams", "cycle"),
    [
        (lambda s: {"a": s}, "self.given.values()", "self.given['a'].value"),
        (lambda s: types.SimpleNamespace(a=s), "[self.given.a]", "self.given.a.value"),
        (lambda s: (s, s.map(abs)), "self.given", "self.given[0].value"),
        (lambda s: [[s]], "self.given[0]", "self.given[0][0].value"),
        (lambda s: s, "[self.given]", "None if self.given is None else self.given.value"),
        (Book, "[self.given.held]", "self.given.twice()"),
    ],
)
def test_upstreams_named_by_hand_are_read_wherever_the_node_keeps_them(
    given: Callable[[Any], Any], upstreams: str, cycle: str
) -> None:
    cls = node_class(
        f"self.value = {cycle}\nreturn True", "given: object", BY_HAND.format(upstreams)
    )

    def wire() -> gc.Collected[Any]:
        return gc.Stream(cls(given(source()))).collect()

    factor = 2 if given is Book else 1
    assert on_both_tiers(wire).values == [factor * value for value in (1.0, 2.0, 3.0)]


@pytest.mark.parametrize(
    ("more", "cycle"),
    [
        ("def start(self, state):\n    self.last = self.sources[-1]", "self.last.value"),
        (
            "def start(self, state):\n    self.by = dict(zip('ab', self.sources))",
            "self.by['b'].value",
        ),
        (
            "def reset(self):\n    for each in self.sources:\n        self.last = each",
            "self.last.value",
        ),
        (
            "def __post_init__(self):\n    super().__post_init__()\n"
            "    self.by = dict(zip('ab', self.sources))",
            "self.by['b'].value",
        ),
        (
            "def start(self, state):\n    self.keep()\n\n"
            "def keep(self):\n    self.last = self.sources[1]",
            "self.last.value",
        ),
    ],
)
def test_upstreams_are_read_through_any_name_that_a_method_gives_them(
    more: str, cycle: str
) -> None:
    cls = node_class(f"self.value = {cycle}\nreturn True", "sources: list[gc.Active[float]]", more)

    def wire() -> gc.Collected[Any]:
        return gc.Stream(cls([source(), source().map(abs)])).collect()

    assert on_both_tiers(wire).values == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("hold", "held"),
    [
        (lambda total: [total.node], "self.held[0].total"),
        (lambda total: {"x": total.node}, "self.held['x'].total"),
        (Book, "self.held.total()"),
        (lambda total: ((1, {2: total.node}),), "self.held[0][1][2].total"),
    ],
)
def test_the_state_of_a_node_in_a_closure_is_read_and_changed(
    hold: Callable[[Any], Any], held: str
) -> None:
    change = held.replace(".total()", ".held.node.total")
    cls = node_class(
        f"self.value = {held}\n{change} = self.value + 10.0\nreturn True",
        "source: gc.Active[float]\nheld: object",
    )

    def wire() -> gc.Collected[Any]:
        values = source()
        total = gc.Stream(Total(values))
        return total.combine(gc.Stream(cls(values, hold(total)))).collect()

    assert on_both_tiers(wire).values == [(1.0, 1.0), (13.0, 13.0), (26.0, 26.0)]


def test_a_node_that_holds_no_other_node_is_fused_whatever_else_it_holds() -> None:
    cls = node_class(
        "self.value = self.names[int(self.source.value)]\nreturn True",
        "source: gc.Active[float]\nnames: dict",
        "def start(self, state):\n    self.begun = state.time",
    )
    stream = gc.Stream(cls(source(), {1: ["a"], 2: Book(gc.never()), 3: None}))
    assert why(stream) == "fused"
    assert [time for time, _ in ticks(stream)] == [1, 2, 3]
