"""The methods of `Stream` that hand values to the outside world."""

import logging
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from graphcore.collected import Collected
from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.operators import sinks
from graphcore.operators.asynchronous import ConsumeAsync
from graphcore.operators.single import Filter
from graphcore.stream.families.arguments import async_function_of, effect_of, label_prefix, whole
from graphcore.stream.families.base import StreamBase
from graphcore.tables.columns import column_of
from graphcore.tables.comparing import Compare, Difference, sameness
from graphcore.tables.libraries import tables_module
from graphcore.tables.read.playback import is_value, make_recorded
from graphcore.tables.recording import Record, WriteTable
from graphcore.tables.writing import CSV, IPC, PARQUET, Format, Layout, path_of
from graphcore.time import Duration, to_period

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
U = TypeVar("U")


class SinkOperators(StreamBase[T]):
    """Sinks; each ticks with the value, so that a chain can go on."""

    __slots__ = ()

    def for_each(self, function: Callable[[T], object]) -> "Stream[T]":
        """Call a function with each value; tick with the value.

        ::

            self           a           b
            for_each(f)    f(a), a     f(b), b
        """
        return self._stream(sinks.ForEach(self, effect_of(function)))

    def inspect(self, function: Callable[[T], object]) -> "Stream[T]":
        """Call a function with each value; tick with the value.

        The same as `for_each`: a name for the middle of a chain.

        ::

            self                   1            2
            inspect(f).map(str)    f(1), "1"    f(2), "2"
        """
        return self.for_each(function)

    def print(self, label: str = "") -> "Stream[T]":
        """Write the engine time and the value to standard output; tick with the value.

        ::

            self          1                                   2
            print("n")    1970-01-01T00:00:00.000000000Z n 1  1970-01-01T00:00:01.000000000Z n 2
        """
        return self._stream(sinks.Print(self, label_prefix(label)))

    def log(self, label: str = "", level: int = logging.INFO) -> "Stream[T]":
        """Log each value to the logger `graphcore.operators.sinks`; tick with the value.

        ::

            self        1                2
            log("n")    INFO ... n 1     INFO ... n 2
        """
        return self._stream(sinks.Log(self, label_prefix(label), whole(level, "level")))

    def collect(self) -> Collected[T]:
        """Return a sink that each run empties and fills with times and values.

        ::

            time         1ns         2ns
            self         a           b
            list(out)    [(1, a)]    [(1, a), (2, b)]
        """
        return Collected(sinks.Collect(self))

    def accumulate(self) -> "Stream[list[T]]":
        """Tick with the list of all values so far; it is the same list each time, and grows.

        ::

            self            a    b       c
            accumulate()    [a]  [a, b]  [a, b, c]
        """
        return self._stream(sinks.Accumulate(self))

    def record(self, file: "str | os.PathLike[str]", kind: Any = Any) -> "Stream[T]":
        """Write each value to a Parquet file, which `replay_parquet` reads; tick with the value.

        The columns are `time` (timestamp in ns, UTC), `cycle` (the number of the cycle among the
        cycles at that time, from 0) and `value`. During the run the values are in an Arrow stream,
        ``FILE.partial``, which `replay_parquet` can read as well. When the run stops, the Parquet
        file is made; it replaces an existing one.

        ::

            time                        1ns      1ns      2ns
            self                        a        b        c
            rows: time, cycle, value    1, 0, a  1, 1, b  2, 0, c

        Args:
            file: the path. If the process is killed, ``FILE.partial`` holds all ticks but those of
                the last second, and a new run is refused as long as that file exists.
            kind: the type of the values, such as ``float``, ``dict[str, float]`` or a class of
                records; by default the type of the first value.

        Raises:
            RunError: at wiring if pyarrow, of the `tables` extra, is not installed; in `start` if
                the file cannot be written.
            InvalidTypeError: at wiring for a type that no column can hold, in `cycle` for a value
                that does not fit the column.
        """
        tables_module("pyarrow")
        column_of(kind)
        layout = Layout("record", PARQUET, kind, recording=True)
        return self._stream(Record(self, path_of(file), layout, None))

    def compare(
        self, recording: "str | os.PathLike[str]", *, tolerance: float = 0.0
    ) -> "Stream[Difference]":
        """Tick where this stream differs from a recording of it; historical runs only.

        The values of one time are compared in the cycles in which they tick and were recorded. A
        `Difference` has `time`, `kind` (``"changed"``, ``"missing"`` or ``"added"``), `expected`
        and `actual`. Records are compared field by field, and NaN equals NaN.

        ::

            time                        1s   2s                3s           4s
            values in the recording     a    b                 c
            self                        a    x                              d
            compare(recording)               changed: b, x     missing: c   added: d

        Args:
            recording: the path of a file that `record` wrote, or of another Parquet file.
            tolerance: how much numbers may differ, relative to the greater of the two.

        Raises:
            RunError: at wiring if pyarrow, of the `tables` extra, is not installed; in the run for
                a file that cannot be read, and in `start` of a real-time run.
            InvalidTypeError, InvalidValueError: for a tolerance that is no number, or below 0.
        """
        if isinstance(tolerance, bool) or not isinstance(tolerance, int | float):
            raise InvalidTypeError(f"tolerance must be a number, not {tolerance!r}")
        if not tolerance >= 0:
            raise InvalidValueError(f"tolerance must be at least 0, not {tolerance!r}")
        recorded = Filter(make_recorded(path_of(recording)), is_value, True)
        return self._stream(Compare(self, recorded, sameness(tolerance)))

    def write_parquet(
        self,
        file: "str | os.PathLike[str]",
        kind: Any = Any,
        *,
        time: str = "time",
        every: Duration | None = None,
    ) -> "Stream[T]":
        """Write each value to a Parquet file as a row of a table; tick with the value.

        The columns are `time` (timestamp in ns, UTC) and one for each field of the values; values
        that are no records are in a column `value`. During the run the rows are in an Arrow stream,
        ``FILE.partial``, which `read_parquet` reads as well, written every 1,024 rows and, in a
        live run, every second. When the run stops, also by an error or Ctrl-C, the Parquet file is
        made; it replaces an existing one.

        ::

            self                         Quote(1, 2)   Quote(3, 4)
            write_parquet("q.parquet")   Quote(1, 2)   Quote(3, 4)
            time in the file             10ns          20ns
            bid in the file              1             3
            ask in the file              2             4

        Args:
            file: the path. If the process is killed, ``FILE.partial`` holds what was written, and a
                new run is refused as long as that file exists.
            kind: the type of the values, such as a class of records; by default that of the first
                value.
            time: the name of the column of engine times.
            every: a period, such as ``"1h"``: a new file begins at each multiple of it since the
                epoch, in which a value comes, and the one before is complete. Before its ending the
                name of each has the time of its first row, as in
                ``q-20260131T093000.000000000Z.parquet``.

        Raises:
            RunError: at wiring if pyarrow, of the `tables` extra, is not installed; in the run if a
                file cannot be written.
            InvalidTypeError: at wiring for a type that no column can hold, or with a field of the
                name of the column of times; in `cycle` for such a value, or one that does not fit
                its column.
        """
        return self._write("write_parquet", PARQUET, file, kind, time, every)

    def write_csv(
        self,
        file: "str | os.PathLike[str]",
        kind: Any = Any,
        *,
        time: str = "time",
        every: Duration | None = None,
    ) -> "Stream[T]":
        """Write each value to a CSV file as a row of a table; tick with the value.

        The columns and ``FILE.partial`` are those of `write_parquet`; the partial file is CSV too.
        `None` is an empty field.

        ::

            self                    Quote(1, 2)   Quote(3, 4)
            write_csv("q.csv")      Quote(1, 2)   Quote(3, 4)
            bid in the file         1             3
            ask in the file         2             4

        Args:
            file: the path, as for `write_parquet`.
            kind: the type of the values; by default that of the first value.
            time: the name of the column of engine times.
            every: a period after which a new file begins, as for `write_parquet`.

        Raises:
            RunError, InvalidTypeError: as `write_parquet`; the latter also for lists and for
                records in records.
        """
        return self._write("write_csv", CSV, file, kind, time, every)

    def write_ipc(
        self,
        file: "str | os.PathLike[str]",
        kind: Any = Any,
        *,
        time: str = "time",
        every: Duration | None = None,
    ) -> "Stream[T]":
        """Write each value to an Arrow stream as a row of a table; tick with the value.

        The columns and ``FILE.partial`` are those of `write_parquet`; at the end the partial file
        gets the name of the file. `read_parquet` reads both.

        ::

            self                      Quote(1, 2)   Quote(3, 4)
            write_ipc("q.arrows")     Quote(1, 2)   Quote(3, 4)
            bid in the file           1             3
            ask in the file           2             4

        Args:
            file: the path, as for `write_parquet`.
            kind: the type of the values; by default that of the first value.
            time: the name of the column of engine times.
            every: a period after which a new file begins, as for `write_parquet`.

        Raises:
            RunError, InvalidTypeError: as `write_parquet`.
        """
        return self._write("write_ipc", IPC, file, kind, time, every)

    def _write(
        self,
        operator: str,
        format_: Format,
        file: "str | os.PathLike[str]",
        kind: Any,
        time: str,
        every: Duration | None,
    ) -> "Stream[T]":
        tables_module("pyarrow")
        if not isinstance(time, str):
            raise InvalidTypeError(f"time must be the name of a column, not {time!r}")
        layout = Layout(operator, format_, kind, time)
        layout.check(column_of(kind).arrow())
        period = None if every is None else to_period(every)
        return self._stream(WriteTable(self, path_of(file), layout, period))

    def consume_async(
        self,
        function: Callable[[T], Awaitable[U]],
        *,
        concurrency: int = 10,
        ordered: bool = True,
        capacity: int = 1_000,
        on_end: Literal["wait", "cancel"] = "wait",
    ) -> "Stream[U]":
        """Await ``function(value)`` for each value; tick with the results, one a cycle.

        The function runs in the run's event loop: that of `run_async`, else one in a thread of the
        run's own. As long as calls are in flight, the run does not end for want of sources.

        ::

            time                    1s    2s    3s    4s
            self                    a     b
            f(a) takes 2 s, f(b) 1 s
            consume_async(f)                    A, B

        Args:
            function: an `async def` of one argument.
            concurrency: how many calls may be in flight at once.
            ordered: whether results tick in the order of the values; else they tick as they come.
            capacity: how many values may wait for a free call; if more come, the graph waits.
            on_end: whether calls in flight are awaited at the end of the run, for up to 5 s, and
                tick in the closing instant, or are cancelled.

        Raises:
            InvalidTypeError, InvalidValueError: at wiring for an argument that is wrong.
            RunError: in `start` of a historical run; in `stop` if a call swallows its cancellation.
            Exception: what a call raises ends the run, in the order of the results.
        """
        if not isinstance(ordered, bool):
            raise InvalidTypeError(f"ordered must be True or False, not {ordered!r}")
        if on_end not in ("wait", "cancel"):
            raise InvalidValueError(f'on_end is "wait" or "cancel", not {on_end!r}')
        return self._stream(
            ConsumeAsync(
                self,
                async_function_of(function),
                whole(concurrency, "concurrency", 1),
                ordered,
                whole(capacity, "capacity", 1),
                on_end == "wait",
            )
        )

    def finally_(self, function: Callable[[T], object]) -> "Stream[T]":
        """Call a function once, when the run stops, with the last value; never if none came.

        ::

            self           a  b  c  the run stops
            finally_(f)    a  b  c  f(c)
        """
        return self._stream(sinks.Finally(self, effect_of(function)))
