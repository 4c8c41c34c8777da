"""The thread of a subscriber: reads its publisher's frames and hands them over in whole bursts."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from graphcore.polling import Waker
from graphcore.sources.receiver import Sender
from graphcore_zmq.codec.codec import Codec
from graphcore_zmq.read.bursts import BURST, Handover, newest_alone
from graphcore_zmq.read.connector import Connector, Ended, Target
from graphcore_zmq.read.intake import Intake
from graphcore_zmq.read.topics import newest_of_each
from graphcore_zmq.stats.stats_log import StatsLog
from graphcore_zmq.stats.status import SubscriberStats

_logger = logging.getLogger(__name__)

ALONE = 500e-6  # s; after a longer wait, a frame rarely has others right after it


class Reader:
    """Serves one run; belongs to the thread that reads, one at a time.

    Args:
        target: what to connect to, and how.
        codec: turns payloads into values.
        conflate: whether a value that the graph has not taken is replaced by the next.
    """

    def __init__(self, target: Target, codec: Codec[Any], conflate: bool) -> None:
        self._options = target.options
        newest = newest_alone if target.topics is None else newest_of_each
        self._out: Handover[Any] = Handover(newest if conflate else None)
        self.connector = Connector(target, self._out)
        self.log = StatsLog(
            lambda: f"{self.connector.address}: {self.stats()}", target.options.stats_interval
        )
        self._intake = Intake(
            self.connector, self._out, codec, target.topics, target.options.max_burst
        )
        self.drain = self._intake.drain

    def find(self, stopping: Callable[[], bool]) -> None:
        """Find the publisher before the run begins, if it must be there; see `Connector.find`."""
        self.connector.find(stopping)

    def stats(self) -> SubscriberStats:
        """Return what has been done in this run; from any thread."""
        out = self._out
        return SubscriberStats(
            out.received,
            out.bytes,
            self._intake.lost,
            out.conflated,
            int(self.connector.connected),
            out.latency(),
        )

    def open(self, sender: Sender[Any], wake: int | None = None) -> None:
        """Acquire what the run needs; `close` releases it.

        Args:
            sender: the way into the graph.
            wake: a descriptor that ends a wait, if there is one.
        """
        self._out.begin(sender, self.connector.show_life)
        self.connector.open(wake)

    def close(self) -> None:
        """Disconnect, and say what was received."""
        _logger.info("%s: %s", self.connector.address, self.stats())
        self.connector.close()

    def run(self, waker: Waker, sender: Sender[Any], stop: threading.Event) -> None:
        """Receive in a thread of its own, until the run ends or the publisher does.

        Args:
            waker: ends a wait, once `stop` is set.
            sender: the way into the graph.
            stop: set when the run ends.
        """
        self.open(sender, waker.descriptor)
        try:
            while not stop.is_set():
                self._serve(stop)
        except Ended:
            pass  # its status says so
        finally:
            self.close()

    def _serve(self, stop: threading.Event) -> None:
        connector = self.connector
        link = connector.follow()
        if link is None:
            stop.wait(connector.patience)
            return
        waited = connector.wait(link)
        if link.refused:
            return
        if waited > ALONE:
            # The graph gets this frame before the reader looks for more.
            self.drain(link.socket, 1)
        if self.drain(link.socket, BURST):
            connector.report_events()
        connector.look_after(link)
        self.log.look()
