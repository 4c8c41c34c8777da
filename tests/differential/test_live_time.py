"""Real time on both tiers: the fused function begins each cycle as the session would.

The clock moves on only by what the nodes' scripts and the waits add to it, so a live run can be
repeated exactly.
"""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphcore as gc
from graphcore.engine.inbox import Sleep

TIERS = ("interpreted", "fused")
START = 1_700_000_000_000_000_000

Action = tuple[str, int]


class FakeClock:
    """A wall clock and a monotonic clock that move on together, when they are told to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.passed = 0
        self.waits: list[int] = []
        patch.setattr(time, "time_ns", lambda: START + self.passed)
        patch.setattr(time, "monotonic_ns", lambda: 1_000 + self.passed)
        patch.setattr(Sleep, "wait", self.wait)

    def wait(self, nanoseconds: int | None) -> None:
        assert nanoseconds is not None, "nothing would end this wait"
        self.waits.append(nanoseconds)
        self.passed += nanoseconds


class Scripted(gc.MutableNode[int]):
    """Does in each of its cycles what its script says next, and logs what it is told."""

    def __init__(
        self, script: Sequence[Sequence[Action]], clock: FakeClock, log: list[Any]
    ) -> None:
        super().__init__()
        self.script, self.clock, self.log = script, clock, log

    def start(self, state: gc.GraphState) -> None:
        self.left = list(self.script)
        self.kept: list[gc.Alarm] = []
        self.ran = 0
        self.act(state)

    def cycle(self, state: gc.GraphState) -> bool:
        told = state.time - START, state.cycle_at_time, state.due, state.stopping
        self.log.append((self.name, *told))
        self.ran += 1
        self.value = self.ran
        return self.act(state)

    def act(self, state: gc.GraphState) -> bool:
        ticks = True
        for action, number in self.left.pop(0) if self.left else ():
            match action:
                case "schedule":
                    state.schedule(max(state.start_time, state.time + number))
                case "keep":
                    self.kept.append(state.schedule(max(state.start_time, state.time + number)))
                case "cancel" if self.kept:
                    self.kept[number % len(self.kept)].cancel()
                case "pass":
                    self.clock.passed += max(number, 0)
                case "wake":
                    state.wake()
                case "call":
                    state.call_soon(lambda: self.log.append((self.name, state.time - START)))
                case "stop" if number == 7:
                    state.stop()
                case "silent":
                    ticks = False
        return ticks


def actions() -> st.SearchStrategy[list[list[Action]]]:
    names = ["schedule"] * 4 + ["keep"] * 3 + ["pass"] * 2
    names += ["cancel", "cancel", "wake", "call", "stop", "silent"]
    action = st.tuples(st.sampled_from(names), st.integers(-6, 12))
    return st.lists(st.lists(action, max_size=4), max_size=12)


def outcome(
    tier: Any, scripts: Sequence[Sequence[Sequence[Action]]], periods: Sequence[int], options: Any
) -> tuple[Any, ...]:
    log: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        clock = FakeClock(patch)
        streams: list[gc.Stream[Any]] = [
            gc.Stream(Scripted(script, clock, log)).named(f"script {n}")
            for n, script in enumerate(scripts)
        ]
        streams += [gc.ticker(period).named(f"every {period}") for period in periods]
        merged = gc.never().named("never").merge(*streams).named("merged").with_time().collect()
        late = streams[0].delay(3).named("late").with_time().collect()
        graph = gc.Graph(merged, late)
        try:
            report: Any = graph.run(realtime=True, tier=tier, **options)
            ended: Any = report.cycles, report.start, report.end, report.ended_by
        except gc.RunError as error:
            ended = str(error), error.__notes__[0].splitlines()[-1]
    ticked = [node.ticked_in for node in graph.nodes]
    return log, merged.times, merged.values, late.values, ticked, clock.waits, ended


@settings(max_examples=5 * settings.default.max_examples, suppress_health_check=list(HealthCheck))
@given(
    st.lists(actions(), min_size=1, max_size=3),
    st.lists(st.integers(1, 9), max_size=2),
    st.fixed_dictionaries(
        {"cycles": st.integers(1, 60)},
        optional={"duration": st.integers(0, 60), "max_cycles_at_once": st.integers(1, 9)},
    ),
)
def test_a_live_run_is_the_same_on_both_tiers(scripts: Any, periods: Any, options: Any) -> None:
    one, other = (outcome(tier, scripts, periods, options) for tier in TIERS)
    assert one == other


# Each is a script for one node, and what happens only on the way that it names.
CASES: dict[str, tuple[list[list[Action]], dict[str, int]]] = {
    "an alarm exactly at the deadline": ([[("schedule", 10)]], {"duration": 10}),
    "an alarm just after the deadline": ([[("schedule", 11)]], {"duration": 10}),
    "an alarm that is late beyond the deadline": (
        [[("schedule", 4), ("schedule", 6)], [("pass", 30)], []],
        {"duration": 10},
    ),
    "cycles at the deadline itself, while the clock goes on": (
        [[("schedule", 10)], [("schedule", 0), ("pass", 9)], [("schedule", 0)], []],
        {"duration": 10},
    ),
    "cycles at the deadline that take too long": (
        [[("schedule", 10)], [("schedule", 0), ("pass", 250_000_001)], [("schedule", 0)], []],
        {"duration": 10},
    ),
    "an alarm cancelled late, after it was put off and went off": (
        [[("keep", 5), ("keep", 7), ("pass", 7)], [], [("cancel", 1), ("schedule", 0)], []],
        {},
    ),
    "an alarm cancelled late, and another for the same time": (
        [[("schedule", 0)], [("keep", 0)], [("cancel", 0), ("schedule", 0)], []],
        {},
    ),
    "two alarms for one time, one of them cancelled": (
        [[("schedule", 0)], [("keep", 3), ("keep", 3), ("cancel", 0)], []],
        {},
    ),
    "an alarm cancelled before it goes off": (
        [[("schedule", 0)], [("keep", 3), ("schedule", 5), ("cancel", 0)], []],
        {},
    ),
    "a wake that comes during the cycles of one time": (
        [[("schedule", 0)], [("wake", 0), ("schedule", 0)], [("schedule", 0)], [], []],
        {},
    ),
    "a call between cycles of a node that is always late": (
        [[("schedule", 0)], *[[("call", 0), ("schedule", 1), ("pass", 2)]] * 4, []],
        {},
    ),
    "more cycles at one time than allowed": (
        [[("schedule", 0)], *[[("schedule", 0)]] * 20],
        {"max_cycles_at_once": 7},
    ),
    "the same after many cycles at other times": (
        [[("schedule", 0)], *[[("schedule", 1), ("pass", 1)]] * 20, *[[("schedule", 0)]] * 20],
        {"max_cycles_at_once": 7},
    ),
    "as many cycles at one time as allowed, at two times": (
        [[("schedule", 0)], *[[("schedule", 0)]] * 6, [("schedule", 1)], *[[("schedule", 0)]] * 6],
        {"max_cycles_at_once": 7},
    ),
    "a stop, with more to come at the same time": (
        [[("schedule", 0)], [("stop", 7), ("schedule", 0)], []],
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_live_run_is_the_same_on_both_tiers_when_there_is(case: str) -> None:
    script, options = CASES[case]
    options = {"cycles": 60, **options}
    one, other = (outcome(tier, [script], [], options) for tier in TIERS)
    assert one == other
    one, other = (outcome(tier, [script, [[("schedule", 7)]]], [3], options) for tier in TIERS)
    assert one == other
