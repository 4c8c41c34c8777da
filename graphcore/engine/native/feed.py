"""The events of the recorded sources: for Python as cycles (R6), for a kernel as arrays.

A source is read a chunk at a time. Cycles run up to the time to which the events of all sources
have been read.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from operator import itemgetter
from typing import Any, NamedTuple

from graphcore.engine.fused.backend.drivers import NEVER
from graphcore.engine.native.backend.memory import column_of
from graphcore.engine.native.categories import Categories, category_of
from graphcore.engine.native.frontend.records import Shape, fields_of, items_of
from graphcore.engine.native.ir import Kind
from graphcore.engine.run.session import Session
from graphcore.node import CopiedEvents, Source

_KINDS = {"f": Kind.FLOAT, "i": Kind.INT, "b": Kind.BOOL}
_BLOCK = 1024  # cycles whose events become lists at once


class Columns(NamedTuple):
    """The events of a source that are still to come, as arrays.

    Attributes:
        shape: what the values are.
        times: the address of the times.
        values: the addresses of the parts of the values.
        length: how many events there are.
        held: what owns the memory.
    """

    shape: Shape
    times: int
    values: tuple[int, ...]
    length: int
    held: tuple[Any, ...]


class Copied(NamedTuple):
    """A private copy of the events of a source that have been read.

    Attributes:
        columns: the events; none of them counts as given out.
        data: the bytes of the times, and of each part of the values.
        events: the same for `Source.columns`, if the source has arrays.
        start: engine time at which the run with these events started, ns.
    """

    columns: Columns
    data: tuple[bytes, ...]
    events: CopiedEvents | None
    start: int


class _Failure:
    """Stands for the event that a source failed to give."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Given(list[Any]):
    """The values of a cycle in which a source may fail: its error is raised when its turn comes."""

    def __getitem__(self, place: Any) -> Any:
        value = super().__getitem__(place)
        if isinstance(value, _Failure):
            raise value.error
        return value


class Incoming:
    """The events of one source.

    Args:
        source: the source.
        start: engine time at which the run starts, ns.
        most: the number of events from which on no more are read at once.
        categories: the numbers of strings and members of enums.
        copied: a copy of the events of another run, which may be the same.

    Attributes:
        times: the times of the events that have been read and not dropped.
        values: their values.
        place: how many of these have been given out.
        dropped: how many events have been dropped.
        last: the time of the last event that was read.
        is_over: whether it is known that all events have been read.
        is_lasting: whether all events have been read once any have.
        error: what the source raised after them.
    """

    def __init__(
        self,
        source: Source[Any],
        start: int,
        most: int,
        categories: Categories,
        copied: Copied | None = None,
    ) -> None:
        self._categories = categories
        columns = source.columns(start, None if copied is None else copied.events)
        self.is_lasting = columns is not None
        self._chunks: Iterator[Any] = (
            iter([columns]) if columns is not None else source.arrays(start) or source.chunks(start)
        )
        self._most = most
        self._arrays: Columns | None = None  # of all events that are here
        self._shape = Shape((Kind.OTHER,))
        self._start = self._time_before = start
        self.times: Any = []
        self.values: Any = []
        self.place = 0
        self.dropped = 0
        self.last = start
        self.is_over = False
        self.error: Exception | None = None

    @property
    def following(self) -> int:
        """The time of the next event; `NEVER` if none is known."""
        if self.place < len(self.times):
            return int(self.times[self.place])
        return NEVER if self.error is None else self.last

    @property
    def known_until(self) -> int:
        """The time before which all events have been read."""
        return NEVER if self.is_over else self.last

    def time_of(self, event: int) -> int:
        """Return the time of an event by its number, of the last one that was dropped before."""
        place = event - self.dropped - 1
        return int(self.times[place]) if place >= 0 else self._time_before

    def read(self) -> None:
        """Drop the events that have been given out, and read on."""
        if self.place:
            self.dropped += self.place
            self._time_before = int(self.times[self.place - 1])
        times, values = self.times[self.place :], self.values[self.place :]
        self.place, self._arrays = 0, None
        enough = max(self._most, len(times) + 1)  # all that was read before may be at one time
        parts = [(times, values)] if len(times) else []
        count = len(times)
        try:
            while not self.is_over and count < enough:
                chunk = next(self._chunks, None)
                if chunk is None:
                    self.is_over = True
                else:
                    parts.append(chunk)
                    count += len(chunk[0])
        except Exception as error:  # raised in a cycle of its own, after the event before it
            self.is_over, self.error = True, error
        if len(parts) > 1 or not len(times):
            times, values = _joined(parts)
        if len(times):
            self.last = int(times[-1])
        self.times, self.values = times, values

    def window(self, most: int) -> tuple[list[int], list[Any]]:
        """Return the times and the values of the next events; `NEVER` stands after the last."""
        within = slice(self.place, self.place + most)
        times, values = self.times[within], self.values[within]
        if hasattr(values, "tolist"):
            times, values = times.tolist(), values.tolist()
        times, values = list(times), list(values)
        if len(times) < most:
            if self.error is not None:
                times.append(self.last)
                values.append(_Failure(self.error))
            times.append(NEVER)
        return times, values

    def columns(self) -> Columns | None:
        """Return the events to come as arrays; `None` if they are not numbers of one kind."""
        if self._arrays is None:
            times, values = self.times, self.values
            if hasattr(values, "tolist"):
                self._shape, parts = Shape((_KINDS[values.dtype.kind],)), [values]
            elif not values:
                times = array("q")
                parts = [times] * len(self._shape.parts)
            else:
                found = _parts_of(values, self._categories)
                if found is None:
                    return None
                try:
                    times = array("q", times)
                except OverflowError:
                    return None
                self._shape, parts = found
            addresses = _address(times), tuple(map(_address, parts))
            self._arrays = Columns(self._shape, *addresses, len(times), (times, parts))
        shape, of_times, of_parts, length, held = self._arrays
        place = self.place
        of_next = tuple(
            address + (1 if kind is Kind.BOOL else 8) * place
            for address, kind in zip(of_parts, shape.parts, strict=True)
        )
        return Columns(shape, of_times + 8 * place, of_next, length - place, held)

    def copied(self) -> Copied:
        """Go on with a private copy of the events that `columns` has returned, and return it."""
        assert self._arrays is not None
        shape, *_, length, (times, parts) = self._arrays
        data = times.tobytes(), *(part.tobytes() for part in parts)
        events = None
        if hasattr(self.values, "tolist"):
            self._go_on_with(data)
            times, values = self.times, self.values
            held = times, [values]
            self._arrays = Columns(shape, _address(times), (_address(values),), length, held)
            events = CopiedEvents(times, values, (data[0], data[1]))
        # Arrays that were made of a list are private already.
        return Copied(self._arrays, data, events, self._start)

    def shares(self, copied: Copied) -> bool:
        """Go on with another run's copy if it has the same events, bit for bit.

        Returns:
            Whether it has.
        """
        if self._arrays is None or self._arrays.shape != copied.columns.shape:
            return False
        if copied.events is not None and self.times is copied.events.times:
            return True  # the source has compared them
        times, parts = self._arrays.held
        for mine, others in zip((times, *parts), copied.data, strict=True):
            # `startswith` takes any array and compares as fast as memory is read.
            if memoryview(mine).nbytes != len(others) or not others.startswith(mine):
                return False
        if hasattr(self.values, "tolist"):
            self._go_on_with(copied.data)
        self._arrays = copied.columns
        return True

    def _go_on_with(self, data: tuple[bytes, ...]) -> None:
        """Have arrays of numpy with these data in place of those that the source gave."""
        numpy = sys.modules["numpy"]
        self.times, self.values = (
            numpy.frombuffer(each, of.dtype)
            for each, of in zip(data, (self.times, self.values), strict=True)
        )


class Repeated(Incoming):
    """The events of a source that has those of a copy.

    Args:
        copied: the copy.
    """

    def __init__(self, copied: Copied) -> None:
        assert copied.events is not None
        self.times, self.values = copied.events.times, copied.events.values
        self.place = self.dropped = 0
        self.last = int(self.times[-1])
        self.is_over = self.is_lasting = True
        self.error = None
        self._arrays = copied.columns
        self._start = self._time_before = copied.start


def _parts_of(
    values: Sequence[Any], categories: Categories
) -> "tuple[Shape, list[array[Any]]] | None":
    """Return what some values are, and their parts; `None` if they are not alike, or no numbers."""
    cls = type(values[0])
    if cls is not tuple and not fields_of(cls):
        found = _column_of(values, categories)
        return None if found is None else (Shape((found[0],)), [found[1]])
    if set(map(type, values)) != {cls}:
        return None
    rows = values if issubclass(cls, tuple) else list(map(items_of, values))
    if len(set(map(len, rows))) != 1 or not len(rows[0]):
        return None
    # A `zip(*rows)` would take seven times as long: it makes an iterator for each row.
    columns = [
        _column_of(list(map(itemgetter(place), rows)), categories) for place in range(len(rows[0]))
    ]
    parts = [each for each in columns if each is not None]
    if len(parts) < len(columns):
        return None
    return Shape(tuple(kind for kind, _ in parts), cls), [part for _, part in parts]


def _column_of(values: Sequence[Any], categories: Categories) -> "tuple[Kind, array[Any]] | None":
    kind = category_of(type(values[0]))
    if kind is None:
        return column_of(values)
    if len(set(map(type, values))) != 1:
        return None
    codes = categories.codes(values)
    return None if codes is None else (kind, codes)


def _joined(parts: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Return the times and the values of all parts: as arrays if they are arrays of one type."""
    if len(parts) == 1 and hasattr(parts[0][1], "tolist"):
        return parts[0]
    types = {str(getattr(values, "dtype", "")) for _, values in parts}
    columns = zip(*parts, strict=True) if parts else ((), ())
    if len(types) == 1 and "" not in types:
        times, values = map(sys.modules["numpy"].concatenate, columns)
        return times, values
    times, values = ([value for part in column for value in _in_python(part)] for column in columns)
    return times, values


def _in_python(values: Any) -> Any:
    """Return the values of an array as Python's numbers; other values as they are."""
    return values.tolist() if hasattr(values, "tolist") else values


def _address(values: Any) -> int:
    if isinstance(values, array):
        return values.buffer_info()[0]
    address: int = values.__array_interface__["data"][0]
    return address


class Feed:
    """The events of one run.

    Args:
        incoming: the events of each recorded source, in the order of R2.
        woken: the nodes that start cycles by their bits; the first are the sources.
        lone: whether the events of the only source start all cycles.
        session: the run.

    Attributes:
        incoming: the argument.
        lone: the argument.
        until: the time before which cycles may run.
    """

    def __init__(
        self,
        incoming: Sequence[Incoming],
        woken: Sequence[int],
        lone: bool,
        session: Session,
    ) -> None:
        self.incoming = incoming
        self.lone = lone
        self.until = -NEVER
        self._bits = {index: 1 << bit for bit, index in enumerate(woken)}
        self._session = session
        self._start = session.time

    @property
    def is_alive(self) -> bool:
        """Whether a source has further events: then the alarms before them go off."""
        return any(not each.is_over or each.following < NEVER for each in self.incoming)

    @property
    def has_all(self) -> bool:
        """Whether all events have been read, so that no later change of their source is seen."""
        return all(each.is_over or each.is_lasting for each in self.incoming)

    @property
    def fails_at(self) -> int:
        """The time at which a source fails; `NEVER` if none does, as far as is known."""
        failing = [each.last for each in self.incoming if each.error is not None]
        return min(failing, default=NEVER)

    @property
    def following(self) -> int | None:
        """The time of the next event, or of the next alarm that keeps the run alive."""
        times = [each.following for each in self.incoming]
        schedule = self._session.schedule
        alarm = schedule.next_time()
        if alarm is not None and schedule.keeps_alive():
            times.append(alarm)
        first = min(times, default=NEVER)
        return None if first == NEVER else first

    @property
    def is_open(self) -> bool:
        """Whether a source has further events, or fails, after those that have been read."""
        return any(not each.is_over or each.error is not None for each in self.incoming)

    @property
    def fails(self) -> bool:
        """Whether a source is known to fail."""
        return self.fails_at < NEVER

    @property
    def count(self) -> int:
        """How many events of a lone source may start cycles, as far as they have been read."""
        [source] = self.incoming
        end = len(source.times)
        if source.last >= self.until:
            end = bisect_left(source.times, self.until, source.place)
        return end - source.place

    def left(self, done: int) -> int:
        """Return how many cycles may follow the first `done` ones."""
        limit = self._session.limit
        return NEVER if limit is None else limit - done

    def advance(self, done: int) -> bool:
        """Read on where no cycle is known; return whether there is one.

        Args:
            done: how many cycles have run.
        """
        session = self._session
        if session.ended_by is not None or self.left(done) <= 0:
            return False
        end = NEVER if session.end is None else session.end + 1
        while not self._has_next():
            low = [each for each in self.incoming if self._is_low(each)]
            if not low and self.until != -NEVER:
                return False
            for each in low:
                each.read()
            known = (each.known_until for each in self.incoming)
            self.until = end if self.lone else min([end, *known])
        return True

    def _is_low(self, incoming: Incoming) -> bool:
        if incoming.is_over:
            return False
        none_left = incoming.place == len(incoming.times)
        return none_left or (not self.lone and incoming.known_until <= self.until)

    def _has_next(self) -> bool:
        """Return whether there is a cycle before `until`."""
        event = min((each.following for each in self.incoming), default=NEVER)
        alarm = self._session.schedule.next_time()
        if alarm is None or event <= alarm:
            return event < self.until
        return alarm < self.until and (self.is_alive or not self._is_idle(alarm))

    def _is_idle(self, alarm: int) -> bool:
        """Return whether nothing keeps the run alive until the next alarm, without any events."""
        return alarm > self._session.time and not self._session.schedule.keeps_alive()

    def cycles(self, done: int, most: int) -> Iterable[Any]:
        """Return the next cycles before `until` as the fused function takes them.

        Args:
            done: how many cycles have run.
            most: how many cycles to return at most.
        """
        most = min(most, self.left(done))
        return self._of_lone(done, most) if self.lone else self._merged(done, most)

    def _of_lone(self, done: int, most: int) -> Iterable[Any]:
        """Return (time, value, cycle) for each event."""
        [source] = self.incoming
        within = slice(source.place, source.place + min(self.count, most))
        times, values = source.times[within], source.values[within]
        source.place = within.stop
        if hasattr(values, "tolist"):
            times, values = times.tolist(), values.tolist()
        events = zip(times, values, count(done + 1), strict=False)
        if source.error is None or len(times) == most or source.last >= self.until:
            return events
        return chain(events, _failing(source.error))

    def _merged(self, done: int, most: int) -> Iterator[tuple[int, int, int, list[Any]]]:
        """Begin the cycles; yield for each its time, its number, what starts it, and the values."""
        session, schedule, bits = self._session, self._session.schedule, self._bits
        heap, shift, until = schedule.heap, schedule.bits, self.until
        incoming, numbers = self.incoming, range(len(self.incoming))
        fails = any(each.error is not None for each in incoming)
        given: list[Any] = (_Given if fails else list)([None] * len(incoming))
        for begin in range(done + 1, done + most + 1, _BLOCK):
            end = min(begin + _BLOCK, done + most + 1)
            windows = [each.window(end - begin + 1) for each in incoming]
            places = [0] * len(incoming)
            following = [times[0] for times, _ in windows]
            for cycle in range(begin, end):
                event = now = min(following) if following else NEVER
                woken: Sequence[int] = ()
                if heap and heap[0] >> shift <= event:
                    alarm = schedule.next_time()
                    if alarm is not None and alarm < event:
                        if not self.is_alive and self._is_idle(alarm):
                            return
                        now = alarm
                    if alarm == now < until and (event != now or not schedule.last_is_next()):
                        woken = schedule.take(now)
                if now >= until:
                    return
                if now != session.time:
                    session.first_cycle = cycle
                elif cycle > session.look_at:
                    session.look(woken)
                session.time, session.cycle = now, cycle
                due = 0
                for index in woken:
                    session.states[index].due_in = cycle
                    due |= bits[index]
                if event == now:
                    for number in numbers:
                        if following[number] == now:
                            due |= 1 << number
                            place = places[number]
                            times, values = windows[number]
                            given[number] = values[place]
                            places[number] = place = place + 1
                            following[number] = times[place]
                            incoming[number].place += 1
                yield now, cycle, due, given

    def time_of(self, cycle: int) -> int:
        """Return the time of a cycle that a lone source has started, of the last dropped before."""
        [source] = self.incoming
        return source.time_of(cycle) if cycle else self._start

    def columns(self) -> list[Columns] | None:
        """Return the events to come as arrays; `None` if some are not numbers of one kind."""
        columns = [each.columns() for each in self.incoming]
        return None if None in columns else [each for each in columns if each is not None]


def _failing(error: Exception) -> Iterator[Any]:
    """Raise an error, as the events would."""
    raise error
    yield
