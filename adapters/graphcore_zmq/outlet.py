"""The publisher's socket: who has subscribed to it, what is sent through it, and its end.

It is an XPUB socket, on which each subscription is seen. It belongs to the graph's thread; a second
thread watches its monitor and has the graph's thread look at the socket between two cycles.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from enum import StrEnum

import zmq

from graphcore import GraphState, RunError
from graphcore_zmq.config import SocketOptions
from graphcore_zmq.peers import SIGNING, Peers
from graphcore_zmq.security import CurveServer, Gate
from graphcore_zmq.sockets import Monitor, Socket, pass_over, set_options
from graphcore_zmq.wire import Trailer, check_point_frame, end_of_stream_frame

_logger = logging.getLogger(__name__)

STEP = 50  # ms between two looks at `stop` while the graph waits
_SILENCE = 1.0  # s without a value after which a check point is sent
_SOON = 0.005  # s between two looks for a subscription that is on its way
_SETTLED = 1.0  # s after which a peer without a subscription is looked at less often
_SELDOM = 0.1
_SUBSCRIBE, _UNSUBSCRIBE = b"\1", b"\0"


class OnFull(StrEnum):
    """What a publisher does when a subscriber's queue is full."""

    DROP = "drop"
    BLOCK = "block"


class Outlet:
    """Sends values to those who have subscribed.

    Args:
        name: the node's, for what is logged.
        endpoint: where it binds.
        on_full: what to do when a subscriber's queue is full.
        options: of the socket.
        security: who may subscribe; `None` is everybody, unencrypted.
        value_frame: makes the frame of a value.
        state: of the run.
        changed: called in the graph's thread when subscriptions may have come or gone.
    """

    def __init__(
        self,
        name: str,
        endpoint: str,
        on_full: OnFull,
        options: SocketOptions,
        security: CurveServer | None,
        value_frame: Callable[[bytes, Trailer], bytes],
        state: GraphState,
        changed: Callable[[], None],
    ) -> None:
        self._name = name
        self._endpoint = endpoint
        self._on_full = on_full
        self._options = options
        self._security = security
        self._value_frame = value_frame
        self._state = state
        self._changed = changed
        self._instance = secrets.randbits(64)
        self._sequence = 0
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
            self._socket = self._bind(gate)
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

    def _bind(self, gate: Gate | None) -> Socket:
        socket: Socket = self._context.socket(zmq.XPUB)
        set_options(socket, self._options, self._endpoint)
        socket.set(zmq.SNDHWM, self._options.send_high_water_mark)
        socket.set(zmq.XPUB_VERBOSER, 1)
        if self._on_full is OnFull.BLOCK:
            socket.set(zmq.XPUB_NODROP, 1)
            socket.set(zmq.SNDTIMEO, STEP)
        if gate is not None:
            gate.guard(socket)
        # Before it is bound, so that nobody comes unseen.
        failed = gate.failed if gate is not None else pass_over
        self._monitor = Monitor(socket, self._alive.forget, failed)
        try:
            socket.bind(self._endpoint)
        except zmq.ZMQError as error:
            raise RunError(
                f"cannot bind {self._endpoint}: {zmq.strerror(error.errno or 0)}"
            ) from None
        return socket

    def close(self) -> None:
        """Close when what is queued has left, or the linger is over."""
        self._socket.disable_monitor()
        self._watcher.join()
        self._socket.close(linger=-(-self._options.linger // 1_000_000))
        self._context.term()
        self.peers = self.subscriptions = 0

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
        changed = time.monotonic()
        try:
            while not monitor.stopped:
                unsettled = self.peers != self.subscriptions
                settled = time.monotonic() - changed > _SETTLED
                wait = (_SELDOM if settled else _SOON) if unsettled else _SILENCE / 2
                poller.poll(int(wait * 1000))
                if gate is not None:
                    gate.answer()
                for connected in monitor.read():
                    self.peers += 1 if connected else -1
                    changed = time.monotonic()
                    if not connected:
                        _logger.info("%s: a subscriber has gone", self._name)
                if self.peers != self.subscriptions or self._silent() or self._alive:
                    self.attention = True
                    if not self._posted:
                        self._posted = True
                        self._state.call_soon(self._look)
        finally:
            monitor.close()
            if gate is not None:
                gate.close()

    def _silent(self) -> bool:
        return self._sequence > 0 and time.monotonic() - self._last_sent >= _SILENCE

    def _look(self) -> None:
        self._posted = False
        if self._socket.closed:
            return
        self.read_subscriptions()
        self._changed()
        if self._silent():
            self._send_check_point()

    def read_subscriptions(self) -> None:
        """Take what subscribers have sent."""
        self.attention = False
        while int(self._socket.get(zmq.EVENTS)) & zmq.POLLIN:
            frame = self._socket.recv(copy=False)
            kind, rest = frame.bytes[:1], frame.bytes[1:]
            if kind not in (_SUBSCRIBE, _UNSUBSCRIBE):
                self._alive.hear(frame.get(zmq.SRCFD), frame.bytes)
            elif rest != SIGNING:
                self.subscriptions += 1 if kind == _SUBSCRIBE else -1
            elif kind == _SUBSCRIBE:
                self._alive.expect(frame.get(zmq.SRCFD))
        timeout, sent = self._options.peer_timeout, self._last_sent
        if timeout is not None and self._alive.cut_silent(timeout, self.port, sent):
            _logger.warning("%s: a subscriber no longer answers and is cut", self._name)

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

    def send_value(self, at: int, payload: bytes) -> bool:
        """Send a value; return whether it was sent, which a stop of the run may prevent."""
        frame = self._value_frame(payload, Trailer(self._instance, self._sequence, at))
        if not self._send(frame):
            return False
        self._sequence += 1
        self.sent += 1
        self.bytes += len(frame)
        self._last_sent = time.monotonic()
        return True

    def _send(self, frame: bytes) -> bool:
        if self._on_full is OnFull.DROP:
            self._socket.send(frame)
            return True
        while self.subscriptions or self.await_subscriptions(1):
            # Once the run is to end, what finds no room is not waited for, however much follows.
            stopping = self._state.stopping
            try:
                self._socket.send(frame, zmq.NOBLOCK if stopping else 0)
            except zmq.Again:
                if stopping:
                    return False
                before = self.subscriptions
                self.read_subscriptions()
                if self.subscriptions < before:
                    _logger.warning("%s: a subscriber has gone with its queue full", self._name)
            else:
                return True
        return False

    def _send_check_point(self) -> None:
        trailer = Trailer(self._instance, self._sequence - 1, self._state.time)
        try:
            self._socket.send(check_point_frame(trailer), zmq.NOBLOCK)
        except zmq.Again:
            _logger.debug("%s: a check point found a full queue; the next will do", self._name)
        self._last_sent = time.monotonic()

    def say_goodbye(self) -> None:
        """Send EndOfStream, and wait until it was read, up to the linger."""
        self.read_subscriptions()
        if not self.subscriptions:
            return
        frame = end_of_stream_frame(Trailer(self._instance, self._sequence, self._state.time))
        until = time.monotonic() + self._options.linger / 1e9
        # Whatever the policy, the last frame waits for room: its sequence tells a slow subscriber
        # what it lost. One that makes none in time must not cost the others theirs.
        self._socket.set(zmq.XPUB_NODROP, 1)
        self._socket.set(zmq.SNDTIMEO, STEP)
        while not self._try(frame) and self.subscriptions:
            if time.monotonic() >= until:
                _logger.warning("%s: a subscriber's queue stayed full to the end", self._name)
                self._socket.set(zmq.XPUB_NODROP, 0)
                self._socket.send(frame)
                break
            self.read_subscriptions()
        # A sign of life that meets a closed connection would cost its sender what it has not read.
        while self._alive and time.monotonic() < until:
            self.wait(STEP)

    def _try(self, frame: bytes) -> bool:
        try:
            self._socket.send(frame)
        except zmq.Again:
            return False
        return True
