"""Tables as payloads: a value is one Arrow record batch in the IPC stream format, with its schema.

The codec checks what a peer sends before it uses it. pyarrow validates the batch. A compressed body
is refused, because its true size is unknown, and so is an array that claims more items than its
bytes have bits. A publisher refuses every batch that its subscribers would refuse. pyarrow is
imported when a codec is first used.
"""

import struct
from collections.abc import Mapping, Sequence
from reprlib import repr as short
from types import NoneType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from msgspec import inspect

from graphcore import InvalidTypeError, RunError
from graphcore.tables.arrays import array_of
from graphcore_zmq.codec.codec import CodecError
from graphcore_zmq.codec.plain import plain_or_same
from graphcore_zmq.codec.records import maker, taker
from graphcore_zmq.codec.widths import code_of

if TYPE_CHECKING:
    import pyarrow

T = TypeVar("T")

_NUMBERS = {
    **{"b": "int8", "h": "int16", "i": "int32", "q": "int64"},
    **{"B": "uint8", "H": "uint16", "I": "uint32", "Q": "uint64"},
    **{"f": "float32", "d": "float64"},
}
# pyarrow never changes values of one of these types; in a mixture it turns text into bytes.
_UNCHANGED = {bool, int, float, str, bytes}
_FORMS = "numbers, bool, str, bytes, Optional of these and lists of these"

# The numbers of fields and of types in Arrow's Message.fbs.
_MESSAGE_HEADER_TYPE, _MESSAGE_HEADER = 1, 2
_DICTIONARY_BATCH, _DICTIONARY_DATA = 2, 1
_BATCH_COMPRESSION = 3


def _pyarrow() -> Any:
    try:
        import pyarrow.ipc
    except ImportError as error:
        raise RunError("arrow needs pyarrow: pip install 'graphcore[tables]'") from error
    return pyarrow


class ArrowCodec:
    """Encodes tables, decodes record batches; called with a class, makes the codec of its rows."""

    name = "arrow"

    def __call__(self, row: type[T]) -> "ArrowRowsCodec[T]":
        """Return the codec of lists of rows of one class.

        Args:
            row: a dataclass, a named tuple or a `msgspec.Struct` with fields of numbers (`u8` to
                `u64`, `i8` to `i64`, `f32`, `int`, `float`), `bool`, `str`, `bytes`, `Optional` of
                these and lists of these.

        Raises:
            InvalidTypeError: for a class of another kind or with other fields.
            RunError: if pyarrow is not installed; the extra `tables` brings it.
        """
        return ArrowRowsCodec(row)

    def load(self) -> None:
        """Import pyarrow.

        Raises:
            RunError: if it is not installed; the extra `tables` brings it.
        """
        _pyarrow()

    def encode(self, value: Any) -> bytes:
        """Return the bytes of a record batch, a table, a frame or a list of rows as mappings."""
        pa = _pyarrow()
        try:
            batch = _batch_of(pa, value)
            batch.validate(full=True)
            payload = _write(pa, batch)
            if not all(_takes_room(pa, kind) for kind in batch.schema.types):
                _checked(pa, payload)
            return payload
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise CodecError(
                f"arrow cannot encode a value of type {type(value).__qualname__}: "
                f"{_first_line(error)}"
            ) from error

    def decode(self, payload: bytes) -> "pyarrow.RecordBatch":
        """Return the record batch of these bytes, which shares their memory."""
        return _read(_pyarrow(), self.name, payload)


class _Takes(NamedTuple):
    """The classes of the values that a column takes, because pyarrow does not change them.

    Without this check pyarrow cuts 1.5 to 1 for a column of integers, and turns text into bytes.
    """

    kinds: tuple[type, ...]
    item: "_Takes | None" = None

    def fitting(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return the values as plain ones.

        Raises:
            TypeError, ValueError: for a value that the column does not take.
        """
        if set(map(type, values)).difference(self.kinds, (NoneType,)):
            values = list(map(self._plain, values))
        if self.item is None:
            return values
        return [None if each is None else self.item.fitting(each) for each in values]

    def _plain(self, value: Any) -> Any:
        if value is None or type(value) in self.kinds:
            return value
        found = plain_or_same(value)
        if type(found) not in self.kinds:
            raise TypeError(
                f"a column of {self.kinds[-1].__name__} cannot hold {short(value)}, "
                f"a value of type {type(value).__qualname__}"
            )
        return found


class _Column(NamedTuple):
    name: str
    kind: Any
    optional: bool
    takes: _Takes


class ArrowRowsCodec(Generic[T]):
    """Encodes and decodes lists of rows; the columns have the names and types of their fields."""

    def __init__(self, row: type[T]) -> None:
        pa = _pyarrow()
        self.name = f"arrow({getattr(row, '__name__', row)})"
        try:
            described: Any = inspect.type_info(row)
        except (TypeError, NameError) as error:
            raise InvalidTypeError(f"{self.name} is not possible: {error}") from None
        if not getattr(described, "fields", ()):
            raise InvalidTypeError(
                f"{self.name} is not possible: rows are a dataclass, a named tuple or a "
                f"msgspec.Struct with fields, not {row!r}"
            )
        self._columns = [_column(pa, field, self.name) for field in described.fields]
        names = [column.name for column in self._columns]
        self._take = taker(names)
        self._make = maker(row, names, self.name)
        self._schema = pa.schema(
            [pa.field(each.name, each.kind, each.optional) for each in self._columns]
        )

    def encode(self, value: list[T]) -> bytes:
        """Return the bytes of a list of rows."""
        pa = _pyarrow()
        if not isinstance(value, list | tuple):
            raise CodecError(f"{self.name} takes a list of rows, not {short(value)}")
        try:
            taken = list(zip(*map(self._take, value), strict=True)) or [()] * len(self._columns)
        except AttributeError as error:
            raise CodecError(f"{self.name} takes rows with all its fields: {error}") from error
        arrays = []
        for column, values in zip(self._columns, taken, strict=True):
            try:
                array = pa.array(column.takes.fitting(values), column.kind)
            except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
                raise CodecError(
                    f"{self.name} cannot encode column {column.name!r}: {_first_line(error)}"
                ) from error
            _refuse_nulls(self.name, column, array)
            arrays.append(array)
        return _write(pa, pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def decode(self, payload: bytes) -> list[T]:
        """Return the rows of these bytes; columns that are not fields of the rows are ignored."""
        pa = _pyarrow()
        batch = _read(pa, self.name, payload)
        taken = []
        for column in self._columns:
            place = batch.schema.get_field_index(column.name)
            if place < 0:
                raise CodecError(
                    f"{self.name} needs one column {column.name!r}: {batch.schema.names}"
                )
            array = self._as_declared(pa, column, batch.column(place))
            _refuse_nulls(self.name, column, array)
            taken.append(array.to_pylist())
        return [self._make(fields) for fields in zip(*taken, strict=True)]

    def _as_declared(self, pa: Any, column: _Column, array: Any) -> Any:
        if array.type == column.kind:
            return array
        if _converts(pa, array.type, column.kind):
            try:
                return array.cast(column.kind)
            except pa.ArrowException as error:
                problem = _first_line(error)
        else:
            problem = f"it is {array.type}, not {column.kind}"
        raise CodecError(f"{self.name} cannot decode column {column.name!r}: {problem}")


def _column(pa: Any, field: Any, codec: str) -> _Column:
    described, optional = field.type, False
    match described:
        case inspect.UnionType(types=(inner, inspect.NoneType()) | (inspect.NoneType(), inner)):
            described, optional = inner, True
    kind = _kind(pa, described)
    if kind is None:
        raise InvalidTypeError(
            f"{codec} is not possible: fields are {_FORMS}, and {field.name!r} is not"
        )
    return _Column(field.name, kind, optional, _takes(pa, kind))


def _takes(pa: Any, kind: Any) -> _Takes:
    kinds = pa.types
    if kinds.is_list(kind):
        return _Takes((tuple, list), _takes(pa, kind.value_type))
    if kinds.is_integer(kind):
        return _Takes((int,))
    if kinds.is_floating(kind):
        return _Takes((int, float))
    if kinds.is_boolean(kind):
        return _Takes((bool,))
    return _Takes((str,)) if kinds.is_string(kind) else _Takes((memoryview, bytearray, bytes))


def _kind(pa: Any, described: Any) -> Any:
    code = code_of(described)
    if code is not None:
        return getattr(pa, _NUMBERS[code])()
    match described:
        case inspect.Metadata(type=inner):
            return _kind(pa, inner)
        case inspect.BoolType():
            return pa.bool_()
        case inspect.StrType():
            return pa.string()
        case inspect.BytesType():
            return pa.binary()
        case inspect.ListType(item_type=item):
            inner = _kind(pa, item)
            return None if inner is None else pa.list_(inner)
    return None


def _converts(pa: Any, given: Any, wanted: Any) -> bool:
    """Return whether a column of another library's type converts to this one without a loss."""
    kinds = pa.types
    if kinds.is_null(given):
        return True
    if kinds.is_integer(wanted):
        return bool(kinds.is_integer(given))
    if kinds.is_floating(wanted):
        return bool(kinds.is_floating(given) or kinds.is_integer(given))
    if kinds.is_string(wanted):
        return bool(kinds.is_large_string(given))
    return bool(kinds.is_binary(wanted) and kinds.is_large_binary(given))


def _refuse_nulls(codec: str, column: _Column, array: Any) -> None:
    if array.null_count and not column.optional:
        raise CodecError(
            f"{codec}: column {column.name!r} lacks {array.null_count} of its values, but the "
            "field is not Optional"
        )


def _batch_of(pa: Any, value: Any) -> Any:
    if isinstance(value, pa.RecordBatch):
        return value
    if isinstance(value, list | tuple):
        return _batch_of_rows(pa, value)
    if isinstance(value, pa.Table):
        table = value
    elif hasattr(value, "__arrow_c_stream__"):
        table = pa.table(value)
    else:
        raise TypeError("it takes a record batch, a table, a frame or a list of mappings")
    return _whole(pa, table)


def _batch_of_rows(pa: Any, rows: Sequence[Any]) -> Any:
    for row in rows:
        if not isinstance(row, Mapping):
            raise TypeError(f"a row is a mapping, not {short(row)}; arrow(Row) takes others")
        if row.keys() != rows[0].keys():
            raise ValueError(f"its rows differ in their columns: {short(row)}")
    names = list(rows[0]) if rows else []
    return pa.RecordBatch.from_pydict(
        {name: _array(pa, [row[name] for row in rows]) for name in names}
    )


def _array(pa: Any, values: list[Any]) -> Any:
    kinds = set(map(type, values)) - {NoneType}
    if len(kinds) == 1 and kinds <= _UNCHANGED:
        return pa.array(values)
    # Four times as slow, but it checks that all values come back equal.
    return array_of(values)


def _whole(pa: Any, table: Any) -> Any:
    """Return a table as one batch, with views of text and bytes as plain text and bytes."""
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    fields = [field.with_type(plain.get(field.type, field.type)) for field in table.schema]
    table = table.cast(pa.schema(fields, table.schema.metadata)).combine_chunks()
    batches = table.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _write(pa: Any, batch: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    payload: bytes = sink.getvalue().to_pybytes()
    return payload


def _read(pa: Any, codec: str, payload: bytes) -> Any:
    try:
        return _checked(pa, payload)
    except (
        pa.ArrowException,
        ValueError,
        OSError,
        OverflowError,
        IndexError,
        struct.error,
    ) as error:
        raise CodecError(f"{codec} cannot decode {payload[:32]!r}: {_first_line(error)}") from error


def _checked(pa: Any, payload: bytes) -> Any:
    if _is_compressed(pa, payload):
        raise ValueError("it is compressed")
    with pa.ipc.open_stream(payload) as reader:
        batches = list(reader)
    if len(batches) != 1:
        raise ValueError(f"it holds {len(batches)} record batches, not one")
    (batch,) = batches
    batch.validate()
    if batch.num_rows > 8 * len(payload):
        raise ValueError(f"{len(payload)} bytes cannot hold {batch.num_rows} rows")
    for column in _columns(batch):
        _check_extent(pa, column, len(payload))
    batch.validate(full=True)
    return batch


def _columns(batch: Any) -> Any:
    try:
        return batch.columns
    except KeyError:  # the type's number: pyarrow lacks a class for some types of Arrow
        raise ValueError("it has a column of a type that pyarrow cannot read") from None


def _is_compressed(pa: Any, payload: bytes) -> bool:
    """Return whether a body is compressed; only the metadata of its message says so."""
    for message in pa.ipc.MessageReader.open_stream(payload):
        metadata = message.metadata.to_pybytes()
        table = _follow(metadata, 0)
        header = _follow(metadata, _field(metadata, table, _MESSAGE_HEADER))
        if metadata[_field(metadata, table, _MESSAGE_HEADER_TYPE)] == _DICTIONARY_BATCH:
            header = _follow(metadata, _field(metadata, header, _DICTIONARY_DATA))
        if message.type != "schema" and _field(metadata, header, _BATCH_COMPRESSION):
            return True
    return False


def _follow(metadata: bytes, at: int) -> int:
    (offset,) = struct.unpack_from("<I", metadata, at)
    return at + int(offset)


def _field(metadata: bytes, table: int, number: int) -> int:
    """Return the position of a field in a flatbuffers table; 0 if the table lacks the field."""
    (back,) = struct.unpack_from("<i", metadata, table)
    (size,) = struct.unpack_from("<H", metadata, table - back)
    place = 4 + 2 * number
    if place >= size:
        return 0
    (offset,) = struct.unpack_from("<H", metadata, table - back + place)
    return table + int(offset) if offset else 0


def _takes_room(pa: Any, kind: Any) -> bool:
    """Return whether each item of a column takes at least one bit, as with most types."""
    kinds = pa.types
    if kinds.is_dictionary(kind):
        return _takes_room(pa, kind.value_type)
    if kinds.is_list(kind) or kinds.is_large_list(kind):
        return _takes_room(pa, kind.value_type)
    return bool(
        kinds.is_primitive(kind)
        or kinds.is_decimal(kind)
        or kinds.is_string(kind)
        or kinds.is_large_string(kind)
        or kinds.is_binary(kind)
        or kinds.is_large_binary(kind)
    )


def _check_extent(pa: Any, array: Any, size: int) -> None:
    """Raise if an array, or an array inside it, claims more items than the payload has bits."""
    kinds, kind = pa.types, array.type
    if len(array) > 8 * size:
        raise ValueError(f"{size} bytes cannot hold {len(array)} values of {kind}")
    if isinstance(array, pa.ExtensionArray):
        _check_extent(pa, array.storage, size)
    elif kinds.is_dictionary(kind):
        _check_extent(pa, array.dictionary, size)
    elif kinds.is_struct(kind):
        for place in range(kind.num_fields):
            _check_extent(pa, array.field(place), size)
    elif kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        _check_extent(pa, array.values, size)
    elif kinds.is_map(kind):
        _check_extent(pa, array.keys, size)
        _check_extent(pa, array.items, size)
    elif kinds.is_nested(kind):
        raise ValueError(f"columns of {kind} are not taken")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


arrow = ArrowCodec()
