"""`Serving`: the live view of a graph for the time of a `with` block."""

import asyncio
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Self

from graphcore.errors import InvalidTypeError, InvalidValueError, RunError
from graphcore.view.attached import Views
from graphcore.view.server import Server

if TYPE_CHECKING:
    from graphcore.view.web import Web


class Serving:
    """The live view of a graph, for the time of a `with` block; `Graph.serve` makes it.

    Args:
        views: who views the graph.
        port: the port; 0 means any that is free.
        paused: whether historical runs begin in a pause.

    Raises:
        RunError: without the extra `view`.
        InvalidTypeError, InvalidValueError: for a port that is none.
    """

    def __init__(self, views: Views, port: int, paused: bool) -> None:
        if isinstance(port, bool) or not isinstance(port, int):
            raise InvalidTypeError(f"port must be a whole number, not {port!r}")
        if not 0 <= port <= 65_535:
            raise InvalidValueError(f"port is 0 for any free one, or up to 65535, not {port}")
        if not isinstance(paused, bool):
            raise InvalidTypeError(f"paused must be True or False, not {paused!r}")
        need_extra()
        self._views = views
        self._port = port
        self._paused = paused
        self._server: Server | None = None
        self._web: Web | None = None

    def __enter__(self) -> Self:
        """Open the port.

        Raises:
            RunError: if it is not free, or for a second block at the same time.
        """
        from graphcore.view.web import Web, listener_at

        if self._server is not None:
            raise RunError("this view has its block already: call serve() again for another view")
        listener = listener_at(self._port)
        try:
            web = self._web = Web(listener)

            async def serve(server: Server, closing: asyncio.Event) -> None:
                async with web.serving(server.connect):
                    server.serves()
                    await closing.wait()

            self._server = server = Server(self._views.plan, serve, self._paused)
            server.start()
            self._views.add(server)
        except BaseException:
            listener.close()
            self._server = self._web = None
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Close all pages' connections and the port."""
        server = self._server
        assert server is not None
        self._views.remove(server)
        try:
            server.stop()
        finally:
            self._server = self._web = None

    def __repr__(self) -> str:
        """Show the port; the address, with its secret, is `url`."""
        if self._web is None:
            return "<Serving, outside of its with block>"
        return f"<Serving at 127.0.0.1:{self._web.port}>"

    @property
    def url(self) -> str:
        """The address of the page, for a browser on this machine; whoever knows it may look.

        Raises:
            RunError: outside the `with` block.
        """
        if self._web is None:
            raise RunError("a view has an address in its with block: with graph.serve() as view:")
        return self._web.url


def need_extra() -> None:
    """Check that the libraries of the extra `view` are there.

    Raises:
        RunError: if not; it says what to install.
    """
    for library in ("starlette", "uvicorn", "websockets"):
        try:
            import_module(library)
        except ImportError as error:
            raise RunError(
                f"the live view needs {library}: pip install 'graphcore[view]'"
            ) from error
