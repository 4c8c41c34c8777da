"""Locals of a `cycle`: one that is read before it is bound would have its last cycle's value."""

import ast
from collections.abc import Sequence

from graphcore.engine.fused.reading import Refused


def check_bound(body: Sequence[ast.stmt], local: frozenset[str]) -> None:
    """Check that no local is read that may not be bound yet.

    Raises:
        Refused: if one may.
    """
    _check(body, set(), local)


def _check(body: Sequence[ast.stmt], known: set[str], local: frozenset[str]) -> set[str]:
    """Check the reads among statements; return the locals that are bound behind them."""
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
        for each in ast.walk(node)
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
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }
