"""The methods of `Stream` that tick once, when the run ends (R14)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from graphcore.operators import ending
from graphcore.stream.families.arguments import function_of
from graphcore.stream.families.base import StreamBase

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
U = TypeVar("U")


class EndingOperators(StreamBase[T]):
    """Operators that tick at the end of the run."""

    __slots__ = ()

    def fold(self, function: Callable[[U, T], U], initial: U) -> "Stream[U]":
        """Tick once, when the run ends, with the last ``result = function(result, value)``.

        The first `result` is `initial`, and what ticks if no value came. Every run uses the same
        `initial`, so `function` should not change that object.

        ::

            self                              1  2  3  the end
            fold(lambda r, n: r + n, 0)                6
        """
        return self._stream(ending.Fold(self, function_of(function), initial))

    def final(self) -> "Stream[T]":
        """Tick once, when the run ends, with the last value; never if none came.

        ::

            self       a  b  c  the end
            final()             c
        """
        return self._stream(ending.Final(self))
