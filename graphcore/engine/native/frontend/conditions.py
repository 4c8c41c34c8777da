"""Translate tests: what is true of a value, comparisons, ``and``, ``or`` and ``is``."""

import ast
from collections.abc import Sequence
from functools import partial
from typing import TypeGuard

from graphcore.engine.native.frontend import operations
from graphcore.engine.native.frontend.operations import Untranslated
from graphcore.engine.native.frontend.values import Out, Scope, Values, go_on
from graphcore.engine.native.frontend.variables import (
    NOTHING,
    Group,
    Known,
    Ring,
    Several,
    Unsettled,
    Value,
)
from graphcore.engine.native.ir import (
    NUMBERS,
    Const,
    Expr,
    If,
    Kind,
    Lazy,
    Length,
    Op,
)
from graphcore.parsing import walk
from graphcore.subgraph import ABSENT

_TYPES: dict[object, Kind] = {
    int: Kind.INT,
    float: Kind.FLOAT,
    bool: Kind.BOOL,
    type(None): Kind.NONE,
}


CLASSES: dict[Kind, type] = {
    Kind.NONE: type(None),
    Kind.BOOL: bool,
    Kind.INT: int,
    Kind.FLOAT: float,
    Kind.TEXT: str,
}


class Conditions(Values):
    """Translates tests."""

    def _is_test(self, node: ast.expr) -> bool:
        """Return whether an expression always gives a bool."""
        if isinstance(node, ast.BoolOp):
            return all(map(self._is_test, node.values))
        return isinstance(node, ast.Compare) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        )

    def test(self, node: ast.expr, scope: Scope, out: Out) -> Expr:
        """Return whether an expression is true."""
        match node:
            case ast.UnaryOp(ast.Not(), operand):
                return operations.negate(self.test(operand, scope, out))
            case ast.BoolOp(operator, values):
                return self._several_tests(node, isinstance(operator, ast.And), values, scope, out)
            case ast.Compare(left, comparisons, others):
                return self._comparison(node, left, comparisons, others, scope, out)
        return self.truth(self.value(node, scope, out), self.place(node, scope), out)

    def truth(self, value: Value, name: str, out: Out) -> Expr:
        """Return whether a value is true."""
        match value:
            case Ring(ring):
                return Op(Kind.BOOL, "int !=", (Length(Kind.INT, ring), Const(Kind.INT, 0)))
            case Group(items):
                return Const(Kind.BOOL, bool(items) or not value.has_items)
            case Several():
                found = self.each_kind(
                    [value],
                    lambda given, inner: self.truth(given[0], name, inner),
                    f"{name}t",
                    out,
                )
                return self.scalar(found)
        return operations.truth(self.scalar(value))

    def _several_tests(
        self, node: ast.expr, both: bool, values: Sequence[ast.expr], scope: Scope, out: Out
    ) -> Expr:
        found = self.test(values[0], scope, out)
        for number, each in enumerate(values[1:]):
            if isinstance(found, Const):
                if bool(found.value) is not both:
                    return found
                found = self.test(each, scope, out)
                continue
            held = f"{self.place(node, scope)}t{number}"
            lazy: list[Expr] = []
            body, _ = self.fork(partial(self._later_test, each, scope, held, lazy), go_on)
            if lazy:
                [result] = lazy
                found = Lazy(Kind.BOOL, both, found, result)
                continue
            self.variables.assign(held, found, out)
            test = self.scalar(self.variables.read(held, out, self.traps))
            out.append(If(test if both else operations.negate(test), body))
            found = test
        return found

    def _later_test(
        self, node: ast.expr, scope: Scope, held: str, lazy: list[Expr], out: Out
    ) -> None:
        """Write a test that runs only if those before it do not decide."""
        result = self.test(node, scope, out)
        if out:
            self.variables.assign(held, result, out)
        else:
            lazy.append(result)

    def _comparison(
        self,
        node: ast.expr,
        left: ast.expr,
        comparisons: Sequence[ast.cmpop],
        others: Sequence[ast.expr],
        scope: Scope,
        out: Out,
    ) -> Expr:
        if len(others) == 1 and isinstance(comparisons[0], ast.Is | ast.IsNot):
            return self._identity(node, left, comparisons[0], others[0], scope, out)
        nodes = [left, *others]
        match left, comparisons, others:
            case ast.Call(ast.Name("type"), [given], []), [ast.In() | ast.NotIn() as op], [within]:
                test = self._is_of_class(self.value(given, scope, out), within, scope, out)
                return test if isinstance(op, ast.In) else operations.negate(test)
        if not all(map(_is_plain, nodes[2:])):
            return self._chain(node, comparisons, nodes, scope, out)
        # Later operands of this chain may stay unevaluated in Python; here they only trap early.
        values = self.operands(nodes, scope, out)
        tests: list[Expr] = []
        for number, operator in enumerate(comparisons):
            pair, place = values[number : number + 2], f"{self.place(node, scope)}c{number}"
            found = self.each_kind(pair, partial(self._compared, operator), place, out)
            tests.append(self.scalar(found))
        whole = tests[0]
        for each in tests[1:]:
            whole = Lazy(Kind.BOOL, True, whole, each)
        return whole

    def _chain(
        self,
        node: ast.expr,
        comparisons: Sequence[ast.cmpop],
        nodes: Sequence[ast.expr],
        scope: Scope,
        out: Out,
    ) -> Expr:
        """Return the test of a chain whose later operands have to stay unevaluated."""
        name = self.place(node, scope)
        held = f"{name}h"

        def compared(number: int, left: Value, right: Value, inner: Out) -> None:
            build = partial(self._compared, comparisons[number])
            found = self.each_kind([left, right], build, f"{name}c{number}", inner)
            self.variables.assign(held, found, inner)
            if number + 1 < len(comparisons):
                body, _ = self.fork(partial(follow, number + 1, right), go_on)
                test = self.scalar(self.variables.read(held, inner, self.traps))
                inner.append(If(test, body))

        def follow(number: int, left: Value, inner: Out) -> None:
            right = self.value(nodes[number + 1], scope, inner)
            compared(number, left, self.kept(right, f"{name}r{number}", inner), inner)

        first, second = (
            self.kept(each, f"{name}o{at}", out)
            for at, each in enumerate(self.operands(nodes[:2], scope, out))
        )
        compared(0, first, second, out)
        return self.scalar(self.variables.read(held, out, self.traps))

    def _compared(self, operator: ast.cmpop, given: list[Value], out: Out) -> Value:
        if isinstance(operator, ast.In | ast.NotIn):
            found = self._is_in(given[0], self.as_tuple(given[1], out), out)
            return found if isinstance(operator, ast.In) else operations.negate(found)
        match given:
            case [Group() as one, Group() as other] if one.of is tuple is other.of:
                before, equal = self._tuples(one, other, out)
                match operator:
                    case ast.Lt():
                        return before
                    case ast.Eq():
                        return equal
                    case ast.NotEq():
                        return operations.negate(equal)
        return operations.compare(operator, *map(self.scalar, given))

    def _is_in(self, value: Value, sequence: Value, out: Out) -> Expr:
        """Return the test of whether an item is the same object as a value or equal to it.

        Only a NaN is the same without being equal, so that is left to Python.
        """
        if (
            isinstance(sequence, Known)
            and type(sequence.value) is frozenset
            and set(map(type, sequence.value)) == {type}
            and isinstance(value, Known)
            and type(value.value) is type
        ):
            self.surroundings.use(sequence)
            return Const(Kind.BOOL, value.value in sequence.value)
        if not isinstance(sequence, Group) or not sequence.has_items:
            raise Untranslated("a search in what is no tuple")
        one = self.scalar(value)
        found: Expr = Const(Kind.BOOL, False)
        for item in sequence.items:
            other = self.scalar(item)
            if Kind.NONE not in (one.kind, other.kind):
                found = _lazy(False, found, operations.compare(ast.Eq(), one, other))
            elif one.kind is Kind.NONE is other.kind:
                return Const(Kind.BOOL, True)
        if one.kind is Kind.FLOAT:
            self.traps.trap_if(Op(Kind.BOOL, "is_nan", (one,)), "a search for NaN", out)
        return found

    def _tuples(self, one: Group, other: Group, out: Out) -> tuple[Expr, Expr]:
        """Return the tests of ``one < other`` and ``one == other``: the first difference decides.

        It is left to Python if no numbers, or NaN, would decide.
        """
        before: Expr = Const(Kind.BOOL, False)
        equal: Expr = Const(Kind.BOOL, True)
        for left, right in zip(one.items, other.items, strict=False):
            if not _is_number(left) or not _is_number(right):
                self.traps.trap_if(equal, "a comparison of tuples that begin alike", out)
                return before, Const(Kind.BOOL, False)
            less = operations.compare(ast.Lt(), left, right)
            before = _lazy(False, before, _lazy(True, equal, less))
            same = operations.compare(ast.Eq(), left, right)
            if left.kind is Kind.FLOAT or right.kind is Kind.FLOAT:
                greater = operations.compare(ast.Gt(), left, right)
                decided = _lazy(False, same, _lazy(False, less, greater))
                unordered = _lazy(True, equal, operations.negate(decided))
                self.traps.trap_if(unordered, "a comparison of tuples with NaN", out)
            equal = _lazy(True, equal, same)
        lengths = len(one.items), len(other.items)
        before = _lazy(False, before, _lazy(True, equal, Const(Kind.BOOL, lengths[0] < lengths[1])))
        return before, _lazy(True, equal, Const(Kind.BOOL, lengths[0] == lengths[1]))

    def _identity(
        self,
        node: ast.expr,
        left: ast.expr,
        operator: ast.cmpop,
        right: ast.expr,
        scope: Scope,
        out: Out,
    ) -> Expr:
        """Return the test of ``left is right``, where `right` is `None`, `absent` or a type."""
        if isinstance(left, ast.Name):
            one = self.variables.flow.objects.get(scope.names.get(left.id, ""))
            other = self.value(right, scope, out)
            if isinstance(one, Known) and isinstance(one.value, type) and isinstance(other, Known):
                self.surroundings.use(one)
                self.surroundings.use(other)
                found = Const(Kind.BOOL, one.value is other.value)
                return found if isinstance(operator, ast.Is) else operations.negate(found)
        match left:
            case ast.Call(ast.Name("type"), [given], []):
                other = self.value(right, scope, out)
                is_type = isinstance(other, Known) and isinstance(other.value, type)
                kind = _TYPES.get(other.value) if isinstance(other, Known) and is_type else None
                if isinstance(other, Known):
                    self.surroundings.use(other)
                if kind is None:
                    raise Untranslated("a comparison of types")
                test = self._is_of(self.value(given, scope, out), kind)
            case _:
                test = self._is_nothing(left, self.value(right, scope, out), scope, out)
        return test if isinstance(operator, ast.Is) else operations.negate(test)

    def _is_nothing(self, left: ast.expr, right: Value, scope: Scope, out: Out) -> Expr:
        if isinstance(right, Known) and right.value is ABSENT and isinstance(left, ast.Name):
            name = scope.names.get(left.id, "")
            held = self.variables.flow.objects.get(name)
            if isinstance(held, Known) and held.value is ABSENT:
                return Const(Kind.BOOL, True)
            kinds = self.variables.here(name)
            if not kinds:
                raise Unsettled(left.id)
            if name in self.variables.of_objects:
                raise Untranslated(f"{left.id}, which may hold an object")
            if Kind.OTHER not in kinds:
                return Const(Kind.BOOL, False)
            if len(kinds) == 1:
                raise Untranslated(f"{left.id}, which holds no number")
            return Several(name, ()).is_of(Kind.OTHER)
        if isinstance(right, Known) and right.value is not ABSENT:
            # An object that is no number is none; a tuple may be a constant.
            match self.value(left, scope, out):
                case Expr():
                    return Const(Kind.BOOL, False)
                case Several() as given if Kind.TUPLE not in given.kinds:
                    return Const(Kind.BOOL, False)
        if right is NOTHING:
            return self._is_of(self.value(left, scope, out), Kind.NONE)
        if isinstance(right, Expr) and right.kind is Kind.MEMBER:  # the same if it is equal
            compared = partial(self._compared, ast.Eq())
            name = self.place(left, scope)
            found = self.each_kind([self.value(left, scope, out), right], compared, name, out)
            return self.scalar(found)
        raise Untranslated("is")

    def _is_of_class(self, value: Value, within: ast.expr, scope: Scope, out: Out) -> Expr:
        """Return the test of ``type(value) in within``, a set or tuple of classes."""
        classes = self.value(within, scope, out)
        if not (isinstance(classes, Known) and isinstance(classes.value, frozenset | tuple)):
            raise Untranslated("a search for a type")
        self.surroundings.use(classes)
        match value:
            case Expr(kind):
                if kind not in CLASSES:
                    raise Untranslated("the type of an object")
                return Const(Kind.BOOL, CLASSES[kind] in classes.value)
            case Group(_, of):
                return Const(Kind.BOOL, of in classes.value)
            case Several(name, kinds):
                record = self.variables.classes.get(name, tuple)
                of_kind = {**CLASSES, Kind.TUPLE: record}
                found: Expr = Const(Kind.BOOL, False)
                if not of_kind.keys() >= set(kinds):
                    raise Untranslated("the type of an object")
                for kind in kinds:
                    if of_kind[kind] in classes.value:
                        found = _lazy(False, found, value.is_of(kind))
                return found
        raise Untranslated("the type of an object")

    def _is_of(self, value: Value, kind: Kind) -> Expr:
        match value:
            case Expr():
                return Const(Kind.BOOL, value.kind is kind)
            case Several(_, kinds):
                return value.is_of(kind) if kind in kinds else Const(Kind.BOOL, False)
            case Group() | Ring():
                return Const(Kind.BOOL, False)
        raise Untranslated("a comparison of an object")


def _is_number(value: Value) -> TypeGuard[Expr]:
    return isinstance(value, Expr) and value.kind in NUMBERS


def _lazy(both: bool, left: Expr, right: Expr) -> Expr:
    """Return ``left and right``, or ``left or right``, without what constants decide."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Const):
            return other if bool(one.value) is both else one
    return Lazy(Kind.BOOL, both, left, right)


def _is_plain(node: ast.expr) -> bool:
    return not any(isinstance(each, ast.Call | ast.Subscript) for each in walk(node))
