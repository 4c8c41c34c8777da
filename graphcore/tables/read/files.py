"""Tables in Parquet files, and those that other libraries hold: a schema, and batches."""

import glob
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from graphcore.errors import InvalidTypeError, RunError
from graphcore.tables.libraries import tables_module
from graphcore.tables.read.rows import BATCH_ROWS

_logger = logging.getLogger(__name__)

_MAGIC = b"PAR1"
# pyarrow reads a row group in pieces of this size, where it would else hold all of it.
_BUFFER = 1 << 16
_BATCH_BITS = 1 << 23


@dataclass(frozen=True)
class Table:
    """A table that is open.

    Args:
        schema: its Arrow schema, with all columns.
        batches: returns its record batches, of some columns.
        count: how many rows it has; `None` if that is not known before they are read.
    """

    schema: Any
    batches: Callable[[Sequence[str]], Iterator[Any]]
    count: int | None = None


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
def opened_file(path: str) -> Iterator[BinaryIO]:
    """Open a file for reading.

    Raises:
        RunError: if that fails.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115  # the next statement closes it
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    with file:
        yield file


@contextmanager
def opened_parquet(path: str) -> Iterator[Table]:
    """Open a Parquet file, or an Arrow stream, which may be cut short.

    Raises:
        RunError: if it cannot be read.
    """
    arrow, ipc = tables_module("pyarrow"), tables_module("pyarrow.ipc")
    parquet = tables_module("pyarrow.parquet")
    with ExitStack() as stack:
        file = stack.enter_context(opened_file(path))
        is_parquet = file.read(len(_MAGIC)) == _MAGIC
        file.seek(0)
        try:
            if is_parquet:
                whole = stack.enter_context(
                    parquet.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
                )
                yield Table(
                    whole.schema_arrow,
                    lambda columns: _groups(path, whole, columns),
                    whole.metadata.num_rows,
                )
                return
            stream = stack.enter_context(ipc.open_stream(file))
        except arrow.ArrowInvalid as error:
            if is_parquet:
                raise RunError(f"{path} is not a complete Parquet file: {error}") from None
            if os.path.getsize(path):
                raise RunError(f"{path} is neither a Parquet file nor an Arrow stream") from None
            raise RunError(f"{path} is empty") from None
        yield Table(stream.schema, lambda _: _complete(path, stream))


@contextmanager
def opened_table(table: Any) -> Iterator[Table]:
    """Open a table that speaks Arrow's C stream interface.

    Raises:
        InvalidTypeError: if it does not, or has no columns.
        RunError: for a frame of pandas with two columns of one name.
    """
    arrow = tables_module("pyarrow")
    if not hasattr(table, "__arrow_c_stream__"):
        raise InvalidTypeError(
            "from_table takes a table with the Arrow C stream interface, such as a frame of pandas "
            f"or polars, not {type(table).__qualname__}"
        )
    is_pandas = type(table).__module__.partition(".")[0] == "pandas"
    names = list(getattr(table, "columns", ())) if is_pandas else []
    for name in names:
        if names.count(name) > 1:  # pandas refuses to hand such a frame over
            raise RunError(f"the table has {names.count(name)} columns named `{name}`")
    try:
        reader = arrow.RecordBatchReader.from_stream(table)
    except arrow.ArrowInvalid as error:
        raise InvalidTypeError(
            f"from_table takes a table with columns, not {type(table).__qualname__}: {error}"
        ) from None
    yield Table(reader.schema, lambda _: iter(reader))


def _groups(path: str, whole: Any, columns: Sequence[str]) -> Iterator[Any]:
    """Yield the batches of a Parquet file."""
    arrow = tables_module("pyarrow")
    rows = _batch_rows([whole.schema_arrow.field(name).type for name in columns])
    batches = whole.iter_batches(rows, columns=columns, use_threads=rows > BATCH_ROWS)
    while True:
        try:
            batch = next(batches, None)
        except (arrow.ArrowException, OSError) as error:
            raise RunError(f"cannot read {path}: {error}") from None
        if batch is None:
            return
        yield batch


def _batch_rows(types: Sequence[Any]) -> int:
    """Return how many rows of these types a batch has: a megabyte of numbers, else a few rows.

    Threads read the columns of large batches side by side; small ones do not repay that.
    """
    try:
        width = sum(int(each.bit_width) for each in types)
    except ValueError:  # one of them has no fixed width, such as text
        return BATCH_ROWS
    return max(BATCH_ROWS, _BATCH_BITS // max(width, 1))


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
