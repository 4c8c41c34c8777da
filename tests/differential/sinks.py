"""Nodes that machine code leaves for Python in each cycle: they split a plan."""

import random
from typing import Any

import graphcore as gc
from tests.differential.observe import record, restored_before_each_run

SCALE = 2.0


@restored_before_each_run
def _restore() -> None:
    global SCALE
    SCALE = 2.0


@gc.node
class Tallied(gc.MutableNode[int]):
    """Has a dict as its state."""

    source: gc.Active[Any]
    seen: dict[str, int] = gc.state(factory=dict)

    def cycle(self, state: gc.GraphState) -> bool:
        key = str(self.source.value)[:2]
        self.seen[key] = self.seen.get(key, 0) + 1
        self.value = self.seen[key]
        return self.value % 3 != 0


@gc.node(valid="any")
class Watching(gc.MutableNode[Any]):
    """Is called, because of its `try`, and tells all that it sees of the run."""

    first: gc.Active[Any]
    second: gc.Passive[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        try:
            valid = state.valid(self.first), state.valid(self.second)
            ticked = state.ticked(self.first), state.ticked(self.second)
            values = [each.value if ok else None for each, ok in zip(self._both(), valid)]  # noqa: B905
            record(
                "watching", state.time, state.elapsed, state.cycle_at_time, valid, ticked, values
            )
            self.value = values
        except ZeroDivisionError:
            return False
        return True

    def _both(self) -> tuple[Any, Any]:
        return self.first, self.second


@gc.node
class Ending(gc.MutableNode[Any]):
    """Stops the run, or fails, at some value; both in the middle of a chunk."""

    source: gc.Active[Any]
    left: int
    fails: bool

    def start(self, state: gc.GraphState) -> None:
        self.count = 0

    def cycle(self, state: gc.GraphState) -> bool:
        self.count += 1
        if self.count == self.left:
            if self.fails:
                raise ValueError(f"the end at {self.source.value}")
            state.stop()
        record("ending", self.source.value)
        self.value = self.source.value
        return True


@gc.node
class Kept(gc.MutableNode[Any]):
    """Says in the closing instant what it has kept."""

    source: gc.Active[Any]
    kept: dict[int, Any] = gc.state(factory=dict)

    def cycle(self, state: gc.GraphState) -> bool:
        self.kept[len(self.kept)] = self.source.value
        return False

    def close(self, state: gc.GraphState) -> bool:
        self.value = list(self.kept.values())
        return True


@gc.node
class Alarmed(gc.MutableNode[Any]):
    """Sets an alarm at some values, and cancels the one before at others."""

    source: gc.Active[Any]
    after: int

    def start(self, state: gc.GraphState) -> None:
        self.alarm: Any = None
        self.count = 0

    def cycle(self, state: gc.GraphState) -> bool:
        if state.due:
            record("due", state.time, self.count)
        if state.ticked(self.source):
            self.count += 1
            if self.count % 4 == 0:
                self.alarm = state.schedule(state.time + self.after)
            elif self.count % 7 == 0 and self.alarm is not None:
                self.alarm.cancel()
        self.value = self.count
        return state.due


def rescaled(value: Any) -> Any:
    """Change a global variable that functions in the native part read."""
    global SCALE
    if str(value).endswith("5"):
        SCALE = 3.0
    record("rescaled", value)
    return value


def scaled(value: Any) -> Any:
    return value * SCALE


def told(value: Any) -> str:
    record("told", value)
    return f"{value}!"


def looking(streams: list[Any]) -> Any:
    """Return a function that looks at nodes, and assigns their state, by a way nobody sees."""

    def look(value: Any) -> Any:
        for each in streams:
            node = each.node
            shown = {name: vars(node).get(name) for name in ("value", "count", "total", "recent")}
            record("look", value, node.ticked_in, list(shown.values()))
            if "total" in vars(node) and str(value).endswith("5"):
                node.total += 1.0
        return value

    return look


def sink(draw: random.Random, one: Any, other: Any) -> Any:
    """Return a stream that machine code leaves for Python."""
    steps: list[Any] = [
        lambda: gc.Stream(Tallied(one)),
        lambda: one.map(told),
        lambda: one.map(told).delay("3ns"),
        lambda: one.map(told).debounce("2ns"),
        lambda: one.map(told).merge(other.map(told)),
        lambda: one.map(lambda value: [value, str(value)]).unroll(),
        lambda: one.map(rescaled),
        lambda: one.map(looking([one, other])),
        lambda: gc.Stream(Watching(one, other)),
        lambda: gc.Stream(Watching(other, one)),
        lambda: one.for_each(print),
        lambda: gc.Stream(Kept(one)),
        lambda: gc.Stream(Alarmed(one, draw.choice([0, 1, 4]))),
        lambda: gc.Stream(Ending(one, draw.randint(1, 60), draw.random() < 0.5)),
        lambda: one.join(other, lambda a, b: {a: b}),
        lambda: one.map(told).throttle_latest("3ns"),
        lambda: one.map(told).sample(other),
    ]
    return draw.choice(steps)()
