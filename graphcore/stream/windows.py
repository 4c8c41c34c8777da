"""The handles that `.rolling(...)` and `.expanding(...)` return; each method is a statistic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Protocol,
    SupportsIndex,
    TypeVar,
    overload,
)

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.node import Active, MutableNode, Passive, node_of
from graphcore.operators.statistics import extremes, joint, moments, order, whole
from graphcore.operators.statistics.twinned import Twinned
from graphcore.operators.statistics.window import Window
from graphcore.stream.families.arguments import function_of
from graphcore.stream.families.arguments import whole as whole_number
from graphcore.tables.libraries import tables_module
from graphcore.time import Duration, to_period

if TYPE_CHECKING:
    import numpy as np

    from graphcore.stream.stream import Stream

T = TypeVar("T")
U = TypeVar("U")
F = TypeVar("F")  # a figure: a float, or an array of floats
At = TypeVar("At")  # a time: an int, or an array of ints
N = TypeVar("N", bound=Twinned)

Closed = Literal["right", "left", "both", "neither"]
OnReset = Literal["drop", "emit"]


class MakeStream(Protocol):
    """Makes the stream of a node."""

    def __call__(self, node: MutableNode[U]) -> "Stream[U]":
        """Return the stream."""


class Handle:
    """A window has statistics and no operators: says so to code that calls an operator on it."""

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            kind = type(self).__name__.lower()
            raise AttributeError(
                f"{kind}(...) has no {name}: call a statistic on it first, such as .mean()",
                name=name,
                obj=self,
            )


@dataclass(eq=False, slots=True)
class TwinOf:
    """Makes the twin of a statistic's node once its values turn out to be vectors."""

    cls: type[Twinned]
    parameters: dict[str, Any]

    def __call__(self, vector: Any, numbers: int) -> Any:
        """Return the twin, given the first vector and the number of numbers before it."""
        twins = tables_module("graphcore.operators.statistics.vectors.twins")
        return twins.twin_of(self.cls, self.parameters, vector, numbers)


def twinned(
    cls: type[N],
    source: MutableNode[Any],
    on: MutableNode[Any] | None,
    resets: list[Active[object]],
    **parameters: Any,
) -> N:
    """Return a node of a statistic: of numbers, or by its twin of vectors."""
    return cls(
        source=source,
        trigger=source if on is None else on,
        resets=resets,
        twin_for=TwinOf(cls, parameters),
        **parameters,
    )


@dataclass(frozen=True)
class Extent:
    """Which values a window holds, as `Window` is told.

    Attributes:
        minimum: `min_periods`; `None` is the default, `usual`.
        usual: the default of `min_periods`.
    """

    keeps: bool
    by_count: bool
    by_time: bool
    length: int
    span: int
    includes_present: bool
    minimum: int | None
    usual: int
    closed: Closed = "right"


def extent_of(window: int | Duration, min_periods: int | None, closed: Closed) -> Extent:
    """Return the extent of a rolling window.

    Raises:
        InvalidTypeError: if an argument has another type.
        InvalidValueError: if the window is empty, or can never hold `min_periods` values.
    """
    if closed not in ("right", "left", "both", "neither"):
        raise InvalidValueError(
            f'closed must be "right", "left", "both" or "neither", not {closed!r}'
        )
    includes_present = closed in ("right", "both")
    # First the usual type: `isinstance` with a protocol takes longer than the rest.
    if type(window) is int or (isinstance(window, SupportsIndex) and not isinstance(window, bool)):
        length = window.__index__()
        if length < 1:
            raise InvalidValueError(f"a window holds at least 1 value, not {window}")
        usual = length
        length += {"both": 1, "neither": -1}.get(closed, 0)
        minimum = periods_of(min_periods)
        if (usual if minimum is None else minimum) > length:
            least = f"min_periods={usual}" if minimum is None else f"min_periods={minimum}"
            raise InvalidValueError(
                f'a window of {window} values with closed="{closed}" holds at most {length}, so '
                f"{least} is never reached"
            )
        return Extent(True, True, False, length, 0, includes_present, minimum, usual, closed)
    try:
        span = to_period(window)
    except InvalidTypeError:
        raise InvalidTypeError(
            f'a window is a whole number of values, or a time span such as "5min", not {window!r}'
        ) from None
    if closed in ("left", "both"):  # [t - d, ... is (t - d - 1 ns, ...
        span += 1
    return Extent(True, False, True, 0, span, includes_present, periods_of(min_periods), 1, closed)


def periods_of(given: int | None) -> int | None:
    """Return `min_periods` as an `int`.

    Raises:
        InvalidTypeError: if it is not a whole number.
        InvalidValueError: if it is negative.
    """
    return None if given is None else whole_number(given, "min_periods", 0)


class Statistics(Handle, Generic[F, At]):
    """The statistics of a window.

    A value that is NaN or infinite is missing: it takes its place among the last n values, and the
    figures leave it out. A figure ticks first when pandas' figure is no longer NaN for want of
    values; later, with too few values, it ticks NaN.
    """

    def __init__(
        self,
        source: MutableNode[Any],
        extent: Extent,
        on: Active[object] | None,
        reset: Active[object] | None,
        on_reset: OnReset,
        weights: Passive[Any] | Literal["time"] | None,
        make_stream: MakeStream,
    ) -> None:
        if on_reset not in ("drop", "emit"):
            raise InvalidValueError(f'on_reset must be "drop" or "emit", not {on_reset!r}')
        if on_reset == "emit" and reset is None:
            raise InvalidValueError(
                'on_reset="emit" needs reset, the stream that empties the window'
            )
        self._source = source
        self._extent = extent
        self._on = None if on is None else node_of(on, "on")
        self._resets: list[Active[object]] = [] if reset is None else [node_of(reset, "reset")]
        self._emits = on_reset == "emit"
        self._weights: list[Passive[Any]] = []
        self._holds = isinstance(weights, str)
        if isinstance(weights, str):
            if weights != "time":
                raise InvalidValueError(f'weights must be a stream or "time", not {weights!r}')
            if extent.closed != "right":
                raise InvalidValueError(
                    f'weights="time" takes closed="right" alone, not {extent.closed!r}: a value '
                    "counts from its own instant on"
                )
        elif weights is not None:
            self._weights = [node_of(weights, "weights")]
        self._make_stream = make_stream

    def count(self) -> "Stream[F]":
        """Return how many values are not missing; `min_periods` counts missing ones, too."""
        return self._figure(whole.Count, 0, sums_nothing=True)

    def sum(self) -> "Stream[F]":
        """Return the sum, correctly rounded; with ``weights="time"``, in units times ns."""
        if self._holds:
            return self._joint(joint.HeldSum, 1, degrees=0)
        if self._weights:
            return self._joint(joint.WeightedSum, 0, sums_nothing=True)
        return self._figure(moments.Sum, 0, sums_nothing=True)

    def mean(self) -> "Stream[F]":
        """Return the arithmetic mean."""
        if self._weighs:
            return self._joint(joint.WeightedMean, 1, degrees=0)
        return self._figure(moments.Mean, 1)

    def var(self, ddof: int = 1) -> "Stream[F]":
        """Return the variance.

        Args:
            ddof: what is subtracted from the number of values in the denominator.
        """
        return self._spread(joint.WeightedVar if self._weighs else moments.Var, ddof)

    def std(self, ddof: int = 1) -> "Stream[F]":
        """Return the standard deviation, the root of the variance."""
        return self._spread(joint.WeightedStd if self._weighs else moments.Std, ddof)

    def sem(self, ddof: int = 1) -> "Stream[F]":
        """Return the standard error of the mean, ``std / sqrt(count)``."""
        return self._spread(joint.WeightedSem if self._weighs else moments.Sem, ddof)

    def zscore(self, ddof: int = 1) -> "Stream[F]":
        """Return ``(newest value - mean) / std``; NaN if the newest is missing or all are equal."""
        return self._spread(moments.ZScore, ddof)

    @overload
    def cov(
        self: "Statistics[float, int]", other: Active[float], ddof: int = 1
    ) -> "Stream[float]": ...
    @overload
    def cov(
        self: "Statistics[np.ndarray[Any, Any], Any]",
        other: "Active[np.ndarray[Any, Any] | float] | None" = None,
        ddof: int = 1,
    ) -> "Stream[np.ndarray[Any, np.dtype[np.float64]]]": ...
    def cov(self: "Statistics[Any, Any]", other: Any = None, ddof: int = 1) -> "Stream[Any]":
        """Return the covariance with another stream, of the cycles in which both tick.

        Of vectors, it is the covariance of each element with the other stream's; without another
        stream it is the matrix of the covariances of all elements. An entry of the matrix is of the
        vectors in which neither element is missing, as in pandas.
        """
        degrees = whole_number(ddof, "ddof", 0)
        if other is None:
            return self._matrix(joint.CovMatrix, degrees + 1, degrees)
        return self._joint(joint.Cov, degrees + 1, other, degrees=degrees)

    @overload
    def corr(self: "Statistics[float, int]", other: Active[float]) -> "Stream[float]": ...
    @overload
    def corr(
        self: "Statistics[np.ndarray[Any, Any], Any]",
        other: "Active[np.ndarray[Any, Any] | float] | None" = None,
    ) -> "Stream[np.ndarray[Any, np.dtype[np.float64]]]": ...
    def corr(self: "Statistics[Any, Any]", other: Any = None) -> "Stream[Any]":
        """Return the correlation with another stream, of the cycles in which both tick.

        Of vectors, it is that of each element, or without another stream the matrix, as for `cov`.
        """
        if other is None:
            return self._matrix(joint.CorrMatrix, 2, 0)
        return self._joint(joint.Corr, 2, other, degrees=0)

    def skew(self) -> "Stream[F]":
        """Return the unbiased skewness of at least 3 values; NaN if all are equal."""
        return self._figure(moments.Skew, 3)

    def kurt(self) -> "Stream[F]":
        """Return the unbiased excess kurtosis of at least 4 values; NaN if all are equal."""
        return self._figure(moments.Kurt, 4)

    def min(self) -> "Stream[F]":
        """Return the least value."""
        return self._figure(extremes.Min, 1)

    def max(self) -> "Stream[F]":
        """Return the greatest value."""
        return self._figure(extremes.Max, 1)

    def idxmin(self) -> "Stream[At]":
        """Return the engine time of the least value in ns, the most recent of equals."""
        return self._figure(extremes.IdxMin, 1, timed=True)

    def idxmax(self) -> "Stream[At]":
        """Return the engine time of the greatest value in ns, the most recent of equals."""
        return self._figure(extremes.IdxMax, 1, timed=True)

    def median(self) -> "Stream[F]":
        """Return the value in the middle, or the mean of the two in the middle."""
        return self._figure(order.Median, 1)

    @overload
    def quantile(self, q: float) -> "Stream[F]": ...
    @overload
    def quantile(self, q: Sequence[float]) -> "Stream[tuple[F, ...]]": ...
    def quantile(self, q: float | Sequence[float]) -> "Stream[Any]":
        """Return a quantile, interpolated between the two nearest values; or a tuple of several.

        Args:
            q: from 0, the least value, to 1, the greatest; or several of these.
        """
        if isinstance(q, Sequence) and not isinstance(q, str):
            if not q:
                raise InvalidValueError("quantile needs at least one q")
            shares = tuple(map(_share, q))
            return self._figure(order.Quantiles, 1, shares=shares)
        return self._figure(order.Quantile, 1, share=_share(q))

    def rank(self) -> "Stream[F]":
        """Return the newest value's place in order from 1, the mean place of equals."""
        return self._figure(order.Rank, 1)

    def nunique(self) -> "Stream[F]":
        """Return how many different values there are."""
        return self._figure(order.NUnique, 0)

    def first(self) -> "Stream[F]":
        """Return the first value that is not missing."""
        return self._figure(whole.First, 1)

    def last(self) -> "Stream[F]":
        """Return the last value that is not missing."""
        return self._figure(whole.Last, 1)

    def product(self) -> "Stream[F]":
        """Return the product."""
        return self._figure(whole.Product, 0)

    def gmean(self) -> "Stream[F]":
        """Return the geometric mean; NaN if a value is negative."""
        return self._figure(whole.GMean, 1)

    def values(self) -> "Stream[np.ndarray[Any, np.dtype[np.float64]]]":
        """Return a numpy array of the values, with NaN for missing ones.

        Raises:
            RunError: if numpy, of the `tables` extra, is not installed.
        """
        return self._figure(whole.Values, 0, keeps=True, array=_array())

    def apply(
        self, function: "Callable[[np.ndarray[Any, np.dtype[np.float64]]], T]"
    ) -> "Stream[T]":
        """Return a function's result for the numpy array of the values, with NaN for missing ones.

        Raises:
            RunError: if numpy, of the `tables` extra, is not installed.
        """
        function = function_of(function)
        return self._figure(whole.Apply, 1, keeps=True, array=_array(), function=function)

    def _spread(self, cls: type[Window], ddof: int) -> "Stream[Any]":
        degrees = whole_number(ddof, "ddof", 0)
        if issubclass(cls, joint.Joint):
            return self._joint(cls, 1, degrees=degrees)
        return self._figure(cls, degrees + 1, degrees=degrees)

    def _joint(
        self,
        cls: type[Window],
        least: int,
        other: Active[Any] | None = None,
        *,
        sums_nothing: bool = False,
        **parameters: Any,
    ) -> "Stream[Any]":
        """Return the stream of a figure of values with weights, or of pairs of values."""
        sources: list[Active[Any]] = [self._source]
        if other is not None:
            sources.append(node_of(other, "other"))
        weight = 0.0 if self._holds else 1.0
        together = joint.Together(sources=sources, weights=self._weights, weight=weight)
        return self._wired(together, cls, least, sums_nothing, False, False, parameters)

    @property
    def _weighs(self) -> bool:
        return self._holds or bool(self._weights)

    def _matrix(self, cls: type[Window], least: int, degrees: int) -> "Stream[Any]":
        if self._holds:
            raise InvalidValueError(
                'weights="time" is for no matrix: give cov and corr another stream'
            )
        if self._weights:
            return self._joint(cls, least, degrees=degrees)
        return self._wired(self._source, cls, least, False, False, False, {"degrees": degrees})

    def _figure(
        self,
        cls: type[Window],
        least: int,
        *,
        sums_nothing: bool = False,
        timed: bool = False,
        keeps: bool = False,
        **parameters: Any,
    ) -> "Stream[Any]":
        """Return the stream of a figure.

        Args:
            cls: its class.
            least: the number of values for which it is defined.
            sums_nothing: whether it is 0 for an empty window.
            timed: whether it needs the values' times.
            keeps: whether it needs the values of an expanding window.
            parameters: those of the class.
        """
        if self._weighs:
            raise InvalidValueError(
                "weights= is for sum, mean, var, std, sem, cov and corr: wire the other figures "
                "with a window without weights"
            )
        return self._wired(self._source, cls, least, sums_nothing, timed, keeps, parameters)

    def _wired(
        self,
        source: MutableNode[Any],
        cls: type[Window],
        least: int,
        sums_nothing: bool,
        timed: bool,
        keeps: bool,
        parameters: dict[str, Any],
    ) -> "Stream[Any]":
        extent = self._extent
        minimum = extent.usual if extent.minimum is None else extent.minimum
        return self._make_stream(
            twinned(
                cls,
                source,
                self._on,
                self._resets,
                keeps=keeps or extent.keeps,
                by_count=extent.by_count,
                by_time=extent.by_time,
                length=extent.length,
                span=extent.span,
                includes_present=extent.includes_present,
                minimum=max(minimum, least),
                sums_nothing=sums_nothing and extent.minimum is None and self._on is not None,
                emits=self._emits,
                timed=timed,
                holds=self._holds,
                **parameters,
            )
        )


class Rolling(Statistics[F, At]):
    """A sliding window over a stream: the last n values, or those of the time (t - d, t]."""


class Expanding(Statistics[F, At]):
    """All values of a stream so far, or since `reset` ticked."""


def _share(given: float) -> float:
    """Return a quantile's q.

    Raises:
        InvalidTypeError: if it is not a number.
        InvalidValueError: if it is not between 0 and 1.
    """
    if isinstance(given, bool) or not isinstance(given, Real):
        raise InvalidTypeError(f"q must be a number, not {given!r}")
    if not 0 <= given <= 1:
        raise InvalidValueError(f"q must be from 0 to 1, not {given}")
    return float(given)


def _array() -> Callable[[list[float]], Any]:
    array = tables_module("numpy").array
    return lambda values: array(values, dtype=float)
