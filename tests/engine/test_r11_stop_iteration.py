"""R11: a user's StopIteration is an error like any other: it ends no loop of the engine."""

from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc

TIERS = ("interpreted", "fused")
each_tier = pytest.mark.parametrize("tier", TIERS)


def run_out(*_: object) -> Any:
    return next(iter(()))


class RunsOut(gc.MutableNode[int]):
    """Raises StopIteration in the given step."""

    def __init__(self, source: gc.Stream[int], step: str) -> None:
        super().__init__()
        self.source, self.step = source.node, step

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def reach(self, step: str) -> None:
        if step == self.step:
            run_out()

    def reset(self) -> None:
        super().reset()
        self.reach("reset")

    def start(self, state: gc.GraphState) -> None:
        self.reach("start")

    def cycle(self, state: gc.GraphState) -> bool:
        self.reach("cycle")
        self.value = self.source.value
        if self.step == "call_soon":
            state.call_soon(run_out)
        return True

    def stop(self, state: gc.GraphState) -> None:
        self.reach("stop")


def check(stream: gc.Stream[Any], **options: Any) -> None:
    with pytest.raises(StopIteration) as caught:
        stream.run(**options)
    where = caught.value.__notes__[0].partition(" (")[0]
    assert where in [f"in {step}{stream.node.name}" for step in ("", "start of ", "stop of ")]


@each_tier
@pytest.mark.parametrize("realtime", [False, True])
@pytest.mark.parametrize("step", ["reset", "start", "cycle", "stop"])
def test_r11_a_stop_iteration_in_a_nodes_method(step: str, realtime: bool, tier: Any) -> None:
    check(
        gc.Stream(RunsOut(gc.from_iterable([1, 2]), step)),
        realtime=realtime,
        tier=tier,
    )


@each_tier
def test_r11_a_stop_iteration_in_a_function_between_two_cycles(tier: Any) -> None:
    source = gc.from_iterable([1, 2])
    check(gc.Stream(RunsOut(source, "call_soon")), realtime=True, duration="10s", tier=tier)


@each_tier
@pytest.mark.parametrize(
    "wire",
    [
        lambda source: source.map(run_out),
        lambda source: source.filter(run_out),
        lambda source: source.join(source, run_out),
        lambda source: source.for_each(run_out),
        lambda source: source.finally_(run_out),
    ],
)
def test_r11_a_stop_iteration_in_an_operators_function(
    wire: Callable[[gc.Stream[int]], gc.Stream[Any]], tier: Any
) -> None:
    check(wire(gc.from_iterable([1, 2])), tier=tier)


@each_tier
@pytest.mark.parametrize("realtime", [False, True])
@pytest.mark.parametrize("make", [gc.replay, gc.from_iterable])
def test_r11_a_stop_iteration_in_a_sources_function(make: Any, realtime: bool, tier: Any) -> None:
    check(make(run_out), realtime=realtime, tier=tier)


@each_tier
def test_r11_a_stop_iteration_in_a_receivers_thread(tier: Any) -> None:
    check(gc.receiver(run_out), realtime=True, duration="10s", tier=tier)


def test_r11_an_error_before_the_run_is_noted_without_a_time() -> None:
    def make() -> Any:
        raise OSError("no such file")

    source = gc.replay(make).named("recorded")
    with pytest.raises(OSError, match="no such file") as caught:
        source.run()
    assert caught.value.__notes__[0].startswith("in recorded (Replay), wired at ")
    assert " ns)" not in caught.value.__notes__[0]
