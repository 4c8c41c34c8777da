"""R7: alarms."""

from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import ticks

Action = Callable[["Alarmed", gc.GraphState], Any]


class Alarmed(gc.MutableNode[int]):
    """Calls a test's function in `start` and in each cycle, and ticks."""

    def __init__(self, start: Action, cycle: Action = lambda node, state: None) -> None:
        super().__init__()
        self.at_start, self.in_cycle = start, cycle

    def start(self, state: gc.GraphState) -> None:
        self.alarms: list[gc.Alarm] = []
        self.runs = 0
        self.at_start(self, state)

    def cycle(self, state: gc.GraphState) -> bool:
        self.runs += 1
        self.value = self.runs
        self.in_cycle(self, state)
        return True


def schedule(*times: Any) -> Action:
    def start(node: Alarmed, state: gc.GraphState) -> None:
        node.alarms += [state.schedule(at) for at in times]

    return start


def times_of(start: Action, cycle: Action = lambda node, state: None, **options: Any) -> list[int]:
    return [time for time, _ in ticks(gc.Stream(Alarmed(start, cycle)), **options)]


def test_r7_schedule_wakes_the_node_at_that_time() -> None:
    assert times_of(schedule(30, 10, 20)) == [10, 20, 30]


def test_r7_schedule_takes_every_form_of_a_time() -> None:
    assert times_of(schedule("1970-01-01T00:00:01Z")) == [1_000_000_000]
    with pytest.raises(gc.InvalidTypeError, match=r"1\.5 is not a time"):
        times_of(schedule(1.5))


def test_r7_start_may_schedule_the_start_which_is_cycle_1() -> None:
    out = gc.Stream(Alarmed(lambda node, state: state.schedule(state.time))).collect()
    report = out.run(start=100)
    assert (out.times, report.cycles) == ([100], 1)


def test_r7_start_may_schedule_the_start_of_a_live_run_which_is_cycle_1() -> None:
    node = Alarmed(lambda node, state: state.schedule(state.time))
    report = gc.Graph(node).run(realtime=True)
    assert (node.runs, report.cycles) == (1, 1)


@pytest.mark.parametrize("realtime", [False, True])
def test_r7_an_alarm_before_the_start_of_the_run_raises(realtime: bool) -> None:
    node = Alarmed(lambda node, state: state.schedule(state.start_time - 1))
    with pytest.raises(gc.InvalidValueError, match="cannot schedule at .* the run started at"):
        gc.Graph(node).run(realtime=realtime)

    def late(node: Alarmed, state: gc.GraphState) -> None:
        state.schedule(state.start_time - 1)

    with pytest.raises(gc.InvalidValueError, match="cannot schedule at"):
        gc.Graph(Alarmed(lambda n, state: state.schedule(state.time), late)).run(realtime=realtime)


def test_r7_a_time_in_the_past_means_a_further_cycle_now() -> None:
    def cycle(node: Alarmed, state: gc.GraphState) -> None:
        if node.runs == 1:
            state.schedule(state.time - 7)

    assert times_of(schedule(10), cycle) == [10, 10]


def test_r7_several_alarms_for_one_time_are_one_wake_up() -> None:
    assert times_of(schedule(10, 10, 20, 10, 20)) == [10, 20]


def test_r7_several_alarms_that_mean_now_are_one_wake_up() -> None:
    def cycle(node: Alarmed, state: gc.GraphState) -> None:
        if node.runs == 1:
            for back in (0, 0, 3, 5):
                state.schedule(state.time - back)

    assert times_of(schedule(10), cycle) == [10, 10]


def test_r7_alarms_of_two_nodes_for_one_time_are_one_cycle() -> None:
    one, other = gc.Stream(Alarmed(schedule(10, 20))), gc.Stream(Alarmed(schedule(20, 10)))
    assert gc.Graph(one, other).run().cycles == 2


def test_r7_a_cancelled_alarm_does_not_go_off() -> None:
    def start(node: Alarmed, state: gc.GraphState) -> None:
        state.schedule(10)
        state.schedule(20).cancel()
        state.schedule(30)

    assert times_of(start) == [10, 30]


def test_r7_a_cancelled_alarm_for_now_does_not_go_off() -> None:
    def cycle(node: Alarmed, state: gc.GraphState) -> None:
        state.schedule(state.time).cancel()

    assert times_of(schedule(10), cycle) == [10]


def test_r7_cancelling_one_of_two_alarms_for_a_time_leaves_the_other() -> None:
    def start(node: Alarmed, state: gc.GraphState) -> None:
        first, _ = state.schedule(10), state.schedule(10)
        first.cancel()

    assert times_of(start) == [10]


def test_r7_cancelling_twice_or_after_it_went_off_does_nothing() -> None:
    def cycle(node: Alarmed, state: gc.GraphState) -> None:
        for _ in range(2):
            node.alarms[0].cancel()

    assert times_of(schedule(10, 20), cycle) == [10, 20]


def test_r7_a_run_whose_only_alarm_was_cancelled_ends() -> None:
    report = gc.Graph(Alarmed(lambda node, state: state.schedule(10).cancel())).run()
    assert (report.cycles, report.ended_by) == (0, gc.EndedBy.SOURCES)


def test_r7_many_cancelled_alarms_leave_the_others_in_order() -> None:
    def start(node: Alarmed, state: gc.GraphState) -> None:
        node.alarms = [state.schedule(1000 - i) for i in range(1000)]
        for i, alarm in enumerate(node.alarms):
            if i % 10:
                alarm.cancel()

    assert times_of(start) == list(range(10, 1001, 10))


def test_r7_due_is_true_only_in_a_cycle_that_the_nodes_own_alarm_caused() -> None:
    seen: list[tuple[int, bool]] = []

    class Asks(gc.MutableNode[None]):
        def __init__(self, source: gc.Stream[Any]) -> None:
            super().__init__()
            self.source = source.node

        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(active=(self.source,))

        def start(self, state: gc.GraphState) -> None:
            seen.append((state.time, state.due))
            state.schedule(20)
            state.schedule(30).cancel()

        def cycle(self, state: gc.GraphState) -> bool:
            seen.append((state.time, state.due))
            return False

    gc.Graph(Asks(gc.replay([10, 20, 20, 30], [0, 0, 0, 0]))).run()
    assert seen == [(10, False), (10, False), (20, True), (20, False), (30, False)]


def test_r7_an_alarm_set_by_the_run_before_is_gone() -> None:
    node = Alarmed(lambda node, state: state.schedule(state.time + 100))
    stream = gc.Stream(node)
    assert stream.run(until=50).cycles == 0
    assert [t for t, _ in ticks(stream, start=30, until=200)] == [130]


def test_r7_state_tells_the_time_the_start_what_has_elapsed_and_the_mode() -> None:
    seen: list[Any] = []

    def cycle(node: Alarmed, state: gc.GraphState) -> None:
        seen.append((state.time, state.start_time, state.elapsed, state.run_mode))

    gc.Graph(Alarmed(schedule(25), cycle)).run(start=20)
    assert seen == [(25, 20, 5, gc.RunMode.HISTORICAL)]
    gc.Graph(Alarmed(lambda node, state: state.schedule(state.time), cycle)).run(realtime=True)
    time, start, elapsed, mode = seen[1]
    assert time - start == elapsed >= 0
    assert mode is gc.RunMode.REALTIME


@pytest.mark.parametrize(
    "ask", [lambda node, state: state.wake(), lambda node, state: state.call_soon(print)]
)
def test_r8_a_historical_run_depends_on_nothing_from_outside(ask: Action) -> None:
    with pytest.raises(gc.RunError, match="in real-time runs only"):
        gc.Graph(Alarmed(ask)).run()


@gc.node
class Last(gc.MutableNode[Any]):
    """Ticks at the end of each time at which its source ticked, and once more after that."""

    source: gc.Active[Any]
    keeps_alive: bool = True
    more: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        if state.ticked(self.source):
            state.schedule_last(state.time)
        if not state.due:
            return False
        if self.more:
            self.more -= 1
        else:
            self.more = 1
            state.schedule(state.time)
        self.value = (self.source.value, state.cycle_at_time)
        return True


@pytest.mark.parametrize("realtime", [False, True])
def test_r7_schedule_last_wakes_a_node_when_no_other_cycle_is_left_at_a_time(
    realtime: bool,
) -> None:
    bursts = gc.constant(list("abc")).unroll().delay(0)
    last = gc.Stream(Last(bursts))
    assert [v for _, v in ticks(last, realtime=realtime)] == [("c", 4), ("c", 5)]


def test_r7_cycles_that_a_last_one_causes_come_before_further_last_ones() -> None:
    @gc.node
    class Phases(gc.MutableNode[Any]):
        source: gc.Active[Any]
        left: list[str] = gc.state(factory=lambda: ["then last", "then ordinary", "first last"])

        def start(self, state: gc.GraphState) -> None:
            state.schedule_last(5)

        def cycle(self, state: gc.GraphState) -> bool:
            if state.ticked(self.source):
                self.value = self.source.value
                return True
            self.value = self.left.pop()
            if self.value == "first last":
                state.schedule_last(state.time)
                state.schedule(state.time)
            return True

    phases = gc.Stream(Phases(gc.replay([5, 5], ["a", "b"])))
    assert ticks(phases, start=0) == [
        (5, each) for each in ("a", "b", "first last", "then ordinary", "then last")
    ]


@pytest.mark.parametrize("realtime", [False, True])
def test_r7_an_alarm_that_keeps_nothing_alive_goes_off_only_while_others_do(
    realtime: bool,
) -> None:
    ms = 1_000_000
    gone_off: list[int] = []

    @gc.node
    class UntilThree(gc.MutableNode[int]):
        """Its alarms keep the run alive until the others have gone off three times."""

        def start(self, state: gc.GraphState) -> None:
            state.schedule(state.time)

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = len(gone_off)
            if self.value < 3 and state.elapsed < 20_000 * ms:
                state.schedule(state.time + ms)
            return True

    @gc.node(valid="any")
    class Every(gc.MutableNode[int]):
        source: gc.Active[Any]
        period: int
        count: int = gc.state(0)

        def start(self, state: gc.GraphState) -> None:
            state.schedule(state.time, keeps_alive=False)

        def cycle(self, state: gc.GraphState) -> bool:
            if not state.due:
                return False
            state.schedule(state.time + self.period, keeps_alive=False)
            self.count += 1
            self.value = self.count
            return True

    source = gc.Stream(UntilThree())
    until = source.collect()
    every = gc.Stream(Every(source, 10 * ms)).for_each(gone_off.append).collect()
    report = gc.Graph(until, every).run(realtime=realtime)
    assert report.ended_by is gc.EndedBy.SOURCES
    assert every.values[:3] == [1, 2, 3]
    assert every.times[-1] <= until.times[-1]
    if not realtime:
        assert every.times == [0, 10 * ms, 20 * ms]


def test_r7_a_cancelled_alarm_keeps_no_run_alive_beside_one_that_keeps_none() -> None:
    @gc.node
    class Both(gc.MutableNode[Any]):
        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            if state.ticked(self.source):
                state.schedule(state.time + 5, keeps_alive=False)
                state.schedule_last(state.time + 5, keeps_alive=False)
                state.schedule(state.time + 9).cancel()
                return False
            self.value = state.time
            return True

    both = gc.Stream(Both(gc.constant(1)))
    assert ticks(both) == []
    assert ticks(both.merge(gc.never().merge(gc.replay([0, 7], [0, 0])).filter(bool))) == [
        (5, 5),
        (5, 5),
    ]


def test_r7_an_event_after_the_bound_keeps_the_run_alive_up_to_the_bound() -> None:
    letters = gc.replay([0, 4, 9], "abc").every(2)
    expected = [(0, "a"), (2, "a"), (4, "b"), (6, "b")]
    assert ticks(letters, until=7) == expected
    assert ticks(letters, until=7, progress=True) == expected
    assert ticks(gc.replay([0, 4], "ab").every(2), until=7) == expected[:3]
