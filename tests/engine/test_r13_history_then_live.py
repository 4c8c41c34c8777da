"""Real-time runs that start in the past: all events up to now at once, and then live (R13)."""

import threading
import time
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import ticks, wait_until

MS = 1_000_000
SECOND = 1000 * MS


@gc.node
class IsLive(gc.MutableNode[bool]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = state.live
        return True


@gc.node(live_only=True)
class Send(gc.MutableNode[Any]):
    """Stands for a node that reaches out to others."""

    source: gc.Active[Any]
    sent: list[Any]
    last: Any = gc.state(None)

    def cycle(self, state: gc.GraphState) -> bool:
        self.last = self.source.value
        self.sent.append(self.source.value)
        self.value = self.source.value
        return True

    def close(self, state: gc.GraphState) -> bool:
        self.sent.append("closed")
        return False


class SendByMethod(Send):
    """The compiler calls it."""

    def cycle(self, state: gc.GraphState) -> bool:
        return self.really_send()

    def really_send(self) -> bool:
        self.sent.append(self.source.value)
        self.value = self.source.value
        return True


def is_live(stream: gc.Stream[Any]) -> gc.Stream[bool]:
    return gc.Stream(IsLive(stream))


def live_numbers(count: int) -> gc.Stream[int]:
    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        sender.send_many(list(range(count)))

    return gc.receiver(run, delivery="each")


def recorded(now: int, count: int) -> gc.Stream[int]:
    """Return numbers below 0, one a second, the last of them a second ago."""
    times = [now - second * SECOND for second in range(count, 0, -1)]
    return gc.replay(times, list(range(-count, 0)))


def test_r13_the_past_part_is_a_historical_run_of_the_same_wiring() -> None:
    now = time.time_ns()
    start = now - 100 * SECOND

    def wire() -> gc.Stream[Any]:
        numbers = recorded(now, 60)
        late, minutes = numbers.delay("1500ms"), gc.ticker("7s").count()
        quiet = numbers.filter(lambda n: n % 9 == 0).debounce("3s")
        return numbers.merge(late, quiet, minutes).combine(numbers.rolling("5s").mean())

    expected = ticks(wire(), start=start, until=now)
    found = ticks(wire(), realtime=True, start=start, duration=0)
    assert len(expected) > 100
    assert found[: len(expected)] == expected
    assert all(at > now for at, _ in found[len(expected) :])


def test_r13_what_receivers_got_meanwhile_ticks_after_the_hand_over() -> None:
    now = time.time_ns()
    all_sent, caught_up = threading.Event(), []

    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        sender.send_many(list(range(1000)))
        all_sent.set()

    def wait(number: int) -> None:
        assert all_sent.wait(10)
        caught_up.append(number)

    history = recorded(now, 50).for_each(wait)
    out = gc.receiver(run, delivery="each").combine(recorded(now, 50)).collect()
    gc.Graph(history, out).run(realtime=True, start=now - 3600 * SECOND)
    assert len(caught_up) == 50
    # The newest value of the history is there when the first live value comes.
    assert out.values == [(number, -1) for number in range(1000)]
    assert out.times[0] > now


def test_r13_live_turns_true_once_and_only_in_real_time() -> None:
    now = time.time_ns()
    numbers = recorded(now, 3).merge(live_numbers(2))
    assert [v for _, v in ticks(is_live(numbers), realtime=True, start=now - 9 * SECOND)] == [
        *[False] * 3,
        *[True] * 2,
    ]
    assert ticks(is_live(gc.constant(1))) == [(0, False)]
    assert [v for _, v in ticks(is_live(gc.constant(1)), realtime=True)] == [True]


@pytest.mark.parametrize("make", [Send, SendByMethod])
def test_r13_live_only_nodes_neither_run_nor_tick_before_the_run_is_live(make: Any) -> None:
    now = time.time_ns()
    sent: list[Any] = []
    numbers = recorded(now, 3).merge(live_numbers(2))
    seen = gc.Stream(make(numbers, sent)).map(lambda n: n * 10).collect()
    options: Any = {"realtime": True, "start": now - 9 * SECOND}
    seen.run(**options)
    assert sent == [0, 1, "closed"]
    assert seen.values == [0, 10]
    sent.clear()
    gc.Stream(make(recorded(now, 3), sent)).run()
    assert sent == []
    gc.Stream(make(gc.constant(7), sent)).run(realtime=True)
    assert sent == [7, "closed"]
    sent.clear()
    gc.Stream(make(recorded(now, 3), sent)).run(**options, until=now - 1)
    assert sent == []


def test_r13_live_only_nodes_wait_in_sub_graphs_too() -> None:
    now = time.time_ns()
    sent: list[Any] = []
    numbers = recorded(now, 4).merge(live_numbers(3))

    def build(own: gc.Stream[int], key: int) -> gc.Stream[Any]:
        return gc.Stream(Send(own, sent))

    keyed = numbers.group_by(lambda n: n % 2, build)
    keyed.changes.run(realtime=True, start=now - 9 * SECOND)
    assert [each for each in sent if each != "closed"] == [0, 1, 2]


def test_r13_live_only_nodes_are_fused() -> None:
    assert "called" not in gc.Graph(Send(gc.constant(1), [])).explain()


def test_r13_a_duration_counts_from_the_hand_over() -> None:
    now = time.time_ns()
    out = gc.ticker("60s").merge(gc.ticker("5ms")).collect()
    report = out.run(realtime=True, start=now - 2 * SECOND, duration="30ms")
    assert report.ended_by is gc.EndedBy.UNTIL
    assert report.start == now - 2 * SECOND
    # Counted from the start, the duration would have been over long before now.
    assert any(at > now for at in out.times) and report.end > now


def test_r13_a_bound_in_the_past_ends_the_run_before_it_is_live() -> None:
    now = time.time_ns()
    lively = is_live(recorded(now, 5).merge(live_numbers(3))).collect()
    report = lively.run(realtime=True, start=now - 9 * SECOND, until=now - 3 * SECOND)
    assert report.ended_by is gc.EndedBy.UNTIL
    assert lively.values == [False] * 3
    report = lively.run(realtime=True, start=now - 9 * SECOND, cycles=2)
    assert (report.ended_by, report.cycles) == (gc.EndedBy.CYCLES, 2)


def test_r13_a_run_that_ends_in_the_past_closes_there() -> None:
    now = time.time_ns()
    asked: list[bool] = []

    @gc.node
    class Asks(gc.MutableNode[int]):
        source: gc.Active[int]

        def cycle(self, state: gc.GraphState) -> bool:
            asked.append(state.stopping)
            self.value = self.source.value
            return True

    until = now - 3 * SECOND
    total = gc.Stream(Asks(recorded(now, 5))).fold(lambda total, n: total + n, 0)
    assert ticks(total, realtime=True, start=now - 9 * SECOND, until=until) == [(until, -12)]
    assert asked == [False] * 3


def test_r13_alarms_that_keep_no_run_alive_do_not_lead_it_to_the_present() -> None:
    now = time.time_ns()
    numbers, start = recorded(now, 3).limit(2), now - 9 * SECOND
    expected = ticks(numbers.every("100ms"), start=start)
    report = numbers.every("100ms").run(realtime=True, start=start)
    assert (report.ended_by, report.cycles) == (gc.EndedBy.SOURCES, len(expected) + 60)
    assert report.end == now - SECOND


def test_r13_a_replay_that_is_late_in_the_live_part_does_not_keep_receivers_waiting() -> None:
    # If compiling takes longer than the lead, all events are in the past.
    for lead in (30 * MS << k for k in range(9)):
        first_is_live, values = late_replay(lead)
        if first_is_live:
            break
    assert first_is_live
    assert values.index(-1) < 100


def late_replay(lead: int) -> tuple[bool, list[int]]:
    """Hold up the first of 300 events until all are due and a receiver has sent -1.

    Return whether the first event was live, and all values in the order of their ticks.
    """
    now = time.time_ns()
    asked, sent = threading.Event(), threading.Event()

    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        asked.wait(10)
        sender.send(-1)
        sent.set()

    def hold_up(number: int) -> None:
        asked.set()
        sent.wait(10)

    events = gc.replay([now + lead + k for k in range(300)], range(300)).for_each(hold_up)
    lively = is_live(events).collect()
    out = events.merge(gc.receiver(run, delivery="each")).collect()
    gc.Graph(lively, out).run(realtime=True, start=now)
    return lively.values[0], out.values


def test_r13_stop_and_questions_of_other_threads_are_answered_in_the_past() -> None:
    now = time.time_ns()
    numbers = gc.ticker("1us").count().named("numbers")
    with gc.Graph(numbers).running(start=now - 3600 * SECOND) as run:
        wait_until(lambda: numbers.node.ticked_in)
        assert 0 < numbers.value < 3_600_000_000
    assert run.report is not None
    assert run.report.ended_by is gc.EndedBy.STOP
    assert run.report.end < now


def test_r13_a_replay_goes_on_at_its_own_times_when_the_run_is_live() -> None:
    now = time.time_ns()
    times = [now - 2 * SECOND, now - SECOND, now + 60 * MS, now + 60 * MS, now + 90 * MS]
    out = is_live(gc.replay(times, "abcde")).collect()
    out.run(realtime=True, start=now - 90 * SECOND)
    assert out.values == [False, False, True, True, True]
    assert out.times[:2] == times[:2]
    assert all(at >= due for at, due in zip(out.times, times, strict=True))
    assert out.times[2] == out.times[3]


def test_r13_events_before_the_start_are_skipped_and_counted() -> None:
    now = time.time_ns()
    out = recorded(now, 5).collect()
    report = out.run(realtime=True, start=now - 3 * SECOND)
    assert (out.values, report.skipped) == ([-3, -2, -1], 2)


def test_r13_values_of_an_endless_iterator_come_at_their_times() -> None:
    now = time.time_ns()
    numbers = gc.from_iterable(iter(range(10**9)), period="1s")
    out = numbers.take_while(lambda n: n < 3).collect()
    out.run(realtime=True, start=now - 60 * SECOND, cycles=5)
    assert out.times == [now - 60 * SECOND, now - 59 * SECOND, now - 58 * SECOND]


def test_r13_consume_async_awaits_no_call_for_values_of_the_past() -> None:
    now = time.time_ns()
    called: list[int] = []

    async def call(number: int) -> int:
        called.append(number)
        return number

    out = recorded(now, 5).merge(live_numbers(3)).consume_async(call).collect()
    out.run(realtime=True, start=now - 9 * SECOND)
    assert called == out.values == [0, 1, 2]


def test_r15_an_endless_loop_in_the_past_is_an_error() -> None:
    now = time.time_ns()
    back: gc.FeedbackStream[int] = gc.feedback()
    numbers = recorded(now, 1).merge(back.map(lambda n: n + 1))
    back.bind(numbers)
    with pytest.raises(gc.RunError, match="kept scheduling"):
        numbers.run(realtime=True, start=now - 9 * SECOND, max_cycles_at_once=100)


def test_a_start_in_the_future_is_refused() -> None:
    ahead = time.time_ns() + 3600 * SECOND
    with pytest.raises(gc.InvalidValueError, match="starts now or in the past"):
        gc.constant(1).run(realtime=True, start=ahead)


def test_live_only_must_be_a_truth_value() -> None:
    with pytest.raises(gc.InvalidTypeError, match="live_only must be True or False, not 1"):
        gc.node(live_only=1)  # type: ignore[call-overload]  # the error
