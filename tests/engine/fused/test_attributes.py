"""Pass 3: the kind of each attribute of a node, and globals read as Python reads them."""

from dataclasses import replace
from operator import add
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.frontend.attributes import kinds_of, node_behind
from graphcore.engine.fused.frontend.subset import Refused, cycle_of
from graphcore.engine.fused.ir import Is, Kind
from tests.engine.fused.both import node_class, same, why, written

FIELDS = "source: gc.Active[Any]\ngiven: Any = None\ncount: int = gc.state(0)"


def kinds(node: Any, *upstreams: gc.Stream[Any]) -> dict[str, Kind]:
    return kinds_of(node, cycle_of(type(node)), {id(each.node) for each in upstreams})


def test_the_kind_of_each_attribute() -> None:
    made = node_class(
        "self.count += self.number\nself.value = (self.source.value, self.sources[0].value, "
        "self.kept, self.flag, self.function(1), self.op(1, 2), self.thing, self.elsewhere)\n"
        "return True",
        "source: gc.Active[Any]\nsources: list[gc.Active[Any]]\nnumber: int\nflag: bool\n"
        "function: Any\nop: Any\nthing: Any\ncount: int = gc.state(0)\nkept: list = "
        "gc.state(factory=list)",
        "elsewhere = 5",
    )
    one, other = gc.constant(1), gc.constant(2)
    node = made(one, [other, one], 7, True, lambda x: x, add, [1])
    found = kinds(node, one, other)
    assert {name: kind.of for name, kind in found.items()} == {
        "source": Is.INPUT,
        "sources": Is.INPUTS,
        "number": Is.READ,
        "flag": Is.READ,
        "function": Is.INLINED,
        "op": Is.OPERATOR,
        "thing": Is.READ,
        "count": Is.STATE,
        "kept": Is.READ,
        "elsewhere": Is.LIVE,
    }
    assert found["sources"].detail == range(2)
    assert found["number"].detail is True
    assert not found["thing"].detail
    assert found["op"].detail is add
    assert found["function"].detail.parameters == ("x",)


@pytest.mark.parametrize(
    ("given", "arguments", "kind"),
    [
        (None, "(1)", Is.READ),
        (False, "", Is.READ),
        (0, "", Is.READ),
        ("text", "", Is.READ),
        (abs, "(1)", Is.READ),
        (add, "(1)", Is.READ),
        (add, "(1, 2)", Is.OPERATOR),
        (add, "", Is.READ),
        (lambda x: x, "(1)", Is.INLINED),
        (lambda x: x, "", Is.READ),
        (lambda x: abs(x), "(1)", Is.READ),
    ],
)
def test_a_parameter_is_inlined_where_its_function_can_be(
    given: Any, arguments: str, kind: Is
) -> None:
    made = node_class(f"self.value = self.given{arguments}\nreturn True", FIELDS)
    one = gc.constant(1)
    assert kinds(made(one, given), one)["given"].of is kind


@pytest.mark.parametrize("given", [None, True, False])
def test_the_text_depends_on_a_parameter_of_graphcores_own_classes(given: Any) -> None:
    made = node_class("self.value = self.given\nreturn True", FIELDS)
    one = gc.constant(1)
    ours = replace(cycle_of(made), is_ours=True)
    found = kinds_of(made(one, given), ours, {id(one.node)})
    assert found["given"] == Kind(Is.FOLDED, given)
    # Users may assign a parameter of their own class during a run.
    assert kinds(made(one, given), one)["given"].of is Is.READ


def test_a_node_given_as_a_parameter_is_not_an_upstream() -> None:
    made = node_class("self.value = self.given.value\nreturn True", FIELDS)
    one, other = gc.constant(1), gc.constant(2)
    assert kinds(made(one, other.node), one)["given"].of is Is.READ


def test_upstreams_may_be_kept_by_hand_in_attributes_and_lists() -> None:
    made = written(
        "class Tried(gc.MutableNode[Any]):\n    def __init__(self, one, many):\n"
        "        super().__init__()\n        self.one, self.many = one, many\n\n"
        "    def upstreams(self):\n"
        "        return gc.Upstreams(active=(self.one, *self.many))\n\n"
        "    def cycle(self, state):\n"
        "        self.value = (self.one.value, self.many[1].value)\n        return True\n"
    )["Tried"]
    one, two, three = (gc.constant(n) for n in (1, 2, 3))
    for upstreams in ((one, (two, three)), (one.node, [two.node, three])):
        node = made(*upstreams)
        found = kinds(node, one, two, three)
        assert (found["one"].of, found["many"]) == (Is.INPUT, Kind(Is.INPUTS, range(2)))
        assert same(lambda node=node: gc.Stream(node)) == [(0, (1, 3))]


def test_the_node_behind_an_object_is_found_without_running_the_users_code() -> None:
    class Tree:
        @property
        def node(self) -> Any:
            raise RuntimeError("the tree is empty")

    stream = gc.constant(1)
    assert node_behind(stream) is stream.node
    assert node_behind(stream.node) is stream.node
    assert node_behind(Tree()) is None
    tree = Tree()
    assert same(lambda: gc.from_iterable([1]).map(lambda x: (x, tree is None))) == [(0, (1, False))]


def test_an_attribute_that_another_method_sets_is_read_each_time() -> None:
    made = node_class(
        "self.at(self)\nself.value = self.count\nreturn True",
        FIELDS.replace("given", "at"),
        "def raise_to(self, n):\n    self.count = n",
    )
    assert why(gc.Stream(made(gc.constant(1), None))) == "called: its cycle passes self on"
    made = node_class(
        "self.value = self.count\nreturn True", FIELDS, "def raise_to(self, n):\n    self.count = n"
    )

    def make() -> gc.Stream[Any]:
        nodes: list[Any] = []
        source = gc.from_iterable([1, 2, 3]).map(lambda x: nodes[0].raise_to(10 * x) or x)
        nodes.append(made(source))
        return gc.Stream(nodes[0])

    assert why(make()) == "fused"
    assert [value for _, value in same(make)] == [10, 20, 30]


REFUSED = {
    "an upstream that the cycle assigns": (
        "self.source = None\nself.value = 1",
        "its cycle assigns source, an upstream",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_attributes_that_cause_a_node_to_be_called(case: str) -> None:
    cycle, reason = REFUSED[case]
    made = node_class(f"{cycle}\nreturn True", FIELDS)
    one = gc.constant(1)
    with pytest.raises(Refused) as caught:
        kinds(made(one), one)
    assert str(caught.value) == reason
    assert why(gc.Stream(made(one))) == f"called: {reason}"
    same(lambda: gc.Stream(made(gc.constant(1))))


def test_a_node_with_a_cycle_of_its_own_is_called() -> None:
    node = node_class("self.value = 1\nreturn True")(gc.constant(1))
    node.cycle = lambda state: False
    assert (
        why(gc.Stream(node)) == "called: its object has a cycle attribute, which hides its class's"
    )


@pytest.mark.parametrize("method", ["start", "cycle"])
def test_a_node_with_a_start_or_a_cycle_of_its_own_may_be_woken(method: str) -> None:
    def make() -> gc.Stream[Any]:
        node = node_class("self.value = state.time\nreturn True")(gc.replay([1], "a"))

        def start(state: gc.GraphState) -> None:
            state.schedule(9)

        def cycle(state: gc.GraphState) -> bool:
            if state.time < 9:
                state.schedule(9)
            node.value = state.time
            return True

        setattr(node, method, start if method == "start" else cycle)
        return gc.Stream(node)

    assert same(make) == [(1, 1), (9, 9)]


def test_an_upstream_replaced_after_wiring_is_noticed() -> None:
    node = node_class("self.value = self.source.value\nreturn True")(gc.constant(1))
    graph = gc.Graph(gc.Stream(node))
    node.source = gc.constant(2).node
    assert graph.explain().endswith("its upstream source was replaced after the wiring")


def test_a_global_that_changes_is_seen_in_the_same_run() -> None:
    def make() -> gc.Stream[Any]:
        cells = written(
            "seen = 0\n\ndef change(x):\n    global seen\n    seen = x\n    return x\n\n"
            "@gc.node\nclass Tried(gc.MutableNode[Any]):\n    source: gc.Active[Any]\n\n"
            "    def cycle(self, state):\n        self.value = (self.source.value, seen)\n"
            "        return True\n"
        )
        return gc.Stream(cells["Tried"](gc.from_iterable([1, 2]).map(cells["change"])))

    assert same(make) == [(0, (1, 1)), (0, (2, 2))]


@pytest.mark.parametrize("name", ["there", "cycle", "time", "nodes", "abs"])
@pytest.mark.parametrize("before", ["", "{name} = 7"])
@pytest.mark.parametrize(
    "change",
    [
        "pass",
        "global {name}; {name} = x",
        "global {name}; del {name}",
        "globals().pop('{name}', None)",
        "globals().update({name}=x) if '{name}' != 'abs' else None",
    ],
)
def test_a_global_that_is_added_or_deleted_is_read_as_python_reads_it(
    name: str, before: str, change: str
) -> None:
    def make() -> gc.Stream[Any]:
        cells = written(
            f"{before.format(name=name)}\n\ndef changed(x):\n    if x == 2:\n"
            f"        {change.format(name=name)}\n    return x\n\n"
            "@gc.node\nclass Tried(gc.MutableNode[Any]):\n    source: gc.Active[Any]\n\n"
            f"    def cycle(self, state):\n        self.value = (self.source.value, {name})\n"
            "        return True\n"
        )
        return gc.Stream(cells["Tried"](gc.from_iterable([1, 2, 3]).map(cells["changed"])))

    same(make)
