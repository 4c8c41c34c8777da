"""Sources that need no input: `ticker`, `constant`, `never` (R7, R13)."""

from typing import ClassVar, TypeVar

from graphcore.node import Source
from graphcore.state import GraphState

T = TypeVar("T")


class Ticker(Source[int]):
    """Ticks at start + k · period with the engine time; one that is late skips what it missed."""

    endless: ClassVar[bool] = True

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period

    def start(self, state: GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: GraphState) -> bool:
        self.value = state.time
        state.schedule(state.time + self.period - state.elapsed % self.period)
        return True


class Constant(Source[T]):
    """Ticks once, in the first cycle."""

    def __init__(self, constant: T) -> None:
        super().__init__()
        self.constant = constant

    def start(self, state: GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: GraphState) -> bool:
        self.value = self.constant
        return True


class Never(Source[T]):
    """Never ticks, and keeps no run alive."""
