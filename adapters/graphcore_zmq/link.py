"""A subscriber's link to one publisher: the data socket and its monitor."""

import zmq

from graphcore_zmq.config import SocketOptions
from graphcore_zmq.peers import SIGNING
from graphcore_zmq.sockets import Monitor, Socket, set_options

_SUBSCRIBE, _UNSUBSCRIBE = b"\1", b"\0"


class Link:
    """Connects, and connects again, to an address; belongs to one thread.

    Args:
        context: the subscriber's.
        address: the publisher's.
        options: of the socket.

    Raises:
        ZMQError: if the address is none that libzmq can connect to.
    """

    def __init__(
        self, context: "zmq.Context[Socket]", address: str, options: SocketOptions
    ) -> None:
        self.address = address
        # Of the two kinds of subscribers, the one that can send signs of life.
        self.socket: Socket = context.socket(zmq.XSUB)
        self.monitor = Monitor(self.socket)
        try:
            set_options(self.socket, options, address)
            self.socket.set(zmq.RCVHWM, options.receive_high_water_mark)
            self.socket.send(_SUBSCRIBE)
            if options.heartbeat_interval:
                self.socket.send(_SUBSCRIBE + SIGNING)
            self.socket.connect(address)
        except BaseException:
            self.close()
            raise
        self._poller = zmq.Poller()
        self._poller.register(self.socket, zmq.POLLIN)
        self._poller.register(self.monitor.socket, zmq.POLLIN)

    def wait(self, milliseconds: int) -> None:
        """Wait until there is something to read, or something has happened to the connection."""
        self._poller.poll(milliseconds)

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
        self.monitor.close()
        self.socket.close(linger=0)
