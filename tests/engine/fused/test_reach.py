"""What functions and called nodes may look at: it is right there whenever they look."""

import sys
from functools import partial
from types import ModuleType
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.reach import names_in, nodes_reached
from graphcore.engine.fused.sight import looks_at_values_only
from tests.engine.fused.both import node_class, same, written

HERE = __name__.partition(".")[0]
kept: dict[str, Any] = {}


def reached(*starts: Any, package: str = HERE, of_values: bool = False) -> list[Any]:
    found = nodes_reached(starts, package, of_values)
    assert found is not None
    return list(found.nodes)


def through_a_global() -> Any:
    return kept["node"].value


def test_nodes_are_reached_through_all_that_hangs_on_a_function() -> None:
    stream = gc.constant(1)
    node = stream.node

    def with_default(x: Any, each: Any = node) -> Any:
        return each

    def with_keyword(x: Any, *, each: Any = node) -> Any:
        return each

    def with_attribute(x: Any) -> Any:
        return x

    with_attribute.node_behind = [{"a": (node,)}]  # type: ignore[attr-defined]  # on purpose

    class Holds:
        def __init__(self) -> None:
            self.inside = {"a": [stream]}

        def method(self, x: Any) -> Any:
            return self.inside

    inner = lambda: node  # noqa: E731  # short
    for function in (
        lambda x: node.value,
        lambda x: stream,
        lambda x: inner(),
        with_default,
        with_keyword,
        with_attribute,
        partial(max, node),
        Holds().method,
        Holds(),
    ):
        assert reached(function) == [node]


def test_a_global_that_a_function_names_is_followed_within_its_package() -> None:
    kept["node"] = gc.constant(1).node
    assert reached(through_a_global) == [kept["node"]]
    assert reached(lambda: through_a_global()) == [kept["node"]]


@pytest.mark.parametrize(
    "known", ["import graphcore", "from graphcore import Stream", "stream", ""]
)
def test_a_global_of_another_package_is_followed_where_that_knows_graphcore(known: str) -> None:
    stream = gc.constant(1)
    elsewhere: dict[str, Any] = {"__name__": "elsewhere.inside", "kept": [stream]}
    if known == "stream":
        elsewhere["other"] = stream
    else:
        exec(known, elsewhere)
    exec("def look():\n    return kept[0].value", elsewhere)
    assert reached(elsewhere["look"]) == ([stream.node] if known else [])


MODULES = {
    "a global": "import wired\ndef make(module):\n    return lambda x: {look}",
    "by another name": (
        "import wired as w\nwired = 5\ndef make(module):\n    return lambda x: w{rest}"
    ),
    "an import inside": (
        "def make(module):\n    def inside(x):\n        import wired\n"
        "        return wired{rest}\n    return inside"
    ),
    "a relative import inside": (
        "__package__ = 'home.under'\n"
        "def make(module):\n    def inside(x):\n        from .. import wired\n"
        "        return wired{rest}\n    return inside"
    ),
    "a closure": "def make(wired):\n    return lambda x: {look}",
    "a default": "def make(module):\n    return lambda x, wired=module: {look}",
    "an object": (
        "from types import SimpleNamespace\n"
        "def make(module):\n    held = SimpleNamespace(it=module)\n"
        "    return lambda x: held.it{rest}"
    ),
    "two functions": (
        "import wired\ndef get():\n    return wired\ndef make(module):\n"
        "    return lambda x: get(){rest}"
    ),
}


@pytest.mark.parametrize("rest", [".total", ".inside.total", ".look()"])
@pytest.mark.parametrize("way", MODULES)
def test_a_stream_in_a_module_is_reached_through_the_module(
    way: str, rest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("wired", "wired.inside", "home", "home.under", "home.wired"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    module: Any = sys.modules["home.wired" if "relative" in way else "wired"]
    vars(sys.modules["home"])["__path__"] = []
    exec("def look():\n    return total", vars(module))
    module.inside = sys.modules["wired.inside"]
    module.node = gc.constant(0).node  # which makes it no handle of a stream

    def make() -> gc.Stream[Any]:
        stream = gc.from_iterable([1, 2, 3]).sum()
        (module.inside if "inside" in rest else module).total = stream
        names = written(
            MODULES[way].format(look=f"wired{rest}.node.ticked_in", rest=f"{rest}.node.ticked_in")
        )
        return stream.map(names["make"](module))

    assert [value for _, value in same(make)] == [1, 2, 3]


SCRIPT = """
import math
import sys
from enum import IntEnum
from inspect import getmodule
from operator import attrgetter
class Level(IntEnum):
    LOW = 1
LOW = Level.LOW
class Own:
    pass
digits = 3
def rounded(x):
    return round(x, digits)
def own_module():
    return sys.modules["cells"]
def taken(q):
    return q.bid
def around(k, *, f=None):
    return lambda q, more=None: (q.bid, k, more, f)
bid = stream
look = {look}
"""
ATTRIBUTES = [
    "lambda q: q.bid",
    "lambda q: -q.bid * digits",
    "lambda q: rounded(q.bid)",
    "lambda q: taken(q) + max(q.bid, abs(q.ask), key=lambda b: b.bid)",
    "lambda q: [b.bid for b in q if isinstance(b, (int, ValueError))]",
    "around(2, f=(lambda x: x))",
    "taken",
]
PERHAPS_MORE = [
    "lambda q: bid.value",
    "lambda q: (lambda: bid.value)()",
    "lambda q: taken(q) or bid",
    "lambda q: own_module().bid",
    "lambda q: sys.modules['cells'].bid",
    "lambda q: math.floor(q.bid)",
    "lambda q: getmodule(q).bid",
    "lambda q: attrgetter('x')(q).bid",
    "lambda q: __import__('cells').bid",
    "lambda q: eval('sys').bid",
    "lambda q: globals()['sys'].modules['cells'].bid",
    "lambda q: (i for i in ()).gi_frame.f_globals['sys'].modules['cells'].bid",
    "lambda q: q.__class__.__init__.__globals__['sys'].modules['cells'].bid",
    "lambda q: unknown.bid",
    "lambda q: q.bid + LOW",
    "lambda q: Own().bid",
    "lambda q: Level(q).bid",
    "around(sys)",
    "around([])",
    "around(1, f=sys)",
]


@pytest.mark.parametrize("look", ATTRIBUTES)
def test_an_attribute_that_is_named_like_a_global_is_not_that_global(look: str) -> None:
    stream = gc.constant(1)
    function = written(SCRIPT.replace("{look}", look), stream=stream)["look"]
    assert reached(function, package="cells", of_values=True) == []
    assert reached(function, package="cells") == [stream.node]


@pytest.mark.parametrize("look", PERHAPS_MORE)
def test_an_attribute_that_may_be_one_of_the_module_is(look: str) -> None:
    stream = gc.constant(1)
    names = written(SCRIPT.replace("{look}", look), stream=stream)
    assert reached(names["look"], package="cells", of_values=True) == [stream.node]


def test_an_import_inside_a_function_may_give_the_module() -> None:
    stream = gc.constant(1)
    text = "def look(q):\n    import {}\n    return {}.modules['cells'].bid"
    for name in ("sys", "cells"):
        names = written(text.format(name, name), bid=stream, sys=5, cells=5)
        assert reached(names["look"], package="cells", of_values=True) == [stream.node]


def test_a_stream_named_like_the_attribute_that_it_takes_is_fused() -> None:
    text = (
        "from types import SimpleNamespace\n"
        "quotes = gc.from_iterable([1, 2]).map(lambda n: SimpleNamespace(bid=n, ask=n + 1))\n"
        "bid = quotes.map(lambda q: q.bid)\nask = quotes.map(lambda q: q.ask)\n"
    )

    def make() -> gc.Stream[Any]:
        names = written(text)
        return names["ask"] - names["bid"]  # type: ignore[no-any-return]  # of text

    assert same(make) == [(0, 1), (0, 1)]
    assert "called: a function" not in gc.Graph(make()).explain()


def test_a_function_that_a_node_of_ones_own_is_given_may_be_handed_anything() -> None:
    made = node_class(
        "self.value = self.look(self.module)\nreturn True",
        "source: gc.Active[Any]\nlook: Any\nmodule: Any",
    )

    def make() -> gc.Stream[Any]:
        module: Any = ModuleType("cells")
        text = "look = lambda it: it.total.node.ticked_in if hasattr(it, 'total') else it"
        exec(text, vars(module))
        vars(module)["__name__"] = "cells"
        module.total = gc.from_iterable([1, 2, 3]).sum()
        # Of map it gets numbers, and of the node the module.
        return gc.Stream(made(module.total.map(module.look), module.look, module))

    assert same(make) == [(0, 1), (0, 2), (0, 3)]


def test_what_a_library_holds_is_not_looked_through() -> None:
    heap = ModuleType("heap")
    vars(heap)["many"] = [[n] for n in range(100_001)]
    assert reached(lambda: heap.many) == []


def test_an_object_whose_node_cannot_be_had_is_no_handle() -> None:
    class Tree:
        @property
        def node(self) -> Any:
            raise RuntimeError("the tree is empty")

    tree = Tree()
    assert same(lambda: gc.from_iterable([1]).map(lambda x: (x, tree is None))) == [(0, (1, False))]


@pytest.mark.parametrize(
    "look", ["node.source.source.value", "node.upstreams().active[0].ticked_in"]
)
def test_a_function_may_look_far_from_the_node_that_it_reaches(look: str) -> None:
    def make() -> gc.Stream[Any]:
        node = gc.from_iterable([1, 2, 3]).map(lambda x: 10 * x).map(lambda x: -x).node
        names = written(f"look = lambda x: {look}", node=node)
        return gc.Stream(node).map(names["look"])

    assert [value for _, value in same(make)] == [1, 2, 3]


def test_what_reaches_no_node_gives_none() -> None:
    assert reached(abs, len, 5, "a", None, lambda x: x + 1, [1, 2]) == []


def test_too_much_to_look_through_is_said() -> None:
    heap = [[n] for n in range(100_001)]
    assert nodes_reached([lambda: heap], HERE) is None


def test_names_in_code_are_those_of_functions_inside_it_too() -> None:
    def outer() -> Any:
        return lambda: through_a_global().field

    assert {"through_a_global", "field"} <= names_in(outer.__code__)


def test_what_a_function_reaches_is_right_on_the_node_at_every_call() -> None:
    def make() -> gc.Stream[Any]:
        total = gc.from_iterable([1, 2, 3]).sum()
        count = total.count()
        node = total.node
        return count.map(lambda n: (n, node.value, node.ticked_in, count.node.value))

    assert same(make) == [(0, (1, 1, 1, 1)), (0, (2, 3, 2, 2)), (0, (3, 6, 3, 3))]


def test_explain_names_the_node_whose_function_reaches_another() -> None:
    total = gc.from_iterable([1]).sum().named("total")
    reader = total.map(lambda x: total.node.value).named("reader")
    assert "total_1  called: a function of reader_2 reaches it" in gc.Graph(reader).explain()


INPUTS = "source: gc.Active[Any]\nothers: list[gc.Passive[Any]]\ngiven: Any = None"
VALUES_ONLY = [
    "self.value = self.source.value",
    "self.value = state.ticked(self.source) or state.valid(self.source)",
    "self.value = [each.value for each in self.others]",
    "for each in self.others:\n    if state.ticked(each):\n        self.value = each.value",
    "for n, each in enumerate(self.others):\n    self.value = each.value",
    "self.value = self.given.value",
]
MORE_THAN_VALUES = [
    "self.value = self.source",
    "self.value = self.source.name",
    "self.value = vars(self)",
    "self.value = getattr(self, 'source').count",
    "self.source.value = 5",
    "self.value = self",
    "self.value = self.upstreams()",
    "self.value = list(self.others)",
    "for each in self.others:\n    self.value = each",
    "for n, each in enumerate(self.others):\n    self.value = each.count",
    "self.value = [each for each in self.others]",
]


@pytest.mark.parametrize("cycle", VALUES_ONLY)
def test_a_class_that_looks_at_values_only(cycle: str) -> None:
    assert looks_at_values_only(node_class(f"{cycle}\nreturn True", INPUTS))


@pytest.mark.parametrize("cycle", MORE_THAN_VALUES)
def test_a_class_that_may_see_more(cycle: str) -> None:
    assert not looks_at_values_only(node_class(f"{cycle}\nreturn True", INPUTS))
    assert not looks_at_values_only(
        node_class(
            "return True",
            INPUTS,
            f"def stop(self, state):\n    {cycle.replace(chr(10), chr(10) + '    ')}",
        )
    )


def test_a_class_with_a_property_or_without_text_may_see_more() -> None:
    prop = "@property\ndef a(self):\n    return 1"
    assert not looks_at_values_only(node_class("return True", INPUTS, prop))
    made = "a = eval('lambda self: self.source')"
    assert not looks_at_values_only(node_class("return True", INPUTS, made))


def test_a_class_that_names_its_upstreams_by_hand_may_see_more() -> None:
    cells = written(
        "class Tried(gc.MutableNode[Any]):\n"
        "    def upstreams(self):\n        return gc.Upstreams()\n\n"
        "    def cycle(self, state):\n        return True\n"
    )
    assert not looks_at_values_only(cells["Tried"])


def test_what_a_called_node_reads_is_written_through_and_what_it_may_see_is_called() -> None:
    cycle = "try:\n    self.value = {}\nfinally:\n    pass\nreturn True"
    reads, sees = (
        node_class(cycle.format(text)) for text in ("self.source.value", "self.source.count")
    )
    for made, told in (
        (reads, "fused"),
        (sees, "called: last_3, which is called, may see more than its value"),
    ):
        make = lambda made=made: gc.Stream(  # noqa: E731  # short
            made(gc.from_iterable([5, 6]).map(lambda x: x).count().named("counted"))
        ).named("last")
        assert f"counted_2  {told}" in gc.Graph(make()).explain()
        assert [value for _, value in same(make)] == [1, 2]


def test_a_node_of_a_program_without_text_sees_its_upstream_as_it_is() -> None:
    def make() -> gc.Stream[Any]:
        names: dict[str, Any] = {"gc": gc, "Any": Any, "__name__": "given"}
        exec(  # as `python -c` does: no text is kept
            "@gc.node\nclass Sees(gc.MutableNode[Any]):\n    source: gc.Active[Any]\n\n"
            "    def cycle(self, state):\n        self.value = self.source.count\n"
            "        return True\n",
            names,
        )
        return gc.Stream(names["Sees"](gc.from_iterable([5, 6]).count()))

    assert [value for _, value in same(make)] == [1, 2]


OF_ITS_OWN = {
    "a function of start": "def start(self, state):\n    self.look = lambda: {look}",
    "a method that start keeps": (
        "def start(self, state):\n    self.look = self.other\n\ndef other(self):\n    return {look}"
    ),
    "a method that the constructor keeps": (
        "def __post_init__(self):\n    super().__post_init__()\n    self.look = self.other\n\n"
        "def other(self):\n    return {look}"
    ),
    "the node in an attribute of its own": (
        "def start(self, state):\n    me = self\n    self.look = partial(other, self)\n\n"
    ),
    "a generator": (
        "def start(self, state):\n    self.look = self.other().__next__\n\n"
        "def other(self):\n    while True:\n        yield {look}"
    ),
}


@pytest.mark.parametrize("look", ["self.total", "self.source.value", "self.source.source.value"])
@pytest.mark.parametrize("way", OF_ITS_OWN)
def test_what_a_node_leaves_behind_to_be_looked_at_by_sees_it_as_it_is(way: str, look: str) -> None:
    def other(node: Any) -> Any:
        return eval(look, {"self": node})

    made = node_class(
        "self.total += self.source.value\nself.value = self.look()\nreturn True",
        "source: gc.Active[Any]\ntotal: int = gc.state(0)",
        OF_ITS_OWN[way].format(look=look),
        partial=partial,
        other=other,
    )

    def make() -> gc.Stream[Any]:
        doubled = gc.from_iterable([1, 2, 3]).map(lambda x: 10 * x).map(lambda x: 2 * x)
        return gc.Stream(made(doubled))

    seen = {"self.total": [20, 60, 120], "self.source.value": [20, 40, 60]}
    assert [value for _, value in same(make)] == seen.get(look, [10, 20, 30])


def test_a_function_sees_the_very_node_that_it_was_given_to_as_it_is() -> None:
    def make() -> gc.Stream[Any]:
        kept["stream"] = gc.from_iterable([1, 2, 3]).map(
            lambda x: x if x == 1 else x + kept["stream"].value
        )
        return kept["stream"]

    assert [value for _, value in same(make)] == [1, 3, 6]


@pytest.mark.parametrize(
    "asked", ["state.time", "state.elapsed", "state.cycle_at_time", "(state.due, state.stopping)"]
)
@pytest.mark.parametrize("sources", [1, 2, 20])
def test_a_state_that_start_leaves_in_a_function_knows_the_cycle(asked: str, sources: int) -> None:
    made = node_class(
        "self.value = (self.source.value, self.ask())\nreturn True",
        more=f"def start(self, state):\n    self.ask = lambda: {asked}",
    )

    def make() -> gc.Stream[Any]:
        first, *others = (gc.replay([3, 5, 5], "abc") for _ in range(sources))
        return gc.Stream(made(first.merge(*others) if others else first))

    assert [time for time, _ in same(make)] == [3, 5, 5]


@pytest.mark.parametrize("asked", ["state.cycle_at_time", "state.due", "given(state)"])
@pytest.mark.parametrize("wakes", ["", "state.schedule(state.time)\n"])
def test_a_state_that_is_asked_in_stop_knows_the_last_cycle(asked: str, wakes: str) -> None:
    seen: list[Any] = []
    made = node_class(
        f"if state.due:\n    return False\n{wakes}self.value = self.source.value\nreturn True",
        more=f"def stop(self, state):\n    seen.append({asked})",
        seen=seen,
        given=lambda state: (state.cycle_at_time, state.due),
    )
    assert [time for time, _ in same(lambda: gc.Stream(made(gc.replay([3, 5], "ab"))))] == [3, 5]
    assert seen[0] == seen[1]
