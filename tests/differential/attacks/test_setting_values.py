"""A value set anywhere but in the node's own `cycle` becomes the node's value (R5)."""

import threading
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import wait_until
from tests.differential.both import agree


@gc.node
class Meter(gc.MutableNode[Any]):
    """Passes values on and counts them."""

    source: gc.Active[Any]
    count: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.count += 1
        self.value = self.source.value
        return True

    def jump(self, count: int) -> None:
        self.count = count

    def put(self, value: Any) -> None:
        self.value = value


def meter() -> Meter:
    return Meter(gc.from_iterable([10, 20, 30]))


class Total(gc.MutableNode[Any]):
    def __init__(self, source: Any) -> None:
        super().__init__()
        self.source = source.node

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def start(self, state: gc.GraphState) -> None:
        self.value = 100

    def cycle(self, state: gc.GraphState) -> bool:
        self.value += self.source.value
        return True

    def add(self, much: int) -> None:
        self.value += much


class TotalOfReset(Total):
    def reset(self) -> None:
        super().reset()
        self.value = 100

    def start(self, state: gc.GraphState) -> None:
        pass


class TotalOfAHelper(Total):
    def start(self, state: gc.GraphState) -> None:
        self._begin()

    def _begin(self) -> None:
        setattr(self, "value", 100)  # noqa: B010


class TotalOfAMethod(Total):
    def cycle(self, state: gc.GraphState) -> bool:
        self.add(self.source.value)
        return True


@pytest.mark.parametrize("cls", [Total, TotalOfReset, TotalOfAHelper, TotalOfAMethod])
def test_value_set_before_the_first_cycle(cls: Any) -> None:
    wire = lambda: gc.Stream(cls(gc.from_iterable([1, 2]))).collect()  # noqa: E731
    assert agree(wire, lambda _: None) == [[101, 103]] * 2


def test_value_set_in_start_is_seen_by_nobody_else_before_the_node_ticks() -> None:
    def wire() -> Any:
        total = Total(gc.replay([(2, 1), (3, 2)]))

        def look(_: Any) -> Any:
            try:
                return total.value
            except gc.NoValueError:
                return "none"

        return [gc.replay([(1, 0), (2, 0), (3, 0)]).map(look).collect(), gc.Stream(total)]

    assert agree(wire) == [["none", 101, 103]]


@pytest.mark.parametrize("tier", ["interpreted", "fused"])
def test_value_set_in_start_is_gone_after_another_node_failed_to_start(tier: Any) -> None:
    total = gc.Stream(Total(gc.from_iterable([1])))
    served = gc.replay(iter([(1, 1)]))
    graph = gc.Graph(total, served)
    graph.run(tier=tier)
    with pytest.raises(gc.RunError, match="an iterator, which serves one run"):
        graph.run(tier=tier, start=1)
    with pytest.raises(gc.NoValueError):
        _ = total.value


def test_value_set_by_anothers_function_in_the_middle_of_a_run() -> None:
    def wire() -> Any:
        total = Total(gc.from_iterable([1, 2, 3]))
        changed = gc.Stream(total).for_each(lambda v: total.add(1000) if v == 103 else None)
        return changed.map(lambda v: (v, total.value)).collect()

    assert agree(wire) == [[(101, 101), (1103, 1103), (1106, 1106)]]


def test_value_set_by_another_thread_that_has_ended() -> None:
    def wire() -> Any:
        total = Total(gc.from_iterable([1, 2, 3]))

        def change(v: int) -> None:
            thread = threading.Thread(target=total.add, args=(1000,), name="adds")
            thread.start()
            thread.join()

        return gc.Stream(total).for_each(change).map(lambda _: total.value).collect()

    assert agree(wire) == [[1101, 2103, 3106]]


@pytest.mark.parametrize("tier", ["interpreted", "fused"])
def test_a_live_run_sees_the_value_that_a_threads_method_sets(tier: Any) -> None:
    class Latest(gc.MutableNode[Any]):
        def __init__(self) -> None:
            super().__init__()
            self.started = threading.Event()

        def start(self, state: gc.GraphState) -> None:
            self.state = state
            state.hold()
            self.started.set()

        def put(self, value: int) -> None:
            self.value = value
            self.state.wake()

        def cycle(self, state: gc.GraphState) -> bool:
            return True

    node = Latest()
    seen: list[int] = []

    def see(v: int) -> None:
        seen.append(v)
        if v == 3:
            node.state.stop()

    def feed() -> None:
        node.started.wait(10)
        for value in range(1, 4):
            node.put(value)
            wait_until(lambda value=value: value in seen)

    thread = threading.Thread(target=feed, name="feeds")
    thread.start()
    gc.Stream(node).map(lambda v: v).for_each(see).run(realtime=True, duration="20s", tier=tier)
    thread.join()
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("tier", ["interpreted", "fused"])
def test_a_live_run_sees_the_state_that_a_thread_sets(tier: Any) -> None:
    node = Meter(gc.ticker("1ms"))
    seen: list[int] = []

    def see(_: Any) -> bool:
        seen.append(node.count)
        return node.count > 1000

    def jump() -> None:
        wait_until(lambda: seen)
        node.jump(1000)

    out = gc.Stream(node).map(see).filter(lambda done: done).limit(1)
    thread = threading.Thread(target=jump, name="jumps")
    thread.start()
    gc.Graph(out).run(realtime=True, duration="5s", tier=tier)
    thread.join()
    assert max(seen) > 1000
