"""Nodes are told apart by identity, whatever `__eq__` and `__hash__` their class has (R2, R12)."""

from typing import Any

import networkx as nx
import pytest

import graphcore as gc

TIERS = ("interpreted", "fused")
each_tier = pytest.mark.parametrize("tier", TIERS)


class Times(gc.MutableNode[int]):
    """Ticks with the value times a factor."""

    def __init__(self, source: gc.Stream[int], factor: int) -> None:
        super().__init__()
        self.source, self.factor = source.node, factor

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value * self.factor
        return True


class Equal(Times):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Equal) and self.factor == other.factor

    def __hash__(self) -> int:
        return hash(self.factor)


class Unhashable(Times):
    def __eq__(self, other: object) -> bool:
        return True


class NoTruth(Times):
    """Compares as arrays do."""

    def __eq__(self, other: object) -> Any:
        raise ValueError("the truth value is ambiguous")


CLASSES = pytest.mark.parametrize("cls", [Equal, Unhashable, NoTruth])


@each_tier
@CLASSES
def test_r2_equal_nodes_are_still_two_nodes(cls: type[Times], tier: Any) -> None:
    one, other = gc.from_iterable([1, 2]), gc.from_iterable([10, 20])
    twice = gc.Stream(cls(one, 2)), gc.Stream(cls(other, 2))
    out = (twice[0] + twice[1]).collect()
    assert gc.Graph(out, *twice).run(tier=tier).cycles == 2
    assert out.values == [22, 44]


@each_tier
@CLASSES
def test_r2_an_equal_node_may_read_another(cls: type[Times], tier: Any) -> None:
    first = gc.Stream(cls(gc.from_iterable([1, 2]), 3))
    out = gc.Stream(cls(first, 3)).collect()
    out.run(tier=tier)
    assert out.values == [9, 18]


@each_tier
@CLASSES
def test_r11_an_error_is_noted_on_the_node_that_raised_it(cls: type[Times], tier: Any) -> None:
    class Fails(cls):  # type: ignore[misc, valid-type]
        def cycle(self, state: gc.GraphState) -> bool:
            raise KeyError("this one")

    one, other = gc.from_iterable([1, 2]), gc.from_iterable([10, 20])
    with pytest.raises(KeyError) as caught:
        gc.Graph(cls(one, 2), Fails(other, 2)).run(tier=tier)
    assert "Fails" in caught.value.__notes__[0]


@each_tier
@CLASSES
def test_r12_a_node_equal_to_a_running_node_may_run(cls: type[Times], tier: Any) -> None:
    def run_inner(value: int) -> int:
        inner = gc.Stream(cls(gc.constant(value), 2))
        inner.run(tier=tier)
        return inner.value

    outer = gc.Stream(cls(gc.from_iterable([1, 2]).map(run_inner), 2)).collect()
    outer.run(tier=tier)
    assert outer.values == [4, 8]


@CLASSES
def test_r2_a_cycle_in_the_wiring_names_its_nodes(cls: type[Times]) -> None:
    first = cls(gc.constant(1), 2)
    second = cls(gc.Stream(first), 2)
    first.name, second.name, first.source = "first", "second", second
    with pytest.raises(gc.WiringError, match=r"cycle: (first -> second -> first|second -> first)"):
        gc.Graph(second)


def test_the_networkx_graph_refuses_nodes_that_networkx_cannot_tell_apart() -> None:
    source = gc.constant(1)
    graph = gc.Graph(Equal(source, 1), Equal(source, 2))
    assert nx.number_of_nodes(graph.networkx) == 3
    one, other = Equal(source, 1), Equal(source, 1)
    with pytest.raises(gc.InvalidTypeError) as caught:
        _ = gc.Graph(one, other).networkx
    assert str(caught.value) == (
        f"networkx cannot tell {one.name} and {other.name} apart: the __eq__ of Equal says that "
        "they are equal"
    )
    unhashable = Unhashable(source, 1)
    with pytest.raises(gc.InvalidTypeError) as caught:
        _ = gc.Graph(unhashable).networkx
    assert str(caught.value) == (
        f"networkx needs vertices with a hash, and {unhashable.name} has none, because Unhashable "
        "defines __eq__ without __hash__"
    )
