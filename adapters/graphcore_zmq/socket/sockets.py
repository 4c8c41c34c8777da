"""Options that both ends set on their sockets, and the events that monitors report."""

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
_GIVEN_UP = 1.0  # s without another try to connect, after which there will be none


def refuse_historical(state: GraphState) -> None:
    """Raise if the run is historical; call it before any socket or registry is used.

    Raises:
        RunError: in a historical run.
    """
    if state.run_mode is not RunMode.REALTIME:
        raise RunError("ZMQ nodes only support real-time mode")


def set_options(socket: Socket, options: SocketOptions, address: str) -> None:
    """Set the options that both ends share. An IPv6 address turns IPv6 on."""
    socket.set(zmq.RECONNECT_IVL, max(milliseconds(options.reconnect_interval), 1))
    socket.set(zmq.MAXMSGSIZE, options.max_message_size)
    socket.set(zmq.IPV6, int(options.ipv6 or "[" in address))
    if options.tcp_keepalive:
        socket.set(zmq.TCP_KEEPALIVE, 1)
        socket.set(zmq.TCP_KEEPALIVE_IDLE, _KEEPALIVE_SECONDS)
        socket.set(zmq.TCP_KEEPALIVE_INTVL, _KEEPALIVE_SECONDS)


def ended(end: Callable[[], None], name: str, seconds: float) -> bool:
    """End a context in a thread of its own; return whether it has ended within so many seconds.

    libzmq takes longer while it resolves a host name. It may even take for ever: 4.3.5 may miss the
    end of a connection that ends at the same time.

    Args:
        end: the context's `term` or `destroy`.
        name: for the thread.
        seconds: how long to wait.
    """
    thread = threading.Thread(target=end, name=f"graphcore-{name}-end", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def refuse_old_protocols(socket: Socket) -> None:
    """Make a socket that is not bound yet refuse peers older than ZMTP 3, so than libzmq 4.

    If a few bytes from such a peer, or from something other than a peer, reach a socket that
    is being closed, an assertion in libzmq 4.3.5 aborts the process. Setting a ZAP domain refuses
    them. Without a handler for the domain it has no other effect.
    """
    socket.set(zmq.ZAP_DOMAIN, b"graphcore")


def pass_over(event: int, host: str | None) -> None:
    """Ignore a handshake that failed."""


class Monitor:
    """Reports the events of a socket's connections: finished handshakes, and ends.

    One thread calls all methods, `close` too.

    Args:
        socket: the socket to watch.
        ended: called with the descriptor of each connection that has ended.
        failed: called for each handshake that failed, with the event that gives the reason, and
            with the peer's host. The host is `None` if this end had connected, or if the peer had
            gone when its host was asked for.

    Attributes:
        socket: readable when there are events.
        stopped: whether the watched socket is closed, so that no more events come.
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
        """Return the events since the last call: `True` for a handshake, `False` for an end.

        The end of a connection whose handshake failed is left out. At a bound socket, an end is
        reported late while there is a connection that has not finished its handshake.
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
                # The next event is the end of this connection, and has its descriptor.
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
                # For a peer that was refused for its old protocol, libzmq reports an end without
                # a handshake. So count: no more handshakes can be finished than connections are.
                while self._shaken > len(self._hosts):
                    self._shaken -= 1
                    seen.append(False)
        return seen

    @property
    def given_up(self) -> bool:
        """Whether libzmq stops connecting: the other end broke the protocol, or a limit."""
        return self._lost_at is not None and time.monotonic() - self._lost_at > _GIVEN_UP

    @property
    def connections(self) -> Container[int]:
        """The descriptors of the connections to a bound socket."""
        return self._hosts

    def close(self) -> None:
        """Close the monitor's own socket."""
        self.socket.close(linger=0)


def milliseconds(nanoseconds: int) -> int:
    """Return a duration in milliseconds, rounded up."""
    return -(-nanoseconds // 1_000_000)


@contextmanager
def borrowed(descriptor: int) -> Iterator[networking.socket]:
    """Give access to a connection of libzmq's, which stays open afterwards.

    Raises:
        OSError: if the descriptor is no longer a connection.
    """
    duplicate = os.dup(descriptor)
    try:
        connection = networking.socket(fileno=duplicate)
    except OSError:  # the descriptor is something else by now
        os.close(duplicate)
        raise
    with connection:
        yield connection


def _host(descriptor: int) -> str | None:
    try:
        with borrowed(descriptor) as connection:
            host: str = connection.getpeername()[0]
    except (OSError, IndexError):  # the connection has ended
        return None
    return host
