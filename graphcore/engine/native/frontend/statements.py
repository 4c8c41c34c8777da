"""Translate statements, and with them the whole loop of a fused function."""

import ast
from collections.abc import Callable, Sequence
from functools import partial

from graphcore.engine.native.frontend import operations
from graphcore.engine.native.frontend.calls import Calls
from graphcore.engine.native.frontend.flow import joined
from graphcore.engine.native.frontend.operations import Untranslated
from graphcore.engine.native.frontend.values import Out, Scope
from graphcore.engine.native.frontend.variables import (
    NOTHING,
    Appended,
    Found,
    Group,
    Ring,
    Value,
    slot,
)
from graphcore.engine.native.ir import (
    Again,
    Append,
    Assign,
    At,
    Block,
    Clear,
    Const,
    Cut,
    Drop,
    If,
    Insert,
    Kind,
    Leave,
    Length,
    Loop,
    Op,
    Push,
    Read,
    Remove,
    Replace,
    Swap,
    Trap,
    Wake,
)


class Statements(Calls):
    """Translates statements."""

    def block(self, body: Sequence[ast.stmt], scope: Scope, out: Out) -> bool:
        """Write statements; return whether the last one leads elsewhere."""
        for each in body:
            if scope.function is None:
                self.traps.line = each.lineno
            inner: Out = []
            if scope.function is None:
                inner.append(At(self.traps.reason("arithmetic that Python decides")))
            try:
                ended = self._statement(each, scope, inner)
            except Untranslated as error:
                inner.append(Trap(self.traps.reason(str(error))))
                ended = True
            out += inner
            if inner and isinstance(inner[-1], Insert):
                _as_swap(out)
            if ended:
                return True
        return False

    def _statement(self, node: ast.stmt, scope: Scope, out: Out) -> bool:
        match node:
            case ast.Assign(targets, value):
                self._assign(node, targets, value, scope, out)
            case ast.AnnAssign(ast.Name(), _, value):
                if value is not None:
                    self._assign(node, [node.target], value, scope, out)
            case ast.AugAssign(ast.Attribute(ast.Attribute(ast.Name("session")), "weak")) if (
                scope.function is None
            ):
                pass  # the alarm that follows says that it keeps no run alive
            case ast.AugAssign(ast.Name() as target, operator, value):
                load = self._made.setdefault(node, ast.Name(target.id, ast.Load()))
                found = self._binary(node, operator, [load, value], scope, out)
                self._store(target, found, scope, out)
            case ast.If():
                return self._if(node, scope, out)
            case ast.While(test, body, []):
                self._while(node, test, body, scope, out)
            case ast.For(ast.Name() as target, iterable, body, []):
                self._for(node, target, iterable, body, scope, out)
            case ast.Break() | ast.Continue():
                if scope.loop is None:
                    raise Untranslated(type(node).__name__.lower())
                again, leave = scope.loop
                label = leave if isinstance(node, ast.Break) else again
                self.variables.flow.leave(label)
                goes_back = label == again and scope.repeats
                out.append(Again(label) if goes_back else Leave(label))
                return True
            case ast.Return(value):
                self._return(value, scope, out)
                return True
            case ast.Expr(value):
                self._expression(value, scope, out)
            case ast.Pass():
                pass
            case ast.Try(body, _, orelse, []):
                # Whatever would raise traps, so no handler ever runs here.
                return self.block([*body, *orelse], scope, out)
            case _:
                raise Untranslated(_WORDS.get(type(node), type(node).__name__.lower()))
        return False

    def _expression(self, node: ast.expr, scope: Scope, out: Out) -> None:
        match node:
            case ast.Constant():
                return
            case ast.Call(ast.Name("heappush"), [ast.Name("heap"), entry], []) if (
                scope.function is None
            ):
                self._wake(entry, scope, out)
                return
            case ast.Call(ast.Attribute(owner, "append"), [item], []):
                held = self.value(owner, scope, out)
                if isinstance(held, Appended):
                    value = self.value(item, scope, out)
                    out.append(Append(held.name, self.parts(held.name, value)))
                    return
        self.value(node, scope, out)

    def _wake(self, entry: ast.expr, scope: Scope, out: Out) -> None:
        match entry:
            case ast.BinOp(ast.BinOp(at, ast.LShift()), ast.BitOr(), ast.Constant(int(low))):
                if self.alarms is None:
                    raise Untranslated("an alarm")
                bit, weak, last = self.alarms.parts(low)
                time = self.scalar(self.value(at, scope, out))
                if time.kind is not Kind.INT:
                    raise Untranslated("an alarm at what is no time")
                out.append(Wake(time, bit, not weak, last))
            case _:
                raise Untranslated("an alarm")

    # Assignments

    def _assign(
        self,
        node: ast.stmt,
        targets: Sequence[ast.expr],
        given: ast.expr,
        scope: Scope,
        out: Out,
    ) -> None:
        value = self.value(given, scope, out)
        if len(targets) > 1 or not isinstance(targets[0], ast.Name):
            value = self.kept(value, self.place(node, scope), out)
        for target in targets:
            self._store(target, value, scope, out)

    def _store(self, target: ast.expr, value: Value, scope: Scope, out: Out) -> None:
        if isinstance(target, ast.Tuple):
            value = self.as_tuple(value, out)
        match target, value:
            case ast.Name(name), _:
                if name not in scope.names:
                    raise Untranslated(f"an assignment to {name}")
                variable = scope.names[name]
                if isinstance(value, Found):
                    self.found[variable], value = value.table, value.row
                if variable in self.rings or variable in self.lists:
                    raise Untranslated(f"{name} gets another object")
                self.variables.assign(variable, value, out)
            case ast.Tuple(targets), Group(items) if value.is_tuple and len(targets) == len(items):
                for each, item in zip(targets, items, strict=True):
                    self._store(each, item, scope, out)
            case ast.Subscript(owner, ast.Slice(None, ast.expr() as upper, None)), Group(()):
                ring = self.value(owner, scope, out)
                count = self.value(upper, scope, out)
                if not isinstance(ring, Ring) or not ring.is_list:
                    raise Untranslated("an assignment to a slice of what is no list")
                out.append(Cut(ring.name, self.whole(count)))
            case ast.Subscript(owner, place), _:
                ring = self.value(owner, scope, out)
                index = self.value(place, scope, out)
                if not isinstance(ring, Ring):
                    raise Untranslated("an assignment to an item of what is no deque or list")
                replaced = self.parts(ring.name, value)
                out.append(Replace(ring.name, self.whole(index), replaced))
            case _:
                raise Untranslated("an assignment to an attribute")

    # Choices and loops

    def _if(self, node: ast.If, scope: Scope, out: Out) -> bool:
        test = self.test(node.test, scope, out)
        if isinstance(test, Const):
            return self.block(node.body if test.value else node.orelse, scope, out)
        ended: list[bool] = []

        def write(part: Sequence[ast.stmt], inner: Out) -> bool:
            if part is node.body and isinstance(node.test, ast.Name):
                self.variables.flow.exclude(scope.names.get(node.test.id, ""), Kind.NONE)
            ended.append(self.block(part, scope, inner))
            return ended[-1]

        out.append(If(test, *self.fork(partial(write, node.body), partial(write, node.orelse))))
        return all(ended)

    def _while(
        self, node: ast.While, test: ast.expr, body: Sequence[ast.stmt], scope: Scope, out: Out
    ) -> None:
        name = self.place(node, scope)
        again, leave = f"{name}.again", f"{name}.leave"

        def write(inner: Out) -> bool:
            holds = self.test(test, scope, inner)
            if not (isinstance(holds, Const) and holds.value):
                self.variables.flow.leave(leave)
                inner.append(If(operations.negate(holds), (Leave(leave),)))
            return self.block(body, scope.inside(again, leave), inner)

        self._loop(again, leave, write, out)

    def _for(
        self,
        node: ast.For,
        target: ast.Name,
        iterable: ast.expr,
        body: Sequence[ast.stmt],
        scope: Scope,
        out: Out,
    ) -> None:
        ring = self.as_tuple(self.value(iterable, scope, out), out)
        name = self.place(node, scope)
        again, leave, place = f"{name}.again", f"{name}.leave", f"{name}.place"
        if isinstance(ring, Group) and ring.has_items:
            kept = self.kept(ring, f"{name}.items", out)
            assert isinstance(kept, Group)
            self._for_each(target, kept.items, body, scope.inside(again, leave), out)
            return
        if not isinstance(ring, Ring):
            raise Untranslated("a loop over what is no deque")
        self.variables.assign(place, Const(Kind.INT, 0), out)
        index = Read(Kind.INT, slot(place, Kind.INT))

        def write(inner: Out) -> bool:
            over = Op(Kind.BOOL, "int >=", (index, Length(Kind.INT, ring.name)))
            self.variables.flow.leave(leave)
            inner.append(If(over, (Leave(leave),)))
            self._store(target, self.item(ring.name, index, f"{name}.item", inner), scope, inner)
            following = Op(Kind.INT, "int_add", (index, Const(Kind.INT, 1)))
            inner.append(Assign(slot(place, Kind.INT), following))
            return self.block(body, scope.inside(again, leave), inner)

        before = len(out)
        self._loop(again, leave, write, out)
        if _changes(out[before:], ring.name):
            raise Untranslated("a loop that changes its deque")

    def _for_each(
        self,
        target: ast.Name,
        items: Sequence[Value],
        body: Sequence[ast.stmt],
        scope: Scope,
        out: Out,
    ) -> None:
        """Write a loop over a few values: its body again for each of them."""
        assert scope.loop is not None
        if len(items) * len(body) > _MOST_UNROLLED:
            raise Untranslated("a loop over a long tuple")
        again, leave = scope.loop
        self.variables.flow.left.pop(leave, None)
        rounds: Out = []
        for number, item in enumerate(items):
            label = f"{again}{number}"
            self.variables.flow.left.pop(label, None)
            inner: Out = []
            self._store(target, item, scope, inner)
            if not self.block(body, scope.inside(label, leave, False), inner):
                self.variables.flow.leave(label)
            rounds.append(Block(label, tuple(inner)))
            if label not in self.variables.flow.left:  # it never comes to a further round
                break
            self.variables.arrive(label)
        else:
            self.variables.flow.leave(leave)
        out.append(Block(leave, tuple(rounds)))
        self.variables.arrive(leave)

    def _loop(self, again: str, leave: str, write: Callable[[Out], bool], out: Out) -> None:
        """Write a loop, whose rounds `write` writes; it returns whether a round ends elsewhere.

        What is known at the beginning of a round holds in the first one and in all others.
        """
        variables, inlined, line = self.variables, self.inlined, self.traps.line
        known = variables.flow
        while True:
            for label in (again, leave):
                known.left.pop(label, None)
            variables.flow, self.inlined, self.traps.line = known.copy(), inlined, line
            inner: Out = []
            ended = write(inner)
            if not ended:
                variables.flow.leave(again)
                inner.append(Again(again))
            if again not in known.left:  # it never comes to a second round
                out.append(Block(leave, tuple(inner)))
                break
            following = joined(known, known.left[again])
            if following.is_as(known):
                out.append(Loop(leave, again, tuple(inner)))
                break
            known = following
        variables.arrive(leave)

    def _return(self, value: ast.expr | None, scope: Scope, out: Out) -> None:
        if scope.result is None:
            raise Untranslated("return")
        label, result = scope.result
        given = NOTHING if value is None else self.value(value, scope, out)
        self.variables.assign(result, given, out)
        self.variables.flow.leave(label)
        out.append(Leave(label))


_MOST_UNROLLED = 400  # statements
_CHANGES = Push | Drop | Insert | Remove | Cut | Replace | Clear
_WORDS = {ast.Raise: "raise", ast.Assert: "assert", ast.With: "with", ast.Try: "try"}


def _changes(body: Sequence[object], ring: str) -> bool:
    """Return whether some statements change a ring."""
    for each in body:
        if isinstance(each, _CHANGES) and each.ring == ring:
            return True
        for inner in (getattr(each, "body", ()), getattr(each, "orelse", ())):
            if _changes(inner, ring):
                return True
    return False


def _as_swap(out: Out) -> None:
    """Make one statement of the last insertion and a removal from the same list just before."""
    insert = out[-1]
    assert isinstance(insert, Insert)
    before = len(out) - 2
    while before >= 0 and isinstance(out[before], At):
        before -= 1
    remove = out[before] if before >= 0 else None
    # What is computed must not depend on the list, from which nothing has been removed yet.
    computed = (insert.index, *(part for _, part in insert.parts))
    plain = all(isinstance(each, Const | Read) for each in computed)
    if plain and isinstance(remove, Remove) and remove.ring == insert.ring:
        out[before] = Swap(insert.ring, remove.index, insert.index, insert.parts)
        out.pop()
