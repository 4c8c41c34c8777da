"""What ticks in the closing instant reaches the subscribers (R14)."""

import threading
from typing import Any

import pytest

import graphcore as gc
import graphcore_zmq  # noqa: F401  # adds `zmq_pub`
from graphcore.testing import wait_until
from graphcore_zmq import zmq_sub

pytestmark = [pytest.mark.zmq]


@pytest.mark.parametrize("on_full", ["block", "drop"])
def test_a_publisher_sends_what_ticks_when_its_run_closes(on_full: str) -> None:
    numbers = gc.ticker("1ms", count=250).count()
    publisher = numbers.buffer(100).zmq_pub(  # type: ignore[attr-defined]  # an adapter's method
        0, bind="127.0.0.1", on_full=on_full, wait_for=1
    )
    graph = gc.Graph(publisher)
    running = threading.Thread(target=lambda: graph.run(realtime=True))
    running.start()
    try:
        wait_until(lambda: getattr(publisher.node, "port", 0))
        data, _ = zmq_sub(publisher.port)
        out = data.collect()
        out.run(realtime=True, duration="20s")
    finally:
        running.join(20)
    batches: list[Any] = [batch for burst in out.values for batch in burst]
    assert [len(batch) for batch in batches] == [100, 100, 50]
