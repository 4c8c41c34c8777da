"""Tables in files, and those that other libraries hold: a schema, and batches read one by one."""

import glob
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from graphcore.errors import InvalidTypeError, RunError
from graphcore.tables.columns import column_of, fields_of, without_none
from graphcore.tables.libraries import tables_module
from graphcore.tables.rows import BATCH_ROWS, Wanted

_logger = logging.getLogger(__name__)

_MAGIC = b"PAR1"
# pyarrow reads a row group in pieces of this size, where it would else hold all of it.
_BUFFER = 1 << 16
_CSV_ERROR = re.compile(r"(?:In CSV column #(\d+): )?(?:CSV parse error: )?(?:Row #(\d+): )?(.*)")
# Those of pyarrow but the forms of NaN, which is a number.
_MISSING = ["", "#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "NA", "NULL", "n/a", "null"]


@dataclass(frozen=True)
class Table:
    """A table that is open.

    Args:
        schema: its Arrow schema, with all columns.
        batches: returns its record batches, of some columns.
    """

    schema: Any
    batches: Callable[[Sequence[str]], Iterator[Any]]


OpenTable = Callable[[str], Any]


def files_of(path: str, ending: str) -> list[str]:
    """Return the files that a path names: one, those of a folder, or those that match a pattern.

    Args:
        path: the path of a file or a folder, or a pattern such as ``"2026-*.parquet"``.
        ending: the ending of the files that are taken from a folder and its sub-folders.

    Raises:
        RunError: if there is none.
    """
    if os.path.isdir(path):
        pattern = os.path.join(glob.escape(path), "**", "*" + ending)
        found = sorted(glob.glob(pattern, recursive=True))
        if not found:
            raise RunError(f"the folder {path} has no file *{ending}")
        return found
    if os.path.exists(path) or not glob.has_magic(path):
        return [path]
    found = sorted(glob.glob(path, recursive=True))
    if not found:
        raise RunError(f"no file matches {path}")
    return found


@contextmanager
def opened_parquet(path: str) -> Iterator[Table]:
    """Open a Parquet file, or an Arrow stream, which may be cut short.

    Raises:
        RunError: if it cannot be read.
    """
    arrow, ipc = tables_module("pyarrow"), tables_module("pyarrow.ipc")
    parquet = tables_module("pyarrow.parquet")
    with ExitStack() as stack:
        file = stack.enter_context(_opened(path))
        is_parquet = file.read(len(_MAGIC)) == _MAGIC
        file.seek(0)
        try:
            if is_parquet:
                whole = stack.enter_context(
                    parquet.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
                )
                yield Table(whole.schema_arrow, lambda columns: _groups(path, whole, columns))
                return
            stream = stack.enter_context(ipc.open_stream(file))
        except arrow.ArrowInvalid as error:
            if is_parquet:
                raise RunError(f"{path} is not a complete Parquet file: {error}") from None
            if os.path.getsize(path):
                raise RunError(f"{path} is neither a Parquet file nor an Arrow stream") from None
            raise RunError(f"{path} is empty") from None
        yield Table(stream.schema, lambda _: _complete(path, stream))


def opens_csv(wanted: Wanted, delimiter: str) -> OpenTable:
    """Return the function that opens CSV files, whose columns get the types that are wanted."""

    @contextmanager
    def opened_csv(path: str) -> Iterator[Table]:
        arrow, csv = tables_module("pyarrow"), tables_module("pyarrow.csv")
        reading = csv.ReadOptions(use_threads=False)
        parsing = csv.ParseOptions(delimiter=delimiter)
        with ExitStack() as stack:
            file = stack.enter_context(_opened(path))
            missing = csv.ConvertOptions(null_values=_MISSING)
            names: list[str] = []

            def named(error: Exception) -> RunError:
                return RunError(_csv_error(path, names, str(error)))

            try:
                found = csv.open_csv(file, reading, parsing, missing).schema
            except arrow.ArrowException as error:
                raise named(error) from None
            names += found.names
            types = _csv_types(found, wanted)
            schema = arrow.schema([field.with_type(types[field.name]) for field in found])

            def batches(columns: Sequence[str]) -> Iterator[Any]:
                file.seek(0)
                converting = csv.ConvertOptions(
                    column_types=types, include_columns=columns, null_values=_MISSING
                )
                try:
                    yield from csv.open_csv(file, reading, parsing, converting)
                except arrow.ArrowException as error:
                    raise named(error) from None

            yield Table(schema, batches)

    return opened_csv


@contextmanager
def opened_table(table: Any) -> Iterator[Table]:
    """Open a table that speaks Arrow's C stream interface.

    Raises:
        InvalidTypeError: if it does not, or has no columns.
    """
    arrow = tables_module("pyarrow")
    if not hasattr(table, "__arrow_c_stream__"):
        raise InvalidTypeError(
            "from_table takes a table with the Arrow C stream interface, such as a frame of pandas "
            f"or polars, not {type(table).__qualname__}"
        )
    try:
        reader = arrow.RecordBatchReader.from_stream(table)
    except arrow.ArrowInvalid as error:
        raise InvalidTypeError(
            f"from_table takes a table with columns, not {type(table).__qualname__}: {error}"
        ) from None
    yield Table(reader.schema, lambda _: iter(reader))


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    try:
        file = open(path, "rb")  # noqa: SIM115  # the next statement closes it
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    with file:
        yield file


def _groups(path: str, whole: Any, columns: Sequence[str]) -> Iterator[Any]:
    """Yield the batches of a Parquet file."""
    arrow = tables_module("pyarrow")
    batches = whole.iter_batches(BATCH_ROWS, columns=columns, use_threads=False)
    while True:
        try:
            batch = next(batches, None)
        except (arrow.ArrowException, OSError) as error:
            raise RunError(f"cannot read {path}: {error}") from None
        if batch is None:
            return
        yield batch


def _complete(path: str, stream: Any) -> Iterator[Any]:
    """Yield the batches of an Arrow stream that are complete."""
    arrow = tables_module("pyarrow")
    while True:
        try:
            batch = stream.read_next_batch()
        except StopIteration:
            return
        except (arrow.ArrowInvalid, OSError):  # its process ended while it wrote this batch
            _logger.warning("%s ends in the middle of a batch; the complete batches are read", path)
            return
        yield batch


def _csv_types(found: Any, wanted: Wanted) -> dict[str, Any]:
    """Return the types of all columns of a CSV file: those that were found, or that are wanted."""
    arrow, types = tables_module("pyarrow"), tables_module("pyarrow.types")
    result = {field.name: field.type for field in found}
    kind = without_none(wanted.kind)
    kinds: Mapping[str, Any] = fields_of(kind) if isinstance(kind, type) else {}
    if wanted.value is not None:
        kinds = {wanted.value: wanted.kind}
    elif not kinds and "value" in result:
        kinds = {"value": wanted.kind}
    for name, type_ in result.items():
        if types.is_timestamp(type_):  # the first rows may have whole seconds, and later ones not
            result[name] = arrow.timestamp("ns", type_.tz)
        elif name in kinds and name != wanted.time and without_none(kinds[name]) is not Any:
            result[name] = column_of(kinds[name]).arrow()
    return result


def _csv_error(path: str, names: Sequence[str], text: str) -> str:
    """Return the text of an error of pyarrow with the path, the line and the name of the column."""
    match = _CSV_ERROR.fullmatch(text)
    if match is None or match[2] is None:
        return f"cannot read {path}: {text}"
    column = f", column `{names[int(match[1])]}`" if match[1] else ""
    hint = "; kind= gives the types of the columns" if column else ""
    return f"{path}, line {match[2]}{column}: {match[3]}{hint}"
