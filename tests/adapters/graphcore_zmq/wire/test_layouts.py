"""Layouts: each unpacks the frames that it is made for, and no others."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcore_zmq.wire.frames import (
    Trailer,
    burst_envelope,
    read_frame,
    sealed,
    value_frame,
    value_head,
)
from graphcore_zmq.wire.layouts import BurstLayout, BurstLayouts, ValueLayouts, origin_of

TRAILER = Trailer(7, 3, 1_000)
TRAILER_BYTES = sealed((b"", b""), TRAILER)
ALIKE = [b"%016d" % number for number in range(100)]


def burst(payloads: list[bytes], with_trailer: bool = False) -> bytes:
    frame = b"".join(burst_envelope(payloads, 5))
    return frame + TRAILER_BYTES if with_trailer else frame


@given(st.binary(max_size=50), st.integers(0, 2**64 - 1))
def test_the_layout_of_a_value_unpacks_what_was_packed(payload, instance):
    frame = value_frame(payload, Trailer(instance, 3, 1_000))
    unpack, head = ValueLayouts()[len(frame)]
    assert unpack(frame) == (head, payload, origin_of(instance), 3, 1_000)
    assert head == value_head(len(payload))


@given(st.binary(max_size=39))
def test_no_frame_too_small_for_a_value_and_a_trailer_is_unpacked_as_one(frame):
    unpack, head = ValueLayouts()[len(frame)]
    assert (unpack(frame)[0], unpack(frame)[2]) != (head, origin_of(0))
    assert unpack(frame)[2] == b""


def test_layouts_of_values_are_kept_for_a_limited_number_of_sizes():
    layouts = ValueLayouts()
    for size in range(3 * ValueLayouts.MOST):
        assert layouts[size] is layouts[size]
        assert len(layouts) <= ValueLayouts.MOST


@pytest.mark.parametrize(
    ("lengths", "alike"),
    [
        ((16, 16, 16), True),
        ((15, 17, 16), False),
        ((16, 15, 17), False),
        ((17, 16, 15), False),
        ((0, 16, 32), False),
    ],
)
@pytest.mark.parametrize("with_trailer", [False, True])
def test_a_burst_has_the_layout_of_the_one_before_if_all_its_values_are_as_long(
    lengths, alike, with_trailer
):
    payloads = [b"z" * length for length in lengths]
    frame = burst(payloads, with_trailer)
    layout = BurstLayout(3, 16, sealed=with_trailer)
    assert layout.size == len(frame)
    trailer = (origin_of(7), 3, 1_000) if with_trailer else None
    assert layout.take(frame) == ((payloads, trailer) if alike else None)


@pytest.mark.parametrize("change", [(0, b"\3"), (12, b"c"), (20, b"\x0f"), (44, b"\x11")])
@pytest.mark.parametrize("with_trailer", [False, True])
def test_a_burst_that_only_looks_like_the_one_before_is_not_read_like_it(change, with_trailer):
    frame = bytearray(burst(ALIKE, with_trailer))
    layout = BurstLayout(100, 16, sealed=with_trailer)
    taken = layout.take(bytes(frame))
    assert taken is not None and taken[0] == ALIKE
    at, byte = change
    frame[at : at + 1] = byte
    assert layout.take(bytes(frame)) is None


def test_a_burst_of_values_of_one_length_is_learned():
    layouts = BurstLayouts()
    for payloads in ([b"ab"], ALIKE, [b""] * 3):
        for with_trailer in (False, True):
            frame = burst(payloads, with_trailer)
            layouts.learn(payloads, len(frame), sealed=with_trailer)
            taken = layouts[len(frame)].take(frame)
            assert taken is not None and taken[0] == payloads


@pytest.mark.parametrize(
    ("payloads", "behind"),
    [([], b""), ([b"a", b"bc"], b""), ([b"a"] * 1_025, b""), ([b"a"] * 3, b"EXTRA")],
)
def test_other_bursts_are_not_learned(payloads, behind):
    layouts = BurstLayouts()
    frame = burst(payloads or [b""]) + behind
    layouts.learn(payloads, len(frame), sealed=False)
    assert layouts == {}


def test_layouts_of_bursts_describe_a_limited_number_of_values():
    layouts = BurstLayouts()
    for length in range(500):
        payloads = [bytes(length)] * 1_000
        frame = burst(payloads)
        layouts.learn(payloads, len(frame), sealed=False)
        assert layouts[len(frame)].take(frame) == (payloads, None)
        assert len(layouts) * 1_000 <= BurstLayouts.MOST


@given(st.binary(max_size=120), st.integers(0, 3), st.integers(0, 5), st.booleans())
def test_what_a_layout_of_bursts_takes_is_what_the_frame_holds(content, count, length, trailer):
    layout = BurstLayout(count or 1, length, trailer)
    head = struct.pack("<IqQ", 2, 0, count or 1)
    frame = (head + content).ljust(layout.size, b"\0")[: layout.size]
    taken = layout.take(frame)
    if taken is not None:
        assert read_frame(frame, 1_000).payloads == taken[0]
