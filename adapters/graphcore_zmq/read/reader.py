"""Reads a publisher's frames and hands them over in whole bursts."""

import logging
import math
import select
import threading
import time
from collections.abc import Callable
from typing import Any

from graphcore.polling import Waker
from graphcore.sources.receiver import Sender
from graphcore_zmq.codec.codec import Codec
from graphcore_zmq.read.bursts import BURST, Handover, newest_alone
from graphcore_zmq.read.connector import Connector, Ended, Target
from graphcore_zmq.read.intake import Intake
from graphcore_zmq.read.link import Link
from graphcore_zmq.read.topics import newest_of_each
from graphcore_zmq.stats.stats_log import StatsLog
from graphcore_zmq.stats.status import SubscriberStats

_logger = logging.getLogger(__name__)

_ALONE = 500e-6  # s; after a longer wait, a frame rarely has others right after it
_NO_ROOM = 0.01  # s until the next look whether the graph has taken values


class Reader:
    """Serves one run; belongs to the thread that reads, one at a time.

    Args:
        target: what to connect to, and how.
        codec: turns payloads into values.
        conflate: whether a value that the graph has not taken is replaced by the next.

    Attributes:
        descriptors: what to wait for before `serve`; a new tuple when they have changed.
        due: when to call `serve` at the latest, by `time.monotonic`.
    """

    def __init__(self, target: Target, codec: Codec[Any], conflate: bool) -> None:
        newest = newest_alone if target.topics is None else newest_of_each
        self._out: Handover[Any] = Handover(newest if conflate else None)
        self.connector = Connector(target, self._out)
        self._log = StatsLog(
            lambda: f"{self.connector.address}: {self.stats()}", target.options.stats_interval
        )
        self._intake = Intake(
            self.connector, self._out, codec, target.topics, target.options.max_burst
        )
        self._drain = self._intake.drain
        self.descriptors: tuple[int, ...] = ()
        self.due = 0.0
        self._look_at = 0.0
        self._link: Link | None = None
        self._data: int | None = None  # the descriptor of its data socket
        self._more = False  # whether frames wait that `serve` has left in the socket
        self._connected = False
        self._idle = 0.0

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

    def open(self, sender: Sender[Any], room: float = math.inf) -> None:
        """Acquire what the run needs; `close` releases it.

        Args:
            sender: the way into the graph.
            room: how many values may wait in the graph before further ones stay in the socket.
        """
        self._sender, self._room = sender, room
        self._out.begin(sender, self.connector.show_life)
        self._read_at = self._served_at = time.monotonic()
        self.connector.open()

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
        self.open(sender)
        watched: tuple[int, ...] | None = None
        idle = 0.0
        try:
            while not stop.is_set():
                if self.descriptors is not watched:
                    watched, poll = self.descriptors, select.poll()
                    for each in (waker.descriptor, *watched):
                        poll.register(each, select.POLLIN)
                began = time.monotonic()
                ready = poll.poll(max(0.0, 1_000 * (self.due - began)))
                idle += time.monotonic() - began
                for descriptor, _ in ready:
                    self.serve(descriptor, idle)
                if not ready:
                    self.serve(None, idle)
        except Ended:
            pass  # its status says so
        finally:
            self.close()

    def serve(self, ready: int | None, idle: float) -> None:
        """Read what is there, and look after the connection from time to time.

        Args:
            ready: a descriptor that can be read; `None` if `due` has come.
            idle: for how long the thread has waited, in all, s.

        Raises:
            Ended: if the publisher has ended, and the source ends with it.
            Stopped: once the run has ended.
            WireError, CodecError: for a frame or a payload that does not decode, with a note.
        """
        now, connector = time.monotonic(), self.connector
        if not self._more:
            connector.idle += idle - self._idle
        self._idle = idle
        if self._sender.waiting >= self._room:
            # As long as frames wait unread, nothing can be concluded about the publisher.
            connector.show_life()
            self._more, self.due = True, now + _NO_ROOM
        else:
            if now < self._look_at and (self._more or ready == self._data):
                connector.hear()
            else:
                self._look(now)
            if self._link is not None:
                self._read(self._link, now)
            if self._connected != connector.connected:
                # Whoever is asked where the publisher is has to know.
                self._connected = connector.connected
                self.due = self._look_at = 0.0
        self._served_at = time.monotonic()

    def _look(self, now: float) -> None:
        """Follow the publisher, and show and expect signs of life."""
        connector = self.connector
        link = connector.follow()
        if link is not None:
            connector.look(link, now - self._served_at)
            if not link.refused:
                connector.look_after(link)
            link = connector.link
        self._log.look()
        if link is not self._link:
            self._link = link
            self.descriptors, self._data, self._more = (), None, False
            if link is not None:
                self.descriptors = self._data, _ = link.descriptors
        self.due = self._look_at = now + connector.patience

    def _read(self, link: Link, now: float) -> None:
        """Read frames, and see whether there are more."""
        paused = not self._more and now - self._read_at > _ALONE
        self._read_at = now
        # After a pause, the graph gets the first frame before the reader looks for more.
        emptied = self._drain(link.socket, 1 if paused else BURST)
        # Whatever is done with a socket may have taken what its descriptor tells.
        self._more = not emptied or link.has_more()
        if self._more:
            self.due = now
        else:
            self.connector.report_events()
            self.due = self._look_at
