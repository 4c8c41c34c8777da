"""R6: which values a cycle takes, and in which order same-time values come."""

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks


class CycleOf(gc.MutableNode[tuple[Any, ...]]):
    """Ticks in each cycle in which any source ticked, with the sources that did."""

    def __init__(self, *sources: gc.Stream[Any]) -> None:
        super().__init__()
        self.sources = [source.node for source in sources]

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=tuple(self.sources))

    def cycle(self, state: gc.GraphState) -> bool:
        ticked = [source if state.ticked(source) else None for source in self.sources]
        self.value = tuple(None if node is None else node.value for node in ticked)
        return True


def cycles(*sources: gc.Stream[Any], **options: Any) -> list[tuple[int, tuple[Any, ...]]]:
    """Return the time of each cycle and what each source ticked with in it, `None` if not."""
    return ticks(gc.Stream(CycleOf(*sources)), **options)


def test_r6_each_delivers_same_time_values_in_order() -> None:
    assert ticks(gc.replay([1, 1, 1, 2], [1, 2, 3, 4])) == [(1, 1), (1, 2), (1, 3), (2, 4)]


def test_r6_burst_delivers_same_time_values_as_one_list() -> None:
    source = gc.replay([1, 1, 1, 2], [1, 2, 3, 4], delivery="burst")
    assert ticks(source) == [(1, [1, 2, 3]), (2, [4])]


def test_r6_latest_delivers_the_last_of_same_time_values() -> None:
    assert ticks(gc.replay([1, 1, 1, 2], [1, 2, 3, 4], delivery="latest")) == [(1, 3), (2, 4)]


def test_r6_the_first_cycle_takes_one_value_of_each_and_all_of_burst_and_latest() -> None:
    one = gc.replay([5, 5, 5], [1, 2, 3])
    two = gc.replay([5, 5], [10, 20])
    burst = gc.replay([5, 5], [7, 8], delivery="burst")
    latest = gc.replay([5, 5, 5], [4, 5, 6], delivery="latest")
    assert cycles(one, two, burst, latest) == [
        (5, (1, 10, [7, 8], 6)),
        (5, (2, 20, None, None)),
        (5, (3, None, None, None)),
    ]


def test_r6_the_first_cycle_takes_every_timer_that_is_due() -> None:
    source = gc.replay([0, 0, 2, 2], ["a", "b", "c", "d"])
    assert cycles(source, gc.ticker(2), gc.ticker(1), until=2) == [
        (0, ("a", 0, 0)),
        (0, ("b", None, None)),
        (1, (None, None, 1)),
        (2, ("c", 2, 2)),
        (2, ("d", None, None)),
    ]


def test_r6_a_further_cycle_runs_every_node_that_scheduled_at_or_before_now() -> None:
    class Again(gc.MutableNode[int]):
        def __init__(self, back: int, times: int) -> None:
            super().__init__()
            self.back, self.times = back, times

        def start(self, state: gc.GraphState) -> None:
            self.left = self.times
            state.schedule(10)

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.left
            self.left -= 1
            if self.left:
                state.schedule(state.time - self.back)
            return True

    now, before = gc.Stream(Again(0, 3)), gc.Stream(Again(4, 2))
    assert cycles(now, before, gc.replay([10, 10], [0, 1]), start=0) == [
        (10, (3, 2, 0)),
        (10, (2, 1, 1)),
        (10, (1, None, None)),
    ]


def test_r6_schedule_for_now_is_a_further_cycle_and_never_this_one() -> None:
    runs: list[tuple[int, bool]] = []

    class Late(gc.MutableNode[int]):
        """Runs after the node that schedules it."""

        def __init__(self, source: gc.Stream[int]) -> None:
            super().__init__()
            self.source = source.node

        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(active=(self.source,))

        def cycle(self, state: gc.GraphState) -> bool:
            runs.append((state.time, state.due))
            if not state.due:
                state.schedule(state.time)
            return False

    report = gc.Graph(Late(gc.replay([3], [0]))).run()
    assert runs == [(3, False), (3, True)]
    assert report.cycles == 2


@given(st.lists(st.lists(st.integers(0, 3), max_size=6).map(sorted), min_size=1, max_size=4))
def test_r6_nothing_is_dropped_but_by_latest(all_times: list[list[int]]) -> None:
    pairs = [list(enumerate(times)) for times in all_times]
    events = [[(time, value) for value, time in each] for each in pairs]
    for one in events:
        by_time: dict[int, list[int]] = {}
        for time, value in one:
            by_time.setdefault(time, []).append(value)
        assert ticks(gc.replay(one)) == one
        assert ticks(gc.replay(one, delivery="burst")) == list(by_time.items())
        latest = [(time, values[-1]) for time, values in by_time.items()]
        assert ticks(gc.replay(one, delivery="latest")) == latest
    got = cycles(*[gc.replay(one) for one in events])
    # The k-th cycle at a time takes the k-th value of each source that has that many.
    expected = []
    for time in range(4):
        columns = [[value for t, value in one if t == time] for one in events]
        for k in range(max(len(column) for column in columns)):
            row = tuple(column[k] if k < len(column) else None for column in columns)
            expected.append((time, row))
    assert got == expected


def test_r6_unroll_delivers_one_item_a_cycle_at_the_time_of_the_list() -> None:
    lists = gc.replay([1, 2], [["a", "b", "c"], ["d"]])
    assert ticks(lists.unroll()) == [(1, "a"), (1, "b"), (1, "c"), (2, "d")]


def test_r6_unroll_puts_new_input_after_the_waiting_items() -> None:
    lists = gc.replay([1, 1, 1], [["a", "b"], ["c", "d"], []])
    report_of = lists.unroll().collect()
    report = report_of.run()
    assert list(report_of) == [(1, "a"), (1, "b"), (1, "c"), (1, "d")]
    assert report.cycles == 4


def test_r6_delay_of_0_is_the_next_cycle_at_the_same_time() -> None:
    source = gc.replay([1, 2], ["a", "b"])
    assert cycles(source, source.delay(0)) == [
        (1, ("a", None)),
        (1, (None, "a")),
        (2, ("b", None)),
        (2, (None, "b")),
    ]


def test_r6_delay_delivers_same_time_values_one_a_cycle_and_new_input_after_them() -> None:
    source = gc.replay([1, 1, 1, 3], ["a", "b", "c", "d"])
    assert cycles(source, source.delay(0)) == [
        (1, ("a", None)),
        (1, ("b", "a")),
        (1, ("c", "b")),
        (1, (None, "c")),
        (3, ("d", None)),
        (3, (None, "d")),
    ]
    assert ticks(source.delay(2)) == [(3, "a"), (3, "b"), (3, "c"), (5, "d")]


def test_r6_delay_drops_nothing_when_old_and_new_values_are_due_together() -> None:
    source = gc.replay([0, 0, 5, 5], ["a", "b", "c", "d"])
    assert ticks(source.delay(5)) == [(5, "a"), (5, "b"), (10, "c"), (10, "d")]


def test_r6_feedback_delivers_in_the_next_cycle_at_the_same_time() -> None:
    loop = gc.feedback()
    source = gc.replay([1, 5], [3, 1])
    total = source.merge(loop)
    loop.bind(total.filter(lambda n: n > 1).map(lambda n: n - 1))
    assert cycles(source, loop, total) == [
        (1, (3, None, 3)),
        (1, (None, 2, 2)),
        (1, (None, 1, 1)),
        (5, (1, None, 1)),
    ]


def test_r6_feedback_that_is_only_read_later_in_the_order_is_delivered_as_well() -> None:
    loop = gc.feedback()
    source = gc.replay([1, 2], ["a", "b"])
    loop.bind(source)
    seen: list[Any] = []
    gc.Graph(source, loop.with_time().for_each(seen.append)).run()
    assert seen == [(1, "a"), (2, "b")]


def test_r6_a_live_source_that_has_more_comes_at_the_same_time_before_the_clock_is_read() -> None:
    source = gc.from_iterable([[0, 1, 2, 3]])
    times = [time for time, _ in ticks(source.unroll(), realtime=True)]
    assert len(times) == 4
    assert len(set(times)) == 1


def test_r6_a_live_run_reads_the_inbox_only_when_all_cycles_at_a_time_are_done() -> None:
    entered, sent = threading.Event(), threading.Event()

    def run(sender: gc.Sender[str], stop: threading.Event) -> None:
        entered.wait(5)
        sender.send("from the thread")
        sent.set()

    def wait(value: int) -> None:
        if value == 0:
            entered.set()
            assert sent.wait(5)

    unrolled = gc.from_iterable([[0, 1, 2]]).unroll().for_each(wait)
    arrived = gc.receiver(run, delivery="each")
    rows = [row for _, row in cycles(unrolled, arrived, realtime=True)]
    assert rows == [(0, None), (1, None), (2, None), (None, "from the thread")]


def test_r6_a_live_run_answers_stop_between_the_cycles_of_one_time() -> None:
    @gc.node
    class StopAt(gc.MutableNode[int]):
        source: gc.Active[int]

        def cycle(self, state: gc.GraphState) -> bool:
            if self.source.value == 3:
                state.stop()
            self.value = self.source.value
            return True

    lists = gc.from_iterable([list(range(100_000))])
    out = gc.Stream(StopAt(lists.unroll())).collect()
    report = out.run(realtime=True)
    assert (report.ended_by, report.cycles) == (gc.EndedBy.STOP, 4)
    assert len(out) == 100_000  # the queue drains in the closing instant (R14)


@pytest.mark.parametrize("delivery", ["each", "burst", "latest"])
def test_r6_a_paced_live_replay_delivers_same_time_values_by_its_policy(delivery: Any) -> None:
    times, values = [0, 0, 0, 1_000_000, 1_000_000], [1, 2, 3, 4, 5]
    out = ticks(gc.replay(times, values, delivery=delivery, speed=1), realtime=True)
    by_time: dict[int, list[Any]] = {}
    for time, value in out:
        by_time.setdefault(time, []).append(value)
    expected = {
        "each": [[1, 2, 3], [4, 5]],
        "burst": [[[1, 2, 3]], [[4, 5]]],
        "latest": [[3], [5]],
    }
    assert list(by_time.values()) == expected[delivery]


def test_r6_a_live_replay_that_is_late_lets_the_clock_and_the_inbox_be_read() -> None:
    events = ((i, i) for i in range(10**9))
    slow = gc.replay(events, speed=1e6)  # always due at once
    report = slow.run(realtime=True, duration="50ms")
    assert report.ended_by is gc.EndedBy.UNTIL


@gc.node
class CycleAtTime(gc.MutableNode[int]):
    source: gc.Active[object]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = state.cycle_at_time
        return True


@pytest.mark.parametrize("times", [[0, 0, 0, 1, 3, 3], [5, 5, 6, 6]])
def test_r6_a_node_is_told_which_of_the_cycles_at_a_time_it_is_in(times: list[int]) -> None:
    found = gc.Stream(CycleAtTime(gc.replay(times, times)))
    expected = [times[:i].count(time) for i, time in enumerate(times)]
    assert [cycle for _, cycle in ticks(found)] == expected
    # With a node that keeps alarms, and in real time, the fused tier uses another driver.
    delayed = gc.Graph(out := found.collect(), gc.replay(times, times).delay(2))
    delayed.run()
    assert out.values == expected
    bursts = gc.from_iterable([[1, 2, 3], [4], [5, 6]], period="1ms")
    out = gc.Stream(CycleAtTime(bursts.unroll())).collect()
    out.run(realtime=True)
    assert out.values == [0, 1, 2, 0, 0, 1]
