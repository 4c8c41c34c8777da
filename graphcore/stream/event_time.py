"""`EventTime`: a stream by the time that its values carry, as `event_time` makes it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from graphcore.errors import InvalidValueError
from graphcore.node import MutableNode
from graphcore.operators import event_time
from graphcore.operators.event_time import Event
from graphcore.stream.families.arguments import function_of
from graphcore.stream.families.base import StreamBase
from graphcore.time import Duration, Time, to_duration

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
        nanoseconds = to_duration(lateness)
        if nanoseconds < 0:
            raise InvalidValueError(f"a lateness cannot be negative: {lateness!r}")
        events = event_time.EventTimes(self, function_of(at), nanoseconds)
        return EventTime(events, self._stream)
