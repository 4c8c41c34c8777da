"""Exponentially weighted covariance and correlation of two streams, with pandas' results.

The sums are those of `ewm`, of pairs (x, y): the cycles in which both tick. A pair is missing if x
or y is.
"""

from math import nan, sqrt
from typing import Any

from graphcore.declare import node, state
from graphcore.operators.statistics.ewm import BACK, SMALL, Ewm
from graphcore.operators.statistics.twinned import no_vector


@node(valid="any")
class EwmCov(Ewm):
    """The weighted covariance.

    Attributes:
        biased: whether it is left as it is, not multiplied so that its expectation is right.
        xx: the variance of x, biased, of the values times `unit`; `yy` and `xy` likewise.
        unit: 1, or small while a variance is too great for a float.
        squares: the sum of the squared weights.
    """

    biased: bool
    mean_x: float = state(0.0)
    mean_y: float = state(0.0)
    xx: float = state(0.0)
    yy: float = state(0.0)
    xy: float = state(0.0)
    unit: float = state(1.0)
    squares: float = state(0.0)

    def plain(self, value: Any) -> Any:
        return value

    def known(self, value: Any) -> Any:
        return value

    def clear(self) -> None:
        self.mean_x = self.mean_y = self.xx = self.yy = self.xy = self.squares = 0.0
        self.unit = 1.0

    def age(self, factor: float) -> None:
        self.weight *= factor
        self.squares *= factor * factor

    def add(self, value: Any) -> None:
        x, y, _ = value
        if self.weight:
            newest = self.weigh()
            weight = self.weight + newest
            share = newest / weight
            old = 1.0 - share
            right = x * self.unit - self.mean_x * self.unit
            up = y * self.unit - self.mean_y * self.unit
            xx = old * (self.xx + share * right * right)
            yy = old * (self.yy + share * up * up)
            if xx - xx != 0.0 or yy - yy != 0.0:
                change = SMALL / self.unit
                self.unit = SMALL
                right = x * SMALL - self.mean_x * SMALL
                up = y * SMALL - self.mean_y * SMALL
                self.xy = self.xy * change * change
                xx = old * (self.xx * change * change + share * right * right)
                yy = old * (self.yy * change * change + share * up * up)
            self.xy = old * (self.xy + share * right * up)
            if self.unit != 1.0 and xx < BACK and yy < BACK:
                self.unit = 1.0
                xx = xx / SMALL / SMALL
                yy = yy / SMALL / SMALL
                self.xy = self.xy / SMALL / SMALL
            self.xx = xx
            self.yy = yy
            mean_x = self.mean_x + (x - self.mean_x) * share
            if mean_x - mean_x != 0.0:  # the distance is too great for a float
                mean_x = self.mean_x * old + x * share
            mean_y = self.mean_y + (y - self.mean_y) * share
            if mean_y - mean_y != 0.0:
                mean_y = self.mean_y * old + y * share
            self.mean_x = mean_x
            self.mean_y = mean_y
            self.squares += newest * newest
            if self.adjusts:
                self.weight = weight
            else:
                self.squares /= weight * weight
                self.weight = 1.0
        else:
            self.mean_x = x
            self.mean_y = y
            self.weight = self.squares = 1.0

    def figure(self) -> Any:
        if self.biased:
            return self.xy / self.unit / self.unit
        whole = self.weight * self.weight
        left = whole - self.squares
        if left > 0.0:
            return self.xy * (whole / left) / self.unit / self.unit
        return nan


@node(valid="any")
class EwmCorr(EwmCov):
    """The weighted correlation, from -1 to 1; NaN if all x or all y are equal."""

    def figure(self) -> Any:
        if not (self.xx > 0.0 and self.yy > 0.0):
            return nan
        corr = self.xy / sqrt(self.xx) / sqrt(self.yy)
        return -1.0 if corr < -1.0 else 1.0 if corr > 1.0 else corr


@node(valid="any")
class EwmCovMatrix(Ewm):
    """The matrix of the covariances of a vector's elements, which the twin computes."""

    biased: bool

    def known(self, value: Any) -> Any:
        raise no_vector(value)

    def clear(self) -> None:
        pass


@node(valid="any")
class EwmCorrMatrix(EwmCovMatrix):
    """The matrix of the correlations."""
