"""What publishers and subscribers are called."""

import graphcore as gc
from graphcore_zmq import zmq_pub, zmq_sub


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
