"""Sources that replay events: `replay` and `from_iterable` (R6, R12).

They read one event ahead, so that they know when to run next and end without an empty cycle. If
reading ahead fails, the error is raised in a cycle of its own, after the event before it.
"""

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import chain
from math import inf
from typing import Any, Generic, TypeVar

from graphcore.declare import node, state
from graphcore.errors import InvalidTypeError, InvalidValueError, RunError
from graphcore.node import Chunk, Chunks, CopiedEvents, MutableNode, Source
from graphcore.sources.events import (
    FAILED,
    Delivery,
    Events,
    are_those_of,
    arrays_from,
    begin,
    chunks_of,
    chunks_of_pairs,
    is_in_memory,
    one_by_one,
    since,
    spaced,
    until_failure,
)
from graphcore.state import GraphState, RunMode

T = TypeVar("T")


@node
class Replay(Source[T], Generic[T]):
    """Delivers events at their own times; in real time, paced by `speed`.

    Args:
        open_events: returns the events of a run that starts at the given time.
        once: whether `open_events` works only once, because it reads an iterator.
        all_there: whether all events exist before a run.
        delivery: how values of one time are delivered.
        speed: how many times faster than its times a real-time run goes.
    """

    open_events: Callable[[int], Chunks]
    once: bool
    all_there: bool
    delivery: Delivery
    speed: float
    _events: Events = state(factory=lambda: iter(()))
    _next_time: int | None = state(None)
    _next_value: Any = state(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.recorded = self.all_there and self.delivery is Delivery.EACH
        self._peeked: Chunks | None = None
        self._first: list[Chunk] = []
        self._rest: Chunks = iter(())
        self._used = False
        self._given: tuple[Any, Any] | None = None
        self._open_arrays: Callable[[int], Chunks] | None = None
        self._count_arrays: Callable[[], int | None] = lambda: None

    def first_event(self) -> int | None:
        chunks = self._open(0)
        first = next(chunks, None)
        if first is None:
            self._peeked = iter(())
            return None
        self._peeked = chain([first], chunks)
        times, values = first
        return None if values[0] is FAILED else times[0]

    def start(self, state: GraphState) -> None:
        chunks = self._open(state.start_time)
        self.skipped, self._first = begin(chunks, None if state.live else state.start_time)
        self._rest = chunks
        self._events = one_by_one(chain(self._first, self._rest), self.delivery)
        if state.run_mode is RunMode.REALTIME:
            if state.live:
                self._events = (
                    _without_pause(self._events, state)
                    if self.speed == inf
                    else _paced(self._events, self.speed, state)
                )
            else:
                self._events = _caught_up(self._events, state)
        self._next_time, self._next_value = next(self._events)
        if self._next_value is FAILED:
            self._next_time = state.time
        if self._next_time is not None:
            state.schedule(self._next_time)

    def cycle(self, state: GraphState) -> bool:
        value = self._next_value
        self._next_time, self._next_value = next(self._events)
        self.value = value  # after reading ahead: if that fails, the node must not have a value
        if self._next_time is not None:
            state.schedule(self._next_time)
        return True

    def stop(self, state: GraphState) -> None:
        self._peeked = None
        self._first, self._rest, self._events = [], iter(()), iter(())
        self._next_time = self._next_value = None

    def chunks(self, start: int) -> Chunks:
        return until_failure(chain(self._first, self._rest))

    def columns(self, start: int, copied: CopiedEvents | None = None) -> tuple[Any, Any] | None:
        return None if self._given is None else arrays_from(start, *self._given, copied)

    def repeats(self, copied: CopiedEvents) -> bool:
        if self._given is None or not are_those_of(copied, *self._given):
            return False
        self._used, self.skipped = True, 0
        return True

    def keep(self, times: Any, values: Any) -> None:
        """Keep what the source was made of, for `columns`."""
        self._given = times, values

    def arrays(self, start: int) -> Chunks | None:
        return None if self._open_arrays is None else since(self._open_arrays(start), start)

    def length(self, start: int) -> int | None:
        return self._count_arrays() if self._given is None else super().length(start)

    def keep_arrays(
        self, open_arrays: Callable[[int], Chunks], count: Callable[[], int | None]
    ) -> None:
        """Keep what returns the same events as `open_events` in arrays, and what counts them."""
        self._open_arrays = open_arrays
        self._count_arrays = count

    def _open(self, start: int) -> Chunks:
        if self._peeked is not None:
            peeked, self._peeked = self._peeked, None
            return peeked
        if self.once and self._used:
            raise RunError(
                f"{self.name} reads an iterator, which serves one run; "
                "give a list, an array or a function that returns an iterator"
            )
        self._used = True
        return self.open_events(start)


class FromIterable(Replay[T]):
    """Delivers values from the start of the run on: one a period, or all at the start."""

    def first_event(self) -> int | None:
        return None


def _paced(events: Events, speed: float, state: GraphState) -> Events:
    """Yield the events with the times at which they are due in a real-time run."""
    start = state.start_time
    at_its_pace = speed == 1.0
    origin = previous = None
    for time, value in events:
        if time is None:
            due = None
        elif origin is None:
            due, origin = state.time, time
        elif time == previous:
            due = state.time
        else:
            due = start + (time - origin if at_its_pace else int((time - origin) / speed))
            # A late event is due a nanosecond from now: at the present time it would come before
            # the clock and the inbox are read again, and a late replay would starve them (R6).
            now = state.time
            if due <= now:
                due = now + 1
        yield due, value
        previous = time


def _without_pause(events: Events, state: GraphState) -> Events:
    """Yield the events with the times at which they are due if each is late."""
    time, value = next(events)
    yield None if time is None else state.time, value
    for time, value in events:
        # A nanosecond from now, as in `_paced`.
        yield None if time is None else state.time + 1, value


def _caught_up(events: Events, state: GraphState) -> Events:
    """Yield the events of a run that starts in the past, each with its own time."""
    previous = None
    for time, value in events:
        late = state.live and time is not None and time <= state.time and time != previous
        # A nanosecond from now, as in `_paced`.
        yield state.time + 1 if late else time, value
        previous = time


def make_from_iterable(values: Any, period: int, delivery: str) -> FromIterable[Any]:
    """Return the source for any form that `from_iterable` takes.

    Raises:
        InvalidTypeError: if there is nothing to iterate over.
        InvalidValueError: for an unknown delivery.
    """
    policy, speed = check_delivery(delivery), 1.0 if period else inf
    if callable(values):
        return FromIterable(
            lambda start: spaced(_made(values), start, period), False, False, policy, speed
        )
    if not _has_items(values):
        raise InvalidTypeError(f"from_iterable needs values to iterate over, not {values!r}")
    once, all_there = isinstance(values, Iterator), is_in_memory(values)
    return FromIterable(lambda start: spaced(values, start, period), once, all_there, policy, speed)


def _has_items(given: object) -> bool:
    """Return whether this can be iterated over: streams and arrays of no dimension only seem so."""
    is_stream = isinstance(getattr(given, "node", None), MutableNode)
    return isinstance(given, Iterable) and getattr(given, "ndim", 1) != 0 and not is_stream


def _made(make: Callable[[], Any]) -> Any:
    """Return the events or values that a user's function returns for a run."""
    made = make()
    if not _has_items(made):
        raise InvalidTypeError(f"the function of a source must return an iterable, not {made!r}")
    return made


def check_delivery(delivery: str) -> Delivery:
    """Return the delivery policy of this name.

    Raises:
        InvalidValueError: if there is no such policy.
    """
    try:
        return Delivery(delivery)
    except ValueError:
        raise InvalidValueError(
            f'delivery must be "each", "burst" or "latest", not {delivery!r}'
        ) from None


def check_speed(speed: float) -> float:
    """Return `speed` if a replay can go so many times faster than its events' times.

    Raises:
        InvalidTypeError: if it is not a number.
        InvalidValueError: if it is 0 or negative.
    """
    if isinstance(speed, bool) or not isinstance(speed, int | float):
        raise InvalidTypeError(f"speed must be a number, not {speed!r}")
    if not speed > 0:
        raise InvalidValueError(f"speed must be above 0, not {speed!r}")
    return speed


def make_replay(times: Any, values: Any, delivery: str, speed: float) -> Replay[Any]:
    """Return the source for any form that `replay` takes.

    Raises:
        InvalidTypeError: if there is nothing to iterate over, or for a whole data frame.
        InvalidValueError: for lengths that differ, an unknown delivery, a speed of 0 or less.
    """
    check_speed(speed)
    policy = check_delivery(delivery)
    if values is None and callable(times):
        return Replay(lambda _: chunks_of_pairs(_made(times)), False, False, policy, speed)
    if hasattr(times, "columns") or hasattr(values, "columns"):
        raise InvalidTypeError(
            'replay takes columns, such as replay(frame["time"], frame["price"]), not a frame; '
            "from_table takes a frame"
        )
    if values is None and hasattr(times, "index") and hasattr(times, "to_numpy"):
        raise InvalidTypeError("replay needs times as well: write replay(series.index, series)")
    if not _has_items(times) or isinstance(times, str | bytes):
        raise InvalidTypeError(f"replay needs times to iterate over, not {times!r}")
    if values is not None and not _has_items(values):
        raise InvalidTypeError(f"replay needs values to iterate over, not {values!r}")
    if values is None:
        once = isinstance(times, Iterator)
        return Replay(lambda _: chunks_of_pairs(times), once, is_in_memory(times), policy, speed)
    if isinstance(times, Sized) and isinstance(values, Sized) and len(times) != len(values):
        raise InvalidValueError(
            f"replay needs as many values as times: {len(values)} values, {len(times)} times"
        )
    once = isinstance(times, Iterator) or isinstance(values, Iterator)
    all_there = is_in_memory(times) and is_in_memory(values)
    source = Replay[Any](lambda _: chunks_of(times, values), once, all_there, policy, speed)
    source.keep(times, values)
    return source
