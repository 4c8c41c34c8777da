"""Requests to a registry, which may block for longer than a run may take to end."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

_STEP = 0.05  # s between two looks at whether the run is stopping


def ask(question: Callable[[], T], name: str) -> "Future[T]":
    """Call a function in a thread of its own, which ends with the answer.

    Args:
        question: the function.
        name: the thread's name.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(question())
        except BaseException as error:  # raised again where the answer is read
            answer.set_exception(error)

    Thread(target=run, name=name, daemon=True).start()
    return answer


def answered(answer: "Future[T]", stopping: Callable[[], bool]) -> bool:
    """Wait for an answer until the run is stopping; return whether there is one."""
    while not wait([answer], timeout=_STEP).done:
        if stopping():
            return False
    return True
