"""The methods of `Stream` that decide when and how often values pass (R6, R7)."""

from typing import TYPE_CHECKING, TypeVar

from graphcore.errors import InvalidValueError
from graphcore.node import Active, Passive
from graphcore.operators import rate
from graphcore.stream.families.arguments import flag, whole
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
        """Tick with the present value when the trigger ticks; a value of the same cycle counts."""
        return self._stream(rate.Sample(self, trigger))

    def delay(self, duration: Duration) -> "Stream[T]":
        """Tick with each value `duration` later; 0 means the next cycle at the same time.

        Values that are due at the same time come one a cycle, in the order in which they came.
        """
        nanoseconds = to_duration(duration)
        if nanoseconds < 0:
            raise InvalidValueError(f"a delay cannot be negative: {duration!r}")
        return self._stream(rate.Delay(self, nanoseconds))

    def limit(self, count: int) -> "Stream[T]":
        """Let the first `count` values through and no more; the run goes on."""
        return self._stream(rate.Limit(self, whole(count, "count", 0)))

    def skip(self, count: int) -> "Stream[T]":
        """Drop the first `count` values and let all later ones through."""
        return self._stream(rate.Skip(self, whole(count, "count", 0)))

    def gate(self, condition: Passive[object]) -> "Stream[T]":
        """Let values through while the condition's value is true; a change of it ticks nothing."""
        return self._stream(rate.Gate(self, condition))

    def buffer(self, count: int, *, partial: bool = True) -> "Stream[list[T]]":
        """Tick with a list of every `count` values, and with those that are left when the run ends.

        Args:
            count: how many values a list holds.
            partial: whether the values that are left tick, in the closing instant (R14).
        """
        return self._stream(rate.Buffer(self, whole(count, "count", 1), flag(partial, "partial")))

    def window(self, span: Duration, *, partial: bool = True) -> "Stream[list[T]]":
        """Tick at the end of each time span, counted from the run's start, with its values.

        A value at a boundary belongs to the later span. A span without values ticks nothing.

        ::

            time             0s   1s   2s   3s   4s   5s, the end
            self             a    b    c    d    e
            window("2s")               [ab]      [cd] [e]

        Args:
            span: the length of a span.
            partial: whether a span that the end of the run cuts off ticks, in the closing instant
                (R14).
        """
        return self._stream(rate.Window(self, to_period(span), flag(partial, "partial")))
