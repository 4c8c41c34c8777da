"""The figures of publishers and subscribers: in `stats()`, in the log, and for Prometheus."""

import logging
import subprocess
import sys
import urllib.request
from struct import pack
from time import time_ns

import prometheus_client
import pytest
import zmq
from prometheus_client.parser import text_string_to_metric_families

import graphcore as gc
from graphcore_zmq import zmq_pub, zmq_sub
from graphcore_zmq.config import SocketOptions
from graphcore_zmq.metrics import ZmqCollector
from graphcore_zmq.read.subscribe import ZmqSubscription
from graphcore_zmq.write.publish import ZmqPublisher
from tests.integration.bare import bare_context
from tests.integration.etcd_server import free_port

pytestmark = pytest.mark.zmq

COUNT = 500


def ran(options: SocketOptions | None = None) -> tuple[ZmqPublisher, ZmqSubscription[int]]:
    """Return a publisher and its subscriber after a run with 500 values."""
    port = free_port()
    values = gc.ticker("1ms").count().limit(COUNT)
    publisher = zmq_pub(values, port, bind="127.0.0.1", wait_for=1, options=options)
    subscription = zmq_sub(port, options=options)
    received = subscription.data.unroll()

    class Last(gc.MutableNode[None]):
        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(active=(received,))

        def cycle(self, state: gc.GraphState) -> bool:
            if received.value == COUNT:
                state.stop()
            return False

    # The first value is held until the subscriber is there, in the same graph: it comes first.
    gc.Graph(subscription.data, publisher, Last()).run(realtime=True, duration="60s")
    return publisher, subscription


def test_the_latency_of_each_frame_is_in_the_stats() -> None:
    _, subscription = ran()
    stats = subscription.stats()
    assert stats.received == stats.latency.count == COUNT
    middle, high = stats.latency.quantile(0.5), stats.latency.quantile(0.99)
    assert middle is not None and high is not None
    assert 0 < middle <= high
    assert 0 < stats.latency.total < COUNT * 60 * 10**9


def test_the_latency_is_measured_from_the_engine_time_in_the_trailer() -> None:
    """A publisher with a fixed clock, so that its frames have a known age."""
    with bare_context() as context, context.socket(zmq.XPUB) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        subscription = zmq_sub(port)

        def publish(sender: gc.Sender[None], stop: object) -> None:
            assert socket.poll(30_000)
            for sequence, age in enumerate([10, 10, 20, 1, -5]):
                trailer = pack("<4sQQq", b"gc1\0", 7, sequence, time_ns() - age * 10**9)
                socket.send(bytes.fromhex("03000000 0100000000000000 01") + trailer)
            socket.send(bytes.fromhex("01000000") + pack("<4sQQq", b"gc1\0", 7, 5, time_ns()))

        gc.Graph(subscription.data, gc.receiver(publish)).run(realtime=True, duration="60s")
    latency = subscription.stats().latency
    assert latency.count == 5 and latency.counts[0] == 1
    median = latency.quantile(0.5)
    assert median is not None and 8e9 < median < 13e9
    assert 35e9 < latency.total < 100e9


def test_the_log_has_a_line_at_the_end_and_one_every_so_often(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="graphcore_zmq"):
        publisher, _ = ran(SocketOptions(stats_interval="20ms"))
    lines = [record.getMessage() for record in caplog.records]
    sent = [line for line in lines if " values sent (" in line]
    received = [line for line in lines if " values received (" in line]
    assert len(sent) > 1 and len(received) > 1
    assert sent[-1].startswith(f"{publisher.node.name}: {COUNT} values sent (")
    assert f": {COUNT} values received (" in received[-1]
    assert "0 frames lost, latency p50 " in received[-1]

    caplog.clear()
    with caplog.at_level(logging.INFO, logger="graphcore_zmq"):
        ran()
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if " values sent (" in line]) == 1
    assert len([line for line in lines if " values received (" in line]) == 1


def test_prometheus_scrapes_the_figures_of_the_stats() -> None:
    publisher, subscription = ran()
    registry = prometheus_client.CollectorRegistry()
    registry.register(ZmqCollector({"quotes": publisher, "book": subscription}))
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1", registry)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
            text = answer.read().decode()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    samples = {
        (sample.name.removeprefix("graphcore_zmq_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    sent, received = publisher.stats(), subscription.stats()
    assert samples["publisher_values_total", "quotes"] == sent.sent == COUNT
    assert samples["publisher_bytes_total", "quotes"] == sent.bytes
    assert samples["publisher_expired_values_total", "quotes"] == 0
    assert samples["publisher_kept_values", "quotes"] == 0
    assert samples["publisher_peers", "quotes"] == sent.peers
    assert samples["publisher_subscriptions", "quotes"] == sent.subscriptions
    assert samples["subscriber_values_total", "book"] == received.received == COUNT
    assert samples["subscriber_bytes_total", "book"] == received.bytes
    assert samples["subscriber_lost_frames_total", "book"] == 0
    assert samples["subscriber_peers", "book"] == received.peers
    assert samples["subscriber_latency_seconds_count", "book"] == COUNT
    total = samples["subscriber_latency_seconds_sum", "book"]
    assert total == pytest.approx(received.latency.total / 1e9)
    buckets = [
        (float(key[1]), value)
        for key, value in samples.items()
        if key[0] == "subscriber_latency_seconds_bucket"
    ]
    assert [value for _, value in buckets] == sorted(value for _, value in buckets)
    assert buckets[-1] == (float("inf"), COUNT)
    assert buckets[0][0] == pytest.approx(1.024e-6) and len(buckets) == 27
    median = received.latency.quantile(0.5)
    assert median is not None
    assert next(value for bound, value in buckets if bound * 1e9 >= median) >= COUNT / 2


def test_anything_but_a_publisher_or_subscriber_is_refused() -> None:
    with pytest.raises(
        gc.InvalidTypeError, match="'ticks' must be what zmq_pub or zmq_sub returned"
    ):
        ZmqCollector({"ticks": gc.ticker("1s")})


def test_the_adapter_does_not_need_prometheus() -> None:
    code = "import sys; sys.modules['prometheus_client'] = None; import graphcore_zmq"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
