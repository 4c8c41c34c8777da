"""Which plain Python value a value of numpy or of a subclass counts as: one rule for all codecs.

A scalar of numpy counts as Python's, an array as a list, and a time of numpy as whole nanoseconds,
as everywhere in graphcore. An instance of a subclass of `int`, `float`, `str`, `bytes`, `list`,
`tuple`, `datetime` or `timedelta` counts as an instance of that class: pandas' `Timestamp` is a
`datetime`.
"""

import math
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from graphcore.time import to_duration, to_time


def plain(value: Any) -> Any:
    """Return the plain value that a value of another class counts as.

    Raises:
        TypeError: for a class without a plain value.
        ValueError: for not-a-time (NaT), and for a time finer than its plain class can hold.
    """
    numpy: Any = sys.modules.get("numpy")  # a value of numpy cannot exist before its import
    if numpy is not None and isinstance(value, numpy.generic | numpy.ndarray):
        return _from_numpy(numpy, value)
    for kind, convert in _BASES.items():
        if isinstance(value, kind) and not isinstance(value, bool) and type(value) is not kind:
            return convert(value)
    raise TypeError(f"values of type {type(value).__qualname__} are not supported")


def plain_or_same(value: Any) -> Any:
    """Return the plain value that a value counts as, or the value itself.

    Raises:
        ValueError: as `plain`.
    """
    try:
        return plain(value)
    except TypeError:
        return value


def as_declared(kind: type, value: Any) -> Any:
    """Return a decoded value as the scalar of numpy that `kind` declares; otherwise unchanged.

    Raises:
        TypeError, ValueError: for a value that such a scalar cannot hold.
    """
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or not isinstance(kind, type) or not issubclass(kind, numpy.generic):
        return value
    times = (
        numpy.datetime64,
        numpy.timedelta64,
    )  # before `integer`, because timedelta64 is a subclass of it
    takes: tuple[tuple[Any, tuple[type, ...]], ...] = (
        (times, (int,)),
        (numpy.integer, (int,)),
        (numpy.floating, (float, int)),
        (numpy.bool_, (bool,)),
        (numpy.str_, (str,)),
        (numpy.bytes_, (bytes,)),
    )
    taken = next((types for scalar, types in takes if issubclass(kind, scalar)), ())
    if type(value) not in taken:
        raise TypeError(f"Expected `{kind.__name__}`, got `{type(value).__name__}`")
    try:
        with numpy.errstate(over="ignore"):  # checked below
            scalar = kind(value, "ns") if issubclass(kind, times) else kind(value)
    except OverflowError as error:
        raise ValueError(str(error)) from None
    if isinstance(value, float) and math.isinf(scalar) != math.isinf(value):
        raise ValueError(f"{value} does not fit in a {kind.__name__}")
    return scalar


def _from_numpy(numpy: Any, value: Any) -> Any:
    if value.dtype.kind in "mM":
        if value.ndim:
            return [plain(each) for each in value]
        return to_time(value) if value.dtype.kind == "M" else to_duration(value)
    found = value.tolist()
    if isinstance(found, numpy.generic):  # such as a longdouble, which no float can hold
        raise TypeError(f"values of type {type(found).__qualname__} are not supported")
    return found


def _datetime(value: datetime) -> datetime:
    if getattr(value, "nanosecond", 0):
        raise ValueError(f"{value!r} is finer than a microsecond")
    return datetime(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        value.tzinfo,
        fold=value.fold,
    )


def _timedelta(value: timedelta) -> timedelta:
    if getattr(value, "nanoseconds", 0):
        raise ValueError(f"{value!r} is finer than a microsecond")
    return timedelta(value.days, value.seconds, value.microseconds)


_BASES: dict[type, Callable[[Any], Any]] = {
    int: int,
    float: float,
    str: str.__str__,
    bytes: bytes,
    list: list,
    tuple: tuple,
    datetime: _datetime,
    timedelta: _timedelta,
}
