"""Writes random classes and functions as source text, which is compiled like a cell of a notebook.

The pools of nodes and functions hold cases that people thought of; this finds the others. The
statements are those that a fused `cycle` may have. Values are kept small, so that a chain of such
nodes does not fill the memory.
"""

import functools
import linecache
import warnings
from math import nan
from typing import TYPE_CHECKING, Any

import graphcore as gc
from tests.differential.observe import record

if TYPE_CHECKING:
    from tests.differential.draw import Picks

_CONSTANTS = ["1", "0", "2", "-1", "3", "0.5", "-0.0", "True", "4", "-2", "1e300", "2", "1", "3"]
_OTHERS = ["None", "(1, 2)", "'a'", "[]", "nan"]
_OPERATORS = ["+", "-", "*", "//", "%", "/"]
_COMPARISONS = ["<", "==", ">=", "!=", "is", "is not", "in", ">"]
_HEAD = """
@gc.node(valid={valid!r})
class Written(gc.MutableNode):
    source: gc.Active
    other: gc.{other}
    k: int = {k}
    wanted: bool = {wanted}
    x: object = gc.state(0)
    y: object = gc.state(1)

def cycle(self, state):
"""
# A class is checked when it is declared, and is refused if its cycle never returns a value.
_TAIL = "\n\nWritten.cycle = cycle\n"


class Writer:
    """Writes text by choices; when these are used up it writes the shortest option."""

    def __init__(self, picks: "Picks", atoms: list[str], rare: list[str]) -> None:
        self._picks = picks
        self._atoms = atoms
        self._rare = rare
        self._bound: set[str] = set()
        self._calls = 0

    def expression(self, depth: int = 2) -> str:
        picks = self._picks
        choice = picks.number(14) if depth else picks.number(4)
        inner = functools.partial(self.expression, depth - 1)
        match choice:
            case 0 | 1:
                return self._atom()
            case 2:
                return str(picks.of(_OTHERS if picks.number(24) == 23 else _CONSTANTS))
            case 3:
                return self._atom()
            case 4 | 5 | 6:
                factor = picks.of(_OPERATORS)
                # A product of two is a square when both are the same.
                right = picks.of(_CONSTANTS[:4]) if factor == "*" else inner()
                return f"({inner()} {factor} {right})"
            case 7 | 8:
                return self.test(depth - 1)
            case 9:
                return f"({inner()} if {self.test(depth - 1)} else {inner()})"
            case 10 if picks.number(6) == 5:
                return f"({inner()}, {inner()})"
            case 10 | 11:
                return f"({inner()}, {inner()})[{picks.of(['0', '1', '-1'])}]"
            case 12:
                return self.noted(inner()) if picks.number(2) else f"{self._atom()}.real"
            case _:
                return f"({picks.of(['-', 'abs', 'not '])}({inner()}))"

    def test(self, depth: int = 2) -> str:
        picks = self._picks
        inner = functools.partial(self.expression, max(depth - 1, 0))
        match picks.number(6):
            case 0 | 1 | 2:
                return f"({inner()} {picks.of(_COMPARISONS[:4])} {inner()})"
            case 3:
                return f"({self._atom()} {picks.of(_COMPARISONS)} {self._atom()})"
            case 4:
                return f"({inner()} {picks.of(['and', 'or'])} {inner()})"
            case _:
                return f"({inner()} {picks.of(['<', '<='])} {inner()} < 4)"

    def noted(self, expression: str) -> str:
        """Record that an expression was evaluated, and when."""
        self._calls += 1
        return f"noted({self._calls}, {expression})"

    def _atom(self) -> str:
        picks = self._picks
        locals_ = sorted(self._bound)
        atoms = [*self._atoms, *locals_, *locals_]
        if self._rare and picks.number(40) == 39:
            return str(picks.of(self._rare))
        return str(picks.of(atoms))

    def block(self, indent: int, depth: int, in_loop: bool = False) -> list[str]:
        lines: list[str] = []
        for _ in range(1 + self._picks.number(3)):
            lines += self._statement(indent, depth, in_loop)
        return lines

    def _inner(self, indent: int, depth: int, in_loop: bool) -> list[str]:
        """Write a block whose locals may be unbound after it."""
        before = set(self._bound)
        lines = self.block(indent + 1, depth - 1, in_loop)
        self._bound = before
        return lines

    def _statement(self, indent: int, depth: int, in_loop: bool) -> list[str]:
        picks, tab = self._picks, "    " * indent
        compound = depth > 0
        match picks.number(20):
            case 0 | 1:
                return [f"{tab}self.value = {self.expression()}"]
            case 2 | 3:
                name = picks.of(["self.x", "self.y"])
                return [f"{tab}{name} = {self.expression()} % {picks.of([5, 7])}"]
            case 4:
                return [f"{tab}self.x {picks.of(['+=', '-='])} {self.expression()} % 3"]
            case 5 | 6:
                return self._assign(tab, picks.of(["a", "b"]))
            case 7:
                return [f"{tab}self.x, self.y = {self.expression()} % 5, {self.expression()} % 3"]
            case 8:
                self._bound.update("ab")
                return [f"{tab}a, b = {self.expression()}, {self.expression()}"]
            case 9 | 10 | 11 if compound:
                return self._if(indent, depth, in_loop)
            case 12 if compound:
                return self._for(indent, depth)
            case 13 if compound:
                return self._while(indent, depth)
            case 14 if in_loop:
                return [f"{tab}if {self.test()}:", f"{tab}    {picks.of(['break', 'continue'])}"]
            case 14 | 15 if not in_loop:
                return [f"{tab}if {self.test()}:", f"{tab}    return {self._returned()}"]
            case 16:
                return [f"{tab}{self.noted(self.expression())}"]
            case 17:
                when = picks.of(["state.time + 1", "state.time", "state.time + 2 * 1"])
                return [f"{tab}if state.ticked(self.source):", f"{tab}    state.schedule({when})"]
            case 18:
                value = self.expression(1)
                return [f"{tab}if {value} == 3:", f"{tab}    raise ValueError({value})"]
            case 19 if picks.number(2):
                return [f"{tab}{picks.of('ab')}: int"]
            case 19:
                return [f"{tab}assert {self.expression(1)} != 4, 'four'"]
        return [f"{tab}self.value = self.source.value"]

    def _assign(self, tab: str, name: str) -> list[str]:
        lines = [f"{tab}{name} = {self.expression()}"]
        self._bound.add(name)
        return lines

    def _if(self, indent: int, depth: int, in_loop: bool) -> list[str]:
        tab = "    " * indent
        lines = [f"{tab}if {self.test()}:", *self._inner(indent, depth, in_loop)]
        if self._picks.number(3) == 2:
            lines += [f"{tab}elif {self.test()}:", *self._inner(indent, depth, in_loop)]
        if self._picks.number(2):
            lines += [f"{tab}else:", *self._inner(indent, depth, in_loop)]
        return lines

    def _for(self, indent: int, depth: int) -> list[str]:
        tab = "    " * indent
        name = self._picks.of(["i", "self.y"])
        line = f"{tab}for {name} in {self._picks.of(['range(3)', '(2, 0)', 'range(0)'])}:"
        before = set(self._bound)
        self._bound.update("i" if name == "i" else "")
        lines = [line, *self._inner(indent, depth, True)]
        self._bound = before
        if self._picks.number(4) == 3:
            lines += [f"{tab}else:", *self._inner(indent, depth, False)]
        return lines

    def _while(self, indent: int, depth: int) -> list[str]:
        tab = "    " * indent
        self._calls += 1
        n = f"n{self._calls}"
        lines = [f"{tab}{n} = 0", f"{tab}while {n} < {self._picks.of([2, 3, 0])}:"]
        return [*lines, f"{tab}    {n} += 1", *self._inner(indent, depth, True)]

    def _returned(self) -> str:
        if self._picks.number(3):
            return str(self._picks.of(["True", "False", "None", ""]))
        return self.expression(1)

    def node(self) -> str:
        picks = self._picks
        head = _HEAD.format(
            valid=picks.of(["all", "any"]),
            other=picks.of(["Active", "Passive"]),
            k=picks.of([2, -3, 0.5, 1000, 3, 1, -1, "(1, 2)"]),
            wanted=picks.of([True, False]),
        )
        last = picks.of(["return True", "return True", "return self.value", "pass"])
        lines = [f"    self.value = {self.expression()}"] if picks.number(8) < 7 else []
        lines += self.block(1, 3)
        return head + "\n".join([*lines, f"    {last}"]) + _TAIL


_NODE_ATOMS = [
    "self.source.value",
    "self.other.value",
    "self.x",
    "self.y",
    "self.k",
    "self.wanted",
    "state.time",
    "state.ticked(self.other)",
    "state.valid(self.other)",
    "state.elapsed",
    "state.due",
    "self.source.value",
    "self.x",
]
# Locals that may be unbound.
_NODE_RARITIES = ["self.value", "a", "b", "i", "self.value"]


def written_node(picks: "Picks") -> str:
    """Return the text of a node class `Written` with two inputs."""
    return Writer(picks, _NODE_ATOMS, _NODE_RARITIES).node()


def written_function(picks: "Picks", arity: int) -> str:
    """Return the text of a function `function` with this number of arguments."""
    names = ["x", "z", "w", "v", "u"][:arity]
    body = Writer(picks, [*names, *names, "k", "f"], []).expression(3)
    given = ", ".join(names)
    if picks.number(2):
        inside = f"def named({given}):\n        return {body}\n    return named"
        return f"def make(k, f):\n    {inside}\nfunction = make(-3, (1, 2))\n"
    return f"def make(k, f):\n    return lambda {given}: {body}\nfunction = make(2, 0.5)\n"


def noted(number: int, value: Any) -> Any:
    """Record that a value was evaluated, and return it."""
    record(f"noted {number}", value)
    return value


@functools.cache
def compiled(text: str) -> dict[str, Any]:
    """Run a text as IPython runs a cell, and return its names."""
    name = f"<cell {abs(hash(text)):x}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, Any] = {"gc": gc, "noted": noted, "nan": nan, "__name__": __name__}
    with warnings.catch_warnings(action="ignore"):  # a warning about `is` with a literal
        exec(compile(text, name, "exec"), names)
    return names
