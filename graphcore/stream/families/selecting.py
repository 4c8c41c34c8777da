"""The methods of `Stream` that choose by the values themselves which of them pass."""

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from graphcore.errors import InvalidTypeError
from graphcore.node import Passive
from graphcore.operators import selecting
from graphcore.stream.families.arguments import amount, function_of, key_of, whole
from graphcore.stream.families.base import StreamBase

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
V = TypeVar("V")


class SelectingOperators(StreamBase[T]):
    """Operators that let some values pass."""

    __slots__ = ()

    def distinct(self) -> "Stream[T]":
        """Tick with the first value and with each value that differs from the one before it.

        NaN equals NaN.

        ::

            self          1  1  2  nan  nan  1
            distinct()    1     2  nan       1
        """
        return self._stream(selecting.Distinct(self))

    @overload
    def drop_small_change(self, by: float) -> "Stream[T]": ...
    @overload
    def drop_small_change(self, *, relative: float) -> "Stream[T]": ...
    def drop_small_change(
        self, by: float | None = None, *, relative: float | None = None
    ) -> "Stream[T]":
        """Tick with the first value, then with each that is far from the last ticked one.

        NaN equals NaN; a change from NaN to a number, or from an infinite value, is never small.

        ::

            self                    1.0  1.1  1.3  1.2  2.0
            drop_small_change(0.2)  1.0       1.3       2.0

        Args:
            by: the value ticks if it differs from the last ticked one by more than this.
            relative: the same, as a part of the last ticked value: 0.01 is one percent.

        Raises:
            InvalidTypeError: unless exactly one of them is given, a number.
            InvalidValueError: if it is negative, infinite or NaN.
        """
        if (by is None) == (relative is None):
            raise InvalidTypeError("drop_small_change takes by or relative, one of them")
        node = selecting.DropSmallChange(
            self,
            0 if by is None else amount(by, "by"),
            0 if relative is None else amount(relative, "relative"),
        )
        return self._stream(node)

    def unique(self, key: Callable[[T], Hashable] | None = None, *, last: int) -> "Stream[T]":
        """Tick with the values whose key is not among the last different keys.

        It drops messages that come twice. A key that comes again counts as the newest.

        ::

            self              a  b  a  c  b
            unique(last=2)    a  b     c  b

        Args:
            key: returns the key of a value, which must be hashable; by default the value itself.
                NaN equals NaN.
            last: how many keys are remembered, at least 1.
        """
        function = _itself if key is None else key_of(key)
        return self._stream(selecting.Unique(self, function, whole(last, "last", 1)))

    @overload
    def dropna(self: "SelectingOperators[V | None]") -> "Stream[V]": ...
    @overload
    def dropna(self: "SelectingOperators[V]") -> "Stream[V]": ...
    def dropna(self) -> "Stream[Any]":
        """Tick with the values that are neither NaN nor None.

        ::

            self        1  nan  None  2
            dropna()    1             2
        """
        return self._stream(selecting.Dropna(self))

    def step_by(self, step: int) -> "Stream[T]":
        """Tick with the first value and with each `step`-th after it.

        ::

            self          a  b  c  d  e
            step_by(2)    a     c     e
        """
        return self._stream(selecting.StepBy(self, whole(step, "step", 1)))

    def take_while(self, predicate: Callable[[T], object]) -> "Stream[T]":
        """Tick until the predicate is false for a value, and never again.

        ::

            self                           1  2  3  1
            take_while(lambda n: n < 3)    1  2
        """
        return self._stream(selecting.TakeWhile(self, function_of(predicate)))

    def skip_while(self, predicate: Callable[[T], object]) -> "Stream[T]":
        """Tick with the first value for which the predicate is false, and with all later ones.

        ::

            self                           1  2  3  1
            skip_while(lambda n: n < 3)          3  1
        """
        return self._stream(selecting.SkipWhile(self, function_of(predicate)))

    def take_until(self, other: Passive[Any]) -> "Stream[T]":
        """Tick in the cycles before the one in which the other stream first ticks.

        ::

            self                 1  2  3  4
            other                      x
            take_until(other)    1  2
        """
        return self._stream(selecting.TakeUntil(self, other))

    def skip_until(self, other: Passive[Any]) -> "Stream[T]":
        """Tick from the cycle on in which the other stream first ticks.

        ::

            self                 1  2  3  4
            other                      x
            skip_until(other)          3  4
        """
        return self._stream(selecting.SkipUntil(self, other))


def _itself(value: V) -> V:
    return value
