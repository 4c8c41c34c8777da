"""Fused nodes during a run: other code, in any way, reads and sets their current state.

The interpreted tier is the oracle: there the nodes themselves hold their values and state.
"""

import contextlib
import copy
import ctypes
import gc as garbage
import itertools
import linecache
import signal
import sys
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

import graphcore as gc
from graphcore.engine.fused.backend import live
from graphcore.testing import wait_until
from tests.engine.fused.both import explained, node_class, same, why, written

TIERS: list[Any] = ["interpreted", "fused"]
kept: dict[str, Any] = {}


@gc.node
class Summed(gc.MutableNode[int]):
    """Sums; other code reads and changes its state, parameter and value."""

    source: gc.Active[int]
    factor: int = 1
    total: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.total += self.source.value * self.factor
        self.value = self.total
        return True


def numbers(count: int = 4) -> gc.Stream[int]:
    return gc.replay(range(1, count + 1), range(1, count + 1))


@pytest.fixture(autouse=True)
def all_nodes_have_their_own_class_back() -> Iterator[None]:
    """After each test no run holds a node."""
    yield
    assert live._running == {}


# Ways to a node


class Holds:
    def __init__(self, node: Any) -> None:
        self.inside = {"a": [node]}

    def method(self, x: Any) -> Any:
        return look_at(self.inside["a"][0])

    def __call__(self, x: Any) -> Any:
        return self.method(x)


def look_at(node: Any) -> Any:
    return node.value, node.total, node.factor, node.ticked_in


def with_default(node: Any) -> Callable[[Any], Any]:
    def look(x: Any, each: Any = node) -> Any:
        return look_at(each)

    return look


def with_keyword(node: Any) -> Callable[[Any], Any]:
    def look(x: Any, *, each: Any = node) -> Any:
        return look_at(each)

    return look


def with_attribute(node: Any) -> Callable[[Any], Any]:
    def look(x: Any) -> Any:
        return look_at(look.__dict__["node"])

    vars(look)["node"] = node
    return look


def through_a_global(node: Any) -> Callable[[Any], Any]:
    kept["node"] = node
    return lambda x: look_at(kept["node"])


def through_a_module(node: Any) -> Callable[[Any], Any]:
    module: Any = ModuleType("wired")
    module.inside = SimpleNamespace(node=node)
    return lambda x: look_at(module.inside.node)


def through_a_weak_reference(node: Any) -> Callable[[Any], Any]:
    seen = weakref.ref(node)
    return lambda x: look_at(seen())


def through_the_heap(node: Any) -> Callable[[Any], Any]:
    cls, serial = Summed, node.serial
    return lambda x: look_at(
        next(
            each
            for each in garbage.get_objects()
            if isinstance(each, cls) and each.serial == serial
        )
    )


def through_its_address(node: Any) -> Callable[[Any], Any]:
    address = id(node)
    return lambda x: look_at(ctypes.cast(address, ctypes.py_object).value)


def through_text(node: Any) -> Callable[[Any], Any]:
    return lambda x: eval("look(node)", {"look": look_at, "node": node})


def from_another_thread(node: Any) -> Callable[[Any], Any]:
    def look(x: Any) -> Any:
        seen: list[Any] = []
        thread = threading.Thread(target=lambda: seen.append(look_at(node)), name="looks")
        thread.start()
        thread.join(10)
        return seen[0]

    return look


WAYS: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    "a closure": lambda node: lambda x: look_at(node),
    "a default": with_default,
    "a default of a keyword": with_keyword,
    "an attribute of the function": with_attribute,
    "a partial": lambda node: partial(lambda each, x: look_at(each), node),
    "a method": lambda node: Holds(node).method,
    "an object that is called": lambda node: Holds(node),
    "another function": lambda node: (lambda inner: lambda x: inner())(lambda: look_at(node)),
    "a global": through_a_global,
    "a module": through_a_module,
    "a weak reference": through_a_weak_reference,
    "the heap": through_the_heap,
    "its address": through_its_address,
    "text": through_text,
    "another thread": from_another_thread,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_function_reads_the_current_state_of_a_node(way: str) -> None:
    def make() -> gc.Stream[Any]:
        node = Summed(numbers(3), 10)
        return gc.Stream(node).map(lambda x: -x).map(WAYS[way](node))

    seen = [value for _, value in same(make)]
    assert seen == [(10, 10, 10, 1), (30, 30, 10, 2), (60, 60, 10, 3)]
    assert not any("called" in line for line in explained(make()))


@pytest.mark.parametrize(
    "look",
    ["node.source.source.value", "node.upstreams().active[0].ticked_in", "vars(node)['total']"],
)
def test_a_function_looks_from_one_node_at_another(look: str) -> None:
    def make() -> gc.Stream[Any]:
        node = Summed(numbers(3).map(lambda x: 10 * x).map(lambda x: -x)).source
        summed = Summed(gc.Stream(node))
        node = summed if "total" in look else node
        return gc.Stream(summed).map(written(f"look = lambda x: {look}", node=node)["look"])

    expected = [-10, -30, -60] if "total" in look else [1, 2, 3]
    assert [value for _, value in same(make)] == expected


def test_a_function_sees_the_node_that_it_was_given_to() -> None:
    def make() -> gc.Stream[Any]:
        kept["stream"] = gc.from_iterable([1, 2, 3]).map(
            lambda x: x if x == 1 else x + kept["stream"].value
        )
        return kept["stream"]

    assert [value for _, value in same(make)] == [1, 3, 6]


def test_a_node_that_is_given_as_a_parameter_is_read_as_it_is() -> None:
    made = node_class(
        "self.value = (self.other.total, self.other.value, self.other.ticked_in)\nreturn True",
        "source: gc.Active[Any]\nother: Any",
    )

    def make() -> gc.Stream[Any]:
        source = numbers(3)
        summed = Summed(source)
        return gc.Stream(made(gc.Stream(summed).map(lambda x: x), summed))

    assert why(make()) == "fused"
    assert [value for _, value in same(make)] == [(1, 1, 1), (3, 3, 2), (6, 6, 3)]


def test_a_stream_in_a_module_of_its_own_is_read_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("wired")
    monkeypatch.setitem(sys.modules, "wired", module)
    text = (
        "def look(x):\n    import wired\n    return wired.total.node.ticked_in, wired.total.value"
    )

    def make() -> gc.Stream[Any]:
        module.total = gc.from_iterable([1, 2, 3]).sum()
        return module.total.map(written(text)["look"])

    assert [value for _, value in same(make)] == [(1, 1), (2, 3), (3, 6)]


def test_a_called_node_sees_its_upstream_as_it_is() -> None:
    cycle = "try:\n    self.value = {}\nfinally:\n    pass\nreturn True"
    for text in ("self.source.value", "self.source.count"):
        made = node_class(cycle.format(text))
        make = lambda made=made: gc.Stream(  # noqa: E731  # short
            made(gc.from_iterable([5, 6]).map(lambda x: x).count().named("counted"))
        )
        assert "counted  fused" in explained(make())
        assert [value for _, value in same(make)] == [1, 2]


def test_a_node_of_a_program_without_source_sees_its_upstream_as_it_is() -> None:
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
def test_a_function_that_a_node_leaves_behind_sees_it_as_it_is(way: str, look: str) -> None:
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


# Everything visible, at every moment


class Spy:
    """A function that records everything visible of all nodes whenever it is called."""

    def __init__(self) -> None:
        self.nodes: tuple[Any, ...] = ()
        self.log: list[Any] = []

    def __call__(self, x: Any) -> Any:
        # Each look at all nodes takes time.
        if len(self.log) * len(self.nodes) < 1500:
            self.log.append([seen_of(node) for node in self.nodes])
        return x


NAMES = ("value", "ticked_in", "total", "count", "last", "factor", "next_time", "held", "queue")


def seen_of(node: Any) -> Any:
    own = dict(node.__dict__)
    assert own.keys() == vars(node).keys()
    told = []
    for name in NAMES:
        try:
            told.append(repr(getattr(node, name)))
        except gc.NoValueError:
            told.append("no value")
        except AttributeError:
            told.append("none")
        assert name == "value" or hasattr(node, name) is (told[-1] != "none")
        if name in own:
            assert repr(own[name]) == told[-1], name
    return told, [name for name in NAMES if name in own]


def chain(spy: Spy) -> list[gc.Stream[Any]]:
    stream = numbers()
    for _ in range(3):
        stream = gc.Stream(Summed(stream.map(spy))).count()
    return [stream.map(spy)]


def branches(spy: Spy) -> list[gc.Stream[Any]]:
    stream: gc.Stream[Any] = numbers(6)
    outs = []
    for n in range(4):
        stream = stream.map(lambda x: x)
        odd = stream.filter(lambda x, n=n: x % 2 == n % 2).map(spy)
        outs += [odd.count().map(spy), gc.Stream(Summed(stream)).map(spy)]
    return [*outs, outs[0].join(outs[2], lambda *both: both).map(spy)]


def several_sources(spy: Spy) -> list[gc.Stream[Any]]:
    one, other = gc.replay([1, 2, 2, 5], "abcd"), gc.replay([2, 3, 5], [7, 8, 9])
    both = one.with_latest(other).map(spy)
    return [both.count().map(spy), gc.Stream(Summed(other)).map(spy), one.merge(other).map(spy)]


def many_sources(spy: Spy) -> list[gc.Stream[Any]]:
    made = [gc.replay([n % 3, 9 + n], [n, -n]).map(spy).count() for n in range(30)]
    return [made[0].merge(*made[1:]).map(spy), *made]


def alarms(spy: Spy) -> list[gc.Stream[Any]]:
    delayed = numbers(5).map(spy).delay(3).map(spy)
    return [delayed.throttle(2).count().map(spy), numbers(3).delay(0).map(spy).count()]


def called_nodes(spy: Spy) -> list[gc.Stream[Any]]:
    made = node_class(
        "self.count += 1\nself.value = id(self) and self.count\nreturn True",
        "source: gc.Active[Any]\ncount: int = gc.state(0)",
    )
    stream: gc.Stream[Any] = numbers(3).map(spy)
    for _ in range(2):
        stream = gc.Stream(made(gc.Stream(Summed(stream)).map(spy))).map(spy)
    return [stream]


def withheld(spy: Spy) -> list[gc.Stream[Any]]:
    made = node_class(
        "self.count += 1\nself.value = self.source.value\nself.at(1)\nreturn self.count % 2 == 0",
        "source: gc.Active[Any]\nat: Any\ncount: int = gc.state(0)",
    )
    first = gc.Stream(made(numbers(5), spy))
    return [gc.Stream(made(first.map(spy), spy)).map(spy), numbers(5).map(spy)]


def without_a_value(spy: Spy) -> list[gc.Stream[Any]]:
    bare = node_class("return self.source.value > 1", "source: gc.Active[Any]")
    silent = node_class(
        "self.total += 1\nreturn False", "source: gc.Active[Any]\ntotal: int = gc.state(0)"
    )
    source = numbers(3).map(spy)
    return [gc.Stream(bare(source)).named("bare"), gc.Stream(silent(source)), source.map(spy)]


GRAPHS = [
    *(chain, branches, several_sources, many_sources, alarms, called_nodes, withheld),
    without_a_value,
]


@pytest.mark.parametrize("progress", [False, True])
@pytest.mark.parametrize("wire", GRAPHS)
def test_a_function_sees_the_same_of_all_nodes_on_both_tiers(wire: Any, progress: bool) -> None:
    logs = []
    for tier in TIERS:
        spy = Spy()
        graph = gc.Graph(*wire(spy))
        spy.nodes = tuple(graph.nodes)
        for _ in range(2):
            graph.run(tier=tier, progress=progress)
        logs.append(spy.log)
    assert len(logs[0]) > 3
    for one, other in zip(*logs, strict=True):
        assert other == one


# Everything that may be changed


def by_assignment(node: Any, name: str, value: Any) -> None:
    setattr(node, name, value)


def by_object(node: Any, name: str, value: Any) -> None:
    object.__setattr__(node, name, value)


def by_vars(node: Any, name: str, value: Any) -> None:
    vars(node)[name] = value


def by_update(node: Any, name: str, value: Any) -> None:
    node.__dict__.update({name: value})


def by_a_thread(node: Any, name: str, value: Any) -> None:
    thread = threading.Thread(target=setattr, args=(node, name, value), name="sets")
    thread.start()
    thread.join(10)


SETTERS = [by_assignment, by_object, by_vars, by_update, by_a_thread]


@pytest.mark.parametrize("setter", SETTERS)
@pytest.mark.parametrize("who", ["before", "itself", "after", "aside"])
@pytest.mark.parametrize("name", ["value", "total", "factor"])
def test_a_value_that_a_function_sets_takes_effect_at_once(
    setter: Any, who: str, name: str
) -> None:
    left = []
    for tier in TIERS:
        nodes: dict[str, Any] = {}
        log: list[Any] = []

        def change(x: Any, nodes: Any = nodes, log: Any = log) -> Any:
            node = nodes[who]
            if x % 2:
                setter(node, name, 100 * x)
                assert getattr(node, name) == vars(node)[name] == 100 * x
            log.append([seen_of(each) for each in nodes.values()])
            return x

        nodes["before"] = Summed(numbers(5))
        nodes["aside"] = Summed(gc.Stream(nodes["before"]).map(lambda x: -x))
        nodes["itself"] = gc.Stream(nodes["before"]).map(change).node
        nodes["after"] = Summed(gc.Stream(nodes["itself"]))
        both = gc.Stream(nodes["after"]).join(gc.Stream(nodes["aside"]), lambda *both: both)
        out = both.with_latest(gc.Stream(nodes["before"])).collect()
        gc.Graph(out).run(tier=tier)
        left.append((log, list(out), [seen_of(each) for each in nodes.values()]))
    assert left[1] == left[0]


def test_an_attribute_that_the_class_does_not_have_may_be_set_during_a_run() -> None:
    def make() -> gc.Stream[Any]:
        node = Summed(numbers(2))

        def mark(x: int) -> Any:
            node.__dict__.setdefault("seen", []).append(x)
            node.more = x  # type: ignore[attr-defined]  # on purpose
            return [*vars(node)["seen"], node.more]  # type: ignore[attr-defined]  # as above

        return gc.Stream(node).map(mark)

    assert [value for _, value in same(make)] == [[1, 1], [1, 3, 3]]


def by_del(node: Any) -> None:
    del node.total


def by_vars_del(node: Any) -> None:
    del vars(node)["total"]


def by_pop(node: Any) -> None:
    vars(node).pop("total")


@pytest.mark.parametrize("delete", [by_del, by_vars_del, by_pop])
def test_an_attribute_held_in_a_variable_cannot_be_deleted_during_a_run(delete: Any) -> None:
    node = Summed(numbers(2))
    with pytest.raises(gc.RunError, match="total of summed_[0-9]+ cannot be deleted during"):
        gc.Stream(node).map(lambda x: delete(node)).run()
    assert (node.total, node.value) == (1, 1)
    delete(node)
    assert not hasattr(node, "total")


def test_an_attribute_that_no_cycle_uses_may_be_deleted_during_a_run() -> None:
    def make() -> gc.Stream[Any]:
        node: Any = Summed(numbers(2))
        node.first, node.second, node.third = 1, 2, 3

        def delete(x: int) -> Any:
            if hasattr(node, "first"):
                del node.first
                del vars(node)["second"]
                vars(node).pop("third")
                vars(node).__ior__({"fourth": 4})
            return vars(node).pop("third", 0), [n for n in vars(node) if n.endswith(("st", "th"))]

        return gc.Stream(node).map(delete)

    assert [value for _, value in same(make)] == [(0, ["fourth"]), (0, ["fourth"])]


@pytest.mark.parametrize("setter", [by_assignment, by_object, by_vars, by_update])
def test_an_attribute_written_into_the_text_cannot_be_replaced_during_a_run(setter: Any) -> None:
    other, mapped = numbers(3), numbers(3).map(lambda x: x + 1)

    def exchange(x: int) -> int:
        for name, value in (("source", other.node), ("function", abs)):
            text = f'{name} of {mapped.node.name} cannot be assigned .* tier="interpreted"'
            with pytest.raises(gc.RunError, match=text):
                setter(mapped.node, name, value)
            setter(mapped.node, name, getattr(mapped.node, name))  # the same object is allowed
        return x

    out = mapped.map(exchange).collect()
    gc.Graph(out).run()
    assert out.values == [2, 3, 4]


def test_a_second_run_begins_with_the_attributes_set_in_between() -> None:
    node = Summed(numbers(3))
    graph = gc.Graph(gc.Stream(node))
    graph.run()
    assert node.total == 6
    node.factor = 10
    graph.run()
    assert (node.total, node.value, node.factor) == (60, 60, 10)


# Type and class of a node


class Checked(gc.MutableNode[Any], ABC):
    """A node class with a metaclass and hooks of its own."""

    made: ClassVar[list[Any]] = []

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        Checked.made.append(cls)

    @property
    def doubled(self) -> Any:
        return 2 * self.total

    @classmethod
    def of_class(cls) -> Any:
        return cls.__name__

    @abstractmethod
    def more(self) -> Any: ...


class Mine(Checked):
    """Below it, with a call of `super`."""

    def __init__(self, source: gc.Stream[Any]) -> None:
        super().__init__()
        self.source = source.node

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def start(self, state: gc.GraphState) -> None:
        self.total = 0

    def cycle(self, state: gc.GraphState) -> bool:
        self.total += self.source.value
        self.value = self.total
        return True

    def more(self) -> Any:
        return (super().doubled, self.total)

    def __repr__(self) -> str:
        return f"Mine({self.total})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mine) and other.total == self.total

    def __hash__(self) -> int:
        return 5


ASKED = {
    "its class": lambda node: node.__class__ is Mine,
    "isinstance": lambda node: (isinstance(node, Mine), isinstance(node, Checked)),
    "the name of its type": lambda node: (type(node).__name__, type(node).__qualname__),
    "the module of its type": lambda node: (type(node).__module__, type(node).__doc__),
    "whether its type is one of the class": lambda node: issubclass(type(node), Mine),
    "a property": lambda node: node.doubled,
    "a class method": lambda node: (node.of_class(), type(node).of_class()),
    "super": lambda node: node.more(),
    "repr": lambda node: repr(node),
    "comparison": lambda node: (node == node, hash(node)),
    "its names": lambda node: (node.operator, node.name.partition("_")[0]),
    "dir": lambda node: [name for name in dir(node) if not name.startswith("_")],
    "getattr with a default": lambda node: getattr(node, "absent", 7),
    "an attribute that is missing": lambda node: error_of(lambda: node.absent),
    "its upstreams": lambda node: node.upstreams().active[0] is node.source,
    "the value of the class": lambda node: type(node).value is gc.MutableNode.value,
    "the subclasses that hooks saw": lambda node: [each.__name__ for each in Checked.made],
}


def error_of(call: Callable[[], Any]) -> str:
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "none"


@pytest.mark.parametrize("asked", ASKED)
def test_isinstance_and_type_checks_of_a_node_give_the_same_during_a_run(asked: str) -> None:
    def make() -> gc.Stream[Any]:
        node = Mine(numbers(3))
        return gc.Stream(node).map(lambda x: ASKED[asked](node))

    assert why(gc.Stream(Mine(numbers()))) == "fused"
    assert len(same(make)) == 3


def test_a_copy_of_a_node_is_a_node_of_its_class() -> None:
    def make() -> gc.Stream[Any]:
        node = Mine(numbers(3))

        def copied(x: Any) -> Any:
            other = copy.copy(node)
            other.total += 1000
            return type(other) is Mine, other.value, other.total, node.total, vars(other)["total"]

        return gc.Stream(node).map(copied)

    same(make)


def test_a_class_with_slots_of_its_own_runs() -> None:
    made = written(
        "class Slotted(gc.MutableNode[Any]):\n    __slots__ = ('source', 'total')\n\n"
        "    def __init__(self, source):\n        super().__init__()\n"
        "        self.source = source.node\n\n"
        "    def upstreams(self):\n        return gc.Upstreams(active=(self.source,))\n\n"
        "    def start(self, state):\n        self.total = 0\n\n"
        "    def cycle(self, state):\n        self.total += self.source.value\n"
        "        self.value = self.total\n        return True\n"
    )["Slotted"]
    assert same(lambda: gc.Stream(made(numbers(3)))) == [(1, 1), (2, 3), (3, 6)]


def test_a_deleted_graph_leaves_no_class() -> None:
    before = len(garbage_of(Summed))
    for _ in range(5):
        gc.Stream(Summed(numbers(3))).run()
    assert len(garbage_of(Summed)) <= before + 1


def garbage_of(cls: type) -> list[type]:
    garbage.collect()
    return cls.__subclasses__()


# However a run ends


def classes_of(graph: gc.Graph) -> list[type]:
    return [type(node) for node in graph.nodes]


class Ends(gc.MutableNode[Any]):
    """Records the classes of all nodes in `start` and `stop`."""

    def __init__(self, source: gc.Stream[Any], log: list[Any]) -> None:
        super().__init__()
        self.source, self.log, self.nodes = source.node, log, ()

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def start(self, state: gc.GraphState) -> None:
        self.log.append([type(each) for each in self.nodes])

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return True

    def stop(self, state: gc.GraphState) -> None:
        self.log.append([type(each) for each in self.nodes])


@pytest.mark.parametrize("kind", [None, ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_nodes_have_their_own_class_before_and_after_a_run(kind: Any) -> None:
    inside: list[Any] = []

    def end(x: int) -> int:
        inside.append([each.__class__ for each in graph.nodes])
        if x == 3 and kind is not None:
            raise kind
        return x

    log: list[Any] = []
    ends: Any = Ends(gc.Stream(Summed(numbers().map(end))), log)
    graph = gc.Graph(gc.Stream(ends).count())
    ends.nodes = graph.nodes
    expected = classes_of(graph)
    for _ in range(2):
        if kind is None:
            graph.run()
        else:
            with pytest.raises(kind):
                graph.run()
        assert classes_of(graph) == expected
    assert log == [expected] * 4
    assert all(each == expected for each in inside)


OURS = ("backend/program.py", "backend/live.py", "fused/tier.py")


class InterruptAt:
    """A trace function that interrupts at one of the lines of the compiler's own code."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.where = ""

    def __call__(self, frame: Any, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if not (name.endswith(OURS) or name.startswith("<graphcore ")):
            return self
        self.left -= 1
        if self.left == 0:
            self.where = f"{frame.f_code.co_name} of {name}, line {frame.f_lineno}"
            raise KeyboardInterrupt
        return self


def test_ctrl_c_at_any_line_leaves_each_node_its_class_and_the_state_of_one_cycle() -> None:
    before = sys.gettrace()
    number = 0
    raised = True
    while raised:
        number += 1
        source = numbers(2)
        summed = Summed(source)
        counted = gc.Stream(summed).count()
        graph = gc.Graph(counted)
        graph.fused_source()
        expected = classes_of(graph)
        interrupt = InterruptAt(number)
        sys.settrace(interrupt)
        try:
            graph.run(tier="fused")
            raised = False
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        assert classes_of(graph) == expected, interrupt.where
        assert live._running == {}, interrupt.where
        seen = source.node.__dict__.get("value", 0), summed.total, vars(counted.node).get("count")
        one_cycle = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1), (2, 1, 1), (2, 3, 1), (2, 3, 2)]
        assert seen in one_cycle, (seen, interrupt.where)
        assert number < 2000
    assert number > 30


def test_a_real_ctrl_c_leaves_each_node_its_class_and_its_state() -> None:
    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    garbage.disable()  # Python ignores an interrupt in a finalizer
    try:
        for n in range(20):
            source = gc.from_iterable(itertools.repeat(1, 10**9))
            summed = Summed(source)
            counted = gc.Stream(summed).count()
            graph = gc.Graph(counted)
            graph.fused_source()
            with contextlib.suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.0003 * (n + 1))
                graph.run(cycles=500_000)
                signal.setitimer(signal.ITIMER_REAL, 0)
            assert classes_of(graph) == [type(source.node), Summed, type(counted.node)]
            # All state is of the last complete cycle, or of the cycle that was begun.
            assert vars(summed).get("total", 0) - vars(summed).get("value", 0) in (0, 1)
            assert vars(summed).get("value", 0) - vars(counted.node).get("count", 0) in (0, 1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        garbage.enable()


# Other threads and other runs


class Realtime:
    """A real-time run in a thread of its own, which a test feeds and stops."""

    def __init__(self, wire: Callable[[gc.Stream[Any]], gc.Stream[Any]]) -> None:
        self.feeding = threading.Event()
        self.sender: Any = None
        self.graph = gc.Graph(wire(gc.receiver(self._send, delivery="each")))
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="graph")

    def _send(self, sender: Any, stop: threading.Event) -> None:
        self.sender = sender
        self.feeding.set()
        stop.wait(30)

    def _run(self) -> None:
        try:
            self.graph.run(realtime=True)
        except BaseException as error:
            self.error = error

    def __enter__(self) -> "Realtime":
        self.thread.start()
        assert self.feeding.wait(10)
        return self

    def __exit__(self, *given: object) -> None:
        self.sender.close()
        self.thread.join(10)
        assert not self.thread.is_alive()
        if self.error is not None:
            raise self.error


def test_another_thread_reads_a_real_time_run_as_it_is() -> None:
    made: list[Any] = []

    def wire(source: gc.Stream[Any]) -> gc.Stream[Any]:
        made.append(Summed(source.map(lambda x: x)))
        return gc.Stream(made[0]).count()

    with Realtime(wire) as run:
        node = weakref.ref(made[0])
        wait_until(lambda: type(made[0]) is not Summed)
        with pytest.raises(gc.NoValueError, match="summed_"):
            node().value  # type: ignore[union-attr]  # it lives
        assert (made[0].total, made[0].ticked_in, "value" in vars(made[0])) == (0, 0, False)
        run.sender.send(5)
        wait_until(lambda: vars(made[0]).get("value") == 5)
        run.sender.send(7)
        wait_until(lambda: made[0].total == 12)
        wait_until(lambda: made[0].ticked_in == 2)
        assert (node().value, vars(made[0])["total"]) == (12, 12)  # type: ignore[union-attr]  # as above
        assert type(made[0]) is not Summed
        assert made[0].__class__ is Summed
    assert (made[0].total, type(made[0])) == (12, Summed)


def test_another_thread_writes_into_a_real_time_run() -> None:
    made: list[Any] = []

    def wire(source: gc.Stream[Any]) -> gc.Stream[Any]:
        made.append(Summed(source))
        return gc.Stream(made[0]).map(lambda x: -x)

    with Realtime(wire) as run:
        node = made[0]
        after = run.graph.nodes[-1]
        run.sender.send(0)
        wait_until(lambda: vars(after).get("value") == 0)
        node.total = 100
        run.sender.send(1)
        wait_until(lambda: after.value == -101)
        node.factor = 10
        run.sender.send(2)
        wait_until(lambda: after.value == -121)
        vars(node)["total"] = 0
        node.value = 55
        assert (node.total, node.value) == (0, 55)
        run.sender.send(1)
        wait_until(lambda: after.value == -10)
    assert (node.total, node.factor, node.value, after.ticked_in) == (10, 10, 10, 4)


def test_a_write_of_another_thread_does_not_undo_writes_of_the_run() -> None:
    done = threading.Event()
    node = Summed(gc.from_iterable(itertools.repeat(1, 10**9)))
    graph = gc.Graph(gc.Stream(node).count())
    begun = threading.Event()
    written_: list[int] = []

    def write() -> None:
        assert begun.wait(10)
        for n in itertools.count(1):
            node.factor = 1
            node.__dict__["other"] = n
            written_.append(node.ticked_in)
            if done.is_set():
                return

    def begin(x: int) -> int:
        begun.set()
        return x

    graph = gc.Graph(gc.Stream(node).map(begin).count())
    thread = threading.Thread(target=write, name="writes")
    thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        graph.run(cycles=20_000)
    finally:
        sys.setswitchinterval(interval)
        done.set()
        thread.join(10)
    assert (node.total, node.value, graph.nodes[-1].value) == (20_000, 20_000, 20_000)
    assert len(written_) > 1
    assert written_ == sorted(written_)


@pytest.mark.parametrize("moment", ["live.begin", "return"])
def test_values_that_another_thread_sets_while_a_run_begins_or_ends_are_not_lost(
    moment: str,
) -> None:
    node = Summed(numbers(2))
    graph = gc.Graph(gc.Stream(node))
    graph.fused_source()

    def trace(frame: Any, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if name.startswith("<graphcore "):
            line = linecache.getline(name, frame.f_lineno)
            if event == ("return" if moment == "return" else "line") and moment in line:
                by_a_thread(node, "total", 100)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        graph.run(tier="fused")
    finally:
        sys.settrace(before)
    assert node.total == (103 if moment == "live.begin" else 100)


def test_graphs_of_one_class_run_in_parallel_threads_and_are_told_apart() -> None:
    both = threading.Barrier(2, timeout=10)
    seen: dict[int, list[Any]] = {1: [], 2: []}
    nodes: dict[int, Any] = {}

    def run(number: int) -> None:
        def look(x: int) -> int:
            both.wait()
            seen[number].append((nodes[1].total, nodes[2].total))
            both.wait()
            return x

        nodes[number] = Summed(numbers(3).map(lambda x: x * 10**number))
        both.wait()
        gc.Stream(nodes[number]).map(look).run()

    threads = [threading.Thread(target=run, args=(n,), name=f"run {n}") for n in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert seen[1] == seen[2] == [(10, 100), (30, 300), (60, 600)]


def test_a_run_inside_a_run_leaves_the_outer_one_as_it_is() -> None:
    def make() -> gc.Stream[Any]:
        outer = Summed(numbers(3))

        def inside(x: int) -> Any:
            inner = Summed(numbers(x))
            gc.Stream(inner).map(lambda y: (y, outer.total)).run()
            return inner.total, outer.total, outer.value

        return gc.Stream(outer).map(inside)

    assert [value for _, value in same(make)] == [(1, 1, 1), (6, 3, 3), (21, 6, 6)]
