"""Pass 9: the cheapest correct driver."""

from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.analysis.drivers import DriverName, choose
from graphcore.engine.fused.pipeline import read
from graphcore.engine.plan import Plan
from tests.engine.fused.both import node_class, same


def driver_of(*streams: gc.Stream[Any]) -> DriverName:
    plan = Plan([stream.node for stream in streams])
    return choose(read(plan, {}).nodes)


def of_class(cycle: str, more: str = "", beside: bool = False) -> Callable[[], gc.Stream[Any]]:
    """Return a function that wires a node which asks to be woken.

    Args:
        cycle: its cycle.
        more: its other methods.
        beside: whether it reads a second source.
    """
    made = node_class(cycle, "source: gc.Active[Any]\nalarm: Any = gc.state(None)", more)

    def make() -> gc.Stream[Any]:
        source = gc.replay([1, 2, 4], "abc")
        return gc.Stream(made(source.merge(gc.replay([2, 3], "de")) if beside else source))

    return make


KEEPS = (
    "if state.due:\n    self.value = 'due'\n    return True\n"
    "if self.alarm is not None:\n    self.alarm.cancel()\n"
    "self.alarm = state.schedule(state.time + 1)\nreturn False"
)
WAKES = (
    "if state.due:\n    self.value = 'due'\n    return True\n"
    "state.schedule(state.time + 1)\nreturn False"
)
CASES: dict[str, tuple[DriverName, Callable[[], gc.Stream[Any]]]] = {
    "the events of the only source": (DriverName.EVENTS, lambda: gc.replay([1, 2], "ab")),
    "a ticker": (DriverName.EVENTS, lambda: gc.ticker(5).count()),
    "a source that asks for its events": (
        DriverName.VARIABLES,
        lambda: gc.replay(iter([(1, "a"), (2, "b")])),
    ),
    "two sources": (
        DriverName.VARIABLES,
        lambda: _joined(2),
    ),
    "eight sources": (DriverName.VARIABLES, lambda: _joined(8)),
    "nine sources": (DriverName.HEAP, lambda: _joined(9)),
    "a node that wakes itself at once": (
        DriverName.EVENTS_AND_FURTHER,
        lambda: gc.replay([1, 1, 2], [[1, 2], [3], [4, 5]]).unroll(),
    ),
    "a merge": (
        DriverName.VARIABLES,
        lambda: gc.replay([1, 1, 3], "abc").merge(gc.replay([1, 2, 3], "uvw")),
    ),
    "a merge of two branches of a source": (
        DriverName.EVENTS_AND_FURTHER,
        lambda: _merged(gc.replay([1, 1, 3], "abc")),
    ),
    "a merge of two branches of a source that asks for its events": (
        DriverName.VARIABLES,
        lambda: _merged(gc.replay(iter([(1, "a"), (1, "b"), (3, "c")]))),
    ),
    "a merge and a node that wakes itself later": (
        DriverName.HEAP,
        lambda: gc.replay([1, 1, 3], "abc").delay(2).merge(gc.replay([1, 2, 3], "uvw")),
    ),
    "a node that wakes itself, of two sources": (DriverName.HEAP, of_class(WAKES, beside=True)),
}
_ASKING: dict[str, tuple[str, str]] = {
    "a node that wakes itself": (WAKES, ""),
    "a node that keeps its alarm": (KEEPS, ""),
    "a node that is called and may be woken": (f"id(self)\n{WAKES}", ""),
    "a node whose start keeps an alarm": (
        "self.value = state.due\nreturn True",
        "def start(self, state):\n    self.kept = state.schedule(3)",
    ),
    "a node that asks its state in stop": (
        "self.value = 1\nreturn True",
        "def stop(self, state):\n    self.left = state.cycle_at_time",
    ),
}
CASES |= {
    name: (DriverName.EVENTS_AND_ALARMS, of_class(*asking)) for name, asking in _ASKING.items()
}
CASES |= {
    f"{name}, of two sources": (DriverName.SESSION, of_class(*asking, beside=True))
    for name, asking in _ASKING.items()
    if asking[0] != WAKES
}


def _merged(source: gc.Stream[str]) -> gc.Stream[str]:
    return source.merge(source.filter(lambda letter: letter != "b"))


def _joined(count: int) -> gc.Stream[Any]:
    first, *others = (gc.replay([n, 10], "ab") for n in range(1, 1 + count))
    return first.with_latest(*others)


@pytest.mark.parametrize("case", CASES)
def test_the_chosen_driver_gives_the_results_of_the_interpreted_tier(case: str) -> None:
    driver, make = CASES[case]
    assert driver_of(make()) is driver
    same(make, duration=20)


@pytest.mark.parametrize("count", [2, 30])
@pytest.mark.parametrize("progress", [False, True])
def test_each_of_many_nodes_is_told_when_its_own_alarm_goes_off(count: int, progress: bool) -> None:
    made = node_class(
        "if state.due:\n    self.value = ('due', state.time)\n    return True\n"
        "state.schedule(state.time + self.by)\nself.value = 'asks'\nreturn True",
        "source: gc.Active[Any]\nby: int",
    )

    def make() -> gc.Stream[Any]:
        woken = [gc.Stream(made(gc.replay([n, 50], "ab"), 3 + n % 5)) for n in range(count)]
        return woken[0].combine(*woken[1:]).with_time()

    assert driver_of(make()) is DriverName.HEAP
    assert len(same(make, progress=progress)) > 5


def test_two_alarms_of_one_source_need_the_heap() -> None:
    made = node_class(
        "self.value = state.time\nreturn True",
        "by: int = 1",
        "def start(self, state):\n    state.schedule(3)\n    state.schedule(5)",
    )

    def make() -> gc.Stream[Any]:
        return gc.Stream(made()).merge_first(gc.replay(iter([(3, 0), (4, 0)])))

    assert [time for time, _ in same(make)] == [3, 4, 5]


def test_the_events_of_thousands_of_recorded_sources_are_merged() -> None:
    sources = [gc.replay([n], [n]) for n in range(2_001)]
    assert driver_of(*sources) is DriverName.MERGED
    assert driver_of(*sources[1:]) is DriverName.HEAP
    assert driver_of(*sources, gc.replay(iter([(1, 1)]))) is DriverName.HEAP


@pytest.mark.parametrize("cycles", [None, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("good", [[], [(0, "a")], [(0, "a"), (2, "b")]], ids=len)
def test_the_nodes_before_a_recorded_source_run_in_the_cycle_in_which_it_fails(
    good: list[tuple[int, str]], cycles: int | None
) -> None:
    def wire() -> list[Any]:
        lists = gc.replay([0, 1, 2, 2, 2, 3], range(6), delivery="burst")
        before: list[Any] = [lists.collect(), lists.unroll().collect()]
        failing = gc.replay([*good, "no pair"])
        return [*before, failing.collect(), failing.every(1).collect(), lists.count().collect()]

    def run_on(tier: Any) -> Any:
        outs = wire()
        caught = None
        try:
            gc.Graph(*outs).run(tier=tier, cycles=cycles)
        except gc.InvalidTypeError as error:
            assert "in replay" in error.__notes__[0]
            caught = str(error)
        return caught, [(list(out), out.node.ticked_in) for out in outs]

    assert driver_of(*wire()) is DriverName.EVENTS_AND_ALARMS
    assert run_on("fused") == run_on("interpreted")
