"""Durations as text, as CSV files have them.

They are written in the form of ISO 8601, such as ``P1DT2H0.000005S``. That form and pandas' form
(``-1 days +23:59:59``) are durations in any file. Where the reader asks for durations, ``2:00:00``
and what graphcore itself takes, such as ``5min``, are durations too.
"""

import re
from collections.abc import Sequence
from typing import Any

from graphcore.errors import InvalidValueError
from graphcore.tables.libraries import tables_module
from graphcore.time import to_duration

_SECOND = 1_000_000_000
_DAY, _HOUR, _MINUTE = 86_400 * _SECOND, 3_600 * _SECOND, 60 * _SECOND
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": _SECOND}
_NUMBER = r"([-+]?\d+)"
_FRACTION = r"(?:\.(\d{1,9}))?"
_ISO = re.compile(
    rf"([-+]?)P(?!$)(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?!$)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}{_FRACTION}S)?)?"
)
_CLOCK = rf"([-+]?)(\d+):(\d\d):(\d\d){_FRACTION}"
_DAYS = re.compile(rf"{_NUMBER} days?,? {_CLOCK}")
_TIME = re.compile(_CLOCK)


def text_of(length: int, unit: str) -> str:
    """Return a duration in the form of ISO 8601.

    Args:
        length: how many of the units it has.
        unit: ``"s"``, ``"ms"``, ``"us"`` or ``"ns"``.

    >>> text_of(-93_784_000_005, "us")
    '-P1DT2H3M4.000005S'
    """
    whole, part = divmod(abs(length), _UNITS[unit])
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    fraction = f".{part:0{len(str(_UNITS[unit])) - 1}}" if part else ""
    time = f"{hours}H" * (hours > 0) + f"{minutes}M" * (minutes > 0)
    if seconds or part or not whole:
        time += f"{seconds}{fraction}S"
    sign, date = "-" * (length < 0), f"{days}D" * (days > 0)
    return f"{sign}P{date}{'T' * bool(time)}{time}"


def nanoseconds_of(text: str) -> int | None:
    """Return the nanoseconds of text that can only be a duration; `None` for other text.

    >>> nanoseconds_of("-PT1.5S"), nanoseconds_of("-1 days +23:59:58.5"), nanoseconds_of("A")
    (-1500000000, -1500000000, None)
    """
    found = _ISO.fullmatch(text)
    if found is not None:
        sign, weeks, days, hours, minutes, seconds, fraction = found.groups()
        total = int(weeks or 0) * 7 * _DAY + int(days or 0) * _DAY + int(hours or 0) * _HOUR
        total += int(minutes or 0) * _MINUTE + _seconds(seconds or "0", fraction)
        return -total if sign == "-" else total
    found = _DAYS.fullmatch(text)
    return None if found is None else int(found[1]) * _DAY + _of_day(found.groups()[1:])


def are_durations(texts: Sequence[str]) -> bool:
    """Return whether these are texts that can only be durations."""
    return bool(texts) and all(nanoseconds_of(text) is not None for text in texts)


def are_finer(texts: Sequence[str]) -> bool:
    """Return whether one of some durations is finer than a microsecond."""
    return any((nanoseconds_of(text) or 0) % 1_000 for text in texts)


def to_unit(text: str, unit: str) -> int:
    """Return the length of a duration in a unit.

    Raises:
        InvalidValueError: for text that is no duration, or that a column of the unit cannot hold.
    """
    length = nanoseconds_of(text)
    if length is None:
        found = _TIME.fullmatch(text)
        length = to_duration(text) if found is None else _of_day(found.groups())
    whole, rest = divmod(length, _SECOND // _UNITS[unit])
    if rest or not -(1 << 63) <= whole < 1 << 63:
        raise InvalidValueError(f"{text!r} is no whole number of {unit} of 64 bits")
    return whole


def durations_as_text(batch: Any) -> Any:
    """Return a record batch with text in place of durations."""
    arrow, types = tables_module("pyarrow"), tables_module("pyarrow.types")
    columns = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if types.is_duration(field.type):
            lengths = column.cast(arrow.int64()).to_pylist()
            unit = field.type.unit
            texts = [None if length is None else text_of(length, unit) for length in lengths]
            column = arrow.array(texts, arrow.string())
        columns[field.name] = column
    return arrow.record_batch(columns)


def _of_day(parts: Sequence[str | None]) -> int:
    """Return the nanoseconds of a sign, hours, minutes, seconds and their fraction."""
    sign, hours, minutes, seconds, fraction = parts
    time = int(hours or 0) * _HOUR + int(minutes or 0) * _MINUTE
    time += _seconds(seconds or "0", fraction)
    return -time if sign == "-" else time


def _seconds(whole: str, fraction: str | None) -> int:
    part = int((fraction or "").ljust(9, "0"))
    return int(whole) * _SECOND + (-part if whole.startswith("-") else part)
