"""Exponentially weighted covariance and correlation of two streams, with pandas' results.

The sums are those of `ewm`, of pairs (x, y): the cycles in which both tick. A pair is missing if x
or y is.
"""

from math import nan, sqrt
from typing import Any

from graphcore.declare import node, state
from graphcore.operators.statistics.ewm import BACK, SMALL, Ewm, EwmSpread
from graphcore.operators.statistics.twinned import no_vector


@node(valid="any")
class EwmCov(EwmSpread):
    """The weighted covariance.

    Attributes:
        rest_x: what `mean_x` lacks; `rest_y` likewise.
        xx: the variance of x, biased, of the values times `unit`; `yy` and `xy` likewise.
    """

    mean_x: float = state(0.0)
    mean_y: float = state(0.0)
    rest_x: float = state(0.0)
    rest_y: float = state(0.0)
    xx: float = state(0.0)
    yy: float = state(0.0)
    xy: float = state(0.0)

    def plain(self, value: Any) -> Any:
        return value

    def known(self, value: Any) -> Any:
        return value

    def clear(self) -> None:
        self.mean_x = self.mean_y = self.rest_x = self.rest_y = 0.0
        self.xx = self.yy = self.xy = self.squares = 0.0
        self.unit = 1.0

    def add(self, value: Any) -> None:
        x, y, _ = value
        if self.weight:
            newest = self.weigh()
            weight = self.weight + newest
            share = newest / weight
            old = 1.0 - share
            right = x - self.mean_x - self.rest_x
            up = y - self.mean_y - self.rest_y
            to_right = share * right
            upwards = share * up
            xx = old * (self.xx + to_right * right)
            yy = old * (self.yy + upwards * up)
            if xx - xx == 0.0 and yy - yy == 0.0 and self.unit == 1.0:
                self.xx = xx
                self.yy = yy
                self.xy = old * (self.xy + to_right * up)
                to_right += self.rest_x
                mean = self.mean_x + to_right
                self.rest_x = to_right - (mean - self.mean_x)
                self.mean_x = mean
                upwards += self.rest_y
                mean = self.mean_y + upwards
                self.rest_y = upwards - (mean - self.mean_y)
                self.mean_y = mean
            else:
                self.add_far(x, y, share)
            self.grow(newest, weight)
        else:
            self.mean_x = x
            self.mean_y = y
            self.rest_x = self.rest_y = 0.0
            self.weight = self.squares = 1.0

    def add_far(self, x: float, y: float, share: float) -> None:
        """Take in a pair if a variance is too great for a float."""
        old = 1.0 - share
        change = SMALL / self.unit
        self.unit = SMALL
        right = x * SMALL - self.mean_x * SMALL - self.rest_x * SMALL
        up = y * SMALL - self.mean_y * SMALL - self.rest_y * SMALL
        self.xx = old * (self.xx * change * change + share * right * right)
        self.yy = old * (self.yy * change * change + share * up * up)
        self.xy = old * (self.xy * change * change + share * right * up)
        if self.xx < BACK and self.yy < BACK:
            self.unit = 1.0
            self.xx = self.xx / SMALL / SMALL
            self.yy = self.yy / SMALL / SMALL
            self.xy = self.xy / SMALL / SMALL
        mean_x = self.mean_x + (x - self.mean_x) * share
        if mean_x - mean_x != 0.0:  # the distance is too great for a float
            mean_x = self.mean_x * old + x * share
        mean_y = self.mean_y + (y - self.mean_y) * share
        if mean_y - mean_y != 0.0:
            mean_y = self.mean_y * old + y * share
        self.mean_x = mean_x
        self.mean_y = mean_y
        self.rest_x = self.rest_y = 0.0

    def figure(self) -> Any:
        cov = self.unbiased(self.xy)
        return cov / self.unit / self.unit


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
