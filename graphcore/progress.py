"""A progress line for a run, on standard error: engine time, cycles, cycles a second.

A thread of its own reads the session, so a run without a progress line pays nothing.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from graphcore.errors import RunError
from graphcore.time import format_time

if TYPE_CHECKING:
    from rich.progress import Progress

_INTERVAL = 0.1


class Watched(Protocol):
    """The part of a run that the progress line reads."""

    time: int
    cycle: int
    start_time: int
    end: int | None


@contextmanager
def showing_progress(session: Watched) -> Iterator[None]:
    """Show the progress of a run while the block runs.

    Raises:
        RunError: if rich, of the `cli` extra, is not installed.
    """
    progress = _progress_bar()
    done = threading.Event()
    began = monotonic()

    def show() -> None:
        length = None if session.end is None else session.end - session.start_time
        task = progress.add_task("", total=length)
        while True:
            last = done.wait(_INTERVAL)
            cycles = session.cycle
            rate = cycles / max(monotonic() - began, 1e-9)
            text = f"{format_time(session.time)}  {cycles:,} cycles  {rate:,.0f}/s"
            elapsed = session.time - session.start_time
            progress.update(task, description=text, completed=elapsed)
            if last:
                return

    thread = threading.Thread(target=show, name="graphcore-progress", daemon=True)
    with progress:
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def _progress_bar() -> "Progress":
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
    except ImportError as error:
        raise RunError("progress=True needs rich: pip install 'graphcore[cli]'") from error
    return Progress(
        TextColumn("{task.description}"), BarColumn(), console=Console(stderr=True), transient=True
    )
