"""How Python values become a column of an Arrow table.

A column is made for a type, or for the first value that comes. A value that does not fit is refused
at once, so that every value that is written comes back equal. A record (dataclass, named tuple,
msgspec Struct, dict with fixed keys) becomes a struct with its fields, a tuple becomes a struct
with the fields 0, 1, ..., and a dict declared as `dict[K, V]` becomes a map. `None` fits every
column.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Protocol, Union, get_args, get_origin, get_type_hints

from graphcore.errors import InvalidTypeError
from graphcore.tables.libraries import tables_module
from graphcore.tables.scalars import (
    SCALARS,
    Datetimes,
    Misfit,
    Scalar,
    is_array,
    is_bool,
    items_of,
    misfit,
    numpy_kind,
    shown,
)

_TAKEN = (
    "bool, int, float, Decimal, str, bytes, datetime, date, time, timedelta, an Enum, None, and "
    "lists, tuples, dicts, arrays, dataclasses, named tuples and Structs of these"
)


class Column(Protocol):
    """A column for values of one type; `str` gives the name of the type."""

    def encode(self, value: Any) -> Any:
        """Return a value in the form that pyarrow takes, copied where it could change later.

        Raises:
            InvalidTypeError: if the value does not fit.
        """

    def arrow(self) -> Any:
        """Return pyarrow's type."""

    def settle(self, finally_: bool) -> bool:
        """Return whether the type is known; with `finally_`, an unknown type becomes null."""


class Inferred:
    """A column for the type of the first value that is not `None`."""

    def __init__(self) -> None:
        self._found: Column | None = None
        self._empty = False

    def __str__(self) -> str:
        return str(self._found or "None")

    def encode(self, value: Any) -> Any:
        """Return the value for pyarrow."""
        if value is None:
            return None
        if self._found is None:
            if self._empty:
                raise misfit(self, value)
            self._found = _column_for(value)
        return self._found.encode(value)

    def arrow(self) -> Any:
        """Return pyarrow's type."""
        return self._found.arrow() if self._found else tables_module("pyarrow").null()

    def settle(self, finally_: bool) -> bool:
        """Return whether the type is known."""
        if self._found is not None:
            return self._found.settle(finally_)
        self._empty = self._empty or finally_
        return self._empty


class _Enum:
    def __init__(self, kind: type[Enum]) -> None:
        self._kind = kind
        self._values = Inferred()
        try:  # try all members, because any of them may come
            for member in kind:
                self._values.encode(member.value)
        except Misfit as error:
            raise Misfit(f"{kind.__name__} has values of several types: {error}") from None

    def __str__(self) -> str:
        return self._kind.__name__

    def encode(self, value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, self._kind):
            raise misfit(self, value)
        return self._values.encode(value.value)

    def arrow(self) -> Any:
        return self._values.arrow()

    def settle(self, finally_: bool) -> bool:
        return True


class _List:
    def __init__(self, item: Column, kind: type[Any]) -> None:
        self._item = item
        self._kind = kind

    def __str__(self) -> str:
        return f"{self._kind.__name__}[{self._item}{', ...' if self._kind is tuple else ''}]"

    def encode(self, value: Any) -> Any:
        if value is None:
            return None
        if is_array(value):
            value = items_of(value)
        elif not isinstance(value, self._kind):
            raise misfit(self, value)
        encode = self._item.encode
        return [encode(item) for item in value]

    def arrow(self) -> Any:
        return tables_module("pyarrow").list_(self._item.arrow())

    def settle(self, finally_: bool) -> bool:
        return self._item.settle(finally_)


class _Map:
    def __init__(self, key: Column, value: Column) -> None:
        self._key = key
        self._value = value

    def __str__(self) -> str:
        return f"dict[{self._key}, {self._value}]"

    def encode(self, value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, dict) or None in value:
            raise misfit(self, value)
        return [(self._key.encode(k), self._value.encode(v)) for k, v in value.items()]

    def arrow(self) -> Any:
        return tables_module("pyarrow").map_(self._key.arrow(), self._value.arrow())

    def settle(self, finally_: bool) -> bool:
        settled = [self._key.settle(finally_), self._value.settle(finally_)]
        return all(settled)


class _Struct:
    """Values with named parts; `parts(value)` returns the parts, `None` for another kind."""

    def __init__(
        self,
        name: str,
        fields: Mapping[str, Column],
        parts: Callable[[Any], Sequence[Any] | None],
    ) -> None:
        self._name = name
        self._fields = fields
        self._columns = list(fields.items())
        self._parts = parts

    def __str__(self) -> str:
        return self._name

    def encode(self, value: Any) -> Any:
        if value is None:
            return None
        parts = self._parts(value)
        if parts is None:
            raise misfit(self, value)
        return {
            name: column.encode(part)
            for (name, column), part in zip(self._columns, parts, strict=True)
        }

    def arrow(self) -> Any:
        return tables_module("pyarrow").struct(
            [(name, column.arrow()) for name, column in self._columns]
        )

    def settle(self, finally_: bool) -> bool:
        settled = [column.settle(finally_) for column in self._fields.values()]
        return all(settled)


def column_of(kind: Any) -> Column:
    """Return the column for a type; for `Any`, a column for the type of the first value.

    Raises:
        InvalidTypeError: for a type that no column can hold.
    """
    kind = without_none(kind)
    if kind in (Any, list, tuple, dict):
        return Inferred()
    if kind is datetime:
        return Datetimes()
    if kind in SCALARS:
        return Scalar(kind, *SCALARS[kind])
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list:
        return _List(column_of(arguments[0]), list)
    if origin is dict:
        return _Map(column_of(arguments[0]), column_of(arguments[1]))
    if origin is tuple and arguments[-1:] == (...,):
        return _List(column_of(arguments[0]), tuple)
    if origin is tuple and arguments:
        return _tuple([column_of(argument) for argument in arguments])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _Enum(kind)
    fields = fields_of(kind) if isinstance(kind, type) else {}
    if not fields:
        raise InvalidTypeError(f"no column can hold {kind!r}: it takes {_TAKEN}")
    names = list(fields)

    def parts(value: Any) -> Sequence[Any] | None:
        if not isinstance(value, kind):
            return None
        return [getattr(value, name) for name in names]

    return _Struct(kind.__name__, {n: column_of(k) for n, k in fields.items()}, parts)


def fields_of(kind: Any) -> dict[str, Any]:
    """Return the fields of a record's class, name to type; an empty dict for another class."""
    names = field_names(kind)
    if not names:
        return {}
    if dataclasses.is_dataclass(kind) and not all(each.init for each in dataclasses.fields(kind)):
        raise InvalidTypeError(
            f"{kind!r} has fields that its constructor does not take, so it could not be read again"
        )
    try:
        hints = get_type_hints(kind)
    except NameError as error:
        raise InvalidTypeError(f"the types of the fields of {kind!r} are not known: {error}") from (
            None
        )
    return {name: hints.get(name, Any) for name in names}


def field_names(kind: type) -> list[str]:
    """Return the names of the fields of a record's class; an empty list for another class."""
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return [*getattr(kind, "__struct_fields__", ()), *getattr(kind, "_fields", ())]


def without_none(kind: Any) -> Any:
    """Return `T` for `T | None`, and any other type as it is."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    kinds = [each for each in get_args(kind) if each is not NoneType]
    return kinds[0] if len(kinds) == 1 else kind


def fits_some_column(value: Any) -> bool:
    """Return whether a column may hold this value, if it is made for the right type."""
    if isinstance(value, list | tuple | dict):
        parts = value.values() if isinstance(value, dict) else value
        return all(map(fits_some_column, parts))
    try:
        Inferred().encode(value)
    except InvalidTypeError:
        return False
    return True


def _column_for(value: Any) -> Column:
    """Return the column for the type of a first value."""
    if isinstance(value, list) or is_array(value):
        return _List(Inferred(), list)
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        if not value:
            raise Misfit("no column can hold the tuple (), which has no fields")
        return _tuple([Inferred() for _ in value])
    if isinstance(value, dict):
        return _dict(value)
    if isinstance(value, bytearray | memoryview):
        return column_of(bytes)
    if is_bool(value):
        return column_of(bool)
    if numpy_kind(value) in ("m", "M"):
        return column_of(timedelta if numpy_kind(value) == "m" else datetime)
    for kind in (Enum, Integral, Real, Decimal, str, bytes, datetime, date, time, timedelta):
        if isinstance(value, kind):
            scalar = {Enum: type(value), Integral: int, Real: float}.get(kind, kind)
            return column_of(scalar)
    return column_of(type(value))


def _tuple(columns: list[Column]) -> Column:
    def parts(value: Any) -> Sequence[Any] | None:
        fits = isinstance(value, tuple) and len(value) == len(columns)
        return value if fits else None

    name = f"tuple[{', '.join(map(str, columns))}]"
    return _Struct(name, {str(i): column for i, column in enumerate(columns)}, parts)


def _dict(first: dict[Any, Any]) -> Column:
    names = list(first)
    if not all(isinstance(name, str) for name in names) or is_tuple(names):
        raise Misfit(
            f"no column can hold the dict {shown(first)}: it needs keys, all of them text, "
            "other than '0', '1', ..."
        )
    keys = first.keys() | set()

    def parts(value: Any) -> Sequence[Any] | None:
        if not isinstance(value, dict) or value.keys() != keys:
            return None
        return [value[name] for name in names]

    columns = {name: Inferred() for name in names}
    return _Struct(f"dict with the keys {', '.join(names)}", columns, parts)


def is_tuple(names: Sequence[str]) -> bool:
    """Return whether these are the fields of a tuple: 0, 1, ..."""
    return list(names) == [str(i) for i in range(len(names))]
