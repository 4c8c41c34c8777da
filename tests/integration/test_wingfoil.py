"""graphcore and wingfoil as peers: wingfoil's wheel runs in a separate process.

The wheel's publisher needs a fixed port number, so these tests have their own ports. wingfoil sends
values whether or not anybody has subscribed, and at its end sends neither EndOfStream nor an error
(its system calls show none). The tests only send these frames to it.
"""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import EtcdRegistry, SocketOptions, WireError, raw, zmq_sub
from graphcore_zmq.wire.frames import Trailer, check_point_frame, end_of_stream_frame, value_frame
from tests.integration.conftest import Program
from tests.integration.test_zmq import BarePublisher
from tests.integration.watching import Watching

pytestmark = [pytest.mark.zmq, pytest.mark.cross_lang]

WHEEL = Path(__file__).with_name("wingfoil_programs.py")
PORTS = range(5_580, 5_591)
MILLISECOND = 1_000_000
ENOUGH = 400
QUICK = SocketOptions(reconnect_interval="20ms")
TRAILER, NEXT = Trailer(7, 3, 1_000), Trailer(7, 4, 2_000)


@pytest.fixture
def wheel() -> Iterator[Callable[..., Program]]:
    """Start programs of the wheel, and end all of them with the test."""
    started: list[Program] = []

    def start(name: str, **arguments: object) -> Program:
        started.append(Program(name, WHEEL, **arguments))
        return started[-1]

    yield start
    for each in started:
        each.end()


@pytest.fixture
def port() -> int:
    """A free port."""
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"somebody has all ports of {PORTS}")


@pytest.fixture
def bare() -> Iterator[BarePublisher]:
    publisher = BarePublisher()
    yield publisher
    publisher.close()


def send(bare: BarePublisher, frames: list[bytes]) -> None:
    """Send frames to whoever subscribes next."""
    while True:
        assert bare.socket.poll(20_000), "nobody has subscribed"
        if bare.socket.recv() == b"\1":
            break
    for frame in frames:
        bare.socket.send(frame)


def are_consecutive(values: list[bytes]) -> bool:
    numbers = [int(value) for value in values]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def values_of(subscriber: Program, enough: int) -> list[bytes]:
    values: list[bytes] = []
    while len(values) < enough:
        values += [value.encode("latin1") for value in subscriber.line_with("burst")["burst"]]
    return values


def statuses_of(subscriber: Program) -> Iterator[str]:
    while True:
        yield subscriber.line_with("status")["status"]


# One to the other


def test_wingfoils_values_arrive_complete_and_in_order(wheel, port):
    watching = Watching(port, options=QUICK)
    publisher = wheel("publish", port=port, period=MILLISECOND, cycles=None)
    wait_until(lambda: len(watching.values) >= ENOUGH, 60)
    publisher.process.kill()
    wait_until(lambda: len(watching.statuses) == 2)
    watching.end()
    assert are_consecutive(watching.values)
    assert watching.statuses == ["connected", "disconnected"]
    assert watching.subscription.stats().lost == 0


def test_graphcores_values_all_arrive_in_wingfoil_and_their_end_ends_its_run(wheel, publish):
    publisher = publish(count=ENOUGH, period="1ms", wait_for=1)
    port = publisher.line_with("port")["port"]
    subscriber = wheel("subscribe", address=f"tcp://127.0.0.1:{port}")
    assert values_of(subscriber, ENOUGH) == [b"%016d" % n for n in range(ENOUGH)]
    assert subscriber.line_with("status")["status"] == "disconnected"
    assert subscriber.line_with("ended")["ended"]
    assert publisher.line_with("sent")["sent"] == ENOUGH


def test_a_value_of_any_codec_is_bytes_to_wingfoil(wheel):
    publisher = gc.constant({"bid": 1}).zmq_pub(0, bind="127.0.0.1", keep_for="20s")
    ran = threading.Thread(target=lambda: gc.Graph(publisher).run(realtime=True))
    ran.start()
    wait_until(lambda: publisher.port)
    subscriber = wheel("subscribe", address=f"tcp://127.0.0.1:{publisher.port}")
    assert values_of(subscriber, 1) == [b"\x81\xa3bid\x01"]
    ran.join()


# Ends


def test_a_wingfoil_publisher_that_ends_is_a_disconnection_after_its_last_value(wheel, port):
    cycles = 2_000
    watching = Watching(port, options=QUICK)
    publisher = wheel("publish", port=port, period=MILLISECOND, cycles=cycles)
    assert publisher.line_with("ended")["ended"]
    wait_until(lambda: len(watching.statuses) == 2)
    watching.end()
    assert watching.statuses == ["connected", "disconnected"]
    assert are_consecutive(watching.values) and watching.values[-1] == b"%d" % cycles


# Restarts


def test_a_wingfoil_publisher_that_is_killed_and_restarted_is_followed(wheel, port):
    watching = Watching(port, options=QUICK)
    for run in (1, 2):
        publisher = wheel("publish", port=port, period=MILLISECOND, cycles=None)
        before = len(watching.values)
        wait_until(lambda before=before: len(watching.values) >= before + ENOUGH, 60)
        publisher.process.kill()
        wait_until(lambda run=run: len(watching.statuses) == 2 * run)
        assert are_consecutive(watching.values[before:])
    watching.end()
    assert watching.statuses == ["connected", "disconnected"] * 2


def test_a_graphcore_publisher_that_is_killed_and_restarted_is_followed_by_wingfoil(wheel, publish):
    publisher = publish(period="1ms", wait_for=1)
    port = publisher.line_with("port")["port"]
    subscriber = wheel("subscribe", address=f"tcp://127.0.0.1:{port}")
    told = []
    for _ in range(2):
        values = values_of(subscriber, ENOUGH)
        assert values == [b"%016d" % n for n in range(len(values))]
        publisher.process.kill()
        publisher.process.wait()
        told.append(subscriber.line_with("status")["status"])
        subscriber.forget()
        publisher = publish(port=port, period="1ms", wait_for=1)
    assert told == ["disconnected", "disconnected"]


def test_a_wingfoil_subscriber_that_is_killed_and_restarted_is_served_again(wheel, publish):
    publisher = publish(period="1ms")
    port = publisher.line_with("port")["port"]
    last = -1
    for _ in range(2):
        subscriber = wheel("subscribe", address=f"tcp://127.0.0.1:{port}")
        values = values_of(subscriber, ENOUGH)
        assert are_consecutive(values) and int(values[0]) > last
        last = int(values[-1])
        subscriber.process.kill()
        subscriber.process.wait()
    publisher.process.send_signal(signal.SIGTERM)
    assert publisher.line_with("sent")["sent"] > last


def test_a_graphcore_subscriber_that_is_restarted_is_served_by_wingfoil_again(wheel, port):
    wheel("publish", port=port, period=MILLISECOND, cycles=None)
    last = 0
    for _ in range(2):
        watching = Watching(port, options=QUICK)
        wait_until(lambda watching=watching: len(watching.values) >= ENOUGH, 60)
        watching.end()
        assert are_consecutive(watching.values) and int(watching.values[0]) > last
        last = int(watching.values[-1])


# Frame by frame: the wheel and a graphcore subscriber get each frame, and must do the same.

BURST = (
    "02000000 0500000000000000 0300000000000000 0100000000000000 78 0100000000000000 79"
    "0100000000000000 7a"
)
FRAMES: list[tuple[bytes, list[bytes]]] = [
    (bytes.fromhex("03000000 0200000000000000 6d31"), [b"m1"]),
    (bytes.fromhex(BURST), [b"x", b"y", b"z"]),
    (bytes.fromhex("00000000 0700000000000000"), []),
    (bytes.fromhex("03000000 0100000000000000 61") + b"EXTRA", [b"a"]),
    (bytes.fromhex(BURST) + end_of_stream_frame(TRAILER)[4:], [b"x", b"y", b"z"]),
    (value_frame(b"own", TRAILER), [b"own"]),
    (check_point_frame(TRAILER), []),
]
END = bytes.fromhex("01000000")


@pytest.mark.parametrize("last", [END, end_of_stream_frame(NEXT)], ids=["plain", "trailer"])
@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame[0].hex())
def test_a_frame_means_the_same_to_wingfoil_and_graphcore(wheel, bare, frame, last):
    sent, values = frame
    subscriber = wheel("subscribe", address=f"tcp://127.0.0.1:{bare.port}")
    # One value before the frame and one after it; the frame must not affect them.
    around = [value_frame(name, TRAILER)[:-28] for name in (b"<", b">")]
    send(bare, [around[0], sent, around[1], last, value_frame(b"late", TRAILER)])
    assert values_of(subscriber, 2 + len(values)) == [b"<", *values, b">"]
    assert subscriber.line_with("ended")["ended"]
    data, status = zmq_sub(bare.port, codec=raw)
    got, statuses = data.unroll().collect(), status.collect()
    sender = threading.Thread(target=send, args=(bare, [around[0], sent, around[1], last]))
    sender.start()
    report = gc.Graph(got, statuses).run(realtime=True, duration="20s")
    sender.join()
    assert got.values == [b"<", *values, b">"]
    assert statuses.values == ["connected", "disconnected"] and report.ended_by == "sources"


@pytest.mark.parametrize(
    ("frame", "said_there", "said_here"),
    [
        ("04000000 0400000000000000 626f6f6d", "boom", "the publisher reports: boom"),
        ("6a756e6b", "1802401130", "tag 1802401130"),
        ("03000000 0900000000000000 61", "zmq_sub: decoding message", "a value of 9 bytes"),
        ("03", "zmq_sub: decoding message", "cut short"),
    ],
)
def test_a_frame_that_ends_wingfoils_run_ends_graphcores(wheel, bare, frame, said_there, said_here):
    subscriber = wheel("subscribe", address=f"tcp://127.0.0.1:{bare.port}")
    send(bare, [bytes.fromhex(frame)])
    assert said_there in subscriber.line_with("error")["error"]
    sender = threading.Thread(target=send, args=(bare, [bytes.fromhex(frame)]))
    sender.start()
    with pytest.raises(WireError, match=said_here):
        zmq_sub(bare.port, codec=raw).data.run(realtime=True, duration="20s")
    sender.join()


# By name


@pytest.mark.etcd
def test_a_wingfoil_publisher_is_found_by_its_name(wheel, port, etcd):
    publisher = wheel(
        "publish_etcd", port=port, period=MILLISECOND, known_as="quotes", endpoint=etcd.url
    )
    source = ("quotes", EtcdRegistry(etcd.url))
    watching = Watching(source, options=QUICK)
    wait_until(lambda: len(watching.values) >= ENOUGH, 60)
    publisher.process.kill()
    wait_until(lambda: "disconnected" in watching.statuses)
    watching.end()
    assert are_consecutive(watching.values)
    assert watching.statuses == ["connected", "disconnected"]


@pytest.mark.etcd
def test_wingfoil_finds_a_graphcore_publisher_by_its_name_and_gets_all_values(wheel, etcd):
    numbers = gc.from_iterable(range(ENOUGH), period="1ms").map(lambda n: b"%d" % n)
    publisher = numbers.zmq_pub(
        0, ("quotes", EtcdRegistry(etcd.url)), codec=raw, bind="127.0.0.1", wait_for=1
    )
    thread = threading.Thread(target=gc.Graph(publisher).run, kwargs={"realtime": True})
    thread.start()
    wait_until(lambda: etcd.ctl("get", "quotes"))
    subscriber = wheel("subscribe_etcd", known_as="quotes", endpoint=etcd.url)
    assert values_of(subscriber, ENOUGH) == [b"%d" % n for n in range(ENOUGH)]
    assert subscriber.line_with("ended")["ended"]
    thread.join()
    assert etcd.ctl("get", "quotes") == ""
