"""The methods of `Stream` for figures of all values so far, or of a window."""

from typing import TYPE_CHECKING, TypeVar

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

    def count(self) -> "Stream[int]":
        """Tick with the number of values so far, this one included."""
        return self._stream(running.Count(self))

    def sum(self) -> "Stream[T]":
        """Tick with the sum of the values so far."""
        return self._stream(running.Sum(self))

    def mean(self: "RunningOperators[int] | RunningOperators[float]") -> "Stream[float]":
        """Tick with the arithmetic mean of the values so far."""
        return self._stream(running.Mean(self))

    def min(self) -> "Stream[T]":
        """Tick with the least value so far."""
        return self._stream(running.Min(self))

    def max(self) -> "Stream[T]":
        """Tick with the greatest value so far."""
        return self._stream(running.Max(self))

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
