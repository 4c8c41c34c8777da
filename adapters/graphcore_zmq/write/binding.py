"""The socket that a publisher binds: XPUB, which shows each subscription."""

from enum import StrEnum

import zmq

from graphcore import RunError
from graphcore_zmq.config import SocketOptions
from graphcore_zmq.socket.security import Gate
from graphcore_zmq.socket.sockets import Socket, milliseconds, refuse_old_protocols, set_options

STEP = 50  # ms between two looks at `stop` while the graph's thread waits


class OnFull(StrEnum):
    """What a publisher does when a subscriber's queue is full."""

    DROP = "drop"
    BLOCK = "block"


def xpub(
    context: "zmq.Context[Socket]",
    options: SocketOptions,
    on_full: OnFull,
    lasting: bool,
    endpoint: str,
    gate: Gate | None,
) -> Socket:
    """Return a publisher's socket with its options set, not bound yet.

    Args:
        context: the publisher's.
        options: of the socket.
        on_full: what to do when a subscriber's queue is full.
        lasting: whether each new subscriber is sent the last value.
        endpoint: the address that it will be bound to.
        gate: who may connect; `None` if everybody may.

    Raises:
        RunError: if this libzmq lacks what `lasting` needs.
    """
    socket: Socket = context.socket(zmq.XPUB)
    set_options(socket, options, endpoint)
    # Set before binding: a connection that ends at the same time as the socket uses the linger that
    # was set when the socket was bound. The default is for ever, and with something left to send,
    # ending the context would then take for ever (seen with libzmq 4.3.5; its issue 2733).
    socket.set(zmq.LINGER, milliseconds(options.linger))
    socket.set(zmq.SNDHWM, options.send_high_water_mark)
    socket.set(zmq.XPUB_VERBOSER, 1)
    if lasting:
        _manage_subscriptions(socket)
    if on_full is OnFull.BLOCK:
        socket.set(zmq.XPUB_NODROP, 1)
        socket.set(zmq.SNDTIMEO, STEP)
    if gate is not None:
        gate.guard(socket)
    else:
        refuse_old_protocols(socket)
    return socket


def bind(socket: Socket, endpoint: str) -> None:
    """Bind a socket.

    Raises:
        RunError: if the endpoint cannot be bound.
    """
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        raise RunError(f"cannot bind {endpoint}: {zmq.strerror(error.errno or 0)}") from None


def _manage_subscriptions(socket: Socket) -> None:
    try:
        socket.set(zmq.XPUB_MANUAL_LAST_VALUE, 1)
    except zmq.ZMQError:
        raise RunError(
            "last_value=True needs a libzmq with XPUB_MANUAL_LAST_VALUE; this one, "
            f"{zmq.zmq_version()}, is too old"
        ) from None
