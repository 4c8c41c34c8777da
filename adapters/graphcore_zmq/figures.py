"""What the live view shows of subscribers and publishers: status, latency, losses."""

from collections.abc import Mapping

from graphcore.view import figures_of
from graphcore_zmq.read.subscribe import ZmqData, ZmqReceiver, ZmqStatusNode
from graphcore_zmq.write.sender import ZeroMqSenderNode


def register_figures() -> None:
    """Let the live view show the figures of this package's nodes."""
    figures_of.register(ZmqReceiver, _received)
    figures_of.register(ZmqData, lambda node: figures_of(node.receiver))
    figures_of.register(ZmqStatusNode, lambda node: figures_of(node.receiver))
    figures_of.register(ZeroMqSenderNode, _sent)


def _received(node: ZmqReceiver) -> Mapping[str, object]:
    stats = node.reader.stats()
    return {
        "connected": "yes" if stats.peers else "no",
        "latency, p50": _milliseconds(stats.latency.quantile(0.5)),
        "latency, p99": _milliseconds(stats.latency.quantile(0.99)),
        "lost frames": stats.lost,
        "values received": stats.received,
        "values replaced by newer ones": stats.conflated,
        "bytes": stats.bytes,
    }


def _sent(node: ZeroMqSenderNode) -> Mapping[str, object]:
    stats = node.stats()
    return {
        "address": node.address or "not bound",
        "connections": stats.peers,
        "subscriptions": stats.subscriptions,
        "values sent": stats.sent,
        "values that wait for a subscriber": stats.kept,
        "values never sent": stats.expired,
        "bytes": stats.bytes,
    }


def _milliseconds(latency: int | None) -> str:
    return "not known" if latency is None else f"{latency / 1e6:.3f} ms"
