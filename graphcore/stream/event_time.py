"""`EventTime`: a stream by the time that its values carry, as `event_time` makes it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from graphcore.errors import InvalidTypeError, InvalidValueError, shorten
from graphcore.node import MutableNode
from graphcore.operators import event_joins, event_time
from graphcore.operators.event_time import Event
from graphcore.operators.event_windows import Sessions, Spans, Window
from graphcore.stream.event_windows import EventWindows
from graphcore.stream.families.arguments import flag, function_of
from graphcore.stream.families.base import StreamBase
from graphcore.time import Duration, Time, to_duration, to_period

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
U = TypeVar("U")


class EventTime(Generic[T]):
    """A stream whose values have a time of their own, and may come late and out of order.

    The watermark is the greatest time seen less the lateness, and infinite when the run ends (R14).
    A value is late if its time is below the watermark.

    Args:
        events: the node of times, watermarks and values.
        make_stream: makes the stream of a node.
    """

    def __init__(
        self,
        events: MutableNode[Event[T]],
        make_stream: "Callable[[MutableNode[Any]], Stream[Any]]",
    ) -> None:
        self._events = events
        self._make_stream = make_stream
        self._behind = event_time.Behind(events)
        self._late: event_time.Late[T] = event_time.Late([self._behind])
        self._has_operators = False

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            """Say that a stream by event time is no stream."""
            text = f"a stream by event time has no {name}: make a stream first, such as .ordered()"
            raise AttributeError(text, name=name, obj=self)

    @property
    def late(self) -> "Stream[tuple[T, int]]":
        """Tick with (value, how late in ns) for each value that an operator leaves out as late.

        `ordered` and the joins leave out every late value. A window counts a late value while it is
        open, and leaves it out only when all windows of its time are closed. Without operators it
        ticks with every late value.
        """
        return self._make_stream(self._late)

    def map(self, function: Callable[[T], U]) -> "EventTime[U]":
        """Return the results of a function by event time, with the same times and watermark.

        Args:
            function: called with each value.
        """
        made = event_time.MapEvents(self._events, function_of(function))
        return EventTime(made, self._make_stream)

    def ordered(self) -> "Stream[T]":
        """Tick with the values in the order of their own time, once the watermark passes them.

        Several values follow one a cycle at the same engine time, those of one event time in the
        order in which they came. Late values are left out: `late` has them.

        >>> import graphcore as gc
        >>> e = gc.from_iterable([1, 4, 2, 6]).event_time(lambda v: v, lateness=2)
        >>> out = e.ordered().collect()
        >>> report = out.run()
        >>> out.values
        [1, 2, 4, 6]
        """
        self._leaves_out(self._behind)
        return self._make_stream(event_time.Ordered(self._events))

    def tumbling(self, period: Duration, *, partial: bool = True) -> EventWindows[T]:
        """Return the windows [k * period, (k + 1) * period), counted from the epoch.

        A window ticks when the watermark reaches its end, an empty one not at all. A late value
        counts while its window is open.

        ::

            time of the run             1s    2s    3s    4s       the end
            self, by its own time       at1   at4   at2   at9
            watermark, lateness="2s"    -1    2     2     7
            tumbling("5s").values()                       [1,2,4]  [9]

        Args:
            period: the length of a window.
            partial: whether the windows tick that are open when the run ends (R14).

        Returns:
            The windows: `.values()`, `.ohlc()`, `.mean()` and so on are streams over them.

        >>> import graphcore as gc
        >>> e = gc.from_iterable([1, 4, 2, 9]).event_time(lambda v: v, lateness=2)
        >>> out = e.tumbling(5).sum().collect()
        >>> report = out.run()
        >>> out.values
        [7, 9]
        """
        return self.sliding(period, every=period, partial=partial)

    def sliding(
        self, length: Duration, *, every: Duration, partial: bool = True
    ) -> EventWindows[T]:
        """Return the windows [k * every, k * every + length), counted from the epoch.

        They tick as those of `tumbling`. A value counts in each window that holds its time.

        ::

            self, at its own time                 t1   t4   t6
            sliding(6, every=3).values(), [-3,3)  [1]
            [0,6)                                 [1, 4]
            [3,9)                                 [4, 6]
            [6,12)                                [6]

        Args:
            length: the length of a window.
            every: the time from the start of one window to that of the next.
            partial: as for `tumbling`.
        """
        emits = flag(partial, "partial")
        spans: Spans[T] = Spans(self._events, to_period(length), to_period(every), emits)
        return self._windows(spans, spans.late)

    def session(self, gap: Duration, *, partial: bool = True) -> EventWindows[T]:
        """Return windows of values between which no more than `gap` passes.

        A session ends `gap` after its last value, and ticks when the watermark has passed its end.
        A value in between joins two sessions to one.

        ::

            self, at its own time    t1   t3           t9   t7
            session(2).values()      [1, 3]            [7, 9]

        Args:
            gap: the longest time between a value and the next one.
            partial: as for `tumbling`.
        """
        sessions: Sessions[T] = Sessions(self._events, to_period(gap), flag(partial, "partial"))
        return self._windows(sessions, sessions.late)

    def _windows(
        self, windows: MutableNode[Window[T]], late: MutableNode[tuple[T, int]]
    ) -> EventWindows[T]:
        self._leaves_out(late)
        return EventWindows(windows, self._make_stream)

    def asof(
        self,
        other: "EventTime[U]",
        *,
        tolerance: Duration | None = None,
        direction: Literal["backward", "forward", "nearest"] = "backward",
    ) -> "Stream[tuple[T, U | None]]":
        """Tick with each value and the newest of the other stream at or before its time.

        A value at the very same time counts. Where there is none, it ticks with (value, None). The
        results are those of pandas' `merge_asof`.

        ::

            self, at its own time            t2              t5
            other, at its own time     q1          q3   q4          q6
            asof(other)                      t2,q1           t5,q4

        Values tick in the order of their own time, once both watermarks have passed that time;
        `"forward"` and `"nearest"` wait for the other's watermark until it has passed the time and
        the tolerance.

        Args:
            other: the other stream by event time.
            tolerance: how far the two times may lie apart; by default any time. `"forward"` and
                `"nearest"` need it.
            direction: ``"backward"``, ``"forward"`` for the first value at or after the time, or
                ``"nearest"``, which prefers the earlier of two that are equally near.

        Raises:
            InvalidTypeError: if `other` is not a stream by event time.
            InvalidValueError: for another direction, a negative tolerance, or none where one is
                needed.

        >>> import graphcore as gc
        >>> trades = gc.from_iterable([2, 5]).event_time(lambda v: v, lateness=0)
        >>> quotes = gc.from_iterable([1, 3, 4, 6]).event_time(lambda v: v, lateness=0)
        >>> out = trades.asof(quotes).collect()
        >>> report = out.run()
        >>> out.values
        [(2, 1), (5, 4)]
        """
        if direction not in ("backward", "forward", "nearest"):
            raise InvalidValueError(
                f'direction must be "backward", "forward" or "nearest", not {direction!r}'
            )
        limit = None if tolerance is None else _not_negative(tolerance, "a tolerance")
        source, events = self._events, self._joined(other, "asof")
        if direction == "backward":
            backward: event_joins.AsofBackward[T, U] = event_joins.AsofBackward(
                source, events, limit
            )
            return self._make_stream(backward)
        if limit is None:
            raise InvalidValueError(f'asof with direction="{direction}" needs a tolerance')
        ahead: event_joins.AsofAhead[T, U] = event_joins.AsofAhead(
            source, events, limit, direction == "nearest"
        )
        return self._make_stream(ahead)

    def interval_join(
        self,
        other: "EventTime[U]",
        *,
        before: Duration,
        after: Duration,
        prevailing: bool = False,
    ) -> "Stream[tuple[T, list[U]]]":
        """Tick with each value and the list of the other's values in [t - before, t + after].

        t is the value's own time; values at both ends count. The list is in the order of event
        time, and may be empty.

        ::

            self, at its own time                            t3
            other, at its own time                q1   q2          q4   q5
            interval_join(other, before=1, after=1)          t3,[q2, q4]

        Values tick in the order of their own time, once both watermarks have passed that time, and
        the other's the end of the interval.

        Args:
            other: the other stream by event time.
            before: how far the interval reaches back.
            after: how far it reaches ahead.
            prevailing: whether the list begins with the value in force at t - before, the newest
                one before that time, if there is none at that very time (kdb's `wj`).

        Raises:
            InvalidTypeError: if `other` is not a stream by event time.
            InvalidValueError: for a negative duration.

        >>> import graphcore as gc
        >>> trades = gc.from_iterable([3]).event_time(lambda v: v, lateness=0)
        >>> quotes = gc.from_iterable([1, 2, 4, 5]).event_time(lambda v: v, lateness=0)
        >>> out = trades.interval_join(quotes, before=1, after=1).collect()
        >>> report = out.run()
        >>> out.values
        [(3, [2, 4])]
        """
        earlier, later = _not_negative(before, "before"), _not_negative(after, "after")
        adds = flag(prevailing, "prevailing")
        events = self._joined(other, "interval_join")
        joined: event_joins.IntervalJoin[T, U] = event_joins.IntervalJoin(
            self._events, events, earlier, later, adds
        )
        return self._make_stream(joined)

    def _joined(self, other: "EventTime[U]", name: str) -> MutableNode[Event[U]]:
        if not isinstance(other, EventTime):
            raise InvalidTypeError(
                f"{name} needs another stream by event time, not {shorten(other)}: write "
                f"{name}(other.event_time(at, lateness))"
            )
        self._leaves_out(self._behind)
        other._leaves_out(other._behind)
        return other._events

    def _leaves_out(self, late: MutableNode[tuple[T, int]]) -> None:
        self._late.leave_out(late, not self._has_operators)
        self._has_operators = True


class EventTimeOperators(StreamBase[T]):
    """The operator that gives a stream event time."""

    __slots__ = ()

    def event_time(self, at: Callable[[T], Time], lateness: Duration) -> EventTime[T]:
        """Say where the time of a value is, and how late a value may come.

        ::

            time of the run                          1s    2s    3s    4s    the end
            self, by its own time                    at1   at4   at2   at6
            event_time(at, lateness="2s").ordered()        at1         at2   at4, at6

        Args:
            at: returns the time of a value, in any form of time (R1).
            lateness: how far a value's time may lie behind the greatest time seen; 0 if the values
                come in order.

        Returns:
            Operators by event time: `ordered`, windows, joins, and `late`.

        Raises:
            InvalidValueError: for a negative lateness.
            InvalidTypeError: in the run, for what `at` returns if it is not a time.

        >>> import graphcore as gc
        >>> words = gc.from_iterable([(3, "b"), (1, "a"), (9, "c")])
        >>> out = words.event_time(lambda word: word[0], lateness="1us").ordered().collect()
        >>> report = out.run()
        >>> out.values
        [(1, 'a'), (3, 'b'), (9, 'c')]
        """
        nanoseconds = _not_negative(lateness, "a lateness")
        events = event_time.EventTimes(self, function_of(at), nanoseconds)
        return EventTime(events, self._stream)


def _not_negative(given: Duration, argument: str) -> int:
    nanoseconds = to_duration(given)
    if nanoseconds < 0:
        raise InvalidValueError(f"{argument} cannot be negative: {given!r}")
    return nanoseconds
