"""A subscriber's link to one publisher: the data socket and its monitor."""

import zmq

from graphcore_zmq.config import SocketOptions
from graphcore_zmq.peers import SIGNING
from graphcore_zmq.sockets import Monitor, Socket, milliseconds, set_options

_SUBSCRIBE = b"\1"
_PROBES = 3  # of an idle connection, by the kernel, within the peer timeout


class Link:
    """Connects, and connects again, to an address; belongs to one thread.

    Without `subscribe` it shows whether there is a publisher that answers, and no more.

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
        self._options = options
        # Of the two kinds of subscribers, the one that can send signs of life.
        self.socket: Socket = context.socket(zmq.XSUB)
        self.monitor = Monitor(self.socket)
        try:
            set_options(self.socket, options, address)
            self.socket.set(zmq.RCVHWM, options.receive_high_water_mark)
            if options.peer_timeout is not None:
                patience = milliseconds(options.peer_timeout)
                self.socket.set(zmq.CONNECT_TIMEOUT, patience)
                # Signs of life and probes that nothing acknowledges show that the way is cut.
                self.socket.set(zmq.TCP_MAXRT, patience)
                if options.tcp_keepalive:
                    every = max(patience // _PROBES // 1_000, 1)
                    self.socket.set(zmq.TCP_KEEPALIVE_IDLE, every)
                    self.socket.set(zmq.TCP_KEEPALIVE_INTVL, every)
            self.socket.connect(address)
        except BaseException:
            self.close()
            raise
        self._poller = zmq.Poller()
        self._poller.register(self.socket, zmq.POLLIN)
        self._poller.register(self.monitor.socket, zmq.POLLIN)

    def subscribe(self) -> None:
        """Ask for all that is published, and promise signs of life."""
        self.socket.send(_SUBSCRIBE)
        if self._options.heartbeat_interval:
            self.socket.send(_SUBSCRIBE + SIGNING)

    def wait(self, milliseconds: int) -> bool:
        """Wait until there is something to read, or something has happened to the connection.

        Returns:
            Whether there is something to read.
        """
        return self.socket in dict(self._poller.poll(milliseconds))

    def close(self) -> None:
        """Close both sockets; what waits unread is lost."""
        self.socket.disable_monitor()
        self.monitor.close()
        self.socket.close(linger=0)
