"""The socket that a publisher binds: XPUB, which shows each subscription."""

from dataclasses import dataclass
from enum import StrEnum

import zmq

from graphcore import RunError
from graphcore_zmq.config import SocketOptions
from graphcore_zmq.socket.security import CurveServer, Gate
from graphcore_zmq.socket.sockets import Socket, milliseconds, refuse_old_protocols, set_options

STEP = 50  # ms between two looks at `stop` while the graph's thread waits


class OnFull(StrEnum):
    """What a publisher does when a subscriber's queue is full."""

    DROP = "drop"
    BLOCK = "block"


@dataclass(frozen=True)
class Binding:
    """How a publisher binds its socket, and how it uses it.

    Attributes:
        endpoint: the address to bind.
        on_full: what to do when a subscriber's queue is full.
        options: of the socket.
        security: who may subscribe; `None` is everybody, unencrypted.
        topical: whether messages have topics.
        last_value: whether each new subscriber is sent the last value.
    """

    endpoint: str
    on_full: OnFull
    options: SocketOptions
    security: CurveServer | None
    topical: bool
    last_value: bool

    def socket(self, context: "zmq.Context[Socket]", gate: Gate | None) -> Socket:
        """Return a socket with its options set, not bound yet.

        Args:
            context: the publisher's.
            gate: who may connect; `None` if everybody may.

        Raises:
            RunError: if this libzmq lacks what `last_value` needs.
        """
        socket: Socket = context.socket(zmq.XPUB)
        set_options(socket, self.options, self.endpoint)
        # Set before binding: a connection that ends at the same time as the socket uses the linger
        # that was set when the socket was bound. The default is for ever, and with something left
        # to send, ending the context would then take for ever (seen with libzmq 4.3.5; its issue
        # 2733).
        socket.set(zmq.LINGER, milliseconds(self.options.linger))
        socket.set(zmq.SNDHWM, self.options.send_high_water_mark)
        socket.set(zmq.XPUB_VERBOSER, 1)
        if self.last_value:
            _manage_subscriptions(socket)
        if self.on_full is OnFull.BLOCK:
            socket.set(zmq.XPUB_NODROP, 1)
            socket.set(zmq.SNDTIMEO, STEP)
        if gate is not None:
            gate.guard(socket)
        else:
            refuse_old_protocols(socket)
        return socket

    def bind(self, socket: Socket) -> int:
        """Bind a socket; return its port.

        Raises:
            RunError: if the endpoint cannot be bound.
        """
        try:
            socket.bind(self.endpoint)
        except zmq.ZMQError as error:
            reason = zmq.strerror(error.errno or 0)
            raise RunError(f"cannot bind {self.endpoint}: {reason}") from None
        return int(socket.get_string(zmq.LAST_ENDPOINT).rpartition(":")[2])


def _manage_subscriptions(socket: Socket) -> None:
    try:
        socket.set(zmq.XPUB_MANUAL_LAST_VALUE, 1)
    except zmq.ZMQError:
        raise RunError(
            "last_value=True needs a libzmq with XPUB_MANUAL_LAST_VALUE; this one, "
            f"{zmq.zmq_version()}, is too old"
        ) from None
