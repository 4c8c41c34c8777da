"""The thread of a subscriber: reads its publisher's frames and hands them over in whole bursts."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from graphcore.sources.receiver import Sender
from graphcore_zmq.codec.codec import Codec
from graphcore_zmq.read.bursts import BURST, Handover, newest_alone
from graphcore_zmq.read.connector import POLL, Connector, Ended, Target
from graphcore_zmq.read.intake import Intake
from graphcore_zmq.read.topics import newest_of_each
from graphcore_zmq.stats.stats_log import StatsLog
from graphcore_zmq.stats.status import SubscriberStats

_logger = logging.getLogger(__name__)

_ALONE = 500e-6  # s; after a longer wait, a frame rarely has others right after it


class Reader:
    """Serves one run; belongs to the thread that calls `run`.

    Args:
        target: what to connect to, and how.
        codec: turns payloads into values.
        conflate: whether a value that the graph has not taken is replaced by the next.
    """

    def __init__(self, target: Target, codec: Codec[Any], conflate: bool) -> None:
        self._options = target.options
        newest = newest_alone if target.topics is None else newest_of_each
        self._out: Handover[Any] = Handover(newest if conflate else None)
        self._connector = Connector(target, self._out)
        self._intake = Intake(
            self._connector, self._out, codec, target.topics, target.options.max_burst
        )

    def find(self, stopping: Callable[[], bool]) -> None:
        """Find the publisher before the run begins, if it must be there; see `Connector.find`."""
        self._connector.find(stopping)

    def stats(self) -> SubscriberStats:
        """Return what has been done in this run; from any thread."""
        out = self._out
        return SubscriberStats(
            out.received,
            out.bytes,
            self._intake.lost,
            out.conflated,
            int(self._connector.connected),
            out.latency(),
        )

    def run(self, sender: Sender[Any], stop: threading.Event) -> None:
        """Receive until the run ends, or the publisher does."""
        connector = self._connector
        self._out.begin(sender, connector.show_life)
        connector.open()
        try:
            self._receive(stop)
        except Ended:
            _logger.info("%s: the publisher has ended", connector.address)
        finally:
            _logger.info("%s: %s", connector.address, self.stats())
            connector.close()

    def _receive(self, stop: threading.Event) -> None:
        connector, drain = self._connector, self._intake.drain
        log = StatsLog(lambda: f"{connector.address}: {self.stats()}", self._options.stats_interval)
        while not stop.is_set():
            link = connector.follow()
            if link is None:
                stop.wait(POLL / 1000)
                continue
            waited = connector.wait(link)
            if link.refused:
                continue
            if waited > _ALONE:
                # The graph gets this frame before the reader looks for more.
                drain(link.socket, 1)
            if drain(link.socket, BURST):
                connector.report_events()
            connector.look_after(link)
            log.look()
