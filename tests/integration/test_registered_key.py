"""A publisher's public key, which its subscribers find in the registry beside its address."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import (
    Curve,
    EtcdRegistry,
    LocalRegistry,
    NameNotFoundError,
    Registration,
    RegistryError,
    StaticRegistry,
    ZmqStatus,
    zmq_sub,
)
from tests.integration.etcd_server import EtcdServer
from tests.integration.feeding import Feeding
from tests.integration.watching import Watching

pytestmark = [pytest.mark.zmq, pytest.mark.usefixtures("nothing_is_left_over")]

CONNECTED, DISCONNECTED = ZmqStatus.CONNECTED, ZmqStatus.DISCONNECTED
FIRST, FIRST_SECRET = (key.decode() for key in zmq.curve_keypair())
SECOND, SECOND_SECRET = (key.decode() for key in zmq.curve_keypair())
KNOWN, KNOWN_SECRET = (key.decode() for key in zmq.curve_keypair())
CLIENT = Curve.client(secret_key=KNOWN_SECRET)
HERE = "tcp://127.0.0.1:5001"


@pytest.fixture(params=["local", pytest.param("etcd", marks=pytest.mark.etcd)])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    """Make another registry object for the same names."""
    if request.param == "local":
        return lambda: LocalRegistry(tmp_path / "names.db")
    url = request.getfixturevalue("etcd").url
    return lambda: EtcdRegistry(url)


def secured(registry: Any, secret: str) -> Feeding:
    return Feeding(registration=("quotes", registry), security=Curve.server(secret, [KNOWN]))


def test_the_key_is_taken_from_the_registry_also_after_a_move(registry, watching):
    seen = watching(("quotes", registry()), security=CLIENT)
    for n, secret in enumerate((FIRST_SECRET, SECOND_SECRET), 1):
        publisher = secured(registry(), secret)
        publisher.send(b"%d" % n)
        wait_until(lambda n=n: len(seen.values) == n)
        publisher.end()
        wait_until(lambda n=n: seen.statuses == [CONNECTED, DISCONNECTED] * n)
    assert seen.values == [b"1", b"2"]


def test_a_successor_at_the_same_address_may_have_another_key(registry, watching):
    first = secured(registry(), FIRST_SECRET)
    port = first.port
    seen = watching(("quotes", registry()), security=CLIENT)
    wait_until(lambda: seen.statuses == [CONNECTED])
    first.end()
    wait_until(lambda: seen.statuses == [CONNECTED, DISCONNECTED])
    second = Feeding(
        port=port,
        registration=("quotes", registry()),
        security=Curve.server(SECOND_SECRET, [KNOWN]),
    )
    second.send(b"again")
    # Its socket may have connected with the old key to the new publisher, and been refused.
    wait_until(lambda: seen.values == [b"again"], 30)
    second.end()


def test_a_publisher_without_a_key_is_waited_for_until_one_with_a_key_comes(
    registry, watching, caplog
):
    plain = Feeding(registration=("quotes", registry()))
    seen = watching(("quotes", registry()), security=CLIENT)
    wait_until(lambda: "no public key of 'quotes'" in caplog.text)
    with pytest.raises(TimeoutError):
        wait_until(lambda: caplog.text.count("no public key of 'quotes'") > 1, 1)
    plain.end()
    publisher = secured(registry(), FIRST_SECRET)
    publisher.send(b"1")
    wait_until(lambda: seen.values == [b"1"])
    publisher.end()
    assert seen.statuses[0] == CONNECTED


def test_error_takes_a_registered_key(registry, watching):
    publisher = secured(registry(), FIRST_SECRET)
    publisher.send(b"1")
    seen = watching(("quotes", registry()), security=CLIENT, missing="error")
    wait_until(lambda: seen.values == [b"1"])
    publisher.end()


def test_error_fails_in_start_without_a_key(registry):
    names = registry()
    handle = names.register("quotes", HERE)
    data, _ = zmq_sub(("quotes", names), security=CLIENT, missing="error")
    with pytest.raises(NameNotFoundError, match=f"no public key of 'quotes' at {HERE} found in"):
        data.run(realtime=True)
    handle.revoke()


def test_an_invalid_key_is_logged_once_and_waited_out(registry, watching, caplog):
    names = registry()
    publisher = Feeding(security=Curve.server(FIRST_SECRET, [KNOWN]))
    address = f"tcp://127.0.0.1:{publisher.port}"
    handle = names.register("quotes", address, "no key")
    seen = watching(("quotes", registry()), security=CLIENT)
    wait_until(lambda: "a public key is 40 characters" in caplog.text)
    data, _ = zmq_sub(("quotes", names), security=CLIENT, missing="error")
    with pytest.raises(
        RegistryError, match="the public key of 'quotes' in .* is invalid: .*not 'no key'"
    ):
        data.run(realtime=True)
    with pytest.raises(TimeoutError):
        wait_until(lambda: caplog.text.count("a public key is 40 characters") > 1, 1)
    handle.revoke()
    handle = names.register("quotes", address, FIRST)
    publisher.send(b"1")
    wait_until(lambda: seen.values == [b"1"])
    handle.revoke()
    publisher.end()


def test_another_publishers_key_is_refused_until_it_is_corrected(registry, watching):
    names = registry()
    publisher = Feeding(security=Curve.server(FIRST_SECRET, [KNOWN]))
    address = f"tcp://127.0.0.1:{publisher.port}"
    handle = names.register("quotes", address, SECOND)
    seen = watching(("quotes", registry()), security=CLIENT)
    wait_until(lambda: seen.statuses == [ZmqStatus.REFUSED])
    handle.revoke()
    handle = names.register("quotes", address, FIRST)
    publisher.send(b"1")
    wait_until(lambda: seen.values == [b"1"], 30)
    handle.revoke()
    publisher.end()


def test_a_given_key_is_not_looked_up(registry, watching):
    names = registry()
    publisher = Feeding(security=Curve.server(FIRST_SECRET, [KNOWN]))
    handle = names.register("quotes", f"tcp://127.0.0.1:{publisher.port}", SECOND)
    client = Curve.client(FIRST, KNOWN_SECRET)
    seen = watching(("quotes", registry()), security=client)
    publisher.send(b"1")
    wait_until(lambda: seen.values == [b"1"])
    handle.revoke()
    publisher.end()


def test_a_static_registry_may_have_the_key_beside_the_address(watching):
    publisher = Feeding(security=Curve.server(FIRST_SECRET, [KNOWN]))
    names = StaticRegistry({"quotes": (f"tcp://127.0.0.1:{publisher.port}", FIRST)})
    seen = watching(("quotes", names), security=CLIENT)
    publisher.send(b"1")
    wait_until(lambda: seen.values == [b"1"])
    publisher.end()


class SilentRegistry:
    """Knows the address, but does not return the key until the test releases it."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.asked = threading.Event()

    def register(self, name: str, address: str) -> Any:
        raise NotImplementedError

    def lookup(self, name: str) -> str:
        return HERE

    def find(self, name: str) -> Registration:
        self.asked.set()
        self.answer.wait(30)
        raise KeyError(name)


@pytest.mark.parametrize("missing", ["wait", "error"])
def test_a_registry_that_does_not_answer_for_the_key_does_not_delay_the_end_of_a_run(missing):
    registry = SilentRegistry()
    data, _ = zmq_sub(("quotes", registry), security=CLIENT, missing=missing)
    try:
        report = data.run(realtime=True, duration="500ms")
        assert report.ended_by == "until"
        assert registry.asked.is_set()
        assert report.wall_time < 3_000_000_000
    finally:
        registry.answer.set()


# Contents of etcd


@pytest.mark.etcd
def test_the_key_is_beside_the_address_under_one_lease(etcd: EtcdServer) -> None:
    registry = EtcdRegistry(etcd.url, prefix="/feeds/")
    handle = registry.register("quotes", HERE, FIRST)
    assert etcd.value("/feeds/quotes") == HERE
    assert etcd.value("/feeds/quotes/public-key") == FIRST
    (lease,) = etcd.leases()
    assert registry.names() == {"quotes": HERE}
    etcd.ctl("lease", "revoke", lease)
    wait_until(lambda: etcd.value("/feeds/quotes/public-key") == FIRST)
    assert etcd.value("/feeds/quotes") == HERE
    handle.revoke()
    assert etcd.ctl("get", "--prefix", "") == ""


@pytest.mark.etcd
def test_a_name_that_ends_like_a_key_is_refused(etcd: EtcdServer) -> None:
    with pytest.raises(gc.InvalidValueError, match="'quotes/public-key' cannot be a name"):
        EtcdRegistry(etcd.url).register("quotes/public-key", HERE)


@pytest.mark.etcd
def test_a_standby_registers_its_key_when_it_takes_the_name(
    etcd: EtcdServer, watching: Callable[..., Watching]
) -> None:
    def start(secret: str) -> Feeding:
        return secured(EtcdRegistry(etcd.url, conflict="standby"), secret)

    first = start(FIRST_SECRET)
    wait_until(lambda: etcd.value("quotes") == first.publisher.address)
    second = start(SECOND_SECRET)
    seen = watching(("quotes", EtcdRegistry(etcd.url)), security=CLIENT)
    first.send(b"1")
    wait_until(lambda: seen.values == [b"1"])
    first.end()
    second.send(b"2")
    wait_until(lambda: seen.values == [b"1", b"2"])
    assert etcd.value("quotes/public-key") == SECOND
    second.end()
