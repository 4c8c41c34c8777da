"""What values need for the operators of Python, so that streams of them have typed results.

A class `Add` has ``a + b``, and a `ReflectedAdd` has ``b + a`` where `a` does not know `b`.
"""

from typing import Literal, Protocol, TypeAlias, TypeVar

T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


# Exponents with which a power of integers is an integer; Python's own stubs name as many.
NotNegative: TypeAlias = Literal[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25
]


class Add(Protocol[T_contra, R_co]):
    """Values with `__add__`."""

    def __add__(self, other: T_contra, /) -> R_co: ...


class ReflectedAdd(Protocol[T_contra, R_co]):
    """Values with `__radd__`."""

    def __radd__(self, other: T_contra, /) -> R_co: ...


class Sub(Protocol[T_contra, R_co]):
    """Values with `__sub__`."""

    def __sub__(self, other: T_contra, /) -> R_co: ...


class ReflectedSub(Protocol[T_contra, R_co]):
    """Values with `__rsub__`."""

    def __rsub__(self, other: T_contra, /) -> R_co: ...


class Mul(Protocol[T_contra, R_co]):
    """Values with `__mul__`."""

    def __mul__(self, other: T_contra, /) -> R_co: ...


class ReflectedMul(Protocol[T_contra, R_co]):
    """Values with `__rmul__`."""

    def __rmul__(self, other: T_contra, /) -> R_co: ...


class TrueDiv(Protocol[T_contra, R_co]):
    """Values with `__truediv__`."""

    def __truediv__(self, other: T_contra, /) -> R_co: ...


class ReflectedTrueDiv(Protocol[T_contra, R_co]):
    """Values with `__rtruediv__`."""

    def __rtruediv__(self, other: T_contra, /) -> R_co: ...


class FloorDiv(Protocol[T_contra, R_co]):
    """Values with `__floordiv__`."""

    def __floordiv__(self, other: T_contra, /) -> R_co: ...


class ReflectedFloorDiv(Protocol[T_contra, R_co]):
    """Values with `__rfloordiv__`."""

    def __rfloordiv__(self, other: T_contra, /) -> R_co: ...


class Mod(Protocol[T_contra, R_co]):
    """Values with `__mod__`."""

    def __mod__(self, other: T_contra, /) -> R_co: ...


class ReflectedMod(Protocol[T_contra, R_co]):
    """Values with `__rmod__`."""

    def __rmod__(self, other: T_contra, /) -> R_co: ...


class Pow(Protocol[T_contra, R_co]):
    """Values with `__pow__`."""

    def __pow__(self, other: T_contra, /) -> R_co: ...
