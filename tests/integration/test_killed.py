"""Publishers and subscribers that are killed at random moments and started again."""

import os
import signal
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from graphcore.testing import wait_until
from tests.integration.conftest import Program

pytestmark = [pytest.mark.zmq, pytest.mark.timeout(400)]

ROUNDS = 20
SPAN = 10**9  # between the first numbers of two publishers
FINAL = 300
# Frames of which a few hundred are more than all buffers hold.
WIDTHS = [16, 60_000]


class Pair:
    """A publisher and a subscriber, and all that came before them."""

    def __init__(self, random: Random, publish: Any, follow: Any) -> None:
        self.random = random
        self._publish, self._follow = publish, follow
        self.publishers: list[Program] = []
        self.subscribers: list[Program] = []
        self.port = 0
        self.blocks = False

    @property
    def publisher(self) -> Program:
        return self.publishers[-1]

    @property
    def subscriber(self) -> Program:
        return self.subscribers[-1]

    @property
    def first(self) -> int:
        return (len(self.publishers) - 1) * SPAN

    def start_publisher(self, **options: Any) -> None:
        self.blocks = self.random.random() < 0.5
        drawn = {
            "on_full": "block" if self.blocks else "drop",
            "width": self.random.choice(WIDTHS),
            "high_water_mark": self.random.choice([10, 10_000]),
        }
        self.publishers.append(
            self._publish(
                port=self.port,
                first=len(self.publishers) * SPAN,
                period="1ms",
                say_every=1,
                **drawn | options,
            )
        )
        self.port = self.publisher.line_with("port")["port"]

    def start_subscriber(self) -> None:
        mark = self.random.choice([2, 10_000])
        self.subscribers.append(self._follow(self.port, high_water_mark=mark))

    def await_values(self, count: int) -> None:
        """Wait until this subscriber has so many values of this publisher."""
        wait_until(lambda: received(self.subscriber, self.first) >= count, 90)

    def stop_subscriber(self) -> None:
        """Stop its process, until the publisher is held up or has dropped values."""
        os.kill(self.subscriber.process.pid, signal.SIGSTOP)
        try:
            for _ in range(300):
                self.publisher.forget()
                self.publisher.line_with("at", seconds=1 if self.blocks else 60)
        except TimeoutError:
            assert self.blocks


def received(subscriber: Program, first: int) -> int:
    runs = [run for line in subscriber.said for run in line.get("runs", ()) if run[0] >= first]
    return sum(end - begin + 1 for begin, end in runs)


@pytest.mark.parametrize("seed", [1])
def test_what_is_lost_by_kills_is_reported_and_nothing_comes_twice_or_out_of_order(
    publish: Callable[..., Program], follow: Callable[..., Program], seed: int
) -> None:
    random = Random(seed)
    pair = Pair(random, publish, follow)
    pair.start_publisher()
    pair.start_subscriber()
    for _ in range(ROUNDS):
        if random.random() < 0.8:  # or in the middle of coming up
            pair.await_values(random.randrange(1, 200))
            if random.random() < 0.4:
                pair.stop_subscriber()
        victim = random.choice(["publisher", "subscriber", "both"])
        if victim != "publisher":
            pair.subscriber.process.kill()
            pair.start_subscriber()
        if victim != "subscriber":
            pair.publisher.process.kill()
            pair.start_publisher()
        os.kill(pair.subscriber.process.pid, signal.SIGCONT)
    pair.await_values(1)
    pair.publisher.process.kill()
    pair.start_publisher(count=FINAL, wait_for=1)
    pair.publisher.line_with("ended_by")
    pair.subscriber.process.send_signal(signal.SIGTERM)
    told = pair.subscriber.line_with("ended_by")
    for program in pair.publishers + pair.subscribers:
        program.end()
    for subscriber in pair.subscribers:
        last, missing, losses = reconcile(subscriber, pair.publishers)
    assert last + missing == pair.first + FINAL - 1
    assert told["lost"] == sum(losses)


def reconcile(subscriber: Program, publishers: list[Program]) -> tuple[int, int, list[int]]:
    """Hold what a subscriber got, and what it reported as lost, to what publishers sent.

    Returns:
        The last number that it got, how many it reported as lost behind that, and all such reports.
    """
    # The log has how many each gap is about.
    losses = [
        int(line["log"].rsplit(": ", 1)[1].split()[0])
        for line in subscriber.said
        if "frames were lost" in line.get("log", "")
    ]
    gaps = iter(losses)
    last, missing, connected, disconnected = -1, 0, False, True
    for line in subscriber.said:
        if line.get("status") == "gap":
            missing += next(gaps)
        elif "status" in line:
            assert connected == (line["status"] == "disconnected")
            connected = not connected
            disconnected = disconnected or not connected
        for begin, end in line.get("runs", ()):
            assert connected
            if begin // SPAN == last // SPAN:
                assert begin - last - 1 == missing
            else:
                assert begin > last and disconnected
            last, missing, disconnected = end, 0, False
            publisher = publishers[end // SPAN]
            sent = max(said["at"] for said in publisher.said if "at" in said)
            # It says so when it has sent it, and may have been killed in between.
            assert end % SPAN <= sent + 1
    return last, missing, losses
