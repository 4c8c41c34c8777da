"""Receives in the graph's own thread, which waits for the sockets of all such subscribers at once.

Nothing is handed from thread to thread, so a value is in the graph sooner. While a cycle takes
long, the second thread of the run's poller calls `serve` in its place.
"""

import math
from typing import Any

from graphcore import Stopped
from graphcore.sources.receiver import Sender
from graphcore_zmq.read.connector import Ended
from graphcore_zmq.read.reader import Reader


class InlineReader:
    """A `graphcore.polling.Pollable`.

    Args:
        reader: what it reads with; `close` closes it.
        sender: the way into the graph; its `send` never blocks.
        room: how many values may wait in the graph before further ones stay in the socket.
    """

    def __init__(self, reader: Reader, sender: Sender[Any], room: int) -> None:
        self.descriptors: tuple[int, ...] = ()
        self.due = 0.0
        self._reader = reader
        self._sender = sender
        self._over = False
        reader.open(sender, room)

    def serve(self, ready: int | None, idle: float) -> None:
        """Read what is there; hand errors and the end to the node."""
        if self._over:  # both descriptors were ready, and the first has shown the end
            return
        try:
            self._reader.serve(ready, idle)
        except (Ended, Stopped):
            self._end()
            self._sender.close()
        except Exception as error:  # the node raises it, in a cycle
            self._end()
            self._sender.error(error)
        else:
            self.descriptors, self.due = self._reader.descriptors, self._reader.due

    def close(self) -> None:
        """Disconnect, and stop following the name."""
        self._reader.close()

    def _end(self) -> None:
        self._over = True
        self.descriptors, self.due = (), math.inf
        self._reader.connector.drop()
