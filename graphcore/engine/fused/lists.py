"""Loops and list comprehensions over a list of upstreams, written out upstream by upstream."""

import ast
from collections.abc import Mapping
from copy import deepcopy
from typing import cast

from graphcore.engine.fused.reading import Is, Kind, Refused, attribute_of

_MOST = 50  # upstreams of one list that are written out


def written_out(body: list[ast.stmt], me: str, kinds: Mapping[str, Kind]) -> list[ast.stmt]:
    """Return the statements without such loops.

    Args:
        body: the statements of a `cycle`; they are changed.
        me: what the `cycle` calls its node.
        kinds: what the node's attributes are.

    Raises:
        Refused: for a loop that cannot be written out.
    """
    return _WriteOut(me, kinds).statements(body)


class _WriteOut(ast.NodeTransformer):
    """Writes out loops and list comprehensions over a list of upstreams."""

    def __init__(self, me: str, kinds: Mapping[str, Kind]) -> None:
        self._me = me
        self._kinds = kinds

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
                    raise Refused("its cycle leaves a loop over its upstreams")
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
    """Puts an upstream in place of a loop's variable."""

    def __init__(self, name: str, place: ast.expr) -> None:
        self._name = name
        self._place = place

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id != self._name:
            return node
        if not isinstance(node.ctx, ast.Load):
            raise Refused("its cycle sets the variable of a loop over its upstreams")
        return self._place
