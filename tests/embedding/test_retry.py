"""`retry=`: a source that fails begins again, after delays that are bounded."""

import asyncio
import threading
from collections.abc import AsyncIterator
from itertools import islice
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import wait_until


class Flaky:
    """A source of each kind that fails in its first attempts, after it has sent some values."""

    def __init__(self, failures: int, sending: int = 0) -> None:
        self.failures = failures
        self.sending = sending
        self.attempts = 0

    def begin(self) -> int:
        self.attempts += 1
        return self.sending if self.attempts <= self.failures else 1

    def fail(self) -> None:
        if self.attempts <= self.failures:
            raise ConnectionError(f"attempt {self.attempts}")

    def receive(self, sender: gc.Sender[int], stop: threading.Event) -> None:
        sender.send_many([self.attempts + 1] * self.begin())
        self.fail()

    async def produce(self) -> AsyncIterator[int]:
        for _ in range(self.begin()):
            yield self.attempts
        self.fail()

    def read(self) -> int:
        self.begin()
        self.fail()
        return self.attempts

    def source(self, kind: str, **options: Any) -> gc.SourceStream[int]:
        if kind == "receiver":
            return gc.receiver(self.receive, delivery="each", **options)
        if kind == "produce_async":
            return gc.produce_async(self.produce, delivery="each", **options)
        return gc.poll(self.read, "1ms", **options)


KINDS = ["receiver", "produce_async", "poll"]


def run(kind: str, flaky: Flaky, **options: Any) -> tuple[list[int], list[gc.SourceStatus]]:
    feed = flaky.source(kind, **options).named("feed")
    out, status = feed.collect(), feed.status.collect()
    # A poll has no end of its own: it ends once the status of its last attempt has ticked too.
    last = feed.status.filter(lambda each: each.failures == 2 and not each.delay)
    more = [feed.with_latest(last).stop_run()] if kind == "poll" else []
    gc.Graph(out, status, *more).run(realtime=True)
    return out.values, status.values


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_fails_begins_again_and_its_status_tells(kind: str) -> None:
    flaky = Flaky(failures=2)
    values, status = run(kind, flaky, retry=["1ms", "2ms"])
    assert values[0] == 3
    told = [(each.state, each.failures, str(each.error), each.delay) for each in status]
    running, waiting = gc.SourceState.RUNNING, gc.SourceState.WAITING
    assert told[:5] == [
        (running, 0, "None", 0),
        (waiting, 1, "attempt 1", 1_000_000),
        (running, 1, "attempt 1", 0),
        (waiting, 2, "attempt 2", 2_000_000),
        (running, 2, "attempt 2", 0),
    ]
    if kind != "poll":
        assert told[5][0] is gc.SourceState.ENDED


@pytest.mark.parametrize("kind", KINDS)
def test_when_no_delay_is_left_the_last_error_ends_the_run(kind: str) -> None:
    flaky = Flaky(failures=9)
    with pytest.raises(ConnectionError, match="attempt 3") as caught:
        flaky.source(kind, retry=[0, "1ms"]).named("feed").run(realtime=True)
    assert flaky.attempts == 3
    assert "in feed (" in caught.value.__notes__[0]


@pytest.mark.parametrize("kind", KINDS)
def test_without_retry_the_first_error_ends_the_run(kind: str) -> None:
    flaky = Flaky(failures=1)
    with pytest.raises(ConnectionError, match="attempt 1"):
        flaky.source(kind).run(realtime=True)
    assert flaky.attempts == 1


@pytest.mark.parametrize("kind", ["receiver", "produce_async"])
def test_the_delays_begin_anew_once_a_value_has_been_sent(kind: str) -> None:
    flaky = Flaky(failures=5, sending=2)
    values, status = run(kind, flaky, retry=["1ms"])
    assert values == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    assert {each.failures for each in status} == {0, 1}


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_of_the_run_breaks_a_wait_for_the_next_attempt(kind: str) -> None:
    flaky = Flaky(failures=9)
    graph = gc.Graph(flaky.source(kind, retry=["1h"]))
    with graph.running() as run:
        wait_until(lambda: flaky.attempts == 1)
        run.stop()
        assert run.join("4s")
    assert flaky.attempts == 1


@pytest.mark.parametrize("kind", KINDS)
def test_each_run_begins_with_all_its_attempts(kind: str) -> None:
    graph = gc.Graph(Flaky(failures=99).source(kind, retry=iter([0, 0])))
    for last in (3, 6):
        with pytest.raises(ConnectionError, match=f"attempt {last}"):
            graph.run(realtime=True)


def test_an_error_that_a_receiver_sends_is_not_tried_again() -> None:
    called: list[int] = []

    def sends_error(sender: gc.Sender[int], stop: threading.Event) -> None:
        called.append(1)
        sender.error(ValueError("wrong password"))

    with pytest.raises(ValueError, match="wrong password"):
        gc.receiver(sends_error, retry=["1ms"]).run(realtime=True)
    assert called == [1]


def test_a_status_alone_runs_its_source() -> None:
    flaky = Flaky(failures=1)
    status = flaky.source("receiver", retry=["1ms"]).status.collect()
    status.run(realtime=True)
    assert [str(each.state) for each in status.values] == ["running", "waiting", "running", "ended"]


def test_each_failure_is_logged_with_what_follows(caplog: pytest.LogCaptureFixture) -> None:
    run("receiver", Flaky(failures=1), retry=["20ms"])
    assert "feed failed and begins again in 0.02 s: ConnectionError('attempt 1')" in caplog.text


def test_an_async_source_waits_in_the_loop_without_holding_it_up() -> None:
    async def main() -> None:
        flaky = Flaky(failures=1)
        graph = gc.Graph(flaky.source("produce_async", retry=["1h"]))
        task = asyncio.create_task(graph.run_async(realtime=True))
        while not flaky.attempts:
            await asyncio.sleep(0.001)
        graph.stop()
        assert (await task).ended_by is gc.EndedBy.STOP
        assert flaky.attempts == 1

    asyncio.run(main())


def test_a_backoff_grows_up_to_its_longest_delay() -> None:
    ms = 1_000_000
    assert list(gc.Backoff("10ms", longest="50ms", factor=2, attempts=4).delays()) == [
        10 * ms,
        20 * ms,
        40 * ms,
        50 * ms,
    ]
    assert list(islice(gc.Backoff("2s", longest="1s").delays(), 2)) == [1_000 * ms] * 2
    flaky = Flaky(failures=3)
    backoff = gc.Backoff("1ms", longest="3ms")
    values, status = run("receiver", flaky, retry=backoff)
    assert values == [4]
    assert [each.delay // ms for each in status if each.delay] == [1, 2, 3]
    assert len(list(islice(gc.Backoff("1s", factor=1e300).delays(), 5_000))) == 5_000


@pytest.mark.parametrize(
    "retry",
    [
        [],
        "1s",
        5,
        True,
        ["soon"],
        ["-1s"],
        [0.5],
        lambda: gc.Backoff(factor=0.5),
        lambda: gc.Backoff(factor=float("nan")),
        lambda: gc.Backoff(attempts=0),
        lambda: gc.Backoff(attempts=True),
        lambda: gc.Backoff("-1s"),
        lambda: gc.Backoff(first=0.5),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_retry_is_refused_where_the_graph_is_wired(kind: str, retry: Any) -> None:
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError)) as caught:
        Flaky(0).source(kind, retry=retry() if callable(retry) else retry)
    assert "\n" not in str(caught.value)
