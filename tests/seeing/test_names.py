"""A node has one name, in errors, `explain()`, `fused_source()` and drawings."""

import itertools
import re
import sys

import pytest

import graphcore as gc


def chain() -> tuple[gc.Graph, list[str]]:
    """Return a graph of namesakes, one of which fails, and the names that its nodes must have."""
    start = gc.from_iterable([1]).named("price")
    plus = (start + 1).named("price")
    unnamed = plus.map(lambda n: n + 1)
    taken = unnamed.map(lambda n: n // 0).named(unnamed.node.name)
    own = unnamed.node.name
    return gc.Graph(taken), ["price", "price_2", own, f"{own}_2"]


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_namesakes_get_numbers_and_keep_them_everywhere(tier: gc.tiers.TierName) -> None:
    graph, names = chain()
    assert [line.split("  ")[0] for line in graph.explain().splitlines()] == names
    assert [vertex.name for vertex in graph.draw()._picture.top.vertices] == names
    source = graph.fused_source()
    assert all(re.search(rf"\b{name}\b", source) for name in names)
    with pytest.raises(ZeroDivisionError) as caught:
        graph.run(tier=tier)
    (note,) = caught.value.__notes__
    assert f"in {names[3]} (Map)" in note and f"reading {names[2]} = 3" in note


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_the_nodes_of_each_key_and_of_each_run_have_the_names_of_the_drawing(
    tier: gc.tiers.TierName,
) -> None:
    def build(own: gc.Stream[int], key: int) -> gc.Stream[int]:
        return own.map(lambda n: n + key).map(lambda n: 1 // n)

    graph = gc.Graph(gc.from_iterable([1, 2, 0]).group_by(lambda n: n, build).changes)
    said = []
    for _ in range(2):
        with pytest.raises(ZeroDivisionError) as caught:
            graph.run(tier=tier)
        found = re.match(r"in (\w+) \(Map\)(?s:.*)reading (\w+) = 0", caught.value.__notes__[0])
        assert found is not None
        said.append(found.groups())
    (box,) = graph.draw()._picture.top.boxes
    drawn = tuple(vertex.name for vertex in box.vertices if vertex.kind == "Map")
    assert said == [drawn[::-1]] * 2


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_a_key_whose_sub_graph_is_wired_otherwise_has_names_of_its_own(
    tier: gc.tiers.TierName,
) -> None:
    def build(own: gc.Stream[int], key: bool) -> gc.Stream[int]:
        return own.map(lambda n: n + 1) if key else own.skip(0).map(lambda n: 1 // n)

    graph = gc.Graph(gc.from_iterable([1, 0]).group_by(bool, build).changes)
    with pytest.raises(ZeroDivisionError) as caught:
        graph.run(tier=tier)
    (box,) = graph.draw()._picture.top.boxes
    (drawn,) = [vertex.name for vertex in box.vertices if vertex.kind == "Map"]
    assert f"in {drawn} (Map)" not in caught.value.__notes__[0]


def test_a_number_that_another_node_has_by_default_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Else there would be as many namesakes as earlier tests have made nodes.
    monkeypatch.setattr(sys.modules["graphcore.node"], "_serials", itertools.count(1))
    start = gc.from_iterable([1])
    first = start.map(str)
    operator, _, serial = first.node.name.rpartition("_")
    assert operator == "map" and int(serial) > 1
    same = [start.map(str).named("map") for _ in range(int(serial))]
    names = gc.Graph(first, *same)._plan.names()
    assert len(set(names)) == len(names)
    assert names[1] == first.node.name
