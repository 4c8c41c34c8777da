"""The compiler's own limits end in "called", and its costs stay in proportion.

Proportions are measured in one run, between a small graph and a larger one.
"""

import gc as collector
import linecache
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc
from tests.differential.attacks.texts import fed, node_class, run_text
from tests.differential.both import agree

# Texts at the limits of Python or the compiler


def _loops(depth: int) -> list[str]:
    lines = ["t = 0"]
    lines += [f"{'    ' * i}for i{i} in (1,):" for i in range(depth)]
    return [*lines, f"{'    ' * depth}t += 1", "self.value = t"]


def _ifs(depth: int) -> list[str]:
    lines = [f"{'    ' * i}if self.src.value:" for i in range(depth)]
    return [*lines, f"{'    ' * depth}self.value = 1"]


def _nested(depth: int) -> str:
    return "(" * depth + "self.src.value" + " + 1)" * depth


_TEXTS: dict[str, list[str]] = {
    "300 summands": ["self.value = " + " + ".join(["self.src.value"] * 300)],
    "300 comparisons": ["self.value = " + " < ".join(["self.src.value"] * 300)],
    "300 alternatives": ["self.value = " + " or ".join(["self.src.value"] * 300)],
    "90 parentheses": [f"self.value = {_nested(90)}"],
    "80 nots": ["self.value = " + "not " * 80 + "self.src.value"],
    "300 signs": ["self.value = " + "-" * 300 + "self.src.value"],
    "200 elif": [
        "x = self.src.value",
        "if x == 0: self.value = 0",
        *[f"elif x == {i}: self.value = {i}" for i in range(1, 200)],
    ],
    "200 choices": [
        "x = self.src.value",
        "self.value = " + "".join(f"{i} if x == {i} else " for i in range(200)) + "x",
    ],
    "20 loops": _loops(20),
    "19 loops": _loops(19),
    "18 loops": _loops(18),
    "90 ifs": _ifs(90),
    "1,000 statements": [*[f"x{i} = self.src.value + {i}" for i in range(1000)], "self.value = x9"],
    "300 attributes": ["self.value = self.src.value" + ".real" * 300],
    "8 lambdas": ["self.value = " + "(lambda: " * 8 + "self.src.value" + ")()" * 8],
    "60 subscripts": ["x = [[self.src.value]]", "self.value = x" + "[0]" * 2 + "+ x[0][0]" * 60],
    "300 arguments": [
        "f = lambda *given: len(given)",
        "self.value = f(" + ", ".join(["self.src.value"] * 300) + ")",
    ],
    "a long string": [f"self.value = len({'a' * 100_000!r})"],
    "a big number": ["self.value = self.src.value + 0x" + "f" * 3_000 + " - 0x" + "f" * 3_000],
    "50 nested functions": [
        *[f"{'    ' * i}def f{i}():" for i in range(50)],
        f"{'    ' * 50}return self.src.value",
        *[f"{'    ' * i}return f{i}()" for i in range(49, 0, -1)],
        "self.value = f0()",
    ],
}


@pytest.mark.parametrize("text", _TEXTS)
def test_a_text_at_the_limit_is_run(text: str) -> None:
    (seen,) = fed(node_class(*_TEXTS[text]), 1)
    assert "Error" not in str(seen)


@pytest.mark.parametrize("call", ["bool(*x)", "bool(**{})", "bool(*x, *[])", "bool(x=1)", "bool()"])
@pytest.mark.parametrize("test", ["is True", "is False", "is not True", "== True"])
def test_a_comparison_of_a_call_of_bool(call: str, test: str) -> None:
    seen = fed(node_class("x = self.src.value", f"self.value = {call} {test}"), [1], [0], [])
    assert len(seen) >= 1


def test_a_number_that_is_too_long_to_be_written() -> None:
    big = 10**10_000

    @gc.node
    class Adds(gc.MutableNode[Any]):
        source: gc.Active[Any]
        big: int

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = (self.source.value + self.big) % 7
            return True

    def wire() -> Any:
        s = gc.Stream(Adds(gc.from_iterable([1, 2]), big))
        return (
            s.with_latest(gc.constant(big)).map(lambda two: (two[0] + two[1] + big) % 7).collect()
        )

    assert agree(wire) == [[(1 + 3 * big) % 7, (2 + 3 * big) % 7]]


@pytest.mark.parametrize("shape", ["sum", "chain of filters", "chain of maps", "merges", "joins"])
def test_a_wide_or_deep_graph_is_run(shape: str) -> None:
    def wire() -> Any:
        first = gc.replay([(0, 1), (1, 2)])
        match shape:
            case "sum":
                total = gc.replay([(0, 1)])
                for _ in range(150):
                    total = total + gc.replay([(1, 1)])
                out = total.with_latest(gc.replay([(0, 2)])).filter(lambda t: t[0] == 151).limit(1)
            case "chain of filters":
                out = first
                for _ in range(150):
                    out = out.filter(lambda v: v)
            case "chain of maps":
                out = first
                for _ in range(150):
                    out = out.map(lambda v: v + 1)
            case "merges":
                out = first
                for _ in range(100):
                    out = out.merge(first)
            case _:
                out = first
                for _ in range(40):
                    out = out.join(first, first, function=lambda a, b, c: a + b - c)
        return out.collect()

    assert agree(wire)[0]


# Costs


def _seconds(make: Callable[[], gc.Graph], tier: Any = "fused") -> float:
    """Return how long the first run takes, the best of three graphs."""
    best = float("inf")
    for _ in range(3):
        graph = make()
        began = time.perf_counter()
        graph.run(tier=tier)
        best = min(best, time.perf_counter() - began)
    return best


def _ladder(steps: int) -> gc.Graph:
    z = gc.replay([(0, 0), (50, 1)])
    a, b, c = (
        gc.replay([(i, i), (i + 100, i)]).with_latest(z).map(lambda p: p[0]) for i in range(3)
    )
    for _ in range(steps):
        a, b, c = a + b, b + c, c + a
    return gc.Graph((a + b).with_latest(z).collect())


def _lattice(steps: int) -> gc.Graph:
    z = gc.replay([(0, 1), (50, 1)])
    a, b = gc.replay([(0, 1)]).filter(lambda v: v), gc.replay([(1, 1)]).filter(lambda v: v)
    for _ in range(steps):
        a, b = a.merge_first(b).filter(lambda v: v), b.merge_first(a).filter(lambda v: v)
    return gc.Graph(a.merge_first(b).with_latest(z).collect())


@pytest.mark.parametrize("make", [_ladder, _lattice])
def test_compile_time_is_linear_in_the_steps_of_a_ladder(make: Callable[[int], gc.Graph]) -> None:
    few, many = _seconds(lambda: make(5)), _seconds(lambda: make(20))
    assert many < 12 * few, f"5 steps took {few:.4f} s, 20 steps {many:.4f} s"


def _lambdas(count: int, held: Any) -> gc.Graph:
    source = gc.from_iterable([0, 1])
    return gc.Graph(*[source.map(lambda v, i=i: (held is None) + v + i) for i in range(count)])


def _parameters(count: int, held: Any) -> gc.Graph:
    source = gc.from_iterable([0, 1])
    return gc.Graph(*[gc.Stream(_Keeps(source, held)) for _ in range(count)])


@gc.node
class _Keeps(gc.MutableNode[Any]):
    source: gc.Active[Any]
    held: Any

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.held is None
        return True


def _states(count: int, held: Any) -> gc.Graph:
    source = gc.from_iterable([0, 1])
    return gc.Graph(*[source.scan(lambda acc, v: acc, held) for _ in range(count)])


@pytest.mark.parametrize("make", [_lambdas, _parameters, _states])
def test_what_nodes_hold_costs_no_compile_time(make: Callable[[int, Any], gc.Graph]) -> None:
    small, large = ({i: (i, [i]) for i in range(size)} for size in (2, 20_000))
    few, many = _seconds(lambda: make(20, small)), _seconds(lambda: make(20, large))
    assert many < 4 * few, f"a dict of 2 took {few:.4f} s, one of 20,000 {many:.4f} s"


# Memory after compiling

_CELL = """import graphcore as gc
class Marked: pass
def f(x): return x + 1
def build(): return gc.from_iterable([1]).map(f).map(lambda v: v)
"""
_CELL += "".join(f"def f{j}(x): return x + {j}\n" for j in range(50))


def _run_cell(number: int) -> "weakref.ref[Any]":
    name = f"<cell {number} that is forgotten>"
    text = f"{_CELL}\nnumber = {number}\n"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    names: dict[str, Any] = {}
    exec(compile(text, name, "exec"), names)
    names["build"]().run(tier="fused")
    del linecache.cache[name]
    return weakref.ref(names["Marked"])


def test_a_cell_that_is_gone_is_forgotten() -> None:
    references = [_run_cell(number) for number in range(5)]
    collector.collect()
    assert [reference() for reference in references] == [None] * 5


def test_syntax_trees_and_lines_of_cells_that_are_gone_are_not_kept() -> None:
    def kept() -> tuple[int, int]:
        collector.collect()
        trees = sum(type(x).__module__ in ("ast", "_ast") for x in collector.get_objects())
        return trees, len(linecache.cache)

    for number in range(100):
        _run_cell(100 + number)
    trees, lines = kept()
    for number in range(100):
        _run_cell(200 + number)
    more_trees, more_lines = kept()
    assert more_trees <= trees * 1.5 and more_lines <= lines + 5


def test_a_graph_that_is_dropped_is_forgotten_with_its_nodes() -> None:
    out = gc.from_iterable([1]).map(lambda v: v + 1).collect()
    graph = gc.Graph(out)
    graph.run(tier="fused")
    references = [weakref.ref(node) for node in graph.nodes]
    del out, graph
    collector.collect()
    assert [reference() for reference in references] == [None] * 3


def test_graphs_compiled_in_threads_leave_the_process_as_it_was() -> None:
    def build(k: int) -> gc.Graph:
        text = "\n".join(f"def f{i}(x): return x + {i}" for i in range(100))
        space = run_text(f"{text}\ndef make(): return gc.from_iterable([1]).map(f1).map(f{k})\n")
        return gc.Graph(space["make"]())

    def settings() -> list[Any]:
        hooks = [sys.gettrace(), sys.getprofile(), sys.excepthook, sys.displayhook]
        return [list(warnings.filters), warnings.showwarning, sys.getrecursionlimit(), *hooks]

    before = settings()
    for _ in range(10):
        graphs = [build(k) for k in range(6)]
        threads = [
            threading.Thread(target=graph.run, kwargs={"tier": "fused"}, name="compiles")
            for graph in graphs
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert settings() == before


def test_a_warning_that_the_users_text_deserves_is_not_given_again() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cls = node_class("self.value = self.src.value is 1")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gc.Graph(cls(gc.from_iterable([1]))).run(tier="fused")
    assert [str(warning.message) for warning in caught] == []
