"""Write the operations of the kernel in LLVM.

No operation may be reordered or contracted (no fast-math flags). Functions of the C library get
names that LLVM does not know, because it would turn ``pow(x, 2.0)`` into ``x * x``, which is not
always what Python computes.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from graphcore.engine.native.backend.layout import LIBRARY_PREFIX
from graphcore.engine.native.ir import CATEGORIES, Expr, Kind
from graphcore.engine.native.ir import Const as Known

WORD, BIT, BYTE, DOUBLE = ir.IntType(64), ir.IntType(1), ir.IntType(8), ir.DoubleType()
TYPES = {Kind.BOOL: BIT, Kind.INT: WORD, Kind.FLOAT: DOUBLE} | dict.fromkeys(CATEGORIES, WORD)
_LEAST = -(1 << 63)
_EXACT = 1 << 53
_SMALLEST_NORMAL = 2.2250738585072014e-308
Llvm = Any  # llvmlite carries no types


def type_of(kind: Kind, lanes: int = 0) -> Llvm:
    """Return the type of a number; of a vector, with a number for each lane."""
    return ir.VectorType(TYPES[kind], lanes) if lanes else TYPES[kind]


def constant(kind: Kind, value: float, lanes: int = 0) -> Llvm:
    """Return a number as a constant of LLVM; with lanes, a vector of it."""
    if lanes:
        return ir.Constant(type_of(kind, lanes), [constant(kind, value)] * lanes)
    if kind is Kind.FLOAT:
        bits = struct.unpack("q", struct.pack("d", value))[0]
        return ir.Constant(WORD, bits).bitcast(DOUBLE)  # text of floats loses nan
    return ir.Constant(TYPES[kind], int(value))


class Arithmetic:
    """Writes operations.

    Args:
        module: the module, to which declarations are added.
        trap_if: writes that a cycle traps if a bit is set.
        lanes: of how many numbers the operands are vectors; 0 if they are numbers.
    """

    def __init__(self, module: Llvm, trap_if: Callable[[Llvm], None], lanes: int = 0) -> None:
        self._module = module
        self._trap_if = trap_if
        self._lanes = lanes
        self.build: Llvm = None

    def operation(self, name: str, given: Sequence[Expr], values: Sequence[Llvm]) -> Llvm:
        """Write an operation, and return its result.

        Args:
            name: the operation's name.
            given: its operands.
            values: their values.
        """
        word, _, rest = name.partition(" ")
        if rest:
            return self._compare(word, rest, *values)
        word, _, rest = name.partition(".")
        if word == "math":
            return self._finite(self._library(rest, values))
        if name in ("int_multiply", "int_add", "int_subtract"):
            return self._checked(name, *values)
        if name in ("int_floor_divide", "int_modulo"):
            return self._divided(name, given[1], *values)
        if name == "int_power":
            exponent = given[1]
            assert isinstance(exponent, Known)
            return self._power(values[0], int(exponent.value))
        result: Llvm = getattr(self, name)(*values)
        return result

    # Bools

    def bool_and(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x & y``."""
        return self.build.and_(x, y)

    def bool_or(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x | y``."""
        return self.build.or_(x, y)

    def bool_xor(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x ^ y``."""
        return self.build.xor(x, y)

    def select(self, test: Llvm, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x if test else y``."""
        return self.build.select(test, x, y)

    def _compare(self, word: str, sign: str, x: Llvm, y: Llvm) -> Llvm:
        if word == "int":
            return self.build.icmp_signed(sign, x, y)
        if word == "mixed":
            return self._compare_mixed(sign, x, y)
        if sign == "!=":
            return self.build.fcmp_unordered(sign, x, y)
        return self.build.fcmp_ordered(sign, x, y)

    def _compare_mixed(self, sign: str, x: Llvm, y: Llvm) -> Llvm:
        """Write the exact comparison of an integer with a float.

        The integer as a float is on the same side of `y` as the integer, or equal to `y`. Then `y`
        is whole: 2^63, or an integer of 64 bits.
        """
        b, end = self.build, self._float(2.0**63)
        rounded = self.float_of_int(x)
        alike = b.fcmp_ordered("==", rounded, y)
        short = b.and_(alike, b.fcmp_ordered("<", y, end))
        whole = b.fptosi(self.select(short, y, self._float(0.0)), self._type(Kind.INT))
        equal = b.and_(short, b.icmp_signed("==", x, whole))
        if sign == "==":
            return equal
        if sign == "!=":
            return b.not_(equal)
        beside = self.select(short, b.icmp_signed(sign, x, whole), self._bit("<" in sign))
        return self.select(alike, beside, b.fcmp_ordered(sign, rounded, y))

    # Integers

    def int_of_bool(self, x: Llvm) -> Llvm:
        """Write ``int(x)``."""
        return self.build.zext(x, self._type(Kind.INT))

    def int_negate(self, x: Llvm) -> Llvm:
        """Write ``-x``."""
        return self._checked("int_subtract", self._int(0), x)

    def int_abs(self, x: Llvm) -> Llvm:
        """Write ``abs(x)``."""
        return self.select(self.build.icmp_signed("<", x, self._int(0)), self.int_negate(x), x)

    def int_round(self, x: Llvm, digits: Llvm) -> Llvm:
        """Write ``round(x, digits)`` for digits after the point."""
        self._trap_if(self.build.icmp_signed("<", digits, self._int(0)))
        return x

    def int_and(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x & y``."""
        return self.build.and_(x, y)

    def int_or(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x | y``."""
        return self.build.or_(x, y)

    def int_xor(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x ^ y``."""
        return self.build.xor(x, y)

    def int_shift_left(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x << y``."""
        b = self.build
        self._trap_if(b.icmp_unsigned(">", y, self._int(62)))
        shifted = b.shl(x, y)
        self._trap_if(b.icmp_signed("!=", b.ashr(shifted, y), x))
        return shifted

    def int_shift_right(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x >> y``."""
        self._trap_if(self.build.icmp_unsigned(">", y, self._int(63)))
        return self.build.ashr(x, y)

    def _checked(self, name: str, x: Llvm, y: Llvm) -> Llvm:
        short = {"int_add": "sadd", "int_subtract": "ssub", "int_multiply": "smul"}[name]
        pair = self._call(
            f"llvm.{short}.with.overflow.{self._vector}i64",
            ir.LiteralStructType([self._type(Kind.INT), self._type(Kind.BOOL)]),
            [x, y],
        )
        self._trap_if(self.build.extract_value(pair, 1))
        return self.build.extract_value(pair, 0)

    def _divided(self, name: str, divisor: Expr, x: Llvm, y: Llvm) -> Llvm:
        b, zero = self.build, self._int(0)
        if not isinstance(divisor, Known) or divisor.value in (0, -1):
            none = b.icmp_signed("==", y, zero)
            self._trap_if(none)
            least = b.icmp_signed("==", x, self._int(_LEAST))
            over = b.and_(least, b.icmp_signed("==", y, self._int(-1)))
            self._trap_if(over)
            if self._lanes:  # a lane that does not take part has not trapped, but would divide
                y = self.select(b.or_(none, over), self._int(1), y)
        remainder = b.srem(x, y)
        apart = b.and_(
            b.icmp_signed("!=", remainder, zero),
            b.icmp_signed("<", b.xor(remainder, y), zero),
        )
        if name == "int_modulo":
            return self.select(apart, b.add(remainder, y), remainder)
        quotient = b.sdiv(x, y)
        return self.select(apart, b.sub(quotient, self._int(1)), quotient)

    def _power(self, x: Llvm, exponent: int) -> Llvm:
        result = None
        while exponent:
            if exponent & 1:
                result = x if result is None else self._checked("int_multiply", result, x)
            exponent >>= 1
            if exponent:
                x = self._checked("int_multiply", x, x)
        return self._int(1) if result is None else result

    # Between integers and floats

    def float_of_int(self, x: Llvm) -> Llvm:
        """Write ``float(x)``."""
        return self.build.sitofp(x, self._type(Kind.FLOAT))

    def exact_float_of_int(self, x: Llvm) -> Llvm:
        """Write ``float(x)`` where that does not round."""
        b = self.build
        self._trap_if(b.icmp_unsigned(">", b.add(x, self._int(_EXACT)), self._int(2 * _EXACT)))
        return b.sitofp(x, self._type(Kind.FLOAT))

    def truncate(self, x: Llvm) -> Llvm:
        """Write ``int(x)``."""
        return self._whole("trunc", x)

    def floor(self, x: Llvm) -> Llvm:
        """Write ``math.floor(x)``."""
        return self._whole("floor", x)

    def ceil(self, x: Llvm) -> Llvm:
        """Write ``math.ceil(x)``."""
        return self._whole("ceil", x)

    def round_half_even(self, x: Llvm) -> Llvm:
        """Write ``round(x)``."""
        return self._whole("roundeven", x)

    def _whole(self, name: str, x: Llvm) -> Llvm:
        b = self.build
        whole = self._intrinsic(name, x)
        low = b.fcmp_ordered(">=", whole, self._float(-(2.0**63)))
        high = b.fcmp_ordered("<", whole, self._float(2.0**63))
        self._trap_if(b.not_(b.and_(low, high)))
        return b.fptosi(whole, self._type(Kind.INT))

    # Floats

    def float_add(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x + y``."""
        return self.build.fadd(x, y)

    def float_subtract(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x - y``."""
        return self.build.fsub(x, y)

    def float_multiply(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x * y``."""
        return self.build.fmul(x, y)

    def float_divide(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x / y``."""
        self._trap_if_zero(y)
        return self.build.fdiv(x, y)

    def float_modulo(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x % y`` as `float_rem` of CPython's floatobject.c does."""
        self._trap_if_zero(y)
        return self._modulo(x, y)[0]

    def _modulo(self, x: Llvm, y: Llvm) -> tuple[Llvm, Llvm, Llvm]:
        b, zero = self.build, self._float(0.0)
        rest = b.frem(x, y)
        some = b.fcmp_unordered("!=", rest, zero)
        apart = b.xor(b.fcmp_ordered("<", y, zero), b.fcmp_ordered("<", rest, zero))
        moved = b.and_(some, apart)
        none = self._intrinsic("copysign", zero, y)
        return self.select(moved, b.fadd(rest, y), self.select(some, rest, none)), rest, moved

    def float_floor_divide(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x // y`` as `_float_div_mod` of CPython's floatobject.c does."""
        self._trap_if_zero(y)
        b, zero, one = self.build, self._float(0.0), self._float(1.0)
        _, rest, moved = self._modulo(x, y)
        quotient = b.fdiv(b.fsub(x, rest), y)
        quotient = self.select(moved, b.fsub(quotient, one), quotient)
        down = self._intrinsic("floor", quotient)
        far = b.fcmp_ordered(">", b.fsub(quotient, down), self._float(0.5))
        whole = self.select(far, b.fadd(down, one), down)
        none = self._intrinsic("copysign", zero, b.fdiv(x, y))
        return self.select(b.fcmp_unordered("!=", quotient, zero), whole, none)

    def float_power(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``x ** y`` for finite operands and a normal result."""
        b, zero = self.build, self._float(0.0)
        # CPython raises the magnitude, and a negative base only to whole powers.
        whole = b.fcmp_ordered("==", self._intrinsic("floor", y), y)
        below = b.fcmp_ordered("<", x, zero)
        self._trap_if(b.and_(below, b.not_(whole)))
        raised = self._library("pow", [self._intrinsic("fabs", x), y])
        # A C library may report that a result below this is too small, and Python raises then.
        small = b.fcmp_ordered("<", raised, self._float(_SMALLEST_NORMAL))
        self._trap_if(b.or_(small, b.not_(self.is_finite(raised))))
        self._trap_if(b.not_(b.and_(self.is_finite(x), self.is_finite(y))))
        half = b.fmul(y, self._float(0.5))
        odd = b.fcmp_unordered("!=", self._intrinsic("floor", half), half)
        return self.select(b.and_(below, odd), b.fneg(raised), raised)

    def float_remainder(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``math.fmod(x, y)``."""
        self._trap_if_zero(y)
        self._trap_if(self.is_infinite(x))
        return self.build.frem(x, y)

    def float_round(self, x: Llvm, digits: Llvm) -> Llvm:
        """Write ``round(x, digits)`` for up to 22 digits after the point.

        CPython rounds the exact value to digits, half to even, and reads these digits as a float.
        Here ``x * 10**digits`` is the sum of two floats, exactly; the integer next to that sum is
        divided by ``10**digits``, which is a float as well, so one rounding is left.
        """
        b, half = self.build, self._float(0.5)
        self._trap_if(b.icmp_unsigned(">", digits, self._int(22)))
        power = self._float(1.0)
        for place in range(5):
            bit = b.icmp_signed("!=", b.and_(digits, self._int(1 << place)), self._int(0))
            factor = self.select(bit, self._float(float(10 ** (1 << place))), self._float(1.0))
            power = b.fmul(power, factor)
        size = self._intrinsic("fabs", x)
        # Without digits after the point, infinite, or nan: as it is.
        has_digits = b.fcmp_ordered("<", size, self._float(2.0**52))
        size = self.select(has_digits, size, self._float(0.0))
        high, low = self._exact_product(size, power)
        self._trap_if(b.fcmp_ordered(">=", high, self._float(2.0**52)))
        whole = self._intrinsic("roundeven", high)
        rest = b.fsub(high, whole)
        zero, one = self._float(0.0), self._float(1.0)
        up = b.and_(b.fcmp_ordered("==", rest, half), b.fcmp_ordered(">", low, zero))
        down = b.and_(b.fcmp_ordered("==", rest, b.fneg(half)), b.fcmp_ordered("<", low, zero))
        whole = b.fadd(whole, self.select(up, one, zero))
        whole = b.fsub(whole, self.select(down, one, zero))
        rounded = self._intrinsic("copysign", b.fdiv(whole, power), x)
        return self.select(has_digits, rounded, x)

    def _exact_product(self, x: Llvm, y: Llvm) -> tuple[Llvm, Llvm]:
        """Write a product as the sum of two floats (Dekker), of factors that are not very great."""
        b = self.build
        product = b.fmul(x, y)
        halves = []
        for each in (x, y):
            spread = b.fmul(each, self._float(2.0**27 + 1))
            high = b.fsub(spread, b.fsub(spread, each))
            halves.append((high, b.fsub(each, high)))
        (one, one_low), (other, other_low) = halves
        rest = b.fsub(b.fmul(one, other), product)
        rest = b.fadd(b.fadd(rest, b.fmul(one, other_low)), b.fmul(one_low, other))
        return product, b.fadd(rest, b.fmul(one_low, other_low))

    def mantissa(self, x: Llvm) -> Llvm:
        """Write ``math.frexp(x)[0]``."""
        b = self.build
        plain, bits, _ = self._of_parts(x)
        kept = b.and_(bits, self._int(~(0x7FF << 52)))
        found = b.bitcast(b.or_(kept, self._int(1022 << 52)), self._type(Kind.FLOAT))
        return self.select(plain, found, x)

    def exponent(self, x: Llvm) -> Llvm:
        """Write ``math.frexp(x)[1]``."""
        plain, _, exponent = self._of_parts(x)
        return self.select(plain, exponent, self._int(0))

    def _of_parts(self, x: Llvm) -> tuple[Llvm, Llvm, Llvm]:
        """Write whether `x` is finite and not 0, its bits if scaled to be normal, its exponent."""
        b = self.build
        size = self._intrinsic("fabs", x)
        plain = b.and_(self.is_finite(x), b.fcmp_ordered(">", size, self._float(0.0)))
        small = b.fcmp_ordered("<", size, self._float(_SMALLEST_NORMAL))
        factor = self.select(small, self._float(2.0**54), self._float(1.0))
        bits = b.bitcast(b.fmul(x, factor), self._type(Kind.INT))
        exponent = b.and_(b.lshr(bits, self._int(52)), self._int(0x7FF))
        return plain, bits, b.sub(exponent, self.select(small, self._int(1076), self._int(1022)))

    def scale(self, x: Llvm, power: Llvm) -> Llvm:
        """Write ``math.ldexp(x, power)``.

        The last of up to three products with powers of 2 is the only one that rounds.
        """
        b, least, most = self.build, self._int(-1022), self._int(1023)
        result = x
        for _ in range(2):
            up = b.icmp_signed(">", power, most)
            down = b.icmp_signed("<", power, least)
            factor = self.select(down, self._float(2.0**-969), self._float(1.0))
            result = b.fmul(result, self.select(up, self._float(2.0**1023), factor))
            change = self.select(down, self._int(-969), self._int(0))
            power = b.sub(power, self.select(up, most, change))
        power = self.select(b.icmp_signed("<", power, least), least, power)
        power = self.select(b.icmp_signed(">", power, most), most, power)
        bits = b.shl(b.add(power, most), self._int(52))
        result = b.fmul(result, b.bitcast(bits, self._type(Kind.FLOAT)))
        self._trap_if(b.and_(self.is_infinite(result), self.is_finite(x)))
        return result

    def float_negate(self, x: Llvm) -> Llvm:
        """Write ``-x``."""
        return self.build.fneg(x)

    def float_abs(self, x: Llvm) -> Llvm:
        """Write ``abs(x)``."""
        return self._intrinsic("fabs", x)

    def copy_sign(self, x: Llvm, y: Llvm) -> Llvm:
        """Write ``math.copysign(x, y)``."""
        return self._intrinsic("copysign", x, y)

    def square_root(self, x: Llvm) -> Llvm:
        """Write ``math.sqrt(x)``."""
        self._trap_if(self.build.fcmp_ordered("<", x, self._float(0.0)))
        return self._intrinsic("sqrt", x)

    def is_nan(self, x: Llvm) -> Llvm:
        """Write ``math.isnan(x)``."""
        return self.build.fcmp_unordered("uno", x, x)

    def is_infinite(self, x: Llvm) -> Llvm:
        """Write ``math.isinf(x)``."""
        return self.build.fcmp_ordered("==", self._intrinsic("fabs", x), self._float(float("inf")))

    def is_finite(self, x: Llvm) -> Llvm:
        """Write ``math.isfinite(x)``."""
        return self.build.fcmp_ordered("<", self._intrinsic("fabs", x), self._float(float("inf")))

    def _finite(self, x: Llvm) -> Llvm:
        self._trap_if(self.build.not_(self.is_finite(x)))
        return x

    def _trap_if_zero(self, x: Llvm) -> None:
        self._trap_if(self.build.fcmp_ordered("==", x, self._float(0.0)))

    # Parts

    @property
    def _vector(self) -> str:
        return f"v{self._lanes}" if self._lanes else ""

    def _type(self, kind: Kind) -> Llvm:
        return type_of(kind, self._lanes)

    def _bit(self, value: bool) -> Llvm:
        return constant(Kind.BOOL, value, self._lanes)

    def _int(self, value: int) -> Llvm:
        return constant(Kind.INT, value, self._lanes)

    def _float(self, value: float) -> Llvm:
        return constant(Kind.FLOAT, value, self._lanes)

    def _intrinsic(self, name: str, *given: Llvm) -> Llvm:
        return self._call(f"llvm.{name}.{self._vector}f64", self._type(Kind.FLOAT), list(given))

    def _library(self, name: str, given: Sequence[Llvm]) -> Llvm:
        name = f"{LIBRARY_PREFIX}{name}"
        if not self._lanes:
            return self._call(name, DOUBLE, list(given))
        b = self.build
        results = ir.Constant(self._type(Kind.FLOAT), ir.Undefined)
        for lane in range(self._lanes):
            place = ir.Constant(ir.IntType(32), lane)
            each = [b.extract_element(vector, place) for vector in given]
            results = b.insert_element(results, self._call(name, DOUBLE, each), place)
        return results

    def _call(self, name: str, result: Llvm, given: list[Llvm]) -> Llvm:
        function = self._module.globals.get(name)
        if function is None:
            of = ir.FunctionType(result, [each.type for each in given])
            function = ir.Function(self._module, of, name)
        return self.build.call(function, given)
