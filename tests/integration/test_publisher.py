"""Values that a publisher keeps, the name it registers and its end, seen from bare sockets."""

import logging
import signal
import socket as networking
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import zmq

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import SocketOptions, ZmqPublisher, raw, zmq_sub
from graphcore_zmq.wire.frames import Tag, read_frame
from graphcore_zmq.wire.signs import SIGNING

pytestmark = pytest.mark.zmq


@pytest.fixture
def running() -> Iterator[Callable[..., threading.Thread]]:
    """Run graphs in threads, and check that all of them end."""
    threads: list[threading.Thread] = []

    def start(run: Callable[..., Any], **options: Any) -> threading.Thread:
        threads.append(threading.Thread(target=lambda: run(realtime=True, **options)))
        threads[-1].start()
        return threads[-1]

    yield start
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def peer() -> Iterator[zmq.Socket[bytes]]:
    """A subscriber without graphcore."""
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.subscribe(b"")
    socket.set(zmq.RCVTIMEO, 10_000)
    yield socket
    context.destroy(linger=0)


def frames(peer: zmq.Socket[bytes], patience: int = 300) -> list[tuple[Tag, list[bytes]]]:
    """Return the frames that arrive until there is none for this time (ms)."""
    seen = []
    while peer.poll(patience):
        tag, payloads, _ = read_frame(peer.recv(), 1)
        seen.append((tag, payloads))
    return seen


def connect(peer: zmq.Socket[bytes], publisher: ZmqPublisher) -> None:
    wait_until(lambda: publisher.port)
    peer.connect(f"tcp://127.0.0.1:{publisher.port}")


def test_the_last_values_up_to_the_count_are_kept_for_the_first_subscriber(running, peer):
    values = gc.from_iterable([b"%d" % n for n in range(10)])
    publisher = values.zmq_pub(0, bind="127.0.0.1", codec=raw, keep_count=3, keep_for="20s")
    running(publisher.run)
    wait_until(lambda: publisher.stats().expired == 7)
    assert publisher.stats().kept == 3
    connect(peer, publisher)
    assert frames(peer) == [(Tag.VALUE, [n]) for n in (b"7", b"8", b"9")] + [
        (Tag.END_OF_STREAM, [])
    ]


def test_a_publisher_logs_where_it_listens_once_it_is_bound(caplog):
    with caplog.at_level(logging.INFO, logger="graphcore_zmq"):
        publisher = gc.constant(1).zmq_pub(0, bind="127.0.0.1", keep_for=0)
        publisher.run(realtime=True)
    first = caplog.records[0]
    assert first.getMessage() == (
        f"{publisher.node.name}: publishing at tcp://127.0.0.1:{publisher.port}"
    )
    assert first.levelname == "INFO"
    assert publisher.port


def test_a_run_ended_by_a_signal_does_not_give_kept_values_their_time():
    def interrupt(value: int) -> None:
        signal.raise_signal(signal.SIGTERM)

    source = gc.constant(1)
    publisher = source.zmq_pub(0, bind="127.0.0.1", keep_for="1min")
    report = gc.Graph(publisher, source.for_each(interrupt)).run(realtime=True)
    assert report.ended_by == "signal"
    assert publisher.stats().expired == 1
    assert report.wall_time < 30_000_000_000


def test_a_failed_run_sends_no_end_of_stream(running, peer, caplog):
    def fail(value: bytes) -> bytes:
        if value == b"2":
            raise LookupError("the feed broke")
        return value

    def run(realtime: bool) -> None:
        with pytest.raises(LookupError):
            gc.Graph(publisher).run(realtime=realtime)

    values = gc.from_iterable([b"1", b"2"], period="200ms").map(fail)
    publisher = values.zmq_pub(0, bind="127.0.0.1", codec=raw, wait_for=1)
    failing = running(run)
    connect(peer, publisher)
    assert frames(peer, 1_000) == [(Tag.VALUE, [b"1"])]
    failing.join(30)
    assert "the run failed; subscribers that lose what they have not read: 1" in caplog.text


def test_subscriptions_and_peers_are_counted_as_they_come_and_go(running):
    stop = threading.Event()
    ended = gc.receiver(lambda sender, ends: sender.send("stop") if stop.wait(20) else None)
    publisher = gc.ticker("5ms").zmq_pub(0, bind="127.0.0.1")
    running(gc.Graph(publisher, gc.Stream(Stops(ended))).run)
    wait_until(lambda: publisher.port)

    def counts() -> tuple[int, int]:
        return publisher.stats().peers, publisher.stats().subscriptions

    context = zmq.Context()
    try:
        peers = []
        for _ in range(2):
            peers.append(context.socket(zmq.SUB))
            peers[-1].subscribe(b"")
            connect(peers[-1], publisher)
        wait_until(lambda: counts() == (2, 2))
        peers[0].close(linger=0)
        wait_until(lambda: counts() == (1, 1))
        stop.set()
        wait_until(lambda: counts() == (0, 0))
    finally:
        stop.set()
        context.destroy(linger=0)


@gc.node
class Stops(gc.MutableNode[None]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        state.stop()
        return False


def test_a_client_that_fails_the_handshake_is_not_a_peer(running, peer):
    publisher = gc.from_iterable([b"1"]).zmq_pub(0, bind="127.0.0.1", codec=raw, wait_for=1)
    running(publisher.run)
    wait_until(lambda: publisher.port)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32)
    for said in (b"", b"\xff", greeting):
        with networking.create_connection(("127.0.0.1", publisher.port)) as stranger:
            stranger.sendall(said)
            stranger.shutdown(networking.SHUT_WR)
            while stranger.recv(1_000):  # until the publisher gives up on it
                pass
    assert (publisher.stats().peers, publisher.stats().sent) == (0, 0)
    connect(peer, publisher)
    wait_until(lambda: publisher.stats().sent == 1)
    assert frames(peer) == [(Tag.VALUE, [b"1"]), (Tag.END_OF_STREAM, [])]


def test_a_subscriber_that_follows_does_not_delay_the_end_of_its_publisher(running):
    options = SocketOptions(linger="10min", peer_timeout=None)
    publisher = gc.from_iterable(range(10)).zmq_pub(
        0, bind="127.0.0.1", wait_for=1, options=options
    )
    publishing = running(publisher.run)
    wait_until(lambda: publisher.port)
    out = zmq_sub(publisher.port, on_end="follow").data.unroll().collect()
    stop = threading.Event()
    ended = gc.receiver(lambda sender, ends: sender.send("stop") if stop.wait(60) else None)
    following = running(gc.Graph(out, gc.Stream(Stops(ended))).run)
    publishing.join(30)
    try:
        assert not publishing.is_alive() and following.is_alive()
        # The last frame was read; the graph that takes what came before it is not yet through.
        wait_until(lambda: len(out) == 10)
    finally:
        stop.set()
    following.join(30)
    assert out.values == list(range(10))


@contextmanager
def signing(publisher: ZmqPublisher) -> Iterator[zmq.Socket[bytes]]:
    """A subscriber that promises signs of life and sends none."""
    context = zmq.Context()
    try:
        peer = context.socket(zmq.XSUB)
        peer.connect(f"tcp://127.0.0.1:{publisher.port}")
        for message in (b"\1" + SIGNING, b"\1"):
            peer.send(message)
        yield peer
    finally:
        context.destroy(linger=0)


def test_a_subscriber_that_promises_signs_of_life_and_sends_none_is_disconnected(running, caplog):
    options = SocketOptions(peer_timeout="300ms")
    values = gc.ticker("10ms").count()
    publisher = values.zmq_pub(0, bind="127.0.0.1", options=options)
    running(publisher.run, cycles=200)
    wait_until(lambda: publisher.port)
    with signing(publisher):
        wait_until(lambda: "a subscriber no longer answers; closing its connection" in caplog.text)


def test_a_subscriber_that_has_not_read_all_when_the_linger_is_over_is_logged(running, caplog):
    options = SocketOptions(linger="100ms")
    publisher = gc.constant(1).zmq_pub(0, bind="127.0.0.1", wait_for=1, options=options)
    run = running(publisher.named("quotes").run)
    wait_until(lambda: publisher.port)
    with signing(publisher):
        run.join(30)
    said = "quotes: the linger is over; subscribers that have not read everything: 1"
    assert said in caplog.text


def test_a_stepped_wall_clock_loses_no_kept_value(feeding, peer, monkeypatch):
    publisher = feeding(keep_for="1min")
    publisher.send(b"1")
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3_600 * 10**9)
    peer.connect(f"tcp://127.0.0.1:{publisher.port}")
    assert read_frame(peer.recv(), 1).payloads == [b"1"]
    # It is counted once it has been sent, which the peer may see before.
    wait_until(lambda: publisher.publisher.stats().sent == 1)
    assert publisher.publisher.stats().expired == 0


def test_a_subscriber_that_comes_while_a_publisher_waits_at_its_end_sees_the_end(running):
    options = SocketOptions(linger="1min", peer_timeout=None)
    publisher = gc.constant(1).zmq_pub(0, bind="127.0.0.1", wait_for=1, options=options)
    running(publisher.run)
    wait_until(lambda: publisher.port)
    with signing(publisher) as waited_for:
        while read_frame(waited_for.recv(), 1).tag is not Tag.END_OF_STREAM:
            pass
        states = zmq_sub(publisher.port).status.collect()
        report = states.run(realtime=True, duration="20s")
    assert report.ended_by == "sources"
    assert states.values == ["connected", "disconnected"]


class Registry:
    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def register(self, name: str, address: str) -> "Registry":
        self.names[name] = address
        return self

    def lookup(self, name: str) -> str:
        return self.names[name]

    def revoke(self) -> None:
        raise OSError("the registry is down")


def test_the_bound_or_the_advertised_address_is_registered():
    registry = Registry()
    bound = gc.never().zmq_pub(0, ("bound", registry), bind="127.0.0.1")
    told = gc.never().zmq_pub(0, ("told", registry), advertise="tcp://quotes.example:5556")
    everywhere = gc.never().zmq_pub(0, ("everywhere", registry))
    gc.Graph(bound, told, everywhere).run(realtime=True)
    assert registry.names["bound"] == bound.address == f"tcp://127.0.0.1:{bound.port}"
    assert registry.names["told"] == "tcp://quotes.example:5556"
    host, _, port = registry.names["everywhere"].removeprefix("tcp://").rpartition(":")
    assert host not in ("0.0.0.0", "*") and port == str(everywhere.port)


def test_a_registry_that_is_down_at_the_end_is_logged_and_delays_nothing(caplog):
    publisher = gc.never().zmq_pub(0, ("quotes", Registry()), bind="127.0.0.1").named("quotes")
    publisher.run(realtime=True)
    assert "quotes: cannot revoke the name 'quotes'" in caplog.text
    # The port is free again.
    gc.never().zmq_pub(publisher.port, bind="127.0.0.1").run(realtime=True)


def test_ipv6(running):
    publisher = gc.from_iterable(range(3)).zmq_pub(0, bind="::1", wait_for=1)
    running(publisher.run)
    wait_until(lambda: publisher.port)
    assert publisher.address == f"tcp://[::1]:{publisher.port}"
    out = zmq_sub(publisher.address).data.unroll().collect()
    out.run(realtime=True, duration="10s")
    assert out.values == [0, 1, 2]
