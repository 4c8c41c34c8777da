"""Engine time and durations: integer nanoseconds, and the forms in which users write them (R1).

Engine time counts from the Unix epoch, UTC. Floats of seconds are refused everywhere: they cannot
hold a present-day time to the nanosecond.
"""

import re
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any, SupportsIndex

from graphcore.errors import InvalidTypeError, InvalidValueError

Time = SupportsIndex | datetime | str
"""A point in time: `int` ns since the epoch, `datetime` (a naive one is UTC) or ISO-8601 text."""

Duration = SupportsIndex | timedelta | str
"""A length of time: `int` ns, `timedelta`, or text such as ``"250us"``, ``"1s"``, ``"5min"``."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = timedelta.max.days * 86_400_000_000_000
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_DURATION = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*([a-zµ]+)\s*")
_FRACTION = re.compile(
    r"(?P<whole>.*[^\d+-]\d\d(?::\d\d:\d\d|\d{4}))[.,](?P<digits>\d+)(?P<zone>.*)"
)


def to_time(value: object) -> int:
    """Return engine time for any form that a user may write.

    Args:
        value: `int` nanoseconds, `datetime` (naive means UTC), ISO-8601 text, or the numpy and
            pandas types for these.

    Raises:
        InvalidTypeError: for a float or any other type.
        InvalidValueError: for text that is not an ISO-8601 time, and for not-a-time (NaT).

    >>> to_time("1970-01-01T00:00:01.000000001Z")
    1000000001
    """
    if type(value) is int:
        return value
    if isinstance(value, str):
        return _parse_time(value)
    if hasattr(value, "to_datetime64"):
        value = value.to_datetime64()
    if hasattr(value, "astype") and getattr(getattr(value, "dtype", None), "kind", "") == "M":
        return _nanoseconds_of(value)
    if isinstance(value, datetime):
        return _datetime_to_ns(value)
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        return value.__index__()
    hint = " (floats cannot hold nanoseconds)" if isinstance(value, float) else ""
    hint = " (a date has no time of day)" if isinstance(value, date) else hint
    raise InvalidTypeError(
        f"{value!r} is not a time: give int nanoseconds since the epoch, "
        f"an aware datetime or ISO-8601 text{hint}"
    )


def to_duration(value: object) -> int:
    """Return nanoseconds for any form in which a user may write a duration.

    Args:
        value: `int` nanoseconds, `timedelta`, or text: a number and one of the units
            ns us ms s min h d.

    Raises:
        InvalidTypeError: for a float or any other type.
        InvalidValueError: for text in another form, or finer than a nanosecond.

    >>> to_duration("1.5ms")
    1500000
    """
    if type(value) is int:
        return value
    if isinstance(value, str):
        return _parse_duration(value)
    if hasattr(value, "to_timedelta64"):
        value = value.to_timedelta64()
    if hasattr(value, "astype") and getattr(getattr(value, "dtype", None), "kind", "") == "m":
        return _nanoseconds_of(value)
    if isinstance(value, timedelta):
        seconds = value.days * 86_400 + value.seconds
        return seconds * 1_000_000_000 + value.microseconds * 1_000
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        return value.__index__()
    raise InvalidTypeError(
        f"{value!r} is not a duration: give a timedelta, int nanoseconds or text such as "
        '"250us", "50ms", "1s", "5min" or "2h"'
    )


def to_period(value: object) -> int:
    """Return the nanoseconds of a duration that must be longer than 0.

    Raises:
        InvalidTypeError, InvalidValueError: as `to_duration`; also if it is 0 or negative.
    """
    period = to_duration(value)
    if period <= 0:
        raise InvalidValueError(f"a period must be longer than 0, not {value!r}")
    return period


def format_time(time: int) -> str:
    """Return engine time as ISO-8601 text in UTC with all nine digits.

    >>> format_time(1_000_000_001)
    '1970-01-01T00:00:01.000000001Z'
    """
    seconds, nanoseconds = divmod(time, 1_000_000_000)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return f"{time} ns"
    return f"{moment.replace(tzinfo=None).isoformat()}.{nanoseconds:09}Z"


def _nanoseconds_of(value: Any) -> int:
    """Return the nanoseconds of a numpy `datetime64` or `timedelta64`."""
    kind = value.dtype.name.partition("[")[0]
    if str(value) == "NaT":
        raise InvalidValueError(f"NaT is not a {'time' if kind == 'datetime64' else 'duration'}")
    for unit in ("ns", "us", "ms", "s"):  # 64 bits of nanoseconds end in the year 2262
        try:
            whole = value.astype(f"{kind}[{unit}]")
            fits = whole.astype(value.dtype) == value  # out of range, it may have wrapped around
        except OverflowError:  # from numpy 2.5 on
            continue
        nanoseconds = int(whole.astype("int64")) * _UNITS[unit]
        if fits and abs(nanoseconds) <= _LONGEST:
            return nanoseconds
    raise InvalidValueError(f"{value!r} is finer than a nanosecond, or out of range")


def _datetime_to_ns(value: datetime) -> int:
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return to_duration(value - _EPOCH)


def _parse_time(text: str) -> int:
    # datetime keeps microseconds only, so the fraction is parsed separately.
    text = text.strip()
    split = _FRACTION.fullmatch(text)
    digits = split["digits"] if split else ""
    whole = split["whole"] + split["zone"] if split else text
    try:
        # fromisoformat would read a fraction of an hour as one of a second.
        moment = datetime.fromisoformat("" if "." in whole or "," in whole else whole)
    except ValueError:
        raise InvalidValueError(
            f'{text!r} is not an ISO-8601 time; one looks like "2026-01-31T09:30:00.000000001Z"'
        ) from None
    if len(digits) > 9 and digits[9:].strip("0"):
        raise InvalidValueError(f"{text!r} is finer than a nanosecond")
    return _datetime_to_ns(moment) + int(digits[:9].ljust(9, "0"))


def _parse_duration(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None or match[2] not in _UNITS:
        raise InvalidValueError(
            f"{text!r} is not a duration: write a number and a unit (ns us ms s min h d), "
            'such as "250us" or "5min"'
        )
    nanoseconds = Fraction(match[1]) * _UNITS[match[2]]
    if nanoseconds.denominator != 1:
        raise InvalidValueError(f"{text!r} is finer than a nanosecond")
    return int(nanoseconds)
