"""R13, live runs: the clock, timers, a late ticker, and an idle graph."""

import threading
import time
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import ticks

MS = 1_000_000


def test_r13_engine_time_begins_at_the_wall_clock() -> None:
    before = time.time_ns()
    report = gc.constant(1).run(realtime=True)
    assert before <= report.start <= report.end <= time.time_ns() + MS


def test_r13_a_stepped_clock_disturbs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = time.time_ns
    stepped: list[int] = []

    def step(value: int) -> None:
        # Back by an hour, then forward by two.
        offset = (-3600, 7200)[len(stepped) % 2] * 10**9
        stepped.append(offset)
        monkeypatch.setattr(time, "time_ns", lambda: wall() + offset)

    out = gc.ticker("5ms").for_each(step).collect()
    report = out.run(realtime=True, duration="50ms")
    assert report.ended_by is gc.EndedBy.UNTIL
    assert len(stepped) > 2
    assert out.times == sorted(out.times)
    assert out.times[-1] - out.times[0] <= 50 * MS


def test_r13_timers_fire_at_their_time_or_late_and_never_early() -> None:
    fired: list[tuple[int, int]] = []

    class Timers(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            self.times = [state.time + k * 700_001 for k in range(40)]
            for at in self.times:
                state.schedule(at)

        def cycle(self, state: gc.GraphState) -> bool:
            fired.append((self.times.pop(0), state.time))
            return False

    gc.Graph(Timers()).run(realtime=True)
    assert len(fired) == 40
    assert all(now >= due for due, now in fired)


def test_r13_the_clock_has_reached_the_time_of_a_timer() -> None:
    early: list[float] = []
    began = time.monotonic_ns()

    class Once(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            self.wall = time.monotonic_ns()
            state.schedule(state.start_time + 30 * MS)

        def cycle(self, state: gc.GraphState) -> bool:
            early.append(time.monotonic_ns() - began)
            return False

    gc.Graph(Once()).run(realtime=True)
    assert early[0] >= 30 * MS


def test_r13_a_ticker_ticks_at_start_and_then_every_period() -> None:
    out = gc.ticker("10ms").collect()
    report = out.run(realtime=True, duration="45ms")
    late = [time - report.start - k * 10 * MS for k, time in enumerate(out.times)]
    assert 2 <= len(late) <= 5
    assert all(lateness >= 0 for lateness in late[:2])


def test_r13_a_ticker_late_by_more_than_a_period_fires_once_and_then_keeps_to_the_grid() -> None:
    period = 20 * MS
    block = threading.Event()
    woken: list[int] = []

    class Grid(gc.MutableNode[int]):
        """Wakes at each multiple of the period, and is as late as the ticker."""

        def start(self, state: gc.GraphState) -> None:
            for k in range(10):
                state.schedule(state.time + k * period)

        def cycle(self, state: gc.GraphState) -> bool:
            woken.append(state.time)
            return False

    def busy(count: int) -> None:
        if count == 2:
            block.wait(0.075)

    tick = gc.ticker(period)
    out = tick.collect()
    blocked = tick.count().for_each(busy)
    gc.Graph(Grid(), out, blocked).run(realtime=True, duration=9 * period)
    # Once for all overdue alarms, and then at the next multiple of the period.
    assert out.times == sorted(set(woken))
    assert len(woken) == 10
    assert len(out.times) <= 10 - 2


def test_r13_alarms_that_are_all_overdue_wake_the_node_once_each_at_one_time() -> None:
    block = threading.Event()
    seen: list[tuple[int, bool]] = []

    class Late(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            # The later ones so late that none of them is due in cycle 1 on a busy machine.
            for after in (0, 501, 502, 503):
                state.schedule(state.time + after * MS)

        def cycle(self, state: gc.GraphState) -> bool:
            if not seen:
                block.wait(0.55)
            seen.append((state.time, state.due))
            return False

    gc.Graph(Late()).run(realtime=True)
    assert [due for _, due in seen] == [True] * 4
    assert len({time for time, _ in seen[1:]}) == 1


def test_r13_successive_cycles_may_have_the_same_time_and_none_goes_back() -> None:
    out = ticks(gc.from_iterable(range(200)).delay(0), realtime=True)
    times = [time for time, _ in out]
    assert times == sorted(times)
    assert [value for _, value in out] == list(range(200))


def _idle(graph: gc.Graph, seconds: float) -> float:
    """Return the share of a core that an idle run takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    graph.run(realtime=True, duration=int(seconds * 1e9))
    return (time.process_time() - cpu) / (time.perf_counter() - wall)


def wait(sender: gc.Sender[Any], stop: threading.Event) -> None:
    stop.wait()


@pytest.mark.parametrize(
    "source",
    [lambda: gc.receiver(wait), lambda: gc.ticker("1h"), lambda: gc.constant(1).delay("1h")],
    ids=["receiver", "ticker", "delay"],
)
def test_r13_an_idle_graph_uses_no_cpu(source: Any) -> None:
    graph = gc.Graph(source().map(str))
    # Long enough for the cost of start and stop not to matter; other work of the process counts a
    # little.
    assert any(_idle(graph, 2.0) < 0.01 for _ in range(3))


def test_r13_a_replay_paces_itself_by_speed() -> None:
    times = [0, 100 * MS, 200 * MS]
    out = gc.replay(times, ["a", "b", "c"], speed=10).collect()
    report = out.run(realtime=True)
    assert out.values == ["a", "b", "c"]
    for recorded, at in zip(times, out.times, strict=True):
        assert at - report.start >= recorded // 10
    fast = gc.replay([0, 10**18], ["a", "b"]).collect()
    assert fast.run(realtime=True, duration="1min").ended_by is gc.EndedBy.SOURCES
    assert fast.values == ["a", "b"]


def test_r13_a_live_run_skips_no_event_of_the_past() -> None:
    out = gc.replay([1, 2, 3], ["a", "b", "c"]).collect()
    assert out.run(realtime=True).skipped == 0
    assert out.values == ["a", "b", "c"]
