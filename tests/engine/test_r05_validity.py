"""R5: a stream's value is what it last ticked with; only the node sees other values that it
sets."""

import importlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.withheld import sets_only_what_it_ticks_with
from graphcore.operators.statistics.vectors.window import Twin
from graphcore.testing import wait_until

TIERS = ("interpreted", "fused")
each_tier = pytest.mark.parametrize("tier", TIERS)

NONE = "no value"


def value_of(node: Any) -> Any:
    try:
        return node.value
    except gc.NoValueError:
        return NONE


@gc.node
class Evens(gc.MutableNode[int]):
    """Sets every value and ticks with the even ones; logs what it reads back of its own."""

    source: gc.Active[int]
    own: list[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.own.append(value_of(self))
        self.value = self.source.value
        return self.value % 2 == 0


@gc.node(valid="any")
class Look(gc.MutableNode[Any]):
    """Ticks with the value of a stream that it only reads."""

    trigger: gc.Active[Any]
    seen: gc.Passive[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (state.valid(self.seen), value_of(self.seen))
        return True


class ByHand(gc.MutableNode[Any]):
    """A node with one upstream, whose methods the subclasses define."""

    def __init__(self, source: gc.Stream[Any]) -> None:
        super().__init__()
        self.source = source.node

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def cycle(self, state: gc.GraphState) -> bool:
        raise NotImplementedError


@each_tier
def test_r5_a_value_that_cycle_sets_without_ticking_is_seen_by_nobody_else(tier: Any) -> None:
    numbers = gc.from_iterable([1, 2, 3, 4, 5], "10ns")
    evens = gc.Stream(Evens(numbers, []))
    sampled = evens.sample(numbers).collect()
    looked = gc.Stream(Look(numbers, evens)).collect()
    gc.Graph(evens, sampled, looked).run(tier=tier)
    assert list(sampled) == [(10, 2), (20, 2), (30, 4), (40, 4)]
    assert looked.values == [(False, NONE), (True, 2), (True, 2), (True, 4), (True, 4)]
    assert evens.value == 4


@each_tier
def test_r5_the_node_itself_reads_back_what_it_set(tier: Any) -> None:
    own: list[Any] = []
    gc.Stream(Evens(gc.from_iterable([1, 2, 3, 4, 5]), own)).run(tier=tier)
    assert own == [NONE, 1, 2, 3, 4]


@each_tier
def test_r5_a_node_that_never_ticked_has_no_value_after_the_run(tier: Any) -> None:
    evens = gc.Stream(Evens(gc.from_iterable([1, 3]), []))
    evens.run(tier=tier)
    with pytest.raises(gc.NoValueError):
        _ = evens.value


@each_tier
def test_r5_other_nodes_keep_seeing_a_value_that_cycle_deletes_without_ticking(tier: Any) -> None:
    class Deletes(ByHand):
        def cycle(self, state: gc.GraphState) -> bool:
            if self.source.value == 1:
                self.value = 1
                return True
            own.append(value_of(self))
            if self.source.value == 2:
                del self.value
            return False

    own: list[Any] = []
    numbers = gc.from_iterable([1, 2, 3])
    deletes = gc.Stream(Deletes(numbers))
    looked = gc.Stream(Look(numbers, deletes)).collect()
    gc.Graph(deletes, looked).run(tier=tier)
    assert (own, looked.values) == ([1, NONE], [(True, 1)] * 3)


class SetInStart(ByHand):
    def start(self, state: gc.GraphState) -> None:
        self.value = 100

    def cycle(self, state: gc.GraphState) -> bool:
        self.value += self.source.value
        return bool(self.value != 101)


class SetInReset(ByHand):
    def reset(self) -> None:
        super().reset()
        self.value = 100

    def cycle(self, state: gc.GraphState) -> bool:
        self.value += self.source.value
        return bool(self.value != 101)


@each_tier
@pytest.mark.parametrize("cls", [SetInStart, SetInReset])
def test_r5_the_first_cycle_reads_a_value_set_before_it(cls: type[ByHand], tier: Any) -> None:
    numbers = gc.from_iterable([1, 2, 3])
    total = gc.Stream(cls(numbers))
    looked = gc.Stream(Look(numbers, total)).collect()
    graph = gc.Graph(total, looked)
    for _ in range(2):
        graph.run(tier=tier)
        assert looked.values == [(False, NONE), (True, 103), (True, 106)]


@each_tier
def test_r5_a_function_that_cycle_calls_sees_what_the_node_has_set(tier: Any) -> None:
    class Calls(ByHand):
        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            look()
            return False

    def look() -> None:
        seen.append(value_of(node))

    seen: list[Any] = []
    node = Calls(gc.from_iterable([1, 2]))
    gc.Stream(node).run(tier=tier)
    assert seen == [1, 2]


@each_tier
def test_r5_a_value_that_another_node_assigns_is_seen_and_used_at_once(tier: Any) -> None:
    numbers = gc.from_iterable([1, 2, 3, 4])
    own: list[Any] = []
    evens = Evens(numbers, own)

    def assign(number: int) -> int:
        if number == 3:
            evens.value = 70
        return number

    looked = gc.Stream(Look(numbers, evens)).collect()
    late = gc.Stream(Look(numbers.map(assign), evens)).collect()
    gc.Graph(evens, looked, late).run(tier=tier)
    assert own == [NONE, 1, 2, 70]
    assert looked.values == [(False, NONE), (True, 2), (True, 2), (True, 4)]
    assert late.values == [(False, NONE), (True, 2), (True, 70), (True, 4)]


@each_tier
def test_r5_a_value_that_a_thread_assigns_by_a_method_is_seen_at_once(tier: Any) -> None:
    class Put(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            self.state = state
            state.schedule(state.time)
            state.hold()

        def put(self, value: int) -> None:
            self.value = value
            self.state.wake()

        def cycle(self, state: gc.GraphState) -> bool:
            if not threads:
                threads.append(threading.Thread(target=put_all))
                threads[0].start()
                return False
            cycles.append(value_of(self))
            if self.value == 3:
                state.release()
            return bool(self.value != 2)

    def put_all() -> None:
        for value in (1, 2, 3):
            node.put(value)
            seen.append(node.value)
            wait_until(lambda value=value: value in cycles)  # type: ignore[misc]

    threads: list[threading.Thread] = []
    cycles: list[Any] = []
    seen: list[int] = []
    node = Put()
    out = gc.Stream(node).collect()
    out.run(realtime=True, duration="10s", tier=tier)
    threads[0].join()
    assert (seen, cycles, out.values) == ([1, 2, 3], [1, 2, 3], [1, 3])


@each_tier
def test_r5_a_cycle_that_raises_leaves_the_node_as_it_is(tier: Any) -> None:
    class Fails(ByHand):
        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            if self.value == 3:
                raise ValueError("three")
            return bool(self.value == 2)

    node = Fails(gc.from_iterable([1, 2, 3]))
    with pytest.raises(ValueError, match="three"):
        gc.Stream(node).run(tier=tier)
    assert node.value == 3


@each_tier
def test_r5_a_cycle_assigned_to_one_node_obeys_the_same_rule(tier: Any) -> None:
    numbers = gc.from_iterable([1, 2, 3])
    mapped = numbers.map(lambda n: n)

    def cycle(state: gc.GraphState) -> bool:
        mapped.node.value = numbers.value
        return numbers.value == 2

    mapped.node.cycle = cycle  # type: ignore[method-assign]
    sampled = mapped.sample(numbers).collect()
    gc.Graph(mapped, sampled).run(tier=tier)
    assert sampled.values == [2, 2]


@each_tier
def test_r5_a_class_that_changes_between_two_runs_is_checked_again(tier: Any) -> None:
    class Changed(ByHand):
        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            return True

    def ticks_with_even_ones(self: Any, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return bool(self.value % 2 == 0)

    numbers = gc.from_iterable([1, 2, 3])
    changed = gc.Stream(Changed(numbers))
    sampled = changed.sample(numbers).collect()
    graph = gc.Graph(changed, sampled)
    graph.run(tier=tier)
    assert sampled.values == [1, 2, 3]
    Changed.cycle = ticks_with_even_ones  # type: ignore[method-assign]
    graph.run(tier=tier)
    assert sampled.values == [2, 2]


def _own_classes(cls: type[Any]) -> Iterator[type[Any]]:
    for each in cls.__subclasses__():
        if each.__module__.partition(".")[0] in ("graphcore", "graphcore_zmq"):
            yield each
        yield from _own_classes(each)


def test_r5_withholding_costs_the_operators_and_sources_nothing() -> None:
    importlib.import_module("graphcore_zmq.commands.terminal")
    classes = set(_own_classes(gc.MutableNode))
    assert len(classes) > 50
    # What a fused node's class is during a run has a `__class__` of its own: the node's.
    classes = {cls for cls in classes if "__class__" not in vars(cls)}
    # The twins that compute statistics of vectors are in no graph.
    classes = {cls for cls in classes if not issubclass(cls, Twin)}
    assert [cls for cls in classes if not sets_only_what_it_ticks_with(cls)] == []
