"""R14: the closing instant, in which nodes say what they still hold."""

import signal
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc
from graphcore import EndedBy
from graphcore.testing import ticks


@gc.node
class Last(gc.MutableNode[Any]):
    """Ticks with the last value when the run closes, and notes when it was closed and stopped."""

    source: gc.Active[Any]
    told: list[Any]
    label: str = ""
    last: Any = gc.state(None)

    def cycle(self, state: gc.GraphState) -> bool:
        self.last = self.source.value
        return False

    def close(self, state: gc.GraphState) -> bool:
        self.told.append(("close", self.label, state.time, state.ended_by, state.closing))
        self.value = self.last
        return True

    def stop(self, state: gc.GraphState) -> None:
        self.told.append(("stop", self.label, state.time, state.ended_by, state.closing))


@gc.node
class StopAt(gc.MutableNode[Any]):
    source: gc.Active[Any]
    last: object

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        if self.value == self.last:
            state.stop()
        return True


@pytest.mark.parametrize(
    ("ended_by", "time", "options"),
    [
        (EndedBy.SOURCES, 30, {}),
        (EndedBy.UNTIL, 25, {"until": 25}),
        (EndedBy.UNTIL, 20, {"duration": 10}),
        (EndedBy.CYCLES, 20, {"cycles": 2}),
    ],
)
def test_r14_each_end_but_an_error_is_followed_by_the_closing_instant(
    ended_by: EndedBy, time: int, options: Any
) -> None:
    told: list[Any] = []
    last = gc.Stream(Last(gc.replay([10, 20, 30], "abc"), told)).collect()
    report = last.run(**options)
    assert report.ended_by is ended_by
    assert told == [(each, "", time, ended_by, True) for each in ("close", "stop")]
    assert list(last) == [(time, "c" if ended_by is EndedBy.SOURCES else "b")]


def test_r14_a_run_that_a_node_stops_closes_at_the_time_of_its_last_cycle() -> None:
    told: list[Any] = []
    stopping = gc.Stream(StopAt(gc.replay([10, 20, 30], "abc"), "b"))
    assert ticks(gc.Stream(Last(stopping, told))) == [(20, "b")]
    assert told[0] == ("close", "", 20, EndedBy.STOP, True)


def test_r14_the_closing_cycles_are_not_counted_and_cycles_does_not_bound_them() -> None:
    lists = gc.constant([1, 2, 3, 4])
    out = lists.unroll().collect()
    report = out.run(cycles=1)
    assert (report.cycles, report.end, report.ended_by) == (1, 0, EndedBy.CYCLES)
    assert out.values == [1, 2, 3, 4]


def test_r14_the_report_tells_the_last_ordinary_cycle() -> None:
    report = gc.replay([1, 2], "ab").final().run(until=10)
    assert (report.cycles, report.end) == (2, 2)


def test_r14_close_is_called_once_in_order_even_on_a_node_whose_inputs_have_no_value() -> None:
    told: list[Any] = []
    first = gc.Stream(Last(gc.never(), told, "first"))
    second = gc.Stream(Last(gc.constant(1), told, "second"))
    gc.Graph(second, first).run()
    assert [label for method, label, *_ in told if method == "close"] == ["first", "second"]


def test_r14_only_a_node_that_returns_true_has_ticked() -> None:
    class Quiet(Last):
        def close(self, state: gc.GraphState) -> bool:
            super().close(state)
            return False

    told: list[Any] = []
    quiet = gc.Stream(Quiet(gc.constant(1), told))
    assert ticks(quiet.map(str)) == []
    with pytest.raises(gc.NoValueError):
        _ = quiet.value
    assert len(told) == 2


def test_r14_a_node_that_ticked_in_the_cycle_closes_in_the_next_one() -> None:
    letters = gc.from_iterable("abcdefg")
    pairs_of_pairs = letters.buffer(2).buffer(2)
    assert [v for _, v in ticks(pairs_of_pairs)] == [
        [["a", "b"], ["c", "d"]],
        [["e", "f"], ["g"]],
    ]
    # The second buffer has one list, gets the incomplete one in the closing instant, and is full.
    out = letters.limit(5).buffer(2).buffer(3).with_time().collect()
    out.run()
    assert [value for _, (_, value) in out] == [[["a", "b"], ["c", "d"], ["e"]]]


def test_r14_a_node_that_ticks_in_the_closing_instant_still_closes() -> None:
    @gc.node
    class Both(Last):
        def cycle(self, state: gc.GraphState) -> bool:
            self.value = ("cycle", state.closing)
            return True

        def close(self, state: gc.GraphState) -> bool:
            self.value = ("close", state.closing, state.ticked(self.source))
            return True

    once = gc.Stream(Both(gc.constant(1).final(), []))
    assert ticks(once) == [(0, ("cycle", True)), (0, ("close", True, False))]


@pytest.mark.parametrize("ending", [{"cycles": 2}, {}])
def test_r14_what_drains_from_a_queue_is_in_the_group_that_closes(ending: Any) -> None:
    numbers = gc.constant([1, 2, 3, 4, 5, 6, 7]).unroll()
    group = numbers.filter(lambda n: n % 3).buffer(10)
    assert ticks(group, **ending) == [(0, [1, 2, 4, 5, 7])]
    total = numbers.delay(0).map(lambda n: n).fold(lambda a, b: a + b, 0)
    assert ticks(total, **ending) == [(0, 28)]


def test_r14_what_comes_back_by_a_feedback_is_in_the_group_that_closes() -> None:
    again = gc.feedback()
    group = again.buffer(10)
    again.bind(gc.constant([1, 2, 3]).unroll())
    out = group.collect()
    out.run()
    assert out.values == [[1, 2, 3]]
    out.run(cycles=1)  # what an ordinary cycle fed does not come
    assert out.values == [[2, 3]]


def test_r14_a_later_time_has_no_effect_and_sources_do_not_run() -> None:
    source = gc.replay([1, 2, 2, 2, 3], [1, 2, 3, 4, 5])
    late, total = source.delay(1), source.fold(lambda a, b: a + b, 0)
    outs = [late.collect(), total.collect(), source.collect()]
    gc.Graph(*outs).run(cycles=2)
    # `delay` delivers what it owes at time 2; the source's other values of time 2 do not come.
    assert [list(out) for out in outs] == [[(2, 1)], [(2, 3)], [(1, 1), (2, 2)]]


def test_r14_schedule_and_feedback_give_further_cycles_at_the_closing_instant() -> None:
    @gc.node
    class Countdown(gc.MutableNode[Any]):
        source: gc.Active[int]
        left: int = gc.state(3)

        def cycle(self, state: gc.GraphState) -> bool:
            if not state.closing:
                return False
            self.left -= 1
            self.value = (self.left, state.due)
            if self.left:
                state.schedule(state.time)
            state.schedule(state.time + 1)
            return True

        def close(self, state: gc.GraphState) -> bool:
            state.schedule(state.time)
            return False

    counted = gc.Stream(Countdown(gc.ticker(5)))
    assert ticks(counted, until=7) == [(7, (n, True)) for n in (2, 1, 0)]
    back = gc.feedback()
    once = gc.constant("a").final()
    back.bind(once)
    assert ticks(back) == [(0, "a")]


def test_r14_a_loop_that_a_bound_ends_does_not_go_on_in_the_closing_instant() -> None:
    back = gc.feedback()
    numbers = gc.constant(1).merge(back.map(lambda n: n + 1))
    back.bind(numbers)
    total = numbers.fold(lambda a, b: a + b, 0).collect()
    gc.Graph(total).run(cycles=4)
    assert total.values == [1 + 2 + 3 + 4]


def test_r14_an_endless_closing_instant_is_an_error_that_names_its_node() -> None:
    @gc.node
    class Endless(gc.MutableNode[Any]):
        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            if state.closing:
                state.schedule(state.time)
            return False

        def close(self, state: gc.GraphState) -> bool:
            state.schedule(state.time)
            return False

    endless = gc.Stream(Endless(gc.constant(1))).named("endless")
    with pytest.raises(gc.RunError, match="more than 50 cycles ran at .*endless kept scheduling"):
        endless.run(max_cycles_at_once=50)


def test_r14_a_queue_longer_than_the_bound_of_r15_drains() -> None:
    out = gc.constant(list(range(500))).unroll().collect()
    out.run(cycles=1, max_cycles_at_once=100)
    assert len(out) == 500


@pytest.mark.parametrize("second", [False, True], ids=["once", "again while closing"])
def test_r14_ctrl_c_in_a_historical_run_closes_stops_and_raises(second: bool) -> None:
    told: list[Any] = []

    def interrupt(n: int) -> int:
        if n == 2:
            raise KeyboardInterrupt
        return n

    def interrupt_again(n: int) -> int:
        if second:
            raise KeyboardInterrupt
        return n

    numbers = gc.from_iterable([1, 2, 3], period=1)
    total = numbers.fold(lambda a, b: a + b, 0).map(interrupt_again)
    last = gc.Stream(Last(numbers, told))
    out = total.collect()
    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)):
        gc.Graph(out, last, numbers.map(interrupt)).run()
    assert out.values == ([] if second else [3])
    closed = [("close", "", 1, EndedBy.SIGNAL, True)] * (not second)
    assert told == [*closed, ("stop", "", 1, EndedBy.SIGNAL, True)]


def test_r14_ctrl_c_in_start_closes_nothing() -> None:
    class Interrupted(Last):
        def start(self, state: gc.GraphState) -> None:
            raise KeyboardInterrupt

    told: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        gc.Stream(Interrupted(gc.constant(1), told)).run()
    assert [(method, by, closing) for method, _, _, by, closing in told] == [
        ("stop", EndedBy.ERROR, False)
    ]


def test_r14_a_run_that_failed_closes_nothing() -> None:
    told: list[Any] = []
    failing = gc.constant(0).map(lambda n: 1 / n)
    with pytest.raises(ZeroDivisionError):
        gc.Stream(Last(failing, told)).run()
    assert told == [("stop", "", 0, EndedBy.ERROR, False)]


def test_r14_an_error_in_close_has_a_note_and_every_node_is_stopped() -> None:
    class Failing(Last):
        def close(self, state: gc.GraphState) -> bool:
            raise ValueError("it holds too much")

    told: list[Any] = []
    failing = gc.Stream(Failing(gc.ticker(5), told, "a")).named("failing")
    after = gc.Stream(Last(failing, told, "b"))
    with pytest.raises(ValueError, match="too much") as caught:
        after.run(until=3)
    assert caught.value.__notes__[0].startswith("in close of failing (Failing)")
    assert told == [("stop", label, 3, EndedBy.ERROR, True) for label in "ba"]


def test_r14_an_error_in_a_closing_cycle_names_the_node_that_failed() -> None:
    failing = gc.constant(0).final().map(lambda n: 1 / n).named("inverse")
    with pytest.raises(ZeroDivisionError) as caught:
        failing.run()
    assert caught.value.__notes__[0].startswith("in inverse (Map)")


def test_r14_a_node_reads_in_close_what_it_set_without_ticking() -> None:
    @gc.node
    class Working(gc.MutableNode[Any]):
        source: gc.Active[Any]
        seen: list[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            return self.value == "a"

        def close(self, state: gc.GraphState) -> bool:
            self.seen.append(self.value)
            self.value = "set in close"
            return False

    seen: list[Any] = []
    working = gc.Stream(Working(gc.replay([1, 2], "ab"), seen))
    out = working.sample(gc.replay([1, 2], "ab").final()).collect()
    out.run()
    assert (seen, out.values, working.value) == (["b"], ["a"], "a")


def test_r14_closing_is_true_in_the_closing_instant_only() -> None:
    @gc.node
    class Asks(gc.MutableNode[bool]):
        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = state.closing
            return True

    numbers = gc.from_iterable([1, 2])
    assert ticks(gc.Stream(Asks(numbers.merge(numbers.final())))) == [
        (0, False),
        (0, False),
        (0, True),
    ]


def test_r14_nothing_runs_if_no_node_closes_and_nothing_is_due() -> None:
    class Watched(gc.MutableNode[Any]):
        def __init__(self) -> None:
            super().__init__()
            self.ran = 0

        def start(self, state: gc.GraphState) -> None:
            state.schedule(5)

        def cycle(self, state: gc.GraphState) -> bool:
            self.ran += 1
            return False

    node = Watched()
    gc.Graph(node, gc.constant(1)).run(cycles=1)
    assert node.ran == 0


def test_r14_a_run_without_any_cycle_closes_at_the_time_of_its_start() -> None:
    # The second stream may ask for further cycles at the present time: a driver of its own.
    numbers: gc.Stream[int] = gc.from_iterable([])
    held = numbers.map(lambda n: [n]).unroll()
    assert ticks(numbers.fold(lambda total, n: total + n, 0).merge(held), start=7) == [(7, 0)]


def test_r14_a_graph_closes_in_every_run() -> None:
    out = gc.from_iterable([1, 2, 3]).buffer(2).collect()
    for _ in range(3):
        out.run()
        assert out.values == [[1, 2], [3]]
    out.run(cycles=1)
    assert out.values == [[1]]


def test_r14_in_real_time_the_closing_time_is_the_present() -> None:
    told: list[Any] = []
    last = gc.Stream(Last(gc.constant(1), told)).collect()
    report = last.run(realtime=True, duration="20ms")
    assert report.ended_by is EndedBy.SOURCES
    assert report.start <= report.end <= last.times[0] == told[0][2]
    waiting = gc.Stream(Last(gc.ticker("1h"), told)).collect()
    report = waiting.run(realtime=True, duration="20ms")
    assert waiting.times[0] >= report.start + 20_000_000
    assert len(waiting) == 1


def test_r14_a_signal_closes_a_real_time_run() -> None:
    def end(n: int) -> int:
        if n == 1:
            signal.raise_signal(signal.SIGTERM)
        return n

    def send(sender: gc.Sender[int], stop: threading.Event) -> None:
        sender.send_many([1, 2, 3])
        stop.wait()

    out = gc.receiver(send).unroll().map(end).buffer(2).collect()
    report = out.run(realtime=True)
    assert (report.ended_by, report.cycles) == (EndedBy.SIGNAL, 1)
    assert out.values == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("close", "said"),
    [
        ("def close(self, state): pass", "close of Bad returns nothing"),
        ("async def close(self, state): return True", "close of Bad is async"),
        ("def close(self): return True", "close of Bad must take a state"),
    ],
)
def test_r14_a_close_that_cannot_say_whether_it_ticked_is_refused(close: str, said: str) -> None:
    with pytest.raises(gc.InvalidTypeError, match=said):
        exec(f"class Bad(gc.MutableNode):\n    {close}", {"gc": gc})


def test_r14_queues_of_several_nodes_drain_at_once() -> None:
    class Held(gc.QueueNode[Any]):
        def __init__(self, source: gc.Stream[Any]) -> None:
            super().__init__()
            self.source = source.node

        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(active=(self.source,))

        def start(self, state: gc.GraphState) -> None:
            self.waiting: deque[Any] = deque()

        def cycle(self, state: gc.GraphState) -> bool:
            if state.ticked(self.source):
                self.waiting.append(self.source.value)
            if not state.closing or not self.waiting:
                return False
            self.value = self.waiting.popleft()
            if self.waiting:
                state.schedule(state.time)
            return True

        def close(self, state: gc.GraphState) -> bool:
            if self.waiting:
                state.schedule(state.time)
            return False

        def queued(self, time: int) -> int:
            return len(self.waiting)

    numbers = gc.from_iterable([1, 2, 3])
    one, other = gc.Stream(Held(numbers)), gc.Stream(Held(numbers.filter(lambda n: n > 1)))
    assert [v for _, v in ticks(one.combine(other))] == [(1, 2), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("wire", "delivered", "left"),
    [
        (lambda s: s.debounce(10), [], 1),
        (lambda s: s.throttle_latest(10), ["a"], 1),
        (lambda s: s.pace(10), ["a"], 4),
        (lambda s: s.delay(2), ["a", "b", "c"], 2),
        (lambda s: s.delay(0), ["a", "b", "c", "d", "e"], 0),
        (lambda s: s.delay_until(gc.replay([1], [0])), ["a", "b"], 3),
        (lambda s: gc.zip(s, s.limit(2), capacity=9), [("a", "a"), ("b", "b")], 3),
        (
            lambda s: gc.align(s, s.filter(lambda v: v in "bd"), key=str),
            [("b", "b"), ("d", "d")],
            3,
        ),
    ],
)
def test_r14_values_that_were_not_due_or_not_complete_are_counted_and_logged_once(
    wire: Any, delivered: list[Any], left: int, caplog: pytest.LogCaptureFixture
) -> None:
    stream = wire(gc.replay(range(5), "abcde")).named("waiting")
    assert [value for _, value in ticks(stream, until=4)] == delivered
    assert stream.node.left == left
    said = [each for each in caplog.messages if each.startswith("waiting: the run ended before")]
    assert [each.endswith(f"not delivered: {left}") for each in said] == [True] * min(left, 1)
    caplog.clear()
    assert [value for _, value in ticks(stream, until=4)] == delivered
    assert stream.node.left == left


@gc.node
class Twice(gc.MutableNode[Any]):
    """Ticks with each value, and once more in the next cycle."""

    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        if state.ticked(self.source):
            state.schedule(state.time)
        return True


@gc.node
class TwiceAndOnce(Twice):
    """Ticks like `Twice`, then in `close`, and once more in a cycle that `close` asked for."""

    def close(self, state: gc.GraphState) -> bool:
        self.value = "closed"
        state.schedule(state.time)
        return True


SUBGRAPHS: dict[str, Any] = {
    "of a key": lambda source, build: source.group_by(len, lambda values, _: build(values)),
    "of a key of a key": lambda source, build: source.group_by(
        len,
        lambda values, _: values.group_by(len, lambda each, _: build(each)).changes.map(
            lambda changes: changes[1]
        ),
    ),
    "of a switch in a key": lambda source, build: source.group_by(
        len, lambda values, _: gc.switch(values.map(len), {1: build}, values)
    ),
    "of a key that retires": lambda source, build: source.group_by(
        len, lambda values, _: build(values.stop_key())
    ),
}


@pytest.mark.parametrize("tier", ["interpreted", "fused"])
@pytest.mark.parametrize("cls", [Twice, TwiceAndOnce])
@pytest.mark.parametrize("where", SUBGRAPHS)
@pytest.mark.parametrize("queue", [False, True])
def test_r14_in_a_sub_graph_only_queues_go_on_as_in_a_flat_graph(
    where: str, cls: Any, queue: bool, tier: Any
) -> None:
    def build(values: gc.Stream[str]) -> gc.Stream[Any]:
        after = values.map(lambda value: [value] * 3).unroll() if queue else values
        return gc.Stream(cls(after))

    source = gc.replay([1, 2], "ab")
    flat = build(source).collect()
    keyed = SUBGRAPHS[where](source, build).changes.collect()
    gc.Graph(flat).run(cycles=1, tier=tier)
    gc.Graph(keyed).run(cycles=1, tier=tier)
    assert [changes[1] for changes in keyed.values] == flat.values
    assert flat.values == ["a"] * (4 if queue else 1) + ["closed", "a"] * (cls is TwiceAndOnce)


@pytest.mark.parametrize("tier", ["interpreted", "fused"])
def test_r14_a_key_that_retires_drops_its_alarms_while_the_run_goes_on(tier: Any) -> None:
    keyed = gc.replay([1, 2], "ab").group_by(
        len, lambda values, _: gc.Stream(TwiceAndOnce(values.stop_key()))
    )
    out = keyed.changes.collect()
    out.run(tier=tier)
    assert [(time, changes[1]) for time, changes in out] == [
        (time, value) for time, letter in enumerate("ab", 1) for value in (letter, "closed", letter)
    ]


INSIDE: dict[str, Callable[[gc.Stream[Any], Any], gc.Stream[Any]]] = {
    "switch": lambda source, wire: gc.switch(gc.constant(0), {0: wire}, source),
    "catch": lambda source, wire: source.catch(wire)[0],
    "group_by": lambda source, wire: source.group_by(
        lambda _: 0, lambda each, _: wire(each)
    ).changes.map(lambda c: c[0]),
    "new keys": lambda source, wire: source.group_by(str, lambda each, _: wire(each)).changes.map(
        lambda c: next(iter(c.values()))
    ),
    "threaded": lambda source, wire: gc.threaded(wire, source),
    "nested": lambda source, wire: source.catch(
        lambda inner: gc.switch(inner, {n: wire for n in range(9)}, inner)
    )[0],
}


@pytest.mark.parametrize("tier", ["interpreted", "fused"])
@pytest.mark.parametrize("kind", INSIDE)
def test_r14_a_node_in_a_sub_graph_that_has_no_close_sees_that_the_run_is_closing(
    kind: str, tier: Any
) -> None:
    @gc.node
    class Tells(gc.MutableNode[tuple[int, bool]]):
        source: gc.Active[int]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = (self.source.value, state.closing)
            return True

    source = gc.constant([1, 2, 3, 4]).unroll()
    out = INSIDE[kind](source, lambda each: gc.Stream(Tells(each))).collect()
    out.run(cycles=2, tier=tier)
    assert out.values == [(1, False), (2, False), (3, True), (4, True)]


@pytest.mark.parametrize("tier", ["interpreted", "fused"])
def test_r14_a_retired_key_sees_that_it_is_closing(tier: Any) -> None:
    """What `unroll` still holds comes in the key's own closing instant, as the run goes on."""

    @gc.node
    class Tells(gc.MutableNode[bool]):
        source: gc.Active[int]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = state.closing
            return True

    def build(each: gc.Stream[Any], key: int) -> gc.Stream[bool]:
        each.stop_key()
        return gc.Stream(Tells(each.map(lambda _: [1, 2, 3]).unroll()))

    out = gc.from_iterable([7, 7], "1s").group_by(lambda n: n, build).changes.collect()
    out.run(tier=tier)
    assert out.values == 2 * [{7: False}, {7: True}, {7: True}]


@pytest.mark.parametrize("tier", ["interpreted", "fused"])
def test_r14_hold_while_in_a_sub_graph_holds_nothing_that_comes_in_the_closing_instant(
    tier: Any,
) -> None:
    numbers = gc.constant([1, 2, 11, 3, 12]).unroll()
    held = numbers.group_by(
        lambda n: n > 9, lambda each, _: each.hold_while(each.map(lambda _: True))
    ).changes.collect()
    held.run(cycles=1, tier=tier)
    # The 1 waits, until the 2 comes in the closing instant.
    assert held.values == [{False: 1}, {True: 11, False: 2}, {False: 3}, {True: 12}]


@gc.node
class Again(gc.MutableNode[str]):
    """Has an alarm that the closing instant drops, and sets another for that instant in `close`.

    Attributes:
        when: when it cancels the first one, or that it cancels the second.
    """

    source: gc.Active[Any]
    when: str
    alarm: gc.Alarm | None = gc.state(None)
    closed: bool = gc.state(False)

    def cycle(self, state: gc.GraphState) -> bool:
        if state.ticked(self.source):
            self.alarm = state.schedule(state.time)
            if self.when == "before":
                self.alarm.cancel()
            return False
        self.value = "went off" if self.closed else "too early"
        return True

    def close(self, state: gc.GraphState) -> bool:
        assert self.alarm is not None
        self.closed = True
        if self.when == "while closing":
            self.alarm.cancel()
        again = state.schedule(state.time)
        if self.when == "after":
            self.alarm.cancel()
        if self.when == "the new one":
            again.cancel()
        return False


@pytest.mark.parametrize("tier", ["interpreted", "fused"])
@pytest.mark.parametrize("when", ["before", "while closing", "after", "the new one"])
@pytest.mark.parametrize("where", ["graph", *SUBGRAPHS])
def test_r14_an_alarm_that_the_closing_instant_dropped_cancels_no_later_one(
    where: str, when: str, tier: Any
) -> None:
    def build(source: gc.Stream[Any]) -> gc.Stream[str]:
        return gc.Stream(Again(source, when))

    source = gc.constant("a")
    stream = build(source) if where == "graph" else SUBGRAPHS[where](source, build).changes
    out = stream.collect()
    out.run(cycles=1, tier=tier)
    values = [each if where == "graph" else next(iter(each.values())) for each in out.values]
    assert values == ([] if when == "the new one" else ["went off"])


@gc.node
class Woken(gc.MutableNode[str]):
    """Is woken, as by a thread, in the cycle in which its value comes; ticks when it runs again."""

    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        if state.ticked(self.source):
            state.wake()
            return False
        self.value = "closing" if state.closing else "woken"
        return True


@pytest.mark.parametrize("tier", ["interpreted", "fused"])
@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize("where", ["graph", *SUBGRAPHS])
def test_r14_a_wake_up_starts_no_cycle_of_the_closing_instant(
    where: str, closes: bool, tier: Any
) -> None:
    def build(source: gc.Stream[Any]) -> gc.Stream[Any]:
        woken = gc.Stream(Woken(source))
        return woken.merge(source.final()) if closes else woken

    def streams(source: gc.Stream[Any]) -> gc.Stream[Any]:
        return build(source) if where == "graph" else SUBGRAPHS[where](source, build).changes

    # The run, or the key that retires, closes right after the cycle in which the node is woken.
    out = streams(gc.constant("a").merge(gc.ticker("1h").filter(lambda _: False))).collect()
    out.run(realtime=True, cycles=1, tier=tier)
    values = [each if where == "graph" else next(iter(each.values())) for each in out.values]
    assert values == (["a"] if closes else [])
