"""`Views`: who views the runs of one graph; a run tells them when it begins and how it ends."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from graphcore.engine.plan import Plan
from graphcore.engine.run.lifecycle import Tier
from graphcore.engine.run.session import Session
from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.view.server import Server
from graphcore.view.unix import listening

WATCHABLE = "GRAPHCORE_WATCHABLE"


class Views:
    """The servers that view one graph.

    Args:
        plan: its plan.

    Attributes:
        plan: the argument.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._servers: list[Server] = []
        self._present: tuple[Session, Tier] | None = None

    def add(self, server: Server) -> None:
        """Show this server the run in progress, if there is one, and all that follow."""
        self._servers.append(server)
        present = self._present
        if present is not None:
            server.begin(*present)

    def remove(self, server: Server) -> None:
        """Show a server no further run."""
        self._servers.remove(server)

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
            servers = [*self._servers, *watchers]
            for server in servers:
                server.begin(session, tier)
            try:
                yield
            except BaseException as error:
                # Notes included. The text, because the error itself would keep all frames alive.
                text = "".join(traceback.format_exception(error))
                for server in (*self._servers, *watchers):
                    server.end(session, text)
                raise
            else:
                for server in (*self._servers, *watchers):
                    server.end(session, "")
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
