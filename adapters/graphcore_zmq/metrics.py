"""The stats of publishers and subscribers for Prometheus; needs the extra `metrics`.

`graphcore.metrics.GraphCollector` exports them with the other figures of a graph. `ZmqCollector`
exports them alone, under names of one's own, whatever the graphs. The figures are those of
`stats()`. They begin at 0 in each run, which Prometheus sees as a restart.
"""

from collections.abc import Iterable, Mapping

from prometheus_client.registry import Collector

from graphcore import InvalidTypeError
from graphcore.metrics.families import Families, Family
from graphcore_zmq.measures import received, sent
from graphcore_zmq.read.subscribe import ZmqSubscription
from graphcore_zmq.stats.status import PublisherStats, SubscriberStats
from graphcore_zmq.write.publish import ZmqPublisher

_Node = ZmqPublisher | ZmqSubscription[object]


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
        self._nodes = dict(nodes)

    def describe(self) -> Iterable[Family]:
        """Return the metrics without samples: a registry compares them with those that it has."""
        families = Families(("node",))
        for each in (*sent(PublisherStats()), *received(SubscriberStats())):
            families.declare(each.name, each.kind, each.text, ("node",))
        return list(families)

    def collect(self) -> Iterable[Family]:
        """Return the present figures."""
        families = Families(("node",))
        for name, node in self._nodes.items():
            if isinstance(node, ZmqPublisher):
                families.add(sent(node.stats()), (name,))
            else:
                families.add(received(node.stats()), (name,))
        return list(families)
