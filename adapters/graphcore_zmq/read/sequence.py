"""Sequence numbers tell a reader whether a frame is next or repeated, and let it count gaps."""

from enum import Enum, auto

from graphcore_zmq.wire.frames import Tag, Trailer


class Arrival(Enum):
    """How a frame relates to the frames before it."""

    NEXT = auto()
    DUPLICATE = auto()
    GAP = auto()
    NEW_PUBLISHER = auto()


class Sequence:
    """Follows the frames that one publisher sends, or those it sends under one topic.

    Args:
        instance: the publisher that is known already; the first frame from it may have any number.

    Attributes:
        expected: the number of the next frame; -1, which no frame has, until one has come.
        missing: how many frames the last gap has lost.
    """

    __slots__ = ("_instance", "expected", "missing")

    def __init__(self, instance: int | None = None) -> None:
        self._instance = instance
        self.expected = -1
        self.missing = 0

    def accept(self, tag: Tag, trailer: Trailer) -> Arrival:
        """Follow a frame, and return what it is.

        A check point repeats the number of the frame before it, so it stands before the next one.
        """
        following = trailer.sequence + 1
        begin = following if tag is Tag.CHECK_POINT else trailer.sequence
        if trailer.instance != self._instance:
            self._instance, self.expected = trailer.instance, following
            return Arrival.NEW_PUBLISHER
        expected = begin if self.expected < 0 else self.expected
        self.expected = max(expected, following)
        if begin < expected:
            return Arrival.DUPLICATE
        self.missing = begin - expected
        return Arrival.GAP if self.missing else Arrival.NEXT
