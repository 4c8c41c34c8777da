"""How long a subscriber believes in a silent publisher.

A publisher that lives sends check points. One whose graph is busy sends none; it shows by a
handshake, with a probe beside the link, that its process lives.
"""

import zmq

from graphcore_zmq.config import SocketOptions
from graphcore_zmq.read.link import Link
from graphcore_zmq.socket.security import CurveClient
from graphcore_zmq.socket.sockets import Socket

_PROBE_AT = 2 / 3  # of the peer timeout, from which on a silent publisher has to answer


class Patience:
    """Watches over one publisher at a time; belongs to the receiver's thread.

    Args:
        options: of the socket, the peer timeout among them.

    Attributes:
        silent: for how long there was nothing to read, s.
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
        """Return whether the publisher is silent for too long and does not answer either.

        Args:
            context: the subscriber's.
            address: the publisher's.
            security: how a probe is encrypted, if it is.
            expecting: whether it is one that has to show life.
        """
        if self._options.peer_timeout is None:
            return False
        if not expecting:
            self.silent = 0.0
        probe, patience = self._probe, self._options.peer_timeout / 1e9
        over = False
        if self.silent < patience * _PROBE_AT:
            self._probe = None
        elif probe is None:
            self._probe = Link(context, address, self._options, security)
        elif any(probe.events()):
            self.silent, self._probe = 0.0, None
        elif self.silent >= patience:
            over, self._probe = True, None
        if probe is not None and self._probe is None:
            probe.close()
        return over
