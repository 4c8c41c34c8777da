"""The wire, byte for byte as in wingfoil's frames, and the frames that are refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcore_zmq import CodecError, bincode, f32, u16
from graphcore_zmq.wire.frames import (
    Tag,
    Trailer,
    WireError,
    bare_burst_envelope,
    bare_value_head,
    burst_envelope,
    check_point_frame,
    end_of_stream_frame,
    read_frame,
    sealed,
    value_frame,
)
from graphcore_zmq.wire.framing import topic_frame

TRAILER = Trailer(7, 3, 1_000)
TRAILER_BYTES = bytes.fromhex("67633100 0700000000000000 0300000000000000 e803000000000000")


@pytest.mark.parametrize(
    ("text", "tag", "payloads"),
    [
        ("03000000 0200000000000000 6d31", Tag.VALUE, [b"m1"]),
        (
            "02000000 0500000000000000 0300000000000000 0100000000000000 78 0100000000000000 79"
            "0100000000000000 7a",
            Tag.HISTORICAL_VALUE,
            [b"x", b"y", b"z"],
        ),
        ("00000000 0700000000000000", Tag.CHECK_POINT, []),
        ("01000000", Tag.END_OF_STREAM, []),
        ("03000000 0100000000000000 61 4558545241", Tag.VALUE, [b"a"]),
    ],
)
def test_frames_of_wingfoil_are_read(text, tag, payloads):
    frame = bytes.fromhex(text)
    assert read_frame(frame, 1_000) == (tag, payloads, None)
    assert read_frame(frame + TRAILER_BYTES, 1_000)[:2] == (tag, payloads)


def test_graphcores_frames_are_wingfoils_with_a_trailer_at_the_end():
    assert value_frame(b"m1", TRAILER) == (
        bytes.fromhex("03000000 0200000000000000 6d31") + TRAILER_BYTES
    )
    assert end_of_stream_frame(TRAILER) == bytes.fromhex("01000000") + TRAILER_BYTES
    assert check_point_frame(TRAILER) == (
        bytes.fromhex("00000000 e803000000000000") + TRAILER_BYTES
    )


def test_graphcores_bursts_and_topics_have_the_documented_bytes():
    text = "02000000 0500000000000000 0200000000000000 0100000000000000 78 0200000000000000 797a"
    assert sealed(burst_envelope([b"x", b"yz"], 5), TRAILER) == bytes.fromhex(text) + TRAILER_BYTES
    typed = b"".join(bare_burst_envelope([b"\1\2", b"\3\4"], 5))
    assert typed == bytes.fromhex("02000000 0500000000000000 0200000000000000 0102 0304")
    assert topic_frame("hé") == bytes.fromhex("68c3a9 00")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("6a756e6b", "tag 1802401130"),
        ("04000000 0400000000000000 626f6f6d", "boom"),
        ("0300", "cut short"),
        ("03000000 0500000000000000 61", "a value of 5 bytes"),
        ("02000000 0000000000000000 ffffffffffffff0f", "cannot hold"),
        ("00000000 07", "cut short"),
    ],
)
def test_malformed_frames_are_refused_in_a_sentence(text, message):
    with pytest.raises(WireError, match=message):
        read_frame(bytes.fromhex(text), 2**62)


@given(
    st.binary(),
    st.builds(
        Trailer,
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**64 - 1),
        st.integers(-(2**63), 2**63 - 1),
    ),
)
def test_a_value_comes_back_with_its_trailer(payload, trailer):
    assert read_frame(value_frame(payload, trailer), 1) == (Tag.VALUE, [payload], trailer)


@given(st.binary(max_size=80))
def test_any_bytes_raise_at_worst_a_wire_error(frame):
    try:
        tag, payloads, _ = read_frame(frame, 1_000)
    except WireError:
        return
    assert tag in Tag
    assert sum(map(len, payloads)) <= len(frame)


@given(st.lists(st.binary(max_size=20)), st.integers(0, 200))
def test_a_burst_cut_short_is_refused(payloads, cut):
    frame = struct.pack("<IqQ", 2, 0, len(payloads))
    frame += b"".join(struct.pack("<Q", len(payload)) + payload for payload in payloads)
    assert read_frame(frame, 1_000).payloads == payloads
    if 0 < cut <= len(frame):
        with pytest.raises(WireError):
            read_frame(frame[:-cut], 1_000)


def test_bytes_after_a_value_without_the_magic_are_not_a_trailer():
    frame = value_frame(b"v", TRAILER)
    foreign = frame.replace(b"gc1\0", b"gc2\0")
    assert read_frame(frame, 1_000).trailer == TRAILER
    assert read_frame(foreign, 1) == (Tag.VALUE, [b"v"], None)


@pytest.mark.parametrize(
    ("kind", "text", "values"),
    [
        (float, "03000000 000000000000f83f", [1.5]),
        (str, "03000000 0200000000000000 6d31", ["m1"]),
        (
            u16 | None,
            "02000000 0500000000000000 0300000000000000 01 0700 00 01 0800",
            [7, None, 8],
        ),
        (f32, "02000000 0500000000000000 0000000000000000", []),
    ],
)
def test_values_of_typed_peers_are_in_the_envelope_without_a_length(kind, text, values):
    codec, frame = bincode(kind), bytes.fromhex(text)
    tag = Tag(frame[0])
    assert read_frame(frame, 1_000, codec.read, codec.least) == (tag, values, None)
    assert read_frame(frame + b"EXTRA", 1_000, codec.read, codec.least) == (tag, values, None)
    assert read_frame(frame + TRAILER_BYTES, 1_000, codec.read, codec.least) == (
        tag,
        values,
        TRAILER,
    )
    if tag is Tag.VALUE:
        assert (
            sealed((bare_value_head(0), codec.encode(values[0])), TRAILER) == frame + TRAILER_BYTES
        )


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("03000000 00000000", CodecError, "within the value"),
        ("02000000 0000000000000000 ffffffffffffff0f 00", WireError, "cannot hold"),
        ("02000000 0000000000000000 0200000000000000 00", WireError, "cannot hold 2 values"),
    ],
)
def test_a_missing_typed_value_is_refused_in_a_sentence(text, error, said):
    codec = bincode(float)
    with pytest.raises(error, match=said):
        read_frame(bytes.fromhex(text), 2**62, codec.read, codec.least)


@given(st.lists(st.binary(max_size=40), min_size=1), st.integers(-(2**63), 2**63 - 1))
def test_a_burst_comes_back(payloads, time):
    envelope = burst_envelope(payloads, time)
    assert b"".join(envelope) == struct.pack("<IqQ", 2, time, len(payloads)) + b"".join(
        struct.pack("<Q", len(payload)) + payload for payload in payloads
    )
    assert read_frame(sealed(envelope, TRAILER), 1_000) == (Tag.HISTORICAL_VALUE, payloads, TRAILER)


@given(st.binary(max_size=20), st.integers(1, 5_000), st.lists(st.integers(0, 4_999)))
def test_a_burst_is_taken_for_one_of_equal_sizes_only_if_all_are_equal(payload, count, others):
    payloads = [payload] * count
    for place in others:
        payloads[place % count] = payload + b"more"
    assert read_frame(sealed(burst_envelope(payloads, 0), TRAILER), 5_000).payloads == payloads


@pytest.mark.parametrize("lie", [2, 2**40, 2**63, 2**64 - 1])
def test_a_false_length_in_a_burst_is_refused(lie):
    value = struct.pack("<Q", 1) + b"v"
    frame = struct.pack("<IqQ", 2, 0, 3) + value + struct.pack("<Q", lie) + b"v" + value
    with pytest.raises(WireError):
        read_frame(frame, 1_000)
