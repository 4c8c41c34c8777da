"""The operators of Python on streams: arithmetic, comparisons, boolean operators, items.

They tick when either side does. The type of the result depends on the operator's method of the
values, so annotations cannot tell it.
"""

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from graphcore.errors import InvalidTypeError
from graphcore.handle import Handle
from graphcore.node import MutableNode, node_of
from graphcore.operators import arithmetic
from graphcore.stream.families.base import StreamBase

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")


class ArithmeticOperators(StreamBase[T]):
    """Operators of Python, fields and items."""

    __slots__ = ()

    __hash__ = object.__hash__  # `__eq__` makes a stream
    # Without this, `array + stream` would make an array of streams, one for each item.
    __array_ufunc__ = None

    def _binary(self, other: object, function: Callable[[Any, Any], Any]) -> "Stream[Any]":
        if isinstance(other, Handle | MutableNode):
            return self._stream(arithmetic.Binary(self, node_of(other), function))
        return self._stream(arithmetic.BinaryRight(self, other, function))

    def _reflected(self, other: object, function: Callable[[Any, Any], Any]) -> "Stream[Any]":
        if isinstance(other, Handle | MutableNode):
            return self._stream(arithmetic.Binary(node_of(other), self, function))
        return self._stream(arithmetic.BinaryLeft(other, self, function))

    def __add__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.add)

    def __radd__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.add)

    def __sub__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.sub)

    def __rsub__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.sub)

    def __mul__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.mul)

    def __rmul__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.mul)

    def __truediv__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.truediv)

    def __rtruediv__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.truediv)

    def __floordiv__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.floordiv)

    def __rfloordiv__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.floordiv)

    def __mod__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.mod)

    def __rmod__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.mod)

    def __pow__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.pow)

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
