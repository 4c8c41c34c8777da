"""The methods of `Stream` that take further streams; all but `merge` wait for all values (R5)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from graphcore.errors import InvalidTypeError
from graphcore.node import Active, Passive
from graphcore.operators import several
from graphcore.stream.families.arguments import function_of, several_of
from graphcore.stream.families.base import StreamBase

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")


class SeveralOperators(StreamBase[T]):
    """Operators on several streams."""

    __slots__ = ()

    @overload
    def join(self, other: Active[V], /, function: Callable[[T, V], U]) -> "Stream[U]": ...
    @overload
    def join(self, /, *others: Active[Any], function: Callable[..., U]) -> "Stream[U]": ...
    def join(self, /, *others: Any, function: Any = None) -> "Stream[Any]":
        """Tick with ``function(value, *other values)`` when any of the streams ticks.

        Args:
            others: the streams to join; the function may follow them as the last argument.
            function: called with the present value of each stream, this stream's first.
        """
        if function is None:
            if not others:
                raise InvalidTypeError("join needs a stream and a function")
            *streams, function = others
        else:
            streams = list(others)
        function = function_of(function)
        return self._stream(several.Join([self, *several_of(streams, "join")], function))

    def with_latest(self, *others: Passive[Any]) -> "Stream[tuple[Any, ...]]":
        """Tick with (value, present value of each of the others) when this stream ticks."""
        return self._stream(several.WithLatest(self, several_of(others, "with_latest")))

    def merge(self, *others: Active[T]) -> "Stream[T]":
        """Tick with the value of the stream that ticks; of several, the first one listed."""
        return self._stream(several.Merge([self, *several_of(others, "merge")]))

    def combine(self, *others: Active[Any]) -> "Stream[tuple[Any, ...]]":
        """Tick with the tuple of all present values when any stream ticks."""
        return self._stream(several.Combine([self, *several_of(others, "combine")]))
