"""The second pass: read a node class's `cycle`, and say what each of its attributes is.

Reading is done once for a class, `kinds_of` once for a node. What a `cycle` does that cannot be
taken apart raises `Refused` with the reason: such a node is called.
"""

import ast
import dis
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from types import FunctionType
from typing import Any, Generic

from graphcore.engine.fused.functions import Expression, expression_of, operator_of
from graphcore.engine.fused.syntax import is_mangled, tree_of
from graphcore.node import MutableNode

Node = MutableNode[Any]


class Refused(Exception):
    """A node cannot be taken apart; the text says why."""


class Is(Enum):
    """What an attribute of a node is to its `cycle`."""

    INPUT = "an upstream"
    INPUTS = "a list of upstreams"
    OWN = "state that the cycle sets"
    KEPT = "state that nobody sets during a run"
    LIVE = "anything that others may set: read from the node each time"
    LITERAL = "a parameter that can be written out"
    FOLDED = "a parameter on which the text depends: True, False or None"
    EXPRESSION = "a function whose expression can be written out"
    OPERATOR = "the function of an operator"
    BOUND = "any other parameter"


@dataclass(frozen=True, slots=True)
class Kind:
    """What an attribute is, with what the text of the cycle depends on.

    Attributes:
        of: what it is.
        detail: the number of upstreams, the literal's type, the folded value, the expression or
            the operator's function.
    """

    of: Is
    detail: Any = None


Kinds = Mapping[str, Kind]

_LITERALS = (int, float, str, bytes)
_LONGEST = 40
# What looks at, or runs in, the very function that it is named in.
_FRAME = {"__class__", "dir", "eval", "exec", "globals", "locals", "super", "vars"}
_BEFORE_A_CYCLE = {"__init__", "__post_init__", "start", "reset"}
LIFECYCLE = _BEFORE_A_CYCLE | {"stop", "cycle"}
_ANY = {"setattr", "delattr", "__dict__", "vars"}
_ACCESS = ("__getattribute__", "__setattr__", "__delattr__")


@dataclass(frozen=True, eq=False, slots=True)
class Reading:
    """What a class's `cycle` says of its attributes and of its state.

    Attributes:
        function: the `cycle`.
        tree: its syntax tree.
        me: the name of its first parameter.
        state: the name of its second one.
        attributes: the node's attributes that it uses, `value` left out.
        written: those that it sets.
        called: those that it calls, with the number of arguments where that is plain.
        local: the names that it binds.
        others_write: the attributes that other methods of the class set while a run goes on.
        begun_with: the attributes that are set before a run's first cycle.
        parameters: the attributes that a `@node` class declares as parameters.
    """

    function: FunctionType
    tree: ast.FunctionDef
    me: str
    state: str
    attributes: tuple[str, ...]
    written: frozenset[str]
    called: Mapping[str, int]
    local: frozenset[str]
    others_write: frozenset[str]
    begun_with: frozenset[str]
    parameters: frozenset[str]


def reading_of(cls: Any) -> Reading:
    """Return what a class's `cycle` says.

    Raises:
        Refused: if it cannot be taken apart.
    """
    found = _read(cls, cycle_of(cls))
    if isinstance(found, str):
        raise Refused(found)
    return found


def cycle_of(cls: type[Any]) -> object:
    """Return what a class has for its `cycle`."""
    return found_in(cls, "cycle")


def found_in(cls: type[Any], name: str) -> object:
    """Return what stands under a name in a class or those it stands on."""
    return next(vars(each)[name] for each in cls.__mro__ if name in vars(each))


@lru_cache(1024)
def _read(cls: type[Any], function: object) -> Reading | str:
    try:
        return _Reader(cls, function).reading()
    except Refused as reason:
        return str(reason)


class _Reader(ast.NodeVisitor):
    """Goes through a `cycle`, and refuses what has no place in a function that holds all nodes."""

    def __init__(self, cls: type[Node], function: object) -> None:
        self._cls = cls
        if not isinstance(function, FunctionType):
            raise Refused("its cycle is no plain function")
        tree = tree_of(function)
        if not isinstance(tree, ast.FunctionDef):
            raise Refused("the text of its cycle is not to be had")
        if tree.decorator_list:
            raise Refused("its cycle is decorated")
        arguments = tree.args
        names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
        more = arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.defaults
        if more or len(names) != 2:
            raise Refused("its cycle takes other arguments than self and state")
        self._function, self._tree = function, tree
        self._me, self._state = names
        self._attributes: dict[str, None] = {}
        self._written: set[str] = set()
        self._called: dict[str, int] = {}
        self._local: set[str] = set()

    def reading(self) -> Reading:
        for name in _ACCESS:
            if getattr(self._cls, name) is not getattr(object, name):
                raise Refused(f"its class defines {name}")
        if hasattr(self._cls, "__getattr__"):
            raise Refused("its class defines __getattr__")
        if not isinstance(inspect.getattr_static(self._cls, "value"), _NoValueType):
            raise Refused("its class defines value")
        for statement in self._tree.body:
            self.visit(statement)
        for name in self._attributes:
            self._check_attribute(name)
        parameters: frozenset[str] = frozenset()
        if is_dataclass(self._cls):
            declared = {each.name for each in fields(self._cls) if each.init}
            parameters = frozenset(declared - set(self._cls._inputs))
        others: set[str] = set()
        begun: set[str] = set(self._cls._states)
        for method, code in _methods(self._cls):
            if method not in LIFECYCLE:
                others.update(_stored(code))
            elif method in _BEFORE_A_CYCLE:
                begun.update(_stored(code))
        if others & _ANY:
            raise Refused("a method of its class sets attributes by names that are not plain")
        return Reading(
            self._function,
            self._tree,
            self._me,
            self._state,
            tuple(self._attributes),
            frozenset(self._written),
            self._called,
            frozenset(self._local),
            frozenset(others),
            frozenset(begun),
            parameters,
        )

    def _check_attribute(self, name: str) -> None:
        if is_mangled(name) or name == "ticked_in":
            raise Refused(f"it uses {name}, which is not its own to keep")
        found = inspect.getattr_static(self._cls, name, None)
        if isinstance(found, FunctionType | staticmethod | classmethod):
            raise Refused(f"it uses its method {name}")
        if hasattr(type(found), "__get__"):
            raise Refused(f"{name} is a property of its class")

    # Statements

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt) and not isinstance(node, _STATEMENTS):
            raise Refused(f"its cycle has a statement of the kind {type(node).__name__}")
        if isinstance(node, ast.expr) and isinstance(node, _SCOPES):
            raise Refused(f"its cycle has an expression of the kind {type(node).__name__}")
        super().generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id == self._me:
            raise Refused(f"its cycle hands {self._me} on")
        if node.id == self._state:
            raise Refused(f"its cycle hands {self._state} on")
        if node.id in _FRAME:
            raise Refused(f"its cycle speaks of {node.id}")
        if not isinstance(node.ctx, ast.Load):
            self._local.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if is_mangled(node.attr):
            raise Refused(f"it uses {node.attr}, which Python calls otherwise inside a class")
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

    def visit_Call(self, node: ast.Call) -> None:
        name = attribute_of(node.func, self._me)
        if name is not None:
            plain = not node.keywords
            self._called[name] = len(node.args) if plain else -1
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        """Let it pass: over a list of upstreams it is written out, and else refused then."""
        self.visit(node.elt)
        for each in node.generators:
            self.visit(each.iter)
            for test in each.ifs:
                self.visit(test)


_NoValueType = type(vars(MutableNode)["value"])
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
_SCOPES = (
    ast.Lambda,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.NamedExpr,
    ast.Await,
    ast.Yield,
    ast.YieldFrom,
)


def attribute_of(expression: ast.AST, owner: str) -> str | None:
    """Return which attribute of the variable `owner` an expression is, `None` if it is none."""
    if isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
        return expression.attr if expression.value.id == owner else None
    return None


def kinds_of(node: Node, reading: Reading, upstreams: set[Node]) -> dict[str, Kind]:
    """Return what each attribute of a node is to its `cycle`.

    Raises:
        Refused: if the cycle sets an upstream, or state that a run does not begin with.
    """
    own = vars(node)
    if "cycle" in own:
        raise Refused("it has a cycle of its own, apart from its class's")
    kinds: dict[str, Kind] = {}
    for name in reading.attributes:
        kind = _kind(name, own.get(name), node, reading, upstreams)
        changes = name in reading.written or name in reading.others_write
        if changes and kind.of in (Is.INPUT, Is.INPUTS):
            raise Refused(f"its class sets {name}, an upstream, while it runs")
        if kind.of is Is.OWN and name not in own and name not in reading.begun_with:
            raise Refused(f"a run begins without {name}, which its cycle sets")
        kinds[name] = kind
    return kinds


def _kind(name: str, given: Any, node: Node, reading: Reading, upstreams: set[Node]) -> Kind:
    declared = node._inputs.get(name)
    if declared is not None:
        read = given if declared.many else [given]
        if not (isinstance(read, list) and all(node_behind(each) in upstreams for each in read)):
            raise Refused(f"its upstream {name} is no longer the one that it was wired with")
        return Kind(Is.INPUTS, len(given)) if declared.many else Kind(Is.INPUT)
    if name in reading.others_write:
        return Kind(Is.LIVE)
    if name in reading.written:
        return Kind(Is.OWN)
    if name in node._states:
        return Kind(Is.KEPT)
    read = upstreams_in(given)
    if upstreams.issuperset(read):
        return Kind(Is.INPUTS, len(read)) if isinstance(given, list | tuple) else Kind(Is.INPUT)
    if name in reading.parameters:
        return _parameter(given, reading.called.get(name))
    return Kind(Is.LIVE)


def upstreams_in(given: object) -> list[Node | None]:
    """Return the node that an object is, or those in a list that begins with one.

    What is no node stands there as `None`.
    """
    if isinstance(given, list | tuple) and given and node_behind(given[0]) is not None:
        return [node_behind(each) for each in given]
    return [node_behind(given)]


def node_behind(given: object) -> Node | None:
    """Return the node that an object is, or whose handle it is; `None` for any other object."""
    if isinstance(given, MutableNode):
        return given
    try:
        found = getattr(given, "node", None)
    except Exception:  # a user's object that has nothing to do with graphs has a property `node`
        return None
    return found if isinstance(found, MutableNode) else None


def _parameter(given: Any, arguments: int | None) -> Kind:
    if given is None or given is True or given is False:
        return Kind(Is.FOLDED, given)
    if type(given) in _LITERALS:
        short = len(repr(given)) <= _LONGEST
        finite = type(given) is not float or given - given == 0
        return Kind(Is.LITERAL, type(given)) if short and finite else Kind(Is.BOUND)
    if arguments is not None:
        expression: Expression | None = expression_of(given)
        if expression is not None:
            return Kind(Is.EXPRESSION, expression)
        if operator_of(given, arguments) is not None:
            return Kind(Is.OPERATOR, given)
    return Kind(Is.BOUND)


def own_classes(cls: type[Any]) -> Iterator[type[Any]]:
    """Yield a node's class and those it stands on, up to `MutableNode`."""
    return (each for each in cls.__mro__ if each not in (MutableNode, Generic, object))


def _methods(cls: type[Node]) -> Iterator[tuple[str, Callable[..., Any]]]:
    for each in own_classes(cls):
        for name, found in vars(each).items():
            function = found.__func__ if isinstance(found, classmethod | staticmethod) else found
            if isinstance(found, property):
                for accessor in (found.fget, found.fset, found.fdel):
                    if accessor is not None:
                        yield name, accessor
            elif isinstance(function, FunctionType):
                yield name, function


def is_made(function: FunctionType) -> bool:
    """Return whether `@node` gave a class this function: it is the same in all of them."""
    code = function.__code__
    without_text = (code.co_name, code.co_filename) == ("__init__", "<string>")
    return without_text or function.__module__ == "dataclasses"


@lru_cache(1024)
def set_in_runs(cls: Any) -> frozenset[str]:
    """Return the attributes that a class's methods set in each run."""
    found = set(cls._states)
    for method, function in _methods(cls):
        if method not in ("__init__", "__post_init__"):
            found.update(_stored(function))
    return frozenset(found)


def _stored(function: Callable[..., Any]) -> Iterator[str]:
    """Yield the names of the attributes that a function sets, and those by which it might."""
    code = inspect.unwrap(function).__code__
    waiting = [code]
    while waiting:
        code = waiting.pop()
        waiting += [each for each in code.co_consts if inspect.iscode(each)]
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("STORE_ATTR", "DELETE_ATTR"):
                yield str(instruction.argval)
        yield from _ANY.intersection(code.co_names)
