"""The events of a replay, read and checked before a source delivers them.

Events come in chunks: a sequence of times and a sequence of as many values. A chunk of a list or an
array holds thousands of events, so that each costs little. A chunk of an iterator holds one event,
so that the iterator is never read further ahead than needed. If reading an event fails, a chunk
with the single value `FAILED`, at the time of the event before, announces the error; asking for the
next chunk raises it. The value `WAIT` stands for a cycle in which nothing ticks.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, count, repeat, starmap, zip_longest
from math import nan
from operator import methodcaller
from typing import Any, Final, TypeGuard

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.node import Chunk, Chunks, CopiedEvents
from graphcore.sources.scalars import in_python, python_number
from graphcore.time import to_duration, to_time

Event = tuple[int | None, Any]
Events = Iterator[Event]

FAILED: Final = object()
WAIT: Final = object()
_FAILURE = (FAILED,)
_NO_MORE = ((repeat(None), repeat(None)),)
_MISSING = object()
_CHUNK = 4096
# The first chunk is short: every run reads it, and machine code takes all events from the arrays.
_FIRST_CHUNK = 64
_NANOSECONDS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


class Delivery(StrEnum):
    """How values due at one time reach the graph: one a cycle, as one list, or only the last."""

    EACH = "each"
    BURST = "burst"
    LATEST = "latest"


def chunks_of_pairs(pairs: Iterable[Any]) -> Chunks:
    """Return the events of (time, value) pairs."""
    return _in_chunks(pairs) if is_in_memory(pairs) else _one_by_one(scalars(pairs))


def chunks_of(times: Iterable[Any], values: Iterable[Any]) -> Chunks:
    """Return the events of some times and the same number of values."""
    if is_in_memory(times) and is_in_memory(values) and len(times) == len(values):
        return side_by_side(zip(_chunks_of_times(times), _chunks(values), strict=True))
    return _one_by_one(zip_longest(scalars(times), scalars(values), fillvalue=_MISSING))


def spaced(values: Iterable[Any], start: int, period: int) -> Chunks:
    """Return the events of values one period apart, or all at the start if the period is 0."""
    if is_in_memory(values):
        return _spaced_chunks(values, start, period)
    times = count(start, period) if period else repeat(start)
    return _one_by_one(zip(times, values, strict=False))


def is_in_memory(values: object) -> TypeGuard[Sequence[Any]]:
    """Return whether all values are in memory, so that reading ahead changes nothing."""
    return type(values) in (list, tuple, range, str) or _is_columnar(values)


def arrays_from(
    start: int, times: Any, values: Any, copied: CopiedEvents | None
) -> tuple[Any, Any] | None:
    """Return the events from `start` on as numpy arrays, for `Source.columns`.

    Args:
        start: the run's first engine time, ns.
        times: the times of all events.
        values: their values.
        copied: as in `Source.columns`.

    Returns:
        `None` unless both are arrays or columns of pandas, as many times as values, the times whole
        and in order, and the values float64, int64 or bool.
    """
    found = _numbers(times, values)
    if found is None:
        return None
    times, values = found
    if copied is not None and _ends_in(start, times, values, copied):
        return copied.times, copied.values
    if not _none_goes_back(times):
        return None
    first = times.searchsorted(start)
    both = times[first:], values[first:]
    return both if all(each.flags.c_contiguous for each in both) else None


def are_those_of(copied: CopiedEvents, times: Any, values: Any) -> bool:
    """Return whether all events are those of a copy, bit for bit."""
    found = _numbers(times, values)
    return (
        found is not None
        and len(found[0]) == len(copied.times)
        and found[1].dtype == copied.values.dtype
        and _are_same(found, copied)
    )


def _numbers(times: Any, values: Any) -> tuple[Any, Any] | None:
    """Return events as numpy arrays; see `arrays_from`."""
    if not (_is_array(times) and _is_array(values) and len(times) == len(values)):
        return None
    try:
        times, values = _array(times), _array(values)
    except InvalidValueError:  # `chunks` raises it at its event
        return None
    whole = times.ndim == values.ndim == 1 and times.dtype == "int64"
    return (times, values) if whole and values.dtype in ("float64", "int64", "bool") else None


def _are_same(both: tuple[Any, Any], copied: CopiedEvents) -> bool:
    """Return whether as many times and values are those of a copy, bit for bit."""
    # `startswith` takes any array and compares as fast as memory is read; the values come first
    # because they are the likelier to differ.
    return all(each.flags.c_contiguous for each in both) and all(
        map(bytes.startswith, reversed(copied.data), reversed(both))
    )


def _ends_in(start: int, times: Any, values: Any, copied: CopiedEvents) -> bool:
    """Return whether arrays have the events of a copy from `start` on, and are in order before."""
    first = len(times) - len(copied.times)
    if first < 0 or values.dtype != copied.values.dtype:
        return False
    before, both = times[:first], (times[first:], values[first:])
    return (
        _are_same(both, copied)
        and _none_goes_back(before)
        and before.searchsorted(start) == first
        and copied.times.searchsorted(start) == 0
    )


def since(chunks: Chunks, start: int) -> Chunks:
    """Yield the chunks without the events before `start`."""
    for times, values in chunks:
        first = bisect_left(times, start) if len(times) and times[0] < start else 0
        if first < len(times):
            yield (times[first:], values[first:]) if first else (times, values)


def begin(chunks: Chunks, start: int | None) -> tuple[int, list[Chunk]]:
    """Skip the events before `start`, if that is given.

    Returns:
        How many were skipped, and a list with the chunk that begins with the first event not
        skipped; the list is empty if there is none. Later chunks are left in `chunks`.
    """
    skipped = 0
    for times, values in chunks:
        first = 0 if start is None or values is _FAILURE else bisect_left(times, start)
        if first:
            skipped += sum(value is not WAIT for value in values[:first])
        if first < len(times):
            return skipped, [(times[first:], values[first:]) if first else (times, values)]
    return skipped, []


def until_failure(chunks: Chunks) -> Chunks:
    """Return the chunks without the one that announces an error; the error is raised anyway."""
    return (chunk for chunk in chunks if chunk[1] is not _FAILURE)


def one_by_one(chunks: Chunks, delivery: Delivery) -> Events:
    """Return the events one by one, those of one time joined by the policy.

    The iterator never ends: after the last event it yields (None, None) for ever.
    """
    events = chain.from_iterable(starmap(zip, chain(chunks, _NO_MORE)))
    return events if delivery is Delivery.EACH else _groups(events, delivery is Delivery.LATEST)


def scalars(values: Any) -> Iterator[Any]:
    """Return the items of an iterable: Python scalars of arrays and columns, ns of timestamps."""
    return chain.from_iterable(_chunks(values)) if _is_columnar(values) else iter(values)


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


def _in_chunks(pairs: Any) -> Chunks:
    previous: int | None = None
    for begin in range(0, len(pairs), _CHUNK):
        chunk = pairs[begin : begin + _CHUNK]
        plain = set(map(type, chunk)) == {tuple} and set(map(len, chunk)) == {2}
        times, values = zip(*chunk, strict=True) if plain else ((), ())
        if not (plain and _in_order(times, previous)):
            yield from _one_by_one(scalars(pairs[begin:]), begin, previous)
            return
        yield times, in_python(values)
        previous = times[-1]


def side_by_side(both: Iterator[tuple[Sequence[Any], Sequence[Any]]]) -> Chunks:
    """Return the events of pairs of sequences: times, and as many values."""
    previous: int | None = None
    begin = 0
    while True:
        try:
            some_times, some_values = next(both)
        except StopIteration:
            return
        except Exception:  # announced before it is raised, as in `_one_by_one`
            yield (previous or 0,), _FAILURE
            raise
        if _in_order(some_times, previous):
            yield some_times, some_values
        else:
            pairs = zip(some_times, some_values, strict=True)
            yield from _one_by_one(pairs, begin, previous)
        previous = to_time(some_times[-1])
        begin += len(some_times)


def _spaced_chunks(values: Any, start: int, period: int) -> Chunks:
    for chunk in _chunks(values):
        end = start + len(chunk) * period
        yield range(start, end, period) if period else (start,) * len(chunk), chunk
        start = end


def _one_by_one(pairs: Iterable[Any], index: int = 0, previous: int | None = None) -> Chunks:
    """Yield chunks of one event, checked; `index` and `previous` continue from earlier chunks."""
    try:
        for pair in pairs:
            time, value = _checked(pair, index, previous)
            yield (time,), (value,)
            previous = time
            index += 1
    except Exception:  # announced before it is raised
        yield (previous or 0,), _FAILURE
        raise


def _checked(pair: Any, index: int, previous: int | None) -> tuple[int, Any]:
    try:
        given, value = pair
    except (TypeError, ValueError):
        raise InvalidTypeError(
            f"index {index} must be a (time, value) pair, not {pair!r}"
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
    return time, python_number(value)


def _in_order(times: Sequence[Any], previous: int | None) -> bool:
    """Return whether all times are `int` and none goes back."""
    if isinstance(times, memoryview):
        whole: Any = times.obj  # a numpy array
        return _none_goes_back(whole) and (previous is None or times[0] >= previous)
    if set(map(type, times)) != {int} or (previous is not None and times[0] < previous):
        return False
    return list(times) == sorted(times)


def _none_goes_back(times: Any) -> bool:
    """Return whether no time of an array is earlier than the one before it."""
    return not (times[1:] < times[:-1]).any()


def _is_columnar(values: object) -> bool:
    return _is_array(values) or _is_polars(values) or _is_arrow(values)


def _is_array(values: object) -> bool:
    """Return whether this is a numpy array or a pandas column."""
    return hasattr(values, "dtype") and hasattr(values, "tolist")


def _is_plain_array(values: Any) -> bool:
    """Return whether this is a numpy array of numbers or bools."""
    return _is_array(values) and hasattr(values, "reshape") and values.dtype.kind in "biuf"


def _is_polars(values: object) -> bool:
    return hasattr(values, "dtype") and hasattr(values, "to_physical")


def _is_arrow(values: object) -> bool:
    return hasattr(values, "type") and hasattr(values, "to_pylist")


def _chunks(values: Any) -> Iterator[list[Any]]:
    """Yield the items of a sequence, an array or a column in lists, as Python scalars."""
    to_list: Callable[[Any], list[Any]] = list
    factor = 1
    if _is_plain_array(values):
        for part in _parts(len(values)):
            yield values[part].tolist()
        return
    has_objects = not _is_columnar(values) or str(getattr(values, "dtype", "")) == "object"
    if hasattr(getattr(values, "dtype", None), "pyarrow_dtype") and values.dtype.kind not in "iuf":
        values = getattr(values, "array", values).__arrow_array__()
    if _is_array(values):
        values, to_list = _array(values), methodcaller("tolist")
    elif _is_polars(values):
        to_list = methodcaller("to_list")
        if hasattr(values.dtype, "time_unit"):
            values, factor = values.to_physical(), _NANOSECONDS[values.dtype.time_unit]
    elif _is_arrow(values):
        to_list = methodcaller("to_pylist")
        if str(values.type).startswith(("timestamp", "duration")):
            values, factor = values.cast("int64"), _NANOSECONDS[values.type.unit]
    for part in _parts(len(values)):
        chunk = to_list(values[part])
        if has_objects:
            chunk = in_python(chunk)
        yield chunk if factor == 1 else [each and each * factor for each in chunk]


def _chunks_of_times(times: Any) -> Iterator[Sequence[Any]]:
    """Yield the items of a sequence, an array or a column of times in parts, as Python scalars.

    Nanoseconds in an array come as a `memoryview`, which makes an `int` of a time only when it is
    read, and whose array numpy checks for order 50 times faster than Python a list.
    """
    if _is_array(times) and not hasattr(times.dtype, "pyarrow_dtype"):
        whole = _array(times)
        if whole.dtype == "int64" and whole.ndim == 1:
            for part in _parts(len(whole)):
                yield memoryview(whole[part].copy())
            return
    yield from _chunks(times)


def _parts(count: int) -> Iterator[slice]:
    """Yield the chunks into which so many events are divided."""
    end = 0
    while end < count:
        begin, end = end, end + (_CHUNK if end else _FIRST_CHUNK)
        yield slice(begin, end)


def _array(values: Any) -> Any:
    """Return the values as a numpy array, times as nanoseconds.

    Raises:
        InvalidValueError: for a time that is NaT or finer than a nanosecond.
    """
    if values.dtype.kind in "mM":
        return _nanoseconds(values)
    if hasattr(values, "reshape"):
        return values
    if values.dtype.kind in "iu" and hasattr(values.dtype, "na_value"):
        # If a value is missing, numpy would turn all values into floats.
        return values.to_numpy(object, na_value=nan)
    if values.dtype.kind in "bOU" and str(getattr(values.dtype, "na_value", "")) == "<NA>":
        return values.to_numpy(object, na_value=None)
    return values.to_numpy()


def _nanoseconds(values: Any) -> Any:
    if (values != values).any():
        raise InvalidValueError(f"index {int((values != values).argmax())} is NaT, not a time")
    if hasattr(values.dtype, "tz"):  # pandas converts to UTC only when told to
        values = getattr(values, "dt", values).tz_convert(None)
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    try:
        whole = values.astype(f"{values.dtype.kind}8[ns]")
        if (whole.astype(values.dtype) == values).all():
            return whole.astype("int64")
    except OverflowError:  # numpy from 2.5 on; earlier it wraps around
        pass
    # 64 bits of nanoseconds end in the year 2262; Python's whole numbers do not.
    convert = to_time if values.dtype.kind == "M" else to_duration
    exact = values.astype(object)
    for i, value in enumerate(values):
        try:
            exact[i] = convert(value)
        except InvalidValueError as error:
            raise InvalidValueError(f"index {i}: {error}") from None
    return exact
