"""A question to a registry, which may block for longer than the end of a run may take."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

_STEP = 0.05  # s between two looks at whether the run is to end


def ask(question: Callable[[], T], name: str) -> "Future[T]":
    """Ask in a thread of its own, which ends with the answer.

    Args:
        question: what is asked.
        name: the thread's.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(question())
        except BaseException as error:  # carried over to whoever reads the answer
            answer.set_exception(error)

    Thread(target=run, name=name, daemon=True).start()
    return answer


def answered(answer: "Future[T]", stopping: Callable[[], bool]) -> bool:
    """Wait for an answer for as long as the run is not to end; return whether it is there."""
    while not wait([answer], timeout=_STEP).done:
        if stopping():
            return False
    return True
