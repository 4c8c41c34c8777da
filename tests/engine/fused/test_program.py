"""The fused tier as a whole: when it compiles, which changes runs notice, and how runs end."""

import gc as garbage
import linecache
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.backend import program
from tests.engine.fused.both import explained, node_class, same, source_of, why, written

TIERS: list[Any] = ["interpreted", "fused"]


@gc.node
class Scale(gc.MutableNode[Any]):
    source: gc.Active[Any]
    factor: Any

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value * self.factor
        return True


@gc.node
class Running(gc.MutableNode[int]):
    """Sums; what happens at a value is given."""

    source: gc.Active[int]
    at: Callable[[int], object]
    total: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.total += self.source.value
        self.at(self.source.value)
        self.value = self.total
        return True


def numbers(count: int = 4) -> gc.Stream[int]:
    return gc.replay(range(1, count + 1), range(1, count + 1))


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions that are compiled."""
    names: list[str] = []

    def counting(source: str, name: str, *args: Any, **options: Any) -> Any:
        names.append(name)
        return compile(source, name, *args, **options)

    monkeypatch.setattr(program, "compile", counting, raising=False)
    return names


# What is compiled


def test_200_chained_filters_work() -> None:
    def make() -> gc.Stream[int]:
        stream = gc.from_iterable(range(300))
        for n in range(200):
            stream = stream.filter(lambda x, n=n: x != n) if n % 2 else stream.filter(bool)
        return stream

    found = same(make)
    assert [value for _, value in found] == [n for n in range(300) if n and not (n % 2 and n < 200)]


def test_a_graph_is_compiled_once_for_all_its_runs(compiled: list[str]) -> None:
    out = numbers().map(lambda x: x + 1).collect()
    graph = gc.Graph(out)
    for _ in range(3):
        graph.run()
    graph.fused_source()
    assert len(compiled) == 1


def test_the_program_of_each_driver_is_compiled_once_and_kept(compiled: list[str]) -> None:
    graph = gc.Graph(numbers().map(lambda x: x + 1))
    for _ in range(2):
        graph.run()
        graph.run(realtime=True)
    assert len(compiled) == 2


def test_the_interpreted_tier_compiles_nothing(compiled: list[str]) -> None:
    gc.Graph(numbers()).run(tier="interpreted")
    assert compiled == []


def test_the_text_for_tracebacks_is_deleted_with_the_graph(compiled: list[str]) -> None:
    graph = gc.Graph(numbers())
    graph.run()
    (name,) = compiled
    assert "".join(linecache.getlines(name)).rstrip() == graph.fused_source()
    linecache.checkcache()
    assert linecache.getlines(name)
    del graph
    garbage.collect()
    assert name not in linecache.cache


def test_equal_wirings_give_equal_text() -> None:
    def make() -> str:
        prices = gc.ticker("1s").count().map(lambda n: n % 7).named("price")
        other = numbers().filter(lambda x: x > 1)
        return source_of(prices.join(other, max).distinct(), prices.throttle("2s"))

    assert make() == make()


def test_explain_says_of_each_node_whether_it_is_called_and_why() -> None:
    @gc.node
    class HandsOn(gc.MutableNode[Any]):
        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = id(self)
            return True

    stream = gc.Stream(HandsOn(numbers().map(lambda x: x).named("mid"))).named("last")
    assert explained(stream) == [
        "replay_0  fused",
        "mid  fused",
        "last  called: its cycle passes self on",
    ]


def test_a_node_has_one_name_in_the_text_in_explain_and_in_errors() -> None:
    stream = numbers().map(lambda x: 1 // (x - 2))
    graph = gc.Graph(stream)
    name = stream.node.name
    assert f"{name} = " in graph.fused_source()
    assert graph.explain().splitlines()[1] == f"{name}  fused"
    with pytest.raises(ZeroDivisionError) as caught:
        graph.run()
    assert caught.value.__notes__[0].startswith(f"in {name} (Map), ")


# Changes between runs


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("values", [(2, 3), (2, 2.5), ("a", "b"), (None, 2), (1, True), (5, [1])])
def test_a_parameter_changed_between_runs_counts_from_the_next_run(tier: Any, values: Any) -> None:
    node = Scale(gc.constant(3), values[0])
    out = gc.Stream(node).collect()
    graph = gc.Graph(out)
    for value in (*values, *values):
        node.factor = value
        if value is None:
            with pytest.raises(TypeError):
                graph.run(tier=tier)
        else:
            graph.run(tier=tier)
            assert repr(out.values) == repr([3 * value])


@pytest.mark.parametrize("tier", TIERS)
def test_a_function_given_to_an_operator_may_be_replaced_between_runs(tier: Any) -> None:
    mapped: Any = gc.constant(3).map(lambda x: x + 1)
    out = mapped.collect()
    graph = gc.Graph(out)
    for function in (lambda x: x * 5, str, lambda x: -x):
        mapped.node.function = function
        graph.run(tier=tier)
        assert out.values == [function(3)]


@pytest.mark.parametrize("tier", TIERS)
def test_a_global_changed_between_runs_counts_from_the_next_run(tier: Any) -> None:
    cells = written(
        "def double(x):\n    return 2 * x\n\nlimit = 1\n\n"
        "@gc.node\nclass Tried(gc.MutableNode[Any]):\n    source: gc.Active[Any]\n\n"
        "    def cycle(self, state):\n"
        "        self.value = double(self.source.value) + limit\n"
        "        return True\n"
    )
    out = gc.Stream(cells["Tried"](gc.constant(3))).collect()
    graph = gc.Graph(out)
    graph.run(tier=tier)
    assert out.values == [7]
    cells["limit"] = 2
    cells["double"] = lambda x: 10 * x
    graph.run(tier=tier)
    assert out.values == [32]
    del cells["double"]
    with pytest.raises(NameError, match="double"):
        graph.run(tier=tier)


@pytest.mark.parametrize("tier", TIERS)
def test_a_name_of_the_builtins_hidden_between_runs_counts_from_the_next_run(tier: Any) -> None:
    cycle = "self.value = abs(self.source.value)\nreturn True"
    made = node_class(cycle)
    out = gc.Stream(made(gc.constant(-3))).collect()
    graph = gc.Graph(out)
    graph.run(tier=tier)
    made.cycle.__globals__["abs"] = str
    graph.run(tier=tier)
    assert out.values == ["-3"]


@pytest.mark.parametrize("tier", TIERS)
def test_a_method_replaced_between_runs_counts_from_the_next_run(tier: Any) -> None:
    made = node_class("self.value = 1\nreturn True")
    out = gc.Stream(made(gc.constant(0))).collect()
    graph = gc.Graph(out)
    graph.run(tier=tier)
    made.cycle = node_class("self.value = 2\nreturn True").cycle
    graph.run(tier=tier)
    assert out.values == [2]


@pytest.mark.parametrize("tier", TIERS)
def test_a_list_of_upstreams_reordered_between_runs_counts_from_the_next_run(tier: Any) -> None:
    made = node_class(
        "self.value = [each.value for each in self.sources]\nreturn True",
        "sources: list[gc.Active[Any]]",
    )
    node = made([gc.constant(1), gc.constant(2)])
    out = gc.Stream(node).collect()
    graph = gc.Graph(out)
    graph.run(tier=tier)
    assert out.values == [[1, 2]]
    node.sources.reverse()
    graph.run(tier=tier)
    assert out.values == [[2, 1]]


@pytest.mark.parametrize("tier", TIERS)
def test_a_class_assigned_between_runs_counts_from_the_next_run(tier: Any) -> None:
    one, other = (node_class(f"self.value = {n}\nreturn True") for n in (1, 2))
    node = one(gc.constant(0))
    out = gc.Stream(node).collect()
    graph = gc.Graph(out)
    for cls, value in ((one, 1), (other, 2), (one, 1)):
        node.__class__ = cls
        graph.run(tier=tier)
        assert out.values == [value]


@pytest.mark.parametrize("tier", TIERS)
def test_code_replaced_in_place_between_runs_counts_from_the_next_run(tier: Any) -> None:
    made = node_class(
        "self.value = self.given(self.source.value)\nreturn True",
        "source: gc.Active[Any]\ngiven: Any",
    )
    function = lambda x: x + 1  # noqa: E731  # its code is replaced
    out = gc.Stream(made(gc.constant(3), function)).collect()
    graph = gc.Graph(out)
    graph.run(tier=tier)
    assert out.values == [4]
    function.__code__ = (lambda x: x * 10).__code__
    graph.run(tier=tier)
    assert out.values == [30]
    other = "self.value = -self.source.value\nreturn True"
    made.cycle.__code__ = node_class(other).cycle.__code__
    graph.run(tier=tier)
    assert out.values == [-3]


@pytest.mark.parametrize("tier", TIERS)
def test_a_closures_variable_changed_between_runs_counts_from_the_next_run(tier: Any) -> None:
    def times(k: int) -> Callable[[int], int]:
        return lambda x: x * k

    function: Any = times(2)
    out = gc.constant(3).map(function).collect()
    graph = gc.Graph(out)
    graph.run(tier=tier)
    function.__closure__[0].cell_contents = 5
    graph.run(tier=tier)
    assert out.values == [15]


@pytest.mark.parametrize("tier", TIERS)
def test_a_default_of_the_class_stays_with_the_class(tier: Any) -> None:
    cls = written(
        "class Counts(gc.MutableNode[Any]):\n    count = 0\n\n    def __init__(self, source):\n"
        "        super().__init__()\n        self.source = source.node\n\n"
        "    def upstreams(self):\n        return gc.Upstreams(active=(self.source,))\n\n"
        "    def cycle(self, state):\n        if self.source.value > 100:\n"
        "            self.count += 1\n        self.value = self.count\n        return True\n"
    )["Counts"]
    node = cls(gc.constant(1))
    out = gc.Stream(node).collect()
    graph = gc.Graph(out)
    graph.run(tier=tier)
    assert (out.values, "count" in vars(node)) == ([0], False)
    cls.count = 10
    graph.run(tier=tier)
    assert (out.values, "count" in vars(node)) == ([10], False)


@pytest.mark.parametrize("tier", TIERS)
def test_state_that_start_sets_only_in_some_runs(tier: Any) -> None:
    class Sometimes(gc.MutableNode[Any]):
        def __init__(self, source: gc.Stream[Any]) -> None:
            super().__init__()
            self.source = source.node
            self.begins = True

        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(active=(self.source,))

        def start(self, state: gc.GraphState) -> None:
            if self.begins:
                self.total = 0
            elif "total" in vars(self):
                del self.total

        def cycle(self, state: gc.GraphState) -> bool:
            self.total += self.source.value
            self.value = self.total
            return True

    node = Sometimes(numbers(2))
    out = gc.Stream(node).collect()
    graph = gc.Graph(out)
    for node.begins in (True, False, True):
        if node.begins:
            graph.run(tier=tier)
            assert out.values == [1, 3]
        else:
            with pytest.raises(AttributeError, match="total"):
                graph.run(tier=tier)


# How runs end


def state_of(graph: gc.Graph) -> list[Any]:
    return [
        (
            node.operator,
            node.ticked_in,
            vars(node).get("value", "none"),
            {name: vars(node).get(name) for name in ("total", "count", "last")},
        )
        for node in graph.nodes
    ]


def failing_at(place: int, when: int) -> gc.Graph:
    """Wire a chain with branches, in which one place fails at a value."""

    def fail(x: int) -> int:
        if x == when:
            raise ValueError(x)
        return x

    stream: gc.Stream[int] = numbers()
    outs: list[object] = []
    for n in range(7):
        if n == place:
            stream = stream.map(fail).named("failing")
        if n == 2:
            stream = stream.filter(lambda x: x != 2)
        if n == 4:
            stream = gc.Stream(Running(stream, abs)).map(lambda x: x).scan(lambda a, b: b, 0)
        stream = stream.map(lambda x: x)
        outs += [stream.filter(lambda x: x % 2).count(), stream.count()]
    return gc.Graph(stream, *outs)


@pytest.mark.parametrize("progress", [False, True])
@pytest.mark.parametrize("when", [1, 3, 4, 8])
@pytest.mark.parametrize("place", range(7))
def test_after_an_error_all_nodes_are_as_the_interpreted_tier_leaves_them(
    place: int, when: int, progress: bool
) -> None:
    left = []
    for tier in TIERS:
        graph = failing_at(place, when)
        error: Any = None
        try:
            graph.run(tier=tier, progress=progress)
        except ValueError as caught:
            error = caught
            assert error.__notes__[0].startswith("in failing (Map), ")
        left.append((state_of(graph), repr(error)))
    assert left[0] == left[1]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("tier", TIERS)
def test_state_is_given_back_when_a_function_interrupts_the_run(tier: Any, kind: Any) -> None:
    def interrupt(x: int) -> None:
        if x == 3:
            raise kind

    node = Running(numbers(), interrupt)
    behind = gc.Stream(node).count()
    with pytest.raises(kind) as caught:
        behind.run(tier=tier)
    assert not hasattr(caught.value, "__notes__")
    assert (node.total, node.value, node.ticked_in) == (6, 3, 2)
    assert (behind.node.value, behind.node.ticked_in) == (2, 2)


@pytest.mark.parametrize("tier", TIERS)
def test_a_partial_assignment_of_the_failing_node_is_left_as_it_is(tier: Any) -> None:
    node = Running(numbers(), lambda x: 1 // (x - 3))
    with pytest.raises(ZeroDivisionError):
        gc.Stream(node).run(tier=tier)
    assert (node.total, node.value, node.ticked_in) == (6, 3, 2)


@pytest.mark.parametrize("tier", TIERS)
def test_a_value_that_the_failing_node_withheld_is_left_as_it_set_it(tier: Any) -> None:
    made = node_class(
        "self.value = self.source.value\nself.at(self.source.value)\n"
        "return self.source.value % 2 == 0",
        "source: gc.Active[Any]\nat: Any",
    )
    node = made(numbers(), lambda x: 1 // (x - 3))
    assert why(gc.Stream(node)) == "fused"
    with pytest.raises(ZeroDivisionError):
        gc.Stream(node).run(tier=tier)
    assert (node.value, node.ticked_in) == (3, 2)
    other = made(numbers(3), abs)
    gc.Stream(other).run(tier=tier)
    assert (other.value, other.ticked_in) == (2, 2)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("fused", [True, False])
def test_stop_lets_the_cycle_finish_from_fused_and_called_nodes(tier: Any, fused: bool) -> None:
    hands_on = "" if fused else "id(state)\n"
    made = node_class(
        f"{hands_on}if self.source.value == 2:\n    state.stop()\n"
        "self.value = self.source.value\nreturn True"
    )
    stream = gc.Stream(made(numbers()))
    assert (why(stream) == "fused") is fused
    out = stream.map(lambda x: x).collect()
    report = out.run(tier=tier)
    assert (out.values, report.cycles, report.ended_by) == ([1, 2], 2, "stop")


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("count", [1, 2, 5, 6, 7])
def test_exactly_the_given_number_of_cycles_runs(tier: Any, count: int) -> None:
    out = gc.from_iterable([1, 2, 3, 4, 5, 6]).map(lambda x: x).collect()
    report = out.run(cycles=count, tier=tier)
    done = min(count, 6)
    assert (report.cycles, out.values) == (done, list(range(1, done + 1)))
    assert report.ended_by == ("cycles" if count <= 6 else "sources")
    assert out.node.ticked_in == done


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("until", "values"), [(9, []), (10, [1, 2]), (19, [1, 2]), (20, [1, 2, 3])]
)
def test_cycles_at_exactly_the_end_still_run(tier: Any, until: int, values: Any) -> None:
    out = gc.replay([10, 10, 20], [1, 2, 3]).collect()
    report = out.run(start=5, until=until, tier=tier)
    assert (out.values, report.ended_by) == (values, "sources" if until == 20 else "until")
    assert report.end == (5 if not values else 10 if until < 20 else 20)
    assert report.cycles == len(values)


@pytest.mark.parametrize("sources", [1, 2, 3, 8, 9, 10, 40])
@pytest.mark.parametrize("progress", [False, True])
def test_any_number_of_sources_with_events_at_one_time(sources: int, progress: bool) -> None:
    def make() -> gc.Stream[Any]:
        made = [
            gc.replay([1, n, n, n * n], range(4)).map(lambda x: x) for n in range(1, 1 + sources)
        ]
        merged = made[0].merge(*made[1:]) if sources > 1 else made[0]
        return merged.with_time().enumerate()

    assert len(same(make, progress=progress)) > 2


@pytest.mark.parametrize("tier", TIERS)
def test_a_run_in_real_time_and_one_over_history_give_the_same_values(tier: Any) -> None:
    out = numbers().map(lambda x: x * 2).scan(lambda a, b: a + b, 0).collect()
    graph = gc.Graph(out)
    for realtime in (False, True, False, True):
        report = graph.run(realtime=realtime, tier=tier)
        assert (out.values, report.cycles) == ([2, 6, 12, 20], 4)
        assert out.node.ticked_in == 4


def test_progress_is_told_the_time_and_the_cycles_while_it_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from contextlib import contextmanager

    import graphcore.graph

    sessions: list[Any] = []

    @contextmanager
    def watching(session: Any) -> Any:
        sessions.append(session)
        yield

    monkeypatch.setattr(graphcore.graph, "showing_progress", watching)
    seen: list[tuple[int, int]] = []
    look = lambda x: seen.append((sessions[0].time, sessions[0].cycle))  # noqa: E731  # short
    numbers(3).map(look).run(progress=True)
    assert seen == [(1, 1), (2, 2), (3, 3)]


def test_a_run_is_traced_and_measured_like_any_other_code() -> None:
    lines: set[int] = set()

    def trace(frame: Any, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename.startswith("<graphcore"):
            lines.add(frame.f_lineno)
            frame.f_locals  # as debuggers do
        return trace

    graph = gc.Graph(gc.Stream(Running(numbers(), abs)).filter(lambda x: x > 1).count())
    graph.run()
    expected = state_of(graph)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        graph.run(tier="fused")
    finally:
        sys.settrace(before)
    assert state_of(graph) == expected
    assert len(lines) > 5
    seen: list[str] = []
    sys.setprofile(lambda frame, event, argument: seen.append(event))
    try:
        graph.run(tier="fused")
    finally:
        sys.setprofile(None)
    assert state_of(graph) == expected
    assert "call" in seen


def test_an_error_under_a_trace_function_has_its_state_and_note() -> None:
    node = Running(numbers(), lambda x: 1 // (x - 3))
    before = sys.gettrace()
    sys.settrace(lambda *given: None)
    try:
        with pytest.raises(ZeroDivisionError) as caught:
            gc.Stream(node).named("sum").run(tier="fused")
    finally:
        sys.settrace(before)
    assert caught.value.__notes__[0].startswith("in sum (Running), ")
    assert (node.total, node.value, node.ticked_in) == (6, 3, 2)


def test_graphs_run_in_two_threads_at_once() -> None:
    graphs = [gc.Graph(gc.from_iterable(range(2000)).count().map(lambda x: x)) for _ in range(2)]
    threads = [threading.Thread(target=graph.run, name="graph") for graph in graphs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [graph.nodes[-1].value for graph in graphs] == [2000, 2000]
