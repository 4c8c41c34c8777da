"""Inline the methods that the `cycle` of one of graphcore's operators calls as statements.

A family of operators shares one `cycle`, which calls methods that its classes define. The passes
see one function: ``self.add(value)`` becomes the statements of `add`, and in ``figure =
self.figure()`` each ``return`` of `figure` becomes an assignment. Users' classes do not take part:
a program may assign a method of its own class or object at any time.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from graphcore.engine.fused.frontend.source import file_of
from graphcore.parsing import copied, walk

_DEEPEST = 8  # methods that call methods


class NotInlined(Exception):
    """Raised if a method's text cannot replace its call; the text says why."""


@dataclass(slots=True)
class Inlined:
    """The result: the statements of a `cycle` without calls of its methods.

    Attributes:
        body: the statements.
        methods: the names of the methods that they hold.
        names: the global variables that the methods use, with their values.
    """

    body: list[ast.stmt]
    methods: dict[str, None] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)


def with_methods(
    body: list[ast.stmt], me: str, function: FunctionType, methods: Mapping[str, FunctionType]
) -> Inlined:
    """Return the statements of a `cycle`, with those of the methods that it calls in their place.

    Args:
        body: the statements; they are not changed.
        me: the name of the cycle's first parameter.
        function: the `cycle`.
        methods: the methods of its class.

    Raises:
        NotInlined: if a method that is called as a statement cannot be inlined.
    """
    inline = _Inline(me, function, methods)
    inline.made.body = inline.statements([copied(each) for each in body], 0)
    return inline.made


class _Inline:
    def __init__(
        self, me: str, function: FunctionType, methods: Mapping[str, FunctionType]
    ) -> None:
        self._me = me
        self._function = function
        self._methods = methods
        self.made = Inlined([])

    def statements(self, body: list[ast.stmt], depth: int) -> list[ast.stmt]:
        written: list[ast.stmt] = []
        for each in body:
            written += self._statement(each, depth)
        return written

    def _statement(self, node: ast.stmt, depth: int) -> list[ast.stmt]:
        match node:
            case ast.If() | ast.For() | ast.While():
                node.body = self.statements(node.body, depth)
                node.orelse = self.statements(node.orelse, depth)
            case ast.Expr(ast.Call() as call) if self._called(call):
                return self._body_of(call, None, depth)
            case ast.Assign([target], ast.Call() as call) if self._called(call):
                return self._body_of(call, target, depth)
        return [node]

    def _called(self, call: ast.Call) -> str | None:
        match call.func:
            case ast.Attribute(ast.Name(owner), name) if owner == self._me:
                return name if name in self._methods else None
        return None

    def _body_of(self, call: ast.Call, target: ast.expr | None, depth: int) -> list[ast.stmt]:
        name = self._called(call)
        assert name is not None
        method = self._methods[name]
        file = file_of(method)
        tree = None if file is None else file.find(method.__code__)
        if not isinstance(tree, ast.FunctionDef) or tree.decorator_list:
            raise NotInlined(f"the source of its method {name} is not available")
        if depth == _DEEPEST:
            raise NotInlined(f"its method {name} calls methods too deeply")
        parameters = [each.arg for each in tree.args.args]
        if len(parameters) != len(call.args) + 1 or call.keywords or tree.args.defaults:
            raise NotInlined(
                f"its cycle calls its method {name} with other arguments than it takes"
            )
        self.made.methods[name] = None
        body = [copied(each) for each in tree.body]
        if ast.get_docstring(tree, clean=False) is not None:
            body = body[1:]
        stored = _stored(body)
        replace: dict[str, ast.expr] = {parameters[0]: ast.Name(self._me, ast.Load())}
        before: list[ast.stmt] = []
        for parameter, argument in zip(parameters[1:], call.args, strict=True):
            if isinstance(argument, ast.Name | ast.Constant) and parameter not in stored:
                replace[parameter] = argument
            else:
                before.append(ast.Assign([_local(name, parameter, ast.Store())], argument))
                stored.add(parameter)
        self._take_globals(name, method)
        rename = _Rename(name, stored, replace)
        body = [rename.visit(each) for each in body]
        made = [*before, *_assigning(body, target, name)]
        for each in made:
            ast.copy_location(each, call)
            ast.fix_missing_locations(each)
        return self.statements(made, depth + 1)

    def _take_globals(self, name: str, method: FunctionType) -> None:
        """Note the global variables of a method, which may belong to another module."""
        for each in method.__code__.co_names:
            own, around = method.__globals__, self._function.__globals__
            known = self.made.names.get(each, around.get(each, own.get(each)))
            if each in own and known is not own[each]:
                raise NotInlined(f"{each} means something else in its method {name}")
            if each in own and each not in around:
                self.made.names[each] = own[each]


def _stored(body: list[ast.stmt]) -> set[str]:
    return {
        node.id
        for each in body
        for node in walk(each)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }


def _local(method: str, name: str, context: ast.expr_context) -> ast.Name:
    return ast.Name(f"{method}_{name}", context)


class _Rename(ast.NodeTransformer):
    """Gives a method's locals names of their own, and puts the arguments in."""

    def __init__(self, method: str, stored: set[str], replace: dict[str, ast.expr]) -> None:
        self._method = method
        self._stored = stored
        self._replace = replace

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._stored:
            return _local(self._method, node.id, node.ctx)
        return copied(self._replace.get(node.id, node))


def _assigning(body: list[ast.stmt], target: ast.expr | None, name: str) -> list[ast.stmt]:
    """Return a method's statements, with an assignment where it returns."""
    written: list[ast.stmt] = []
    for position, each in enumerate(body):
        rest = body[position + 1 :]
        match each:
            case ast.Return(None):
                return written
            case ast.Return(value):
                assert value is not None
                assign = None if target is None else ast.Assign([copied(target)], value)
                return [*written, assign or ast.Expr(value)]
            case ast.If() if _returns(each):
                inside, outside = each.body, each.orelse
                if _leaves(inside):
                    outside = [*outside, *rest]
                elif _leaves(outside):
                    inside = [*inside, *rest]
                else:
                    raise NotInlined(
                        f"its method {name} returns on some of the ways to a statement"
                    )
                made = [_assigning(part, target, name) for part in (inside, outside)]
                return [*written, ast.If(each.test, made[0] or [ast.Pass()], made[1])]
            case _ if _returns(each):
                raise NotInlined(f"its method {name} returns inside a loop")
        written.append(each)
    return written


def _returns(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Return) for node in walk(statement))


def _leaves(body: list[ast.stmt]) -> bool:
    """Return whether every path through the statements returns."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, ast.If):
        return _leaves(last.body) and _leaves(last.orelse)
    return isinstance(last, ast.Return | ast.Raise)
