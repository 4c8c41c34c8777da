"""Questions that other threads ask of a run, answered between two cycles."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE = 1.0  # s


class Questions:
    """What other threads want to know of one run.

    Args:
        tell: makes the graph's thread call `answer` before its next cycle, and ends a wait of it.

    Attributes:
        are_answered: whether the graph's thread answers; set by it alone.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self.are_answered = False
        self._tell = tell
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

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

    def answer(self) -> None:
        """In the graph's thread, between two cycles: answer what has been asked."""
        for _ in range(len(self._waiting)):  # not those that come meanwhile: they may not end
            answer, question = self._waiting.popleft()
            try:
                answer.set_result(question())
            except Exception as error:  # raised in the thread that asked
                answer.set_exception(error)
