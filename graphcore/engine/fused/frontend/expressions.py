"""Expressions of a `cycle`: put holes where nodes differ, and inline functions."""

import ast
from typing import cast

from graphcore.engine.fused.frontend.functions import Expression, operator_of
from graphcore.engine.fused.frontend.printer import HoleExpr
from graphcore.engine.fused.frontend.subset import Cycle, Refused, attribute_of
from graphcore.engine.fused.ir import (
    VARIABLES,
    Attribute,
    Captured,
    Cell,
    Due,
    Function,
    Global,
    Hole,
    Is,
    Kinds,
    Local,
    Need,
    Outer,
    Run,
    RunState,
    State,
    Ticked,
    Upstream,
    Valid,
    Value,
)
from graphcore.parsing import copied, walk


class Expressions(ast.NodeTransformer):
    """Puts holes into expressions.

    Attributes:
        keeps_alarms: whether the cycle keeps an alarm, which it may cancel later.
    """

    def __init__(self, cycle: Cycle, kinds: Kinds) -> None:
        self._cycle = cycle
        self._kinds = kinds
        self._needs: list[Need] = []
        self._first: ast.expr | None = None
        self.keeps_alarms = False

    def of(self, expression: ast.expr, first: bool) -> ast.expr:
        """Return the expression with holes; `first` means that its statement evaluates it first."""
        self._first = _first_call(expression) if first else None
        return cast(ast.expr, self.visit(expression))

    def take_needs(self) -> list[Need]:
        """Return and forget the values that a call would read but the inlined text may not."""
        needs, self._needs = self._needs, []
        return needs

    def give_back(self, needs: list[Need]) -> None:
        """Give such values back, for the next `take_needs`."""
        self._needs = needs + self._needs

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._cycle.local:
            return HoleExpr(Local(node.id))
        if node.id in self._cycle.free:
            return HoleExpr(Cell(node.id))
        return HoleExpr(Global(node.id))

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        name = attribute_of(node, self._cycle.me)
        if name is not None:
            return self._own_attribute(name, isinstance(node.ctx, ast.Load))
        asked = attribute_of(node, self._cycle.state)
        if asked is not None:
            return self._of_state(asked)
        upstream = self.upstream(node.value)
        if upstream is not None:
            if node.attr != "value" or not isinstance(node.ctx, ast.Load):
                raise Refused(f"its cycle uses {node.attr} of an upstream")
            return HoleExpr(Upstream(*upstream))
        return ast.Attribute(self.visit(node.value), node.attr, node.ctx)

    def _own_attribute(self, name: str, reads: bool) -> ast.expr:
        if name == "value":
            return HoleExpr(Value())
        kind = self._kinds[name]
        match kind.of:
            case Is.INPUT | Is.INPUTS:
                raise Refused(f"its cycle passes its upstream {name} on")
            case Is.OUTPUT | Is.OUTPUTS:
                raise Refused(f"its cycle uses its output {name} other than by {name}.tick(value)")
            case Is.FOLDED if reads:
                return ast.Constant(kind.detail)
            case Is.LIVE:
                return HoleExpr(Attribute(name))
        return HoleExpr(State(name) if kind.of in VARIABLES else Function(name))

    def _of_state(self, asked: str) -> ast.expr:
        time, start = HoleExpr(RunState(Run.TIME)), HoleExpr(RunState(Run.START))
        match asked:
            case "time":
                return time
            case "start_time":
                return start
            case "elapsed":
                return ast.BinOp(time, ast.Sub(), start)
            case "due":
                return HoleExpr(Due())
            case "closing":
                return HoleExpr(RunState(Run.CLOSING))
            case "ticked" | "valid":
                raise Refused(f"its cycle uses state.{asked} without calling it")
            case "schedule" | "schedule_last":
                self.keeps_alarms = True
        return ast.Attribute(HoleExpr(RunState(Run.STATE)), asked, ast.Load())

    def upstream(self, given: ast.expr) -> tuple[str, int | str | None] | None:
        """Return the upstream that an expression names: its attribute, and its place in there."""
        me = self._cycle.me
        name = attribute_of(given, me)
        if name is not None:
            kind = self._kinds.get(name)
            return (name, None) if kind is not None and kind.of is Is.INPUT else None
        if isinstance(given, ast.Subscript) and isinstance(given.slice, ast.Constant):
            name, place = attribute_of(given.value, me), given.slice.value
            kind = None if name is None else self._kinds.get(name)
            if name is None or kind is None or kind.of is not Is.INPUTS:
                return None
            if (type(place) is int or isinstance(place, str)) and place in kind.detail:
                return name, place
        return None

    def visit_Call(self, node: ast.Call) -> ast.expr:
        asked = attribute_of(node.func, self._cycle.state)
        if asked in ("ticked", "valid"):
            upstream = self.upstream(node.args[0]) if len(node.args) == 1 else None
            if upstream is None or node.keywords:
                raise Refused(
                    f"its cycle calls state.{asked} with something other than an upstream"
                )
            return HoleExpr(Ticked(*upstream) if asked == "ticked" else Valid(*upstream))
        is_first = node is self._first
        arguments = _flat([cast(ast.expr, self.visit(each)) for each in node.args])
        name = attribute_of(node.func, self._cycle.me)
        if name is not None and not node.keywords:
            inlined = self._inlined(name, arguments, is_first)
            if inlined is not None:
                return inlined
        keywords = [ast.keyword(each.arg, self.visit(each.value)) for each in node.keywords]
        return ast.Call(self.visit(node.func), arguments, keywords)

    def _inlined(self, name: str, arguments: list[ast.expr], first: bool) -> ast.expr | None:
        """Return the inlined expression of a call, `None` if the function must be called."""
        kind = self._kinds.get(name)
        if kind is None or any(isinstance(each, ast.Starred) for each in arguments):
            return None
        if kind.of is Is.OPERATOR:
            build = operator_of(kind.detail, len(arguments))
            return None if build is None else build(arguments)
        if kind.of is not Is.INLINED:
            return None
        expression: Expression = kind.detail
        if len(arguments) != len(expression.parameters):
            return None
        needs: list[Need] = []
        for parameter, argument in zip(expression.parameters, arguments, strict=True):
            # An argument that is not a variable must be evaluated once, before the function's own
            # text.
            if not isinstance(argument, HoleExpr | ast.Constant):
                return None
            hole = argument.hole if isinstance(argument, HoleExpr) else None
            if expression.uses(parameter) != 1 and not self._is_cheap(hole):
                return None
            if isinstance(hole, Value | Upstream):
                needs.append(Need(hole))
        if needs and not first:
            return None  # its arguments would be read too early, or though the call is skipped
        self._needs += needs
        inline = _Inline(name, expression, arguments)
        return cast(ast.expr, inline.visit(copied(expression.body)))

    def _is_cheap(self, hole: Hole | None) -> bool:
        return hole is None or isinstance(hole, Local | Upstream | Value | State)

    def may_call(self, statement: ast.stmt) -> bool:
        """Return whether a statement may call a function that is not inlined."""
        return any(
            isinstance(node, ast.Call) and not self._calls_nothing(node) for node in walk(statement)
        )

    def _calls_nothing(self, call: ast.Call) -> bool:
        if attribute_of(call.func, self._cycle.state) in ("ticked", "valid"):
            return True
        if isinstance(call.func, ast.Name):
            return call.func.id == "bool"
        name = attribute_of(call.func, self._cycle.me)
        kind = None if name is None else self._kinds.get(name)
        if kind is None:
            return False
        if kind.of is Is.INLINED:
            return not any(isinstance(node, ast.Call) for node in walk(kind.detail.body))
        return kind.of is Is.OPERATOR

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        raise Refused("its cycle has a list comprehension")

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        truth = self._plain_truth(node)
        if truth is not None:
            return truth
        self.generic_visit(node)
        return node

    def _plain_truth(self, node: ast.Compare) -> ast.expr | None:
        """Return what ``bool(x) is not True`` and the like mean, `None` for other tests."""
        call, wanted, by = node.left, node.comparators[0], node.ops[0]
        match call:
            case ast.Call(func=ast.Name("bool"), args=[given], keywords=[]):
                hidden = (
                    self._cycle.local | self._cycle.free | self._cycle.function.__globals__.keys()
                )
                if "bool" in hidden or isinstance(given, ast.Starred) or len(node.ops) != 1:
                    return None
            case _:
                return None
        if not isinstance(by, ast.Is | ast.IsNot):
            return None
        value = self.visit(copied(wanted))
        if not (isinstance(value, ast.Constant) and isinstance(value.value, bool)):
            return None
        truth = ast.UnaryOp(ast.Not(), self.visit(given))
        opposite = value.value is isinstance(by, ast.IsNot)
        return truth if opposite else ast.UnaryOp(ast.Not(), truth)


class _Inline(ast.NodeTransformer):
    """Replaces a function's parameters by arguments, and its other variables by holes."""

    def __init__(self, name: str, function: Expression, arguments: list[ast.expr]) -> None:
        self._name = name
        self._outer = function.outer
        self._arguments = dict(zip(function.parameters, arguments, strict=True))

    def visit_Name(self, node: ast.Name) -> ast.expr:
        of = Outer if node.id in self._outer else Captured
        return self._arguments.get(node.id) or HoleExpr(of(self._name, node.id))


def _first_call(expression: ast.expr) -> ast.expr | None:
    """Return the call that an expression evaluates first, if nothing is evaluated before it."""
    match expression:
        case ast.Call():
            return expression
        case (
            ast.UnaryOp(operand=inner)
            | ast.Compare(left=ast.Call(func=ast.Name("bool"), args=[inner]))
        ):
            return _first_call(inner)
        case ast.Compare(left=inner) | ast.BinOp(left=inner):
            return _first_call(inner)
        case ast.BoolOp(values=[inner, *_]):
            return _first_call(inner)
    return None


def _flat(arguments: list[ast.expr]) -> list[ast.expr]:
    """Return arguments in which the items of an unrolled list replace ``*[...]``."""
    flat: list[ast.expr] = []
    for each in arguments:
        if isinstance(each, ast.Starred) and isinstance(each.value, ast.List):
            flat += each.value.elts
        else:
            flat.append(each)
    return flat
