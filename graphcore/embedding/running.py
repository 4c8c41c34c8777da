"""Waiting for a background run: `Running`, in a `with` block, and `awaited`, in an event loop."""

import asyncio
import logging
from types import TracebackType
from typing import TYPE_CHECKING, Self

from graphcore.embedding.background import Background
from graphcore.errors import RunError
from graphcore.time import Duration, to_duration

if TYPE_CHECKING:
    from graphcore.seeing import RunReport

_logger = logging.getLogger(__name__)


class Running:
    """A run in a thread of its own, for the time of a `with` block; `Graph.running` makes it.

    The block begins once all nodes have started: what is wrong with the run until then, `with`
    raises. At its end the block stops the run, waits for it, and raises what the run raised. If the
    block itself failed as well, both errors are raised as an `ExceptionGroup`.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self._begun = False

    def __enter__(self) -> Self:
        """Begin the run, and wait until all nodes have started.

        Raises:
            RunError: for a second block with the same object.
        """
        if self._begun:
            raise RunError("this run has had its block: call running() again for another run")
        self._begun = True
        background = self._background
        background.start()
        try:
            background.wait_for_start()
        except BaseException:  # Ctrl-C
            self.stop()
            self.join()
            raise
        if background.refused is not None:
            background.join()
            raise background.refused
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Stop the run, wait for its end, and raise what it raised."""
        self.stop()
        self.join()
        failure = self._background.error
        if failure is not None and error is not None:
            raise BaseExceptionGroup("the block failed, and so did its run", [error, failure])
        if failure is not None:
            raise failure

    def stop(self) -> None:
        """End the run after the present cycle, as `state.stop()` does; from any thread.

        It does not wait for the end: `join` does. If the run has ended, it does nothing.
        """
        self._background.stop()

    def join(self, timeout: Duration | None = None) -> bool:
        """Wait until the run has ended by itself, or by `stop`.

        What the run raised is raised at the end of the block, not here.

        Args:
            timeout: how long to wait at most; by default without limit.

        Returns:
            Whether the run has ended.
        """
        return self._background.join(None if timeout is None else to_duration(timeout) / 1e9)

    @property
    def report(self) -> "RunReport":
        """How the run went.

        Raises:
            RunError: while the run goes on, and if it failed.
        """
        report = self._background.report
        if report is None:
            why = "it failed" if self._background.error is not None else "it has not ended"
            raise RunError(f"this run has no report: {why}")
        return report


async def awaited(background: Background) -> "RunReport":
    """Run in the background, wait in the present event loop, and return the report.

    If the task is cancelled, the run is stopped, and its end awaited before the cancellation goes
    on; so no thread outlives the task.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def on_end() -> None:
        try:
            loop.call_soon_threadsafe(ended.set)
        except RuntimeError:  # in a closed loop nobody waits any more
            error = background.error
            if error is not None:
                _logger.error("the run failed after its event loop was closed", exc_info=error)

    background.start(on_end)
    cancelled: asyncio.CancelledError | None = None
    try:
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError as error:
                cancelled = error
                background.stop()
    finally:
        background.stop()  # a task that is thrown away, with its loop, is not cancelled
    background.join()
    if background.error is not None:
        raise background.error
    if cancelled is not None:
        raise cancelled
    assert background.report is not None
    return background.report
