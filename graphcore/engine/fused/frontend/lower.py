"""Pass 6: lower a `cycle` to `CycleIR`: attributes, upstreams' values and locals become holes.

Nodes of one class whose attributes are of the same kinds share the result. Lists of upstreams are
unrolled (`unroll`), a `return` becomes an `if` and a tick (`ticks`), and functions passed to the
node are inlined (`functions`).
"""

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import cast

from graphcore.engine.fused.frontend.expressions import Expressions
from graphcore.engine.fused.frontend.printer import operator_text, printed
from graphcore.engine.fused.frontend.subset import Cycle, Refused, attribute_of
from graphcore.engine.fused.frontend.ticks import (
    EmitStatement,
    TickStatement,
    WakeStatement,
    arrange,
    emits_at_most,
    returns_in,
    wakes_at_most,
)
from graphcore.engine.fused.frontend.unroll import pruned, unrolled
from graphcore.engine.fused.ir import (
    Body,
    Break,
    CycleIR,
    Do,
    Emit,
    If,
    Is,
    Kind,
    Kinds,
    Loop,
    Raise,
    Run,
    RunState,
    Set,
    Statement,
    Text,
    Tick,
    Ticked,
    Valid,
    Value,
    Wake,
    holes_of,
)
from graphcore.parsing import copied, walk


@lru_cache(1024)
def lowered(cycle: Cycle, kinds: tuple[tuple[str, Kind], ...], withheld: bool) -> CycleIR | str:
    """Return the IR of a `cycle` for nodes of these kinds, or the reason why they are called.

    Args:
        cycle: the `cycle`.
        kinds: the kinds of the nodes' attributes.
        withheld: whether it may set a value without ticking with it (R5).
    """
    try:
        return _Lowering(cycle, dict(kinds)).ir(withheld)
    except Refused as reason:
        return str(reason)
    except RecursionError:
        return "its cycle is nested too deeply"


class _Lowering:
    """Lowers the statements; `Expressions` puts holes into the expressions."""

    def __init__(self, cycle: Cycle, kinds: Kinds) -> None:
        self._cycle = cycle
        self._kinds = kinds
        self._expressions = Expressions(cycle, kinds)
        self._aliases: frozenset[str] = frozenset()

    def ir(self, withheld: bool) -> CycleIR:
        cycle = self._cycle
        body = [copied(each) for each in cycle.tree.body]
        if ast.get_docstring(cycle.tree, clean=False) is not None:
            body = body[1:]
        hidden = cycle.local | cycle.free | cycle.function.__globals__.keys()
        body = pruned(unrolled(body, cycle.me, self._kinds, hidden), cycle.me, self._kinds)
        for each in body:
            for loop in walk(each):
                if isinstance(loop, ast.For | ast.While) and returns_in(loop.body):
                    raise Refused("its cycle returns inside a loop")
        check_bound(body, cycle.local)
        body = [self._marked(each) for each in body]
        body, form = arrange(body)
        self._aliases = frozenset(_aliases(body, self._expressions))
        for name, kind in self._kinds.items():
            if kind.of in (Is.OUTPUT, Is.OUTPUTS) and emits_at_most(body, name) > 1:
                raise Refused(f"its cycle may tick {name} several times")
        lines = tuple(self._body(body))
        wakes = wakes_at_most(body)
        if wakes and self._expressions.keeps_alarms:
            raise Refused("its cycle keeps some of its alarms and not others")
        sets_value = _is_set_at_ticks(lines)
        if withheld and any(map(_reads_value, lines)):
            raise Refused("its cycle reads a value that it may have set without ticking")
        if withheld and not any(map(_assigns_value, lines)):
            raise Refused("another method than its cycle sets its value")
        holes = tuple(dict.fromkeys(holes_of(lines)))
        asked = {hole.what for hole in holes if isinstance(hole, RunState)}
        if self._expressions.keeps_alarms:
            wakes = float("inf")
        elif wakes:
            asked |= {Run.TIME, Run.STATE}
        return CycleIR(
            lines,
            form,
            wakes,
            any(map(_assigns_value, lines)),
            sets_value,
            withheld,
            frozenset(asked),
            holes,
            any(isinstance(hole, Ticked | Valid) for hole in holes),
            self._kinds,
        )

    def _marked(self, statement: ast.stmt) -> ast.stmt:
        """Put statements of their own where outputs tick and where alarms are set and not kept."""
        mark = _MarkCalls(self._cycle.me, self._cycle.state, self._kinds)
        return cast(ast.stmt, mark.visit(statement))

    def _body(self, body: Sequence[ast.stmt]) -> Iterator[Statement]:
        for each in body:
            statement = self._statement(each)
            yield from self._expressions.take_needs()
            if statement is not None:
                yield statement

    def _block(self, body: Sequence[ast.stmt]) -> Body:
        return tuple(self._body(body))

    def _statement(self, node: ast.stmt) -> Statement | None:
        match node:
            case TickStatement():
                return Tick()
            case EmitStatement():
                place = () if node.place is None else self._text(node.place)
                return Emit(node.output, self._text(node.value, whole=not place), place)
            case WakeStatement():
                whole = self._is_whole(node.at)
                return Wake(self._text(node.at), whole, node.keeps_alive, node.last)
            case ast.Assign():
                return self._set(node.targets, "", node.value)
            case ast.AugAssign():
                return self._set([node.target], operator_text(node.op), node.value)
            case ast.AnnAssign(value=None) | ast.Pass():
                return None
            case ast.AnnAssign():
                assert node.value is not None
                return self._set([node.target], "", node.value)
            case ast.Expr():
                return Do(self._text(node.value, whole=True))
            case ast.Assert():
                message = () if node.msg is None else (", ", *self._text(node.msg))
                return Do(("assert ", *self._text(node.test), *message))
            case ast.Raise():
                return Raise(self._raise(node))
            case ast.If():
                test = self._text(node.test, whole=True, test=True)
                needs = self._expressions.take_needs()
                choice = If(test, self._block(node.body), self._block(node.orelse))
                self._expressions.give_back(needs)
                return choice
            case ast.While():
                head = ("while ", *self._text(node.test, repeated=True))
                return Loop(head, self._block(node.body), self._block(node.orelse))
            case ast.For():
                if self._assigns_value(node.target):
                    raise Refused("its cycle assigns value as the variable of a loop")
                target, over = self._text(node.target, target=True), self._text(node.iter)
                head = ("for ", *target, " in ", *over)
                return Loop(head, self._block(node.body), self._block(node.orelse))
            case ast.Break():
                return Break()
            case ast.Continue():
                return Break("continue")
        raise Refused(f"its cycle has a statement of the kind {type(node).__name__}")

    def _set(self, targets: list[ast.expr], operator: str, value: ast.expr) -> Set:
        name = targets[0].id if isinstance(targets[0], ast.Name) and len(targets) == 1 else ""
        sets_value = any(self._assigns_value(each) for each in targets)
        texts = tuple(self._text(each, target=True) for each in targets)
        text = self._text(value, whole=not operator)
        return Set(texts, operator, text, name in self._aliases, sets_value)

    def _assigns_value(self, target: ast.expr) -> bool:
        return any(
            attribute_of(node, self._cycle.me) == "value" and isinstance(node.ctx, ast.Store)
            for node in walk(target)
            if isinstance(node, ast.Attribute)
        )

    def _raise(self, node: ast.Raise) -> Text:
        text: Text = ("raise",)
        if node.exc is not None:
            text = ("raise ", *self._text(node.exc))
        if node.cause is not None:
            text = (*text, " from ", *self._text(node.cause))
        return text

    def _text(
        self,
        expression: ast.expr,
        *,
        whole: bool = False,
        target: bool = False,
        repeated: bool = False,
        test: bool = False,
    ) -> Text:
        """Return an expression's text.

        Args:
            expression: the expression.
            whole: whether the statement evaluates the expression first.
            target: whether the expression is assigned to.
            repeated: whether the expression is evaluated several times.
            test: whether only the truth of the expression matters.
        """
        made = self._expressions.of(expression, whole and not repeated)
        return printed(_test(made) if test else made, bare_tuple=target)

    def _is_whole(self, at: ast.expr) -> bool:
        """Return whether a time, as the cycle computes it, is certainly an `int`."""
        if isinstance(at, ast.BinOp):
            exact = isinstance(at.op, ast.Add | ast.Sub | ast.Mult | ast.Mod | ast.FloorDiv)
            return exact and self._is_whole(at.left) and self._is_whole(at.right)
        if isinstance(at, ast.Constant):
            return type(at.value) is int
        name = attribute_of(at, self._cycle.me)
        if name is not None and name != "value":
            return self._kinds[name] == Kind(Is.READ, True)
        return attribute_of(at, self._cycle.state) in ("time", "start_time", "elapsed")


class _MarkCalls(ast.NodeTransformer):
    def __init__(self, me: str, state: str, kinds: Kinds) -> None:
        self._me = me
        self._state = state
        self._kinds = kinds

    def _is(self, expression: ast.expr, of: Is) -> bool:
        kind = self._kinds.get(attribute_of(expression, self._me) or "")
        return kind is not None and kind.of is of

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        match node.value:
            case ast.Call(ast.Attribute(ast.Subscript(outputs, place), "tick"), [value], []) if (
                self._is(outputs, Is.OUTPUTS) and not isinstance(value, ast.Starred)
            ):
                assert isinstance(outputs, ast.Attribute)
                return EmitStatement(outputs.attr, value, place)
            case ast.Call(ast.Attribute(output, "tick"), [value], []) if self._is(
                output, Is.OUTPUT
            ):
                assert isinstance(output, ast.Attribute)
                return node if isinstance(value, ast.Starred) else EmitStatement(output.attr, value)
            case ast.Call(func=called, args=[at], keywords=keywords) if not isinstance(
                at, ast.Starred
            ):
                name = attribute_of(called, self._state)
                keeps_alive = _keeps_alive(keywords)
                if name in ("schedule", "schedule_last") and keeps_alive is not None:
                    return WakeStatement(at, keeps_alive, name == "schedule_last")
        return node


def _keeps_alive(keywords: list[ast.keyword]) -> bool | None:
    """Return whether such an alarm keeps the run alive, `None` if the text does not say it."""
    match keywords:
        case []:
            return True
        case [ast.keyword("keeps_alive", ast.Constant(bool(given)))]:
            return given
    return None


def _test(expression: ast.expr) -> ast.expr:
    """Return an expression of the same truth value without a double negation."""
    match expression:
        case ast.UnaryOp(ast.Not(), ast.UnaryOp(ast.Not(), inner)):
            return _test(inner)
    return expression


# Locals. The function lives on between cycles, so a local read before it is bound would have the
# value of the last cycle.


def check_bound(body: Sequence[ast.stmt], local: frozenset[str]) -> None:
    """Check that no local is read before it is certainly bound.

    Raises:
        Refused: if one may be.
    """
    _check(body, set(), local)


def _check(body: Sequence[ast.stmt], known: set[str], local: frozenset[str]) -> set[str]:
    """Check the reads among statements; return the locals that are bound after them."""
    for each in body:
        if isinstance(each, ast.If):
            _check_reads(each.test, known, local)
            after = [_check(part, set(known), local) for part in (each.body, each.orelse)]
            known = after[0] & after[1]
        elif isinstance(each, ast.For):
            _check_reads(each.iter, known, local)
            _check(each.body, known | _bound(each.target), local)
            _check(each.orelse, set(known), local)
        elif isinstance(each, ast.While):
            _check_reads(each.test, known, local)
            _check(each.body, set(known), local)
            _check(each.orelse, set(known), local)
        elif isinstance(each, ast.Return | ast.Raise):
            _check_reads(each, known, local)
            return set(local)
        else:
            _check_reads(each, known, local)
            known = known | _bound(each)
    return known


def _check_reads(node: ast.AST, known: set[str], local: frozenset[str]) -> None:
    names = {
        each.id
        for each in walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    }
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        names.add(node.target.id)
    for name in names & local - known:
        raise Refused(f"its cycle may read {name} before it is bound")


def _bound(node: ast.AST) -> set[str]:
    if isinstance(node, ast.AnnAssign) and node.value is None:
        return set()
    return {
        each.id
        for each in walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }


# Aliases


def _aliases(body: Sequence[ast.stmt], expressions: Expressions) -> Iterator[str]:
    """Yield the locals that an upstream's variable may replace.

    Such a local is assigned once, at the top of the cycle, and no function is called afterwards: a
    function might assign the upstream's value, which the local must not follow.
    """
    if (
        len(body) == 1
        and isinstance(body[0], ast.While)
        and isinstance(body[0].body[-1], ast.Break)
    ):
        body = body[0].body  # a loop that runs once
    for position, each in enumerate(body):
        match each:
            case ast.Assign([ast.Name(name)], ast.Attribute(upstream, "value")):
                rest = body[position + 1 :]
                alone = sum(_binds(other, name) for other in body) == 1
                if (
                    alone
                    and expressions.upstream(upstream)
                    and not any(map(expressions.may_call, rest))
                ):
                    yield name


def _binds(statement: ast.stmt, name: str) -> int:
    return sum(
        isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load)
        for node in walk(statement)
    )


# Facts about the whole cycle


def _is_set_at_ticks(body: Body, known: bool = False) -> bool:
    """Return whether the value has been assigned on every path to a tick."""
    for each in body:
        match each:
            case Tick() if not known:
                return False
            case Set(sets_value=True):
                known = True
            case If(_, inner, orelse):
                if not (_is_set_at_ticks(inner, known) and _is_set_at_ticks(orelse, known)):
                    return False
                known = known or (_always_sets(inner) and _always_sets(orelse))
            case Loop(_, inner, orelse):
                if not (_is_set_at_ticks(inner, known) and _is_set_at_ticks(orelse, known)):
                    return False
    return True


def _assigns_value(statement: Statement) -> bool:
    match statement:
        case Set(sets_value=True):
            return True
        case If(_, body, orelse) | Loop(_, body, orelse):
            return any(map(_assigns_value, (*body, *orelse)))
    return False


def _reads_value(statement: Statement) -> bool:
    match statement:
        case Set(_, operator, value):
            return Value() in value or bool(operator and statement.sets_value)
        case Do(text) | Raise(text) | Wake(text):
            return Value() in text
        case Emit(_, text, place):
            return Value() in text or Value() in place
        case If(text, body, orelse) | Loop(text, body, orelse):
            return Value() in text or any(map(_reads_value, (*body, *orelse)))
    return False


def _always_sets(body: Body) -> bool:
    """Return whether every path to the end of some statements assigns the value."""
    for each in body:
        match each:
            case Set(sets_value=True) | Raise() | Break():
                return True
            case If(_, inner, orelse) if _always_sets(inner) and _always_sets(orelse):
                return True
    return False
