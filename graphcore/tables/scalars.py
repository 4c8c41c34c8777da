"""Columns for values without parts: numbers, text, times, and numpy's values of these.

Each encoder returns what pyarrow takes, or `None` for a value that would not come back equal.
"""

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

from graphcore.errors import InvalidTypeError
from graphcore.tables.libraries import tables_module

_SHOWN = 80


class Misfit(InvalidTypeError):
    """A value does not fit a column; a column of another type might hold it."""


def misfit(column: object, value: Any) -> Misfit:
    """Return the error for a value that does not fit a column; `str(column)` names the type."""
    return Misfit(f"a column of {column} cannot hold {described(value)}")


def described(value: Any) -> str:
    """Return the text by which errors show a value and its type."""
    return f"{shown(value)}, a value of type {type(value).__qualname__}"


def shown(value: Any) -> str:
    """Return the beginning of a value's `repr`."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class Scalar:
    """A column for one type.

    Args:
        kind: the type.
        arrow: the name of the function that makes pyarrow's type, and its arguments.
        encode: returns a value for pyarrow; `None` for one that does not fit.
    """

    def __init__(
        self, kind: type, arrow: tuple[str, *tuple[Any, ...]], encode: Callable[[Any], Any]
    ) -> None:
        self._kind = kind
        self._arrow = arrow
        self._encode = encode

    def __str__(self) -> str:
        return self._kind.__name__

    def encode(self, value: Any) -> Any:
        """Return a value in the form that pyarrow takes."""
        if value is None:
            return None
        encoded = self._encode(value)
        if encoded is None:
            raise misfit(self, value)
        return encoded

    def arrow(self) -> Any:
        """Return pyarrow's type."""
        name, *arguments = self._arrow
        return getattr(tables_module("pyarrow"), name)(*arguments)

    def settle(self, finally_: bool) -> bool:
        """Return whether the type is known."""
        return True


class Datetimes:
    """Datetimes, all of them aware or all of them naive, as the first one is."""

    def __init__(self) -> None:
        self._aware: bool | None = None

    def __str__(self) -> str:
        return "naive datetime" if self._aware is False else "aware datetime"

    def encode(self, value: Any) -> Any:
        """Return a value in the form that pyarrow takes."""
        if value is None:
            return None
        moment = whole_microseconds(value)
        if not isinstance(moment, datetime):
            raise misfit(self, value)
        aware = moment.tzinfo is not None
        if self._aware is None:
            self._aware = aware
        if aware != self._aware:
            raise InvalidTypeError(f"{misfit(self, value)}: a column has one of the two kinds")
        return moment.astimezone(UTC) if aware else moment

    def arrow(self) -> Any:
        """Return pyarrow's type."""
        arrow = tables_module("pyarrow")
        return arrow.timestamp("us", tz=None if self._aware is False else "UTC")

    def settle(self, finally_: bool) -> bool:
        """Return whether the type is known."""
        if finally_ and self._aware is None:
            self._aware = True
        return self._aware is not None


def is_bool(value: Any) -> bool:
    """Return whether this is a boolean of Python or numpy."""
    if isinstance(value, bool):
        return True
    numpy: Any = sys.modules.get("numpy")  # a value of numpy cannot exist before its import
    return numpy is not None and isinstance(value, numpy.bool_)


def numpy_kind(value: Any) -> str:
    """Return the letter by which numpy calls the type of its own values: "M" for a datetime64."""
    return getattr(getattr(value, "dtype", None), "kind", "")


def _is_number(value: Any, kind: type) -> bool:
    # numpy calls a timedelta64 a whole number, but `int` of it loses its unit.
    is_number = isinstance(value, kind) and not isinstance(value, bool)
    return is_number and numpy_kind(value) != "m"


def is_array(value: Any) -> bool:
    """Return whether this is a numpy array; a lone value of numpy has no dimension."""
    return hasattr(value, "dtype") and hasattr(value, "tolist") and getattr(value, "ndim", 0) > 0


def items_of(array: Any) -> list[Any]:
    """Return the items of an array; times stay times of numpy, which `tolist` makes numbers of."""
    return list(array) if numpy_kind(array) in ("m", "M") else array.tolist()


def _bool(value: Any) -> bool | None:
    return bool(value) if is_bool(value) else None


def _int(value: Any) -> int | None:
    if type(value) is not int:
        if not _is_number(value, Integral):
            return None
        value = int(value)
    return value if -(1 << 63) <= value < 1 << 63 else None


def _float(value: Any) -> float | None:
    if type(value) is float:
        return value
    if not _is_number(value, Real):
        return None
    try:
        exact = float(value)
    except OverflowError:
        return None
    return exact if exact == value or value != value else None


def _str(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which text in Arrow cannot hold
        return None
    return str.__str__(value)


def _bytes(value: Any) -> bytes | None:
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else None


def whole_microseconds(value: Any) -> Any:
    """Return a time or duration as Python's own type; `None` for NaT or one that it cannot hold."""
    if numpy_kind(value) in ("m", "M") and not getattr(value, "ndim", 0):
        kind = value.dtype.kind
        try:
            whole = value.astype(f"{kind}8[us]")
            return whole.astype(object) if whole.astype(value.dtype) == value else None
        except OverflowError:
            return None
    if not isinstance(value, datetime | timedelta):
        return None
    # Timestamp and Timedelta of pandas may be finer than a microsecond. NaT differs from itself.
    finer = getattr(value, "nanosecond", 0) or getattr(value, "nanoseconds", 0)
    return None if finer or value != value else value


def _timedelta(value: Any) -> timedelta | None:
    length = whole_microseconds(value)
    if not isinstance(length, timedelta):
        return None
    fits = abs(length) // timedelta(microseconds=1) < 1 << 63
    return length if fits else None


def _date(value: Any) -> date | None:
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _time(value: Any) -> time | None:
    return value if isinstance(value, time) and value.tzinfo is None else None


def _decimal(value: Any) -> Decimal | None:
    if not isinstance(value, Decimal) or not value.is_finite() or value.adjusted() > _DIGITS:
        return None
    scaled = Fraction(value) * 10**_SCALE
    return value if scaled.denominator == 1 and abs(scaled) < 10**_DIGITS else None


# Decimals have 20 digits before the point and 18 after it: a column has one scale for all.
_DIGITS, _SCALE = 38, 18
SCALARS: dict[type, tuple[tuple[str, *tuple[Any, ...]], Callable[[Any], Any]]] = {
    bool: (("bool_",), _bool),
    int: (("int64",), _int),
    float: (("float64",), _float),
    str: (("string",), _str),
    bytes: (("binary",), _bytes),
    date: (("date32",), _date),
    time: (("time64", "us"), _time),
    timedelta: (("duration", "us"), _timedelta),
    Decimal: (("decimal128", _DIGITS, _SCALE), _decimal),
}
