"""Find the variables of a kernel that may differ between lanes: sets that run side by side.

All other variables are common: one number serves all lanes, and what depends on no parameter is
computed once. A statement is apart if some lanes may run it while others do not. Memory that grows
and shrinks must do so in all lanes alike, so a kernel that does it apart cannot run in lanes.
"""

from collections.abc import Iterable

from graphcore.engine.native.ir import (
    Again,
    Append,
    Assign,
    At,
    Block,
    Body,
    Clear,
    Const,
    Drop,
    Expr,
    If,
    Input,
    Item,
    Kernel,
    Lazy,
    Leave,
    Length,
    Loop,
    Op,
    Push,
    Read,
    Search,
    Statement,
    Trap,
    TrapIf,
)


class Varying:
    """The variables that may differ.

    Args:
        kernel: the kernel.
        names: the carried variables and the rings that differ when it is called.

    Attributes:
        names: all variables that may differ, and the rings whose items may.
        refused: why the kernel cannot run in lanes; empty if it can.
    """

    def __init__(self, kernel: Kernel, names: Iterable[str]) -> None:
        self.names = set(names)
        self.refused = "" if kernel.start.lone else "several sources or alarms start its cycles"
        if _searches(kernel.body):
            self.refused = "a list is searched"
        self._has_changed = not self.refused
        while self._has_changed:
            self._has_changed = False
            self._body(kernel.body, False)

    def differs(self, expr: Expr) -> bool:
        """Return whether an expression may have another value in each lane."""
        match expr:
            case Const() | Input() | Length():
                return False
            case Read(_, name):
                return name in self.names
            case Op(_, _, args):
                return any(map(self.differs, args))
            case Lazy(_, _, left, right):
                return self.differs(left) or self.differs(right)
            case Item(_, ring, _, index):
                return ring in self.names or self.differs(index)
        raise AssertionError(expr)

    def _body(self, body: Body, apart: bool) -> set[str]:
        """Look at statements; return the labels that some lanes may have left for."""
        left: set[str] = set()
        for each in body:
            left |= self._statement(each, apart or bool(left))
        return left

    def _statement(self, statement: Statement, apart: bool) -> set[str]:
        match statement:
            case Assign(name, value):
                if apart or self.differs(value):
                    self._add(name)
            case If(test, body, orelse):
                apart = apart or self.differs(test)
                return self._body(body, apart) | self._body(orelse, apart)
            case Block(label, body):
                return self._body(body, apart) - {label}
            case Loop(_, _, body):
                if self._body(body, apart) or apart:
                    self.refused = "a loop has more rounds in some sets than in others"
            case Leave(label) | Again(label):
                return {label} if apart else set()
            case Push() | Drop() | Clear() | Append():
                if apart:
                    self.refused = "a window or list grows in some sets and not in others"
                if isinstance(statement, Push) and any(
                    self.differs(value) for _, value in statement.parts
                ):
                    self._add(statement.ring)
            case TrapIf() | Trap() | At():
                pass
            case _:
                self.refused = "a list changes elsewhere than at its ends"
        return set()

    def _add(self, name: str) -> None:
        self._has_changed |= name not in self.names
        self.names.add(name)


def _searches(part: object) -> bool:
    """Return whether a part of a kernel bisects a list."""
    if isinstance(part, tuple):
        return any(map(_searches, part))
    names = getattr(part, "__match_args__", ())
    return isinstance(part, Search) or any(_searches(getattr(part, name)) for name in names)
