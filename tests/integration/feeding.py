"""A publisher that tests feed while it runs."""

import threading
from queue import SimpleQueue
from typing import Any

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import raw, zmq_pub, zmq_pub_burst

_END = object()


class Feeding:
    """A publisher's graph in a thread, which publishes what a test hands it, until `end`."""

    def __init__(self, bursts: bool = False, **options: Any) -> None:
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self.published = 0
        source = gc.receiver(self._feed, delivery="each")
        publish: Any = zmq_pub_burst if bursts else zmq_pub
        options = {"port": 0, "codec": raw, "bind": "127.0.0.1", "keep_for": "20s"} | options
        self.publisher = publish(source, **options)
        counted = source.for_each(self._count)
        self._thread = threading.Thread(
            target=gc.Graph(self.publisher, counted).run, kwargs={"realtime": True}, daemon=True
        )
        self._thread.start()
        wait_until(lambda: self.port)

    @property
    def port(self) -> int:
        return self.publisher.port

    def _feed(self, sender: gc.Sender[Any], stop: threading.Event) -> None:
        while not stop.is_set():
            value = self._queue.get()
            if value is _END:
                return
            sender.send(value)

    def _count(self, value: Any) -> None:
        self.published += 1

    def hand(self, *values: Any) -> None:
        """Queue values for publishing."""
        for value in values:
            self._queue.put(value)

    def send(self, *values: Any) -> None:
        """Publish values, and return when all have been through the graph."""
        due = self.published + len(values)
        self.hand(*values)
        wait_until(lambda: self.published == due)

    def end(self) -> None:
        """End the run normally."""
        self._queue.put(_END)  # if the run has ended already, nobody takes it
        self._thread.join(30)
        assert not self._thread.is_alive()
