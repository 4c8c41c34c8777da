"""What a registry must do, as tests that you can run on your own; needs pytest.

Subclass the suites that fit in a test module, with a fixture that opens the registry:

    class TestConsulRegistry(FollowedRegistryConformance, HeldRegistryConformance):
        @pytest.fixture
        def open_registry(self, consul):
            return partial(ConsulRegistry, consul.address)

The tests call `open_registry` without arguments, or with `ttl` and `conflict`. Each call returns
another registry object for the same names, as another process would have. It must be picklable,
because a test opens the registry in a process and kills that process.

`RegistryConformance` is for every registry, `HeldRegistryConformance` for those that hold a name
while its publisher is alive, `FollowedRegistryConformance` for those with `watch`,
`KeyedRegistryConformance` for those with `claim` and `find`, and `HeldKeyedRegistryConformance` for
those that keep a name and its key.
"""

import threading
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Protocol

import pytest

from graphcore.testing import wait_until
from graphcore_zmq.registry import (
    ClaimingRegistry,
    KeyedRegistry,
    NameTakenError,
    Registration,
    WatchableRegistry,
    ZmqHandle,
    ZmqRegistry,
    ZmqWatch,
)

# A registry whose names are given in advance has these. All others start without any.
NAMES = {
    "quotes": "tcp://127.0.0.1:5556",
    "quotes/eu": "tcp://127.0.0.1:5557",
    "quotes/": "tcp://127.0.0.1:5558",
    "Quotes": "tcp://127.0.0.1:5559",
    "with spaces and a tab\t": "tcp://127.0.0.1:5560",
    "Kurse für Zürich, 日本株 📈": "tcp://127.0.0.1:5561",
    "../quotes?*#%2F'\"": "tcp://127.0.0.1:5562",
}
# One whose public keys are given in advance has these as well.
KEYED_NAMES = {
    "keyed": ("tcp://127.0.0.1:5564", "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"),
}
_NAME = "quotes"
_ADDRESS = NAMES[_NAME]
_OTHER = "tcp://127.0.0.1:5563"
_KEYED = "keyed"
_KEYED_ADDRESS, _KEY = KEYED_NAMES[_KEYED]
_OTHER_KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
_SLACK = 2.0  # s after the ttl within which a name must be free


class OpenRegistry(Protocol):
    """Opens the registry that is tested."""

    def __call__(self, **options: str) -> ZmqRegistry:
        """Return another registry object for the same names."""


class RegistryConformance:
    """What every registry must do."""

    @pytest.fixture
    def open_registry(self) -> OpenRegistry:
        """Return a function that opens the registry; to be overridden."""
        raise NotImplementedError("a subclass says how its registry is opened")

    @pytest.fixture(autouse=True)
    def _no_thread_is_left_over(self) -> Iterator[None]:
        before = set(threading.enumerate())
        yield
        wait_until(lambda: set(threading.enumerate()) <= before)

    def test_it_has_the_methods_of_a_registry(self, open_registry: OpenRegistry) -> None:
        assert isinstance(open_registry(), ZmqRegistry)

    def test_a_registered_name_is_found_by_others(self, open_registry: OpenRegistry) -> None:
        registry = open_registry()
        handles = [registry.register(name, address) for name, address in NAMES.items()]
        other = open_registry()
        found = {name: other.lookup(name) for name in NAMES}
        for handle in handles:
            handle.revoke()
        assert found == NAMES

    def test_a_name_that_nobody_has_registered_raises_lookup_error_and_is_named(
        self, open_registry: OpenRegistry
    ) -> None:
        with pytest.raises(LookupError, match="weather"):
            open_registry().lookup("weather")

    def test_a_name_may_be_revoked_twice(self, open_registry: OpenRegistry) -> None:
        handle = open_registry().register(_NAME, _ADDRESS)
        handle.revoke()
        handle.revoke()

    def test_many_threads_may_look_up_at_once(self, open_registry: OpenRegistry) -> None:
        registry = open_registry()
        handle = registry.register(_NAME, _ADDRESS)
        found: list[str] = []
        threads = [
            threading.Thread(target=lambda: found.extend(registry.lookup(_NAME) for _ in range(10)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        handle.revoke()
        assert found == [_ADDRESS] * 80


class HeldRegistryConformance(RegistryConformance):
    """What a registry must do that keeps a name while its publisher lives.

    Attributes:
        ttl: what the registries are opened with, in seconds: more than a busy host may hold up the
            one that keeps a name.
    """

    ttl = 3

    @pytest.fixture
    def held(self, open_registry: OpenRegistry) -> Iterator[ZmqHandle]:
        """A name that a registry holds."""
        handle = self.opened(open_registry, "error").register(_NAME, _ADDRESS)
        yield handle
        handle.revoke()

    def opened(self, open_registry: OpenRegistry, conflict: str) -> ZmqRegistry:
        """Return the registry, opened with the ttl of these tests."""
        return open_registry(ttl=f"{self.ttl}s", conflict=conflict)

    def test_a_revoked_name_is_gone_at_once_and_free(self, open_registry: OpenRegistry) -> None:
        registry = self.opened(open_registry, "error")
        for address in (_ADDRESS, _OTHER):
            handle = registry.register(_NAME, address)
            assert open_registry().lookup(_NAME) == address
            handle.revoke()
            with pytest.raises(LookupError):
                open_registry().lookup(_NAME)

    def test_a_name_is_held_for_longer_than_its_ttl(
        self, open_registry: OpenRegistry, held: ZmqHandle
    ) -> None:
        registry, until = open_registry(), time.monotonic() + 2 * self.ttl
        while time.monotonic() < until:
            assert registry.lookup(_NAME) == _ADDRESS
            time.sleep(0.05)

    def test_error_refuses_a_name_that_another_holds_with_its_address(
        self, open_registry: OpenRegistry, held: ZmqHandle
    ) -> None:
        began = time.monotonic()
        with pytest.raises(NameTakenError, match=_ADDRESS):
            self.opened(open_registry, "error").register(_NAME, _OTHER)
        assert time.monotonic() - began < self.ttl
        assert open_registry().lookup(_NAME) == _ADDRESS

    def test_wait_refuses_it_some_seconds_after_the_ttl(
        self, open_registry: OpenRegistry, held: ZmqHandle
    ) -> None:
        began = time.monotonic()
        with pytest.raises(NameTakenError, match=_ADDRESS):
            self.opened(open_registry, "wait").register(_NAME, _OTHER)
        assert self.ttl <= time.monotonic() - began
        assert open_registry().lookup(_NAME) == _ADDRESS

    def test_wait_gets_it_when_its_holder_revokes_it(
        self, open_registry: OpenRegistry, held: ZmqHandle
    ) -> None:
        waiting = self.opened(open_registry, "wait")
        handles: list[ZmqHandle] = []
        thread = threading.Thread(target=lambda: handles.append(waiting.register(_NAME, _OTHER)))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        held.revoke()
        thread.join(_SLACK)
        assert open_registry().lookup(_NAME) == _OTHER
        handles[0].revoke()

    def test_standby_gets_it_when_its_holder_revokes_it(
        self, open_registry: OpenRegistry, held: ZmqHandle
    ) -> None:
        standby = self.opened(open_registry, "standby").register(_NAME, _OTHER)
        assert open_registry().lookup(_NAME) == _ADDRESS
        held.revoke()
        wait_until(lambda: _address_of(open_registry, _NAME) == _OTHER, _SLACK)
        standby.revoke()

    def test_a_revoked_standby_does_not_affect_the_holder(
        self, open_registry: OpenRegistry, held: ZmqHandle
    ) -> None:
        self.opened(open_registry, "standby").register(_NAME, _OTHER).revoke()
        assert open_registry().lookup(_NAME) == _ADDRESS

    def test_the_name_of_a_killed_publisher_is_free_after_its_ttl_for_one_that_waits(
        self, open_registry: OpenRegistry
    ) -> None:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_hold, args=(open_registry, f"{self.ttl}s", theirs))
        process.start()
        try:
            assert ours.recv() == "registered"
            assert open_registry().lookup(_NAME) == _ADDRESS
        finally:
            process.kill()
            process.join()
            ours.close()
            theirs.close()
        killed = time.monotonic()
        handle = self.opened(open_registry, "wait").register(_NAME, _OTHER)
        assert time.monotonic() - killed < self.ttl + _SLACK
        assert open_registry().lookup(_NAME) == _OTHER
        handle.revoke()

    def test_exactly_one_of_several_that_claim_a_name_at_once_gets_it(
        self, open_registry: OpenRegistry
    ) -> None:
        registries = [self.opened(open_registry, "error") for _ in range(4)]
        at_once = threading.Barrier(len(registries))
        handles: list[ZmqHandle] = []
        refused: list[NameTakenError] = []

        def claim(registry: ZmqRegistry, port: int) -> None:
            at_once.wait()
            try:
                handles.append(registry.register(_NAME, f"tcp://127.0.0.1:{port}"))
            except NameTakenError as error:
                refused.append(error)

        for _ in range(50):
            threads = [
                threading.Thread(target=claim, args=(registry, 6_000 + n))
                for n, registry in enumerate(registries)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert (len(handles), len(refused)) == (1, len(registries) - 1)
            handles.pop().revoke()
            refused.clear()

    def test_many_names_share_their_threads(self, open_registry: OpenRegistry) -> None:
        registry = self.opened(open_registry, "error")
        before = threading.active_count()
        handles = [registry.register(f"{_NAME}-{n}", _ADDRESS) for n in range(50)]
        assert threading.active_count() - before < 10
        for handle in handles:
            handle.revoke()
        for n in range(50):
            with pytest.raises(LookupError):
                registry.lookup(f"{_NAME}-{n}")


class FollowedRegistryConformance(RegistryConformance):
    """What a registry must do that has `watch`, and whose names can be registered."""

    def test_a_watch_reports_a_name_that_comes_moves_and_goes(
        self, open_registry: OpenRegistry
    ) -> None:
        registry, watching = open_registry(), open_registry()
        assert isinstance(watching, WatchableRegistry)
        watch = watching.watch(_NAME)
        try:
            assert watch.address is None
            for address in (_ADDRESS, _OTHER):
                handle = registry.register(_NAME, address)
                wait_until(partial(_tells, watch, address), 2.0)
                handle.revoke()
            wait_until(partial(_tells, watch, None), 2.0)
        finally:
            watch.close()

    def test_a_watch_knows_a_name_registered_before_it(self, open_registry: OpenRegistry) -> None:
        handle = open_registry().register(_NAME, _ADDRESS)
        watching = open_registry()
        assert isinstance(watching, WatchableRegistry)
        watch = watching.watch(_NAME)
        try:
            wait_until(partial(_tells, watch, _ADDRESS), 2.0)
        finally:
            watch.close()
            handle.revoke()

    def test_a_watch_is_closed_within_a_second(self, open_registry: OpenRegistry) -> None:
        watching = open_registry()
        assert isinstance(watching, WatchableRegistry)
        watch = watching.watch(_NAME)
        began = time.monotonic()
        watch.close()
        assert time.monotonic() - began < 1.0


class KeyedRegistryConformance(RegistryConformance):
    """What a registry must do that stores public keys."""

    def keyed(self, open_registry: OpenRegistry) -> KeyedRegistry:
        """Return the registry, after a check that it stores keys."""
        registry = open_registry()
        assert isinstance(registry, KeyedRegistry)
        return registry

    def registered(self, registry: ZmqRegistry, registration: Registration) -> ZmqHandle:
        """Register a publisher with its key."""
        assert isinstance(registry, ClaimingRegistry)
        claim = registry.claim(registration)
        wait_until(lambda: claim.wait(0.1))
        return claim

    def test_a_key_is_found_beside_the_address_by_others(self, open_registry: OpenRegistry) -> None:
        keyed = Registration(_KEYED, _KEYED_ADDRESS, _KEY)
        handle = self.registered(open_registry(), keyed)
        assert open_registry().lookup(_KEYED) == _KEYED_ADDRESS
        assert self.keyed(open_registry).find(_KEYED) == keyed
        handle.revoke()

    def test_a_name_without_a_key_is_found_and_has_none(self, open_registry: OpenRegistry) -> None:
        handle = self.registered(open_registry(), Registration(_NAME, _ADDRESS))
        found = self.keyed(open_registry).find(_NAME)
        assert (found.address, found.public_key) == (_ADDRESS, None)
        handle.revoke()

    def test_a_name_that_nobody_has_registered_is_not_found(
        self, open_registry: OpenRegistry
    ) -> None:
        with pytest.raises(LookupError, match="weather"):
            self.keyed(open_registry).find("weather")


class HeldKeyedRegistryConformance(KeyedRegistryConformance):
    """What a registry must do that keeps a name, and its key, while its publisher lives."""

    def test_a_key_goes_with_its_name(self, open_registry: OpenRegistry) -> None:
        registry = self.keyed(open_registry)
        self.registered(registry, Registration(_NAME, _ADDRESS, _KEY)).revoke()
        with pytest.raises(LookupError, match=_NAME):
            registry.find(_NAME)

    def test_a_successor_has_a_key_of_its_own_or_none(self, open_registry: OpenRegistry) -> None:
        registry = self.keyed(open_registry)
        self.registered(registry, Registration(_NAME, _ADDRESS, _KEY)).revoke()
        for successor in (
            Registration(_NAME, _OTHER, _OTHER_KEY),
            Registration(_NAME, _ADDRESS),
        ):
            handle = self.registered(registry, successor)
            assert registry.find(_NAME) == successor
            handle.revoke()


def _address_of(open_registry: OpenRegistry, name: str) -> str | None:
    try:
        return open_registry().lookup(name)
    except LookupError:
        return None


def _tells(watch: ZmqWatch, address: str | None) -> bool:
    return watch.address == address


def _hold(open_registry: OpenRegistry, ttl: str, owner: Connection) -> None:
    open_registry(ttl=ttl, conflict="error").register(_NAME, _ADDRESS)
    owner.send("registered")
    threading.Event().wait()
