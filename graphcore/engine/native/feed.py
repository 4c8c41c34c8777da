"""The events of the only source: a chunk at a time, as lists for Python and arrays for a kernel."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, NamedTuple

from graphcore.engine.native.backend.memory import column_of
from graphcore.engine.native.ir import Kind
from graphcore.engine.run.session import Session
from graphcore.node import Source


class Columns(NamedTuple):
    """The events of a chunk as arrays.

    Attributes:
        kind: the kind of the values.
        times: the address of the times.
        values: the address of the values.
        held: what owns the memory.
    """

    kind: Kind
    times: int
    values: int
    held: tuple[Any, ...]


_KINDS = {"f": Kind.FLOAT, "i": Kind.INT, "b": Kind.BOOL}


def events_of(source: Source[Any], start: int, most: int) -> Iterator[tuple[Any, Any]]:
    """Yield the events of a source in chunks of times and values: numpy arrays or lists."""
    columns = source.columns(start)
    if columns is None:
        return source.chunks(start)
    times, values = columns
    places = range(0, len(times), most)
    return ((times[at : at + most], values[at : at + most]) for at in places)


def _address(values: Any) -> int:
    address: int = values.__array_interface__["data"][0]
    return address


class Feed:
    """The events of one run.

    Args:
        chunks: all events that the source has for the run, as `events_of` gives them.
        session: the run.
        most: the number of events from which on a chunk gets no more.

    Attributes:
        before: how many cycles come before those of the present chunk.
        count: how many events the present chunk has.
        following: the time of the first event after the run's last time; `None` if there is none.
        error: what the source raised after the present chunk.
    """

    def __init__(self, chunks: Iterator[tuple[Any, Any]], session: Session, most: int) -> None:
        self._chunks = chunks
        self._session = session
        self._most = most
        self._times: Any = []
        self._values: Any = []
        self._time_before = session.time
        self._over = session.ended_by is not None
        self.before = 0
        self.count = 0
        self.following: int | None = None
        self.error: BaseException | None = None

    def advance(self) -> bool:
        """Go on to the next chunk; return whether there is one."""
        if len(self._times):
            self._time_before = int(self._times[-1])
        self.before += self.count
        times, values = self._next()
        end, limit = self._session.end, self._session.limit
        if limit is not None:
            times = times[: limit - self.before]
        if end is not None and len(times) and times[-1] > end:
            within = bisect_right(times, end)
            self.following = int(times[within])
            times = times[:within]
        if self.following is not None or (limit is not None and self.before + len(times) >= limit):
            self._over, self.error = True, None
        self._times, self._values, self.count = times, values, len(times)
        return len(times) > 0

    def _next(self) -> tuple[Any, Any]:
        if self._over or self.error is not None:
            return [], []
        times: list[int] = []
        values: list[Any] = []
        try:
            for some_times, some_values in self._chunks:
                if hasattr(some_values, "tolist"):
                    return some_times, some_values
                times += some_times
                values += some_values
                if len(times) >= self._most:
                    return times, values
        except Exception as error:  # raised in the cycle after those of this chunk
            self.error = error
        self._over = self.error is None
        return times, values

    def events(self, first: int, last: int, timed: bool) -> Iterable[Any]:
        """Return events of the chunk as the fused function takes them."""
        cycles = count(self.before + first + 1)
        times, values = self._times[first:last], self._values[first:last]
        if hasattr(values, "tolist"):
            times, values = times.tolist(), values.tolist()
        if timed:
            return zip(times, values, cycles, strict=False)
        return zip(values, cycles, strict=False)

    def failing(self) -> Iterator[Any]:
        """Raise the source's error, as the events would."""
        assert self.error is not None
        raise self.error
        yield

    def columns(self) -> Columns | None:
        """Return the chunk as arrays; `None` if its values are not numbers of one kind."""
        times, values = self._times, self._values
        if hasattr(values, "tolist"):
            kind = _KINDS[values.dtype.kind]
            return Columns(kind, _address(times), _address(values), (times, values))
        found = column_of(values)
        if found is None:
            return None
        kind, values = found
        try:
            times = array("q", self._times)
        except OverflowError:
            return None
        return Columns(kind, times.buffer_info()[0], values.buffer_info()[0], (times, values))

    def time_of(self, cycle: int) -> int:
        """Return the time of a cycle of this chunk, or of the last one before it."""
        place = cycle - self.before - 1
        return int(self._times[place]) if 0 <= place < len(self._times) else self._time_before
