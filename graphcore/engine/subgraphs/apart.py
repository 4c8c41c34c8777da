"""A sub-graph that runs apart: live, in a thread of its own, as a run of its own.

The node that owns it hands values over by nodes of the sub-graph that it has made for that, tells
it to end, and joins the thread.
"""

import contextvars
import os
import threading
from collections.abc import Callable

from graphcore.engine.plan import Plan
from graphcore.engine.run.lifecycle import Tier, execute
from graphcore.engine.run.session import Session
from graphcore.state import EndedBy, RunMode


class Apart:
    """A sub-graph with a thread of its own.

    Args:
        plan: its nodes.
        session: its session.
        tier: how to run it.
        name: the name of the thread.
        on_end: called in the thread when the run has ended, however it ended.

    Attributes:
        error: what the run raised once all nodes had started.
    """

    def __init__(
        self, plan: Plan, session: Session, tier: Tier, name: str, on_end: Callable[[], object]
    ) -> None:
        self.error: BaseException | None = None
        self._refused: BaseException | None = None
        self._plan = plan
        self._session = session
        self._tier = tier
        self._on_end = on_end
        self._process = os.getpid()
        self._started = threading.Event()
        self._ended = threading.Event()
        self._context = contextvars.copy_context()
        # A daemon: if a second Ctrl-C breaks the wait for its end, the process can still exit.
        self._thread = threading.Thread(target=self._whole, name=name, daemon=True)

    @property
    def has_ended(self) -> bool:
        """Whether the run has ended."""
        return self._ended.is_set()

    @property
    def has_stopped_itself(self) -> bool:
        """Whether a node of the sub-graph has ended the run."""
        return self._session.ended_by is EndedBy.STOP

    def start(self) -> None:
        """Start the thread, and wait until all nodes have started.

        Raises:
            BaseException: what starting a node raised.
        """
        self._thread.start()
        self._started.wait()
        if self._refused is not None:
            raise self._refused

    def abandon(self) -> None:
        """End the run as an error would: after the present cycle, without closing (R14)."""
        self._session.request_stop(EndedBy.ERROR)

    def join(self, seconds: float) -> bool:
        """Wait until the run has ended, but no longer than this; return whether it has.

        In a forked child no thread of the parent runs, so this returns True at once.
        """
        if os.getpid() != self._process or self._thread.ident is None:
            return True
        # Not `Thread.join`: on Python 3.11, a thread whose `join` was interrupted by Ctrl-C counts
        # as ended though it runs.
        ended = self._ended.wait(seconds)
        if ended:
            self._thread.join()
        return ended

    def _whole(self) -> None:
        try:
            self._tier.prepare(RunMode.REALTIME, False)
            self._context.run(execute, self._plan, self._session, self._tier, self._started)
        except BaseException as error:  # the owner raises it
            if self._started.is_set():
                self.error = error
            else:
                self._refused = error
        finally:
            self._ended.set()
            self._started.set()
            self._on_end()
