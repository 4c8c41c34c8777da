"""Functions whose source is not where it seems to be."""

import types
from typing import Any

from tests.differential.functions.expressions import one_more
from tests.differential.functions.names import closure_over_a_constant, global_constant
from tests.differential.functions.shape import Function, takes


@takes(1)
def second_of_two_on_a_line() -> Function:
    return (lambda x: x + 1, lambda x: x + 2)[1]


@takes(1)
def last_of_three_alike_on_a_line() -> Function:
    a, b = 1, 2
    return (lambda x: x + a, lambda x: x + b, lambda y: y + b)[2]


@takes(1)
def without_source() -> Function:
    function: Function = eval("lambda x: x + 1")
    return function


@takes(1)
def without_source_by_def() -> Function:
    scope: dict[str, Any] = {}
    exec("def made(x):\n    return x + 1\n", scope)
    function: Function = scope["made"]
    return function


@takes(1)
def of_another_text_than_its_file() -> Function:
    function: Function = eval(compile("lambda x: x + 100", __file__, "eval"))
    return function


@takes(1)
def where_another_function_stands() -> Function:
    code = one_more().__code__
    body = next(column for _, _, column, _ in code.co_positions() if column)
    text = (
        "\n" * (code.co_firstlineno - 1) + "(".ljust(body - len("lambda x: ")) + "lambda x: x + 9)"
    )
    function: Function = eval(compile(text, __file__, "eval"))
    return function


@takes(1)
def code_exchanged() -> Function:
    function: Any = lambda x: x + 1
    function.__code__ = (lambda x: x + 50).__code__
    return function


@takes(1)
def code_with_other_constants() -> Function:
    code = (lambda x: x + 77).__code__
    return types.FunctionType(
        code.replace(co_consts=tuple(78 if c == 77 else c for c in code.co_consts)), globals()
    )


@takes(1)
def code_with_other_globals() -> Function:
    return types.FunctionType(global_constant().__code__, {"OFFSET": 1000})


@takes(1)
def code_with_another_cell() -> Function:
    inner: Any = closure_over_a_constant()
    return types.FunctionType(inner.__code__, globals(), closure=(types.CellType(30),))
