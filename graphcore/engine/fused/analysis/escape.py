"""Pass 7: decide which nodes are mirrored, so that reading them needs no look into the frame.

Other code that reads a fused node gets the running function's variables (`backend.live`), which is
always correct but slow. Two kinds of readers are known at compile time and read often: a called
node reads its upstreams, and a user's function reads the nodes in its closure. Such
nodes are mirrored: the function writes their value and ticks to the object as well. Without a
    mirror the values are the same, only slower to read.
"""

from collections.abc import Sequence

from graphcore.engine.fused.ir import NodeIR


def mirror(nodes: Sequence[NodeIR], held: Sequence[Sequence[int]]) -> None:
    """Mark the nodes that are worth mirroring.

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
            # A withheld value differs between the node's own cycle and all other readers.
            nodes[index].mirrored = cycle is not None and not cycle.withheld
