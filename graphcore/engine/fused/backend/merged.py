"""The events of many recorded sources for the loop of the fused function, in the cycles of R6.

To sort all events takes a fraction of the time in which a heap gives them out one after the other.
The events may be more than the memory holds. So each source is read a chunk at a time, and sorted
are the events up to the time to which all sources have been read.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, groupby, repeat
from math import inf
from operator import itemgetter
from typing import Any

from graphcore.engine.collector import without_collections
from graphcore.engine.run.session import Session
from graphcore.node import Chunks

_ENOUGH = 4096  # events of a source that are read at once
_MOST = 1_000_000  # events that are sorted at once, unless more have one time

# The times of some cycles, and for each the sources that have an event, in the order of R2, and
# their values in the opposite order.
_Cycles = tuple[Sequence[int], Iterable[list[int]], Iterable[list[Any]]]


class MergedEvents:
    """The events of one run, to be iterated over in `chain.from_iterable`.

    Args:
        chunks: for each source, in the order of R2, all events that it has for the run.
        session: the run.

    Attributes:
        following: the time of the first event after the run's last time; `None` if there is none.
    """

    def __init__(self, chunks: Mapping[int, Chunks], session: Session) -> None:
        self._sources = [_Source(index, of, session.start_time) for index, of in chunks.items()]
        self._session = session
        self.following: int | None = None

    def __iter__(self) -> Iterator[Iterable[tuple[int, list[int], list[Any], int]]]:
        """Yield chunks of (time, sources, values, cycle); the values are in the opposite order."""
        if self._session.ended_by is not None:
            return
        limit = self._session.limit
        end = inf if self._session.end is None else self._session.end + 1
        numbers = count(1)
        done, until = 0, -inf
        while until < end and done != limit:
            with without_collections():
                for source in self._sources:
                    if source.known_until <= until or source.is_low:
                        source.read()
                until = self._horizon(end)
                times, due, values = self._cycles(until)
            if limit is not None:
                times = times[: limit - done]
            done += len(times)
            # The numbers last: `zip` takes one only if the others gave an item.
            yield zip(times, due, values, numbers, strict=False)
        following = min(source.following for source in self._sources)
        self.following = None if following == inf else int(following)

    def _horizon(self, end: float) -> float:
        """Return the time before which to take events: all are known, and they are not too many."""
        until = min(end, min(source.known_until for source in self._sources))
        if sum(source.count(until) for source in self._sources) <= _MOST:
            return until
        first = int(min(source.following for source in self._sources))
        until = int(min(until, 1 + max(source.last for source in self._sources)))
        while until > first + 1 and sum(each.count(until) for each in self._sources) > _MOST:
            until = (first + until + 1) // 2
        return until

    def _cycles(self, until: float) -> _Cycles:
        """Return the cycles before a time."""
        events: list[tuple[int, int, Any, int]] = []
        key: Callable[[tuple[int, int, Any, int]], Any] = itemgetter(0)
        make: type[list[Any]] = list
        for source in self._sources:
            if source.following >= until:
                continue
            times, values = source.take(until)
            turns: Iterable[int] = repeat(0)
            if len(set(times)) < len(times):
                turns, key = _turns(times), itemgetter(0, 3)
            if source.failed:
                make = _Failing
            # The last item is the event's place among those of its source at that time.
            events += zip(times, repeat(source.index), values, turns, strict=False)
        events.sort(key=key)
        if len(set(map(key, events))) < len(events):
            cycles = [list(cycle) for _, cycle in groupby(events, key)]
            return (
                [cycle[0][0] for cycle in cycles],
                ([event[1] for event in cycle] for cycle in cycles),
                (make(event[2] for event in reversed(cycle)) for cycle in cycles),
            )
        all_times, due, all_values, _ = zip(*events, strict=True) if events else ((),) * 4
        return all_times, map(list, zip(due, strict=True)), map(make, zip(all_values, strict=True))


class _Source:
    """The events of one source that have been read and not given out.

    Attributes:
        index: the source's index.
        known_until: the time before which all its events have been read.
        following: the time of its first event not given out; infinite if none has been read.
        last: the time of the last event that was read.
        failed: whether its last event is a `_Failure`.
    """

    def __init__(self, index: int, chunks: Chunks, start: int) -> None:
        self.index = index
        self.known_until = -inf
        self.following = inf
        self.failed = False
        self._chunks = chunks
        self.last = start
        self._times: Sequence[int] = ()
        self._values: Sequence[Any] = ()

    @property
    def is_low(self) -> bool:
        """Whether few events are left, so that one of these sources after the other would end."""
        return len(self._times) < _ENOUGH // 2 and self.known_until < inf

    def read(self) -> None:
        """Read a chunk, and more if it is small."""
        more = True
        while more:
            more = self._read_chunk() and len(self._times) < _ENOUGH
        if self._times:
            self.following = self._times[0]

    def _read_chunk(self) -> bool:
        """Read a chunk; return whether there may be more."""
        chunk: tuple[Sequence[int], Sequence[Any]] | None
        try:
            chunk = next(self._chunks, None)
        except Exception as error:  # raised in a cycle of its own, after the event before it
            chunk = (self.last,), (_Failure(error),)
            self.failed = True
        if chunk is not None:
            times, values = chunk
            self.last = times[-1]
            if self._times:
                times, values = [*self._times, *times], [*self._values, *values]
            self._times, self._values = times, values
        more = not self.failed and chunk is not None
        self.known_until = self.last if more else inf
        return more

    def count(self, until: float) -> int:
        """Return how many events there are before a time."""
        times = self._times
        return len(times) if self.last < until else bisect_left(times, until)

    def take(self, until: float) -> tuple[Sequence[int], Sequence[Any]]:
        """Return the times and the values of the events before a time; there is at least one."""
        times, values = self._times, self._values
        place = self.count(until)
        self._times, self._values = times[place:], values[place:]
        self.following = self._times[0] if self._times else inf
        return times[:place], values[:place]


class _Failure:
    """Stands for the event that a source failed to give."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Failing(list[Any]):
    """The values of a cycle in which a source may fail: its error is raised when its turn comes."""

    def pop(self, *place: Any) -> Any:
        """Return the last value."""
        value = super().pop(*place)
        if isinstance(value, _Failure):
            raise value.error
        return value


def _turns(times: Sequence[int]) -> Iterator[int]:
    """Yield for each of one source's events how many it has at that time before."""
    for _, group in groupby(times):
        yield from range(len(list(group)))
