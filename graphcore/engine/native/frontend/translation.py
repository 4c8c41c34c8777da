"""Translate the loop of a fused function into a kernel.

The text is the one that the fused tier wrote: which nodes run, when, and on what, is decided there.
"""

import ast
import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import EnumType
from functools import cached_property
from types import ModuleType
from typing import Any

from graphcore.engine.fused.frontend.capture import ModuleVariables
from graphcore.engine.native.frontend.flow import Flow
from graphcore.engine.native.frontend.keyed import Keyed, key_shape, shape_of
from graphcore.engine.native.frontend.records import Shape
from graphcore.engine.native.frontend.statements import Statements
from graphcore.engine.native.frontend.surroundings import Surroundings
from graphcore.engine.native.frontend.values import Alarms, Out, Scope, ring_item
from graphcore.engine.native.frontend.variables import (
    Delivered,
    Ring,
    Value,
    Variables,
    kind_of,
)
from graphcore.engine.native.ir import CATEGORIES, Input, Kernel, Kind, Reason, Start, Table
from graphcore.parsing import parse, walk
from graphcore.subgraph import ABSENT, QuickRuns

# What `_is_lasting` tells of, as text.
_LASTING = re.compile(r"\bis (not )?(None|True|False|absent)\b|\btype\(\w+\) is (not )?\w+")


@dataclass(frozen=True)
class Text:
    """What a translation needs to know of a fused function.

    Attributes:
        source: the function's text.
        namespace: its globals.
        carried: the variables that keep their values from one cycle to the next, and those that
            only one cycle uses but that are written back.
        read: those of `carried` that no cycle assigns.
        values: of a lone source, the variable of its value.
        alarms: what the function's alarms mean; `None` if a lone source starts all cycles.
        symbols: those of the globals that stand for an object around a node.
    """

    source: str
    namespace: Mapping[str, Any]
    carried: frozenset[str]
    read: frozenset[str]
    values: tuple[str, ...] = ()
    alarms: Alarms | None = None
    symbols: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Translation:
    """A kernel, and what in Python belongs to it.

    Attributes:
        kernel: the kernel.
        variables: the kinds of Python's variables.
        surroundings: the numbers and objects around the function.
        carried: Python's variables that the kernel holds.
        inputs: the variables of the numbers around the function.
        constants: the bools of Python that the kernel never changes.
        held: the lists that the kernel holds as it holds deques.
        tables: for each variable of what runs keys, their sub-graphs; `None` if there is no key
            yet, or if the kernel cannot run them.
    """

    kernel: Kernel
    variables: Variables
    surroundings: Surroundings
    carried: tuple[str, ...]
    inputs: tuple[str, ...]
    constants: Mapping[str, bool]
    held: frozenset[str]
    tables: Mapping[str, Keyed | None]


class Loop:
    """The loop of a fused function, parsed.

    Args:
        text: the function.
    """

    def __init__(self, text: Text) -> None:
        self.text = text

    @cached_property
    def _function(self) -> ast.FunctionDef:
        [function] = parse(self.text.source).body
        assert isinstance(function, ast.FunctionDef)
        return function

    @cached_property
    def _loop(self) -> ast.For:
        [loop] = [each for each in self._function.body if isinstance(each, ast.For)]
        return loop

    @cached_property
    def targets(self) -> list[str]:
        """The variables that each round of the loop gets."""
        assert isinstance(self._loop.target, ast.Tuple)
        return [each.id for each in self._loop.target.elts if isinstance(each, ast.Name)]

    @cached_property
    def body(self) -> list[ast.stmt]:
        """Its statements, without the question whether the run is to end."""
        return self._loop.body[:-1]

    @cached_property
    def names(self) -> set[str]:
        """The variables that the function assigns."""
        return {
            each.id
            for each in walk(self._function)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        }

    @cached_property
    def appended(self) -> frozenset[str]:
        """The lists that the loop only appends to."""
        return _appended(self.body, self.text.carried)

    @cached_property
    def refused(self) -> str:
        """Why the loop must not run as a kernel at all; empty if it may."""
        # Of most texts, words tell it: to parse one takes as long as all the rest of a run.
        text = self.text
        if "is" not in _LASTING.sub("", text.source).split():
            return ""
        return _refusal(self.body, text.namespace)

    @cached_property
    def carried(self) -> tuple[str, ...]:
        """The variables that keep their values from one cycle to the next.

        In the order of the text, not of the names, which differ between graphs of one shape.
        """
        used = [each.id for part in self.body for each in walk(part) if isinstance(each, ast.Name)]
        return tuple(
            name for name in dict.fromkeys((*used, *self.targets)) if name in self.text.carried
        )


def translate(
    loop: Loop, variables: Variables, observed: Mapping[str, object], shapes: Sequence[Shape]
) -> Translation:
    """Return the kernel of a loop.

    Args:
        loop: the loop.
        variables: the kinds that earlier translations of this loop have found.
        observed: what the function's variables hold now.
        shapes: what the values of the sources are.
    """
    variables.forget_own()
    rings: dict[str, Ring] = {}
    lists: dict[str, None] = {}
    known: dict[str, Value] = {}
    surroundings = Surroundings(loop.text.namespace, loop.text.symbols, variables)
    surroundings.hold(observed)
    missing = object()
    shared = Counter(id(observed.get(name, missing)) for name in loop.carried)
    tables: dict[str, Keyed | None] = {}
    for name in loop.carried:
        value = observed.get(name, missing)
        if isinstance(value, QuickRuns):
            tables[name] = _keyed(name, value, variables)
        if type(value) in (deque, list) and shared[id(value)] > 1:
            variables.observe(name, value)  # what one variable does to it, the other sees
        elif type(value) is list and name in loop.appended:
            lists[name] = None
        elif type(value) is list or type(value) is deque:
            rings[name] = Ring(name, getattr(value, "maxlen", None), type(value) is list)
            for item in value:
                variables.observe(ring_item(name), item)
        elif name in loop.text.read and kind_of(value) in (Kind.OTHER, *CATEGORIES):
            known[name] = surroundings.of_variable(name, value)
        else:
            variables.observe(name, value)
    keyed = {name: each for name, each in tables.items() if each is not None}
    variables.lasting = frozenset(loop.carried).union(*(each.lasting for each in keyed.values()))
    for name in loop.carried:
        if name not in loop.text.read and name not in rings and name not in lists:
            variables.observe_constant(name, observed.get(name, missing))
    alarms = loop.text.alarms
    statements = Statements(variables, surroundings, rings, frozenset(lists), alarms, keyed)
    apart = {*rings, *lists, *known}
    delivered = Delivered(tuple(shapes))
    if alarms is not None:
        known["given"] = delivered
    scope = Scope({name: name for name in loop.names | set(loop.carried)}, known)
    while True:
        variables.changed = False
        variables.flow = Flow()
        body: Out = []
        statements.inlined = 0
        for name in loop.targets:
            if name in loop.text.values:
                variables.assign(name, delivered.value(0), body)
            elif name not in known:
                variables.assign(name, Input(Kind.INT, name), body)
        statements.block(loop.body, scope, body)
        if not variables.changed:
            break
    held = tuple(name for name in loop.carried if name not in apart)
    inputs = tuple(surroundings.inputs)
    sources = tuple(each.parts for each in shapes)
    start = Start(sources)
    if alarms is not None:
        crowded = statements.traps.reason("very many cycles at one time")
        start = Start(sources, False, alarms.count - len(sources), crowded)
    kernel = Kernel(
        start,
        tuple(body),
        variables.slots(variables.kinds),
        tuple(variables.slots((*held, *inputs))),
        {name: _parts(variables, name) for name in rings if _is_held(statements, name)},
        {name: _parts(variables, name) for name in lists if _is_held(statements, name)},
        tuple(Reason(text, line) for text, line in statements.traps.reasons),
        {name: _table(variables, each) for name, each in keyed.items()},
    )
    constants = dict(variables.constants)
    of_lists = frozenset(name for name, ring in rings.items() if ring.is_list)
    return Translation(kernel, variables, surroundings, held, inputs, constants, of_lists, tables)


def _keyed(name: str, runs: QuickRuns[Any], variables: Variables) -> Keyed | None:
    """Return the sub-graphs of keys, and add the kinds of what they hold."""
    compiled = shape_of(runs)
    if compiled is None:
        return None
    keyed = Keyed(name, compiled, key_shape(runs))
    if _refusal(keyed.body, compiled.globals):
        return None
    keyed.observe(runs, variables)
    return keyed


def _table(variables: Variables, keyed: Keyed) -> Table:
    changed, read = (
        tuple(variables.slots(map(keyed.variable, names))) for names in (keyed.changed, keyed.read)
    )
    return Table(changed, read, 0 if keyed.key is None else len(keyed.key.parts))


def _is_held(statements: Statements, name: str) -> bool:
    return statements.is_held(ring_item(name))


def _parts(variables: Variables, name: str) -> tuple[Kind, ...]:
    return tuple(variables.slots([ring_item(name)]).values())


def _appended(body: Sequence[ast.stmt], carried: Set[str]) -> frozenset[str]:
    """Return the names of which the code only asks the length, and to which it only appends.

    It may also give one to a method of an object, which Python calls: so `collect` packs its lists.
    """
    used: Counter[str] = Counter()
    appended: Counter[str] = Counter()
    for part in body:
        for node in walk(part):
            match node:
                case ast.Call(ast.Attribute(ast.Name(name), "append"), [_], []):
                    appended[name] += 1
                case ast.Call(ast.Name("len"), [ast.Name(name)], []):
                    appended[name] += 1
                case ast.Call(ast.Attribute(ast.Name(owner)), given, []) if owner in carried:
                    appended.update(each.id for each in given if isinstance(each, ast.Name))
                case ast.Name(name):
                    used[name] += 1
    return frozenset(name for name, count in used.items() if count == appended[name])


def _refusal(body: list[ast.stmt], namespace: Mapping[str, Any]) -> str:
    """Return why a loop must not run as a kernel at all; empty if it may.

    A number or tuple that a kernel gives back is another object than before; a member of an enum is
    the same.
    """
    for part in body:
        for node in walk(part):
            if not isinstance(node, ast.Compare):
                continue
            for operator, other in zip(node.ops, node.comparators, strict=True):
                if isinstance(operator, ast.Is | ast.IsNot) and not _is_lasting(
                    node.left, other, namespace
                ):
                    return f"it asks whether two values are the same object: {ast.unparse(node)}"
    return ""


def _global(node: ast.expr, namespace: Mapping[str, Any]) -> object:
    """Return the global that an expression names, alone or as an attribute of its module."""
    match node:
        case ast.Name(name):
            return namespace.get(name)
        case ast.Attribute(ast.Name(name), attribute) if isinstance(
            namespace.get(name), ModuleType | ModuleVariables
        ):
            return vars(namespace[name]).get(attribute)
    return None


def _is_lasting(left: ast.expr, right: ast.expr, namespace: Mapping[str, Any]) -> bool:
    match left, right:
        case _, ast.Attribute(owner) if isinstance(_global(owner, namespace), EnumType):
            return True
        case _, ast.Constant(None | True | False):
            return True
        case _, ast.Name(name) if name == "absent" or namespace.get(name) is ABSENT:
            return True
        case ast.Call(ast.Name("type")), _:
            return True
    return False
