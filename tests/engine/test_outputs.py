"""Nodes with further outputs: each is a stream that the node's `cycle` ticks."""

from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import ticks


@gc.node
class Divide(gc.MutableNode[int]):
    """Ticks with the tens of a number, except with 3; `rest` ticks with the ones, except 0."""

    source: gc.Active[int]
    rest: gc.Output[int] = gc.output()

    def cycle(self, state: gc.GraphState) -> bool:
        tens, ones = divmod(self.source.value, 10)
        if ones:
            self.rest.tick(ones)
        if tens == 3:
            return False
        self.value = tens
        return True


@gc.node
class CalledDivide(gc.MutableNode[int]):
    """The same, but the compiler cannot take its `cycle` apart."""

    source: gc.Active[int]
    rest: "gc.Output[int]"

    def cycle(self, state: gc.GraphState) -> bool:
        tens, ones = divmod(self.source.value, 10)
        self.give(ones)
        if tens == 3:
            return False
        self.value = tens
        return True

    def give(self, ones: int) -> None:
        if ones:
            self.rest.tick(ones)


DIVIDE: list[Any] = [Divide, CalledDivide]
each = pytest.mark.parametrize("divide", DIVIDE)


def numbers() -> gc.Stream[int]:
    return gc.replay([1, 2, 3, 4, 5], [20, 34, 35, 10, 41])


@each
def test_r4_an_output_ticks_on_its_own(divide: Any) -> None:
    node = divide(numbers())
    tens, ones = gc.Stream(node).collect(), node.rest.collect()
    gc.Graph(tens, ones).run()
    assert list(tens) == [(1, 2), (4, 1), (5, 4)]
    assert list(ones) == [(2, 4), (3, 5), (5, 1)]
    assert ticks(node.rest.map(str)) == [(2, "4"), (3, "5"), (5, "1")]


@each
def test_r5_an_output_has_a_value_from_its_first_tick_on(divide: Any) -> None:
    node = divide(numbers())
    both = gc.Stream(node).combine(node.rest)
    sampled = node.rest.sample(gc.Stream(node))
    assert ticks(both) == [(2, (2, 4)), (3, (2, 5)), (4, (1, 5)), (5, (4, 1))]
    assert ticks(sampled) == [(4, 5), (5, 1)]
    never = divide(gc.constant(20))
    gc.Stream(never).run()
    with pytest.raises(gc.NoValueError, match="rest has no value yet"):
        _ = never.rest.value


@each
def test_r2_what_reads_outputs_runs_once_a_cycle(divide: Any) -> None:
    node = divide(numbers())
    runs: list[int] = []
    joined = (
        gc.Stream(node).merge_first(node.rest).combine(node.rest).for_each(lambda _: runs.append(1))
    )
    joined.run()
    assert len(runs) == 4


@each
def test_r12_each_run_begins_without_values(divide: Any) -> None:
    node = divide(numbers())
    stream = node.rest.count()
    assert ticks(stream) == ticks(stream) == [(2, 1), (3, 2), (5, 3)]


@each
def test_an_output_of_a_node_that_is_woken(divide: Any) -> None:
    node = divide(numbers().delay("5ns"))
    assert ticks(node.rest) == [(7, 4), (8, 5), (10, 1)]


def test_an_output_in_a_graph_with_many_sources() -> None:
    nodes = [Divide(gc.replay([n, n + 100], [n, 2 * n])) for n in range(1, 60)]
    outs = [node.rest.map(lambda rest: -rest).collect() for node in nodes]
    gc.Graph(*outs).run()
    for n, out in enumerate(outs, 1):
        expected = [(n, -(n % 10)), (n + 100, -(2 * n % 10))]
        assert list(out) == [(time, rest) for time, rest in expected if rest]


def test_outputs_are_called_after_their_node_and_may_have_a_name() -> None:
    node = Divide(numbers())
    gc.Stream(node).named("divide")
    assert node.rest.node.name == "divide.rest"
    assert repr(node.rest) == "<Output divide.rest>"
    node.rest.named("ones")
    with pytest.raises(ZeroDivisionError) as caught:
        node.rest.map(lambda rest: rest / 0).run()
    assert "reading ones = 4" in caught.value.__notes__[0]


@gc.node
class Twice(gc.MutableNode[int]):
    source: gc.Active[int]
    pair: gc.Output[int] = gc.output()

    def cycle(self, state: gc.GraphState) -> bool:
        for number in (1, 2):
            self.pair.tick(number)
        return False


def test_an_output_ticks_at_most_once_a_cycle() -> None:
    node = Twice(gc.constant(1))
    gc.Stream(node).named("twice")
    with pytest.raises(gc.RunError, match=r"twice\.pair has ticked in this cycle: tick a list"):
        node.pair.run()


def test_an_output_ticks_only_in_the_cycle_of_its_node() -> None:
    node = Divide(numbers())
    gc.Stream(node).named("divide")
    sentence = r"divide\.rest can tick only in the cycle of divide"
    with pytest.raises(gc.RunError, match=sentence):
        node.rest.tick(1)
    with pytest.raises(gc.RunError, match=sentence):
        numbers().for_each(node.rest.tick).combine(node.rest).run()


def test_an_error_leaves_an_output_with_the_value_that_it_ticked_with() -> None:
    @gc.node
    class Fails(gc.MutableNode[int]):
        source: gc.Active[int]
        seen: gc.Output[int] = gc.output()

        def cycle(self, state: gc.GraphState) -> bool:
            self.seen.tick(self.source.value)
            self.value = 10 // (self.source.value - 2)
            return True

    node = Fails(gc.from_iterable([1, 2]))
    with pytest.raises(ZeroDivisionError):
        node.seen.run()
    assert node.seen.value == 2


def test_a_subclass_inherits_outputs() -> None:
    @gc.node
    class More(Divide):
        scale: int = 2

        def cycle(self, state: gc.GraphState) -> bool:
            self.rest.tick(self.source.value * self.scale)
            return False

    assert ticks(More(gc.constant(3)).rest) == [(0, 6)]


def test_a_list_of_outputs_is_refused() -> None:
    with pytest.raises(gc.InvalidTypeError, match="an output is one stream, not a list"):

        @gc.node
        class Many(gc.MutableNode[int]):
            outs: list[gc.Output[int]]

            def cycle(self, state: gc.GraphState) -> bool:
                return True


def test_the_compiler_sets_an_output_where_it_ticks() -> None:
    node = Divide(numbers())
    graph = gc.Graph(gc.Stream(node).named("divide"), node.rest.map(abs))
    assert "divide.rest  fused" in graph.explain()
    assert "divide_rest = ones" in graph.fused_source()


@pytest.mark.parametrize("tier", ["interpreted", "fused"])
def test_r8_numbers_set_on_an_output_change_no_tick(tier: Any) -> None:
    node = Divide(numbers())
    branches = numbers().demux(lambda n: n % 3, [0, 1, 2])
    streams = [node.rest, *branches.values()]
    for stream in streams:
        for name, known in list(vars(stream.node).items()):
            if type(known) is int and name not in ("serial", "ticked_in"):
                setattr(stream.node, name, known + 1)
    rest, *shares = [stream.collect() for stream in streams]
    gc.Graph(rest, *shares).run(tier=tier)
    assert list(rest) == [(2, 4), (3, 5), (5, 1)]
    assert [share.values for share in shares] == [[], [34, 10], [20, 35, 41]]
