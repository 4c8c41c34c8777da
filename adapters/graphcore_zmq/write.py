"""The publisher: `ZeroMqSenderNode` binds at `start`, sends in `cycle`, says goodbye at `stop`.

It owns an XPUB socket, on which it sees each subscription, so that it knows when its first value
can be sent: values wait for the first subscriber instead of a sleep. The socket belongs to the
graph's thread; a second thread watches its monitor and has the graph's thread look at the socket
between two cycles.
"""

import logging
import secrets
import threading
import time
from collections import deque
from enum import StrEnum
from typing import Any

import zmq

from graphcore import Active, EndedBy, GraphState, MutableNode, RunError, node, state
from graphcore_zmq.codec import Codec, CodecError
from graphcore_zmq.config import SocketOptions, ZmqPubRegistration
from graphcore_zmq.peers import SIGNING, Peers
from graphcore_zmq.registry import ClaimingRegistry, ZmqHandle, reachable_address
from graphcore_zmq.sockets import Monitor, Socket, refuse_historical, set_options
from graphcore_zmq.status import PublisherStats
from graphcore_zmq.wire import (
    OVERHEAD,
    Trailer,
    check_point_frame,
    end_of_stream_frame,
    value_frame,
)

_logger = logging.getLogger(__name__)

_STEP = 50  # ms between two looks at `stop` while the graph waits
_SILENCE = 1.0  # s without a value after which a check point is sent
_SOON = 0.005  # s between two looks for a subscription that is on its way
_SETTLED = 1.0  # s after which a peer without a subscription is looked at less often
_SELDOM = 0.1
_SUBSCRIBE, _UNSUBSCRIBE = b"\1", b"\0"


class OnFull(StrEnum):
    """What a publisher does when a subscriber's queue is full."""

    DROP = "drop"
    BLOCK = "block"


@node
class ZeroMqSenderNode(MutableNode[None]):
    """Publishes what its upstream ticks with; ticks nothing itself."""

    source: Active[Any]
    endpoint: str
    registration: ZmqPubRegistration
    codec: Codec[Any]
    advertise: str | None
    wait_for: int
    on_full: OnFull
    keep_for: int
    keep_count: int
    options: SocketOptions
    port: int = state(0)
    address: str = state("")
    _context: "zmq.Context[Socket] | None" = state(None)
    _socket: Socket | None = state(None)
    _handle: ZmqHandle | None = state(None)
    _watcher: threading.Thread | None = state(None)
    _kept: deque[tuple[int, bytes]] = state(factory=deque)
    _sent: int = state(0)
    _expired: int = state(0)
    _bytes: int = state(0)
    _sequence: int = state(0)
    _peers: int = state(0)
    _subscriptions: int = state(0)
    _alive: Peers = state(factory=Peers)
    _released: bool = state(False)
    _attention: bool = state(False)
    _posted: bool = state(False)
    _instance: int = state(factory=lambda: secrets.randbits(64))
    _last_sent: float = state(factory=time.monotonic)

    def start(self, state: GraphState) -> None:
        refuse_historical(state)
        self._state = state
        self._context = zmq.Context()
        self._socket = self._bind(self._context)
        monitor = Monitor(self._socket, self._alive.forget)
        self._watcher = threading.Thread(
            target=self._watch, args=(monitor,), name=f"graphcore-{self.name}", daemon=True
        )
        self._watcher.start()
        self._register()

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        try:
            payload = self.codec.encode(value)
        except CodecError as error:
            raise CodecError(f"{self.name}: {error}") from error
        if len(payload) + OVERHEAD > self.options.max_message_size:
            raise CodecError(
                f"{self.name}: a value of {len(payload)} bytes makes a frame larger than "
                f"max_message_size ({self.options.max_message_size})"
            )
        if self._attention:
            self._read_subscriptions()
        if not self._released:
            self._release()
        if not self._released:
            self._keep(state.time, payload)
        elif not self._send_value(state.time, payload):
            self._expire(1, "the run was told to stop")
        return False

    def stop(self, state: GraphState) -> None:
        if self._handle is not None:
            try:
                self._handle.revoke()
            except Exception:  # a registry that is down must not keep the socket open
                _logger.exception("%s could not take its name back", self.name)
        if self._socket is None:
            if self._context is not None:
                self._context.term()
            return
        try:
            if state.ended_by not in (EndedBy.SIGNAL, EndedBy.ERROR):
                self._await_first_subscriber()
            if self._kept:
                self._expire(len(self._kept), "the run ended before anybody subscribed")
                self._kept.clear()
            if state.ended_by is not EndedBy.ERROR:
                self._say_goodbye()
        finally:
            self._close()

    def stats(self) -> PublisherStats:
        """Return what has been done in this run; from any thread."""
        return PublisherStats(
            self._sent,
            len(self._kept),
            self._expired,
            self._bytes,
            self._peers,
            self._subscriptions,
        )

    # Opening and closing

    def _register(self) -> None:
        name, registry = self.registration.name, self.registration.registry
        if name is None or registry is None:
            return
        address = self.advertise or reachable_address(self.address, registry)
        if not isinstance(registry, ClaimingRegistry):
            self._handle = registry.register(name, address)
            return
        self._handle = claim = registry.claim(name, address)
        while not claim.wait(_STEP / 1000) and not self._state.stopping:
            pass

    def _bind(self, context: "zmq.Context[Socket]") -> Socket:
        socket: Socket = context.socket(zmq.XPUB)
        try:
            set_options(socket, self.options, self.endpoint)
            socket.set(zmq.SNDHWM, self.options.send_high_water_mark)
            socket.set(zmq.XPUB_VERBOSER, 1)
            if self.on_full is OnFull.BLOCK:
                socket.set(zmq.XPUB_NODROP, 1)
                socket.set(zmq.SNDTIMEO, _STEP)
            socket.bind(self.endpoint)
        except zmq.ZMQError as error:
            socket.close(linger=0)
            raise RunError(
                f"cannot bind {self.endpoint}: {zmq.strerror(error.errno or 0)}"
            ) from None
        except BaseException:
            socket.close(linger=0)
            raise
        bound = socket.get_string(zmq.LAST_ENDPOINT)
        self.port = int(bound.rpartition(":")[2])
        self.address = self.endpoint.rpartition(":")[0] + f":{self.port}"
        return socket

    def _close(self) -> None:
        assert self._socket is not None and self._context is not None
        self._socket.disable_monitor()
        if self._watcher is not None:
            self._watcher.join()
        self._socket.close(linger=-(-self.options.linger // 1_000_000))
        # Waits until what is queued has left, or the linger is over.
        self._context.term()
        self._socket = self._context = None
        self._peers = self._subscriptions = 0

    # Subscribers

    def _watch(self, monitor: Monitor) -> None:
        """Follow the connections, and have the graph's thread look when there is something to see.

        A subscription follows its handshake by a moment, and nothing tells of it but the data
        socket: so as long as the numbers differ, the graph's thread is asked to look again.
        """
        changed = time.monotonic()
        try:
            while not monitor.stopped:
                unsettled = self._peers != self._subscriptions
                settled = time.monotonic() - changed > _SETTLED
                wait = (_SELDOM if settled else _SOON) if unsettled else _SILENCE / 2
                if monitor.socket.poll(int(wait * 1000)):
                    for connected in monitor.read():
                        self._peers += 1 if connected else -1
                        changed = time.monotonic()
                        if not connected:
                            _logger.info("%s: a subscriber has gone", self.name)
                silent = self._sequence and time.monotonic() - self._last_sent >= _SILENCE
                if self._peers != self._subscriptions or silent or self._alive:
                    self._attention = True
                    if not self._posted:
                        self._posted = True
                        self._state.call_soon(self._look)
        finally:
            monitor.close()

    def _look(self) -> None:
        self._posted = False
        if self._socket is None:
            return
        self._read_subscriptions()
        # What the first value waits for in `cycle` must not hold the graph's thread here.
        if not self._released and self._subscriptions >= max(1, self.wait_for):
            self._flush_kept()
        if self._sequence and time.monotonic() - self._last_sent >= _SILENCE:
            self._send_check_point()

    def _read_subscriptions(self) -> None:
        assert self._socket is not None
        self._attention = False
        while int(self._socket.get(zmq.EVENTS)) & zmq.POLLIN:
            frame = self._socket.recv(copy=False)
            kind, rest = frame.bytes[:1], frame.bytes[1:]
            if kind not in (_SUBSCRIBE, _UNSUBSCRIBE):
                self._alive.hear(frame.get(zmq.SRCFD), frame.bytes)
            elif rest != SIGNING:
                self._subscriptions += 1 if kind == _SUBSCRIBE else -1
            elif kind == _SUBSCRIBE:
                self._alive.expect(frame.get(zmq.SRCFD))
        timeout, sent = self.options.peer_timeout, self._last_sent
        if timeout is not None and self._alive.cut_silent(timeout, self.port, sent):
            _logger.warning("%s: a subscriber no longer answers and is cut", self.name)

    def _release(self) -> None:
        """Let values out once there are subscribers; where the first is to wait for them, wait."""
        holding = self.wait_for or self.on_full is OnFull.BLOCK
        if holding:
            self._await_subscriptions(max(1, self.wait_for))
        else:
            self._read_subscriptions()
        if self._subscriptions >= max(1, self.wait_for):
            self._flush_kept()

    def _await_subscriptions(self, count: int) -> bool:
        assert self._socket is not None
        self._read_subscriptions()
        while self._subscriptions < count:
            if self._state.stopping:
                return False
            self._socket.poll(_STEP, zmq.POLLIN)
            self._read_subscriptions()
        return True

    def _await_first_subscriber(self) -> None:
        """At the end, give what is kept the rest of its time."""
        assert self._socket is not None
        while self._kept and not self._released:
            until = self._kept[-1][0] + self.keep_for
            remaining = (until - time.time_ns()) // 1_000_000
            if remaining <= 0:
                return
            self._socket.poll(min(remaining, _STEP), zmq.POLLIN)
            self._read_subscriptions()
            if self._subscriptions >= max(1, self.wait_for):
                self._flush_kept()

    # Sending

    def _keep(self, at: int, payload: bytes) -> None:
        if self.wait_for or self.on_full is OnFull.BLOCK:
            self._expire(1, "the run was told to stop")
            return
        self._kept.append((at, payload))
        self._drop_old(at)

    def _drop_old(self, now: int) -> None:
        count = 0
        while self._kept and (
            len(self._kept) > self.keep_count or now - self._kept[0][0] > self.keep_for
        ):
            self._kept.popleft()
            count += 1
        if count:
            self._expire(count, "nobody has subscribed yet")

    def _expire(self, count: int, reason: str) -> None:
        if not self._expired:
            _logger.warning("%s: values are not sent and lost: %s", self.name, reason)
        self._expired += count

    def _flush_kept(self) -> None:
        self._released = True
        self._drop_old(time.time_ns())
        while self._kept:
            at, payload = self._kept.popleft()
            self._send_value(at, payload)

    def _send_value(self, at: int, payload: bytes) -> bool:
        """Send a value; return whether it was sent, which a stop of the run may prevent."""
        trailer = Trailer(self._instance, self._sequence, at)
        frame = value_frame(payload, trailer)
        if not self._send(frame):
            return False
        self._sequence += 1
        self._sent += 1
        self._bytes += len(frame)
        self._last_sent = time.monotonic()
        return True

    def _send(self, frame: bytes) -> bool:
        assert self._socket is not None
        if self.on_full is OnFull.DROP:
            self._socket.send(frame)
            return True
        while self._subscriptions or self._await_subscriptions(1):
            # Once the run is to end, what finds no room is not waited for, however much follows.
            stopping = self._state.stopping
            try:
                self._socket.send(frame, zmq.NOBLOCK if stopping else 0)
            except zmq.Again:
                if stopping:
                    return False
                before = self._subscriptions
                self._read_subscriptions()
                if self._subscriptions < before:
                    _logger.warning("%s: a subscriber has gone with its queue full", self.name)
            else:
                return True
        return False

    def _send_check_point(self) -> None:
        assert self._socket is not None
        trailer = Trailer(self._instance, self._sequence - 1, self._state.time)
        try:
            self._socket.send(check_point_frame(trailer), zmq.NOBLOCK)
        except zmq.Again:
            _logger.debug("%s: a check point found a full queue; the next will do", self.name)
        self._last_sent = time.monotonic()

    def _say_goodbye(self) -> None:
        assert self._socket is not None
        self._read_subscriptions()
        if not self._subscriptions:
            return
        frame = end_of_stream_frame(Trailer(self._instance, self._sequence, self._state.time))
        until = time.monotonic() + self.options.linger / 1e9
        # Whatever the policy, the last frame waits for room: its sequence tells a slow subscriber
        # what it lost. One that makes none in time must not cost the others theirs.
        self._socket.set(zmq.XPUB_NODROP, 1)
        self._socket.set(zmq.SNDTIMEO, _STEP)
        while not self._try(frame) and self._subscriptions:
            if time.monotonic() >= until:
                _logger.warning("%s: a subscriber's queue stayed full to the end", self.name)
                self._socket.set(zmq.XPUB_NODROP, 0)
                self._socket.send(frame)
                break
            self._read_subscriptions()
        # A sign of life that meets a closed connection would cost its sender what it has not read.
        while self._alive and time.monotonic() < until:
            self._socket.poll(_STEP, zmq.POLLIN)
            self._read_subscriptions()

    def _try(self, frame: bytes) -> bool:
        assert self._socket is not None
        try:
            self._socket.send(frame)
        except zmq.Again:
            return False
        return True
