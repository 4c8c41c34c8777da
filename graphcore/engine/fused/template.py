"""The third pass: turn a `cycle` into lines of text with slots, to be filled in for each node.

Attributes, upstreams' values and locals become slots; lists of upstreams are written out; a
`return` becomes an `if` (`returns`); functions that were given are put in their place
(`functions`). Nodes of one class and kind share a template.
"""

import ast
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from graphcore.engine.fused.bound import check_bound
from graphcore.engine.fused.functions import Expression, operator_of
from graphcore.engine.fused.lines import MARK, AnyLine, Lines, Slot, slot_name, slot_of
from graphcore.engine.fused.lists import written_out
from graphcore.engine.fused.reading import Is, Kind, Reading, Refused, attribute_of
from graphcore.engine.fused.returns import (
    Form,
    Schedule,
    arrange,
    returns_in,
    schedules_at_most,
)


@dataclass(frozen=True, slots=True)
class Template:
    """The text of a `cycle`, for all nodes whose attributes are of the same kinds.

    Attributes:
        reading: what the cycle says.
        kinds: what the attributes are.
        lines: the lines.
        form: where among them the node ticks.
        wakes: how often at most a cycle asks for the node to be woken, all without wanting the
            alarm; infinite if it wants one.
        sets_value: whether it sets a value at all.
        value_with_tick: whether it does so for certain where the node ticks, and nowhere else.
        handed: the values that are arguments of functions that are written out.
    """

    reading: Reading
    kinds: Mapping[str, Kind]
    lines: tuple[AnyLine, ...]
    form: Form
    wakes: float
    sets_value: bool
    value_with_tick: bool
    handed: tuple[Slot, ...]


@lru_cache(1024)
def template_of(reading: Reading, kinds: tuple[tuple[str, Kind], ...]) -> Template | str:
    """Return the template of a `cycle` for nodes of this kind, or why there is none."""
    try:
        return _Rewriter(reading, dict(kinds)).template()
    except Refused as reason:
        return str(reason)


class _Rewriter(ast.NodeTransformer):
    """Puts slots in place of what differs from node to node."""

    def __init__(self, reading: Reading, kinds: Mapping[str, Kind]) -> None:
        self._reading = reading
        self._kinds = kinds
        self._slots: dict[Slot, int] = {}
        self._handed: dict[Slot, None] = {}
        self._aliases: set[str] = set()
        self._wants_alarm = False
        self._in_text = False

    def template(self) -> Template:
        if MARK in ast.unparse(self._reading.tree):
            raise Refused(f"its cycle has the letter {MARK} in it")
        body = [deepcopy(each) for each in self._reading.tree.body]
        if ast.get_docstring(self._reading.tree, clean=False) is not None:
            body = body[1:]
        body = written_out(body, self._reading.me, self._kinds)
        check_bound(body, self._reading.local)
        for each in body:
            for loop in ast.walk(each):
                if isinstance(loop, ast.For | ast.While) and returns_in([loop]):
                    raise Refused("its cycle returns inside a loop")
        self._aliases = {
            name
            for name in self._reading.local
            if sum(_sets(each, name) for each in body) == 1
            and any(self._names_upstream(each, name) for each in body)
        }
        body, form = arrange([cast(ast.stmt, self.visit(each)) for each in body])
        lines = tuple(Lines(self._slots, self._aliases).of(body))
        wakes = schedules_at_most(body)
        value = self.slot("value").id
        sets_value = any(_sets(each, value) for each in body)
        if wakes and self._wants_alarm:
            raise Refused("its cycle keeps some of its alarms and not others")
        return Template(
            self._reading,
            self._kinds,
            lines,
            form,
            float("inf") if self._wants_alarm else wakes,
            sets_value,
            not sets_value or _sets_value_with_tick(body, form, value),
            tuple(self._handed),
        )

    def _names_upstream(self, statement: ast.stmt, name: str) -> bool:
        """Return whether this, always done, gives an upstream's value a local name."""
        match statement:
            case ast.Assign([ast.Name(id)], ast.Attribute(upstream, "value")) if id == name:
                return self._upstream(upstream) is not None
        return False

    def slot(self, what: str, name: str = "", detail: Any = None) -> ast.Name:
        slot = Slot(what, name, detail, self._in_text)
        number = self._slots.setdefault(slot, len(self._slots))
        return slot_name(number)

    # Expressions

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._reading.local:
            return self.slot("local", node.id)
        if node.id in self._reading.function.__code__.co_freevars:
            return self.slot("cell", node.id)
        return self.slot("global", node.id)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        reading = self._reading
        name = attribute_of(node, reading.me)
        if name is not None:
            return self._own_attribute(name, isinstance(node.ctx, ast.Load))
        asked = attribute_of(node, reading.state)
        if asked is not None:
            return self._of_state(asked)
        upstream = self._upstream(node.value)
        if upstream is not None:
            if node.attr != "value" or not isinstance(node.ctx, ast.Load):
                raise Refused(f"its cycle looks at {node.attr} of an upstream")
            return self.slot("input", *upstream)
        return ast.Attribute(self.visit(node.value), node.attr, node.ctx)

    def _own_attribute(self, name: str, reads: bool) -> ast.expr:
        if name == "value":
            return self.slot("value")
        kind = self._kinds[name]
        if kind.of in (Is.INPUT, Is.INPUTS):
            raise Refused(f"its cycle hands its upstream {name} on")
        if kind.of is Is.FOLDED and reads:
            return ast.Constant(kind.detail)
        return self.slot("attribute", name)

    def _of_state(self, asked: str) -> ast.expr:
        if asked == "time":
            return ast.Name("time", ast.Load())
        if asked == "start_time":
            return ast.Name("start", ast.Load())
        if asked == "elapsed":
            now, start = ast.Name("time", ast.Load()), ast.Name("start", ast.Load())
            return ast.BinOp(now, ast.Sub(), start)
        if asked == "due":
            return self.slot("due")
        if asked in ("ticked", "valid"):
            raise Refused(f"its cycle hands state.{asked} on")
        if asked == "schedule":
            self._wants_alarm = True
        return ast.Attribute(self.slot("state"), asked, ast.Load())

    def _upstream(self, given: ast.expr) -> tuple[str, int | None] | None:
        """Return which upstream an expression is: the attribute, and the place in its list."""
        me = self._reading.me
        name = attribute_of(given, me)
        if name is not None:
            kind = self._kinds.get(name)
            return (name, None) if kind is not None and kind.of is Is.INPUT else None
        if isinstance(given, ast.Subscript) and isinstance(given.slice, ast.Constant):
            name, place = attribute_of(given.value, me), given.slice.value
            kind = None if name is None else self._kinds.get(name)
            if name is None or kind is None or kind.of is not Is.INPUTS:
                return None
            if type(place) is int and 0 <= place < kind.detail:
                return name, place
        return None

    def visit_Call(self, node: ast.Call) -> ast.expr:
        reading = self._reading
        asked = attribute_of(node.func, reading.state)
        if asked in ("ticked", "valid"):
            upstream = self._upstream(node.args[0]) if len(node.args) == 1 else None
            if upstream is None or node.keywords:
                raise Refused(f"its cycle asks state.{asked} of something else than an upstream")
            return self.slot(asked, *upstream)
        arguments = _flat([cast(ast.expr, self.visit(each)) for each in node.args])
        name = attribute_of(node.func, reading.me)
        if name is not None and not node.keywords:
            put_in = self._put_in(name, arguments)
            if put_in is not None:
                return put_in
        keywords = [ast.keyword(each.arg, self.visit(each.value)) for each in node.keywords]
        return ast.Call(self.visit(node.func), arguments, keywords)

    def _put_in(self, name: str, arguments: list[ast.expr]) -> ast.expr | None:
        """Return the expression of a function that was given, `None` where it has to be called."""
        kind = self._kinds.get(name)
        if kind is None or any(isinstance(each, ast.Starred) for each in arguments):
            return None
        if kind.of is Is.OPERATOR:
            build = operator_of(kind.detail, len(arguments))
            return None if build is None else build(arguments)
        if kind.of is not Is.EXPRESSION:
            return None
        expression: Expression = kind.detail
        fits = len(arguments) == len(expression.parameters)
        if not fits or MARK in ast.unparse(expression.body):
            return None
        for parameter, argument in zip(expression.parameters, arguments, strict=True):
            # Anything but a variable must be reckoned once, and before the rest.
            if not isinstance(argument, ast.Name | ast.Constant):
                return None
            if expression.uses(parameter) != 1 and not self._is_cheap(argument):
                return None
        if any(isinstance(each, ast.JoinedStr) for each in ast.walk(expression.body)):
            return None  # a literal has quotes, which may not be in an f-string
        for argument in arguments:
            slot = slot_of(argument, list(self._slots))
            if slot is not None and slot.what in ("input", "value"):
                self._handed[slot] = None
        put_in = _PutIn(self, name, expression, arguments)
        return cast(ast.expr, put_in.visit(deepcopy(expression.body)))

    def _is_cheap(self, argument: ast.expr) -> bool:
        slot = slot_of(argument, list(self._slots))
        if slot is None:
            return True
        if slot.what == "attribute":
            return self._kinds[slot.name].of in (Is.OWN, Is.LITERAL)
        return slot.what in ("local", "input", "value")

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        raise Refused("its cycle has a list comprehension")

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        outside, self._in_text = self._in_text, True
        self.generic_visit(node)
        self._in_text = outside
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        plain = self._plain_truth(node)
        if plain is not None:
            return plain
        self.generic_visit(node)
        return node

    def _plain_truth(self, node: ast.Compare) -> ast.expr | None:
        """Return what ``bool(x) is not True`` and the like come to, `None` for other tests."""
        call, wanted, by = node.left, node.comparators[0], node.ops[0]
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            return None
        named_bool = call.func.id == "bool" and "bool" not in (
            self._reading.function.__globals__.keys() | self._reading.local
        )
        alone = len(node.ops) == 1 and len(call.args) == 1 and not call.keywords
        if not (named_bool and alone and isinstance(by, ast.Is | ast.IsNot)):
            return None
        value = self.visit(wanted)
        if not (isinstance(value, ast.Constant) and isinstance(value.value, bool)):
            return None
        truth = ast.UnaryOp(ast.Not(), self.visit(call.args[0]))
        opposite = value.value is isinstance(by, ast.IsNot)
        return truth if opposite else ast.UnaryOp(ast.Not(), truth)

    # Statements

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        match node.value:
            case ast.Call(func=called, args=[at], keywords=[]) if (
                attribute_of(called, self._reading.state) == "schedule"
            ):
                whole = self._is_whole(at)
                return Schedule(self.visit(at), whole)
        return ast.Expr(self.visit(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if node.value is None:
            return ast.Pass()
        return ast.Assign([self.visit(node.target)], self.visit(node.value))

    def _is_whole(self, at: ast.expr) -> bool:
        """Return whether a time, as the cycle reckons it, is an `int` for certain."""
        if isinstance(at, ast.BinOp):
            exact = isinstance(at.op, ast.Add | ast.Sub | ast.Mult | ast.Mod | ast.FloorDiv)
            return exact and self._is_whole(at.left) and self._is_whole(at.right)
        if isinstance(at, ast.Constant):
            return type(at.value) is int
        name = attribute_of(at, self._reading.me)
        if name is not None and name != "value":
            return self._kinds[name] == Kind(Is.LITERAL, int)
        return attribute_of(at, self._reading.state) in ("time", "start_time", "elapsed")


class _PutIn(ast.NodeTransformer):
    """Puts arguments in place of a function's parameters, and slots for its free variables."""

    def __init__(
        self, rewriter: _Rewriter, name: str, function: Expression, arguments: list[ast.expr]
    ) -> None:
        self._rewriter = rewriter
        self._name = name
        self._function = function
        self._arguments = dict(zip(function.parameters, arguments, strict=True))

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._arguments:
            return self._arguments[node.id]
        what = "free" if node.id in self._function.fixed else "free_cell"
        return self._rewriter.slot(what, self._name, node.id)


def _flat(arguments: list[ast.expr]) -> list[ast.expr]:
    """Return arguments with lists that are written out in the place of ``*[...]``."""
    flat: list[ast.expr] = []
    for each in arguments:
        if isinstance(each, ast.Starred) and isinstance(each.value, ast.List):
            flat += each.value.elts
        else:
            flat.append(each)
    return flat


def _sets_value_with_tick(body: Sequence[ast.stmt], form: Form, value: str) -> bool:
    """Return whether the branch that ticks, and no other, sets the value whenever it is taken."""
    branch = body
    while form is Form.TAIL and isinstance(branch[-1], ast.If):
        branch = branch[-1].orelse or branch[-1].body
    in_branch = sum(_sets(each, value) for each in branch if isinstance(each, ast.Assign))
    return form in (Form.ALWAYS, Form.TAIL) and in_branch == sum(
        _sets(each, value) for each in body
    )


def _sets(statement: ast.stmt, name: str) -> int:
    targets: list[ast.expr] = []
    for node in ast.walk(statement):
        if isinstance(node, ast.Assign):
            targets += node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For):
            targets.append(node.target)
    parts = (part for target in targets for part in ast.walk(target))
    return sum(isinstance(part, ast.Name) and part.id == name for part in parts)
