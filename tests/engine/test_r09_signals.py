"""R9: signals, in separate processes."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import graphcore as gc

PROLOGUE = """
import json, signal, sys, threading
import graphcore as gc

# Inherited as ignored where the tests run in the background of a shell.
signal.signal(signal.SIGINT, signal.default_int_handler)

def tell(**what):
    print(json.dumps(what), flush=True)

def handlers():
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

class Told(gc.MutableNode):
    def __init__(self, source):
        super().__init__()
        self.source = source.node
    def upstreams(self):
        return gc.Upstreams(active=(self.source,))
    def cycle(self, state):
        tell(running=True)
        self.value = True
        return True
    def stop(self, state):
        tell(stopped=str(state.ended_by))
"""


class Child:
    """A Python process that reports events in lines of JSON."""

    def __init__(self, program: str) -> None:
        source = PROLOGUE + textwrap.dedent(program)
        self.process = subprocess.Popen(
            [sys.executable, "-c", source],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=20)[1]
        told: dict[str, Any] = json.loads(line)
        return told

    def kill(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> tuple[list[dict[str, Any]], int, str]:
        """Wait for the end; return the events since, the exit code and standard error."""
        out, errors = self.process.communicate(timeout=20)
        return [json.loads(line) for line in out.splitlines()], self.process.returncode, errors


@pytest.fixture
def child() -> Iterator[Any]:
    children: list[Child] = []

    def start(program: str) -> Child:
        children.append(Child(program))
        return children[-1]

    yield start
    for each in children:
        each.process.kill()
        each.process.communicate()


LIVE = """
before = handlers()
report = gc.Graph(Told(gc.ticker("1h"))).run(realtime=True)
tell(ended_by=report.ended_by, cycles=report.cycles, restored=handlers() == before)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_r9_the_first_signal_ends_a_waiting_live_run_as_stop_does(child: Any, number: int) -> None:
    process = child(LIVE)
    assert process.next() == {"running": True}
    process.kill(number)
    told, code, errors = process.end()
    assert told == [
        {"stopped": "signal"},
        {"ended_by": "signal", "cycles": 1, "restored": True},
    ]
    assert (code, errors) == (0, "")


BUSY = {
    "cycles of one time": """
endless = gc.feedback()
endless.bind(gc.constant(0).merge(endless).map(lambda n: n + 1))
""",
    "a timer that is always late": "endless = gc.ticker('1ns')",
}


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
@pytest.mark.parametrize("busy", BUSY)
def test_r9_a_signal_ends_a_busy_live_run_between_two_cycles(
    child: Any, busy: str, tier: str
) -> None:
    process = child(
        BUSY[busy]
        + f"""
report = gc.Graph(endless, Told(endless.limit(1))).run(realtime=True, tier="{tier}")
tell(ended_by=report.ended_by)
"""
    )
    assert process.next() == {"running": True}
    process.kill(signal.SIGINT)
    assert process.end() == ([{"stopped": "signal"}, {"ended_by": "signal"}], 0, "")


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
@pytest.mark.parametrize("busy", BUSY)
def test_r9_an_interrupt_in_any_place_of_a_busy_live_run_leaves_whole_cycles(
    child: Any, busy: str, tier: str
) -> None:
    process = child(
        BUSY[busy]
        + f"""
first, second = endless.count(), endless.count()
graph = gc.Graph(first, second)
graph.run(realtime=True, cycles=1, tier="{tier}")  # compiles it
# Like the second SIGINT, but the first.
signal.signal(signal.SIGALRM, signal.default_int_handler)
for after in range(1, 80):
    try:
        signal.setitimer(signal.ITIMER_REAL, after / 1e4)
        graph.run(realtime=True, tier="{tier}")
    except KeyboardInterrupt:
        pass
    seen = [getattr(stream, "value", 0) for stream in (first, second) if stream.node.ticked_in]
    ticked = [stream.node.ticked_in for stream in (first, second)]
    if len(seen) == 2:
        tell(values=seen, ticked=ticked)
tell(ran="all")
"""
    )
    told, code, errors = process.end()
    assert (code, errors) == (0, "")
    assert told[-1] == {"ran": "all"}
    both = [each for each in told if "values" in each]
    assert both
    for each in both:
        (one, other), (first, second) = each["values"], each["ticked"]
        assert 0 <= first - second <= 1
        assert 0 <= one - other <= 1
        assert first - second == one - other


STUBBORN = """
class Stubborn(Told):
    def cycle(self, state):
        tell(running=True)
        while not state.stopping:
            threading.Event().wait(0.01)
        tell(stopping=True)
        threading.Event().wait(30)
        tell(waited=True)
        return True

before = handlers()
try:
    gc.Graph(Told(gc.never()), Stubborn(gc.constant(1))).run(realtime=True)
except KeyboardInterrupt:
    tell(interrupted=True, restored=handlers() == before)
"""


def test_r9_a_second_sigint_raises_keyboard_interrupt_after_the_nodes_are_stopped(
    child: Any,
) -> None:
    process = child(STUBBORN)
    assert process.next() == {"running": True}
    process.kill(signal.SIGINT)
    assert process.next() == {"stopping": True}
    process.kill(signal.SIGINT)
    assert process.end()[0] == [
        {"stopped": "error"},
        {"stopped": "error"},
        {"interrupted": True, "restored": True},
    ]


def test_r9_only_a_second_sigint_raises() -> None:
    before = signal.getsignal(signal.SIGINT)
    raised: list[signal.Signals] = []

    def interrupt(value: int) -> None:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            raised.append(number)
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt):
        gc.constant(1).map(interrupt).run(realtime=True)
    assert len(raised) == 4
    assert signal.getsignal(signal.SIGINT) == before


def test_r9_ctrl_c_in_a_historical_run_raises_after_the_nodes_are_stopped(child: Any) -> None:
    process = child(
        """
        tick = gc.ticker("1s")
        try:
            gc.Graph(Told(tick.limit(1)), tick.map(str)).run(cycles=10**12)
        except KeyboardInterrupt:
            tell(interrupted=True, threads=threading.active_count())
        """
    )
    assert process.next() == {"running": True}
    process.kill(signal.SIGINT)
    assert process.end()[0] == [{"stopped": "signal"}, {"interrupted": True, "threads": 1}]


def test_r9_a_historical_run_leaves_sigterm_alone(child: Any) -> None:
    process = child('gc.Graph(Told(gc.ticker("1s").limit(1)), gc.ticker(1)).run(cycles=10**12)')
    assert process.next() == {"running": True}
    process.kill(signal.SIGTERM)
    assert process.end()[1] == -signal.SIGTERM


def test_r9_a_run_in_another_thread_sets_no_handlers_and_goes_on(child: Any) -> None:
    process = child(
        """
        before, quit = handlers(), threading.Event()
        def go(sender, stop):
            quit.wait(20)
        def run():
            report = gc.Graph(Told(gc.constant(1)), gc.receiver(go)).run(realtime=True)
            tell(ended_by=report.ended_by)
        thread = threading.Thread(target=run)
        try:
            thread.start()
            quit.wait(20)
        except KeyboardInterrupt:
            tell(main="interrupted", same=handlers() == before, alive=thread.is_alive())
        quit.set()
        thread.join()
        """
    )
    assert process.next() == {"running": True}
    process.kill(signal.SIGINT)
    told = process.end()[0]
    assert told == [
        {"main": "interrupted", "same": True, "alive": True},
        {"stopped": "sources"},
        {"ended_by": "sources"},
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_r9_handlers_are_put_back_also_after_an_error(number: signal.Signals) -> None:
    assert threading.current_thread() is threading.main_thread()
    before = signal.getsignal(number)
    during = []

    def fail(value: int) -> None:
        during.append(signal.getsignal(number))
        raise KeyError(value)

    with pytest.raises(KeyError):
        gc.constant(1).map(fail).run(realtime=True)
    assert during != [before]
    assert signal.getsignal(number) == before


def test_r9_a_signal_that_comes_while_nodes_start_ends_the_run_before_cycle_1() -> None:
    class Raises(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            signal.raise_signal(signal.SIGTERM)
            state.schedule(state.time)

    report = gc.Graph(Raises()).run(realtime=True)
    assert (report.ended_by, report.cycles) == (gc.EndedBy.SIGNAL, 0)
