"""What the translation of expressions stands on: scopes, names, and values of several kinds.

An expression gives a value, and may write statements that have to run before it. Python evaluates
from left to right: if an operand writes statements, what came before it is kept in variables first.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from graphcore.engine.native.frontend.flow import joined
from graphcore.engine.native.frontend.keyed import Keyed
from graphcore.engine.native.frontend.operations import Untranslated
from graphcore.engine.native.frontend.surroundings import Surroundings
from graphcore.engine.native.frontend.variables import (
    Appended,
    Delivered,
    Group,
    Known,
    Ring,
    Several,
    Traps,
    Unsettled,
    Value,
    Variables,
    kind_of,
)
from graphcore.engine.native.ir import (
    NUMBERS,
    Assign,
    Body,
    Const,
    Drop,
    Expr,
    If,
    Item,
    Kind,
    Length,
    Op,
    Parts,
    Statement,
    Trap,
)

Out = list[Statement]
Write = Callable[[Out], bool | None]
Build = Callable[[list[Value], Out], Value]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a name is looked up.

    Attributes:
        names: the kernel's name of each variable.
        values: what other names stand for: deques and lists that were given to a function.
        prefix: the beginning of the names of variables that belong to this place.
        function: the inlined function, a `Known`; `None` in the fused function itself.
        loop: the labels of the loop around: where `continue` and where `break` go.
        repeats: whether the next round of that loop runs the same statements again.
        result: the label to leave and the variable for the result of an inlined function.
        depth: how many inlined functions are around.
    """

    names: dict[str, str]
    values: dict[str, Value] = field(default_factory=dict)
    prefix: str = ""
    function: Known | None = None
    loop: tuple[str, str] | None = None
    repeats: bool = True
    result: tuple[str, str] | None = None
    depth: int = 0

    def inside(self, again: str, leave: str, repeats: bool = True) -> "Scope":
        """Return the scope inside of a loop."""
        return replace(self, loop=(again, leave), repeats=repeats)


@dataclass(frozen=True, slots=True)
class Alarms:
    """What the entries of the heap mean that the fused function pushes (see `Schedule`).

    Attributes:
        bits: for each node that starts cycles, by its index, the place of its bit.
        weak_bit: the bit of an entry for an alarm that keeps no run alive.
        last_bit: the bit of an entry for one of `schedule_last`.
    """

    bits: Mapping[int, int]
    weak_bit: int
    last_bit: int

    @property
    def count(self) -> int:
        """How many nodes start cycles."""
        return len(self.bits)

    def parts(self, entry: int) -> tuple[int, bool, bool]:
        """Return the place of the node's bit, whether it is weak, and whether it is a last one."""
        index = entry & self.weak_bit - 1
        return self.bits[index], bool(entry & self.weak_bit), bool(entry & self.last_bit)


class Values:
    """Translates values: what all expressions share.

    Args:
        variables: the kinds of the variables.
        surroundings: the objects around the function.
        rings: the deques and lists that the kernel holds, by variable.
        lists: the lists that the kernel appends to, by variable.
        alarms: what the function's alarms mean; `None` if it sets none.
        tables: the sub-graphs of keys, by the variable of what runs them.

    Attributes:
        found: for each variable that holds what runs the sub-graph of a key, the table.
    """

    def __init__(
        self,
        variables: Variables,
        surroundings: Surroundings,
        rings: dict[str, Ring],
        lists: frozenset[str],
        alarms: "Alarms | None" = None,
        tables: Mapping[str, Keyed] = MappingProxyType({}),
    ) -> None:
        self.variables = variables
        self.surroundings = surroundings
        self.rings = rings
        self.lists = lists
        self.alarms = alarms
        self.tables = tables
        self.found: dict[str, str] = {}
        self.traps = Traps()
        self._numbers: dict[ast.AST, int] = {}
        self._made: dict[ast.AST, Any] = {}

    # Names of the kernel's own variables

    def place(self, node: ast.AST, scope: Scope) -> str:
        """Return a name that is the same for this node of the text in each round."""
        number = self._numbers.setdefault(node, len(self._numbers))
        return f"{scope.prefix}${number}"

    def kept(self, value: Value, name: str, out: Out) -> Value:
        """Return the value from a variable of its own, so that later statements do not change it.

        Constants, deques and objects stay as they are.
        """
        match value:
            case Const() | Ring() | Appended() | Known() | Delivered():
                return value
            case Group(items):
                return value.with_items(
                    self.kept(item, f"{name}.{at}", out) for at, item in enumerate(items)
                )
        self.variables.assign(name, value, out)
        return self.variables.read(name, out, self.traps)

    def operands(self, nodes: Sequence[ast.expr], scope: Scope, out: Out) -> list[Value]:
        """Return the values of expressions that Python evaluates one after the other."""
        values: list[Value] = []
        for node in nodes:
            inner: Out = []
            value = self.value(node, scope, inner)
            if inner:
                values = [
                    self.kept(each, f"{self.place(other, scope)}k", out)
                    for each, other in zip(values, nodes, strict=False)
                ]
                out += inner
            values.append(value)
        return values

    # Values of several kinds

    def each_kind(
        self,
        values: Sequence[Value],
        build: Build,
        name: str,
        out: Out,
    ) -> Value:
        """Return what `build` makes of some values, whichever kinds they are of.

        Args:
            values: the values; of those of several kinds, `build` gets one kind after the other.
            build: makes a value, and may write statements.
            name: the variable for the result.
            out: where to write.
        """
        place = next((at for at, each in enumerate(values) if isinstance(each, Several)), None)
        if place is None:
            return build(list(values), out)
        value = values[place]
        assert isinstance(value, Several)
        chosen: Out = []
        writes: list[Write] = []
        for kind in reversed(value.kinds):
            given = [*values[:place], self.variables.part(value.name, kind), *values[place + 1 :]]
            inner = f"{name}{kind.name[0]}"
            writes.append(partial(self._assign_each, name, given, build, inner))
        for kind, body in zip(reversed(value.kinds), self.fork(*writes), strict=True):
            # The last kind needs no test.
            chosen = [If(value.is_of(kind), body, tuple(chosen))] if chosen else list(body)
        out += chosen
        return self.variables.read(name, out, self.traps)

    def _assign_each(
        self, name: str, given: Sequence[Value], build: Build, inner: str, out: Out
    ) -> None:
        self.variables.assign(name, self.each_kind(given, build, inner, out), out)

    def fork(self, *writes: Write) -> list[Body]:
        """Return the statements of several paths; one of the paths runs.

        A path has a trap from the point on at which there is no translation. What `writes` return
        tells whether the path leads elsewhere.
        """
        before, after = self.variables.flow, None
        line, bodies = self.traps.line, []
        for write in writes:
            self.variables.flow, self.traps.line = before.copy(), line
            out: Out = []
            try:
                ended = write(out)
            except Untranslated as error:
                out.append(Trap(self.traps.reason(str(error))))
                ended = True
            bodies.append(tuple(out))
            if not ended:
                after = joined(after, self.variables.flow)
        self.variables.flow, self.traps.line = after or before, line
        return bodies

    def assigning(self, name: str, node: ast.expr, scope: Scope) -> Write:
        """Return what writes that a variable gets the value of an expression."""

        def write(out: Out) -> None:
            self.variables.assign(name, self.value(node, scope, out), out)

        return write

    def scalar(self, value: Value) -> Expr:
        """Return a number or `None`, of one kind."""
        if not isinstance(value, Expr):
            raise Untranslated("an operation on what is no number")
        return value

    def as_tuple(self, value: Value, out: Out) -> Value:
        """Return a value that has to be a tuple, with a trap if it is another one."""
        if isinstance(value, Known) and type(value.value) is tuple:
            return self._of_constants(value)
        if not isinstance(value, Several) or Kind.TUPLE not in value.kinds:
            return value
        other = Op(Kind.BOOL, "not", (value.is_of(Kind.TUPLE),))
        self.traps.trap_if(other, "an item of what is no tuple", out)
        return self.variables.part(value.name, Kind.TUPLE)

    def _of_constants(self, known: Known) -> Value:
        """Return the tuple of numbers that an object around the function is."""
        items: list[Value] = []
        for each in known.value:
            kind = kind_of(each)
            if kind not in NUMBERS:
                return known
            items.append(Const(kind, each))
        self.surroundings.use(known)
        return Group(tuple(items))

    def whole(self, value: Value) -> Expr:
        """Return an integer."""
        index = self.scalar(value)
        if index.kind is not Kind.INT:
            raise Untranslated("a place that is no integer")
        return index

    def value(self, node: ast.expr, scope: Scope, out: Out) -> Value:
        """Return the value of an expression."""
        raise NotImplementedError

    # Deques

    def item(self, ring: str, index: Expr, name: str, out: Out) -> Value:
        """Return an item of a deque or list, from a variable: later statements may remove it."""
        variables, first = self.variables, ring_item(ring)
        if not variables.kinds.get(first):
            raise Unsettled(ring)
        variables.adopt(first, name)
        for part, (found, kind) in enumerate(variables.slots([first]).items()):
            out.append(Assign(name + found.removeprefix(first), Item(kind, ring, part, index)))
        variables.tag_as(first, name, out)
        return variables.read(name, out, self.traps)

    def parts(self, ring: str, value: Value) -> Parts:
        """Return the parts of a further item, and add its kind to those of the items.

        Raises:
            Untranslated: if the kernel cannot hold it.
        """
        item, written = ring_item(ring), list[Statement]()
        self.variables.assign(item, value, written)
        if not self.is_held(item):
            raise Untranslated(f"{ring}, which holds items that are no numbers")
        places = {name: at for at, name in enumerate(self.variables.slots([item]))}
        return tuple(
            (places[each.name], each.value) for each in written if isinstance(each, Assign)
        )

    def is_held(self, item: str) -> bool:
        """Return whether the kernel can hold items: numbers, `None`, and tuples of such."""
        kinds = self.variables.kinds.get(item, set())
        has_parts = not kinds or bool(self.variables.slots([item]))
        return has_parts and not self._may_be_object(item)

    def _may_be_object(self, item: str) -> bool:
        kinds = self.variables.kinds.get(item, set())
        inner = range(self.variables.lengths[item] if Kind.TUPLE in kinds else 0)
        return Kind.OTHER in kinds or any(self._may_be_object(f"{item}.{at}") for at in inner)

    def removed(self, ring: str, first: bool, name: str, out: Out) -> Value:
        """Return the first or last item of a deque, and write that it is removed."""
        last = Op(Kind.INT, "int_subtract", (Length(Kind.INT, ring), Const(Kind.INT, 1)))
        value = self.item(ring, Const(Kind.INT, 0) if first else last, name, out)
        out.append(Drop(ring, first))
        return value


def go_on(_: Out) -> None:
    """Write nothing: the path on which a choice does nothing."""


def ring_item(ring: str) -> str:
    """Return the variable whose kinds are those of a ring's items."""
    return f"{ring}[]"
