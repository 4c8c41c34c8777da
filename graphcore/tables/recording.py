"""`record`: a sink that writes a Parquet file.

A Parquet file cannot be read before it is closed. So during the run the values go to an Arrow
stream, `FILE.partial`: whatever happens to the process, the values written to it can be read. When
the run stops, the stream is converted to a Parquet file, which is renamed to `FILE` when complete.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

from graphcore.declare import node, state
from graphcore.errors import InvalidTypeError, RunError
from graphcore.node import Active, MutableNode
from graphcore.state import GraphState
from graphcore.tables.arrays import check_stamp
from graphcore.tables.columns import Column, column_of, fits_some_column
from graphcore.tables.libraries import tables_module
from graphcore.tables.scalars import Misfit

T = TypeVar("T")

PARTIAL = ".partial"
# In the schema of every file that `record` writes, and in no other.
MARK = {b"graphcore": b"recording"}
_GIVE_TYPE = "give record the type of all values, as in .record(file, float)"
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


class Recording:
    """A file that is being written.

    Args:
        path: the path of the Parquet file.
        kind: the type of the values, or `Any`.

    Raises:
        RunError: if `path` is a folder, or `path.partial` exists or cannot be created.
    """

    def __init__(self, path: str, kind: Any) -> None:
        self._path = path
        self._partial = path + PARTIAL
        self._column: Column = column_of(kind)
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
                "has left it. Rename it to keep it (replay_parquet reads it), or remove it"
            ) from None
        except OSError as error:
            raise RunError(f"cannot write {self._partial}: {error.strerror}") from None

    def add(self, at: int, cycle: int, value: Any) -> None:
        """Add a tick.

        Raises:
            InvalidTypeError: for a value that the column cannot hold.
            InvalidValueError: for a time past 64 bits of nanoseconds.
        """
        check_stamp(at)
        try:
            encoded = self._column.encode(value)
        except Misfit as error:
            hint = f"; {_GIVE_TYPE}" if fits_some_column(value) else ""
            raise InvalidTypeError(f"{error}{hint}") from None
        self._times.append(at)
        self._cycles.append(cycle)
        self._values.append(encoded)
        full = len(self._times) >= _ROWS
        if full or (time.monotonic() - self._last_write >= _SECONDS and self._column.settle(False)):
            self._write()

    def close(self) -> None:
        """Write the remaining ticks and make the Parquet file; the first Ctrl-C waits until then.

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
                self._convert()
            except (OSError, KeyboardInterrupt) as error:
                error.add_note(f"what was recorded before is in {self._partial}")
                raise

    def _write(self) -> None:
        # An interrupt would leave half a batch, or make `close` write the batch a second time.
        with _holding_ctrl_c():
            self._write_batch()

    def _write_batch(self) -> None:
        arrow, ipc = tables_module("pyarrow"), tables_module("pyarrow.ipc")
        if self._writer is None:
            self._column.settle(True)
            self._schema = arrow.schema(
                [
                    arrow.field("time", arrow.timestamp("ns", tz="UTC"), nullable=False),
                    arrow.field("cycle", arrow.int32(), nullable=False),
                    arrow.field("value", self._column.arrow()),
                ],
                MARK,
            )
            self._writer = ipc.new_stream(self._file, self._schema)
        columns = (self._times, self._cycles, self._values)
        arrays = [
            arrow.array(column, field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_batch(arrow.record_batch(arrays, schema=self._schema))
        self._file.flush()
        self._times, self._cycles, self._values = [], [], []
        self._last_write = time.monotonic()

    def _convert(self) -> None:
        arrow, ipc = tables_module("pyarrow"), tables_module("pyarrow.ipc")
        parquet = tables_module("pyarrow.parquet")
        unfinished = self._path + _WRITING
        try:
            with (
                open(self._partial, "rb") as written,
                ipc.open_stream(written) as batches,
                parquet.ParquetWriter(unfinished, self._schema, compression="zstd") as writer,
            ):
                for group in _groups(batches):
                    writer.write_table(arrow.Table.from_batches(group, self._schema))
            os.replace(unfinished, self._path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(unfinished)
            raise
        os.unlink(self._partial)


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


@node
class Record(MutableNode[T]):
    """Writes each value, with its engine time and cycle, to a file."""

    source: Active[T]
    path: str
    kind: Any
    recording: Recording | None = state(None)

    def start(self, state: GraphState) -> None:
        self.recording = Recording(self.path, self.kind)

    def cycle(self, state: GraphState) -> bool:
        assert self.recording is not None
        self.value = self.source.value
        self.recording.add(state.time, state.cycle_at_time, self.value)
        return True

    def stop(self, state: GraphState) -> None:
        if self.recording is not None:
            self.recording.close()
