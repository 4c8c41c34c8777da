"""The events of a recorded source for the loop of the fused function: numbered, up to the end.

Events after the run's last time or last cycle (R9) are cut off here, a chunk at a time, so that the
loop needs no test for each event.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from operator import length_hint
from typing import Any, Final

from graphcore.engine.run.session import Session
from graphcore.node import Chunks

FAILED: Final = object()  # stands for the value of an event that a source failed to give


class RecordedEvents:
    """The events of one run, to be iterated over in `chain.from_iterable`.

    Args:
        chunks: all events that the source has for the run.
        session: the run.
        timed: whether the loop needs the times.
        cycles: the numbers of the cycles, from which the loop may take some; by default each event
            takes the next one.

    Attributes:
        following: the time of the first event after the run's last time; `None` if there is none.
        cycles: the numbers of the cycles that are left.
        error: what the source raised instead of giving its next event.
    """

    error: Exception

    def __init__(
        self,
        chunks: Chunks,
        session: Session,
        timed: bool,
        cycles: Iterator[int] | None = None,
    ) -> None:
        self._chunks = chunks
        self._session = session
        self._timed = timed
        self._times: Sequence[int] = ()
        self._events_before = 0
        self._time_before = session.time
        self._ahead: tuple[Sequence[int], Sequence[Any]] | None = None
        self._failure: Exception | None = None
        self.following: int | None = None
        self.cycles = count(1) if cycles is None else cycles

    def __iter__(self) -> Iterator[Iterable[Any]]:
        """Yield chunks of (time, value, cycle) or, without times, of (value, cycle)."""
        end, limit = self._session.end, self._session.limit
        if self._session.ended_by is not None:
            return
        # The last argument of each zip: `zip` asks for it only if the others gave an item, so that
        # no number is lost at the end of a chunk.
        cycles = self.cycles
        done = 0
        while (chunk := self._next_chunk()) is not None:
            times, values = chunk
            if limit is not None:
                times = times[: limit - done]
            if end is not None and times and times[-1] > end:
                within = bisect_right(times, end)
                self.following = times[within]
                times = times[:within]
            if len(times) < len(values):
                values = values[: len(times)]
            if self._times:
                self._time_before = self._times[-1]
            self._events_before, self._times = done, times
            done += len(times)
            if self._timed:
                yield zip(times, values, cycles, strict=False)
            else:
                yield zip(values, cycles, strict=False)
            # Without a length it has no end.
            if self.following is not None or done == limit or not length_hint(cycles, 1):
                return

    def with_failure(self) -> Iterator[Iterable[Any]]:
        """Yield the same chunks; if the source fails, the last one is the failure as an event.

        It is (time, `FAILED`, cycle), and further nodes may be due in its cycle. The time is that
        of the event before it, or of the start.
        """
        try:
            yield from self
        except Exception as error:  # raised in its cycle, when the source's turn comes
            self.error = error
            time = self._times[-1] if self._times else self._time_before
            yield ((time, FAILED, next(self.cycles)),)

    def _next_chunk(self) -> tuple[Sequence[int], Sequence[Any]] | None:
        if self._failure is not None:
            raise self._failure
        chunk, self._ahead = self._ahead, None
        return next(self._chunks, None) if chunk is None else chunk

    def repeats(self, number: int) -> bool:
        """Return whether the event after one, given that one's number, has its time.

        So has the one that the source fails to give.
        """
        place = number - self._events_before
        if place < len(self._times):
            return self._times[place] == self._times[place - 1]
        if self.following is not None:
            return False
        try:
            while self._ahead is None or not self._ahead[0]:
                self._ahead = self._next_chunk()
                if self._ahead is None:
                    return False
        except Exception as error:  # raised in its cycle, when the source's turn comes
            self._failure = error
            return True
        return self._ahead[0][0] == self._times[-1]

    def time_of(self, number: int) -> int:
        """Return the time of the last event, given its number; 0 means that there was none."""
        place = number - self._events_before - 1
        return self._times[place] if 0 <= place < len(self._times) else self._time_before
