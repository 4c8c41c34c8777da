"""What a run needs to wait for sockets in its own thread: `Pollable`, and `Waker`."""

import socket
from enum import StrEnum
from typing import Protocol


class Receive(StrEnum):
    """Which thread reads the sockets of a source."""

    THREAD = "thread"
    INLINE = "inline"


class Pollable(Protocol):
    """A source whose sockets the graph's thread reads between two cycles.

    While a cycle takes long, a second thread reads them, so that the other end sees signs of life.
    Only one thread at a time calls `serve`. It neither blocks nor raises: the source reports its
    errors in a cycle of its own.

    Attributes:
        descriptors: the file descriptors to wait for; a new tuple when they have changed.
        due: when to call `serve` at the latest, by `time.monotonic`.
    """

    descriptors: tuple[int, ...]
    due: float

    def serve(self, ready: int | None, idle: float) -> None:
        """Read what is there.

        Args:
            ready: a descriptor that can be read, perhaps one of before the last change; `None` if
                the source is due.
            idle: for how long the thread has waited, in all, s.
        """


class Waker:
    """A descriptor that another thread makes readable, to end a wait."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self.descriptor = self._read.fileno()

    def ring(self) -> None:
        """Make the descriptor readable; safe in a signal handler, and after `close`."""
        try:
            self._write.send(b"\0")
        except BlockingIOError:  # it has been rung so often that it is readable anyway
            pass
        except OSError:
            if self._write.fileno() >= 0:
                raise

    def clear(self) -> None:
        """Make the descriptor unreadable again."""
        try:
            while self._read.recv(4_096):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Close both ends."""
        self._write.close()
        self._read.close()
