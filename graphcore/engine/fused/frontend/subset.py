"""Pass 2: check that a class's `cycle` is in the subset of Python that can be fused.

A `cycle` outside the subset raises `Refused` with the reason, and its nodes are called. In the
subset, `self` and the state occur only before a dot, so that the source shows each use of an
attribute.
"""

import ast
import sys
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from types import FunctionType
from typing import Any

from graphcore.engine.fused.frontend.methods import NotInlined, with_methods
from graphcore.engine.fused.frontend.source import SourceFile, file_of, is_mangled
from graphcore.node import MutableNode, Source
from graphcore.parsing import parse

Node = MutableNode[Any]


class Refused(Exception):
    """Raised if a node cannot be fused; the text says why."""


# Builtins by which code inspects the function in which it runs.
_FRAME = {"__class__", "dir", "eval", "exec", "globals", "locals", "super", "vars"}
_ACCESS = ("__getattribute__", "__setattr__", "__delattr__")
# CPython allows 20 nested loops in a function; the fused function itself needs three.
_DEEPEST_LOOPS = 16
# Deeper trees might exceed the recursion limits of the passes and of CPython's compiler.
_DEEPEST_TREE = 120


@dataclass(frozen=True, eq=False, slots=True)
class Cycle:
    """The source of a class's `cycle`, and the names in it.

    Attributes:
        function: the function.
        file: the file that holds its source.
        tree: its syntax tree.
        me: the name of its first parameter, usually `self`.
        state: the name of its second parameter.
        attributes: the attributes of the node that it uses, without `value`.
        written: the attributes that it assigns.
        called: the attributes that it calls, with the number of arguments; -1 if calls differ or
            use keywords or `*`.
        local: the names of its local variables.
        free: the names of variables of enclosing functions.
        is_ours: whether one of graphcore's own modules defines it.
        methods: the names of the methods that are inlined in it.
        names: the global variables of these methods that its own module does not have.
    """

    function: FunctionType
    file: SourceFile
    tree: ast.FunctionDef
    me: str
    state: str
    attributes: tuple[str, ...]
    written: frozenset[str]
    called: Mapping[str, int]
    local: frozenset[str]
    free: frozenset[str]
    is_ours: bool
    methods: tuple[str, ...]
    names: Mapping[str, Any]


def is_ours(names: dict[str, Any]) -> bool:
    """Return whether these are the global variables of one of graphcore's own modules."""
    name = names.get("__name__")
    if not isinstance(name, str) or name.partition(".")[0] != "graphcore":
        return False
    module = sys.modules.get(name)
    return module is not None and vars(module) is names


def found_in(cls: type[Any], name: str) -> object:
    """Return an attribute from the `__dict__` of a class or its bases, `None` if there is none."""
    return next((vars(each)[name] for each in cls.__mro__ if name in vars(each)), None)


def cycle_of(cls: type[Any]) -> Cycle:
    """Return the source of a class's `cycle`, and the names in it.

    Raises:
        Refused: if it is outside the subset.
    """
    function = found_in(cls, "cycle")
    if not isinstance(function, FunctionType):
        raise Refused("its cycle is not a plain function")
    _check_class(cls)
    file = file_of(function)
    methods = _methods(cls) if is_ours(function.__globals__) else ()
    found = None if file is None else _read(function, function.__code__, file, methods)
    if found is None:
        raise Refused("the source of its cycle is not available")
    if isinstance(found, str):
        raise Refused(found)
    for name in found.attributes:
        _check_attribute(cls, name)
    return _while_live(found) if cls.live_only else found


@lru_cache(256)
def _while_live(cycle: Cycle) -> Cycle:
    """Return the cycle of a class whose nodes do nothing before the run is live."""
    (test,) = parse(f"if not {cycle.state}.live:\n    return False").body
    tree = copy(cycle.tree)
    tree.body = [ast.copy_location(test, cycle.tree.body[0]), *cycle.tree.body]
    return replace(cycle, tree=ast.fix_missing_locations(tree))


def _check_class(cls: type[Any]) -> None:
    for name in _ACCESS:
        if getattr(cls, name) is not getattr(object, name):
            raise Refused(f"its class defines {name}")
    if hasattr(cls, "__getattr__"):
        raise Refused("its class defines __getattr__")
    if found_in(cls, "value") is not vars(MutableNode)["value"]:
        raise Refused("its class defines value")
    if cls.__basicsize__ != MutableNode.__basicsize__:
        raise Refused("its class has __slots__")


def _check_attribute(cls: type[Any], name: str) -> None:
    if is_mangled(name) or name in ("ticked_in", "__dict__", "__class__"):
        raise Refused(f"it uses {name}, which belongs to the engine or to Python")
    found = found_in(cls, name)
    if isinstance(found, FunctionType | staticmethod | classmethod):
        raise Refused(f"it uses its method {name}")
    if any(hasattr(type(found), each) for each in ("__get__", "__set__", "__delete__")):
        raise Refused(f"{name} is a property or another descriptor of its class")


# A method's name, itself, and its code, which autoreload may replace.
_Methods = tuple[tuple[str, FunctionType, object], ...]


def _methods(cls: type[Any]) -> _Methods:
    """Return the methods of a class that its `cycle` may call."""
    found: dict[str, FunctionType] = {}
    for base in cls.__mro__:
        if base in (MutableNode, Source):
            break
        for name, item in vars(base).items():
            if isinstance(item, FunctionType) and not name.startswith("__"):
                found.setdefault(name, item)
    return tuple((name, method, method.__code__) for name, method in found.items())


@lru_cache(256)
def _read(
    function: FunctionType, code: object, file: SourceFile, methods: _Methods
) -> Cycle | str | None:
    """Return the cycle, or why it is outside the subset; `None` if there is no source."""
    tree = file.find(function.__code__)
    if not isinstance(tree, ast.FunctionDef):
        return None
    try:
        return _Reader(function, file, tree, methods).cycle()
    except (Refused, NotInlined) as reason:
        return str(reason)
    except RecursionError:
        return "its cycle is nested too deeply"


class _Reader(ast.NodeVisitor):
    """Walks through a `cycle` and refuses code that cannot be moved into the fused function."""

    def __init__(
        self, function: FunctionType, file: SourceFile, tree: ast.FunctionDef, methods: _Methods
    ) -> None:
        if tree.decorator_list:
            raise Refused("its cycle is decorated")
        arguments = tree.args
        names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
        more = arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.defaults
        if more or len(names) != 2:
            raise Refused("its cycle takes other arguments than self and state")
        self._me, self._state = names
        self._function, self._file = function, file
        own = {name: method for name, method, _ in methods}
        self._inlined = with_methods(tree.body, self._me, function, own)
        self._tree = tree
        if self._inlined.methods:
            self._tree = copy(tree)
            self._tree.body = self._inlined.body
        self._free = frozenset(function.__code__.co_freevars)
        self._attributes: dict[str, None] = {}
        self._written: set[str] = set()
        self._called: dict[str, int] = {}
        self._local: set[str] = set()
        self._depth = 0
        self._loops = 0

    def cycle(self) -> Cycle:
        for statement in self._tree.body:
            self.visit(statement)
        return Cycle(
            self._function,
            self._file,
            self._tree,
            self._me,
            self._state,
            tuple(self._attributes),
            frozenset(self._written),
            self._called,
            frozenset(self._local),
            self._free,
            is_ours(self._function.__globals__),
            tuple(self._inlined.methods),
            self._inlined.names,
        )

    def visit(self, node: ast.AST) -> None:
        self._depth += 1
        if self._depth > _DEEPEST_TREE:
            raise Refused("its cycle is nested too deeply")
        if is_doubtful(node):
            raise Refused("its cycle has code that Python warns about")
        super().visit(node)
        self._depth -= 1

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt) and not isinstance(node, _STATEMENTS):
            raise Refused(f"its cycle has a statement of the kind {type(node).__name__}")
        if isinstance(node, ast.expr) and not isinstance(node, _EXPRESSIONS):
            raise Refused(f"its cycle has an expression of the kind {type(node).__name__}")
        super().generic_visit(node)

    # Statements

    def visit_For(self, node: ast.For) -> None:
        self._loop(node)

    def visit_While(self, node: ast.While) -> None:
        self._loop(node)

    def _loop(self, node: ast.For | ast.While) -> None:
        self._loops += 1
        if self._loops > _DEEPEST_LOOPS:
            raise Refused("its cycle has too many nested loops")
        self.generic_visit(node)
        self._loops -= 1

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        plain = isinstance(node.target, ast.Name) or attribute_of(node.target, self._me) is not None
        if node.value is None and not plain:
            raise Refused("its cycle annotates an expression without assigning to it")
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    # Expressions

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in (self._me, self._state):
            raise Refused(f"its cycle passes {node.id} on")
        if node.id in _FRAME:
            raise Refused(f"its cycle uses {node.id}")
        if is_mangled(node.id):
            raise Refused(f"its cycle uses {node.id}, which Python renames inside a class")
        if not isinstance(node.ctx, ast.Load):
            self._local.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if is_mangled(node.attr):
            raise Refused(f"it uses {node.attr}, which Python renames inside a class")
        owner = node.value
        if not isinstance(owner, ast.Name):
            self.visit(owner)
        elif owner.id == self._state:
            if not isinstance(node.ctx, ast.Load):
                raise Refused("its cycle sets an attribute of its state")
        elif owner.id == self._me:
            if node.attr != "value":
                self._attributes[node.attr] = None
            if isinstance(node.ctx, ast.Store):
                self._written.add(node.attr)
            elif isinstance(node.ctx, ast.Del):
                raise Refused(f"its cycle deletes {node.attr}")
        else:
            self.visit(owner)

    def visit_Call(self, node: ast.Call) -> None:
        name = attribute_of(node.func, self._me)
        if name is not None:
            self._called[name] = -1 if node.keywords else len(node.args)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        """Let it pass here: the pass `unroll` unrolls it or refuses it."""
        self.visit(node.elt)
        for each in node.generators:
            self.visit(each.iter)
            for test in each.ifs:
                self.visit(test)


def is_doubtful(node: ast.AST) -> bool:
    """Return whether CPython's compiler may warn of a piece of code.

    It warned when it compiled the user's file, and must not warn again for the fused text.
    """
    match node:
        case ast.Assert(test=ast.Tuple()) | ast.Call(func=ast.Constant()):
            return True
        case ast.Subscript(value=ast.Constant() | ast.JoinedStr()):
            return True
        case ast.Subscript(value=each) | ast.Call(func=each):
            return _is_display(each)
        case ast.Compare():
            by_identity = any(isinstance(each, ast.Is | ast.IsNot) for each in node.ops)
            return by_identity and any(map(_is_literal, (node.left, *node.comparators)))
    return False


def _is_literal(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is not None and node.value is not ... and type(node.value) is not bool
    return _is_display(node)


def _is_display(node: ast.expr) -> bool:
    return isinstance(node, ast.Tuple | ast.List | ast.Dict | ast.Set | ast.JoinedStr)


_STATEMENTS = (
    ast.Assign,
    ast.AugAssign,
    ast.AnnAssign,
    ast.Expr,
    ast.If,
    ast.For,
    ast.While,
    ast.Break,
    ast.Continue,
    ast.Return,
    ast.Pass,
    ast.Raise,
    ast.Assert,
)
_EXPRESSIONS = (
    ast.Attribute,
    ast.BinOp,
    ast.BoolOp,
    ast.Call,
    ast.Compare,
    ast.Constant,
    ast.Dict,
    ast.FormattedValue,
    ast.IfExp,
    ast.JoinedStr,
    ast.List,
    ast.Name,
    ast.Set,
    ast.Slice,
    ast.Starred,
    ast.Subscript,
    ast.Tuple,
    ast.UnaryOp,
)


def attribute_of(expression: ast.AST, owner: str) -> str | None:
    """Return the name if an expression is an attribute of the variable `owner`, else `None`."""
    if isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
        return expression.attr if expression.value.id == owner else None
    return None
