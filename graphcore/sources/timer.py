"""Sources that need no input: `ticker`, `constant`, `never` (R7, R13)."""

from typing import ClassVar, TypeVar

from graphcore.node import Source, node
from graphcore.state import GraphState

T = TypeVar("T")


@node
class Ticker(Source[int]):
    """Ticks at start + k · period with the engine time; one that is late skips what it missed."""

    endless: ClassVar[bool] = True
    period: int

    def start(self, state: GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: GraphState) -> bool:
        self.value = state.time
        state.schedule(state.time + self.period - state.elapsed % self.period)
        return True


@node
class Constant(Source[T]):
    """Ticks once, in the first cycle."""

    constant: T

    def start(self, state: GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: GraphState) -> bool:
        self.value = self.constant
        return True


class Never(Source[T]):
    """Never ticks, and keeps no run alive."""
