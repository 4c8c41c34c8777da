"""R9: what ends a run, and the report of such a run."""

import threading
from typing import Any

import numpy as np
import pytest

import graphcore as gc
from graphcore import EndedBy
from graphcore.testing import ticks

S = 1_000_000_000


@gc.node
class StopAt(gc.MutableNode[Any]):
    """Calls `stop` when a value comes, but still ticks."""

    source: gc.Active[Any]
    last: object

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        if self.value == self.last:
            state.stop()
        return True


def test_r9_cycles_end_a_run() -> None:
    out = gc.ticker("1s").collect()
    report = out.run(cycles=3)
    assert (report.ended_by, report.cycles) == (EndedBy.CYCLES, 3)
    assert (report.start, report.end) == (0, 2 * S)
    assert out.times == [0, S, 2 * S]


def test_r9_until_ends_a_run_and_cycles_due_then_still_run() -> None:
    out = gc.ticker("1s").collect()
    report = out.run(until=2 * S)
    assert (report.ended_by, report.cycles, report.end) == (EndedBy.UNTIL, 3, 2 * S)
    assert gc.ticker("1s").run(until=2 * S - 1).cycles == 2


def test_r9_duration_counts_from_the_start() -> None:
    report = gc.ticker("1s").run(start=10 * S, duration="2s")
    assert (report.ended_by, report.start, report.end) == (EndedBy.UNTIL, 10 * S, 12 * S)


def test_r9_all_cycles_at_the_last_time_run() -> None:
    out = gc.replay([1, 2, 2, 2, 3], [1, 2, 3, 4, 5]).collect()
    assert out.run(until=2).ended_by is EndedBy.UNTIL
    assert out.values == [1, 2, 3, 4]


def test_r9_a_run_ends_when_all_sources_ended_and_nothing_is_scheduled() -> None:
    source = gc.replay([1, 2], ["a", "b"])
    out = source.delay(50).collect()
    report = out.run(until=1000)
    assert (report.ended_by, report.end) == (EndedBy.SOURCES, 52)
    assert out.values == ["a", "b"]


@pytest.mark.parametrize("realtime", [False, True])
def test_r9_a_graph_in_which_nothing_ever_happens_ends_at_once(realtime: bool) -> None:
    report = gc.never().run(realtime=realtime)
    assert (report.ended_by, report.cycles) == (EndedBy.SOURCES, 0)
    assert report.end == report.start


@pytest.mark.parametrize("realtime", [False, True])
def test_r9_stop_lets_the_present_cycle_finish_and_no_further_one_run(realtime: bool) -> None:
    source = gc.from_iterable([1, 2, 3, 4])
    stopping = gc.Stream(StopAt(source, 2))
    before, after = source.collect(), stopping.map(lambda n: n).collect()
    report = gc.Graph(before, after).run(realtime=realtime)
    assert (report.ended_by, report.cycles) == (EndedBy.STOP, 2)
    assert before.values == after.values == [1, 2]


def test_r9_stop_leaves_no_further_cycle_even_at_the_same_time() -> None:
    out = gc.Stream(StopAt(gc.replay([1, 1, 1], [1, 2, 3]), 2)).collect()
    assert out.run().ended_by is EndedBy.STOP
    assert out.values == [1, 2]


def test_r9_cycles_leave_no_further_cycle_even_at_the_same_time() -> None:
    out = gc.replay([1, 1, 1], [1, 2, 3]).collect()
    assert out.run(cycles=2).ended_by is EndedBy.CYCLES
    assert out.values == [1, 2]


def test_r9_stop_in_start_leaves_no_cycle() -> None:
    class Stops(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            state.stop()

    report = gc.Graph(Stops(), gc.constant(1)).run()
    assert (report.ended_by, report.cycles) == (EndedBy.STOP, 0)


def test_r9_the_first_of_several_ends_counts() -> None:
    tick = gc.ticker("1s")
    assert tick.run(cycles=2, duration="10s").ended_by is EndedBy.CYCLES
    assert tick.run(cycles=20, duration="2s").ended_by is EndedBy.UNTIL
    assert tick.run(until=5 * S, duration="2s").end == 2 * S
    assert tick.run(until=1 * S, duration="2s").end == 1 * S
    assert gc.Stream(StopAt(tick, S)).run(cycles=2).ended_by is EndedBy.STOP


def test_r9_stop_sees_what_ended_the_run() -> None:
    seen: list[EndedBy | None] = []

    class Looks(gc.MutableNode[int]):
        def stop(self, state: gc.GraphState) -> None:
            seen.append(state.ended_by)

    gc.Graph(Looks(), gc.ticker("1s")).run(cycles=1)
    gc.Graph(Looks(), gc.constant(1)).run()
    with pytest.raises(ZeroDivisionError):
        gc.Graph(Looks(), gc.constant(0).map(lambda n: 1 / n)).run()
    assert seen == [EndedBy.CYCLES, EndedBy.SOURCES, EndedBy.ERROR]


def test_r9_every_end_has_its_name() -> None:
    ends = ["cycles", "until", "sources", "stop", "signal"]
    assert [str(end) for end in EndedBy if end is not EndedBy.ERROR] == ends


def test_r9_a_historical_run_without_a_bound_over_a_ticker_is_refused_at_once() -> None:
    tick = gc.ticker("1s").named("pulse")
    log: list[int] = []
    with pytest.raises(gc.RunError, match="pulse never ends, so .* needs a bound: give duration="):
        tick.for_each(log.append).run()
    assert log == []


@pytest.mark.parametrize(
    "bound", [{"cycles": 1}, {"cycles": np.int64(1)}, {"until": 0}, {"duration": 0}]
)
def test_r9_any_bound_lets_a_ticker_run_over_history(bound: dict[str, Any]) -> None:
    assert gc.ticker("1s").run(**bound).cycles == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cycles": 0}, ValueError, "cycles must be at least 1, not 0"),
        ({"cycles": 1.5}, TypeError, "cycles must be a whole number, not 1.5"),
        ({"cycles": True}, TypeError, "cycles must be a whole number, not True"),
        ({"duration": "-1s"}, ValueError, "a duration cannot be negative: '-1s'"),
        ({"start": 10, "until": 5}, ValueError, "until=5 lies before the start of the run"),
        ({"realtime": True, "until": 5}, ValueError, "until=5 lies before the start of the run"),
        ({"realtime": True, "start": "2200-01-01"}, ValueError, "lies in the future"),
        ({"tier": "magic", "cycles": 1}, ValueError, "there is no tier 'magic'"),
    ],
)
def test_r9_a_bound_that_makes_no_sense_is_refused_with_its_value(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        gc.ticker("1s").run(**options)


def test_r9_a_live_run_runs_cycles_due_by_its_end_even_if_it_reads_the_clock_late() -> None:
    tick = gc.ticker("20ms")
    out = tick.collect()
    busy = threading.Event()
    blocked = tick.count().for_each(lambda n: n == 2 and busy.wait(0.2))  # far past the end
    late = tick.skip(1).limit(1).delay("20ms").collect()
    report = gc.Graph(blocked, out, late).run(realtime=True, duration="60ms")
    assert report.ended_by is EndedBy.UNTIL
    assert (len(out), len(late)) == (
        3,
        1,
    )  # the cycle due at 40 ms, once, and none after the end
    assert out.times[-1] == late.times[0] == report.end == report.start + 60_000_000


def test_r9_a_live_run_ends_after_its_duration_and_not_before() -> None:
    report = gc.ticker("1h").run(realtime=True, duration="60ms")
    assert (report.ended_by, report.cycles) == (EndedBy.UNTIL, 1)
    assert report.wall_time >= 60_000_000


def test_r9_a_live_run_ends_when_its_sources_have_ended() -> None:
    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        sender.send_many([1, 2, 3])

    out = gc.receiver(run, delivery="each").collect()
    report = out.run(realtime=True, duration="1min")
    assert (report.ended_by, out.values) == (EndedBy.SOURCES, [1, 2, 3])


def test_r9_events_before_the_start_are_skipped_and_counted() -> None:
    out = gc.replay([1, 2, 3, 4], ["a", "b", "c", "d"]).collect()
    report = out.run(start=3)
    assert (report.skipped, list(out)) == (2, [(3, "c"), (4, "d")])
    assert out.run().skipped == 0


def test_r9_a_run_starts_at_the_earliest_event_of_any_replay_or_at_0() -> None:
    early, late = gc.replay([7, 9], [0, 0]), gc.replay([8], [0])
    assert gc.Graph(late, early, gc.constant(1)).run().start == 7
    assert gc.constant(1).run().start == 0
    assert ticks(gc.constant(1).merge_first(late)) == [(8, 1)]
