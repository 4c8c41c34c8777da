"""The methods of `Stream` for figures of all values so far, or of a window."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from graphcore.node import Active
from graphcore.operators import running
from graphcore.stream.families.base import StreamBase
from graphcore.time import Duration
from graphcore.windows import Ewm, Rolling

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")


class RunningOperators(StreamBase[T]):
    """Running figures and windows."""

    __slots__ = ()

    def count(self, reset: Active[object] | None = None) -> "Stream[int]":
        """Tick with the number of values so far, this one included.

        ::

            time            1s  2s  3s  4s
            self            a   b   c   d
            r                       x
            count()         1   2   3   4
            count(reset=r)  1   2   1   2

        Args:
            reset: when it ticks, the figure starts again; a value in that cycle is the first of the
                new stretch. The other running figures take it as well.
        """
        if reset is None:
            return self._stream(running.Count(self))
        return self._since(reset, lambda value: 1, lambda count, value: count + 1)

    def sum(self, reset: Active[object] | None = None) -> "Stream[T]":
        """Tick with the sum of the values so far, or since `reset` ticked.

        ::

            self     1  2  3
            sum()    1  3  6
        """
        if reset is None:
            return self._stream(running.Sum(self))
        return self._since(reset, lambda value: 0 + value, lambda total, value: total + value)

    def mean(
        self: "RunningOperators[int] | RunningOperators[float]",
        reset: Active[object] | None = None,
    ) -> "Stream[float]":
        """Tick with the arithmetic mean of the values so far, or since `reset` ticked.

        ::

            self      1    2    6
            mean()    1.0  1.5  3.0
        """
        if reset is None:
            return self._stream(running.Mean(self))
        return self.sum(reset) / self.count(reset)

    def min(self, reset: Active[object] | None = None) -> "Stream[T]":
        """Tick with the least value so far, or since `reset` ticked.

        ::

            self     3  1  2
            min()    3  1  1
        """
        if reset is None:
            return self._stream(running.Min(self))
        return self._since(
            reset, lambda value: value, lambda least, value: value if value < least else least
        )

    def max(self, reset: Active[object] | None = None) -> "Stream[T]":
        """Tick with the greatest value so far, or since `reset` ticked.

        ::

            self     1  3  2
            max()    1  3  3
        """
        if reset is None:
            return self._stream(running.Max(self))
        return self._since(
            reset, lambda value: value, lambda most, value: value if value > most else most
        )

    def product(self, reset: Active[object] | None = None) -> "Stream[T]":
        """Tick with the product of the values so far, or since `reset` ticked.

        ::

            self         2  3  4
            product()    2  6  24
        """
        if reset is None:
            return self._stream(running.Product(self))
        return self._since(reset, lambda value: 1 * value, lambda product, value: product * value)

    def _since(
        self,
        reset: Active[object],
        first: Callable[[Any], Any],
        further: Callable[[Any, Any], Any],
    ) -> "Stream[Any]":
        return self._stream(running.Since(self, reset, first, further))

    def rolling(
        self: "RunningOperators[int] | RunningOperators[float]", window: int | Duration
    ) -> "Rolling[Stream[float]]":
        """Return a sliding window: `.sum()`, `.mean()` and `.std()` are streams over it.

        Args:
            window: an `int` is a number of values; text or a `timedelta` is a time span,
                (t - window, t].
        """
        return Rolling(self.node, window, self._stream)

    def ewm(
        self: "RunningOperators[int] | RunningOperators[float]",
        *,
        span: float | None = None,
        alpha: float | None = None,
    ) -> "Ewm[Stream[float]]":
        """Return exponential weights; `.mean()` is a stream over them.

        Args:
            span: at least 1; alpha is 2 / (span + 1).
            alpha: the weight of the newest value, above 0 and at most 1.
        """
        return Ewm(self.node, span, alpha, self._stream)
