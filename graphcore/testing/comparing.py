"""`assert_ticks`: compare what ticked with what should have ticked, and show where they differ."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from math import isclose
from typing import Any, NamedTuple, Unpack

from graphcore.errors import InvalidTypeError, InvalidValueError, shorten
from graphcore.graph import RunOptions
from graphcore.stream import Stream
from graphcore.testing.ticks import ticks
from graphcore.time import Time, format_time, to_time

_CONTEXT = 2  # equal ticks shown before and after a difference
_MOST_ROWS = 30
_NOTHING = "-"  # no value looks so: the others are shown by their repr
_NONE: tuple[Any, ...] = ()
_DATED = 86_400_000_000_000  # from this engine time on, ns, a date says more than a number


class _Row(NamedTuple):
    """A tick that was expected, a tick that was found, or both, at one time."""

    time: int
    expected: tuple[Any, ...]  # one value or none
    found: tuple[Any, ...]
    equal: bool


def assert_ticks(
    found: Stream[Any] | Iterable[tuple[int, Any]],
    expected: Iterable[tuple[Time, Any]],
    *,
    rel: float = 0.0,
    **options: Unpack[RunOptions],
) -> None:
    """Fail unless a stream ticks as expected, and show both beside each other where they differ.

    Values are equal as by ``==`` and of one type; NaN equals NaN.

    Args:
        found: a stream, whose graph is run, or ticks: what `collect()` returned, or pairs of engine
            time and value.
        expected: the pairs of time and value that should be found.
        rel: how much floats may differ, relative to the larger one.
        options: those of `Graph.run`, for a stream.

    Raises:
        AssertionError: if they differ.
        InvalidTypeError: for anything else, or options without a stream to run.
        InvalidValueError: for a negative `rel`.

    >>> import graphcore as gc
    >>> prices = gc.replay([1, 2, 3], [1.0, 1.5, 2.5])
    >>> assert_ticks(prices.difference(), [(2, 0.5), (3, 1.0)])
    >>> assert_ticks(prices.difference(), [(2, 0.5), (3, 2.0), (4, 0.0)])
    Traceback (most recent call last):
      ...
    AssertionError: 2 of 3 ticks differ
      time  expected  found
      2     0.5       0.5
    > 3     2.0       1.0
    > 4     0.0       -
    """
    __tracebackhide__ = True  # pytest then shows the line of the test
    if not rel >= 0:
        raise InvalidValueError(f"rel must be 0 or more, not {rel!r}")
    if isinstance(found, Stream):
        found = ticks(found, **options)
    elif options:
        raise InvalidTypeError("options are for a stream, whose graph is run; these ticks are here")
    rows = list(_aligned(_pairs(expected, "expected"), _pairs(found, "found"), rel))
    wrong = sum(not row.equal for row in rows)
    if wrong:
        raise AssertionError(f"{wrong:,} of {len(rows):,} ticks differ\n{_table(rows)}")


def _pairs(given: Iterable[tuple[Time, Any]], name: str) -> list[tuple[int, Any]]:
    try:
        return [(to_time(time), value) for time, value in given]
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(
            f"{name} must be pairs of time and value, not {shorten(given)}"
        ) from error


def _aligned(
    expected: list[tuple[int, Any]], found: list[tuple[int, Any]], rel: float
) -> Iterator[_Row]:
    """Yield the ticks by time; those of one time beside each other, in order."""
    by_time: dict[int, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, pairs in enumerate((expected, found)):
        for time, value in pairs:
            by_time[time][side].append((value,))
    for time in sorted(by_time):
        for wanted, got in zip_longest(*by_time[time], fillvalue=_NONE):
            equal = bool(wanted and got) and _equal(wanted[0], got[0], rel)
            yield _Row(time, wanted, got, equal)


def _equal(expected: Any, found: Any, rel: float) -> bool:
    if type(expected) is not type(found):
        return False
    if isinstance(expected, float):
        both_nan = expected != expected and found != found
        return both_nan or isclose(expected, found, rel_tol=rel, abs_tol=0.0)
    if isinstance(expected, list | tuple):
        return len(expected) == len(found) and all(
            _equal(a, b, rel) for a, b in zip(expected, found, strict=True)
        )
    if isinstance(expected, dict):
        return expected.keys() == found.keys() and all(
            _equal(each, found[key], rel) for key, each in expected.items()
        )
    equal = expected == found
    return bool(equal.all() if hasattr(equal, "all") else equal)


def _table(rows: list[_Row]) -> str:
    shown = sorted(
        {
            near
            for place, row in enumerate(rows)
            if not row.equal
            for near in range(place - _CONTEXT, place + _CONTEXT + 1)
            if 0 <= near < len(rows)
        }
    )
    lines = [(" ", "time", "expected", "found")]
    last = shown[0] - 1
    for place in shown[:_MOST_ROWS]:
        if place != last + 1:
            lines.append((" ", "...", "", ""))
        last, row = place, rows[place]
        mark = " " if row.equal else ">"
        lines.append((mark, _time(row.time), _shown(row.expected), _shown(row.found)))
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    text = [
        f"{mark} {time:{widths[1]}}  {expected:{widths[2]}}  {found}".rstrip()
        for mark, time, expected, found in lines
    ]
    left = sum(not rows[place].equal for place in shown[_MOST_ROWS:])
    return "\n".join([*text, f"  and {left:,} more differences"] if left else text)


def _time(time: int) -> str:
    return format_time(time) if time >= _DATED else str(time)


def _shown(value: tuple[Any, ...]) -> str:
    return shorten(value[0]) if value else _NOTHING
