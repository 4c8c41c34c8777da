"""`Sweep`, the table that a sweep gives: a row for each set."""

import html
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphcore.errors import InvalidTypeError
from graphcore.seeing.notebook import columns_table
from graphcore.tables.arrays import array_of, array_of_numbers, for_polars
from graphcore.tables.libraries import tables_module

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


class Table:
    """Columns of the same length, for the libraries of tables.

    Args:
        columns: the values of each column.

    Attributes:
        columns: the argument.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = dict(columns)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values()), ()))

    def to_arrow(self) -> "pyarrow.Table":
        """Return a table with these columns.

        Raises:
            RunError: if pyarrow, of the `tables` extra, is not installed.
            InvalidTypeError: if no Arrow column can hold the values of a column.
        """
        columns = {name: self._arrow(name) for name in self.columns}
        table: pyarrow.Table = tables_module("pyarrow").table(columns)
        return table

    def to_polars(self) -> "polars.DataFrame":
        """Return a frame with these columns.

        Values of which no column can be made stay Python objects in a column of type Object.

        Raises:
            RunError: if polars or pyarrow, of the `tables` extra, is not installed.
        """
        pl = tables_module("polars")
        columns = []
        for name, values in self.columns.items():
            try:
                columns.append(pl.Series(name, pl.from_arrow(for_polars(self._arrow(name)))))
            except InvalidTypeError:
                # If the first is a member of an Enum, polars asks every one for `.value`.
                columns.append(pl.Series(name, [object(), *values], dtype=pl.Object).slice(1))
        frame: polars.DataFrame = pl.DataFrame(columns)
        return frame

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a frame with these columns.

        Raises:
            RunError: if pandas, of the `tables` extra, is not installed.
        """
        frame: pandas.DataFrame = tables_module("pandas").DataFrame(
            {name: self._pandas(name) for name in self.columns}
        )
        return frame

    def _repr_html_(self) -> str:
        return columns_table(html.escape(repr(self)), self.columns, self._shown())

    def _shown(self) -> dict[str, Callable[[Any], str]]:
        """Return what returns the text of a value for a notebook, for some columns."""
        return {}

    def _arrow(self, name: str) -> Any:
        try:
            return _array_of(self.columns[name])
        except InvalidTypeError as error:
            raise InvalidTypeError(f"column {name!r}: {error}; to_pandas takes any values") from (
                error
            )

    def _pandas(self, name: str) -> Any:
        values = self.columns[name]
        if values and all(isinstance(each, array | list) for each in values):
            # pandas would make a column of equal lengths a table.
            pd = tables_module("pandas")
            return pd.Series([list(each) for each in values], dtype=object)
        return values


class Sweep(Table):
    """What a sweep found: a row for each set, in the order of the grid.

    The columns are the parameters, what was taken of the sinks, and ``error``. Iterating gives the
    rows, as dicts; `len` is their number. A failed set has `None` for its sinks and the exception
    as its error; in the tables of `to_arrow`, `to_polars` and `to_pandas` its text.

    Args:
        parameters: those of each set.
        cells: what was taken of the sinks, for each set.
        errors: why a set failed, `None` for the others.
        compiled: for each set that did not fail, `None` if its graph took what was compiled for
            another set, else why no other can take what was compiled for it; empty if others can.
        common: for each set that ran side by side with others, the nodes that ran once for all of
            them; `None` for a set that ran alone.

    Attributes:
        parameters: the argument.
        errors: the argument.
        columns: the values of each column, by its name.
    """

    def __init__(
        self,
        parameters: Sequence[Mapping[str, Any]],
        cells: Sequence[Mapping[str, Any]],
        errors: Sequence[Exception | None],
        compiled: Sequence[str | None] = (),
        common: Sequence[tuple[str, ...] | None] = (),
    ) -> None:
        self.parameters = [dict(each) for each in parameters]
        self.errors = list(errors)
        self._compiled = list(compiled)
        self._common = [each for each in common if each is not None]
        columns = {
            name: [row.get(name) for row in part]
            for part in (self.parameters, cells)
            for name in dict.fromkeys(name for row in part for name in row)
        }
        super().__init__({**columns, "error": self.errors})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows."""
        return map(self._row, range(len(self)))

    def __getitem__(self, place: int) -> dict[str, Any]:
        """Return a row."""
        return self._row(range(len(self))[place])

    def explain(self) -> str:
        """Return how many graphs were compiled, why some served one set only, and what ran once.

        A graph is compiled once for each shape in each thread or process: the sets that differ
        only in numbers and data take what was compiled for the first. Failed sets are left out.

        Of sets that ran side by side in machine code, it tells which nodes ran once for several
        of them: those on which no parameter has an effect.
        """
        reasons = Counter(each for each in self._compiled if each is not None)
        took = len(self._compiled) - reasons.total()
        lines = [f"{took:,} of {len(self._compiled):,} sets took what was compiled for another set"]
        for reason, count in reasons.most_common():
            sets = "1 set was" if count == 1 else f"{count:,} sets were"
            lines.append(
                f"{sets} compiled{', and no other takes that: ' if reason else ''}{reason}"
            )
        if self._common:
            lines.append(f"{len(self._common):,} sets ran side by side in machine code")
        for nodes, count in Counter(filter(None, self._common)).most_common():
            lines.append(f"in {count:,} of them, these ran once for several: {', '.join(nodes)}")
        return "\n".join(lines)

    def _row(self, place: int) -> dict[str, Any]:
        return {name: values[place] for name, values in self.columns.items()}

    def __repr__(self) -> str:
        """Show how many sets there are, and how many failed."""
        failed = len(self.errors) - self.errors.count(None)
        return f"<Sweep of {len(self):,} sets, {failed:,} failed>"

    def _shown(self) -> dict[str, Callable[[Any], str]]:
        return {"error": lambda error: "" if error is None else text_of(error).partition("\n")[0]}

    def _arrow(self, name: str) -> Any:
        if name == "error":
            return tables_module("pyarrow").array(self._texts(), "string")
        return super()._arrow(name)

    def _pandas(self, name: str) -> Any:
        return self._texts() if name == "error" else super()._pandas(name)

    def _texts(self) -> list[str | None]:
        return [None if error is None else text_of(error) for error in self.errors]


def text_of(error: BaseException) -> str:
    """Return an error as a traceback ends: its type, message and notes."""
    lines = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
    return "\n".join(lines)


def _array_of(values: Sequence[Any]) -> Any:
    """Return an Arrow array; of arrays of numbers without making lists of them."""
    arrays = [each for each in values if isinstance(each, array)]
    flat = array_of_numbers(arrays) if len(arrays) == len(values) and arrays else None
    if flat is None:
        return array_of([list(each) if isinstance(each, array) else each for each in values])
    arrow = tables_module("pyarrow")
    ends = [0]
    for each in arrays:
        ends.append(ends[-1] + len(each))
    return arrow.LargeListArray.from_arrays(arrow.array(ends, "int64"), flat.combine_chunks())
