"""What the receiver's thread of a subscriber does: it reads its link and hands over whole bursts.

libzmq reports a connection's end ahead of the data that still waits in the socket. So what the
monitor says is told only when the data socket is empty, or when a frame shows that it comes from
behind the break: its trailer has another instance, or a sequence with a jump.

A publisher that moves is followed to its new address by a new link. Before the old one is closed
it is read to its end, as closing a socket throws away what waits in it.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import zmq

from graphcore import Stopped
from graphcore.sources.receiver import Sender
from graphcore_zmq.codec.codec import Codec, RawCodec, SelfDelimitingCodec
from graphcore_zmq.config import SocketOptions, ZmqSubConfig
from graphcore_zmq.read.bursts import BURST, Conflate, Handover, burst_limit, newest_alone
from graphcore_zmq.read.link import Link
from graphcore_zmq.read.liveness import Patience
from graphcore_zmq.read.locate import Follower, Missing
from graphcore_zmq.read.server_key import ServerKey
from graphcore_zmq.socket.security import CurveClient
from graphcore_zmq.socket.sockets import Socket, ended
from graphcore_zmq.stats.stats_log import StatsLog
from graphcore_zmq.stats.status import OnEnd, SubscriberStats, ZmqStatus
from graphcore_zmq.wire.frames import (
    BurstsAlike,
    Tag,
    Trailer,
    Unpack,
    WireError,
    bare_value_layout,
    origin_of,
    read_frame,
    value_layout,
)
from graphcore_zmq.wire.signs import ALIVE, DONE

T = TypeVar("T")

_logger = logging.getLogger(__name__)

_POLL = 100  # ms between two looks at `stop` and at where the publisher is
_END = 1.0  # s that the end of the connection is waited for
_RETRY = 5  # s after which a publisher that has refused is tried again
_ALONE = 500e-6  # s; a frame that was waited for longer has no other behind it, as a rule
_QUIET = 0.5  # s of silence after which nothing more is expected of a publisher that has moved
SHOWN = 32

# The size of a frame, and how one of that size is taken apart, if it is a value.
Shape = tuple[int, Unpack, bytes]


def no_layout(frame: bytes) -> tuple[bytes, bytes, bytes, int, int]:
    """Take apart a frame that is too small for a value, as `Unpack` does: it is none."""
    return b"", b"", b"", -1, 0


class Ended(Exception):
    """The publisher has said that nothing more will come, and the source ends with it."""


class Subscriber(Generic[T]):
    """What the receiver's thread runs.

    Args:
        config: where the publisher is.
        codec: turns payloads into values.
        on_end: what to do at EndOfStream.
        missing: what to do when nobody has registered the name.
        conflate: whether a value that the graph has not taken gives way to the next.
        options: of the socket.
        security: how it is encrypted, if it is.
    """

    # What is subscribed to.
    wanted: Sequence[bytes] = (b"",)
    # Whether a publisher is sent signs of life before it has shown that it looks for them.
    _signs_unasked = False
    _newest: Conflate[Any] = staticmethod(newest_alone)

    def __init__(
        self,
        config: ZmqSubConfig,
        codec: Codec[Any],
        on_end: OnEnd,
        missing: Missing,
        conflate: bool,
        options: SocketOptions,
        security: CurveClient | None,
    ) -> None:
        self.codec = codec
        take_apart = partial(read_frame, max_burst=options.max_burst)
        if isinstance(codec, SelfDelimitingCodec):
            self._layout = bare_value_layout
            self._take_apart = partial(take_apart, read=codec.read, least=codec.least)
            self._value_of: Callable[[Any], Any] = lambda value: value
        else:
            self._layout = value_layout
            self._take_apart = take_apart
            self._value_of = codec.decode
        # What is read of a burst is what is wanted of it, with nothing to do for each value.
        as_they_are = isinstance(codec, RawCodec | SelfDelimitingCodec)
        self._conversion = None if as_they_are else self._value_of
        self.on_end = on_end
        self.missing = missing
        self.conflate = conflate
        self.options = options
        self.security = security
        self._follower = Follower(config)
        self._key = ServerKey(config, security)
        self._named = config.name or config.address or ""
        self.reset()

    def reset(self) -> None:
        """Forget the last run."""
        self.address = self._named
        self._follower.reset()
        self._key.reset()
        self._link: Link | None = None
        self._patience = Patience(self.options)
        self._moved_at: float | None = None
        self._quiet = 0.0
        self._lost = 0
        self._connected = self._refused = False
        self._retry_at = 0.0
        self._instance: int | None = None
        self._origin = b""
        self._expected = self._progress_at_connect = 0
        self._answers = self._signs = False
        self._sign_at = 0.0
        self._alike: BurstsAlike | None = None
        self._burst_size = 0
        self._shape: Shape = (0, no_layout, b"")
        self._events: deque[bool] = deque()
        self._out: Handover[T] = Handover(self._newest if self.conflate else None, self._show_life)

    def stats(self) -> SubscriberStats:
        """Return what has been done in this run; from any thread."""
        out = self._out
        return SubscriberStats(
            out.received,
            out.bytes,
            self._lost,
            out.conflated,
            int(self._connected),
            out.latency(),
        )

    def find(self, stopping: Callable[[], bool]) -> None:
        """Find the publisher before the run begins, if it must be there.

        Raises:
            RegistryError: as `Follower.find` and `ServerKey.find`.
        """
        if self.missing is Missing.ERROR:
            self._key.find(self._follower.find(stopping), stopping)

    def run(self, sender: Sender[Any], stop: threading.Event) -> None:
        """Receive until the run ends, or the publisher does."""
        self._out.begin(sender)
        self._context = context = zmq.Context()
        try:
            self._receive(stop)
        except Ended:
            _logger.info("%s: the publisher has ended", self.address)
        finally:
            _logger.info("%s: %s", self.address, self.stats())
            self._connected = False
            if not ended(partial(context.destroy, linger=0), self._named, _END):
                _logger.warning(
                    "%s: libzmq does not end its connection yet, and goes on in a thread of its "
                    "own: it may be resolving a host's name",
                    self.address,
                )
            self._follower.close()
            self._key.close()

    def _receive(self, stop: threading.Event) -> None:
        log = StatsLog(lambda: f"{self.address}: {self.stats()}", self.options.stats_interval)
        while not stop.is_set():
            link = self._follow()
            if link is None:
                stop.wait(_POLL / 1000)
                continue
            waited = self._await_frame(link)
            if link.happened:
                self._events.extend(link.events())
            if link.refused:
                self._give_up(link)
                continue
            while self._events and not self._connected:
                self._tell_event()
            if waited > _ALONE:
                self._drain(link.socket, 1)  # it reaches the graph before others are looked for
            if self._drain(link.socket, BURST):
                self._tell_events()
            self._show_life()
            self._look_after(link)
            log.look()

    def _await_frame(self, link: Link) -> float:
        """Wait until there is something to look at; note and return for how long, s."""
        began = time.monotonic()
        if link.wait(_POLL):
            self._patience.silent = 0.0
        # Where this process was stopped meanwhile, most of that time says nothing of the other.
        waited = min(time.monotonic() - began, 2 * _POLL / 1000)
        self._patience.silent += waited
        self._quiet += waited
        return waited

    # Where the publisher is

    def _follow(self) -> Link | None:
        """Return the link to read: the one there is, or a new one to where the publisher is now."""
        address = self._follower.look(self._connected)
        if self._link is not None:
            if self._stays(self._link, address):
                return self._link
            self._leave(self._link)
        if address is None or time.monotonic() < self._retry_at:
            return None
        if self._key.is_known(address):
            try:
                self._link = Link(
                    self._context, address, self.options, self._key.security, self.wanted
                )
            except zmq.ZMQError as error:
                if address == self._named:
                    raise
                self._follower.refuse(address, f"{address!r}: {error}")
            else:
                self.address = address
        return self._link

    def _stays(self, link: Link, address: str | None) -> bool:
        """Return whether the link is still to be read.

        A publisher that has moved ends its old connection, with all that it sent before, within
        `linger`. One that does not, but goes on under its old address, is left all the same.
        """
        if link.monitor.given_up and not self._connected:
            _logger.warning(
                "%s: the connection ended over what the other end sent; trying again", link.address
            )
            return False
        if address == link.address or (address is None and self._connected):
            self._moved_at = None
            return True
        if not self._connected:
            return False
        now = time.monotonic()
        if self._moved_at is None:
            self._moved_at, self._quiet = now, 0.0
            _logger.info("%s: the publisher has moved to %s", link.address, address)
        if self._events:
            return True  # the connection has ended, and so does what waits to be read
        longest = max(self.options.linger / 1e9, _QUIET)
        return self._quiet < _QUIET and now - self._moved_at < longest

    def _leave(self, link: Link) -> None:
        self._tell(ZmqStatus.DISCONNECTED)
        link.close()
        self._link = self._moved_at = None
        self._events.clear()

    def _give_up(self, link: Link) -> None:
        """Leave a publisher that refuses; libzmq does not try again, so a new link will."""
        if not self._refused:
            self._refused = True
            wants = "its keys" if self.security is not None else "that it is not encrypted"
            _logger.warning(
                "%s: the publisher refuses this subscriber because of %s; it tries again every "
                "%d s",
                self.address,
                wants,
                _RETRY,
            )
            self._tell(ZmqStatus.REFUSED)
        self._leave(link)
        self._retry_at = time.monotonic() + _RETRY

    def _look_after(self, link: Link) -> None:
        """Leave a publisher that is silent for too long, and does not answer."""
        expecting = self._answers and self._connected
        if self._patience.is_over(self._context, link.address, self._key.security, expecting):
            _logger.warning("%s: the publisher no longer answers", self.address)
            self._leave(link)

    # What it sends

    def _drain(self, socket: Socket, most: int) -> bool:
        """Take what waits in the data socket, so much at most; return whether that was all."""
        receive, decode, flags = socket.recv, self.codec.decode, zmq.NOBLOCK
        out, expected, received_bytes = self._out, self._expected, 0
        burst, sent_at = out.burst, out.sent_at
        size, unpack, value_head = self._shape
        limit = min(most, burst_limit(size))
        emptied = False
        try:
            while len(burst) < limit:
                frame = receive(flags)
                # The next value of the publisher that is followed is taken apart here, by a
                # layout for its size; whatever is not that goes the long way.
                if len(frame) != size:
                    size, unpack, value_head = self._shape = self._shape_of(frame)
                    limit = min(most, burst_limit(size))
                head, payload, origin, sequence, sent = unpack(frame)
                if sequence == expected and head == value_head and origin == self._origin:
                    expected += 1
                    burst.append(decode(payload))
                    received_bytes += size
                    sent_at.append(sent)
                else:
                    self._expected = expected
                    self._take(frame)
                    expected = self._expected
                    burst = out.burst
        except zmq.Again:
            emptied = True
        except (zmq.ZMQError, Stopped, Ended):
            raise
        except Exception as error:  # the frame's, or whatever a codec raises
            out.flush()
            note = f"from {self.address}; the frame begins {frame[:SHOWN]!r}"
            if socket.get(zmq.RCVMORE):
                told = WireError("this publisher has topics: name some with topics=[...]")
                told.add_note(note)
                raise told from error
            error.add_note(note)
            raise
        finally:
            out.bytes += received_bytes
        self._expected = expected
        out.flush()
        return emptied

    def _shape_of(self, frame: bytes) -> Shape:
        size = len(frame)
        return size, *(self._layout(size) or (no_layout, b""))

    def _take(self, frame: bytes) -> None:
        """Take a frame that is not the next value of the publisher that is being followed."""
        alike = self._alike
        if alike is not None and len(frame) == alike.size:
            taken = alike.take(frame, self._origin, self._expected)
            if taken is not None:
                self._expected += 1
                self._out.sent_at.append(taken[1])
                self._out.take(taken[0], len(frame), self._conversion)
                return
        if not self._connected:
            self._break()
        tag, payloads, trailer = self._take_apart(frame)
        if trailer is not None and not self._is_new(tag, trailer):
            return
        if payloads and trailer is not None:
            self._out.sent_at.append(trailer.time)
        self._out.take(payloads, len(frame), self._conversion)
        if tag is Tag.HISTORICAL_VALUE:
            self._expect_alike(payloads, len(frame))
        if tag is Tag.END_OF_STREAM:
            self._take_end(trailer is not None)

    def _expect_alike(self, payloads: list[Any], size: int) -> None:
        """Be ready for more bursts like this one, once two of a size have followed each other."""
        again, self._burst_size = size == self._burst_size, size
        few = 0 < len(payloads) <= BurstsAlike.MOST
        if again and few and self._layout is value_layout and len(set(map(len, payloads))) == 1:
            self._alike = BurstsAlike(payloads)

    def _take_end(self, signing: bool) -> None:
        """Take the publisher's word that nothing more will come, and sign that it was read."""
        self._answers = self._signs = False
        if signing:
            self._sign(DONE)
        self._tell(ZmqStatus.DISCONNECTED)
        if self.on_end is OnEnd.CLOSE:
            raise Ended

    def _is_new(self, tag: Tag, trailer: Trailer) -> bool:
        """Follow the sequence; return whether the frame is a new one."""
        is_new = self._continues(tag, trailer)
        # Only a publisher that sends trailers is sent signs of life, and expected to give some.
        self._answers = self._signs = True
        self._origin = origin_of(trailer.instance)
        return is_new

    def _continues(self, tag: Tag, trailer: Trailer) -> bool:
        """Follow the sequence: tell breaks and gaps; return whether the frame is a new one."""
        next_sequence = trailer.sequence + 1
        if trailer.instance != self._instance:
            self._break()
            if self._instance is not None and self._progress() != self._progress_at_connect:
                # The monitor has told nothing of it since the last frame of the one before.
                self._tell(ZmqStatus.DISCONNECTED)
                self._tell(ZmqStatus.CONNECTED)
            self._instance = trailer.instance
            self._expected = next_sequence
            return True
        first_missing = self._expected
        if tag is Tag.CHECK_POINT:
            first_missing, lost = next_sequence, next_sequence - first_missing
        else:
            lost = trailer.sequence - first_missing
        if lost > 0:
            self._break()
            self._lost += lost
            _logger.warning("%s: %d frames were lost", self.address, lost)
            self._tell(ZmqStatus.GAP)
        elif lost < 0:
            return False
        self._expected = max(self._expected, next_sequence)
        return True

    def _progress(self) -> int:
        """Return a number that frames of the publisher that is followed change."""
        return self._expected

    def _break(self) -> None:
        """Tell what the monitor knows of the break that the next frame comes from behind.

        That is up to where there was a connection again. If there was none, the frame still comes
        from before the break; and what happened to the new one may be behind the frame.
        """
        assert self._link is not None
        self._events.extend(self._link.events())
        if True in self._events:
            while not self._events[0]:
                self._tell_event()
            self._tell_event()

    def _tell_events(self) -> None:
        while self._events:
            self._tell_event()

    def _tell_event(self) -> None:
        connected = self._events.popleft()
        self._tell(ZmqStatus.CONNECTED if connected else ZmqStatus.DISCONNECTED)

    def _tell(self, status: ZmqStatus) -> None:
        """Tell a transition, or a gap, in a cycle of its own behind the data before it."""
        if status in (ZmqStatus.CONNECTED, ZmqStatus.DISCONNECTED):
            connected = status is ZmqStatus.CONNECTED
            if connected == self._connected:
                return
            self._connected = connected
            self._refused = self._refused and not connected
            self._patience.silent = 0.0
            self._answers, self._signs = False, connected and self._signs_unasked
            self._origin = b""  # the next frame goes the long way, by which it is seen to answer
            self._progress_at_connect = self._progress()
            _logger.info("%s: %s", self.address, status)
        self._out.flush()
        self._out.send(status, 1)

    def _show_life(self) -> None:
        interval, now = self.options.heartbeat_interval, time.monotonic()
        if self._signs and self._connected and interval and now >= self._sign_at:
            self._sign_at = now + interval / 1e9
            self._sign(ALIVE)

    def _sign(self, sign: bytes) -> None:
        assert self._link is not None
        try:
            self._link.sign(sign)
        except zmq.Again:
            _logger.debug("%s: no sign of life can be sent now", self.address)
