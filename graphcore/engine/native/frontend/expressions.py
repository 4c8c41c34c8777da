"""Translate expressions of Python into those of the kernel."""

import ast
from collections.abc import Sequence
from functools import partial

from graphcore.engine.native.frontend import operations
from graphcore.engine.native.frontend.conditions import Conditions
from graphcore.engine.native.frontend.operations import Untranslated
from graphcore.engine.native.frontend.records import fields_of
from graphcore.engine.native.frontend.values import Out, Scope, go_on, ring_item
from graphcore.engine.native.frontend.variables import (
    NOTHING,
    Appended,
    Delivered,
    Group,
    Known,
    Ring,
    Several,
    Value,
    kind_of,
)
from graphcore.engine.native.ir import (
    CATEGORIES,
    NUMBERS,
    Const,
    Expr,
    If,
    Kind,
    Op,
)


class Expressions(Conditions):
    """Translates expressions."""

    def value(self, node: ast.expr, scope: Scope, out: Out) -> Value:
        """Return the value of an expression."""
        found = self._value(node, scope, out)
        if isinstance(found, Known) and kind_of(found.value) in CATEGORIES:
            return self.surroundings.of_category(found)
        return found

    def _value(self, node: ast.expr, scope: Scope, out: Out) -> Value:
        match node:
            case ast.Constant(given):
                return self.constant(given)
            case ast.Name(name):
                return self.name(name, scope, out)
            case ast.Attribute(owner, name):
                held = self.value(owner, scope, out)
                if isinstance(held, Known):
                    return self.surroundings.of_attribute(held, name)
                read = partial(self._field, name)
                return self.each_kind([held], read, self.place(node, scope), out)
            case ast.BinOp(left, operator, right):
                return self._binary(node, operator, [left, right], scope, out)
            case ast.UnaryOp(ast.Not()) | ast.Compare() | ast.BoolOp() if self._is_test(node):
                return self.test(node, scope, out)
            case ast.UnaryOp(operator, operand):
                return self.each_kind(
                    [self.value(operand, scope, out)],
                    lambda given, _: operations.unary(operator, self.scalar(given[0])),
                    self.place(node, scope),
                    out,
                )
            case ast.BoolOp():
                return self._last(node, scope, out)
            case ast.IfExp(test, body, orelse):
                return self._choice(node, self.test(test, scope, out), body, orelse, scope, out)
            case ast.Tuple(items):
                return self.tuple(node, items, scope, out)
            case ast.List(items):
                return self.tuple(node, items, scope, out, list)
            case ast.Dict([ast.expr() as key], [item]):
                pair = Group(tuple(self.operands([key, item], scope, out)), dict)
                return self.kept(pair, self.place(node, scope), out)
            case ast.Subscript():
                return self._subscript(node, scope, out)
            case ast.Call():
                return self.call(node, scope, out)
        raise Untranslated(f"an expression of the kind {type(node).__name__}")

    def tuple(
        self,
        node: ast.expr,
        items: Sequence[ast.expr],
        scope: Scope,
        out: Out,
        of: type = tuple,
    ) -> Value:
        """Return a tuple or list of some expressions."""
        items = [part for each in items for part in _unpacked(each)]
        values = tuple(self.unpacked(items, scope, out))
        return self.kept(Group(values, of), self.place(node, scope), out)

    def unpacked(self, items: Sequence[ast.expr], scope: Scope, out: Out) -> list[Value]:
        """Return the values of expressions, and in place of one with a star its items."""
        given = [each.value if isinstance(each, ast.Starred) else each for each in items]
        values: list[Value] = []
        for each, value in zip(items, self.operands(given, scope, out), strict=True):
            if not isinstance(each, ast.Starred):
                values.append(value)
                continue
            sequence = self.as_tuple(value, out)
            if not isinstance(sequence, Group) or not sequence.has_items:
                raise Untranslated("a star before what is no tuple")
            values += sequence.items
        return values

    def _field(self, name: str, given: list[Value], _: Out) -> Value:
        match given:
            case [Group(items, of)] if name in fields_of(of):
                return items[fields_of(of).index(name)]
        raise Untranslated(f"the attribute {name}")

    def call(self, node: ast.Call, scope: Scope, out: Out) -> Value:
        """Return the value of a call."""
        raise NotImplementedError

    def name(self, name: str, scope: Scope, out: Out) -> Value:
        """Return what a name stands for."""
        if name in scope.values:
            return scope.values[name]
        variable = scope.names.get(name)
        if variable is None:
            if scope.function is None:
                return self.surroundings.of_text(name)
            return self.surroundings.of_function(scope.function, name)
        if variable in self.rings or variable in self.lists:
            if not self.is_held(ring_item(variable)):
                raise Untranslated(f"{name}, which holds items that are no numbers")
            if variable in self.lists:
                return Appended(variable)
            return self.rings[variable]
        return self.variables.read(variable, out, self.traps)

    def constant(self, given: object) -> Value:
        """Return a constant of Python.

        Raises:
            Untranslated: if the kernel cannot hold it.
        """
        match given:
            case None:
                return NOTHING
            case bool():
                return Const(Kind.BOOL, given)
            case int() if -(1 << 63) <= given < 1 << 63:
                return Const(Kind.INT, given)
            case float():
                return Const(Kind.FLOAT, given)
            case str():
                return Known(given, ("constant", given), lambda: given)
        raise Untranslated(f"the constant {given!r:.40}")

    def _binary(
        self,
        node: ast.AST,
        operator: ast.operator,
        operands: Sequence[ast.expr],
        scope: Scope,
        out: Out,
    ) -> Value:
        values = self.operands(operands, scope, out)
        if not isinstance(operator, ast.Div) and any(
            isinstance(each, Expr) and each.kind is Kind.FLOAT for each in values
        ):
            values = [self._converted(each) for each in values]
        return self.each_kind(
            values,
            lambda given, _: operations.binary(operator, *map(self.scalar, given)),
            self.place(node, scope),
            out,
        )

    def _converted(self, value: Value) -> Value:
        """Return a number of several kinds as arithmetic with a float sees it: as a float."""
        if not isinstance(value, Several) or not NUMBERS.issuperset(value.kinds):
            return value
        parts = [
            operations.as_float(self.scalar(self.variables.part(value.name, kind)))
            for kind in value.kinds
        ]
        found = parts[-1]
        for kind, part in zip(value.kinds[:-1], parts, strict=False):
            found = Op(Kind.FLOAT, "select", (value.is_of(kind), part, found))
        return found

    # Choices

    def _choice(
        self,
        node: ast.expr,
        test: Expr,
        body: ast.expr,
        orelse: ast.expr,
        scope: Scope,
        out: Out,
    ) -> Value:
        if isinstance(test, Const):
            return self.value(body if test.value else orelse, scope, out)
        name = self.place(node, scope)
        bodies = self.fork(*(self.assigning(name, each, scope) for each in (body, orelse)))
        out.append(If(test, *bodies))
        return self.variables.read(name, out, self.traps)

    def _last(self, node: ast.BoolOp, scope: Scope, out: Out) -> Value:
        """Return the value of ``a and b`` or ``a or b``: the operand that decides."""
        name = self.place(node, scope)
        both = isinstance(node.op, ast.And)
        self.variables.assign(name, self.value(node.values[0], scope, out), out)
        for number, each in enumerate(node.values[1:]):
            held = self.variables.read(name, out, self.traps)
            test = self.truth(held, f"{name}b{number}", out)
            body, _ = self.fork(self.assigning(name, each, scope), go_on)
            out.append(If(test if both else operations.negate(test), body))
        return self.variables.read(name, out, self.traps)

    # Items

    def _subscript(self, node: ast.Subscript, scope: Scope, out: Out) -> Value:
        owner = self.as_tuple(self.value(node.value, scope, out), out)
        index = self.value(node.slice, scope, out)
        if isinstance(owner, Known) and isinstance(owner.value, dict | list):
            raise Untranslated("an item of an object")
        match owner, index:
            case Group(items), Const(Kind.INT, place) if owner.has_items and -len(
                items
            ) <= place < len(items):
                return items[int(place)]
            case Group(items), Expr(Kind.INT) if owner.has_items and items:
                return self._one_of(items, index, self.place(node, scope), out)
            case Delivered(), Const(Kind.INT, place):
                return owner.value(int(place))
            case Ring(ring), Expr(Kind.INT):
                return self.item(ring, index, f"{self.place(node, scope)}", out)
        raise Untranslated("an item")

    def _one_of(self, items: Sequence[Value], given: Expr, name: str, out: Out) -> Value:
        """Return the item at a place that the kernel computes."""
        place = self.kept(given, f"{name}p", out)
        assert isinstance(place, Expr)
        count = len(items)

        def is_at(number: int) -> Expr:
            one, other = (
                Op(Kind.BOOL, "int ==", (place, Const(Kind.INT, each)))
                for each in (number, number - count)
            )
            return Op(Kind.BOOL, "bool_or", (one, other))

        def outside(_: Out) -> None:
            raise Untranslated("an item that a tuple does not have")

        writes = [partial(self.variables.assign, name, each) for each in items]
        *bodies, chosen = self.fork(*writes, outside)
        for number, body in reversed(list(enumerate(bodies))):
            chosen = (If(is_at(number), body, chosen),)
        out += chosen
        return self.variables.read(name, out, self.traps)


def _unpacked(node: ast.expr) -> list[ast.expr]:
    """Return the items of a list that is written with a star before it; else the node itself."""
    match node:
        case ast.Starred(ast.List(items)):
            return items
    return [node]
