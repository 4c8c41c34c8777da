"""Signs of life: by them a publisher tells a slow subscriber from one that is gone.

libzmq's own heartbeats are not used. A subscriber whose queue is full reads no ping. A subscriber
that pings a publisher which has ended loses what it has not read, or is aborted by an assertion
(libzmq issue 4841). So a subscriber's thread sends a few bytes up its connection every
`heartbeat_interval`, also while it waits for its graph. Its last sign says that it has read the
publisher's last frame, and a publisher that ends waits for this sign before it closes. A subscriber
announces its signs by a subscription, which libzmq repeats on every new connection. Peers other
than graphcore exchange no signs of life, so they are never disconnected for silence.

A sign is a subscription that ends at once. Any other message would make an XPUB socket with
XPUB_MANUAL mistake one subscriber for another: libzmq queues the connections that subscriptions
came from, and takes one from this queue for every message.
"""

import socket as networking
import threading
import time
from collections.abc import Container

from graphcore_zmq.socket.sockets import borrowed
from graphcore_zmq.wire.signs import ALIVE, DONE


class Peers:
    """The subscribers that give signs of life, by the descriptor of their connection.

    A new connection soon reuses the descriptor of one that has ended, and its first messages may be
    read before the monitor reports that end. So an announcement counts for a connection only when
    the watching thread has read all ends up to it, and admits it.

    The thread that watches the connections calls `forget`, `announced` and `admit`; the thread that
    reads the signs calls the other methods.
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
        """Note a sign; ignore anything else that a peer sends.

        A sign may be read after the end of its connection. Its descriptor may then be unused, or
        belong to a peer that gives no signs.
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
        """Note that a subscriber gives signs; the first comes when it has received something."""
        with self._lock:
            self._announced[descriptor] = time.monotonic()

    def announced(self) -> set[int]:
        """Return the descriptors that were announced and are not admitted yet."""
        with self._lock:
            return set(self._announced)

    def admit(self, announced: set[int], connections: Container[int]) -> None:
        """Expect signs from the connections that were announced.

        Args:
            announced: what `announced` returned before `forget` was called for all ends up to then.
            connections: the present ones.
        """
        with self._lock:
            for descriptor in announced & self._announced.keys():
                since = self._announced.pop(descriptor)
                if descriptor in connections and descriptor not in self._heard:
                    self._expected[descriptor] = since

    def forget(self, descriptor: int) -> None:
        """Forget a connection that has ended."""
        with self._lock:
            self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        self._expected.pop(descriptor, None)
        self._heard.pop(descriptor, None)
        self._suspects.discard(descriptor)

    def cut_silent(self, timeout: int, port: int, sent: float) -> int:
        """Close the connections that have been silent for too long; return how many.

        Call it repeatedly, each time after all messages were read. A connection is closed at the
        second call that finds it silent: if this process was suspended, its signs are still to be
        read at the first.

        Args:
            timeout: the longest silence, ns.
            port: the local port of the connections; a descriptor that belongs to anything else by
                now is left alone.
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
    except OSError:  # the connection has ended
        return False
    return True
