"""Pass 4: unroll loops and list comprehensions over upstreams, and prune branches.

A branch that a folded parameter rules out is dropped, so that what it uses costs nothing: ``if
self.by_time: ... state.time ...`` of a window that counts values would make the driver keep the
time.
"""

import ast
from collections.abc import Container, Iterable
from typing import cast

from graphcore.engine.fused.frontend.subset import Refused, attribute_of, is_doubtful
from graphcore.engine.fused.ir import Is, Kinds
from graphcore.parsing import copied, walk

_MOST = 50  # upstreams in one list; with more, the text of a node would get too long

UNKNOWN = object()  # what a test says that may change

# What each variable of a loop stands for in one round.
_Round = dict[str, ast.expr]


def unrolled(
    body: list[ast.stmt], me: str, kinds: Kinds, hidden: Container[str] = ()
) -> list[ast.stmt]:
    """Return the statements without such loops.

    Args:
        body: the statements of a `cycle`; they are changed.
        me: the name of the cycle's first parameter, usually `self`.
        kinds: the kinds of the node's attributes.
        hidden: the names that are not Python's builtins there.

    Raises:
        Refused: for a loop that cannot be unrolled.
    """
    unroll = _Unroll(me, kinds, hidden)
    unroll.check_variables(body)
    return unroll.statements(body)


class _Unroll(ast.NodeTransformer):
    def __init__(self, me: str, kinds: Kinds, hidden: Container[str]) -> None:
        self._me = me
        self._kinds = kinds
        self._hidden = hidden

    def check_variables(self, body: list[ast.stmt]) -> None:
        """Refuse a loop whose variable is used after it: an unrolled loop does not bind it."""
        whole = ast.Module(body, [])
        inside: set[ast.AST] = set()
        variables: set[str] = set()
        for loop in walk(whole):
            match loop:
                case ast.For(target=target, iter=over):
                    parts = [target, *loop.body]
                case ast.ListComp(generators=[ast.comprehension(target, over, tests)]):
                    parts = [target, loop.elt, *tests]
                case _:
                    continue
            if self._rounds(target, over) is not None:
                names = {each.id for each in walk(target) if isinstance(each, ast.Name)}
                variables |= names
                inside.update(
                    each
                    for part in parts
                    for each in walk(part)
                    if isinstance(each, ast.Name) and each.id in names
                )
        for each in walk(whole):
            if isinstance(each, ast.Name) and each.id in variables and each not in inside:
                raise Refused(f"its cycle uses {each.id}, a loop's variable, outside the loop")

    def statements(self, body: Iterable[ast.stmt]) -> list[ast.stmt]:
        written: list[ast.stmt] = []
        for each in body:
            made = self.visit(each)
            written += made if isinstance(made, list) else [made]
        return written

    def _rounds(self, target: ast.expr, iterated: ast.expr) -> list[_Round] | None:
        """Return what the loop's variables stand for in each round, `None` for other loops."""
        over, asked = iterated, ""
        match iterated:
            case ast.Call(ast.Name("enumerate"), [inner], []) if "enumerate" not in self._hidden:
                over, asked = inner, "enumerate"
            case ast.Call(ast.Attribute(inner, "keys" | "values" | "items" as method), [], []):
                over, asked = inner, method
        name = attribute_of(over, self._me)
        kind = None if name is None else self._kinds.get(name)
        if kind is None or kind.of is not Is.INPUTS:
            return None
        places: range | tuple[str, ...] = kind.detail
        named = isinstance(places, tuple)
        if asked and named is (asked == "enumerate"):
            return None
        if len(places) > _MOST:
            raise Refused(f"it has {len(places)} upstreams in one list")
        keys = [ast.Constant(place) for place in places]
        inputs = [ast.Subscript(over, ast.Constant(place), ast.Load()) for place in places]
        match target:
            case ast.Name(first) if asked in ("", "keys", "values"):
                by_key = asked == "keys" or (named and not asked)
                return [{first: each} for each in (keys if by_key else inputs)]
            case ast.Tuple([ast.Name(first), ast.Name(second)]) if asked in ("enumerate", "items"):
                pairs = zip(keys, inputs, strict=True)
                return [{first: key, second: each} for key, each in pairs]
        return None

    def visit_For(self, node: ast.For) -> ast.stmt | list[ast.stmt]:
        rounds = self._rounds(node.target, node.iter)
        if rounds is None:
            self.generic_visit(node)
            return node
        for each in node.body:
            for inner in walk(each):
                if isinstance(inner, ast.Break | ast.Continue):
                    raise Refused("its cycle has break or continue in a loop over its upstreams")
        written: list[ast.stmt] = []
        for each_round in rounds:
            replace = _Replace(each_round)
            copies = [cast(ast.stmt, replace.whole(each)) for each in node.body]
            written += self.statements(copies)
        return written + self.statements(node.orelse)

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        each = node.generators[0]
        rounds = self._rounds(each.target, each.iter)
        if rounds is None or len(node.generators) != 1 or each.ifs:
            raise Refused("its cycle has a list comprehension")
        items = [_Replace(each_round).whole(node.elt) for each_round in rounds]
        return ast.List([cast(ast.expr, self.visit(item)) for item in items], ast.Load())


class _Replace(ast.NodeTransformer):
    """Replaces a loop's variables by upstreams, their names or their numbers."""

    def __init__(self, variables: _Round) -> None:
        self._variables = variables

    def whole(self, part: ast.AST) -> ast.AST:
        """Return a copy of a part of the loop."""
        made = cast(ast.AST, self.visit(copied(part)))
        if any(map(is_doubtful, walk(made))):
            raise Refused("its cycle has code that Python warns about if it is written out")
        return made

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self._variables:
            return node
        if not isinstance(node.ctx, ast.Load):
            raise Refused("its cycle sets the variable of a loop over its upstreams")
        return self._variables[node.id]


def pruned(body: Iterable[ast.stmt], me: str, kinds: Kinds) -> list[ast.stmt]:
    """Return the statements without branches that never run.

    Args:
        body: the statements of a `cycle`; they are changed.
        me: the name of the cycle's first parameter.
        kinds: the kinds of the node's attributes.
    """
    if not any(kind.of in (Is.FOLDED, Is.INPUTS) for kind in kinds.values()):
        return list(body)
    return _Prune(me, kinds).statements(body)


class _Prune:
    def __init__(self, me: str, kinds: Kinds) -> None:
        self._me = me
        self._kinds = kinds

    def statements(self, body: Iterable[ast.stmt]) -> list[ast.stmt]:
        written: list[ast.stmt] = []
        for each in body:
            if isinstance(each, ast.If):
                each.test = self._shortened(each.test)
                known = self._known(each.test)
                if known is not UNKNOWN:
                    written += self.statements(each.body if known else each.orelse)
                    if written and isinstance(written[-1], ast.Return | ast.Raise):
                        return written
                    continue
            if isinstance(each, ast.If | ast.For | ast.While):
                each.body = self.statements(each.body) or [ast.Pass()]
                each.orelse = self.statements(each.orelse)
            written.append(each)
        return written

    def _known(self, test: ast.expr) -> object:
        """Return the result that a test has in every cycle; `UNKNOWN` if it may change."""
        match test:
            case ast.Constant(value):
                return value
            case ast.UnaryOp(ast.Not(), inner):
                known = self._known(inner)
                return known if known is UNKNOWN else not known
        name = attribute_of(test, self._me)
        kind = None if name is None else self._kinds.get(name)
        if kind is not None and kind.of is Is.INPUTS:
            return len(kind.detail) > 0
        return kind.detail if kind is not None and kind.of is Is.FOLDED else UNKNOWN

    def _shortened(self, test: ast.expr) -> ast.expr:
        """Return a test without the parts of `and` and `or` that are known."""
        if not isinstance(test, ast.BoolOp):
            return test
        decides = isinstance(test.op, ast.Or)
        values: list[ast.expr] = []
        for each in map(self._shortened, test.values):
            known = self._known(each)
            if known is not UNKNOWN and bool(known) is decides:
                return ast.Constant(decides)
            if known is UNKNOWN:
                values.append(each)
        if not values:
            return ast.Constant(not decides)
        return values[0] if len(values) == 1 else ast.BoolOp(test.op, values)
