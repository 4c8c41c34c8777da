"""The lines of a template, and the slots in them that each node fills in by itself."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from graphcore.engine.fused.reading import Refused
from graphcore.engine.fused.returns import Schedule, Tick

MARK = "ζ"
_SLOT = re.compile(f"{MARK}(\\d+){MARK}")
# Between these, a literal would be another object than the one that is meant, or no Python.
_BEFORE = (" is ", " is not ")
_BEHIND = (".", "[", "(", " is ")


class Slot(NamedTuple):
    """A place in the text that each node fills in by itself.

    Attributes:
        what: what stands there: `value`, `attribute`, `local`, `input`, `ticked`, `valid`,
            `state`, `due`, `global`, `cell`, `free` or `free_cell`.
        name: the attribute, local, global or variable.
        detail: which upstream of a list; which variable of a function.
        by_name: whether only a name may stand there, no literal: in an f-string, where no quotes
            may be, and where it would be another object or no Python (``x is 5``, ``5.real``).
    """

    what: str
    name: str = ""
    detail: Any = None
    by_name: bool = False


Pieces = tuple[str | Slot, ...]


class Line(NamedTuple):
    """A line of text: its indentation within the node's text, and what stands in it."""

    indent: int
    pieces: Pieces


class Alias(NamedTuple):
    """A line that gives an upstream's value a local name, which may then stand for it."""

    indent: int
    local: Slot
    given: Slot


class Wake(NamedTuple):
    """A line that asks for the node to be woken."""

    indent: int
    at: Pieces
    whole: bool


class TickLine(NamedTuple):
    """The line at which the node has ticked."""

    indent: int


AnyLine = Line | Alias | Wake | TickLine


class Lines:
    """Writes the lines of a body that has names of slots in it.

    Args:
        slots: each slot's number, by which it is named.
        aliases: the locals that may stand for an upstream's value.
    """

    def __init__(self, slots: Mapping[Slot, int], aliases: Collection[str]) -> None:
        self._slots = list(slots)
        self._aliases = aliases

    def of(self, body: Sequence[ast.stmt], indent: int = 0) -> Iterator[AnyLine]:
        """Yield the lines of a body."""
        for each in body:
            if isinstance(each, Tick):
                yield TickLine(indent)
            elif isinstance(each, Schedule):
                yield Wake(indent, self._pieces(each.at), each.whole)
            elif isinstance(each, ast.If):
                yield from self._if_lines(each, indent, "if")
            elif isinstance(each, ast.While):
                yield Line(indent, ("while ", *self._pieces(each.test), ":"))
                yield from self._block(each.body, indent + 1)
                yield from self._else(each.orelse, indent)
            elif isinstance(each, ast.For):
                target, over = self._pieces(each.target), self._pieces(each.iter)
                yield Line(indent, ("for ", *target, " in ", *over, ":"))
                yield from self._block(each.body, indent + 1)
                yield from self._else(each.orelse, indent)
            elif (alias := self._alias(each)) is not None:
                yield Alias(indent, *alias)
            else:
                yield Line(indent, self._pieces(each))

    def _alias(self, statement: ast.stmt) -> tuple[Slot, Slot] | None:
        match statement:
            case ast.Assign([ast.Name() as target], ast.Name() as given):
                local, value = slot_of(target, self._slots), slot_of(given, self._slots)
                if local is None or value is None or value.what != "input":
                    return None
                if local.what == "local" and local.name in self._aliases:
                    return local, value
        return None

    def _if_lines(self, choice: ast.If, indent: int, word: str) -> Iterator[AnyLine]:
        yield Line(indent, (f"{word} ", *self._pieces(choice.test), ":"))
        yield from self._block(choice.body, indent + 1)
        if len(choice.orelse) == 1 and isinstance(choice.orelse[0], ast.If):
            yield from self._if_lines(choice.orelse[0], indent, "elif")
        else:
            yield from self._else(choice.orelse, indent)

    def _else(self, body: Sequence[ast.stmt], indent: int) -> Iterator[AnyLine]:
        if body:
            yield Line(indent, ("else:",))
            yield from self._block(body, indent + 1)

    def _block(self, body: Sequence[ast.stmt], indent: int) -> Iterator[AnyLine]:
        yield from self.of(body or [ast.Pass()], indent)

    def _pieces(self, node: ast.AST) -> Pieces:
        try:
            text = ast.unparse(ast.fix_missing_locations(node))
        except ValueError as error:
            raise Refused(f"a part of its cycle cannot be written as text: {error}") from None
        if "\n" in text:
            raise Refused("a part of its cycle is text of several lines")
        parts = _SLOT.split(text)
        pieces: list[str | Slot] = []
        for number, part in enumerate(parts):
            if number % 2:
                before, behind = parts[number - 1], parts[number + 1]
                slot = self._slots[int(part)]
                needs_name = before.endswith(_BEFORE) or behind.startswith(_BEHIND)
                if needs_name and slot.what in ("attribute", "free"):
                    slot = slot._replace(by_name=True)
                pieces.append(slot)
            elif part:
                pieces.append(part)
        return tuple(pieces)


def slot_name(number: int) -> ast.Name:
    """Return what stands in a tree for the slot of this number."""
    return ast.Name(f"{MARK}{number}{MARK}", ast.Load())


def slot_of(expression: ast.expr, slots: Sequence[Slot]) -> Slot | None:
    """Return the slot that an expression is, `None` for another."""
    match = _SLOT.fullmatch(expression.id) if isinstance(expression, ast.Name) else None
    return None if match is None else slots[int(match[1])]
