"""Layouts: each unpacks the frames that it is made for, and no others."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcore_zmq.wire.frames import (
    Tag,
    Trailer,
    WireError,
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


def test_a_layout_reads_what_reading_one_by_one_does():
    for payloads in ([b"ab"], ALIKE, [b""] * 3, [b"a", b"bc"]):
        for with_trailer in (False, True):
            frame = burst(payloads, with_trailer)
            layouts = BurstLayouts()
            first, again = (layouts.read(frame, 1_000) for _ in range(2))
            assert first == (payloads, len(burst(payloads)))
            assert (list(again[0]), again[1]) == first
            assert (len(frame) in layouts) == (payloads != [b"a", b"bc"])


@pytest.mark.parametrize("change", [(0, b"\3"), (12, b"c"), (20, b"\x0f"), (44, b"\x11")])
@pytest.mark.parametrize("with_trailer", [False, True])
def test_a_burst_that_only_looks_like_the_one_before_is_not_read_like_it(change, with_trailer):
    frame = bytearray(burst(ALIKE, with_trailer))
    layout = BurstLayout(100, 16)
    taken = layout.take(bytes(frame))
    assert taken is not None and list(taken) == ALIKE
    at, byte = change
    frame[at : at + 1] = byte
    assert layout.take(bytes(frame)) is None


@pytest.mark.parametrize("payloads", [[], [b"a"] * 1_025])
def test_a_burst_without_values_or_with_very_many_has_no_layout(payloads):
    layouts = BurstLayouts()
    frame = burst(payloads) if payloads else b"\2" + bytes(19)
    for _ in range(2):
        assert layouts.read(frame, 2_000) == (payloads, len(frame))
    assert layouts == {}


def test_layouts_of_bursts_describe_a_limited_number_of_values():
    layouts = BurstLayouts()
    for length in range(500):
        payloads = [bytes(length)] * 1_000
        frame = burst(payloads)
        for _ in range(2):
            values, end = layouts.read(frame, 1_000)
            assert (list(values), end) == (payloads, len(frame))
        assert len(frame) in layouts
        assert len(layouts) * 1_000 <= BurstLayouts.MOST


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Bursts, some with lies about their lengths, and bytes at random."""
    parts = [struct.pack("<IqQ", draw(st.sampled_from([2, 2, 2, 3])), 5, draw(st.integers(0, 4)))]
    for size in draw(st.lists(st.integers(0, 3), max_size=4)):
        parts += [struct.pack("<Q", draw(st.sampled_from([size] * 5 + [9, 2**40, 2**64 - 1])))]
        parts += [bytes(size)]
    return b"".join(parts)


@given(st.lists(contents() | st.binary(max_size=60), min_size=1, max_size=8))
def test_layouts_read_a_burst_as_read_frame_does_or_refuse_it(frames):
    layouts = BurstLayouts()
    for frame in frames * 2:
        try:
            values, end = layouts.read(frame, 3)
        except (struct.error, ValueError, OverflowError):
            # Other kinds of frames, and malformed ones.
            with suppress(WireError):
                assert read_frame(frame, 3).tag is not Tag.HISTORICAL_VALUE
        else:
            assert read_frame(frame[:end], 3) == (Tag.HISTORICAL_VALUE, list(values), None)
