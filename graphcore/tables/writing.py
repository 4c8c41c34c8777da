"""Files of ticks that are being written, in three formats.

During the run the ticks go to `FILE.partial`, in batches. When the run stops, or the file's time is
over, it becomes `FILE`. A Parquet file cannot be read before it is closed, so its partial file is
an Arrow stream, which is converted: whatever happens to the process, what was written can be read.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, BinaryIO

from graphcore.errors import InvalidTypeError, RunError
from graphcore.tables.arrays import check_stamp
from graphcore.tables.columns import Column, column_of, fits_some_column
from graphcore.tables.durations import durations_as_text
from graphcore.tables.libraries import tables_module
from graphcore.tables.scalars import Misfit

PARTIAL = ".partial"
# In the schema of every file that `record` writes, and in no other.
MARK = {b"graphcore": b"recording"}
_WRITING = ".writing"
_ROWS = 1_024
_SECONDS = 1.0
_GROUP_ROWS = 1 << 17
_GROUP_BYTES = 1 << 26


def path_of(given: "str | os.PathLike[str]") -> str:
    """Return a path as text.

    Raises:
        InvalidTypeError: if `given` is not a path.
    """
    if not isinstance(given, str | os.PathLike):
        raise InvalidTypeError(f"the path of a file must be text or a Path, not {given!r}")
    return os.fsdecode(given)


@dataclass(frozen=True)
class Format:
    """A format of files.

    Args:
        reader: what reads the partial file.
        new_writer: returns pyarrow's writer to a file, for a schema.
        finish: makes the file of the partial one; called with both paths and the schema.
        nested: whether a column may have parts.
    """

    reader: str
    new_writer: Callable[[BinaryIO, Any], Any]
    finish: Callable[[str, str, Any], None]
    nested: bool = True


@dataclass(frozen=True)
class Layout:
    """The columns of a file.

    Args:
        operator: the operator that writes it, for errors.
        format: the format of the file.
        kind: the type of the values, or `Any`.
        time: the name of the column of engine times.
        recording: whether the values are in one column, with their cycles beside them; else each
            field of a record is a column.
    """

    operator: str
    format: Format
    kind: Any
    time: str = "time"
    recording: bool = False

    def check(self, kind: Any) -> None:
        """Refuse values that the file has no columns for.

        Args:
            kind: their Arrow type.

        Raises:
            InvalidTypeError: for a field of the name of the column of times, and for parts in a
                column of a format that has none.
        """
        if self.recording:
            return
        types = tables_module("pyarrow.types")
        fields = list(kind) if types.is_struct(kind) else []
        if self.time in [field.name for field in fields]:
            raise InvalidTypeError(
                f"the values have a field `{self.time}`, which is the column of the engine time: "
                f'give that another name, as in .{self.operator}(file, time="ticked")'
            )
        for each in [field.type for field in fields] or [kind]:
            if not self.format.nested and (types.is_nested(each) or types.is_binary(each)):
                raise InvalidTypeError(f"a column of a CSV file cannot hold {each}")


class TableFile:
    """A file that is being written.

    Args:
        path: its path.
        layout: its columns.

    Raises:
        RunError: if `path` is a folder, or `path.partial` exists or cannot be created.
    """

    def __init__(self, path: str, layout: Layout) -> None:
        self._path = path
        self._format = layout.format
        self._layout = layout
        self._partial = path + PARTIAL
        self._column: Column = column_of(layout.kind)
        self._checked = False
        self._times: list[int] = []
        self._cycles: list[int] = []
        self._values: list[Any] = []
        self._schema: Any = None
        self._writer: Any = None
        self._last_write = time.monotonic()
        if os.path.isdir(path):
            raise RunError(f"cannot write {path}: it is a folder")
        try:
            self._file = open(self._partial, "xb")  # noqa: SIM115  # closed by `close`
        except FileExistsError:
            raise RunError(
                f"{self._partial} exists: another run is writing it, or a run that was cut short "
                f"has left it. Rename it to keep it ({self._format.reader} reads it), or remove it"
            ) from None
        except OSError as error:
            raise RunError(f"cannot write {self._partial}: {error.strerror}") from None

    def add(self, at: int, cycle: int, value: Any) -> None:
        """Add a tick.

        Raises:
            InvalidTypeError: for a value that the columns cannot hold.
            InvalidValueError: for a time past 64 bits of nanoseconds.
        """
        check_stamp(at)
        try:
            encoded = self._column.encode(value)
        except Misfit as error:
            give = f"; give {self._layout.operator} the type of all values, as in "
            hint = f"{give}.{self._layout.operator}(file, float)" if fits_some_column(value) else ""
            raise InvalidTypeError(f"{error}{hint}") from None
        if not self._checked and value is not None:  # the first value shows the columns
            try:
                self._layout.check(self._column.arrow())
            except InvalidTypeError:
                self._column = column_of(self._layout.kind)  # so that `close` can make the file
                raise
            self._checked = True
        self._times.append(at)
        self._cycles.append(cycle)
        self._values.append(encoded)
        full = len(self._times) >= _ROWS
        if full or (time.monotonic() - self._last_write >= _SECONDS and self._column.settle(False)):
            self._write()

    def flush(self) -> None:
        """Write the ticks that are not written yet, if the type of the values is known."""
        if self._times and self._column.settle(False):
            self._write()

    def close(self) -> None:
        """Write the remaining ticks and make the file; the first Ctrl-C waits until then.

        Raises:
            OSError: for example if the disk is full; `path.partial` is left.
            KeyboardInterrupt: after a Ctrl-C, once the file is complete; at once after a second
                Ctrl-C, which leaves `path.partial`.
        """
        with _holding_ctrl_c():
            try:
                try:
                    self._write()
                    self._writer.close()
                finally:
                    self._file.close()
                self._format.finish(self._partial, self._path, self._schema)
            except (OSError, KeyboardInterrupt) as error:
                error.add_note(f"what was recorded before is in {self._partial}")
                raise

    def _write(self) -> None:
        # An interrupt would leave half a batch, or make `close` write the batch a second time.
        with _holding_ctrl_c():
            self._write_batch()

    def _write_batch(self) -> None:
        arrow = tables_module("pyarrow")
        if self._writer is None:
            self._column.settle(True)
            self._schema = self._make_schema()
            self._writer = self._format.new_writer(self._file, self._schema)
        values = arrow.array(self._values, self._column.arrow())
        arrays = [arrow.array(self._times, self._schema.field(0).type)]
        if self._layout.recording:
            arrays += [arrow.array(self._cycles, arrow.int32()), values]
        elif arrow.types.is_struct(values.type):
            arrays += values.flatten()
        else:
            arrays.append(values)
        self._writer.write_batch(arrow.record_batch(arrays, schema=self._schema))
        self._file.flush()
        self._times, self._cycles, self._values = [], [], []
        self._last_write = time.monotonic()

    def _make_schema(self) -> Any:
        arrow, kind = tables_module("pyarrow"), self._column.arrow()
        stamp = arrow.timestamp("ns", tz="UTC")
        fields = [arrow.field(self._layout.time, stamp, nullable=False)]
        if self._layout.recording:
            cycle = arrow.field("cycle", arrow.int32(), nullable=False)
            return arrow.schema([*fields, cycle, arrow.field("value", kind)], MARK)
        is_struct = arrow.types.is_struct(kind)
        return arrow.schema(fields + (list(kind) if is_struct else [arrow.field("value", kind)]))


def _new_stream(file: BinaryIO, schema: Any) -> Any:
    return tables_module("pyarrow.ipc").new_stream(file, schema)


class _CsvWriter:
    """Writes CSV, in which durations are text: pyarrow would write numbers without a unit."""

    def __init__(self, file: BinaryIO, schema: Any) -> None:
        empty = tables_module("pyarrow").RecordBatch.from_pylist([], schema)
        written = durations_as_text(empty).schema
        self._writer = tables_module("pyarrow.csv").CSVWriter(file, written)

    def write_batch(self, batch: Any) -> None:
        self._writer.write_batch(durations_as_text(batch))

    def close(self) -> None:
        self._writer.close()


def _convert(partial: str, path: str, schema: Any) -> None:
    """Make a Parquet file of an Arrow stream, which is then deleted."""
    arrow, ipc = tables_module("pyarrow"), tables_module("pyarrow.ipc")
    parquet = tables_module("pyarrow.parquet")
    unfinished = path + _WRITING
    try:
        with (
            open(partial, "rb") as written,
            ipc.open_stream(written) as batches,
            parquet.ParquetWriter(unfinished, schema, compression="zstd") as writer,
        ):
            for group in _groups(batches):
                writer.write_table(arrow.Table.from_batches(group, schema))
        os.replace(unfinished, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(unfinished)
        raise
    os.unlink(partial)


def _rename(partial: str, path: str, schema: Any) -> None:
    os.replace(partial, path)


PARQUET = Format("read_parquet", _new_stream, _convert)
IPC = Format("read_parquet", _new_stream, _rename)
CSV = Format("read_csv", _CsvWriter, _rename, nested=False)


@contextmanager
def _holding_ctrl_c() -> Iterator[None]:
    """Hold the first `KeyboardInterrupt` of a block back until its end; raise a second at once.

    Each Ctrl-C reaches its handler when it is pressed. Masking the signal instead would not help,
    as another thread of the process would receive it.
    """
    handler = signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or not callable(handler):  # then no `KeyboardInterrupt` comes
        yield
        return
    held: list[KeyboardInterrupt] = []

    def hold(number: int, frame: FrameType | None) -> None:
        try:
            handler(number, frame)
        except KeyboardInterrupt as interrupt:
            if held:
                raise
            held.append(interrupt)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if held:
        raise held[0].with_traceback(None)


def _groups(batches: Any) -> Iterator[list[Any]]:
    """Yield lists of batches, each list large enough for a row group."""
    group: list[Any] = []
    rows = size = 0
    for batch in batches:
        group.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group
