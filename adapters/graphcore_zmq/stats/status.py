"""What subscribers and publishers report: statuses and stats."""

from dataclasses import dataclass, field
from enum import StrEnum

from graphcore_zmq.stats.latency import Latency


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: "1 value", "2 values"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class ZmqStatus(StrEnum):
    """The values of a subscriber's `status`."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    GAP = "gap"
    REFUSED = "refused"


class OnEnd(StrEnum):
    """What a subscriber does when its publisher ends normally."""

    CLOSE = "close"
    FOLLOW = "follow"


@dataclass(frozen=True, slots=True)
class SubscriberStats:
    """What a subscriber has done in this run.

    Attributes:
        received: values received.
        bytes: size of the frames they came in.
        lost: frames that the publisher sent but that never arrived.
        conflated: values received that a newer one replaced before the graph took them.
        peers: connections now, 0 or 1.
        latency: of each frame, one way: from its publisher's engine time until its burst is handed
            to the graph. It includes the difference between the clocks of two hosts.
    """

    received: int = 0
    bytes: int = 0
    lost: int = 0
    conflated: int = 0
    peers: int = 0
    latency: Latency = field(default_factory=Latency)

    def __str__(self) -> str:
        """Return it in words, for the log."""
        return (
            f"{counted(self.received, 'value')} received ({counted(self.bytes, 'byte')}), "
            f"{counted(self.lost, 'frame')} lost, {self.latency}"
        )


@dataclass(frozen=True, slots=True)
class PublisherStats:
    """What a publisher has done in this run.

    Attributes:
        sent: values handed to the socket.
        kept: values that now wait for the first subscriber.
        expired: values that were never sent: nobody subscribed in time, or the run was stopping.
        bytes: size of the frames sent.
        peers: connections now.
        subscriptions: subscriptions now.
    """

    sent: int = 0
    kept: int = 0
    expired: int = 0
    bytes: int = 0
    peers: int = 0
    subscriptions: int = 0

    def __str__(self) -> str:
        """Return it in words, for the log."""
        return (
            f"{counted(self.sent, 'value')} sent ({counted(self.bytes, 'byte')}), "
            f"{self.kept} kept, {self.expired} expired, "
            f"{counted(self.subscriptions, 'subscription')}"
        )
