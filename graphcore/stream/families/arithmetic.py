"""The operators of Python on streams: arithmetic, comparisons, boolean operators, items.

They tick when either side does. The type of a result depends on the operator's method of the
values, so each arithmetic operator has overloads: the method of the left value, that of the right
value, and `Any` where the types tell neither.
"""

# The reflected methods let mypy fear that an operand with a method of its own gives another type. A
# stream is never such an operand: it has the methods of this class.

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from graphcore.errors import InvalidTypeError
from graphcore.handle import STREAMS
from graphcore.node import Active, node_of
from graphcore.operators import arithmetic
from graphcore.stream.families.base import StreamBase
from graphcore.stream.typed.operands import (
    Add,
    FloorDiv,
    Mod,
    Mul,
    NotNegative,
    Pow,
    ReflectedAdd,
    ReflectedFloorDiv,
    ReflectedMod,
    ReflectedMul,
    ReflectedSub,
    ReflectedTrueDiv,
    Sub,
    TrueDiv,
)

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")


class ArithmeticOperators(StreamBase[T]):
    """Operators of Python, fields and items."""

    __slots__ = ()

    __hash__ = object.__hash__  # `__eq__` makes a stream
    # Without this, `array + stream` would make an array of streams, one for each item.
    __array_ufunc__ = None

    def _binary(self, other: object, function: Callable[[Any, Any], Any]) -> "Stream[Any]":
        if isinstance(other, STREAMS):
            return self._stream(arithmetic.Binary(self, node_of(other), function))
        return self._stream(arithmetic.BinaryRight(self, other, function))

    def _reflected(self, other: object, function: Callable[[Any, Any], Any]) -> "Stream[Any]":
        if isinstance(other, STREAMS):
            return self._stream(arithmetic.Binary(node_of(other), self, function))
        return self._stream(arithmetic.BinaryLeft(other, self, function))

    @overload
    def __add__(self: Active[Add[U, R]], other: Active[U]) -> "Stream[R]": ...
    @overload
    def __add__(self: Active[U], other: Active[ReflectedAdd[U, R]]) -> "Stream[R]": ...
    @overload
    def __add__(self, other: Active[Any]) -> "Stream[Any]": ...
    @overload
    def __add__(self: Active[Add[U, R]], other: U) -> "Stream[R]": ...
    @overload
    def __add__(self: Active[U], other: ReflectedAdd[U, R]) -> "Stream[R]": ...
    @overload
    def __add__(self, other: object) -> "Stream[Any]": ...
    def __add__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.add)

    @overload
    def __radd__(self: Active[ReflectedAdd[U, R]], other: U) -> "Stream[R]": ...
    @overload
    def __radd__(self: Active[U], other: Add[U, R]) -> "Stream[R]": ...  # type: ignore[misc]  # see the top
    @overload
    def __radd__(self, other: object) -> "Stream[Any]": ...
    def __radd__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.add)

    @overload
    def __sub__(self: Active[Sub[U, R]], other: Active[U]) -> "Stream[R]": ...
    @overload
    def __sub__(self: Active[U], other: Active[ReflectedSub[U, R]]) -> "Stream[R]": ...
    @overload
    def __sub__(self, other: Active[Any]) -> "Stream[Any]": ...
    @overload
    def __sub__(self: Active[Sub[U, R]], other: U) -> "Stream[R]": ...
    @overload
    def __sub__(self: Active[U], other: ReflectedSub[U, R]) -> "Stream[R]": ...
    @overload
    def __sub__(self, other: object) -> "Stream[Any]": ...
    def __sub__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.sub)

    @overload
    def __rsub__(self: Active[ReflectedSub[U, R]], other: U) -> "Stream[R]": ...
    @overload
    def __rsub__(self: Active[U], other: Sub[U, R]) -> "Stream[R]": ...  # type: ignore[misc]  # see the top
    @overload
    def __rsub__(self, other: object) -> "Stream[Any]": ...
    def __rsub__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.sub)

    @overload
    def __mul__(self: Active[Mul[U, R]], other: Active[U]) -> "Stream[R]": ...
    @overload
    def __mul__(self: Active[U], other: Active[ReflectedMul[U, R]]) -> "Stream[R]": ...
    @overload
    def __mul__(self, other: Active[Any]) -> "Stream[Any]": ...
    @overload
    def __mul__(self: Active[Mul[U, R]], other: U) -> "Stream[R]": ...
    @overload
    def __mul__(self: Active[U], other: ReflectedMul[U, R]) -> "Stream[R]": ...
    @overload
    def __mul__(self, other: object) -> "Stream[Any]": ...
    def __mul__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.mul)

    @overload
    def __rmul__(self: Active[ReflectedMul[U, R]], other: U) -> "Stream[R]": ...
    @overload
    def __rmul__(self: Active[U], other: Mul[U, R]) -> "Stream[R]": ...  # type: ignore[misc]  # see the top
    @overload
    def __rmul__(self, other: object) -> "Stream[Any]": ...
    def __rmul__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.mul)

    @overload
    def __truediv__(self: Active[TrueDiv[U, R]], other: Active[U]) -> "Stream[R]": ...
    @overload
    def __truediv__(self: Active[U], other: Active[ReflectedTrueDiv[U, R]]) -> "Stream[R]": ...
    @overload
    def __truediv__(self, other: Active[Any]) -> "Stream[Any]": ...
    @overload
    def __truediv__(self: Active[TrueDiv[U, R]], other: U) -> "Stream[R]": ...
    @overload
    def __truediv__(self: Active[U], other: ReflectedTrueDiv[U, R]) -> "Stream[R]": ...
    @overload
    def __truediv__(self, other: object) -> "Stream[Any]": ...
    def __truediv__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.truediv)

    @overload
    def __rtruediv__(self: Active[ReflectedTrueDiv[U, R]], other: U) -> "Stream[R]": ...
    @overload
    def __rtruediv__(self: Active[U], other: TrueDiv[U, R]) -> "Stream[R]": ...  # type: ignore[misc]  # see the top
    @overload
    def __rtruediv__(self, other: object) -> "Stream[Any]": ...
    def __rtruediv__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.truediv)

    @overload
    def __floordiv__(self: Active[FloorDiv[U, R]], other: Active[U]) -> "Stream[R]": ...
    @overload
    def __floordiv__(self: Active[U], other: Active[ReflectedFloorDiv[U, R]]) -> "Stream[R]": ...
    @overload
    def __floordiv__(self, other: Active[Any]) -> "Stream[Any]": ...
    @overload
    def __floordiv__(self: Active[FloorDiv[U, R]], other: U) -> "Stream[R]": ...
    @overload
    def __floordiv__(self: Active[U], other: ReflectedFloorDiv[U, R]) -> "Stream[R]": ...
    @overload
    def __floordiv__(self, other: object) -> "Stream[Any]": ...
    def __floordiv__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.floordiv)

    @overload
    def __rfloordiv__(self: Active[ReflectedFloorDiv[U, R]], other: U) -> "Stream[R]": ...
    @overload
    def __rfloordiv__(self: Active[U], other: FloorDiv[U, R]) -> "Stream[R]": ...  # type: ignore[misc]  # see the top
    @overload
    def __rfloordiv__(self, other: object) -> "Stream[Any]": ...
    def __rfloordiv__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.floordiv)

    @overload
    def __mod__(self: Active[Mod[U, R]], other: Active[U]) -> "Stream[R]": ...
    @overload
    def __mod__(self: Active[U], other: Active[ReflectedMod[U, R]]) -> "Stream[R]": ...
    @overload
    def __mod__(self, other: Active[Any]) -> "Stream[Any]": ...
    @overload
    def __mod__(self: Active[Mod[U, R]], other: U) -> "Stream[R]": ...
    @overload
    def __mod__(self: Active[U], other: ReflectedMod[U, R]) -> "Stream[R]": ...
    @overload
    def __mod__(self, other: object) -> "Stream[Any]": ...
    def __mod__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.mod)

    @overload
    def __rmod__(self: Active[ReflectedMod[U, R]], other: U) -> "Stream[R]": ...
    @overload
    def __rmod__(self: Active[U], other: Mod[U, R]) -> "Stream[R]": ...  # type: ignore[misc]  # see the top
    @overload
    def __rmod__(self, other: object) -> "Stream[Any]": ...
    def __rmod__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.mod)

    # A power of integers is an integer or, if the exponent is negative, a float; one of floats may
    # be complex. So the types are those of Python's stubs: known for some exponents alone.
    @overload
    def __pow__(self: Active[int], other: NotNegative) -> "Stream[int]": ...  # pyright: ignore[reportOverlappingOverload]  # an int is a float as well
    @overload
    def __pow__(self: Active[int], other: int | Active[int]) -> "Stream[Any]": ...
    @overload
    def __pow__(self: Active[float], other: int | Active[int]) -> "Stream[float]": ...
    @overload
    def __pow__(self: Active[float], other: float | Active[float]) -> "Stream[Any]": ...
    @overload
    def __pow__(self: Active[Pow[U, R]], other: Active[U]) -> "Stream[R]": ...
    @overload
    def __pow__(self, other: Active[Any]) -> "Stream[Any]": ...
    @overload
    def __pow__(self: Active[Pow[U, R]], other: U) -> "Stream[R]": ...
    @overload
    def __pow__(self, other: object) -> "Stream[Any]": ...
    def __pow__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.pow)

    @overload
    def __rpow__(self: Active[float], other: float) -> "Stream[Any]": ...
    @overload
    def __rpow__(self: Active[U], other: Pow[U, R]) -> "Stream[R]": ...  # type: ignore[misc]  # see the top
    @overload
    def __rpow__(self, other: object) -> "Stream[Any]": ...
    def __rpow__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.pow)

    def __divmod__(self, other: object) -> "Stream[Any]":
        return self._binary(other, divmod)

    def __rdivmod__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, divmod)

    def __lshift__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.lshift)

    def __rlshift__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.lshift)

    def __rshift__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.rshift)

    def __rrshift__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.rshift)

    def __xor__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.xor)

    def __rxor__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.xor)

    def __matmul__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.matmul)

    def __rmatmul__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.matmul)

    def __lt__(self, other: object) -> "Stream[bool]":
        return self._binary(other, operator.lt)

    def __le__(self, other: object) -> "Stream[bool]":
        return self._binary(other, operator.le)

    def __gt__(self, other: object) -> "Stream[bool]":
        return self._binary(other, operator.gt)

    def __ge__(self, other: object) -> "Stream[bool]":
        return self._binary(other, operator.ge)

    def __eq__(self, other: object) -> "Stream[bool]":  # type: ignore[override]  # as numpy does
        return self._binary(other, operator.eq)

    def __ne__(self, other: object) -> "Stream[bool]":  # type: ignore[override]  # as numpy does
        return self._binary(other, operator.ne)

    def __and__(self, other: object) -> "Stream[bool]":
        return self._binary(other, operator.and_)

    def __rand__(self, other: object) -> "Stream[bool]":
        return self._reflected(other, operator.and_)

    def __or__(self, other: object) -> "Stream[bool]":
        return self._binary(other, operator.or_)

    def __ror__(self, other: object) -> "Stream[bool]":
        return self._reflected(other, operator.or_)

    def __invert__(self) -> "Stream[bool]":
        return self._stream(arithmetic.Unary(self, operator.not_))

    def __neg__(self) -> "Stream[T]":
        return self._stream(arithmetic.Unary(self, operator.neg))

    def __pos__(self) -> "Stream[T]":
        return self._stream(arithmetic.Unary(self, operator.pos))

    def __abs__(self) -> "Stream[T]":
        return self._stream(arithmetic.Unary(self, operator.abs))

    def field(self, name: str) -> "Stream[Any]":
        """Tick with an attribute of each value, by its name.

        ::

            self            Quote(bid=1, ask=3)    Quote(bid=2, ask=3)
            field("bid")    1                      2
        """
        if not isinstance(name, str):
            raise InvalidTypeError(f"the name of a field must be text, not {name!r}")
        return self._stream(arithmetic.Field(self, name))

    def __getitem__(self, key: object) -> "Stream[Any]":
        """Tick with ``value[key]``; the key may be a stream."""
        return self._binary(key, operator.getitem)
