"""Pass 4: unroll loops and list comprehensions over a list of upstreams."""

import ast
from copy import deepcopy
from typing import cast

from graphcore.engine.fused.frontend.subset import Refused, attribute_of
from graphcore.engine.fused.ir import Is, Kinds

_MOST = 50  # upstreams in one list; with more, the text of a node would get too long


def unrolled(body: list[ast.stmt], me: str, kinds: Kinds) -> list[ast.stmt]:
    """Return the statements without such loops.

    Args:
        body: the statements of a `cycle`; they are changed.
        me: the name of the cycle's first parameter, usually `self`.
        kinds: the kinds of the node's attributes.

    Raises:
        Refused: for a loop that cannot be unrolled.
    """
    unroll = _Unroll(me, kinds)
    unroll.check_variables(body)
    return unroll.statements(body)


class _Unroll(ast.NodeTransformer):
    def __init__(self, me: str, kinds: Kinds) -> None:
        self._me = me
        self._kinds = kinds

    def check_variables(self, body: list[ast.stmt]) -> None:
        """Refuse a loop whose variable is used after it: an unrolled loop does not bind it."""
        whole = ast.Module(body, [])
        inside: set[ast.AST] = set()
        variables: set[str] = set()
        for loop in ast.walk(whole):
            match loop:
                case ast.For(target=ast.Name(id=name), iter=over):
                    parts = [loop.target, *loop.body]
                case ast.ListComp(generators=[ast.comprehension(ast.Name(id=name), over, tests)]):
                    parts = [loop.generators[0].target, loop.elt, *tests]
                case _:
                    continue
            if self._places(over) is not None:
                variables.add(name)
                inside.update(
                    each
                    for part in parts
                    for each in ast.walk(part)
                    if isinstance(each, ast.Name) and each.id == name
                )
        for each in ast.walk(whole):
            if isinstance(each, ast.Name) and each.id in variables and each not in inside:
                raise Refused(f"its cycle uses {each.id}, a loop's variable, outside the loop")

    def statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        written: list[ast.stmt] = []
        for each in body:
            made = self.visit(each)
            written += made if isinstance(made, list) else [made]
        return written

    def _places(self, iterated: ast.expr) -> list[ast.expr] | None:
        name = attribute_of(iterated, self._me)
        kind = None if name is None else self._kinds.get(name)
        if kind is None or kind.of is not Is.INPUTS:
            return None
        if kind.detail > _MOST:
            raise Refused(f"it has {kind.detail} upstreams in one list")
        return [
            ast.Subscript(iterated, ast.Constant(place), ast.Load()) for place in range(kind.detail)
        ]

    def visit_For(self, node: ast.For) -> ast.stmt | list[ast.stmt]:
        places = self._places(node.iter)
        if places is None or not isinstance(node.target, ast.Name):
            self.generic_visit(node)
            return node
        for each in node.body:
            for inner in ast.walk(each):
                if isinstance(inner, ast.Break | ast.Continue):
                    raise Refused("its cycle has break or continue in a loop over its upstreams")
        written: list[ast.stmt] = []
        for place in places:
            replace = _Replace(node.target.id, place)
            copies = [cast(ast.stmt, replace.visit(deepcopy(each))) for each in node.body]
            written += self.statements(copies)
        return written + self.statements(node.orelse)

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        each = node.generators[0]
        places = self._places(each.iter)
        plain = len(node.generators) == 1 and not each.ifs and isinstance(each.target, ast.Name)
        if places is None or not plain:
            raise Refused("its cycle has a list comprehension")
        name = cast(ast.Name, each.target).id
        items = [_Replace(name, place).visit(deepcopy(node.elt)) for place in places]
        return ast.List([cast(ast.expr, self.visit(item)) for item in items], ast.Load())


class _Replace(ast.NodeTransformer):
    """Replaces a loop's variable by an upstream."""

    def __init__(self, name: str, place: ast.expr) -> None:
        self._name = name
        self._place = place

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id != self._name:
            return node
        if not isinstance(node.ctx, ast.Load):
            raise Refused("its cycle sets the variable of a loop over its upstreams")
        return self._place
