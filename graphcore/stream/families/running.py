"""The methods of `Stream` for figures of all values so far, or of a window."""

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from graphcore.node import Active, Passive, node_of
from graphcore.operators import running
from graphcore.stream.ewm import Ewm, weights_of
from graphcore.stream.families.base import StreamBase
from graphcore.stream.windows import (
    Closed,
    Expanding,
    Extent,
    OnReset,
    Rolling,
    extent_of,
    periods_of,
)
from graphcore.time import Duration

if TYPE_CHECKING:
    import numpy as np

    from graphcore.stream.stream import Stream

T = TypeVar("T")


class RunningOperators(StreamBase[T]):
    """Running figures and windows."""

    __slots__ = ()

    def count(self, reset: Active[object] | None = None) -> "Stream[int]":
        """Tick with the number of values so far, this one included; NaN does not count.

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
        return self._running(running.Count, reset)

    def sum(self, reset: Active[object] | None = None) -> "Stream[T]":
        """Tick with the sum of the values so far, or since `reset` ticked.

        NaN is a missing value, for the other running figures as well: a figure leaves it out. It
        ticks first with the first known value, and after a reset it is NaN until one is known.

        ::

            self     1  2  3
            sum()    1  3  6
        """
        return self._running(running.Sum, reset)

    def mean(
        self: "RunningOperators[int] | RunningOperators[float]",
        reset: Active[object] | None = None,
    ) -> "Stream[float]":
        """Tick with the arithmetic mean of the values so far, or since `reset` ticked.

        ::

            self      1    2    6
            mean()    1.0  1.5  3.0
        """
        return self._running(running.Mean, reset)

    def var(
        self: "RunningOperators[int] | RunningOperators[float]",
        reset: Active[object] | None = None,
        *,
        ddof: int = 1,
    ) -> "Stream[float]":
        """Tick with the variance of the values so far, or since `reset` ticked.

        It is the figure of `expanding()`, and ticks first with the second value.

        ::

            self     1    2    6
            var()         0.5  7.0

        Args:
            reset: when it ticks, the figure starts again.
            ddof: what is subtracted from the number of values in the denominator.
        """
        return self.expanding(reset=reset).var(ddof=ddof)

    def std(
        self: "RunningOperators[int] | RunningOperators[float]",
        reset: Active[object] | None = None,
        *,
        ddof: int = 1,
    ) -> "Stream[float]":
        """Tick with the standard deviation of the values so far, or since `reset` ticked.

        It is the figure of `expanding()`, and ticks first with the second value.

        ::

            self           1    3    5
            std(ddof=0)    0.0  1.0  1.632993161855452

        Args:
            reset: when it ticks, the figure starts again.
            ddof: what is subtracted from the number of values in the denominator.
        """
        return self.expanding(reset=reset).std(ddof=ddof)

    def min(self, reset: Active[object] | None = None) -> "Stream[T]":
        """Tick with the least value so far, or since `reset` ticked.

        ::

            self     3  1  2
            min()    3  1  1
        """
        return self._running(running.Min, reset)

    def max(self, reset: Active[object] | None = None) -> "Stream[T]":
        """Tick with the greatest value so far, or since `reset` ticked.

        ::

            self     1  3  2
            max()    1  3  3
        """
        return self._running(running.Max, reset)

    def product(self, reset: Active[object] | None = None) -> "Stream[T]":
        """Tick with the product of the values so far, or since `reset` ticked.

        ::

            self         2  3  4
            product()    2  6  24
        """
        return self._running(running.Product, reset)

    def _running(
        self, figure: type[running.Figure | running.Count], reset: Active[object] | None
    ) -> "Stream[Any]":
        resets: list[Active[object]] = [] if reset is None else [node_of(reset, "reset")]
        return self._stream(figure(self, resets))

    @overload
    def rolling(
        self: "RunningOperators[int] | RunningOperators[float]",
        window: int | Duration,
        *,
        min_periods: int | None = None,
        closed: Closed = "right",
        on: Active[object] | None = None,
        reset: Active[object] | None = None,
        on_reset: OnReset = "drop",
        weights: Passive[float] | Literal["time"] | None = None,
    ) -> "Rolling[float, int]": ...
    @overload
    def rolling(
        self: "RunningOperators[np.ndarray[Any, Any]]",
        window: int | Duration,
        *,
        min_periods: int | None = None,
        closed: Closed = "right",
        on: Active[object] | None = None,
        reset: Active[object] | None = None,
        on_reset: OnReset = "drop",
        weights: "Passive[np.ndarray[Any, Any] | float] | Literal['time'] | None" = None,
    ) -> "Rolling[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.int64]]]": ...
    def rolling(
        self: "RunningOperators[Any]",
        window: int | Duration,
        *,
        min_periods: int | None = None,
        closed: Closed = "right",
        on: Active[object] | None = None,
        reset: Active[object] | None = None,
        on_reset: OnReset = "drop",
        weights: Passive[Any] | Literal["time"] | None = None,
    ) -> "Rolling[Any, Any]":
        """Return a sliding window; each of its methods, such as `.mean()`, is a stream over it.

        ::

            time                                    0s   1s  2s  3s  4s
            self                                         1   2
            rolling(2).sum()                                 3
            rolling("2s").sum()                          1   3
            ticker("1s")                            *    *   *   *   *
            rolling("2s", on=ticker("1s")).sum()         1   3   2   0

        Args:
            window: an `int` is a number of values; text or a `timedelta` is a time span,
                (t - window, t].
            min_periods: with fewer values a figure does not tick, and once it has ticked it is NaN;
                by default the number of values of the window, and 1 for a time span.
            closed: which ends of the window belong to it. Without the right one, a value counts
                only after the instant in which it came.
            on: when it ticks, the figure is computed, and old values leave the window; by default
                the figure is computed for each value.
            reset: when it ticks, the window is emptied; a value in that cycle is the first of the
                new one.
            on_reset: ``"emit"`` ticks the figure before a reset empties the window.
            weights: each value counts as often as the present value of this stream says, for the
                sum, mean, var, std, sem, cov and corr. A value without a weight, or with NaN, is
                missing. ``"time"``: each value counts for as long as it held, in ns, the last one
                up to now, and the one in force at the window's begin from there on.

        Raises:
            InvalidTypeError: if an argument has another type.
            InvalidValueError: if the window is empty, or can never hold `min_periods` values.
        """
        extent = extent_of(window, min_periods, closed)
        return Rolling(self.node, extent, on, reset, on_reset, weights, self._stream)

    @overload
    def expanding(
        self: "RunningOperators[int] | RunningOperators[float]",
        min_periods: int = 1,
        *,
        on: Active[object] | None = None,
        reset: Active[object] | None = None,
        on_reset: OnReset = "drop",
        weights: Passive[float] | Literal["time"] | None = None,
    ) -> "Expanding[float, int]": ...
    @overload
    def expanding(
        self: "RunningOperators[np.ndarray[Any, Any]]",
        min_periods: int = 1,
        *,
        on: Active[object] | None = None,
        reset: Active[object] | None = None,
        on_reset: OnReset = "drop",
        weights: "Passive[np.ndarray[Any, Any] | float] | Literal['time'] | None" = None,
    ) -> (
        "Expanding[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.int64]]]"
    ): ...
    def expanding(
        self: "RunningOperators[Any]",
        min_periods: int = 1,
        *,
        on: Active[object] | None = None,
        reset: Active[object] | None = None,
        on_reset: OnReset = "drop",
        weights: Passive[Any] | Literal["time"] | None = None,
    ) -> "Expanding[Any, Any]":
        """Return a window of all values so far; its methods, as `.mean()`, are streams over it.

        ::

            self                  2    4    6
            expanding().mean()    2.0  3.0  4.0

        Args:
            min_periods: with fewer values a figure does not tick, and after a reset it is NaN.
            on: when it ticks, the figure is computed; by default for each value.
            reset: when it ticks, the window is emptied; a value in that cycle is the first of the
                new one.
            on_reset: ``"emit"`` ticks the figure before a reset empties the window.
            weights: each value counts as often as the present value of this stream says, for the
                sum, mean, var, std, sem, cov and corr. A value without a weight, or with NaN, is
                missing. ``"time"``: each value counts for as long as it held, in ns, the last one
                up to now, and the one in force at the window's begin from there on.
        """
        minimum = periods_of(min_periods)
        minimum = None if minimum == 1 else minimum
        extent = Extent(False, False, False, 0, 0, True, minimum, 1)
        return Expanding(self.node, extent, on, reset, on_reset, weights, self._stream)

    @overload
    def ewm(
        self: "RunningOperators[int] | RunningOperators[float]",
        *,
        span: float | None = None,
        alpha: float | None = None,
        com: float | None = None,
        halflife: float | Duration | None = None,
        adjust: bool = True,
        ignore_na: bool = False,
        min_periods: int = 0,
        on: Active[object] | None = None,
        reset: Active[object] | None = None,
    ) -> "Ewm[float, int]": ...
    @overload
    def ewm(
        self: "RunningOperators[np.ndarray[Any, Any]]",
        *,
        span: float | None = None,
        alpha: float | None = None,
        com: float | None = None,
        halflife: float | Duration | None = None,
        adjust: bool = True,
        ignore_na: bool = False,
        min_periods: int = 0,
        on: Active[object] | None = None,
        reset: Active[object] | None = None,
    ) -> "Ewm[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.int64]]]": ...
    def ewm(
        self: "RunningOperators[Any]",
        *,
        span: float | None = None,
        alpha: float | None = None,
        com: float | None = None,
        halflife: float | Duration | None = None,
        adjust: bool = True,
        ignore_na: bool = False,
        min_periods: int = 0,
        on: Active[object] | None = None,
        reset: Active[object] | None = None,
    ) -> "Ewm[Any, Any]":
        """Return exponential weights; its methods, such as `.mean()`, are streams over them.

        ::

            self                     4    2
            ewm(alpha=0.5).mean()    4.0  2.6666666666666665

        Args:
            span: at least 1; alpha is 2 / (span + 1).
            alpha: the weight of the newest value, above 0 and at most 1.
            com: the centre of mass, at least 0; alpha is 1 / (1 + com).
            halflife: after so many values, or after such a time (text or `timedelta`) by engine
                time, a weight has halved.
            adjust: whether weights are relative to those of all values so far; otherwise the newest
                has alpha, and all others 1 - alpha together.
            ignore_na: whether a missing value leaves the weights of the others as they are.
            min_periods: with fewer values a figure does not tick.
            on: when it ticks, the figure is computed; by default for each value.
            reset: when it ticks, all values so far are forgotten; a value in that cycle is the
                first of the new ones.
        """
        weights = weights_of(span, alpha, com, halflife, adjust, ignore_na)
        return Ewm(self.node, weights, min_periods, on, reset, self._stream)
