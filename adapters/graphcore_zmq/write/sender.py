"""The publisher: `ZeroMqSenderNode` binds in `start`, sends in `cycle`, sends the end in `stop`.

Its outlet knows who has subscribed. So values before the first subscriber wait in a backlog and are
sent when it subscribes, and no sleep has to guess when that is.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import wait
from typing import Any

# From their modules: the stub of Stream's methods imports this one, and in such a circle mypy would
# take `node` and `state` of graphcore for the modules of those names.
from graphcore.declare import node, state
from graphcore.node import Active, EffectNode
from graphcore.state import EndedBy, GraphState
from graphcore_zmq.codec.codec import CodecError
from graphcore_zmq.config import ZmqPubRegistration
from graphcore_zmq.registries.asking import answered, ask
from graphcore_zmq.registry import (
    ClaimingRegistry,
    Registration,
    ZmqHandle,
    ZmqRegistry,
    reachable_address,
)
from graphcore_zmq.socket.sockets import refuse_historical
from graphcore_zmq.stats.stats_log import StatsLog
from graphcore_zmq.stats.status import PublisherStats
from graphcore_zmq.wire.framing import Framing, Outgoing
from graphcore_zmq.write.backlog import Backlog
from graphcore_zmq.write.binding import STEP, Binding, OnFull
from graphcore_zmq.write.outlet import Outlet

_logger = logging.getLogger(__name__)

_AT_FIRST = 0.5  # s of waiting before the log says so


def _publish_nothing(value: object, at: int) -> None:
    """Stand for what publishes until `start` has been called."""


@node
class ZeroMqSenderNode(EffectNode[None]):
    """Publishes what its upstream ticks with; ticks nothing itself."""

    operator = "zmq_pub"
    live_only = True
    source: Active[Any]
    binding: Binding
    registration: ZmqPubRegistration
    framing: Framing
    advertise: str | None
    wait_for: int
    keep_for: int
    keep_count: int
    port: int = state(0)
    address: str = state("")
    # `cycle` calls an attribute, not a method, so that the fused tier can inline it.
    _publish: Callable[[Any, int], None] = state(factory=lambda: _publish_nothing)
    _outlet: Outlet | None = state(None)
    _handle: ZmqHandle | None = state(None)
    _backlog: Backlog | None = state(None)
    _expired: int = state(0)
    _released: bool = state(False)
    _clock_offset: int = state(0)

    def start(self, state: GraphState) -> None:
        refuse_historical(state)
        self._publish = self._publish_value
        self._backlog = Backlog(self.keep_for, self.keep_count, self.binding.last_value)
        self._outlet = Outlet(
            self.name,
            self.binding,
            state,
            self._release_when_ready,
            StatsLog(lambda: f"{self.name}: {self.stats()}", self.binding.options.stats_interval),
        )
        self.port = self._outlet.port
        self.address = self.binding.endpoint.rpartition(":")[0] + f":{self.port}"
        _logger.info("%s: publishing at %s", self.name, self.address)
        self._register(state)

    def cycle(self, state: GraphState) -> bool:
        self._publish(self.source.value, state.time)
        return False

    def _publish_value(self, value: Any, at: int) -> None:
        outlet = self._outlet
        assert outlet is not None
        try:
            messages = self.framing(value, at)
        except CodecError as error:
            raise CodecError(f"{self.name}: {error}") from error
        if outlet.subscribers.attention:
            outlet.read_subscriptions()
        if not self._released:
            self._await_and_release()
        for message in messages:
            if not self._released:
                self._keep(at, message)
            elif not outlet.send(at, message):
                self._expire(message[-1], "the run is stopping")

    def stop(self, state: GraphState) -> None:
        if self._handle is not None:
            try:
                self._handle.revoke()
            except Exception:  # a registry that is down must not keep the socket open
                _logger.exception(
                    "%s: cannot revoke the name %r", self.name, self.registration.name
                )
        if self._outlet is None or self._backlog is None:
            return
        try:
            if state.ended_by not in (EndedBy.SIGNAL, EndedBy.ERROR):
                self._await_first_subscriber()
            self._expire(self._backlog.clear(), "the run ended before anybody subscribed")
            if state.ended_by is not EndedBy.ERROR:
                self._outlet.send_end()
            elif self._outlet.subscribers.subscriptions:
                _logger.warning(
                    "%s: the run failed; subscribers that lose what they have not read: %d",
                    self.name,
                    self._outlet.subscribers.subscriptions,
                )
        finally:
            _logger.info("%s: %s", self.name, self.stats())
            self._outlet.close()

    def stats(self) -> PublisherStats:
        """Return what has been done in this run; from any thread."""
        outlet, backlog = self._outlet, self._backlog
        if outlet is None or backlog is None:
            return PublisherStats()
        return PublisherStats(
            outlet.sent,
            backlog.count,
            self._expired,
            outlet.bytes,
            outlet.subscribers.peers,
            outlet.subscribers.subscriptions,
        )

    def _register(self, state: GraphState) -> None:
        name, registry = self.registration.name, self.registration.registry
        if name is None or registry is None:
            return
        address = self.advertise or self._reachable_address(state, registry)
        if address is None or not self._enter(state, name, registry, address):
            _logger.warning(
                "%s: the run ended before the name %r was registered, so nobody has found this "
                "publisher by it",
                self.name,
                name,
            )

    def _reachable_address(self, state: GraphState, registry: ZmqRegistry) -> str | None:
        """Return the address that others connect to; `None` if the run stops before it is known."""
        # Resolving the name of the registry's host may take long.
        thread = f"graphcore-{self.name}-address"
        answer = ask(lambda: reachable_address(self.address, registry), thread)
        if wait([answer], timeout=_AT_FIRST).not_done:
            _logger.warning(
                "%s waits for this host's address towards %s, whose host name is not resolved yet",
                self.name,
                registry,
            )
        return answer.result() if answered(answer, lambda: state.stopping) else None

    def _enter(self, state: GraphState, name: str, registry: ZmqRegistry, address: str) -> bool:
        """Register the name; return whether it is registered before the run stops."""
        security = self.binding.security
        key = None if security is None else security.public_key
        if not isinstance(registry, ClaimingRegistry):
            self._handle = registry.register(name, address)
            return True
        claim = registry.claim(Registration(name, address, key))
        self._handle = claim
        while not claim.wait(STEP / 1000):
            if state.stopping:
                return False
        return True

    # The first values

    def _release_when_ready(self) -> None:
        # Never waits: only the first value in `cycle` may hold the graph's thread.
        assert self._outlet is not None
        if not self._released and self._outlet.subscribers.subscriptions >= max(1, self.wait_for):
            self._send_backlog()

    def _await_and_release(self) -> None:
        """Send the backlog if there are subscribers; under `wait_for` or block, wait for them."""
        assert self._outlet is not None
        if self.wait_for or self.binding.on_full is OnFull.BLOCK:
            self._outlet.await_subscriptions(max(1, self.wait_for))
        else:
            self._outlet.read_subscriptions()
        self._release_when_ready()

    def _await_first_subscriber(self) -> None:
        """At the end of the run, give the backlog the rest of its time."""
        assert self._outlet is not None and self._backlog is not None
        while self._backlog.count and not self._released:
            remaining = (self._backlog.until - self._now()) // 1_000_000
            if remaining <= 0:
                return
            self._outlet.wait(min(remaining, STEP))
            self._release_when_ready()

    def _keep(self, at: int, message: Outgoing) -> None:
        assert self._backlog is not None
        if self.wait_for or self.binding.on_full is OnFull.BLOCK:
            self._expire(message[-1], "the run is stopping")
        else:
            self._clock_offset = time.monotonic_ns() - at
            self._expire(self._backlog.add(at, message), "nobody has subscribed yet")

    def _now(self) -> int:
        """Return the engine time by the monotonic clock; valid once something is in the backlog."""
        return time.monotonic_ns() - self._clock_offset

    def _expire(self, count: int, reason: str) -> None:
        if count and not self._expired:
            _logger.warning("%s: values are lost unsent: %s", self.name, reason)
        self._expired += count

    def _send_backlog(self) -> None:
        assert self._outlet is not None and self._backlog is not None
        self._released = True
        self._expire(self._backlog.expire(self._now()), "nobody has subscribed yet")
        for at, message in self._backlog.take():
            self._outlet.send(at, message)
