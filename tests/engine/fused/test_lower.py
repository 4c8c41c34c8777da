"""Pass 6: the IR of a `cycle`, and why some have none."""

from collections.abc import Iterator
from enum import Enum
from operator import add
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.frontend.attributes import kinds_of
from graphcore.engine.fused.frontend.lower import lowered
from graphcore.engine.fused.frontend.subset import cycle_of
from graphcore.engine.fused.ir import (
    Body,
    Break,
    Captured,
    Cell,
    CycleIR,
    Do,
    Global,
    Hole,
    If,
    Loop,
    Need,
    Place,
    Raise,
    Run,
    Set,
    State,
    Text,
    Tick,
    TickForm,
    Upstream,
    Value,
    Wake,
    holes_of,
)
from tests.engine.fused.both import node_class, same, why, written

FIELDS = (
    "source: gc.Active[Any]\nlate: gc.Passive[Any]\nsome: list[gc.Active[Any]]\n"
    "given: Any = None\ncount: int = gc.state(0)"
)


def outcome(cycle: str, given: Any = None, more: str = "", withheld: bool = False) -> CycleIR | str:
    made = node_class(cycle, FIELDS, more)
    streams = [gc.constant(n) for n in range(4)]
    node = made(streams[0], streams[1], streams[2:], given)
    read = cycle_of(made)
    kinds = kinds_of(node, read, {id(each.node) for each in streams})
    return lowered(read, tuple(kinds.items()), withheld)


def ir_of(cycle: str, given: Any = None, more: str = "", withheld: bool = False) -> CycleIR:
    """Return the IR of a cycle; `withheld` if it may set a value without ticking."""
    found = outcome(cycle, given, more, withheld)
    assert isinstance(found, CycleIR), found
    return found


def listing(body: Body) -> str:
    """Return statements as lines, with holes such as `<upstream source>`."""
    return "\n".join(_lines(body, ""))


def _lines(body: Body, indent: str) -> Iterator[str]:
    for each in body:
        match each:
            case Set(targets, operator, value):
                left = " = ".join(map(shown, targets))
                notes = " # alias" if each.alias else ""
                yield f"{indent}{left} {operator}= {shown(value)}{notes}"
            case Do(text) | Raise(text):
                yield indent + shown(text)
            case If(text, inner, orelse) | Loop(text, inner, orelse):
                yield f"{indent}{'if ' if isinstance(each, If) else ''}{shown(text)}:"
                yield from _lines(inner, indent + "    ")
                if orelse:
                    yield f"{indent}else:"
                    yield from _lines(orelse, indent + "    ")
            case Break(word):
                yield indent + word
            case Tick():
                yield f"{indent}tick"
            case Wake(at, whole):
                yield f"{indent}wake at {shown(at)}{' # int' if whole else ''}"
            case Need(hole):
                yield f"{indent}need {shown((hole,))}"


def shown(text: Text) -> str:
    return "".join(part if isinstance(part, str) else f"<{name_of(part)}>" for part in text)


def name_of(hole: Hole) -> str:
    words = [type(hole).__name__.lower()]
    for name in hole.__match_args__:
        given = getattr(hole, name)
        if given is not None and not isinstance(given, Place):
            words.append(given.name.lower() if isinstance(given, Enum) else str(given))
    return " ".join(words)


# Statements

LISTINGS = {
    "'It has a docstring.'\nself.value = 1\nreturn True": "<value> = 1\ntick",
    "pass\nself.value = self.source.value\nreturn True": "<value> = <upstream source>\ntick",
    "self.count += 1\nself.value = self.count\nreturn True": (
        "<state count> += 1\n<value> = <state count>\ntick"
    ),
    "n: int = self.count\nm: int\nself.value = n\nreturn True": (
        "<local n> = <state count>\n<value> = <local n>\ntick"
    ),
    "a = self.count = self.value = 5\nreturn True": (
        "<local a> = <state count> = <value> = 5\ntick"
    ),
    "(self.count, self.value) = 1, 2\nreturn True": "<state count>, <value> = (1, 2)\ntick",
    "a, *b = self.source.value\nself.value = b\nreturn True": (
        "<local a>, *<local b> = <upstream source>\n<value> = <local b>\ntick"
    ),
    "self.source.value[0] = 1\nself.value = 1\nreturn True": (
        "<upstream source>[0] = 1\n<value> = 1\ntick"
    ),
    "if self.count:\n    return False\nself.value = 1\nreturn True": (
        "if not <state count>:\n    <value> = 1\n    tick"
    ),
    "self.value = 1\nreturn self.count > 1": "<value> = 1\nif <state count> > 1:\n    tick",
    "if self.count:\n    self.value = 1\nelif self.given:\n    self.value = 2\n"
    "else:\n    self.value = 3\nreturn True": (
        "if <state count>:\n    <value> = 1\nelse:\n    if <state given>:\n        <value> = 2\n"
        "    else:\n        <value> = 3\ntick"
    ),
    "while self.count < 3:\n    self.count += 1\n    continue\nelse:\n    print(1)\nreturn False": (
        "while <state count> < 3:\n    <state count> += 1\n    continue\n"
        "else:\n    <global print>(1)"
    ),
    "for a, self.count in self.source.value:\n    break\nreturn False": (
        "for <local a>, <state count> in <upstream source>:\n    break"
    ),
    "assert self.count, 'none'\nreturn True": "assert <state count>, 'none'\ntick",
    "if self.count:\n    raise ValueError(1) from None\nreturn True": (
        "if <state count>:\n    raise <global ValueError>(1) from None\ntick"
    ),
    # What a cycle asks of the run
    "self.value = state.time - state.start_time + state.elapsed\nreturn True": (
        "<value> = <runstate time> - <runstate start> + (<runstate time> - <runstate start>)\ntick"
    ),
    "self.value = state.due\nstate.stop()\nreturn True": (
        "<value> = <due>\n<runstate state>.stop()\ntick"
    ),
    "return state.ticked(self.source) and state.valid(self.some[1])": (
        "if <ticked source> and <valid some 1>:\n    tick"
    ),
    "state.schedule(state.time + 5)\nreturn False": "wake at <runstate time> + 5 # int",
    "state.schedule(self.source.value)\nreturn False": "wake at <upstream source>",
    "self.count = state.schedule(5)\nreturn False": (
        "<state count> = <runstate state>.schedule(5)"
    ),
    # Upstreams in a list, and `bool`
    "self.value = [each.value for each in self.some]\nreturn True": (
        "<value> = [<upstream some 0>, <upstream some 1>]\ntick"
    ),
    "self.value = max(*[each.value for each in self.some])\nreturn True": (
        "<value> = <global max>(<upstream some 0>, <upstream some 1>)\ntick"
    ),
    "if bool(self.count) is not True:\n    return False\nreturn True": (
        "if <state count>:\n    tick"
    ),
    "return bool(self.count) is True": "if <state count>:\n    tick",
    "self.value = bool(self.count) is False\nreturn True": "<value> = not <state count>\ntick",
    # Locals replaced by an upstream's variable
    "n = self.source.value\nself.value = n + 1\nreturn True": (
        "<local n> = <upstream source> # alias\n<value> = <local n> + 1\ntick"
    ),
    "n = self.source.value\nself.count = abs(n)\nself.value = n\nreturn True": (
        "<local n> = <upstream source>\n<state count> = <global abs>(<local n>)\n"
        "<value> = <local n>\ntick"
    ),
    "n = self.source.value\nn += 1\nself.value = n\nreturn True": (
        "<local n> = <upstream source>\n<local n> += 1\n<value> = <local n>\ntick"
    ),
}


@pytest.mark.parametrize("cycle", LISTINGS)
def test_a_cycle_is_statements_with_holes(cycle: str) -> None:
    assert listing(ir_of(cycle).body) == LISTINGS[cycle]


def test_a_class_attribute_is_read_from_the_node() -> None:
    found = ir_of("self.value = self.kept\nreturn True", more="kept = 5")
    assert listing(found.body) == "<value> = <attribute kept>\ntick"


# Functions passed to a node


def test_a_function_is_inlined_where_its_arguments_are_variables() -> None:
    found = ir_of("self.value = self.given(self.source.value, 2)\nreturn True", lambda x, y: x + y)
    assert listing(found.body) == "need <upstream source>\n<value> = <upstream source> + 2\ntick"


@pytest.mark.parametrize(
    ("cycle", "given", "value"),
    [
        ("self.given(self.count + 1)", lambda x: -x, "<function given>(<state count> + 1)"),
        ("self.given(*(1,))", lambda x: -x, "<function given>(*(1,))"),
        ("self.given(x=1)", lambda x: -x, "<function given>(x=1)"),
        ("self.given(1, 2)", lambda x: -x, "<function given>(1, 2)"),
        (
            "(1, self.given(self.source.value))",
            lambda x: -x,
            "(1, <function given>(<upstream source>))",
        ),
        ("self.given(self.late.value, 1)", add, "<upstream late> + 1"),
        ("self.given(self.count, 1)", add, "<state count> + 1"),
        ("self.given(self.count, 1)", max, "<state given>(<state count>, 1)"),
        ("(self.count, self.given(self.count))", lambda x: -x, "(<state count>, -<state count>)"),
    ],
)
def test_a_function_is_called_where_its_inlined_text_would_mean_something_else(
    cycle: str, given: Any, value: str
) -> None:
    found = listing(ir_of(f"self.value = {cycle}\nreturn True", given).body)
    assert found == f"<value> = {value}\ntick"


def test_an_expensive_argument_is_not_computed_twice() -> None:
    cycle = "n = self.given({})\nself.value = n\nreturn True"
    twice = lambda x: x + x  # noqa: E731  # short
    assert "<function given>(<due>)" in listing(ir_of(cycle.format("state.due"), twice).body)
    assert "<state count> + <state count>" in listing(ir_of(cycle.format("self.count"), twice).body)


def test_variables_around_a_function_or_the_cycle_are_holes() -> None:
    def times(k: int) -> Any:
        return lambda x: x * k

    found = ir_of("self.value = self.given(self.source.value)\nreturn True", times(3))
    assert Captured("given", "k", Place.OPERAND) in found.holes
    text = (
        "def around(by):\n    class Tried(gc.MutableNode[Any]):\n"
        "        def cycle(self, state):\n            self.value = (by, limit)\n"
        "            return True\n    return Tried\n"
    )
    cls = written(text)["around"](5)
    other = lowered(cycle_of(cls), (), False)
    assert isinstance(other, CycleIR)
    assert other.holes == (Value(), Cell("by"), Global("limit"))


# Facts about the whole cycle


@pytest.mark.parametrize(
    ("cycle", "form"),
    [
        ("self.value = 1\nreturn True", TickForm.ALWAYS),
        ("if self.count:\n    return False\nself.value = 1\nreturn True", TickForm.TAIL),
        ("if self.count:\n    return True\nself.value = 1\nreturn True", TickForm.FLAG),
        ("return False", TickForm.NEVER),
    ],
)
def test_where_a_cycle_ticks(cycle: str, form: TickForm) -> None:
    assert ir_of(cycle).tick_form is form


@pytest.mark.parametrize(
    ("cycle", "wakes"),
    [
        ("return True", 0),
        ("state.schedule(5)\nreturn True", 1),
        ("if self.count:\n    state.schedule(5)\nelse:\n    state.schedule(6)\nreturn True", 1),
        ("state.schedule(5)\nstate.schedule(6)\nreturn True", 2),
        ("while self.count:\n    state.schedule(5)\nreturn True", float("inf")),
        ("self.count = state.schedule(5)\nreturn True", float("inf")),
        ("if self.count:\n    return False\nstate.schedule(5)\nreturn True", 1),
    ],
)
def test_how_many_alarms_a_cycle_sets(cycle: str, wakes: float) -> None:
    assert ir_of(cycle).wakes == wakes


@pytest.mark.parametrize(
    ("cycle", "sets", "assigns"),
    [
        ("self.value = 1\nreturn True", True, True),
        ("if self.count:\n    self.value = 1\nreturn True", False, True),
        ("if self.count:\n    self.value = 1\nelse:\n    self.value = 2\nreturn True", True, True),
        ("if self.count:\n    return False\nself.value = 1\nreturn True", True, True),
        ("if self.count:\n    raise KeyError\nelse:\n    self.value = 1\nreturn True", True, True),
        ("while self.count:\n    self.value = 1\nreturn True", False, True),
        ("for n in (1, 2):\n    self.value = n\nreturn True", False, True),
        ("self.value += 1\nreturn True", True, True),
        ("(self.count, [self.value]) = (1, [2])\nreturn True", True, True),
        ("self.value[0] = 1\nreturn True", False, False),
        ("return True", False, False),
        ("return False", True, False),
    ],
)
def test_whether_it_has_assigned_its_value_where_it_ticks(
    cycle: str, sets: bool, assigns: bool
) -> None:
    found = ir_of(cycle)
    assert (found.sets_value, found.assigns_value) == (sets, assigns)


@pytest.mark.parametrize(
    ("cycle", "asked"),
    [
        ("return True", set()),
        ("self.value = state.time\nreturn True", {Run.TIME}),
        ("self.value = state.elapsed\nreturn True", {Run.TIME, Run.START}),
        ("state.schedule(5)\nreturn True", {Run.TIME, Run.STATE}),
        ("state.stop()\nreturn True", {Run.STATE}),
        ("return state.due", set()),
    ],
)
def test_what_a_cycle_asks_of_the_run(cycle: str, asked: set[Run]) -> None:
    assert ir_of(cycle).requires == asked


def test_each_hole_is_named_once_in_the_order_of_the_text() -> None:
    found = ir_of(
        "if self.count:\n    self.value = self.source.value\nself.value = self.count\nreturn True"
    )
    assert found.holes == (State("count"), Value(), Upstream("source"))
    assert list(holes_of(found.body)) == [
        *(State("count"), Value(), Upstream("source"), Value(), State("count")),
    ]


def test_nodes_of_the_same_kinds_share_the_ir() -> None:
    made = node_class("self.value = self.given * self.count\nreturn True", FIELDS)
    one, two = gc.constant(1), gc.constant(2)

    def ir(given: Any) -> CycleIR | str:
        node = made(one, two, [one], given)
        kinds = kinds_of(node, cycle_of(made), {id(one.node), id(two.node)})
        return lowered(cycle_of(made), tuple(kinds.items()), False)

    assert ir(5) is ir(6)
    assert ir("a") is ir(None) is not ir(5)  # an `int` is a whole time


# Cycles without IR; both tiers have to agree on each.

REFUSED = {
    "for n in (1, 2):\n    if n == self.count:\n        return False\nreturn True": (
        "its cycle returns inside a loop"
    ),
    "if self.source.value == 1:\n    n = 1\nself.value = n\nreturn True": (
        "its cycle may read n before it is bound"
    ),
    "n += 1\nself.value = n\nreturn True": "its cycle may read n before it is bound",
    "while self.count < 3:\n    self.count += 1\n    n = 1\nself.value = n\nreturn True": (
        "its cycle may read n before it is bound"
    ),
    "for n in ():\n    pass\nself.value = n\nreturn True": (
        "its cycle may read n before it is bound"
    ),
    "n: int\nself.value = n\nreturn True": "its cycle may read n before it is bound",
    "self.value = self.source.name\nreturn True": "its cycle uses name of an upstream",
    "self.source.value = 1\nself.value = 1\nreturn True": "its cycle uses value of an upstream",
    "self.value = bool(self.source)\nreturn True": "its cycle passes its upstream source on",
    "self.value = len(self.some)\nreturn True": "its cycle passes its upstream some on",
    "self.value = self.some[-1].value\nreturn True": "its cycle passes its upstream some on",
    "ticked = state.ticked\nself.value = ticked(self.source)\nreturn True": (
        "its cycle uses state.ticked without calling it"
    ),
    "self.value = state.ticked(upstream=self.source)\nreturn True": (
        "its cycle calls state.ticked with something other than an upstream"
    ),
    "self.value = state.valid(self.count)\nreturn True": (
        "its cycle calls state.valid with something other than an upstream"
    ),
    "state.schedule(state.time + 1)\nself.value = state.schedule(state.time + 9) is None\n"
    "return True": "its cycle keeps some of its alarms and not others",
    "for self.value in (1, 2):\n    pass\nreturn True": (
        "its cycle assigns value as the variable of a loop"
    ),
    "self.value = [n for n in (1, 2)]\nreturn True": "its cycle has a list comprehension",
}


@pytest.mark.parametrize("cycle", REFUSED)
def test_a_cycle_without_ir_is_called_with_a_reason(cycle: str) -> None:
    assert outcome(cycle) == REFUSED[cycle]
    made = node_class(cycle, FIELDS)

    def make() -> gc.Stream[Any]:
        first, second = gc.replay([1, 2, 3], [1, 2, 3]), gc.constant(7)
        return gc.Stream(made(first, second, [first, second])).named("tried")

    assert why(make()) == f"called: {REFUSED[cycle]}"
    if "name" not in cycle:
        same(make, until=3)


WITHHELD = {
    "self.value = self.source.value\nreturn self.count > 1": None,
    "self.value = (self.value if self.count else 0) + 1\nself.count = 1\nreturn self.value > 2": (
        "its cycle reads a value that it may have set without ticking"
    ),
    "self.value += 1\nreturn self.count > 1": (
        "its cycle reads a value that it may have set without ticking"
    ),
    "return self.count > 1": "another method than its cycle sets its value",
}


@pytest.mark.parametrize("cycle", WITHHELD)
def test_a_value_that_may_be_withheld_is_not_read_by_its_own_cycle(cycle: str) -> None:
    found = outcome(cycle, withheld=True)
    assert (None if isinstance(found, CycleIR) else found) == WITHHELD[cycle]
    assert isinstance(outcome(cycle), CycleIR)
