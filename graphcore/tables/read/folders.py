"""Columns that the names of folders give: rows of files in `symbol=A` have `symbol`, as in Hive.

The values of a column are whole numbers if the names of all folders are, dates if all are, else
text; or the type that the reader asks for. A file may have the column too: then the column's type
counts, and each row must agree with its folder.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any
from urllib.parse import unquote

from graphcore.errors import InvalidValueError, RunError
from graphcore.tables.columns import column_of
from graphcore.tables.libraries import tables_module
from graphcore.tables.read.files import OpenTable, Table
from graphcore.tables.read.rows import Wanted

# Hive's own name for a missing value.
_MISSING = "__HIVE_DEFAULT_PARTITION__"


def in_folders(paths: Sequence[str], wanted: Wanted, open_file: OpenTable) -> OpenTable:
    """Return the function that opens these files with the columns that their folders give.

    Args:
        paths: the paths of all files.
        wanted: what is wanted of their rows.
        open_file: opens a file.

    Raises:
        RunError: if the files do not all have the same columns of folders.
    """
    given = {path: folders_of(path) for path in paths}
    first, *others = paths
    for path in others:
        if given[path].keys() != given[first].keys():
            raise RunError(
                f"the folders of {first} give {_listed(given[first])}, and those of {path} give "
                f"{_listed(given[path])}: all files need folders of the same names"
            )
    if not given[first]:
        return open_file
    kinds = wanted.kinds(list(given[first]))
    types = {
        name: column_of(kinds[name]).arrow()
        if name in kinds
        else _type_of([given[path][name] for path in paths])
        for name in given[first]
    }

    @contextmanager
    def opened(path: str) -> Iterator[Table]:
        with open_file(path) as table:
            yield _with_folders(path, table, given[path], types)

    return opened


def folders_of(path: str) -> dict[str, str | None]:
    """Return the columns that the folders of a file give, with the text of their values.

    Raises:
        RunError: if two folders give the same column.

    >>> folders_of("trades/symbol=A%2FB/day=2026-01-30/0.parquet")
    {'symbol': 'A/B', 'day': '2026-01-30'}
    """
    columns: dict[str, str | None] = {}
    for folder in os.path.dirname(path).split(os.sep):
        name, sign, text = folder.partition("=")
        if name and sign:
            name = unquote(name)
            if name in columns:
                raise RunError(f"two folders of {path} give the column `{name}`")
            columns[name] = None if text == _MISSING else unquote(text)
    return columns


def _listed(columns: Mapping[str, str | None]) -> str:
    return ", ".join(f"`{name}`" for name in columns) if columns else "no column"


def _type_of(texts: Sequence[str | None]) -> Any:
    """Return the Arrow type for the values of a column."""
    arrow = tables_module("pyarrow")
    given = {text for text in texts if text is not None}
    if given and all(map(_is_number, given)):
        return arrow.int64()
    return arrow.date32() if given and all(map(_is_date, given)) else arrow.string()


def _is_number(text: str) -> bool:
    # A code such as 000001 is text: as a number it would lose its zeros.
    digits = text.removeprefix("-")
    return digits.isdecimal() and text.isascii() and str(int(text)) == text and len(digits) < 19


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _with_folders(
    path: str, table: Table, given: Mapping[str, str | None], types: Mapping[str, Any]
) -> Table:
    """Return a table with the columns that the folders of its file give."""
    arrow = tables_module("pyarrow")
    own = [name for name in table.schema.names if name in given]
    schema, values = table.schema, {}
    for name, text in given.items():
        if name not in own:
            schema = schema.append(arrow.field(name, types[name]))
        type_ = _plain(schema.field(schema.names.index(name)).type)
        try:
            values[name] = arrow.scalar(text, arrow.string()).cast(type_)
        except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError):
            raise InvalidValueError(
                f"{path}: the folder {name}={text} gives no value of {type_}"
            ) from None

    def batches(columns: Sequence[str]) -> Iterator[Any]:
        added = [name for name in columns if name in given and name not in own]
        row = 0
        for batch in table.batches([name for name in columns if name not in added]):
            good, wrong = min(
                ((_agreeing(batch, name, values[name]), name) for name in own if name in columns),
                default=(batch.num_rows, ""),
            )
            whole = batch.slice(0, good)
            for name in added:
                whole = whole.append_column(name, arrow.repeat(values[name], good))
            yield whole
            if good < batch.num_rows:
                found = batch.column(wrong)[good].as_py()
                raise InvalidValueError(
                    f"{path}, row {row + good}, column `{wrong}`: {found!r} is not the value of "
                    f"its folder {wrong}={given[wrong]}"
                )
            row += good

    return Table(schema, batches)


def _plain(type_: Any) -> Any:
    """Return the type of the values of a column, which may be of categories."""
    return type_.value_type if tables_module("pyarrow.types").is_dictionary(type_) else type_


def _agreeing(batch: Any, name: str, value: Any) -> int:
    """Return how many rows of a batch, from the first, have this value in a column."""
    compute = tables_module("pyarrow.compute")
    column = batch.column(name)
    if value.is_valid:
        differs = compute.fill_null(compute.not_equal(column, value), True)
    else:
        differs = compute.is_valid(column)
    first: int = compute.index(differs, True).as_py()
    return batch.num_rows if first < 0 else first
