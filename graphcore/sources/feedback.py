"""`feedback` and `later`: streams to wire with now and to bind before the run (R6)."""

from collections import deque
from typing import TypeVar

from graphcore.declare import node
from graphcore.errors import WiringError
from graphcore.node import Active, MutableNode, Upstreams, node_of
from graphcore.state import GraphState

T = TypeVar("T")


class Feedback(MutableNode[T]):
    """The end of a loop that other nodes read; ticks in the cycle after it was fed."""

    def __init__(self) -> None:
        super().__init__()
        self.feeder: FeedbackEnd[T] | None = None

    def bind(self, source: Active[T]) -> None:
        """Close the loop."""
        if self.feeder is not None:
            raise WiringError(f"{self.name} is bound already")
        self.feeder = FeedbackEnd(node_of(source, "the argument of bind"), self)

    def partners(self) -> tuple[MutableNode[T], ...]:
        if self.feeder is None:
            raise WiringError(f"{self.name} was never closed: call .bind(stream) on it")
        return (self.feeder,)

    def start(self, state: GraphState) -> None:
        self._waiting: deque[T] = deque()
        self._state = state
        self._closing = False

    def feed(self, value: T) -> None:
        """Take a value to tick with in the next cycle at the present time."""
        if self._state.closing and not self._closing:
            self._closing = True
            self._waiting.clear()  # what an ordinary cycle fed would have run in another one (R14)
        self._waiting.append(value)
        self._state.schedule(self._state.time)

    def cycle(self, state: GraphState) -> bool:
        self.value = self._waiting.popleft()
        return True


@node
class FeedbackEnd(MutableNode[T]):
    """The end of a loop that feeds the other end."""

    source: Active[T]
    feedback: Feedback[T]

    def partners(self) -> tuple[MutableNode[T], ...]:
        return (self.feedback,)

    def cycle(self, state: GraphState) -> bool:
        self.feedback.feed(self.source.value)
        return False


class Later(MutableNode[T]):
    """Ticks in the same cycle as the stream that it is bound to."""

    def __init__(self) -> None:
        super().__init__()
        self.source: MutableNode[T] | None = None

    def bind(self, source: Active[T]) -> None:
        """Say which stream this one is."""
        if self.source is not None:
            raise WiringError(f"{self.name} is bound already")
        self.source = node_of(source, "the argument of bind")

    def upstreams(self) -> Upstreams:
        if self.source is None:
            raise WiringError(f"{self.name} was never bound: call .bind(stream) on it")
        return Upstreams(active=(self.source,))

    def cycle(self, state: GraphState) -> bool:
        self.value = self.source.value  # type: ignore[union-attr]  # `upstreams` refuses None
        return True
