"""What a node that is called looks at of its upstreams: their values, or more.

Its class's code tells: an upstream that stands anywhere but before `.value`, or as what
`state.ticked` and `state.valid` are asked of, may be looked at in every way.
"""

import ast
from collections.abc import Iterator
from functools import lru_cache
from types import FunctionType
from typing import Any

from graphcore.engine.fused.reach import names_in
from graphcore.engine.fused.reading import attribute_of, is_made, own_classes
from graphcore.engine.fused.syntax import tree_of
from graphcore.node import MutableNode

PRYING = {
    "__dict__",
    "__getattribute__",
    "delattr",
    "dir",
    "eval",
    "exec",
    "getattr",
    "locals",
    "setattr",
    "upstreams",
    "vars",
}


@lru_cache(1024)
def looks_at_values_only(cls: Any) -> bool:
    """Return whether a node class's methods look at no more of its upstreams than their values."""
    if not cls._inputs and cls.upstreams is not MutableNode.upstreams:
        return False  # which of its attributes are upstreams is not plain
    for each in own_classes(cls):
        for found in vars(each).values():
            function = found.__func__ if isinstance(found, classmethod | staticmethod) else found
            if isinstance(function, property):
                return False
            if not isinstance(function, FunctionType) or is_made(function):
                continue
            tree = tree_of(function)
            if not isinstance(tree, ast.FunctionDef) or names_in(function.__code__) & PRYING:
                return False
            if any(_pryings(tree, cls._inputs.keys())):
                return False
    return isinstance(cls.cycle, FunctionType)


@lru_cache(1024)
def renaming(cls: Any, inputs: frozenset[str]) -> str | None:
    """Return a user's method that may put an upstream where the cycle finds it by another name.

    Args:
        cls: the node's class.
        inputs: the attributes that hold upstreams; what is made of them when a node is wired can be
            seen there.
    """
    users = (each for each in own_classes(cls) if not each.__module__.startswith("graphcore"))
    for each in users:
        for name, function in vars(each).items():
            if name in _WIRING or not isinstance(function, FunctionType) or is_made(function):
                continue
            tree = tree_of(function)
            if not isinstance(tree, ast.FunctionDef):
                return str(name)
            me = tree.args.args[0].arg if tree.args.args else ""
            pryings = _pryings(tree, inputs)
            if any(not (isinstance(it, ast.Name) and it.id == me) for it in pryings):
                return str(name)
    return None


_WIRING = {"__init__", "__post_init__", "cycle", "partners", "upstreams"}


def _pryings(tree: ast.FunctionDef, inputs: Any) -> Iterator[ast.AST]:
    """Yield where a method does more with an upstream than to read its value and its ticks."""
    arguments = tree.args.args
    me = arguments[0].arg if arguments else ""
    loops = list(_loops(tree, me, inputs))
    harmless: set[ast.AST] = {iterated for iterated, _ in loops}
    variables = {name for _, names in loops for name in names}
    owners: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="value", ctx=ast.Load()):
                harmless.add(node.value)
            case ast.Call(func=ast.Attribute(attr="ticked" | "valid")):
                harmless.update(node.args)
        if isinstance(node, ast.Attribute):
            owners.add(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            pries = attribute_of(node, me) in inputs
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            pries = node.id in variables or (node.id == me and node not in owners)
        else:
            pries = False
        if pries and node not in harmless:
            yield node


def _loops(tree: ast.FunctionDef, me: str, inputs: Any) -> Iterator[tuple[ast.expr, list[str]]]:
    """Yield the lists of upstreams that are gone through, with the variables that hold one."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.For | ast.comprehension):
            continue
        iterated, target = node.iter, node.target
        if attribute_of(iterated, me) in inputs and isinstance(target, ast.Name):
            yield iterated, [target.id]
        match iterated, target:
            case ast.Call(func=ast.Name(id="enumerate"), args=[each]), ast.Tuple(
                elts=[_, ast.Name(id=name)]
            ) if attribute_of(each, me) in inputs:
                yield each, [name]
