"""What a node says of itself beside its value, such as the statistics of a connection."""

from collections.abc import Mapping
from functools import singledispatch


@singledispatch
def figures_of(node: object) -> Mapping[str, object]:
    """Return figures of a node by name, for the live view; from any thread.

    By default there are none. A package registers a function for its own class of nodes:
    ``figures_of.register(MyNode, lambda node: {"queue": node.queue})``. It must be quick.
    """
    return {}
