"""Limits that protect a subscriber: from frames too large or too fast, and from silence."""

import os
import signal
import struct
import threading
import time

import numpy as np
import pyarrow as pa
import pytest
import zmq

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import (
    CodecError,
    SocketOptions,
    WireError,
    ZmqStatus,
    arrow,
    bincode,
    json,
    msgpack,
    raw,
    zmq_sub,
)
from graphcore_zmq.wire.frames import Trailer, value_frame
from graphcore_zmq.wire.signs import SIGNING

pytestmark = [pytest.mark.zmq, pytest.mark.usefixtures("nothing_is_left_over")]

CONNECTED, DISCONNECTED = ZmqStatus.CONNECTED, ZmqStatus.DISCONNECTED


def test_a_frame_above_the_largest_size_is_refused_and_its_sender_disconnected(bare, watching):
    publisher = bare()
    options = SocketOptions(max_message_size=1_000)
    seen = watching(publisher.port, options=options)
    publisher.await_subscriber()
    publisher.send()
    wait_until(lambda: seen.values)
    publisher.socket.send(value_frame(b"x" * 2_000, Trailer(1, 1, 0)))
    wait_until(lambda: seen.statuses == [CONNECTED, DISCONNECTED, CONNECTED])
    assert seen.values == [b"1:0"]


def test_a_publisher_sends_no_frame_that_is_above_its_largest_size(watching):
    options = SocketOptions(max_message_size=1_000)
    values = gc.from_iterable([b"x" * 960, b"x" * 961])
    publisher = values.zmq_pub(0, bind="127.0.0.1", codec=raw, wait_for=1, options=options)
    raised: list[Exception] = []

    def run() -> None:
        with pytest.raises(CodecError, match=r"1001 bytes .* max_message_size \(1000\)") as error:
            publisher.run(realtime=True)
        raised.append(error.value)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: publisher.port)
    seen = watching(publisher.port, options=options)
    thread.join()
    wait_until(lambda: seen.values == [b"x" * 960])
    assert raised


LARGEST = 64 << 20


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        (raw, bytes(LARGEST)),
        (json, "x" * LARGEST),
        (msgpack, "x" * LARGEST),
        (bincode(bytes), bytes(LARGEST)),
        (arrow, pa.table({"price": np.zeros(LARGEST // 8)})),
    ],
    ids=["raw", "json", "msgpack", "bincode", "arrow"],
)
def test_a_frame_too_large_for_any_subscriber_is_refused_at_the_publisher(codec, value):
    publisher = gc.constant(value).zmq_pub(0, bind="127.0.0.1", codec=codec).named("prices")
    with pytest.raises(
        CodecError, match="^prices: a frame of 67[0-9]{6} bytes is more than max_me"
    ):
        publisher.run(realtime=True)


@pytest.mark.parametrize("codec", [raw, msgpack, json], ids=lambda codec: codec.name)
def test_a_burst_of_too_many_values_for_any_subscriber_is_refused_at_the_publisher(codec):
    publisher = gc.constant([b""] * 1_000_001).zmq_pub_burst(0, bind="127.0.0.1", codec=codec)
    with pytest.raises(
        CodecError, match=r"^prices: a burst of 1000001 values .* max_burst \(1000000\)"
    ):
        publisher.named("prices").run(realtime=True)


def burst(count: int, size: int) -> bytes:
    return struct.pack("<IqQ", 2, 0, count) + bytes(8 * size)


@pytest.mark.parametrize(("claimed", "there"), [(11, 11), (2**63, 1)])
def test_a_burst_above_max_burst_ends_the_run(bare, claimed, there):
    publisher = bare()
    data, _ = zmq_sub(publisher.port, codec=raw, options=SocketOptions(max_burst=10))

    def script() -> None:
        publisher.await_subscriber()
        publisher.socket.send(burst(10, 10))
        publisher.socket.send(burst(claimed, there))

    thread = threading.Thread(target=script)
    thread.start()
    values: list[bytes] = []
    with pytest.raises(
        WireError, match=f"a burst of {claimed} values is more than max_burst \\(10"
    ):
        data.for_each(values.extend).run(realtime=True, duration="10s")
    thread.join()
    assert values == [b""] * 10


def test_conflate_hands_over_the_newest_value_and_every_status(bare):
    publisher = bare()
    subscription = zmq_sub(publisher.port, codec=raw, conflate=True)
    go_on = threading.Event()
    told: list[object] = []

    def look(event: object) -> None:
        told.append(event)
        if isinstance(event, list):
            assert go_on.wait(20)

    def script() -> None:
        publisher.await_subscriber()
        publisher.send()
        wait_until(lambda: len(told) == 2)  # the graph is waiting now
        publisher.send(5_000)
        publisher.sequence += 7  # lost
        publisher.send(5_000)
        publisher.end()
        wait_until(lambda: subscription.stats().received == 10_001)
        wait_until(lambda: subscription.stats().peers == 0)
        go_on.set()

    thread = threading.Thread(target=script)
    thread.start()
    both = subscription.data.merge(subscription.status)
    both.for_each(look).run(realtime=True, duration="20s")
    thread.join()
    assert told == [
        CONNECTED,
        [b"1:0"],
        [b"1:5000"],
        ZmqStatus.GAP,
        [b"1:10007"],
        DISCONNECTED,
    ]
    stats = subscription.stats()
    assert (stats.received, stats.conflated, stats.lost) == (10_001, 9_998, 7)


def test_conflate_skips_nothing_if_the_graph_is_fast_enough(bare, watching):
    publisher = bare()
    seen = watching(publisher.port, conflate=True)
    publisher.await_subscriber()
    for n in range(20):
        publisher.send()
        wait_until(lambda n=n: len(seen.values) == n + 1)
    assert seen.subscription.stats().conflated == 0


def test_conflate_is_true_or_false():
    with pytest.raises(gc.InvalidTypeError, match="True or False, not 'yes'"):
        zmq_sub(5556, conflate="yes")


def test_a_stopped_publisher_is_noticed_within_the_peer_timeout_without_traffic(publish, watching):
    publisher = publish(period="1h", wait_for=1)
    seen = watching(publisher.line_with("port")["port"])
    wait_until(lambda: seen.values)
    os.kill(publisher.process.pid, signal.SIGSTOP)
    began = time.monotonic()
    wait_until(lambda: DISCONNECTED in seen.statuses, 20)
    noticed = time.monotonic() - began
    os.kill(publisher.process.pid, signal.SIGCONT)
    wait_until(lambda: seen.statuses == [CONNECTED, DISCONNECTED, CONNECTED])
    # Three seconds are promised; the rest is for a busy machine.
    assert noticed < 5


def test_a_silent_but_running_publisher_stays_connected(publish, watching):
    publisher = publish(period="1h", wait_for=1)
    options = SocketOptions(peer_timeout="1s")
    seen = watching(publisher.line_with("port")["port"], options=options)
    wait_until(lambda: seen.values)
    with pytest.raises(TimeoutError):
        wait_until(lambda: len(seen.statuses) > 1, 4)


def test_a_publisher_with_a_busy_graph_stays_connected(watching):
    go_on, ports = threading.Event(), []

    def hold(value: int) -> None:
        if value == 2:
            assert go_on.wait(20)

    numbers = gc.from_iterable(range(1, 6), period="20ms")
    port = gc.constant(None).for_each(lambda _: ports.append(publisher.port))
    publisher = numbers.map(lambda n: b"%d" % n).zmq_pub(0, bind="127.0.0.1", codec=raw, wait_for=1)
    graph = gc.Graph(port, publisher, numbers.for_each(hold))
    thread = threading.Thread(target=lambda: graph.run(realtime=True))
    thread.start()
    wait_until(lambda: ports)
    seen = watching(ports[0], options=SocketOptions(peer_timeout="1s"), on_end="follow")
    wait_until(lambda: len(seen.values) == 2)
    with pytest.raises(TimeoutError):
        wait_until(lambda: len(seen.statuses) > 1, 4)
    go_on.set()
    thread.join()
    wait_until(lambda: seen.values == [b"1", b"2", b"3", b"4", b"5"])
    assert seen.statuses[:1] == [CONNECTED]
    assert seen.subscription.stats().lost == 0


def test_a_subscriber_promises_signs_of_life_together_with_its_subscription(
    bare, watching, monkeypatch
):
    done: list[object] = []
    for name in ("send", "connect"):
        real = getattr(zmq.Socket, name)

        def noted(socket, what, *more, real=real):
            if socket.type == zmq.XSUB:
                done.append(what)
            return real(socket, what, *more)

        monkeypatch.setattr(zmq.Socket, name, noted)
    publisher = bare()
    watching(publisher.port)
    publisher.await_subscriber()
    # Values sent before it connects go out as one.
    assert {b"\1", b"\1" + SIGNING} == set(done[:2])
    assert done[2] == f"tcp://127.0.0.1:{publisher.port}"


def test_signs_of_life_continue_on_another_connection_to_the_same_publisher(bare, watching):
    first = bare()
    seen = watching(first.port, options=SocketOptions(heartbeat_interval="50ms"))
    first.await_subscriber()
    first.send()
    first.await_sign()
    port = first.port
    first.close()
    wait_until(lambda: DISCONNECTED in seen.statuses)
    again = bare()
    again.instance, again.sequence = 1, 1
    again.socket.bind(f"tcp://127.0.0.1:{port}")
    again.await_subscriber()
    again.send()
    again.await_sign()


def test_a_publisher_that_sends_no_trailers_may_be_silent_for_ever(bare, watching):
    publisher = bare()
    seen = watching(publisher.port, options=SocketOptions(peer_timeout="300ms"))
    publisher.await_subscriber()
    publisher.socket.send(value_frame(b"plain", Trailer(1, 0, 0))[:-28])
    wait_until(lambda: seen.values == [b"plain"])
    with pytest.raises(TimeoutError):
        wait_until(lambda: len(seen.statuses) > 1, 1)
