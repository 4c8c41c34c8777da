"""The decision, node by node, whether it is taken apart or called; and what a called one may see.

A called node, and a function that was given, look at node objects. So what they look at has to be
right there: a node whose value alone is looked at writes it through as it ticks; one of which more
may be seen is called as well, since its object is then always right.
"""

import ast
import inspect
import keyword
import re
import sys
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Generic

from graphcore.engine.fused.reading import (
    Is,
    Node,
    Refused,
    attribute_of,
    kinds_of,
    may_be_woken,
    node_behind,
    reading_of,
)
from graphcore.engine.fused.returns import Form
from graphcore.engine.fused.syntax import tree_of
from graphcore.engine.fused.template import Template, template_of
from graphcore.engine.plan import Plan
from graphcore.node import MutableNode

_FEW = 64
_DEEP = 3
_OWN = {"serial", "wired_at", "ticked_in", "_name", "value"}
_PRYING = {"getattr", "setattr", "delattr", "vars", "__dict__", "eval", "exec", "globals"}
_OVER = {"enumerate", "zip", "reversed", "len"}


@dataclass(slots=True)
class Part:
    """A node, and how the fused function holds it.

    Attributes:
        index: its place in the order of R2.
        node: the node.
        label: what its variables' names begin with.
        active: the indices of the upstreams that trigger it.
        passive: those of the others.
        woken: whether alarms or events run it.
        template: the text of its cycle, `None` if it is called.
        why: why it is called.
        observed: whether its value and ticks are written through to the node.
    """

    index: int
    node: Node
    label: str
    active: tuple[int, ...]
    passive: tuple[int, ...]
    woken: bool
    template: Template | None = None
    why: str = ""
    observed: bool = False

    @property
    def form(self) -> Form:
        """Where it ticks; a node that is called chooses."""
        return Form.TAIL if self.template is None else self.template.form

    def call(self, why: str) -> None:
        """Have it called."""
        self.template = None
        self.why = why

    def upstream(self, name: str, place: int | None) -> Node:
        """Return the upstream in an attribute, or at a place in its list."""
        given = getattr(self.node, name)
        found = node_behind(given if place is None else given[place])
        assert found is not None
        return found


def parts_of(plan: Plan, to_call: dict[int, str]) -> list[Part]:
    """Return the nodes of a plan, each with the decision.

    Args:
        plan: the plan.
        to_call: nodes that have to be called, with the reason.
    """
    numbers = {node: index for index, node in enumerate(plan.nodes)}
    parts: list[Part] = []
    for index, node in enumerate(plan.nodes):
        edges = plan.graph.pred[node]
        active = tuple(numbers[each] for each, edge in edges.items() if edge["active"])
        passive = tuple(numbers[each] for each, edge in edges.items() if not edge["active"])
        label = sys.intern(f"{_identifier(node)}_{index}")
        part = Part(index, node, label, active, passive, may_be_woken(node))
        parts.append(part)
        if index in to_call:
            part.why = to_call[index]
            continue
        try:
            _take_apart(part, set(edges))
        except Refused as reason:
            part.why = str(reason)
    for part in parts:
        for node in _seen_by_functions(part, plan.graph.pred[part.node]):
            seen = numbers.get(node)
            if seen is not None and parts[seen].template is not None:
                parts[seen].call(f"a function given to {part.node.name} reaches it")
    _observe(parts)
    return parts


def _take_apart(part: Part, upstreams: set[Node]) -> None:
    reading = reading_of(type(part.node))
    kinds = kinds_of(part.node, reading, upstreams)
    template = template_of(reading, tuple(kinds.items()))
    if isinstance(template, str):
        raise Refused(template)
    part.template = template


def _identifier(node: Node) -> str:
    given = node.__dict__.get("_name")
    name = re.sub(r"\W+", "_", given or node.operator, flags=re.ASCII)
    return f"n_{name}" if name[:1].isdigit() or keyword.iskeyword(name) else name


def _observe(parts: Sequence[Part]) -> None:
    """Have what called nodes look at written through, or called where that is not enough."""
    waiting = [part for part in parts if part.template is None]
    while waiting:
        part = waiting.pop()
        cls: Any = type(part.node)
        looks_at = _looks_at(cls)
        for index in (*part.active, *part.passive):
            upstream = parts[index]
            if upstream.template is None:
                continue
            if _shows_enough(upstream, looks_at):
                upstream.observed = True
            else:
                upstream.call(f"{part.node.name}, which is called, may see more than its value")
                waiting.append(upstream)


def _shows_enough(upstream: Part, looks_at: frozenset[str] | None) -> bool:
    """Return whether a node's value at its ticks is all that this code can see of it."""
    assert upstream.template is not None
    if looks_at is None or not upstream.template.value_with_tick:
        return False
    own = {name for name, kind in upstream.template.kinds.items() if kind.of is Is.OWN}
    return not own & looks_at


@cache
def _looks_at(cls: type[Any]) -> frozenset[str] | None:
    """Return the names in a class's code, `None` if it may look at anything of its upstreams."""
    names: set[str] = set()
    for each in cls.__mro__:
        if each in (MutableNode, Generic, object):
            continue
        for found in vars(each).values():
            function = found.__func__ if isinstance(found, classmethod | staticmethod) else found
            if isinstance(function, property):
                return None
            if not isinstance(function, FunctionType):
                continue
            if function.__code__.co_filename == "<string>":  # a constructor that was made
                continue
            tree = tree_of(function)
            if not isinstance(tree, ast.FunctionDef) or _hands_on(tree, cls):
                return None
            names |= _names(function.__code__)
    cycle = inspect.getattr_static(cls, "cycle")
    if not isinstance(cycle, FunctionType) or names & _PRYING:
        return None
    return frozenset(names)


def _hands_on(tree: ast.FunctionDef, cls: type[Node]) -> bool:
    """Return whether a method hands an upstream to something else, or sets its value."""
    if not tree.args.args:
        return False
    me = tree.args.args[0].arg
    harmless: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            stores = not isinstance(node.ctx, ast.Load)
            if stores and node.attr == "value" and attribute_of(node, me) is None:
                return True
            if node.attr == "value":
                harmless.add(node.value)
        elif isinstance(node, ast.Call):
            asks = isinstance(node.func, ast.Attribute) and node.func.attr in ("ticked", "valid")
            over = isinstance(node.func, ast.Name) and node.func.id in _OVER
            if asks or over:
                harmless.update(node.args)
        elif isinstance(node, ast.For | ast.comprehension):
            harmless.add(node.iter)
    inputs = cls._inputs
    if not inputs and cls.upstreams is not MutableNode.upstreams:
        return True  # which of its attributes are upstreams is not plain
    return any(
        attribute_of(node, me) in inputs and node not in harmless
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
    )


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            names |= _names(each)
    return names


def _seen_by_functions(part: Part, upstreams: Container[Node]) -> Iterator[Node]:
    """Yield the nodes that a node's functions, or it itself beside its upstreams, may look at."""
    for name, given in vars(part.node).items():
        direct = node_behind(given)
        if name not in _OWN and direct not in upstreams and (direct or callable(given)):
            for node in _reached(given, _DEEP):
                if node is not part.node:
                    yield node


def _reached(given: Any, depth: int) -> Iterator[Node]:
    if isinstance(given, MutableNode):
        yield given
        return
    if given is None or isinstance(given, int | float | str | bytes | type | ModuleType):
        return
    inner: list[Any] = []
    if isinstance(given, FunctionType):
        inner += _visible(given)
    elif isinstance(given, MethodType):
        inner += [given.__self__, given.__func__]
    elif isinstance(given, partial):
        inner += [given.func, *given.args, *given.keywords.values()]
    elif isinstance(given, list | tuple | set | frozenset | dict):
        if len(given) <= _FEW:
            inner += given.values() if isinstance(given, dict) else given
    elif node_behind(given) is not None:
        inner.append(node_behind(given))
    else:
        inner += getattr(given, "__dict__", {}).values()
        call = getattr(type(given), "__call__", None)  # noqa: B004  # the function itself is wanted
        if isinstance(call, FunctionType):
            inner += _visible(call)
    for each in inner if depth else ():
        yield from _reached(each, depth - 1)


def _visible(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not bound yet: nothing to be seen
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield function.__globals__[name]
