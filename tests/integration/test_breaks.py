"""Between which values a subscriber reports a lost connection: libzmq reports it ahead of waiting
data."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import zmq

from graphcore.testing import wait_until
from graphcore_zmq.read.connector import Connector
from graphcore_zmq.read.link import Link
from tests.integration.bare import Bare
from tests.integration.watching import Watching

pytestmark = [pytest.mark.zmq, pytest.mark.usefixtures("nothing_is_left_over")]


class Gates:
    """A codec that stops the subscriber's thread at some values until the test releases it."""

    name = "gates"

    def __init__(self, *values: bytes) -> None:
        self.gates = {value: threading.Event() for value in values}
        self.at: bytes | None = None

    def encode(self, value: bytes) -> bytes:
        return value

    def decode(self, payload: bytes) -> bytes:
        if payload in self.gates:
            self.at = payload
            assert self.gates[payload].wait(20)
        return payload

    def wait(self, value: bytes) -> None:
        wait_until(lambda: self.at == value)

    def open(self, value: bytes) -> None:
        self.gates[value].set()


def await_reconnection(port: int) -> None:
    """Return when a subscriber tries to connect again, so that its connection's end is known."""
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(20)
        server.accept()[0].close()


def told(subscriber: Watching) -> list[Any]:
    """Return statuses and values, one by one, in the order in which they came."""
    return [
        item for each in subscriber.told for item in (each if isinstance(each, list) else [each])
    ]


def test_values_of_a_killed_publisher_come_before_its_disconnection_even_after_a_gap(
    watching: Callable[..., Watching],
) -> None:
    publisher = Bare(1)
    gates = Gates(b"1:1")
    subscriber = watching(publisher.port, codec=gates)
    publisher.await_subscriber()
    publisher.send(2)
    gates.wait(b"1:1")
    publisher.sequence = 5
    publisher.send(2)
    publisher.close()
    await_reconnection(publisher.port)
    gates.open(b"1:1")
    wait_until(lambda: "disconnected" in subscriber.statuses)
    assert told(subscriber) == [
        *("connected", b"1:0", b"1:1"),
        *("gap", b"1:5", b"1:6", "disconnected"),
    ]


def test_values_of_a_publisher_killed_at_once_come_between_its_statuses(
    watching: Callable[..., Watching],
) -> None:
    first = Bare(1)
    gates = Gates(b"1:1", b"1:900")
    subscriber = watching(first.port, codec=gates)
    first.await_subscriber()
    values = first.send(1_000)  # more than the subscriber receives at once
    gates.wait(b"1:1")
    first.close()
    await_reconnection(first.port)
    second = Bare(2, first.port)
    with second.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) as monitor:
        assert monitor.poll(20_000)
    second.socket.disable_monitor()
    # libzmq's thread sends the subscriptions again while it processes values, after some of them.
    gates.open(b"1:1")
    second.await_subscriber()
    second.send(2)
    second.close()
    await_reconnection(first.port)
    gates.open(b"1:900")
    wait_until(lambda: subscriber.statuses.count("disconnected") == 2)
    assert told(subscriber) == [
        *("connected", *values, "disconnected"),
        *("connected", b"2:0", b"2:1", "disconnected"),
    ]


def test_values_of_a_running_publisher_come_after_its_connection(
    watching: Callable[..., Watching], monkeypatch: pytest.MonkeyPatch
) -> None:
    events, look = Link.events, Connector.look
    ends: list[bool] = []
    looking: list[bool] = []

    def looks(connector: Connector, link: Link, waited: float) -> None:
        looking.append(True)
        look(connector, link, waited)
        looking.clear()

    def late(link: Link) -> list[bool]:
        """Read events, but before the first value after an end too early: before its connection."""
        if len(ends) == 1:
            ends.append(False)
            if looking:
                assert link.socket.poll(20_000)
                return []
        seen = events(link)
        ends.extend(each for each in seen if not each)
        return seen

    monkeypatch.setattr(Link, "events", late)
    monkeypatch.setattr(Connector, "look", looks)
    first = Bare(1)
    subscriber = watching(first.port)
    first.await_subscriber()
    first.send(2)
    wait_until(lambda: subscriber.values)
    first.close()
    wait_until(lambda: "disconnected" in subscriber.statuses)
    # The same publisher, as if only the network had failed, and nothing was sent meanwhile.
    second = Bare(1, first.port, first.sequence)
    second.await_subscriber()
    second.send(2)
    wait_until(lambda: len(subscriber.values) == 4)
    second.close()
    assert told(subscriber)[:7] == [
        *("connected", b"1:0", b"1:1", "disconnected"),
        *("connected", b"1:2", b"1:3"),
    ]
