"""`count_ticks`: exact counts of the ticks of some streams.

A compiled graph counts no ticks, so a scrape can only estimate how often a node ticks. Whoever
needs the exact number wires a node that counts: it costs an addition at each tick.
"""

from typing import Any

from graphcore.declare import node, state
from graphcore.errors import InvalidValueError
from graphcore.node import Active, MutableNode, node_of
from graphcore.state import GraphState


@node(valid="any")
class TickCount(MutableNode[int]):
    """Ticks with the number of ticks of a stream in this run.

    Attributes:
        source: the stream.
    """

    operator = "tick_count"
    source: Active[Any]
    count: int = state(0)

    def cycle(self, state: GraphState) -> bool:
        """Count a tick."""
        self.count += 1
        self.value = self.count
        return True


def count_ticks(*streams: Active[Any]) -> list[TickCount]:
    """Count the ticks of streams exactly, for ``graphcore_node_ticks_total``.

    The nodes that count are roots of the graph: ``gc.Graph(orders, *count_ticks(prices, trades))``.

    Args:
        streams: the streams.

    Returns:
        A node for each stream.

    Raises:
        InvalidValueError: without a stream.
        InvalidTypeError: for anything but streams and nodes.

    >>> import graphcore as gc
    >>> prices = gc.from_iterable([1, 2, 3])
    >>> (count,) = count_ticks(prices)
    >>> gc.Graph(count).run().cycles, count.value
    (3, 3)
    """
    if not streams:
        raise InvalidValueError("count_ticks needs at least one stream")
    return [
        TickCount(node_of(each, f"stream {number} of count_ticks"))
        for number, each in enumerate(streams, 1)
    ]
