"""R15: an endless loop at one time ends the run; in real time the clock ends it too."""

import signal
import subprocess
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

import graphcore as gc

TIERS = ("interpreted", "fused")
each_tier = pytest.mark.parametrize("tier", TIERS)

MOST = 50


def loop(source: gc.Stream[int], function: Callable[[gc.Stream[int]], gc.Stream[int]]) -> Any:
    """Return the values of a loop, which ticks with the source's value and, in the next cycles,
    with the function's results."""
    return loop_of(source, function).collect()


def loop_of(
    source: gc.Stream[int], function: Callable[[gc.Stream[int]], gc.Stream[int]]
) -> gc.Stream[int]:
    """Return such a loop."""
    back = gc.feedback()
    out = source.merge(function(back))
    back.bind(out)
    return out


class Again(gc.MutableNode[int]):
    """Schedules a further cycle in each cycle, and never ticks."""

    def start(self, state: gc.GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: gc.GraphState) -> bool:
        state.schedule(state.time)
        return False


class Polls(gc.Source[int]):
    """A source that schedules further cycles but never has a value."""

    def start(self, state: gc.GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: gc.GraphState) -> bool:
        state.schedule(state.time)
        return False


@each_tier
def test_r15_a_feedback_that_never_settles_ends_the_run_with_an_error(tier: Any) -> None:
    out = loop(gc.constant(1), lambda back: back.map(lambda n: n + 1))
    feedback = next(node for node in gc.Graph(out).nodes if node.operator == "feedback")
    with pytest.raises(gc.RunError) as caught:
        out.run(duration="1s", max_cycles_at_once=MOST, tier=tier)
    assert str(caught.value) == (
        "more than 50 cycles ran at 1970-01-01T00:00:00.000000000Z (0 ns) in which no source "
        f"delivered and no queue got shorter: {feedback.name} kept scheduling at the present time; "
        "have the loop settle, or raise max_cycles_at_once"
    )
    assert [note.partition(",")[0] for note in caught.value.__notes__] == [
        f"in {feedback.name} (Feedback)"
    ]
    # The source's own cycle, and one more than the limit.
    assert out.values == list(range(1, MOST + 3))


@each_tier
def test_r15_a_feedback_that_settles_within_the_limit_is_accepted(tier: Any) -> None:
    source = gc.from_iterable([MOST, MOST], "1s")
    out = loop(source, lambda back: back.filter(lambda n: n > 0).map(lambda n: n - 1))
    out.run(max_cycles_at_once=MOST, tier=tier)
    assert out.values == 2 * list(range(MOST, -1, -1))
    with pytest.raises(gc.RunError):
        out.run(max_cycles_at_once=MOST - 1, tier=tier)


@each_tier
@pytest.mark.parametrize("cls", [Again, Polls])
def test_r15_a_node_that_keeps_scheduling_now_ends_the_run_with_an_error(
    cls: type[gc.MutableNode[int]], tier: Any
) -> None:
    node = cls()
    with pytest.raises(gc.RunError, match=f"shorter: {node.name} kept scheduling"):
        gc.Graph(node, gc.ticker("1s")).run(duration="1s", max_cycles_at_once=MOST, tier=tier)


@each_tier
def test_r15_all_nodes_that_kept_scheduling_are_named(tier: Any) -> None:
    nodes = [Again() for _ in range(8)]
    names = ", ".join(node.name for node in nodes[:5])
    with pytest.raises(gc.RunError, match=f"shorter: {names} and 3 more kept scheduling"):
        gc.Graph(*nodes).run(max_cycles_at_once=MOST, tier=tier)
    with pytest.raises(gc.RunError, match=f"shorter: {nodes[0].name} and {nodes[1].name} kept"):
        gc.Graph(*nodes[:2]).run(max_cycles_at_once=MOST, tier=tier)


@each_tier
@pytest.mark.parametrize("most", [MOST, MOST + 1])
def test_r15_nodes_that_ask_for_further_cycles_alone_are_named(most: int, tier: Any) -> None:
    """The fused tier has their alarms in variables. The second is due in every other cycle."""

    @gc.node
    class Goes(gc.MutableNode[int]):
        source: gc.Active[int]
        count: int = gc.state(0)

        def cycle(self, state: gc.GraphState) -> bool:
            self.count += 1
            self.value = self.count
            state.schedule(state.time)
            return self.count % 2 == 0

    @gc.node
    class Follows(gc.MutableNode[int]):
        source: gc.Active[int]

        def cycle(self, state: gc.GraphState) -> bool:
            if state.ticked(self.source):
                state.schedule(state.time)
            return False

    first = gc.Stream(Goes(gc.replay([1, 2], [1, 2]))).named("first")
    second = gc.Stream(Follows(first)).named("second")
    with pytest.raises(gc.RunError, match="shorter: first and second kept scheduling"):
        second.run(max_cycles_at_once=most, tier=tier)


@each_tier
@pytest.mark.parametrize("realtime", [False, True])
def test_r15_a_source_may_deliver_any_number_of_values_at_one_time(
    realtime: bool, tier: Any
) -> None:
    out = gc.replay([1] * 10 * MOST, list(range(10 * MOST))).collect()
    out.run(max_cycles_at_once=MOST, realtime=realtime, tier=tier)
    assert out.values == list(range(10 * MOST))


@each_tier
def test_r15_cycles_are_counted_from_the_last_value_that_a_source_delivered(tier: Any) -> None:
    source = gc.replay([1] * 3 * MOST, [0] * (3 * MOST - 1) + [MOST])
    out = loop(source, lambda back: back.filter(lambda n: n > 0).map(lambda n: n - 1))
    out.run(max_cycles_at_once=MOST, tier=tier)
    assert out.values[-3:] == [2, 1, 0]
    with pytest.raises(gc.RunError):
        out.run(max_cycles_at_once=MOST - 1, tier=tier)


@each_tier
@pytest.mark.parametrize(
    "drain",
    [
        lambda bursts: bursts.unroll(),
        lambda bursts: bursts.unroll().map(lambda n: [n, n]).unroll().filter(lambda n: n < 0),
        lambda bursts: bursts.unroll().delay("1s"),
        lambda bursts: bursts.unroll().delay(0).delay("1s").delay(0),
        lambda bursts: bursts.unroll().delay("1s").map(lambda n: [n] * 3).unroll(),
    ],
)
def test_r15_queues_that_get_shorter_may_take_any_number_of_cycles(drain: Any, tier: Any) -> None:
    bursts = gc.constant(list(range(10 * MOST)))
    report = gc.Graph(drain(bursts)).run(max_cycles_at_once=MOST, tier=tier)
    assert report.cycles >= 10 * MOST


@each_tier
def test_r15_the_waiting_tuples_of_align_are_a_queue(tier: Any) -> None:
    pairs = gc.constant(list(range(10 * MOST)))
    late = pairs.delay(5).unroll().merge(pairs.unroll())
    aligned = gc.align(pairs.unroll(), late, key=lambda n: 0).collect()
    aligned.run(max_cycles_at_once=MOST, tier=tier)
    assert len(aligned.values) == 10 * MOST


@each_tier
@pytest.mark.parametrize("items", [1, 2, 3])
def test_r15_a_queue_that_is_refilled_as_fast_as_it_drains_ends_the_run(
    items: int, tier: Any
) -> None:
    out = loop(gc.constant(0), lambda back: back.map(lambda n: [n] * items).unroll())
    with pytest.raises(gc.RunError, match="kept scheduling at the present time"):
        out.run(max_cycles_at_once=MOST, tier=tier)
    assert MOST < len(out.values) < 5 * MOST


@each_tier
def test_r15_a_loop_next_to_a_queue_ends_the_run_once_the_queue_is_empty(tier: Any) -> None:
    out = loop(gc.constant(0), lambda back: back.map(lambda n: n + 1))
    drained = gc.constant(list(range(6 * MOST))).unroll().collect()
    with pytest.raises(gc.RunError, match="kept scheduling at the present time"):
        gc.Graph(out, drained).run(max_cycles_at_once=MOST, tier=tier)
    assert len(drained.values) == 6 * MOST


@each_tier
def test_r15_each_time_has_its_own_count(tier: Any) -> None:
    source = gc.ticker("1s")
    out = loop(
        source.map(lambda _: 3), lambda back: back.filter(lambda n: n > 0).map(lambda n: n - 1)
    )
    out.run(duration="100s", max_cycles_at_once=4, tier=tier)
    assert out.values == 101 * [3, 2, 1, 0]


@each_tier
def test_r15_in_real_time_a_loop_ends_at_the_duration(tier: Any) -> None:
    out = loop(gc.constant(1), lambda back: back.map(lambda n: n + 1))
    began = monotonic()
    report = out.run(realtime=True, duration="200ms", max_cycles_at_once=10**12, tier=tier)
    assert report.ended_by is gc.EndedBy.UNTIL
    assert monotonic() - began >= 0.2
    assert set(out.times) == {report.end}


@each_tier
def test_r15_in_real_time_a_loop_that_begins_at_the_end_ends_too(tier: Any) -> None:
    source = gc.ticker("50ms").count().filter(lambda n: n == 2)
    out = loop(source, lambda back: back)
    report = out.run(realtime=True, duration="50ms", max_cycles_at_once=10**12, tier=tier)
    assert report.ended_by is gc.EndedBy.UNTIL


@each_tier
def test_r9_in_real_time_the_cycles_that_follow_at_the_end_still_run(tier: Any) -> None:
    """The clock is past the end by then; cycles due at that time still run."""
    source = gc.ticker("300ms").count()
    out = source.delay(0).delay(0).map(lambda value: [value] * 3).unroll().collect()
    report = out.run(realtime=True, duration="300ms", tier=tier)
    assert out.values == [1] * 3 + [2] * 3
    assert report.end == report.start + 300_000_000


@each_tier
def test_r15_stop_is_answered_between_cycles_at_one_time(tier: Any) -> None:
    @gc.node
    class StopAt(gc.MutableNode[int]):
        source: gc.Active[int]

        def cycle(self, state: gc.GraphState) -> bool:
            if self.source.value == 7:
                state.stop()
            return False

    out = loop(gc.constant(1), lambda back: back.map(lambda n: n + 1))
    report = gc.Graph(out, StopAt(out)).run(tier=tier)
    assert (report.ended_by, out.values[-1]) == (gc.EndedBy.STOP, 7)


LOOP = """
import graphcore as gc
back = gc.feedback()
out = gc.constant(1).merge(back.map(lambda n: n + 1))
back.bind(out)
looks = out.for_each(lambda n: n == 1000 and print("going", flush=True))
try:
    print(looks.run(realtime=REALTIME, max_cycles_at_once=10**12, tier=TIER).ended_by)
except KeyboardInterrupt:
    print("interrupted")
"""


@each_tier
@pytest.mark.parametrize(("realtime", "expected"), [(False, "interrupted"), (True, "signal")])
def test_r15_ctrl_c_ends_a_loop(realtime: bool, expected: str, tier: Any) -> None:
    text = LOOP.replace("REALTIME", str(realtime)).replace("TIER", repr(tier))
    with subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "going\n"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60)[0] == f"{expected}\n"
        finally:
            process.kill()


def test_r15_the_limit_is_a_whole_number_of_at_least_1() -> None:
    stream = gc.constant(1)
    with pytest.raises(gc.InvalidTypeError, match="must be a whole number, not 1.5"):
        stream.run(max_cycles_at_once=1.5)  # type: ignore[arg-type]
    with pytest.raises(gc.InvalidValueError, match="max_cycles_at_once must be at least 1, not 0"):
        stream.run(max_cycles_at_once=0)


@each_tier
def test_r15_a_user_written_queue_node_tells_how_many_values_it_holds(tier: Any) -> None:
    class Items(gc.QueueNode[int]):
        """Delivers the items of a list one a cycle, as `unroll` does."""

        def __init__(self, source: gc.Stream[list[int]]) -> None:
            super().__init__()
            self.source = source.node

        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(active=(self.source,))

        def start(self, state: gc.GraphState) -> None:
            self.items: list[int] = []

        def cycle(self, state: gc.GraphState) -> bool:
            if state.ticked(self.source):
                self.items.extend(reversed(self.source.value))
            if not self.items:
                return False
            self.value = self.items.pop()
            if self.items:
                state.schedule(state.time)
            return True

        def queued(self, time: int) -> int:
            return len(self.items)

    out = gc.Stream(Items(gc.constant(list(range(10 * MOST))))).collect()
    out.run(max_cycles_at_once=MOST, tier=tier)
    assert out.values == list(range(10 * MOST))

    class Forgets(Items):
        queued = gc.QueueNode.queued

    with pytest.raises(NotImplementedError, match="Forgets has no queued method"):
        gc.Stream(Forgets(gc.constant(list(range(10 * MOST))))).run(
            max_cycles_at_once=MOST, tier=tier
        )


INSIDE: dict[str, Callable[[gc.Stream[Any], Any], gc.Stream[Any]]] = {
    "switch": lambda bursts, wire: gc.switch(gc.constant(0), {0: wire}, bursts),
    "catch": lambda bursts, wire: bursts.catch(wire)[0],
    "group_by": lambda bursts, wire: bursts.group_by(len, lambda each, _: wire(each)).changes,
    "threaded": lambda bursts, wire: gc.threaded(wire, bursts),
    "nested": lambda bursts, wire: (
        bursts.group_by(len, lambda each, _: each.catch(wire)[0]).changes
    ),
}
inside = pytest.mark.parametrize("kind", INSIDE)


@each_tier
@inside
@pytest.mark.parametrize("doubles", [False, True])
def test_r15_queues_in_sub_graphs_may_take_any_number_of_cycles(
    doubles: bool, kind: str, tier: Any
) -> None:
    def wire(bursts: gc.Stream[list[int]]) -> gc.Stream[int]:
        items = bursts.unroll()
        return items.map(lambda n: [n, n]).unroll() if doubles else items

    out = INSIDE[kind](gc.constant(list(range(10 * MOST))), wire).collect()
    out.run(max_cycles_at_once=MOST, tier=tier)
    assert len(out.values) == 10 * MOST * (2 if doubles else 1)


@each_tier
@inside
def test_r15_a_queue_in_a_sub_graph_that_is_refilled_as_it_drains_ends_the_run(
    kind: str, tier: Any
) -> None:
    def wire(bursts: gc.Stream[list[int]]) -> gc.Stream[int]:
        return loop_of(bursts.unroll(), lambda back: back.map(lambda n: [n]).unroll())

    out = INSIDE[kind](gc.constant([0]), wire).collect()
    with pytest.raises(gc.RunError, match="kept scheduling at the present time"):
        out.run(max_cycles_at_once=MOST, tier=tier)
    assert MOST < len(out.values) < 5 * MOST


@each_tier
def test_r15_each_key_has_a_queue_of_its_own(tier: Any) -> None:
    bursts = gc.from_iterable([[0], [1] * 10 * MOST, [2] * 5 * MOST], "1s", delivery="burst")
    out = (
        bursts.unroll()
        .group_by(lambda burst: burst[0], lambda each, _: each.unroll())
        .changes.collect()
    )
    out.run(max_cycles_at_once=MOST, tier=tier)
    assert len(out.values) == 15 * MOST + 1


@each_tier
def test_r15_a_queue_of_each_key_counts_by_its_own_parameters(tier: Any) -> None:
    @gc.node
    class Items(gc.QueueNode[int]):
        """Delivers the items of a list one a cycle; `each` is what one of them counts."""

        source: gc.Active[list[int]]
        each: int
        items: list[int] = gc.state(factory=list)

        def cycle(self, state: gc.GraphState) -> bool:
            if state.ticked(self.source):
                self.items.extend(self.source.value)
            self.value = self.items.pop()
            if self.items:
                state.schedule(state.time)
            return True

        def queued(self, time: int) -> int:
            return len(self.items) * self.each

    bursts = gc.from_iterable([[0], [1] * 10 * MOST], "1s")
    out = bursts.group_by(
        lambda burst: burst[0], lambda stream, key: gc.Stream(Items(stream, key))
    ).changes.collect()
    out.run(max_cycles_at_once=MOST, tier=tier)
    assert len(out.values) == 10 * MOST + 1


@inside
def test_r15_the_cycles_after_a_sources_last_value_in_a_sub_graph_are_the_same_on_each_tier(
    kind: str,
) -> None:
    def wire(bursts: gc.Stream[list[int]]) -> gc.Stream[int]:
        return loop_of(gc.replay([1] * 3 * MOST, list(range(3 * MOST))), lambda back: back)

    lengths = []
    for tier in TIERS:
        out = INSIDE[kind](gc.constant([0]), wire).collect()
        with pytest.raises(gc.RunError, match="kept scheduling at the present time"):
            out.run(max_cycles_at_once=MOST, tier=tier)
        lengths.append(len(out.values))
    assert lengths[0] == lengths[1] > 4 * MOST


@each_tier
def test_r15_the_limit_holds_in_a_thread_of_its_own_too(tier: Any) -> None:
    def wire(numbers: gc.Stream[int]) -> gc.Stream[int]:
        return loop_of(numbers, lambda back: back)

    out = gc.threaded(wire, gc.constant(1)).filter(lambda n: n < 0)
    with pytest.raises(gc.RunError, match=f"more than {MOST} cycles ran"):
        out.run(realtime=True, max_cycles_at_once=MOST, tier=tier)


@each_tier
@inside
def test_r15_a_source_in_a_sub_graph_may_deliver_any_number_of_values(kind: str, tier: Any) -> None:
    def wire(bursts: gc.Stream[list[int]]) -> gc.Stream[int]:
        return gc.replay([1] * 10 * MOST, list(range(10 * MOST)))

    out = INSIDE[kind](gc.constant([0]), wire).collect()
    out.run(max_cycles_at_once=MOST, tier=tier)
    assert len(out.values) == 10 * MOST


@each_tier
def test_r15_keys_that_come_and_go_in_one_instant_end_it_at_the_same_cycle(tier: Any) -> None:
    """Each key's queue is shorter when it goes, and the next key's is as long."""
    back = gc.feedback()
    keys = gc.constant(0).merge(back.map(lambda change: 1 + next(iter(change))))
    changes = keys.group_by(
        lambda n: n, lambda each, key: each.map(lambda n: [n] * 2).unroll().map(lambda n: n)
    ).changes
    out = changes.collect()
    back.bind(changes)
    with pytest.raises(gc.RunError, match="kept scheduling at the present time"):
        out.run(max_cycles_at_once=MOST, tier=tier)
    assert MOST < len(out.values) < 5 * MOST
