"""Recorded events, read and checked before a source delivers them.

What comes out is an iterator of (time, value) pairs that has no end: behind the last event stands
`None` for a time. Lists and arrays are checked a chunk at a time, so that an event costs little;
an iterator is asked for one event at a time, no further ahead than is needed. An error is announced
by a pair with `FAILED` for a value, at the time of the event before it, and raised behind that.
A pair with `WAIT` is a cycle in which nothing ticks.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, count, repeat, zip_longest
from typing import Any, Final, TypeGuard

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.time import to_time

Event = tuple[int | None, Any]
Events = Iterator[Event]

FAILED: Final = object()
WAIT: Final = object()
_MISSING = object()
_CHUNK = 4096


class Delivery(StrEnum):
    """How values due at one time reach the graph: a cycle each, one list, or the last alone."""

    EACH = "each"
    BURST = "burst"
    LATEST = "latest"


def pairs_of(pairs: Iterable[Any]) -> Events:
    """Return the events of (time, value) pairs."""
    if not isinstance(pairs, list | tuple):
        return _endless(_one_by_one(scalars(pairs)))
    return _endless(_in_chunks(pairs))


def events_of(times: Iterable[Any], values: Iterable[Any]) -> Events:
    """Return the events of times and, beside them, values."""
    if _is_recorded(times) and _is_recorded(values) and len(times) == len(values):
        return recorded(zip(_chunks(times), _chunks(values), strict=True))
    both = zip_longest(scalars(times), scalars(values), fillvalue=_MISSING)
    return _endless(_one_by_one(both))


def recorded(chunks: Iterator[tuple[list[Any], list[Any]]]) -> Events:
    """Return the events of lists of times and, beside each, of values as many."""
    return _endless(_side_by_side(chunks))


def spaced(values: Iterable[Any], start: int, period: int) -> Events:
    """Return the events of values that come a period apart, or all at the start."""
    times = count(start, period) if period else repeat(start)
    if _is_recorded(values):
        return _endless([zip(times, scalars(values), strict=False)])
    return _endless(_one_by_one(zip(times, values, strict=False)))


def grouped(events: Events, delivery: Delivery) -> Events:
    """Return the events with those of one time made one, by this policy."""
    if delivery is Delivery.EACH:
        return events
    return _groups(events, delivery is Delivery.LATEST)


def scalars(values: Any) -> Iterator[Any]:
    """Return what an iterable holds; of a numpy array Python scalars, of `datetime64` ns."""
    return chain.from_iterable(_chunks(values)) if _is_array(values) else iter(values)


def _groups(events: Events, latest: bool) -> Events:
    time, value = next(events)
    while time is not None or value is FAILED:
        if value is FAILED:
            yield time, value
            next(events)
        burst = [value]
        following, value = next(events)
        while following == time and value is not FAILED:
            burst.append(value)
            following, value = next(events)
        yield time, burst[-1] if latest else burst
        time = following
    yield from repeat((None, None))


def _endless(chunks: Iterable[Iterable[Event]]) -> Events:
    return chain.from_iterable(chain(chunks, [repeat((None, None))]))


def _in_chunks(pairs: Sequence[Any]) -> Iterator[Iterable[Event]]:
    previous: int | None = None
    for begin in range(0, len(pairs), _CHUNK):
        chunk = pairs[begin : begin + _CHUNK]
        plain = set(map(type, chunk)) == {tuple} and set(map(len, chunk)) == {2}
        if not (plain and _in_order([time for time, _ in chunk], previous)):
            yield from _one_by_one(pairs[begin:], begin, previous)
            return
        yield chunk
        previous = chunk[-1][0]


def _side_by_side(both: Iterator[tuple[list[Any], list[Any]]]) -> Iterator[Iterable[Event]]:
    previous: int | None = None
    begin = 0
    while True:
        try:
            some_times, some_values = next(both)
        except StopIteration:
            return
        except Exception:  # announced first, as in `_one_by_one`
            yield ((previous, FAILED),)
            raise
        pairs = zip(some_times, some_values, strict=True)
        if _in_order(some_times, previous):
            yield pairs
        else:
            yield from _one_by_one(pairs, begin, previous)
        previous = to_time(some_times[-1])
        begin += len(some_times)


def _one_by_one(
    pairs: Iterable[Any], index: int = 0, previous: int | None = None
) -> Iterator[Iterable[Event]]:
    """Yield events alone, each checked; `index` and `previous` are of what came before them."""
    try:
        for pair in pairs:
            time, value = _checked(pair, index, previous)
            yield ((time, value),)
            previous = time
            index += 1
    except Exception:  # announced first, raised when it is the announced event's turn
        yield ((previous, FAILED),)
        raise


def _checked(pair: Any, index: int, previous: int | None) -> tuple[int, Any]:
    try:
        given, value = pair
    except (TypeError, ValueError):
        raise InvalidTypeError(
            f"index {index} is {pair!r}, where a (time, value) pair is needed"
        ) from None
    if given is _MISSING or value is _MISSING:
        raise InvalidValueError(
            f"replay needs as many values as times: the "
            f"{'times' if given is _MISSING else 'values'} end at index {index}"
        )
    try:
        time = to_time(given)
    except (InvalidTypeError, InvalidValueError) as error:
        raise type(error)(f"index {index}: {error}") from None
    if previous is not None and time < previous:
        raise InvalidValueError(
            f"times must not go back: {time} at index {index} comes after {previous}"
        )
    return time, value


def _in_order(times: list[Any], previous: int | None) -> bool:
    """Return whether these are `int` and none goes back."""
    if set(map(type, times)) != {int} or (previous is not None and times[0] < previous):
        return False
    return times == sorted(times)


def _is_array(values: object) -> bool:
    return hasattr(values, "dtype") and hasattr(values, "tolist")


def _is_recorded(values: object) -> TypeGuard[Sequence[Any]]:
    """Return whether all of it is there, so that reading ahead changes nothing."""
    return type(values) in (list, tuple, range, str) or _is_array(values)


def _chunks(values: Any) -> Iterator[list[Any]]:
    """Yield what a sequence or an array holds in lists, of an array Python scalars."""
    if not _is_array(values):
        for begin in range(0, len(values), _CHUNK):
            yield list(values[begin : begin + _CHUNK])
        return
    if values.dtype.kind in "mM":
        if (values != values).any():
            raise InvalidValueError(f"index {int((values != values).argmax())} is NaT, not a time")
        if hasattr(values.dtype, "tz"):  # pandas converts such to UTC only when told to
            values = getattr(values, "dt", values).tz_convert(None)
        nanoseconds = values.astype(f"{values.dtype.kind}8[ns]")
        wrapped = nanoseconds.astype(values.dtype) != values
        if wrapped.any():
            i = int(wrapped.argmax())
            raise InvalidValueError(f"index {i} has no 64-bit number of nanoseconds")
        values = nanoseconds.astype("int64")
    if not hasattr(values, "reshape"):  # a pandas Series
        values = values.to_numpy()
    for begin in range(0, len(values), _CHUNK):
        yield values[begin : begin + _CHUNK].tolist()
