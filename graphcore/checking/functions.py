"""Functions that do not do what they seem to: those that look at loop variables, and async calls.

A lambda looks at a variable when it is called, not when it was made. In a loop over `n`,
``x.map(lambda v: v * n)`` uses the last `n` in each node, since nodes run after the loop.
"""

import ast
import builtins
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from graphcore.checking.finding import Finding, Kind
from graphcore.checking.look import Look
from graphcore.engine.fused.frontend.source import SourceFile, file_of
from graphcore.engine.plan import Node

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def functions_that_share_a_loop_variable(look: Look) -> Iterator[Finding]:
    """Yield a finding for each function made in a loop that reads a variable of the loop."""
    nodes_of: dict[CodeType, list[tuple[int, FunctionType]]] = {}
    for index, node in enumerate(look.nodes):
        for function in _functions(node):
            nodes_of.setdefault(function.__code__, []).append((index, function))
    for made in nodes_of.values():
        index, function = made[0]
        # One function that several nodes share says the same in each; two of one code are a loop.
        if len({id(each) for _, each in made}) < 2:
            continue
        for name in _loop_variables(function):
            if all(_sees_same(name, function, each) for _, each in made):
                nodes = [look.names[i] for i, _ in made]
                yield look.finding(
                    Kind.LOOP_VARIABLE,
                    index,
                    f"the functions of {_listed(nodes)} look at the loop variable {name} when they "
                    "are called, and find its last value in each",
                    f"keep its value in each function: lambda value, {name}={name}: ...",
                )
                break


def functions_that_nobody_awaits(look: Look) -> Iterator[Finding]:
    """Yield a finding for each function that returns what an async function returned."""
    for index, node in enumerate(look.nodes):
        if "async" in type(node).__name__.lower():
            continue
        for function in _functions(node):
            name = _async_result(function)
            if name is not None:
                yield look.finding(
                    Kind.NOT_AWAITED,
                    index,
                    f"the function of {look.names[index]} calls {name}, which is async, and nobody "
                    "awaits what that returns, so it never runs",
                    f"write consume_async({name})",
                )


def _functions(node: Node) -> Iterator[FunctionType]:
    for value in vars(node).values():
        if isinstance(value, FunctionType):
            module = value.__module__ or ""
            if module.partition(".")[0] not in ("graphcore", "graphcore_zmq"):
                yield value


def _loop_variables(function: FunctionType) -> Iterator[str]:
    """Yield the variables that a function reads and the loop around it changes."""
    code = function.__code__
    file = file_of(function)
    found = file.find(code) if file is not None else None
    if file is None or found is None:
        return
    read = {*code.co_freevars, *(n for n in code.co_names if not hasattr(builtins, n))}
    body = found.body if isinstance(found.body, list) else [found.body]
    loaded = {
        each.id
        for part in body
        for each in ast.walk(part)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    }
    changed = _changed_around(file, found)
    yield from (name for name in sorted(read & loaded) if name in changed)


def _changed_around(file: SourceFile, function: ast.AST) -> set[str]:
    """Return the variables that the loops around a function, in its own scope, set each time."""
    changed: set[str] = set()
    for around in file.around(function):
        if isinstance(around, _SCOPES):
            break
        if isinstance(around, ast.For | ast.AsyncFor):
            changed |= _names(around.target)
            changed |= _derived(around.body, changed)
        elif isinstance(around, _COMPREHENSIONS):
            for each in around.generators:
                changed |= _names(each.target)
    return changed


def _derived(body: list[ast.stmt], changed: set[str]) -> set[str]:
    """Return the variables that a loop's body sets to something made of its variables."""
    found: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.Assign):
            read = {n.id for n in ast.walk(statement.value) if isinstance(n, ast.Name)}
            if read & (changed | found):
                found |= set().union(*map(_names, statement.targets))
    return found


def _names(target: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}


def _sees_same(name: str, one: FunctionType, other: FunctionType) -> bool:
    """Return whether a name is the same variable in two functions of one code."""
    code = one.__code__
    if name not in code.co_freevars:
        return one.__globals__ is other.__globals__
    place = code.co_freevars.index(name)
    assert one.__closure__ is not None and other.__closure__ is not None
    return one.__closure__[place] is other.__closure__[place]


def _async_result(function: FunctionType) -> str | None:
    """Return the name of the async function whose result a function returns or drops."""
    file = file_of(function)
    found = file.find(function.__code__) if file is not None else None
    if found is None:
        return None
    if isinstance(found, ast.Lambda):
        calls: list[ast.expr] = [found.body]
    else:
        calls = [
            each.value
            for each in found.body
            if isinstance(each, ast.Expr | ast.Return) and each.value
        ]
    for call in calls:
        if isinstance(call, ast.Call):
            called = _object(call.func, function)
            if inspect.iscoroutinefunction(called):
                return ast.unparse(call.func)
    return None


def _object(expression: ast.expr, function: FunctionType) -> Any:
    """Return the object that a name, or an attribute of one, stands for; `None` if unknown."""
    if isinstance(expression, ast.Attribute):
        owner = _object(expression.value, function)
        # Not `getattr`, which may run a user's code.
        return None if owner is None else inspect.getattr_static(owner, expression.attr, None)
    if not isinstance(expression, ast.Name):
        return None
    code = function.__code__
    if expression.id in code.co_freevars and function.__closure__ is not None:
        cell = function.__closure__[code.co_freevars.index(expression.id)]
        try:
            return cell.cell_contents
        except ValueError:  # not bound yet
            return None
    return function.__globals__.get(expression.id)


def _listed(names: list[str]) -> str:
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} more"]
    return f"{', '.join(names[:-1])} and {names[-1]}"
