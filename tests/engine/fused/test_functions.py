"""Pass 5: which functions are inlined, and that this is not noticeable."""

import ast
import operator
from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.frontend.functions import (
    Expression,
    cell_of,
    expression_of,
    is_bound,
    operator_of,
)
from tests.engine.fused.both import node_class, same, written

LIMIT = 5


def expression(function: Any) -> str | None:
    found = expression_of(function)
    return None if found is None else ast.unparse(found.body)


def plain(x: Any) -> Any:
    """It has a docstring."""
    return x + 1


def with_default(x: Any, by: int = 2) -> Any:
    return x * by


def with_keyword(x: Any, *, by: int = 2) -> Any:
    return x * by


def with_any(*x: Any) -> Any:
    return x


def of_two_lines(x: Any) -> Any:
    y = x + 1
    return y


def returns_nothing(x: Any) -> Any:
    return


def generates(x: Any) -> Any:
    yield x


async def waits(x: Any) -> Any:
    return x


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (plain, "x + 1"),
        (lambda x: x["a"].b(x), "x['a'].b(x)"),
        (lambda a, /, b: a if b else -a, "a if b else -a"),
        (lambda: 5, "5"),
        (lambda x: f"{x}", "f'{x}'"),
        (lambda x: x + LIMIT, "x + LIMIT"),
    ],
)
def test_an_expression_of_arguments_and_constants_is_inlined(function: Any, text: str) -> None:
    assert expression(function) == text


@pytest.mark.parametrize(
    "function",
    [
        with_default,
        with_keyword,
        with_any,
        of_two_lines,
        returns_nothing,
        generates,
        waits,
        lambda x: abs(x),
        lambda x: x.upper() + LIMIT,
        lambda x: x is LIMIT,
        lambda x: x == __spec__,
        lambda x: [y for y in x],
        lambda x: {y for y in x},
        lambda x: {y: y for y in x},
        lambda x: sum(y for y in x),
        lambda x: (y := x) + y,
        lambda x: lambda: x,
        lambda x: (yield x),
        lambda x: x.__hidden,
        lambda **x: x,
        abs,
        str.upper,
        "text".upper,
        int,
        None,
        eval("lambda x: x"),
    ],
)
def test_a_function_that_does_more_is_called(function: Any) -> None:
    assert expression_of(function) is None


def test_an_object_that_is_called_like_a_function_is_called() -> None:
    class Doubles:
        def __call__(self, x: int) -> int:
            return 2 * x

    assert expression_of(Doubles()) is None
    assert expression_of(Doubles().__call__) is None


def test_a_variable_around_it_that_is_bound_once_is_fixed() -> None:
    def times(k: int) -> Callable[[int], int]:
        return lambda x: x * k

    function = times(3)
    found = expression_of(function)
    assert isinstance(found, Expression)
    assert found.fixed == {"k"}
    assert cell_of(function, "k").cell_contents == 3


def test_a_variable_around_it_that_is_bound_again_is_looked_up_each_time() -> None:
    k = 1
    function = lambda x: x * k  # noqa: E731  # what is tried
    k = 2
    found = expression_of(function)
    assert isinstance(found, Expression)
    assert found.fixed == frozenset()


def test_a_variable_that_is_not_bound_yet_has_the_function_called() -> None:
    function = lambda x: x * k  # noqa: E731  # what is tried
    assert not is_bound(cell_of(function, "k"))
    assert expression_of(function) is None
    k = 1
    assert function(2) == 2


def test_a_function_whose_variable_may_be_deleted_is_called() -> None:
    around = written("def around(k):\n    f = lambda x: k\n    del k\n    return f\n")["around"]
    assert expression_of(around(1)) is None
    around = written("def around(k):\n    return lambda x: k\n")["around"]
    assert expression_of(around(1)) is not None


def test_functions_of_one_text_share_an_expression_and_not_their_variables() -> None:
    def times(k: int) -> Callable[[int], int]:
        return lambda x: x * k

    two, three = times(2), times(3)
    assert expression_of(two) is expression_of(three)
    assert same(lambda: gc.from_iterable([1, 2]).map(two).map(three)) == [(0, 6), (0, 12)]


def test_a_variable_changed_during_the_run_is_seen_at_once() -> None:
    def make() -> gc.Stream[Any]:
        k = 0

        def count(x: int) -> int:
            nonlocal k
            k += x
            return k

        return gc.from_iterable([1, 2, 3]).map(count).map(lambda x: (x, k))

    assert same(make) == [(0, (1, 1)), (0, (3, 3)), (0, (6, 6))]


def test_a_global_variable_changed_during_the_run_is_seen_at_once() -> None:
    text = """
LIMIT = 1

def change(x):
    global LIMIT
    LIMIT = x
    return x

read = lambda x: x + LIMIT
"""
    assert expression_of(written(text)["read"]) is not None

    def make() -> gc.Stream[Any]:
        names = written(text)
        return gc.from_iterable([1, 2, 3]).map(names["change"]).map(names["read"])

    assert same(make) == [(0, 2), (0, 4), (0, 6)]


def test_a_function_whose_global_variable_may_be_missing_is_called() -> None:
    deleted = written("LIMIT = 1\nread = lambda x: x + LIMIT\ndef end():\n    del LIMIT")
    assert expression_of(deleted["read"]) is None
    assert expression_of(written("read = lambda x: x == max")["read"]) is None


def test_a_stream_in_a_global_variable_is_read_as_it_is_now() -> None:
    text = """
numbers = gc.from_iterable([1, 2, 3])
doubled = numbers.map(lambda x: 2 * x)
def make():
    return gc.merge_all(numbers, doubled).map(lambda pair: (pair[0], doubled.value))
"""
    assert same(lambda: written(text)["make"]()) == [(0, (1, 2)), (0, (2, 4)), (0, (3, 6))]


def test_how_often_a_parameter_stands_in_an_expression() -> None:
    found = expression_of(lambda x, y: x * x + 1)
    assert found is not None
    assert (found.uses("x"), found.uses("y")) == (2, 0)


BINARY = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv),
    *(operator.mod, operator.pow, operator.and_, operator.or_, operator.xor),
    *(operator.lshift, operator.rshift, operator.lt, operator.le, operator.gt, operator.ge),
    *(operator.eq, operator.ne, operator.is_, operator.is_not),
]
UNARY = [operator.not_, operator.neg, operator.pos, operator.invert]


def value_of(build: Any, *given: Any) -> Any:
    tree = ast.Expression(build([ast.Constant(each) for each in given]))
    return eval(ast.unparse(ast.fix_missing_locations(tree)))


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("function", BINARY)
def test_a_function_of_an_operator_with_two_sides(function: Any) -> None:
    build = operator_of(function, 2)
    for pair in ((7, 2), (2, 7), (3, 3)):
        assert value_of(build, *pair) == function(*pair)
    assert operator_of(function, 1) is None


@pytest.mark.parametrize("function", UNARY)
def test_a_function_of_an_operator_with_one_side(function: Any) -> None:
    build = operator_of(function, 1)
    for given in (0, 5):
        assert value_of(build, given) == function(given)
    assert operator_of(function, 2) is None


def test_getitem_and_matmul_have_an_operator_too() -> None:
    assert value_of(operator_of(operator.getitem, 2), (4, 5), 1) == 5
    build = operator_of(operator.matmul, 2)
    assert build is not None
    assert ast.unparse(build([ast.Name("a"), ast.Name("b")])) == "a @ b"


@pytest.mark.parametrize("function", [operator.contains, max, lambda a, b: a + b, plain, [].append])
def test_other_functions_have_no_operator(function: Any) -> None:
    assert operator_of(function, 2) is None


@pytest.mark.parametrize(
    "text",
    [
        "lambda x: k.bit_length() + x",
        "lambda x: (x - k ** 2, -k ** 2, x ** k, not k)",
        "lambda x: x if x > k else k",
        "lambda x: (x, x) [0]",
        "lambda x: -x ** 2",
        "lambda x: x / (k - k)",
        "lambda x: k[x]",
        "lambda x: k",
        "lambda x: [x, k][1]",
        "lambda x: x < k <= 9",
        "lambda x: f'{k}{x!r:>5}|{k!s}'",
        "lambda x: {x: k}.get(x)",
        "lambda x: x is not k",
    ],
)
@pytest.mark.parametrize("k", [5, -5, 2.5, -0.0, float("nan"), float("inf"), "text", None])
def test_a_function_gives_the_same_with_any_captured_number(text: str, k: Any) -> None:
    make = written(f"def around(k):\n    return {text}\n")["around"]
    same(lambda: gc.from_iterable([1, 2, 3]).map(make(k)).named("tried"))


def test_identity_is_that_of_the_object_itself() -> None:
    big = int("1000")
    text = "".join(["a", " b"])

    def around(k: Any) -> Any:
        return lambda x: (x is k, k is x, x is not k)

    for k in (big, text):
        found = same(lambda k=k: gc.from_iterable([k, 1]).map(around(k)))
        assert found == [(0, (True, True, False)), (0, (False, False, True))]


def test_an_argument_is_read_though_the_function_ignores_it() -> None:
    made = node_class(
        "if self.ignore(self.late.value):\n    self.value = self.source.value\nreturn True",
        "source: gc.Active[Any]\nlate: gc.Passive[Any]\nignore: Any",
    )
    any_ = gc.node(valid="any")(made)

    def make() -> gc.Stream[Any]:
        late = gc.replay([2], "x").named("late")
        return gc.Stream(any_(gc.replay([1, 3], "ab"), late, lambda x: True))

    error, text, _ = same(make)
    assert (error, "late" in text) == (gc.NoValueError, True)


@pytest.mark.parametrize(
    "test",
    [
        "state.valid(self.late) and self.ignore(self.late.value)",
        "not state.valid(self.late) or self.ignore(self.late.value)",
        "self.ignore(self.late.value) if state.valid(self.late) else True",
    ],
)
def test_an_argument_is_not_read_where_the_call_is_not_reached(test: str) -> None:
    made = node_class(
        f"self.value = {test}\nreturn True",
        "source: gc.Active[Any]\nlate: gc.Passive[Any]\nignore: Any",
    )
    any_ = gc.node(valid="any")(made)

    def make() -> gc.Stream[Any]:
        return gc.Stream(any_(gc.replay([1, 3], "ab"), gc.replay([2], "x"), lambda x: 5))

    assert [time for time, _ in same(make)] == [1, 3]


def test_arguments_are_computed_once_and_in_their_order() -> None:
    def make() -> gc.Stream[Any]:
        seen: list[int] = []

        def note(x: int) -> int:
            seen.append(x)
            return x

        numbers = gc.from_iterable([1, 2])
        first, second = numbers.map(note), numbers.map(lambda x: -x).map(note)
        both = second.join(first, lambda a, b: (b, a, b))
        return both.map(lambda x: (x, tuple(seen)))

    assert same(make)[-1] == (0, ((2, -2, 2), (1, -1, 2, -2)))
