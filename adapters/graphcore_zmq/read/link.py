"""A subscriber's link to one publisher: the data socket and its monitor."""

import time
from collections.abc import Sequence

import zmq

from graphcore_zmq.config import SocketOptions
from graphcore_zmq.socket.security import CurveClient
from graphcore_zmq.socket.sockets import Monitor, Socket, milliseconds, set_options
from graphcore_zmq.wire.signs import SIGNING, SUBSCRIBE, UNSUBSCRIBE

_VAGUE_FAILURES = 3
_HANDSHAKE = 30_000  # ms after which a publisher that does not answer is hung up on
_SILENT = 0.9  # of that time: whoever hangs up does so sooner
_PROBES = 3  # of an idle connection, by the kernel, within the peer timeout


class Link:
    """Connects, and connects again, to an address; belongs to one thread.

    Where nothing is wanted it shows whether there is a publisher that answers, and no more.

    Args:
        context: the subscriber's.
        address: the publisher's.
        options: of the socket.
        security: how it is encrypted, if it is.
        wanted: what is asked for of what is published, with a promise of signs of life.

    Raises:
        ZMQError: if the address is none that libzmq can connect to.
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
        self.refused = self.happened = False
        self._failures = 0
        self._failed_at = time.monotonic()
        self._options = options
        # Of the two kinds of subscribers, the one that can send signs of life.
        self.socket: Socket = context.socket(zmq.XSUB)
        self.monitor = Monitor(self.socket, failed=self._fail)
        try:
            set_options(self.socket, options, address)
            self.socket.set(zmq.RCVHWM, options.receive_high_water_mark)
            # What is sent are subscriptions, none of which may be dropped, and a few signs.
            self.socket.set(zmq.SNDHWM, 0)
            self.socket.set(zmq.HANDSHAKE_IVL, _HANDSHAKE)
            if security is not None:
                security.secure(self.socket)
            if options.peer_timeout is not None:
                patience = milliseconds(options.peer_timeout)
                self.socket.set(zmq.CONNECT_TIMEOUT, patience)
                # Signs of life and probes that nothing acknowledges show that the way is cut.
                self.socket.set(zmq.TCP_MAXRT, patience)
                if options.tcp_keepalive:
                    every = max(patience // _PROBES // 1_000, 1)
                    self.socket.set(zmq.TCP_KEEPALIVE_IDLE, every)
                    self.socket.set(zmq.TCP_KEEPALIVE_INTVL, every)
            # Before it connects, so that all of it is sent together: a publisher that ends with its
            # first subscriber waits for it only if it knows of its promise.
            if wanted and options.heartbeat_interval:
                self.socket.send(SUBSCRIBE + SIGNING)
            for each in wanted:
                self.socket.send(SUBSCRIBE + each)
            self.socket.connect(address)
        except BaseException:
            self.close()
            raise
        self._poller = zmq.Poller()
        self._poller.register(self.socket, zmq.POLLIN)
        self._poller.register(self.monitor.socket, zmq.POLLIN)

    def wait(self, milliseconds: int) -> bool:
        """Wait until there is something to read, or something has happened to the connection.

        `happened` says whether the latter is so.

        Returns:
            Whether there is something to read.
        """
        ready = dict(self._poller.poll(milliseconds))
        self.happened = self.monitor.socket in ready
        return self.socket in ready

    def events(self) -> list[bool]:
        """Return what has happened to the connection, as `Monitor.read` does.

        `refused` is set if the publisher would not have it, after which libzmq tries no more.
        """
        seen = self.monitor.read()
        if True in seen:
            self._failures = 0
        return seen

    def _fail(self, event: int, host: str | None) -> None:
        # Either end may be the first to see that they do not fit, and hangs up on the other, which
        # learns no more. One that is about to end hangs up as well, but not again and again. One
        # that is stopped says nothing until this end hangs up, which is no refusal.
        now = time.monotonic()
        silent = now - self._failed_at > _SILENT * _HANDSHAKE / 1000
        self._failed_at = now
        self._failures = 1 if silent else self._failures + 1
        vague = event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        self.refused = not vague or self._failures >= _VAGUE_FAILURES

    def sign(self, sign: bytes) -> None:
        """Send a sign of life.

        Raises:
            Again: if there is no room for one now.
        """
        for kind in (SUBSCRIBE, UNSUBSCRIBE):
            self.socket.send(kind + sign, zmq.NOBLOCK)

    def close(self) -> None:
        """Close both sockets; what waits unread is lost."""
        self.socket.disable_monitor()
        self.monitor.close()
        self.socket.close(linger=0)
