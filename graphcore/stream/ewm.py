"""The handle that `.ewm(...)` returns; each method is a statistic."""

from datetime import timedelta
from math import exp, isfinite, log
from numbers import Real
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, overload

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.node import Active, MutableNode, node_of
from graphcore.operators.statistics import ewm, ewm_joint, joint
from graphcore.stream.families.arguments import flag, whole
from graphcore.stream.windows import At, F, Handle, MakeStream, twinned
from graphcore.time import Duration, to_period

if TYPE_CHECKING:
    import numpy as np

    from graphcore.stream.stream import Stream


class Weights(NamedTuple):
    """How weights fall with age: by `alpha` with each value, or by `halflife` in ns."""

    alpha: float
    halflife: int | None
    adjusts: bool
    ignores: bool


def weights_of(
    span: float | None,
    alpha: float | None,
    com: float | None,
    halflife: float | Duration | None,
    adjust: bool,
    ignore_na: bool,
) -> Weights:
    """Return the weights that `ewm` was asked for.

    Raises:
        InvalidTypeError: if an argument has another type.
        InvalidValueError: if not exactly one of the first four is given, or it is out of range.
    """
    given = {"span": span, "alpha": alpha, "com": com, "halflife": halflife}
    named = {name: value for name, value in given.items() if value is not None}
    if len(named) != 1:
        shown = ", ".join(f"{name}={value!r}" for name, value in named.items()) or "none of them"
        raise InvalidValueError(f"ewm takes one of span, alpha, com and halflife, not {shown}")
    adjusts, ignores = flag(adjust, "adjust"), flag(ignore_na, "ignore_na")
    [(name, value)] = named.items()
    if name == "halflife" and isinstance(value, str | timedelta):
        return Weights(0.5, to_period(value), adjusts, ignores)
    # First the usual type: for others, `isinstance` asks what was registered as a number.
    if type(value) is not float and (isinstance(value, bool) or not isinstance(value, Real)):
        kinds = "a number of values or a duration" if name == "halflife" else "a number"
        raise InvalidTypeError(f"{name} must be {kinds}, not {value!r}")
    number = float(value)
    # pandas computes alpha from the centre of mass; this way the rounding is the same.
    match name:
        case "span":
            _check(number >= 1, "span must be at least 1", number, value)
            centre = (number - 1.0) / 2.0
        case "alpha":
            _check(0 < number <= 1, "alpha must be above 0 and at most 1", number, value)
            centre = (1.0 - number) / number
        case "com":
            _check(number >= 0, "com must be at least 0", number, value)
            centre = number
        case _:
            _check(number > 0, "halflife must be above 0", number, value)
            centre = 1.0 / (1.0 - exp(log(0.5) / number)) - 1.0
    return Weights(1.0 / (1.0 + centre), None, adjusts, ignores)


def _check(holds: bool, must: str, number: float, value: object) -> None:
    if not (holds and isfinite(number)):
        raise InvalidValueError(f"{must}, not {value}")


class Ewm(Handle, Generic[F, At]):
    """Exponential weights over a stream."""

    def __init__(
        self,
        source: MutableNode[Any],
        weights: Weights,
        min_periods: int,
        on: Active[object] | None,
        reset: Active[object] | None,
        make_stream: MakeStream,
    ) -> None:
        self._source = source
        self._weights = weights
        self._minimum = max(whole(min_periods, "min_periods", 0), 1)
        self._on = None if on is None else node_of(on, "on")
        self._resets: list[Active[object]] = [] if reset is None else [node_of(reset, "reset")]
        self._make_stream = make_stream

    def mean(self) -> "Stream[F]":
        """Return the weighted mean."""
        return self._figure(ewm.EwmMean)

    def sum(self) -> "Stream[F]":
        """Return the weighted sum, in which the newest value has the weight 1."""
        return self._figure(ewm.EwmSum)

    def var(self, bias: bool = False) -> "Stream[F]":
        """Return the weighted variance, from the second value on; if biased, from the first.

        Args:
            bias: whether to leave out the factor that makes its expectation right.
        """
        return self._spread(ewm.EwmVar, bias)

    def std(self, bias: bool = False) -> "Stream[F]":
        """Return the root of the weighted variance."""
        return self._spread(ewm.EwmStd, bias)

    def zscore(self, bias: bool = False) -> "Stream[F]":
        """Return ``(newest value - mean) / std``; NaN if the newest is missing or all are equal."""
        return self._spread(ewm.EwmZScore, bias)

    @overload
    def cov(
        self: "Ewm[float, int]", other: Active[float], bias: bool = False
    ) -> "Stream[float]": ...
    @overload
    def cov(
        self: "Ewm[np.ndarray[Any, Any], Any]",
        other: "Active[np.ndarray[Any, Any] | float] | None" = None,
        bias: bool = False,
    ) -> "Stream[np.ndarray[Any, np.dtype[np.float64]]]": ...
    def cov(self: "Ewm[Any, Any]", other: Any = None, bias: bool = False) -> "Stream[Any]":
        """Return the weighted covariance with another stream, of the cycles in which both tick.

        Of vectors, it is the covariance of each element with the other stream's; without another
        stream it is the matrix of the covariances of all elements.

        Args:
            other: the other stream.
            bias: whether to leave out the factor that makes its expectation right.
        """
        biased = flag(bias, "bias")
        least = 1 if biased else 2
        if other is None:
            return self._figure(ewm_joint.EwmCovMatrix, least, biased=biased)
        return self._joint(ewm_joint.EwmCov, other, least, biased=biased)

    @overload
    def corr(self: "Ewm[float, int]", other: Active[float]) -> "Stream[float]": ...
    @overload
    def corr(
        self: "Ewm[np.ndarray[Any, Any], Any]",
        other: "Active[np.ndarray[Any, Any] | float] | None" = None,
    ) -> "Stream[np.ndarray[Any, np.dtype[np.float64]]]": ...
    def corr(self: "Ewm[Any, Any]", other: Any = None) -> "Stream[Any]":
        """Return the weighted correlation with another stream, of the cycles in which both tick.

        Of vectors, it is that of each element, or without another stream the matrix, as for `cov`.
        """
        if other is None:
            return self._figure(ewm_joint.EwmCorrMatrix, 2, biased=True)
        return self._joint(ewm_joint.EwmCorr, other, 2, biased=True)

    def _spread(self, cls: type[ewm.Ewm], bias: bool) -> "Stream[F]":
        biased = flag(bias, "bias")
        least = 1 if biased and cls is not ewm.EwmZScore else 2
        return self._figure(cls, least, biased=biased)

    def _joint(
        self, cls: type[ewm.Ewm], other: Active[Any], least: int, **parameters: Any
    ) -> "Stream[Any]":
        """Return the stream of a figure of pairs of values."""
        sources: list[Active[Any]] = [self._source, node_of(other, "other")]
        return self._wired(
            joint.Together(sources=sources, weights=[], weight=1.0), cls, least, parameters
        )

    def _figure(self, cls: type[ewm.Ewm], least: int = 1, **parameters: Any) -> "Stream[Any]":
        return self._wired(self._source, cls, least, parameters)

    def _wired(
        self, source: MutableNode[Any], cls: type[ewm.Ewm], least: int, parameters: dict[str, Any]
    ) -> "Stream[Any]":
        weights = self._weights
        return self._make_stream(
            twinned(
                cls,
                source,
                self._on,
                self._resets,
                decay=1.0 - weights.alpha,
                newest=1.0 if weights.adjusts else weights.alpha,
                adjusts=weights.adjusts,
                ignores=weights.ignores,
                by_time=weights.halflife is not None,
                halflife=weights.halflife or 0,
                minimum=max(self._minimum, least),
                **parameters,
            )
        )
