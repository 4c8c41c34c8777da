"""What other threads want of a run between two cycles: answers, looks, and a pause."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE = 1.0  # s


class Questions:
    """What other threads want of one run.

    Args:
        tell: makes the graph's thread call `answer` before its next cycle, and ends a wait of it.
        rest: waits in the graph's thread until `tell` is called; returns whether the run goes on.

    Attributes:
        are_answered: whether the graph's thread answers; set by it alone.
        is_paused: whether the run waits before its next cycle, unless it has cycles to step.
    """

    def __init__(self, tell: Callable[[], None], rest: Callable[[], bool]) -> None:
        self.are_answered = False
        self.is_paused = False
        self._tell = tell
        self._rest = rest
        self._rests = False
        self._steps = 0
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        # No bound: each view of the run has one look that is called again, and ends all others.
        self._looks: deque[Callable[[], bool]] = deque()

    def ask(self, question: Callable[[], T]) -> T:
        """From another thread: call a function between two cycles, and return its result.

        While no cycles run, and if the present cycle takes more than a second, perhaps because it
        waits for this very thread, the calling thread calls the function itself.
        """
        if not self.are_answered:
            return question()
        answer: Future[T] = Future()
        self._waiting.append((answer, question))
        # Again, now that the question is there: the end of the run sees it, or this thread the end.
        if not self.are_answered:
            return question()
        self._tell()
        try:
            return answer.result(_PATIENCE)
        except TimeoutError:
            return question()

    def follow(self, look: Callable[[], bool]) -> None:
        """From another thread: call a function between cycles, as long as it returns True.

        An idle run calls it at once. It must not raise.
        """
        self._looks.append(look)
        self._tell()

    def pause(self, paused: bool) -> None:
        """From any thread: let the run wait before its next cycle, or go on.

        Time must not pass meanwhile, so this is for historical runs only.
        """
        self.is_paused, self._steps = paused, 0
        self._tell()

    def step(self, cycles: int) -> None:
        """From another thread: let a paused run go on for some cycles."""
        self._steps = cycles
        self._tell()

    def end(self) -> None:
        """Tell the graph's thread nothing from now on: the run has ended."""
        self._tell, self._rest = _nothing, bool

    @property
    def are_stepping(self) -> bool:
        """Whether the run is paused, and has cycles left to step."""
        return self.is_paused and self._steps > 0

    @property
    def holds_up(self) -> bool:
        """Whether the graph's thread waits, or is about to, because the run is paused."""
        return self.is_paused or self._rests

    @property
    def go_on(self) -> bool:
        """Whether `answer` has to be called before the next cycle in any case."""
        return self.is_paused or bool(self._looks)

    def answer(self) -> None:
        """In the graph's thread, between two cycles: answer, and wait while the run is paused."""
        self._answer()
        if self.is_paused:
            self._rests = True
            try:
                while self.is_paused and not self._steps and self._rest():
                    self._answer()
            finally:
                self._rests = False
            self._steps = max(0, self._steps - 1)

    def _answer(self) -> None:
        for _ in range(len(self._looks)):
            look = self._looks.popleft()
            if look():
                self._looks.append(look)
        for _ in range(len(self._waiting)):  # not those that come meanwhile: they may not end
            answer, question = self._waiting.popleft()
            try:
                answer.set_result(question())
            except Exception as error:  # raised in the thread that asked
                answer.set_exception(error)


def _nothing() -> None:
    """Do nothing."""
