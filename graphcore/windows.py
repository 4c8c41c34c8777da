"""The handles that `.rolling(...)` and `.ewm(...)` return; each method is a statistic of pandas."""

from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Generic, SupportsIndex, TypeVar

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.node import Active, MutableNode
from graphcore.operators.ewm import EwmMean
from graphcore.operators.rolling import (
    RollingCount,
    RollingDuration,
    RunningMean,
    RunningStd,
    RunningSum,
    Statistic,
)
from graphcore.time import Duration, to_period

S = TypeVar("S")


class _Window:
    """A window has statistics and no operators: says so to code that calls an operator on it."""

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            kind = type(self).__name__.lower()
            statistics = [each for each in vars(type(self)) if not each.startswith("_")]
            raise AttributeError(
                f"{kind}(...) has no {name}: call a statistic on it first, "
                f"{' or '.join(f'.{each}()' for each in statistics)}",
                name=name,
                obj=self,
            )


class Rolling(_Window, Generic[S]):
    """A sliding window over a stream: the last n values, or those of the time (t - d, t].

    A statistic ticks first where pandas gives a number and not NaN: at the n-th value for a window
    of n values, at the first value (the second for `std`) for a duration.
    """

    def __init__(
        self,
        source: Active[float],
        window: int | Duration,
        make_stream: Callable[[MutableNode[float]], S],
    ) -> None:
        if isinstance(window, SupportsIndex) and not isinstance(window, bool):
            self._length, self._counts = window.__index__(), True
            if self._length < 1:
                raise InvalidValueError(f"a window holds at least 1 value, not {window}")
        else:
            self._length, self._counts = to_period(window), False
        self._source = source
        self._make_stream = make_stream

    def sum(self) -> S:
        """Return the sum of the values in the window."""
        return self._statistic(RunningSum, 1)

    def mean(self) -> S:
        """Return the arithmetic mean of the values in the window."""
        return self._statistic(RunningMean, 1)

    def std(self) -> S:
        """Return the sample standard deviation (n - 1 in the denominator)."""
        return self._statistic(RunningStd, 2)

    def _statistic(self, make: Callable[[], Statistic], least: int) -> S:
        if self._counts:
            minimum = max(self._length, least)
            return self._make_stream(RollingCount(self._source, self._length, minimum, make))
        return self._make_stream(RollingDuration(self._source, self._length, least, make))


class Ewm(_Window, Generic[S]):
    """Exponential weights over a stream, like pandas' `ewm(adjust=True)`.

    Its statistic ticks with every value.
    """

    def __init__(
        self,
        source: Active[float],
        span: float | None,
        alpha: float | None,
        make_stream: Callable[[MutableNode[float]], S],
    ) -> None:
        if (span is None) == (alpha is None):
            raise InvalidValueError(f"ewm takes either span or alpha, not {span=}, {alpha=}")
        for name, number in (("span", span), ("alpha", alpha)):
            if isinstance(number, bool) or not isinstance(number, Real | None):
                raise InvalidTypeError(f"{name} must be a number, not {number!r}")
        if span is not None and not span >= 1:
            raise InvalidValueError(f"span must be at least 1, not {span}")
        if alpha is not None and not 0 < alpha <= 1:
            raise InvalidValueError(f"alpha must be above 0 and at most 1, not {alpha}")
        # pandas computes alpha from the centre of mass; this way the rounding is the same.
        centre = (span - 1.0) / 2.0 if span is not None else (1.0 - (alpha or 0)) / (alpha or 1)
        self._alpha = 1.0 / (1.0 + centre)
        self._source = source
        self._make_stream = make_stream

    def mean(self) -> S:
        """Return the weighted mean of all values so far."""
        return self._make_stream(EwmMean(self._source, self._alpha))
