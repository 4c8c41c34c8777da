"""Payload codecs, with the standard library's json as an outside oracle."""

import json as standard_json
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcore import InvalidValueError
from graphcore_zmq import CodecError, bincode, json, msgpack, raw
from graphcore_zmq.codec.codec import MsgspecCodec, RawCodec, burst_encoder
from graphcore_zmq.codec.plain import plain

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Quote(msgspec.Struct):
    bid: float
    ask: float


@given(VALUES)
def test_values_come_back(value):
    assert msgpack.decode(msgpack.encode(value)) == value
    assert json.decode(json.encode(value)) == value
    assert standard_json.loads(json.encode(value)) == value


@given(st.binary())
def test_raw_is_bytes_as_they_are(value):
    assert raw.decode(raw.encode(value)) == value


def test_a_codec_of_a_type_decodes_to_it_and_refuses_what_does_not_fit():
    quotes = msgpack(Quote)
    assert quotes.decode(quotes.encode(Quote(1.0, 2.0))) == Quote(1.0, 2.0)
    with pytest.raises(CodecError, match=r"msgpack\(Quote\) cannot decode"):
        quotes.decode(msgpack.encode([1]))


@pytest.mark.parametrize(("codec", "value"), [(raw, "text"), (msgpack, object()), (json, object())])
def test_a_value_that_has_no_bytes_is_refused_by_its_type(codec, value):
    with pytest.raises(CodecError, match=type(value).__name__):
        codec.encode(value)


@pytest.mark.parametrize(("codec", "payload"), [(msgpack, b"\x91" * 5_000), (json, b"[" * 100_000)])
def test_bytes_that_nest_too_deeply_are_refused_like_any_others(codec, payload):
    with pytest.raises(CodecError, match=f"{codec.name} cannot decode"):
        codec.decode(payload)


def test_a_value_that_nests_too_deeply_is_refused_like_any_other():
    endless = []
    endless.append(endless)
    with pytest.raises(CodecError, match="msgpack cannot encode a value of type list"):
        msgpack.encode(endless)


class Levels(msgspec.Struct, rename={"bid": "b"}):
    bid: float
    sizes: list[float | None]
    note: str | None = None


NOT_FINITE = [math.nan, math.inf, -math.inf, np.float64("nan"), np.float32("inf")]
IN = [
    lambda number: number,
    lambda number: [1.0, number],
    lambda number: {"a": {"b": (number,)}},
    lambda number: Levels(number, []),
    lambda number: Levels(1.0, [None, number]),
    lambda number: np.array([1.0, number]),
]


@pytest.mark.parametrize("holds", IN)
@pytest.mark.parametrize("number", NOT_FINITE, ids=repr)
def test_json_refuses_numbers_that_json_does_not_have_unless_it_is_told_what_to_send(holds, number):
    value, text = holds(number), "NaN" if number != number else "Infinity"
    text = "-Infinity" if number < 0 else text
    for codec in (json, json(Levels)):
        with pytest.raises(
            CodecError, match=r"json.* cannot encode -?(nan|inf), a number that JSON"
        ):
            codec.encode(value)
        with pytest.raises(CodecError, match="cannot encode"):
            burst_encoder(codec)([1.0, value])
    as_null, as_text = json(nan="null").encode(value), json(nan="text").encode(value)
    assert as_null == msgspec.json.encode(value, enc_hook=plain)
    assert standard_json.loads(as_text, parse_constant=pytest.fail) is not None
    assert f'"{text}"'.encode() in as_text
    assert list(burst_encoder(json(nan="text"))([value, 1])) == [as_text, b"1"]


def test_json_with_nan_as_text_is_decoded_to_floats_and_to_nothing_else():
    codec = json(Levels, nan="text")
    assert codec.name == "json(Levels, nan='text')"
    found = codec.decode(codec.encode(Levels(math.nan, [math.inf, -math.inf, None], "NaN")))
    assert math.isnan(found.bid)
    assert (found.sizes, found.note) == ([math.inf, -math.inf, None], "NaN")
    assert json(nan="text")(Levels).name == codec.name
    with pytest.raises(CodecError, match="cannot decode"):
        codec.decode(b'{"b": "much", "sizes": []}')
    with pytest.raises(CodecError, match="cannot decode"):
        json(Levels).decode(b'{"b": "NaN", "sizes": []}')


def test_json_sends_what_is_none_as_before():
    for value in ([None, 1.5], {"null": "null"}, Levels(1.0, [None])):
        assert json.encode(value) == json(nan="text").encode(value) == msgspec.json.encode(value)


def test_json_takes_no_other_rule_for_nan():
    with pytest.raises(InvalidValueError, match='nan must be "null" or "text", not \'zero\''):
        json(nan="zero")


def test_raw_takes_all_kinds_of_bytes():
    assert [raw.encode(kind(b"ab")) for kind in (bytes, bytearray, memoryview)] == [b"ab"] * 3


NUMPY = {"id": np.int64(7), "bids": [np.float32(0.5), np.float64(1.5)], "up": np.True_}


@pytest.mark.parametrize("codec", [msgpack, json])
def test_values_of_numpy_inside_of_others_count_as_python_values(codec):
    found = codec.decode(codec.encode({**NUMPY, "sizes": np.array([[1, 2], [3, 4]])}))
    assert found == {"id": 7, "bids": [0.5, 1.5], "up": True, "sizes": [[1, 2], [3, 4]]}
    assert standard_json.dumps(found) == standard_json.dumps(
        {"id": 7, "bids": [0.5, 1.5], "up": True, "sizes": [[1, 2], [3, 4]]}
    )


@dataclass
class Measured:
    value: np.float32
    count: np.int8 | None
    ok: np.bool_
    at: np.datetime64
    took: np.timedelta64
    where: np.str_


MEASURED = Measured(
    np.float32(0.1),
    np.int8(-3),
    np.True_,
    np.datetime64(5, "ns"),
    np.timedelta64(7, "ns"),
    np.str_("here"),
)


@pytest.mark.parametrize("codec", [msgpack, json])
def test_fields_declared_as_scalars_of_numpy_are_decoded_to_them(codec):
    found = codec(Measured).decode(codec.encode(MEASURED))
    assert found == MEASURED
    for field, value in vars(MEASURED).items():
        assert type(getattr(found, field)) is type(value)
    # Values from a peer without numpy are decoded as well.
    assert codec(np.float64).decode(codec.encode(1)) == np.float64(1.0)


@pytest.mark.parametrize("codec", [msgpack, json])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (np.int8, 300),
        (np.int64, 1.5),
        (np.int64, True),
        (np.int64, "7"),
        (np.float32, 1e300),
        (np.float64, "1.5"),
        (np.float64, None),
        (np.bool_, 1),
        (np.str_, 1),
        (np.datetime64, "2024-01-01"),
        (np.complex128, 1.5),
        (np.ndarray, [1.5]),
    ],
)
def test_a_value_that_a_scalar_of_numpy_cannot_hold_is_refused(codec, kind, value):
    with pytest.raises(CodecError, match=rf"{codec.name}\({kind.__name__}\) cannot decode"):
        codec(kind).decode(codec.encode(value))


class Price(float):
    pass


class Name(str):
    pass


class Count(int):
    pass


class Blob(bytes):
    pass


@pytest.mark.parametrize("codec", [msgpack, json])
def test_an_instance_of_a_subclass_counts_as_its_base(codec):
    values = [Price(1.5), Name("x"), Count(3), Blob(b"ab")]
    plain = [1.5, "x", 3, b"ab"]
    assert codec.encode(values) == codec.encode(plain)
    times = [pd.Timestamp("2024-01-02", tz="UTC"), pd.Timedelta("1min")]
    assert codec.encode(times) == codec.encode([times[0].to_pydatetime(), timedelta(minutes=1)])
    kind = tuple[datetime, timedelta]
    assert codec(kind).decode(codec.encode(times)) == tuple(times)


@pytest.mark.parametrize("codec", [msgpack, json])
@pytest.mark.parametrize(
    "value",
    [
        np.datetime64("NaT", "ns"),
        np.timedelta64("NaT", "ns"),
        pd.NaT,
        np.datetime64(2**62, "s"),
        np.array(["2024-01-01", "NaT"], "datetime64[ns]"),
        pd.Timestamp(1),
        pd.Timedelta(1),
        np.complex128(1),
        1j,
    ],
    ids=repr,
)
def test_a_value_with_no_plain_form_is_refused(codec, value):
    with pytest.raises(CodecError, match=f"{codec.name} cannot encode a value of type"):
        codec.encode([value] if not isinstance(value, np.ndarray) else value)


def test_an_infinite_scalar_of_numpy_stays_infinite():
    assert msgpack(np.float32).decode(msgpack.encode(np.float32(math.inf))) == math.inf


class Signed(RawCodec):
    def encode(self, value):
        return super().encode(value) + b"!"


class Listed(MsgspecCodec):
    def encode(self, value):
        return super().encode([value])


@pytest.mark.parametrize(
    ("codec", "values"),
    [
        (raw, [b"a", b"", b"bc"]),
        (raw, [b"a", bytearray(b"b"), memoryview(b"c")]),
        (msgpack, [1, {"n": [2.5]}, np.float32(0.5), None]),
        (json(Quote), [Quote(1.0, 2.0), Quote(3.0, 4.0)]),
        (bincode(float), [1.0, 2.0]),
        (Signed(), [b"a", b"b"]),
        (Listed("listed", int, msgspec.msgpack), [1, 2]),
    ],
)
def test_a_burst_has_the_bytes_of_its_values_encoded_one_by_one(codec, values):
    encode = burst_encoder(codec)
    for burst in (values, tuple(values), values[:1], []):
        assert list(encode(burst)) == [codec.encode(value) for value in burst]


@pytest.mark.parametrize(
    ("codec", "good", "bad"),
    [(raw, b"a", "text"), (raw, b"a", np.zeros(2)), (msgpack, 1, object()), (json, 1, 1j)],
)
def test_a_burst_with_a_value_that_has_no_bytes_is_refused_by_the_type_of_the_value(
    codec, good, bad
):
    with pytest.raises(CodecError, match=f"{codec.name} .*a value of type {type(bad).__name__}"):
        burst_encoder(codec)([good, bad, good])
