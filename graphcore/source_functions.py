"""The functions that begin a graph: each makes a source and returns its stream."""

import threading
from collections.abc import AsyncIterable, Callable, Iterable
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeVar, overload

from graphcore.calendars import TimeOfDay, Zone, hours_of
from graphcore.errors import InvalidValueError
from graphcore.node import Active, MutableNode
from graphcore.sources.asynchronous import AsyncSource
from graphcore.sources.events import Delivery
from graphcore.sources.feedback import Feedback, Later
from graphcore.sources.receiver import CAPACITY, Poll, Polled, ReceiverStream, Sender
from graphcore.sources.replay import check_delivery, make_from_iterable, make_replay
from graphcore.sources.retrying import Retry, Status
from graphcore.sources.timer import Constant, Never, PeriodTicker, Session, Ticker, Timetable
from graphcore.stream import FeedbackStream, LaterStream, SourceStream, Stream
from graphcore.stream.families.arguments import (
    async_generator_of,
    flag,
    source_function_of,
    whole,
)
from graphcore.time import Duration, to_duration, to_period

T = TypeVar("T")

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    # The parameter of a lambda has no annotation that could tell.
    Sent = TypeVarWithDefault("Sent", default=Any)

_DeliveryName = Literal["each", "burst", "latest"]
_Times = Iterable[SupportsIndex | datetime | str]
_Pairs = Iterable[tuple[Any, T]]
_Single = Literal["each", "latest"]


@overload
def ticker(
    period: Duration, *, first: Duration = 0, count: int | None = None, align: bool = False
) -> Stream[int]: ...
@overload
def ticker(period: Active[Duration]) -> Stream[int]: ...
def ticker(
    period: Any,
    *,
    first: Duration = 0,
    count: int | None = None,
    align: bool = False,
) -> Stream[int]:
    """Tick with the engine time (ns) at the run's start and then every period.

    In real time, a ticker that is late by more than a period ticks once, skips the ticks that it
    missed and goes on at start + k * period (R13). Without `count` it never ends: a historical run
    needs a bound.

    ::

        time                            0s  1s  2s  3s  4s
        ticker("2s")                    x       x       x
        ticker("2s", first="1s")            x       x
        ticker("1s", count=2)           x   x
        periods                         2s      1s
        ticker(periods)                 x       x   x   x

    Args:
        period: the time between two ticks. It may be a stream of periods: the first tick comes with
            the first period, and a period that changes counts from the last tick. Such a ticker
            takes no other argument; a period that is not longer than 0 ends the run.
        first: how long after the start the first tick comes.
        count: how many ticks come before the ticker ends; by default it does not.
        align: whether the ticks are at multiples of the period since the epoch; the first one is
            the earliest that is not before the start plus `first`.

    >>> out = ticker("1s").collect()
    >>> _ = out.run(duration="2s")
    >>> out.values
    [0, 1000000000, 2000000000]
    """
    if isinstance(period, Stream | MutableNode):
        if (first, count, align) != (0, None, False):
            raise InvalidValueError(
                "a ticker of a stream of periods takes no first, count or align, not "
                f"{first=}, {count=}, {align=}"
            )
        return Stream(PeriodTicker(period))
    length, delay = to_period(period), to_duration(first)
    if delay < 0:
        raise InvalidValueError(f"the first tick cannot come before the start: first={first!r}")
    if count is not None:
        count = whole(count, "count", 1)
    if not (delay or count or flag(align, "align")):
        return Stream(Ticker(length))
    return Stream(Timetable(length, delay, count, align))


def session(
    start: TimeOfDay | None = None,
    end: TimeOfDay | None = None,
    zone: Zone | None = None,
    *,
    calendar: str | None = None,
) -> Stream[bool]:
    """Tick at the start with whether the time is in the hours, and then whenever that changes.

    ::

        time in New York                                 09:00  09:30  16:00
        session("09:30", "16:00", "America/New_York")    False  True   False

    It keeps no run alive. The hours are those of `Stream.between`.

    Args:
        start: a time of day on the wall clock of the zone, such as ``"09:30"``.
        end: the time of day at which the hours end; if it is before `start`, on the next day.
        zone: a name such as ``"America/New_York"``, or a `tzinfo`.
        calendar: in place of the others, an exchange, such as ``"XNYS"``: its sessions, without the
            breaks in them, by the package `exchange_calendars` (the `calendars` extra).

    Raises:
        InvalidTypeError, InvalidValueError: at wiring for arguments that are wrong.
        RunError: at wiring if `exchange_calendars` is needed and not installed; in the run, at a
            time that its calendar does not cover.

    >>> out = session("00:00:02", "00:00:04", "UTC").with_latest(ticker("1s")).collect()
    >>> _ = out.run(duration="9s")
    >>> list(out)
    [(0, (False, 0)), (2000000000, (True, 2000000000)), (4000000000, (False, 4000000000))]
    """
    return Stream(Session(hours_of(start, end, zone, calendar, "session")))


def constant(value: T) -> Stream[T]:
    """Tick once with the value, in the first cycle.

    ::

        time           0s  1s  2s
        constant(5)    5
    """
    return Stream(Constant(value))


def never() -> Stream[Any]:
    """Never tick; a run of nothing else ends at once.

    ::

        time       0s  1s  2s
        never()
    """
    return Stream(Never())


@overload
def replay(
    times: _Times, values: Iterable[T], *, delivery: _Single = "each", speed: float = inf
) -> Stream[T]: ...
@overload
def replay(
    times: _Times, values: Iterable[T], *, delivery: Literal["burst"], speed: float = inf
) -> Stream[list[T]]: ...
@overload
def replay(
    times: _Pairs[T] | Callable[[], _Pairs[T]], *, delivery: _Single = "each", speed: float = inf
) -> Stream[T]: ...
@overload
def replay(
    times: _Pairs[T] | Callable[[], _Pairs[T]], *, delivery: Literal["burst"], speed: float = inf
) -> Stream[list[T]]: ...
def replay(
    times: Any, values: Any = None, *, delivery: _DeliveryName = "each", speed: float = inf
) -> Stream[Any]:
    """Tick with given values at given times.

    ::

        time                             10ns  20ns
        replay([10, 20, 20], "abc")      a     b, then c
            with delivery="burst"        [a]   [b, c]
            with delivery="latest"       a     c

    Args:
        times: the times of `values`; or, without `values`, (time, value) pairs or a function that
            returns such pairs. Lists, iterators, numpy arrays and columns of pandas, polars and
            Arrow will do. An iterator serves one run, the others any number. Times must not go
            back.
        values: one value for each time. Items of arrays and columns become Python scalars, and
            timestamps nanoseconds.
        delivery: what happens to values at one time: with ``"each"`` each gets a cycle of its own,
            ``"burst"`` makes one list of them, ``"latest"`` takes only the last.
        speed: how many times faster than its times a real-time run goes; with `inf` it goes as fast
            as the graph can. A historical run ignores it.

    Raises:
        InvalidTypeError, InvalidValueError: at wiring for arguments of a wrong form; in the run for
            an event that is not a pair, or goes back in time. The message names its index.
        RunError: in the second run over an iterator.

    >>> out = replay([10, 20, 20], ["a", "b", "c"], delivery="burst").collect()
    >>> _ = out.run()
    >>> list(out)
    [(10, ['a']), (20, ['b', 'c'])]
    """
    return Stream(make_replay(times, values, delivery, speed))


@overload
def from_iterable(
    values: Iterable[T] | Callable[[], Iterable[T]],
    period: Duration | None = None,
    *,
    delivery: _Single = "each",
) -> Stream[T]: ...
@overload
def from_iterable(
    values: Iterable[T] | Callable[[], Iterable[T]],
    period: Duration | None = None,
    *,
    delivery: Literal["burst"],
) -> Stream[list[T]]: ...
def from_iterable(
    values: Any, period: Duration | None = None, *, delivery: _DeliveryName = "each"
) -> Stream[Any]:
    """Tick with values that carry no times.

    ::

        time                                 0s            1s  2s
        from_iterable("abc", period="1s")    a             b   c
        from_iterable("abc")                 a, b, then c

    Args:
        values: an iterable, or a function that returns one. An iterator serves one run.
        period: the time from each value to the next. Without it all values are due at the start of
            the run; in real time they then come as fast as the graph can take them.
        delivery: what happens to values at one time, as for `replay`.

    >>> out = from_iterable("abc", period="1s").collect()
    >>> _ = out.run()
    >>> list(out)
    [(0, 'a'), (1000000000, 'b'), (2000000000, 'c')]
    """
    nanoseconds = 0 if period is None else to_period(period)
    return Stream(make_from_iterable(values, nanoseconds, delivery))


def feedback() -> FeedbackStream[Any]:
    """Return a stream to wire with now and to close later with `.bind(stream)`.

    It makes loops possible: it ticks with the values of the bound stream, in the next cycle at the
    same time. A graph with a feedback that was never bound is refused.

    ::

        time                1s, cycle 1    1s, cycle 2
        the bound stream    a
        feedback()                         a

    Here orders are filled in lots of 100, and the rest of an order comes back as a new order:

    >>> rest = feedback()
    >>> order = from_iterable([250, 80], period="1s").merge(rest)
    >>> rest.bind(order.filter(lambda size: size > 100).map(lambda size: size - 100))
    >>> fills = order.map(lambda size: min(size, 100)).collect()
    >>> _ = fills.run()
    >>> list(fills)
    [(0, 100), (0, 100), (0, 50), (1000000000, 80)]
    """
    return FeedbackStream(Feedback())


def later() -> LaterStream[Any]:
    """Return a stream to wire with now and to bind before the run with `.bind(stream)`.

    It ticks in the same cycle as the bound stream, so the bound stream must not depend on it: a
    loop needs `feedback`. A graph with a stream that was never bound is refused.

    ::

        time                1s  2s
        the bound stream    a   b
        later()             a   b

    >>> prices = later()
    >>> doubled = prices.map(lambda price: 2 * price).collect()
    >>> prices.bind(from_iterable([1, 2]))
    >>> _ = doubled.run()
    >>> doubled.values
    [2, 4]
    """
    return LaterStream(Later())


@overload
def receiver(
    run: "Callable[[Sender[Sent], threading.Event], None]",
    *,
    delivery: Literal["burst"] = "burst",
    capacity: int = CAPACITY,
    retry: Retry | None = None,
) -> "SourceStream[list[Sent]]": ...
@overload
def receiver(
    run: "Callable[[Sender[Sent], threading.Event], None]",
    *,
    delivery: _Single,
    capacity: int = CAPACITY,
    retry: Retry | None = None,
) -> "SourceStream[Sent]": ...
def receiver(
    run: Callable[[Sender[Any], threading.Event], None],
    *,
    delivery: _DeliveryName = "burst",
    capacity: int = CAPACITY,
    retry: Retry | None = None,
) -> SourceStream[Any]:
    """Tick with the values that a blocking function sends from its own thread; real time only.

    ::

        the thread sends                 a    b, c
        receiver(f)                      [a]  [b, c]
        receiver(f, delivery="each")     a    b, then c

    Args:
        run: called as ``run(sender, stop)``. The function sends values with `sender.send(value)` or
            `sender.send_many(values)` and an error with `sender.error(exception)`. It ends the
            source with `sender.close()` or by returning. `stop` is a `threading.Event` that is set
            when the run ends; the function must then return within 5 s.
        delivery: how waiting values are delivered: ``"burst"`` as one list, ``"each"`` one a cycle,
            ``"latest"`` only the last.
        capacity: how many values may wait; when so many wait, `send` blocks.
        retry: delays, such as ``["1s", "10s"]``, or a `Backoff`. If the function raises, it is
            called again after the first delay, then after the second, and so on; its error ends the
            run only if no delay is left. The delays begin anew once it has sent a value.
            `.status` of the result is a stream of what the source does.

    Raises:
        InvalidTypeError, InvalidValueError: at wiring for an argument that is wrong, such as an
            async or a generator function.
        RunError: in `start` of a historical run; in `stop` if the thread does not end.
    """
    status = Status()
    whole = _capacity(capacity)
    function = source_function_of(run, "receiver", "sender", "stop")
    source: ReceiverStream[Any] = ReceiverStream(
        function, check_delivery(delivery), whole, retry, status
    )
    return SourceStream(source)


@overload
def produce_async(
    function: Callable[[], AsyncIterable[T]],
    *,
    delivery: Literal["burst"] = "burst",
    capacity: int = CAPACITY,
    retry: Retry | None = None,
) -> SourceStream[list[T]]: ...
@overload
def produce_async(
    function: Callable[[], AsyncIterable[T]],
    *,
    delivery: _Single,
    capacity: int = CAPACITY,
    retry: Retry | None = None,
) -> SourceStream[T]: ...
def produce_async(
    function: Callable[[], AsyncIterable[Any]],
    *,
    delivery: _DeliveryName = "burst",
    capacity: int = CAPACITY,
    retry: Retry | None = None,
) -> SourceStream[Any]:
    """Tick with the values that an async generator yields; real time only.

    The generator runs in the run's event loop: that of `run_async`, else one in a thread of the
    run's own. It is cancelled when the run ends, and must then end within 5 s.

    ::

        the generator yields                a    b, c
        produce_async(f)                    [a]  [b, c]
        produce_async(f, delivery="each")   a    b, then c

    Args:
        function: called without arguments in each run; an `async def` with `yield`, or another
            function that returns an asynchronous iterator.
        delivery: how waiting values are delivered: ``"burst"`` as one list, ``"each"`` one a cycle,
            ``"latest"`` only the last.
        capacity: how many values may wait; when so many wait, the generator is held up.
        retry: when to begin again after an error, as for `receiver`.

    Raises:
        InvalidTypeError, InvalidValueError: at wiring for an argument that is wrong.
        RunError: in `start` of a historical run; in `stop` if the generator does not end.

    >>> import asyncio
    >>> async def readings():
    ...     for value in (20.5, 21.0):
    ...         await asyncio.sleep(0)
    ...         yield value
    >>> out = produce_async(readings, delivery="each").collect()
    >>> _ = out.run(realtime=True)
    >>> out.values
    [20.5, 21.0]
    """
    status = Status()
    whole = _capacity(capacity)
    made = async_generator_of(function)
    source: AsyncSource[Any] = AsyncSource(made, check_delivery(delivery), whole, retry, status)
    return SourceStream(source)


def poll(
    function: Callable[[], T], period: Duration, *, retry: Retry | None = None
) -> SourceStream[T]:
    """Tick with what a blocking function returns, called every period in a thread; real time only.

    The first call is made at once. A call that takes longer than the period delays none of the
    later ones: those that it missed are skipped.

    ::

        time             0s   1s   2s
        poll(f, "1s")    f()  f()  f()

    Args:
        function: called without arguments.
        period: the time from call to call.
        retry: when to call again after an error, as for `receiver`; without it an error ends the
            run.

    Raises:
        InvalidTypeError, InvalidValueError: at wiring for an argument that is wrong.
        RunError: in `start` of a historical run; in `stop` if a call takes longer than 5 s more.

    >>> out = poll(lambda: 20.5, "1ms").collect()
    >>> _ = out.run(realtime=True, cycles=3)
    >>> out.values
    [20.5, 20.5, 20.5]
    """
    status = Status()
    polled = Polled(source_function_of(function, "poll"), to_period(period))
    return SourceStream(Poll(polled, Delivery.EACH, CAPACITY, retry, status))


def _capacity(given: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise InvalidValueError(f"capacity must be a whole number of at least 1, not {given!r}")
    return given
