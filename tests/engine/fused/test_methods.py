"""Pass 2: the methods that one of graphcore's own classes calls are inlined; and dead branches."""

import ast
from math import sqrt
from textwrap import indent
from types import FunctionType
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.frontend.methods import NotInlined, with_methods
from graphcore.engine.fused.frontend.source import file_of
from graphcore.engine.fused.frontend.unroll import pruned
from graphcore.engine.fused.ir import Is, Kind

ONE = 1


class Calling:
    """Methods to inline; nobody calls them."""

    total: float
    limit: float

    def plain(self, state: Any) -> bool:
        value = 2.0
        self.add(value)
        self.add(self.limit)
        return True

    def add(self, value: float) -> None:
        """Add a value."""
        twice = value + value
        self.total += twice

    def returning(self, state: Any) -> bool:
        root = self.root(self.total)
        if root > ONE:
            self.total = self.chosen()
        return True

    def root(self, value: float) -> float:
        if value < 0.0:
            return 0.0
        if value == ONE:
            value = 2.0
        else:
            return sqrt(value)
        return value

    def chosen(self) -> float:
        return self.root(4.0)

    def looping(self, state: Any) -> bool:
        self.found()
        return True

    def found(self) -> bool:
        while self.total:
            return True
        return False

    def endless(self, state: Any) -> bool:
        self.again()
        return True

    def again(self) -> None:
        self.again()

    def wrong(self, state: Any) -> bool:
        self.add()  # type: ignore[call-arg]  # what is tried
        return True


METHODS = {name: each for name, each in vars(Calling).items() if isinstance(each, FunctionType)}


def inlined(name: str) -> tuple[str, list[str]]:
    function = METHODS[name]
    file = file_of(function)
    assert file is not None
    tree = file.find(function.__code__)
    assert isinstance(tree, ast.FunctionDef)
    made = with_methods(tree.body, "self", function, METHODS)
    return "\n".join(map(ast.unparse, made.body)), list(made.methods)


def test_a_methods_statements_stand_in_place_of_its_call() -> None:
    text, methods = inlined("plain")
    assert text.splitlines() == [
        "value = 2.0",
        "add_twice = value + value",
        "self.total += add_twice",
        "add_value = self.limit",
        "add_twice = add_value + add_value",
        "self.total += add_twice",
        "return True",
    ]
    assert methods == ["add"]


def test_each_return_of_a_method_becomes_an_assignment() -> None:
    text, methods = inlined("returning")
    scope: dict[str, Any] = {"sqrt": sqrt, "ONE": ONE}
    exec(f"def run(self):\n{indent(text, '    ')}", scope)
    for total in (-1.0, 1.0, 9.0, 0.25):
        calling, other = Calling(), Calling()
        calling.total = other.total = total
        scope["run"](calling)
        other.returning(None)
        assert calling.total == other.total
    assert methods == ["root", "chosen"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("looping", "its method found returns inside a loop"),
        ("endless", "its method again calls methods too deeply"),
        ("wrong", "its cycle calls its method add with other arguments than it takes"),
    ],
)
def test_what_cannot_be_inlined_says_why(name: str, reason: str) -> None:
    with pytest.raises(NotInlined, match=reason):
        inlined(name)


def test_a_users_class_is_called() -> None:
    @gc.node
    class Mine(gc.MutableNode[float]):
        source: gc.Active[float]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            self.note()
            return True

        def note(self) -> None:
            pass

    text = gc.Graph(gc.Stream(Mine(gc.constant(1.0).named("one"))).named("mine")).explain()
    assert "mine  called: it uses its method note" in text


def test_a_replaced_method_is_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from graphcore.operators.statistics.moments import Mean

    out = gc.from_iterable([1.0, 2.0, 4.0]).rolling(2).mean().collect()
    graph = gc.Graph(out)
    graph.run()
    assert out.values == [1.5, 3.0]
    monkeypatch.setattr(Mean, "figure", lambda self: -self.high)
    graph.run()
    assert out.values == [-3.0, -6.0]


KINDS = {
    "yes": Kind(Is.FOLDED, True),
    "no": Kind(Is.FOLDED, False),
    "none": Kind(Is.INPUTS, range(0)),
    "some": Kind(Is.READ),
}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("if self.no: a()\nelse: b()", "b()"),
        ("if not self.no: a()", "a()"),
        ("if self.none: a()", ""),
        ("if self.no and self.some: a()", ""),
        ("if self.yes and self.some: a()", "if self.some:\n    a()"),
        ("if self.yes or self.some: a()", "a()"),
        ("if self.yes: return True\na()", "return True"),
        ("while self.some:\n if self.no: a()", "while self.some:\n    pass"),
        ("if self.some: a()", "if self.some:\n    a()"),
    ],
)
def test_branches_that_never_run_are_dropped(text: str, left: str) -> None:
    made = pruned(ast.parse(text).body, "self", KINDS)
    assert "\n".join(map(ast.unparse, map(ast.fix_missing_locations, made))) == left
