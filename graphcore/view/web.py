"""The page and its web socket, on 127.0.0.1 alone; needs the extra `view`.

Whoever may open the page sees the values of the run. So the URL has a token that nobody can guess;
the Host is checked, because a name that resolves to 127.0.0.1 must not let another site's page in;
and the Origin, because any site's page may open a web socket to this machine. A request that fails
one of these gets 403 and nothing else.
"""

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from importlib.resources import files
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from graphcore.errors import RunError
from graphcore.view.forking import close_in_children

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost")
_LARGEST_REQUEST = 65_536
_TYPES = {"index.html": "text/html", "page.js": "text/javascript", "page.css": "text/css"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

# Connects to the server that answers the page.
Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


def listener_at(port: int) -> socket.socket:
    """Return a socket that listens at a port of this machine, 0 for any free one.

    Raises:
        RunError: if the port is not free.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise RunError(
            f"the live view cannot listen at port {port} of {HOST} ({error.strerror}): choose "
            "another, or port=0 for any that is free"
        ) from error
    close_in_children(listener)
    return listener


class Web:
    """Serves the page at a socket.

    Args:
        listener: the socket.

    Attributes:
        port: the port.
        url: the address of the page, with the token.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._connect: Connect
        token = secrets.token_urlsafe(24)
        port = listener.getsockname()[1]
        self.port = port
        self.url = f"http://{HOST}:{port}/{token}/"
        routes = [
            Route("/", _file("index.html")),
            Route("/page.js", _file("page.js")),
            Route("/page.css", _file("page.css")),
            WebSocketRoute("/socket", self._relay),
        ]
        self._app = _Gate(Starlette(routes=routes), token, port)

    @asynccontextmanager
    async def serving(self, connect: Connect) -> AsyncIterator[None]:
        """Serve while the block runs.

        Args:
            connect: connects to the server that answers a page.
        """
        self._connect = connect
        config = _Config(
            self._app,
            access_log=False,
            lifespan="off",
            http=_Http,
            ws=_Socket,
            ws_max_size=_LARGEST_REQUEST,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        server = _Uvicorn(config)
        task = asyncio.create_task(server.serve(sockets=[self._listener]))
        try:
            while not server.started and not task.done():
                await asyncio.sleep(0.005)
            if not task.done():
                yield
        finally:
            server.should_exit = True
            await task

    async def _relay(self, page: WebSocket) -> None:
        """Pass on what the page asks and what the server answers."""
        await page.accept()
        try:
            reader, writer = await self._connect()
        except OSError:
            await page.close(reason="the run has ended")
            return

        async def to_server() -> None:
            with suppress(WebSocketDisconnect, OSError, KeyError):
                while True:
                    line = await page.receive_text()
                    writer.write(line.replace("\n", " ").encode() + b"\n")
                    await writer.drain()

        async def to_page() -> None:
            with suppress(WebSocketDisconnect, OSError, RuntimeError):
                while line := await reader.readline():
                    await page.send_text(line.decode())
                await page.close(reason="the run has ended")

        tasks = [asyncio.create_task(to_server()), asyncio.create_task(to_page())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            writer.close()
            await asyncio.gather(*tasks, return_exceptions=True)


# uvicorn would log each request with its path, and so the token.
_silent = logging.getLogger(f"{__name__}.requests")
_silent.disabled = True


class _Http(H11Protocol):
    """Logs no requests."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.logger, self.access_log = _silent, False


class _Socket(WebSocketsSansIOProtocol):
    """Logs no requests."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.logger = self.conn.logger = _silent
        self.conn.debug = False


class _Config(uvicorn.Config):
    """Leaves logging to the program whose run is viewed; it may be an application on uvicorn."""

    def configure_logging(self) -> None:
        """Do nothing."""


class _Uvicorn(uvicorn.Server):
    """Leaves signals to that program."""

    def capture_signals(self) -> Any:
        """Return a context manager that does nothing."""
        return nullcontext()


class _Gate:
    """Lets in who knows the token and is not another site's page; all others get 403."""

    def __init__(self, app: Any, token: str, port: int) -> None:
        self._app = app
        self._token = token
        self._hosts = {f"{name}:{port}".encode() for name in _NAMES}
        self._origins = {b"http://" + host for host in self._hosts}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._lets_in(scope):
            scope["path"] = scope["path"][len(self._token) + 1 :]
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # before it is accepted: 403
        else:
            empty = [(b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 403, "headers": empty})
            await send({"type": "http.response.body", "body": b""})

    def _lets_in(self, scope: Any) -> bool:
        headers = scope["headers"]
        hosts = [value for name, value in headers if name == b"host"]
        origins = [value for name, value in headers if name == b"origin"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return False
        if any(origin not in self._origins for origin in origins):
            return False
        if scope["type"] == "websocket" and not origins:
            return False
        _, _, rest = scope["path"].partition("/")
        given, slash, _ = rest.partition("/")
        return bool(slash) and secrets.compare_digest(given.encode(), self._token.encode())


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        content = files("graphcore.view").joinpath("page", name).read_bytes()
        return Response(content, media_type=_TYPES[name], headers=_HEADERS)

    return answer
