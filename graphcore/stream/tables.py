"""The functions that make streams of tables: of a data frame, of Parquet and of CSV files."""

import os
from math import inf
from operator import itemgetter
from typing import Any, Literal, Never, TypeVar, overload

from graphcore.collected import Frame
from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.node import Active, node_of
from graphcore.operators.single import Filter
from graphcore.operators.sinks import CollectRows
from graphcore.stream.keyed import Keyed
from graphcore.stream.stream import Stream
from graphcore.tables.read.playback import (
    is_value,
    make_from_table,
    make_read_csv,
    make_read_parquet,
)
from graphcore.tables.read.rows import Wanted
from graphcore.tables.writing import path_of

T = TypeVar("T")

_DeliveryName = Literal["each", "burst", "latest"]
_Path = str | os.PathLike[str]


@overload
def from_table(
    table: Any,
    time: str = "time",
    value: str | None = None,
    *,
    kind: type[T],
    by: None = None,
    delivery: Literal["each", "latest"] = "each",
    speed: float = inf,
) -> Stream[T]: ...
@overload
def from_table(
    table: Any,
    time: str = "time",
    value: str | None = None,
    *,
    kind: type[T],
    by: str,
    speed: float = inf,
) -> Keyed[Any, T]: ...
@overload
def from_table(
    table: Any,
    time: str = "time",
    value: str | None = None,
    *,
    kind: Any = Any,
    by: str,
    speed: float = inf,
) -> Keyed[Any, Any]: ...
@overload
def from_table(
    table: Any,
    time: str = "time",
    value: str | None = None,
    *,
    kind: Any = Any,
    by: None = None,
    delivery: _DeliveryName = "each",
    speed: float = inf,
) -> Stream[Any]: ...
def from_table(
    table: Any,
    time: str = "time",
    value: str | None = None,
    *,
    kind: Any = Any,
    by: str | None = None,
    delivery: _DeliveryName = "each",
    speed: float = inf,
) -> Any:
    """Tick with the rows of a table at their times.

    ::

        column time                      10ns          20ns
        column bid                       1             2
        from_table(table)                {"bid": 1}    {"bid": 2}
        from_table(table, value="bid")   1             2
        from_table(table, kind=Quote)    Quote(bid=1)  Quote(bid=2)

    Args:
        table: anything with Arrow's C stream interface: frames of pandas and polars, tables of
            pyarrow, results of DuckDB, and others. A reader of batches serves one run.
        time: the column of the times: timestamps (those without a zone are UTC), dates (their
            midnight, UTC), ISO-8601 text or whole nanoseconds. They must not go back.
        value: the column of the values. Without it the values are the rows, as dicts of all columns
            but `time`; of a table with the one other column ``value``, they are its values.
        kind: the type of the values. A class with fields (a dataclass, a named tuple, a msgspec
            Struct) takes from each row the columns with the names of its fields.
        by: a column of keys, such as ``"symbol"``: the result is then a stream for each key.
        delivery: what happens to rows of one time, as for `replay`.
        speed: how many times faster than its times a real-time run goes, as for `replay`.

    Returns:
        The stream; with `by`, a `Keyed`.

    Raises:
        RunError: if pyarrow, of the `tables` extra, is not installed; for a column that is missing.
        InvalidTypeError: for anything but a table, and a column that cannot hold such values.
        InvalidValueError: in the run, for a row without a time or whose time goes back.

    >>> import pandas as pd
    >>> trades = pd.DataFrame({"at": pd.to_datetime([1, 2]), "price": [4.5, 5.0], "size": [2, 3]})
    >>> out = from_table(trades, time="at").collect()
    >>> _ = out.run()
    >>> list(out)
    [(1, {'price': 4.5, 'size': 2}), (2, {'price': 5.0, 'size': 3})]
    """
    source = make_from_table(table, Wanted(time, value, kind, by), delivery, speed)
    return _by_key(Stream(source), by)


@overload
def read_parquet(
    path: _Path,
    time: str = "time",
    value: str | None = None,
    *,
    kind: type[T],
    by: None = None,
    delivery: Literal["each", "latest"] = "each",
    speed: float = inf,
) -> Stream[T]: ...
@overload
def read_parquet(
    path: _Path,
    time: str = "time",
    value: str | None = None,
    *,
    kind: type[T],
    by: str,
    speed: float = inf,
) -> Keyed[Any, T]: ...
@overload
def read_parquet(
    path: _Path,
    time: str = "time",
    value: str | None = None,
    *,
    kind: Any = Any,
    by: str,
    speed: float = inf,
) -> Keyed[Any, Any]: ...
@overload
def read_parquet(
    path: _Path,
    time: str = "time",
    value: str | None = None,
    *,
    kind: Any = Any,
    by: None = None,
    delivery: _DeliveryName = "each",
    speed: float = inf,
) -> Stream[Any]: ...
def read_parquet(
    path: _Path,
    time: str = "time",
    value: str | None = None,
    *,
    kind: Any = Any,
    by: str | None = None,
    delivery: _DeliveryName = "each",
    speed: float = inf,
) -> Any:
    """Tick with the rows of Parquet files at their times, read in small pieces.

    Several files are merged by time; rows of one time come in the order of the files. A file is
    opened when its first row is due, so a folder may be far larger than the memory. What
    `Stream.record` wrote ticks in a historical run in the same cycles again. Folders such as
    ``symbol=A`` give the rows of their files a column, here ``symbol``: of whole numbers or of
    dates if the names of all its folders are, else of text, or of the type that `kind` wants.

    ::

        time                         10ns  20ns  30ns
        value in a.parquet           1           3
        value in b.parquet                 2
        read_parquet("*.parquet")    1     2     3

    Args:
        path: a Parquet file; a folder, of which all files ``*.parquet`` are read, also in folders
            of it; or a pattern, such as ``"quotes/2026-*.parquet"``. Files are in order of their
            names. A single file may also be an Arrow stream, such as the ``.partial`` that a killed
            run left.
        time: the column of the times, as for `from_table`; in each file they must not go back.
        value: the column of the values; without it the values are the rows, as for `from_table`.
        kind: the type of the values, as for `from_table`; without it records become dicts.
        by: a column of keys: the result is then a stream for each key.
        delivery: what happens to values at one time, as for `replay`. With ``"each"`` each value of
            a single recording ticks in the cycle in which it was recorded; the others ignore those
            cycles.
        speed: how many times faster than its times a real-time run goes, as for `replay`.

    Returns:
        The stream; with `by`, a `Keyed`.

    Raises:
        RunError: at wiring if pyarrow, of the `tables` extra, is not installed; in the run for a
            file that cannot be read or lacks a column, and for files whose folders give different
            columns.
        InvalidTypeError: in the run, for a column that cannot hold values of that type.
        InvalidValueError: in the run, for a row without a time, whose time goes back, or that
            disagrees with its folder.
    """
    wanted = Wanted(time, value, kind, by)
    source = make_read_parquet(path_of(path), wanted, delivery, speed)
    if delivery != "each":
        return Stream(source)
    return _by_key(Stream(Filter(source, is_value, True)), by)


@overload
def read_csv(
    path: _Path,
    time: str = "time",
    value: str | None = None,
    *,
    kind: type[T],
    by: None = None,
    delimiter: str = ",",
    delivery: Literal["each", "latest"] = "each",
    speed: float = inf,
) -> Stream[T]: ...
@overload
def read_csv(
    path: _Path,
    time: str = "time",
    value: str | None = None,
    *,
    kind: type[T],
    by: str,
    delimiter: str = ",",
    speed: float = inf,
) -> Keyed[Any, T]: ...
@overload
def read_csv(
    path: _Path,
    time: str = "time",
    value: str | None = None,
    *,
    kind: Any = Any,
    by: str,
    delimiter: str = ",",
    speed: float = inf,
) -> Keyed[Any, Any]: ...
@overload
def read_csv(
    path: _Path,
    time: str = "time",
    value: str | None = None,
    *,
    kind: Any = Any,
    by: None = None,
    delimiter: str = ",",
    delivery: _DeliveryName = "each",
    speed: float = inf,
) -> Stream[Any]: ...
def read_csv(
    path: _Path,
    time: str = "time",
    value: str | None = None,
    *,
    kind: Any = Any,
    by: str | None = None,
    delimiter: str = ",",
    delivery: _DeliveryName = "each",
    speed: float = inf,
) -> Any:
    """Tick with the rows of CSV files at their times, read in small pieces.

    The first line names the columns. Their types are those of `kind`; without it, those that the
    first megabyte shows. An empty field is `None`, or an empty text in a column of text. Folders
    such as ``symbol=A`` give a column, as for `read_parquet`.

    ::

        column time                            10ns  20ns
        column bid                             1.5   2.5
        read_csv("quotes.csv", value="bid")    1.5   2.5

    Args:
        path: a file; a folder, of which all files ``*.csv`` are read; or a pattern. Several files
            are merged by time, as for `read_parquet`.
        time: the column of the times, as for `from_table`; in each file they must not go back.
        value: the column of the values; without it the values are the rows, as for `from_table`.
        kind: the type of the values, as for `from_table`.
        by: a column of keys: the result is then a stream for each key.
        delimiter: the character between two fields.
        delivery: what happens to rows of one time, as for `replay`.
        speed: how many times faster than its times a real-time run goes, as for `replay`.

    Returns:
        The stream; with `by`, a `Keyed`.

    Raises:
        RunError: at wiring if pyarrow, of the `tables` extra, is not installed; in the run for a
            file that cannot be read or lacks a column, or a field that is not of its column's type;
            the message gives the file, the line and the column.
        InvalidTypeError: in the run, for a column that cannot hold values of that type.
        InvalidValueError: in the run, for a row without a time or whose time goes back.
    """
    wanted = Wanted(time, value, kind, by)
    return _by_key(Stream(make_read_csv(path_of(path), wanted, delimiter, delivery, speed)), by)


@overload
def replay_parquet(
    file: _Path, kind: type[T], *, delivery: Literal["each", "latest"] = "each", speed: float = inf
) -> Stream[T]: ...
@overload
def replay_parquet(
    file: _Path, kind: type[T], *, delivery: Literal["burst"], speed: float = inf
) -> Stream[list[T]]: ...
@overload
def replay_parquet(
    file: _Path, kind: Any = Any, *, delivery: _DeliveryName = "each", speed: float = inf
) -> Stream[Any]: ...
def replay_parquet(
    file: _Path, kind: Any = Any, *, delivery: _DeliveryName = "each", speed: float = inf
) -> Stream[Any]:
    """Tick with the values that `Stream.record` wrote: `read_parquet` of a recording.

    ::

        time                    10ns  20ns
        self                    a     b, then c
        record(file)
        replay_parquet(file)    a     b, then c

    Args:
        file: the path of the recording, or of the ``.partial`` that a killed run left.
        kind: the type of the values; without it records become dicts.
        delivery: what happens to values at one time, as for `read_parquet`.
        speed: how many times faster than recorded a real-time run goes, as for `replay`.

    Raises:
        RunError, InvalidTypeError, InvalidValueError: as `read_parquet`.
    """
    return read_parquet(file, kind=kind, delivery=delivery, speed=speed)


def frame(
    *unnamed: Never,
    fill: Literal["last"] | None = None,
    on: Active[Any] | None = None,
    **streams: Active[Any],
) -> Frame:
    """Return a sink that each run empties and fills with rows of the values of several streams.

    A row is added in each cycle in which any of the streams ticks.

    ::

        time                                1s       2s        3s      4s
        a                                   a1                 a3
        b                                            b2        b3
        s                                                              s4
        rows of frame(a=a, b=b)             a1 None  None b2   a3 b3
        rows of frame(…, fill="last")       a1 None  a1 b2     a3 b3
        rows of frame(…, fill="last", on=s)                            a3 b3

    Args:
        fill: what a row has of a stream that did not tick in its cycle: by default `None`; with
            ``"last"`` its present value, or `None` before it has one.
        on: the stream at whose ticks a row is added, in place of those of the streams.
        unnamed: nothing: each stream needs the name of its column.
        streams: for each column, the stream.

    Raises:
        InvalidTypeError: without streams, for a stream without a name, or for a column named
            ``time``, which is the column of the engine times.

    >>> import graphcore as gc
    >>> bid = gc.replay([1, 2], [99.0, 99.5])
    >>> ask = gc.replay([2, 3], [101.0, 100.5])
    >>> out = gc.frame(bid=bid, ask=ask, fill="last")
    >>> _ = out.run()
    >>> out.times, out.columns
    ([1, 2, 3], {'bid': [99.0, 99.5, 99.5], 'ask': [None, 101.0, 100.5]})
    """
    if unnamed:
        raise InvalidTypeError(
            f"name the columns of frame, as in frame(a=a, b=b): {len(unnamed)} of its arguments "
            f"{'has' if len(unnamed) == 1 else 'have'} no name"
        )
    if not streams or "time" in streams:
        raise InvalidTypeError(
            "frame needs streams, each with the name of its column, as in frame(bid=a); the column "
            "`time` has the engine times"
        )
    if fill not in ("last", None):
        raise InvalidValueError(f'fill is "last" or None, not {fill!r}')
    sources: list[Active[Any]] = [
        node_of(each, f"{name} of frame") for name, each in streams.items()
    ]
    triggers: list[Active[Any]] = [] if on is None else [node_of(on, "on of frame")]
    return Frame(CollectRows(sources, triggers, fill == "last"), list(streams))


def _by_key(stream: Stream[Any], by: str | None) -> Any:
    """Return the stream, or the streams by key of one that ticks with (key, value) pairs."""
    if by is None:
        return stream
    return stream.group_by(itemgetter(0), lambda own, key: own.map(itemgetter(1)))
