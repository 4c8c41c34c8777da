"""What a subscriber tells of itself."""

from dataclasses import dataclass
from enum import StrEnum


class ZmqStatus(StrEnum):
    """What a subscriber's `status` ticks with."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    GAP = "gap"


class OnEnd(StrEnum):
    """What a subscriber does when its publisher says that nothing more will come."""

    CLOSE = "close"
    FOLLOW = "follow"


@dataclass(frozen=True, slots=True)
class SubscriberStats:
    """What a subscriber has done in this run.

    Attributes:
        received: values received.
        bytes: size of the frames they came in.
        lost: frames that the publisher sent and that never came.
        conflated: values received for which a newer one was handed to the graph.
        peers: connections now, 0 or 1.
    """

    received: int = 0
    bytes: int = 0
    lost: int = 0
    conflated: int = 0
    peers: int = 0
