"""The receiver: a thread's values reach the graph by R6, its errors and its end by R9 to R11."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import ticks

Run = Callable[[gc.Sender[Any], threading.Event], None]


def sending(*values: Any) -> Run:
    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        sender.send_many(values)

    return run


class Held(gc.MutableNode[int]):
    """Holds the graph in its first cycle until told to go on, so that values pile up."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go_on = threading.Event(), threading.Event()

    def piling_up(self, run: Run) -> Run:
        """Run a receiver's function while the graph is held, then release the graph."""

        def whole(sender: gc.Sender[Any], stop: threading.Event) -> None:
            assert self.entered.wait(20)
            try:
                run(sender, stop)
            finally:
                self.go_on.set()

        return whole

    def start(self, state: gc.GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: gc.GraphState) -> bool:
        self.entered.set()
        assert self.go_on.wait(20)
        return False


def held(run: Run, **options: Any) -> tuple[list[Any], gc.RunReport]:
    """Run a receiver whose values all wait before the first is read; return what it ticked with."""
    hold = Held()
    out = gc.receiver(hold.piling_up(run), **options).collect()
    report = gc.Graph(hold, out).run(realtime=True)
    assert len(set(out.times)) <= 1
    return out.values, report


def test_r6_a_receiver_delivers_waiting_values_as_one_burst() -> None:
    values, report = held(sending(1, 2, 3))
    assert (values, report.cycles) == ([[1, 2, 3]], 2)


def test_r6_a_receiver_with_each_delivers_one_value_a_cycle_at_one_time() -> None:
    values, report = held(sending(1, 2, 3), delivery="each")
    assert (values, report.cycles) == ([1, 2, 3], 4)


def test_r6_a_receiver_with_latest_delivers_the_last_waiting_value() -> None:
    values, report = held(sending(1, 2, 3), delivery="latest")
    assert (values, report.cycles) == ([3], 2)


@pytest.mark.parametrize("delivery", ["each", "burst"])
def test_r6_a_receiver_loses_nothing_and_keeps_the_order(delivery: Any) -> None:
    out = ticks(gc.receiver(sending(*range(50_000)), delivery=delivery), realtime=True)
    values = [value for _, value in out]
    flat = values if delivery == "each" else [value for burst in values for value in burst]
    assert flat == list(range(50_000))


def test_r6_a_sender_may_be_used_from_several_threads() -> None:
    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        def send(k: int) -> None:
            sender.send_many((k, i) for i in range(1000))

        threads = [threading.Thread(target=send, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    values = [v for _, v in ticks(gc.receiver(run, delivery="each"), realtime=True)]
    for k in range(4):
        assert [i for j, i in values if j == k] == list(range(1000))


def test_r9_close_ends_the_run_once_the_values_before_it_are_delivered() -> None:
    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        sender.send_many([1, 2])
        sender.close()
        assert stop.wait(20)

    values, report = held(lambda sender, stop: sender.send_many([1, 2]), delivery="each")
    assert (values, report.ended_by) == ([1, 2], gc.EndedBy.SOURCES)
    out = gc.receiver(run, delivery="each").collect()
    assert out.run(realtime=True).ended_by is gc.EndedBy.SOURCES
    assert out.values == [1, 2]


def test_r9_a_receiver_that_has_not_ended_keeps_the_run_alive() -> None:
    go = threading.Event()

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        assert go.wait(20)
        sender.send("late")

    out = gc.receiver(run, delivery="each").collect()
    thread = threading.Thread(target=lambda: out.run(realtime=True))
    thread.start()
    other = gc.constant(1).run(realtime=True)  # whose end stops only its own run
    assert other.ended_by is gc.EndedBy.SOURCES
    assert thread.is_alive()
    go.set()
    thread.join(20)
    assert out.values == ["late"]


def test_r9_two_receivers_end_a_run_when_both_have_ended() -> None:
    first = threading.Event()

    def early(sender: gc.Sender[Any], stop: threading.Event) -> None:
        sender.send("early")

    def late(sender: gc.Sender[Any], stop: threading.Event) -> None:
        assert first.wait(20)
        sender.send("late")

    one = gc.receiver(early, delivery="each").for_each(lambda value: first.set())
    assert [v for _, v in ticks(one.merge(gc.receiver(late, delivery="each")), realtime=True)] == [
        "early",
        "late",
    ]


def test_r9_stop_is_set_when_the_run_ends() -> None:
    seen: list[bool] = []

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        seen.append(stop.is_set())
        sender.send(1)
        seen.append(stop.wait(20))

    gc.receiver(run).run(realtime=True, cycles=1)
    assert seen == [False, True]


def test_r10_a_receiver_is_refused_in_a_historical_run_and_starts_no_thread() -> None:
    called: list[int] = []
    before = set(threading.enumerate())
    stream: gc.Stream[list[Any]] = gc.receiver(lambda sender, stop: called.append(1)).named("feed")
    with pytest.raises(gc.RunError, match="^feed receives live events: it only supports real-time"):
        stream.run()
    assert called == []
    assert set(threading.enumerate()) == before


def test_r10_the_thread_has_the_nodes_name_and_is_joined() -> None:
    threads: list[threading.Thread] = []

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        threads.append(threading.current_thread())

    gc.receiver(run).named("prices").run(realtime=True)
    assert threads[0].name == "graphcore-prices"
    assert not threads[0].is_alive()


def test_r10_send_blocks_while_the_inbox_is_full() -> None:
    sent: list[int] = []
    hold, full = Held(), threading.Event()

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        assert hold.entered.wait(20)
        for i in range(10):
            if i == 4:
                full.set()
            sender.send(i)
            sent.append(i)

    stream: gc.Stream[list[int]] = gc.receiver(run, capacity=4)
    bursts: list[list[int]] = []
    graph = gc.Graph(hold, stream.for_each(bursts.append))
    thread = threading.Thread(target=lambda: graph.run(realtime=True))
    thread.start()
    assert full.wait(20)
    blocked = [t for t in threading.enumerate() if t.name == f"graphcore-{stream.node.name}"]
    blocked[0].join(0.1)  # time in which it would have continued
    assert sent == [0, 1, 2, 3]
    hold.go_on.set()
    thread.join(20)
    assert sent == list(range(10))
    assert [value for burst in bursts for value in burst] == list(range(10))
    assert max(len(burst) for burst in bursts) <= 4


def test_r10_wait_for_room_returns_after_the_given_seconds() -> None:
    told: list[bool] = []
    hold = Held()

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        assert hold.entered.wait(20)
        told.append(sender.wait_for_room(0))
        sender.send_many([1, 2])
        told.append(sender.wait_for_room(0.01))
        hold.go_on.set()
        while not sender.wait_for_room(20):
            pass
        sender.send(3)
        # Once the run has ended, `send` would not block: it raises.
        sender.send(4)
        assert stop.wait(20)
        told.append(sender.wait_for_room(20))

    stream: gc.Stream[int] = gc.receiver(hold.piling_up(run), capacity=2, delivery="each")
    out = stream.limit(3).collect()

    @gc.node
    class Ends(gc.MutableNode[None]):
        source: gc.Active[int]

        def cycle(self, state: gc.GraphState) -> bool:
            if self.source.value == 4:
                state.stop()
            return False

    gc.Graph(hold, out, Ends(stream)).run(realtime=True)
    assert told == [True, False, True]
    assert out.values == [1, 2, 3]


def test_r10_a_receiver_blocked_in_send_at_the_end_gets_stopped() -> None:
    left: list[str] = []

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        try:
            while True:
                sender.send(0)
        except gc.Stopped as error:
            left.append(str(error))
            raise

    before = set(threading.enumerate())
    full = gc.receiver(run, capacity=1)
    report = full.run(realtime=True, cycles=3)
    assert report.ended_by is gc.EndedBy.CYCLES
    assert left == ["the run has ended"]
    assert set(threading.enumerate()) == before


def test_r10_a_receiver_blocked_in_send_gets_stopped_when_another_node_fails() -> None:
    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        while True:
            sender.send(0)

    def fail(value: Any) -> None:
        raise KeyError("other")

    full = gc.receiver(run, capacity=1)
    with pytest.raises(KeyError, match="other"):
        gc.Graph(full, full.map(fail)).run(realtime=True)


def test_r10_send_after_close_is_refused() -> None:
    caught: list[Exception] = []

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        sender.close()
        sender.close()
        try:
            sender.send(1)
        except gc.GraphcoreError as error:
            caught.append(error)

    gc.receiver(run).run(realtime=True)
    # The run may have ended by then, which `send` reports first.
    assert isinstance(caught[0], gc.RunError | gc.Stopped)


@pytest.mark.parametrize("delivery", ["each", "burst", "latest"])
@pytest.mark.parametrize("by", ["raise", "error"])
def test_r11_an_error_comes_after_the_values_sent_before_it(delivery: Any, by: str) -> None:
    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        sender.send_many([1, 2, 3])
        if by == "raise":
            raise LookupError("the feed broke")
        sender.error(LookupError("the feed broke"))

    seen: list[Any] = []
    hold = Held()
    stream = gc.receiver(hold.piling_up(run), delivery=delivery).for_each(seen.append)
    with pytest.raises(LookupError, match="the feed broke") as caught:
        gc.Graph(hold, stream).run(realtime=True)
    assert seen == {"each": [1, 2, 3], "burst": [[1, 2, 3]], "latest": [3]}[delivery]
    assert len(caught.value.__notes__) == 1


def test_r11_an_error_after_close_or_after_the_end_is_not_swallowed() -> None:
    def after_close(sender: gc.Sender[Any], stop: threading.Event) -> None:
        sender.close()
        raise LookupError("after close")

    def after_end(sender: gc.Sender[Any], stop: threading.Event) -> None:
        sender.send(1)
        assert stop.wait(20)
        raise LookupError("after the end")

    with pytest.raises(LookupError, match="after close"):
        gc.receiver(after_close).run(realtime=True)
    with pytest.raises(LookupError, match="after the end"):
        gc.receiver(after_end).run(realtime=True, cycles=1)


def test_r12_a_receiver_runs_again_with_a_new_thread_and_an_empty_inbox() -> None:
    threads: list[int | None] = []

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        threads.append(threading.current_thread().native_id)
        sender.send_many([1, 2, 3])

    out = gc.receiver(run, delivery="each").collect()
    graph = gc.Graph(out)
    graph.run(realtime=True, cycles=1)
    graph.run(realtime=True)
    assert out.values == [1, 2, 3]
    assert len(threads) == 2


def test_r13_a_graph_that_never_waits_reads_its_inbox_between_two_times() -> None:
    running, count = threading.Event(), 200
    sent: list[int] = []

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        assert running.wait(20)
        for value in range(count):
            sender.send(value)
            sent.append(value)

    received = gc.receiver(run).unroll()
    out = received.collect()
    busy = gc.ticker("1ns").for_each(lambda _: running.set())

    @gc.node
    class Ends(gc.MutableNode[None]):
        source: gc.Active[int]

        def cycle(self, state: gc.GraphState) -> bool:
            if self.source.value == count - 1:
                state.stop()
            return False

    report = gc.Graph(busy, out, Ends(received)).run(realtime=True, duration="1min")
    assert report.ended_by is gc.EndedBy.STOP
    assert out.values == sent == list(range(count))


def test_r13_a_value_that_comes_while_the_graph_waits_for_a_timer_is_delivered_at_once() -> None:
    first = threading.Event()

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        sender.send("first")
        assert first.wait(20)
        sender.send("second")
        assert stop.wait(20)

    @gc.node
    class Ends(gc.MutableNode[None]):
        source: gc.Active[str]

        def cycle(self, state: gc.GraphState) -> bool:
            first.set()
            if self.source.value == "second":
                state.stop()
            return False

    received = gc.receiver(run, delivery="each")
    report = gc.Graph(Ends(received), gc.ticker("1h")).run(realtime=True, duration="1min")
    assert report.ended_by is gc.EndedBy.STOP


@pytest.mark.parametrize("capacity", [0, -1, 1.5, True])
def test_a_capacity_is_a_whole_number_of_at_least_1(capacity: Any) -> None:
    with pytest.raises(gc.InvalidValueError, match=f"not {capacity!r}"):
        gc.receiver(sending(), capacity=capacity)


def test_a_receiver_needs_a_function_and_a_known_delivery() -> None:
    with pytest.raises(gc.InvalidTypeError, match="receiver needs a function, not 5"):
        gc.receiver(5)  # type: ignore[call-overload]  # the very mistake
    with pytest.raises(gc.InvalidValueError, match="not 'all'"):
        gc.receiver(sending(), delivery="all")  # type: ignore[call-overload]  # the very mistake


def test_replace_keeps_the_newest_waiting_value_and_overtakes_no_sent_value() -> None:
    replaced: list[bool] = []

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        for value in (1, 2, 3):
            replaced.append(sender.replace(value))
        sender.send("told")
        for value in (4, 5):
            replaced.append(sender.replace(value))

    values, _ = held(run, delivery="each")
    assert values == [3, "told", 5]
    assert replaced == [False, True, True, False, True]


def test_replace_does_not_change_values_already_taken() -> None:
    taken = threading.Event()
    out: list[int] = []

    def take(value: int) -> None:
        out.append(value)
        taken.set()

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        assert not sender.replace(1)
        assert taken.wait(20)
        assert not sender.replace(2)

    gc.receiver(run, delivery="each").for_each(take).run(realtime=True)
    assert out == [1, 2]


def test_r9_replace_after_the_end_or_close_is_refused() -> None:
    refused: list[type[Exception]] = []

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        stop.wait(20)
        try:
            sender.replace(1)
        except gc.Stopped as error:
            refused.append(type(error))
            raise

    gc.receiver(run).run(realtime=True, duration="10ms")
    assert refused == [gc.Stopped]
