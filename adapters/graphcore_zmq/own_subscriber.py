"""A check: a `"block"` publisher that waits for a subscriber in its own graph."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from graphcore.checking import Finding, Kind, Look
from graphcore_zmq.config import ZmqSubConfig
from graphcore_zmq.read.subscribe import ZmqReceiver
from graphcore_zmq.write.binding import OnFull
from graphcore_zmq.write.sender import ZeroMqSenderNode

_THIS_HOST = {"127.0.0.1", "localhost", "::1", "0.0.0.0"}


def publishers_that_wait_for_their_own_graph(look: Look) -> Iterator[Finding]:
    """Yield a finding for each publisher that blocks, with a subscriber in the same graph.

    While the graph waits for space in the queue, it cannot take the values that its own subscriber
    has received.
    """
    subscribers = [
        (index, node.target.config)
        for index, node in enumerate(look.nodes)
        if isinstance(node, ZmqReceiver)
    ]
    for index, node in enumerate(look.nodes):
        if not isinstance(node, ZeroMqSenderNode) or node.binding.on_full is not OnFull.BLOCK:
            continue
        for reader, config in subscribers:
            if _reads(config, node):
                name, of = look.names[index], look.names[reader]
                yield look.finding(
                    Kind.WAITS_FOR_ITSELF,
                    index,
                    f"{name} waits for its slowest subscriber, and {of} in the same graph takes "
                    "nothing while the graph waits",
                    'subscribe in a graph of its own, or use on_full="drop"',
                )


def _reads(config: ZmqSubConfig, publisher: ZeroMqSenderNode) -> bool:
    if config.address is None:
        return config.name is not None and config.name == publisher.registration.name
    address, bound = urlsplit(config.address), urlsplit(publisher.binding.endpoint)
    return bool(bound.port) and address.port == bound.port and address.hostname in _THIS_HOST
