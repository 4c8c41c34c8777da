"""Layouts of the frames that most publishers send, by which a reader unpacks a frame in one step.

A layout says where the parts of a frame of one size are, if the frame is of the layout's kind. The
head of the frame then proves that it is. A frame that fails the proof is read by `read_frame`.
"""

from collections.abc import Callable, Sequence
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
_BURST_TAG = Struct("<I").pack(Tag.HISTORICAL_VALUE)
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
    """The layout of a frame that holds a burst of values, all of one length.

    Args:
        count: how many values; at least 1.
        length: of each value, bytes.
        sealed: whether a trailer follows.

    Attributes:
        size: of such a frame.
    """

    def __init__(self, count: int, length: int, sealed: bool) -> None:
        self._sealed = sealed
        self._head = _LENGTH.pack(length)
        self._shape = _LENGTH.pack(count) + self._head
        more = f"8x{length}s" * (count - 1)
        layout = Struct(f"<4s8x{len(self._shape)}s{length}s{more}{_TRAILER if sealed else ''}")
        self._unpack = layout.unpack
        self.size = layout.size

    def take(self, frame: bytes) -> tuple[list[bytes], tuple[bytes, int, int] | None] | None:
        """Return the values of a frame of this size, and its trailer: origin, sequence and time.

        `None` if the frame has another layout. The trailer is `None` if this layout has none.
        """
        tag, shape, *values = self._unpack(frame)
        trailer = None
        if self._sealed:
            origin, sequence, time = values[-3:]
            trailer = origin, sequence, time
            del values[-3:]
        head = self._head
        # Packing the values again and comparing is cheaper than comparing each length.
        again = head + head.join(values)
        if shape == self._shape and tag == _BURST_TAG and frame.startswith(again, _BURST.size):
            return values, trailer
        return None


class BurstLayouts(dict[int, BurstLayout]):
    """By the size of a frame: the layout of the last burst of this size.

    The layouts describe at most `MOST` values together, which bounds their memory.
    """

    MOST = 1 << 16  # values; about 2 MB
    MOST_IN_ONE = 1_024

    def __init__(self) -> None:
        super().__init__()
        self._values = 0

    def learn(self, values: Sequence[bytes], size: int, sealed: bool) -> None:
        """Remember the layout of a burst if all its values have one length.

        Args:
            values: of the burst.
            size: of its frame.
            sealed: whether the frame has a trailer.
        """
        count = len(values)
        if not 0 < count <= self.MOST_IN_ONE or len(set(map(len, values))) != 1:
            return
        layout = BurstLayout(count, len(values[0]), sealed)
        if layout.size != size:  # other bytes follow the values
            return
        if self._values + count > self.MOST:
            self.clear()
            self._values = 0
        self._values += count
        self[size] = layout
