"""Arrow arrays of values whose type is not known.

pyarrow infers the type. Its array is accepted if the values come back equal, sequences as lists.
Records and members of an Enum become what `record` writes for them. Everything else is refused.
"""

from array import array
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from itertools import chain
from typing import Any

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.tables.columns import Inferred, field_names
from graphcore.tables.libraries import tables_module
from graphcore.tables.scalars import described, misfit
from graphcore.time import format_time

# pyarrow raises these for values, or subclasses of its own.
_REFUSALS = (TypeError, ValueError, OverflowError, NotImplementedError)
_WITH_PARTS = (list, tuple, dict)


def array_of(values: Sequence[Any]) -> Any:
    """Return an Arrow array of these values.

    Raises:
        InvalidTypeError: if no Arrow array can hold them; the message names one that does not fit.
    """
    if not _are_to_be_written(values):
        return _inferred(values)
    try:
        return _written(values)
    except InvalidTypeError as error:
        try:  # `record` refuses some fields that pyarrow takes: dates, or numbers of two types
            return _inferred([_unfolded(value) for value in values])
        except InvalidTypeError:
            raise error from None


def array_of_numbers(parts: Sequence[Sequence[Any]]) -> Any:
    """Return a column of parts that are arrays of one type; `None` for other parts."""
    codes = {part.typecode if isinstance(part, array) else "" for part in parts}
    if codes not in ({"d"}, {"q"}):
        return None
    arrow = tables_module("pyarrow")
    kind = arrow.float64() if codes == {"d"} else arrow.int64()
    arrays = [
        arrow.Array.from_buffers(kind, len(part), [None, arrow.py_buffer(part)]) for part in parts
    ]
    return arrow.chunked_array(arrays, kind)


def check_stamp(time: int) -> None:
    """Refuse an engine time that a column of nanoseconds cannot hold.

    Raises:
        InvalidValueError: for such a time.
    """
    if not -(1 << 63) <= time < 1 << 63:
        raise InvalidValueError(
            f"a column of times in nanoseconds cannot hold {format_time(time)}: "
            "it holds 1677-09-21 to 2262-04-11"
        )


def for_polars(column: Any) -> Any:
    """Return a column in types that every polars has: time zones by name, and no maps.

    Raises:
        InvalidTypeError: if polars has no such type.
    """
    kind = _kind_for_polars(column.type)
    if kind == column.type:
        return column
    # A cast would be shorter, but it breaks lists that hold only None (pyarrow 26).
    return tables_module("pyarrow").array(column.to_pylist(), kind)


def _kind_for_polars(kind: Any) -> Any:
    arrow, types = tables_module("pyarrow"), tables_module("pyarrow.types")
    if types.is_timestamp(kind) and kind.tz is not None:
        return arrow.timestamp(kind.unit, "UTC")
    if types.is_list(kind):
        return arrow.list_(_kind_for_polars(kind.value_type))
    if types.is_map(kind):
        return arrow.list_(arrow.struct([("key", kind.key_type), ("value", kind.item_type)]))
    if types.is_struct(kind):
        return arrow.struct([(field.name, _kind_for_polars(field.type)) for field in kind])
    foreign = isinstance(kind, arrow.BaseExtensionType)
    if foreign or types.is_decimal256(kind):
        raise InvalidTypeError(f"polars has no column of {kind}")
    return kind


def _are_to_be_written(values: Sequence[Any]) -> bool:
    """Return whether any value is, or contains, a record or a member of an Enum."""
    kinds = set(map(type, values))
    if any(field_names(kind) or issubclass(kind, Enum) for kind in kinds):
        return True
    if not any(issubclass(kind, _WITH_PARTS) for kind in kinds):
        return False
    found = (value for value in values if isinstance(value, _WITH_PARTS))
    parts = (value.values() if isinstance(value, dict) else value for value in found)
    return _are_to_be_written(list(chain.from_iterable(parts)))


class _Unfolded(dict[str, Any]):
    """A dict of the fields of a record, because pyarrow does not accept records."""

    def __init__(self, record: Any, names: Sequence[str]) -> None:
        super().__init__((name, _unfolded(getattr(record, name))) for name in names)
        self.of = type(record)


def _unfolded(value: Any) -> Any:
    """Return a value with every record in it turned into a dict."""
    names = field_names(type(value))
    if names:
        return _Unfolded(value, names)
    if isinstance(value, dict):
        return {key: _unfolded(each) for key, each in value.items()}
    return [_unfolded(each) for each in value] if isinstance(value, list | tuple) else value


def _written(values: Sequence[Any]) -> Any:
    column = Inferred()
    encoded = [column.encode(value) for value in values]
    column.settle(True)
    return tables_module("pyarrow").array(encoded, column.arrow())


def _inferred(values: Sequence[Any]) -> Any:
    try:
        array = tables_module("pyarrow").array(values)
    except _REFUSALS as error:
        raise _first_refused(values) from error
    _check(values, array)
    return array


def _first_refused(values: Sequence[Any]) -> InvalidTypeError:
    """Return the error for the first value that pyarrow refuses, found by bisection."""
    arrow = tables_module("pyarrow")
    kind, taken, refused = arrow.null(), 0, len(values)
    while refused - taken > 1:
        middle = (taken + refused) // 2
        try:
            kind, taken = arrow.array(values[:middle]).type, middle
        except _REFUSALS:
            refused = middle
    if kind == arrow.null():
        return InvalidTypeError(f"no Arrow column can hold {described(values[taken])}")
    return misfit(kind, values[taken])


def _check(values: Sequence[Any], array: Any) -> None:
    """Refuse mixtures of types that pyarrow silently converts to one type.

    Raises:
        InvalidTypeError: for the first value that does not come back equal.
    """
    types, kind = tables_module("pyarrow.types"), array.type
    if types.is_struct(kind):
        names, classes = {field.name for field in kind}, set()
        for value in values:
            if value is not None:
                classes.add(value.of if isinstance(value, _Unfolded) else dict)
                if len(classes) > 1 or value.keys() != names:
                    raise misfit(kind, value)
        for name in names:
            parts = [None if value is None else value[name] for value in values]
            _check(parts, array.field(name))
    elif types.is_list(kind):
        items = chain.from_iterable(value for value in values if value is not None)
        _check(list(items), array.flatten())
    elif types.is_string(kind):
        for value in values:
            if value is not None and not isinstance(value, str):  # bytes, which may not be text
                raise misfit(kind, value)
    elif types.is_temporal(kind) or types.is_binary(kind):
        for value, back in zip(values, array.to_pylist(), strict=True):
            # A value that is not equal to itself, such as NaT, comes back as None.
            if value is not None and value == value and _instant(value) != _instant(back):
                raise misfit(kind, value)


def _instant(value: Any) -> Any:
    """Return an aware datetime in UTC: in a repeated hour, times of two zones never are equal."""
    aware = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC) if aware else value
