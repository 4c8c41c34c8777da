"""What publishers and subscribers tell of themselves in numbers: their stats, as measures."""

from typing import Any

from graphcore import MutableNode
from graphcore.seeing import Buckets, Measure, Measured, MeasureKind, measured
from graphcore_zmq.read.subscribe import ZmqData, ZmqReceiver, ZmqStatusNode
from graphcore_zmq.stats.latency import BOUNDS, Latency
from graphcore_zmq.stats.status import PublisherStats, SubscriberStats
from graphcore_zmq.write.sender import ZeroMqSenderNode

_COUNTER, _GAUGE = MeasureKind.COUNTER, MeasureKind.GAUGE

# For each measure, its name, how it changes, what it is, and the attribute of the stats.
_PUBLISHER = (
    ("values", _COUNTER, "Values handed to the socket", "sent"),
    ("bytes", _COUNTER, "Size of the frames sent", "bytes"),
    ("expired_values", _COUNTER, "Values never sent", "expired"),
    ("kept_values", _GAUGE, "Values waiting for a first subscriber", "kept"),
    ("peers", _GAUGE, "Connections now", "peers"),
    ("subscriptions", _GAUGE, "Subscriptions now", "subscriptions"),
)
_SUBSCRIBER = (
    ("values", _COUNTER, "Values received", "received"),
    ("bytes", _COUNTER, "Size of the frames received", "bytes"),
    ("lost_frames", _COUNTER, "Frames sent that never arrived", "lost"),
    ("conflated_values", _COUNTER, "Values replaced by newer ones", "conflated"),
    ("peers", _GAUGE, "Connections now, 0 or 1", "peers"),
)

# Every fourth bucket of the histogram, so that the bounds are powers of two.
_EACH = 4


def register_measures() -> None:
    """Let `graphcore.metrics` export the stats of this package's nodes."""
    measured.register(ZmqReceiver, _received)
    measured.register(ZmqData, lambda node: _received(node.receiver))
    measured.register(ZmqStatusNode, lambda node: _received(node.receiver))
    measured.register(ZeroMqSenderNode, lambda node: Measured(node, sent(node.stats())))


def sent(stats: PublisherStats) -> list[Measure]:
    """Return the measures of a publisher."""
    return [
        Measure(f"graphcore_zmq_publisher_{name}", text, kind, getattr(stats, field))
        for name, kind, text, field in _PUBLISHER
    ]


def received(stats: SubscriberStats) -> list[Measure]:
    """Return the measures of a subscriber."""
    latency = Measure(
        "graphcore_zmq_subscriber_latency_seconds",
        "From the publisher's engine time of a frame to the subscriber's graph",
        MeasureKind.HISTOGRAM,
        Buckets(_buckets(stats.latency), stats.latency.total / 1e9),
    )
    return [
        *(
            Measure(f"graphcore_zmq_subscriber_{name}", text, kind, getattr(stats, field))
            for name, kind, text, field in _SUBSCRIBER
        ),
        latency,
    ]


def _received(node: MutableNode[Any]) -> Measured:
    assert isinstance(node, ZmqReceiver)
    return Measured(node, received(node.reader.stats()))


def _buckets(latency: Latency) -> list[tuple[float, int]]:
    """Return cumulative counts with their upper bounds in seconds, as Prometheus wants them."""
    ends = range(_EACH, len(BOUNDS) + 1, _EACH)
    counts = [(BOUNDS[end - 1] / 1e9, sum(latency.counts[:end])) for end in ends]
    return [*counts, (float("inf"), latency.count)]
