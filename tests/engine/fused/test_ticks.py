"""A `cycle` rewritten without `return` does the same, and its ticks are where its form says."""

import ast
from collections.abc import Callable
from itertools import product
from textwrap import indent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.engine.fused.frontend.ticks import (
    TickStatement,
    WakeStatement,
    arrange,
    negated,
    returns_in,
    wakes_at_most,
)
from graphcore.engine.fused.ir import TickForm
from tests.engine.fused.both import node_class, same

NAMES = "abc"
Outcome = tuple[list[int], bool]


class _AsCode(ast.NodeTransformer):
    """Makes the ticks statements that a test can run."""

    def generic_visit(self, node: ast.AST) -> Any:
        if isinstance(node, TickStatement):
            return ast.parse("ticks.append(1)").body[0]
        return super().generic_visit(node)


def body_of(text: str) -> list[ast.stmt]:
    function = ast.parse(f"def cycle():\n{indent(text, '    ')}").body[0]
    assert isinstance(function, ast.FunctionDef)
    return function.body


def original(text: str) -> Callable[..., Outcome]:
    made: dict[str, Any] = {}
    exec(f"def cycle(log, a, b, c):\n{indent(text, '    ')}", made)

    def run(*given: bool) -> Outcome:
        log: list[int] = []
        return log, bool(made["cycle"](log, *given))

    return run


def arranged(text: str) -> Callable[..., Outcome]:
    statements, _ = arrange(body_of(text))
    assert not any(isinstance(n, ast.Return) for each in statements for n in ast.walk(each))
    module = ast.Module([_AsCode().visit(each) for each in statements], [])
    code = compile(ast.unparse(ast.fix_missing_locations(module)), "<arranged>", "exec")

    def run(*given: bool) -> Outcome:
        log: list[int] = []
        ticks: list[int] = []
        exec(code, {"log": log, "ticks": ticks, **dict(zip(NAMES, given, strict=True))})
        assert len(ticks) <= 1
        return log, bool(ticks)

    return run


def assert_same(text: str) -> None:
    one, other = original(text), arranged(text)
    for given_ in product((False, True), repeat=3):
        assert other(*given_) == one(*given_), text


def form_of(text: str) -> TickForm:
    return arrange(body_of(text))[1]


FORMS = {
    TickForm.ALWAYS: [
        "log.append(1)\nreturn True",
        "return 1",
        "if a:\n    log.append(1)\nreturn True",
        "return True\nlog.append(1)",
    ],
    TickForm.TAIL: [
        "if a:\n    return False\nlog.append(1)\nreturn True",
        "if a:\n    log.append(1)\n    return True\nreturn False",
        "if a:\n    log.append(1)\n    return True\nlog.append(2)",
        "if a:\n    return False\nif b:\n    return False\nreturn True",
        "return a",
        "log.append(1)\nreturn a and b",
        "if a:\n    return True",
    ],
    TickForm.FLAG: [
        "if a:\n    return True\nlog.append(1)\nreturn True",
        "if a:\n    log.append(1)\n    return b\nreturn c",
        "if a:\n    if b:\n        return False\n    log.append(1)\nreturn True",
    ],
    TickForm.NEVER: [
        "log.append(1)",
        "return False",
        "return",
        "return None",
        "if a:\n    return 0",
    ],
}


@pytest.mark.parametrize(("form", "text"), [(f, t) for f, texts in FORMS.items() for t in texts])
def test_ticks_are_marked_and_nothing_else_changes(form: TickForm, text: str) -> None:
    assert form_of(text) is form
    assert_same(text)


def test_a_branch_that_returns_on_some_paths_becomes_a_loop_run_once() -> None:
    text = "if a:\n    if b:\n        return False\n    log.append(1)\nlog.append(2)\nreturn True"
    (loop,), _ = arrange(body_of(text))
    assert isinstance(loop, ast.While)
    assert isinstance(loop.body[-1], ast.Break)
    assert_same(text)


def test_many_returns_in_a_row_do_not_nest_without_limit() -> None:
    text = "\n".join(f"if a == {n}:\n    return {n % 2}" for n in range(30)) + "\nreturn True"
    (loop,), form = arrange(body_of(text))
    assert isinstance(loop, ast.While)
    assert form is TickForm.FLAG
    assert_same(text)


def test_a_raise_ends_a_path_like_a_return() -> None:
    statements, form = arrange(body_of("if a:\n    raise ValueError\nreturn True"))
    assert form is TickForm.ALWAYS
    assert not any(isinstance(each, ast.While) for each in statements)
    assert (
        form_of("if a:\n    if b:\n        raise E\n    return False\nreturn True") is TickForm.TAIL
    )
    assert form_of("raise ValueError") is TickForm.NEVER


lines = st.integers(0, 9).map(lambda n: f"log.append({n})")
returns = st.sampled_from(
    ["return True", "return False", "return", "return a", "return b and not c", "return 0"]
)
tests = st.sampled_from(["a", "b", "c", "not a", "a and b", "a is b", "b in (c,)"])


def branches(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    bodies = st.lists(inner, min_size=1, max_size=3).map("\n".join).map(lambda t: indent(t, "    "))
    return st.one_of(
        st.builds("if {}:\n{}".format, tests, bodies),
        st.builds("if {}:\n{}\nelse:\n{}".format, tests, bodies, bodies),
        st.builds("if {}:\n{}\nelif {}:\n{}".format, tests, bodies, tests, bodies),
    )


@given(st.lists(st.recursive(lines | returns, branches, max_leaves=12), min_size=1, max_size=6))
def test_any_body_does_the_same_after_its_returns_are_removed(statements: list[str]) -> None:
    assert_same("\n".join(statements))


@pytest.mark.parametrize(
    ("test", "text"),
    [
        ("not a", "a"),
        ("a", "not a"),
        ("a is b", "a is not b"),
        ("a not in b", "a in b"),
        ("a < b", "not a < b"),
        ("a == b", "not a == b"),
        ("a is b is c", "not a is b is c"),
    ],
)
def test_a_comparison_is_inverted_only_if_its_opposite_is_certain(test: str, text: str) -> None:
    tree = ast.parse(test, mode="eval").body
    assert ast.unparse(negated(tree)) == text


def test_how_many_alarms_one_pass_sets() -> None:
    wake = WakeStatement(ast.Constant(1))
    test = ast.Name("a")
    assert wakes_at_most([wake, wake]) == 2
    assert wakes_at_most([ast.If(test, [wake], [wake, wake])]) == 2
    assert wakes_at_most([ast.While(test, [wake], [])]) == float("inf")
    assert wakes_at_most([ast.While(test, [ast.Pass()], [])]) == 0
    assert wakes_at_most([ast.While(ast.Constant(True), [wake, ast.Break()], [])]) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("return", True),
        ("for n in a:\n    if b:\n        return True", True),
        ("log.append(1)", False),
        ("while a:\n    break", False),
    ],
)
def test_whether_statements_hold_a_return(text: str, expected: bool) -> None:
    assert returns_in(body_of(text)) is expected


@pytest.mark.parametrize("loop", ["for _ in range(2):\n    pass", "while False:\n    pass"])
def test_an_alarm_that_is_set_in_the_else_of_a_loop_counts(loop: str) -> None:
    made = node_class(
        "self.value = state.time\n"
        f"{loop}\n"
        "else:\n    if state.ticked(self.source):\n        state.schedule(state.time + 1)\n"
        "return True"
    )
    assert len(same(lambda: gc.Stream(made(gc.replay([1, 5], "ab"))))) == 4
