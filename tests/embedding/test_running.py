"""`with graph.running() as run:` runs a graph live in a thread of its own."""

import contextvars
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import wait_until


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("graphcore-")]


def test_the_block_begins_once_all_nodes_have_started_and_its_end_stops_the_run() -> None:
    log: list[str] = []

    class Logs(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            state.hold()
            log.append(f"start {state.run_mode} {threading.current_thread().name}")

        def cycle(self, state: gc.GraphState) -> bool:
            return False

        def stop(self, state: gc.GraphState) -> None:
            log.append(f"stop {state.ended_by}")

    with gc.Graph(Logs()).running() as run:
        log.append("block")
    assert log == ["start realtime graphcore-run", "block", "stop stop"]
    assert run.report.ended_by is gc.EndedBy.STOP
    assert threads() == []


def test_a_run_that_ends_by_itself_is_waited_for_with_join() -> None:
    go = threading.Event()

    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        assert go.wait(20)
        sender.send(5)

    out = gc.receiver(run, delivery="each").collect()
    with gc.Graph(out).running() as running:
        assert running.join("1ms") is False
        with pytest.raises(gc.RunError, match="no report: it has not ended"):
            running.report
        go.set()
        assert running.join() is True
        assert running.report.ended_by is gc.EndedBy.SOURCES
        assert running.join(0) is True
    assert out.values == [5]


def test_the_options_are_those_of_run() -> None:
    out = gc.ticker("1s").collect()
    with gc.Graph(out).running(realtime=False, duration="2s") as run:
        assert run.join("20s")
    assert out.times == [0, 10**9, 2 * 10**9]
    with gc.Graph(out).running(cycles=1) as run:
        assert run.join("20s")
    assert run.report.ended_by is gc.EndedBy.CYCLES


def test_stop_ends_the_run_before_the_block_does() -> None:
    with gc.Graph(gc.ticker("1h")).running() as run:
        run.stop()
        assert run.join("20s")
        assert run.report.ended_by is gc.EndedBy.STOP
        run.stop()


def test_an_error_of_the_run_is_raised_at_the_end_of_the_block() -> None:
    done: list[str] = []
    graph = gc.Graph(gc.constant(0).map(lambda n: 1 // n).named("share"))
    with pytest.raises(ZeroDivisionError) as caught, graph.running() as run:
        assert run.join("20s")
        done.append("block")
    assert done == ["block"]
    assert "in share (Map)" in caught.value.__notes__[0]
    with pytest.raises(gc.RunError, match="no report: it failed"):
        run.report
    assert threads() == []


def test_an_error_of_the_block_stops_the_run_and_is_raised_itself() -> None:
    with pytest.raises(KeyError, match="mine"), gc.Graph(gc.ticker("1h")).running() as run:
        raise KeyError("mine")
    assert run.report.ended_by is gc.EndedBy.STOP


def test_errors_of_both_are_raised_together() -> None:
    graph = gc.Graph(gc.constant(0).map(lambda n: 1 // n))
    both = pytest.raises(ExceptionGroup, match="the block failed, and so did its run")
    with both as caught, graph.running() as run:
        assert run.join("20s")
        raise KeyError("mine")
    assert [type(each) for each in caught.value.exceptions] == [KeyError, ZeroDivisionError]


@pytest.mark.parametrize(
    "options, error",
    [
        ({"tier": "quick"}, gc.InvalidValueError),
        ({"duration": "-1s"}, gc.InvalidValueError),
        ({"start": "2200-01-01"}, gc.InvalidValueError),
        ({"cycles": 0}, gc.InvalidValueError),
        ({"colour": "red"}, TypeError),
    ],
)
def test_options_that_are_wrong_are_refused_at_the_beginning_of_the_block(
    options: Any, error: type[Exception]
) -> None:
    with pytest.raises(error), gc.Graph(gc.ticker("1h")).running(**options):
        pytest.fail("the block runs")
    assert threads() == []


def test_an_error_in_start_is_raised_at_the_beginning_of_the_block() -> None:
    class Fails(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            raise OSError("no such host")

        def cycle(self, state: gc.GraphState) -> bool:
            return False

    with pytest.raises(OSError, match="no such host"), gc.Graph(Fails()).running():
        pytest.fail("the block runs")


def test_a_second_run_is_refused_while_the_first_goes_on() -> None:
    graph = gc.Graph(gc.ticker("1h").named("hourly"))
    with graph.running() as run:
        with pytest.raises(gc.RunError, match="hourly is in another run"):
            graph.run(realtime=True)
        with pytest.raises(gc.RunError, match="hourly is in another run"), graph.running():
            pytest.fail("the block runs")
        assert run.join(0) is False
    assert graph.run(realtime=True, cycles=1).ended_by is gc.EndedBy.CYCLES


def test_a_block_is_entered_once() -> None:
    running = gc.Graph(gc.ticker("1h")).running()
    with running:
        pass
    with pytest.raises(gc.RunError, match="call running\\(\\) again"), running:
        pytest.fail("the block runs")


def test_a_graph_runs_again_in_a_second_block() -> None:
    out = gc.ticker("1h").count().collect()
    graph = gc.Graph(out)
    for _ in range(2):
        with graph.running(cycles=1) as run:
            assert run.join("20s")
        assert out.values == [1]


def test_functions_see_the_context_variables_of_the_block() -> None:
    user = contextvars.ContextVar("user", default="nobody")
    user.set("me")
    out = gc.constant(1).map(lambda n: user.get()).collect()
    with gc.Graph(out).running() as run:
        assert run.join("20s")
    assert out.values == ["me"]


def test_a_receiver_is_stopped_and_joined_with_the_run() -> None:
    ended: list[bool] = []

    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        sender.send(1)
        ended.append(stop.wait(20))

    out = gc.receiver(run).collect()
    with gc.Graph(out).running():
        wait_until(lambda: out.node.times)
    assert ended == [True]
    assert threads() == []


INTERRUPTED = """
import signal, sys
import graphcore as gc

signal.signal(signal.SIGINT, signal.default_int_handler)
out = gc.ticker("1h").collect()
try:
    with gc.Graph(out).running() as run:
        print("on", flush=True)
        run.join()
except KeyboardInterrupt:
    print("interrupted", run.report.ended_by)
"""


def test_ctrl_c_in_the_block_stops_the_run() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "interrupted stop\n"
        assert process.returncode == 0
