"""Values as typed Rust peers write them: golden bytes both ways, round trips, and refused input.

The bytes are those of bincode 1.x as its documentation describes them: fixed-width little-endian
numbers, `u64` lengths, `u32` places in an enum, one byte before an optional value.
"""

import enum
import math
import struct
import tracemalloc
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import graphcore as gc
from graphcore_zmq import (
    CodecError,
    bincode,
    f32,
    f64,
    i8,
    i16,
    i32,
    i64,
    json,
    msgpack,
    u8,
    u16,
    u32,
    u64,
)

T = TypeVar("T")


class Side(enum.Enum):
    BUY = "b"
    SELL = "s"


@dataclass
class Quote:
    bid: float
    ask: float
    sizes: tuple[u32, u32]
    venue: str
    side: Side | None


class Trade(msgspec.Struct, kw_only=True):
    id: u64
    price: f32
    flags: list[bool]
    quote: Quote


class Level(NamedTuple):
    price: i32
    size: u16


class Base(msgspec.Struct, kw_only=True):
    seq: u8


class Derived(Base):
    name: str


class Box(msgspec.Struct, Generic[T]):
    held: T


@dataclass(kw_only=True)
class Named:
    first: u8
    second: i8


QUOTE = Quote(1.5, -2.0, (7, 8), "X", Side.SELL)
QUOTE_HEX = "000000000000f83f 00000000000000c0 07000000 08000000 0100000000000000 58 01 01000000"

GOLDEN = [
    (u8, 255, "ff"),
    (u16, 258, "0201"),
    (u32, 1, "01000000"),
    (u64, 2**64 - 1, "ffffffffffffffff"),
    (i8, -1, "ff"),
    (i16, -2, "feff"),
    (i32, -(2**31), "00000080"),
    (i64, -2, "feffffffffffffff"),
    (int, 513, "0102000000000000"),
    (f32, 1.5, "0000c03f"),
    (f64, 1.5, "000000000000f83f"),
    (float, -2.0, "00000000000000c0"),
    (bool, True, "01"),
    (bool, False, "00"),
    (str, "hé", "0300000000000000 68c3a9"),
    (bytes, b"\0\xff", "0200000000000000 00ff"),
    (u16 | None, 3, "01 0300"),
    (u16 | None, None, "00"),
    (tuple[u8, str], (7, "hi"), "07 0200000000000000 6869"),
    (list[u16], [1, 2, 3], "0300000000000000 0100 0200 0300"),
    (list[str], ["a", ""], "0200000000000000 0100000000000000 61 0000000000000000"),
    (tuple[u8, ...], (1, 2), "0200000000000000 01 02"),
    (list[bool | None], [None, True], "0200000000000000 00 01 01"),
    (Side, Side.BUY, "00000000"),
    (Side, Side.SELL, "01000000"),
    (Quote, QUOTE, QUOTE_HEX),
    (
        Trade,
        Trade(id=5, price=0.5, flags=[True, False], quote=QUOTE),
        "0500000000000000 0000003f 0200000000000000 01 00" + QUOTE_HEX,
    ),
    (list[Level], [Level(-1, 2)], "0100000000000000 ffffffff 0200"),
    (Box[list[u8]], Box([4]), "0100000000000000 04"),
    (Named, Named(first=1, second=-1), "01 ff"),
    # msgspec puts keyword-only fields last, in its own order.
    (Derived, Derived("n", seq=3), "0100000000000000 6e 03"),
]


@pytest.mark.parametrize(("kind", "value", "text"), GOLDEN)
def test_values_are_the_bytes_that_a_typed_rust_peer_has(kind, value, text):
    codec = bincode(kind)
    assert codec.encode(value) == bytes.fromhex(text)
    assert codec.decode(bytes.fromhex(text)) == value
    assert type(codec.decode(bytes.fromhex(text))) is type(value)


@pytest.mark.parametrize(("kind", "value", "text"), GOLDEN)
def test_a_value_that_is_cut_short_or_followed_by_more_bytes_is_refused(kind, value, text):
    codec, payload = bincode(kind), bytes.fromhex(text)
    for end in range(len(payload)):
        with pytest.raises(CodecError, match="bincode"):
            codec.decode(payload[:end])
    with pytest.raises(CodecError, match=f"ends after {len(payload)} bytes"):
        codec.decode(payload + b"\0")
    assert codec.least <= len(payload)


@pytest.mark.parametrize(("kind", "value", "text"), GOLDEN)
def test_a_value_is_read_from_the_middle_of_others(kind, value, text):
    payload = bytes.fromhex(text)
    assert bincode(kind).read(b"ab" + payload + b"cd", 2) == (value, 2 + len(payload))


WIDTHS = {u8: (0, 8), u16: (0, 16), u32: (0, 32), u64: (0, 64)} | {
    i8: (1, 8),
    i16: (1, 16),
    i32: (1, 32),
    i64: (1, 64),
    int: (1, 64),
}
NUMBERS = {
    kind: st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if signed
    else st.integers(0, 2**bits - 1)
    for kind, (signed, bits) in WIDTHS.items()
}
LEAVES: dict[Any, st.SearchStrategy[Any]] = NUMBERS | {
    float: st.floats(allow_nan=False),
    f32: st.floats(allow_nan=False, width=32),
    bool: st.booleans(),
    str: st.text(),
    bytes: st.binary(),
    Side: st.sampled_from(Side),
}


def record(some):
    names = [f"f{i}" for i in range(len(some))]
    fields = list(zip(names, (kind for kind, _ in some), strict=True))
    made = msgspec.defstruct("Record", fields)
    return made, st.tuples(*(values for _, values in some)).map(lambda values: made(*values))


KINDS = st.recursive(
    st.sampled_from(sorted(LEAVES.items(), key=str)),
    lambda inner: st.one_of(
        inner.map(lambda one: (list[one[0]], st.lists(one[1], max_size=5))),
        inner.map(lambda one: (one[0] | None, st.none() | one[1])),
        inner.map(lambda one: (tuple[one[0], ...], st.lists(one[1], max_size=5).map(tuple))),
        st.lists(inner, min_size=1, max_size=4).map(
            lambda some: (tuple[tuple(kind for kind, _ in some)], st.tuples(*(v for _, v in some)))
        ),
        st.lists(inner, min_size=1, max_size=4).map(record),
    ),
    max_leaves=8,
)


def independently(kind, value):
    """Return the bytes again, written field by field from msgspec's description of the type."""
    match msgspec.inspect.type_info(kind):
        case msgspec.inspect.StructType(cls=cls):
            hints = msgspec.structs.fields(cls)
            return b"".join(independently(each.type, getattr(value, each.name)) for each in hints)
        case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
            item = kind.__args__[0]
            return struct.pack("<Q", len(value)) + b"".join(independently(item, x) for x in value)
        case msgspec.inspect.TupleType():
            return b"".join(map(independently, kind.__args__, value))
        case msgspec.inspect.UnionType():
            inner = next(each for each in kind.__args__ if each is not type(None))
            return b"\0" if value is None else b"\1" + independently(inner, value)
    if isinstance(value, Side):
        return list(Side).index(value).to_bytes(4, "little")
    if isinstance(value, bool):
        return bytes([value])
    if isinstance(value, int):
        signed, bits = WIDTHS[kind]
        return value.to_bytes(bits // 8, "little", signed=bool(signed))
    if isinstance(value, float):
        return struct.pack("<f" if kind is f32 else "<d", value)
    content = value.encode() if isinstance(value, str) else value
    return len(content).to_bytes(8, "little") + content


@given(st.data())
def test_values_of_any_type_come_back_and_are_written_as_documented(data):
    kind, values = data.draw(KINDS)
    value = data.draw(values)
    payload = bincode(kind).encode(value)
    assert payload == independently(kind, value)
    assert bincode(kind).decode(payload) == value


@given(st.data())
def test_any_bytes_raise_at_worst_a_codec_error(data):
    kind, values = data.draw(KINDS)
    codec = bincode(kind)
    payload = bytearray(codec.encode(data.draw(values)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(payload)))
        payload[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    try:
        value = codec.decode(bytes(payload))
    except CodecError as error:
        assert "\n" not in str(error)
    else:
        # The value is the one in these bytes: written again, it gives the same bytes, except for
        # NaNs.
        assume(not holds_nan(value))
        assert codec.encode(value) == payload


def holds_nan(value):
    if isinstance(value, msgspec.Struct):
        return any(map(holds_nan, msgspec.structs.astuple(value)))
    if isinstance(value, list | tuple):
        return any(map(holds_nan, value))
    return isinstance(value, float) and math.isnan(value)


@pytest.mark.parametrize("kind", [str, bytes, list[u8], list[str], list[bool | None], list[Quote]])
@pytest.mark.parametrize("count", [1, 2**31, 2**40, 2**63, 2**64 - 1])
def test_a_false_length_is_refused_before_memory_is_allocated(kind, count):
    payload = struct.pack("<Q", count)
    codec = bincode(kind)
    tracemalloc.start()
    with pytest.raises(CodecError, match=f"{count} items, but only 0 bytes follow"):
        codec.decode(payload)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (u8, 256, "256 does not fit u8"),
        (u8, -1, "-1 does not fit u8"),
        (i16, 2**15, "32768 does not fit i16"),
        (u64, 2**64, "18446744073709551616 does not fit u64"),
        (int, 2**63, "9223372036854775808 does not fit i64"),
        (int, 1.0, r"1\.0 does not fit i64"),
        (int, "1", "'1' does not fit i64"),
        (float, "1", "'1' does not fit f64"),
        (f32, 1e300, r"1e\+300 does not fit f32"),
        (bool, 1, "1 is not a bool"),
        (str, b"a", "b'a' is not a str"),
        (str, "\ud800", "cannot be written as UTF-8"),
        (bytes, "a", "'a' is not bytes"),
        (list[u8], [1, 300], "1: 300 does not fit u8"),
        (list[str], "ab", "'ab' is not a list"),
        (list[str], ["a", 3], "1: 3 is not a str"),
        (tuple[u8, u8], (1,), "not a tuple of 2"),
        (Side, "b", "'b' is not a member of Side"),
        (
            Quote,
            Quote(1.0, 2.0, (1, -1), "X", None),
            r"bincode\(Quote\).* sizes: 1: -1 does not fit u32",
        ),
        (Quote, Level(1, 2), "of type Level: .* is not a Quote: it has no field bid"),
        (
            Level,
            {"a": 1},
            "^bincode.Level. cannot encode a value of type dict: {.*} is not a Level: ",
        ),
        (
            Level,
            None,
            "cannot encode a value of type NoneType: None is not a Level: it has no field",
        ),
        (Named, Named(first=1, second=200), "second: 200 does not fit i8"),
        (u8 | None, 256, "256 does not fit u8"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_one_sentence(kind, value, said):
    with pytest.raises(CodecError, match=said) as refused:
        bincode(kind).encode(value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (bool, "02", "2 is not a bool"),
        (u8 | None, "02 00", "2 is neither 0 \\(no value\\) nor 1"),
        (Side, "02000000", "Side has no member 2"),
        (str, "0100000000000000 ff", "not UTF-8"),
        (Quote, "00", r"bincode\(Quote\) cannot decode b'\\x00': they end within the value"),
    ],
)
def test_bytes_that_are_not_a_value_are_refused_in_one_sentence(kind, text, said):
    with pytest.raises(CodecError, match=said):
        bincode(kind).decode(bytes.fromhex(text))


class Loop(msgspec.Struct):
    inner: "Loop | None"


class Empty(msgspec.Struct):
    pass


@dataclass
class Computed:
    given: u8
    made: u8 = field(init=False)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (dict[str, int], "bincode takes int.* not DictType"),
        (complex, "not complex"),
        (int | str, "not UnionType"),
        (int | str | None, "not UnionType"),
        (list, "not AnyType"),
        (tuple[()], "not TupleType"),
        (Empty, "not Empty"),
        (Loop, "Loop holds itself"),
        (Computed, "made is not given to the class"),
        (3, "3"),
    ],
)
def test_a_type_without_a_bincode_form_is_refused_where_the_codec_is_made(kind, said):
    with pytest.raises(gc.InvalidTypeError, match=said) as refused:
        bincode(kind)
    assert "\n" not in str(refused.value)


def test_a_width_on_a_type_that_is_not_a_number_is_ignored():
    codec = bincode(Annotated[str, *u8.__metadata__])
    assert codec.decode(codec.encode("a")) == "a"


def test_the_widths_are_plain_numbers_to_the_other_codecs():
    trade = Trade(id=5, price=0.5, flags=[], quote=Quote(1.0, 2.0, (1, 2), "X", None))
    for codec in (msgpack(Trade), json(Trade)):
        assert codec.decode(codec.encode(trade)) == trade


@dataclass
class Measured:
    id: int
    value: f32
    ok: bool
    at: i64
    where: str
    pair: tuple[int, int]
    many: list[float]


def test_values_of_numpy_count_as_python_values():
    plain = Measured(7, 0.5, True, 5_000, "x", (1, 2), [1.5, 2.5])
    given = Measured(
        *(np.int64(7), np.float32(0.5), np.True_, np.datetime64(5, "us"), np.str_("x")),
        *(np.array([1, 2]), np.array([1.5, 2.5])),
    )
    codec = bincode(Measured)
    assert codec.encode(given) == codec.encode(plain)
    assert codec.decode(codec.encode(given)) == plain


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (int, np.float64(1.5), r"np.float64\(1.5\) does not fit i64"),
        (int, np.datetime64("NaT", "ns"), "NaT is not a time"),
        (u8, np.int64(256), r"np.int64\(256\) does not fit u8"),
        (bool, np.int64(1), r"np.int64\(1\) is not a bool"),
        (list[int], np.array([0.5]), "0: 0.5 does not fit i64"),
        (list[int], np.int64(1), r"np.int64\(1\) is not a list or tuple"),
        (tuple[int, int], np.array([1, 2, 3]), "is not a tuple of 2"),
        (Level, Level(np.timedelta64("NaT", "ns"), 1), "price: NaT is not a duration"),
    ],
)
def test_a_value_of_numpy_that_does_not_fit_is_refused(kind, value, message):
    with pytest.raises(CodecError, match=message):
        bincode(kind).encode(value)
