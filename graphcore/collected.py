"""`Collected`, the sink that `Stream.collect` makes: each run fills it with times and values."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from graphcore.errors import InvalidTypeError
from graphcore.graph import run_elsewhere
from graphcore.handle import Handle
from graphcore.node import node_of
from graphcore.operators.sinks import Collect
from graphcore.seeing import plot_of, ticks_table
from graphcore.tables.arrays import array_of, check_stamp, for_polars, stamps
from graphcore.tables.libraries import tables_module

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    from matplotlib.axes import Axes

T = TypeVar("T")


class Collected(Handle, Generic[T]):
    """The times and values of a stream in the last run; each run starts with an empty one.

    Iterating gives (time, value) pairs; `len` is their number. All of it may be read during a run,
    from any thread: each read gives the ticks up to the end of a cycle.
    """

    __slots__ = ()
    node: Collect[T]

    def __init__(self, node: Collect[T]) -> None:
        self.node = node

    @property
    def times(self) -> list[int]:
        """Engine times of the ticks, ns since the epoch; a copy while another thread adds ticks."""
        return self._ticks()[0]

    @property
    def values(self) -> list[T]:
        """The values, one for each time; a copy while another thread adds ticks."""
        return self._ticks()[1]

    def _ticks(self) -> tuple[list[int], list[T]]:
        """Return the times and the values, of the same length."""
        node = self.node
        while True:
            # A run makes new lists, the times first. In a cycle the time is added first.
            values, times = node.values, node.times
            count = min(len(values), len(times))
            if values is node.values and times is node.times:
                break
        # The lengths differ also if Ctrl-C broke into a cycle.
        if len(times) != len(values) or run_elsewhere(node) is not None:
            return times[:count], values[:count]
        return times, values

    def __iter__(self) -> Iterator[tuple[int, T]]:
        """Yield (time, value) pairs in the order of the ticks."""
        return iter(zip(*self._ticks(), strict=True))

    def __len__(self) -> int:
        """Return how many values there are."""
        return len(self.node.values)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return what a notebook shows: how many ticks, the first and last ones, and a line."""
        table = ticks_table(self._title, *self._ticks())
        return {"text/html": table, "text/plain": f"<Collected {self._title}: {len(self):,} ticks>"}

    @property
    def _title(self) -> str:
        """The name that was given, else that of the stream."""
        node = self.node
        return node.name if node._name else node_of(node.source).name

    def plot(self, axes: "Axes | None" = None, **options: Any) -> "Axes":
        """Draw the values over time with matplotlib, as steps: a value holds until the next.

        Args:
            axes: where to draw; by default new axes.
            options: those of `matplotlib.axes.Axes.step`, such as ``color``.

        Returns:
            The axes.

        Raises:
            RunError: if matplotlib, of the `plot` extra, is not installed.
            InvalidTypeError: for values that are not numbers.
        """
        return plot_of(self._title, *self._ticks(), axes, options)

    def to_arrow(self) -> "pyarrow.Table":
        """Return a table with columns `time` (timestamp in ns, UTC) and `value`.

        Records (dataclasses, named tuples, msgspec Structs) and dicts with the same keys become
        structs, tuples become lists, and a mix of integers and floats becomes floats.

        Raises:
            RunError: if pyarrow, of the `tables` extra, is not installed.
            InvalidTypeError: if no Arrow column can hold the values.
            InvalidValueError: for a time past the year 2262, where 64 bits of nanoseconds end.
        """
        arrow = tables_module("pyarrow")
        times, values = self._ticks()
        try:
            column = array_of(values)
        except InvalidTypeError as error:
            raise InvalidTypeError(f"{error}; to_pandas takes any values") from error
        table: pyarrow.Table = arrow.table({"time": stamps(times), "value": column})
        return table

    def to_polars(self) -> "polars.DataFrame":
        """Return a frame with columns `time` (datetime in ns, UTC) and `value`.

        The columns are those of `to_arrow`. If Arrow or polars cannot make a column of the values,
        as with tuples of a number and a text, they stay Python objects in a column of type Object.

        Raises:
            RunError: if polars or pyarrow, of the `tables` extra, is not installed.
        """
        pl = tables_module("polars")
        frame: polars.DataFrame
        try:
            table = self.to_arrow()
            column = for_polars(table["value"])
        except InvalidTypeError:
            times, values = self._ticks()
            at = pl.Series("time", times, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
            # If the first is a member of an Enum, polars asks every one for `.value`.
            objects = pl.Series("value", [object(), *values], dtype=pl.Object).slice(1)
            frame = pl.DataFrame([at, objects])
        else:
            frame = pl.from_arrow(table.set_column(1, "value", column))
        return frame

    def to_pandas(self) -> "pandas.Series[Any]":
        """Return a series named `value` over an index named `time` (timestamps in ns, UTC).

        Raises:
            RunError: if pandas, of the `tables` extra, is not installed.
        """
        pd = tables_module("pandas")
        times, values = self._ticks()
        for time in times[:1] + times[-1:]:
            check_stamp(time)
        index = pd.DatetimeIndex(times, tz="UTC", name="time").as_unit("ns")
        series: pandas.Series[Any] = pd.Series(values, index=index, name="value")
        return series
