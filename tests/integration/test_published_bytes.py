"""What a publisher sends, byte for byte, compared with what `struct` and the libraries make."""

import io
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa
import pytest
import zmq

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import ZmqPublisher, arrow, bincode, json, msgpack, raw

pytestmark = pytest.mark.zmq

Encode = Callable[[Any], bytes]


class Quote(msgspec.Struct):
    name: str
    price: float


def ipc(batch: pa.RecordBatch) -> bytes:
    """Return a batch as an IPC stream, which is what the codec `arrow` documents."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


ANY = [1, "two", None, {"n": 3, "x": 0.5}, [], Quote("a", 1.5), "three"]
BATCH = pa.record_batch([[1, 2], [0.5, None]], names=["n", "x"])
# codec, values, how a library encodes one
CASES: dict[str, tuple[Any, list[Any], Encode]] = {
    "raw": (raw, [b"", b"same", b"size", b"x" * 70_000, bytearray(b"changes")], bytes),
    "raw of one size": (raw, [b"%05d" % number for number in range(7)], bytes),
    "msgpack": (msgpack, ANY, msgspec.msgpack.encode),
    "json": (json, ANY, msgspec.json.encode),
    "bincode": (bincode(float), [0.0, -1.5, 2.0], partial(struct.pack, "<d")),
    "arrow": (arrow, [BATCH, BATCH.slice(1)], ipc),
}
cases = pytest.mark.parametrize("case", CASES)


def received(publisher: ZmqPublisher, *others: gc.Handle, ends: int = 1) -> Iterator[list[bytes]]:
    """Run the graph, and yield the messages that a bare socket receives, the ends too."""
    context = zmq.Context()
    peer = context.socket(zmq.SUB)
    peer.set(zmq.RCVTIMEO, 10_000)
    peer.subscribe(b"")
    graph = gc.Graph(*others, publisher)
    thread = threading.Thread(target=partial(graph.run, realtime=True))
    thread.start()
    try:
        wait_until(lambda: publisher.port)
        peer.connect(f"tcp://127.0.0.1:{publisher.port}")
        while ends:
            message = peer.recv_multipart()
            ends -= message[-1].startswith(END)
            yield message
    finally:
        context.destroy(linger=0)
        thread.join(30)
    assert not thread.is_alive()


END = struct.pack("<I", 1)


def value(payload: bytes, codec: Any) -> bytes:
    length = b"" if hasattr(codec, "read") else struct.pack("<Q", len(payload))
    return length + payload


def trailer(frame: bytes, sequence: int, time: int) -> bytes:
    """Return the trailer of this number and time by the publisher that sent the frame."""
    return b"gc1\0" + frame[-24:-16] + struct.pack("<Qq", sequence, time)


def times_of(stream: gc.Stream[Any]) -> tuple[list[int], gc.Handle]:
    times: list[int] = []
    return times, stream.with_time().for_each(lambda timed: times.append(timed[0]))


@cases
def test_a_value_is_sent_as_tag_length_payload_and_trailer(case):
    codec, values, encode = CASES[case]
    source = gc.from_iterable(values, period="1ms")
    times, watching = times_of(source)
    publisher = source.zmq_pub(0, codec=codec, bind="127.0.0.1", wait_for=1)
    *sent, last = (frame for (frame,) in received(publisher, watching))
    assert sent == [
        struct.pack("<I", 3) + value(encode(each), codec) + trailer(last, number, at)
        for number, (each, at) in enumerate(zip(values, times, strict=True))
    ]
    assert last[:-8] == END + trailer(last, len(values), 0)[:-8]


@cases
def test_a_burst_is_sent_as_tag_time_count_values_and_trailer(case):
    codec, values, encode = CASES[case]
    bursts = [values, [], values[:1], values * 3]
    source = gc.from_iterable(bursts, period="1ms")
    times, watching = times_of(source.filter(bool))
    publisher = source.zmq_pub_burst(0, codec=codec, bind="127.0.0.1", wait_for=1)
    *sent, last = (frame for (frame,) in received(publisher, watching))
    assert sent == [
        struct.pack("<IqQ", 2, at, len(burst))
        + b"".join(value(encode(each), codec) for each in burst)
        + trailer(last, number, at)
        for number, (burst, at) in enumerate(zip(filter(None, bursts), times, strict=True))
    ]
    assert last[:-8] == END + trailer(last, len(sent), 0)[:-8]


def test_each_topic_precedes_its_frames_which_are_numbered_by_themselves():
    values = [b"a1", b"b1", b"a2", b"a3", b"b2"]
    source = gc.from_iterable(values, period="1ms")
    times, watching = times_of(source)
    publisher = source.zmq_pub(
        0, codec=raw, topic=lambda each: each[:1].decode(), bind="127.0.0.1", wait_for=1
    )
    *sent, _, last = received(publisher, watching, ends=2)
    numbers = [0, 0, 1, 2, 1]
    assert sent == [
        [
            each[:1] + b"\0",
            struct.pack("<I", 3) + value(each, raw) + trailer(last[-1], number, at),
        ]
        for each, number, at in zip(values, numbers, times, strict=True)
    ]


def test_a_burst_is_sent_as_a_frame_for_each_of_its_topics():
    bursts = [[b"a1", b"b1", b"a2"], [b"b2"], [b"a3", b"a4"]]
    source = gc.from_iterable(bursts, period="1ms")
    times, watching = times_of(source)
    publisher = source.zmq_pub_burst(
        0, codec=raw, topic=lambda each: each[:1].decode(), bind="127.0.0.1", wait_for=1
    )
    *sent, _, last = received(publisher, watching, ends=2)
    parts = [
        (0, 0, [b"a1", b"a2"]),
        (0, 0, [b"b1"]),
        (1, 1, [b"b2"]),
        (2, 1, [b"a3", b"a4"]),
    ]
    assert sent == [
        [
            part[0][:1] + b"\0",
            struct.pack("<IqQ", 2, times[burst], len(part))
            + b"".join(value(each, raw) for each in part)
            + trailer(last[-1], number, times[burst]),
        ]
        for burst, number, part in parts
    ]


def test_the_cycle_of_a_publisher_is_inlined_by_the_fused_tier():
    publisher = gc.from_iterable([b"1"]).zmq_pub(0, codec=raw, bind="127.0.0.1", keep_for=0)
    graph = gc.Graph(publisher)
    graph.run(realtime=True)
    assert "called" not in graph.explain()
