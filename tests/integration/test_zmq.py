"""Publishers and subscribers in this process: in one graph, in threads, against bare sockets."""

import os
import struct
import threading
from collections.abc import Iterator

import pytest
import zmq

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import (
    CodecError,
    RegistryError,
    SocketOptions,
    WireError,
    ZmqStatus,
    raw,
    zmq_pub,
    zmq_sub,
)
from graphcore_zmq.wire.frames import Trailer, check_point_frame, end_of_stream_frame, value_frame
from tests.integration.bare import bare_context
from tests.integration.etcd_server import free_port
from tests.integration.programs import StopAt

pytestmark = [pytest.mark.zmq, pytest.mark.usefixtures("nothing_is_left_over")]


class BarePublisher:
    """An XPUB socket without graphcore, which sends the frames of a test."""

    def __init__(self) -> None:
        self.context = bare_context()
        self.socket = self.context.socket(zmq.XPUB)
        # The publisher sees every subscription, even while an earlier subscriber has not
        # disconnected yet.
        self.socket.set(zmq.XPUB_VERBOSE, 1)
        self.port = self.socket.bind_to_random_port("tcp://127.0.0.1")

    def send_when_subscribed(self, frames: list[bytes]) -> None:
        assert self.socket.poll(10_000)
        self.socket.recv()
        for frame in frames:
            self.socket.send(frame)

    def close(self) -> None:
        self.socket.close()
        self.context.term()


@pytest.fixture
def bare(nothing_is_left_over: None) -> Iterator[BarePublisher]:
    publisher = BarePublisher()
    yield publisher
    publisher.close()


def test_publish_and_subscribe_in_one_graph():
    port = free_port()
    publisher = gc.from_iterable(range(100), period="1ms").zmq_pub(port, bind="127.0.0.1")
    subscription = zmq_sub(port)
    out, statuses = subscription.data.unroll().collect(), subscription.status.collect()
    done = gc.Stream(StopAt(subscription.data.unroll(), 99))
    report = gc.Graph(publisher, out, statuses, done).run(realtime=True, duration="10s")
    assert report.ended_by == "stop"
    assert out.values == list(range(100))
    assert statuses.values == [ZmqStatus.CONNECTED]
    assert (publisher.stats().sent, subscription.stats().received) == (100, 100)
    assert (publisher.stats().peers, subscription.stats().peers) == (0, 0)


def subscribe_in_thread(run: gc.Graph, reports: list[gc.RunReport]) -> threading.Thread:
    thread = threading.Thread(target=lambda: reports.append(run.run(realtime=True)))
    thread.start()
    return thread


@pytest.mark.parametrize("pause", [0.0, 2.0])
def test_a_value_of_the_first_cycle_is_not_lost_to_a_subscriber_that_comes_within_the_window(
    pause,
):
    # Far longer than the pause, because a busy host needs additional time to connect.
    publisher = gc.constant("only").zmq_pub(0, bind="127.0.0.1", keep_for="20s")
    reports: list[gc.RunReport] = []
    publishing = subscribe_in_thread(gc.Graph(publisher), reports)
    wait_until(lambda: publisher.port)
    threading.Event().wait(pause)
    data, status = zmq_sub(publisher.port)
    values, statuses = data.collect(), status.collect()
    gc.Graph(values, statuses).run(realtime=True, duration="30s")
    publishing.join()
    assert values.values == [["only"]]
    assert statuses.values == [ZmqStatus.CONNECTED, ZmqStatus.DISCONNECTED]
    assert publisher.stats().expired == 0
    # A subscriber's arrival wakes the node without a cycle.
    assert reports[0].cycles == 1


def test_a_value_waits_for_half_a_second_by_default():
    publisher = gc.constant("only").zmq_pub(0, bind="127.0.0.1")
    report = publisher.run(realtime=True)
    assert report.cycles == 1
    assert report.wall_time >= 500_000_000
    assert publisher.stats().expired == 1


def test_values_that_nobody_subscribes_to_in_time_are_counted(caplog):
    publisher = gc.from_iterable(range(5)).zmq_pub(0, bind="127.0.0.1", keep_for="20ms")
    publisher.run(realtime=True)
    assert (publisher.stats().sent, publisher.stats().expired) == (0, 5)
    assert "values are lost unsent" in caplog.text


def test_wait_for_holds_the_first_value_until_enough_have_subscribed():
    publisher = gc.from_iterable(range(10)).zmq_pub(0, bind="127.0.0.1", wait_for=2)
    reports: list[gc.RunReport] = []
    threads = [subscribe_in_thread(gc.Graph(publisher), reports)]
    wait_until(lambda: publisher.port)
    outs = []
    for peers in (1, 2):
        assert publisher.stats().sent == 0
        outs.append(zmq_sub(publisher.port).data.unroll().collect())
        threads.append(subscribe_in_thread(gc.Graph(outs[-1]), reports))
        wait_until(lambda peers=peers: publisher.stats().peers >= peers or reports)
    for thread in threads:
        thread.join()
    assert [out.values for out in outs] == [list(range(10))] * 2


@gc.node
class Until(gc.MutableNode[None]):
    source: gc.Active[object]
    told: threading.Event

    def cycle(self, state: gc.GraphState) -> bool:
        if self.told.is_set():
            state.stop()
        return False


def test_a_late_subscriber_gets_only_later_values():
    ticks, told = gc.ticker("1ms"), threading.Event()
    publisher = ticks.count().zmq_pub(0, bind="127.0.0.1", keep_for="30s")
    reports: list[gc.RunReport] = []
    graph = gc.Graph(publisher, Until(ticks, told))
    publishing = threading.Thread(target=lambda: reports.append(graph.run(realtime=True)))
    publishing.start()
    wait_until(lambda: publisher.port)
    early = zmq_sub(publisher.port).data.unroll().collect()
    first = subscribe_in_thread(gc.Graph(early), reports)
    wait_until(lambda: len(early) > 100)
    late = zmq_sub(publisher.port).data.unroll().collect()
    second = subscribe_in_thread(gc.Graph(late), reports)
    wait_until(lambda: len(late) > 100)
    told.set()
    for thread in (publishing, first, second):
        thread.join()
    assert early.values[0] == 1
    for out in (early, late):
        assert out.values == list(range(out.values[0], early.values[-1] + 1))
    assert late.values[0] > 100


def test_a_gap_is_reported_in_its_place_and_counted(bare):
    data, status = subscription = zmq_sub(bare.port, codec=raw)
    told: list[object] = []
    watched = data.merge(status).for_each(told.append)
    frames = [value_frame(b"%d" % n, Trailer(1, n, 0)) for n in (5, 6, 9, 9, 10)]
    sender = threading.Thread(
        target=bare.send_when_subscribed,
        args=([*frames, end_of_stream_frame(Trailer(1, 11, 0))],),
    )
    sender.start()
    gc.Graph(watched).run(realtime=True, duration="10s")
    sender.join()
    values = [value for each in told if isinstance(each, list) for value in each]
    assert values == [b"5", b"6", b"9", b"10"]
    kinds = [each for each in told if not isinstance(each, list)]
    assert kinds == [ZmqStatus.CONNECTED, ZmqStatus.GAP, ZmqStatus.DISCONNECTED]
    before = told[: told.index(ZmqStatus.GAP)]
    assert [value for each in before if isinstance(each, list) for value in each] == [b"5", b"6"]
    assert subscription.stats().lost == 2


def test_lost_last_values_are_noticed_by_the_check_point(bare):
    subscription = zmq_sub(bare.port, codec=raw)
    statuses = subscription.status.collect()
    frames = [
        value_frame(b"0", Trailer(1, 0, 0)),
        check_point_frame(Trailer(1, 3, 0)),
        check_point_frame(Trailer(1, 3, 0)),
        end_of_stream_frame(Trailer(1, 4, 0)),
    ]
    sender = threading.Thread(target=bare.send_when_subscribed, args=(frames,))
    sender.start()
    gc.Graph(statuses).run(realtime=True, duration="10s")
    sender.join()
    assert statuses.values == [ZmqStatus.CONNECTED, ZmqStatus.GAP, ZmqStatus.DISCONNECTED]
    assert subscription.stats().lost == 3


def test_a_silent_publisher_sends_check_points():
    publisher = (
        gc.constant(1).merge(gc.receiver(lambda _, stop: stop.wait())).zmq_pub(0, bind="127.0.0.1")
    )
    publishing = threading.Thread(target=lambda: publisher.run(realtime=True, duration="3s"))
    publishing.start()
    wait_until(lambda: publisher.port)
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.subscribe(b"")
    socket.connect(f"tcp://127.0.0.1:{publisher.port}")
    tags = [socket.recv()[0] for _ in range(2)]
    publishing.join()
    context.destroy(linger=0)
    assert tags == [3, 0]


def test_a_garbage_frame_aborts_with_the_address_and_the_first_bytes(bare):
    data, _ = zmq_sub(bare.port)
    sender = threading.Thread(target=bare.send_when_subscribed, args=([b"junk"],))
    sender.start()
    with pytest.raises(WireError, match="tag 1802401130") as aborted:
        data.run(realtime=True, duration="10s")
    sender.join()
    notes = "\n".join(aborted.value.__notes__)
    assert f"tcp://127.0.0.1:{bare.port}" in notes and "junk" in notes


@pytest.mark.parametrize("with_trailer", [True, False])
def test_a_burst_of_large_values_is_handed_over_before_it_is_complete(bare, with_trailer):
    # Otherwise a publisher as fast as the subscriber's thread would fill the memory with one burst.
    bursts: list[list[bytes]] = []
    data, _ = zmq_sub(bare.port, codec=raw)
    payload = b"x" * (1 << 20)
    frames = [value_frame(payload, Trailer(1, n, 0)) for n in range(60)]
    if not with_trailer:
        frames = [frame[:-28] for frame in frames]
    sender = threading.Thread(
        target=bare.send_when_subscribed, args=([*frames, end_of_stream_frame(Trailer(1, 60, 0))],)
    )
    sender.start()
    data.for_each(bursts.append).run(realtime=True, duration="20s")
    sender.join()
    assert sum(map(len, bursts)) == 60
    assert max(map(len, bursts)) <= 4


def test_a_burst_has_4096_values_at_most(bare):
    bursts: list[list[bytes]] = []
    data, _ = zmq_sub(bare.port, codec=raw)
    # All in one frame, so that they are there at once.
    frame = struct.pack("<IqQ", 2, 0, 10_000) + (struct.pack("<Q", 1) + b"v") * 10_000
    sender = threading.Thread(
        target=bare.send_when_subscribed, args=([frame, end_of_stream_frame(Trailer(1, 0, 0))],)
    )
    sender.start()
    data.for_each(bursts.append).run(realtime=True, duration="20s")
    sender.join()
    assert [len(burst) for burst in bursts] == [4096, 4096, 10_000 - 2 * 4096]


def test_large_values_count_by_their_bytes_in_the_inbox_of_a_slow_graph():
    context = bare_context()
    socket = context.socket(zmq.XPUB)
    socket.set(zmq.XPUB_NODROP, 1)
    socket.set(zmq.SNDTIMEO, 2_000)
    socket.set(zmq.SNDHWM, 1)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    options = SocketOptions(receive_high_water_mark=1)
    subscription = zmq_sub(port, codec=raw, options=options)
    let_go = threading.Event()
    sent: list[int] = []

    def send() -> None:
        assert socket.poll(10_000)
        try:
            for n in range(1_000):
                socket.send(value_frame(b"x" * (1 << 20), Trailer(1, n, 0)))
                sent.append(n)
        except zmq.Again:
            pass
        let_go.set()
        socket.set(zmq.SNDTIMEO, -1)
        socket.send(end_of_stream_frame(Trailer(1, len(sent), 0)))

    sender = threading.Thread(target=send)
    sender.start()
    subscription.data.for_each(lambda _: let_go.wait(60)).run(realtime=True, duration="60s")
    sender.join()
    context.destroy(linger=0)
    assert subscription.stats().received == len(sent)
    # 100 MB in the inbox, and what both queues and the kernel hold.
    assert len(sent) < 200


def test_a_publisher_that_was_replaced_within_one_connection_is_reported(bare):
    # As with a proxy between them, whose connection stays.
    data, status = zmq_sub(bare.port, codec=raw)
    told: list[object] = []
    watched = data.merge(status).for_each(told.append)
    frames = [value_frame(b"a", Trailer(1, 4, 0)), value_frame(b"b", Trailer(2, 7, 0))]
    frames.append(end_of_stream_frame(Trailer(2, 8, 0)))
    sender = threading.Thread(target=bare.send_when_subscribed, args=(frames,))
    sender.start()
    gc.Graph(watched).run(realtime=True, duration="10s")
    sender.join()
    connected, disconnected = ZmqStatus.CONNECTED, ZmqStatus.DISCONNECTED
    assert told == [connected, [b"a"], disconnected, connected, [b"b"], disconnected]


def test_a_name_is_followed_and_an_address_closes_unless_told_otherwise(bare):
    registry = Registry()
    registry.names["quotes"] = f"tcp://127.0.0.1:{bare.port}"
    ends = []
    for source in (("quotes", registry), bare.port):
        sender = threading.Thread(
            target=bare.send_when_subscribed, args=([end_of_stream_frame(Trailer(1, 0, 0))],)
        )
        sender.start()
        data, status = zmq_sub(source, codec=raw)
        statuses = status.collect()
        report = gc.Graph(data, statuses).run(realtime=True, duration="1s")
        sender.join()
        assert statuses.values == [ZmqStatus.CONNECTED, ZmqStatus.DISCONNECTED]
        ends.append(report.ended_by)
        assert bare.socket.poll(5_000)  # the subscriber takes its subscriptions back
        while bare.socket.poll(200):
            bare.socket.recv()
    assert ends == ["until", "sources"]


def test_a_registry_with_an_unusable_address_is_reported_in_a_sentence():
    registry = Registry()
    registry.names["quotes"] = "quotes.example"
    data, _ = zmq_sub(("quotes", registry), missing="error")
    with pytest.raises(RegistryError, match="'quotes.example' is not an address"):
        data.run(realtime=True, duration="10s")


def test_both_ends_run_again_and_count_anew():
    publisher = gc.from_iterable(range(3)).zmq_pub(0, bind="127.0.0.1", wait_for=1)
    reports: list[gc.RunReport] = []
    registry = Registry()
    subscription = zmq_sub(("numbers", registry), on_end="close")
    out = subscription.data.unroll().collect()
    subscribing, publishing = gc.Graph(out), gc.Graph(publisher)
    for _ in range(2):
        publisher.node.port = 0
        thread = subscribe_in_thread(publishing, reports)
        wait_until(lambda: publisher.port)
        registry.names["numbers"] = publisher.address
        subscribing.run(realtime=True, duration="10s")
        thread.join()
        assert out.values == [0, 1, 2]
        assert (subscription.stats().received, subscription.stats().peers) == (3, 0)
        assert (publisher.stats().sent, publisher.stats().peers) == (3, 0)


class Failing:
    """A codec with a bug, which raises another error than graphcore's."""

    name = "failing"

    def encode(self, value: object) -> bytes:
        raise KeyError("encode")

    def decode(self, payload: bytes) -> object:
        raise KeyError("decode")


def test_errors_of_a_user_written_codec_are_noted_with_the_address_and_the_first_bytes(bare):
    data, _ = zmq_sub(bare.port, codec=Failing())
    frame = value_frame(b"payload", Trailer(1, 0, 0))
    sender = threading.Thread(target=bare.send_when_subscribed, args=([frame],))
    sender.start()
    with pytest.raises(KeyError, match="decode") as aborted:
        data.run(realtime=True, duration="10s")
    sender.join()
    notes = "\n".join(aborted.value.__notes__)
    assert f"tcp://127.0.0.1:{bare.port}" in notes and "payload" in notes


def test_messages_from_a_hostile_subscriber_are_ignored():
    publisher = gc.from_iterable(range(3)).zmq_pub(0, bind="127.0.0.1", wait_for=1)
    reports: list[gc.RunReport] = []
    publishing = subscribe_in_thread(gc.Graph(publisher), reports)
    wait_until(lambda: publisher.port)
    context = zmq.Context()
    socket = context.socket(zmq.XSUB)
    socket.connect(f"tcp://127.0.0.1:{publisher.port}")
    for message in (b"\2", b"", b"junk", b"gc1\1", b"gc1\2", b"gc1\0signs"):
        socket.send(message)
    wait_until(lambda: publisher.stats().peers)
    assert (publisher.stats().subscriptions, publisher.stats().sent) == (0, 0)
    socket.send(b"\1")
    tags = [socket.recv()[0] for _ in range(4)]
    publishing.join()
    context.destroy(linger=0)
    assert tags == [3, 3, 3, 1]
    assert reports[0].ended_by == "sources"


class Registry:
    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def register(self, name: str, address: str) -> "Registration":
        self.names[name] = address
        return Registration(self, name)

    def lookup(self, name: str) -> str:
        return self.names[name]


class Registration:
    def __init__(self, registry: Registry, name: str) -> None:
        self.registry, self.name = registry, name

    def revoke(self) -> None:
        del self.registry.names[self.name]


def test_a_publisher_is_found_by_its_name_and_leaves_none_behind():
    registry = Registry()
    publisher = gc.from_iterable(range(3)).zmq_pub(0, ("numbers", registry), wait_for=1)
    subscription = zmq_sub(("numbers", registry), on_end="close")
    out = subscription.data.unroll().collect()
    reports: list[gc.RunReport] = []
    publishing = subscribe_in_thread(gc.Graph(publisher), reports)
    wait_until(lambda: registry.names)
    assert "0.0.0.0" not in registry.names["numbers"]
    out.run(realtime=True, duration="10s")
    publishing.join()
    assert out.values == [0, 1, 2]
    assert registry.names == {}


def test_a_run_that_raises_leaves_no_thread_no_descriptor_and_no_name():
    registry = Registry()
    publisher = gc.ticker("1ms").map(lambda time: 1 / 0).zmq_pub(0, ("numbers", registry))
    subscription = zmq_sub(5557)
    with pytest.raises(ZeroDivisionError):
        gc.Graph(publisher, subscription.data).run(realtime=True)
    assert registry.names == {}


def test_both_ends_refuse_a_historical_run_before_they_touch_anything():
    registry = Registry()
    before = os.listdir("/proc/self/fd")
    for handle in (gc.constant(1).zmq_pub(0, ("numbers", registry)), zmq_sub(5557).data):
        with pytest.raises(gc.RunError, match="ZMQ nodes only support real-time mode"):
            handle.run()
    assert registry.names == {} and os.listdir("/proc/self/fd") == before


def test_an_address_that_cannot_be_bound_is_named_with_the_reason(bare):
    with pytest.raises(gc.RunError, match=f"127.0.0.1:{bare.port}: Address already in use"):
        gc.constant(1).zmq_pub(bare.port, bind="127.0.0.1").run(realtime=True)


def test_a_value_that_cannot_be_encoded_names_its_type_and_the_node():
    publisher = gc.constant("text").zmq_pub(0, bind="127.0.0.1", codec=raw).named("quotes")
    with pytest.raises(CodecError, match="quotes: raw takes bytes, not a value of type str"):
        publisher.run(realtime=True)


def test_a_subscriber_without_a_publisher_stops_in_time():
    data, _ = zmq_sub(5558)
    report = data.run(realtime=True, duration="50ms")
    assert report.ended_by == "until"
    # One second is promised, though its thread checks `stop` every 100 ms.
    assert report.wall_time < 50_000_000 + 1_000_000_000


def test_zmq_pub_is_a_method_of_every_stream():
    assert gc.Stream.zmq_pub is zmq_pub


def test_values_waiting_at_one_instant_do_not_delay_the_end_of_a_blocked_run():
    # Few enough that a busy machine runs them all: cycles at one time end 250 ms after the bound.
    numbers = gc.constant(list(range(200))).unroll()
    publisher = numbers.zmq_pub(0, bind="127.0.0.1", on_full="block")
    report = publisher.run(realtime=True, duration="50ms")
    assert report.ended_by == "until"
    assert publisher.stats().expired == 200
    # 200 waits of 50 ms each would be 10 s.
    assert report.wall_time < 5_000_000_000


@pytest.mark.parametrize("receive", ["fast", "", 1])
def test_a_way_of_receiving_that_does_not_exist_is_refused(receive):
    with pytest.raises(gc.InvalidValueError) as refused:
        zmq_sub(5_555, receive=receive)
    assert str(refused.value) == f'receive is "thread" or "inline", not {receive!r}'
