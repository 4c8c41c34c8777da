"""A subscriber's link to one publisher: the data socket and its monitor."""

import time
from collections.abc import Sequence

import zmq

from graphcore_zmq.config import SocketOptions
from graphcore_zmq.socket.security import CurveClient
from graphcore_zmq.socket.sockets import Monitor, Socket, milliseconds, set_options
from graphcore_zmq.wire.signs import SIGNING, SUBSCRIBE, UNSUBSCRIBE

_VAGUE_FAILURES = 3  # failed handshakes without a reason that count as a refusal
_HANDSHAKE = 30_000  # ms until libzmq drops a connection whose handshake is not answered
_SILENT = 0.9  # of that time; a publisher that closes the connection itself does so sooner
_PROBES = 3  # of the kernel, on an idle connection, within the peer timeout


class Link:
    """Connects and reconnects to an address; belongs to one thread.

    A link that subscribes to nothing only shows whether a publisher answers.

    Args:
        context: the subscriber's.
        address: the publisher's.
        options: of the socket.
        security: how the connection is encrypted, if it is.
        wanted: what to subscribe to; with it goes a promise of signs of life.

    Raises:
        ZMQError: if libzmq cannot connect to such an address.
    """

    def __init__(
        self,
        context: "zmq.Context[Socket]",
        address: str,
        options: SocketOptions,
        security: CurveClient | None,
        wanted: Sequence[bytes] = (),
    ) -> None:
        self.address = address
        self.refused = False
        self._failures = 0
        self._failed_at = time.monotonic()
        self._options = options
        # XSUB, because a SUB socket cannot send signs of life.
        self.socket: Socket = context.socket(zmq.XSUB)
        self.monitor = Monitor(self.socket, failed=self._fail)
        try:
            set_options(self.socket, options, address)
            self.socket.set(zmq.RCVHWM, options.receive_high_water_mark)
            # The link sends subscriptions, none of which may be dropped, and a few signs.
            self.socket.set(zmq.SNDHWM, 0)
            self.socket.set(zmq.HANDSHAKE_IVL, _HANDSHAKE)
            if security is not None:
                security.secure(self.socket)
            if options.peer_timeout is not None:
                patience = milliseconds(options.peer_timeout)
                self.socket.set(zmq.CONNECT_TIMEOUT, patience)
                # The kernel ends a connection whose signs and probes are not acknowledged.
                self.socket.set(zmq.TCP_MAXRT, patience)
                if options.tcp_keepalive:
                    every = max(patience // _PROBES // 1_000, 1)
                    self.socket.set(zmq.TCP_KEEPALIVE_IDLE, every)
                    self.socket.set(zmq.TCP_KEEPALIVE_INTVL, every)
            # Before `connect`, so that all are sent together: a publisher that stops at its first
            # subscription waits only for subscribers whose promise it has read.
            if wanted and options.heartbeat_interval:
                self.socket.send(SUBSCRIBE + SIGNING)
            for each in wanted:
                self.socket.send(SUBSCRIBE + each)
            self.socket.connect(address)
        except BaseException:
            self.close()
            raise

    def has_more(self) -> bool:
        """Return whether a frame can be read now.

        Its descriptor tells once only; whatever is done with the socket may have taken that.
        """
        return bool(int(self.socket.get(zmq.EVENTS)) & zmq.POLLIN)

    @property
    def descriptors(self) -> tuple[int, int]:
        """The descriptors that become readable with the next frame, and with the next event."""
        return self.socket.FD, self.monitor.socket.FD

    def events(self) -> list[bool]:
        """Return the events of the connection, as `Monitor.read` does.

        Sets `refused` if the publisher has refused the connection; libzmq then tries no more.
        """
        seen = self.monitor.read()
        if True in seen:
            self._failures = 0
        return seen

    def _fail(self, event: int, host: str | None) -> None:
        # If the two ends do not fit, the one that sees it first closes the connection, and the
        # other learns no reason. A publisher that is ending closes it too, but only once or twice.
        # A suspended publisher says nothing until this end gives up, which is not a refusal.
        now = time.monotonic()
        silent = now - self._failed_at > _SILENT * _HANDSHAKE / 1000
        self._failed_at = now
        self._failures = 1 if silent else self._failures + 1
        vague = event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        self.refused = not vague or self._failures >= _VAGUE_FAILURES

    def sign(self, sign: bytes) -> None:
        """Send a sign of life.

        Raises:
            Again: if the queue is full.
        """
        for kind in (SUBSCRIBE, UNSUBSCRIBE):
            self.socket.send(kind + sign, zmq.NOBLOCK)

    def close(self, linger: int = 0) -> None:
        """Close both sockets; unread frames are lost.

        Args:
            linger: how long libzmq may take to send what is left to send, ms.
        """
        self.socket.disable_monitor()
        self.monitor.close()
        self.socket.close(linger)
