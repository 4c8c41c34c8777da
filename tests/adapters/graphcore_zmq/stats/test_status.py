"""The words in which publishers and subscribers log their figures, and their names."""

import pytest

import graphcore as gc
from graphcore_zmq import zmq_pub, zmq_sub
from graphcore_zmq.stats.latency import Latency
from graphcore_zmq.stats.status import PublisherStats, SubscriberStats


@pytest.mark.parametrize(
    ("stats", "said"),
    [
        (PublisherStats(), "0 values sent (0 bytes), 0 kept, 0 expired, 0 subscriptions"),
        (
            PublisherStats(sent=1, bytes=1, kept=1, expired=1, peers=1, subscriptions=1),
            "1 value sent (1 byte), 1 kept, 1 expired, 1 subscription",
        ),
        (
            PublisherStats(sent=2, bytes=2, subscriptions=2),
            "2 values sent (2 bytes), 0 kept, 0 expired, 2 subscriptions",
        ),
        (
            SubscriberStats(received=1, bytes=30, lost=1),
            "1 value received (30 bytes), 1 frame lost, latency not known",
        ),
        (
            SubscriberStats(received=5, bytes=1, lost=2, latency=Latency()),
            "5 values received (1 byte), 2 frames lost, latency not known",
        ),
    ],
)
def test_figures_are_shown_in_words(stats: object, said: str) -> None:
    assert str(stats) == said


def test_nodes_are_called_after_the_functions_that_make_them() -> None:
    publisher = zmq_pub(gc.never(), 0)
    burst = gc.never().zmq_pub_burst(0)  # type: ignore[attr-defined]  # an operator of an adapter
    data, status = zmq_sub(5556)
    receiver = gc.Graph(data).nodes[0]
    named = {
        "zmq_pub": (publisher.node, burst.node),
        "zmq_sub": (receiver,),
        "zmq_sub_data": (data.node,),
        "zmq_sub_status": (status.node,),
    }
    for operator, nodes in named.items():
        for node in nodes:
            assert node.name == f"{operator}_{node.serial}"
