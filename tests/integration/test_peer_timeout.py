"""Signs of life: a stopped subscriber is disconnected, a slow one gets everything."""

import os
import signal
from contextlib import suppress
from typing import Any

import pytest
import zmq

from graphcore.testing import wait_until
from graphcore_zmq import SocketOptions

pytestmark = pytest.mark.zmq
about_the_publisher = pytest.mark.about_the_publisher

# On a busy machine, queued values need time at the end, and must arrive.
PATIENT: dict[str, Any] = {"heartbeat_interval": "100ms", "linger": "1min"}
# Frames larger than the kernel's buffers: the last stays half written.
STUCK: dict[str, Any] = {"width": 8_000_000, "high_water_mark": 2}
WITH_ROOM: dict[str, Any] = {"period": "5ms"}


@pytest.mark.parametrize("queue", [WITH_ROOM, STUCK], ids=["with_room", "stuck"])
def test_a_subscriber_stopped_for_longer_than_the_peer_timeout_is_disconnected_and_sees_the_gap(
    publish, subscribe, queue
):
    publisher = publish(on_full="block", wait_for=2, peer_timeout="2s", **PATIENT, **queue)
    port = publisher.line_with("port")["port"]
    stopped = subscribe(port, say_every=1, high_water_mark=2, **PATIENT)
    other = subscribe(port, say_every=1, high_water_mark=2, **PATIENT)
    for each in (stopped, other):
        each.line_with("at")
    os.kill(stopped.process.pid, signal.SIGSTOP)
    while "no longer answers" not in publisher.line_with("log", seconds=20)["log"]:
        pass
    # The graph no longer waits, and the other subscriber loses nothing.
    other.forget()
    for _ in range(3):
        other.line_with("at")
    os.kill(stopped.process.pid, signal.SIGCONT)
    told = [stopped.line_with("status")["status"] for _ in range(3)]
    assert told == ["disconnected", "connected", "gap"]
    publisher.process.send_signal(signal.SIGTERM)
    seen, seen_other = stopped.line_with("count"), other.line_with("count")
    sent = publisher.line_with("sent")["sent"]
    assert seen_other["statuses"] == ["connected", "disconnected"]
    assert (seen_other["count"], seen_other["lost"]) == (sent, 0)
    assert seen["lost"] > 0 and seen["in_order"]
    assert seen["count"] + seen["lost"] == sent


@about_the_publisher
@pytest.mark.parametrize("queue", [WITH_ROOM, STUCK], ids=["with_room", "stuck"])
def test_without_a_peer_timeout_a_stopped_subscriber_is_waited_for(publish, subscribe, queue):
    publisher = publish(on_full="block", peer_timeout=None, **PATIENT, **queue)
    subscriber = subscribe(
        publisher.line_with("port")["port"], say_every=1, high_water_mark=2, **PATIENT
    )
    subscriber.line_with("at")
    os.kill(subscriber.process.pid, signal.SIGSTOP)
    publisher.forget()
    with pytest.raises(TimeoutError):  # much longer than the heartbeats
        publisher.line_with("log", seconds=4)
    os.kill(subscriber.process.pid, signal.SIGCONT)
    for _ in range(3):
        subscriber.line_with("at")
    publisher.process.send_signal(signal.SIGTERM)
    seen, sent = subscriber.line_with("count"), publisher.line_with("sent")["sent"]
    assert seen["statuses"] == ["connected", "disconnected"]
    assert (seen["count"], seen["lost"]) == (sent, 0)


# More than the inbox of the subscriber's graph and both queues can hold.
FULL = 130_000


def test_a_subscriber_that_is_slow_for_longer_than_the_peer_timeout_gets_everything(
    publish, subscribe
):
    count = 250_000
    publisher = publish(count=count, on_full="block", peer_timeout="2s", say_every=FULL, **PATIENT)
    subscriber = subscribe(publisher.line_with("port")["port"], hold=True, **PATIENT)
    while publisher.line_with("at")["at"] < FULL:
        pass
    publisher.forget()
    with pytest.raises(TimeoutError):
        publisher.line_with("log", seconds=4)
    subscriber.go_on()
    seen = subscriber.line_with("count")
    assert seen["statuses"] == ["connected", "disconnected"]
    assert (seen["count"], seen["lost"], seen["in_order"]) == (count, 0, True)
    assert publisher.line_with("sent")["sent"] == count


def test_a_subscriber_with_a_full_queue_outlives_a_publisher_that_was_killed(publish, subscribe):
    publisher = publish(on_full="block", say_every=FULL, **PATIENT)
    port = publisher.line_with("port")["port"]
    subscriber = subscribe(port, hold=True, **PATIENT)
    while publisher.line_with("at")["at"] < FULL:
        pass
    publisher.process.kill()
    subscriber.line_with("status")
    with pytest.raises(TimeoutError):  # many heartbeats: libzmq would abort the process
        subscriber.line_with("status", seconds=1)
    subscriber.go_on()
    assert subscriber.line_with("status")["status"] == "disconnected"
    subscriber.process.send_signal(signal.SIGTERM)
    assert subscriber.line_with("count")["count"] > 100_000


def seen_by_one_held_to_the_end(publisher, subscribe, count):
    """Hold a subscriber until the publisher has sent everything, check that the publisher waits,
    then release the subscriber."""
    subscriber = subscribe(publisher.line_with("port")["port"], hold=True, **PATIENT)
    while publisher.line_with("at")["at"] < count - 1:
        pass
    with pytest.raises(TimeoutError):
        publisher.line_with("sent", seconds=1)
    subscriber.go_on()
    return subscriber.line_with("count")


@about_the_publisher
def test_a_publisher_that_ends_waits_until_a_slow_subscriber_has_read_the_last_frame(
    publish, subscribe
):
    count = 115_000
    publisher = publish(count=count, on_full="block", say_every=count - 1, **PATIENT)
    seen = seen_by_one_held_to_the_end(publisher, subscribe, count)
    assert seen["statuses"] == ["connected", "disconnected"]
    assert (seen["count"], seen["lost"]) == (count, 0)
    assert publisher.line_with("sent")["sent"] == count


@about_the_publisher
def test_a_slow_subscriber_sees_the_end_and_counts_all_lost_values(publish, subscribe):
    count = 4 * FULL  # more than the kernel has room for on top of the queues
    publisher = publish(count=count, wait_for=1, say_every=count - 1, **PATIENT)
    seen = seen_by_one_held_to_the_end(publisher, subscribe, count)
    assert seen["statuses"][-1] == "disconnected"
    assert seen["lost"] > 0
    assert seen["count"] + seen["lost"] == count
    assert publisher.line_with("sent")["sent"] == count


def test_a_subscriber_that_gets_nothing_because_another_has_no_room_stays_connected(
    feeding, watching
):
    options = SocketOptions(
        send_high_water_mark=1, heartbeat_interval="100ms", peer_timeout="1500ms"
    )
    publisher = feeding(on_full="block", options=options)
    context = zmq.Context()
    full = context.socket(zmq.SUB)
    full.set(zmq.RCVHWM, 1)
    full.subscribe(b"")
    full.connect(f"tcp://127.0.0.1:{publisher.port}")
    handed = 0

    def is_stuck() -> bool:
        with suppress(TimeoutError):
            wait_until(lambda: publisher.published == handed, 1)
        return publisher.published < handed

    try:
        # Until the graph has waited so long that the queue must be full.
        while not is_stuck():
            publisher.hand(bytes(4_000_000))
            handed += 1
        while is_stuck():
            full.recv()
        other = watching(publisher.port, options=options)
        with pytest.raises(TimeoutError):  # several check points and the peer timeout
            wait_until(lambda: other.statuses[1:], 5)
        assert other.statuses == ["connected"]
    finally:
        context.destroy(linger=0)
