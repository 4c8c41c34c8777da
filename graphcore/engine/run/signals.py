"""SIGINT and SIGTERM in a real-time run (R9): the first ends it, a second SIGINT raises."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from graphcore.engine.run.session import Session
from graphcore.state import EndedBy


@contextmanager
def ending_by_signal(session: Session) -> Iterator[None]:
    """Let signals end the session, and restore the previous handlers afterwards.

    Python delivers signals to the main thread only, so in other threads this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    interrupted = False

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        if number == signal.SIGINT and interrupted:
            raise KeyboardInterrupt
        interrupted = interrupted or number == signal.SIGINT
        session.request_stop(EndedBy.SIGNAL)

    previous = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
