"""R5: for which classes the code proves that they tick with every value that they set."""

import functools
import random
from collections.abc import Callable
from contextlib import nullcontext, suppress
from textwrap import indent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.engine.withheld import sets_only_what_it_ticks_with

STATE: Any = None


def class_of(cycle: str, methods: str = "", **scope: Any) -> Any:
    """Return a node class with this body of `cycle`, and these methods beside it."""
    text = "class Tried(gc.MutableNode):\n    def cycle(self, state):\n" + indent(cycle, " " * 8)
    exec(f"{text}\n{indent(methods, ' ' * 4)}", scope | {"gc": gc, "functools": functools}, scope)
    return scope["Tried"]


@pytest.mark.parametrize(
    "body",
    [
        "self.value = 1\nreturn True",
        "self.other = self.value = 1\nreturn True",
        "self.value += 1\nreturn True",
        "del self.value\nreturn True",
        "if state.due:\n    return False\nself.value = 1\nreturn True",
        "if state.due:\n    return self.ready\nself.value = 1\nreturn True",
        "if state.due:\n    self.value = 1\n    return True\nreturn state.ticked(self.source)",
        "self.value = [each + self.value for each in self.source.value]\nreturn True",
        "self.function = lambda: self.value\nreturn False",
        "self.value = 1\nif state.due:\n    raise ValueError\nreturn True",
        (
            "for each in self.source.value:\n    if each:\n"
            "        self.value = 1\n        return True\nreturn False"
        ),
        "while True:\n    self.value = 1\n    if self.value:\n        return True",
        (
            "try:\n    x = 1 / self.source.value\nexcept ValueError:\n"
            "    return False\nself.value = x\nreturn True"
        ),
        "try:\n    self.value = 1\nfinally:\n    self.other = 1\nreturn True",
        "self.values.append(1)\nself.by_name['value'] = 1\nreturn state.due",
        "helper(self)\nreturn True",
        "return self.source.value == 1",
    ],
)
def test_a_cycle_that_returns_true_wherever_it_may_have_set_value_shows_it(body: str) -> None:
    assert sets_only_what_it_ticks_with(class_of(body))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("self.value = 1 / self.source.value\nreturn True", True),
        ("self.other = self.value = self.source.value\nself.seen = 5\nreturn True", True),
        ("x = self.value = self.source.value\nself.other = x\nreturn True", True),
        ("self.value = 1\nself.other = 1 / self.source.value\nreturn True", False),
        ("self.value = 1\nself.help(1)\nreturn True", False),
        ("self.value = 1\nif self.other:\n    raise ValueError\nreturn True", False),
        ("self.value += self.source.value\nassert self.other\nreturn True", False),
    ],
)
def test_in_a_resumable_sub_graph_nothing_may_raise_once_value_is_set(
    body: str, expected: bool
) -> None:
    assert sets_only_what_it_ticks_with(class_of(body))
    assert sets_only_what_it_ticks_with(class_of(body), resumable=True) is expected


@pytest.mark.parametrize(
    "body",
    [
        "self.value = 1\nreturn False",
        "self.value = 1\nreturn self.value == 1",
        "self.value = 1\nreturn True if state.due else False",
        "self.value = 1\nreturn 1",
        "ticked = True\nself.value = 1\nreturn ticked",
        "del self.value\nreturn False",
        "self.value += 1\nreturn state.due",
        "self.value, self.other = self.source.value\nreturn False",
        "with self.lock:\n    self.value = 1\n    return True",
        "for self.value in self.source.value:\n    pass\nreturn False",
        "with self.lock as self.value:\n    return False",
        "if state.due:\n    self.value = 1\nreturn state.due",
        (
            "for each in self.source.value:\n    if each:\n"
            "        return False\n    self.value = 1\nreturn True"
        ),
        "try:\n    self.value = f()\nexcept ValueError:\n    return False\nreturn True",
        (
            "try:\n    self.value = 1\n    f()\nexcept ValueError:\n"
            "    pass\nelse:\n    return True\nreturn False"
        ),
        "try:\n    self.value = 1\n    return True\nfinally:\n    return False",
        "me = self\nme.value = 1\nreturn False",
        "me = self\nhelper(me)\nreturn False",
        "helper(self)\nreturn False",
        "helper([self])\nreturn False",
        "helper(x, self)\nreturn False",
        "self.put(self, 'value', 1)\nreturn False",
        "self + 1\nreturn False",
        "setattr(self, 'value', 1)\nreturn False",
        "self.__dict__['value'] = 1\nreturn False",
        "self.__setattr__('value', 1)\nreturn False",
        "locals()['self'].x\nreturn False",
        "exec('self.value = 1')\nreturn False",
        "self.reset()\nreturn False",
        "super().cycle(state)\nreturn False",
        "def inner():\n    self.value = 1\ninner()\nreturn False",
        "(lambda: helper(self))()\nreturn False",
        "[helper(self) for each in self.source.value]\nreturn False",
        "def inner(me=self):\n    pass\nreturn False",
        "self.held = lambda: (lambda: helper(self))\nreturn False",
    ],
)
def test_a_cycle_that_may_set_value_without_ticking_is_not_proved(body: str) -> None:
    assert not sets_only_what_it_ticks_with(class_of(body))


TICKS = "self.value = 1\nreturn True"


@pytest.mark.parametrize(
    "methods",
    [
        "def start(self, state):\n    self.other = self.value",
        "def start(self, state):\n    super().start(state)",
        "def stop(self, state):\n    close(self)",
        "@property\ndef doubled(self):\n    return self.value * 2",
        "@staticmethod\ndef check(value):\n    return helper(value)",
        "f = len\nput = setattr\nmake = [].append\nget = lambda self: self.x",
        "limit = 5\nnames = ('a', 'b')\nkinds = {'f': len}\nclass Inner:\n    pass",
    ],
)
def test_other_methods_that_do_not_assign_value_are_accepted(methods: str) -> None:
    assert sets_only_what_it_ticks_with(class_of(TICKS, methods))


@pytest.mark.parametrize(
    "methods",
    [
        "def start(self, state):\n    self.value = 1",
        "def reset(self):\n    self.value = 1",
        "def put(self, value):\n    self.value = value",
        "def clear(self):\n    del self.value",
        "def put(self, value):\n    def inner():\n        self.value = value\n    inner()",
        "def put(self, value):\n    setattr(self, 'value', value)",
        (
            "@property\ndef last(self):\n    return 1\n"
            "@last.setter\ndef last(self, to):\n    self.value = to"
        ),
        "@classmethod\ndef put(cls, node):\n    node.value = 1",
        "@functools.lru_cache\ndef put(self):\n    self.value = 1",
        "put = functools.partialmethod(setattr, 'value')",
        "@decorated\ndef put(self):\n    self.value = 1",
        "def __getattr__(self, name):\n    return find(self, name)",
        "def __setattr__(self, name, value):\n    object.__setattr__(self, name, value)",
    ],
)
def test_a_class_with_another_method_that_may_assign_value_is_not_proved(methods: str) -> None:
    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: Any) -> Any:
            return function(*given)

        return called

    assert not sets_only_what_it_ticks_with(class_of(TICKS, methods, decorated=decorated))


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ("def help(self, x):\n    return self.limit < x", True),
        ("def help(self, x):\n    return put(self, x)", False),
        ("def help(self, x):\n    return self.more(x)\ndef more(self, x):\n    put(self)", False),
        ("@property\ndef help(self):\n    return put(self)", False),
        ("@staticmethod\ndef help(x):\n    return put(x)", True),
    ],
)
def test_a_class_whose_cycle_calls_a_method_that_passes_the_node_on_is_not_proved(
    methods: str, expected: bool
) -> None:
    assert sets_only_what_it_ticks_with(class_of("self.help(1)\nreturn False", methods)) is expected


def test_the_bases_of_a_class_are_checked_as_well() -> None:
    class Puts:
        def put(self, value: int) -> None:
            self.value = value

    class Ticks(gc.MutableNode[int]):
        def cycle(self, state: gc.GraphState) -> bool:
            self.value = 1
            return True

    class Both(Puts, Ticks):
        pass

    class Overrides(Ticks):
        def cycle(self, state: gc.GraphState) -> bool:
            self.value = 2
            return True

    class CallsWhatItOverrides(Overrides):
        def put(self) -> None:
            super().cycle(STATE)

    found = [
        sets_only_what_it_ticks_with(cls) for cls in (Ticks, Both, Overrides, CallsWhatItOverrides)
    ]
    assert found == [True, False, True, False]


def test_a_cycle_may_use_variables_of_the_function_around_its_class() -> None:
    def value() -> int:
        return 1

    class Tried(gc.MutableNode[int]):
        def cycle(self, state: gc.GraphState) -> bool:
            if state.due:
                return False
            self.value = value()
            return True

    assert sets_only_what_it_ticks_with(Tried)


def test_a_decorated_cycle_is_not_proved() -> None:
    def decorated(function: Any) -> Any:
        @functools.wraps(function)
        def called(self: Any, state: Any) -> Any:
            return function(self, state)

        return called

    class Tried(gc.MutableNode[int]):
        @decorated
        def cycle(self, state: gc.GraphState) -> bool:
            self.value = 1
            return False

    assert not sets_only_what_it_ticks_with(Tried)


# Bodies of `cycle` at random; `pick()` decides which way they go, and `helper` may set the value.

_SIMPLE = [
    "self.value = 1",
    "del self.value",
    "self.other = 1",
    "return True",
    "return True",
    "return False",
    "return pick()",
    "raise ValueError",
    "raise KeyError",
    "break",
    "continue",
    "helper(self)",
    "self.method()",
    "ticked = pick()",
]


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lines = st.lists(inner, min_size=1, max_size=3).map("\n".join)
    body = lines.map(lambda text: indent(text, "    "))
    return st.one_of(
        st.builds("if pick():\n{}".format, body),
        st.builds("if pick():\n{}\nelse:\n{}".format, body, body),
        st.builds("while pick():\n{}".format, body),
        st.builds("for each in (1, 2):\n{}\nelse:\n{}".format, body, body),
        st.builds("with nothing():\n{}".format, body),
        st.builds("with suppress(ValueError):\n{}".format, body),
        st.builds("try:\n{}\nexcept ValueError:\n{}".format, body, body),
        st.builds("try:\n{}\nexcept ValueError:\n{}\nelse:\n{}".format, body, body, body),
        st.builds("try:\n{}\nfinally:\n{}".format, body, body),
    )


_BODIES = st.lists(
    st.recursive(st.sampled_from(_SIMPLE), _blocks, max_leaves=8), min_size=1, max_size=4
).map("\n".join)


@given(_BODIES, st.integers(0, 1000))
def test_a_class_that_shows_it_never_sets_a_value_without_ticking(body: str, seed: int) -> None:
    choose = random.Random(seed)

    def pick() -> bool:
        return choose.random() < 0.5

    def helper(node: Any) -> None:
        if pick():
            node.value = 1

    scope = {"pick": pick, "helper": helper, "nothing": nullcontext, "suppress": suppress}
    method = "def method(self):\n    return helper(self)"
    try:
        cls = class_of(body + "\nreturn False", method, **scope)
    except SyntaxError:  # a break outside a loop
        return
    if not sets_only_what_it_ticks_with(cls):
        return
    for _ in range(20):
        node = cls()
        with suppress(ValueError, KeyError, AttributeError):
            assert node.cycle(STATE) is True or "value" not in vars(node)
