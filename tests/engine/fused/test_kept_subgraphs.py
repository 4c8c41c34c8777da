"""What is compiled of sub-graphs serves later runs, and each key of a graph within a key."""

from collections.abc import Iterator
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.backend.instances import Compiled

VALUES = [(key, float(number)) for number in range(4) for key in (1, 2, 3)]


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Compiled]]:
    made: list[Compiled] = []
    make = Compiled.__init__

    def making(each: Compiled, *given: Any) -> None:
        make(each, *given)
        made.append(each)

    monkeypatch.setattr(Compiled, "__init__", making)
    yield made


def doubled(own: gc.Stream[tuple[int, float]], key: object) -> gc.Stream[float]:
    return own.map(lambda item: item[1] * 2.0)


def test_a_second_run_compiles_no_sub_graph(compiled: list[Compiled]) -> None:
    out = gc.from_iterable(VALUES).group_by(lambda item: item[0], doubled).pairs().collect()
    graph = gc.Graph(out)
    graph.run(tier="fused")
    first = out.values
    graph.run(tier="fused")

    assert len(compiled) == 1
    assert out.values == first == [(key, 2.0 * number) for key, number in VALUES]


def test_sub_graphs_within_keys_are_compiled_once_for_all_keys(compiled: list[Compiled]) -> None:
    def inner(own: gc.Stream[tuple[int, float]], key: int) -> gc.Stream[Any]:
        return own.group_by(lambda item: item[1] % 2.0, doubled).changes

    out = gc.from_iterable(VALUES).group_by(lambda item: item[0], inner).pairs().collect()
    gc.Graph(out).run(tier="fused")

    assert ["* 2.0" in each.source for each in compiled].count(True) == 1
    assert out.values == [(key, {number % 2.0: 2.0 * number}) for key, number in VALUES]


@gc.node
class Stepped(gc.MutableNode[float]):
    source: gc.Active[tuple[int, float]]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value[1] + 1.0
        return True


def by_two(self: Stepped, state: gc.GraphState) -> bool:
    self.value = self.source.value[1] + 2.0
    return True


def test_a_method_that_was_replaced_between_two_runs_is_compiled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keyed = gc.from_iterable(VALUES).group_by(
        lambda item: item[0], lambda own, key: gc.Stream(Stepped(own))
    )
    out = keyed.pairs().collect()
    graph = gc.Graph(out)
    graph.run(tier="fused")
    assert out.values == [(key, number + 1.0) for key, number in VALUES]
    monkeypatch.setattr(Stepped, "cycle", by_two)
    graph.run(tier="fused")
    assert out.values == [(key, number + 2.0) for key, number in VALUES]


def test_each_set_of_a_sweep_runs_with_what_its_own_build_captured() -> None:
    def build(factor: float) -> dict[str, gc.Stream[Any]]:
        scaled = gc.from_iterable(VALUES).group_by(
            lambda item: item[0], lambda own, key: own.map(lambda item: item[1] * factor).sum()
        )
        return {"last": scaled.latest}

    table = gc.sweep(build, {"factor": [1.0, 3.0, 5.0]}, tier="fused", progress=False)
    assert [row["last"] for row in table] == [
        {key: 6.0 * factor for key in (1, 2, 3)} for factor in (1.0, 3.0, 5.0)
    ]
