"""What a node class does outside its cycle, or leaves behind, that a tier has to know of.

Alarms are taken back by whoever keeps them; a state is asked, and a node is looked at, by whatever
was left with them. What is done in real time alone is of no concern: there the session does all.
"""

import ast
import inspect
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import lru_cache
from types import FunctionType
from typing import Any

from graphcore.engine.fused.reading import (
    LIFECYCLE,
    attribute_of,
    cycle_of,
    found_in,
    is_made,
    own_classes,
)
from graphcore.engine.fused.syntax import tree_of
from graphcore.node import MutableNode
from graphcore.state import RunMode

# What may be asked of a state without being able to have the node woken.
_ASKED = {"time", "start_time", "elapsed", "run_mode", "ticked", "valid", "stopping", "ended_by"}
# Of these a session alone knows when no cycle runs.
_OF_A_CYCLE = {"due", "cycle_at_time"}
_QUIET = _ASKED | _OF_A_CYCLE | {"stop"}


def may_schedule(cls: type[Any]) -> bool:
    """Return whether nodes of a class may be run by alarms, or by what threads bring them."""
    start, cycle = found_in(cls, "start"), cycle_of(cls)
    return _uses_more_than_asking(start) or _uses_more_than_asking(cycle)


def keeps_alarms(cls: type[Any]) -> bool:
    """Return whether a class's `start` may keep an alarm, so that it can be taken back."""
    return _keeps_alarms(found_in(cls, "start"))


def asks_between_cycles(cls: type[Any]) -> bool:
    """Return whether a state may be asked outside a cycle for what its session alone knows.

    That is in `stop`, or in what `start` has left a function with.
    """
    asking = frozenset(_QUIET - _OF_A_CYCLE)
    return _leaves_its_state(found_in(cls, "start")) or _uses_more_than_asking(
        found_in(cls, "stop"), asking
    )


@lru_cache(1024)
def _leaves_its_state(start: object) -> bool:
    tree, state = _historical_tree(start)
    inside = () if tree is None else _functions_in(tree)
    return any(node.id == state for each in inside for node, _ in _names(each))


@lru_cache(1024)
def _uses_more_than_asking(function: object, asking: frozenset[str] = frozenset(_QUIET)) -> bool:
    if function in _DO_NOTHING:
        return False
    tree, state = _tree_with_state(function)
    return tree is None or any(
        node.id == state and not (isinstance(above, ast.Attribute) and above.attr in asking)
        for node, above in _names(tree)
    )


@lru_cache(1024)
def _keeps_alarms(start: object) -> bool:
    if start in _DO_NOTHING:
        return False
    tree, state = _historical_tree(start)
    if tree is None:
        return True
    if any(
        node.id == state and not isinstance(above, ast.Attribute) for node, above in _names(tree)
    ):
        return True
    dropped = {
        node.value.func
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    }
    return any(
        attribute_of(node, state) == "schedule" and node not in dropped for node in ast.walk(tree)
    )


_DO_NOTHING = (MutableNode.start, MutableNode.cycle, MutableNode.stop)


def _tree_with_state(function: object) -> tuple[ast.FunctionDef | None, str]:
    """Return a method's tree, if it is to be had, and what the method calls its state."""
    tree = tree_of(function) if isinstance(function, FunctionType) else None
    if not isinstance(tree, ast.FunctionDef) or len(tree.args.args) != 2:
        return None, ""
    return tree, tree.args.args[1].arg


def _historical_tree(function: object) -> tuple[ast.FunctionDef | None, str]:
    """Return the same, without what stands under `if state.run_mode is RunMode.REALTIME`."""
    tree, state = _tree_with_state(function)
    if tree is None:
        return None, ""
    assert isinstance(function, FunctionType)
    return _Historical(state, function.__globals__).visit(deepcopy(tree)), state


class _Historical(ast.NodeTransformer):
    def __init__(self, state: str, names: Mapping[str, Any]) -> None:
        self._state = state
        self._names = names

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        match node.test:
            case ast.Compare(
                left=ast.Attribute(attr="run_mode", value=ast.Name(id=self._state)),
                ops=[ast.Is()],
                comparators=[ast.Attribute(attr="REALTIME", value=ast.Name(id=kind))],
            ) if self._names.get(kind) is RunMode:
                return node.orelse
        return node


def _names(tree: ast.AST) -> Iterator[tuple[ast.Name, ast.AST]]:
    """Yield the names in a tree, each with what it is a part of."""
    for above in ast.walk(tree):
        for node in ast.iter_child_nodes(above):
            if isinstance(node, ast.Name):
                yield node, above


@lru_cache(1024)
def letting_out(cls: type[Any]) -> str | None:
    """Return a user's method that may leave something behind by which others see the node.

    That is the node itself, one of its methods, or what is run later: a function inside the method,
    a generator.
    """
    users = (each for each in own_classes(cls) if not each.__module__.startswith("graphcore"))
    for each in users:
        for name, function in vars(each).items():
            apart = name in ("cycle", "chunks")
            if apart or not isinstance(function, FunctionType) or is_made(function):
                continue
            tree = tree_of(function)
            runs_later = function.__code__.co_flags & _RUN_LATER
            if not isinstance(tree, ast.FunctionDef) or runs_later or _lets_out(tree, cls):
                return str(name)
    return None


_RUN_LATER = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def _lets_out(tree: ast.FunctionDef, cls: type[Any]) -> bool:
    arguments = [*tree.args.posonlyargs, *tree.args.args]
    if not arguments:
        return False
    me = arguments[0].arg
    harmless: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=called), args=[first, *_]) if called in LIFECYCLE:
                harmless.add(first)
        match node:
            case ast.Attribute(value=ast.Name() as owner):
                harmless.add(owner)
            case ast.Call(func=ast.Attribute() as method):
                harmless.add(method)
    if any(name.id == me for each in _functions_in(tree) for name, _ in _names(each)):
        return True
    for node in ast.walk(tree):
        if node not in harmless:
            name = attribute_of(node, me)
            found = None if name is None else inspect.getattr_static(cls, name, None)
            if isinstance(found, FunctionType) or (isinstance(node, ast.Name) and node.id == me):
                return True
    return False


_INSIDE = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.GeneratorExp)


def _functions_in(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what stands in a function and is run later."""
    return (node for node in ast.walk(tree) if isinstance(node, _INSIDE) and node is not tree)
