"""Rewrite a `cycle` without `return`: a tick becomes a statement of its own.

The statements after an `if` that returns go into its `else`. Where a branch returns on some of its
paths only, the body becomes a loop that runs once, and `break` leaves it.
"""

import ast
from collections.abc import Callable, Iterable

from graphcore.engine.fused.ir import TickForm
from graphcore.parsing import walk

_DEEPEST = 4


class TickStatement(ast.stmt):
    """A statement: the node has ticked."""


class WakeStatement(ast.stmt):
    """A statement: the node asks to be woken at a time.

    Attributes:
        at: the time.
        keeps_alive: whether the run goes on until then.
        last: whether it is woken once no other cycle is left at that time.
    """

    _fields = ("at",)

    def __init__(self, at: ast.expr, keeps_alive: bool = True, last: bool = False) -> None:
        super().__init__()
        self.at = at
        self.keeps_alive = keeps_alive
        self.last = last


class EmitStatement(ast.stmt):
    """A statement: an output of the node ticks.

    Attributes:
        output: the attribute that holds the output.
        value: the value.
        place: the output's place, if the attribute holds a list of outputs.
    """

    _fields = ("place", "value")

    def __init__(self, output: str, value: ast.expr, place: ast.expr | None = None) -> None:
        super().__init__()
        self.output = output
        self.value = value
        self.place = place


class _Partial(Exception):
    """Raised for a branch that returns on some of its paths only."""


def arrange(body: list[ast.stmt]) -> tuple[list[ast.stmt], TickForm]:
    """Return the statements without `return`, and in which places the node ticks."""
    try:
        arranged = _nested(body, 0)
    except _Partial:
        once = _leaving(body) if _leaves(body) else [*_leaving(body), ast.Break()]
        arranged = [ast.While(ast.Constant(True), once, [])]
    ticks = sum(isinstance(node, TickStatement) for each in arranged for node in walk(each))
    if not ticks:
        return arranged, TickForm.NEVER
    if ticks == 1:
        if isinstance(arranged[-1], TickStatement):
            return arranged, TickForm.ALWAYS
        if _ends_in_tick(arranged):
            return arranged, TickForm.TAIL
    return arranged, TickForm.FLAG


def returns_in(statements: Iterable[ast.AST]) -> bool:
    """Return whether the statements contain a `return`."""
    return any(isinstance(node, ast.Return) for each in statements for node in walk(each))


def wakes_at_most(body: Iterable[ast.AST]) -> float:
    """Return the maximum number of wake-ups that one pass through the statements asks for."""
    return _at_most(body, lambda each: isinstance(each, WakeStatement))


def emits_at_most(body: Iterable[ast.AST], output: str) -> float:
    """Return the maximum number of ticks of an output in one pass through the statements."""
    return _at_most(body, lambda each: isinstance(each, EmitStatement) and each.output == output)


def _at_most(body: Iterable[ast.AST], counts: Callable[[ast.AST], bool]) -> float:
    count = 0.0
    for each in body:
        if counts(each):
            count += 1
        elif isinstance(each, ast.If):
            count += max(_at_most(each.body, counts), _at_most(each.orelse, counts))
        elif isinstance(each, ast.For | ast.While):
            runs_once = isinstance(each, ast.While) and isinstance(each.body[-1], ast.Break)
            inner = _at_most(each.body, counts)
            count += inner if runs_once else inner * float("inf") if inner else 0
            count += _at_most(each.orelse, counts)
    return count


def negated(test: ast.expr) -> ast.expr:
    """Return the negation of a test, for a place where only its truth value matters."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        opposite = _OPPOSITE.get(type(test.ops[0]))
        if opposite is not None:
            return ast.Compare(test.left, [opposite()], test.comparators)
    return ast.UnaryOp(ast.Not(), test)


# Other comparisons are not inverted: users' types may define `<` and `>=` independently.
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


def _nested(body: list[ast.stmt], depth: int) -> list[ast.stmt]:
    arranged: list[ast.stmt] = []
    for position, each in enumerate(body):
        if isinstance(each, ast.Return):
            return arranged + _tick(each)
        if isinstance(each, ast.Raise):
            return [*arranged, each]
        if not (isinstance(each, ast.If) and returns_in([each])):
            arranged.append(each)
            continue
        rest = body[position + 1 :]
        if depth == _DEEPEST:
            raise _Partial
        if _leaves(each.body):
            inside, outside = each.body, each.orelse + rest
        elif _leaves(each.orelse):
            inside, outside = each.body + rest, each.orelse
        else:
            raise _Partial
        branches = _nested(inside, depth + 1), _nested(outside, depth + 1)
        arranged.append(_choice(each.test, *branches))
        return arranged
    return arranged


def _choice(test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]) -> ast.If:
    """Return an `if` whose ticking branch comes last, if only one branch ticks."""
    ticks_in_body = any(isinstance(node, TickStatement) for each in body for node in walk(each))
    if not body or (orelse and ticks_in_body):
        test, body, orelse = negated(test), orelse, body
    return ast.If(test, body or [ast.Pass()], orelse)


def _tick(statement: ast.Return) -> list[ast.stmt]:
    value = statement.value
    if value is None:
        return []
    if isinstance(value, ast.Constant):
        return [TickStatement()] if value.value else []
    return [ast.If(value, [TickStatement()], [])]


def _leaves(body: list[ast.stmt]) -> bool:
    """Return whether every path through the statements returns or raises."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, ast.If):
        return _leaves(last.body) and _leaves(last.orelse)
    return isinstance(last, ast.Return | ast.Raise)


def _leaving(body: list[ast.stmt]) -> list[ast.stmt]:
    arranged: list[ast.stmt] = []
    for each in body:
        if isinstance(each, ast.Return):
            arranged += [*_tick(each), ast.Break()]
        elif isinstance(each, ast.If):
            arranged.append(ast.If(each.test, _leaving(each.body), _leaving(each.orelse)))
        else:
            arranged.append(each)
    return arranged


def _ends_in_tick(body: list[ast.stmt]) -> bool:
    if not body:
        return False
    last = body[-1]
    if isinstance(last, ast.If):
        return _ends_in_tick(last.orelse or last.body)
    return isinstance(last, TickStatement)
