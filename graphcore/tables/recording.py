"""The sinks that write files: `record`, `write_parquet`, `write_csv` and `write_ipc`."""

import os
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from graphcore.declare import node, state
from graphcore.errors import RunError
from graphcore.node import Active, EffectNode
from graphcore.state import GraphState, RunMode
from graphcore.tables.writing import Layout, TableFile

T = TypeVar("T")

_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@node
class WriteTable(EffectNode[T]):
    """Writes each value, with its engine time, to a file, or to a new file every period.

    Attributes:
        ends: engine time at which the present file is complete.
        flushes_at: engine time at which what a live run has not yet written is written.
    """

    source: Active[T]
    path: str
    layout: Layout
    every: int | None
    file: TableFile | None = state(None)
    ends: int = state(0)
    flushes_at: int = state(0)

    def start(self, state: GraphState) -> None:
        if self.every is None:
            self.file = TableFile(self.path, self.layout)
        elif not os.path.isdir(os.path.dirname(self.path) or "."):
            raise RunError(f"cannot write {self.path}: there is no such folder")

    def cycle(self, state: GraphState) -> bool:
        if self.every is not None and self.file is not None and state.time >= self.ends:
            complete, self.file = self.file, None
            complete.close()
        if not state.ticked(self.source):
            if self.file is not None:
                self.file.flush()
            return False
        if self.file is None and self.every is not None:
            self.file = TableFile(dated(self.path, state.time), self.layout)
            self.ends = state.time - state.time % self.every + self.every
            state.schedule(self.ends, keeps_alive=False)
        assert self.file is not None
        self.value = self.source.value
        self.file.add(state.time, state.cycle_at_time, self.value)
        if state.run_mode is RunMode.REALTIME and state.time >= self.flushes_at:
            self.flushes_at = state.time + _SECOND
            state.schedule(self.flushes_at, keeps_alive=False)
        return True

    def stop(self, state: GraphState) -> None:
        if self.file is not None:
            self.file.close()


class Record(WriteTable[T]):
    """Writes each value, with its engine time and cycle, to a file."""


def dated(path: str, time: int) -> str:
    """Return a path with an engine time before the ending of the file's name.

    >>> dated("trades.parquet", 1_769_851_800_000_000_001)
    'trades-20260131T093000.000000001Z.parquet'
    """
    stem, ending = os.path.splitext(path)
    seconds, nanoseconds = divmod(time, _SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{stem}-{moment:%Y%m%dT%H%M%S}.{nanoseconds:09}Z{ending}"
