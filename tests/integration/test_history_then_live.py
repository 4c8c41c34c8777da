"""A publisher whose run starts in the past sends what ticks once it is live, and nothing before."""

import threading
import time
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import zmq_pub, zmq_sub

pytestmark = [pytest.mark.zmq]

SECOND = 1_000_000_000


def test_a_publisher_neither_sends_nor_keeps_values_of_the_past() -> None:
    now = time.time_ns()
    published = threading.Event()

    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        sender.send_many([1, 2, 3])
        published.wait(20)

    history = gc.replay([now - 3 * SECOND, now - 2 * SECOND], [-2, -1])
    numbers = history.merge(gc.receiver(run, delivery="each"))
    publisher: Any = zmq_pub(numbers.sum(), 0, bind="127.0.0.1", keep_for="20s")
    graph = gc.Graph(publisher)
    options: Any = {"realtime": True, "start": now - 9 * SECOND}
    running = threading.Thread(target=graph.run, kwargs=options)
    running.start()
    try:
        wait_until(lambda: publisher.port)
        data, _ = zmq_sub(publisher.port)
        sums = data.unroll().limit(3).for_each(lambda total: published.set() if total == 3 else 0)
        out = data.unroll().collect()
        gc.Graph(out, sums).run(realtime=True, duration="20s")
    finally:
        published.set()
        running.join(20)
    assert out.values == [-2, 0, 3]
