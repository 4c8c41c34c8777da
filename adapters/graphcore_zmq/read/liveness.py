"""How long a subscriber waits for a silent publisher.

A publisher sends check points while its stream is silent. If its graph is busy it sends none, so
the subscriber probes it with a second connection: a handshake shows that its process is alive.
"""

import zmq

from graphcore_zmq.config import SocketOptions
from graphcore_zmq.read.link import Link
from graphcore_zmq.socket.security import CurveClient
from graphcore_zmq.socket.sockets import Socket

_PROBE_AT = 2 / 3  # of the peer timeout; after this silence the probe is made


class Liveness:
    """Watches one publisher at a time; belongs to the reader's thread.

    Args:
        options: of the socket, with the peer timeout.

    Attributes:
        silent: how long there has been nothing to read, s.
    """

    def __init__(self, options: SocketOptions) -> None:
        self.silent = 0.0
        self._options = options
        self._probe: Link | None = None

    def is_over(
        self,
        context: "zmq.Context[Socket]",
        address: str,
        security: CurveClient | None,
        expecting: bool,
    ) -> bool:
        """Return whether the publisher has been silent for too long and answers no probe.

        Args:
            context: the subscriber's.
            address: the publisher's.
            security: how the probe is encrypted, if it is.
            expecting: whether the publisher is one that sends check points.
        """
        if self._options.peer_timeout is None:
            return False
        if not expecting:
            self.silent = 0.0
        probe, timeout = self._probe, self._options.peer_timeout / 1e9
        over = False
        if self.silent < timeout * _PROBE_AT:
            self._probe = None
        elif probe is None:
            self._probe = Link(context, address, self._options, security)
        elif any(probe.events()):
            self.silent, self._probe = 0.0, None
        elif self.silent >= timeout:
            over, self._probe = True, None
        if probe is not None and self._probe is None:
            probe.close()
        return over
