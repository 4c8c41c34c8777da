"""Subscribers whose processes are stopped for ten seconds, with the default time-outs."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.integration.conftest import Program

pytestmark = pytest.mark.zmq

STOPPED = 10  # s, much longer than the peer timeout
CUT = "a subscriber no longer answers; closing its connection"
# On a busy machine, queued values need time at the end, and must arrive.
PATIENT = {"linger": "1min"}
LARGE = {"period": "5ms", "width": 100_000}
# Under "block" the publishers soon have to wait. Under "drop" a busy machine must not look like a
# slow subscriber.
POLICIES: dict[str, dict[str, Any]] = {
    "drop": {"on_full": "drop", "high_water_mark": 1_000},
    "block": {"on_full": "block", "high_water_mark": 10},
    "block for ever": {"on_full": "block", "high_water_mark": 10, "peer_timeout": None},
}


def test_a_subscriber_that_is_stopped_for_ten_seconds(
    publish: Callable[..., Program], subscribe: Callable[..., Program]
) -> None:
    publishers = {
        name: publish(wait_for=1, **LARGE, **PATIENT, **policy) for name, policy in POLICIES.items()
    }
    subscribers = {
        name: subscribe(each.line_with("port")["port"], say_every=1, high_water_mark=10)
        for name, each in publishers.items()
    }
    for each in subscribers.values():
        each.line_with("at")
        os.kill(each.process.pid, signal.SIGSTOP)
    held = subscribers["block for ever"]
    with suppress(TimeoutError):  # its earlier output
        while held.line_with("at", seconds=STOPPED):
            pass
    for name, each in publishers.items():
        cut = [line for line in each.said if CUT in line.get("log", "")]
        assert len(cut) == (name != "block for ever")
    for each in subscribers.values():
        each.forget()
        os.kill(each.process.pid, signal.SIGCONT)
    statuses = {
        name: ["connected", *(["disconnected", "connected", "gap"] * (name != "block for ever"))]
        for name in POLICIES
    }
    for name, each in subscribers.items():
        for status in statuses[name][1:]:
            assert each.line_with("status")["status"] == status
        each.forget()
        each.line_with("at")
        publishers[name].process.send_signal(signal.SIGTERM)
    for name, each in subscribers.items():
        seen, sent = each.line_with("count"), publishers[name].line_with("sent")["sent"]
        assert seen["in_order"] and seen["first"] == 0
        assert seen["count"] + seen["lost"] == sent
        assert (seen["lost"] > 0) == (name != "block for ever")
        assert seen["statuses"] == [*statuses[name], "disconnected"]
