"""Tables in CSV files: the types of their columns, and batches read one by one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

from graphcore.errors import InvalidValueError, RunError
from graphcore.tables.columns import column_of
from graphcore.tables.durations import are_durations, are_finer, to_unit
from graphcore.tables.libraries import tables_module
from graphcore.tables.read.files import OpenTable, Table, opened_file
from graphcore.tables.read.rows import Wanted

_ERROR = re.compile(r"(?:In CSV column #(\d+): )?(?:CSV parse error: )?(?:Row #(\d+): )?(.*)")
# Those of pyarrow but the forms of NaN, which is a number.
_MISSING = ["", "#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "NA", "NULL", "n/a", "null"]
# pyarrow reads up to 32 blocks ahead; its own of 1 MB would take more memory than all else.
_BLOCK = 1 << 18
_LOOK = 1 << 20  # bytes that show the types of the columns


def opens_csv(wanted: Wanted, delimiter: str) -> OpenTable:
    """Return the function that opens CSV files, whose columns get the types that are wanted."""

    @contextmanager
    def opened_csv(path: str) -> Iterator[Table]:
        arrow, csv = tables_module("pyarrow"), tables_module("pyarrow.csv")
        looking = csv.ReadOptions(use_threads=False, block_size=_LOOK)
        reading = csv.ReadOptions(use_threads=False, block_size=_BLOCK)
        parsing = csv.ParseOptions(delimiter=delimiter)
        with ExitStack() as stack:
            file = stack.enter_context(opened_file(path))
            missing = csv.ConvertOptions(null_values=_MISSING)
            names: list[str] = []

            def named(error: Exception) -> RunError:
                return RunError(_named(path, names, str(error)))

            try:
                # A reader reads ahead in a thread, so the one that looks does not get the file.
                beginning = arrow.BufferReader(file.read(2 * _LOOK))
                file.seek(0)
                reader = csv.open_csv(beginning, looking, parsing, missing)
                found = reader.schema
                names += found.names
                durations = _durations(reader, wanted)
            except arrow.ArrowException as error:
                raise named(error) from None
            types = {**_types(found, wanted), **dict.fromkeys(durations, arrow.string())}
            fields = [field.with_type(types[field.name]) for field in found]
            fields = [f.with_type(durations.get(f.name, f.type)) for f in fields]

            def batches(columns: Sequence[str]) -> Iterator[Any]:
                converting = csv.ConvertOptions(
                    column_types=types, include_columns=columns, null_values=_MISSING
                )
                row = 0
                try:
                    for batch in csv.open_csv(file, reading, parsing, converting):
                        yield from _with_durations(batch, durations, path, row)
                        row += batch.num_rows
                except arrow.ArrowException as error:
                    raise named(error) from None

            yield Table(arrow.schema(fields), batches)

    return opened_csv


def _types(found: Any, wanted: Wanted) -> dict[str, Any]:
    """Return the types of all columns: those that were found, or that are wanted."""
    arrow, types = tables_module("pyarrow"), tables_module("pyarrow.types")
    result = {field.name: field.type for field in found}
    kinds = wanted.kinds(found.names)
    for name, type_ in result.items():
        if types.is_timestamp(type_):  # the first rows may have whole seconds, and later ones not
            result[name] = arrow.timestamp("ns", type_.tz)
        elif name in kinds:
            result[name] = column_of(kinds[name]).arrow()
    return result


def _durations(reader: Any, wanted: Wanted) -> dict[str, Any]:
    """Return the types of the columns of durations, which pyarrow reads as text."""
    arrow, types = tables_module("pyarrow"), tables_module("pyarrow.types")
    kinds = wanted.kinds(reader.schema.names)
    result = {name: arrow.duration("us") for name, kind in kinds.items() if kind is timedelta}
    texts = [
        field.name
        for field in reader.schema
        if types.is_string(field.type) and kinds.get(field.name, int) is int
    ]
    if not texts:
        return result
    first = next(iter(reader), None)
    for name in texts:
        found = [] if first is None else first.column(name).to_pylist()
        shown = [text for text in found if text not in _MISSING]
        if are_durations(shown):
            finer = name in kinds or are_finer(shown)  # `int` stands for nanoseconds
            result[name] = arrow.duration("ns" if finer else "us")
    return result


def _with_durations(batch: Any, durations: Mapping[str, Any], path: str, row: int) -> Iterator[Any]:
    """Yield a batch, whose first row is `row`, with durations in place of their text.

    Raises:
        InvalidValueError: for text that is no duration, after the rows before it.
    """
    arrow = tables_module("pyarrow")
    wrong: InvalidValueError | None = None
    for number, name in enumerate(batch.schema.names):
        if name not in durations:
            continue
        type_, lengths = durations[name], []
        for place, text in enumerate(batch.column(number).to_pylist()):
            try:
                lengths.append(None if text in _MISSING else to_unit(text, type_.unit))
            except InvalidValueError as error:
                wrong = InvalidValueError(f"{path}, row {row + place}, column `{name}`: {error}")
                batch = batch.slice(0, place)
                break
        batch = batch.set_column(number, name, arrow.array(lengths, type_))
    if batch.num_rows:
        yield batch
    if wrong is not None:
        raise wrong


def _named(path: str, names: Sequence[str], text: str) -> str:
    """Return the text of an error of pyarrow with the path, the line and the name of the column."""
    match = _ERROR.fullmatch(text)
    if match is None or match[2] is None:
        return f"cannot read {path}: {text}"
    column = f", column `{names[int(match[1])]}`" if match[1] else ""
    hint = "; kind= gives the types of the columns" if column else ""
    return f"{path}, line {match[2]}{column}: {match[3]}{hint}"
