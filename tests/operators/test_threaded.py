"""`threaded`: a sub-graph in a thread of its own."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import graphcore as gc
from graphcore.operators import threaded
from graphcore.testing import wait_until

SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not threads()


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("graphcore-")]


def here(value: object) -> str:
    return threading.current_thread().name


def live(stream: gc.Stream[Any], **options: Any) -> list[Any]:
    """Run in real time and return the values."""
    out = stream.collect()
    out.run(realtime=True, **options)
    return out.values


# In history


def test_in_history_it_is_in_step_with_engine_time() -> None:
    def build(numbers: gc.Stream[int], beat: gc.Stream[int]) -> gc.Stream[Any]:
        return numbers.delay("500ms").sum().sample(beat).buffer(2)

    def wire() -> tuple[gc.Stream[int], gc.Stream[int]]:
        numbers = gc.replay([(n * SECOND, n) for n in range(5)])
        return numbers, gc.ticker("1s").count()

    expected = build(*wire()).collect()
    expected.run(duration="6s")
    out = gc.threaded(build, *wire()).collect()
    out.run(duration="6s")
    assert list(out) == list(expected) and len(expected) > 2


def test_timers_in_history_start_with_the_run() -> None:
    source = gc.replay([(5, "a")])
    out = gc.threaded(lambda own: gc.ticker("2ns").count(), source).collect()
    out.run(start=1, until=5)
    assert list(out) == [(1, 1), (3, 2), (5, 3)]


# Live


def test_live_it_runs_in_a_thread_of_its_own() -> None:
    source = gc.from_iterable(range(100))
    made = gc.threaded(lambda own: own.map(here), source).named("apart")
    assert set(live(made)) == {"graphcore-apart"}


@pytest.mark.parametrize("capacity", [1, 3, 10_000])
def test_live_every_value_comes_back_in_order(capacity: int) -> None:
    source = gc.from_iterable(range(300))
    made = gc.threaded(lambda own: own.map(lambda n: -n), source, capacity=capacity)
    assert live(made) == [-n for n in range(300)]


def test_two_full_queues_do_not_wait_for_each_other() -> None:
    source = gc.from_iterable(range(20))
    made = gc.threaded(lambda own: own.map(lambda n: [n] * 10).unroll(), source, capacity=1)
    assert live(made) == [n for n in range(20) for _ in range(10)]


def test_inputs_that_tick_in_one_cycle_tick_in_one_cycle_there() -> None:
    source = gc.from_iterable(range(50))
    other = source.map(lambda n: n * 2)
    made = gc.threaded(lambda a, b: gc.merge_all(a, b), source, other)
    assert live(made) == [[n, 2 * n] for n in range(50)]


def test_the_graph_goes_on_while_the_sub_graph_works() -> None:
    done, seen = threading.Event(), []

    def work(value: int) -> int:
        done.wait(10)
        return value

    source = gc.from_iterable(range(5))
    made = gc.threaded(lambda own: own.map(work), source)
    # It ends only if these come while `work` waits.
    watch = source.inspect(seen.append).filter(lambda n: n == 4).inspect(lambda n: done.set())
    out = made.collect()
    gc.Graph(out, watch).run(realtime=True)
    assert seen == out.values == [0, 1, 2, 3, 4]


def test_a_full_queue_holds_the_graph_up() -> None:
    waits, ahead, done = threading.Event(), [0], [0]

    def work(value: int) -> int:
        waits.wait(0.002)
        done[0] += 1
        return value

    def send(value: int) -> None:
        ahead.append(value - done[0])

    source = gc.from_iterable(range(100)).inspect(send)
    live(gc.threaded(lambda own: own.map(work), source, capacity=5))
    assert max(ahead) < 20


def test_timers_in_the_sub_graph_keep_the_run_alive_and_weak_ones_do_not() -> None:
    source = gc.from_iterable([1, 2])
    assert live(gc.threaded(lambda own: own.delay("100ms"), source)) == [1, 2]
    assert live(gc.threaded(lambda own: own.delay("1ms").every("1h"), source)) == []
    assert live(gc.threaded(lambda own: own.filter(lambda n: False), source)) == []


def test_a_feedback_and_keys_work_in_the_sub_graph() -> None:
    def build(own: gc.Stream[int]) -> gc.Stream[dict[int, int]]:
        back: gc.FeedbackStream[int] = gc.feedback()
        values = own.merge(back)
        back.bind(values.filter(lambda n: n > 1).map(lambda n: n // 2))
        return values.group_by(lambda n: n % 2, lambda each, key: each.sum()).changes

    assert live(gc.threaded(build, gc.from_iterable([4]))) == [{0: 4}, {0: 6}, {1: 1}]


def test_it_runs_again() -> None:
    out = gc.threaded(lambda own: own.sum(), gc.from_iterable([1, 2])).collect()
    graph = gc.Graph(out)
    for realtime in (True, False, True):
        graph.run(realtime=realtime)
        assert out.values == [1, 3]


def test_a_run_that_starts_in_the_past_stays_in_step() -> None:
    source = gc.replay([(1, "a"), (2, "b")])
    made = gc.threaded(lambda own: own.map(here), source)
    assert live(made, start=1) == [threading.current_thread().name] * 2


def test_it_works_in_the_sub_graph_of_a_key() -> None:
    def build(own: gc.Stream[str], key: str) -> gc.Stream[int]:
        return gc.threaded(lambda apart: apart.map(lambda text: int(text[1])).sum(), own)

    source = gc.from_iterable(["a1", "b2", "a3", "b4"])
    keyed = source.group_by(lambda text: text[0], build)
    latest = live(keyed.latest)
    assert latest[-1] == {"a": 4, "b": 6}


def test_retiring_a_key_closes_and_ends_its_thread() -> None:
    def build(own: gc.Stream[str], key: str) -> gc.Stream[list[str]]:
        own.filter(lambda text: text == "end").stop_key()
        return gc.threaded(lambda apart: apart.buffer(2), own).named("apart")

    keyed = gc.from_iterable(["a", "b", "end"]).group_by(lambda text: 0, build)
    out, gone = keyed.changes.collect(), keyed.removed.map(lambda key: threads()).collect()
    gc.Graph(out, gone).run(realtime=True)
    assert out.values == [{0: ["a", "b"]}, {0: ["end"]}] and gone.values == [[]]


# The end


def test_r14_the_sub_graph_takes_everything_and_closes() -> None:
    source = gc.from_iterable(range(7))

    def build(own: gc.Stream[int]) -> gc.Stream[Any]:
        slow = own.map(lambda n: (time.sleep(0.005), n)[1])
        return slow.buffer(3)

    for bound in ({}, {"cycles": 7}):
        assert live(gc.threaded(build, source), **bound) == [[0, 1, 2], [3, 4, 5], [6]]


def test_r14_stop_from_outside_closes_the_sub_graph() -> None:
    taken: list[int] = []
    source = gc.ticker("1ms").count()
    out = gc.threaded(lambda own: own.inspect(taken.append).buffer(1_000_000), source).collect()
    with gc.Graph(out).running():
        wait_until(lambda: len(taken) > 3)
    assert out.values == [taken]


def test_stop_run_in_the_sub_graph_ends_the_run() -> None:
    counted = gc.ticker("1ms").count()
    out = gc.threaded(lambda own: own.filter(lambda n: n == 3).stop_run(), counted).collect()
    report = out.run(realtime=True, duration="20s")
    assert report.ended_by is gc.EndedBy.STOP and out.values == [3]


def test_r9_ctrl_c_ends_the_run_and_the_thread() -> None:
    def interrupt(value: int) -> int:
        if value == 3:
            signal.raise_signal(signal.SIGINT)
        return value

    source = gc.ticker("1ms").count().map(interrupt)
    out = gc.threaded(lambda own: own.buffer(100), source).collect()
    report = out.run(realtime=True, duration="20s")
    assert report.ended_by is gc.EndedBy.SIGNAL
    assert out.values[0][:3] == [1, 2, 3]


def test_an_interrupt_of_the_graph_ends_the_thread() -> None:
    def interrupt(value: int) -> int:
        raise KeyboardInterrupt

    source = gc.ticker("1ms").count()
    made = gc.threaded(lambda own: own.buffer(100), source)
    with pytest.raises(KeyboardInterrupt):
        gc.Graph(made, source.map(interrupt)).run(realtime=True)


def test_an_error_of_the_graph_ends_the_thread_without_closing_the_sub_graph() -> None:
    closed: list[object] = []

    class Closes(gc.MutableNode[int]):
        def __init__(self, source: gc.Stream[int]) -> None:
            super().__init__()
            self.source = source.node

        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(active=(self.source,))

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            return True

        def close(self, state: gc.GraphState) -> bool:
            closed.append("closed")
            return False

        def stop(self, state: gc.GraphState) -> None:
            closed.append(state.ended_by)

    source = gc.ticker("1ms").count()
    made = gc.threaded(lambda own: gc.Stream(Closes(own)), source)
    with pytest.raises(ZeroDivisionError):
        gc.Graph(made, source.map(lambda n: 1 // (n - 5))).run(realtime=True)
    assert closed == [gc.EndedBy.ERROR]


# Errors


def notes(error: BaseException) -> list[str]:
    return [note.partition(" (")[0] for note in error.__notes__]


def test_r11_an_error_in_the_sub_graph_surfaces_with_both_nodes_after_its_results() -> None:
    source = gc.from_iterable([2, 1, 0, 5, 4])
    made = gc.threaded(lambda own: own.map(lambda n: 2 // n).named("inverse"), source)
    out = made.named("apart").collect()
    with pytest.raises(ZeroDivisionError) as caught:
        out.run(realtime=True)
    assert notes(caught.value) == ["in inverse", "in apart"]
    assert out.values == [1, 2]


def test_an_error_of_an_idle_graph_surfaces_at_once() -> None:
    def build(own: gc.Stream[int]) -> gc.Stream[Any]:
        return own.delay("20ms").map(lambda n: 1 // 0)

    source = gc.from_iterable([1]).merge(gc.ticker("1h").skip(1))
    with pytest.raises(ZeroDivisionError):
        gc.threaded(build, source).run(realtime=True, duration="20s")


class Fails(gc.MutableNode[int]):
    """Hands values on; fails in one of its methods."""

    def __init__(self, source: gc.Stream[int], where: str) -> None:
        super().__init__()
        self.source, self.where, self.name = source.node, where, "fails"

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def reach(self, where: str) -> None:
        if where == self.where:
            raise OSError(where)

    def start(self, state: gc.GraphState) -> None:
        self.reach("start")

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return True

    def close(self, state: gc.GraphState) -> bool:
        self.reach("close")
        return False

    def stop(self, state: gc.GraphState) -> None:
        self.reach("stop")


@pytest.mark.parametrize("where", ["start", "close", "stop"])
def test_an_error_in_another_method_surfaces_as_well(where: str) -> None:
    made = gc.threaded(lambda own: gc.Stream(Fails(own, where)), gc.from_iterable([1, 2]))
    with pytest.raises(OSError, match=where) as caught:
        made.named("apart").run(realtime=True)
    assert notes(caught.value)[0] == f"in {where} of fails"
    assert "apart" in notes(caught.value)[-1]


def test_a_thread_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threaded, "_PATIENCE", 0.05)
    done = threading.Event()

    def work(value: int) -> int:
        done.wait(10)
        return value

    made = gc.threaded(lambda own: own.map(work), gc.from_iterable([1])).named("apart")
    with pytest.raises(gc.RunError, match="the thread of apart did not end within") as caught:
        made.run(realtime=True, cycles=1)
    assert notes(caught.value) == ["in stop of apart"]
    done.set()
    wait_until(lambda: not threads())


@pytest.mark.parametrize("after", ["continue", "restart"])
def test_in_a_catch_a_failure_of_the_thread_is_a_failure(after: Any) -> None:
    def build(own: gc.Stream[int]) -> gc.Stream[int]:
        return gc.threaded(lambda apart: apart.map(lambda n: 6 // n), own)

    source = gc.ticker("100ms", count=3).count().map(lambda n: [3, 0, 2][n - 1])
    values, failures = source.catch(build, after=after)
    out, failed = values.collect(), failures.map(lambda each: type(each.exception)).collect()
    gc.Graph(out, failed).run(realtime=True)
    assert out.values == ([2, 3] if after == "restart" else [2])
    rest = [] if after == "restart" else [gc.RunError]
    assert failed.values == [ZeroDivisionError, *rest]


# Bad input


def test_a_stream_from_outside_is_refused() -> None:
    other = gc.constant(1).named("other")
    build: Callable[..., Any] = lambda own: own.with_latest(other)  # noqa: E731  # as users write it
    with pytest.raises(gc.WiringError, match="build of threaded uses other, .* further argument"):
        gc.threaded(build, gc.constant(1))


def test_a_build_that_returns_no_stream_is_refused() -> None:
    made = gc.threaded(lambda own: 5, gc.constant(1))  # type: ignore[arg-type, return-value]  # as the test is about it
    for realtime in (False, True):
        with pytest.raises(gc.InvalidTypeError, match="must return a stream, not 5"):
            made.run(realtime=realtime)


def test_capacity_and_inputs_are_checked() -> None:
    with pytest.raises(gc.InvalidValueError, match="capacity"):
        gc.threaded(lambda own: own, gc.constant(1), capacity=0)
    with pytest.raises(gc.InvalidTypeError, match="threaded needs streams"):
        gc.threaded(lambda: gc.constant(1))
