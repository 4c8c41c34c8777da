"""Python values out of a column of an Arrow table.

The table is a recording, whose columns `graphcore.tables.columns` made, or any other. A file does
not name classes: a struct becomes a dict (a tuple if its fields are 0, 1, ...), unless the reader
gives a type.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, get_args, get_origin

from graphcore.errors import InvalidTypeError
from graphcore.tables.columns import fields_of, is_tuple, without_none
from graphcore.tables.libraries import tables_module
from graphcore.time import to_duration, to_time

Decode = Callable[[Any], Any]


def decoder(kind: Any, arrow: Any) -> Decode | None:
    """Return the function that turns pyarrow's object into a value; `None` if none is needed.

    Args:
        kind: the type of the values, or `Any`.
        arrow: pyarrow's type.

    Raises:
        InvalidTypeError: if a column of this type cannot hold such values.
    """
    kind = without_none(kind)
    types = tables_module("pyarrow.types")
    if types.is_null(arrow):
        return None
    if types.is_dictionary(arrow):
        return decoder(kind, arrow.value_type)
    if kind in (Any, list, tuple, dict):
        return _plain(arrow)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _given(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (list, tuple) and _is_list(arrow):
        if origin is list or arguments[-1:] == (...,):
            return _list(decoder(arguments[0], arrow.value_type), origin)
    elif origin is dict and types.is_map(arrow):
        return _map(decoder(arguments[0], arrow.key_type), decoder(arguments[1], arrow.item_type))
    elif types.is_struct(arrow):
        names = [field.name for field in arrow]
        if origin is tuple and is_tuple(names) and len(arguments) == len(names):
            kinds = dict(zip(names, arguments, strict=True))
            return _tuple(_decoders(kinds, arrow))
        fields = fields_of(kind) if isinstance(kind, type) else {}
        if fields and fields.keys() == set(names):
            return _record(kind, _decoders(fields, arrow))
    elif _is_scalar(kind, arrow):
        if kind is float and types.is_integer(arrow):
            return _given(float)
        if kind is int and types.is_timestamp(arrow):
            return _given(to_time)
        if kind is int and types.is_duration(arrow):
            return _given(to_duration)
        return None
    raise InvalidTypeError(f"a column of {arrow} cannot hold values of type {_name(kind)}")


def _is_scalar(kind: Any, arrow: Any) -> bool:
    types = tables_module("pyarrow.types")
    checks: dict[Any, tuple[Callable[[Any], bool], ...]] = {
        bool: (types.is_boolean,),
        int: (types.is_integer, types.is_timestamp, types.is_duration),
        float: (types.is_floating, types.is_integer),
        str: (types.is_string, types.is_large_string, types.is_string_view),
        bytes: (types.is_binary, types.is_large_binary, types.is_binary_view),
        datetime: (types.is_timestamp,),
        date: (types.is_date,),
        time: (types.is_time,),
        timedelta: (types.is_duration,),
        Decimal: (types.is_decimal,),
    }
    return any(check(arrow) for check in checks.get(kind, ()))


def _is_list(arrow: Any) -> bool:
    types = tables_module("pyarrow.types")
    checks = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    return any(check(arrow) for check in checks)


def _plain(arrow: Any) -> Decode | None:
    """Return the function that turns structs into tuples or dicts, and maps into dicts."""
    types = tables_module("pyarrow.types")
    if _is_list(arrow):
        item = decoder(Any, arrow.value_type)
        return None if item is None else _list(item, list)
    if types.is_map(arrow):
        return _map(decoder(Any, arrow.key_type), decoder(Any, arrow.item_type))
    if not types.is_struct(arrow):
        return None
    names = [field.name for field in arrow]
    decoders = _decoders(dict.fromkeys(names, Any), arrow)
    if is_tuple(names):
        return _tuple(decoders)
    if not any(decode for _, decode in decoders):
        return None
    return _record(dict, decoders)


def _decoders(kinds: dict[str, Any], arrow: Any) -> list[tuple[str, Decode | None]]:
    return [(name, decoder(kind, arrow.field(name).type)) for name, kind in kinds.items()]


def _given(decode: Decode) -> Decode:
    """Return a function that decodes, and leaves `None` as it is."""
    return lambda value: None if value is None else decode(value)


def _list(item: Decode | None, make: Callable[[Any], Any]) -> Decode:
    if item is None:
        return _given(make)
    return _given(lambda values: make(item(value) for value in values))


def _map(key: Decode | None, item: Decode | None) -> Decode:
    def decode(pairs: Any) -> Any:
        return {(key(k) if key else k): (item(v) if item else v) for k, v in pairs}

    return _given(decode)


def _tuple(decoders: list[tuple[str, Decode | None]]) -> Decode:
    return _given(
        lambda struct: tuple(
            decode(struct[name]) if decode else struct[name] for name, decode in decoders
        )
    )


def _record(make: Callable[..., Any], decoders: list[tuple[str, Decode | None]]) -> Decode:
    return _given(
        lambda struct: make(
            **{name: decode(struct[name]) if decode else struct[name] for name, decode in decoders}
        )
    )


def _name(kind: Any) -> str:
    return kind.__qualname__ if isinstance(kind, type) else str(kind)
