"""The functions that begin a graph: each makes a source and gives its stream."""

import os
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from math import inf
from typing import Any, Literal, SupportsIndex, TypeVar, overload

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.operators.single import Filter
from graphcore.sources.feedback import Feedback
from graphcore.sources.receiver import CAPACITY, ReceiverStream, Sender
from graphcore.sources.replay import check_delivery, make_from_iterable, make_replay
from graphcore.sources.timer import Constant, Never, Ticker
from graphcore.stream import FeedbackStream, Stream
from graphcore.tables.playback import is_value, make_replay_parquet
from graphcore.tables.recording import path_of
from graphcore.time import Duration, to_period

T = TypeVar("T")

_DeliveryName = Literal["each", "burst", "latest"]
_Times = Iterable[SupportsIndex | datetime | str]
_Pairs = Iterable[tuple[Any, T]]
_Single = Literal["each", "latest"]


def ticker(period: Duration) -> Stream[int]:
    """Tick with the engine time (ns) at the run's start and then every period.

    In real time, one that is late by more than a period fires once, skips what it missed and goes
    on at start + k * period (R13). It never ends: a historical run over it needs a bound.

    >>> out = ticker("1s").collect()
    >>> _ = out.run(duration="2s")
    >>> out.values
    [0, 1000000000, 2000000000]
    """
    return Stream(Ticker(to_period(period)))


def constant(value: T) -> Stream[T]:
    """Tick once, in the first cycle, with the value."""
    return Stream(Constant(value))


def never() -> Stream[Any]:
    """Never tick; a run with nothing else ends at once."""
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
    """Tick with recorded values at their times.

    Args:
        times: the times, beside `values`; or (time, value) pairs, or a function that gives such
            pairs. Lists, iterators, numpy arrays and columns of pandas, polars and Arrow are taken.
            An iterator serves one run, the others any number. Times must not go back.
        values: one for each time; of arrays and columns Python scalars, of timestamps ns.
        delivery: of values at one time: ``"each"`` a cycle of its own, ``"burst"`` one list,
            ``"latest"`` the last alone.
        speed: how many times faster than recorded a real-time run goes; `inf` as fast as the
            graph takes it. A historical run pays it no heed.

    Raises:
        InvalidValueError: at the event that goes back in time (R11); names index and both times.
        RunError: at the second run over an iterator.

    >>> out = replay([10, 20, 20], ["a", "b", "c"], delivery="burst").collect()
    >>> _ = out.run()
    >>> list(out)
    [(10, ['a']), (20, ['b', 'c'])]
    """
    return Stream(make_replay(times, values, delivery, speed))


def replay_parquet(
    file: str | os.PathLike[str],
    kind: Any = Any,
    *,
    delivery: _DeliveryName = "each",
    speed: float = inf,
) -> Stream[Any]:
    """Tick with what `Stream.record` has written, in a historical run in the very same cycles.

    Any other Parquet file will do that has a column `time` (timestamps, or whole nanoseconds) in
    order: its values are the column `value`, or where it has none, dicts of the other columns.

    Args:
        file: the path, of a Parquet file or of the ``.partial`` that a killed run has left.
        kind: the type of the values, such as a dataclass, a named tuple or a msgspec Struct;
            without it records are dicts.
        delivery: of values at one time, as for `replay`. ``"each"`` gives each its recorded cycle;
            the others disregard that.
        speed: how many times faster than recorded a real-time run goes, as for `replay`.

    Raises:
        RunError: at wiring if pyarrow, of the `tables` extra, is not installed; in the run for a
            file that cannot be read.
        InvalidTypeError: in the run, for a column that holds no values of that type.
    """
    source = make_replay_parquet(path_of(file), kind, delivery, speed)
    return Stream(source) if delivery != "each" else Stream(Filter(source, is_value, True))


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

    Args:
        values: an iterable, or a function that gives one. An iterator serves one run.
        period: from each value to the next; without it all are due at the start of the run, and
            in real time come as fast as the graph takes them.
        delivery: of values at one time, as for `replay`.

    >>> out = from_iterable("abc", period="1s").collect()
    >>> _ = out.run()
    >>> list(out)
    [(0, 'a'), (1000000000, 'b'), (2000000000, 'c')]
    """
    nanoseconds = 0 if period is None else to_period(period)
    return Stream(make_from_iterable(values, nanoseconds, delivery))


def feedback() -> FeedbackStream[Any]:
    """Return a stream to wire with now and to close later with `.bind(stream)`.

    It ticks in the next cycle at the same time, which is how a graph may hold a loop. Left
    unbound, the graph is refused.

    Here orders are filled in lots of 100; what is left of one comes back as an order of its own:

    >>> rest = feedback()
    >>> order = from_iterable([250, 80], period="1s").merge(rest)
    >>> rest.bind(order.filter(lambda size: size > 100).map(lambda size: size - 100))
    >>> fills = order.map(lambda size: min(size, 100)).collect()
    >>> _ = fills.run()
    >>> list(fills)
    [(0, 100), (0, 100), (0, 50), (1000000000, 80)]
    """
    return FeedbackStream(Feedback())


@overload
def receiver(
    run: Callable[[Sender[T], threading.Event], None],
    *,
    delivery: Literal["burst"] = "burst",
    capacity: int = CAPACITY,
) -> Stream[list[T]]: ...
@overload
def receiver(
    run: Callable[[Sender[T], threading.Event], None],
    *,
    delivery: _Single,
    capacity: int = CAPACITY,
) -> Stream[T]: ...
def receiver(
    run: Callable[[Sender[Any], threading.Event], None],
    *,
    delivery: _DeliveryName = "burst",
    capacity: int = CAPACITY,
) -> Stream[Any]:
    """Tick with what a blocking function sends from a thread of its own; real-time runs only.

    Args:
        run: called as ``run(sender, stop)``. It hands values over with `sender.send(value)` or
            `sender.send_many(values)`, an error with `sender.error(exception)`, and ends the
            source with `sender.close()` or by returning. `stop`, a `threading.Event`, is set when
            the run ends: it is to return then, within 5 s.
        delivery: of what waits: ``"burst"`` as one list, ``"each"`` a cycle of its own,
            ``"latest"`` the last alone.
        capacity: how many values may wait; `send` blocks beyond.

    Raises:
        RunError: in `start` of a historical run; in `stop` if the thread does not end.
    """
    if not callable(run):
        raise InvalidTypeError(f"receiver needs a function, not {run!r}")
    if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1:
        raise InvalidValueError(f"capacity is a whole number of at least 1, not {capacity!r}")
    return Stream(ReceiverStream(run, check_delivery(delivery), capacity))
