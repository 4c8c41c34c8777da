"""Publishers that are replaced or killed, and their standbys, found by name in each kind of
registry."""

import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from graphcore.testing import wait_until
from graphcore_zmq import ZmqStatus
from tests.integration.programs import REGISTRIES
from tests.integration.watching import Watching

pytestmark = pytest.mark.zmq

CONNECTED, DISCONNECTED = ZmqStatus.CONNECTED, ZmqStatus.DISCONNECTED
TTL = 2


class Place:
    """A registry for this process and for others.

    Args:
        kind: the registry's, as `programs.py` calls it.
        where: its file or endpoint.
    """

    def __init__(self, kind: str, where: str) -> None:
        self.kind, self.where = kind, where

    def registry(self) -> Any:
        return REGISTRIES[self.kind](self.where)

    def address(self) -> str:
        """Return the address under the name, "" if there is none."""
        address: str = self.registry().names().get("quotes", "")
        return address


ETCD = pytest.param("etcd", marks=pytest.mark.etcd)


@pytest.fixture(params=["local", ETCD])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "etcd":
        return Place("etcd", request.getfixturevalue("etcd").url)
    return Place("local", str(tmp_path / "names.db"))


@pytest.fixture
def registered(publish: Any, place: Place) -> Any:
    def start(conflict: str = "wait", **options: Any) -> Any:
        registry = [place.kind, place.where, {"ttl": f"{TTL}s", "conflict": conflict}]
        return publish(registered="quotes", registry=registry, **options)

    return start


@pytest.fixture
def watching(place: Place) -> Any:
    seen = Watching(("quotes", place.registry()))
    yield seen
    seen.end()


def parts(seen: Watching) -> list[list[int]]:
    """Return the numbers received in each connection."""
    found: list[list[int]] = []
    for told in seen.told:
        if told == CONNECTED:
            found.append([])
        elif isinstance(told, list):
            found[-1] += map(int, told)
    return found


@pytest.mark.parametrize(
    "place", [pytest.param("local", marks=pytest.mark.thorough), ETCD], indirect=True
)
def test_ten_rolling_replacements_lose_no_value_that_was_sent(registered, watching, place):
    sent = []
    ports = set()
    # All at once, because a process may be slow to start.
    publishers = [registered(period="1ms", hold=True) for _ in range(11)]
    for n, publisher in enumerate(publishers):
        publisher.go_on()
        ports.add(publisher.line_with("port")["port"])
        wait_until(lambda n=n: len(parts(watching)) == n + 1 and len(parts(watching)[n]) > 20)
        publisher.process.send_signal(signal.SIGTERM)
        sent.append(publisher.line_with("sent")["sent"])
    wait_until(lambda: watching.statuses == [CONNECTED, DISCONNECTED] * 11)
    for count, numbers in zip(sent, parts(watching), strict=True):
        # Values that expired before the subscriber came were not sent.
        assert numbers == list(range(numbers[0], numbers[0] + count))
    assert len(ports) > 1
    assert watching.subscription.stats().lost == 0
    assert place.registry().names() == {}


def test_a_successor_that_stands_by_takes_over_without_a_value_lost(registered, watching):
    first = registered(period="1ms", conflict="standby")
    first.line_with("port")
    wait_until(lambda: len(watching.values) > 20)
    second = registered(period="1ms", conflict="standby")
    second.line_with("port")
    first.process.send_signal(signal.SIGTERM)
    sent = first.line_with("sent")["sent"]
    wait_until(lambda: len(parts(watching)) == 2 and len(parts(watching)[1]) > 20)
    second.process.send_signal(signal.SIGTERM)
    sent_then = second.line_with("sent")["sent"]
    wait_until(lambda: watching.statuses == [CONNECTED, DISCONNECTED] * 2)
    numbers, numbers_then = parts(watching)
    assert numbers == list(range(numbers[0], numbers[0] + sent))
    assert numbers_then == list(range(numbers_then[0], numbers_then[0] + sent_then))


def test_a_killed_publisher_is_followed_by_its_standby_within_the_ttl_and_two_seconds(
    registered, watching
):
    active = registered(period="1ms")
    active.line_with("port")
    wait_until(lambda: watching.values)
    standby = registered(period="1ms", conflict="standby")
    standby.line_with("port")
    active.process.kill()
    wait_until(lambda: len(parts(watching)) == 2 and parts(watching)[1], TTL + 2)
    assert watching.statuses == [CONNECTED, DISCONNECTED, CONNECTED]


def test_a_killed_publisher_that_is_restarted_a_second_later_comes_back(
    registered, watching, place
):
    killed = registered(period="1ms")
    port = killed.line_with("port")["port"]
    wait_until(lambda: watching.values)
    killed.process.kill()
    threading.Event().wait(1)
    restarted = registered(period="1ms")
    assert restarted.line_with("port")["port"] != port
    address = f"tcp://127.0.0.1:{port}"
    wait_until(lambda: place.address() not in ("", address))
    wait_until(lambda: len(parts(watching)) == 2 and parts(watching)[1], 2)
    assert watching.statuses == [CONNECTED, DISCONNECTED, CONNECTED]


def test_a_publisher_under_another_port_is_followed_within_two_seconds_of_its_registration(
    registered, watching, place
):
    first = registered(period="1ms")
    first.line_with("port")
    wait_until(lambda: watching.values)
    first.process.send_signal(signal.SIGTERM)
    first.line_with("sent")
    assert place.address() == ""
    second = registered(period="1ms")
    wait_until(place.address, 60)  # as long as a process may take to start
    wait_until(lambda: len(parts(watching)) == 2 and parts(watching)[1], 2)
    second.process.send_signal(signal.SIGTERM)
