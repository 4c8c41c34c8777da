"""Bare sockets, and the frames that they send."""

from collections.abc import Iterable, Iterator
from itertools import chain
from struct import Struct

import zmq

from benchmarks.wire.payloads import Payload
from graphcore_zmq.wire.frames import (
    Trailer,
    burst_envelope,
    end_of_stream_frame,
    sealed,
    value_head,
)

Socket = zmq.Socket[bytes]

END = (1).to_bytes(4, "little")  # the tag of the last frame
BURST = Struct("<IqQ")  # tag, time and number of values of a burst
LENGTH = Struct("<Q")  # before each of its values
HEAD = 12  # bytes before the payload of a single value
TRAILER = 28  # bytes after it, if there is a trailer
_HIGH_WATER_MARK = 10_000  # graphcore's default, given to all sockets that can be told
_MOST_QUEUED = 64 << 20  # bytes
_MOST_MADE = 128 << 20  # bytes of frames made beforehand
_INSTANCE = 1


def high_water_mark(kind: Payload, way: int) -> int:
    """Return how many frames a queue holds: fewer than usual if they are large."""
    encode = kind.encode or bytes
    return min(_HIGH_WATER_MARK, _MOST_QUEUED // (way * len(encode(kind.values[-1]))))


def envelopes(kind: Payload, way: int, count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield head and body of the frames of this many values, `way` in each."""
    values = kind.some(count) if kind.encode is None else list(map(kind.encode, kind.values))
    if kind.encode is not None:
        values *= -(-count // len(values))
    for at in range(0, count - way + 1, way):
        yield envelope(values[at : at + way], at)


def envelope(payloads: list[bytes], time: int) -> tuple[bytes, bytes]:
    if len(payloads) == 1:
        return value_head(len(payloads[0])), payloads[0]
    return burst_envelope(payloads, time)


def frames(kind: Payload, way: int, count: int, trailer: bool) -> Iterable[bytes]:
    """Return the frames of this many values; made beforehand if they are not too large."""
    parts = envelopes(kind, way, count)
    if trailer:
        made = (
            sealed(part, Trailer(_INSTANCE, number, number)) for number, part in enumerate(parts)
        )
    else:
        made = map(b"".join, parts)
    first = next(made)
    made = chain([first], made)
    return list(made) if len(first) * count // way <= _MOST_MADE else made


def end(count: int, trailer: bool) -> bytes:
    """Return the last frame, after this many others."""
    return end_of_stream_frame(Trailer(_INSTANCE, count, count)) if trailer else END


def bound(transport: str, limit: int, keys: tuple[bytes, bytes] | None) -> tuple[Socket, str]:
    """Return a socket that waits for slow subscribers, and its address."""
    socket = zmq.Context.instance().socket(zmq.XPUB)
    socket.set(zmq.XPUB_NODROP, 1)
    socket.set(zmq.XPUB_VERBOSE, 1)
    socket.set(zmq.SNDHWM, limit)
    socket.set(zmq.LINGER, 10_000)
    if keys is not None:
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_PUBLICKEY, keys[0])
        socket.set(zmq.CURVE_SECRETKEY, keys[1])
    socket.bind("ipc://*" if transport == "ipc" else "tcp://127.0.0.1:*")
    return socket, socket.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()


def connected(address: str, limit: int, key: str | None = None) -> Socket:
    """Return a socket that subscribes to everything."""
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.set(zmq.RCVHWM, limit)
    socket.set(zmq.SUBSCRIBE, b"")
    if key is not None:
        public, secret = zmq.curve_keypair()
        socket.set(zmq.CURVE_SERVERKEY, key.encode())
        socket.set(zmq.CURVE_PUBLICKEY, public)
        socket.set(zmq.CURVE_SECRETKEY, secret)
    socket.connect(address)
    return socket
