"""Expressions as text with holes: an `ast.unparse` for trees with `HoleExpr` in them.

From the position of each hole, the printer tells which literals may fill it (`Place`).
"""

import ast
from collections.abc import Sequence

from graphcore.engine.fused.frontend.subset import Refused
from graphcore.engine.fused.ir import Captured, Cell, Hole, Place, Text


class HoleExpr(ast.expr):
    """A hole in a tree."""

    _fields = ()

    def __init__(self, hole: Hole) -> None:
        super().__init__()
        self.hole = hole


# How tightly an expression binds (Python reference, "Operator precedence"), loosest first.
_TUPLE, _TEST, _OR, _AND, _NOT, _COMPARE, _BITOR, _BITXOR, _BITAND = range(9)
_SHIFT, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(9, 15)

_BINARY: dict[type[ast.operator], tuple[str, int]] = {
    ast.Add: ("+", _SUM),
    ast.Sub: ("-", _SUM),
    ast.Mult: ("*", _PRODUCT),
    ast.MatMult: ("@", _PRODUCT),
    ast.Div: ("/", _PRODUCT),
    ast.Mod: ("%", _PRODUCT),
    ast.FloorDiv: ("//", _PRODUCT),
    ast.LShift: ("<<", _SHIFT),
    ast.RShift: (">>", _SHIFT),
    ast.BitOr: ("|", _BITOR),
    ast.BitXor: ("^", _BITXOR),
    ast.BitAnd: ("&", _BITAND),
    ast.Pow: ("**", _POWER),
}
_UNARY: dict[type[ast.unaryop], tuple[str, int]] = {
    ast.Not: ("not ", _NOT),
    ast.USub: ("-", _SIGN),
    ast.UAdd: ("+", _SIGN),
    ast.Invert: ("~", _SIGN),
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}


def operator_text(operator: ast.operator) -> str:
    """Return the symbol of a binary operator."""
    return _BINARY[type(operator)][0]


def printed(expression: ast.expr, *, bare_tuple: bool = False) -> Text:
    """Return the text of an expression.

    Args:
        expression: the tree.
        bare_tuple: whether a tuple may be printed without parentheses.

    Raises:
        Refused: for an expression that cannot be printed.
    """
    printer = _Printer()
    try:
        printer.expression(expression, _TUPLE if bare_tuple else _TEST)
    except RecursionError:
        raise Refused("an expression in its cycle is nested too deeply") from None
    return printer.text()


class _Printer:
    def __init__(self) -> None:
        self._parts: list[str | Hole] = []

    def text(self) -> Text:
        """Return the printed parts, with adjacent strings joined."""
        joined: list[str | Hole] = []
        for part in self._parts:
            if isinstance(part, str) and joined and isinstance(joined[-1], str):
                joined[-1] += part
            else:
                joined.append(part)
        return tuple(joined)

    def expression(self, node: ast.expr, level: int, where: Place = Place.OBJECT) -> None:
        """Print an expression, in parentheses if it binds less tightly than the level."""
        binds = _binds(node)
        if binds < level:
            self._parts.append("(")
        match node:
            case HoleExpr():
                self._parts.append(_placed(node.hole, where))
            case ast.Constant():
                self._constant(node)
            case ast.Name():
                self._parts.append(node.id)
            case ast.BinOp():
                self._binary(node, binds)
            case ast.UnaryOp():
                self._parts.append(_UNARY[type(node.op)][0])
                self.expression(node.operand, binds, Place.OPERAND)
            case ast.BoolOp():
                word = " and " if isinstance(node.op, ast.And) else " or "
                self._separated(node.values, word, binds + 1)
            case ast.Compare():
                self._compare(node)
            case ast.IfExp():
                self.expression(node.body, _OR)
                self._parts.append(" if ")
                self.expression(node.test, _OR)
                self._parts.append(" else ")
                self.expression(node.orelse, _TEST)
            case ast.Attribute():
                self._base(node.value)
                self._parts.append(f".{node.attr}")
            case ast.Subscript():
                self._base(node.value)
                self._parts.append("[")
                self._index(node.slice)
                self._parts.append("]")
            case ast.Call():
                self._call(node)
            case ast.Starred():
                self._parts.append("*")
                self.expression(node.value, _BITOR)
            case ast.Tuple():
                self._separated(node.elts, ", ", _TEST)
                if len(node.elts) == 1:
                    self._parts.append(",")
                elif not node.elts:
                    self._parts.append("()" if binds >= level else "")
            case ast.List():
                self._enclosed("[", node.elts, "]")
            case ast.Set():
                self._enclosed("{", node.elts, "}")
            case ast.Dict():
                self._dict(node)
            case ast.JoinedStr():
                self._joined(node)
            case _:
                raise Refused(f"its cycle has an expression of the kind {type(node).__name__}")
        if binds < level:
            self._parts.append(")")

    def _constant(self, node: ast.Constant) -> None:
        text = "..." if node.value is ... else repr(node.value)
        if isinstance(node.value, float | complex):
            text = text.replace("inf", "1e309")  # `inf` has no literal; this one overflows to it
        self._parts.append(text)

    def _base(self, node: ast.expr) -> None:
        """Print the expression before an attribute, an index or a call."""
        number = isinstance(node, ast.Constant) and not isinstance(node.value, str | bytes)
        self._parts.append("(" if number else "")
        self.expression(node, _ATOM, Place.NAME)
        self._parts.append(")" if number else "")

    def _binary(self, node: ast.BinOp, binds: int) -> None:
        sign = _BINARY[type(node.op)][0]
        power = isinstance(node.op, ast.Pow)
        self.expression(node.left, binds + power, Place.OPERAND)
        self._parts.append(f" {sign} ")
        # A power takes a signed number at its right: 2 ** -1.
        self.expression(node.right, _SIGN if power else binds + 1, Place.OPERAND)

    def _compare(self, node: ast.Compare) -> None:
        places = [
            Place.NAME if isinstance(op, ast.Is | ast.IsNot) else Place.OPERAND for op in node.ops
        ]
        self.expression(node.left, _COMPARE + 1, places[0])
        for number, (op, right) in enumerate(zip(node.ops, node.comparators, strict=True)):
            after = places[number + 1] if number + 1 < len(places) else Place.OPERAND
            where = Place.NAME if Place.NAME in (places[number], after) else Place.OPERAND
            self._parts.append(f" {_COMPARISONS[type(op)]} ")
            self.expression(right, _COMPARE + 1, where)

    def _index(self, index: ast.expr) -> None:
        if isinstance(index, ast.Slice):
            parts = [index.lower, index.upper]
            parts += [] if index.step is None else [index.step]
            for number, part in enumerate(parts):
                self._parts.append(":" if number else "")
                if part is not None:
                    self.expression(part, _TEST)
        elif isinstance(index, ast.Tuple) and index.elts:
            for number, each in enumerate(index.elts):
                self._parts.append(", " if number else "")
                if isinstance(each, ast.Slice):
                    self._index(each)
                else:
                    self.expression(each, _TEST)
            if len(index.elts) == 1:
                self._parts.append(",")
        else:
            self.expression(index, _TUPLE)

    def _call(self, node: ast.Call) -> None:
        self._base(node.func)
        self._parts.append("(")
        self._separated(node.args, ", ", _TEST)
        for number, keyword in enumerate(node.keywords):
            self._parts.append(", " if number or node.args else "")
            self._parts.append("**" if keyword.arg is None else f"{keyword.arg}=")
            self.expression(keyword.value, _TEST)
        self._parts.append(")")

    def _dict(self, node: ast.Dict) -> None:
        self._parts.append("{")
        for number, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
            self._parts.append(", " if number else "")
            if key is None:
                self._parts.append("**")
                self.expression(value, _BITOR)
            else:
                self.expression(key, _TEST)
                self._parts.append(": ")
                self.expression(value, _TEST)
        self._parts.append("}")

    def _joined(self, node: ast.JoinedStr) -> None:
        inner = _Printer()
        inner._in_string(node)
        text = "".join(part for part in inner._parts if isinstance(part, str))
        # Before 3.12 an expression may hold neither a backslash nor the quotes around it.
        quote = next((each for each in _QUOTES if _may_quote(each, text)), None)
        if quote is None:
            raise Refused("its cycle has an f-string that needs every kind of quote")
        self._parts += [f"f{quote}", *inner._parts, quote]

    def _in_string(self, node: ast.JoinedStr) -> None:
        for each in node.values:
            if isinstance(each, ast.Constant):
                text = str(each.value).replace("{", "{{").replace("}", "}}")
                if "\\" in text or not text.isprintable():
                    text = text.encode("unicode_escape").decode("ascii")
                self._parts.append(text)
                continue
            if not isinstance(each, ast.FormattedValue):
                raise Refused("its cycle has an f-string of an unknown kind")
            inner = _Printer()
            inner.expression(each.value, _TEST, Place.NAME)
            first = next(part for part in inner._parts if part)
            if any(isinstance(part, str) and "\\" in part for part in inner._parts):
                raise Refused("its cycle has a backslash in an expression of an f-string")
            space = " " if isinstance(first, str) and first.startswith("{") else ""
            self._parts += [f"{{{space}", *(_named(part) for part in inner._parts)]
            if each.conversion != -1:
                self._parts.append(f"!{chr(each.conversion)}")
            if isinstance(each.format_spec, ast.JoinedStr):
                self._parts.append(":")
                self._in_string(each.format_spec)
            self._parts.append("}")

    def _enclosed(self, begin: str, items: Sequence[ast.expr], end: str) -> None:
        self._parts.append(begin)
        self._separated(items, ", ", _TEST)
        self._parts.append(end)

    def _separated(self, items: Sequence[ast.expr], between: str, level: int) -> None:
        for number, each in enumerate(items):
            if number:
                self._parts.append(between)
            self.expression(each, level)


_QUOTES = ('"', "'", '"""', "'''")


def _may_quote(quote: str, text: str) -> bool:
    return quote not in text and not text.endswith(quote[0])


def _binds(node: ast.expr) -> int:
    match node:
        case ast.Tuple():
            return _TUPLE
        case ast.IfExp():
            return _TEST
        case ast.BoolOp():
            return _AND if isinstance(node.op, ast.And) else _OR
        case ast.UnaryOp():
            return _UNARY[type(node.op)][1]
        case ast.Compare():
            return _COMPARE
        case ast.BinOp():
            return _BINARY[type(node.op)][1]
    return _ATOM


def _placed(hole: Hole, where: Place) -> Hole:
    match hole:
        case Cell(name):
            return Cell(name, where)
        case Captured(attribute, name):
            return Captured(attribute, name, where)
    return hole


def _named(part: str | Hole) -> str | Hole:
    """Return the hole to be filled by a name: a literal's quotes might end an f-string."""
    return part if isinstance(part, str) else _placed(part, Place.NAME)
