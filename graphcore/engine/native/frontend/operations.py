"""Which operation of the kernel does what an operator or function of Python does, for known kinds.

The operations follow CPython exactly, or trap: integers that leave 64 bits, a divisor of zero, an
integer beyond 2^53 where Python divides exactly, and whatever a function of `math` gives that is
not finite, because Python may raise an error for it.
"""

import ast
import math
import operator as operators
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType
from typing import Any

from graphcore.engine.native.ir import CATEGORIES, Const, Expr, Kind, Op

_EXACT = 1 << 53


class Untranslated(Exception):
    """There is no translation; the text says what of."""


_BITS = {ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor"}
_SHIFTS = {ast.LShift: "shift_left", ast.RShift: "shift_right"}
_ARITHMETIC = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "modulo",
}
_COMPARISONS = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
    "==": operators.eq,
    "!=": operators.ne,
}
_MOST_POWER = 64

# Functions of `math` that call the C library, for arguments and results that are finite.
LIBRARY = (
    *("exp", "expm1", "log", "log2", "log10", "log1p"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh"),
    *("atanh", "atan2", "erf", "erfc", "cbrt", "exp2"),
)


def binary(operator: ast.operator, left: Expr, right: Expr) -> Expr:
    """Return an expression for ``left operator right``."""
    of = type(operator)
    if of in _BITS and left.kind is right.kind is Kind.BOOL:
        return Op(Kind.BOOL, f"bool_{_BITS[of]}", (left, right))
    left, right = number(left), number(right)
    whole = left.kind is right.kind is Kind.INT
    if of is ast.Div:
        if whole:
            left, right = exact(left), exact(right)
        return Op(Kind.FLOAT, "float_divide", (as_float(left), as_float(right)))
    if of is ast.Pow:
        if not whole:
            return Op(Kind.FLOAT, "float_power", (as_float(left), as_float(right)))
        if isinstance(right, Const) and 0 <= right.value <= _MOST_POWER:
            return Op(Kind.INT, "int_power", (left, right))
        raise Untranslated("a power of integers")
    if of in _BITS or of in _SHIFTS:
        if not whole:
            raise Untranslated("an operation on the bits of a float")
        return Op(Kind.INT, f"int_{(_BITS | _SHIFTS)[of]}", (left, right))
    if of not in _ARITHMETIC:
        raise Untranslated(f"the operator {of.__name__}")
    if whole:
        return Op(Kind.INT, f"int_{_ARITHMETIC[of]}", (left, right))
    return Op(Kind.FLOAT, f"float_{_ARITHMETIC[of]}", (as_float(left), as_float(right)))


def compare(operator: ast.cmpop, left: Expr, right: Expr) -> Expr:
    """Return an expression for the comparison of two numbers."""
    sign = _COMPARISONS.get(type(operator))
    if sign is None:
        raise Untranslated(f"the operator {type(operator).__name__}")
    if left.kind in CATEGORIES or right.kind in CATEGORIES:
        return _compare_categories(sign, left, right)
    left, right = number(left), number(right)
    if isinstance(left, Const) and isinstance(right, Const):
        return Const(Kind.BOOL, _COMPARED[sign](left.value, right.value))
    if left.kind is right.kind is Kind.INT:
        return Op(Kind.BOOL, f"int {sign}", (left, right))
    if left.kind is right.kind or _is_small(left) or _is_small(right):
        return Op(Kind.BOOL, f"float {sign}", (as_float(left), as_float(right)))
    if left.kind is Kind.INT:
        return Op(Kind.BOOL, f"mixed {sign}", (left, right))
    return Op(Kind.BOOL, f"mixed {_FLIPPED[sign]}", (right, left))


def _compare_categories(sign: str, left: Expr, right: Expr) -> Expr:
    if sign not in ("==", "!="):
        raise Untranslated("a comparison of strings by their order")
    if left.kind is not right.kind:  # a string, member of an enum, number or `None` is no other
        return Const(Kind.BOOL, sign == "!=")
    return Op(Kind.BOOL, f"int {sign}", (left, right))


def unary(operator: ast.unaryop, given: Expr) -> Expr:
    """Return an expression for ``operator given``; ``not`` is for tests alone."""
    value = number(given)
    match operator:
        case ast.UAdd():
            return value
        case ast.USub() if isinstance(value, Const) and value.value not in (0, -(1 << 63)):
            return Const(value.kind, -value.value)
        case ast.USub():
            return Op(value.kind, f"{_word(value)}_negate", (value,))
        case ast.Invert() if value.kind is Kind.INT:
            return Op(Kind.INT, "int_xor", (value, Const(Kind.INT, -1)))
    raise Untranslated(f"the operator {type(operator).__name__}")


def truth(given: Expr) -> Expr:
    """Return an expression for ``bool(given)``."""
    match given:
        case Const(_, value):
            return Const(Kind.BOOL, bool(value))
        case Expr(Kind.BOOL):
            return given
        case Expr(Kind.INT):
            return Op(Kind.BOOL, "int !=", (given, Const(Kind.INT, 0)))
        case Expr(Kind.FLOAT):
            return Op(Kind.BOOL, "float !=", (given, Const(Kind.FLOAT, 0.0)))
        case Expr(Kind.TEXT):
            raise Untranslated("whether a string is empty")
        case Expr(Kind.MEMBER):
            return Const(Kind.BOOL, True)
    return Const(Kind.BOOL, False)  # None


def negate(test: Expr) -> Expr:
    """Return an expression for ``not test``."""
    match test:
        case Const(_, value):
            return Const(Kind.BOOL, not value)
        case Op(_, "not", (inner,)):
            return inner
    return Op(Kind.BOOL, "not", (test,))


def number(given: Expr) -> Expr:
    """Return a number as arithmetic sees it: a bool is an integer."""
    if given.kind is Kind.BOOL:
        if isinstance(given, Const):
            return Const(Kind.INT, int(given.value))
        return Op(Kind.INT, "int_of_bool", (given,))
    if given.kind not in (Kind.INT, Kind.FLOAT):
        raise Untranslated("arithmetic on what is no number")
    return given


def as_float(given: Expr) -> Expr:
    """Return a number as ``float()`` does: an integer is rounded to the nearest float."""
    value = number(given)
    if value.kind is Kind.FLOAT:
        return value
    if isinstance(value, Const):
        return Const(Kind.FLOAT, float(value.value))
    return Op(Kind.FLOAT, "float_of_int", (value,))


def exact(given: Expr) -> Expr:
    """Return a number as a float, or trap where that would round."""
    value = number(given)
    if value.kind is Kind.FLOAT:
        return value
    if _is_small(value):
        return as_float(value)
    return Op(Kind.FLOAT, "exact_float_of_int", (value,))


def _is_small(value: Expr) -> bool:
    """Return whether a number is an integer that is known, and that a float holds exactly."""
    return isinstance(value, Const) and value.kind is Kind.INT and abs(value.value) <= _EXACT


def _word(value: Expr) -> str:
    return "int" if value.kind is Kind.INT else "float"


# Functions


def _float(value: Expr) -> Expr:
    return as_float(value)


def _int(value: Expr) -> Expr:
    return _whole("truncate", value)


def _whole(name: str, given: Expr) -> Expr:
    value = number(given)
    return value if value.kind is Kind.INT else Op(Kind.INT, name, (value,))


def _abs(given: Expr) -> Expr:
    value = number(given)
    return Op(value.kind, f"{_word(value)}_abs", (value,))


def _tested(name: str) -> Callable[[Expr], Expr]:
    def test(given: Expr) -> Expr:
        value = number(given)
        if value.kind is Kind.INT:
            return Const(Kind.BOOL, name == "is_finite")
        return Op(Kind.BOOL, name, (value,))

    return test


def _library(name: str) -> Callable[..., Expr]:
    def call(*given: Expr) -> Expr:
        if len(given) != (2 if name == "atan2" else 1):
            raise Untranslated(f"a call of {name} with {len(given)} arguments")
        return Op(Kind.FLOAT, f"math.{name}", tuple(map(as_float, given)))

    return call


def _rounded(name: str) -> Callable[[Expr], Expr]:
    return lambda given: _whole(name, given)


def _floats(name: str) -> Callable[..., Expr]:
    return lambda *given: Op(Kind.FLOAT, name, tuple(map(as_float, given)))


def _round_to(given: Expr, digits: Expr) -> Expr:
    value = number(given)
    if digits.kind is not Kind.INT:
        raise Untranslated("a call of round with digits that are no integer")
    return Op(value.kind, f"{_word(value)}_round", (value, digits))


def _times(factor: float) -> Callable[[Expr], Expr]:
    def scale(given: Expr) -> Expr:
        return Op(Kind.FLOAT, "float_multiply", (as_float(given), Const(Kind.FLOAT, factor)))

    return scale


def _scaled(given: Expr, power: Expr) -> Expr:
    if power.kind is not Kind.INT:
        raise Untranslated("a call of ldexp with a power that is no integer")
    return Op(Kind.FLOAT, "scale", (as_float(given), power))


# What a function of Python is, by the number of its arguments.
FUNCTIONS: dict[Any, tuple[int, Callable[..., Expr]]] = {
    float: (1, _float),
    int: (1, _int),
    abs: (1, _abs),
    operators.abs: (1, _abs),
    round: (1, _rounded("round_half_even")),
    math.floor: (1, _rounded("floor")),
    math.ceil: (1, _rounded("ceil")),
    math.trunc: (1, _rounded("truncate")),
    math.fabs: (1, _floats("float_abs")),
    math.sqrt: (1, _floats("square_root")),
    math.copysign: (2, _floats("copy_sign")),
    math.isnan: (1, _tested("is_nan")),
    math.isinf: (1, _tested("is_infinite")),
    math.isfinite: (1, _tested("is_finite")),
    math.pow: (2, _floats("float_power")),
    math.fmod: (2, _floats("float_remainder")),
    math.ldexp: (2, _scaled),
    math.degrees: (1, _times(180.0 / math.pi)),
    math.radians: (1, _times(math.pi / 180.0)),
}
FUNCTIONS |= {
    getattr(math, name): (2 if name == "atan2" else 1, _library(name)) for name in LIBRARY
}


def call(function: object, arguments: Sequence[Expr]) -> Expr | None:
    """Return an expression for a call of a known function; `None` if it is not known."""
    if type(function) not in (type, BuiltinFunctionType):
        return None  # an object of a user's class decides by itself what it is equal to
    if function is round and len(arguments) == 2:
        return _round_to(*arguments)
    known = FUNCTIONS.get(function)
    if known is None or known[0] != len(arguments):
        return None
    return known[1](*arguments)


def pair(function: object, arguments: Sequence[Expr]) -> tuple[Expr, Expr] | None:
    """Return the two results of a known function that returns a tuple; `None` for another one."""
    match arguments:
        case [given] if function is math.frexp:
            value = as_float(given)
            return Op(Kind.FLOAT, "mantissa", (value,)), Op(Kind.INT, "exponent", (value,))
        case [one, other] if function is divmod:
            return binary(ast.FloorDiv(), one, other), binary(ast.Mod(), one, other)
    return None
