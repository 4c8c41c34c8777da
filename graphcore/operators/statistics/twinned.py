"""A statistic's node whose values may turn out to be vectors.

The kind of the values is known only when the first one comes. If it is a vector, the node makes a
twin: a node of the package `vectors` that is in no graph and has the same `cycle`. From then on the
twin computes the figures.
"""

from collections.abc import Callable
from typing import Any

from graphcore.declare import node, state
from graphcore.errors import InvalidTypeError, shorten
from graphcore.node import Active, MutableNode
from graphcore.operators.statistics.numerics import is_vector, number


@node(valid="any")
class Twinned(MutableNode[Any]):
    """What windows and exponential weights share.

    Attributes:
        source: the values.
        trigger: when it ticks, the figure is computed; the source, if there is no `on`.
        resets: the stream that empties the window, if there is one.
        twin_for: makes the twin, given the first vector and the number of numbers before it.
        count: how many values are in the window, without missing ones.
        by_element: whether the values are vectors.
        twin: the node that computes figures of vectors.
    """

    source: Active[Any]
    trigger: Active[object]
    resets: list[Active[object]]
    twin_for: Callable[[Any, int], Any]
    count: int = state(0)
    by_element: bool = state(False)
    twin: Any = state(None)

    def arrived(self) -> Any:
        """Return the value that came, a number as a float; the first vector makes the twin."""
        value = self.source.value
        if type(value) is not float and not self.by_element:
            if is_vector(value):
                self.twin = self.twin_for(value, self.count)
                self.by_element = True
            else:
                value = self.plain(value)
        return value

    def plain(self, value: Any) -> Any:
        """Return a value of the source that is no float as one."""
        return number(value)


def no_vector(value: Any) -> InvalidTypeError:
    """Return the error of a matrix whose source ticks a number."""
    return InvalidTypeError(
        f"a matrix is computed of vectors, as from gc.stack, not of {shorten(value)}: of "
        "numbers, give another stream"
    )
