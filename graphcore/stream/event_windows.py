"""`EventWindows`: what `tumbling`, `sliding` and `session` of a stream by event time return."""

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from graphcore.node import MutableNode
from graphcore.operators.event_windows import Figure, Window
from graphcore.operators.spans import aggregates
from graphcore.operators.spans.aggregates import Aggregate, Bar
from graphcore.stream.families.arguments import function_of

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
U = TypeVar("U")


class EventWindows(Generic[T]):
    """Windows by event time; each method is a stream that ticks once for each window.

    The values of a window are taken in the order of their own time. NaN is a missing value for
    figures, as in pandas. All streams of the same windows tick in the same cycles, so
    ``gc.make(Row, start=w.start(), mean=w.mean())`` joins them.

    Args:
        windows: the node of the windows.
        make_stream: makes the stream of a node.
    """

    def __init__(
        self,
        windows: MutableNode[Window[T]],
        make_stream: "Callable[[MutableNode[Any]], Stream[Any]]",
    ) -> None:
        self._windows = windows
        self._make_stream = make_stream

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            """Say that windows have figures, and no operators."""
            text = f"windows have no {name}: call a figure on them first, such as .values()"
            raise AttributeError(text, name=name, obj=self)

    def values(self) -> "Stream[list[T]]":
        """Tick with the list of the values."""
        return self._figure(lambda window: window[2])

    def start(self) -> "Stream[int]":
        """Tick with the time at which the window begins, ns; of a session, its first time."""
        return self._figure(lambda window: window[0])

    def end(self) -> "Stream[int]":
        """Tick with the time at which the window ends, ns; of a session, its last time + gap."""
        return self._figure(lambda window: window[1])

    def fold(self, function: Callable[[U, T], U], initial: U) -> "Stream[U]":
        """Tick with ``function(… function(function(initial, v1), v2) …, vn)`` for the values.

        Args:
            function: called with the result so far and a value. It must not change `initial`.
            initial: what every window begins with.
        """
        call = function_of(function)
        return self._figure(lambda window: reduce(call, window[2], initial))

    def ohlc(self) -> "Stream[Bar]":
        """Tick with a record of the first, greatest, least and last value, count, start and end."""

        def bar(window: Window[T]) -> Bar:
            start, end, values = window
            first, high, low, last, count = aggregates.OHLC.of(values)
            return Bar(first, high, low, last, count, start, end, label=start)

        return self._figure(bar)

    def first(self) -> "Stream[T]":
        """Tick with the first value."""
        return self._aggregate(aggregates.FIRST)

    def last(self) -> "Stream[T]":
        """Tick with the last value."""
        return self._aggregate(aggregates.LAST)

    def min(self) -> "Stream[T]":
        """Tick with the least value."""
        return self._aggregate(aggregates.MIN)

    def max(self) -> "Stream[T]":
        """Tick with the greatest value."""
        return self._aggregate(aggregates.MAX)

    def count(self) -> "Stream[int]":
        """Tick with the number of values."""
        return self._aggregate(aggregates.COUNT)

    def sum(self) -> "Stream[T]":
        """Tick with the sum of the values."""
        return self._aggregate(aggregates.SUM)

    def mean(self) -> "Stream[float]":
        """Tick with the arithmetic mean of the values."""
        return self._aggregate(aggregates.MEAN)

    def var(self) -> "Stream[float]":
        """Tick with the sample variance (n - 1 in the denominator); NaN for one value."""
        return self._aggregate(aggregates.VAR)

    def std(self) -> "Stream[float]":
        """Tick with the sample standard deviation; NaN for one value."""
        return self._aggregate(aggregates.STD)

    def median(self) -> "Stream[float]":
        """Tick with the median of the values."""
        return self._aggregate(aggregates.MEDIAN)

    def vwap(
        self, size: Callable[[T], float], price: Callable[[T], float] | None = None
    ) -> "Stream[float]":
        """Tick with the mean price weighted by size; NaN if the sizes sum to 0.

        Args:
            size: returns the size of a value.
            price: returns its price; by default the value is the price.
        """
        size_of = function_of(size)
        price_of = None if price is None else function_of(price)

        def mean_price(window: Window[T]) -> Any:
            values = window[2]
            prices = values if price_of is None else [price_of(value) for value in values]
            return aggregates.VWAP.of(
                zip(prices, [size_of(value) for value in values], strict=True)
            )

        return self._figure(mean_price)

    def _aggregate(self, aggregate: Aggregate) -> "Stream[Any]":
        return self._figure(lambda window: aggregate.of(window[2]))

    def _figure(self, function: Callable[[Window[T]], U]) -> "Stream[U]":
        figure: Figure[T, U] = Figure(self._windows, function)
        return self._make_stream(figure)
