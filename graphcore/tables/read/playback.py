"""Sources of the rows of tables: one table, one file, or several files in order of time.

A recording holds for each value in which of the cycles at its time the value ticked. To deliver the
value in the same cycle again, an event with the value `WAIT` stands for each earlier cycle at that
time in which the recorded stream did not tick.
"""

import glob
import os
from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from typing import Any

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.sources.events import WAIT, Delivery, side_by_side
from graphcore.sources.replay import Replay, check_delivery, check_speed
from graphcore.tables.libraries import tables_module
from graphcore.tables.read.csv_files import opens_csv
from graphcore.tables.read.files import OpenTable, files_of, opened_parquet, opened_table
from graphcore.tables.read.folders import in_folders
from graphcore.tables.read.merging import Events, merged
from graphcore.tables.read.rows import Chunk, Rows, Wanted

_IN_MEMORY = ("pandas", "polars", "pyarrow")


def is_value(value: object) -> bool:
    """Return whether this is a value, and not the mark for a cycle without a tick."""
    return value is not WAIT


def make_from_table(table: Any, wanted: Wanted, delivery: str, speed: float) -> Replay[Any]:
    """Return the source for a table.

    Raises:
        RunError: if pyarrow is not installed, or a column is missing.
        InvalidTypeError, InvalidValueError: for anything but a table, a column that cannot hold
            values of the type, or a wrong argument.
    """
    policy = _checked(wanted, delivery)
    check_speed(speed)
    tables_module("pyarrow")
    is_reader = hasattr(table, "read_next_batch")
    once = is_reader or not hasattr(table, "shape")
    are_numbers = False
    if is_reader:
        _check_schema(table.schema, wanted)
    elif type(table).__module__.partition(".")[0] in _IN_MEMORY or not hasattr(
        table, "__arrow_c_stream__"
    ):  # opening any other may run a query
        with opened_table(table) as opened:
            are_numbers = _check_schema(opened.schema, wanted)

    def open_one(_: str) -> Any:
        return opened_table(table)

    def events(_: int) -> Any:
        return side_by_side(_alone(_chunks("the table", wanted, open_one)))

    source = Replay[Any](events, once, True, policy, speed)
    if are_numbers and not once and policy is Delivery.EACH:
        source.keep_arrays(
            lambda _: _arrays("the table", wanted, open_one), lambda: int(table.shape[0])
        )
    return source


def make_read_parquet(path: str, wanted: Wanted, delivery: str, speed: float) -> Replay[Any]:
    """Return the source for Parquet files.

    Raises:
        RunError: if pyarrow is not installed.
        InvalidTypeError, InvalidValueError: for a wrong argument.
    """
    return _make_read(path, ".parquet", opened_parquet, wanted, delivery, speed)


def make_read_csv(
    path: str, wanted: Wanted, delimiter: str, delivery: str, speed: float
) -> Replay[Any]:
    """Return the source for CSV files.

    Raises:
        RunError: if pyarrow is not installed.
        InvalidTypeError, InvalidValueError: for a wrong argument.
    """
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        raise InvalidValueError(f'delimiter must be one character, such as ";", not {delimiter!r}')
    return _make_read(path, ".csv", opens_csv(wanted, delimiter), wanted, delivery, speed)


def _make_read(
    path: str, ending: str, open_file: OpenTable, wanted: Wanted, delivery: str, speed: float
) -> Replay[Any]:
    policy = _checked(wanted, delivery)
    tables_module("pyarrow")
    waits = policy is Delivery.EACH

    def events(_: int) -> Any:
        return side_by_side(_of_files(files_of(path, ending), wanted, open_file, waits))

    def arrays(_: int) -> Any:
        found = files_of(path, ending)
        return _arrays(found[0], wanted, in_folders(found, wanted, open_file))

    def count() -> int | None:
        with open_file(path) as table:
            found: int | None = table.count
            return found if Rows(table.schema, wanted, path).are_numbers else None

    source = Replay[Any](events, False, True, policy, check_speed(speed))
    if waits and ending == ".parquet" and not glob.has_magic(path) and not os.path.isdir(path):
        source.keep_arrays(arrays, count)
    return source


def make_recorded(path: str) -> Replay[Any]:
    """Return the source for the values of a recording, each in the cycle of its tick."""
    return make_read_parquet(path, Wanted("time"), "each", inf)


def events_of(path: str, wanted: Wanted) -> Iterator[tuple[int, int, Any]]:
    """Yield the time of each row, how many rows of that time come before, and its value.

    Raises:
        RunError, InvalidTypeError, InvalidValueError: as a run that reads the files.
    """
    tables_module("pyarrow")
    previous, number = None, 0
    for times, values in _of_files(files_of(path, ".parquet"), wanted, opened_parquet, False):
        for time, value in zip(times, values, strict=True):
            number = number + 1 if time == previous else 0
            previous = time
            yield time, number, value


def _checked(wanted: Wanted, delivery: str) -> Delivery:
    names = {"time": wanted.time, "value": wanted.value, "by": wanted.by}
    for name, given in names.items():
        if not isinstance(given, str) and (given is not None or name == "time"):
            raise InvalidTypeError(f"{name} must be the name of a column, not {given!r}")
    policy = check_delivery(delivery)
    if wanted.by is not None and policy is not Delivery.EACH:
        raise InvalidValueError(f'with by=, delivery must be "each", not {delivery!r}')
    return policy


def _check_schema(schema: Any, wanted: Wanted) -> bool:
    """Check what is wanted of a table; return whether arrays of numpy hold its values."""
    return Rows(schema, wanted, "the table").are_numbers


def _of_files(
    paths: list[str], wanted: Wanted, open_file: OpenTable, waits: bool
) -> Iterator[Events]:
    open_file = in_folders(paths, wanted, open_file)
    if len(paths) == 1:
        chunks = _chunks(paths[0], wanted, open_file)
        return _with_waits(chunks) if waits else _alone(chunks)
    firsts = [_first_time(path, wanted, open_file) for path in paths]
    sequences = [partial(_alone_of, path, wanted, open_file) for path in paths]
    return merged(sequences, firsts)


def _first_time(path: str, wanted: Wanted, open_file: OpenTable) -> int | None:
    only_times = Wanted(wanted.time, wanted.time)
    first = next(_chunks(path, only_times, open_file), None)
    return None if first is None else first.times[0]


def _alone_of(path: str, wanted: Wanted, open_file: OpenTable) -> Iterator[Events]:
    return _alone(_chunks(path, wanted, open_file))


def _chunks(where: str, wanted: Wanted, open_file: Callable[[str], Any]) -> Iterator[Chunk]:
    """Yield the rows of one table."""
    with open_file(where) as table:
        rows = Rows(table.schema, wanted, where)
        for batch in table.batches(rows.columns):
            yield from rows.chunks(batch)


def _arrays(where: str, wanted: Wanted, open_file: OpenTable) -> Iterator[Any]:
    """Yield the rows of one table in arrays, and in lists where these cannot hold them."""
    with open_file(where) as table:
        rows = Rows(table.schema, wanted, where)
        for batch in table.batches(rows.columns):
            found = rows.arrays(batch)
            if found is None:
                yield from _with_waits(rows.chunks(batch))
            else:
                yield found


def _alone(chunks: Iterator[Chunk]) -> Iterator[Events]:
    for chunk in chunks:
        yield chunk.times, chunk.values


def _with_waits(chunks: Iterator[Chunk]) -> Iterator[Events]:
    last, following = None, 0
    for chunk in chunks:
        if chunk.cycles is None:
            yield chunk.times, chunk.values
            continue
        if not any(chunk.cycles):
            last, following = chunk.times[-1], 1
            yield chunk.times, chunk.values
            continue
        times: list[int] = []
        values: list[Any] = []
        for time, cycle, value in zip(chunk.times, chunk.cycles, chunk.values, strict=True):
            if time != last:
                last, following = time, 0
            missing = cycle - following
            if missing > 0:
                times += [time] * missing
                values += [WAIT] * missing
            times.append(time)
            values.append(value)
            following = cycle + 1
        yield times, values
