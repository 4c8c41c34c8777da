"""Who may subscribe to a secured publisher, and how refusals are reported."""

import logging
import re
import socket as networking
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import zmq

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import Curve, CurveServer, ZmqPublisher, ZmqStatus, raw
from graphcore_zmq.socket.security import Gate
from graphcore_zmq.wire.frames import Tag, read_frame
from tests.integration.feeding import Feeding
from tests.integration.watching import Watching

pytestmark = [pytest.mark.zmq, pytest.mark.usefixtures("nothing_is_left_over")]

SERVER, SERVER_SECRET = (key.decode() for key in zmq.curve_keypair())
KNOWN, KNOWN_SECRET = (key.decode() for key in zmq.curve_keypair())
STRANGER, STRANGER_SECRET = (key.decode() for key in zmq.curve_keypair())


@gc.node
class Stop(gc.MutableNode[None]):
    source: gc.Active[list[str]]

    def cycle(self, state: gc.GraphState) -> bool:
        state.stop()
        return False


@contextmanager
def publishing(security: CurveServer | None, count: int = 1) -> Iterator[list[ZmqPublisher]]:
    """Run publishers of a counter in a graph, until the test is done with them."""
    done = threading.Event()
    stop = gc.receiver(lambda sender, ends: sender.send("stop") if done.wait(60) else None)
    numbers = gc.ticker("5ms").count().map(lambda n: b"%d" % n)
    publishers = [
        numbers.zmq_pub(0, codec=raw, bind="127.0.0.1", security=security) for _ in range(count)
    ]
    thread = threading.Thread(
        target=gc.Graph(*publishers, gc.Stream(Stop(stop))).run, kwargs={"realtime": True}
    )
    thread.start()
    try:
        wait_until(lambda: all(each.port for each in publishers))
        yield publishers
    finally:
        done.set()
        thread.join(30)
        assert not thread.is_alive()


Prepare = Callable[["zmq.Socket[bytes]"], None]


@contextmanager
def peer(port: int, prepare: Prepare) -> Iterator["zmq.Socket[bytes]"]:
    """A bare subscriber."""
    context = zmq.Context()
    try:
        socket = context.socket(zmq.SUB)
        prepare(socket)
        socket.subscribe(b"")
        socket.connect(f"tcp://127.0.0.1:{port}")
        yield socket
    finally:
        context.destroy(linger=0)


def plain(socket: "zmq.Socket[bytes]") -> None:
    pass


def with_password(socket: "zmq.Socket[bytes]") -> None:
    socket.plain_username, socket.plain_password = b"user", b"password"


def curve(server: str, public: str, secret: str) -> Prepare:
    def prepare(socket: "zmq.Socket[bytes]") -> None:
        socket.curve_serverkey = server.encode()
        socket.curve_publickey, socket.curve_secretkey = public.encode(), secret.encode()

    return prepare


known = curve(SERVER, KNOWN, KNOWN_SECRET)
stranger = curve(SERVER, STRANGER, STRANGER_SECRET)
another_publishers = curve(STRANGER, KNOWN, KNOWN_SECRET)


def gets_values(socket: "zmq.Socket[bytes]", patience: int) -> bool:
    return bool(socket.poll(patience)) and read_frame(socket.recv(), 1_000).tag is Tag.VALUE


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [each for each in caplog.records if each.levelno == logging.WARNING]
    return [each.getMessage() for each in records if "refused a subscriber" in each.getMessage()]


def test_a_client_on_the_list_gets_the_values(caplog):
    security = Curve.server(SERVER_SECRET, clients=[STRANGER, KNOWN])
    with publishing(security) as (publisher,), peer(publisher.port, known) as socket:
        assert gets_values(socket, 10_000)
        wait_until(lambda: publisher.stats().peers == 1)
    assert refusals(caplog) == []


@pytest.mark.parametrize("clients", [[KNOWN], []], ids=["others", "nobody"])
def test_a_client_that_is_not_on_the_list_is_refused_and_logged_with_its_address_and_key(
    caplog, clients
):
    with publishing(Curve.server(SERVER_SECRET, clients)) as (publisher,):
        with peer(publisher.port, stranger) as socket:
            wait_until(lambda: refusals(caplog))
            assert not gets_values(socket, 300)
        assert (publisher.stats().peers, publisher.stats().subscriptions) == (0, 0)
    (message,) = refusals(caplog)
    assert "at 127.0.0.1: " in message and f"key {STRANGER} is not in the list" in message


def test_nobody_is_on_the_list_unless_named():
    assert Curve.server(SERVER_SECRET).clients == frozenset()


@pytest.mark.parametrize("clients", [[KNOWN], Curve.ANYONE], ids=["list", "anyone"])
@pytest.mark.parametrize("prepare", [plain, with_password, another_publishers])
def test_a_subscriber_without_curve_is_refused_and_logged(caplog, prepare, clients):
    with publishing(Curve.server(SERVER_SECRET, clients)) as (publisher,):
        with peer(publisher.port, prepare) as socket:
            wait_until(lambda: refusals(caplog))
            assert not gets_values(socket, 300)
        assert (publisher.stats().peers, publisher.stats().subscriptions) == (0, 0)
    assert "does not use CURVE, or uses another public key" in refusals(caplog)[0]


def test_anyone_who_knows_the_publishers_key_may_be_let_in():
    security = Curve.server(SERVER_SECRET, clients=Curve.ANYONE)
    with publishing(security) as (publisher,), peer(publisher.port, stranger) as socket:
        assert gets_values(socket, 10_000)


def test_a_refused_peer_is_logged_once_and_disturbs_nobody(caplog):
    with publishing(Curve.server(SERVER_SECRET, clients=[KNOWN])) as (publisher,):
        with peer(publisher.port, known) as socket:
            assert gets_values(socket, 10_000)
            for _ in range(10):
                # It is refused again and again, each time it tries.
                with peer(publisher.port, stranger):
                    pass
            with peer(publisher.port, another_publishers) as other:
                other.poll(500)
            assert gets_values(socket, 10_000)
        wait_until(lambda: publisher.stats().peers == 0)
    told = [re.search(r"at (\S+)", each) for each in refusals(caplog)]
    addresses = [each[1] for each in told if each]
    assert len(addresses) == len(set(addresses)) and "127.0.0.1:" in addresses


def test_publishers_of_one_graph_have_a_gate_each(caplog):
    security = Curve.server(SERVER_SECRET, clients=[KNOWN])
    with publishing(security, count=3) as publishers:
        for publisher in publishers:
            with peer(publisher.port, known) as socket, peer(publisher.port, stranger) as other:
                assert gets_values(socket, 10_000)
                assert not gets_values(other, 100)
    assert len(refusals(caplog)) == 3


def test_without_an_answer_from_the_gate_nobody_gets_in():
    context = zmq.Context()
    gate = Gate("quotes", Curve.server(SERVER_SECRET, clients=Curve.ANYONE), context)
    socket = context.socket(zmq.XPUB)
    gate.guard(socket)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    gate.close()
    with peer(port, known):
        assert not socket.poll(500)
    context.destroy(linger=0)


def test_a_run_that_fails_leaves_nothing_of_its_security():
    security = Curve.server(SERVER_SECRET, clients=[KNOWN])
    publisher = gc.ticker("1ms").map(lambda _: 1 / 0).zmq_pub(0, security=security)
    with pytest.raises(ZeroDivisionError):
        publisher.run(realtime=True)


def test_an_address_that_cannot_be_bound_leaves_nothing_of_its_security():
    security = Curve.server(SERVER_SECRET, clients=[KNOWN])
    with networking.create_server(("127.0.0.1", 0)) as taken:
        publisher = gc.never().zmq_pub(taken.getsockname()[1], bind="127.0.0.1", security=security)
        with pytest.raises(gc.RunError, match="Address already in use"):
            publisher.run(realtime=True)


def test_a_secured_graph_runs_again():
    security = Curve.server(SERVER_SECRET, clients=[KNOWN])
    publisher = gc.from_iterable([b"1"]).zmq_pub(
        0, codec=raw, bind="127.0.0.1", wait_for=1, security=security
    )
    graph = gc.Graph(publisher)
    for _ in range(2):
        publisher.node.port = 0
        thread = threading.Thread(target=graph.run, kwargs={"realtime": True})
        thread.start()
        wait_until(lambda: publisher.port)
        with peer(publisher.port, known) as socket:
            assert gets_values(socket, 10_000)
            thread.join(30)
    assert not thread.is_alive()


def test_a_refused_subscriber_is_logged_again_after_ten_seconds(caplog, monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr("graphcore_zmq.socket.security.time.monotonic", lambda: now[0])
    context = zmq.Context()
    gate = Gate("quotes", Curve.server(SERVER_SECRET), context)
    told = []
    for at, host in [
        (0, "10.0.0.1"),
        (9, "10.0.0.1"),
        (9, "10.0.0.2"),
        (11, "10.0.0.1"),
        (12, None),
    ]:
        now[0] = 1_000.0 + at
        caplog.clear()
        gate.failed(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, host)
        told.append(len(refusals(caplog)))
    assert told == [1, 0, 1, 1, 1]
    assert "at an unknown address" in refusals(caplog)[0]
    gate.close()
    context.destroy(linger=0)


# Subscribers of graphcore


@contextmanager
def watching(port: int, **options: Any) -> Iterator[Watching]:
    subscriber = Watching(port, **options)
    try:
        yield subscriber
    finally:
        subscriber.end()


def test_a_subscriber_on_the_list_gets_everything():
    security = Curve.server(SERVER_SECRET, clients=[KNOWN])
    feeding = Feeding(security=security, wait_for=1)
    with watching(feeding.port, security=Curve.client(SERVER, KNOWN_SECRET)) as subscriber:
        feeding.send(*(b"%d" % n for n in range(1_000)))
        wait_until(lambda: len(subscriber.values) == 1_000)
        feeding.end()
        wait_until(lambda: subscriber.statuses == ["connected", "disconnected"])
    assert subscriber.subscription.stats().lost == 0


@pytest.mark.parametrize(
    ("server", "client"),
    [
        (Curve.server(SERVER_SECRET, [KNOWN]), Curve.client(SERVER, STRANGER_SECRET)),
        (Curve.server(SERVER_SECRET, [KNOWN]), Curve.client(STRANGER, KNOWN_SECRET)),
        (Curve.server(SERVER_SECRET, [KNOWN]), None),
        (None, Curve.client(SERVER, KNOWN_SECRET)),
    ],
    ids=["unknown", "wrong server", "plain", "secured at a plain publisher"],
)
def test_a_subscriber_that_is_refused_says_so_and_gets_nothing(caplog, server, client):
    with publishing(server) as (publisher,):
        with watching(publisher.port, security=client) as subscriber:
            wait_until(lambda: subscriber.statuses)
            assert subscriber.statuses == [ZmqStatus.REFUSED] and subscriber.values == []
            assert "the publisher refuses this subscriber because" in caplog.text
            assert subscriber.subscription.stats().peers == 0
        assert publisher.stats().subscriptions == 0


def test_a_refused_subscriber_tries_again_and_gets_in_where_it_is_known_by_then(
    caplog, monkeypatch
):
    monkeypatch.setattr("graphcore_zmq.read.connector._RETRY", 0.5)
    client = Curve.client(SERVER, KNOWN_SECRET)
    with publishing(Curve.server(SERVER_SECRET)) as (publisher,):
        port = publisher.port
        subscriber = Watching(port, security=client, on_end="follow")
        wait_until(lambda: subscriber.statuses)
    try:
        feeding = Feeding(port=port, security=Curve.server(SERVER_SECRET, [KNOWN]), wait_for=1)
        feeding.send(b"1")
        wait_until(lambda: subscriber.values)
        assert subscriber.statuses == ["refused", "connected"]
        feeding.end()
    finally:
        subscriber.end()


def test_a_refused_subscriber_is_told_once_and_tries_with_a_fresh_socket(monkeypatch):
    monkeypatch.setattr("graphcore_zmq.read.connector._RETRY", 0.1)
    tried = []
    asked = Gate.callback
    monkeypatch.setattr(
        Gate, "callback", lambda self, domain, key: tried.append(key) or asked(self, domain, key)
    )
    with publishing(Curve.server(SERVER_SECRET, [KNOWN])) as (publisher,):
        client = Curve.client(SERVER, STRANGER_SECRET)
        with watching(publisher.port, security=client) as subscriber:
            wait_until(lambda: len(tried) >= 4)
            assert subscriber.statuses == [ZmqStatus.REFUSED]


def test_a_publisher_that_restarts_is_found_again_by_its_known_subscriber():
    security = Curve.server(SERVER_SECRET, clients=[KNOWN])
    client = Curve.client(SERVER, KNOWN_SECRET)
    feeding = Feeding(security=security, wait_for=1)
    port = feeding.port
    with watching(port, security=client, on_end="follow") as subscriber:
        feeding.send(b"1")
        wait_until(lambda: subscriber.values)
        feeding.end()
        again = Feeding(port=port, security=security, wait_for=1)
        again.send(b"2")
        wait_until(lambda: len(subscriber.values) == 2)
        again.end()
    assert subscriber.values == [b"1", b"2"]
    assert "refused" not in subscriber.statuses


def test_topics_and_the_last_value_go_encrypted_as_well():
    security = Curve.server(SERVER_SECRET, clients=Curve.ANYONE)
    client = Curve.client(SERVER, STRANGER_SECRET)
    feeding = Feeding(
        security=security, last_value=True, topic=lambda value: value.decode()[0], keep_for="1ms"
    )
    feeding.send(b"a1", b"b1")
    with watching(feeding.port, topics=["a"], security=client) as subscriber:
        wait_until(lambda: subscriber.values)
        assert subscriber.values == [("a", b"a1")]
    feeding.end()
