"""Frames that strangers send to a running subscriber and to a running publisher."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from random import Random

import pytest
import zmq
from hypothesis import given, note, settings
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import CodecError, SelfDelimitingCodec, WireError, zmq_sub
from tests.adapters.graphcore_zmq.wire.hostile import CODECS, malformed, sound_frames
from tests.integration.bare import bare_context
from tests.integration.test_processes import Watching

pytestmark = pytest.mark.zmq

MESSAGES = 5_000
CALLERS = 100
seeds = st.integers(0, 2**32 - 1).map(Random)


def publish_once(frames: list[bytes]) -> tuple[int, threading.Thread]:
    """Send frames to the first subscriber of everything; return the port and the sending thread."""
    context = bare_context()
    publisher = context.socket(zmq.XPUB)
    port = publisher.bind_to_random_port("tcp://127.0.0.1")

    def send() -> None:
        publisher.rcvtimeo = 20_000
        while publisher.recv() != b"\1":
            pass  # the promise of signs of life, which comes first
        for frame in frames:
            publisher.send(frame)
        publisher.close()
        context.term()

    thread = threading.Thread(target=send)
    thread.start()
    return port, thread


@settings(max_examples=150)
@given(random=seeds)
def test_a_subscriber_reads_valid_frames_and_ends_at_the_first_malformed_one(random):
    codec, value = random.choice(CODECS)
    sound = sound_frames(codec.encode(value), isinstance(codec, SelfDelimitingCodec))
    frames = [random.choice(sound[:6]), *(malformed(sound, random) for _ in range(20))]
    note(f"{codec.name} {[frame.hex() for frame in frames]}")
    port, sender = publish_once([*frames, b"\1\0\0\0"])
    subscription = zmq_sub(port, codec=codec)
    out = subscription.data.collect()
    try:
        report = gc.Graph(out, subscription.status.collect()).run(realtime=True, duration="30s")
    except (WireError, CodecError) as error:
        assert any(f"tcp://127.0.0.1:{port}" in line for line in error.__notes__)
    else:
        assert report.ended_by == "sources"
    sender.join()


@pytest.fixture
def strangers() -> Iterator[zmq.Context]:
    context: zmq.Context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.mark.parametrize("on_full", ["drop", "block"])
def test_a_publisher_serves_its_subscriber_whatever_strangers_send_it(on_full, publish, strangers):
    random = Random(on_full)
    publisher = publish(period="1ms", on_full=on_full)
    port = publisher.line_with("port")["port"]
    watching = Watching(port)
    wait_until(lambda: watching.values)
    up = strangers.socket(zmq.XSUB)
    up.connect(f"tcp://127.0.0.1:{port}")
    sound = [b"\1", b"\0", b"\1gc1\0signs", b"\0gc1\0signs", b"gc1\1", b"gc1\2", b"\1topic\0", b""]
    for _ in range(MESSAGES):
        message = malformed(sound, random)
        # Nothing that subscribes it to all values: they would fill its queue and then, under
        # "block", stop the publisher.
        if message != b"\1":
            up.send(message)
    for _ in range(CALLERS):
        with socket.create_connection(("127.0.0.1", port)) as caller:
            caller.sendall(random.choice([b"", b"\xff" + 8 * b"\0" + b"\x7f\3", b"GET / HTTP"]))
            caller.sendall(random.randbytes(random.randrange(200)))
    up.close(linger=5_000)
    before = len(watching.values)
    wait_until(lambda: len(watching.values) > before + 200)
    watching.end()
    numbers = [int(value) for value in watching.values]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert watching.statuses == ["connected"]
    assert publisher.process.poll() is None


def test_a_subscriber_of_a_non_publisher_stays_silent_and_stops_when_told():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        watching = Watching(server.getsockname()[1])
        for said in (b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(range(256)) * 8, b""):
            caller, _ = server.accept()
            with caller:
                caller.sendall(said)
        watching.end()
    assert watching.statuses == [] and watching.values == []


# Data of a program that takes the port for another service, and the beginning of ZMTP 1.
PROBES = [b"GET / HTTP/1.1\r\nHost: here\r\n\r\n" + 60 * b"x", b"", b"\x02\0a", b"\1\0"]


def test_probes_are_not_subscribers_and_a_real_one_stays_counted():
    publisher = gc.ticker("1ms").count().zmq_pub(0, bind="127.0.0.1")
    thread = threading.Thread(
        target=gc.Graph(publisher).run, kwargs={"realtime": True, "duration": "4s"}
    )
    thread.start()
    wait_until(lambda: publisher.port)
    watching = Watching(publisher.port, closes=True)
    wait_until(lambda: publisher.stats().subscriptions == 1)
    for probe in PROBES * 10:
        with socket.create_connection(("127.0.0.1", publisher.port)) as caller:
            caller.sendall(probe)
            # Until it is refused, or long enough has passed.
            caller.settimeout(0.05)
            with suppress(OSError):
                while caller.recv(100):
                    pass
    assert (publisher.stats().peers, publisher.stats().subscriptions) == (1, 1)
    thread.join()
    watching.join()
    assert watching.statuses == ["connected", "disconnected"]


CLOSING = """
import socket, threading, time
import graphcore as gc
from graphcore.testing import wait_until

import graphcore_zmq

publisher = gc.ticker("1ms").zmq_pub(0, bind="127.0.0.1")
strangers = []

def come(sender, stop):
    wait_until(lambda: publisher.port)
    for _ in range(200):
        stranger = socket.create_connection(("127.0.0.1", publisher.port))
        stranger.sendall(b"\\x40")
        strangers.append(stranger)
    sender.send(None)

def go_on():
    for stranger in strangers:
        try:
            stranger.sendall(b"\\0" + 200 * b"x")
        except OSError:
            pass
        time.sleep(0.0005)  # so that some come before the socket is closed, and some while it is
    for stranger in strangers:
        stranger.close()

@gc.node
class Stop(gc.MutableNode[None]):
    source: gc.Active[object]

    def cycle(self, state):
        threading.Thread(target=go_on).start()
        state.stop()
        return False

for _ in range(10):
    gc.Graph(publisher, gc.Stream(Stop(gc.receiver(come)))).run(realtime=True)
    strangers.clear()
"""


def test_peers_of_an_old_protocol_do_not_abort_a_publisher_that_closes():
    assert subprocess.run([sys.executable, "-c", CLOSING], check=False).returncode == 0
