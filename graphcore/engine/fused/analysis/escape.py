"""Pass 7: decide which nodes are mirrored, so that those who look at them need not ask the frame.

Whoever looks at a fused node reads the running function's variables (`backend.live`): always right,
and slow. Two kinds of readers are known beforehand and read often: a node that is called reads its
upstreams, and a function reads the nodes that it holds. Such nodes are mirrored: the function
writes their value and ticks to the object as well. A mirror is about speed alone.
"""

from collections.abc import Sequence

from graphcore.engine.fused.ir import NodeIR


def mirror(nodes: Sequence[NodeIR], held: Sequence[Sequence[int]]) -> None:
    """Mark the nodes that are worth a mirror.

    Args:
        nodes: the nodes.
        held: for each node, the indices of the nodes that its functions hold.
    """
    for node in nodes:
        read = held[node.index]
        if node.cycle is None:
            read = (*read, *node.active, *node.passive)
        for index in read:
            cycle = nodes[index].cycle
            # A value that is withheld is one in the node's own cycle and another outside it.
            nodes[index].mirrored = cycle is not None and not cycle.withheld
