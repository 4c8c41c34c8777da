"""Matrices of the covariances and correlations of a vector's elements.

A sliding window keeps the sums of the products of the elements' distances from pivots near their
means. As long as no element is missing, one weight and one vector of sums go with them. While one
is, each pair of elements has its own, of the vectors in which neither is missing. As in `moments`,
the sums are taken anew from the window when they may have lost too many digits. All are sums of
outer products: the last bits of a product of matrices depend on the machine (R8).
"""

from typing import Any

import numpy as np

from graphcore.declare import node, state
from graphcore.errors import InvalidValueError
from graphcore.operators.statistics.moments import DOUBTED
from graphcore.operators.statistics.vectors.ewm import VectorEwmCorr, VectorEwmCov
from graphcore.operators.statistics.vectors.window import Floats, Twin, Vectors, floats

_outer = np.multiply.outer
_SCALE = 2.0**-80  # a sum of scaled values stays finite


class Pairs:
    """The sums of each pair of elements, of the vectors in which neither is missing.

    Attributes:
        counts: how many vectors there are.
        weights: the sum of their weights.
        firsts: the weighted sum of the distances of the pair's first element.
        squares: the weighted sum of the squares of these.
        doubts: the total of `squares` so far.
    """

    def __init__(self, size: int) -> None:
        self.counts, self.weights, self.firsts, self.squares, self.doubts = np.zeros(
            (5, size, size)
        )

    def add(self, distance: Floats, present: Any, weight: float, count: int) -> None:
        """Add a vector `count` times: 1 or -1."""
        both = _outer(present, present)
        self.counts += count * both
        self.weights += count * weight * both
        self.firsts += _outer(count * weight * distance, present)
        self.squares += _outer(count * weight * distance * distance, present)

    def spread(self) -> Floats:
        """Return the sums of the squares about the means."""
        spread: Floats = self.squares - self.firsts * self.firsts / self.weights
        return spread


@node(valid="any")
class Matrix(Vectors):
    """What the matrices of windows share; what enters is (vector, weight).

    Attributes:
        degrees: what is subtracted from the weights in the denominator of a covariance.
    """

    degrees: int

    def given(self, vector: Any) -> Any:
        if np.ndim(vector) == 1:
            return Twin.given(self, vector), 1.0
        x, _, weights = floats(vector, self.size, 2)
        weight = float(weights[0]) if self.size else 1.0
        if not np.array_equal(weights, np.full(self.size, weight), equal_nan=True):
            raise InvalidValueError(
                f"a matrix takes one weight for each vector, not the weights {weights}"
            )
        if not np.isfinite(weight):
            return np.full(self.size, np.nan), 0.0
        x[~np.isfinite(x)] = np.nan
        return x, weight

    def enter(self, value: Any) -> None:
        if self.keeps:
            self.values.append(value)
        vector, weight = value
        present = vector == vector
        self.counts += present
        self.count = int(self.counts.max(initial=0))
        self.put(vector, present, weight)

    def cov(self) -> Any:
        """Return the covariances."""
        products, weights, counts = self.sums()
        products /= weights - self.degrees
        return _where((counts >= self.minimum) & (weights > self.degrees), products)

    def corr(self) -> Any:
        """Return the correlations."""
        products, weights, counts = self.sums()
        root = np.sqrt(self.squares(products))
        corr = np.clip(products / root / root.T, -1.0, 1.0)
        holds = (counts >= self.minimum) & (weights > 0.0)
        return _where(holds & (root > 0.0) & (root.T > 0.0), corr)

    def put(self, vector: Floats, present: Any, weight: float) -> None:
        """Take in a vector."""
        raise NotImplementedError

    def sums(self) -> tuple[Floats, Any, Any]:
        """Return, for all pairs, the sums of products about the means, the weights, the counts."""
        raise NotImplementedError

    def squares(self, products: Floats) -> Floats:
        """Return, for all pairs, the sum of the squares of the first element about its mean."""
        raise NotImplementedError


@node(valid="any")
class SlidingMatrix(Matrix):
    """The sums of a window that vectors leave.

    Attributes:
        pivot: what distances are taken from.
        weight: the sum of the weights.
        first: for each element, the weighted sum of its distances.
        products: for each pair, the weighted sum of the products of its distances.
        doubt: for each element, the total of its sums of squares so far; last, of the weights.
        pairs: the sums of pairs while elements are missing, else `None`.
        missing: how many vectors in the window have a missing element.
    """

    pivot: Any = state(None)
    weight: float = state(0.0)
    first: Any = state(None)
    products: Any = state(None)
    doubt: Any = state(None)
    pairs: Any = state(None)
    missing: int = state(0)

    def forget(self) -> None:
        self.pivot = np.zeros(self.size)
        self.missing = 0
        self._forget_sums()

    def _forget_sums(self) -> None:
        self.first = np.zeros(self.size)
        self.doubt = np.zeros(self.size + 1)
        self.products, self.scratch = np.zeros((2, self.size, self.size))
        self.weight = 0.0
        self.pairs = None

    def put(self, vector: Floats, present: Any, weight: float) -> None:
        if not present.all():
            self.missing += 1
            if self.pairs is None:
                self.pairs = self._pairs_so_far()
        self._add(vector, present, weight, 1)
        self.doubt[:-1] += self.products.diagonal()
        self.doubt[-1] += self.weight
        if self.pairs is not None:
            self.pairs.doubts += self.pairs.squares

    def leave(self) -> None:
        vector, weight = self.values.popleft()
        present = vector == vector
        self.counts -= present
        self.count = int(self.counts.max(initial=0))
        self._add(vector, present, weight, -1)
        if not present.all():
            self.missing -= 1
            if not self.missing:
                self.pairs = None

    def _add(self, vector: Floats, present: Any, weight: float, count: int) -> None:
        """Add a vector `count` times: 1 or -1."""
        distance = vector - self.pivot
        if self.pairs is not None:
            distance = np.where(present, distance, 0.0)
            self.pairs.add(distance, present, weight, count)
        scaled = distance * (weight * count)
        self.products += _outer(scaled, distance, out=self.scratch)
        self.first += scaled
        self.weight += weight * count

    def _pairs_so_far(self) -> Pairs:
        """Return the sums over the pairs of vectors without a missing element."""
        pairs = Pairs(self.size)
        pairs.counts += len(self.values) - 1
        pairs.weights += self.weight
        pairs.firsts += self.first[:, None]
        pairs.squares += self.products.diagonal()[:, None]
        pairs.doubts += self.doubt[:-1, None]
        return pairs

    def _renew(self) -> None:
        """Take the sums anew from the window if they may have lost too many digits."""
        if self.pairs is None:
            squares = self.products.diagonal() - self.first * self.first / self.weight
            doubted = not (squares * DOUBTED >= self.doubt[:-1]).all()
        else:
            held = self.pairs.counts >= self.minimum
            doubted = (held & ~(self.pairs.spread() * DOUBTED >= self.pairs.doubts)).any()
        if not doubted and self.weight * DOUBTED >= self.doubt[-1]:
            return
        self.pivot = _nearest_to_the_mean(np.array([vector for vector, _ in self.values]))
        self._forget_sums()
        if self.missing:
            self.pairs = Pairs(self.size)
        for vector, weight in self.values:
            self._add(vector, vector == vector, weight, 1)
        self.doubt[:-1] = self.products.diagonal()
        self.doubt[-1] = self.weight
        if self.pairs is not None:
            self.pairs.doubts += self.pairs.squares

    def sums(self) -> tuple[Floats, Any, Any]:
        self._renew()
        if self.pairs is None:
            of_means = _outer(self.first, self.first / self.weight, out=self.scratch)
            return self.products - of_means, self.weight, self.count
        pairs = self.pairs
        of_means = pairs.firsts * pairs.firsts.T / pairs.weights
        return self.products - of_means, pairs.weights, pairs.counts

    def squares(self, products: Floats) -> Floats:
        return products.diagonal()[:, None] if self.pairs is None else self.pairs.spread()


@node(valid="any")
class GrowingMatrix(Matrix):
    """The sums of a window that vectors do not leave: each pair is about means of its own.

    Attributes:
        sums_of_pairs: the counts, the weights, the first element's first value, its mean from
            there, its squares and the products; both about the means.
    """

    sums_of_pairs: Any = state(None)

    def forget(self) -> None:
        self.sums_of_pairs = np.zeros((6, self.size, self.size))

    def put(self, vector: Floats, present: Any, weight: float) -> None:
        counts, weights, bases, means, squares, products = self.sums_of_pairs
        both = _outer(present, present)
        counts += both
        weights += weight * both
        # Means of values near 1e9 would have no digits left for their differences.
        np.copyto(bases, vector[:, None], where=both & (counts == 1))
        distance = np.where(both, vector[:, None] - bases - means, 0.0)
        share = np.where(both & (weights > 0.0), weight / weights, 0.0)
        means += share * distance
        old = weight * (1.0 - share)
        squares += old * distance * distance
        products += old * distance * distance.T

    def sums(self) -> tuple[Floats, Any, Any]:
        counts, weights, _, _, _, products = self.sums_of_pairs
        return products.copy(), weights, counts

    def squares(self, products: Floats) -> Floats:
        squares: Floats = self.sums_of_pairs[4]
        return squares


@node(valid="any")
class SlidingCov(SlidingMatrix):
    """The covariances of a sliding window."""

    def present(self) -> Any:
        return self.cov()


@node(valid="any")
class SlidingCorr(SlidingMatrix):
    """The correlations of a sliding window."""

    def present(self) -> Any:
        return self.corr()


@node(valid="any")
class GrowingCov(GrowingMatrix):
    """The covariances of all vectors so far."""

    def present(self) -> Any:
        return self.cov()


@node(valid="any")
class GrowingCorr(GrowingMatrix):
    """The correlations of all vectors so far."""

    def present(self) -> Any:
        return self.corr()


@node(valid="any")
class VectorEwmCovMatrix(VectorEwmCov):
    """The matrix of the weighted covariances, as a vector of all pairs of elements.

    Attributes:
        side: the number of elements of a vector.
    """

    def begin(self) -> None:
        self.side = self.size
        self.size = self.side * self.side
        super().begin()

    def given(self, vector: Any) -> Any:
        array = floats(vector, self.side)
        array[~np.isfinite(array)] = np.nan
        rows = np.array([np.repeat(array, self.side), np.tile(array, self.side)])
        rows[:, ~np.isfinite(rows).all(axis=0)] = np.nan
        return rows

    def undefined(self) -> Any:
        return super().undefined().reshape(self.side, self.side)

    def figure(self) -> Any:
        return super().figure().reshape(self.side, self.side)


@node(valid="any")
class VectorEwmCorrMatrix(VectorEwmCovMatrix, VectorEwmCorr):
    """The matrix of the weighted correlations."""


def _where(holds: Any, matrix: Floats) -> Floats:
    """Return a matrix with NaN where it is not defined."""
    return matrix if np.all(holds) else np.where(holds, matrix, np.nan)


def _nearest_to_the_mean(vectors: Floats) -> Floats:
    """Return, for each element, the value next to the mean of those that are not missing."""
    small = vectors * _SCALE
    counts = np.maximum((vectors == vectors).sum(axis=0), 1)
    far = np.abs(small - np.nansum(small, axis=0) / counts)
    nearest = np.where(far == far, far, np.inf).argmin(axis=0)
    found = vectors[nearest, np.arange(vectors.shape[1])]
    return np.where(found == found, found, 0.0)
