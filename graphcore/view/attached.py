"""`Views`: who views the runs of one graph; a run tells them when it begins and how it ends."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from graphcore.engine.plan import Plan
from graphcore.engine.run.lifecycle import Tier
from graphcore.engine.run.session import Session
from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.view.server import Server
from graphcore.view.unix import listening

WATCHABLE = "GRAPHCORE_WATCHABLE"


class Viewer(Protocol):
    """Who is told of the runs of a graph, in the thread of each run."""

    def begin(self, session: Session, tier: Tier) -> None:
        """Take in that a run begins, or is in progress."""

    def end(self, session: Session, failure: str) -> None:
        """Take in that a run has ended; `failure` is its error with notes, empty without one."""


class Views:
    """Those that view one graph, such as the servers of pages.

    Args:
        plan: its plan.

    Attributes:
        plan: the argument.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._viewers: list[Viewer] = []
        self._present: tuple[Session, Tier] | None = None

    def add(self, viewer: Viewer) -> None:
        """Show this viewer the run in progress, if there is one, and all that follow."""
        self._viewers.append(viewer)
        present = self._present
        if present is not None:
            viewer.begin(*present)

    def remove(self, viewer: Viewer) -> None:
        """Show a viewer no further run."""
        self._viewers.remove(viewer)

    @contextmanager
    def of_run(self, session: Session, tier: Tier, watchable: bool) -> Iterator[None]:
        """Show a run while the block runs it.

        Args:
            session: the run.
            tier: what runs it.
            watchable: whether other processes of this user may view the run.

        Raises:
            RunError: if a watchable run cannot open its socket.
        """
        with listening(self.plan) if watchable else _nobody() as watchers:
            self._present = session, tier
            for viewer in (*self._viewers, *watchers):
                viewer.begin(session, tier)
            try:
                yield
            except BaseException as error:
                # Notes included. The text, because the error itself would keep all frames alive.
                text = "".join(traceback.format_exception(error))
                for viewer in (*self._viewers, *watchers):
                    viewer.end(session, text)
                raise
            else:
                for viewer in (*self._viewers, *watchers):
                    viewer.end(session, "")
            finally:
                self._present = None


@contextmanager
def _nobody() -> Iterator[tuple[Server, ...]]:
    yield ()


def is_watchable(given: bool | None) -> bool:
    """Return whether a run is watchable: as its option says, else as the environment says.

    Raises:
        InvalidTypeError: if the option is neither a bool nor `None`.
        InvalidValueError: if the variable is neither ``1`` nor ``0``.
    """
    if given is not None:
        if not isinstance(given, bool):
            raise InvalidTypeError(f"watchable must be True, False or None, not {given!r}")
        return given
    value = os.environ.get(WATCHABLE, "0")
    if value not in ("", "0", "1"):
        raise InvalidValueError(f"{WATCHABLE} is 1 or 0, not {value!r}")
    return value == "1"
