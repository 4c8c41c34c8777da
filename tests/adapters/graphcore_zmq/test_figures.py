"""What the live view shows of subscribers and publishers."""

from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import wait_until
from graphcore.view import figures_of
from graphcore_zmq import zmq_pub, zmq_sub


@pytest.mark.zmq
def test_figures_tell_of_the_connection_the_latency_and_the_losses() -> None:
    publisher: Any = zmq_pub(gc.ticker("1ms").count(), 0)
    sender = publisher.node
    assert figures_of(sender)["address"] == "not bound"
    with gc.Graph(publisher).running():
        data, status = zmq_sub(sender.port)
        receiver: Any = data.node
        assert figures_of(receiver)["latency, p50"] == "not known"
        with gc.Graph(data, status).running():
            wait_until(lambda: int(str(figures_of(receiver)["values received"])) > 10)
            figures = figures_of(receiver)
            assert figures["connected"] == "yes"
            assert figures["lost frames"] == 0
            assert str(figures["latency, p50"]).endswith(" ms")
            assert figures_of(status.node).keys() == figures.keys()
            sent = figures_of(sender)
            assert str(sent["address"]).endswith(f":{sender.port}")
            assert (sent["connections"], sent["subscriptions"]) == (1, 1)
            assert int(str(sent["values sent"])) >= int(str(figures["values received"]))


def test_other_nodes_have_no_figures() -> None:
    assert figures_of(gc.constant(1).node) == {}
