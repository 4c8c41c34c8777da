"""`replay_parquet`: events from a Parquet file, or from the Arrow stream that a killed run left.

A recording holds for each value in which of the cycles at its time the value ticked. To deliver the
value in the same cycle again, an event with the value `WAIT` stands for each earlier cycle at that
time in which the recorded stream did not tick.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from graphcore.errors import RunError
from graphcore.node import Chunks
from graphcore.sources.events import WAIT, Delivery, side_by_side
from graphcore.sources.replay import Replay, check_delivery, check_speed
from graphcore.tables.decode import Decode, decoder
from graphcore.tables.libraries import tables_module
from graphcore.tables.recording import MARK

_logger = logging.getLogger(__name__)

_BATCH_ROWS = 8_192
_MAGIC = b"PAR1"
_Chunk = tuple[list[int], list[Any]]
_Rows = tuple[list[int], list[int] | None, list[Any]]


def is_value(value: object) -> bool:
    """Return whether this is a value, and not the mark for a cycle without a tick."""
    return value is not WAIT


def make_replay_parquet(path: str, kind: Any, delivery: str, speed: float) -> Replay[Any]:
    """Return the source for a file.

    Raises:
        RunError: if pyarrow is not installed.
        InvalidTypeError, InvalidValueError: for an unknown delivery, or a speed of 0 or less.
    """
    policy = check_delivery(delivery)
    tables_module("pyarrow")
    return Replay(lambda _: _events(path, kind, policy), False, True, policy, check_speed(speed))


def _events(path: str, kind: Any, delivery: Delivery) -> Chunks:
    waits = delivery is Delivery.EACH
    return side_by_side(_with_waits(_chunks(path, kind)) if waits else _chunks_alone(path, kind))


def _chunks_alone(path: str, kind: Any) -> Iterator[_Chunk]:
    for times, _, values in _chunks(path, kind):
        yield times, values


def _with_waits(
    chunks: Iterator[_Rows],
) -> Iterator[_Chunk]:
    last, following = None, 0
    for times, cycles, values in chunks:
        if cycles is None:
            yield times, values
            continue
        if not any(cycles):
            last, following = times[-1], 1
            yield times, values
            continue
        all_times: list[int] = []
        all_values: list[Any] = []
        for time, cycle, value in zip(times, cycles, values, strict=True):
            if time != last:
                last, following = time, 0
            missing = cycle - following
            if missing > 0:
                all_times += [time] * missing
                all_values += [WAIT] * missing
            all_times.append(time)
            all_values.append(value)
            following = cycle + 1
        yield all_times, all_values


def _chunks(path: str, kind: Any) -> Iterator[_Rows]:
    """Yield times, cycles (`None` if the file is not a recording) and values."""
    arrow = tables_module("pyarrow")
    decode: Decode | None = None
    checked = False
    for batch in _batches(path):
        names = batch.schema.names
        is_recording = MARK.items() <= (batch.schema.metadata or {}).items()
        if "time" not in names:
            raise RunError(f"{path} has no column `time`; its columns are {', '.join(names)}")
        if "value" in names:
            column = batch.column("value")
        else:
            others = [name for name in names if name != "time"]
            column = arrow.StructArray.from_arrays([batch.column(n) for n in others], others)
        if not checked:
            decode, checked = decoder(kind, column.type), True
        if not batch.num_rows:
            continue
        values = column.to_pylist()
        if decode is not None:
            values = [decode(value) for value in values]
        cycles = batch.column("cycle").to_pylist() if is_recording else None
        yield _nanoseconds(path, batch.column("time")), cycles, values


def _nanoseconds(path: str, column: Any) -> list[int]:
    arrow, types = tables_module("pyarrow"), tables_module("pyarrow.types")
    if column.null_count:
        raise RunError(f"{path} has rows without a time")
    if types.is_timestamp(column.type):
        column = column.cast(arrow.timestamp("ns", tz=column.type.tz)).cast(arrow.int64())
    elif not types.is_integer(column.type):
        raise RunError(
            f"{path} has times of type {column.type}; they must be timestamps or whole nanoseconds"
        )
    times: list[int] = column.to_pylist()
    return times


def _batches(path: str) -> Iterator[Any]:
    """Yield the record batches of a file; of an Arrow stream, the complete ones."""
    arrow, ipc = tables_module("pyarrow"), tables_module("pyarrow.ipc")
    parquet = tables_module("pyarrow.parquet")
    with ExitStack() as opened:
        try:
            file = opened.enter_context(open(path, "rb"))
        except OSError as error:
            raise RunError(f"cannot read {path}: {error.strerror}") from None
        if file.read(len(_MAGIC)) == _MAGIC:
            file.seek(0)
            try:
                whole = opened.enter_context(parquet.ParquetFile(file))
            except arrow.ArrowInvalid as error:
                raise RunError(f"{path} is not a complete Parquet file: {error}") from None
            yield from whole.iter_batches(_BATCH_ROWS)
            return
        file.seek(0)
        try:
            stream = opened.enter_context(ipc.open_stream(file))
        except arrow.ArrowInvalid:
            if os.path.getsize(path):
                raise RunError(f"{path} is neither a Parquet file nor an Arrow stream") from None
            raise RunError(f"{path} is empty") from None
        while True:
            try:
                batch = stream.read_next_batch()
            except StopIteration:
                return
            except (arrow.ArrowInvalid, OSError):  # its process ended while it wrote this batch
                _logger.warning(
                    "%s ends in the middle of a batch; the complete batches are read", path
                )
                return
            yield batch
