"""A subscriber's link to one publisher: the data socket and its monitor."""

from collections.abc import Sequence

import zmq

from graphcore_zmq.config import SocketOptions
from graphcore_zmq.peers import SIGNING
from graphcore_zmq.security import CurveClient
from graphcore_zmq.sockets import Monitor, Socket, set_options

_SUBSCRIBE, _UNSUBSCRIBE = b"\1", b"\0"
_VAGUE_FAILURES = 3


class Link:
    """Connects, and connects again, to an address; belongs to one thread.

    Args:
        context: the subscriber's.
        address: the publisher's.
        options: of the socket.
        wanted: what is subscribed to, in this order.
        security: how it is encrypted, if it is.

    Raises:
        ZMQError: if the address is none that libzmq can connect to.
    """

    def __init__(
        self,
        context: "zmq.Context[Socket]",
        address: str,
        options: SocketOptions,
        wanted: Sequence[bytes],
        security: CurveClient | None,
    ) -> None:
        self.address = address
        self.refused = False
        self._secured = security is not None
        self._failures = 0
        # Of the two kinds of subscribers, the one that can send signs of life.
        self.socket: Socket = context.socket(zmq.XSUB)
        self._monitor = Monitor(self.socket, failed=self._fail)
        try:
            set_options(self.socket, options, address)
            self.socket.set(zmq.RCVHWM, options.receive_high_water_mark)
            if security is not None:
                security.secure(self.socket)
            for each in wanted:
                self.socket.send(_SUBSCRIBE + each)
            if options.heartbeat_interval:
                self.socket.send(_SUBSCRIBE + SIGNING)
            self.socket.connect(address)
        except BaseException:
            self.close()
            raise
        self._poller = zmq.Poller()
        self._poller.register(self.socket, zmq.POLLIN)
        self._poller.register(self._monitor.socket, zmq.POLLIN)

    def wait(self, milliseconds: int) -> None:
        """Wait until there is something to read, or something has happened to the connection."""
        self._poller.poll(milliseconds)

    def events(self) -> list[bool]:
        """Return what has happened to the connection, as `Monitor.read` does.

        `refused` is set if the publisher would not have it, after which libzmq tries no more.
        """
        seen = self._monitor.read()
        if True in seen:
            self._failures = 0
        return seen

    def _fail(self, event: int, host: str | None) -> None:
        if event != zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            self.refused = True
        elif self._secured:
            # A publisher that has another key just hangs up, as does one that is about to end.
            self._failures += 1
            self.refused = self._failures >= _VAGUE_FAILURES

    def sign(self, sign: bytes) -> None:
        """Send a sign of life.

        Raises:
            Again: if there is no room for one now.
        """
        for kind in (_SUBSCRIBE, _UNSUBSCRIBE):
            self.socket.send(kind + sign, zmq.NOBLOCK)

    def close(self) -> None:
        """Close both sockets; what waits unread is lost."""
        self.socket.disable_monitor()
        self._monitor.close()
        self.socket.close(linger=0)
