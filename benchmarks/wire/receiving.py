"""Subscribers for a worker. Each says how many values a second it received and what CPU time of the
process a value took, libzmq's threads included, from the second burst to the last value.
"""

from collections.abc import Callable
from contextlib import suppress
from time import perf_counter_ns, process_time_ns
from typing import Any

import zmq

import graphcore as gc
from benchmarks.wire.lines import QUIET, say
from benchmarks.wire.payloads import payload
from benchmarks.wire.sockets import BURST, END, HEAD, LENGTH, TRAILER, connected, high_water_mark
from graphcore_zmq import Curve, SocketOptions, zmq_sub

_MOST_QUEUED = 10_000  # frames


class Ended(Exception):
    """All values of a lossy publisher have come."""


class Received:
    """Counts values, and says the figures once all are there."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._first = self._seen = self._began = self._used = 0
        self._said = False

    def look(self, values: int) -> None:
        """Count values that have come together."""
        self._seen += values
        if not self._began:
            self._first, self._began, self._used = self._seen, perf_counter_ns(), process_time_ns()
        elif self._seen >= self._count:
            self.finish(perf_counter_ns())

    def finish(self, at: int) -> None:
        """Say the figures up to a moment, if that has not been done."""
        if self._said:
            return
        self._said = True
        used = process_time_ns() - self._used
        count = max(self._seen - self._first, 1)
        say(rate=count / (at - self._began) * 1e9, cpu=used / count, received=self._seen)


class ReceivedOfMore(Received):
    """The same for a publisher that drops values: the end is the first value after a silence."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._last = perf_counter_ns()

    def look(self, values: int) -> None:
        """Count values; raise `Ended` after the last."""
        now = perf_counter_ns()
        if self._began and now - self._last > QUIET * 1e9:
            self.finish(self._last)
            raise Ended
        self._last = now
        super().look(values)


def bare(
    kind: str,
    way: int,
    count: int,
    address: str,
    key: str | None = None,
    trailer: bool = False,
    subscribers: int = 1,
    lossy: bool = False,
) -> None:
    """Receive in a loop by hand; it decodes if there is a codec, and leaves bursts of bytes whole.

    Args:
        trailer: whether frames have one.
        subscribers: how many sockets receive everything.
        lossy: whether the publisher drops frames, so that their number is not known.
    """
    sent = payload(kind)
    limit = high_water_mark(sent, way)
    sockets = [connected(address, limit, key) for _ in range(subscribers)]
    # What a lossy publisher sends may be less than this.
    received = Received(1 << 62 if lossy else count * subscribers)
    frames = count // way
    # A tenth of the frames come before the time is taken, as a graph's first burst does.
    if subscribers > 1:
        _receive_in_turn(sockets, received, way)
        received.finish(perf_counter_ns())
    elif lossy:
        _receive_until_the_end(sockets[0], sent.decode or bytes, received, frames // 10)
    else:
        receive, decode = sockets[0].recv, sent.decode
        for part in (frames // 10, frames - frames // 10):
            if decode is None:
                for _ in range(part):
                    receive()
            elif way > 1:
                for _ in range(part):
                    _decode_burst(receive(), decode)
            elif trailer:
                for _ in range(part):
                    decode(receive()[HEAD:-TRAILER])
            else:
                for _ in range(part):
                    decode(receive()[HEAD:])
            received.look(part * way)
    for socket in sockets:
        socket.close(linger=0)


def _decode_burst(frame: bytes, decode: Callable[[bytes], Any]) -> list[Any]:
    _, _, count = BURST.unpack_from(frame)
    values, at = [], BURST.size
    for _ in range(count):
        (length,) = LENGTH.unpack_from(frame, at)
        at += LENGTH.size
        values.append(decode(frame[at : at + length]))
        at += length
    return values


def _receive_until_the_end(
    socket: Any, decode: Callable[[bytes], Any], received: Received, first: int
) -> None:
    receive = socket.recv
    for _ in range(first):
        decode(receive()[HEAD:])
    received.look(first)
    socket.set(zmq.RCVTIMEO, int(QUIET * 1_000))
    count = 0
    with suppress(zmq.Again):
        while True:
            decode(receive()[HEAD:])
            count += 1
    received.look(count)
    received.finish(perf_counter_ns() - int(QUIET * 1e9))


def _receive_in_turn(sockets: list[Any], received: Received, way: int) -> None:
    poller = zmq.Poller()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    open_ones = len(sockets)
    while open_ones:
        for socket, _ in poller.poll():
            frames = 0
            receive = socket.recv
            try:
                while True:
                    frame = receive(zmq.NOBLOCK)
                    frames += 1
                    if frame[0] == END[0]:
                        frames -= 1
                        open_ones -= 1
            except zmq.Again:
                received.look(frames * way)


def graphcore(
    kind: str,
    way: int,
    count: int,
    address: str,
    key: str | None = None,
    subscribers: int = 1,
    lossy: bool = False,
    **options: Any,
) -> None:
    """Receive in a graph; `options` are more of `zmq_sub`'s."""
    sent = payload(kind)
    received = (ReceivedOfMore if lossy else Received)(count * subscribers)
    if key is not None:
        _, secret = zmq.curve_keypair()
        options["security"] = Curve.client(key, secret.decode())
    limits = SocketOptions(receive_high_water_mark=high_water_mark(sent, way))
    roots = [
        zmq_sub(address, codec=sent.codec, on_end="close", options=limits, **options).data.for_each(
            lambda burst: received.look(len(burst))
        )
        for _ in range(subscribers)
    ]
    with suppress(Ended):
        gc.Graph(*roots).run(realtime=True)
    received.finish(perf_counter_ns())


def wingfoil(
    kind: str, way: int, count: int, address: str, key: None = None, lossy: bool = False
) -> None:
    """Receive in a graph of wingfoil's; Python decodes."""
    import wingfoil as wheel  # type: ignore[import-untyped]  # the wheel carries no types

    received = (ReceivedOfMore if lossy else Received)(count)
    look: Callable[[list[bytes]], None] = lambda burst: received.look(len(burst))  # noqa: E731
    decode = payload(kind).decode
    if decode is not None:
        decoder = decode

        def look(burst: list[bytes]) -> None:
            for each in burst:
                decoder(each)
            received.look(len(burst))

    graph = wheel.Graph()
    data, status = wheel.zmq_sub(graph, address)
    seen = data.inspect(look)
    try:
        graph.run(realtime=True)
    except RuntimeError as error:  # what the wheel makes of an exception
        if not lossy:
            raise
        del error
    received.finish(perf_counter_ns())
    del seen, status


def swallow(address: str, subscribers: int = 1, lossy: bool = False) -> None:
    """Receive everything up to the end, or to a silence of a lossy publisher, and say so."""
    sockets = [connected(address, _MOST_QUEUED) for _ in range(subscribers)]
    if lossy:
        _swallow_until_silence(sockets)
    elif subscribers == 1:
        receive = sockets[0].recv
        while receive()[0] != END[0]:
            pass
    else:
        _receive_in_turn(sockets, Received(1 << 62), 1)
    for socket in sockets:
        socket.close(linger=0)
    say(ended=True)


def _swallow_until_silence(sockets: list[Any]) -> None:
    poller = zmq.Poller()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    patience = None  # for the first
    while ready := poller.poll(patience):
        for socket, _ in ready:
            with suppress(zmq.Again):
                while True:
                    socket.recv(zmq.NOBLOCK)
        patience = int(QUIET * 1_000)
