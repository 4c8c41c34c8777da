"""Signs of life: by them a publisher tells a subscriber that is slow from one that is gone.

libzmq's own heartbeats are not used. A subscriber whose queue is full reads no ping, and one that
pings a publisher which has ended loses what it has not read yet, or is aborted by an assertion
(libzmq issue 4841). So a subscriber's thread sends a few bytes up its connection every
`heartbeat_interval`, also while it waits for its graph; the last of them says that it has read the
publisher's last frame, and a publisher that ends waits for that before it closes. Who will send
signs says so by a subscription, which libzmq repeats on every new connection. What is of another
make sends nothing and is sent nothing: it is never cut.

A sign is a subscription that is taken back at once, as any other message would have an XPUB socket
that manages its subscriptions by hand take one subscriber for another (libzmq keeps the connections
that subscriptions came from in a queue of its own, and takes one out for each message).
"""

import socket as networking
import threading
import time
from collections.abc import Container

from graphcore_zmq.socket.sockets import borrowed
from graphcore_zmq.wire.signs import ALIVE, DONE


class Peers:
    """The subscribers that give signs of life, by the descriptor of their connection.

    A descriptor that becomes free is soon another connection's, and what that one sends may be read
    before the end of the first is known. So who announces signs is waited for from then on, but
    taken for a connection only when the ends up to then are known, and it is admitted.

    `forget` and `admit` are for the thread that watches the connections, the rest is for the one
    that reads the signs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._announced: dict[int, float] = {}
        self._expected: dict[int, float] = {}
        self._heard: dict[int, float] = {}
        self._suspects: set[int] = set()

    def __len__(self) -> int:
        with self._lock:
            return len(self._announced.keys() | self._expected.keys() | self._heard.keys())

    def hear(self, descriptor: int, sign: bytes) -> None:
        """Note a sign; whatever else a peer sends is passed over.

        One that was sent before the end of its connection may be read behind it, where the
        descriptor is nobody's, or that of a peer which gives no signs.
        """
        with self._lock:
            self._suspects.discard(descriptor)
            if sign == ALIVE and (descriptor in self._expected or descriptor in self._heard):
                self._expected.pop(descriptor, None)
                self._heard[descriptor] = time.monotonic()
            elif sign == DONE:
                self._announced.pop(descriptor, None)
                self._drop(descriptor)

    def announce(self, descriptor: int) -> None:
        """Note that a subscriber gives signs. Its first comes when it has received something."""
        with self._lock:
            self._announced[descriptor] = time.monotonic()

    def announced(self) -> set[int]:
        """Return those that are not admitted yet."""
        with self._lock:
            return set(self._announced)

    def admit(self, announced: set[int], connections: Container[int]) -> None:
        """Expect signs of what was announced and is a connection.

        Args:
            announced: what `announced` returned before the ends up to then were told to `forget`.
            connections: those that there are.
        """
        with self._lock:
            for descriptor in announced & self._announced.keys():
                since = self._announced.pop(descriptor)
                if descriptor in connections and descriptor not in self._heard:
                    self._expected[descriptor] = since

    def forget(self, descriptor: int) -> None:
        """Expect no more of a connection, which has ended."""
        with self._lock:
            self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        self._expected.pop(descriptor, None)
        self._heard.pop(descriptor, None)
        self._suspects.discard(descriptor)

    def cut_silent(self, timeout: int, port: int, sent: float) -> int:
        """Cut the connections that gave no sign for so long; return how many.

        To be called again and again, each time after what has come was heard. Silence is believed
        the second time: where this process itself was held up, the signs are still on their way.

        Args:
            timeout: the silence that is too long, ns.
            port: the local port of the connections. A descriptor that has become something else
                meanwhile is thereby left alone.
            sent: when something was last sent, monotonic seconds.
        """
        now = time.monotonic()
        count = 0
        with self._lock:
            for descriptor, since in tuple(self._expected.items()):
                if sent > since:
                    del self._expected[descriptor]
                    self._heard[descriptor] = now
            for descriptor, heard in tuple(self._heard.items()):
                if now - heard <= timeout / 1e9:
                    continue
                if descriptor not in self._suspects:
                    self._suspects.add(descriptor)
                    continue
                self._drop(descriptor)
                count += _cut(descriptor, port)
        return count


def _cut(descriptor: int, port: int) -> bool:
    try:
        with borrowed(descriptor) as connection:
            if connection.getsockname()[1] != port:
                return False
            connection.shutdown(networking.SHUT_RDWR)
    except OSError:  # it has ended by itself
        return False
    return True
