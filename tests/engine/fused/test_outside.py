"""What a class does with its state outside its cycle, and when that is of no concern."""

from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.outside import asks_between_cycles, keeps_alarms
from graphcore.state import RunMode


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
def test_an_alarm_may_be_kept_where_the_state_is_handed_out(cls: type[Any], expected: bool) -> None:
    assert keeps_alarms(cls) is expected


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (LeavesAFunction, True),
        (LeavesAFunctionInRealTimeAlone, False),
    ],
)
def test_a_function_that_start_leaves_may_ask_later(cls: type[Any], expected: bool) -> None:
    assert asks_between_cycles(cls) is expected
