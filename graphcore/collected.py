"""What `Stream.collect` gives: a sink that a run fills with times and values."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from graphcore.handle import Handle
from graphcore.operators.sinks import Collect
from graphcore.tables import tables_module

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

T = TypeVar("T")


class Collected(Handle, Generic[T]):
    """The times and values of a stream in the last run; each run begins with none.

    Iterating gives (time, value) pairs; `len` is their number.
    """

    __slots__ = ()
    node: Collect[T]

    def __init__(self, node: Collect[T]) -> None:
        self.node = node

    @property
    def times(self) -> list[int]:
        """Engine times of the ticks, ns since the epoch."""
        return self.node.times

    @property
    def values(self) -> list[T]:
        """The values, one for each time."""
        return self.node.values

    def __iter__(self) -> Iterator[tuple[int, T]]:
        """Yield (time, value) pairs in the order in which they came."""
        return iter(zip(self.times, self.values, strict=True))

    def __len__(self) -> int:
        """Return how many values there are."""
        return len(self.times)

    def to_arrow(self) -> "pyarrow.Table":
        """Return a table with columns `time` (timestamp in ns, UTC) and `value`.

        Raises:
            RunError: if pyarrow, of the `tables` extra, is not installed.
        """
        arrow = tables_module("pyarrow")
        times = arrow.array(self.times, arrow.timestamp("ns", tz="UTC"))
        table: pyarrow.Table = arrow.table({"time": times, "value": arrow.array(self.values)})
        return table

    def to_polars(self) -> "polars.DataFrame":
        """Return a frame with columns `time` (datetime in ns, UTC) and `value`.

        Values of which polars can make no column, such as tuples of a number and a text, stay the
        Python objects that they are, in a column of the type Object.

        Raises:
            RunError: if polars, of the `tables` extra, is not installed.
        """
        pl = tables_module("polars")
        times = pl.Series("time", self.times, dtype=pl.Int64)
        times = times.cast(pl.Datetime("ns", time_zone="UTC"))
        try:
            values = pl.Series("value", self.values)
        except TypeError:  # numbers of several types, which polars mixes only when told to
            values = pl.Series("value", self.values, strict=False)
            item = values.dtype
            while isinstance(item, pl.List):
                item = item.inner
            if not item.is_numeric():  # it would have made text of numbers
                values = pl.Series("value", self.values, dtype=pl.Object)
        frame: polars.DataFrame = pl.DataFrame([times, values])
        return frame

    def to_pandas(self) -> "pandas.Series[Any]":
        """Return a series named `value` over an index named `time` (timestamps in ns, UTC).

        Raises:
            RunError: if pandas, of the `tables` extra, is not installed.
        """
        pd = tables_module("pandas")
        index = pd.DatetimeIndex(self.times, tz="UTC", name="time").as_unit("ns")
        series: pandas.Series[Any] = pd.Series(self.values, index=index, name="value")
        return series
