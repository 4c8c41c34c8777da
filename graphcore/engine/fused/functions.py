"""Functions that were given to a node: which of them may be written out where they are called.

A lambda, or a function of one `return`, may be if it speaks of nothing but its arguments, constants
and variables of the functions around it: nothing then can tell the call from its text. So may the
functions of `operator` that Python has an operator for. All others are called.
"""

import ast
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_ITERABLE_COROUTINE
from types import BuiltinFunctionType, CodeType, FunctionType
from typing import Any

from graphcore.engine.fused.syntax import file_of, is_mangled

_SUSPENDS = CO_ASYNC_GENERATOR | CO_COROUTINE | CO_GENERATOR | CO_ITERABLE_COROUTINE

_BINARY: dict[object, type[ast.operator]] = {
    operator.add: ast.Add,
    operator.sub: ast.Sub,
    operator.mul: ast.Mult,
    operator.truediv: ast.Div,
    operator.floordiv: ast.FloorDiv,
    operator.mod: ast.Mod,
    operator.pow: ast.Pow,
    operator.matmul: ast.MatMult,
    operator.and_: ast.BitAnd,
    operator.or_: ast.BitOr,
    operator.xor: ast.BitXor,
    operator.lshift: ast.LShift,
    operator.rshift: ast.RShift,
}
_COMPARE: dict[object, type[ast.cmpop]] = {
    operator.lt: ast.Lt,
    operator.le: ast.LtE,
    operator.gt: ast.Gt,
    operator.ge: ast.GtE,
    operator.eq: ast.Eq,
    operator.ne: ast.NotEq,
    operator.is_: ast.Is,
    operator.is_not: ast.IsNot,
}
_UNARY: dict[object, type[ast.unaryop]] = {
    operator.not_: ast.Not,
    operator.neg: ast.USub,
    operator.pos: ast.UAdd,
    operator.invert: ast.Invert,
}


@dataclass(frozen=True, eq=False, slots=True)
class Expression:
    """What a function returns, as an expression over its parameters.

    Attributes:
        parameters: the names of its parameters.
        body: the expression.
        fixed: the free variables whose value never changes.
        free: the other ones.
    """

    parameters: tuple[str, ...]
    body: ast.expr
    fixed: tuple[str, ...] = ()
    free: tuple[str, ...] = ()

    def uses(self, parameter: str) -> int:
        """Return how often a parameter stands in the expression."""
        names = (node.id for node in ast.walk(self.body) if isinstance(node, ast.Name))
        return sum(name == parameter for name in names)


Build = Callable[[Sequence[ast.expr]], ast.expr]


def operator_of(function: object, arguments: int) -> Build | None:
    """Return what makes the operator's expression, if the function is that of an operator."""
    if not isinstance(function, BuiltinFunctionType):
        return None
    if arguments == 1 and function in _UNARY:
        sign = _UNARY[function]
        return lambda given: ast.UnaryOp(sign(), given[0])
    if arguments != 2:
        return None
    if function in _BINARY:
        binary = _BINARY[function]
        return lambda given: ast.BinOp(given[0], binary(), given[1])
    if function in _COMPARE:
        compare = _COMPARE[function]
        return lambda given: ast.Compare(given[0], [compare()], [given[1]])
    if function is operator.getitem:
        return lambda given: ast.Subscript(given[0], given[1], ast.Load())
    return None


def expression_of(function: object) -> Expression | None:
    """Return the expression of a function that may be written out, `None` for any other."""
    if type(function) is not FunctionType or function.__defaults__ or function.__kwdefaults__:
        return None
    for cell in function.__closure__ or ():
        try:
            _ = cell.cell_contents
        except ValueError:  # the variable is not bound yet
            return None
    code = function.__code__
    return _expression(code, code.co_filename, _Reach(function))


def free_value(function: Any, name: str) -> Any:
    """Return what a free variable of the function holds."""
    return free_cell(function, name).cell_contents


def free_cell(function: Any, name: str) -> Any:
    """Return the cell of a free variable of the function."""
    return function.__closure__[function.__code__.co_freevars.index(name)]


class _Reach:
    """A function that is looked at only where its code has not been seen; all are equal."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reach)

    def __hash__(self) -> int:
        return 0


@lru_cache(1024)
def _expression(code: CodeType, file_name: str, reach: _Reach) -> Expression | None:
    if code.co_flags & _SUSPENDS or code.co_kwonlyargcount:
        return None
    file = file_of(reach.function)
    tree = None if file is None else file.find(code)
    if file is None or tree is None:
        return None
    arguments = tree.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
        return None
    body = _returned(tree)
    parameters = tuple(code.co_varnames[: code.co_argcount])
    if body is None or not _plain(body, {*parameters, *code.co_freevars}):
        return None
    fixed = tuple(name for name in code.co_freevars if file.bound_once(name, tree))
    free = tuple(name for name in code.co_freevars if name not in fixed)
    return Expression(parameters, body, fixed, free)


def _returned(tree: ast.FunctionDef | ast.Lambda) -> ast.expr | None:
    if isinstance(tree, ast.Lambda):
        return tree.body
    body = tree.body
    if ast.get_docstring(tree, clean=False) is not None:
        body = body[1:]
    last = body[0] if len(body) == 1 else None
    return last.value if isinstance(last, ast.Return) else None


def _plain(body: ast.expr, names: set[str]) -> bool:
    """Return whether an expression reads nothing but these names and binds none."""
    for node in ast.walk(body):
        match node:
            case ast.Name(id=name) if name not in names:
                return False
            case ast.Attribute(attr=name) if is_mangled(name):
                return False
            case (
                ast.Lambda()
                | ast.ListComp()
                | ast.SetComp()
                | ast.DictComp()
                | ast.GeneratorExp()
                | ast.NamedExpr()
                | ast.Await()
                | ast.Yield()
                | ast.YieldFrom()
            ):
                return False
    return True
