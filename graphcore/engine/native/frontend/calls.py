"""Translate calls: of known functions, of deques' methods, and of users' functions, by inlining."""

import ast
import bisect
import builtins
import operator
from abc import ABCMeta
from collections.abc import Sequence
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_VARARGS, CO_VARKEYWORDS
from types import BuiltinFunctionType, FunctionType
from typing import Any

from graphcore.engine.fused.frontend.source import file_of
from graphcore.engine.native.frontend import inlined, operations
from graphcore.engine.native.frontend.expressions import Expressions
from graphcore.engine.native.frontend.keyed import NEW_KEY, NO_KEY, OTHER_KEY, key_kind
from graphcore.engine.native.frontend.operations import Untranslated
from graphcore.engine.native.frontend.records import defaults_of, fields_of
from graphcore.engine.native.frontend.values import Out, Scope, go_on, ring_item
from graphcore.engine.native.frontend.variables import (
    NOTHING,
    Appended,
    Found,
    Group,
    Known,
    Ring,
    Several,
    Unsettled,
    Value,
)
from graphcore.engine.native.ir import (
    At,
    Block,
    Clear,
    Const,
    Expr,
    Fetch,
    If,
    Insert,
    Keep,
    Kind,
    Leave,
    Length,
    Op,
    Push,
    Remove,
    Row,
    Search,
    Statement,
)
from graphcore.parsing import walk
from graphcore.subgraph import QuickRuns

_SUSPENDS = CO_ASYNC_GENERATOR | CO_COROUTINE | CO_GENERATOR | CO_VARARGS | CO_VARKEYWORDS
_TYPES = {
    Kind.NONE: type(None),
    Kind.BOOL: bool,
    Kind.INT: int,
    Kind.FLOAT: float,
    Kind.TEXT: str,
}
_AFTER = (bisect.bisect_right, bisect.insort_right)
_SEARCHES = (bisect.bisect_left, bisect.bisect_right)
_INSERTIONS = (bisect.insort_left, bisect.insort_right)
_DEEPEST = 8
_MOST_INLINED = 2_000
_SCOPES = ast.Lambda, ast.FunctionDef, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp


class Calls(Expressions):
    """Translates calls."""

    inlined = 0

    def call(self, node: ast.Call, scope: Scope, out: Out) -> Value:
        """Return the value of a call."""
        if isinstance(node.func, ast.Attribute):
            given = node.func.value
            found = scope.names.get(given.id, "") if isinstance(given, ast.Name) else ""
            if found in self.found and node.func.attr == "send":
                return self._run_key(node, found, scope, out)
            owner = self.value(given, scope, out)
            if node.keywords:
                raise Untranslated("a call with keywords")
            if isinstance(owner, Ring):
                return self._method(node, owner, node.func.attr, scope, out)
            match owner, node.func.attr, node.args:
                case Known(runs, ("variable", table)), "get", [key] if isinstance(runs, QuickRuns):
                    return self._find(node, str(table), key, scope, out)
                case Group(items, of), "items", [] if of is dict:
                    return Group((Group(items),), list)
            if not isinstance(owner, Known):
                raise Untranslated(f"a call of the method {node.func.attr}")
            function = self.surroundings.of_attribute(owner, node.func.attr)
        else:
            function = self.value(node.func, scope, out)
        if not isinstance(function, Known):
            raise Untranslated("a call of what may not be a function")
        cls = function.value
        if isinstance(cls, type) and fields_of(cls):
            value = self._record(node, cls, scope, out)
        elif node.keywords:
            raise Untranslated("a call with keywords")
        else:
            value = self._called(node, function, scope, out)
        self.surroundings.use(function)
        return value

    def _record(self, node: ast.Call, cls: type, scope: Scope, out: Out) -> Value:
        """Return a new record."""
        names = fields_of(cls)
        keywords = [each.arg for each in node.keywords]
        nodes = [*node.args, *(each.value for each in node.keywords)]
        values = self.unpacked(nodes, scope, out)
        count = len(values) - len(keywords)
        if count > len(names) or not set(keywords) <= set(names[count:]):
            raise Untranslated(f"a call of {cls.__name__} with other arguments")
        given = dict(zip([*names[:count], *keywords], values, strict=True))
        defaults = defaults_of(cls)
        for name in names:
            if name not in given:
                if name not in defaults:
                    raise Untranslated(f"a call of {cls.__name__} without {name}")
                given[name] = self.constant(defaults[name])
        record = Group(tuple(given[name] for name in names), cls)
        return self.kept(record, self.place(node, scope), out)

    def _called(self, node: ast.Call, known: Known, scope: Scope, out: Out) -> Value:
        name, function = self.place(node, scope), known.value
        if function is builtins.bool and len(node.args) == 1:
            return self.test(node.args[0], scope, out)
        if (
            function is builtins.tuple
            and len(node.args) == 1
            and isinstance(node.args[0], ast.List)
        ):
            # What the fused tier makes of a list of upstreams that becomes a tuple.
            return self.tuple(node, node.args[0].elts, scope, out)
        match node.args:
            case [given, ast.Constant(str(attribute)), *default] if (
                function is builtins.hasattr or function is builtins.getattr
            ):
                return self._attribute_of(function, given, attribute, default, scope, out)
            case [given, ast.Name(field)] if function is builtins.getattr:
                # Before the field's name would become a category.
                return self._attribute_named(node, given, self.name(field, scope, out), scope, out)
        arguments = self.unpacked(node.args, scope, out)
        if isinstance(function, FunctionType):
            return self._inline(node, known, arguments, scope, out)
        match arguments:
            case [owner] if isinstance(function, operator.itemgetter):
                places: Any = function.__reduce__()[1]
                return self.each_kind([owner], partial(_item_at, places), name, out)
        if type(function) is BuiltinFunctionType and arguments:
            match arguments:
                case [Ring(ring), *searched] if function in _SEARCHES:
                    return self._search(ring, function in _AFTER, searched, name, out)
                case [Ring(ring, is_list=True), item] if function in _INSERTIONS:
                    place = self._search(ring, function in _AFTER, [item], name, out)
                    out.append(Insert(ring, place, self.parts(ring, item)))
                    return NOTHING
            of_heap = inlined.HEAPS.get(function)
            if of_heap is not None and isinstance(arguments[0], Ring) and arguments[0].is_list:
                return self._inline(node, _own(of_heap), arguments, scope, out)
        if function is builtins.type and len(arguments) == 1:
            kind = self.scalar(arguments[0]).kind
            of = _type_of(kind)
            return Known(of, ("type", kind), lambda: of)
        if function is builtins.len and len(arguments) == 1:
            return self._length(arguments[0])
        if function is builtins.isinstance and len(arguments) == 2:
            return self._is_instance(arguments[0], arguments[1], name, out)
        if len(arguments) == 1 and type(function) in (type, BuiltinFunctionType):
            found = self._of_sequence(node, function, arguments[0], scope, out)
            if found is not None:
                return found
        if (function is builtins.min or function is builtins.max) and len(arguments) > 1:
            return self._extreme(function is builtins.max, arguments, name, out)

        def build(given: list[Value], _: Out) -> Value:
            numbers = [self.scalar(each) for each in given]
            pair = operations.pair(function, numbers)
            if pair is not None:
                return Group(pair)
            found = operations.call(function, numbers)
            if found is None:
                raise Untranslated(f"a call of {getattr(function, '__name__', 'an object')}")
            return found

        return self.each_kind(arguments, build, name, out)

    def _of_sequence(
        self, node: ast.Call, function: object, given: Value, scope: Scope, out: Out
    ) -> Value | None:
        """Return what a builtin makes of a tuple, list or deque; `None` for others."""
        sequence = self.as_tuple(given, out)
        if isinstance(sequence, Group) and sequence.has_items:
            items: Sequence[Value] = sequence.items
            if function is builtins.tuple or function is builtins.list:
                return Group(tuple(items), list if function is builtins.list else tuple)
            if items and (function is builtins.min or function is builtins.max):
                name = self.place(node, scope)
                return self._extreme(function is builtins.max, items, name, out)
            kinds = {each.kind if isinstance(each, Expr) else Kind.OTHER for each in items}
        elif isinstance(sequence, Ring):
            kinds = self.variables.kinds.get(ring_item(sequence.name), set())
            if not kinds:
                raise Unsettled(sequence.name)
        else:
            return None
        same = inlined.OF_SEQUENCES.get(function)
        if function is builtins.sum:
            if kinds == {Kind.FLOAT}:
                same = inlined.sum_of_floats
            elif kinds <= {Kind.BOOL, Kind.INT}:
                same = inlined.sum_of_integers
        if same is None:
            return None
        return self._inline(node, _own(same), [sequence], scope, out)

    def _attribute_named(
        self, node: ast.Call, given: ast.expr, field: Value, scope: Scope, out: Out
    ) -> Value:
        """Return the attribute of a record whose name stays the same."""
        owner = self.value(given, scope, out)
        if not isinstance(field, Known) or not isinstance(field.value, str):
            raise Untranslated("a call of getattr")
        self.surroundings.use(field)
        read = partial(self._field, field.value)
        return self.each_kind([owner], read, self.place(node, scope), out)

    def _attribute_of(
        self,
        function: object,
        given: ast.expr,
        attribute: str,
        default: Sequence[ast.expr],
        scope: Scope,
        out: Out,
    ) -> Value:
        """Return what ``hasattr`` or ``getattr`` say of an attribute that numbers lack."""
        value = self.value(given, scope, out)
        match value:
            case Several(name, kinds):
                record = self.variables.classes.get(name, tuple)
                types = [record if kind is Kind.TUPLE else _type_of(kind) for kind in kinds]
            case Group(_, cls):
                types = [cls]
            case _:
                types = [_type_of(self.scalar(value).kind)]
        has = {attribute in fields_of(each) or hasattr(each, attribute) for each in types}
        if function is builtins.hasattr and not default and len(has) == 1:
            return Const(Kind.BOOL, *has)
        if function is builtins.getattr and len(default) == 1 and has == {False}:
            return self.value(default[0], scope, out)
        raise Untranslated(f"a call of {getattr(function, '__name__', '')}")

    def _length(self, value: Value) -> Value:
        match value:
            case Ring(name) | Appended(name):
                return Length(Kind.INT, name)
            case Group(items) if value.has_items:
                return Const(Kind.INT, len(items))
        raise Untranslated("a call of len")

    def _is_instance(self, value: Value, classes: Value, name: str, out: Out) -> Value:
        cls = classes.value if isinstance(classes, Known) else None
        if isinstance(classes, Known):
            self.surroundings.use(classes)
        # Another metaclass decides by itself what is an instance.
        if not isinstance(cls, type) or type(cls) not in (type, ABCMeta):
            raise Untranslated("a call of isinstance")

        def build(given: list[Value], _: Out) -> Value:
            return Const(Kind.BOOL, issubclass(_type_of(self.scalar(given[0]).kind), cls))

        return self.each_kind([value], build, name, out)

    def _extreme(self, greatest: bool, values: Sequence[Value], name: str, out: Out) -> Value:
        """Return the least or greatest value; of equals it is the first, as in Python."""
        best = values[0]
        sign = ast.Gt() if greatest else ast.Lt()
        for number, each in enumerate(values[1:]):

            def build(given: list[Value], inner: Out, place: str = f"{name}m{number}") -> Value:
                one, other = map(self.scalar, given)
                test = operations.compare(sign, other, one)
                if one.kind is other.kind:
                    return Op(one.kind, "select", (test, other, one))
                bodies = self.fork(
                    partial(self.variables.assign, place, other),
                    partial(self.variables.assign, place, one),
                )
                inner.append(If(test, *bodies))
                return self.variables.read(place, inner, self.traps)

            best = self.each_kind([best, each], build, f"{name}e{number}", out)
        return best

    # Deques

    def _search(self, ring: str, after: bool, given: Sequence[Value], name: str, out: Out) -> Expr:
        """Return the place that the functions of `bisect` find; a third argument is `low`."""
        if len(given) not in (1, 2):
            raise Untranslated("a search between two places")
        value = self.scalar(given[0])
        low = self.whole(given[1]) if len(given) == 2 else Const(Kind.INT, 0)
        kinds = self.variables.kinds.get(ring_item(ring))
        if not kinds:
            raise Unsettled(ring)
        if kinds != {value.kind} or value.kind not in (Kind.INT, Kind.FLOAT):
            raise Untranslated("a search for a number of another kind")
        found = Search(Kind.INT, ring, value, low, after)
        return self.whole(self.kept(found, f"{name}p", out))

    def _method(self, node: ast.Call, ring: Ring, method: str, scope: Scope, out: Out) -> Value:
        name = self.place(node, scope)
        match method, node.args:
            case "pop", []:
                return self.removed(ring.name, False, name, out)
            case "popleft", [] if not ring.is_list:
                return self.removed(ring.name, True, name, out)
            case "pop", [index] if ring.is_list:
                place = self.whole(self.kept(self.value(index, scope, out), f"{name}p", out))
                value = self.item(ring.name, place, name, out)
                out.append(Remove(ring.name, place))
                return value
            case "insert", [index, item] if ring.is_list:
                at, value = self.operands([index, item], scope, out)
                inserted = self.parts(ring.name, value)
                out.append(Insert(ring.name, self.whole(at), inserted))
                return NOTHING
            case "extend", [items]:
                given = self.value(items, scope, out)
                if not isinstance(given, Group) or given.of not in (tuple, list):
                    raise Untranslated("a call of extend with what is no tuple")
                if ring.longest is not None:
                    raise Untranslated("a call of extend of a deque with a maxlen")
                for each in given.items:
                    out.append(Push(ring.name, self.parts(ring.name, each)))
                return NOTHING
            case "clear", []:
                out.append(Clear(ring.name))
                return NOTHING
            case "append", [item]:
                value = self.kept(self.value(item, scope, out), name, out)
                pushed = self.parts(ring.name, value)
                if ring.longest is not None:
                    if ring.longest == 0:
                        return NOTHING
                    full = Op(
                        Kind.BOOL,
                        "int >=",
                        (Length(Kind.INT, ring.name), Const(Kind.INT, ring.longest)),
                    )
                    dropped, _ = self.fork(partial(self._dropped, ring.name, f"{name}d"), go_on)
                    out.append(If(full, dropped))
                out.append(Push(ring.name, pushed))
                return NOTHING
        raise Untranslated(f"a call of the method {method} of a deque or list")

    def _dropped(self, ring: str, name: str, out: Out) -> None:
        self.removed(ring, True, name, out)

    # The sub-graphs of keys

    def _find(self, node: ast.Call, table: str, key: ast.expr, scope: Scope, out: Out) -> Value:
        """Return what runs the sub-graph of a key, with a trap if the kernel does not hold it."""
        if table not in self.tables:
            raise Untranslated("the first key")
        name, given = self.place(node, scope), self.value(key, scope, out)
        expected = self.tables[table].key
        if expected is None:
            raise Untranslated(NO_KEY)
        if isinstance(given, Known):
            given = self.as_tuple(given, out)

        def build(values: list[Value], inner: Out) -> Value:
            [value] = values
            shape, items = (value.of, value.items) if isinstance(value, Group) else (None, values)
            if shape is not expected.of or len(items) != len(expected.parts):
                raise Untranslated(OTHER_KEY)
            return self.each_kind(items, build_of_items, f"{name}i", inner)

        def build_of_items(items: list[Value], _: Out) -> Value:
            words = [self.scalar(each) for each in items]
            if tuple(key_kind(each.kind) for each in words) != expected.parts:
                raise Untranslated(OTHER_KEY)
            return Row(Kind.INT, table, tuple(map(_word, words)))

        out.append(At(self.traps.reason(NEW_KEY)))
        row = self.whole(self.kept(self.each_kind([given], build, name, out), f"{name}r", out))
        return Found(table, row)

    def _run_key(self, node: ast.Call, found: str, scope: Scope, out: Out) -> Value:
        """Return what a cycle of a key's sub-graph gives, which runs on the row of the key."""
        keyed, held = self.tables[self.found[found]], self.variables.read(found, out, self.traps)
        if isinstance(held, Several):
            other = operations.negate(held.is_of(Kind.INT))
            self.traps.trap_if(other, "a call of what may not be a function", out)
            held = self.variables.part(found, Kind.INT)
        row = self.whole(held)
        [argument] = node.args
        given = self.value(argument, scope, out)
        name = self.place(node, scope)
        names = {each: f"{name}.{each}" for each in keyed.assigned}
        names |= {each: keyed.variable(each) for each in (*keyed.changed, *keyed.read)}
        # The time is that of the graph.
        inner = Scope({**names, "time": "time"}, {}, name, keyed.function, depth=scope.depth + 1)
        self.variables.flow.forget_all(f"{keyed.name}/")
        out.append(Fetch(keyed.name, row))
        self.variables.assign(names[keyed.given], given, out)
        if self.block(keyed.body, inner, out):
            raise Untranslated("a sub-graph that is left to Python")
        out.append(Keep(keyed.name, row))
        result = names["result"]
        kinds = tuple(sorted(self.variables.here(result)))
        if kinds == (Kind.OTHER,):
            return self.surroundings.of_text("absent")
        return self.variables.part(result, *kinds) if len(kinds) == 1 else Several(result, kinds)

    # Inlined functions

    def _inline(
        self,
        node: ast.Call,
        known: Known,
        given: Sequence[Value],
        scope: Scope,
        out: Out,
    ) -> Value:
        function: FunctionType = known.value
        name, code = function.__name__, function.__code__
        file = file_of(function)
        tree = None if file is None else file.find(code)
        if tree is None:
            raise Untranslated(f"a call of {name}, whose source is not available")
        if code.co_flags & _SUSPENDS or code.co_kwonlyargcount:
            raise Untranslated(f"a call of {name}")
        # The last parameters are the ones with defaults.
        defaults = len(function.__defaults__ or ())
        first = defaults - max(code.co_argcount - len(given), 0)
        lacking = range(max(first, 0), defaults)
        arguments = [*given, *(self.surroundings.of_default(known, at) for at in lacking)]
        if code.co_argcount != len(arguments) or getattr(tree, "decorator_list", None):
            raise Untranslated(f"a call of {name}")
        self.inlined += 1
        if scope.depth >= _DEEPEST or self.inlined > _MOST_INLINED:
            raise Untranslated(f"a call of {name}, which calls itself or is nested too deep")
        body = [tree.body] if isinstance(tree, ast.Lambda) else tree.body
        _check(body, name)
        prefix = self.place(node, scope)
        names: dict[str, str] = {}
        values: dict[str, Value] = {}
        assigned = {
            each.id
            for part in body
            for each in walk(part)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        }
        for parameter, value in zip(code.co_varnames, arguments, strict=False):
            if isinstance(value, Ring | Appended | Known):
                if parameter in assigned:
                    raise Untranslated(f"a call of {name}, which assigns its argument")
                values[parameter] = value
                continue
            names[parameter] = f"{prefix}.{parameter}"
            self.variables.assign(names[parameter], value, out)
        names |= {each: f"{prefix}.{each}" for each in assigned}
        inner = Scope(
            names,
            values,
            prefix,
            known,
            result=(f"{prefix}.end", f"{prefix}.return"),
            depth=scope.depth + 1,
        )
        if isinstance(tree, ast.Lambda):
            return self.value(tree.body, inner, out)
        return self._function_body(tree.body, inner, out)

    def _function_body(self, body: Sequence[ast.stmt], inner: Scope, out: Out) -> Value:
        assert inner.result is not None
        label, result = inner.result
        statements: Out = []
        self.variables.flow.left.pop(label, None)
        ended = self.block(body, inner, statements)
        if not ended:
            self.variables.assign(result, NOTHING, statements)
            self.variables.flow.leave(label)
        elif statements and statements[-1] == Leave(label):
            statements.pop()
        out.append(Block(label, tuple(statements)))
        self.variables.arrive(label)
        return self.variables.read(result, out, self.traps)

    def block(self, body: Sequence[ast.stmt], scope: Scope, out: list[Statement]) -> bool:
        """Write statements; return whether the last one leads elsewhere."""
        raise NotImplementedError


def _item_at(places: tuple[object, ...], given: list[Value], _: Out) -> Value:
    """Return the item that an `operator.itemgetter` of these places takes."""
    match given, places:
        case [Group(items) as group], [int(place)] if group.has_items and -len(
            items
        ) <= place < len(items):
            return items[place]
    raise Untranslated("a call of an itemgetter")


def _word(number: Expr) -> Expr:
    """Return an integer as which a number or category is found."""
    return Op(Kind.INT, "int_of_bool", (number,)) if number.kind is Kind.BOOL else number


def _type_of(kind: Kind) -> type:
    if kind not in _TYPES:
        raise Untranslated("the type of a member of an enum")
    return _TYPES[kind]


def _own(function: Any) -> Known:
    """Return a function of this package that stands for one of Python's."""
    return Known(function, ("own", function.__name__), lambda: function)


def _check(body: Sequence[ast.AST], name: str) -> None:
    """Refuse what the translation would get wrong, not just leave to Python."""
    for part in body:
        for each in walk(part):
            if isinstance(each, (*_SCOPES, ast.Global, ast.Nonlocal, ast.NamedExpr, ast.Delete)):
                raise Untranslated(f"a call of {name}")
            if isinstance(each, ast.Name) and each.id == "__class__":
                raise Untranslated(f"a call of {name}")
