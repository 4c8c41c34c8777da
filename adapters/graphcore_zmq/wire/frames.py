"""The wire: wingfoil's envelope (bincode 1.x), and the trailer that graphcore appends to it.

A frame is a `u32` tag and the tag's body, little-endian. Frames of graphcore then have 28 bytes
that wingfoil ignores: magic, publisher instance, sequence, engine time. A length in a frame is
checked against the size of the frame before it is used.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import lru_cache, partial
from struct import Struct
from struct import error as StructError
from typing import Any, NamedTuple

from graphcore import GraphcoreError


class WireError(GraphcoreError, ValueError):
    """A malformed frame, or an error that a publisher sent."""


class Tag(IntEnum):
    """The kinds of frames."""

    CHECK_POINT = 0
    END_OF_STREAM = 1
    HISTORICAL_VALUE = 2
    VALUE = 3
    ERROR = 4


class Trailer(NamedTuple):
    """What graphcore adds to the envelope of each frame.

    Attributes:
        instance: a random number for each run of a publisher.
        sequence: the frame's number, from 0; a check point repeats the last one.
        time: the publisher's engine time, ns.
    """

    instance: int
    sequence: int
    time: int


class Frame(NamedTuple):
    """The parts of a frame; `payloads` is empty for tags other than values and bursts."""

    tag: Tag
    payloads: list[Any]
    trailer: Trailer | None


MAGIC = b"gc1\0"
_TAG = Struct("<I")
_LENGTH = Struct("<Q")
_HEAD = Struct("<IQ")
_CHECK_POINT = Struct("<Iq")
_BURST = Struct("<IqQ")
_TRAILER = Struct("<4sQQq")
_END_OF_STREAM = _TAG.pack(Tag.END_OF_STREAM)
_VALUE = _TAG.pack(Tag.VALUE)
TRAILER_SIZE = _TRAILER.size
# Looking up a member of the enumeration takes as long as reading a small frame.
_TAGS = tuple(Tag)
_CHECK_POINT_TAG, _END_TAG, _BURST_TAG, _VALUE_TAG, _ERROR_TAG = map(int, _TAGS)
_STRETCH = 1_024  # values of a burst that are read at once

# Reads a value at an offset of a frame; returns it and the offset of its end.
Read = Callable[[bytes, int], tuple[Any, int]]
# Returns what precedes a value of this size.
value_head: Callable[[int], bytes] = partial(_HEAD.pack, int(Tag.VALUE))
# The beginning of a frame, and the rest up to the trailer.
Envelope = tuple[bytes, bytes]


def bare_value_head(size: int) -> bytes:
    """Return what precedes a value without a length before it."""
    return _VALUE


def burst_envelope(payloads: Sequence[bytes], time: int) -> Envelope:
    """Return the envelope of a burst of at least one value.

    Args:
        payloads: the values' bytes.
        time: engine time, ns.
    """
    head = _BURST.pack(Tag.HISTORICAL_VALUE, time, len(payloads))
    lengths = list(map(len, payloads))
    first = _LENGTH.pack(lengths[0])
    if lengths.count(lengths[0]) == len(lengths):
        return head + first, first.join(payloads)
    parts = [b""] * (2 * len(lengths))
    parts[::2] = map(_LENGTH.pack, lengths)
    parts[1::2] = payloads
    return head, b"".join(parts)


def bare_burst_envelope(payloads: Sequence[bytes], time: int) -> Envelope:
    """Return the envelope of a burst of values without lengths before them."""
    return _BURST.pack(Tag.HISTORICAL_VALUE, time, len(payloads)), b"".join(payloads)


def trailers_of(instance: int) -> Callable[[int, int], bytes]:
    """Return the function that makes a publisher's trailers from sequence and engine time."""
    return partial(_TRAILER.pack, MAGIC, instance)


def sealed(envelope: Envelope, trailer: Trailer) -> bytes:
    """Return an envelope with its trailer, which is a frame."""
    return b"".join((*envelope, _TRAILER.pack(MAGIC, *trailer)))


def value_frame(payload: bytes, trailer: Trailer) -> bytes:
    """Return the frame of one value."""
    return sealed((value_head(len(payload)), payload), trailer)


def end_of_stream_frame(trailer: Trailer) -> bytes:
    """Return the frame after which nothing more will come."""
    return sealed((_END_OF_STREAM, b""), trailer)


def check_point_frame(trailer: Trailer) -> bytes:
    """Return the frame that repeats the last sequence, so that subscribers notice a lost tail."""
    return sealed((empty_frame(trailer.time), b""), trailer)


def empty_frame(time: int) -> bytes:
    """Return a frame that means nothing: a check point without a trailer."""
    return _CHECK_POINT.pack(Tag.CHECK_POINT, time)


def read_payload(frame: bytes, at: int) -> tuple[bytes, int]:
    """Read the bytes of a value with its length before it.

    Raises:
        WireError: if the frame is shorter.
    """
    (length,) = _LENGTH.unpack_from(frame, at)
    at += _LENGTH.size
    if length > len(frame) - at:
        raise WireError(f"a value of {length} bytes in a frame of {len(frame)}")
    return frame[at : at + length], at + length


def read_frame(
    frame: bytes, max_burst: int, read: Read = read_payload, least: int = _LENGTH.size
) -> Frame:
    """Return the parts of a frame.

    Args:
        frame: the frame.
        max_burst: how many values it may have.
        read: reads each value.
        least: the size of the smallest value; a burst that claims more values than fit is refused.

    Raises:
        WireError: if the frame is malformed, or is a publisher's error.
    """
    payloads: list[Any] = []
    end = _TAG.size
    try:
        (number,) = _TAG.unpack_from(frame)
        if number == _BURST_TAG:
            _, _, count = _BURST.unpack_from(frame)
            if count > max_burst:
                raise WireError(
                    f"a burst of {count} values is more than max_burst ({max_burst}) allows"
                )
            end = _BURST.size
            if count * least > len(frame) - end:
                raise WireError(f"a frame of {len(frame)} bytes cannot hold {count} values")
            if read is read_payload:
                payloads, end = _read_payloads(frame, end, count)
            else:
                for _ in range(count):
                    payload, end = read(frame, end)
                    payloads.append(payload)
        elif number == _VALUE_TAG:
            payload, end = read(frame, end)
            payloads = [payload]
        elif number == _CHECK_POINT_TAG:
            end = _CHECK_POINT.size
            _CHECK_POINT.unpack_from(frame)
        elif number == _ERROR_TAG:
            message, _ = read_payload(frame, end)
            raise WireError(f"the publisher reports: {message.decode(errors='replace')}")
        elif number != _END_TAG:
            raise WireError(f"tag {number} is unknown; tags are 0 to {max(Tag)}")
    except StructError:
        raise WireError(f"a frame of {len(frame)} bytes is cut short") from None
    return Frame(_TAGS[number], payloads, _read_trailer(frame, end))


def _read_payloads(frame: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    """Read values with their lengths before them, many at once where they have one size.

    A stretch of values is read as if all were as long as its first, and read again one by one if
    they are not.
    """
    payloads: list[bytes] = []
    size = len(frame)
    while len(payloads) < count:
        stretch = min(count - len(payloads), _STRETCH)
        (length,) = _LENGTH.unpack_from(frame, at)
        if stretch * (_LENGTH.size + length) <= len(frame) - at:
            layout = _equal_layout(length, stretch)
            taken = layout.unpack_from(frame, at)
            head = frame[at : at + _LENGTH.size]
            # Packing the values again and comparing is cheaper than comparing each length.
            if frame.startswith(head + head.join(taken), at):
                payloads += taken
                at += layout.size
                continue
        for _ in range(stretch):
            (length,) = _LENGTH.unpack_from(frame, at)
            begin = at + _LENGTH.size
            at = begin + length
            if at > size:
                raise WireError(f"a value of {length} bytes in a frame of {size}")
            payloads.append(frame[begin:at])
    return payloads, at


@lru_cache(maxsize=64)
def _equal_layout(length: int, count: int) -> Struct:
    return Struct("<" + f"8x{length}s" * count)


def _read_trailer(frame: bytes, at: int) -> Trailer | None:
    if len(frame) - at < TRAILER_SIZE:
        return None
    magic, instance, sequence, time = _TRAILER.unpack_from(frame, at)
    return Trailer(instance, sequence, time) if magic == MAGIC else None
