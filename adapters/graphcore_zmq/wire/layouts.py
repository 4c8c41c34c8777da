"""Layouts of the frames that most publishers send, by which a reader unpacks a frame in one step.

A layout says where the parts of a frame of one size are, if the frame is of the layout's kind. The
head of the frame then proves that it is. A frame that fails the proof is read by `read_frame`.
"""

from collections.abc import Callable, Sequence
from itertools import repeat
from struct import Struct
from typing import cast

from graphcore_zmq.wire.frames import MAGIC, TRAILER_SIZE, Tag

# Tag and length of a value.
HEAD = Struct("<IQ")
_ORIGIN = Struct("<4sQ")
_TRAILER = f"{_ORIGIN.size}sQq"
# Origin, sequence and time.
TRAILER = Struct(f"<{_TRAILER}")
VALUE = int(Tag.VALUE)
BARE_VALUE = Struct("<I").pack(VALUE)
_BURST_TAG = int(Tag.HISTORICAL_VALUE)
_BURST = Struct("<IqQ")
_LENGTH = Struct("<Q")

# Unpacks a frame into head, payload, origin (magic and instance), sequence and time.
Unpack = Callable[[bytes], tuple[bytes, bytes, bytes, int, int]]


def origin_of(instance: int) -> bytes:
    """Return the bytes that the trailers of one publisher have in common."""
    return _ORIGIN.pack(MAGIC, instance)


def _too_small(frame: bytes) -> tuple[bytes, bytes, bytes, int, int]:
    return frame, b"", b"", 0, 0


class ValueLayouts(dict[int, tuple[Unpack, bytes]]):
    """By the size of a frame: how to unpack it if it holds one value and a trailer.

    An entry is the function that unpacks the frame, and the head that such a frame has. It is made
    when it is first asked for. The head of a frame that is too small for a value never equals the
    head of its entry.
    """

    MOST = 4_096  # sizes; about 1 MB

    def __missing__(self, size: int) -> tuple[Unpack, bytes]:
        if len(self) >= self.MOST:
            self.clear()
        length = size - HEAD.size - TRAILER_SIZE
        if length < 0:
            layout: tuple[Unpack, bytes] = _too_small, b""
        else:
            unpack = Struct(f"<{HEAD.size}s{length}s{_TRAILER}").unpack
            layout = cast(Unpack, unpack), HEAD.pack(VALUE, length)
        self[size] = layout
        return layout


class BurstLayout:
    """The layout of a frame that begins with a burst of values, all of one length.

    Args:
        count: how many values; at least 1.
        length: of each value, bytes.

    Attributes:
        end: where the burst ends in the frame.
    """

    def __init__(self, count: int, length: int) -> None:
        # Two layouts, since a tuple of numbers and one of values need not be separated.
        self._numbers = Struct("<I8xQ" + f"Q{length}x" * count).unpack_from
        self._expected = (_BURST_TAG, count, *repeat(length, count))
        values = Struct(f"<{_BURST.size}x" + f"{_LENGTH.size}x{length}s" * count)
        self._values = values.unpack_from
        self.end = values.size

    def take(self, frame: bytes) -> tuple[bytes, ...] | None:
        """Return the values of a frame; `None` if it begins with something else.

        Raises:
            struct.error: if the frame is shorter.
        """
        return self._values(frame) if self._numbers(frame) == self._expected else None


class BurstLayouts(dict[int, BurstLayout]):
    """By the size of a frame: the layout of the last burst of this size.

    The layouts describe at most `MOST` values together, which bounds their memory.
    """

    MOST = 1 << 15  # values; about 3 MB
    MOST_IN_ONE = 1_024

    def __init__(self) -> None:
        super().__init__()
        self._values = 0

    def read(self, frame: bytes, most: int) -> tuple[Sequence[bytes], int]:
        """Return the values of a burst, and where they end in the frame.

        Args:
            frame: any frame.
            most: how many values it may hold.

        Raises:
            struct.error, ValueError, OverflowError: if the frame is not a burst, or malformed.
        """
        layout = self.get(len(frame))
        if layout is not None:
            taken = layout.take(frame)
            if taken is not None:
                return taken, layout.end
        tag, _, count = _BURST.unpack_from(frame)
        if tag != _BURST_TAG or count > most:
            raise ValueError("not a burst that may be read")
        values, end = [], _BURST.size
        length_at = _LENGTH.unpack_from
        for _ in repeat(None, count):
            (length,) = length_at(frame, end)  # raises after a value that is cut short
            begin = end + _LENGTH.size
            end = begin + length
            values.append(frame[begin:end])
        if end > len(frame):
            raise ValueError("a value is cut short")
        if 0 < count <= self.MOST_IN_ONE:
            self._learn(values, end, len(frame))
        return values, end

    def _learn(self, values: list[bytes], end: int, size: int) -> None:
        count, length = len(values), len(values[0])
        equal = end == _BURST.size + count * (_LENGTH.size + length)
        if not equal or len(set(map(len, values))) > 1:
            return
        if self._values + count > self.MOST:
            self.clear()
            self._values = 0
        self._values += count
        self[size] = BurstLayout(count, length)
