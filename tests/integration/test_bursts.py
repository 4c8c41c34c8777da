"""Bursts in one frame, between graphcore's ends and to wingfoil."""

import ast
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import bincode, zmq_pub_burst, zmq_sub
from graphcore_zmq.wire.frames import Tag, Trailer, burst_envelope, read_frame, sealed
from tests.integration.feeding import Feeding
from tests.integration.test_zmq import BarePublisher
from tests.integration.watching import Watching

pytestmark = [pytest.mark.zmq, pytest.mark.usefixtures("nothing_is_left_over")]


@pytest.fixture
def feed(nothing_is_left_over: None) -> Iterator[Callable[..., Feeding]]:
    started: list[Feeding] = []

    def start(**options: Any) -> Feeding:
        started.append(Feeding(bursts=True, **options))
        return started[-1]

    yield start
    for each in started:
        each.end()


def test_a_burst_goes_out_as_one_frame_and_an_empty_one_not_at_all(feed):
    feeding = feed(wait_for=1)
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.subscribe(b"")
    socket.connect(f"tcp://127.0.0.1:{feeding.port}")
    feeding.send([b"a", b"bc", b""], [], [b"d"])
    frames = [read_frame(socket.recv(), 1_000) for _ in range(2)]
    context.destroy(linger=0)
    assert [(frame.tag, frame.payloads) for frame in frames] == [
        (Tag.HISTORICAL_VALUE, [b"a", b"bc", b""]),
        (Tag.HISTORICAL_VALUE, [b"d"]),
    ]
    assert [frame.trailer.sequence for frame in frames] == [0, 1]
    assert feeding.publisher.stats().sent == 4


def test_bursts_arrive_whole_and_in_order():
    bursts = [[b"%d" % n] * (n % 7) for n in range(200)]
    feeding = Feeding(bursts=True, wait_for=1, on_full="block")
    watching = Watching(feeding.port, closes=True)
    feeding.send(*bursts)
    feeding.end()
    watching.join()
    assert watching.values == [value for burst in bursts for value in burst]
    assert watching.subscription.stats().lost == 0


def test_kept_bursts_come_to_the_first_subscriber(feed):
    feeding = feed()
    feeding.send([b"1", b"2"], [b"3"])
    assert feeding.publisher.stats().kept == 3
    watching = Watching(feeding.port)
    wait_until(lambda: len(watching.values) == 3)
    watching.end()
    assert watching.values == [b"1", b"2", b"3"]


@pytest.fixture
def bare(nothing_is_left_over: None) -> Iterator[BarePublisher]:
    publisher = BarePublisher()
    yield publisher
    publisher.close()


def test_gaps_repeats_and_restarts_are_reported_for_bursts_of_the_same_layout(bare):
    watching = Watching(bare.port)
    sequences = [(1, 0), (1, 1), (1, 2), (1, 4), (1, 4), (1, 5), (2, 6), (2, 7), (2, 9)]
    bare.send_when_subscribed(
        [
            sealed(
                burst_envelope([b"%d-%02d-%d" % (*each, value) for value in range(10)], 0),
                Trailer(*each, 0),
            )
            for each in sequences
        ]
    )
    taken = list(dict.fromkeys(sequences))
    wait_until(lambda: len(watching.values) == 10 * len(taken))
    watching.end()
    assert watching.values == [
        b"%d-%02d-%d" % (*each, value) for each in taken for value in range(10)
    ]
    told = ["connected", "gap", "disconnected", "connected", "gap"]
    assert watching.statuses == told
    assert watching.subscription.stats().lost == 2


def test_values_of_self_delimiting_codecs_have_no_lengths():
    publisher = gc.constant([1, 2, 3]).zmq_pub_burst(
        0, codec=bincode(int), bind="127.0.0.1", wait_for=1
    )
    thread = threading.Thread(target=publisher.run, kwargs={"realtime": True})
    thread.start()
    wait_until(lambda: publisher.port)
    out = zmq_sub(publisher.port, codec=bincode(int)).data.collect()
    out.run(realtime=True, duration="10s")
    thread.join()
    assert [value for burst in out.values for value in burst] == [1, 2, 3]


@pytest.mark.parametrize("value", [7, "text", b"bytes", None])
def test_a_value_that_is_not_a_burst_ends_the_run(value):
    publisher = zmq_pub_burst(gc.constant(value), 0, bind="127.0.0.1")
    with pytest.raises(gc.InvalidTypeError, match="zmq_pub_burst publishes lists of values, not"):
        publisher.run(realtime=True)


WINGFOIL = """
import sys, wingfoil
graph = wingfoil.Graph()
data, status = wingfoil.zmq_sub(graph, sys.argv[1])
def look(burst):
    print(burst, flush=True)
seen = data.inspect(look)
graph.run(realtime=True)
"""


@pytest.mark.cross_lang
@pytest.mark.parametrize("last_value", [False, True])
def test_wingfoil_reads_bursts_complete_and_in_order(last_value):
    feeding = Feeding(bursts=True, wait_for=1, last_value=last_value)
    process = subprocess.Popen(
        [sys.executable, "-c", WINGFOIL, f"tcp://127.0.0.1:{feeding.port}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        bursts = [[b"%d-%d" % (n, each) for each in range(n % 5 + 1)] for n in range(300)]
        assert process.stdout is not None
        seen: list[list[bytes]] = []
        for burst in bursts:
            feeding.send(burst)
            while sum(map(len, seen)) < sum(map(len, bursts[: bursts.index(burst) + 1])):
                seen.append(ast.literal_eval(process.stdout.readline()))
        assert [value for burst in seen for value in burst] == [
            value for burst in bursts for value in burst
        ]
        # It puts the values of a frame into a channel one by one, and its graph may take some
        # before the others are there. The number of ticks depends on the machine.
        assert any(burst in seen for burst in bursts if len(burst) > 1)
        feeding.end()
        assert process.stdout.read() == ""
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
