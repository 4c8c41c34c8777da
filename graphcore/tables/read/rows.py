"""The rows of a table as events: engine times, and values made of the columns.

A table is an Arrow schema and batches. Errors name the table, the row, counted from 0, and the
column. The rows before a wrong one are delivered first.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import starmap
from math import nan
from typing import Any

from graphcore.errors import InvalidTypeError, InvalidValueError, RunError
from graphcore.tables.columns import fields_of, without_none
from graphcore.tables.decode import decoder
from graphcore.tables.libraries import tables_module
from graphcore.tables.writing import MARK
from graphcore.time import format_time, to_time

BATCH_ROWS = 8_192
_LATEST = (1 << 63) - 1  # ns
_UNITS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
# What pandas calls an index without a name when it makes columns.
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
# Makes the values of a batch whose first row has that number.
_Values = Callable[[Any, int], list[Any]]


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a table.

    Args:
        time: the column of the times.
        value: the column of the values; `None` for whole rows.
        kind: the type of the values, or `Any`.
        by: the column of the keys; with it each value is a (key, value) pair.
    """

    time: str
    value: str | None = None
    kind: Any = Any
    by: str | None = None

    def kinds(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the types that are wanted of columns with these names, where one is wanted."""
        kind = without_none(self.kind)
        kinds = fields_of(kind) if isinstance(kind, type) else {}
        if self.value is not None:
            kinds = {self.value: kind}
        elif not kinds and "value" in names:
            kinds = {"value": kind}
        plain = {name: without_none(kinds[name]) for name in kinds if name in names}
        return {n: kind for n, kind in plain.items() if n != self.time and kind is not Any}


@dataclass(frozen=True)
class Chunk:
    """Some rows: their times, the cycles at their times (if recorded), and their values."""

    times: list[int]
    cycles: list[int] | None
    values: list[Any]


class Rows:
    """The rows of one table.

    Args:
        schema: its Arrow schema.
        wanted: what is wanted of it.
        where: what errors call it.

    Attributes:
        columns: the names of the columns that have to be read.
        are_numbers: whether arrays of numpy hold the values, unless some are missing.

    Raises:
        RunError: if a column is missing, or its name is that of two columns.
        InvalidTypeError: if the columns cannot hold values of the type.
    """

    def __init__(self, schema: Any, wanted: Wanted, where: str) -> None:
        self._schema = schema
        self._where = where
        self._time = wanted.time
        self._by = wanted.by
        self._is_recording = MARK.items() <= (schema.metadata or {}).items()
        # pandas writes NaN as a missing value.
        self._nan_is_missing = b"pandas" in (schema.metadata or {})
        self._row = 0
        self._previous: int | None = None
        self._read_times = self._reads_times(wanted.time)
        self._key_values = None if wanted.by is None else self._reads(wanted.by, Any)
        self.columns = [wanted.time]
        if self._is_recording:
            self.columns.append("cycle")
        if wanted.by is not None:
            self.columns.append(wanted.by)
        self._values = self._reads_values(wanted)
        self.columns = list(dict.fromkeys(self.columns))
        times = self._type_of(wanted.time)
        self._unit = _UNITS[times.unit] if tables_module("pyarrow.types").is_timestamp(times) else 1
        self._numbers = self._column_of_numbers(wanted)
        self.are_numbers = self._numbers is not None

    def arrays(self, batch: Any) -> tuple[Any, Any] | None:
        """Return the times and the values of the next batch as arrays of numpy.

        Returns:
            `None` for anything but numbers without missing ones, at times that are in order; then
            `chunks` has to be asked.
        """
        if self._numbers is None or not batch.num_rows:
            return None
        times, values = batch.column(self._time), batch.column(self._numbers)
        if times.null_count or values.null_count:
            return None
        stamps = _in_numpy(times, "int64")
        if self._unit > 1:
            latest = _LATEST // self._unit
            if stamps.max() > latest or stamps.min() < -latest:
                return None
            stamps = stamps * self._unit
        first = stamps[0] if self._previous is None else self._previous
        if stamps[0] < first or (stamps[1:] < stamps[:-1]).any():
            return None
        self._previous = int(stamps[-1])
        self._row += batch.num_rows
        types = tables_module("pyarrow.types")
        if types.is_boolean(values.type):
            return stamps, _in_numpy(values, "uint8").view("bool")
        return stamps, _in_numpy(values, "float64" if types.is_floating(values.type) else "int64")

    def chunks(self, batch: Any) -> Iterator[Chunk]:
        """Yield the rows of the next batch, in one chunk if nothing is wrong with them.

        Raises:
            InvalidTypeError, InvalidValueError: for a row that is wrong, after those before it.
        """
        for begin in range(0, batch.num_rows, BATCH_ROWS):
            part = batch.slice(begin, BATCH_ROWS)
            times, error = self._times(part)
            if times:
                yield from self._chunks(part.slice(0, len(times)), times, self._row)
            if error is not None:
                raise error
            self._row += part.num_rows

    def _chunks(self, part: Any, times: list[int], row: int) -> Iterator[Chunk]:
        """Yield the rows of a part, whose first is `row`, in halves if one of them is wrong."""
        try:
            chunk = self._chunk(part, times, row)
        except Exception:
            half = len(times) // 2
            if not half:
                raise
            yield from self._chunks(part.slice(0, half), times[:half], row)
            yield from self._chunks(part.slice(half), times[half:], row + half)
        else:
            yield chunk

    def _chunk(self, part: Any, times: list[int], row: int) -> Chunk:
        values = self._values(part, row)
        if self._key_values is not None:
            values = list(zip(self._key_values(part, row), values, strict=True))
        cycles = part.column("cycle").to_pylist() if self._is_recording else None
        return Chunk(times, cycles, values)

    def _times(self, part: Any) -> tuple[list[int], InvalidValueError | None]:
        """Return the times up to a wrong one, and the error for that one."""
        times, error = self._read_times(part, self._row)
        if not times:
            return times, error
        previous = times[0] if self._previous is None else self._previous
        self._previous = times[-1]
        if times[0] < previous or times != sorted(times):
            for number, time in enumerate(times):
                if time < previous:
                    return times[:number], InvalidValueError(
                        f"{self._place(self._row + number, self._time)}: times must not go back: "
                        f"{format_time(time)} comes after {format_time(previous)}"
                    )
                previous = time
        return times, error

    def _place(self, row: int, column: str) -> str:
        return f"{self._where}, row {row}, column `{column}`"

    def _type_of(self, name: str) -> Any:
        """Return the Arrow type of a column."""
        count = self._schema.names.count(name)
        if count == 1:
            return self._schema.field(name).type
        if count:
            raise RunError(f"{self._where} has {count} columns named `{name}`")
        names = self._schema.names
        hint = ""
        if any(map(_UNNAMED_INDEX.fullmatch, names)):
            hint = f"; if it is the frame's index, name it: frame.rename_axis({name!r})"
        raise RunError(
            f"{self._where} has no column `{name}`; its columns are {', '.join(names)}{hint}"
        )

    def _column_of_numbers(self, wanted: Wanted) -> str | None:
        """Return the column of the values if arrays of numpy hold what it and the times hold."""
        others = [name for name in self.columns if name != self._time]
        if self._is_recording or wanted.by is not None or len(others) != 1:
            return None
        [name], types = others, tables_module("pyarrow.types")
        arrow, times = self._type_of(name), self._type_of(self._time)
        whole = types.is_integer(arrow) and not types.is_uint64(arrow)
        if not (whole or types.is_float64(arrow) or types.is_float32(arrow)) and not (
            types.is_boolean(arrow)
        ):
            return None
        if not types.is_timestamp(times) and not types.is_int64(times):
            return None
        is_row = wanted.kind not in (Any, bool, int, float)  # a record or a dict of the one column
        if is_row or (wanted.value is None and name != "value"):
            return None
        return name if decoder(wanted.kind, arrow) is None else None

    def _reads_values(self, wanted: Wanted) -> _Values:
        """Return the function that makes the values of a batch."""
        names: Sequence[str] = self._schema.names
        kind = without_none(wanted.kind)
        fields = fields_of(kind) if isinstance(kind, type) else {}
        others = [n for n in names if n != self._time and not _UNNAMED_INDEX.fullmatch(n)]
        name = wanted.value
        if name is None and (self._is_recording or others == ["value"]):
            types = tables_module("pyarrow.types")
            if self._is_recording or not fields or types.is_struct(self._type_of("value")):
                name = "value"
        if name is not None:
            self.columns.append(name)
            return self._reads(name, wanted.kind)
        if fields:
            self.columns += fields
            return self._makes(kind, {each: self._reads(each, fields[each]) for each in fields})
        if kind not in (Any, dict):
            raise InvalidTypeError(
                f"a row of {self._where} is no {kind!r}: name the column of the values, as in "
                "value='price', or give kind a class with the fields of a row"
            )
        if not others:
            raise RunError(f"{self._where} has no column besides `{self._time}`")
        self.columns += others
        reads = [self._reads(each, Any) for each in others]

        def rows(batch: Any, row: int) -> list[Any]:
            columns = [read(batch, row) for read in reads]
            return [dict(zip(others, each, strict=True)) for each in zip(*columns, strict=True)]

        return rows

    def _makes(self, kind: Any, reads: dict[str, _Values]) -> _Values:
        """Return the function that makes a record of each row."""
        names = list(reads)
        parameters = inspect.signature(kind).parameters.values()
        by_place = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == names
        where = self._where

        def named(*row: Any) -> Any:
            return kind(**dict(zip(names, row, strict=True)))

        make = kind if by_place else named

        def records(batch: Any, row: int) -> list[Any]:
            rows = zip(*[read(batch, row) for read in reads.values()], strict=True)
            try:
                return list(starmap(make, rows))
            except Exception as error:
                if batch.num_rows == 1:
                    error.add_note(f"while making row {row} of {where}")
                raise

        return records

    def _reads(self, name: str, kind: Any) -> _Values:
        """Return the function that makes the values of a column.

        Raises:
            InvalidTypeError: if the column cannot hold values of the type.
        """
        types, arrow = tables_module("pyarrow.types"), self._type_of(name)
        if without_none(kind) is int and types.is_timestamp(arrow):
            return self._nanoseconds(name, arrow)
        try:
            decode = decoder(kind, arrow)
        except InvalidTypeError as error:
            raise InvalidTypeError(f"{self._where}, column `{name}`: {error}") from None
        fill = self._nan_is_missing and types.is_floating(arrow)

        def values(batch: Any, row: int) -> list[Any]:
            column = batch.column(name)
            if fill and column.null_count:
                column = column.fill_null(nan)
            try:
                plain: list[Any] = column.to_pylist()
                return plain if decode is None else [decode(value) for value in plain]
            except (ValueError, TypeError, ArithmeticError) as error:
                raise InvalidValueError(f"{self._place(row, name)}: {error}") from error

        return values

    def _nanoseconds(self, name: str, arrow: Any) -> _Values:
        """Return the function that makes nanoseconds of a column of timestamps."""
        factor, integers = _UNITS[arrow.unit], tables_module("pyarrow").int64()

        def values(batch: Any, row: int) -> list[Any]:
            whole: list[Any] = batch.column(name).view(integers).to_pylist()
            if factor == 1:
                return whole
            return [None if each is None else each * factor for each in whole]

        return values

    def _reads_times(
        self, name: str
    ) -> Callable[[Any, int], tuple[list[int], InvalidValueError | None]]:
        """Return the function that makes engine times of a column, up to one that is wrong.

        Raises:
            RunError: if its type is none of those that can be times.
        """
        types, arrow = tables_module("pyarrow.types"), self._type_of(name)
        make: Callable[[Any], int]
        if types.is_timestamp(arrow):
            read, make = self._nanoseconds(name, arrow), int
        elif types.is_integer(arrow) or types.is_null(arrow):  # null if there is no time at all
            read, make = self._reads(name, Any), int
        elif types.is_date(arrow):
            read, make = self._reads(name, Any), _midnight
        elif types.is_string(arrow) or types.is_large_string(arrow) or types.is_string_view(arrow):
            read, make = self._reads(name, str), to_time
        else:
            raise RunError(
                f"{self._where} has times of type {arrow} in column `{name}`; they must be "
                "timestamps, dates, ISO-8601 text or whole nanoseconds"
            )

        def times(batch: Any, first: int) -> tuple[list[int], InvalidValueError | None]:
            found = read(batch, first)
            if make is int and not batch.column(name).null_count:
                return found, None
            made: list[int] = []
            for number, value in enumerate(found, first):
                try:
                    if value is None:
                        raise InvalidValueError("there is no time")
                    made.append(make(value))
                except InvalidValueError as error:
                    return made, InvalidValueError(f"{self._place(number, name)}: {error}")
            return made, None

        return times


def _in_numpy(column: Any, kind: str) -> Any:
    """Return numbers without missing ones as an array of numpy.

    pyarrow's own `to_numpy` imports pandas, which takes 0.2 s, and its `cast` all of its functions
    over columns, which takes 50 ms.
    """
    arrow, numpy = tables_module("pyarrow"), tables_module("numpy")
    wanted = arrow.type_for_alias(kind)
    if arrow.types.is_timestamp(column.type):
        column = column.view("int64")
    if column.type != wanted:
        column = column.cast(wanted)
    width = numpy.dtype(kind).itemsize
    return numpy.frombuffer(column.buffers()[1], kind, len(column), column.offset * width)


def _midnight(day: Any) -> int:
    return to_time(datetime(day.year, day.month, day.day, tzinfo=UTC))
