"""Any figure of vectors: each element has the state that the figure of a number has."""

from typing import Any

import numpy as np

from graphcore.declare import node, state
from graphcore.operators.statistics.vectors.window import Vectors, bare, floats
from graphcore.operators.statistics.window import Window

NO_TIME = np.iinfo(np.int64).min  # numpy reads it as the time that is missing, NaT


@node(valid="any")
class Elements(Vectors):
    """A figure of the vectors in a window, by one `Window` for each element."""

    figure_class: type[Window]
    attributes: dict[str, Any]
    of_time: bool
    parts: list[Window] = state(factory=list)

    def forget(self) -> None:
        self.parts = [bare(self.figure_class, self.attributes) for _ in range(self.size)]
        for part in self.parts:
            part.clear()

    def known(self, value: Any) -> Any:
        return (value, self.now) if self.of_time else value

    def items(self, value: Any) -> list[Any]:
        """Return the elements of what entered, as the figure of a number takes them."""
        if self.of_time:
            vector, time = value
            return [(item, time) if item == item else item for item in vector.tolist()]
        items: list[Any] = value.tolist()
        return items

    def enter(self, value: Any) -> None:
        if self.keeps:
            self.values.append(value)
        self.empty = False
        for part, item in zip(self.parts, self.items(value), strict=True):
            if self.holds and self.by_time:
                part.times.append(self.now)
            part.enter(item)
        self.count = max([part.count for part in self.parts], default=0)

    def leave(self) -> None:
        self.values.popleft()
        for part in self.parts:
            part.leave()
        self.count = max([part.count for part in self.parts], default=0)

    def settle(self, now: int) -> None:
        for part in self.parts:
            part.settle(now)

    def trim(self, begin: int) -> None:
        while len(self.times) > 1 and self.times[1] <= begin:
            self.times.popleft()
            self.values.popleft()
        for part in self.parts:
            part.trim(begin)
        self.count = max([part.count for part in self.parts], default=0)

    def present(self) -> Any:
        figures = []
        for part in self.parts:
            part.empty = self.empty
            figures.append(part.present())
        if figures and type(figures[0]) is tuple:
            return tuple(map(np.array, zip(*figures, strict=True)))
        if self.of_time:
            return np.array([NO_TIME if each != each else each for each in figures], np.int64)
        return np.array(figures)


@node(valid="any")
class JointElements(Elements):
    """The same for figures of (x, y, weight): what the source ticks has a row for each of them."""

    def given(self, vector: Any) -> Any:
        rows = floats(vector, self.size, 2)
        rows[:, ~np.isfinite(rows).all(axis=0)] = np.nan
        return rows

    def items(self, value: Any) -> list[Any]:
        return [
            item if item[0] == item[0] else np.nan for item in zip(*value.tolist(), strict=True)
        ]


@node(valid="any")
class Rows(Vectors):
    """An array of the vectors in the window, a row for each."""

    def forget(self) -> None:
        pass

    def take_in(self, value: Any, present: Any) -> None:
        pass

    def let_go(self, value: Any, present: Any) -> None:
        pass

    def present(self) -> Any:
        return np.array(self.values).reshape(len(self.values), self.size)
