"""The methods of `Stream` on bursts, the lists of values that arrived for one cycle (R6)."""

from typing import TYPE_CHECKING, TypeVar

from graphcore.operators import bursts
from graphcore.stream.families.base import StreamBase

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
V = TypeVar("V")


class BurstOperators(StreamBase[T]):
    """Operators on bursts."""

    __slots__ = ()

    def unroll(self: "BurstOperators[list[V]]") -> "Stream[V]":
        """Tick with the items of each list, one a cycle at the same time.

        If a list comes while items of an earlier list wait, its items follow those.

        ::

            time         1s            2s
            self         [1, 2]        [3]
            unroll()     1, then 2     3
        """
        return self._stream(bursts.Unroll(self))

    def collapse(self: "BurstOperators[list[V]]") -> "Stream[V]":
        """Tick with the last item of each list that is not empty.

        ::

            self          [1, 2]  []  [3]
            collapse()    2           3
        """
        return self._stream(bursts.Collapse(self))
