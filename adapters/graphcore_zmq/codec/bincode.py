"""The codec of typed Rust peers: bincode 1.x with fixed-width integers.

The bytes carry no names and no tags, so both ends must declare the same type. In the envelope no
length precedes such a value. A count in the bytes is checked against the size of the payload before
any memory is allocated for it.
"""

import enum
import struct
from collections.abc import Callable, Sequence
from reprlib import repr as short
from typing import Any, Generic, Protocol, TypeVar, cast, overload

from msgspec import inspect

from graphcore import InvalidTypeError
from graphcore_zmq.codec.codec import CodecError
from graphcore_zmq.codec.plain import plain_or_same
from graphcore_zmq.codec.records import maker, taker
from graphcore_zmq.codec.widths import NAMES, code_of

T = TypeVar("T")

_LENGTH = struct.Struct("<Q")
_INDEX = struct.Struct("<I")
_FORMS = (
    "int, float, their widths (u8 to f64), bool, str, bytes, Optional, tuples, lists, enums of "
    "names, dataclasses, named tuples and msgspec.Struct"
)


class _Shape(Protocol):
    """Writes and reads the values of one type; `least` is the size of the smallest, at least 1."""

    least: int

    def encode(self, value: Any) -> bytes: ...

    def read(self, buffer: bytes, at: int) -> tuple[Any, int]: ...


class _Number:
    def __init__(self, code: str) -> None:
        self.code = code
        self._struct = struct.Struct(f"<{code}")
        self.least = self._struct.size

    def encode(self, value: Any) -> bytes:
        try:
            return self._struct.pack(value)
        except (struct.error, OverflowError):
            pass
        try:
            return self._struct.pack(plain_or_same(value))
        except (struct.error, OverflowError):
            raise CodecError(f"{short(value)} does not fit {NAMES[self.code]}") from None

    def read(self, buffer: bytes, at: int) -> tuple[Any, int]:
        return self._struct.unpack_from(buffer, at)[0], at + self.least


class _Bool:
    least = 1

    def encode(self, value: Any) -> bytes:
        given = value if isinstance(value, bool) else plain_or_same(value)
        if not isinstance(given, bool):
            raise CodecError(f"{short(value)} is not a bool")
        return b"\1" if given else b"\0"

    def read(self, buffer: bytes, at: int) -> tuple[Any, int]:
        byte = buffer[at]
        if byte > 1:
            raise CodecError(f"{byte} is not a bool: that is 0 or 1")
        return byte == 1, at + 1


class _Bytes:
    least = _LENGTH.size

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise CodecError(f"{short(value)} is not bytes")
        content = bytes(value)
        return _LENGTH.pack(len(content)) + content

    def read(self, buffer: bytes, at: int) -> tuple[Any, int]:
        start = at + _LENGTH.size
        end = start + _read_count(buffer, at, 1)
        return buffer[start:end], end


class _Text(_Bytes):
    def encode(self, value: Any) -> bytes:
        if not isinstance(value, str):
            raise CodecError(f"{short(value)} is not a str")
        try:
            return super().encode(value.encode())
        except UnicodeEncodeError:
            raise CodecError(f"{short(value)} cannot be written as UTF-8") from None

    def read(self, buffer: bytes, at: int) -> tuple[Any, int]:
        content, end = super().read(buffer, at)
        try:
            return content.decode(), end
        except UnicodeDecodeError:
            raise CodecError(f"{short(content)} is not UTF-8") from None


class _Option:
    least = 1

    def __init__(self, item: _Shape) -> None:
        self._item = item

    def encode(self, value: Any) -> bytes:
        return b"\0" if value is None else b"\1" + self._item.encode(value)

    def read(self, buffer: bytes, at: int) -> tuple[Any, int]:
        byte = buffer[at]
        if byte > 1:
            raise CodecError(f"{byte} is neither 0 (no value) nor 1 (a value)")
        return self._item.read(buffer, at + 1) if byte else (None, at + 1)


class _Choice:
    """An enum, written as the place of the member in its class, from 0."""

    least = _INDEX.size

    def __init__(self, kind: type[enum.Enum]) -> None:
        self._kind = kind
        self._members = list(kind)

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, self._kind) or value not in self._members:
            raise CodecError(f"{short(value)} is not a member of {self._kind.__name__}")
        return _INDEX.pack(self._members.index(value))

    def read(self, buffer: bytes, at: int) -> tuple[Any, int]:
        (index,) = _INDEX.unpack_from(buffer, at)
        if index >= len(self._members):
            raise CodecError(f"{self._kind.__name__} has no member {index}")
        return self._members[index], at + self.least


class _Items:
    """A `Vec`: the count, then the items."""

    least = _LENGTH.size

    def __init__(self, item: _Shape, make: Callable[[Any], Any]) -> None:
        self._item = item
        self._code = item.code if isinstance(item, _Number) else None
        self._make = make

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, list | tuple):
            given, value = value, plain_or_same(value)
            if not isinstance(value, list):
                raise CodecError(f"{short(given)} is not a list or tuple")
        count = _LENGTH.pack(len(value))
        if self._code is not None:
            try:
                return count + struct.pack(f"<{len(value)}{self._code}", *value)
            except (struct.error, OverflowError):
                pass  # encoded one by one below, where the error names the invalid item
        return count + b"".join([_encode_part(i, self._item, each) for i, each in enumerate(value)])

    def read(self, buffer: bytes, at: int) -> tuple[Any, int]:
        count = _read_count(buffer, at, self._item.least)
        at += _LENGTH.size
        if self._code is not None:
            items = struct.unpack_from(f"<{count}{self._code}", buffer, at)
            return self._make(items), at + count * self._item.least
        read, values = self._item.read, []
        for _ in range(count):
            value, at = read(buffer, at)
            values.append(value)
        return self._make(values), at


class _Fields:
    """A struct or a tuple: its fields in order. Adjacent numbers are packed in one call.

    Args:
        names: the names of the fields, shown in errors.
        shapes: the shapes of the fields.
        take: returns the values of the fields of a record.
        make: makes a record from the values of its fields.
    """

    def __init__(
        self,
        names: Sequence[str],
        shapes: Sequence[_Shape],
        take: Callable[[Any], Sequence[Any]],
        make: Callable[[Sequence[Any]], Any],
    ) -> None:
        self._fields = list(zip(names, shapes, strict=True))
        self._take = take
        self._make = make
        self.least = sum(shape.least for shape in shapes)
        # Each part is the layout of adjacent numbers, or the shape of another field.
        self._parts: list[tuple[struct.Struct, int] | _Shape] = []
        codes = ""
        for shape in shapes:
            if isinstance(shape, _Number):
                codes += shape.code
                continue
            self._end_numbers(codes)
            self._parts.append(shape)
            codes = ""
        self._end_numbers(codes)

    def _end_numbers(self, codes: str) -> None:
        if codes:
            self._parts.append((struct.Struct(f"<{codes}"), len(codes)))

    def encode(self, value: Any) -> bytes:
        values = self._take(value)
        parts, at = [], 0
        try:
            for part in self._parts:
                if isinstance(part, tuple):
                    numbers, count = part
                    parts.append(numbers.pack(*values[at : at + count]))
                    at += count
                else:
                    parts.append(part.encode(values[at]))
                    at += 1
        except (struct.error, OverflowError, ValueError):
            # One by one, so that an error names the field, and values of numpy are taken.
            parts = [
                _encode_part(name, shape, field)
                for (name, shape), field in zip(self._fields, values, strict=True)
            ]
        return b"".join(parts)

    def read(self, buffer: bytes, at: int) -> tuple[Any, int]:
        values: list[Any] = []
        for part in self._parts:
            if isinstance(part, tuple):
                numbers, _ = part
                values += numbers.unpack_from(buffer, at)
                at += numbers.size
            else:
                value, at = part.read(buffer, at)
                values.append(value)
        return self._make(values), at


def _encode_part(name: object, shape: _Shape, value: Any) -> bytes:
    try:
        return shape.encode(value)
    except ValueError as error:  # a CodecError, or a value without a plain value
        raise CodecError(f"{name}: {error}") from None


def _read_count(buffer: bytes, at: int, least: int) -> int:
    (count,) = _LENGTH.unpack_from(buffer, at)
    left = len(buffer) - at - _LENGTH.size
    if count * least > left:
        raise CodecError(f"the count says {count} items, but only {left} bytes follow")
    return cast(int, count)


class BincodeCodec(Generic[T]):
    """The codec of the values of one type.

    Attributes:
        name: shown in errors.
        least: the size of the smallest value, in bytes.
    """

    def __init__(self, kind: Any) -> None:
        self.name = f"bincode({getattr(kind, '__name__', kind)})"
        try:
            described = inspect.type_info(kind)
        except (TypeError, NameError) as error:
            raise InvalidTypeError(f"{self.name} is not possible: {error}") from None
        self._shape = _shape_of(described, self.name, ())
        self.least = self._shape.least

    def encode(self, value: T) -> bytes:
        """Return the value's bytes."""
        try:
            return self._shape.encode(value)
        except ValueError as error:
            raise CodecError(
                f"{self.name} cannot encode a value of type {type(value).__qualname__}: {error}"
            ) from None

    def decode(self, payload: bytes) -> T:
        """Return the value of these bytes."""
        value, end = self.read(payload, 0)
        if end != len(payload):
            raise CodecError(
                f"{self.name} cannot decode {payload[:32]!r}: the value ends after {end} bytes "
                f"of {len(payload)}"
            )
        return value

    def read(self, buffer: bytes, at: int) -> tuple[T, int]:
        """Return the value that begins at `at`, and the position after it.

        Raises:
            CodecError: if the bytes hold no such value.
        """
        try:
            return self._shape.read(buffer, at)
        except (struct.error, IndexError):
            problem = "they end within the value"
        except CodecError as error:
            problem = str(error)
        raise CodecError(f"{self.name} cannot decode {buffer[at : at + 32]!r}: {problem}")


def _shape_of(described: Any, codec: str, within: tuple[Any, ...]) -> _Shape:
    code = code_of(described)
    if code is not None:
        return _Number(code)
    match described:
        case inspect.Metadata(type=inner):
            return _shape_of(inner, codec, within)
        case inspect.BoolType():
            return _Bool()
        case inspect.StrType():
            return _Text()
        case inspect.BytesType():
            return _Bytes()
        case inspect.EnumType(cls=kind):
            return _Choice(kind)
        case inspect.UnionType(types=(inner, inspect.NoneType()) | (inspect.NoneType(), inner)):
            return _Option(_shape_of(inner, codec, within))
        case inspect.ListType(item_type=item):
            return _Items(_shape_of(item, codec, within), list)
        case inspect.VarTupleType(item_type=item):
            return _Items(_shape_of(item, codec, within), tuple)
        case inspect.TupleType(item_types=items) if items:
            shapes = [_shape_of(item, codec, within) for item in items]
            names = [str(place) for place in range(len(items))]
            return _Fields(names, shapes, _tuple_taker(len(items)), tuple)
        case (
            inspect.DataclassType(cls=kind, fields=fields)
            | inspect.StructType(cls=kind, fields=fields)
            | inspect.NamedTupleType(cls=kind, fields=fields)
        ) if fields:
            if kind in within:
                raise InvalidTypeError(
                    f"{codec} is not possible: {kind.__name__} holds itself, so its values "
                    "could nest without end"
                )
            names = [field.name for field in fields]
            shapes = [_shape_of(field.type, codec, (*within, kind)) for field in fields]
            return _Fields(names, shapes, _checked_taker(kind, names), maker(kind, names, codec))
    name = getattr(getattr(described, "cls", None), "__name__", type(described).__name__)
    raise InvalidTypeError(f"{codec} is not possible: bincode takes {_FORMS}, not {name}")


def _tuple_taker(size: int) -> Callable[[Any], Sequence[Any]]:
    def take(value: Any) -> Sequence[Any]:
        items = value if isinstance(value, tuple | list) else plain_or_same(value)
        if not isinstance(items, tuple | list) or len(items) != size:
            raise CodecError(f"{short(value)} is not a tuple of {size}")
        return items

    return take


def _checked_taker(kind: Any, names: list[str]) -> Callable[[Any], Sequence[Any]]:
    taken = taker(names)

    def take(value: Any) -> Sequence[Any]:
        try:
            return taken(value)
        except AttributeError as error:
            missing = f"it has no field {error.name}" if error.name else error
            raise CodecError(f"{short(value)} is not a {kind.__name__}: {missing}") from None

    return take


@overload
def bincode(kind: type[T]) -> BincodeCodec[T]: ...


@overload
def bincode(kind: object) -> BincodeCodec[Any]: ...


def bincode(kind: object) -> BincodeCodec[Any]:
    """Return the codec of one type, which writes what typed Rust peers write.

    >>> from graphcore_zmq import u8
    >>> bincode(tuple[u8, str]).encode((7, "hi")).hex(" ")
    '07 02 00 00 00 00 00 00 00 68 69'

    Args:
        kind: `int` (Rust's i64), `float` (f64), one of the widths `u8` to `u64`, `i8` to `i64`,
            `f32` and `f64`, `bool`, `str` (String), `bytes` (Vec<u8>), `Optional` (Option), tuples,
            lists (Vec), enums (by place in the class), and dataclasses, named tuples and
            `msgspec.Struct` (fields in order) of these.

    Raises:
        InvalidTypeError: for a type that bincode cannot write.
    """
    return BincodeCodec(kind)
