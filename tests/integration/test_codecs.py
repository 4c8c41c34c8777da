"""Each codec from a publisher to a subscriber, and its bytes on the wire."""

import struct
import threading
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
import zmq

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import bincode, json, msgpack, u16, zmq_pub, zmq_pub_burst, zmq_sub
from tests.adapters.graphcore_zmq.wire.hostile import CODECS
from tests.integration.bare import bare_context

pytestmark = pytest.mark.zmq


def run_in_thread(publisher):
    thread = threading.Thread(target=gc.Graph(publisher).run, kwargs={"realtime": True})
    thread.start()
    wait_until(lambda: publisher.port)
    return thread


@pytest.mark.parametrize("publish", [zmq_pub, zmq_pub_burst])
@pytest.mark.parametrize(("codec", "value"), CODECS, ids=[codec.name for codec, _ in CODECS])
def test_values_of_each_codec_arrive(codec, value, publish):
    values = gc.from_iterable([value] * 6, period="1ms")
    source = values if publish is zmq_pub else values.buffer(2)
    publisher = publish(source, 0, codec=codec, bind="127.0.0.1", wait_for=1)
    thread = run_in_thread(publisher)
    out = zmq_sub(publisher.port, codec=codec).data.unroll().collect()
    gc.Graph(out).run(realtime=True, duration="20s")
    thread.join()
    got = [each.to_pylist() if isinstance(each, pa.RecordBatch) else each for each in out.values]
    assert got == [value] * 6


@dataclass
class Measured:
    value: float
    count: int
    ok: bool


@pytest.mark.parametrize("codec", [msgpack(Measured), json(Measured), bincode(Measured)])
def test_values_of_numpy_arrive_as_they_are_recorded(codec, tmp_path):
    computed = [Measured(np.float64(0.5), np.int64(n), np.bool_(n % 2)) for n in range(3)]
    gc.from_iterable(computed).record(tmp_path / "values.parquet").run()
    publisher = gc.from_iterable(computed).zmq_pub(0, codec=codec, bind="127.0.0.1", wait_for=1)
    thread = run_in_thread(publisher)
    out = zmq_sub(publisher.port, codec=codec).data.unroll().collect()
    gc.Graph(out).run(realtime=True, duration="20s")
    thread.join()
    again = gc.replay_parquet(tmp_path / "values.parquet", Measured).collect()
    again.run()
    assert out.values == again.values == computed
    assert (
        repr(out.values)
        == repr(again.values)
        == repr([Measured(0.5, n, bool(n % 2)) for n in range(3)])
    )


def test_a_typed_value_is_in_the_frame_without_a_length():
    publisher = gc.constant(7).zmq_pub(0, codec=bincode(u16), bind="127.0.0.1", keep_for="20s")
    thread = run_in_thread(publisher)
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.subscribe(b"")
        socket.connect(f"tcp://127.0.0.1:{publisher.port}")
        assert socket.poll(20_000)
        frame = socket.recv()
    thread.join()
    assert frame[:6] == struct.pack("<IH", 3, 7) and frame[6:10] == b"gc1\0"


@pytest.mark.parametrize("behind", [b"", b"EXTRA"], ids=["alone", "more behind"])
def test_frames_of_a_typed_peer_without_trailers_are_read(behind):
    frames = [struct.pack("<IH", 3, 7), struct.pack("<IqQHH", 2, 5, 2, 8, 9)]
    with bare_context() as context, context.socket(zmq.XPUB) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")

        def send():
            assert socket.poll(20_000)
            for frame in [*frames, struct.pack("<I", 1)]:
                socket.send(frame + behind)

        thread = threading.Thread(target=send)
        thread.start()
        out = zmq_sub(port, codec=bincode(u16)).data.unroll().collect()
        gc.Graph(out).run(realtime=True, duration="20s")
        thread.join()
    assert out.values == [7, 8, 9]
