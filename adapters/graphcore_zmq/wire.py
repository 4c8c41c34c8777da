"""The wire: wingfoil's envelope (bincode 1.x) and the trailer that graphcore puts behind it.

A frame is a `u32` tag and the tag's body, little-endian; behind it stand, in frames of graphcore's
own, 28 bytes that wingfoil ignores: magic, publisher instance, sequence, engine time. Lengths in a
frame are checked against what is there before anything is taken from it.
"""

from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from struct import Struct
from struct import error as StructError
from typing import NamedTuple, cast

from graphcore import GraphcoreError


class WireError(GraphcoreError, ValueError):
    """A frame that is not of this wire, or an error that a publisher sent."""


class Tag(IntEnum):
    """What a frame is."""

    CHECK_POINT = 0
    END_OF_STREAM = 1
    HISTORICAL_VALUE = 2
    VALUE = 3
    ERROR = 4


class Trailer(NamedTuple):
    """What graphcore says of each frame beyond the envelope.

    Attributes:
        instance: the publisher's, random for each run.
        sequence: the frame's number, from 0; a check point repeats the last one.
        time: engine time of the publisher, ns.
    """

    instance: int
    sequence: int
    time: int


class Frame(NamedTuple):
    """A frame taken apart: `payloads` are the values' bytes, none for other tags."""

    tag: Tag
    payloads: list[bytes]
    trailer: Trailer | None


MAGIC = b"gc1\0"
_TAG = Struct("<I")
_LENGTH = Struct("<Q")
_HEAD = Struct("<IQ")
_CHECK_POINT = Struct("<Iq")
_BURST = Struct("<IqQ")
_TRAILER = Struct("<4sQQq")
_END_OF_STREAM = _TAG.pack(Tag.END_OF_STREAM)
_ORIGIN = Struct("<4sQ")
_TRAILER_SIZE = _TRAILER.size
OVERHEAD = _HEAD.size + _TRAILER_SIZE  # what a frame of one value has beside it

# Takes a frame apart into head, payload, origin (magic and instance) and sequence.
Unpack = Callable[[bytes], tuple[bytes, bytes, bytes, int]]


def origin_of(instance: int) -> bytes:
    """Return the bytes of a trailer that every frame of one publisher shares."""
    return _ORIGIN.pack(MAGIC, instance)


@lru_cache(maxsize=256)
def value_layout(size: int) -> tuple[Unpack, bytes] | None:
    """Return how to take apart a frame of this size that holds one value and a trailer.

    Returns:
        The function for it, and the head that shows that the frame is such a one; `None` for a
        size that is too small.
    """
    length = size - OVERHEAD
    if length < 0:
        return None
    layout = Struct(f"<{_HEAD.size}s{length}s{_ORIGIN.size}sQ{_TRAILER_SIZE - _ORIGIN.size - 8}x")
    unpack = cast(Unpack, layout.unpack)
    return unpack, _HEAD.pack(Tag.VALUE, length)


def value_frame(payload: bytes, trailer: Trailer) -> bytes:
    """Return the frame of one value."""
    return _HEAD.pack(Tag.VALUE, len(payload)) + payload + _TRAILER.pack(MAGIC, *trailer)


def end_of_stream_frame(trailer: Trailer) -> bytes:
    """Return the frame that says that nothing more will come."""
    return _END_OF_STREAM + _TRAILER.pack(MAGIC, *trailer)


def check_point_frame(trailer: Trailer) -> bytes:
    """Return the frame that repeats the last sequence, so that a lost tail is noticed."""
    return _CHECK_POINT.pack(Tag.CHECK_POINT, trailer.time) + _TRAILER.pack(MAGIC, *trailer)


def read_frame(frame: bytes, max_burst: int) -> Frame:
    """Take a frame apart.

    Args:
        frame: as it came.
        max_burst: how many values it may have.

    Raises:
        WireError: if it is not of this wire, or is a publisher's error.
    """
    try:
        (number,) = _TAG.unpack_from(frame)
        if number == Tag.VALUE:
            payloads, end = _read_payloads(frame, _TAG.size, 1)
        elif number == Tag.HISTORICAL_VALUE:
            _, _, count = _BURST.unpack_from(frame)
            if count > max_burst:
                raise WireError(f"a burst of {count} values; at most {max_burst} are taken")
            payloads, end = _read_payloads(frame, _BURST.size, count)
        elif number == Tag.CHECK_POINT:
            payloads, end = [], _CHECK_POINT.size
            _CHECK_POINT.unpack_from(frame)
        elif number == Tag.END_OF_STREAM:
            payloads, end = [], _TAG.size
        elif number == Tag.ERROR:
            messages, _ = _read_payloads(frame, _TAG.size, 1)
            raise WireError(f"the publisher reports: {messages[0].decode(errors='replace')}")
        else:
            raise WireError(f"tag {number} is none of the wire's (0 to {max(Tag)})")
    except StructError:
        raise WireError(f"a frame of {len(frame)} bytes is cut short") from None
    return Frame(Tag(number), payloads, _read_trailer(frame, end))


def _read_payloads(frame: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    if count * _LENGTH.size > len(frame) - at:
        raise WireError(f"a frame of {len(frame)} bytes cannot hold {count} values")
    payloads = []
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(frame, at)
        at += _LENGTH.size
        if length > len(frame) - at:
            raise WireError(f"a value of {length} bytes in a frame of {len(frame)}")
        payloads.append(frame[at : at + length])
        at += length
    return payloads, at


def _read_trailer(frame: bytes, at: int) -> Trailer | None:
    if len(frame) - at < _TRAILER_SIZE:
        return None
    magic, *fields = _TRAILER.unpack_from(frame, at)
    return Trailer(*fields) if magic == MAGIC else None
