"""Grids of time: the spans of equal length that bars are made of.

In a zone, a span begins where the clock on the wall shows a multiple of the period, counted from
1970-01-01 00:00 on that clock. If the clock skips such a time, the first instant after it takes its
place; if it shows one twice, a span begins at each. With an exchange's calendar, spans are counted
from the beginning of each session, and end with it at the latest; so are those of the time between
two sessions.
"""

from collections.abc import Callable

from graphcore.calendars.exchanges import Exchange
from graphcore.calendars.zones import WallClock, Zone, to_zone
from graphcore.errors import InvalidValueError

Grid = Callable[[int, int], tuple[int, int, bool]]
"""Returns (start, end, whether an exchange is open) of the span that holds an engine time.

The second argument is the time from which the spans of a plain grid are counted.
"""


def grid_of(period: int, align: bool, zone: Zone | None, calendar: str | None) -> Grid:
    """Return the grid for the arguments of an operator.

    Args:
        period: the length of a span, ns.
        align: whether the spans lie at multiples of the period; otherwise they are counted from the
            start of the run, and there may be neither zone nor calendar.
        zone: on whose clock the multiples are shown; `None` for UTC.
        calendar: the exchange whose sessions the spans are counted from.

    Raises:
        InvalidTypeError, InvalidValueError: for arguments that are wrong, or do not fit each other.
        RunError: if the `calendars` extra is not installed.
    """
    if not align and (zone, calendar) != (None, None):
        raise InvalidValueError(
            f"with align=False, spans are counted from the start of the run: {zone=} and "
            f"{calendar=} need align=True"
        )
    if calendar is not None:
        if zone is not None:
            raise InvalidValueError(f"give a zone or a calendar, not both: {zone=}, {calendar=}")
        return _of_sessions(period, Exchange(calendar))
    if zone is not None:
        return _on_the_wall(period, WallClock(to_zone(zone)))
    return _plain(period)


def _plain(period: int) -> Grid:
    def at(time: int, origin: int) -> tuple[int, int, bool]:
        start = time - (time - origin) % period
        return start, start + period, True

    return at


def _of_sessions(period: int, exchange: Exchange) -> Grid:
    def at(time: int, origin: int) -> tuple[int, int, bool]:
        begin, end, is_open = exchange.stretch(time)
        start = time - (time - begin) % period
        return start, min(start + period, end), is_open

    return at


def _on_the_wall(period: int, clock: WallClock) -> Grid:
    def at(time: int, origin: int) -> tuple[int, int, bool]:
        return start_of(time), end_of(time), True

    def start_of(time: int) -> int:
        while True:
            first, _, offset = clock.stretch(time)
            start = time - (time + offset) % period
            if start >= first:
                return start
            if _begins_a_span(first + clock.stretch(first - 1)[2], first + offset):
                return first
            time = first - 1

    def end_of(time: int) -> int:
        while True:
            _, change, offset = clock.stretch(time)
            end = time + period - (time + offset) % period
            if end < change:
                return end
            if _begins_a_span(change + offset, change + clock.stretch(change)[2]):
                return change
            time = change

    def _begins_a_span(due: int, shown: int) -> bool:
        """Return whether a span begins where a clock that would show `due` shows another time."""
        if shown < due:
            return shown % period == 0
        return shown - shown % period >= due

    return at
