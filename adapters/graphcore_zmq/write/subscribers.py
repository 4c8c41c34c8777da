"""Who has subscribed to a publisher, and who is owed a value.

An XPUB socket shows each subscription as a message. The graph's thread reads these messages. A
second thread watches the socket's monitor, and has the graph's thread look at the socket between
two cycles when there is something to read or to send.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import zmq

from graphcore import GraphState
from graphcore_zmq.socket.security import Gate
from graphcore_zmq.socket.sockets import Monitor, Socket, pass_over
from graphcore_zmq.stats.stats_log import StatsLog
from graphcore_zmq.wire.signs import ALIVE, DONE, SIGNING, SUBSCRIBE, TOPICS, UNSUBSCRIBE
from graphcore_zmq.write.peers import Peers

_logger = logging.getLogger(__name__)

_SOON = 0.005  # s between two looks for a subscription that is on its way
_SELDOM = 0.1  # s between two looks once nobody has connected or disconnected for a while
_SETTLED = 1.0  # s; how long this while is
_IDLE = 0.5  # s between two looks when there is nothing to wait for


class Subscription(NamedTuple):
    """A message by which a subscriber begins or ends a subscription."""

    wanted: bytes
    begins: bool


class Subscribers:
    """Counts the subscribers of one publisher, and watches their connections.

    `watch` begins a thread; the graph's thread calls all methods.

    Args:
        name: the node's, for the log.
        socket: the publisher's, not bound yet, so that no connection is missed.
        gate: who may connect; `None` if everybody may.
        topical: whether the publisher has topics.
        state: of the run.
        look: called in the graph's thread when it should look at the socket.
        overdue: whether a check point is due; called by the watching thread.
        log: the stats, logged every so often.

    Attributes:
        attention: whether the graph's thread should read the socket before it sends.
        peers: connections now.
        subscriptions: subscribers now; one with topics counts once.
        owed: topics whose last value found no room in the queue of a new subscriber.
        signing: those who give signs of life.
    """

    def __init__(
        self,
        name: str,
        socket: Socket,
        gate: Gate | None,
        topical: bool,
        state: GraphState,
        look: Callable[[], None],
        overdue: Callable[[], bool],
        log: StatsLog,
    ) -> None:
        self._name = name
        self._gate = gate
        self._topical = topical
        self._state = state
        self._look = look
        self._overdue = overdue
        self._log = log
        self._wanted: Counter[bytes] = Counter()
        self._changed_at = 0.0
        self._posted = False
        self.attention = False
        self.peers = self.subscriptions = 0
        self.owed: set[bytes] = set()
        self.signing = Peers()
        failed = pass_over if gate is None else gate.failed
        self._monitor = Monitor(socket, self.signing.forget, failed)
        self._watcher = threading.Thread(
            target=self._watch, name=f"graphcore-{self._name}", daemon=True
        )

    def watch(self) -> None:
        """Begin to watch the connections, until the socket's monitor is disabled."""
        self.touch()
        self._watcher.start()

    def join(self) -> None:
        """Wait for the watching thread to end."""
        self._watcher.join()
        self.peers = self.subscriptions = 0

    def touch(self) -> None:
        """Have the watching thread look often again for a while."""
        self._changed_at = time.monotonic()

    def take(self, message: zmq.Frame) -> Subscription | None:
        """Take a message from a subscriber; return the subscription, if the message is one."""
        kind, wanted = message.bytes[:1], message.bytes[1:]
        begins = kind == SUBSCRIBE
        if wanted in (SIGNING, ALIVE, DONE):
            if begins and wanted == SIGNING:
                self.signing.announce(message.get(zmq.SRCFD))
            elif begins:
                self.signing.hear(message.get(zmq.SRCFD), wanted)
            return None
        if not begins and kind != UNSUBSCRIBE:
            return None
        self._count(wanted, 1 if begins else -1)
        if begins and wanted == TOPICS and not self._topical:
            _logger.warning(
                "%s: a subscriber asks for topics, but this publisher has none; it receives "
                "nothing",
                self._name,
            )
        return Subscription(wanted, begins)

    def cut_silent(self, timeout: int | None, port: int, sent: float) -> None:
        """Close the connections that have been silent for too long; see `Peers.cut_silent`."""
        if timeout is not None and self.signing.cut_silent(timeout, port, sent):
            _logger.warning(
                "%s: a subscriber no longer answers; closing its connection", self._name
            )

    def want(self, topic: bytes) -> bool:
        """Return whether anybody subscribes to a topic."""
        return not topic or topic in self._wanted or b"" in self._wanted

    def topics(self) -> set[bytes]:
        """Return the topics that somebody subscribes to."""
        return self._wanted.keys() - {b"", TOPICS}

    def _count(self, wanted: bytes, change: int) -> None:
        self._wanted[wanted] += change
        if not self._wanted[wanted]:
            del self._wanted[wanted]
        # A subscriber of topics counts by one subscription, which it makes beside its topics.
        if wanted in (b"", TOPICS) if self._topical else wanted != TOPICS:
            self.subscriptions += change

    def _watch(self) -> None:
        """Follow the connections, and have the graph's thread look when there is a reason.

        A subscription follows its handshake by a moment, and only the data socket shows it. So as
        long as the two numbers differ, the graph's thread looks again.
        """
        monitor, gate = self._monitor, self._gate
        poller = zmq.Poller()
        poller.register(monitor.socket, zmq.POLLIN)
        if gate is not None:
            poller.register(gate.socket, zmq.POLLIN)
        try:
            while not monitor.stopped:
                poller.poll(int(self._pause() * 1000))
                if gate is not None:
                    gate.answer()
                announced = self.signing.announced()
                for connected in monitor.read():
                    self.peers += 1 if connected else -1
                    self.touch()
                    if not connected:
                        _logger.info("%s: a subscriber has disconnected", self._name)
                self.signing.admit(announced, monitor.connections)
                if self._is_unsettled() or self._overdue() or self.signing:
                    self.attention = True
                    self._post()
                self._log.look()
        finally:
            monitor.close()
            if gate is not None:
                gate.close()

    def _is_unsettled(self) -> bool:
        return self.peers != self.subscriptions or bool(self.owed)

    def _pause(self) -> float:
        if not self._is_unsettled():
            return _IDLE
        return _SELDOM if time.monotonic() - self._changed_at > _SETTLED else _SOON

    def _post(self) -> None:
        if not self._posted:
            self._posted = True
            self._state.call_soon(self._begin_look)

    def _begin_look(self) -> None:
        self._posted = False
        self._look()
