"""Whenever other code can look at a node, the node is as on the interpreted tier, also at the end
of a run.

Other code is a node that is called, a user's function, `stop`, and whoever ran the graph, after an
error and after Ctrl-C too (R10, R11).
"""

import itertools
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphcore as gc
from tests.differential.both import fed, on_both_tiers

TIERS = ["interpreted", "fused"]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("look", "seen"),
    [
        (lambda count: count.value, [1, 2, 3]),
        (lambda count: count.node.count, [1, 2, 3]),
        (lambda count: count.node.ticked_in, [1, 2, 3]),
        (lambda count: vars(count.node)["value"], [1, 2, 3]),
    ],
)
def test_a_function_sees_a_stream_that_runs_before_its_node(
    look: Callable[[Any], Any], seen: list[int]
) -> None:
    def wire() -> gc.Collected[Any]:
        source = gc.replay([1, 2, 3], "abc")
        count = source.count()
        out = source.map(lambda x: look(count))
        return out.combine(count).map(lambda both: both[0]).collect()

    assert on_both_tiers(wire).values == seen


def test_a_function_sees_the_previous_value_of_a_stream_that_runs_after_its_node() -> None:
    def wire() -> gc.Collected[Any]:
        behind: list[Any] = []
        source = gc.replay([1, 2, 3], "abc")
        out = source.map(lambda x: (behind[0].node.count, behind[0].node.ticked_in))
        behind.append(source.count())
        return out.combine(behind[0]).collect()

    assert on_both_tiers(wire).values == [((0, 0), 1), ((1, 1), 2), ((2, 2), 3)]


def test_the_value_that_a_function_writes_to_a_node_takes_effect() -> None:
    def wire() -> gc.Collected[Any]:
        source = gc.replay([1, 2, 3, 4], [0, 0, 10, 0])
        count = source.count()

        def write(x: int) -> None:
            if x:
                count.node.count = count.node.value = x

        return source.for_each(write).combine(count).collect()

    assert on_both_tiers(wire).values == [(0, 1), (0, 2), (10, 10), (0, 11)]


def test_a_called_node_sees_the_state_of_one_that_could_be_fused() -> None:
    @gc.node
    class Looks(gc.MutableNode[Any]):
        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            node: Any = self.source
            self.value = sorted((name, getattr(node, name)) for name in ("count", "ticked_in"))
            return True

    seen = on_both_tiers(fed(lambda source: Looks(source.count()), "a", "b"))
    assert seen.values == [[("count", 1), ("ticked_in", 1)], [("count", 2), ("ticked_in", 2)]]


def test_stop_and_finally_see_the_final_state_of_other_nodes() -> None:
    told: list[Any] = []

    @gc.node
    class Tells(gc.MutableNode[Any]):
        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            if self.value == 2:
                state.stop()
            return True

        def stop(self, state: gc.GraphState) -> None:
            count: Any = self.source
            told.append((str(state.ended_by), count.count, count.value, count.ticked_in))

    def wire() -> gc.Collected[Any]:
        count = gc.replay([1, 2, 3], "abc").count()
        last = count.finally_(lambda x: told.append((x, count.node.count)))
        return gc.Stream(Tells(count)).combine(last).collect()

    on_both_tiers(wire)
    assert told == [("stop", 2, 2, 2), (2, 2)] * 2


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("early", [True, False])
def test_after_an_error_in_a_cycle_every_node_is_as_it_was_at_the_error(
    error: type[BaseException], early: bool
) -> None:
    """Raise `KeyboardInterrupt` as Ctrl-C does, at any point of a function."""
    counts: list[Any] = []

    def fail(n: int) -> int:
        if n == 3:
            raise error
        return n

    def wire() -> gc.Collected[Any]:
        source = gc.replay([1, 2, 3, 4], [1, 2, 3, 4])
        before, other = source.sum(), source.map(fail if early else abs)
        counts.append(before.join(other, lambda a, b: a + b).count())
        return counts[-1].map(fail).join(source.buffer(2), lambda a, b: a).collect()

    seen = on_both_tiers(wire, raising=error)
    assert seen.values == [2]
    assert seen.error.startswith(error.__name__)
    assert [count.value for count in counts] == ([2, 2] if early else [3, 3])


@pytest.mark.parametrize("tier", TIERS)
def test_a_run_after_ctrl_c_starts_clean(tier: Any) -> None:
    interrupts = True

    def interrupt(n: int) -> int:
        if interrupts and n == 3:
            raise KeyboardInterrupt
        return n

    out = gc.replay([1, 2, 3, 4], "abcd").count().map(interrupt).sum().collect()
    graph = gc.Graph(out)
    with pytest.raises(KeyboardInterrupt):
        graph.run(tier=tier)
    assert out.values == [1, 3]
    interrupts = False
    graph.run(tier=tier)
    assert out.values == [1, 3, 6, 10]


class Counters:
    """Three nodes that count the ticks of a ticker, each in its own way."""

    def __init__(self) -> None:
        self.tick = gc.ticker(1)
        self.count = self.tick.count()
        self.total = self.tick.map(lambda t: 1).sum()
        self.lots = self.tick.buffer(3, partial=False)
        self.graph = gc.Graph(self.count, self.total, self.lots)

    def assert_in_step(self) -> None:
        """Check that all nodes are as at the beginning or at the end of the last cycle."""
        count, total, lots = (stream.node for stream in (self.count, self.total, self.lots))
        begun = self.tick.node.value + 1
        assert begun > 1
        figures = [count.count, count.value, total.figure or 0, self.tick.node.ticked_in]
        figures += [count.ticked_in, total.ticked_in, lots.ticked_in + len(lots.group)]
        assert {begun - figure for figure in figures} <= {0, 1}, (begun, figures)


DELAYS = itertools.count(1e-3, 1e-6)  # s of processor time


@gc.node
class Arming(gc.MutableNode[None]):
    """Raises Ctrl-C during the run."""

    source: gc.Active[Any]
    begun: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.begun += 1
        if self.begun == 3:
            signal.setitimer(signal.ITIMER_VIRTUAL, next(DELAYS), 0.1)
        return False


# If it is raised in a finalizer or a callback of the collector, Python drops it with a warning.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("tier", TIERS)
def test_after_ctrl_c_anywhere_the_nodes_are_consistent_and_run_again(tier: Any) -> None:
    """A timer of processor time replaces Ctrl-C, so that it comes at any point, and often."""
    counters = Counters()
    graph = gc.Graph(*counters.graph.nodes, Arming(counters.tick))
    graph.run(cycles=2, tier=tier)
    before = signal.signal(signal.SIGVTALRM, signal.default_int_handler)
    try:
        for _ in range(200):
            try:
                graph.run(cycles=10**12, tier=tier)
            except BaseException as raised:  # pytest cannot show one without a line
                struck = repr(raised)
            assert struck == "KeyboardInterrupt()"
            counters.assert_in_step()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    counters.graph.run(cycles=6, tier=tier)
    assert (counters.count.value, counters.total.value, counters.lots.value) == (6, 6, [3, 4, 5])


PROGRAM = """
import signal, sys
import graphcore as gc
from tests.differential.test_looking import Counters

# Inherited as ignored where the tests run in the background of a shell.
signal.signal(signal.SIGINT, signal.default_int_handler)
counters = Counters()
running = counters.count.filter(lambda n: n == 1000).for_each(lambda n: print("on", flush=True))
try:
    gc.Graph(*counters.graph.nodes, running).run(cycles=10**12, tier=sys.argv[1])
except KeyboardInterrupt:
    counters.assert_in_step()
    print("in step")
"""


@pytest.mark.parametrize("tier", TIERS)
def test_ctrl_c_raises_in_a_historical_run_and_leaves_the_nodes_consistent(tier: str) -> None:
    command = [sys.executable, "-c", PROGRAM, tier]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "in step\n"
        assert process.returncode == 0


@pytest.mark.parametrize(
    "function", [lambda n: 6 // (n - 2), lambda n: divmod(6, n - 2)[0]], ids=["fused", "called"]
)
def test_an_error_has_the_same_note_whether_its_function_is_inlined_or_called(
    function: Callable[[int], int],
) -> None:
    def wire() -> gc.Collected[Any]:
        source = gc.replay([5, 6], [1, 2]).named("lots")
        return source.filter(lambda n: n > 0).map(function).named("share").map(abs).collect()

    seen = on_both_tiers(wire)
    assert seen.values == [6]
    kind, where, _, time, reading = seen.error.splitlines()
    assert kind == "ZeroDivisionError: integer division or modulo by zero"
    assert where.startswith("in share (Map), wired at ")
    assert time == "at 1970-01-01T00:00:00.000000006Z (6 ns)"
    assert reading.startswith("reading filter_")
    assert reading.endswith(" = 2")


def test_a_traceback_shows_the_fused_line_and_no_other_error() -> None:
    source = gc.replay([1], [2]).named("lots")
    out = source.map(lambda n: 6 // (n - 2)).named("share").collect()
    with pytest.raises(ZeroDivisionError) as caught:
        out.run(tier="fused")
    shown = "".join(traceback.format_exception(caught.value))
    assert "6 // (" in shown
    assert "During handling" not in shown
    assert caught.value.__context__ is None
