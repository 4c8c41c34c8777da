"""Publishers and subscribers in separate processes."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from graphcore.testing import wait_until
from graphcore_zmq import ZmqStatus
from tests.integration.watching import Watching

pytestmark = pytest.mark.zmq


def test_values_arrive_complete_and_in_order_in_another_process(publish, subscribe):
    publisher = publish(count=20_000, on_full="block")
    subscriber = subscribe(publisher.line_with("port")["port"])
    seen = subscriber.line_with("count")
    assert (seen["count"], seen["first"], seen["last"]) == (20_000, 0, 19_999)
    assert seen["in_order"] and seen["lost"] == 0
    assert seen["statuses"] == ["connected", "disconnected"]
    assert publisher.line_with("sent")["sent"] == 20_000


@pytest.mark.timeout(400)  # both processes need their share of a busy machine
@pytest.mark.parametrize("count", [300_000, pytest.param(1_000_000, marks=pytest.mark.thorough)])
def test_values_survive_back_pressure_and_a_subscriber_that_is_stopped_for_two_seconds(
    publish, subscribe, count
):
    publisher = publish(count=count, on_full="block")
    subscriber = subscribe(publisher.line_with("port")["port"], say_every=100_000)
    subscriber.line_with("at")
    os.kill(subscriber.process.pid, signal.SIGSTOP)
    with pytest.raises(TimeoutError):  # two seconds without a value
        subscriber.forget()
        subscriber.line_with("count", seconds=2)
    os.kill(subscriber.process.pid, signal.SIGCONT)
    seen = subscriber.line_with("count", seconds=350)
    assert (seen["count"], seen["first"], seen["last"]) == (count, 0, count - 1)
    assert seen["in_order"] and seen["lost"] == 0
    assert publisher.line_with("sent")["sent"] == count


def test_a_slow_subscriber_under_drop_counts_exactly_what_it_lost_and_a_fast_one_loses_nothing(
    publish, subscribe
):
    # The queue is large enough for a second in which a busy machine does not run the fast one. All
    # buffers together hold less than is sent while the slow one is stopped; it is not disconnected
    # for that.
    count = 40_000
    publisher = publish(
        count=count,
        period="100us",
        high_water_mark=10_000,
        width=2_000,
        wait_for=2,
        peer_timeout="1min",
        linger="1min",
    )
    port = publisher.line_with("port")["port"]
    slow = subscribe(port, high_water_mark=100)
    fast = subscribe(port, say_every=count // 4, high_water_mark=0)
    for each in (slow, fast):
        assert each.line_with("status")["status"] == "connected"
    os.kill(slow.process.pid, signal.SIGSTOP)
    while fast.line_with("at")["at"] < 3 * count // 4:
        pass
    os.kill(slow.process.pid, signal.SIGCONT)
    seen_fast, seen = fast.line_with("count"), slow.line_with("count")
    assert seen_fast["lost"] == 0 and seen_fast["in_order"] and seen_fast["last"] == count - 1
    assert seen_fast["count"] == count
    assert seen["lost"] > 0 and "gap" in seen["statuses"]
    assert seen["count"] + seen["lost"] == count


def test_a_subscriber_stops_within_a_second_of_its_publishers_sigkill(publish):
    publisher = publish(period="1ms")
    watching = Watching(publisher.line_with("port")["port"])
    wait_until(lambda: watching.values)
    publisher.process.kill()
    wait_until(lambda: ZmqStatus.DISCONNECTED in watching.statuses)
    watching.end()
    assert watching.report is not None
    assert watching.report.ended_by == "stop"


def test_a_subscriber_reconnects_to_a_publisher_that_was_killed_and_restarted(publish):
    publisher = publish(period="1ms")
    port = publisher.line_with("port")["port"]
    watching = Watching(port, on_end="follow")
    wait_until(lambda: watching.values)
    publisher.process.kill()
    wait_until(lambda: ZmqStatus.DISCONNECTED in watching.statuses)
    before = len(watching.values)
    publish(port=port, period="1ms").line_with("port")
    wait_until(lambda: len(watching.values) > before)
    watching.end()
    assert watching.statuses == ["connected", "disconnected", "connected"]


@pytest.mark.parametrize("on_end", ["close", "follow"])
def test_a_normal_end_by_sigterm_closes_or_is_followed(publish, on_end):
    publisher = publish(period="1ms")
    port = publisher.line_with("port")["port"]
    watching = Watching(port, closes=on_end == "close", on_end=on_end)
    wait_until(lambda: watching.values)
    publisher.process.send_signal(signal.SIGTERM)
    assert publisher.line_with("ended_by")["ended_by"] == "signal"
    if on_end == "close":
        watching.join()
        assert watching.report is not None and watching.report.ended_by == "sources"
        assert watching.statuses == ["connected", "disconnected"]
        return
    wait_until(lambda: watching.statuses == ["connected", "disconnected"])
    before = len(watching.values)
    publish(port=port, period="1ms").line_with("port")
    wait_until(lambda: len(watching.values) > before)
    watching.end()
    assert watching.statuses == ["connected", "disconnected", "connected"]


def test_a_graph_held_by_back_pressure_stops_at_a_signal(publish, subscribe):
    publisher = publish(on_full="block", high_water_mark=10)
    subscriber = subscribe(publisher.line_with("port")["port"], say_every=1_000, high_water_mark=10)
    subscriber.line_with("at")
    os.kill(subscriber.process.pid, signal.SIGSTOP)
    publisher.process.send_signal(signal.SIGTERM)
    ended: dict[str, Any] = publisher.line_with("ended_by", seconds=20)
    assert ended["ended_by"] == "signal"
    os.kill(subscriber.process.pid, signal.SIGCONT)


def test_a_graph_that_waits_for_its_first_subscriber_stops_at_a_signal(
    publish: Callable[..., Any],
):
    publisher = publish(on_full="block")
    publisher.line_with("port")
    publisher.process.send_signal(signal.SIGINT)
    assert publisher.line_with("ended_by")["ended_by"] == "signal"
