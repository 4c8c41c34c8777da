"""Opening hours: whether a time lies in them, and when that may change.

A time is in daily hours if the wall clock of the zone shows a time of day in [start, end). So hours
in an hour that the clock repeats come twice. If the clock skips `start` or `end`, the first instant
after it takes its place.
"""

from collections.abc import Callable
from datetime import time as datetime_time

from graphcore.calendars.exchanges import Exchange
from graphcore.calendars.zones import DAY, SECOND, WallClock, Zone, to_zone
from graphcore.errors import InvalidTypeError, InvalidValueError

TimeOfDay = str | datetime_time
"""A time of day on the wall: ``"09:30"``, ``"09:30:15"``, or a `datetime.time`."""

Hours = Callable[[int], tuple[bool, int]]
"""Returns for an engine time whether it is in the hours, and until when that holds at least."""


def hours_of(
    start: TimeOfDay | None,
    end: TimeOfDay | None,
    zone: Zone | None,
    calendar: str | None,
    what: str,
) -> Hours:
    """Return the hours that an operator was given: start, end and zone, or a calendar.

    Args:
        start: when they begin.
        end: when they end; before `start`, on the next day.
        zone: whose clock shows these times.
        calendar: the name of an exchange, whose sessions are the hours.
        what: the name of the operator.

    Raises:
        InvalidTypeError, InvalidValueError: for arguments that are wrong, or do not fit each other.
        RunError: if the `calendars` extra is not installed.
    """
    if calendar is not None:
        if (start, end, zone) != (None, None, None):
            raise InvalidValueError(
                f"{what} takes a calendar, or start, end and zone, not both: {calendar=}, "
                f"{start=}, {end=}, {zone=}"
            )
        return _sessions_of(Exchange(calendar))
    if start is None or end is None or zone is None:
        raise InvalidValueError(
            f"{what} needs start, end and zone, or a calendar, not {start=}, {end=}, {zone=}"
        )
    first, last = _of_day(start, "start"), _of_day(end, "end")
    if first == last:
        raise InvalidValueError(f"start and end of {what} must differ, not {start!r} and {end!r}")
    return _daily(first, last, WallClock(to_zone(zone)))


def _sessions_of(exchange: Exchange) -> Hours:
    def at(time: int) -> tuple[bool, int]:
        _, until, is_open = exchange.stretch(time)
        return is_open, until

    return at


def _daily(first: int, last: int, clock: WallClock) -> Hours:
    def at(time: int) -> tuple[bool, int]:
        _, end, offset = clock.stretch(time)
        shown = (time + offset) % DAY
        is_open = first <= shown < last if first < last else not last <= shown < first
        change = min((edge - shown) % DAY or DAY for edge in (first, last))
        return is_open, min(time + change, end)

    return at


def _of_day(given: TimeOfDay, argument: str) -> int:
    """Return the ns since midnight of a time of day.

    Raises:
        InvalidTypeError: for another type.
        InvalidValueError: for text that is no time of day, or a time with a zone of its own.
    """
    parsed = given
    if isinstance(given, str):
        try:
            parsed = datetime_time.fromisoformat(given)
        except ValueError:
            raise InvalidValueError(
                f'{argument} must be a time of day such as "09:30", not {given!r}'
            ) from None
    if not isinstance(parsed, datetime_time):
        raise InvalidTypeError(f'{argument} must be a time of day such as "09:30", not {given!r}')
    if parsed.tzinfo is not None:
        raise InvalidValueError(f"{argument} must have no zone of its own: {given!r}")
    seconds = parsed.hour * 3600 + parsed.minute * 60 + parsed.second
    return seconds * SECOND + parsed.microsecond * 1000
