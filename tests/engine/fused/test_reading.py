"""Reading a `cycle`: what each attribute is, and each reason for which a node is called."""

from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.outside import may_schedule
from graphcore.engine.fused.reading import Is, kinds_of, reading_of
from tests.engine.fused.both import node_class, same, why, written

FIELDS = "source: gc.Active[Any]\ngiven: Any = None\ncount: int = gc.state(0)"

# What a cycle does, with what is said of it; both tiers have to agree on each.
REFUSED_CYCLES = {
    "self.value = id(self)": "its cycle hands self on",
    "self.value = id(state) > 0": "its cycle hands state on",
    "self.value = [n for n in (1, 2)]": "its cycle has a list comprehension",
    "self.value = {n for n in (1, 2)}": "its cycle has an expression of the kind SetComp",
    "self.value = {n: n for n in (1, 2)}": "its cycle has an expression of the kind DictComp",
    "self.value = sum(n for n in (1, 2))": "its cycle has an expression of the kind GeneratorExp",
    "self.value = (lambda: 1)()": "its cycle has an expression of the kind Lambda",
    "self.value = (n := self.source.value) + n": (
        "its cycle has an expression of the kind NamedExpr"
    ),
    "try:\n    self.value = 1 // 0\nexcept ZeroDivisionError:\n    self.value = 2": (
        "its cycle has a statement of the kind Try"
    ),
    "match self.source.value:\n    case int(n):\n        self.value = n": (
        "its cycle has a statement of the kind Match"
    ),
    "def inner():\n    return 5\nself.value = inner()": (
        "its cycle has a statement of the kind FunctionDef"
    ),
    "import math\nself.value = math.pi": "its cycle has a statement of the kind Import",
    "global seen\nseen = 1\nself.value = seen": "its cycle has a statement of the kind Global",
    "n = 1\ndel n\nself.value = 2": "its cycle has a statement of the kind Delete",
    "super().cycle\nself.value = 2": "its cycle speaks of super",
    "self.value = sorted(locals())": "its cycle speaks of locals",
    "self.value = eval('1')": "its cycle speaks of eval",
    "self.__hidden = self.value = 1": (
        "it uses __hidden, which Python calls otherwise inside a class"
    ),
    "self.value = self.ticked_in": "it uses ticked_in, which is not its own to keep",
    "self.value = self.helper()": "it uses its method helper",
    "self.value = self.doubled": "doubled is a property of its class",
    "del self.count\nself.value = 1": "its cycle has a statement of the kind Delete",
    "state.mine = 1\nself.value = 1": "its cycle sets an attribute of its state",
    "self.source = None\nself.value = 1": ("its class sets source, an upstream, while it runs"),
    "self.late = self.value = 1": "a run begins without late, which its cycle sets",
    "for n in (1, 2):\n    if n == self.source.value:\n        return False\nself.value = 1": (
        "its cycle returns inside a loop"
    ),
    "if self.source.value == 1:\n    n = 1\nself.value = n": (
        "its cycle may read n before it is bound"
    ),
    "n += 1\nself.value = n": "its cycle may read n before it is bound",
    "while self.count < 3:\n    self.count += 1\n    n = 1\nself.value = n": (
        "its cycle may read n before it is bound"
    ),
    "self.value = self.source.name": "its cycle looks at name of an upstream",
    "self.value = bool(self.source)": "its cycle hands its upstream source on",
    "self.value = state.ticked(self)": "its cycle hands self on",
    "ticked = state.ticked\nself.value = ticked(self.source)": "its cycle hands state.ticked on",
    "self.value = state.ticked(upstream=self.source)": (
        "its cycle asks state.ticked of something else than an upstream"
    ),
    "state.schedule(state.time + 1)\nself.value = state.schedule(state.time + 9) is None": (
        "its cycle keeps some of its alarms and not others"
    ),
    "self.value = 'ζ'": "its cycle has the letter ζ in it",
}
MORE = (
    "def helper(self):\n    return 3\n\n"
    "@property\ndef doubled(self):\n    return 2 * self.source.value\n"
)


@pytest.mark.parametrize("cycle", REFUSED_CYCLES)
def test_what_cannot_be_taken_apart_is_called_and_says_why(cycle: str) -> None:
    made = node_class(f"{cycle}\nreturn True", FIELDS, MORE)

    def make() -> gc.Stream[Any]:
        return gc.Stream(made(gc.replay([1, 2, 3], [1, 2, 3]))).named("tried")

    assert why(make()) == f"called: {REFUSED_CYCLES[cycle]}"
    if "name" not in cycle and "id(" not in cycle:
        same(make, until=3)


REFUSED_CLASSES = {
    "def __getattr__(self, name):\n    raise AttributeError(name)": "its class defines __getattr__",
    "def __setattr__(self, name, value):\n    object.__setattr__(self, name, value)": (
        "its class defines __setattr__"
    ),
    "def __getattribute__(self, name):\n    return object.__getattribute__(self, name)": (
        "its class defines __getattribute__"
    ),
    "def other(self, name):\n    setattr(self, name, 1)": (
        "a method of its class sets attributes by names that are not plain"
    ),
    "def other(self):\n    self.source = None": (
        "its class sets source, an upstream, while it runs"
    ),
    "cycle = staticmethod(lambda state: False)": "its cycle is no plain function",
    "cycle = eval('lambda self, state: False')": "the text of its cycle is not to be had",
    "def cycle(self, state, more=1):\n    return False": (
        "its cycle takes other arguments than self and state"
    ),
    "@same\ndef cycle(self, state):\n    return False": "its cycle is decorated",
    "value = property(lambda self: 1, lambda self, given: None)": "its class defines value",
}


@pytest.mark.parametrize("more", REFUSED_CLASSES)
def test_a_class_that_looks_after_its_attributes_itself_is_called(more: str) -> None:
    made = node_class(
        "self.count += 1\nself.value = self.source.value\nreturn True",
        FIELDS,
        more,
        same=lambda function: function,
    )
    assert why(gc.Stream(made(gc.constant(1)))) == f"called: {REFUSED_CLASSES[more]}"


def test_a_node_with_a_cycle_of_its_own_is_called() -> None:
    node = node_class("self.value = 1\nreturn True")(gc.constant(1))
    node.cycle = lambda state: False
    assert why(gc.Stream(node)) == "called: it has a cycle of its own, apart from its class's"


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


def test_an_upstream_exchanged_after_wiring_is_noticed() -> None:
    node = node_class("self.value = self.source.value\nreturn True")(gc.constant(1))
    graph = gc.Graph(gc.Stream(node))
    node.source = gc.constant(2).node
    assert graph.explain().endswith(
        "its upstream source is no longer the one that it was wired with"
    )


FUSED_CYCLES = [
    "self.value = self.source.value",
    "self.count += 1\nself.value = self.count",
    "n: int = self.source.value\nself.value = n",
    "for n in range(3):\n    if n:\n        break\nelse:\n    self.count = 5\nself.value = 1",
    "while self.count < 5:\n    self.count += 1\n    continue\nself.value = self.count",
    "assert self.source.value\nself.value = 1",
    "if self.source.value == 9:\n    raise ValueError\nself.value = 1",
    "(self.count, self.value) = 1, 2",
    "self.value = state.time + state.elapsed + state.start_time",
    "self.value = state.ticked(self.source) and state.valid(self.source)",
    "self.value = (state.due, self.value if self.count else 0)\nself.count = 1",
    "self.value = self.kept",
]


@pytest.mark.parametrize("cycle", FUSED_CYCLES)
def test_plain_code_is_taken_apart(cycle: str) -> None:
    made = node_class(f"{cycle}\nreturn True", FIELDS, "kept = 5")

    def make() -> gc.Stream[Any]:
        return gc.Stream(made(gc.replay([1, 2, 3], [1, 2, 3])))

    assert why(make()) == "fused"
    assert len(same(make)) == 3


def test_what_each_attribute_is() -> None:
    made = node_class(
        "self.count += self.number\nself.value = (self.source.value, self.sources[0].value, "
        "self.kept, self.flag, self.function(1), self.op(1, 2), self.thing, self.elsewhere)\n"
        "return True",
        "source: gc.Active[Any]\nsources: list[gc.Active[Any]]\nnumber: int\nflag: bool\n"
        "function: Any\nop: Any\nthing: Any\ncount: int = gc.state(0)\nkept: list = "
        "gc.state(factory=list)",
        "elsewhere = 5",
    )
    from operator import add

    one, other = gc.constant(1), gc.constant(2)
    node = made(one, [other, one], 7, True, lambda x: x, add, [1])
    kinds = kinds_of(node, reading_of(made), {one.node, other.node})
    assert {name: kind.of for name, kind in kinds.items()} == {
        "source": Is.INPUT,
        "sources": Is.INPUTS,
        "number": Is.LITERAL,
        "flag": Is.FOLDED,
        "function": Is.EXPRESSION,
        "op": Is.OPERATOR,
        "thing": Is.BOUND,
        "count": Is.OWN,
        "kept": Is.KEPT,
        "elsewhere": Is.LIVE,
    }
    assert kinds["sources"].detail == 2


def test_what_another_method_sets_is_read_from_the_node_each_time() -> None:
    made = node_class(
        "self.value = self.count\nreturn True", FIELDS, "def raise_to(self, n):\n    self.count = n"
    )
    node = made(gc.constant(1))
    kinds = kinds_of(node, reading_of(made), {node.source})
    assert kinds["count"].of is Is.LIVE


def test_a_class_is_read_once_and_again_when_it_has_another_cycle() -> None:
    made = node_class("self.value = 1\nreturn True")
    reading = reading_of(made)
    assert reading_of(made) is reading
    made.cycle = node_class("self.value = 2\nreturn True").cycle
    assert reading_of(made) is not reading


@pytest.mark.parametrize(
    ("cycle", "schedules"),
    [
        ("return state.time > 3 and state.ticked(self.source)", False),
        ("state.stop()", False),
        ("state.schedule(state.time)", True),
        ("print(state)", True),
        ("return state.due", False),
    ],
)
def test_whether_a_class_may_be_woken(cycle: str, schedules: bool) -> None:
    assert may_schedule(node_class(f"{cycle}\nreturn True")) is schedules
    started = node_class("return True", more=f"def start(self, state):\n    {cycle}")
    assert may_schedule(started) is schedules


def test_a_class_whose_text_is_not_to_be_had_may_be_woken() -> None:
    assert may_schedule(node_class("return True", more="start = eval('lambda self, state: None')"))


def test_upstreams_in_a_list_are_written_out_up_to_fifty() -> None:
    made = node_class(
        "self.value = 0\nfor each in self.sources:\n    self.value += each.value\nreturn True",
        "sources: list[gc.Active[Any]]",
    )
    for count, told in (
        (1, "fused"),
        (50, "fused"),
        (51, "called: it has 51 upstreams in one list"),
    ):
        sources = [gc.constant(n) for n in range(count)]
        assert why(gc.Stream(made(sources))) == told
        assert same(lambda s=sources: gc.Stream(made(s))) == [(0, count * (count - 1) // 2)]


@pytest.mark.parametrize(
    ("loop", "told"),
    [
        ("    if each.value:\n        break", "its cycle leaves a loop over its upstreams"),
        ("    each = 5", "its cycle sets the variable of a loop over its upstreams"),
        ("    self.value = each.name", "its cycle looks at name of an upstream"),
    ],
)
def test_what_a_loop_over_upstreams_may_not_do(loop: str, told: str) -> None:
    made = node_class(
        f"for each in self.sources:\n{loop}\nself.value = 1\nreturn True",
        "sources: list[gc.Active[Any]]",
    )
    assert why(gc.Stream(made([gc.constant(1), gc.constant(2)]))) == f"called: {told}"


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
def test_a_global_that_comes_or_goes_is_what_python_makes_of_it(
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
