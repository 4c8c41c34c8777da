"""Receives in the graph's own thread, which waits for the sockets of all such subscribers at once.

Nothing is handed from thread to thread, so a value is in the graph sooner. While a cycle takes
long, the second thread of the run's poller calls `serve` in its place.
"""

import math
import time
from typing import Any

from graphcore import Stopped
from graphcore.sources.receiver import Sender
from graphcore_zmq.read.bursts import BURST
from graphcore_zmq.read.connector import Ended
from graphcore_zmq.read.link import Link
from graphcore_zmq.read.reader import ALONE, Reader

_NO_ROOM = 0.01  # s until the next look whether the graph has taken values


class InlineReader:
    """A `graphcore.polling.Pollable` that reads for one subscriber.

    Args:
        reader: what it reads with.
        sender: the way into the graph; its `send` never blocks.
        room: how many values may wait in the graph before the reader leaves them in the socket.
    """

    def __init__(self, reader: Reader, sender: Sender[Any], room: int) -> None:
        self.descriptors: tuple[int, ...] = ()
        self.due = 0.0
        self._reader = reader
        self._sender = sender
        self._room = room
        self._link: Link | None = None
        self._data: int | None = None  # the descriptor of its data socket
        self._more = False  # whether frames wait that `serve` has left in the socket
        self._read_at = self._looked_at = time.monotonic()
        self._look_at = 0.0
        self._connected = self._over = False
        reader.open(sender)

    def serve(self, ready: int | None) -> None:
        """Read what is there, and look after the connection from time to time."""
        if self._over:
            return
        now = time.monotonic()
        try:
            if self._sender.waiting >= self._room:
                # As long as frames wait unread, nothing can be concluded about the publisher.
                self._reader.connector.show_life()
                self._looked_at, self._more, self.due = now, True, now + _NO_ROOM
                return
            if now < self._look_at and (self._more or ready == self._data):
                self._reader.connector.hear(self._waited(now))
            else:
                self._look(now)
            if self._link is not None:
                self._read(self._link, now)
            if self._connected != self._reader.connector.connected:
                # Whoever is asked where the publisher is has to know.
                self._connected = self._reader.connector.connected
                self.due = self._look_at = 0.0
        except (Ended, Stopped):
            self._finish()
            self._sender.close()
        except Exception as error:  # the node raises it, in a cycle
            self._finish()
            self._sender.error(error)

    def close(self) -> None:
        """Disconnect, and stop following the name."""
        self._over = True
        self._reader.close()

    def _look(self, now: float) -> None:
        """Follow the publisher, and show and expect signs of life."""
        connector = self._reader.connector
        link = connector.follow()
        if link is not None:
            link.wait(0)
            connector.look(link, self._waited(now))
            if not link.refused:
                connector.look_after(link)
            link = connector.link
        self._reader.log.look()
        if link is not self._link:
            self._link = link
            self.descriptors, self._data, self._more = (), None, False
            if link is not None:
                self.descriptors = self._data, _ = link.descriptors
        self.due = self._look_at = now + connector.patience

    def _waited(self, now: float) -> float:
        """Return how long there was nothing to read since the last call, s."""
        waited = 0.0 if self._more else now - self._looked_at
        self._looked_at = now
        return waited

    def _read(self, link: Link, now: float) -> None:
        """Read frames, and see whether there are more."""
        # After a pause, the graph gets the first frame before the reader looks for more.
        paused = not self._more and now - self._read_at > ALONE
        self._reader.drain(link.socket, 1 if paused else BURST)
        self._read_at = now
        self._more = link.has_more()
        if self._more:
            self.due = now
        else:
            self._reader.connector.report_events()
            self.due = self._look_at

    def _finish(self) -> None:
        self._over = True
        self._link, self.descriptors = None, ()
        self.due = math.inf
        self._reader.connector.drop()
