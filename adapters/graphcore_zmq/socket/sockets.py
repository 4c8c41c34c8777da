"""Sockets as both ends set them up, and what their monitors tell."""

import os
import socket as networking
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from graphcore import GraphState, RunError, RunMode
from graphcore_zmq.config import SocketOptions

Socket = zmq.Socket[bytes]

_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
_WATCHED = (
    zmq.EVENT_ACCEPTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_CONNECT_RETRIED
    | _FAILED
    | zmq.EVENT_MONITOR_STOPPED
)
_KEEPALIVE_SECONDS = 10
_GIVEN_UP = 1.0  # s without another try to connect


def refuse_historical(state: GraphState) -> None:
    """Raise unless the run is in real time; called before any socket or registry is touched.

    Raises:
        RunError: in a historical run.
    """
    if state.run_mode is not RunMode.REALTIME:
        raise RunError("ZMQ nodes only support real-time mode")


def set_options(socket: Socket, options: SocketOptions, address: str) -> None:
    """Set what both ends have in common; the address says whether IPv6 is needed."""
    socket.set(zmq.RECONNECT_IVL, max(milliseconds(options.reconnect_interval), 1))
    socket.set(zmq.MAXMSGSIZE, options.max_message_size)
    socket.set(zmq.IPV6, int(options.ipv6 or "[" in address))
    if options.tcp_keepalive:
        socket.set(zmq.TCP_KEEPALIVE, 1)
        socket.set(zmq.TCP_KEEPALIVE_IDLE, _KEEPALIVE_SECONDS)
        socket.set(zmq.TCP_KEEPALIVE_INTVL, _KEEPALIVE_SECONDS)


def ended(end: Callable[[], None], name: str, seconds: float) -> bool:
    """End a context in a thread of its own; return whether it did within so many seconds.

    libzmq may take longer, as it waits for a host's name that is being resolved, and for ever:
    4.3.5 may miss the end of a connection that ends at the same time.

    Args:
        end: the context's `term` or `destroy`.
        name: for the thread.
        seconds: for how long it is waited for.
    """
    thread = threading.Thread(target=end, name=f"graphcore-{name}-end", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def refuse_old_protocols(socket: Socket) -> None:
    """Have a socket that is to be bound refuse peers of before ZMTP 3, so of before libzmq 4.

    A few bytes of such a peer, or of one that is none at all, abort the process where they meet a
    socket that is being closed: an assertion in libzmq 4.3.5. That there is a domain refuses them;
    without anybody who answers for the domain, it does nothing else.
    """
    socket.set(zmq.ZAP_DOMAIN, b"graphcore")


def pass_over(event: int, host: str | None) -> None:
    """Make nothing of a handshake that failed."""


class Monitor:
    """What happens to a socket's connections: finished handshakes, and their ends.

    Belongs to one thread from its making on; `close` is that thread's too.

    Args:
        socket: whose connections are watched.
        ended: called with the descriptor of each connection that has ended.
        failed: called for each handshake that failed, with the event that says how, and the peer's
            host if it was the one to connect and was still there when it was looked at.
    """

    def __init__(
        self,
        socket: Socket,
        ended: Callable[[int], None] = lambda _: None,
        failed: Callable[[int, str | None], None] = pass_over,
    ) -> None:
        self._lost_at: float | None = None
        self._ended = ended
        self._failed = failed
        self._failures: deque[int] = deque()
        self._hosts: dict[int, str | None] = {}
        self._shaken = 0
        self.socket: Any = socket.get_monitor_socket(_WATCHED)
        self.stopped = False

    def read(self) -> list[bool]:
        """Return what has happened since: `True` for a handshake, `False` for a connection's end.

        A connection whose handshake failed never was one, so its end is left out. At a socket that
        was bound, an end is told late while a connection is there that has not shaken hands.
        """
        seen: list[bool] = []
        while not self.stopped and self.socket.get(zmq.EVENTS) & zmq.POLLIN:
            message = recv_monitor_message(self.socket)
            event, descriptor = message["event"], message["value"]
            self._lost_at = time.monotonic() if event == zmq.EVENT_DISCONNECTED else None
            if event == zmq.EVENT_ACCEPTED:
                self._hosts[descriptor] = _host(descriptor)
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._shaken += 1
                seen.append(True)
            elif event & _FAILED:
                # What follows is the connection's end, which has its descriptor.
                self._failures.append(event)
            elif event == zmq.EVENT_MONITOR_STOPPED:
                self.stopped = True
            elif event == zmq.EVENT_CONNECT_RETRIED:
                continue
            else:
                self._ended(descriptor)
                host = self._hosts.pop(descriptor, None)
                if self._failures:
                    self._failed(self._failures.popleft(), host)
                # Of one that was refused for its old protocol libzmq tells only the end, and not
                # of a handshake whose it was. But no more can have shaken hands than are there.
                while self._shaken > len(self._hosts):
                    self._shaken -= 1
                    seen.append(False)
        return seen

    @property
    def given_up(self) -> bool:
        """Whether libzmq will not connect again: the other end broke its protocol, or a limit."""
        return self._lost_at is not None and time.monotonic() - self._lost_at > _GIVEN_UP

    @property
    def connections(self) -> Container[int]:
        """The descriptors of those who have connected, to a socket that was bound."""
        return self._hosts

    def close(self) -> None:
        """Close the monitor's own socket."""
        self.socket.close(linger=0)


def milliseconds(nanoseconds: int) -> int:
    """Return a duration as libzmq counts it, rounded up."""
    return -(-nanoseconds // 1_000_000)


@contextmanager
def borrowed(descriptor: int) -> Iterator[networking.socket]:
    """Give a look at a connection of libzmq's, which goes on when the look is over.

    Raises:
        OSError: if the descriptor is no connection any more.
    """
    duplicate = os.dup(descriptor)
    try:
        connection = networking.socket(fileno=duplicate)
    except OSError:  # it has become something else
        os.close(duplicate)
        raise
    with connection:
        yield connection


def _host(descriptor: int) -> str | None:
    try:
        with borrowed(descriptor) as connection:
            host: str = connection.getpeername()[0]
    except (OSError, IndexError):  # it has ended already
        return None
    return host
