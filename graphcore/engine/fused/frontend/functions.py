"""Pass 5: decide which functions passed to a node may be inlined where the node calls them.

A lambda, or a function whose body is one `return`, may be inlined if it uses nothing but its
arguments, constants and variables of enclosing functions: then no code can notice that the call is
missing. It may use global variables as well if it calls nothing. Functions of the module `operator`
that stand for one of Python's operators are inlined as well. All others are called.
"""

import ast
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_ITERABLE_COROUTINE
from types import BuiltinFunctionType, CellType, CodeType, FunctionType
from typing import cast

from graphcore.engine.fused.frontend.source import SourceFile, file_of, is_mangled
from graphcore.engine.fused.frontend.subset import is_doubtful
from graphcore.parsing import walk

_SUSPENDS = CO_ASYNC_GENERATOR | CO_COROUTINE | CO_GENERATOR | CO_ITERABLE_COROUTINE

_DEEPEST = 60
# Attributes that every object has: with them, `ModuleGlobals` cannot read a global of that name.
HIDDEN = re.compile(r"__(?!name__|file__)\w+__")

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
    """The expression that a function returns.

    Attributes:
        parameters: the names of its parameters.
        body: the expression.
        fixed: the free variables that no code can assign again.
        outer: the global variables.
    """

    parameters: tuple[str, ...]
    body: ast.expr
    fixed: frozenset[str] = frozenset()
    outer: frozenset[str] = frozenset()

    def uses(self, parameter: str) -> int:
        """Return how often a parameter occurs in the expression."""
        names = (node.id for node in walk(self.body) if isinstance(node, ast.Name))
        return sum(name == parameter for name in names)


Build = Callable[[Sequence[ast.expr]], ast.expr]


def operator_of(function: object, arguments: int) -> Build | None:
    """Return a function that makes the expression, if a function of `operator` has one."""
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
    """Return the expression of a function that may be inlined, otherwise `None`."""
    if type(function) is not FunctionType or function.__defaults__ or function.__kwdefaults__:
        return None
    if not all(map(is_bound, function.__closure__ or ())):
        return None
    code = function.__code__
    file = file_of(function)
    if file is None:
        return None
    if code not in file.inlined:
        file.inlined[code] = _expression(code, file)
    found = cast(Expression | None, file.inlined[code])
    # What is no global variable yet is a builtin.
    return found if found is not None and found.outer <= function.__globals__.keys() else None


def cell_of(function: FunctionType, name: str) -> CellType:
    """Return the cell of a free variable of the function."""
    assert function.__closure__ is not None
    return function.__closure__[function.__code__.co_freevars.index(name)]


def is_bound(cell: CellType) -> bool:
    """Return whether a variable of an enclosing function has a value."""
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _expression(code: CodeType, file: SourceFile) -> Expression | None:
    if code.co_flags & _SUSPENDS or code.co_kwonlyargcount:
        return None
    tree = file.find(code)
    if tree is None:
        return None
    arguments = tree.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
        return None
    body = _returned(tree)
    parameters = tuple(code.co_varnames[: code.co_argcount])
    if body is None or not _plain(body):
        return None
    names = {node.id for node in walk(body) if isinstance(node, ast.Name)}
    outer = names.difference(parameters, code.co_freevars)
    if outer and not _may_read(outer, body):
        return None
    if any(map(file.may_delete, (*code.co_freevars, *outer))):
        return None
    fixed = frozenset(name for name in code.co_freevars if file.bound_once(name, tree))
    return Expression(parameters, body, fixed, frozenset(outer))


def _returned(tree: ast.FunctionDef | ast.Lambda) -> ast.expr | None:
    if isinstance(tree, ast.Lambda):
        return tree.body
    body = tree.body
    if ast.get_docstring(tree, clean=False) is not None:
        body = body[1:]
    last = body[0] if len(body) == 1 else None
    return last.value if isinstance(last, ast.Return) else None


def _may_read(outer: set[str], body: ast.expr) -> bool:
    """Return whether an expression may read global variables where it is inlined.

    A function that it calls might look for the variables or the line of its caller. In the text of
    a loop, a test of identity with a variable would keep the loop from running in machine code.
    """
    for node in walk(body):
        match node:
            case ast.Call():
                return False
            case ast.Compare(ops=operators) if any(
                isinstance(each, ast.Is | ast.IsNot) for each in operators
            ):
                return False
    return not any(is_mangled(name) or HIDDEN.fullmatch(name) for name in outer)


def _plain(body: ast.expr) -> bool:
    """Return whether an expression binds no names."""
    if _depth(body) > _DEEPEST:
        return False
    for node in walk(body):
        if is_doubtful(node):
            return False
        match node:
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


def _depth(tree: ast.AST) -> int:
    """Return how deep a tree is, without recursion: a tree may be deeper than Python's stack."""
    depth, level = 0, [tree]
    while level:
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return depth
