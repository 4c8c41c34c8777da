"""Half a minute of the soak for each way of receiving, and the faults that it reports."""

import subprocess
import sys
from dataclasses import replace

import pytest

from benchmarks.soak import Outcome
from graphcore_zmq.stats.latency import Latency

SOUND = Outcome(
    values=100,
    sent={"sent": 100, "expired": 0},
    received={
        "received": 100,
        "lost": 0,
        "in_order": True,
        "statuses": ["connected", "disconnected"],
        "rate": 10.0,
        "latency": Latency(),
    },
    memory={name: [50.0] * 90 for name in ("publisher", "subscriber")},
)


@pytest.mark.zmq
@pytest.mark.timeout(500)
@pytest.mark.parametrize("receive", ["thread", pytest.param("inline", marks=pytest.mark.thorough)])
def test_at_20_000_values_a_second_nothing_is_lost_and_memory_is_flat(receive: str) -> None:
    amount = ["--seconds", "30", "--rate", "20000"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", *amount, "--receive", receive],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_sound_soak_reports_no_fault() -> None:
    assert SOUND.faults() == []
    assert "+0.00 MiB" in SOUND.table()


@pytest.mark.parametrize(
    ("received", "fault"),
    [
        ({"received": 99}, "99 were received, 0 lost"),
        ({"lost": 1}, "100 were received, 1 lost"),
        ({"in_order": False}, "values came twice or out of order"),
        (
            {"statuses": ["connected", "disconnected", "connected", "disconnected"]},
            "the connection did not last: connected, disconnected, connected, disconnected",
        ),
    ],
)
def test_lost_or_repeated_values_are_a_fault(received: dict[str, object], fault: str) -> None:
    assert replace(SOUND, received=SOUND.received | received).faults() == [fault]


def test_unsent_values_are_a_fault() -> None:
    sent = {"sent": 100, "expired": 1}
    assert replace(SOUND, sent=sent).faults() == ["100 of 100 values were sent, 1 expired"]


def test_memory_that_keeps_growing_is_a_fault_and_a_temporary_peak_is_not() -> None:
    growing = [50 + look / 10 for look in range(90)]
    faults = replace(SOUND, memory=SOUND.memory | {"publisher": growing}).faults()
    assert faults == ["the publisher grew by 8.0 MiB; flat is 4 at most"]
    passing = [50.0] * 40 + [90.0] * 10 + [50.0] * 40
    assert replace(SOUND, memory=SOUND.memory | {"publisher": passing}).faults() == []
