"""Functions of Python's `math` for streams: ``gc.math.sqrt(stream)`` ticks with each square root.

A value outside a function's domain is an error of the run, as it is for Python.
"""

import math
from typing import SupportsFloat

from graphcore.node import Active
from graphcore.operators import several, single
from graphcore.stream.families.arguments import streams_of
from graphcore.stream.stream import Stream


def exp(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with e to the power of each value."""
    return Stream(single.Map(stream, math.exp))


def log(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the natural logarithm of each value."""
    return Stream(single.Map(stream, math.log))


def log2(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the logarithm of each value to the base 2."""
    return Stream(single.Map(stream, math.log2))


def log10(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the logarithm of each value to the base 10."""
    return Stream(single.Map(stream, math.log10))


def sqrt(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the square root of each value."""
    return Stream(single.Map(stream, math.sqrt))


def sin(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the sine of each value, in radians."""
    return Stream(single.Map(stream, math.sin))


def cos(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the cosine of each value, in radians."""
    return Stream(single.Map(stream, math.cos))


def tan(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the tangent of each value, in radians."""
    return Stream(single.Map(stream, math.tan))


def asin(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the arc sine of each value, in radians."""
    return Stream(single.Map(stream, math.asin))


def acos(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the arc cosine of each value, in radians."""
    return Stream(single.Map(stream, math.acos))


def atan(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the arc tangent of each value, in radians."""
    return Stream(single.Map(stream, math.atan))


def sinh(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the hyperbolic sine of each value."""
    return Stream(single.Map(stream, math.sinh))


def cosh(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the hyperbolic cosine of each value."""
    return Stream(single.Map(stream, math.cosh))


def tanh(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the hyperbolic tangent of each value."""
    return Stream(single.Map(stream, math.tanh))


def erf(stream: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the error function of each value."""
    return Stream(single.Map(stream, math.erf))


def floor(stream: Active[float]) -> Stream[int]:
    """Tick with the greatest integer that is not above each value."""
    return Stream(single.Map(stream, math.floor))


def ceil(stream: Active[float]) -> Stream[int]:
    """Tick with the least integer that is not below each value."""
    return Stream(single.Map(stream, math.ceil))


def hypot(*streams: Active[SupportsFloat]) -> Stream[float]:
    """Tick with the square root of the sum of the squares of the present values."""
    return Stream(several.Join(streams_of(streams, "hypot"), math.hypot))
