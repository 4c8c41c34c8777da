"""The last value for late subscribers: who gets it, which value it is, and that it makes no gap."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import zmq

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import SocketOptions, ZmqStatus
from graphcore_zmq.wire.frames import Tag, read_frame
from graphcore_zmq.wire.signs import ALIVE, SIGNING
from tests.integration.feeding import Feeding
from tests.integration.watching import Watching

pytestmark = [pytest.mark.zmq, pytest.mark.usefixtures("nothing_is_left_over")]

CONNECTED = ZmqStatus.CONNECTED


@pytest.fixture
def feed(feeding: Callable[..., Feeding]) -> Callable[..., Feeding]:
    return partial(feeding, last_value=True)


@pytest.fixture
def watch(watching: Callable[..., Watching]) -> Callable[..., Watching]:
    return watching


@contextmanager
def bare(port: int) -> Iterator["zmq.Socket[bytes]"]:
    """A subscriber without graphcore, which takes a repeated frame for a new value."""
    context = zmq.Context()
    try:
        socket = context.socket(zmq.SUB)
        socket.subscribe(b"")
        socket.connect(f"tcp://127.0.0.1:{port}")
        yield socket
    finally:
        context.destroy(linger=0)


def values(socket: "zmq.Socket[bytes]", count: int, patience: int = 10_000) -> list[bytes]:
    seen: list[bytes] = []
    while len(seen) < count and socket.poll(patience):
        seen += read_frame(socket.recv(), 1_000).payloads
    return seen


def test_a_late_subscriber_gets_the_last_value_and_nobody_gets_it_twice(feed, watch):
    feeding = feed(wait_for=1)
    with bare(feeding.port) as early:
        feeding.send(b"1", b"2", b"3")
        assert values(early, 3) == [b"1", b"2", b"3"]
        for _ in range(5):
            with bare(feeding.port) as late:
                assert values(late, 1) == [b"3"]
            # If one comes while another goes, a subscriber without graphcore may get it twice.
            wait_until(lambda: feeding.publisher.stats().subscriptions == 1)
        late = watch(feeding.port)
        wait_until(lambda: late.values)
        feeding.send(b"4")
        # After five newcomers have come and gone, this is the next value that it sees.
        assert values(early, 1) == [b"4"]
    wait_until(lambda: len(late.values) == 2)
    assert late.values == [b"3", b"4"]
    assert late.statuses == [CONNECTED] and late.subscription.stats().lost == 0


def test_without_last_value_a_late_subscriber_gets_only_later_values(feed, watch):
    feeding = feed(last_value=False, wait_for=1)
    watch(feeding.port)
    feeding.send(b"1")
    late = watch(feeding.port)
    wait_until(lambda: feeding.publisher.stats().subscriptions == 2)
    feeding.send(b"2")
    wait_until(lambda: late.values)
    assert late.values == [b"2"]


def test_a_repeat_keeps_its_sequence(feed):
    feeding = feed(wait_for=1)
    with bare(feeding.port) as first:
        feeding.send(b"1", b"2")
        values(first, 2)
        with bare(feeding.port) as second:
            trailer = read_frame(second.recv(), 1_000).trailer
        assert trailer is not None and trailer.sequence == 1


def test_a_reconnecting_subscriber_that_had_the_last_value_sees_neither_a_repeat_nor_a_gap(
    feed, watch
):
    feeding = feed(wait_for=1)
    watching = watch(feeding.port)
    feeding.send(b"1", b"2")
    wait_until(lambda: len(watching.values) == 2)
    # The publisher disconnects it, because it no longer answers.
    peers = feeding.publisher.node._outlet.subscribers.signing
    cut_all(peers, feeding.port)
    wait_until(lambda: watching.statuses == ["connected", "disconnected", "connected"])
    wait_until(lambda: feeding.publisher.stats().subscriptions == 1)
    feeding.send(b"3")
    wait_until(lambda: len(watching.values) == 3)
    assert watching.values == [b"1", b"2", b"3"]
    assert watching.subscription.stats().lost == 0


def cut_all(peers: Any, port: int) -> None:
    from graphcore_zmq.write.peers import _cut

    wait_until(lambda: peers._heard)
    for descriptor in tuple(peers._heard):
        assert _cut(descriptor, port)


def test_the_last_value_waits_for_the_first_subscriber_however_long(feed, watch):
    feeding = feed(keep_for="1ms")
    feeding.send(b"1", b"2")
    threading.Event().wait(0.05)  # far longer than a value is kept
    watching = watch(feeding.port)
    wait_until(lambda: watching.values)
    assert watching.values == [b"2"]
    wait_until(lambda: feeding.publisher.stats().sent)
    stats = feeding.publisher.stats()
    assert (stats.sent, stats.kept, stats.expired) == (1, 0, 1)


def test_kept_values_come_to_the_first_subscriber_in_order_and_once(feed, watch):
    feeding = feed()
    feeding.send(b"1", b"2", b"3")
    watching = watch(feeding.port)
    wait_until(lambda: len(watching.values) >= 3)
    feeding.send(b"4")
    wait_until(lambda: len(watching.values) >= 4)
    assert watching.values == [b"1", b"2", b"3", b"4"]


def test_a_last_value_without_a_subscriber_is_counted_at_the_end():
    publisher = gc.from_iterable([b"1", b"2"]).zmq_pub(
        0, bind="127.0.0.1", last_value=True, keep_for="1ms"
    )
    publisher.run(realtime=True)
    assert (publisher.stats().sent, publisher.stats().expired) == (0, 2)


def test_subscribers_that_come_before_the_first_value_get_all_values(feed, watch):
    feeding = feed(wait_for=3)
    watching = [watch(feeding.port) for _ in range(3)]
    feeding.send(*(b"%d" % n for n in range(50)))
    for each in watching:
        wait_until(lambda each=each: len(each.values) == 50)
        assert each.statuses == [CONNECTED]


def test_signs_of_life_do_not_send_the_last_value_to_one_subscriber_alone(feed, watch):
    options = SocketOptions(heartbeat_interval="10ms")
    feeding = feed(wait_for=3)
    watching = [watch(feeding.port, options=options) for _ in range(3)]
    for n in range(200):
        feeding.send(b"%d" % n)
    for each in watching:
        wait_until(lambda each=each: len(each.values) == 200)
        assert each.subscription.stats().lost == 0


def test_subscribers_that_come_between_the_signs_of_others_are_distinguished(feed, watch):
    # All messages wait in the socket while the graph waits for the second subscriber's value.
    feeding = feed(wait_for=1)
    context = zmq.Context()
    signing = context.socket(zmq.XSUB)
    signing.connect(f"tcp://127.0.0.1:{feeding.port}")
    for message in (b"\1", b"\1" + SIGNING):
        signing.send(message)
    feeding.send(b"1")
    assert values(signing, 1) == [b"1"]
    late = []
    for _ in range(20):
        for _ in range(5):
            signing.send(b"\1" + ALIVE)
            signing.send(b"\0" + ALIVE)
        late.append(watch(feeding.port))
    for each in late:
        wait_until(lambda each=each: each.values)
    feeding.send(b"2")
    for each in late:
        wait_until(lambda each=each: len(each.values) == 2)
        assert each.values == [b"1", b"2"]
    context.destroy(linger=0)


def test_each_topic_has_a_last_value_of_its_own(feed, watch):
    feeding = feed(wait_for=1, topic=lambda value: value.decode()[0])
    early = watch(feeding.port, topics=["a", "b", "c"])
    feeding.send(b"a1", b"b1", b"a2", b"c1")
    wait_until(lambda: len(early.values) == 4)
    late = watch(feeding.port, topics=["b", "a", "x"])
    wait_until(lambda: len(late.values) == 2)
    feeding.send(b"a3", b"b2")
    wait_until(lambda: len(late.values) == 4 and len(early.values) == 6)
    assert sorted(late.values[:2]) == [("a", b"a2"), ("b", b"b1")]
    assert late.values[2:] == [("a", b"a3"), ("b", b"b2")]
    assert early.values[4:] == [("a", b"a3"), ("b", b"b2")]
    assert late.subscription.stats().lost == 0


@pytest.mark.parametrize("ends", [False, True], ids=["goes-on", "ends"])
def test_under_block_more_topics_than_a_queue_has_room_for_give_their_last_values(
    feed, watch, ends
):
    # This takes some seconds, long enough for check points in the silent topics.
    options = SocketOptions(send_high_water_mark=2, receive_high_water_mark=2)
    topics = [f"{n:04}" for n in range(2_000)]
    feeding = feed(
        wait_for=1, topic=lambda value: value[:4].decode(), on_full="block", options=options
    )
    # A subscriber without a topic makes the publisher begin.
    watch(feeding.port, topics=["none"])
    feeding.send(*(topic.encode() + b"=1" for topic in topics))
    late = watch(feeding.port, topics=topics)
    if ends:
        wait_until(lambda: late.values)
        feeding.end()
    wait_until(lambda: len(late.values) >= len(topics), 60)
    assert sorted(late.values) == [(topic, topic.encode() + b"=1") for topic in topics]
    assert late.subscription.stats().lost == 0


class Noting:
    """Tells the test that a value is being published."""

    def __init__(self) -> None:
        self.publishing = threading.Event()

    def encode(self, value: bytes) -> bytes:
        self.publishing.set()
        return value

    def decode(self, payload: bytes) -> bytes:
        return payload


@pytest.mark.parametrize("topics", [None, ["a"]], ids=["plain", "topical"])
def test_under_block_a_subscriber_that_the_first_value_waits_for_gets_only_that_value(
    feed, watch, topics
):
    options = {} if topics is None else {"topic": lambda value: value[:1].decode()}
    feeding = feed(on_full="block", codec=(codec := Noting()), **options)
    early = watch(feeding.port, topics=topics)
    wait_until(lambda: feeding.publisher.stats().subscriptions == 1)
    early.end()
    wait_until(lambda: feeding.publisher.stats().subscriptions == 0)
    sending = threading.Thread(target=feeding.send, args=(b"a1",))
    sending.start()
    assert codec.publishing.wait(10)
    late = watch(feeding.port, topics=topics)
    sending.join()
    feeding.send(b"a2")
    wait_until(lambda: len(late.values) == 2)
    expected = [b"a1", b"a2"]
    assert late.values == (expected if topics is None else [("a", each) for each in expected])


def test_the_last_value_of_each_topic_waits_for_the_first_subscriber(feed, watch):
    feeding = feed(keep_for="1ms", keep_count=2, topic=lambda value: value.decode()[0])
    feeding.send(*(b"%c%d" % (topic, n) for n in range(3) for topic in b"abcd"))
    watching = watch(feeding.port, topics=["a", "b", "c", "d"])
    wait_until(lambda: len(watching.values) >= 4)
    assert sorted(watching.values) == [(each, each.encode() + b"2") for each in "abcd"]
    assert feeding.publisher.stats().expired == 8


def test_the_last_burst_is_repeated_whole(feed, watch):
    feeding = feed(bursts=True, wait_for=1)
    watch(feeding.port)
    feeding.send([b"1"], [b"2", b"3"])
    late = watch(feeding.port)
    wait_until(lambda: late.values)
    assert late.values == [b"2", b"3"]


def test_a_slow_subscriber_under_block_does_not_keep_a_newcomer_from_its_value(publish, subscribe):
    publisher = publish(on_full="block", high_water_mark=10, last_value=True, peer_timeout=None)
    port = publisher.line_with("port")["port"]
    slow = subscribe(port, say_every=1, high_water_mark=10)
    slow.line_with("at")
    os.kill(slow.process.pid, signal.SIGSTOP)
    newcomer = subscribe(port, say_every=1)
    newcomer.line_with("at")
    os.kill(slow.process.pid, signal.SIGCONT)
    publisher.process.send_signal(signal.SIGTERM)
    sent = publisher.line_with("sent")["sent"]
    seen, seen_late = slow.line_with("count"), newcomer.line_with("count")
    assert (seen["count"], seen["lost"]) == (sent, 0)
    assert seen_late["lost"] == 0 and seen_late["in_order"]
    assert seen_late["count"] == sent - seen_late["first"]


def test_the_end_reaches_everybody(feed):
    feeding = Feeding(last_value=True, wait_for=2)
    closing = [Watching(feeding.port, closes=True) for _ in range(2)]
    feeding.send(b"1")
    closing.append(Watching(feeding.port, closes=True))
    wait_until(lambda: closing[2].values)
    feeding.end()
    for each in closing:
        each.join()
        assert each.values == [b"1"]


def test_a_silent_publisher_sends_check_points_to_all(feed):
    feeding = feed(wait_for=2)
    with bare(feeding.port) as one, bare(feeding.port) as other:
        feeding.send(b"1")
        for each in (one, other):
            assert values(each, 1) == [b"1"]
            while (frame := read_frame(each.recv(), 1_000)).trailer is None:
                pass
            assert frame.tag is Tag.CHECK_POINT


def test_a_libzmq_without_last_value_support_is_refused_at_the_start(monkeypatch):
    monkeypatch.setattr(zmq, "XPUB_MANUAL_LAST_VALUE", 9_999)
    publisher = gc.never().zmq_pub(0, bind="127.0.0.1", last_value=True)
    with pytest.raises(gc.RunError, match="last_value=True needs a libzmq with"):
        publisher.run(realtime=True)


def test_last_value_is_yes_or_no():
    with pytest.raises(gc.InvalidTypeError, match="last_value is True or False, not 1"):
        gc.never().zmq_pub(0, last_value=1)
