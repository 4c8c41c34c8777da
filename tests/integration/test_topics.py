"""Topics: which values a subscriber gets, gaps within a topic, and the end of a topic."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import zmq

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import SocketOptions, ZmqStatus, raw, zmq_sub
from graphcore_zmq.wire.frames import Tag, Trailer, end_of_stream_frame, read_frame, value_frame
from graphcore_zmq.wire.signs import SIGNING, TOPICS
from graphcore_zmq.write.peers import _cut
from tests.integration.bare import bare_context
from tests.integration.feeding import Feeding
from tests.integration.watching import Watching

pytestmark = [pytest.mark.zmq, pytest.mark.usefixtures("nothing_is_left_over")]

CONNECTED, DISCONNECTED, GAP = ZmqStatus.CONNECTED, ZmqStatus.DISCONNECTED, ZmqStatus.GAP


def first_word(value: bytes) -> str:
    return value.decode().split()[0]


@pytest.fixture
def feed(feeding: Callable[..., Feeding]) -> Callable[..., Feeding]:
    return partial(feeding, topic=first_word)


@pytest.fixture
def watch(watching: Callable[..., Watching]) -> Callable[..., Watching]:
    return lambda port, *topics, **options: watching(port, topics=topics, **options)


def subscribers(feeding: Feeding) -> int:
    return feeding.publisher.stats().subscriptions


def test_a_subscriber_gets_the_topics_that_it_names_and_filtering_is_not_a_gap(feed, watch):
    feeding = feed(wait_for=2)
    some, other = watch(feeding.port, "a", "c"), watch(feeding.port, "b")
    values = [b"%s %d" % (topic, n) for n in range(100) for topic in (b"a", b"b", b"c", b"d")]
    feeding.send(*values)
    wait_until(lambda: len(some.values) == 200 and len(other.values) == 100)
    assert some.values == [(first_word(each), each) for each in values if each[:1] in b"ac"]
    assert other.values == [("b", each) for each in values if each[:1] == b"b"]
    assert some.statuses == other.statuses == [CONNECTED]
    assert some.subscription.stats().lost == 0 and some.subscription.stats().received == 200


def test_a_topic_is_matched_exactly(feed, watch):
    feeding = feed(wait_for=1)
    watching = watch(feeding.port, "a", "gc1")
    feeding.send(b"ab 1", b"a 2", b"gc1 3", b"gc12 4", "ä 5".encode(), b"a 6")
    wait_until(lambda: len(watching.values) >= 3)
    assert [value for _, value in watching.values] == [b"a 2", b"gc1 3", b"a 6"]


def test_a_subscriber_of_a_quiet_topic_stays_connected(feed, watch):
    feeding = feed(wait_for=1, options=SocketOptions(peer_timeout="500ms"))
    quiet = watch(feeding.port, "quiet", options=SocketOptions(heartbeat_interval="50ms"))
    until = time.monotonic() + 3
    while time.monotonic() < until:
        feeding.send(b"busy 1")
    assert quiet.statuses == [CONNECTED]
    feeding.send(b"quiet 1")
    wait_until(lambda: quiet.values)
    assert quiet.statuses == [CONNECTED]


def test_a_subscriber_without_topics_at_a_publisher_with_topics_gets_an_error(feed):
    feeding = feed()
    data, _ = zmq_sub(feeding.port, codec=raw)
    errors: list[Exception] = []

    def run() -> None:
        try:
            data.run(realtime=True, duration="30s")
        except gc.GraphcoreError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: feeding.publisher.stats().subscriptions)
    feeding.send(b"a 1")
    thread.join(20)
    assert "this publisher has topics: name some with topics=[...]" in str(errors[0])


def test_values_are_filtered_at_the_publisher(feed):
    feeding = feed(wait_for=1)
    context = zmq.Context()
    socket = context.socket(zmq.XSUB)
    socket.connect(f"tcp://127.0.0.1:{feeding.port}")
    for wanted in (b"a\0", TOPICS):
        socket.send(b"\1" + wanted)
    feeding.send(b"b 1", b"a 2", b"b 3", b"a 4")
    got = [socket.recv_multipart() for _ in range(2)]
    context.destroy(linger=0)
    assert [topic for topic, _ in got] == [b"a\0", b"a\0"]
    frames = [read_frame(frame, 1_000) for _, frame in got]
    assert [frame.payloads for frame in frames] == [[b"a 2"], [b"a 4"]]
    assert [frame.trailer.sequence for frame in frames] == [0, 1]


def test_values_before_the_first_subscriber_are_kept_whatever_their_topic(feed, watch):
    feeding = feed()
    feeding.send(b"a 1", b"b 2", b"a 3")
    watching = watch(feeding.port, "b", "a")
    wait_until(lambda: len(watching.values) == 3)
    assert [value for _, value in watching.values] == [b"a 1", b"b 2", b"a 3"]


def test_a_subscriber_counts_once_however_many_topics_it_names(feed, watch):
    feeding = feed(wait_for=2)
    first = watch(feeding.port, *"abcdefgh")
    wait_until(lambda: subscribers(feeding) == 1)
    feeding._queue.put(b"a 1")
    second = watch(feeding.port, "a")
    wait_until(lambda: first.values and second.values)
    assert subscribers(feeding) == 2
    second.end()
    wait_until(lambda: subscribers(feeding) == 1)


def test_the_end_is_sent_on_every_topic_even_without_values(feed):
    feeding = Feeding(topic=first_word, wait_for=2)
    closing = [Watching(feeding.port, closes=True, topics=each) for each in (["a", "x"], ["x"])]
    feeding.send(b"a 1", b"b 2")
    feeding.end()
    for each in closing:
        each.join()
        assert each.statuses == [CONNECTED, DISCONNECTED]
        assert each.report.ended_by == "sources"
    assert closing[0].values == [("a", b"a 1")]


def test_lost_last_values_of_a_topic_are_noticed_by_its_check_point(feed, watch):
    feeding = feed(wait_for=1)
    watching = watch(feeding.port, "a", "b")
    feeding.send(b"a 1", b"b 1")
    wait_until(lambda: len(watching.values) == 2)
    # As if the socket had dropped three of them.
    feeding.publisher.node._outlet._channels[b"b\0"].sequence += 3
    wait_until(lambda: watching.statuses == [CONNECTED, GAP])
    assert watching.subscription.stats().lost == 3


def test_each_silent_topic_gets_check_points_and_a_busy_one_gets_none(feed):
    feeding = feed(wait_for=1)
    context = zmq.Context()
    socket = context.socket(zmq.XSUB)
    socket.connect(f"tcp://127.0.0.1:{feeding.port}")
    for wanted in (b"", TOPICS):
        socket.send(b"\1" + wanted)
    feeding.send(b"one 1", b"two 1")
    check_points: Counter[bytes] = Counter()
    longest, last = 0.0, time.monotonic()
    while min(check_points[b"one\0"], check_points[b"two\0"]) < 2:
        feeding.send(b"busy 1")
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        while socket.poll(10):
            topic, frame = socket.recv_multipart()
            check_points[topic] += read_frame(frame, 1).tag == Tag.CHECK_POINT
    context.destroy(linger=0)
    # This process may have been suspended, and the topic really silent.
    assert longest > 0.5 or not check_points[b"busy\0"]


def test_a_subscriber_is_counted_when_all_its_topics_are_there(bare, watch):
    topics = ["z", "\U0010ffff", "a", "gc1", "\1"]
    watch(bare.port, *topics)
    asked = [bare.socket.recv()]
    while asked[-1] != b"\1" + TOPICS:
        asked.append(bare.socket.recv())
    assert set(asked) >= {b"\1" + each.encode() + b"\0" for each in topics}
    assert b"\1" + SIGNING in asked


def test_a_subscriber_of_very_many_topics_gets_all_of_them_even_after_a_disconnection(feed, watch):
    # More than libzmq's default queue of 1,000.
    topics = [f"t{n}" for n in range(2_500)]
    feeding = feed(wait_for=1)
    watching = watch(feeding.port, *topics)
    for _ in range(2):
        feeding.send(*(f"{each} x".encode() for each in topics[::100]))
        wait_until(lambda: len(watching.values) == 25)
        watching.values.clear()
        wait_until(lambda: feeding.publisher.node._outlet.subscribers.signing._heard)
        (descriptor,) = feeding.publisher.node._outlet.subscribers.signing._heard
        assert _cut(descriptor, feeding.port)
        wait_until(lambda: feeding.publisher.stats().subscriptions == 0)
        wait_until(lambda: feeding.publisher.stats().subscriptions == 1)


class Bare:
    """A publisher of topics without graphcore."""

    def __init__(self) -> None:
        self.context = bare_context()
        self.socket = self.context.socket(zmq.XPUB)
        self.port = self.socket.bind_to_random_port("tcp://127.0.0.1")

    def await_subscriptions(self) -> None:
        while self.socket.recv() != b"\1" + TOPICS:
            pass

    def send(self, topic: bytes, frame: bytes) -> None:
        self.socket.send_multipart([topic, frame])


@pytest.fixture
def bare(nothing_is_left_over: None) -> Iterator[Bare]:
    publisher = Bare()
    yield publisher
    publisher.context.destroy(linger=0)


def test_gaps_and_repeats_are_reported_for_each_topic_separately(bare, watch):
    watching = watch(bare.port, "a", "b")
    bare.await_subscriptions()
    for topic, sequence in [(b"a", 7), (b"b", 0), (b"a", 8), (b"b", 0), (b"b", 3), (b"a", 9)]:
        bare.send(topic + b"\0", value_frame(b"%d" % sequence, Trailer(1, sequence, 0)))
    wait_until(lambda: len(watching.values) == 5)
    assert watching.told[0] is CONNECTED
    flat = [
        each for told in watching.told[1:] for each in (told if isinstance(told, list) else [told])
    ]
    assert flat == [("a", b"7"), ("b", b"0"), ("a", b"8"), GAP, ("b", b"3"), ("a", b"9")]
    assert watching.subscription.stats().lost == 2


def test_a_publisher_that_was_replaced_starts_all_topics_anew(bare, watch):
    watching = watch(bare.port, "a", "b")
    bare.await_subscriptions()
    for instance, topic, sequence in [(1, b"a", 7), (1, b"b", 5), (2, b"b", 0), (2, b"a", 0)]:
        bare.send(topic + b"\0", value_frame(topic, Trailer(instance, sequence, 0)))
    wait_until(lambda: len(watching.values) == 4)
    assert watching.statuses == [CONNECTED, DISCONNECTED, CONNECTED]
    assert watching.subscription.stats().lost == 0


def test_a_restart_is_reported_once(feed, watch):
    feeding = feed(wait_for=1)
    watching = watch(feeding.port, "a", "b", on_end="follow")
    feeding.send(b"a 1")
    feeding.end()
    again = feed(port=feeding.port, wait_for=1)
    again.send(b"b 1", b"a 2")
    again.end()
    wait_until(lambda: len(watching.values) == 3)
    wait_until(lambda: len(watching.statuses) == 4)
    assert watching.statuses == [CONNECTED, DISCONNECTED] * 2
    assert watching.values == [("a", b"a 1"), ("b", b"b 1"), ("a", b"a 2")]
    assert watching.subscription.stats().lost == 0


def test_an_end_on_some_topics_ends_the_source_when_the_connection_ends(bare):
    watching = Watching(bare.port, closes=True, topics=["a", "b"])
    bare.await_subscriptions()
    bare.send(b"a\0", end_of_stream_frame(Trailer(1, 0, 0)))
    bare.send(b"b\0", value_frame(b"late", Trailer(1, 0, 0)))
    wait_until(lambda: watching.values)
    assert watching.statuses == [CONNECTED]
    bare.context.destroy(linger=1_000)
    watching.join()
    assert watching.statuses == [CONNECTED, DISCONNECTED]
    assert watching.values == [("b", b"late")]


@pytest.mark.parametrize(
    "message", [[b"a\0", b"x", b"y"], [b"a\0"], [b"a\0x", b"y"], [b"a\0", b"junk"]]
)
def test_a_message_of_another_topic_aborts_with_the_address(bare, message):
    data, _ = zmq_sub(bare.port, codec=raw, topics=["a"])

    def send(sender: gc.Sender[None], stop: Any) -> None:
        bare.await_subscriptions()
        bare.socket.send_multipart(message)

    with pytest.raises(gc.GraphcoreError) as aborted:
        gc.Graph(data, gc.receiver(send)).run(realtime=True, duration="2s")
    assert f"tcp://127.0.0.1:{bare.port}" in "\n".join(aborted.value.__notes__)


def test_bursts_are_split_by_topic_and_each_part_is_a_frame(feed, watch):
    feeding = feed(bursts=True, wait_for=1)
    watching = watch(feeding.port, "a", "b")
    feeding.send([b"a 1", b"b 2", b"a 3"], [], [b"c 4"], (b"b 5",))
    wait_until(lambda: len(watching.values) == 4)
    assert watching.values == [("a", b"a 1"), ("a", b"a 3"), ("b", b"b 2"), ("b", b"b 5")]


def test_a_full_queue_is_waited_for_whatever_the_topic(feed, watch):
    count = 3_000
    options = SocketOptions(send_high_water_mark=10, receive_high_water_mark=10)
    feeding = feed(on_full="block", options=options, keep_count=0)
    watching = watch(feeding.port, "a", "b", options=options)
    for n in range(count):
        feeding._queue.put(b"%s %d" % ((b"a", b"b")[n % 2], n))
    wait_until(lambda: len(watching.values) == count, seconds=60)
    assert [int(value.split()[1]) for _, value in watching.values] == list(range(count))


def test_conflate_keeps_the_newest_value_of_each_topic_for_a_slow_graph(feed):
    feeding = feed(wait_for=1)
    subscription = zmq_sub(feeding.port, codec=raw, topics=["a", "b", "c"], conflate=True)
    held, let_go = threading.Event(), threading.Event()
    bursts: list[list[Any]] = []

    def hold(burst: list[Any]) -> None:
        bursts.append(burst)
        held.set()
        let_go.wait(30)

    data = subscription.data.for_each(hold)
    thread = threading.Thread(
        target=gc.Graph(data).run, kwargs={"realtime": True, "duration": "20s"}
    )
    thread.start()
    feeding.send(b"a 1")
    assert held.wait(10)
    feeding.send(b"a 2", b"b 3", b"a 4", b"c 5", b"b 6")
    wait_until(lambda: subscription.stats().received == 6)
    let_go.set()
    wait_until(lambda: sum(map(len, bursts)) == 4)  # or the next would replace one of them
    feeding.send(b"a 7")
    wait_until(lambda: sum(map(len, bursts)) == 5)
    feeding.end()
    thread.join(30)
    assert bursts[0] == [("a", b"a 1")]
    values = [pair for burst in bursts[1:] for pair in burst]
    assert sorted(values[:3]) == [("a", b"a 4"), ("b", b"b 6"), ("c", b"c 5")]
    assert values[3:] == [("a", b"a 7")]
    assert subscription.stats().conflated == 2


def test_a_subscriber_of_topics_at_a_publisher_without_them_is_logged(feed, watch, caplog):
    feeding = feed(topic=None)
    watch(feeding.port, "a")
    wait_until(lambda: "a subscriber asks for topics, but this publisher has none" in caplog.text)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: zmq_sub(5556, topics="a"), "topics is a list of texts, not 'a'"),
        (lambda: zmq_sub(5556, topics=7), "topics is a list of texts, not 7"),
        (lambda: zmq_sub(5556, topics=[]), "at least one topic"),
        (lambda: zmq_sub(5556, topics=[b"a"]), "a topic is text, not b'a'"),
        (lambda: zmq_sub(5556, topics=["a\0"]), "without a zero character"),
        (lambda: zmq_sub(5556, topics=[""]), "a topic is text"),
        (lambda: zmq_sub(5556, topics=["\ud800"]), "UTF-8"),
        (lambda: gc.never().zmq_pub(0, topic="a"), "topic is a function"),
    ],
)
def test_an_invalid_topic_is_refused_where_it_is_given(make, message):
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError), match=message):
        make()


def test_a_value_with_an_invalid_topic_ends_the_run_with_the_nodes_name():
    publisher = gc.constant(1).zmq_pub(0, topic=lambda value: value, bind="127.0.0.1")
    with pytest.raises(gc.InvalidTypeError, match="a topic is text, not 1"):
        publisher.run(realtime=True)
