"""Keeps a reader connected to its publisher, and reports the connection in `status`.

libzmq reports the end of a connection before the data that still waits in the socket. So an event
is reported only when the data socket is empty, or when the next frame shows that it was sent after
the event: its trailer has another instance, or its number leaves a gap.

When the publisher moves, a new link leads to its new address. The old link is read to its end
first, because closing a socket discards what waits in it.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import zmq

from graphcore_zmq.config import SocketOptions, ZmqSubConfig
from graphcore_zmq.read.bursts import Handover
from graphcore_zmq.read.link import Link
from graphcore_zmq.read.liveness import Liveness
from graphcore_zmq.read.locate import Locator, Missing
from graphcore_zmq.read.server_key import ServerKey
from graphcore_zmq.read.topics import Topics
from graphcore_zmq.socket.security import CurveClient
from graphcore_zmq.socket.sockets import Socket, ended
from graphcore_zmq.stats.status import OnEnd, ZmqStatus
from graphcore_zmq.wire.signs import ALIVE, DONE

_logger = logging.getLogger(__name__)

_BUSY = 0.1  # s between two looks at where the publisher is, while it is being looked for
_AT_REST = 0.5  # s between two looks while there is a connection
_SIGN = 500  # ms for the sign that the end was read, for which the publisher waits
_END = 1.0  # s to wait for the end of the connection
_RETRY = 5  # s until the next try to connect to a publisher that has refused
_QUIET = 0.5  # s of silence after which a publisher that has moved will send nothing more


class Ended(Exception):
    """The publisher has ended normally, and the source ends with it."""


@dataclass(frozen=True)
class Target:
    """What a subscriber connects to, and how.

    Attributes:
        config: where the publisher is.
        on_end: what to do when the publisher ends normally.
        missing: what to do when nobody has registered the name.
        options: of the socket.
        security: how the connection is encrypted, if it is.
        topics: what to subscribe to; `None` is everything of a publisher without topics.
    """

    config: ZmqSubConfig
    on_end: OnEnd
    missing: Missing
    options: SocketOptions
    security: CurveClient | None
    topics: Topics | None


class Connector:
    """Belongs to the thread that reads, one at a time; `find` belongs to the graph's.

    Args:
        target: what to connect to, and how.
        out: where statuses go.

    Attributes:
        address: of the publisher; its name until the address is known.
        connected: whether `status` last told so.
        idle: for how long the thread has waited, in all, with nothing to read, s.
        origin: the bytes that all frames of the publisher share, once one has come on this
            connection; empty until then, and for a publisher that is not graphcore's.
    """

    def __init__(self, target: Target, out: Handover[Any]) -> None:
        self._target = target
        self._options = target.options
        self._topics = target.topics
        self._out = out
        self._locator = Locator(target.config)
        self._key = ServerKey(target.config, target.security)
        self._liveness = Liveness(target.options)
        self._named = self.address = target.config.name or target.config.address or ""
        self.connected = False
        self.origin = b""
        self._link: Link | None = None
        self._events: deque[bool] = deque()
        # Topics whose end has come; without topics, `None`.
        self._ended: set[str | None] = set()
        self._moved_at: float | None = None
        self.idle = self._idle_before = 0.0
        self._refused = False
        self._retry_at = self._sign_at = 0.0

    def find(self, stopping: Callable[[], bool]) -> None:
        """Find the publisher before the run begins, if it must be there.

        Raises:
            RegistryError: as `Locator.find` and `ServerKey.find`.
        """
        if self._target.missing is Missing.ERROR:
            self._key.find(self._locator.find(stopping), stopping)

    def open(self) -> None:
        """Acquire what reading needs; `close` releases it."""
        self._context: zmq.Context[Socket] = zmq.Context()

    def close(self) -> None:
        """Disconnect and stop following the name."""
        self.connected = False
        if not ended(partial(self._context.destroy, linger=0), self._named, _END):
            _logger.warning(
                "%s: libzmq has not closed the connection after %.0f s and goes on in its own "
                "thread; it may be resolving a host name",
                self.address,
                _END,
            )
        self._locator.close()
        self._key.close()

    # The link

    @property
    def link(self) -> Link | None:
        """The present link."""
        return self._link

    def follow(self) -> Link | None:
        """Return the link to read: the present one, or a new one to where the publisher is now."""
        address = self._locator.look(self.connected)
        if self._link is not None:
            if self._stays(self._link, address):
                return self._link
            self._leave(self._link)
        if address is None or time.monotonic() < self._retry_at or not self._key.is_known(address):
            return None
        wanted = (b"",) if self._topics is None else self._topics.subscriptions
        try:
            self._link = Link(self._context, address, self._options, self._key.security, wanted)
        except zmq.ZMQError as error:
            if address == self._named:
                raise
            self._locator.refuse(address, f"{address!r}: {error}")
        else:
            self.address = address
        return self._link

    @property
    def patience(self) -> float:
        """How long to wait at most until the next `follow` and `look`, s."""
        at_rest = self.connected and self._moved_at is None and not self._events
        return _AT_REST if at_rest else _BUSY

    def look(self, link: Link, passed: float) -> None:
        """Look at what has happened to the link.

        Of a publisher that refuses, the link is closed, and its `refused` is set.

        Args:
            link: the link.
            passed: how long it is since the last look, or since the last frame, s.
        """
        # If this process was suspended, most of that time says nothing about the publisher.
        silent = min(passed, 2 * _AT_REST)
        self._liveness.silent = 0.0 if link.has_more() else self._liveness.silent + silent
        self._events.extend(link.events())
        if link.refused:
            self._give_up(link)
        else:
            while self._events and not self.connected:
                self._report_event()

    def hear(self) -> None:
        """Note that the publisher has sent something."""
        self._liveness.silent = 0.0

    def look_after(self, link: Link) -> None:
        """Show the publisher a sign of life, and leave one that shows none itself."""
        self.show_life()
        expecting = self.connected and self.origin != b""
        if self._liveness.is_over(self._context, link.address, self._key.security, expecting):
            _logger.warning("%s: the publisher no longer answers; connecting again", self.address)
            self._leave(link)

    def show_life(self) -> None:
        """Send a sign of life when it is due, to a publisher that expects some.

        Only publishers of graphcore do. One with topics is known to be one; any other shows it by
        its first frame.
        """
        expected = self.connected and (self.origin or self._topics is not None)
        interval, now = self._options.heartbeat_interval, time.monotonic()
        if expected and interval and now >= self._sign_at:
            self._sign_at = now + interval / 1e9
            self._sign(ALIVE)

    def _stays(self, link: Link, address: str | None) -> bool:
        """Return whether to go on reading the link.

        A publisher that has moved ends its old connection, with all that it sent before, within
        `linger`. If it goes on under its old address, the reader leaves all the same.
        """
        if link.monitor.given_up and not self.connected:
            _logger.warning(
                "%s: libzmq closed the connection because of what the publisher sent; connecting "
                "again",
                link.address,
            )
            return False
        if address == link.address or (address is None and self.connected):
            self._moved_at = None
            return True
        if not self.connected:
            return False
        now = time.monotonic()
        if self._moved_at is None:
            self._moved_at, self._idle_before = now, self.idle
            _logger.info("%s: the publisher has moved to %s", link.address, address)
        if self._events:
            return True  # the connection has ended, so what waits to be read ends too
        longest = max(self._options.linger / 1e9, _QUIET)
        quiet = self.idle - self._idle_before
        return quiet < _QUIET and now - self._moved_at < longest

    def _leave(self, link: Link) -> None:
        self.tell(ZmqStatus.DISCONNECTED)
        link.close()
        self._link = self._moved_at = None
        self._events.clear()

    def drop(self, linger: int = 0) -> None:
        """Close the link, and tell nothing of it.

        Args:
            linger: how long libzmq may take to send what is left to send, ms.
        """
        self.connected = False
        link, self._link = self._link, None
        if link is not None:
            link.close(linger)

    def _give_up(self, link: Link) -> None:
        """Leave a publisher that refuses. libzmq does not try again, so a new link will."""
        if not self._refused:
            self._refused = True
            secure = self._key.security is not None
            _logger.warning(
                "%s: the publisher refuses this subscriber because %s; trying again every %d s",
                self.address,
                "of its keys" if secure else "it does not encrypt",
                _RETRY,
            )
            self.tell(ZmqStatus.REFUSED)
        self._leave(link)
        self._retry_at = time.monotonic() + _RETRY

    def _sign(self, sign: bytes) -> None:
        assert self._link is not None
        try:
            self._link.sign(sign)
        except zmq.Again:
            _logger.debug("%s: the queue is full, so a sign of life is not sent", self.address)

    # Status

    def report_events(self) -> None:
        """Report all events; call it when the data socket is empty."""
        while self._events:
            self._report_event()

    def report_break(self) -> None:
        """Report the disconnects and reconnects that precede the next frame.

        They end with the first reconnect. Without a reconnect the frame still comes from before
        the break, and what happened to the new connection may come after the frame.
        """
        assert self._link is not None
        self._events.extend(self._link.events())
        if True in self._events:
            while not self._events[0]:
                self._report_event()
            self._report_event()

    def report_new_publisher(self) -> None:
        """Report what precedes the first frame of another publisher at this address."""
        self._ended.clear()
        self.report_break()
        if self.origin:
            # The last publisher has sent on this connection, and no event was reported since.
            self.tell(ZmqStatus.DISCONNECTED)
            self.tell(ZmqStatus.CONNECTED)

    def take_end(self, topic: str | None, signing: bool) -> None:
        """Note that nothing more will come under a topic.

        Args:
            topic: the topic; `None` for a publisher without topics.
            signing: whether the publisher waits for a sign that its end was read.

        Raises:
            Ended: if nothing more will come at all, and the source ends with its publisher.
        """
        self._ended.add(topic)
        if self._topics is None or len(self._ended) == len(self._topics):
            self._end(signing)

    def _end(self, signing: bool) -> None:
        self._ended.clear()
        self.origin = b""
        if signing:
            self._sign(DONE)
        self.tell(ZmqStatus.DISCONNECTED)
        if self._target.on_end is OnEnd.CLOSE:
            self.drop(linger=_SIGN if signing else 0)
            _logger.info("%s: the publisher has ended", self.address)
            raise Ended

    def _report_event(self) -> None:
        connected = self._events.popleft()
        if self._ended and not connected:
            # The publisher's queue had no room for its end under the other topics.
            self._end(signing=False)
        else:
            self.tell(ZmqStatus.CONNECTED if connected else ZmqStatus.DISCONNECTED)

    def tell(self, status: ZmqStatus) -> None:
        """Tell a transition or a gap, in a cycle of its own after the data before it."""
        if status in (ZmqStatus.CONNECTED, ZmqStatus.DISCONNECTED):
            connected = status is ZmqStatus.CONNECTED
            if connected == self.connected:
                return
            self.connected = connected
            self._refused = self._refused and not connected
            self._liveness.silent = 0.0
            self.origin = b""
            _logger.info("%s: %s", self.address, status)
        self._out.flush()
        self._out.send(status, 1)
