"""Payload codecs, with the standard library's json as an outside oracle."""

import json as standard_json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcore_zmq import CodecError, json, msgpack, raw

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
def test_bytes_that_nest_too_deep_are_refused_as_any_other(codec, payload):
    with pytest.raises(CodecError, match=f"{codec.name} cannot decode"):
        codec.decode(payload)


def test_a_value_that_nests_too_deep_is_refused_as_any_other():
    endless = []
    endless.append(endless)
    with pytest.raises(CodecError, match="msgpack cannot encode a value of type list"):
        msgpack.encode(endless)


def test_raw_takes_whatever_is_bytes():
    assert [raw.encode(kind(b"ab")) for kind in (bytes, bytearray, memoryview)] == [b"ab"] * 3
