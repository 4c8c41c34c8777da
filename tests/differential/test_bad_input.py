"""Nodes that are hard to compile do the same on both tiers, fused or called.

Each test is about one thing that a `cycle` may do. The expected values show that it means what
Python says; `on_both_tiers` checks that the tiers agree.
"""

import threading
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

import graphcore as gc
from tests.differential.both import fed, on_both_tiers


def test_a_cycle_that_raises_leaves_what_it_had_set() -> None:
    made: list[Any] = []

    @gc.node
    class Node(gc.MutableNode[Any]):
        source: gc.Active[Any]
        before: int = gc.state(0)
        after: int = gc.state(0)

        def cycle(self, state: gc.GraphState) -> bool:
            self.before += 1
            self.value = 10 / (self.source.value - 3)
            self.after += 1
            return True

    def make(source: Any) -> Any:
        made.append(Node(source))
        return made[-1]

    seen = on_both_tiers(fed(make, 1, 2, 3, 4))
    assert seen.values == [-5, -10]
    assert seen.error.startswith("ZeroDivisionError: division by zero\nin node (Node), wired at")
    assert seen.error.endswith("at 1970-01-01T00:00:00.000000003Z (3 ns)\nreading source = 3")
    assert [(node.before, node.after, node.value) for node in made] == [(3, 2, -10)] * 2


@pytest.mark.parametrize(
    ("returned", "ticks"),
    [(1, True), (0, False), (None, False), ("x", True), ("", False), ((0,), True), (-0.0, False)],
)
def test_a_cycle_ticks_if_the_value_that_it_returns_is_true(returned: object, ticks: bool) -> None:
    @gc.node
    class Node(gc.MutableNode[Any]):
        source: gc.Active[Any]
        result: Any = returned

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            return self.result  # type: ignore[no-any-return]  # what is tried

    assert on_both_tiers(fed(Node, 5)).values == ([5] if ticks else [])


def test_a_cycle_that_returns_a_value_without_a_truth_value() -> None:
    class Undecided:
        def __bool__(self) -> bool:
            raise ValueError("neither")

    @gc.node
    class Node(gc.MutableNode[Any]):
        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            return Undecided()  # type: ignore[return-value]  # what is tried

    assert on_both_tiers(fed(Node, 5)).error.startswith("ValueError: neither\nin node (Node)")


def test_a_cycle_that_deletes_its_upstream() -> None:
    @gc.node
    class Node(gc.MutableNode[Any]):
        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            del self.source
            return True

    seen = on_both_tiers(fed(Node, 1, 2))
    assert seen.values == [1]
    assert "'Node' object has no attribute 'source'" in seen.error


def test_a_cycle_that_rebinds_its_upstreams() -> None:
    @gc.node
    class Node(gc.MutableNode[Any]):
        source: gc.Active[Any]
        other: gc.Passive[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            self.source, self.other = self.other, self.source
            return True

    def make(source: gc.Stream[Any]) -> Any:
        return Node(source, source.map(lambda x: -x))

    assert on_both_tiers(fed(make, 1, 2, 3, 4)).values == [1, -2, 3, -4]


def test_a_cycle_that_reads_what_a_thread_of_its_own_writes() -> None:
    @gc.node
    class Node(gc.MutableNode[Any]):
        source: gc.Active[Any]
        level: int = gc.state(0)

        def start(self, state: gc.GraphState) -> None:
            self.asked, self.written = threading.Semaphore(0), threading.Semaphore(0)
            self.ended = False
            self.thread = threading.Thread(target=self._write, name="writer")
            self.thread.start()

        def _write(self) -> None:
            while self.asked.acquire() and not self.ended:
                self.level += 10
                self.written.release()

        def cycle(self, state: gc.GraphState) -> bool:
            before = self.level
            self.asked.release()
            self.written.acquire()
            self.value = (before, self.level)
            return True

        def stop(self, state: gc.GraphState) -> None:
            self.ended = True
            self.asked.release()
            self.thread.join()
            del self.asked, self.written, self.thread  # nothing to compare

    assert on_both_tiers(fed(Node, 1, 2)).values == [(0, 10), (10, 20)]


def test_a_cycle_that_reads_what_another_nodes_function_writes() -> None:
    @gc.node
    class Node(gc.MutableNode[Any]):
        source: gc.Active[Any]
        level: int = 100
        count: int = gc.state(0)

        def cycle(self, state: gc.GraphState) -> bool:
            self.count += 1
            self.value = self.level + self.count
            return True

    def wire() -> gc.Collected[Any]:
        nodes: list[Any] = []

        def write(x: int) -> None:
            nodes[0].level = nodes[0].count = x

        source = gc.replay([1, 2, 3], [1, 2, 3])
        written = source.for_each(write)
        nodes.append(Node(source))
        return written.combine(gc.Stream(nodes[0])).collect()

    assert on_both_tiers(wire).values == [(1, 3), (2, 5), (3, 7)]


def test_a_cycle_that_calls_super() -> None:
    @gc.node
    class Parent(gc.MutableNode[Any]):
        source: gc.Active[Any]
        total: int = gc.state(0)

        def cycle(self, state: gc.GraphState) -> bool:
            self.total += self.source.value
            self.value = self.total
            return True

    class Node(Parent):
        def cycle(self, state: gc.GraphState) -> bool:
            ticked = super().cycle(state)
            self.value *= 10
            return ticked

    assert on_both_tiers(fed(Node, 1, 2, 3)).values == [10, 30, 60]


def test_a_cycle_that_sets_and_reads_a_property() -> None:
    @gc.node
    class Node(gc.MutableNode[Any]):
        source: gc.Active[Any]
        celsius: float = gc.state(0.0)

        @property
        def fahrenheit(self) -> float:
            return self.celsius * 1.8 + 32

        @fahrenheit.setter
        def fahrenheit(self, degrees: float) -> None:
            self.celsius = (degrees - 32) / 1.8

        def cycle(self, state: gc.GraphState) -> bool:
            self.fahrenheit = self.source.value
            self.celsius += 10
            self.value = round(self.fahrenheit)
            return True

    assert on_both_tiers(fed(Node, 32, 50)).values == [50, 68]


def test_a_cycle_that_reads_a_class_attribute_which_changes() -> None:
    @gc.node
    class Node(gc.MutableNode[Any]):
        source: gc.Active[Any]
        factor: ClassVar[int] = 1

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value * self.factor
            return True

    def make(source: gc.Stream[Any]) -> Any:
        Node.factor = 1

        def change(x: int) -> int:
            Node.factor = x
            return x

        return Node(source.map(change))

    assert on_both_tiers(fed(make, 1, 2, 3)).values == [1, 4, 9]


FACTOR = 1


def test_a_cycle_that_reads_a_global_which_another_node_changes() -> None:
    @gc.node
    class Node(gc.MutableNode[Any]):
        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value * FACTOR
            return True

    @gc.node
    class Changes(gc.MutableNode[Any]):
        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            global FACTOR
            FACTOR = self.value = self.source.value
            return True

    assert on_both_tiers(fed(lambda source: Node(Changes(source)), 1, 2, 3)).values == [1, 4, 9]


def walrus(self: Any, state: gc.GraphState) -> bool:
    while (left := self.left + 1) < self.source.value:
        self.left = left
    self.left = left
    self.value = [last := left, last + 1]
    return True


def comprehension(self: Any, state: gc.GraphState) -> bool:
    i = self.source.value
    self.left = sum([i for i in range(self.source.value) if i != self.left])
    self.value = [i, self.left]
    return True


def matches(self: Any, state: gc.GraphState) -> bool:
    match self.source.value:
        case 1:
            return False
        case int(x) | [x, *_] if x < 3:
            self.left = x
            self.value = "low"
        case other:
            self.value = [other, self.left]
    return True


def nested_functions(self: Any, state: gc.GraphState) -> bool:
    x = self.source.value

    def change(by: int) -> int:
        nonlocal x
        x += by
        self.left = x
        return x

    self.value = [change(1), (lambda y: x * y)(10), change(1)]
    return True


def try_and_except(self: Any, state: gc.GraphState) -> bool:
    try:
        self.left += 1
        self.value = 6 // (self.source.value - 2)
    except ZeroDivisionError as error:
        self.value = str(error)
    else:
        self.value = [self.value]
    finally:
        self.left += 10
    return self.left < 30


def loop_with_break(self: Any, state: gc.GraphState) -> bool:
    for i in range(10):
        if i == self.source.value:
            break
        if i % 2:
            continue
        self.left += i
    else:
        return False
    self.value = [i, self.left]
    return True


@pytest.mark.parametrize(
    ("cycle", "values"),
    [
        (walrus, [[1, 2], [2, 3], [3, 4]]),
        (comprehension, [[1, 0], [2, 1], [3, 2]]),
        (matches, ["low", [3, 2]]),
        (nested_functions, [[2, 20, 3], [3, 30, 4], [4, 40, 5]]),
        (try_and_except, [[-6], "integer division or modulo by zero"]),
        (loop_with_break, [[1, 0], [2, 0], [3, 2]]),
    ],
)
def test_a_cycle_with_a_statement_that_has_a_scope_or_leaves_its_block(
    cycle: Callable[[Any, gc.GraphState], bool], values: list[Any]
) -> None:
    @gc.node
    class Node(gc.MutableNode[Any]):
        source: gc.Active[Any]
        left: int = gc.state(0)

    Node.cycle = cycle  # type: ignore[method-assign]  # a function of this file, as a method is
    assert on_both_tiers(fed(Node, 1, 2, 3)).values == values
