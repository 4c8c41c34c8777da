"""`Bars`: what `resample` returns, the figures of the values of tumbling spans of time."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from graphcore.calendars import Zone, grid_of
from graphcore.errors import InvalidValueError
from graphcore.node import Active, MutableNode, Passive
from graphcore.operators.single import Map
from graphcore.operators.spans import aggregates, bars
from graphcore.operators.spans.aggregates import Aggregate, Bar
from graphcore.stream.families.arguments import flag, is_right
from graphcore.stream.families.base import StreamBase
from graphcore.time import Duration, to_period

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")


class Bars(Generic[T]):
    """Spans of time; each method is a stream that ticks with a figure when a span ends.

    NaN is a missing value, as in pandas: if nothing but NaN came, the figure is NaN (0 for `sum`
    and `count`). All figures of the same bars tick in the same cycles, so
    ``gc.make(Row, start=b.start(), mean=b.mean())`` joins them.

    Args:
        source: the node of the values.
        spans: the node of the spans.
        fill: what an empty span ticks.
        make_stream: makes the stream of a node.
    """

    def __init__(
        self,
        source: Active[T],
        spans: MutableNode[bars.Span],
        fill: Literal["ffill", "nan"] | None,
        make_stream: "Callable[[MutableNode[Any]], Stream[Any]]",
    ) -> None:
        self._source = source
        self._spans = spans
        self._fill = fill
        self._make_stream = make_stream

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            """Say that bars have figures, and no operators."""
            text = f"bars have no {name}: call a figure on them first, such as .ohlc()"
            raise AttributeError(text, name=name, obj=self)

    def ohlc(self) -> "Stream[Bar]":
        """Tick with a `gc.Bar`: open, high, low, close, count, start, end, label.

        With ``fill="ffill"`` the bar of an empty span has the prices of the one before, and the
        count 0.
        """
        prices = self._node(aggregates.OHLC, self._source)
        return self._make_stream(bars.MakeBar(prices, self._spans))

    def first(self) -> "Stream[T]":
        """Tick with the first value."""
        return self._figure(aggregates.FIRST)

    def last(self) -> "Stream[T]":
        """Tick with the last value."""
        return self._figure(aggregates.LAST)

    def min(self) -> "Stream[T]":
        """Tick with the least value."""
        return self._figure(aggregates.MIN)

    def max(self) -> "Stream[T]":
        """Tick with the greatest value."""
        return self._figure(aggregates.MAX)

    def count(self) -> "Stream[int]":
        """Tick with the number of values."""
        return self._figure(aggregates.COUNT)

    def sum(self) -> "Stream[T]":
        """Tick with the sum of the values."""
        return self._figure(aggregates.SUM)

    def mean(self) -> "Stream[float]":
        """Tick with the arithmetic mean of the values."""
        return self._figure(aggregates.MEAN)

    def var(self) -> "Stream[float]":
        """Tick with the sample variance (n - 1 in the denominator); NaN for one value."""
        return self._figure(aggregates.VAR)

    def std(self) -> "Stream[float]":
        """Tick with the sample standard deviation; NaN for one value."""
        return self._figure(aggregates.STD)

    def median(self) -> "Stream[float]":
        """Tick with the median of the values."""
        return self._figure(aggregates.MEDIAN)

    def values(self) -> "Stream[list[T]]":
        """Tick with the list of the values, NaN among them."""
        return self._figure(aggregates.VALUES)

    def vwap(self, size: Passive[float]) -> "Stream[float]":
        """Tick with the mean of the values (prices) weighted by size; NaN if the sizes sum to 0.

        Args:
            size: its present value is the size of each price that comes. A size of NaN, or none
                yet, makes the price count as missing.
        """
        sized = bars.Sized(self._source, size)
        return self._make_stream(self._node(aggregates.VWAP, sized))

    def start(self) -> "Stream[int]":
        """Tick with the engine time at which the span begins, ns."""
        return self._make_stream(Map(self._spans, lambda span: span.start))

    def end(self) -> "Stream[int]":
        """Tick with the engine time at which the span ends, ns."""
        return self._make_stream(Map(self._spans, lambda span: span.end))

    def label(self) -> "Stream[int]":
        """Tick with the label of the span: its start or its end, as `label` says."""
        return self._make_stream(Map(self._spans, lambda span: span.label))

    def _figure(self, aggregate: Aggregate) -> "Stream[Any]":
        return self._make_stream(self._node(aggregate, self._source))

    def _node(self, aggregate: Aggregate, source: Active[Any]) -> MutableNode[Any]:
        return bars.BarFigure(
            source,
            self._spans,
            aggregate.begin,
            aggregate.further,
            aggregate.result,
            aggregate.nothing,
            self._fill == "ffill",
        )


class BarOperators(StreamBase[T]):
    """The operator that makes bars."""

    __slots__ = ()

    def resample(
        self,
        period: Duration,
        *,
        closed: Literal["left", "right"] = "left",
        label: Literal["left", "right"] = "left",
        align: bool = True,
        zone: Zone | None = None,
        calendar: str | None = None,
        fill: Literal["ffill", "nan"] | None = None,
        partial: bool = True,
    ) -> Bars[T]:
        """Return figures of the values of spans of time; a figure ticks when its span ends.

        ::

            time                               0s   1s   2s   3s   4s   5s, the end
            self                               1    2    3         4    5
            resample("2s").sum()                         3         3    9
            resample("2s", closed="right").sum()
                                               1         5         4    5

        A span without values ticks nothing, unless `fill` says so. Spans keep no run alive; the
        last one ticks when the run ends (R14), with the `start` and `end` that it would have had.

        Args:
            period: the length of a span.
            closed: the end of a span that belongs to it. With ``"right"`` a span ticks once nothing
                more comes at the time of its end.
            label: the end that names a span, in `gc.Bar` and `label()`.
            align: whether spans begin at multiples of the period since the epoch; otherwise they
                are counted from the start of the run.
            zone: whose clock shows the multiples, such as ``"Europe/Berlin"``: ``"1d"`` is then a
                day there, 23 or 25 hours long where the clock changes. A time that the clock skips
                is the first instant after it; at one that it shows twice a span begins twice.
            calendar: an exchange, such as ``"XNYS"``, from whose sessions the spans are counted.
                The last span of a session ends with it, and breaks and closed hours have spans of
                their own. It needs the `calendars` extra.
            fill: what a span without values ticks, after the first value: ``"ffill"`` the figure of
                the span before, ``"nan"`` NaN (0 for `sum` and `count`, an empty tuple for
                `values`). With a calendar, only while the exchange is open. A live run that is more
                than 1,000 spans late skips empty spans.
            partial: whether the span that the end of the run cuts off ticks.

        Returns:
            The bars: `.ohlc()`, `.mean()` and so on are streams.

        Raises:
            InvalidTypeError, InvalidValueError: at wiring for arguments that are wrong, or do not
                fit each other.
            RunError: at wiring if the calendar needs `exchange_calendars` and it is not installed;
                in the run, at a time that the calendar does not cover.

        >>> import graphcore as gc
        >>> out = gc.from_iterable([1, 2, 3, 4], period="1s").resample("2s").sum().collect()
        >>> report = out.run()
        >>> list(out)
        [(2000000000, 3), (3000000000, 7)]
        """
        length, aligned = to_period(period), flag(align, "align")
        right, label_right = is_right(closed, "closed"), is_right(label, "label")
        if fill not in (None, "ffill", "nan"):
            raise InvalidValueError(f'fill must be "ffill", "nan" or None, not {fill!r}')
        grid = grid_of(length, aligned, zone, calendar)
        spans = bars.Spans(
            self, grid, aligned, right, label_right, fill is not None, flag(partial, "partial")
        )
        return Bars(self.node, spans, fill, self._stream)
