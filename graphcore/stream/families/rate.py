"""The methods of `Stream` that decide when and how often values pass (R6, R7)."""

from collections.abc import Callable, Hashable
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeVar

from graphcore.calendars import TimeOfDay, Zone, hours_of
from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.node import Active, Passive
from graphcore.operators import pacing, rate
from graphcore.stream.families.arguments import flag, is_right, key_of, whole
from graphcore.stream.families.base import StreamBase
from graphcore.time import Duration, to_duration, to_period

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")


class RateOperators(StreamBase[T]):
    """Operators of rate and time."""

    __slots__ = ()

    def throttle(self, interval: Duration) -> "Stream[T]":
        """Let a value through if `interval` or more has passed since the last one let through.

        ::

            time               0s  1s  2s  3s  4s
            self               a   b   c   d   e
            throttle("2s")     a       c       e
        """
        return self._stream(rate.Throttle(self, to_period(interval)))

    def sample(self, trigger: Active[object]) -> "Stream[T]":
        """Tick with the present value when the trigger ticks; a value of the same cycle counts.

        ::

            time               1s  2s  3s  4s
            self               a       b
            trigger                x   x   x
            sample(trigger)        a   b   b
        """
        if isinstance(trigger, str | timedelta):
            raise InvalidTypeError(
                f"trigger of Sample must be a stream or a node, not {trigger!r} "
                f"({type(trigger).__name__}): every(period) ticks once a period"
            )
        return self._stream(rate.Sample(self, trigger))

    def delay(self, duration: Duration) -> "Stream[T]":
        """Tick with each value `duration` later; 0 means the next cycle at the same time.

        Values that are due at the same time come one a cycle, in the order in which they came.

        ::

            time           0s  1s  2s  3s
            self           a   b
            delay("2s")            a   b
        """
        nanoseconds = to_duration(duration)
        if nanoseconds < 0:
            raise InvalidValueError(f"a delay cannot be negative: {duration!r}")
        return self._stream(rate.Delay(self, nanoseconds))

    def limit(self, count: int) -> "Stream[T]":
        """Let the first `count` values through and no more; the run goes on.

        ::

            self        a  b  c  d
            limit(2)    a  b
        """
        return self._stream(rate.Limit(self, whole(count, "count", 0)))

    def skip(self, count: int) -> "Stream[T]":
        """Drop the first `count` values and let all later ones through.

        ::

            self       a  b  c  d
            skip(2)          c  d
        """
        return self._stream(rate.Skip(self, whole(count, "count", 0)))

    def gate(self, condition: Passive[object]) -> "Stream[T]":
        """Let values through while the condition's value is true; a change of it ticks nothing.

        ::

            time               1s     2s     3s     4s     5s
            self                      a             b      c
            condition          True          False         True
            gate(condition)           a                    c
        """
        return self._stream(rate.Gate(self, condition))

    def reopen(self, condition: Active[object]) -> "Stream[T]":
        """Let values through while the condition is true, and on opening the one that was missed.

        ::

            time             1s     2s     3s     4s     5s
            self             a             b             c
            condition        True   False         True
            reopen           a                    b      c
        """
        return self._stream(rate.Reopen(self, condition))

    def freeze(self, condition: Active[object]) -> "Stream[T]":
        """Let values through until the condition first is true, that cycle excluded; then none.

        ::

            time                 1s     2s     3s     4s
            self                 a      b      c      d
            condition            False         True   False
            freeze(condition)    a      b
        """
        return self._stream(rate.Freeze(self, condition))

    def between(
        self,
        start: TimeOfDay | None = None,
        end: TimeOfDay | None = None,
        zone: Zone | None = None,
        *,
        calendar: str | None = None,
    ) -> "Stream[T]":
        """Let values through while the wall clock of the zone shows a time in [start, end).

        ::

            time in New York                            09:29  09:30  15:59  16:00
            self                                        a      b      c      d
            between("09:30", "16:00", "America/New_York")      b      c

        In an hour that the clock repeats, such a time comes twice. If the clock skips `start` or
        `end`, the first instant after it counts.

        Args:
            start: a time of day, such as ``"09:30"`` or a `datetime.time`.
            end: the time of day from which on values are dropped; if it is before `start`, it is
                that of the next day.
            zone: a name such as ``"America/New_York"``, or a `tzinfo`.
            calendar: in place of the others, an exchange, such as ``"XNYS"``: values pass during
                its sessions, which the package `exchange_calendars` knows (the `calendars` extra).

        Raises:
            InvalidTypeError, InvalidValueError: at wiring for arguments that are wrong.
            RunError: at wiring if `exchange_calendars` is needed and not installed; in the run, at
                a time that its calendar does not cover.
        """
        hours = hours_of(start, end, zone, calendar, "between")
        return self._stream(rate.Between(self, hours))

    def hold_while(self, condition: Active[object], *, capacity: int = 100_000) -> "Stream[T]":
        """Hold values while the condition is true; they follow when it turns false.

        Held values follow one a cycle at the same time, new ones behind them, and when the run
        ends (R14).

        ::

            time             1s     2s     3s     4s      5s
            self             a      b      c              d
            condition        False  True          False
            hold_while       a                    b, c    d

        Args:
            condition: read for its truth.
            capacity: how many values may be held; one more ends the run with an error.
        """
        limit = whole(capacity, "capacity", 1)
        return self._stream(pacing.HoldWhile(self, condition, limit))

    def delay_until(self, trigger: Active[object]) -> "Stream[T]":
        """Tick with each value when the trigger ticks next; several follow one a cycle.

        A value of the trigger's own cycle counts. Values that still wait when the run ends are
        counted in `.node.left`, and logged.

        ::

            time             1s   2s   3s     4s
            self             a    b           c
            trigger                    x      x
            delay_until                a, b   c
        """
        return self._stream(pacing.DelayUntil(self, trigger))

    def throttle_latest(self, interval: Duration) -> "Stream[T]":
        """Tick with the first value, then `interval` after the last tick with the newest since.

        A value that is not due when the run ends is counted in `.node.left`, and logged.

        ::

            time                      0s  1s  2s  3s  4s  5s
            self                      a   b   c   d
            throttle_latest("2s")     a       c       d
        """
        return self._stream(pacing.ThrottleLatest(self, to_period(interval)))

    def debounce(self, duration: Duration) -> "Stream[T]":
        """Tick with a value `duration` after it came, if no other has come by then.

        One that comes at exactly that time starts anew. A value that is not due when the run ends
        is counted in `.node.left`, and logged.

        ::

            time               0s  1s  2s  3s  4s  5s  6s
            self               a   b           c
            debounce("2s")                 b           c
        """
        return self._stream(pacing.Debounce(self, to_period(duration)))

    def silent_for(self, duration: Duration) -> "Stream[bool]":
        """Tick with True `duration` after the last value, and with False at the next one.

        Before the first value, the time counts from the start of the run. It keeps no run alive.

        ::

            time               0s  1s  2s  3s  4s  5s
            self                   a               b
            silent_for("2s")               True    False
        """
        return self._stream(pacing.SilentFor(self, to_period(duration), False))

    def fresh(self, duration: Duration) -> "Stream[bool]":
        """Tick with True when a value comes, and with False when none came for `duration`.

        It ticks with changes only, and keeps no run alive.

        ::

            time               0s  1s    2s  3s     4s  5s
            self                   a                    b
            fresh("2s")            True      False      True
        """
        return self._stream(pacing.SilentFor(self, to_period(duration), True))

    def every(self, period: Duration, *, align: bool = False) -> "Stream[T]":
        """Tick with the present value once a period, from the first value on.

        It keeps no run alive.

        ::

            time               0s  1s  2s  3s  4s
            self                   a       b
            every("2s")                a       b

        Args:
            period: it counts from the start of the run.
            align: whether to tick at multiples of the period since the epoch instead.
        """
        length = to_period(period)
        return self._stream(pacing.Every(self, length, flag(align, "align")))

    def every_new(self, period: Duration, *, align: bool = False) -> "Stream[T]":
        """Tick once a period with the present value, if a value came since the last tick.

        ::

            time               0s  1s  2s  3s  4s  5s  6s
            self                   a               b
            every_new("2s")            a               b

        Args:
            period: as in `every`.
            align: as in `every`.
        """
        length = to_period(period)
        return self._stream(pacing.EveryNew(self, length, flag(align, "align")))

    def pace(
        self,
        interval: Duration,
        *,
        capacity: int = 100_000,
        on_full: Literal["raise", "drop_oldest", "drop_newest"] = "raise",
    ) -> "Stream[T]":
        """Tick with each value, one every `interval`, the first at once; values wait in a queue.

        ::

            time               0s  1s  2s  3s  4s  5s
            self               a   b   c           d
            pace("2s")         a       b       c

        Args:
            interval: the least time between two ticks.
            capacity: how many values may wait.
            on_full: what one more does: ``"raise"`` ends the run with an error, ``"drop_oldest"``
                and ``"drop_newest"`` drop a value, counted in `.node.dropped` and logged once.
                Values that wait when the run ends are counted in `.node.left`, and logged.
        """
        if on_full not in ("raise", "drop_oldest", "drop_newest"):
            raise InvalidValueError(
                f'on_full must be "raise", "drop_oldest" or "drop_newest", not {on_full!r}'
            )
        limit = whole(capacity, "capacity", 1)
        return self._stream(pacing.Pace(self, to_period(interval), limit, on_full))

    def sliding(self, count: int, *, every: int = 1) -> "Stream[list[T]]":
        """Tick with the list of the last `count` values, from the `count`-th value on.

        ::

            self                     a   b    c    d    e
            sliding(2)                   ab   bc   cd   de
            sliding(2, every=2)          ab        cd

        Args:
            count: how many values a list holds.
            every: tick at every so many values only.
        """
        number, step = whole(count, "count", 1), whole(every, "every", 1)
        return self._stream(rate.Sliding(self, number, step))

    def buffer(
        self,
        count: int | None = None,
        *,
        within: Duration | None = None,
        key: Callable[[T], Hashable] | None = None,
        partial: bool = True,
    ) -> "Stream[list[T]]":
        """Tick with a list of every `count` values, and with those that are left when the run ends.

        Groups that are complete in one cycle follow one a cycle at the same time.

        ::

            time                        0s   1s   2s   3s   4s
            self                        a    b    c    d
            buffer(3)                             abc       [d], the run ends
            buffer(3, within="2s")                ab        cd

        Args:
            count: how many values a list holds; it cannot be left out.
            within: a group also ends this long after its first value; a value at that time belongs
                to the next group.
            key: returns the key of a value; there is a group for each key.
            partial: whether the values that are left tick, in the closing instant (R14).

        Raises:
            InvalidTypeError: without a count, or if an argument has another type.
            InvalidValueError: if a count is below 1, or a time not longer than 0.
        """
        if count is None or isinstance(count, str | timedelta):
            given = "" if count is None else f", not {count!r}"
            raise InvalidTypeError(
                f"buffer needs a count{given}: window(span) ticks with the values of each "
                "span, and within= ends a group after a time as well"
            )
        number, emits = whole(count, "count", 1), flag(partial, "partial")
        if within is None and key is None:
            return self._stream(rate.Buffer(self, number, emits))
        length = None if within is None else to_period(within)
        function = None if key is None else key_of(key)
        return self._stream(pacing.BufferGroups(self, number, length, function, emits))

    def buffer_until(self, trigger: Active[object]) -> "Stream[list[T]]":
        """Tick with the values since the trigger last ticked, when it ticks.

        A value of the trigger's own cycle belongs to the list; without values it ticks nothing. The
        values that are left when the run ends tick then (R14).

        ::

            time               1s   2s   3s    4s   5s
            self               a    b          c
            trigger                      x          x
            buffer_until                 ab         c
        """
        return self._stream(pacing.BufferUntil(self, trigger))

    def window(
        self,
        span: Duration,
        *,
        align: bool = False,
        closed: Literal["left", "right"] = "left",
        partial: bool = True,
    ) -> "Stream[list[T]]":
        """Tick at the end of each time span with its values; a span without values ticks nothing.

        ::

            time                            0s   1s   2s   3s   4s   5s, the end
            self                            a    b    c    d    e
            window("2s")                              [ab]      [cd] [e]
            window("2s", closed="right")    [a]       [bc]      [de]

        Args:
            span: the length of a span.
            align: whether spans lie at multiples of their length since the epoch; otherwise they
                are counted from the start of the run.
            closed: the end of a span that belongs to it. With ``"right"`` a span ticks once nothing
                more comes at the time of its end.
            partial: whether a span that the end of the run cuts off ticks, in the closing instant
                (R14).
        """
        length, aligned = to_period(span), flag(align, "align")
        node = rate.Window(
            self, length, aligned, is_right(closed, "closed"), flag(partial, "partial")
        )
        return self._stream(node)
