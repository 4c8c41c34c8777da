"""`Background`: a run in a thread of its own, for code that goes on meanwhile.

The thread is a daemon: if a second Ctrl-C breaks the wait for its end, the process can still exit.
"""

import contextvars
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from graphcore.engine.run.lifecycle import Control

if TYPE_CHECKING:
    from graphcore.seeing import RunReport


class Background:
    """A run in a thread of its own.

    Args:
        run: runs the graph; called in the thread, with the caller's context variables.
        control: the control of that run.

    Attributes:
        report: the report, once the run has ended without an error.
        error: what the run raised.
        refused: the same, if it was raised before all nodes had started.
    """

    def __init__(self, run: "Callable[[], RunReport]", control: Control) -> None:
        self._run = run
        self._control = control
        self._context = contextvars.copy_context()
        self._on_end: Callable[[], object] = bool
        self._process = os.getpid()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._whole, name="graphcore-run", daemon=True)
        self.report: RunReport | None = None
        self.error: BaseException | None = None
        self.refused: BaseException | None = None

    def start(self, on_end: Callable[[], object] = bool) -> None:
        """Start the thread.

        Args:
            on_end: called in the thread when the run has ended, however it ended.
        """
        self._on_end = on_end
        self._thread.start()

    def wait_for_start(self) -> None:
        """Wait until all nodes have started, or the run has failed before."""
        self._control.started.wait()

    def stop(self) -> None:
        """End the run after the present cycle."""
        self._control.stop()

    def join(self, seconds: float | None = None) -> bool:
        """Wait until the run has ended, but no longer than this; return whether it has.

        In a forked child no thread of the parent runs, so this returns True at once.
        """
        if os.getpid() != self._process:
            return True
        # Not `Thread.join`: on Python 3.11, a thread whose `join` was interrupted by Ctrl-C counts
        # as ended though it runs.
        ended = self._ended.wait(seconds)
        if ended:
            self._thread.join()
        return ended

    def _whole(self) -> None:
        try:
            self.report = self._context.run(self._run)
        except BaseException as error:  # raised to whoever waits for the end of the run
            self.error = error
            if not self._control.started.is_set():
                self.refused = error
        finally:
            self._control.started.set()
            self._on_end()
            self._ended.set()
