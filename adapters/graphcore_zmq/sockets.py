"""Sockets as both ends set them up, and what their monitors tell."""

import time
from collections.abc import Callable
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
    zmq.EVENT_HANDSHAKE_SUCCEEDED
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


class Monitor:
    """What happens to a socket's connections: finished handshakes, and their ends.

    Belongs to one thread from its making on; `close` is that thread's too.

    Args:
        socket: whose connections are watched.
        ended: called with the descriptor of each connection that has ended.
    """

    def __init__(self, socket: Socket, ended: Callable[[int], None] = lambda _: None) -> None:
        self._failed = 0
        self._lost_at: float | None = None
        self._ended = ended
        self.socket: Any = socket.get_monitor_socket(_WATCHED)
        self.stopped = False

    def read(self) -> list[bool]:
        """Return what has happened since: `True` for a handshake, `False` for a connection's end.

        A connection whose handshake failed never was one, so its end is left out.
        """
        seen: list[bool] = []
        while not self.stopped and self.socket.get(zmq.EVENTS) & zmq.POLLIN:
            message = recv_monitor_message(self.socket)
            event = message["event"]
            if event == zmq.EVENT_DISCONNECTED:
                self._ended(message["value"])
                self._lost_at = time.monotonic()
            else:
                self._lost_at = None
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                seen.append(True)
            elif event & _FAILED:
                self._failed += 1
            elif event == zmq.EVENT_MONITOR_STOPPED:
                self.stopped = True
            elif event == zmq.EVENT_CONNECT_RETRIED:
                continue
            elif self._failed:
                self._failed -= 1
            else:
                seen.append(False)
        return seen

    @property
    def given_up(self) -> bool:
        """Whether libzmq will not connect again: the other end broke its protocol, or a limit."""
        return self._lost_at is not None and time.monotonic() - self._lost_at > _GIVEN_UP

    def close(self) -> None:
        """Close the monitor's own socket."""
        self.socket.close(linger=0)


def milliseconds(nanoseconds: int) -> int:
    """Return a duration as libzmq counts it, rounded up."""
    return -(-nanoseconds // 1_000_000)
