"""What the clock on the wall shows: the offset from UTC of a zone, over all of time.

A zone's offset is constant between two changes of it (to and from summer time, and by decree). Code
that works with times of day asks for the stretch around a time, and does arithmetic inside.
"""

from bisect import bisect_right
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from graphcore.errors import InvalidTypeError, InvalidValueError

Zone = str | tzinfo
"""A time zone: its name, such as ``"America/New_York"`` or ``"UTC"``, or a `tzinfo`."""

SECOND = 1_000_000_000
DAY = 86_400 * SECOND

# The offsets of this many days are looked up at once. Engine time 0 is a block's first instant.
_BLOCK = 512
# `datetime` ends here, in seconds; a zone's offset before and after is taken to be that of the end.
_FIRST, _LAST = -62_135_424_000, 253_402_128_000


def to_zone(given: Zone) -> tzinfo:
    """Return a time zone.

    Raises:
        InvalidTypeError: if it is neither text nor a `tzinfo`.
        InvalidValueError: for a name that the zone data does not have.

    >>> to_zone("Europe/Berlin")
    zoneinfo.ZoneInfo(key='Europe/Berlin')
    """
    if isinstance(given, tzinfo):
        return given
    if not isinstance(given, str):
        raise InvalidTypeError(
            f'a zone must be a name such as "Europe/Berlin", or a tzinfo, not {given!r}'
        )
    try:
        return ZoneInfo(given)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValueError(
            f'{given!r} is not a time zone; names look like "Europe/Berlin", or are "UTC"'
        ) from None


class WallClock:
    """The clock of a zone.

    Args:
        zone: the zone.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._blocks: dict[int, tuple[list[int], list[int]]] = {}

    def stretch(self, time: int) -> tuple[int, int, int]:
        """Return (begin, end, offset) of a stretch around a time.

        From `begin` until before `end`, engine time plus the offset is the time on the wall, all in
        ns. The offset of the next stretch may be the same.
        """
        block = time // (_BLOCK * DAY)
        if block not in self._blocks:
            self._blocks[block] = self._changes(block)
        begins, offsets = self._blocks[block]
        place = bisect_right(begins, time) - 1
        return begins[place], begins[place + 1], offsets[place]

    def _changes(self, block: int) -> tuple[list[int], list[int]]:
        """Return when the offsets of a block begin, with the block's end, and the offsets."""
        first = block * _BLOCK * 86_400
        begins, offsets = [first], [self._offset(first)]
        for day in range(first, first + _BLOCK * 86_400, 86_400):
            # A zone changes its offset at most once within a day.
            before, after = day, day + 86_400
            if self._offset(after) == offsets[-1]:
                continue
            while after - before > 1:
                middle = (before + after) // 2
                if self._offset(middle) == offsets[-1]:
                    before = middle
                else:
                    after = middle
            begins.append(after)
            offsets.append(self._offset(after))
        begins.append(first + _BLOCK * 86_400)
        return [each * SECOND for each in begins], [each * SECOND for each in offsets]

    def _offset(self, second: int) -> int:
        moment = datetime.fromtimestamp(min(max(second, _FIRST), _LAST), self._zone)
        offset = moment.utcoffset()
        return 0 if offset is None else offset.days * 86_400 + offset.seconds
