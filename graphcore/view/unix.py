"""The Unix sockets through which other processes of the same user view a watchable run.

They lie in a folder of the user's own, one for each run, named after the process and a number.
"""

import asyncio
import itertools
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from graphcore.engine.plan import Plan
from graphcore.errors import RunError
from graphcore.view.forking import close_in_children
from graphcore.view.server import LONGEST_LINE, LONGEST_MESSAGE, Connection, Server

_numbers = itertools.count(1)


def folder() -> Path:
    """Return the folder of the sockets."""
    own = os.environ.get("XDG_RUNTIME_DIR")
    if own and os.path.isdir(own):
        return Path(own) / "graphcore"
    return Path(tempfile.gettempdir()) / f"graphcore-{os.getuid()}"


@contextmanager
def listening(plan: Plan) -> Iterator[tuple[Server, ...]]:
    """Let other processes view a run while the block runs it.

    Yields:
        The server that answers them.

    Raises:
        RunError: if the socket cannot be opened.
    """
    listener, path = _listener()
    owner = os.getpid()
    close_in_children(listener)

    async def serve(server: Server, closing: asyncio.Event) -> None:
        accepting = await asyncio.start_unix_server(
            server.attend, sock=listener, limit=LONGEST_LINE
        )
        server.serves()
        await closing.wait()
        accepting.close()

    server = Server(plan, serve)
    try:
        server.start()
        try:
            yield (server,)
        finally:
            server.stop()
    finally:
        if os.getpid() == owner:  # in a forked child, the socket is still the parent's
            with suppress(FileNotFoundError):
                path.unlink()
        listener.close()


def socket_of(pid: int, number: int | None) -> Path:
    """Return the socket of a process's watchable run.

    Args:
        pid: the process.
        number: which of its runs; `None` if there is only one.

    Raises:
        RunError: if there is no such process, it is not watchable, or it has several such runs.
    """
    found: dict[int, Path] = {}
    for path in folder().glob(f"{pid}.*.sock"):
        name = path.stem.split(".")[1]
        if name.isdigit() and not _is_stale(path):
            found[int(name)] = path
    if number is not None and number in found:
        return found[number]
    if number is None and len(found) == 1:
        return next(iter(found.values()))
    if found:
        numbers = ", ".join(map(str, sorted(found)))
        raise RunError(f"process {pid} has the watchable runs {numbers}: name one with --run")
    if not _exists(pid):
        raise RunError(f"there is no process {pid}")
    raise RunError(
        f"process {pid} has no watchable run: start it with GRAPHCORE_WATCHABLE=1 in its "
        "environment, or run its graph with watchable=True"
    )


async def connect_to(path: Path) -> Connection:
    """Connect to the server of a watchable run.

    Raises:
        OSError: if nobody listens there any more.
    """
    return await asyncio.open_unix_connection(str(path), limit=LONGEST_MESSAGE)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _listener() -> tuple[socket.socket, Path]:
    if not hasattr(socket, "AF_UNIX"):
        raise RunError("a run is watchable through a Unix socket, which this system does not have")
    own = folder()
    try:
        own.mkdir(0o700, exist_ok=True)
        found = own.lstat()
    except OSError as error:
        raise RunError(f"a watchable run needs the folder {own}: {error.strerror}") from error
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if found.st_uid != os.getuid() or not private:
        raise RunError(
            f"a watchable run needs {own} to be a folder of this user's alone: remove it, "
            "and it is made anew"
        )
    _remove_stale(own)
    path = own / f"{os.getpid()}.{next(_numbers)}.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise RunError(f"a watchable run cannot open its socket {path}: {error}") from error
    return listener, path


def _remove_stale(own: Path) -> None:
    """Remove the sockets of processes that were killed."""
    for path in own.glob("*.sock"):
        _is_stale(path)


def _is_stale(path: Path) -> bool:
    """Return whether nobody listens at a socket any more; if so, remove it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(1.0)
        try:
            trial.connect(str(path))
        except ConnectionRefusedError:
            with suppress(FileNotFoundError):
                path.unlink()
            return True
        except OSError:  # it has just gone, or its queue is full
            return not path.exists()
    return False
