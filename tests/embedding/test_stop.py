"""`Graph.stop` ends a run from any thread, as `state.stop()` does (R9)."""

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import wait_until

Wire = Callable[[], gc.Stream[Any]]


class InThread:
    """Runs a graph in a thread, and hands over its report or its error."""

    def __init__(self, graph: gc.Graph, **options: Any) -> None:
        self._results: list[Any] = []
        self._options = options
        self._thread = threading.Thread(target=self._run, args=(graph,))
        self._thread.start()

    def _run(self, graph: gc.Graph) -> None:
        try:
            self._results.append(graph.run(**self._options))
        except BaseException as error:
            self._results.append(error)

    def result(self) -> Any:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self._results[0]


def without_end() -> Iterator[tuple[int, int]]:
    return ((n, n) for n in itertools.count())


WIRINGS: dict[str, Wire] = {
    "the events of one source": lambda: gc.replay(without_end),
    "sources in variables": lambda: gc.replay(without_end).merge(gc.ticker("1s")),
    "the heap": lambda: gc.replay(without_end).delay("1ns"),
    "many recorded sources": lambda: gc.replay(without_end).combine(
        *(gc.replay([n], [n]) for n in range(2_001))
    ),
}


@pytest.mark.parametrize("wiring", WIRINGS)
def test_stop_ends_a_historical_run_from_another_thread(wiring: str) -> None:
    reached = threading.Event()
    stream = WIRINGS[wiring]()
    passed = gc.replay(without_end).for_each(lambda n: reached.set() if n == 1000 else None)
    streams = [stream.for_each(lambda value: reached.set())] if "one" in wiring else [stream]
    graph = gc.Graph(*streams, *([] if "one" in wiring else [passed]))
    run = InThread(graph, cycles=10**12)
    assert reached.wait(20)
    assert graph.stop() is True
    assert run.result().ended_by is gc.EndedBy.STOP


def test_stop_ends_a_live_run_that_waits() -> None:
    out = gc.ticker("1h").collect()
    graph = gc.Graph(out)
    run = InThread(graph, realtime=True)
    wait_until(lambda: len(out.node.times) == 1)
    assert graph.stop() is True
    report = run.result()
    assert (report.ended_by, report.cycles) == (gc.EndedBy.STOP, 1)


def test_stop_lets_the_present_cycle_finish_and_no_further_one_runs() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def wait(value: int) -> int:
        entered.set()
        assert go_on.wait(20)
        return value

    out = gc.from_iterable([1, 2, 3]).map(wait).collect()
    graph = gc.Graph(out)
    run = InThread(graph)
    assert entered.wait(20)
    assert graph.stop() is True
    go_on.set()
    assert run.result().ended_by is gc.EndedBy.STOP
    assert out.values == [1]


def test_stop_before_the_first_cycle_ends_a_run_without_cycles() -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Waits(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            state.schedule(state.time)
            entered.set()
            assert go_on.wait(20)

        def cycle(self, state: gc.GraphState) -> bool:
            raise AssertionError("it runs")

    graph = gc.Graph(Waits())
    run = InThread(graph, realtime=True)
    assert entered.wait(20)
    assert graph.stop() is True
    go_on.set()
    report = run.result()
    assert (report.ended_by, report.cycles) == (gc.EndedBy.STOP, 0)


def test_stop_while_the_start_is_looked_for_ends_the_run() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def tape() -> Iterator[tuple[int, int]]:
        entered.set()
        assert go_on.wait(20)
        yield 1, 1

    graph = gc.Graph(gc.replay(tape))
    run = InThread(graph)
    assert entered.wait(20)
    assert graph.stop() is True
    go_on.set()
    report = run.result()
    assert (report.ended_by, report.cycles) == (gc.EndedBy.STOP, 0)


def test_stop_does_nothing_and_says_so_if_no_run_is_in_progress() -> None:
    out = gc.from_iterable([1, 2]).collect()
    graph = gc.Graph(out)
    assert graph.stop() is False
    assert graph.run().ended_by is gc.EndedBy.SOURCES
    assert graph.stop() is False
    assert graph.run().ended_by is gc.EndedBy.SOURCES
    assert out.values == [1, 2]


def test_stop_of_a_graph_leaves_the_run_of_another_one_with_the_same_nodes() -> None:
    out = gc.ticker("1h").collect()
    graph, other = gc.Graph(out), gc.Graph(out)
    run = InThread(graph, realtime=True)
    wait_until(lambda: len(out.node.times) == 1)
    assert other.stop() is False
    with pytest.raises(gc.RunError, match="is in another run"):
        other.run(realtime=True)
    assert graph.stop() is True
    assert run.result().ended_by is gc.EndedBy.STOP


@pytest.mark.parametrize("realtime", [False, True])
def test_stop_may_be_called_inside_the_run(realtime: bool) -> None:
    seen: list[int] = []

    def look(value: int) -> None:
        seen.append(value)
        if value == 2:
            assert graph.stop() is True

    graph = gc.Graph(gc.from_iterable([1, 2, 3]).for_each(look))
    assert graph.run(realtime=realtime).ended_by is gc.EndedBy.STOP
    assert seen == [1, 2]


def test_stop_after_a_run_that_failed_does_nothing() -> None:
    graph = gc.Graph(gc.constant(0).map(lambda n: 1 // n))
    with pytest.raises(ZeroDivisionError):
        graph.run()
    assert graph.stop() is False


SIGNAL = """
import os, signal
import graphcore as gc

graph = gc.Graph(gc.ticker("1h").for_each(lambda t: os.kill(os.getpid(), signal.SIGUSR1)))
signal.signal(signal.SIGUSR1, lambda number, frame: print(graph.stop(), flush=True))
print(graph.run(realtime=True).ended_by)
"""

FORK = """
import os, signal, threading
import graphcore as gc

out = gc.ticker("1h").collect()
graph = gc.Graph(out)
with graph.running() as run:
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        told = [graph.stop()]
        told.append(graph.run(realtime=True, cycles=1).ended_by)
    else:
        assert os.waitpid(pid, 0)[1] == 0
        print(run.join(0), graph.stop())
if pid == 0:
    print(*told, flush=True)
    os._exit(0)
print(run.report.ended_by)
"""


def lines_of(program: str, tier: str) -> list[str]:
    chosen = f"import graphcore as gc; gc.Graph.run.__kwdefaults__['tier'] = {tier!r}\n"
    command = [sys.executable, "-c", chosen + program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no such signal")
def test_stop_may_be_called_in_a_signal_handler(default_tier: str) -> None:
    assert lines_of(SIGNAL, default_tier) == ["True", "stop"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_neither_stops_nor_waits_for_the_run_of_its_parent(
    default_tier: str,
) -> None:
    assert lines_of(FORK, default_tier) == ["False cycles", "False True", "stop"]
