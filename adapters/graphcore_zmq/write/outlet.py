"""The publisher's socket: who has subscribed to it, what is sent through it, and its end.

It is an XPUB socket, on which each subscription is seen. It belongs to the graph's thread; a second
thread watches its monitor and has the graph's thread look at the socket between two cycles.
"""

import logging
import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

import zmq

from graphcore import GraphState
from graphcore_zmq.config import SocketOptions
from graphcore_zmq.socket.security import CurveServer, Gate
from graphcore_zmq.socket.sockets import Monitor, Socket, pass_over
from graphcore_zmq.stats.stats_log import StatsLog
from graphcore_zmq.wire.frames import (
    Trailer,
    check_point_frame,
    empty_frame,
    end_of_stream_frame,
    sealed,
)
from graphcore_zmq.wire.framing import Outgoing
from graphcore_zmq.wire.signs import ALIVE, DONE, SIGNING, SUBSCRIBE, TOPICS, UNSUBSCRIBE
from graphcore_zmq.write.binding import STEP, OnFull, bind, xpub
from graphcore_zmq.write.peers import Peers

_logger = logging.getLogger(__name__)

_SILENCE = 1.0  # s without a value after which a check point is sent
_SOON = 0.005  # s between two looks for a subscription that is on its way
_AGAIN = 0.1  # s after which the end is sent again, if not all have read it
_SETTLED = 1.0  # s after which a peer without a subscription is looked at less often
_SELDOM = 0.1
# No topic begins so, as it is no UTF-8.
_NO_TOPIC = b"\xff"


class _Channel:
    """What was sent under a topic, or without one."""

    __slots__ = ("last", "sent_at", "sequence")

    def __init__(self) -> None:
        self.sequence = 0
        self.last = b""
        self.sent_at = 0.0


class Outlet:
    """Sends values to those who have subscribed.

    Args:
        name: the node's, for what is logged.
        endpoint: where it binds.
        on_full: what to do when a subscriber's queue is full.
        options: of the socket.
        security: who may subscribe; `None` is everybody, unencrypted.
        topical: whether what is sent has topics.
        lasting: whether the last value is sent again to each new subscriber.
        state: of the run.
        changed: called in the graph's thread when subscriptions may have come or gone.
        log: what is logged every so often.
    """

    def __init__(
        self,
        name: str,
        endpoint: str,
        on_full: OnFull,
        options: SocketOptions,
        security: CurveServer | None,
        topical: bool,
        lasting: bool,
        state: GraphState,
        changed: Callable[[], None],
        log: StatsLog,
    ) -> None:
        self._log = log
        self._name = name
        self._endpoint = endpoint
        self._on_full = on_full
        self._options = options
        self._security = security
        self._topical = topical
        self._lasting = lasting
        self._state = state
        self._changed = changed
        self._instance = secrets.randbits(64)
        # By topic, the one that was silent for longest first.
        self._channels: OrderedDict[bytes, _Channel] = OrderedDict()
        self._silent_since: float | None = None
        self._wanted: Counter[bytes] = Counter()
        # Topics whose last value found no room in a newcomer's queue.
        self._owed: set[bytes] = set()
        # When somebody last came or went, or something owed was sent.
        self._moved = 0.0
        self._addressed = False
        self._last_sent = time.monotonic()
        self._alive = Peers()
        self._posted = False
        self.attention = False
        self.sent = self.bytes = self.peers = self.subscriptions = 0

    def open(self) -> None:
        """Bind, and begin to watch.

        Raises:
            RunError: if the address cannot be bound.
        """
        self._context: zmq.Context[Socket] = zmq.Context()
        gate = None
        try:
            if self._security is not None:
                gate = Gate(self._name, self._security, self._context)
            self._socket = xpub(
                self._context, self._options, self._on_full, self._lasting, self._endpoint, gate
            )
            # Before it is bound, so that nobody comes unseen.
            failed = gate.failed if gate is not None else pass_over
            self._monitor = Monitor(self._socket, self._alive.forget, failed)
            bind(self._socket, self._endpoint)
            self.port = int(self._socket.get_string(zmq.LAST_ENDPOINT).rpartition(":")[2])
            self._watcher = threading.Thread(
                target=self._watch, args=(gate,), name=f"graphcore-{self._name}", daemon=True
            )
            self._watcher.start()
        except BaseException:
            if gate is not None:
                gate.close()
            self._context.destroy(linger=0)
            raise

    def close(self) -> None:
        """Close when what is queued has left, or the linger is over."""
        self._socket.disable_monitor()
        self._watcher.join()
        self._socket.close()
        self.peers = self.subscriptions = 0
        self._context.term()

    # Subscribers

    def _watch(self, gate: Gate | None) -> None:
        """Follow the connections, and have the graph's thread look when there is something to see.

        A subscription follows its handshake by a moment, and nothing tells of it but the data
        socket: so as long as the numbers differ, the graph's thread is asked to look again.
        """
        monitor = self._monitor
        poller = zmq.Poller()
        poller.register(monitor.socket, zmq.POLLIN)
        if gate is not None:
            poller.register(gate.socket, zmq.POLLIN)
        self._moved = time.monotonic()
        try:
            while not monitor.stopped:
                unsettled = self.peers != self.subscriptions or bool(self._owed)
                settled = time.monotonic() - self._moved > _SETTLED
                wait = (_SELDOM if settled else _SOON) if unsettled else _SILENCE / 2
                poller.poll(int(wait * 1000))
                if gate is not None:
                    gate.answer()
                announced = self._alive.announced()
                for connected in monitor.read():
                    self.peers += 1 if connected else -1
                    self._moved = time.monotonic()
                    if not connected:
                        _logger.info("%s: a subscriber has gone", self._name)
                self._alive.admit(announced, monitor.connections)
                if self.peers != self.subscriptions or self._owed or self._silent() or self._alive:
                    self.attention = True
                    if not self._posted:
                        self._posted = True
                        self._state.call_soon(self._look)
                self._log.look()
        finally:
            monitor.close()
            if gate is not None:
                gate.close()

    def _silent(self) -> bool:
        since = self._silent_since
        return since is not None and time.monotonic() - since >= _SILENCE

    def _look(self) -> None:
        self._posted = False
        if self._socket.closed:
            return
        self.read_subscriptions()
        self._repeat_owed()
        self._changed()
        if self._silent():
            self._send_check_points()

    def read_subscriptions(self) -> None:
        """Take what subscribers have sent."""
        self.attention = False
        while int(self._socket.get(zmq.EVENTS)) & zmq.POLLIN:
            frame = self._socket.recv(copy=False)
            self._addressed = self._lasting
            kind, rest = frame.bytes[:1], frame.bytes[1:]
            if kind == SUBSCRIBE and rest == SIGNING:
                self._alive.announce(frame.get(zmq.SRCFD))
            elif kind == SUBSCRIBE and rest in (ALIVE, DONE):
                self._alive.hear(frame.get(zmq.SRCFD), rest)
            elif kind == SUBSCRIBE:
                self._enter(rest)
            elif kind == UNSUBSCRIBE and rest not in (SIGNING, ALIVE, DONE):
                self._leave(rest)
        if self._addressed:
            self._address_all()
        timeout, sent = self._options.peer_timeout, self._last_sent
        if timeout is not None and self._alive.cut_silent(timeout, self.port, sent):
            _logger.warning("%s: a subscriber no longer answers and is cut", self._name)

    def _enter(self, wanted: bytes) -> None:
        self._wanted[wanted] += 1
        if self._is_subscriber(wanted):
            self.subscriptions += 1
        if wanted == TOPICS:
            if not self._topical:
                _logger.warning(
                    "%s: a subscriber asks for topics, but this publisher has none", self._name
                )
        elif self._lasting:
            # What is sent next goes to the newcomer alone, or to all if libzmq learns of the end of
            # any connection before it is sent. Who had it already ignores the number it has seen.
            self._socket.set(zmq.SUBSCRIBE, wanted)
            topic = wanted if self._topical else b""
            if topic in self._channels:
                self._repeat(topic)
                self._addressed = False

    def _leave(self, wanted: bytes) -> None:
        self._wanted[wanted] -= 1
        if not self._wanted[wanted]:
            del self._wanted[wanted]
        if self._is_subscriber(wanted):
            self.subscriptions -= 1
        if self._lasting and wanted != TOPICS:
            self._socket.set(zmq.UNSUBSCRIBE, wanted)

    def _repeat(self, topic: bytes) -> None:
        """Send the last value of a topic again; under block, a queue without room is owed it."""
        if self._try(topic, self._channels[topic].last, zmq.NOBLOCK):
            self._owed.discard(topic)
        else:
            self._owed.add(topic)

    def _repeat_owed(self) -> None:
        """Send what is owed, as far as there is room.

        It goes to all who want the topic, as libzmq addresses a newcomer only once. Who subscribes
        to topics ignores a number that it has seen; without topics there is one value, and room.
        """
        for topic in tuple(self._owed):
            self._repeat(topic)
            if topic in self._owed:
                break
            self._moved = time.monotonic()

    def _is_subscriber(self, wanted: bytes) -> bool:
        """Return whether a subscription is the one to count its subscriber by."""
        return wanted in (b"", TOPICS) if self._topical else wanted != TOPICS

    def _address_all(self) -> None:
        """Have what is sent next go to all again, by sending what means nothing to whoever gets it.

        The socket sends one message to the one from whom it has received last.
        """
        self._addressed = False
        if self._topical:
            self._try(_NO_TOPIC, empty_frame(self._state.time), zmq.NOBLOCK)
        else:
            self._try(b"", empty_frame(self._state.time), zmq.NOBLOCK)

    def wait(self, milliseconds: int) -> None:
        """Wait for something from a subscriber, for so long at most, and take it."""
        self._socket.poll(milliseconds, zmq.POLLIN)
        self.read_subscriptions()

    def await_subscriptions(self, count: int) -> bool:
        """Wait until so many have subscribed; return whether they have before the run is to end."""
        self.read_subscriptions()
        while self.subscriptions < count:
            if self._state.stopping:
                return False
            self.wait(STEP)
        return True

    # Sending

    def send(self, at: int, message: Outgoing) -> bool:
        """Send values; return whether they were sent, which a stop of the run may prevent."""
        topic = message.topic
        channel = self._channels.get(topic) or _Channel()
        frame = sealed(message.envelope, Trailer(self._instance, channel.sequence, at))
        if not self._send(topic, frame):
            return False
        channel.sequence += 1
        self.sent += message.values
        self.bytes += len(frame)
        channel.sent_at = self._last_sent = time.monotonic()
        # Only now, as who subscribes while this waits for room is sent the last value of each.
        self._channels[topic] = channel
        self._channels.move_to_end(topic)
        if self._lasting:
            channel.last = frame
        if self._silent_since is None:
            self._silent_since = self._last_sent
        return True

    def _send(self, topic: bytes, frame: bytes) -> bool:
        if self._on_full is OnFull.DROP:
            self._put(topic, frame)
            return True
        while self.subscriptions or self.await_subscriptions(1):
            # Once the run is to end, what finds no room is not waited for, however much follows.
            stopping = self._state.stopping
            if self._try(topic, frame, zmq.NOBLOCK if stopping else 0):
                return True
            if stopping:
                return False
            before = self.subscriptions
            self.read_subscriptions()
            if self.subscriptions < before:
                _logger.warning("%s: a subscriber has gone with its queue full", self._name)
        return False

    def _send_check_points(self) -> None:
        """Send a check point in each topic that was silent; a queue without room gets the next."""
        now = time.monotonic()
        for topic, channel in tuple(self._channels.items()):
            if now - channel.sent_at < _SILENCE:
                break
            # One that is owed a value would take it for one that it has had, behind a check point.
            if self._is_wanted(topic) and topic not in self._owed:
                trailer = Trailer(self._instance, channel.sequence - 1, self._state.time)
                if self._try(topic, check_point_frame(trailer), zmq.NOBLOCK):
                    self._last_sent = now
            channel.sent_at = now
            self._channels.move_to_end(topic)
        self._silent_since = next(iter(self._channels.values())).sent_at

    def _is_wanted(self, topic: bytes) -> bool:
        return not topic or topic in self._wanted or b"" in self._wanted

    def say_goodbye(self) -> None:
        """Send EndOfStream in each topic in use, and wait until it was read, up to the linger."""
        self.read_subscriptions()
        if not self.subscriptions:
            return
        until = time.monotonic() + self._options.linger / 1e9
        # Whatever the policy, the last frame waits for room: its sequence tells a slow subscriber
        # what it lost. One that makes none in time must not cost the others theirs.
        self._socket.set(zmq.XPUB_NODROP, 1)
        self._socket.set(zmq.SNDTIMEO, STEP)
        self._send_end(until)
        again = time.monotonic() + _AGAIN
        # A sign of life that meets a closed connection would cost its sender what it has not read.
        while self._alive:
            if time.monotonic() >= until:
                _logger.warning(
                    "%s: the linger is over; subscribers that had not read all: %d",
                    self._name,
                    len(self._alive),
                )
                break
            self.wait(STEP)
            # A queue that something was dropped for is passed over, without a word, until its
            # subscriber has made room; and others come meanwhile. Who has had the end ignores it.
            if time.monotonic() >= again:
                self._send_end(until)
                again = time.monotonic() + _AGAIN

    def _send_end(self, until: float) -> None:
        for topic in self._topics_in_use():
            channel = self._channels.get(topic) or _Channel()
            trailer = Trailer(self._instance, channel.sequence, self._state.time)
            if topic in self._owed:
                self._owed.remove(topic)
                self._send_last(topic, channel.last, until)
            self._send_last(topic, end_of_stream_frame(trailer), until)

    def _topics_in_use(self) -> set[bytes]:
        if not self._topical:
            return {b""}
        return {*self._channels, *(self._wanted.keys() - {b"", TOPICS})}

    def _send_last(self, topic: bytes, frame: bytes, until: float) -> None:
        while not self._try(topic, frame) and self.subscriptions:
            if time.monotonic() >= until:
                _logger.warning("%s: a subscriber's queue stayed full to the end", self._name)
                self._socket.set(zmq.XPUB_NODROP, 0)
                self._put(topic, frame)
                break
            self.read_subscriptions()

    def _try(self, topic: bytes, frame: bytes, flags: int = 0) -> bool:
        try:
            self._put(topic, frame, flags)
        except zmq.Again:
            return False
        return True

    def _put(self, topic: bytes, frame: bytes, flags: int = 0) -> None:
        if topic:
            self._socket.send_multipart([topic, frame], flags)
        else:
            self._socket.send(frame, flags)
