"""Other threads look at a run: they see the state as of the end of a cycle."""

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import wait_until


def without_end() -> Iterator[tuple[int, int]]:
    return ((n, n) for n in itertools.count())


@gc.node
class Twice(gc.MutableNode[int]):
    """Sets a value that it does not tick with before the one that it does."""

    source: gc.Active[int]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = -1
        self.value = self.source.value * 2
        return True


@gc.node
class Evens(gc.MutableNode[int]):
    """Sets every value, and ticks with the even ones."""

    source: gc.Active[int]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return self.value % 2 == 0


# The source of each drives another loop of the fused function.
SOURCES: dict[str, Callable[[], gc.Stream[int]]] = {
    "the events of one source": lambda: gc.replay(without_end),
    "two sources": lambda: gc.replay(without_end).with_latest(gc.ticker(7)).map(lambda t: t[0]),
    "the heap": lambda: gc.replay(without_end).delay(1),
    "many sources": lambda: (
        gc.replay(without_end)
        .with_latest(gc.replay([0], [0]), *(gc.replay([n], [n]) for n in range(2_000)))
        .map(lambda t: t[0])
    ),
}
MODES: dict[str, dict[str, Any]] = {
    "history": {"cycles": 10**12},
    "live": {"realtime": True},
}


def run_of(graph: gc.Graph, mode: str) -> gc.Running:
    return graph.running(**{"realtime": False, **MODES[mode]})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("source", SOURCES)
def test_r5_another_thread_reads_only_values_that_ticked(source: str, mode: str) -> None:
    numbers = SOURCES[source]()
    twice, evens = gc.Stream(Twice(numbers)), gc.Stream(Evens(numbers))
    begun = threading.Event()
    looked = evens.for_each(lambda n: begun.set())
    seen: list[int] = []
    with run_of(gc.Graph(twice, looked), mode):
        assert begun.wait(20)
        for _ in range(20):
            value, even = twice.value, evens.value
            assert value >= 0
            assert even % 2 == 0
            assert even >= value // 2 - 1
            seen.append(value)
    assert seen == sorted(seen)
    assert seen[-1] > seen[0] >= 0


def test_the_value_of_an_idle_live_run_is_read_at_once() -> None:
    ticked = threading.Event()
    hourly = gc.ticker("1h").count().for_each(lambda n: ticked.set())
    with gc.Graph(hourly).running() as run:
        assert ticked.wait(20)
        assert [hourly.value for _ in range(100)] == [1] * 100
        run.stop()
        assert run.join("20s")
        assert hourly.value == 1
    assert hourly.value == 1


def test_a_stream_that_has_not_ticked_has_no_value_for_another_thread() -> None:
    ticked = threading.Event()
    hourly = gc.ticker("1h").count().for_each(lambda n: ticked.set())
    second = hourly.skip(1).named("second")
    with gc.Graph(hourly, second).running():
        assert ticked.wait(20)
        with pytest.raises(gc.NoValueError, match="second has no value yet"):
            second.value


def test_a_read_waits_until_the_end_of_the_cycle() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def wait(n: int) -> int:
        if n == 2:
            entered.set()
            assert go_on.wait(20)
        return n

    counted = gc.from_iterable([1, 2]).count()
    graph = gc.Graph(counted.combine(counted.map(wait)), gc.ticker("1h"))
    seen: list[int] = []
    with graph.running():
        assert entered.wait(20)
        reader = threading.Thread(target=lambda: seen.append(counted.value))
        reader.start()
        reader.join(0.05)
        assert seen == []
        go_on.set()
        reader.join(20)
        assert seen == [2]


def test_a_cycle_that_waits_for_the_reading_thread_does_not_wait_for_ever() -> None:
    seen: list[int] = []
    counted = gc.from_iterable([1, 2]).count()

    def read_elsewhere(n: int) -> int:
        reader = threading.Thread(target=lambda: seen.append(counted.value))
        reader.start()
        reader.join(20)
        assert not reader.is_alive()
        return n

    gc.Graph(counted.map(read_elsewhere)).run()
    assert seen == [1, 2]


def test_a_function_of_the_graph_reads_the_value_of_the_moment() -> None:
    counted = gc.from_iterable([1, 2, 3]).count()
    out = counted.map(lambda n: (n, counted.value)).collect()
    out.run()
    assert out.values == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("phase", ["start", "stop"])
def test_a_value_is_read_at_once_while_nodes_start_or_stop(phase: str) -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Waits(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            self.wait("start")

        def cycle(self, state: gc.GraphState) -> bool:
            return False

        def stop(self, state: gc.GraphState) -> None:
            self.wait("stop")

        def wait(self, present: str) -> None:
            if present == phase:
                entered.set()
                assert go_on.wait(20)

    counted = gc.from_iterable([1, 2]).count()
    thread = threading.Thread(target=gc.Graph(counted, Waits()).run)
    thread.start()
    try:
        assert entered.wait(20)
        if phase == "stop":
            assert counted.value == 2
        else:
            with pytest.raises(gc.NoValueError):
                counted.value
    finally:
        go_on.set()
        thread.join(20)


def test_after_a_run_that_failed_the_value_is_that_of_the_last_tick() -> None:
    counted = gc.from_iterable([1, 2, 0, 4]).map(lambda n: 6 // n)
    with pytest.raises(ZeroDivisionError):
        counted.run()
    assert counted.value == 3


def test_readers_from_many_threads_get_an_answer_while_runs_begin_and_end() -> None:
    counted = gc.replay(range(2_000), range(2_000)).count()
    graph = gc.Graph(counted)
    done = threading.Event()
    wrong: list[Any] = []

    def read() -> None:
        while not done.is_set():
            try:
                value = counted.value
            except gc.NoValueError:
                continue
            if not 1 <= value <= 2_000:
                wrong.append(value)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for n in range(20):
        graph.run(realtime=n % 2 == 1)
    done.set()
    for reader in readers:
        reader.join(20)
        assert not reader.is_alive()
    assert wrong == []


@pytest.mark.parametrize("mode", MODES)
def test_collected_ticks_are_whole_for_another_thread(mode: str) -> None:
    # Few of the values, so that reading them takes no longer each time.
    out = gc.replay(without_end).filter(lambda n: n % 1_000 == 0).count().collect()
    with run_of(gc.Graph(out), mode):
        wait_until(lambda: len(out) > 10)
        before = 0
        for _ in range(20):
            pairs = list(out)
            assert [value for _, value in pairs] == list(range(1, len(pairs) + 1))
            times, values = out.times, out.values
            assert len(times) <= len(values)
            assert before <= len(pairs) <= len(values) <= len(out)
            before = len(out)
    assert len(out.times) == len(out.values) == len(out)


@pytest.mark.parametrize("table", ["to_pandas", "to_arrow"])
def test_tables_are_whole_while_the_run_adds_ticks(table: str) -> None:
    out = gc.ticker("100us").count().collect()
    with gc.Graph(out).running():
        wait_until(lambda: len(out) > 10)
        for _ in range(20):
            made = getattr(out, table)()
            values = list(made) if table == "to_pandas" else made["value"].to_pylist()
            assert values == list(range(1, len(values) + 1))


def test_ticks_are_whole_while_one_run_follows_another() -> None:
    out = gc.replay(range(200), range(200)).collect()
    graph = gc.Graph(out)
    done = threading.Event()
    wrong: list[Any] = []

    def read() -> None:
        while not done.is_set():
            pairs = list(out)
            if pairs != [(n, n) for n in range(len(pairs))]:
                wrong.append(pairs)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(300):
        graph.run()
    done.set()
    reader.join(20)
    assert wrong == []


def test_what_was_read_does_not_change_afterwards() -> None:
    out = gc.ticker("100us").count().collect()
    with gc.Graph(out).running():
        wait_until(lambda: len(out) > 10)
        times, values = out.times, out.values
        kept = len(times), len(values)
        wait_until(lambda: len(out) > kept[1] + 10)
        assert (len(times), len(values)) == kept


def test_a_function_of_the_graph_sees_the_growing_list_itself() -> None:
    out = gc.from_iterable([1, 2, 3]).collect()
    seen: list[list[int]] = []
    last = out.node
    gc.Graph(gc.Stream(last).for_each(lambda n: seen.append(out.values))).run()
    assert seen[0] is seen[1] is out.values
    assert out.values == [1, 2, 3]
