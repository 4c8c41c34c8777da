"""What a run collects: `Collected`, of `Stream.collect`, and `Frame`, of `frame`.

The nodes keep the last ticks in lists, and the many before them in arrays. Tables are made of the
arrays; lists are made when they are asked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from graphcore.errors import InvalidTypeError
from graphcore.graph import run_elsewhere
from graphcore.handle import Handle
from graphcore.node import node_of
from graphcore.operators.sinks import Collect, CollectRows, in_array
from graphcore.seeing import plot_of, rows_table, ticks_table
from graphcore.tables.arrays import (
    array_of,
    array_of_numbers,
    check_stamp,
    for_polars,
)
from graphcore.tables.libraries import tables_module

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    from matplotlib.axes import Axes

T = TypeVar("T")


@dataclass(frozen=True)
class _Ticks:
    """The ticks of a run up to the end of a cycle, in columns, the times first.

    Args:
        chunks: those in arrays, with the columns of each.
        rest: the ones after those.
    """

    chunks: list[list[Sequence[Any]]]
    rest: list[list[Any]]

    @property
    def count(self) -> int:
        """How many ticks there are."""
        return len(self.rest[0]) + sum(len(chunk[0]) for chunk in self.chunks)

    def items(self, column: int) -> list[Any]:
        """Return the items of a column."""
        if not self.chunks:
            return self.rest[column]
        parts = [chunk[column] for chunk in self.chunks]
        return list(chain.from_iterable([*parts, self.rest[column]]))

    def arrow(self, column: int) -> Any:
        """Return a column for Arrow.

        Raises:
            InvalidTypeError: if no Arrow array can hold the values.
        """
        numbers = self._numbers(column)
        return array_of(self.items(column)) if numbers is None else numbers

    def pandas(self, column: int) -> Any:
        """Return a column for pandas."""
        numbers = self._numbers(column)
        return self.items(column) if numbers is None else numbers.to_numpy()

    def stamps(self) -> Any:
        """Return the column of times for Arrow: timestamps in ns, UTC.

        Raises:
            InvalidValueError: for a time past 64 bits of nanoseconds.
        """
        for times in (*[chunk[0] for chunk in self.chunks], self.rest[0]):
            for time in (*times[:1], *times[-1:]):
                check_stamp(time)
        return self.arrow(0).cast(tables_module("pyarrow").timestamp("ns", tz="UTC"))

    def _numbers(self, column: int) -> Any:
        """Return a column of numbers of one type for Arrow; `None` for any other column."""
        if not self.chunks:
            return None
        parts = [chunk[column] for chunk in self.chunks]
        rest = self.rest[column]
        return array_of_numbers([*parts, in_array(rest)] if rest else parts)


def _ticks_of(node: Collect[Any] | CollectRows) -> _Ticks:
    while True:
        packed, lists = node.kept()
        with packed.lock:
            # A run makes new lists, the times first. In a cycle the time is added first. The
            # lengths differ also if Ctrl-C broke into a cycle.
            count = min(map(len, lists))
            apart = run_elsewhere(node) is not None
            whole = not apart and all(len(each) == count for each in lists)
            found = _Ticks(packed.chunks.copy(), lists if whole else [e[:count] for e in lists])
        again, now = node.kept()
        if again is packed and all(a is b for a, b in zip(lists, now, strict=True)):
            return found


class Collected(Handle, Generic[T]):
    """The times and values of a stream in the last run; each run starts with an empty one.

    Iterating gives (time, value) pairs; `len` is their number. All of it may be read during a run,
    from any thread: each read gives the ticks up to the end of a cycle. Of many ticks, numbers are
    kept in arrays; `times` and `values` then make lists of them.
    """

    __slots__ = ("_made",)
    node: Collect[T]

    def __init__(self, node: Collect[T]) -> None:
        self.node = node
        self._made: tuple[Sequence[Any], list[int], list[T]] | None = None

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
        ticks = _ticks_of(self.node)
        if not ticks.chunks:
            self._made = None
            return ticks.rest[0], ticks.rest[1]
        # The lists that were made serve again until there are more ticks, or another run.
        last = ticks.chunks[-1]
        if self._made is None or self._made[0] is not last or len(self._made[1]) != ticks.count:
            self._made = last, ticks.items(0), ticks.items(1)
        return self._made[1], self._made[2]

    def __iter__(self) -> Iterator[tuple[int, T]]:
        """Yield (time, value) pairs in the order of the ticks."""
        return iter(zip(*self._ticks(), strict=True))

    def __len__(self) -> int:
        """Return how many values there are."""
        return _ticks_of(self.node).count

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return what a notebook shows: how many ticks, the first and last ones, and a line."""
        times, values = self._ticks()
        table = ticks_table(self._title, times, values)
        ticks = f"{len(times):,} tick{'' if len(times) == 1 else 's'}"
        return {"text/html": table, "text/plain": f"<Collected {self._title}: {ticks}>"}

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
        return _arrow_table(_ticks_of(self.node), ["value"])

    def to_polars(self) -> "polars.DataFrame":
        """Return a frame with columns `time` (datetime in ns, UTC) and `value`.

        The columns are those of `to_arrow`. If Arrow or polars cannot make a column of the values,
        as with tuples of a number and a text, they stay Python objects in a column of type Object.

        Raises:
            RunError: if polars or pyarrow, of the `tables` extra, is not installed.
        """
        return _polars_frame(_ticks_of(self.node), ["value"])

    def to_pandas(self) -> "pandas.Series[Any]":
        """Return a series named `value` over an index named `time` (timestamps in ns, UTC).

        Raises:
            RunError: if pandas, of the `tables` extra, is not installed.
        """
        frame = _pandas_frame(_ticks_of(self.node), ["value"])
        series: pandas.Series[Any] = frame["value"]
        return series


class Frame(Handle):
    """The rows of several streams in the last run, as `frame` collects them.

    `len` is the number of rows. All of it may be read during a run, from any thread.
    """

    __slots__ = ("_names",)
    node: CollectRows

    def __init__(self, node: CollectRows, names: Sequence[str]) -> None:
        self.node = node
        self._names = list(names)

    def _ticks(self) -> _Ticks:
        ticks = _ticks_of(self.node)
        if len(ticks.rest) == 1:  # before the first run
            ticks.rest.extend([] for _ in self._names)
        return ticks

    @property
    def times(self) -> list[int]:
        """Engine times of the rows, ns since the epoch."""
        return self._ticks().items(0)

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The values of each column, one for each row, `None` where there is none."""
        ticks = self._ticks()
        return {name: ticks.items(i) for i, name in enumerate(self._names, 1)}

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self._ticks().count

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return what a notebook shows: how many rows, the first and the last ones."""
        ticks = self._ticks()
        columns = {name: ticks.items(i) for i, name in enumerate(self._names, 1)}
        return {"text/html": rows_table(ticks.items(0), columns), "text/plain": repr(self)}

    def __repr__(self) -> str:
        """Show the node's name, how many rows there are, and the names of the columns."""
        return f"<Frame {self.node.name} of {len(self):,} rows: {', '.join(self._names)}>"

    def to_arrow(self) -> "pyarrow.Table":
        """Return a table with the column `time` (timestamp in ns, UTC) and one for each stream.

        Raises:
            RunError: if pyarrow, of the `tables` extra, is not installed.
            InvalidTypeError: if no Arrow column can hold the values of a stream.
            InvalidValueError: for a time past the year 2262, where 64 bits of nanoseconds end.
        """
        return _arrow_table(self._ticks(), self._names)

    def to_polars(self) -> "polars.DataFrame":
        """Return a frame with the columns of `to_arrow`.

        Values that Arrow or polars cannot make a column of stay Python objects in a column of type
        Object.

        Raises:
            RunError: if polars or pyarrow, of the `tables` extra, is not installed.
            InvalidValueError: as `to_arrow`.
        """
        return _polars_frame(self._ticks(), self._names)

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a frame with a column for each stream over an index named `time` (ns, UTC).

        Raises:
            RunError: if pandas, of the `tables` extra, is not installed.
            InvalidValueError: as `to_arrow`.
        """
        return _pandas_frame(self._ticks(), self._names)


def _arrow_table(ticks: _Ticks, names: list[str]) -> "pyarrow.Table":
    arrow = tables_module("pyarrow")
    columns = {"time": ticks.stamps()}
    for place, name in enumerate(names, 1):
        try:
            columns[name] = ticks.arrow(place)
        except InvalidTypeError as error:
            which = "" if len(names) == 1 else f"column {name!r}: "
            raise InvalidTypeError(f"{which}{error}; to_pandas takes any values") from error
    table: pyarrow.Table = arrow.table(columns)
    return table


def _polars_frame(ticks: _Ticks, names: list[str]) -> "polars.DataFrame":
    pl = tables_module("polars")
    columns = [pl.Series("time", pl.from_arrow(ticks.stamps()))]
    for place, name in enumerate(names, 1):
        try:
            column = pl.Series(name, pl.from_arrow(for_polars(ticks.arrow(place))))
        except InvalidTypeError:
            # If the first is a member of an Enum, polars asks every one for `.value`.
            objects = [object(), *ticks.items(place)]
            column = pl.Series(name, objects, dtype=pl.Object).slice(1)
        columns.append(column)
    frame: polars.DataFrame = pl.DataFrame(columns)
    return frame


def _pandas_frame(ticks: _Ticks, names: list[str]) -> "pandas.DataFrame":
    pd = tables_module("pandas")
    times = ticks.stamps().cast("int64").to_numpy()
    index = pd.DatetimeIndex(times, tz="UTC", name="time").as_unit("ns")
    columns = {
        name: pd.Series(ticks.pandas(place), index=index) for place, name in enumerate(names, 1)
    }
    frame: pandas.DataFrame = pd.DataFrame(columns, index=index)
    return frame
