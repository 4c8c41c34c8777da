"""The sessions of an exchange, by the package `exchange_calendars` of the `calendars` extra."""

import warnings
from bisect import bisect_right
from importlib import import_module
from typing import Any

from graphcore.calendars.zones import DAY
from graphcore.errors import InvalidTypeError, InvalidValueError, RunError
from graphcore.time import format_time

# Sessions are looked up for so many days at once; a calendar of ten years takes 0.2 s.
_BLOCK = 3_650
# No exchange closes for so many days, so the stretches at both ends of a block are whole.
_MARGIN = 60


class Exchange:
    """The sessions of an exchange and the time between them.

    Args:
        name: a name of `exchange_calendars`, such as ``"XNYS"``.

    Raises:
        InvalidTypeError: if it is not text.
        InvalidValueError: if `exchange_calendars` has no calendar of this name.
        RunError: if `exchange_calendars` is not installed.
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise InvalidTypeError(f'a calendar must be a name such as "XNYS", not {name!r}')
        try:
            self._library: Any = import_module("exchange_calendars")
        except ImportError as error:
            raise RunError(
                "this needs exchange_calendars: pip install 'graphcore[calendars]'"
            ) from error
        if name not in self._library.get_calendar_names(include_aliases=True):
            raise InvalidValueError(
                f"{name!r} is not a calendar of exchange_calendars; "
                'its names look like "XNYS", and exchange_calendars.get_calendar_names() lists them'
            )
        self.name = name
        self._blocks: dict[int, tuple[list[int], list[bool]]] = {}

    def stretch(self, time: int) -> tuple[int, int, bool]:
        """Return (begin, end, whether it is open) of the stretch around a time, in ns.

        A stretch is a session or a part of one between two breaks, or the time between two of them.
        It reaches from `begin` until before `end`.

        Raises:
            RunError: for a time that the calendar does not know.
        """
        block = time // (_BLOCK * DAY)
        if block not in self._blocks:
            with warnings.catch_warnings():
                # It uses what the newest pandas deprecates, which nobody can mend from here.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._blocks[block] = self._sessions(block)
        begins, opens = self._blocks[block]
        place = bisect_right(begins, time) - 1
        if not 0 <= place < len(begins) - 1:
            raise RunError(
                f"the calendar {self.name} of exchange_calendars does not know the sessions at "
                f"{format_time(time)}"
            )
        return begins[place], begins[place + 1], opens[place]

    def _sessions(self, block: int) -> tuple[list[int], list[bool]]:
        """Return when sessions, breaks and closed times begin, and which of them are open."""
        pandas = import_module("pandas")
        cls = type(self._library.get_calendar(self.name))
        low, high = cls.bound_min(), cls.bound_max()
        try:
            start = pandas.Timestamp(block * _BLOCK - _MARGIN, unit="D")
            end = pandas.Timestamp((block + 1) * _BLOCK + _MARGIN, unit="D")
            start = start if low is None else max(start, low)
            end = end if high is None else min(end, high)
            calendar = self._library.get_calendar(self.name, start=start, end=end)
        except (ValueError, pandas.errors.OutOfBoundsDatetime, OverflowError):
            return [], []  # the calendar has no sessions there
        edges: dict[int, bool] = {}
        columns = ("open", "break_start", "break_end", "close")
        for row in zip(*(calendar.schedule[each] for each in columns), strict=True):
            opens, *pause, closes = (each.value for each in row if each is not pandas.NaT)
            edges[opens] = True
            if pause:
                edges[pause[0]], edges[pause[1]] = False, True
            edges.setdefault(closes, False)
        times = sorted(edges)
        return times, [edges[each] for each in times]
