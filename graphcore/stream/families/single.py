"""The methods of `Stream` that handle one stream, value by value."""

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from graphcore.operators import single
from graphcore.stream.families.arguments import function_of, whole
from graphcore.stream.families.base import StreamBase

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
U = TypeVar("U")


class SingleOperators(StreamBase[T]):
    """Operators on one stream."""

    __slots__ = ()

    def map(self, function: Callable[[T], U]) -> "Stream[U]":
        """Tick with ``function(value)``."""
        return self._stream(single.Map(self, function_of(function)))

    def filter(self, predicate: Callable[[T], object]) -> "Stream[T]":
        """Tick with each value for which the predicate is true."""
        return self._stream(single.Filter(self, function_of(predicate), True))

    def filter_map(self, function: Callable[[T], U | None]) -> "Stream[U]":
        """Tick with ``function(value)`` where that is not `None`."""
        return self._stream(single.FilterMap(self, function_of(function)))

    def split(self, predicate: Callable[[T], object]) -> "tuple[Stream[T], Stream[T]]":
        """Return two streams: the values for which the predicate is true, and all others."""
        function = function_of(predicate)
        judged = single.Map(self, lambda value: (bool(function(value)), value))
        sides = [
            self._stream(single.Map(single.Filter(judged, operator.itemgetter(0), wanted), _second))
            for wanted in (True, False)
        ]
        return sides[0], sides[1]

    def scan(self, function: Callable[[U, T], U], initial: U) -> "Stream[U]":
        """Tick with ``result = function(result, value)``; the first `result` is `initial`.

        Every run uses the same `initial`, so `function` should not change that object.
        """
        return self._stream(single.Scan(self, function_of(function), initial))

    def reduce(self, function: Callable[[T, T], T]) -> "Stream[T]":
        """Tick with the first value, then with ``result = function(result, value)``."""
        return self._stream(single.Reduce(self, function_of(function)))

    def enumerate(self, first: int = 0) -> "Stream[tuple[int, T]]":
        """Tick with (number, value); the numbers count up from `first`."""
        return self._stream(single.Enumerate(self, whole(first, "first")))

    def with_time(self) -> "Stream[tuple[int, T]]":
        """Tick with (engine time in ns, value)."""
        return self._stream(single.WithTime(self))

    def pairwise(self) -> "Stream[tuple[T, T]]":
        """Tick with (previous value, value), from the second value on."""
        return self._stream(single.Pairwise(self))

    def difference(self) -> "Stream[T]":
        """Tick with the value minus the previous one, from the second value on."""
        return self._stream(single.Difference(self))

    def distinct(self) -> "Stream[T]":
        """Tick with the first value and with each value that differs from the one before it."""
        return self._stream(single.Distinct(self))


_second = operator.itemgetter(1)
