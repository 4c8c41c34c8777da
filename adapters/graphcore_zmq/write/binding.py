"""The socket that a publisher binds: XPUB, on which each subscription is seen."""

from enum import StrEnum

import zmq

from graphcore import RunError
from graphcore_zmq.config import SocketOptions
from graphcore_zmq.socket.security import Gate
from graphcore_zmq.socket.sockets import Socket, milliseconds, refuse_old_protocols, set_options

STEP = 50  # ms between two looks at `stop` while the graph waits


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
    """Return a publisher's socket, set up but not bound yet.

    Args:
        context: the publisher's.
        options: of the socket.
        on_full: what to do when a subscriber's queue is full.
        lasting: whether the last value is sent again to each new subscriber.
        endpoint: where it is going to be bound.
        gate: what stands before a secured publisher.

    Raises:
        RunError: if libzmq cannot do what `lasting` needs.
    """
    socket: Socket = context.socket(zmq.XPUB)
    set_options(socket, options, endpoint)
    # Before it is bound: a connection that ends at the same time as the socket is given the linger
    # that there was when it was bound. By default that is for ever, and if something was still to
    # be sent there, so is the end of the context (seen with libzmq 4.3.5; its issue 2733).
    socket.set(zmq.LINGER, milliseconds(options.linger))
    socket.set(zmq.SNDHWM, options.send_high_water_mark)
    socket.set(zmq.XPUB_VERBOSER, 1)
    if lasting:
        _repeat_by_hand(socket)
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
        RunError: if it cannot be bound.
    """
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        raise RunError(f"cannot bind {endpoint}: {zmq.strerror(error.errno or 0)}") from None


def _repeat_by_hand(socket: Socket) -> None:
    try:
        socket.set(zmq.XPUB_MANUAL_LAST_VALUE, 1)
    except zmq.ZMQError:
        raise RunError(
            "last_value=True needs a libzmq with XPUB_MANUAL_LAST_VALUE, which "
            f"{zmq.zmq_version()} is not"
        ) from None
