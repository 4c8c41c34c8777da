"""Sources of recorded events: `replay` and `from_iterable` (R6, R12).

Both read one event ahead, so that they know when to run next and end without an empty cycle. What
goes wrong while reading ahead is raised in a cycle of its own, after the event before it.
"""

from collections.abc import Callable, Iterable, Iterator, Sized
from enum import StrEnum
from itertools import zip_longest
from math import inf
from typing import Any, Generic, TypeVar

from graphcore.errors import InvalidTypeError, InvalidValueError, RunError
from graphcore.node import Source
from graphcore.state import GraphState, RunMode
from graphcore.time import to_time

T = TypeVar("T")

Events = Iterator[tuple[Any, T]]
_CHUNK = 4096
_MISSING = object()


class Delivery(StrEnum):
    """How values due at one time reach the graph: a cycle each, one list, or the last alone."""

    EACH = "each"
    BURST = "burst"
    LATEST = "latest"


class _EventSource(Source[T], Generic[T]):
    """Reads (time, value) pairs one ahead and delivers them by the policy."""

    def __init__(self, delivery: Delivery, speed: float) -> None:
        super().__init__()
        self.delivery = delivery
        self.speed = speed
        self._events: Events[T] | None = None
        self._ahead: tuple[int, T] | None = None
        self._failure: Exception | None = None
        self._count = 0

    def start(self, state: GraphState) -> None:
        self.skipped = 0
        if state.run_mode is RunMode.HISTORICAL:
            while self._ahead is not None and self._ahead[0] < state.start_time:
                self.skipped += 1
                self._advance()
        self._origin = self._ahead[0] if self._ahead else 0
        self._schedule_next(state, None)

    def cycle(self, state: GraphState) -> bool:
        if self._failure is not None:
            raise self._failure
        assert self._ahead is not None
        time, value = self._ahead
        self._advance()
        if self.delivery is not Delivery.EACH:
            burst = [value]
            while self._ahead is not None and self._ahead[0] == time:
                burst.append(self._ahead[1])
                self._advance()
            value = burst if self.delivery is Delivery.BURST else burst[-1]  # type: ignore[assignment]  # T is the list then
        self.value = value
        self._schedule_next(state, time)
        return True

    def stop(self, state: GraphState) -> None:
        self._events = self._ahead = self._failure = None

    def _open(self, events: Events[T]) -> None:
        self._events, self._count = events, 0
        self._advance()

    def _advance(self) -> None:
        assert self._events is not None
        previous = self._ahead
        try:
            given, value = self._next_pair(self._events)
            if given is _MISSING or value is _MISSING:
                raise InvalidValueError(
                    f"replay needs as many values as times: the "
                    f"{'times' if given is _MISSING else 'values'} end at index {self._count}"
                )
            time = given if type(given) is int else self._time_of(given)
            if previous is not None and time < previous[0]:
                raise InvalidValueError(
                    f"times must not go back: {time} at index {self._count} comes after "
                    f"{previous[0]}"
                )
            self._ahead = (time, value)
            self._count += 1
        except StopIteration:
            self._ahead = None
        except Exception as error:  # raised by the next cycle, after the event before it
            self._ahead, self._failure = None, error

    def _next_pair(self, events: Events[T]) -> tuple[Any, T]:
        pair = next(events)
        try:
            time, value = pair
        except (TypeError, ValueError):
            raise InvalidTypeError(
                f"index {self._count} is {pair!r}, where a (time, value) pair is needed"
            ) from None
        return time, value

    def _time_of(self, given: object) -> int:
        try:
            return to_time(given)
        except (InvalidTypeError, InvalidValueError) as error:
            raise type(error)(f"index {self._count}: {error}") from None

    def _schedule_next(self, state: GraphState, previous: int | None) -> None:
        if self._failure is not None:
            state.schedule(state.time)
        elif self._ahead is not None:
            time = self._ahead[0]
            if state.run_mode is RunMode.HISTORICAL:
                state.schedule(time)
            elif previous is None or (time == previous and self.speed != inf):
                state.schedule(state.time)
            else:
                passed = 0 if self.speed == inf else int((time - self._origin) / self.speed)
                # One that is late comes a nanosecond on, so that the clock and the inbox are read
                # in between.
                state.schedule(max(state.start_time + passed, state.time + 1))


class Replay(_EventSource[T]):
    """Replays events at their own times; in real time, paced by `speed`.

    Args:
        open_events: gives the (time, value) pairs of a run from the first on.
        once: whether it can do so only once, because it stands on an iterator.
        delivery: what becomes of values of one time.
        speed: how many times faster than recorded a real-time run goes.
    """

    def __init__(
        self, open_events: Callable[[], Events[T]], once: bool, delivery: Delivery, speed: float
    ) -> None:
        super().__init__(delivery, speed)
        self.open_events = open_events
        self.once = once
        self._used = False

    def first_event(self) -> int | None:
        if self._events is None:
            self._begin()
        return self._ahead[0] if self._ahead else None

    def start(self, state: GraphState) -> None:
        if self._events is None:
            self._begin()
        super().start(state)

    def _begin(self) -> None:
        if self.once and self._used:
            raise RunError(
                f"{self.name} replays an iterator, which serves one run; "
                "give a list, an array or a function that makes an iterator"
            )
        self._used = True
        self._open(self.open_events())


class FromIterable(_EventSource[T]):
    """Delivers values from the start of the run on, one period apart, or all at the start."""

    def __init__(
        self, values: Iterable[T] | Callable[[], Iterable[T]], period: int, delivery: Delivery
    ) -> None:
        super().__init__(delivery, speed=1.0 if period else inf)
        self.values = values
        self.period = period
        self._used = False

    def start(self, state: GraphState) -> None:
        values = self.values() if callable(self.values) else self.values
        if iter(values) is values and not callable(self.values):
            if self._used:
                raise RunError(
                    f"{self.name} reads an iterator, which serves one run; "
                    "give a list, an array or a function that makes an iterator"
                )
            self._used = True
        start, period = state.start_time, self.period
        self._open((start + i * period, value) for i, value in enumerate(scalars(values)))
        super().start(state)


def scalars(values: Any) -> Iterator[Any]:
    """Yield what an iterable holds; of a numpy array Python scalars, of `datetime64` ns."""
    if not (hasattr(values, "dtype") and hasattr(values, "tolist")):
        yield from values
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
        yield from values[begin : begin + _CHUNK].tolist()


def check_delivery(delivery: str) -> Delivery:
    """Return the policy of this name.

    Raises:
        InvalidValueError: if there is none.
    """
    try:
        return Delivery(delivery)
    except ValueError:
        raise InvalidValueError(
            f'delivery is "each", "burst" or "latest", not {delivery!r}'
        ) from None


def make_replay(times: Any, values: Any, delivery: str, speed: float) -> Replay[Any]:
    """Return the source for the forms that `replay` takes.

    Raises:
        InvalidTypeError: if there is nothing to iterate over.
        InvalidValueError: for lengths that differ, an unknown delivery, a speed of 0 or below.
    """
    if isinstance(speed, bool) or not isinstance(speed, int | float):
        raise InvalidTypeError(f"speed is a number, not {speed!r}")
    if not speed > 0:
        raise InvalidValueError(f"speed must be above 0, not {speed!r}")
    policy = check_delivery(delivery)
    if values is None and callable(times):
        return Replay(lambda: scalars(times()), False, policy, speed)
    if not isinstance(times, Iterable) or isinstance(times, str | bytes):
        raise InvalidTypeError(f"replay needs times to iterate over, not {times!r}")
    if values is not None and not isinstance(values, Iterable):
        raise InvalidTypeError(f"replay needs values to iterate over, not {values!r}")
    if values is None:
        return Replay(lambda: scalars(times), iter(times) is times, policy, speed)
    if isinstance(times, Sized) and isinstance(values, Sized) and len(times) != len(values):
        raise InvalidValueError(
            f"replay needs as many values as times: {len(values)} values, {len(times)} times"
        )
    once = iter(times) is times or iter(values) is values
    return Replay(
        lambda: zip_longest(scalars(times), scalars(values), fillvalue=_MISSING),
        once,
        policy,
        speed,
    )
