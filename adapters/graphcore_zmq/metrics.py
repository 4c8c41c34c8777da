"""The stats of publishers and subscribers for Prometheus; needs the extra `metrics`.

The figures are those of `stats()`. They begin at 0 in each run, which Prometheus sees as a restart.
"""

from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from graphcore import InvalidTypeError
from graphcore_zmq.read.subscribe import ZmqSubscription
from graphcore_zmq.stats.latency import BOUNDS, Latency
from graphcore_zmq.stats.status import PublisherStats, SubscriberStats
from graphcore_zmq.write.publish import ZmqPublisher

_Node = ZmqPublisher | ZmqSubscription[object]
_Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily

# A metric's name, its help text, the stats by node, and the attribute of the stats to read.
_Figure = tuple[str, str, Mapping[str, PublisherStats | SubscriberStats], str]

# Every fourth bucket of the histogram, so that the bounds are powers of two.
_EACH = 4


class ZmqCollector(Collector):
    """A collector for prometheus_client, of publishers and subscribers by name.

    ``REGISTRY.register(ZmqCollector({"quotes": publisher}))`` and
    ``prometheus_client.start_http_server(9100)`` export them. Each figure has the label `node`.

    Args:
        nodes: what `zmq_pub` and `zmq_sub` returned, by the names to show.

    Raises:
        InvalidTypeError: for anything else.
    """

    def __init__(self, nodes: Mapping[str, _Node]) -> None:
        for name, node in nodes.items():
            if not isinstance(node, ZmqPublisher | ZmqSubscription):
                raise InvalidTypeError(
                    f"{name!r} must be what zmq_pub or zmq_sub returned, not {node!r}"
                )
        self._publishers = {n: p for n, p in nodes.items() if isinstance(p, ZmqPublisher)}
        self._subscribers = {n: s for n, s in nodes.items() if isinstance(s, ZmqSubscription)}

    def collect(self) -> Iterable[_Family]:
        """Return the present figures."""
        sent = {name: each.stats() for name, each in self._publishers.items()}
        received = {name: each.stats() for name, each in self._subscribers.items()}
        counters: list[_Figure] = [
            ("publisher_values", "Values handed to the socket", sent, "sent"),
            ("publisher_bytes", "Size of the frames sent", sent, "bytes"),
            ("publisher_expired_values", "Values never sent", sent, "expired"),
            ("subscriber_values", "Values received", received, "received"),
            ("subscriber_bytes", "Size of the frames received", received, "bytes"),
            ("subscriber_lost_frames", "Frames sent that never arrived", received, "lost"),
            ("subscriber_conflated_values", "Values replaced by newer ones", received, "conflated"),
        ]
        gauges: list[_Figure] = [
            ("publisher_kept_values", "Values waiting for a first subscriber", sent, "kept"),
            ("publisher_peers", "Connections now", sent, "peers"),
            ("publisher_subscriptions", "Subscriptions now", sent, "subscriptions"),
            ("subscriber_peers", "Connections now, 0 or 1", received, "peers"),
        ]
        for kind, figures in ((CounterMetricFamily, counters), (GaugeMetricFamily, gauges)):
            for name, text, stats, field in figures:
                family = kind(f"graphcore_zmq_{name}", text, labels=["node"])
                for node, each in stats.items():
                    family.add_metric([node], getattr(each, field))
                yield family
        latencies = HistogramMetricFamily(
            "graphcore_zmq_subscriber_latency_seconds",
            "From the publisher's engine time of a frame to the subscriber's graph",
            labels=["node"],
        )
        for node, each in received.items():
            latencies.add_metric([node], _buckets(each.latency), each.latency.total / 1e9)
        yield latencies


def _buckets(latency: Latency) -> list[tuple[str, float]]:
    """Return cumulative counts with their upper bounds in seconds, as Prometheus wants them."""
    ends = range(_EACH, len(BOUNDS) + 1, _EACH)
    counts = [(str(BOUNDS[end - 1] / 1e9), float(sum(latency.counts[:end]))) for end in ends]
    return [*counts, ("+Inf", float(latency.count))]
