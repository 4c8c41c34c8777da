"""Least and greatest elements of vectors.

The window is cut in two. Of the older part, `older` has the extreme of each vector and all after
it, so that dropping the oldest vector uncovers the extreme of the others; of the newer part, the
extreme is enough. When the older part is used up, the newer one takes its place. A vector is
looked at twice, so a tick costs O(1).
"""

from typing import Any

import numpy as np

from graphcore.declare import node, state
from graphcore.operators.statistics.vectors.window import Vectors


@node(valid="any")
class VectorExtreme(Vectors):
    """What the figures share.

    Attributes:
        older: the extremes of the older part, the oldest vector last.
        newer: the extreme of the newer part.
    """

    older: list[Any] = state(factory=list)
    newer: Any = state(None)

    def forget(self) -> None:
        self.older = []
        self.newer = np.full(self.size, np.nan)

    def take_in(self, value: Any, present: Any) -> None:
        self.newer = self.better(self.newer, value)

    def let_go(self, value: Any, present: Any) -> None:
        if self.older:
            self.older.pop()
            return
        part = np.array(self.values)[::-1]
        self.older = list(self.better.accumulate(part)) if len(part) else []
        self.newer = np.full(self.size, np.nan)

    def figure(self) -> Any:
        if self.older:
            return self.better(self.older[-1], self.newer)
        return self.newer.copy()

    @property
    def better(self) -> Any:
        raise NotImplementedError


@node(valid="any")
class VectorMin(VectorExtreme):
    """The least value of each element."""

    @property
    def better(self) -> Any:
        return np.fmin


@node(valid="any")
class VectorMax(VectorExtreme):
    """The greatest value of each element."""

    @property
    def better(self) -> Any:
        return np.fmax
