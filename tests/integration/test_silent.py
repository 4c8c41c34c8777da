"""Peers that connect and stay silent, and ports in use: nobody else is affected."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import zmq

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import LocalRegistry, NameNotFoundError, zmq_sub
from tests.integration.conftest import descriptors
from tests.integration.feeding import Feeding

pytestmark = [pytest.mark.zmq, pytest.mark.usefixtures("nothing_is_left_over")]

PEERS = 20
VALUES = [b"%d" % number for number in range(1_000)]


def native_threads() -> int:
    return len(os.listdir("/proc/self/task"))


@pytest.fixture
def feed(nothing_is_left_over: None) -> Iterator[Callable[..., Feeding]]:
    made: list[Feeding] = []

    def make(**options: Any) -> Feeding:
        made.append(Feeding(**options))
        return made[-1]

    yield make
    for each in made:
        each.end()


def callers(port: int, stack: ExitStack) -> None:
    """Connect and do nothing, not even the handshake."""
    for _ in range(PEERS):
        stack.enter_context(socket.create_connection(("127.0.0.1", port)))


def idlers(port: int, stack: ExitStack) -> None:
    """Connect and subscribe to nothing."""
    context: zmq.Context = zmq.Context()
    stack.callback(context.destroy, linger=0)
    for _ in range(PEERS):
        stack.enter_context(context.socket(zmq.SUB)).connect(f"tcp://127.0.0.1:{port}")


@pytest.mark.parametrize("on_full", ["drop", "block"])
@pytest.mark.parametrize(("connect", "peers"), [(callers, 0), (idlers, PEERS)])
def test_peers_that_say_nothing_to_a_publisher_change_nothing_for_its_subscriber(
    on_full, connect, peers, feed, watching
):
    feeding = feed(on_full=on_full, wait_for=1)
    with ExitStack() as stack:
        connect(feeding.port, stack)
        wait_until(lambda: feeding.publisher.stats().peers == peers)
        subscriber = watching(feeding.port, closes=True)
        feeding.send(*VALUES)
        wait_until(lambda: subscriber.values == VALUES)
        # A thread of its own counts the connections, which may be after the values are sent.
        wait_until(lambda: feeding.publisher.stats().peers == peers + 1)
        assert feeding.publisher.stats().subscriptions == 1
        # It ends while they are connected, and does not wait for them.
        feeding.end()
        subscriber.join()
    assert subscriber.statuses == ["connected", "disconnected"]


@pytest.mark.parametrize("connect", [callers, idlers])
def test_a_publisher_has_no_thread_for_peers_that_say_nothing_and_lets_go_of_those_that_leave(
    connect, feed, watching
):
    feeding = feed()
    subscriber = watching(feeding.port)
    feeding.send(b"first")
    wait_until(lambda: subscriber.values)
    threads, before = native_threads(), descriptors()
    with ExitStack() as stack:
        connect(feeding.port, stack)
        # Both ends of each connection are in this process.
        wait_until(lambda: descriptors() >= before + 2 * PEERS)
        if connect is callers:
            assert native_threads() == threads
    wait_until(lambda: descriptors() == before)
    feeding.send(b"last")
    wait_until(lambda: subscriber.values == [b"first", b"last"])
    assert subscriber.statuses == ["connected"]


def test_a_subscriber_waits_at_a_silent_server_and_finds_the_publisher_that_replaces_it(
    feed, watching
):
    other = feed()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        port = server.getsockname()[1]
        waiting, beside, ending = watching(port), watching(other.port), watching(port)
        with server.accept()[0], server.accept()[0]:
            other.send(*VALUES)
            wait_until(lambda: beside.values == VALUES)
            ending.end()
            assert waiting.statuses == ending.statuses == []
    after = feed(port=port)
    after.send(b"first")
    wait_until(lambda: waiting.values == [b"first"])
    assert waiting.statuses == ["connected"]


def test_a_subscriber_of_a_silent_publisher_is_connected_and_ends_when_told(bare, watching):
    subscriber = watching(bare().port)
    wait_until(lambda: subscriber.statuses == ["connected"])
    subscriber.end()
    assert subscriber.statuses == ["connected"] and subscriber.values == []


def test_a_port_in_use_is_reported_in_a_sentence_and_nothing_is_left(tmp_path):
    registry = LocalRegistry(tmp_path / "names.db")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        subscription = zmq_sub(("quotes", registry))
        publisher = gc.constant(1).zmq_pub(port, ("quotes", registry), bind="127.0.0.1")
        graph = gc.Graph(subscription.data.collect(), publisher)
        with pytest.raises(gc.RunError) as raised:
            graph.run(realtime=True)
        assert str(raised.value) == f"cannot bind tcp://127.0.0.1:{port}: Address already in use"
        with pytest.raises(NameNotFoundError):
            registry.lookup("quotes")
    # The same graph runs once the port is free.
    graph.run(realtime=True, duration="50ms")


def test_a_publisher_that_never_answers_is_not_taken_to_refuse(watching, monkeypatch):
    monkeypatch.setattr("graphcore_zmq.read.link._HANDSHAKE", 400)
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.settimeout(10)
        subscriber = watching(server.getsockname()[1])
        for _ in range(6):  # twice as often as a publisher has to hang up to count as refusing
            stack.enter_context(server.accept()[0])
        assert subscriber.statuses == []
        subscriber.end()
