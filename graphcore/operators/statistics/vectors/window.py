"""The twin of a window: its values are vectors, and its figure is a vector."""

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from graphcore.declare import node
from graphcore.errors import InvalidTypeError, InvalidValueError, shorten
from graphcore.node import MutableNode
from graphcore.operators.statistics.window import Window
from graphcore.state import GraphState

W = TypeVar("W", bound=MutableNode[Any])
Floats = NDArray[np.float64]


class Input:
    """Stands for an upstream of a twin.

    Attributes:
        value: the vector that came, as the only item of a tuple: an array would ask for a twin.
        ticks: whether it ticks in this cycle.
    """

    __slots__ = ("ticks", "value")

    def __init__(self) -> None:
        self.value: tuple[Any] = (None,)
        self.ticks = False


class Moment:
    """What the cycle of a twin sees of the run."""

    __slots__ = ("time",)

    def __init__(self) -> None:
        self.time = 0

    def ticked(self, upstream: Input) -> bool:
        return upstream.ticks


def bare(cls: type[W], attributes: dict[str, Any]) -> W:
    """Return a node that is in no graph, with these attributes and its state as in a new run."""
    made = cls.__new__(cls)
    vars(made).update(attributes)
    made.reset()
    return made


def floats(vector: Any, size: int, dimensions: int = 1) -> Floats:
    """Return a copy of a vector, or of rows of vectors, as floats.

    Args:
        vector: what the source ticked.
        size: the length of the vectors so far.
        dimensions: 1 for a vector, 2 for rows.

    Raises:
        InvalidTypeError: if it is not an array of numbers with so many dimensions.
        InvalidValueError: if it has another length.
    """
    array = np.asarray(vector)
    if array.ndim != dimensions or array.dtype.kind not in "biuf":
        raise InvalidTypeError(
            f"a statistic of vectors is computed of arrays of numbers with one dimension, not of "
            f"{shorten(vector)}"
        )
    if array.shape[-1] != size:
        raise InvalidValueError(
            f"the vectors of a statistic keep their length: the first had {size} elements, this "
            f"one has {array.shape[-1]}"
        )
    return array.astype(float)


class Twin:
    """What the twins of windows and of exponential weights share.

    Attributes:
        size: the number of elements.
        counts: for each element, how many values there are, without missing ones; `count` is the
            greatest of them.
        now: the engine time.
    """

    size: int
    counts: Any
    now: int
    if TYPE_CHECKING:
        value: Any
        count: int
        source: Any
        trigger: Any
        resets: Any

        def cycle(self, state: GraphState) -> bool: ...

    def begin(self) -> None:
        """Set what the twin is told in each step, and the state of an empty window."""
        self.moment = Moment()
        self.source, self.trigger, self.resets = Input(), Input(), [Input()]
        self.clear()

    def step(self, time: int, came: bool, vector: Any, emptied: bool, computes: bool) -> Any:
        """Run a cycle.

        Args:
            time: the engine time.
            came: whether the source ticked.
            vector: its value.
            emptied: whether a reset ticked.
            computes: whether the trigger ticked.

        Returns:
            The figure, or `None` if it does not tick.
        """
        self.now = self.moment.time = time
        self.source.ticks, self.trigger.ticks, self.resets[0].ticks = came, computes, emptied
        if came:
            self.source.value = (self.given(vector),)
        moment: Any = self.moment
        with np.errstate(all="ignore"):
            return self.value if self.cycle(moment) else None

    def given(self, vector: Any) -> Floats:
        """Return what the source ticked as floats, NaN for missing ones."""
        array = floats(vector, self.size)
        array[~np.isfinite(array)] = np.nan
        return array

    def plain(self, value: Any) -> Any:
        return value[0]

    def known(self, value: Any) -> Any:
        return value

    def clear(self) -> None:
        """Set the state of an empty window."""
        self.counts = np.zeros(self.size, int)
        self.forget()

    def forget(self) -> None:
        """Set what belongs to the figure, as in an empty window."""
        raise NotImplementedError


@node(valid="any")
class Vectors(Twin, Window):
    """A figure of the vectors in a window, element by element."""

    def enter(self, value: Any) -> None:
        if self.keeps:
            self.values.append(value)
        self.empty = False
        self.note(value)
        present = value == value
        self.counts += present
        self.count = int(self.counts.max(initial=0))
        self.take_in(value, present)

    def leave(self) -> None:
        value = self.values.popleft()
        present = value == value
        self.counts -= present
        self.count = int(self.counts.max(initial=0))
        self.let_go(value, present)

    def present(self) -> Any:
        figure = self.figure()
        short = self.counts < self.minimum
        if short.any():
            figure[short] = 0.0 if self.sums_nothing and self.empty else np.nan
        return figure

    def column(self, element: Any) -> list[float]:
        """Return one element of all vectors in the window."""
        return [float(value[element]) for value in self.values]

    def take_in(self, value: Any, present: Any) -> None:
        """Add a vector; some of its elements may be missing."""
        raise NotImplementedError

    def let_go(self, value: Any, present: Any) -> None:
        """Forget the vector that has been in the window longest."""
        raise NotImplementedError
