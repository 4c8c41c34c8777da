"""How a class uses its state in `start`, `cycle` and `stop`; real-time branches do not count."""

from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.frontend.states import (
    asks_between_cycles,
    keeps_alarms,
    may_schedule,
)
from graphcore.state import RunMode
from tests.engine.fused.both import node_class, same


def keep(state: gc.GraphState) -> object:
    return state


class HandsItsStateOut(gc.MutableNode[Any]):
    def start(self, state: gc.GraphState) -> None:
        self.kept = keep(state)


class LeavesAFunction(gc.MutableNode[Any]):
    def start(self, state: gc.GraphState) -> None:
        self.kept = lambda: state.time


class HandsItOutInRealTimeAlone(gc.MutableNode[Any]):
    def start(self, state: gc.GraphState) -> None:
        self.kept = state.start_time
        if state.run_mode is RunMode.REALTIME:
            self.kept = keep(state)


class LeavesAFunctionInRealTimeAlone(gc.MutableNode[Any]):
    def start(self, state: gc.GraphState) -> None:
        if state.run_mode is RunMode.REALTIME:
            self.kept = lambda: state.time


class HandsItOutOtherwise(gc.MutableNode[Any]):
    def start(self, state: gc.GraphState) -> None:
        if state.run_mode is RunMode.REALTIME:
            self.kept = state.time
        else:
            self.kept = keep(state)


class HandsItOutInHistory(gc.MutableNode[Any]):
    def start(self, state: gc.GraphState) -> None:
        if state.run_mode is RunMode.HISTORICAL:
            self.kept = keep(state)


class AsksAnother(gc.MutableNode[Any]):
    run_mode: RunMode

    def start(self, state: gc.GraphState) -> None:
        if self.run_mode is RunMode.REALTIME:
            self.kept = keep(state)


def with_another_run_mode() -> type[Any]:
    class Mine:
        REALTIME = gc.RunMode.HISTORICAL

    names = {**globals(), "RunMode": Mine}
    start = HandsItOutInRealTimeAlone.start
    return type("Other", (gc.MutableNode,), {"start": type(start)(start.__code__, names, "start")})


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (HandsItsStateOut, True),
        (HandsItOutInRealTimeAlone, False),
        (HandsItOutOtherwise, True),
        (HandsItOutInHistory, True),
        (AsksAnother, True),
        (with_another_run_mode(), True),
    ],
)
def test_an_alarm_may_be_kept_where_the_state_escapes(cls: type[Any], expected: bool) -> None:
    assert keeps_alarms(cls) is expected


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (LeavesAFunction, True),
        (LeavesAFunctionInRealTimeAlone, False),
    ],
)
def test_a_function_that_start_makes_may_use_the_state_later(
    cls: type[Any], expected: bool
) -> None:
    assert asks_between_cycles(cls) is expected


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("pass", False),
        ("self.at = state.time", False),
        ("self.at = state.due", True),
        ("self.at = state.cycle_at_time", True),
        ("print(state)", True),
    ],
)
def test_stop_may_ask_for_what_only_the_session_knows(stop: str, expected: bool) -> None:
    made = node_class("return True", more=f"def stop(self, state):\n    {stop}")
    assert asks_between_cycles(made) is expected


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("state.schedule(state.time)", False),
        ("self.alarm = state.schedule(state.time)", True),
        ("print(state.schedule(state.time))", True),
        ("self.schedule = state.schedule", True),
    ],
)
def test_an_alarm_that_start_drops_cannot_be_cancelled(start: str, expected: bool) -> None:
    made = node_class("return True", more=f"def start(self, state):\n    {start}")
    assert keeps_alarms(made) is expected


@pytest.mark.parametrize(
    ("cycle", "schedules"),
    [
        ("return state.time > 3 and state.ticked(self.source)", False),
        ("state.stop()", False),
        ("state.schedule(state.time)", True),
        ("print(state)", True),
        ("return state.due", False),
        ("wake = state.schedule", True),
    ],
)
def test_whether_a_class_may_be_woken(cycle: str, schedules: bool) -> None:
    assert may_schedule(node_class(f"{cycle}\nreturn True")) is schedules
    started = node_class("return True", more=f"def start(self, state):\n    {cycle}")
    assert may_schedule(started) is schedules


def test_a_class_without_source_may_be_woken() -> None:
    assert may_schedule(node_class("return True", more="start = eval('lambda self, state: None')"))


# The same, tested by running graphs


@pytest.mark.parametrize(
    "asked", ["state.time", "state.elapsed", "state.cycle_at_time", "(state.due, state.stopping)"]
)
@pytest.mark.parametrize("sources", [1, 2, 20])
def test_a_state_that_start_stores_in_a_function_knows_the_cycle(asked: str, sources: int) -> None:
    made = node_class(
        "self.value = (self.source.value, self.ask())\nreturn True",
        more=f"def start(self, state):\n    self.ask = lambda: {asked}",
    )

    def make() -> gc.Stream[Any]:
        first, *others = (gc.replay([3, 5, 5], "abc") for _ in range(sources))
        return gc.Stream(made(first.merge_first(*others) if others else first))

    assert [time for time, _ in same(make)] == [3, 5, 5]


@pytest.mark.parametrize("asked", ["state.cycle_at_time", "state.due", "given(state)"])
@pytest.mark.parametrize("wakes", ["", "state.schedule(state.time)\n"])
def test_a_state_used_in_stop_knows_the_last_cycle(asked: str, wakes: str) -> None:
    seen: list[Any] = []
    made = node_class(
        f"if state.due:\n    return False\n{wakes}self.value = self.source.value\nreturn True",
        more=f"def stop(self, state):\n    seen.append({asked})",
        seen=seen,
        given=lambda state: (state.cycle_at_time, state.due),
    )
    assert [time for time, _ in same(lambda: gc.Stream(made(gc.replay([3, 5], "ab"))))] == [3, 5]
    assert seen[0] == seen[1]
