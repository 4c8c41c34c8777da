"""Sources that need no input: `ticker`, `constant`, `never` (R7, R13)."""

from itertools import count
from typing import ClassVar, TypeVar

from graphcore.declare import node
from graphcore.node import Chunks, Source
from graphcore.state import GraphState

T = TypeVar("T")

_CHUNK = 4096


@node
class Ticker(Source[int]):
    """Ticks at start + k · period with the engine time; if it is late it skips missed ticks."""

    endless: ClassVar[bool] = True
    recorded = True
    period: int

    def start(self, state: GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: GraphState) -> bool:
        self.value = state.time
        state.schedule(state.time + self.period - state.elapsed % self.period)
        return True

    def chunks(self, start: int) -> Chunks:
        step = _CHUNK * self.period
        chunks = (range(time, time + step, self.period) for time in count(start, step))
        return ((times, times) for times in chunks)


@node
class Constant(Source[T]):
    """Ticks once, in the first cycle."""

    recorded = True
    constant: T

    def start(self, state: GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: GraphState) -> bool:
        self.value = self.constant
        return True

    def chunks(self, start: int) -> Chunks:
        return iter([((start,), (self.constant,))])


class Never(Source[T]):
    """Never ticks, and does not keep a run alive."""
