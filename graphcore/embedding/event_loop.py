"""`RunLoop`: the event loop in which the coroutines of one run's nodes run.

It is the loop that awaits the run, if there is one, else a loop in a thread of the run's own, which
the first coroutine starts. All nodes share it, so that they may share sessions and connections.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self

from graphcore.errors import RunError

_logger = logging.getLogger(__name__)

_JOIN_SECONDS = 5.0


class RunLoop:
    """The event loop of a run; leave its block when all nodes have stopped.

    Args:
        lent: the loop that awaits the run, `None` for a loop of the run's own.
    """

    def __init__(self, lent: asyncio.AbstractEventLoop | None) -> None:
        self._loop = lent
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Return this object; a thread is started only when a coroutine needs it."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the thread, if there is one; it cancels what the nodes have left in the loop."""
        if self._thread is None:
            return
        self.call(self._ending.set)
        self._thread.join(_JOIN_SECONDS)
        if self._thread.is_alive():
            _logger.warning("%s goes on: a task in it swallows its cancellation", self._thread.name)

    def call(self, function: Callable[[], object]) -> None:
        """From any thread: call a function in the loop.

        Raises:
            RunError: if the loop is closed.
        """
        try:
            self._running().call_soon_threadsafe(function)
        except RuntimeError as error:
            raise RunError(
                "the event loop of this run is closed: keep it open until run_async has returned"
            ) from error

    def spawn(self, coroutine: Coroutine[Any, Any, object], name: str) -> "RunTask":
        """From any thread: begin a coroutine in the loop.

        Raises:
            RunError: if the loop is closed.
        """
        task = RunTask(self, coroutine, name)
        try:
            self.call(task.begin)
        except RunError:
            coroutine.close()
            raise
        return task

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            ready = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(ready,), name="graphcore-loop", daemon=True
            )
            self._thread.start()
            ready.wait()
        assert self._loop is not None
        return self._loop

    def _run(self, ready: threading.Event) -> None:
        with asyncio.Runner() as runner:
            self._ending = asyncio.Event()
            self._loop = runner.get_loop()
            ready.set()
            runner.run(self._until_ending())

    async def _until_ending(self) -> None:
        await self._ending.wait()


class RunTask:
    """A coroutine in the event loop of a run, as other threads see it.

    Attributes:
        ended: an event that is set when the coroutine has ended.
    """

    def __init__(self, loop: RunLoop, coroutine: Coroutine[Any, Any, object], name: str) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._name = name
        self._task: asyncio.Task[object] | None = None
        self.ended = threading.Event()

    def begin(self) -> None:
        """In the loop: make the task."""
        self._task = asyncio.get_running_loop().create_task(self._coroutine, name=self._name)
        self._task.add_done_callback(self._on_end)

    def end(self, seconds: float) -> bool:
        """From another thread: cancel the coroutine, and return whether it ended in time."""
        if not self.ended.is_set():
            self._loop.call(self._cancel)
        return self.ended.wait(seconds)

    def _cancel(self) -> None:
        assert self._task is not None
        self._task.cancel()

    def _on_end(self, task: asyncio.Task[object]) -> None:
        if not task.cancelled():
            task.exception()  # the node has told it: without this call asyncio would log it
        self.ended.set()
