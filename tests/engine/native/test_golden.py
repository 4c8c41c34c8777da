"""Each operation of a kernel gives what CPython gives, to the last bit, or traps."""

import ast
import math
import random
import struct
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

pytest.importorskip("llvmlite")

from graphcore.engine.native.backend.layout import DONE, REASON, Words
from graphcore.engine.native.backend.machine import code_of
from graphcore.engine.native.frontend import operations
from graphcore.engine.native.ir import Assign, Expr, Kernel, Kind, Read, Start

# Pairs of operands for each operation and kinds; 2,000,000 with the profile "thorough".
PAIRS = 1_500 if settings.default.max_examples < 1000 else 2_000_000
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 2.0, 3.0, 0.1, 1e-5, 1e16, 1e300, -1e300]
FLOATS += [5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, math.pi]
FLOATS += [2.0**52 + 0.5, 2.0**53, 2.0**62, 2.0**63, -(2.0**63), math.inf, -math.inf, math.nan]
INTS = [0, 1, -1, 2, -2, 3, 7, 10, 62, 63, 64, 2**31, 2**53, 2**53 + 1, -(2**53) - 1, 2**62]
INTS += [2**63 - 1, -(2**63), -(2**63) + 1, 10**18]

BINARY: dict[str, tuple[ast.operator, Callable[[Any, Any], Any]]] = {
    "+": (ast.Add(), lambda x, y: x + y),
    "-": (ast.Sub(), lambda x, y: x - y),
    "*": (ast.Mult(), lambda x, y: x * y),
    "/": (ast.Div(), lambda x, y: x / y),
    "//": (ast.FloorDiv(), lambda x, y: x // y),
    "%": (ast.Mod(), lambda x, y: x % y),
    "**": (ast.Pow(), lambda x, y: x**y),
    "&": (ast.BitAnd(), lambda x, y: x & y),
    "|": (ast.BitOr(), lambda x, y: x | y),
    "^": (ast.BitXor(), lambda x, y: x ^ y),
    "<<": (ast.LShift(), lambda x, y: x << y if y < 200 else 1 << 70),
    ">>": (ast.RShift(), lambda x, y: x >> y),
}
COMPARED: dict[str, tuple[ast.cmpop, Callable[[Any, Any], Any]]] = {
    "<": (ast.Lt(), lambda x, y: x < y),
    "<=": (ast.LtE(), lambda x, y: x <= y),
    ">": (ast.Gt(), lambda x, y: x > y),
    ">=": (ast.GtE(), lambda x, y: x >= y),
    "==": (ast.Eq(), lambda x, y: x == y),
    "!=": (ast.NotEq(), lambda x, y: x != y),
}
KINDS = (Kind.BOOL, Kind.INT, Kind.FLOAT)
CODES = {Kind.BOOL: "q", Kind.INT: "q", Kind.FLOAT: "d"}


def drawn(kind: Kind, draw: random.Random) -> Any:
    """Return a random or special operand."""
    if kind is Kind.BOOL:
        return draw.random() < 0.5
    if kind is Kind.INT:
        choices = [draw.choice(INTS), draw.randint(-20, 20), draw.randint(-(2**63), 2**63 - 1)]
        return draw.choice(choices)
    bits = struct.unpack("d", struct.pack("Q", draw.getrandbits(64)))[0]
    choices = [draw.choice(FLOATS), draw.gauss(0, 3), float(draw.randint(-9, 9)), bits]
    return draw.choice(choices)


def evaluator(result: Expr, kinds: list[Kind]) -> Callable[..., Any]:
    """Return a function that computes an expression of x and y in a kernel; `None` for a trap."""
    names = ["x", "y"][: len(kinds)]
    variables = dict(zip(names, kinds, strict=True)) | {"result": result.kind}
    start, body = Start(((Kind.INT,),)), (Assign("result", result),)
    kernel = Kernel(start, body, variables, tuple(sorted(variables)), {}, {}, ())
    words = Words(kernel)
    code = code_of(kernel, words)
    memory = array("q", bytes(8 * words.count))
    floats = memoryview(memory).cast("B").cast("d")
    address = memory.buffer_info()[0]

    def compute(*given: Any) -> Any:
        for name, kind, value in zip(names, kinds, given, strict=True):
            (floats if kind is Kind.FLOAT else memory)[words.variables[name]] = value
        memory[DONE] = memory[REASON] = -7
        if code.run(address, 1) != 1:
            assert memory[DONE] == -7
            return None
        place = words.variables["result"]
        if result.kind is Kind.FLOAT:
            return floats[place]
        return bool(memory[place]) if result.kind is Kind.BOOL else memory[place]

    return compute


def shown(value: Any) -> str:
    """Return a value so that equal text means the same type and bits; all nan are one."""
    if isinstance(value, float) and value == value:
        return value.hex()
    return repr(value)


def assert_as_python(
    result: Expr, kinds: list[Kind], python: Callable[..., Any], most_traps: float = 0.75
) -> None:
    compute = evaluator(result, kinds)
    draw = random.Random(str(result))
    traps = plain = 0
    for _ in range(PAIRS):
        given = [drawn(kind, draw) for kind in kinds]
        found = compute(*given)
        try:
            expected = python(*given)
        except (ArithmeticError, ValueError):
            assert found is None, f"{given}: {found}, where Python raises"
            continue
        plain += 1
        if found is None:
            traps += 1
        else:
            assert shown(found) == shown(expected), f"{given}: {found}, not {expected}"
    assert traps < plain * most_traps, f"{traps} of {plain} trapped"


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHCORE_CACHE", "")


@pytest.mark.parametrize("sign", BINARY)
@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("right", KINDS)
def test_an_operator_gives_what_cpython_gives(sign: str, left: Kind, right: Kind) -> None:
    operator, python = BINARY[sign]
    x, y = Read(left, "x"), Read(right, "y")
    try:
        result = operations.binary(operator, x, y)
    except operations.Untranslated:
        assert sign in "&|^<<>>**"  # left to Python always
        return
    # Of huge random floats most powers are infinite, and of huge integers most products too long.
    assert_as_python(result, [left, right], python, 0.95)


@pytest.mark.parametrize("sign", COMPARED)
@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("right", KINDS)
def test_a_comparison_gives_what_cpython_gives(sign: str, left: Kind, right: Kind) -> None:
    operator, python = COMPARED[sign]
    result = operations.compare(operator, Read(left, "x"), Read(right, "y"))
    assert_as_python(result, [left, right], python)


@pytest.mark.parametrize("sign", COMPARED)
def test_integers_that_no_float_holds_are_compared_exactly_with_floats(sign: str) -> None:
    operator, python = COMPARED[sign]
    compute = evaluator(
        operations.compare(operator, Read(Kind.INT, "x"), Read(Kind.FLOAT, "y")),
        [Kind.INT, Kind.FLOAT],
    )
    for x in (2**53, 2**53 + 1, 2**62 + 1, 2**63 - 1, 2**63 - 512, -(2**63), -(2**63) + 1):
        for y in (float(x), math.nextafter(float(x), 0.0), math.nextafter(float(x), 1e300 * x)):
            assert compute(x, y) is python(x, y), (x, y)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 5, 16])
def test_a_power_of_an_integer_gives_what_cpython_gives(exponent: int) -> None:
    constant = operations.Const(Kind.INT, exponent)
    result = operations.binary(ast.Pow(), Read(Kind.INT, "x"), constant)

    def python(x: int) -> int:
        power = x**exponent
        if not -(2**63) <= power < 2**63:
            raise OverflowError
        return power

    assert_as_python(result, [Kind.INT], python)


UNARY = {"-": (ast.USub(), lambda x: -x), "+": (ast.UAdd(), lambda x: +x)}


@pytest.mark.parametrize("sign", UNARY)
@pytest.mark.parametrize("kind", KINDS)
def test_a_sign_gives_what_cpython_gives(sign: str, kind: Kind) -> None:
    operator, python = UNARY[sign]
    assert_as_python(operations.unary(operator, Read(kind, "x")), [kind], python)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "function", [each for each, (count, _) in operations.FUNCTIONS.items() if count == 1]
)
def test_a_function_gives_what_cpython_gives(function: Callable[..., Any], kind: Kind) -> None:
    result = operations.call(function, [Read(kind, "x")])
    assert result is not None
    if function in (abs, int, float, math.floor, round) and kind is not Kind.FLOAT:
        assert_as_python(result, [kind], function)
        return
    assert_as_python(result, [kind], function, 0.95)


@pytest.mark.parametrize("function", [math.atan2, math.copysign, math.pow, math.fmod])
def test_a_function_of_two_gives_what_cpython_gives(function: Callable[..., Any]) -> None:
    result = operations.call(function, [Read(Kind.FLOAT, "x"), Read(Kind.FLOAT, "y")])
    assert result is not None
    assert_as_python(result, [Kind.FLOAT, Kind.FLOAT], function, 0.95)


@pytest.mark.parametrize("digits", [0, 1, 2, 3, 8, 22])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e6])
def test_rounding_to_digits_gives_what_cpython_gives(digits: int, scale: float) -> None:
    given = [Read(Kind.FLOAT, "x"), operations.Const(Kind.INT, digits)]
    result = operations.call(round, given)
    assert result is not None

    def python(x: float) -> float:
        return round(x, digits)

    assert_as_python(result, [Kind.FLOAT], python, 1.0)
    # Ties, and what lies beside them: a product with 10**digits that rounds would get these wrong.
    compute, draw = evaluator(result, [Kind.FLOAT]), random.Random(digits)
    for _ in range(PAIRS):
        near = (draw.randint(-9999, 9999) + 0.5) / 10**digits * scale
        for x in (near, math.nextafter(near, math.inf), math.nextafter(near, -math.inf)):
            found = compute(x)
            assert found is None or shown(found) == shown(round(x, digits)), x
            assert found is not None or abs(x) * 10**digits > 2.0**51


@pytest.mark.parametrize("kind", KINDS)
def test_frexp_and_divmod_give_what_cpython_gives(kind: Kind) -> None:
    for place in (0, 1):
        parts = operations.pair(math.frexp, [Read(kind, "x")])
        assert parts is not None
        assert_as_python(parts[place], [kind], lambda x, at=place: math.frexp(x)[at])
        parts = operations.pair(divmod, [Read(kind, "x"), Read(Kind.FLOAT, "y")])
        assert parts is not None
        both = [kind, Kind.FLOAT]
        assert_as_python(parts[place], both, lambda x, y, at=place: divmod(x, y)[at])


@pytest.mark.parametrize("power", [0, 1, -1, 60, -60, 1023, -1023, -1074, -1080, 2000, -2100, 4000])
def test_ldexp_gives_what_cpython_gives(power: int) -> None:
    result = operations.call(math.ldexp, [Read(Kind.FLOAT, "x"), Read(Kind.INT, "y")])
    assert result is not None
    assert_as_python(result, [Kind.FLOAT, Kind.INT], math.ldexp, 1.0)
    compute, draw = evaluator(result, [Kind.FLOAT, Kind.INT]), random.Random(power)
    for _ in range(PAIRS // 4):
        x, shift = drawn(Kind.FLOAT, draw), power + draw.randint(-3, 3)
        try:
            expected = math.ldexp(x, shift)
        except OverflowError:
            assert compute(x, shift) is None
        else:
            assert shown(compute(x, shift)) == shown(expected), (x, shift)
