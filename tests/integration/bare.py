"""A publisher without graphcore, which sends the frames of a test."""

import zmq

from graphcore_zmq.wire.frames import Trailer, check_point_frame, end_of_stream_frame, value_frame
from graphcore_zmq.wire.signs import ALIVE, SIGNING, SUBSCRIBE, UNSUBSCRIBE


def bare_context() -> "zmq.Context[zmq.Socket[bytes]]":
    """Return a context whose bound sockets end within 5 s; `Binding.socket` says why."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.linger = 5_000
    return context


class Bare:
    """An XPUB socket; its values carry an instance."""

    def __init__(self, instance: int, port: int = 0, sequence: int = 0) -> None:
        self.instance = instance
        self.sequence = sequence
        self.context = bare_context()
        self.socket = self.context.socket(zmq.XPUB)
        self.socket.set(zmq.SNDHWM, 0)
        self.socket.bind(f"tcp://127.0.0.1:{port or '*'}")
        self.address = self.socket.get_string(zmq.LAST_ENDPOINT)
        self.port = int(self.address.rpartition(":")[2])

    def await_subscriber(self) -> None:
        """Wait until a graphcore subscriber has sent its first messages.

        A socket that connects sends its subscriptions in the order of their bytes. A sign of life
        that it has given may be among them; the one that asks for signs comes after it.
        """
        while True:
            assert self.socket.poll(10_000)
            if self.socket.recv() == SUBSCRIBE + SIGNING:
                return

    def await_sign(self) -> None:
        """Wait for the next sign of life, which is a subscription and its end.

        If the subscriber connects while it gives a sign, the end of that sign comes alone.
        """
        message = UNSUBSCRIBE + ALIVE
        while message == UNSUBSCRIBE + ALIVE:
            assert self.socket.poll(10_000)
            message = self.socket.recv()
        assert message == SUBSCRIBE + ALIVE

    def send(self, count: int = 1) -> list[bytes]:
        values = [b"%d:%d" % (self.instance, self.sequence + n) for n in range(count)]
        for value in values:
            self.socket.send(value_frame(value, Trailer(self.instance, self.sequence, 0)))
            self.sequence += 1
        return values

    def check_point(self) -> None:
        self.socket.send(check_point_frame(Trailer(self.instance, self.sequence - 1, 0)))

    def end(self) -> None:
        self.socket.send(end_of_stream_frame(Trailer(self.instance, self.sequence, 0)))

    def close(self) -> None:
        self.socket.close()
        self.context.term()
