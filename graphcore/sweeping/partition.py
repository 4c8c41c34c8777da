"""`partition`: a graph for each part of a table, and their sinks merged by time (R8)."""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Unpack

from graphcore.errors import InvalidTypeError, InvalidValueError, shorten
from graphcore.handle import Handle
from graphcore.sweeping.job import Outcome, check_options, outcome_of
from graphcore.sweeping.progress import Line
from graphcore.sweeping.sharing import HistoryOptions, Shared
from graphcore.sweeping.sweep import counting, running
from graphcore.sweeping.table import Table
from graphcore.tables.arrays import check_stamp
from graphcore.tables.libraries import tables_module
from graphcore.time import format_time

_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


class Merged(Table):
    """The ticks of a sink in all parts, in order of time; those of one time in order of the parts.

    The columns are ``time`` (ns since the epoch; in the tables a timestamp in ns, UTC), the key of
    the part, and ``value``, or those of a frame. `len` is the number of ticks.

    Attributes:
        columns: the values of each column, by its name.
    """

    def _shown(self) -> dict[str, Callable[[Any], str]]:
        return {"time": format_time}

    def _arrow(self, name: str) -> Any:
        if name != "time":
            return super()._arrow(name)
        for time in (*self.columns[name][:1], *self.columns[name][-1:]):
            check_stamp(time)
        arrow = tables_module("pyarrow")
        return arrow.array(self.columns[name], "int64").cast(arrow.timestamp("ns", tz="UTC"))

    def _pandas(self, name: str) -> Any:
        return self._arrow(name).to_pandas() if name == "time" else super()._pandas(name)

    def __repr__(self) -> str:
        """Show how many ticks there are."""
        return f"<Merged ticks of a sink: {len(self):,}>"


def partition(
    build: Callable[[Any], Mapping[str, Handle]],
    table: Any,
    by: str,
    *,
    time: str = "time",
    executor: Any = None,
    progress: bool = True,
    **options: Unpack[HistoryOptions],
) -> dict[str, Merged]:
    """Run a graph for each part of a table, and merge their sinks by time.

    Args:
        build: wires a graph. It is called with a part, a table of pyarrow with all columns, and
            returns the sinks of the graph by name: streams, or what `collect` or `frame` returned.
        table: anything with Arrow's C stream interface, such as a frame of pandas or polars.
        by: the column that tells the parts, such as ``"symbol"``; ``"day"``, if there is no column
            of that name, for a part for each day of the times, UTC. The parts are in the order in
            which their keys come in the table, and keep the order of their rows.
        time: the column of the times, for ``by="day"``: timestamps or whole nanoseconds.
        executor: where the graphs run, as for `sweep`; a part goes to the worker that runs it.
        progress: whether to show a line on standard error while it runs, if that is a terminal.
        options: those of `Graph.run` for history, as for `sweep`.

    Returns:
        For each sink, by its name, a `Merged`: the ticks of all parts in order of time, and at one
        time in order of the parts.

    Raises:
        RunError: if pyarrow, of the `tables` extra, is not installed; for an executor that is shut
            down.
        InvalidTypeError: for anything but a table, a column of times of another type, and what
            cannot be sent to workers.
        InvalidValueError: if there is no such column or no row, or sinks differ between parts.
        Exception: what the graph of a part raised, with a note that tells the part; of several, the
            first in order of the parts.

    >>> import graphcore as gc
    >>> import polars as pl
    >>> trades = pl.DataFrame(
    ...     {"time": [1, 2, 2, 4], "symbol": ["B", "A", "B", "B"], "size": [5, 7, 2, 3]}
    ... )
    >>> def build(part):
    ...     return {"volume": gc.from_table(part, value="size").sum()}
    >>> gc.partition(build, trades, by="symbol")["volume"].columns
    {'time': [1, 2, 2, 4], 'symbol': ['B', 'B', 'A', 'B'], 'value': [5, 7, 7, 10]}
    """
    if not callable(build):
        raise InvalidTypeError(f"build must be a function that wires a graph, not {shorten(build)}")
    check_options(options)
    keys, parts = _parts_of(table, by, time)
    line = Line(progress, len(parts))
    try:
        with running(_Job(build, options, Shared(len(parts))), {"build": build}, executor) as run:
            outcomes = run(parts, counting(line))
    finally:
        line.end()
    for key, outcome in zip(keys, outcomes, strict=True):
        if outcome.error is not None:
            outcome.error.add_note(f"in the part {by}={key!r}")
            raise outcome.error
        if outcome.sinks != outcomes[0].sinks:
            raise InvalidValueError(
                f"the part {by}={key!r} gives {', '.join(outcome.cells)}, and {by}={keys[0]!r} "
                f"gives {', '.join(outcomes[0].cells)}: build must return the same sinks for each"
            )
    return {name: _merged(name, by, keys, outcomes) for name in outcomes[0].sinks}


class _Part:
    """A part of the table; pickled, it holds nothing of the others."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __reduce__(self) -> Any:
        arrow = tables_module("pyarrow")
        sink = arrow.BufferOutputStream()
        with arrow.ipc.new_stream(sink, self.table.schema) as writer:
            writer.write_table(self.table)
        return _part_from, (sink.getvalue().to_pybytes(),)


def _part_from(data: bytes) -> _Part:
    return _Part(tables_module("pyarrow").ipc.open_stream(data).read_all())


@dataclass(frozen=True)
class _Job:
    """What all parts have in common."""

    build: Callable[[Any], Mapping[str, Handle]]
    options: HistoryOptions
    shared: Shared

    def __call__(self, parts: Sequence[_Part], goes_on: Callable[[], bool]) -> Iterator[Outcome]:
        for part in parts:
            if not goes_on():
                return
            wire = partial(self.build, part.table)
            yield outcome_of(wire, "columns", self.options, self.shared)


def _parts_of(given: Any, by: str, time: str) -> tuple[list[Any], list[_Part]]:
    """Return the keys in the order in which they come, and the part of each."""
    arrow = tables_module("pyarrow")
    if not hasattr(given, "__arrow_c_stream__"):
        raise InvalidTypeError(
            "table must have Arrow's C stream interface, as frames of pandas and polars have, not "
            f"{shorten(given)}"
        )
    if type(given).__module__.startswith("polars."):
        table = given.to_arrow()  # its stream has views of texts, of which pyarrow takes no rows
    else:
        table = arrow.RecordBatchReader.from_stream(given).read_all()
    if by in table.column_names:
        column = table.column(by)
    elif by == "day":
        column = _days(_column(table, time), time)
    else:
        column = _column(table, by)
    if not table.num_rows:
        raise InvalidValueError("the table has no rows")
    if tables_module("pyarrow.types").is_dictionary(column.type):
        column = column.cast(column.type.value_type)  # its codes have an order of their own
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    if isinstance(encoded, arrow.ChunkedArray):
        encoded = encoded.chunk(0)
    compute = tables_module("pyarrow.compute")
    # It is stable, so the rows of a part keep their order.
    ordered = table.take(compute.sort_indices(encoded.indices))
    found = {each["values"]: each["counts"] for each in encoded.indices.value_counts().to_pylist()}
    keys = encoded.dictionary.to_pylist()
    parts: list[_Part] = []
    at = 0
    for code in range(len(keys)):
        parts.append(_Part(ordered.slice(at, found[code])))
        at += found[code]
    return keys, parts


def _column(table: Any, name: str) -> Any:
    if table.column_names.count(name) != 1:
        columns = ", ".join(table.column_names)
        raise InvalidValueError(f"the table has no column {name!r}; its columns are {columns}")
    return table.column(name)


def _days(column: Any, name: str) -> Any:
    arrow, types = tables_module("pyarrow"), tables_module("pyarrow.types")
    compute = tables_module("pyarrow.compute")
    if types.is_timestamp(column.type):
        day = _DAY[column.type.unit]
    elif types.is_integer(column.type):
        day = _DAY["ns"]
    else:
        raise InvalidTypeError(
            f'by="day" needs timestamps or whole nanoseconds in the column {name!r}, '
            f"not {column.type}"
        )
    whole = column.cast("int64")
    days = compute.divide(whole, day)
    # The division rounds towards zero, and a day before 1970 begins before its times as well.
    early = compute.less(whole, compute.multiply(days, day))
    days = compute.subtract(days, early.cast("int64"))
    return days.cast("int32").cast(arrow.date32())


def _merged(name: str, by: str, keys: list[Any], outcomes: list[Outcome]) -> Merged:
    names = [each.removeprefix(f"{name}.") for each in outcomes[0].sinks[name]]
    if by in names:
        raise InvalidValueError(
            f"the sink {name!r} has a column {by!r}, which is that of the parts: rename one of them"
        )
    times = [time for outcome in outcomes for time in outcome.cells[f"{name}.time"]]
    order = sorted(range(len(times)), key=times.__getitem__)
    owners = array("q")
    for place, outcome in enumerate(outcomes):
        owners.extend([place] * len(outcome.cells[f"{name}.time"]))
    columns: dict[str, list[Any]] = {"time": [times[place] for place in order]}
    columns[by] = [keys[owners[place]] for place in order]
    for each in names:
        if each != "time":
            values = [value for outcome in outcomes for value in outcome.cells[f"{name}.{each}"]]
            columns[each] = [values[place] for place in order]
    return Merged(columns)
