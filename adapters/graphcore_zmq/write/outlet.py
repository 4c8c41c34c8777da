"""The publisher's socket and what is sent through it: values, check points, last values, the end.

The socket belongs to the graph's thread. Check points and last values are sent between two cycles.
"""

import logging
import secrets
import time
from collections.abc import Callable

import zmq

from graphcore import EndedBy, GraphState
from graphcore_zmq.socket.security import Gate
from graphcore_zmq.socket.sockets import Socket
from graphcore_zmq.stats.stats_log import StatsLog
from graphcore_zmq.wire.frames import (
    Trailer,
    check_point_frame,
    empty_frame,
    end_of_stream_frame,
    trailers_of,
)
from graphcore_zmq.wire.framing import Outgoing
from graphcore_zmq.wire.signs import TOPICS
from graphcore_zmq.write.binding import STEP, Binding, OnFull
from graphcore_zmq.write.subscribers import Subscribers, Subscription

_logger = logging.getLogger(__name__)

_SILENCE = 1.0  # s without a value until a check point is sent
_AGAIN = 0.1  # s until the end is sent again to those who have not read it
# As plain numbers, because combining enumerations is slow.
_AT_ONCE = int(zmq.NOBLOCK)
_AT_ONCE_AND_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)
# Not UTF-8, so it is a prefix of no topic.
_NO_TOPIC = b"\xff"


class _Channel:
    """The frames sent under one topic, or without topics: the last one, and its number."""

    __slots__ = ("last", "sent_at", "sequence")

    def __init__(self) -> None:
        self.sequence = 0
        self.last = b""
        self.sent_at = 0.0


class Outlet:
    """Sends values to those who have subscribed.

    Args:
        name: the node's, for the log.
        binding: how to bind the socket and use it.
        state: of the run.
        changed: called in the graph's thread when subscriptions may have begun or ended.
        log: the stats, logged every so often.

    Attributes:
        port: the bound port.
        subscribers: who has subscribed.
        sent: values sent.
        bytes: size of the frames sent.
    """

    def __init__(
        self,
        name: str,
        binding: Binding,
        state: GraphState,
        changed: Callable[[], None],
        log: StatsLog,
    ) -> None:
        self._name = name
        self._binding = binding
        self._state = state
        self._changed = changed
        self._instance = secrets.randbits(64)
        self._channels: dict[bytes, _Channel] = {}  # by topic
        self._silent_since: float | None = None
        self._last_sent = time.monotonic()
        self._closing_until: float | None = None
        self.sent = self.bytes = 0
        self._trailer = trailers_of(self._instance)
        self._blocks = binding.on_full is OnFull.BLOCK
        self._context: zmq.Context[Socket] = zmq.Context()
        gate = None
        try:
            if binding.security is not None:
                gate = Gate(name, binding.security, self._context)
            self._socket = binding.socket(self._context, gate)
            # The method of pyzmq's backend: `Socket.send` takes as long again to look at arguments
            # that are not given here.
            self._send = super(zmq.Socket, self._socket).send
            self.subscribers = Subscribers(
                name, self._socket, gate, binding.topical, state, self._look, self._is_silent, log
            )
            self.port = binding.bind(self._socket)
            self.subscribers.watch()
        except BaseException:
            if gate is not None:
                gate.close()
            self._context.destroy(linger=0)
            raise

    def close(self) -> None:
        """Close the socket once its queues are empty or the linger is over."""
        self._socket.disable_monitor()
        self.subscribers.join()
        self._socket.close()
        self._context.term()

    # Subscribers

    def read_subscriptions(self) -> None:
        """Read what subscribers have sent."""
        self.subscribers.attention = False
        one_alone = False
        while int(self._socket.get(zmq.EVENTS)) & zmq.POLLIN:
            subscription = self.subscribers.take(self._socket.recv(copy=False))
            if self._binding.last_value:
                # The socket now sends its next message to the sender of this one alone.
                one_alone = subscription is None or not self._serve(subscription)
        if one_alone:
            # A message that means nothing to whoever gets it makes the socket send to all again.
            topic = _NO_TOPIC if self._binding.topical else b""
            self._try(topic, empty_frame(self._state.time), zmq.NOBLOCK)
        self.subscribers.cut_silent(self._binding.options.peer_timeout, self.port, self._last_sent)

    def wait(self, milliseconds: int) -> None:
        """Wait at most so long for a message from a subscriber, and read it."""
        self._socket.poll(milliseconds, zmq.POLLIN)
        self.read_subscriptions()

    def await_subscriptions(self, count: int) -> bool:
        """Wait until so many have subscribed; return whether they have before the run stops."""
        self.read_subscriptions()
        while self.subscribers.subscriptions < count:
            # After a signal, nobody is waited for who is not there yet.
            if self._waits_no_more() or self._state.ended_by is EndedBy.SIGNAL:
                return False
            self.wait(STEP)
        return True

    def _look(self) -> None:
        if self._socket.closed:
            return
        self.read_subscriptions()
        self._repeat_owed()
        self._changed()
        if self._is_silent():
            self._send_check_points()

    def _is_silent(self) -> bool:
        since = self._silent_since
        return since is not None and time.monotonic() - since >= _SILENCE

    # Last values

    def _serve(self, subscription: Subscription) -> bool:
        """Tell the socket of a subscription, which it leaves to the publisher with `last_value`.

        Returns:
            Whether a last value was sent to the subscriber.
        """
        wanted, begins = subscription
        if wanted == TOPICS:
            return False
        self._socket.set(zmq.SUBSCRIBE if begins else zmq.UNSUBSCRIBE, wanted)
        topic = wanted if self._binding.topical else b""
        if not begins or topic not in self._channels:
            return False
        # It goes to this subscriber alone, or to all if libzmq learns of the end of any connection
        # before it is sent. A subscriber that has it already ignores its number.
        self._repeat(topic)
        return True

    def _repeat(self, topic: bytes) -> None:
        """Send the last value of a topic again; under block, it is owed to a full queue."""
        if self._try(topic, self._channels[topic].last, zmq.NOBLOCK):
            self.subscribers.owed.discard(topic)
        else:
            self.subscribers.owed.add(topic)

    def _repeat_owed(self) -> None:
        """Send last values that are owed, as far as there is room in the queues.

        It goes to all who subscribe to the topic, because libzmq sends to a new subscriber alone
        only once. Subscribers ignore a number that they have seen.
        """
        owed = self.subscribers.owed
        for topic in tuple(owed):
            self._repeat(topic)
            if topic in owed:
                break
            self.subscribers.touch()

    # Values and check points

    def send(self, at: int, message: Outgoing) -> bool:
        """Send values; return whether they were sent, or the run stopped before there was room."""
        topic, head, body, values = message
        channel = self._channels.get(topic) or _Channel()
        frame = b"".join((head, body, self._trailer(channel.sequence, at)))
        if self._blocks and not self.subscribers.subscriptions:
            sent = self._wait_and_put(topic, frame)
        else:
            try:
                if topic:
                    self._send(topic, _AT_ONCE_AND_MORE)
                self._send(frame, _AT_ONCE)
                sent = True
            except zmq.Again:
                sent = self._wait_and_put(topic, frame)
        if not sent:
            return False
        channel.sequence += 1
        self.sent += values
        self.bytes += len(frame)
        channel.sent_at = self._last_sent = time.monotonic()
        if self._binding.last_value:
            channel.last = frame
        if channel.sequence == 1:
            # Not before it is sent: a subscriber that comes while `_wait_and_put` waits for room is
            # served the last values in `_channels`, and this one is not sent yet.
            self._channels[topic] = channel
            if self._silent_since is None:
                self._silent_since = self._last_sent
        return True

    def _wait_and_put(self, topic: bytes, frame: bytes) -> bool:
        """Under block, send a frame once there is a subscriber, and room in all queues."""
        subscribers = self.subscribers
        while subscribers.subscriptions or self.await_subscriptions(1):
            stopping = self._waits_no_more()
            if self._try(topic, frame, zmq.NOBLOCK if stopping else 0):
                return True
            if stopping:
                return False
            before = subscribers.subscriptions
            self.read_subscriptions()
            if subscribers.subscriptions < before:
                _logger.warning(
                    "%s: a subscriber has disconnected while its queue was full", self._name
                )
        return False

    def _waits_no_more(self) -> bool:
        """Return whether the end of the run leaves no time to wait for room in a queue.

        What ticks in the closing instant has the linger, in all. Before that, a run that is to end
        waits for nothing, however many values follow in the present cycle.
        """
        if not self._state.closing:
            return self._state.stopping
        now = time.monotonic()
        if self._closing_until is None:
            self._closing_until = now + self._binding.options.linger / 1e9
        return now >= self._closing_until

    def _send_check_points(self) -> None:
        """Send a check point in each silent topic; a full queue gets the next one."""
        now = time.monotonic()
        for topic, channel in self._channels.items():
            if now - channel.sent_at < _SILENCE:
                continue
            # A subscriber that is owed a value would take it for a repeated one after this.
            if self.subscribers.want(topic) and topic not in self.subscribers.owed:
                trailer = Trailer(self._instance, channel.sequence - 1, self._state.time)
                if self._try(topic, check_point_frame(trailer), zmq.NOBLOCK):
                    self._last_sent = now
            channel.sent_at = now
        self._silent_since = min(channel.sent_at for channel in self._channels.values())

    # The end

    def send_end(self) -> None:
        """Send EndOfStream in each topic in use, and wait up to the linger until it was read."""
        self.read_subscriptions()
        if not self.subscribers.subscriptions:
            return
        until = time.monotonic() + self._binding.options.linger / 1e9
        # Under both policies the last frame waits for room, because its number tells a slow
        # subscriber what it has lost. The wait ends with the linger, for the others' sake.
        self._socket.set(zmq.XPUB_NODROP, 1)
        self._socket.set(zmq.SNDTIMEO, STEP)
        self._send_ends(until)
        again = time.monotonic() + _AGAIN
        # If the socket closed before this, a sign of life would meet a closed connection, and its
        # sender would lose what it has not read.
        while self.subscribers.signing:
            if time.monotonic() >= until:
                _logger.warning(
                    "%s: the linger is over; subscribers that have not read everything: %d",
                    self._name,
                    len(self.subscribers.signing),
                )
                break
            self.wait(STEP)
            # libzmq skips a queue that it has dropped something for, without an error, until the
            # subscriber makes room; and new subscribers come. A repeated end is ignored.
            if time.monotonic() >= again:
                self._send_ends(until)
                again = time.monotonic() + _AGAIN

    def _send_ends(self, until: float) -> None:
        topics = {*self._channels, *self.subscribers.topics()} if self._binding.topical else {b""}
        for topic in topics:
            channel = self._channels.get(topic) or _Channel()
            trailer = Trailer(self._instance, channel.sequence, self._state.time)
            if topic in self.subscribers.owed:
                self.subscribers.owed.remove(topic)
                self._send_last(topic, channel.last, until)
            self._send_last(topic, end_of_stream_frame(trailer), until)

    def _send_last(self, topic: bytes, frame: bytes, until: float) -> None:
        while not self._try(topic, frame) and self.subscribers.subscriptions:
            if time.monotonic() >= until:
                _logger.warning(
                    "%s: the linger is over and a subscriber's queue is still full; it does not "
                    "receive the last frame",
                    self._name,
                )
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
