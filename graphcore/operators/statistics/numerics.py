"""Sums that lose no digits, for the rare case in which updating them has lost too many.

`math.fsum` adds without any rounding but the last (Shewchuk 1997, "Adaptive precision
floating-point arithmetic and fast robust geometric predicates").
"""

import sys
from collections.abc import Iterable
from fractions import Fraction
from math import frexp, fsum, inf, isfinite, ldexp, nan, sqrt
from numbers import Real
from typing import Any

from graphcore.errors import InvalidTypeError, InvalidValueError, shorten

_SCALE = 80  # binary places: a sum of up to 2^80 scaled values stays finite
_TINY = 680  # and so does a sum of scaled squares


def is_vector(value: Any) -> bool:
    """Return whether this is an array with dimensions; a lone value of numpy has none."""
    return getattr(value, "ndim", 0) != 0


def number(value: Any) -> float:
    """Return a number of any kind as a float.

    Raises:
        InvalidTypeError: for anything else.
    """
    if type(value) is int:  # in 40 ns, where asking whether it is a `Real` takes 250 ns
        return float(value)
    if isinstance(value, Real) or hasattr(value, "__float__"):
        return float(value)
    raise InvalidTypeError(f"a statistic is computed of numbers, not of {shorten(value)}")


def rows(x: Any, y: Any, weight: Any) -> Any:
    """Return an array with the rows x, y and weight; each of them is a vector or a number.

    Raises:
        InvalidValueError: if vectors differ in length, or a weight is negative.
    """
    numpy: Any = sys.modules["numpy"]  # one of the three is its array
    given = {"x": x, "y": y, "weights": weight}
    lengths = {name: numpy.shape(each)[-1] for name, each in given.items() if is_vector(each)}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise InvalidValueError(f"vectors that belong together have one length: {shown} elements")
    found = numpy.empty((3, *lengths.values())[:2])
    found[0], found[1], found[2] = x, y, weight
    if (found[2] < 0.0).any():
        raise InvalidValueError(f"a weight must be at least 0, not {found[2].min()}")
    return found


def exact_sum(values: Iterable[float]) -> tuple[float, float]:
    """Return the sum of the values that are not NaN, as a float and what it lacks.

    A sum beyond the greatest float is infinite, and its second part NaN; a sum of both infinities,
    which products with weights may be, is NaN.
    """
    finite = [value for value in values if value == value]
    try:
        high = fsum(finite)
    except ValueError:  # fsum met both infinities
        return nan, nan
    except OverflowError:
        high = scaled(fsum([ldexp(value, -_SCALE) for value in finite]), _SCALE)
    if not isfinite(high):
        return high, nan
    try:
        return high, fsum([*finite, -high])
    except OverflowError:
        return high, nan


def exact_mean(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN, rounded once, also of an infinite sum."""
    small = [ldexp(value, -_SCALE) for value in values if value == value]
    high, low = exact_sum(small)
    return ldexp(float((Fraction(high) + Fraction(low)) / len(small)), _SCALE)


def plus(total: float, lost: float, value: float) -> tuple[float, float]:
    """Return a sum with a further value, and what rounding has taken from it (TwoSum)."""
    high = total + value
    back = high - total
    return high, lost + ((total - (high - back)) + (value - back))


def nearest_to_mean(values: Iterable[float]) -> float:
    """Return the value next to the mean."""
    count = 0
    first = total = lost = 0.0
    for value in values:
        if value == value:
            if not count:
                first = float(value)
            count += 1
            total, lost = plus(total, lost, value - first)
    mean = first + (total + lost) / count
    nearest, least = first, abs(first - mean)
    for value in values:
        away = abs(value - mean)
        if away < least:
            nearest, least = float(value), away
    return nearest


def two_powers(values: Iterable[float]) -> tuple[float, float, float]:
    """Return a pivot, and the sums of the values' distances from it and of their squares.

    The pivot is the value next to the mean, so equal values have the distance 0 exactly. If a
    square is too great for a float, its sum is NaN. These are plain loops, which can run in machine
    code.
    """
    pivot = nearest_to_mean(values)
    first = first_lost = second = second_lost = 0.0
    for value in values:
        if value == value:
            distance = value - pivot
            first, first_lost = plus(first, first_lost, distance)
            second, second_lost = plus(second, second_lost, distance * distance)
    return pivot, first + first_lost, second + second_lost


def four_powers(values: Iterable[float]) -> tuple[float, float, float, float, float]:
    """Return the same as `two_powers`, and the sums of the third and the fourth powers."""
    pivot, first, second = two_powers(values)
    third = third_lost = fourth = fourth_lost = 0.0
    for value in values:
        if value == value:
            distance = value - pivot
            square = distance * distance
            third, third_lost = plus(third, third_lost, square * distance)
            fourth, fourth_lost = plus(fourth, fourth_lost, square * square)
    return pivot, first, second, third + third_lost, fourth + fourth_lost


def wide_deviation(values: Iterable[float], degrees: int, divisor: float = 1.0) -> float:
    """Return the standard deviation of values whose squares are too great for a float.

    Args:
        values: the values; NaN does not count.
        degrees: what is subtracted from their number in the denominator.
        divisor: what the variance is divided by.
    """
    deviation, _ = _scaled_spread(values, degrees)
    return scaled(deviation / sqrt(divisor), _TINY)


def wide_score(values: Iterable[float], degrees: int) -> float:
    """Return the last value's distance from the mean in standard deviations, for such values."""
    deviation, distance = _scaled_spread(values, degrees)
    return distance / deviation if deviation else nan


def _scaled_spread(values: Iterable[float], degrees: int) -> tuple[float, float]:
    """Return the standard deviation and the last value's distance from the mean, times 2^-TINY."""
    small = [ldexp(value, -_TINY) for value in values if value == value]
    centre = fsum(small) / len(small)
    squares = fsum([(value - centre) ** 2 for value in small])
    return sqrt(squares / (len(small) - degrees)), small[-1] - centre


def central_powers(values: Iterable[float]) -> tuple[float, float, float]:
    """Return the sums of the second, third and fourth power of the distances from the mean.

    The values are scaled so that the greatest distance is about 1: neither skewness nor kurtosis
    depend on the scale.
    """
    finite = [value for value in values if value == value]
    small = [ldexp(value, -_SCALE) for value in finite]
    centre = fsum(small) / len(small)
    nearest = min(small, key=lambda value: abs(value - centre))
    distances = [value - nearest for value in small]
    greatest = max(map(abs, distances))
    if not greatest:
        return 0.0, 0.0, 0.0
    distances = [distance / greatest for distance in distances]
    mean = fsum(distances) / len(distances)
    distances = [distance - mean for distance in distances]
    return (
        fsum([distance**2 for distance in distances]),
        fsum([distance**3 for distance in distances]),
        fsum([distance**4 for distance in distances]),
    )


def scaled(mantissa: float, exponent: int) -> float:
    """Return ``mantissa * 2**exponent``, infinite if that is too great for a float."""
    try:
        return ldexp(mantissa, exponent)
    except OverflowError:
        return inf if mantissa > 0 else -inf


def product(values: Iterable[float]) -> tuple[float, int]:
    """Return the product of the values that are neither NaN nor 0, as mantissa and exponent."""
    mantissa, exponent = 1.0, 0
    for value in values:
        if value == value and value:
            part, power = frexp(value)
            mantissa, shift = frexp(mantissa * part)
            exponent += power + shift
    return mantissa, exponent


def weighed(values: Iterable[Any]) -> list[float]:
    """Return the products of x and weight of the (x, y, weight) among the values."""
    return [value[0] * value[2] for value in values if value == value]


def joint_powers(values: Iterable[Any]) -> tuple[float, ...]:
    """Return pivots and sums of the (x, y, weight) among the values.

    They are the pivots of x and y, the sum of the weights and the weighted sums of x, y, their
    squares and their product, from the pivots. A sum is NaN if it is too great for a float.
    """
    total = lost = right = right_lost = up = up_lost = 0.0
    for value in values:
        if value == value:
            x, y, weight = value
            total, lost = plus(total, lost, weight)
            right, right_lost = plus(right, right_lost, weight * x)
            up, up_lost = plus(up, up_lost, weight * y)
    total += lost
    if not total > 0.0:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    mean_x, mean_y = (right + right_lost) / total, (up + up_lost) / total
    pivot_x = pivot_y = nan
    least_x = least_y = inf
    for value in values:
        if value == value:
            x, y, weight = value
            if weight > 0.0 and abs(x - mean_x) < least_x:
                pivot_x, least_x = x, abs(x - mean_x)
            if weight > 0.0 and abs(y - mean_y) < least_y:
                pivot_y, least_y = y, abs(y - mean_y)
    right = right_lost = up = up_lost = 0.0
    xx = xx_lost = yy = yy_lost = xy = xy_lost = 0.0
    for value in values:
        if value == value:
            x, y, weight = value
            x -= pivot_x
            y -= pivot_y
            right, right_lost = plus(right, right_lost, weight * x)
            up, up_lost = plus(up, up_lost, weight * y)
            xx, xx_lost = plus(xx, xx_lost, weight * x * x)
            yy, yy_lost = plus(yy, yy_lost, weight * y * y)
            xy, xy_lost = plus(xy, xy_lost, weight * x * y)
    return (
        pivot_x,
        pivot_y,
        total,
        right + right_lost,
        up + up_lost,
        xx + xx_lost,
        yy + yy_lost,
        xy + xy_lost,
    )
