"""Publishers and subscribers that are killed at random moments and started again."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from graphcore.testing import wait_until
from tests.integration.conftest import Program

pytestmark = [pytest.mark.zmq, pytest.mark.timeout(400)]

UNKNOWN = -1
SPAN = 10**9  # between the first numbers of two publishers
FINAL = 300  # values of the last publisher
# Of the large ones, a few hundred are more than all buffers hold.
WIDTHS = [16, 60_000]
CUT = "a subscriber no longer answers; closing its connection"


class Processes:
    """A publisher, a subscriber and a witness that is never killed, and their predecessors."""

    def __init__(
        self, random: Random, publish: Callable[..., Program], follow: Callable[..., Program]
    ) -> None:
        self.random = random
        self._publish, self._follow = publish, follow
        self.publishers: list[Program] = []
        self.subscribers: list[Program] = []
        self.blocking: list[bool] = []
        self.port = 0
        self.start_publisher()
        # It sends no signs of life, so it is not disconnected if the machine is too busy.
        self.witness = follow(self.port, heartbeat_interval=0)
        self.start_subscriber()

    @property
    def first(self) -> int:
        """The first number of this publisher."""
        return (len(self.publishers) - 1) * SPAN

    def start_publisher(self, **options: Any) -> None:
        self.blocking.append(self.random.random() < 0.5)
        drawn = {
            "on_full": "block" if self.blocking[-1] else "drop",
            "width": self.random.choice(WIDTHS),
            "high_water_mark": self.random.choice([10, 10_000]),
            "last_value": self.random.random() < 0.5,
        }
        started = self._publish(
            port=self.port,
            first=len(self.publishers) * SPAN,
            period="2ms",
            say_every=1,
            peer_timeout="1s",
            **drawn | options,
        )
        self.publishers.append(started)
        self.port = started.line_with("port")["port"]

    def start_subscriber(self) -> None:
        mark = self.random.choice([2, 10_000])
        started = self._follow(self.port, high_water_mark=mark, heartbeat_interval="100ms")
        self.subscribers.append(started)

    def await_values(self, subscriber: Program, count: int) -> None:
        """Wait until a subscriber has this many more values of this publisher."""
        before = self._count(subscriber)
        wait_until(lambda: self._count(subscriber) >= before + count, 90)

    def await_end(self, subscriber: Program) -> None:
        """Wait until a subscriber has printed everything from this publisher, which has ended."""

        def has_ended() -> bool:
            told = [line["status"] for line in subscriber.said if "status" in line]
            return self._count(subscriber) > 0 and told[-1] == "disconnected"

        wait_until(has_ended, 90)

    def _count(self, subscriber: Program) -> int:
        runs = [run for line in subscriber.said for run in line.get("runs", ())]
        return sum(end - begin + 1 for begin, end in runs if begin >= self.first)

    def stop_subscriber(self) -> None:
        """Stop its process until the publisher waits, has dropped values, or disconnects it."""
        publisher = self.publishers[-1]
        cuts = self._cuts(publisher)
        os.kill(self.subscribers[-1].process.pid, signal.SIGSTOP)
        if self.random.random() < 0.5:
            with suppress(TimeoutError):  # it had just been disconnected
                wait_until(lambda: self._cuts(publisher) > cuts, 5)
            return
        with suppress(TimeoutError):  # it is held up
            for _ in range(300):
                publisher.forget()
                publisher.line_with("at", seconds=0.5)

    def _cuts(self, publisher: Program) -> int:
        return sum(CUT in line.get("log", "") for line in publisher.said)

    def kill(self, victim: str) -> None:
        stopped = self.subscribers[-1].process
        if victim in ("subscriber", "both"):
            self.subscribers[-1].process.kill()
            self.start_subscriber()
        if victim in ("publisher", "both"):
            self.publishers[-1].process.kill()
            self.start_publisher()
        if stopped.poll() is None:
            os.kill(stopped.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("seed", "rounds"), [(1, 7), pytest.param(2, 20, marks=pytest.mark.thorough)]
)
def test_values_lost_by_kills_are_reported_and_no_value_comes_twice_or_out_of_order(
    publish: Callable[..., Program], follow: Callable[..., Program], seed: int, rounds: int
) -> None:
    random = Random(seed)
    running = Processes(random, publish, follow)
    for _ in range(rounds):
        if random.random() < 0.8:  # or while it starts
            running.await_values(running.subscribers[-1], random.randrange(1, 200))
            if random.random() < 0.4:
                running.stop_subscriber()
        running.kill(random.choice(["publisher", "subscriber", "both", "nobody"]))
    survivors = [running.subscribers[-1], running.witness]
    for each in survivors:
        running.await_values(each, 1)
    running.publishers[-1].process.kill()
    running.start_publisher(count=FINAL, wait_for=2)
    running.publishers[-1].line_with("ended_by")
    for each in survivors:  # its receiver has everything; now wait for its graph
        running.await_end(each)
    lost = []
    for each in survivors:
        each.process.send_signal(signal.SIGTERM)
        lost.append(each.line_with("ended_by")["lost"])
    for program in [*running.publishers, *running.subscribers, running.witness]:
        program.end()
    reports = [Report(each) for each in [*running.subscribers, running.witness]]
    for report in reports:
        report.hold_to(running.publishers)
    for report, count in zip(reports[-2:], lost, strict=True):
        assert sum(report.lost.values()) == count
        # The last publisher ended normally, so all its lost values are reported.
        assert report.last + report.missing == running.first + FINAL - 1
    # Under "block", the witness loses nothing by a kill.
    for number in reports[-1].lost:
        assert number == UNKNOWN or not running.blocking[number]


class Report:
    """What a subscriber reported, in order.

    Attributes:
        last: the last number.
        missing: how many frames it reported as lost after that.
        lost: how many frames it reported as lost of each publisher, if the publisher is known.
    """

    def __init__(self, subscriber: Program) -> None:
        self._said = subscriber.said
        self.last, self.missing = -1, 0
        self.lost: Counter[int] = Counter()

    def hold_to(self, publishers: list[Program]) -> None:
        """Check that missing values are reported, and no others."""
        sent = [max([-1, *(line["at"] for line in p.said if "at" in line)]) for p in publishers]
        # The log has the size of each gap.
        logs = [line["log"] for line in self._said if "frames lost" in line.get("log", "")]
        gaps = (int(log.rpartition(" ")[2]) for log in logs)
        connected, disconnected = False, True
        for line in self._said:
            status = line.get("status")
            if status == "gap":
                gap = next(gaps)
                self.missing += gap
                self.lost[UNKNOWN if disconnected else self.last // SPAN] += gap
            elif status:
                assert connected == (status == "disconnected")
                connected = not connected
                disconnected = disconnected or not connected
            for begin, end in line.get("runs", ()):
                assert connected
                publisher = end // SPAN
                if begin // SPAN == self.last // SPAN:
                    assert begin - self.last - 1 == self.missing
                else:
                    assert begin > self.last and disconnected
                self.last, self.missing, disconnected = end, 0, False
                # It prints a value after sending it, and may have been killed in between.
                assert end % SPAN <= sent[publisher] + 1
