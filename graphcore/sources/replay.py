"""Sources of recorded events: `replay` and `from_iterable` (R6, R12).

They read one event ahead, so that they know when to run next and end without an empty cycle. What
goes wrong while reading ahead is raised in a cycle of its own, after the event before it.
"""

from collections.abc import Callable, Iterable, Iterator, Sized
from math import inf
from typing import Any, Generic, TypeVar

from graphcore.errors import InvalidTypeError, InvalidValueError, RunError
from graphcore.node import Source, node, state
from graphcore.sources.events import (
    FAILED,
    WAIT,
    Delivery,
    Event,
    Events,
    events_of,
    grouped,
    pairs_of,
    spaced,
)
from graphcore.state import GraphState, RunMode

T = TypeVar("T")


@node
class Replay(Source[T], Generic[T]):
    """Delivers events at their own times; in real time, paced by `speed`.

    Args:
        open_events: gives the events of a run that starts at a time.
        once: whether it can do so only once, because it stands on an iterator.
        delivery: what becomes of values of one time.
        speed: how many times faster than recorded a real-time run goes.
    """

    open_events: Callable[[int], Events]
    once: bool
    delivery: Delivery
    speed: float
    events: Events = state(factory=lambda: iter(()))
    next_time: int | None = state(None)
    next_value: Any = state(None)
    origin: int = state(0)
    live: bool = state(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._peeked: tuple[Events, Event] | None = None
        self._used = False

    def first_event(self) -> int | None:
        if self._peeked is None:
            self._peeked = self._open(0)
        time, value = self._peeked[1]
        return None if value is FAILED else time

    def start(self, state: GraphState) -> None:
        peeked = self._peeked or self._open(state.start_time)
        self._peeked = None
        self.events, (self.next_time, self.next_value) = peeked
        self.live = state.run_mode is RunMode.REALTIME
        self.skipped = 0
        if not self.live:
            while self.next_time is not None and self.next_time < state.start_time:
                if self.next_value is FAILED:
                    break
                self.skipped += self.next_value is not WAIT
                self.next_time, self.next_value = next(self.events)
        if self.next_value is FAILED:
            self.next_time = state.time
        if self.next_time is not None:
            self.origin = self.next_time
            state.schedule(state.time if self.live else self.next_time)

    def cycle(self, state: GraphState) -> bool:
        time, value = self.next_time, self.next_value
        self.next_time, self.next_value = next(self.events)
        self.value = value
        if self.next_time is not None:
            if not self.live:
                state.schedule(self.next_time)
            elif self.next_time == time and self.speed != inf:
                state.schedule(state.time)
            else:
                passed = int((self.next_time - self.origin) / self.speed)
                # One that is late comes a nanosecond on, so that the clock and the inbox are read
                # in between.
                state.schedule(max(state.start_time + passed, state.time + 1))
        return True

    def stop(self, state: GraphState) -> None:
        self._peeked = None
        self.events = iter(())
        self.next_value = None

    def _open(self, start: int) -> tuple[Events, Event]:
        if self.once and self._used:
            raise RunError(
                f"{self.name} reads an iterator, which serves one run; "
                "give a list, an array or a function that makes an iterator"
            )
        self._used = True
        events = grouped(self.open_events(start), self.delivery)
        return events, next(events)


class FromIterable(Replay[T]):
    """Delivers values from the start of the run on, one period apart, or all at the start."""

    def first_event(self) -> int | None:
        return None


def make_from_iterable(values: Any, period: int, delivery: str) -> FromIterable[Any]:
    """Return the source for the forms that `from_iterable` takes.

    Raises:
        InvalidTypeError: if there is nothing to iterate over.
        InvalidValueError: for an unknown delivery.
    """
    policy, speed = check_delivery(delivery), 1.0 if period else inf
    if callable(values):
        return FromIterable(lambda start: spaced(values(), start, period), False, policy, speed)
    if not isinstance(values, Iterable):
        raise InvalidTypeError(f"from_iterable needs values to iterate over, not {values!r}")
    once = isinstance(values, Iterator)
    return FromIterable(lambda start: spaced(values, start, period), once, policy, speed)


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


def check_speed(speed: float) -> float:
    """Return how many times faster than recorded a replay goes.

    Raises:
        InvalidTypeError: if it is no number.
        InvalidValueError: if it is 0 or below.
    """
    if isinstance(speed, bool) or not isinstance(speed, int | float):
        raise InvalidTypeError(f"speed is a number, not {speed!r}")
    if not speed > 0:
        raise InvalidValueError(f"speed must be above 0, not {speed!r}")
    return speed


def make_replay(times: Any, values: Any, delivery: str, speed: float) -> Replay[Any]:
    """Return the source for the forms that `replay` takes.

    Raises:
        InvalidTypeError: if there is nothing to iterate over.
        InvalidValueError: for lengths that differ, an unknown delivery, a speed of 0 or below.
    """
    check_speed(speed)
    policy = check_delivery(delivery)
    if values is None and callable(times):
        return Replay(lambda _: pairs_of(times()), False, policy, speed)
    if not isinstance(times, Iterable) or isinstance(times, str | bytes):
        raise InvalidTypeError(f"replay needs times to iterate over, not {times!r}")
    if values is not None and not isinstance(values, Iterable):
        raise InvalidTypeError(f"replay needs values to iterate over, not {values!r}")
    if values is None:
        return Replay(lambda _: pairs_of(times), isinstance(times, Iterator), policy, speed)
    if isinstance(times, Sized) and isinstance(values, Sized) and len(times) != len(values):
        raise InvalidValueError(
            f"replay needs as many values as times: {len(values)} values, {len(times)} times"
        )
    once = isinstance(times, Iterator) or isinstance(values, Iterator)
    return Replay(lambda _: events_of(times, values), once, policy, speed)
