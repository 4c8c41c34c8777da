"""Pass 2: which cycles are in the subset, and the reasons why others are not."""

from contextlib import nullcontext
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.frontend.subset import Refused, cycle_of
from tests.engine.fused.both import node_class, same, why, written

FIELDS = "source: gc.Active[Any]\ngiven: Any = None\ncount: int = gc.state(0)"

# Statements of a cycle, with the reason for calling it; both tiers have to agree on each.
REFUSED_CYCLES = {
    "self.value = id(self)": "its cycle passes self on",
    "self.value = id(state) > 0": "its cycle passes state on",
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
    "with self.opened():\n    self.value = 2": "its cycle has a statement of the kind With",
    "match self.source.value:\n    case int(n):\n        self.value = n": (
        "its cycle has a statement of the kind Match"
    ),
    "def inner():\n    return 5\nself.value = inner()": (
        "its cycle has a statement of the kind FunctionDef"
    ),
    "import math\nself.value = math.pi": "its cycle has a statement of the kind Import",
    "global seen\nseen = 1\nself.value = seen": "its cycle has a statement of the kind Global",
    "n = 1\ndel n\nself.value = 2": "its cycle has a statement of the kind Delete",
    "del self.count\nself.value = 1": "its cycle has a statement of the kind Delete",
    "super().cycle\nself.value = 2": "its cycle uses super",
    "self.value = sorted(locals())": "its cycle uses locals",
    "self.value = eval('1')": "its cycle uses eval",
    "self.value = len(dir()) > 0": "its cycle uses dir",
    "self.__hidden = self.value = 1": "it uses __hidden, which Python renames inside a class",
    "__n = 1\nself.value = 1": "its cycle uses __n, which Python renames inside a class",
    "self.value = self.source.value.__n": "it uses __n, which Python renames inside a class",
    "state.mine = 1\nself.value = 1": "its cycle sets an attribute of its state",
    "self.value = state.ticked(self)": "its cycle passes self on",
    "n: [int][0].attribute\nself.other[0]: int\nself.value = 1": (
        "its cycle annotates an expression without assigning to it"
    ),
    "self.value = self.ticked_in": ("it uses ticked_in, which belongs to the engine or to Python"),
    "self.value = len(self.__dict__) > 0": (
        "it uses __dict__, which belongs to the engine or to Python"
    ),
    "self.value = self.__class__.__name__": (
        "it uses __class__, which belongs to the engine or to Python"
    ),
    "self.value = self.helper()": "it uses its method helper",
    "self.value = self.doubled": "doubled is a property or another descriptor of its class",
}
MORE = (
    "def helper(self):\n    return 3\n\n"
    "def opened(self):\n    return nullcontext()\n\n"
    "@property\ndef doubled(self):\n    return 2 * self.source.value\n"
)


@pytest.mark.parametrize("cycle", REFUSED_CYCLES)
def test_a_cycle_outside_the_subset_is_called_and_says_why(cycle: str) -> None:
    made = node_class(f"{cycle}\nreturn True", FIELDS, MORE, nullcontext=nullcontext)

    def make() -> gc.Stream[Any]:
        return gc.Stream(made(gc.replay([1, 2, 3], [1, 2, 3]))).named("tried")

    with pytest.raises(Refused) as caught:
        cycle_of(made)
    assert str(caught.value) == REFUSED_CYCLES[cycle]
    assert why(make()) == f"called: {REFUSED_CYCLES[cycle]}"
    if "id(" not in cycle:
        same(make, until=3)


# Code that Python warns about when it compiles the user's file; it must not warn again.
DOUBTFUL = [
    "self.value = self.source.value is 1",
    "self.value = (1, 2) is not self.source.value",
    "self.value = (1, 2)[self.source.value - 1:]",
    "self.value = 'abc'[self.source.value - 1]",
    "self.value = 1\nassert (self.value, 'no')",
]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("cycle", DOUBTFUL)
def test_code_that_python_warns_about_is_called(cycle: str) -> None:
    made = node_class(f"{cycle}\nreturn True")

    def make() -> gc.Stream[Any]:
        return gc.Stream(made(gc.replay([1, 2, 3], [1, 2, 3])))

    assert why(make()) == "called: its cycle has code that Python warns about"
    assert len(same(make)) == 3


# The compiler's own limits end in a call.
DEEP = {
    "nested too deeply": "self.value = " + "(1 + " * 130 + "1" + ")" * 130,
    "too many nested loops": "".join("    " * n + f"for n{n} in (1,):\n" for n in range(17))
    + "    " * 17
    + "self.value = n16",
}


@pytest.mark.parametrize("limit", DEEP)
def test_a_limit_of_the_compiler_ends_in_a_call(limit: str) -> None:
    made = node_class(f"{DEEP[limit]}\nreturn True")

    def make() -> gc.Stream[Any]:
        return gc.Stream(made(gc.replay([1, 2], [1, 2])))

    assert limit in why(make())
    assert len(same(make)) == 2


REFUSED_CLASSES = {
    "def __getattr__(self, name):\n    raise AttributeError(name)": "its class defines __getattr__",
    "def __setattr__(self, name, value):\n    object.__setattr__(self, name, value)": (
        "its class defines __setattr__"
    ),
    "def __delattr__(self, name):\n    object.__delattr__(self, name)": (
        "its class defines __delattr__"
    ),
    "def __getattribute__(self, name):\n    return object.__getattribute__(self, name)": (
        "its class defines __getattribute__"
    ),
    "cycle = staticmethod(lambda state: False)": "its cycle is not a plain function",
    "cycle = eval('lambda self, state: False')": "the source of its cycle is not available",
    "def cycle(self, state, more=1):\n    return False": (
        "its cycle takes other arguments than self and state"
    ),
    "@same\ndef cycle(self, state):\n    return False": "its cycle is decorated",
    "value = property(lambda self: 1, lambda self, given: None)": "its class defines value",
}


@pytest.mark.parametrize("more", REFUSED_CLASSES)
def test_a_class_with_its_own_attribute_access_is_called(more: str) -> None:
    made = node_class(
        "self.count += 1\nself.value = self.source.value\nreturn True",
        FIELDS,
        more,
        same=lambda function: function,
    )
    with pytest.raises(Refused) as caught:
        cycle_of(made)
    assert str(caught.value) == REFUSED_CLASSES[more]
    assert why(gc.Stream(made(gc.constant(1)))) == f"called: {REFUSED_CLASSES[more]}"


def test_what_the_subset_pass_finds_in_a_cycle() -> None:
    made = node_class(
        "n = self.given(self.source.value, 1)\nself.count = n\nself.given(*self.other)\n"
        "for m in (1, 2):\n    pass\nself.value = limit\nreturn True",
        FIELDS,
    )
    found = cycle_of(made)
    assert (found.me, found.state) == ("self", "state")
    assert found.attributes == ("given", "source", "count", "other")
    assert found.written == {"count", "value"}
    assert found.called == {"given": 1}
    assert found.local == {"n", "m"}
    assert found.free == frozenset()


def test_a_variable_around_the_cycle_is_free() -> None:
    text = (
        "def around(by):\n    class Tried(gc.MutableNode[Any]):\n"
        "        def cycle(self, state):\n            self.value = by\n"
        "            return True\n    return Tried\n"
    )
    found = cycle_of(written(text)["around"](5))
    assert found.free == {"by"}


def test_a_class_is_read_once_and_again_when_it_has_another_cycle() -> None:
    made = node_class("self.value = 1\nreturn True")
    found = cycle_of(made)
    assert cycle_of(made) is found
    made.cycle = node_class("self.value = 2\nreturn True").cycle
    assert cycle_of(made) is not found


def test_the_parameters_of_a_cycle_may_have_any_names() -> None:
    made = written(
        "@gc.node\nclass Tried(gc.MutableNode[Any]):\n    source: gc.Active[Any]\n\n"
        "    def cycle(ζ, self):\n        'It has a docstring.'\n"
        "        ζ.value = (ζ.source.value, self.time, 'ζ')\n        return True\n"
    )["Tried"]

    def make() -> gc.Stream[Any]:
        return gc.Stream(made(gc.replay([1, 2], "ab")))

    assert why(make()) == "fused"
    assert same(make) == [(1, ("a", 1, "ζ")), (2, ("b", 2, "ζ"))]


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
    "self.late = self.value = self.source.value",
    "self.value = f'{self.source.value:>{self.kept}}|{self.given!r}'",
    "self.value = ([*(1, 2), {**{1: 2}}, {3}], str(self.source.value)[-1:])",
    "while self.count < 5:\n    self.count += 1\n    if self.count == 3:\n        continue\n"
    "self.value = self.count",
    "self.value = 'ζ'",
]


@pytest.mark.parametrize("cycle", FUSED_CYCLES)
def test_plain_code_is_fused(cycle: str) -> None:
    made = node_class(f"{cycle}\nreturn True", FIELDS, "kept = 5")

    def make() -> gc.Stream[Any]:
        return gc.Stream(made(gc.replay([1, 2, 3], [1, 2, 3])))

    assert why(make()) == "fused"
    assert len(same(make)) == 3
