"""R12: a graph runs any number of times, each run starts clean, and a node is in one run."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import graphcore as gc
from graphcore.testing import ticks, wait_until


def wirings() -> dict[str, Callable[[gc.Stream[Any]], gc.Stream[Any]]]:
    return {
        "count": lambda s: s.count(),
        "sum": lambda s: s.sum(),
        "mean": lambda s: s.mean(),
        "min": lambda s: s.min(),
        "max": lambda s: s.max(),
        "scan": lambda s: s.scan(lambda a, b: a + b, 0),
        "reduce": lambda s: s.reduce(lambda a, b: a + b),
        "enumerate": lambda s: s.enumerate(),
        "pairwise": lambda s: s.pairwise(),
        "difference": lambda s: s.difference(),
        "distinct": lambda s: s.distinct(),
        "throttle": lambda s: s.throttle(2),
        "delay": lambda s: s.delay(1),
        "limit": lambda s: s.limit(2),
        "skip": lambda s: s.skip(2),
        "buffer": lambda s: s.buffer(3),
        "window": lambda s: s.window(2),
        "unroll": lambda s: s.buffer(3).unroll(),
        "accumulate": lambda s: s.accumulate().map(list),
        "rolling": lambda s: s.rolling(2).mean(),
        "ewm": lambda s: s.ewm(span=3).mean(),
        "align": lambda s: gc.align(s, s.delay(1), key=lambda n: n),
        "ticker": lambda s: s.merge(gc.ticker(2)),
    }


@pytest.mark.parametrize("name", list(wirings()))
def test_r12_a_second_run_gives_the_same_as_the_first(name: str) -> None:
    stream = wirings()[name](gc.replay([0, 1, 1, 3, 4], [3, 1, 4, 1, 5]))
    out = stream.collect()
    graph = gc.Graph(out)
    graph.run(duration=10)
    first = list(out)
    assert first
    graph.run(duration=10)
    assert list(out) == first
    # A run that ended early, and a new one.
    graph.run(cycles=2)
    graph.run(duration=10)
    assert list(out) == first


def test_r12_a_run_after_an_error_starts_clean() -> None:
    fails = True

    def function(n: int) -> int:
        if fails and n == 3:
            raise ValueError(n)
        return n

    out = gc.replay([1, 2, 3, 4], [1, 2, 3, 4]).sum().delay(0).map(function).count().collect()
    graph = gc.Graph(out)
    with pytest.raises(ValueError, match="3"):
        graph.run()
    fails = False
    graph.run()
    assert out.values == [1, 2, 3, 4]


def test_r12_feedback_starts_clean() -> None:
    loop = gc.feedback()
    total = gc.replay([1], [3]).merge(loop)
    loop.bind(total.filter(lambda n: n > 1).map(lambda n: n - 1))
    out = total.collect()
    graph = gc.Graph(out)
    graph.run(cycles=1)  # a value waits in the loop now
    graph.run()
    assert out.values == [3, 2, 1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: gc.replay([1, 2], ["a", "b"]),
        lambda: gc.replay([(1, "a"), (2, "b")]),
        lambda: gc.replay(np.array([1, 2]), np.array(["a", "b"])),
        lambda: gc.replay(lambda: iter([(1, "a"), (2, "b")])),
        lambda: gc.from_iterable(["a", "b"], period=1),
        lambda: gc.from_iterable(np.array(["a", "b"]), period=1),
        lambda: gc.from_iterable(lambda: iter(["a", "b"]), period=1),
    ],
)
def test_r12_a_list_an_array_or_a_function_serves_any_number_of_runs(make: Any) -> None:
    stream = make()
    first = ticks(stream)
    assert [value for _, value in first] == ["a", "b"]
    assert ticks(stream) == ticks(stream) == first


@pytest.mark.parametrize("realtime", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: gc.replay(iter([1, 2]), ["a", "b"]),
        lambda: gc.replay([1, 2], iter(["a", "b"])),
        lambda: gc.replay(pair for pair in [(1, "a"), (2, "b")]),
        lambda: gc.from_iterable(iter(["a", "b"])),
    ],
)
def test_r12_an_iterator_serves_one_run_and_a_second_is_refused_by_name(
    make: Any, realtime: bool
) -> None:
    stream = make().named("tape")
    assert [value for _, value in ticks(stream, realtime=realtime)] == ["a", "b"]
    with pytest.raises(gc.RunError, match=r"^tape .* an iterator, which serves one run"):
        ticks(stream, realtime=realtime)


def test_r12_a_refused_run_does_not_use_up_an_iterator() -> None:
    stream = gc.replay(iter([(1, "a")]))
    with pytest.raises(gc.InvalidValueError, match="lies before the start"):
        stream.run(until=0)
    assert ticks(stream) == [(1, "a")]


def test_r12_a_node_in_two_runs_at_once_is_refused() -> None:
    stop, entered = threading.Event(), threading.Event()

    def run(sender: gc.Sender[int], ended: threading.Event) -> None:
        entered.set()
        stop.wait(20)

    shared = gc.receiver(run).named("shared")
    reports: list[gc.RunReport] = []
    thread = threading.Thread(target=lambda: reports.append(shared.run(realtime=True)))
    thread.start()
    try:
        wait_until(entered.is_set)
        with pytest.raises(gc.RunError, match="^shared is in another run"):
            gc.Graph(shared.map(str), gc.constant(1)).run(realtime=True)
    finally:
        stop.set()
        thread.join(20)
    # The first run was not disturbed, and the nodes are free again.
    assert [report.ended_by for report in reports] == [gc.EndedBy.SOURCES]
    assert shared.run(realtime=True).ended_by is gc.EndedBy.SOURCES


def test_r12_a_run_that_is_refused_has_not_touched_the_nodes_of_the_other() -> None:
    opened: list[int] = []
    refused: list[str] = []

    def tape() -> Iterator[tuple[int, str]]:
        opened.append(len(opened))
        if len(opened) == 1:  # while the first run determines its start
            with pytest.raises(gc.RunError) as error:
                gc.Graph(shared).run()
            refused.append(str(error.value))
        yield from [(1, "a"), (2, "b")]

    shared = gc.replay(tape).named("shared")
    assert ticks(shared) == [(1, "a"), (2, "b")]
    assert opened == [0]
    assert refused == ["shared is in another run; a node is in one run at a time"]


def test_r12_two_graphs_without_a_node_in_common_run_at_once() -> None:
    both = threading.Barrier(2, timeout=20)

    def meet(value: int) -> int:
        both.wait()
        return value

    outs = [gc.constant(i).map(meet).collect() for i in range(2)]
    threads = [threading.Thread(target=out.run) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [out.values for out in outs] == [[0], [1]]


def test_r12_a_node_cannot_be_run_from_inside_its_own_run() -> None:
    stream = gc.constant(1)
    with pytest.raises(gc.RunError, match="is in another run"):
        stream.for_each(lambda value: stream.run()).run()


FORK = """
import os, signal, threading
import graphcore as gc
from graphcore.engine.run import lifecycle

entered, stop = threading.Event(), threading.Event()

def run(sender, ended):
    sender.send(1)
    entered.set()
    stop.wait(20)

def in_child(call):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        print(call(), flush=True)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

shared = gc.constant(5).map(lambda n: n + 1)
out = shared.collect()
graph = gc.Graph(shared, out, gc.receiver(run))
reports = []
thread = threading.Thread(target=lambda: reports.append(graph.run(realtime=True)))
thread.start()
assert entered.wait(20)
in_child(lambda: (shared.run().cycles, shared.value))
with lifecycle._running_lock:  # as another thread may hold it while this one forks
    in_child(lambda: (out.run().cycles, out.values))
try:
    shared.run()
except gc.RunError as error:
    print(error)
stop.set()
thread.join(20)
print(reports[0].ended_by, out.values)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_r12_a_node_whose_run_is_in_the_parent_is_free_in_a_forked_child(default_tier: str) -> None:
    tier = f"import graphcore as gc; gc.Graph.run.__kwdefaults__['tier'] = '{default_tier}'\n"
    done = subprocess.run(
        [sys.executable, "-c", tier + FORK], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert told[:2] == ["(1, 6)", "(1, [6])"]
    assert re.fullmatch(r"constant_\d+ is in another run; a node is in one run at a time", told[2])
    assert told[3:] == ["sources [6]"]


def test_r12_a_graph_runs_over_history_and_live_in_turn() -> None:
    out = gc.from_iterable([1, 2, 3]).count().collect()
    graph = gc.Graph(out)
    for realtime in (False, True, False):
        graph.run(realtime=realtime)
        assert out.values == [1, 2, 3]
