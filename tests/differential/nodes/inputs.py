"""Nodes that differ in what they read, when they run, and what their `cycle` returns."""

from typing import Any

import graphcore as gc
from tests.differential.nodes.shape import SHAPES, Shape, shape
from tests.differential.observe import record


@shape("number")
@gc.node
class OneMore(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value + 1
        return True


@shape("number", "number", "number")
@gc.node
class Spread(gc.MutableNode[Any]):
    bid: gc.Active[Any]
    ask: gc.Active[Any]
    scale: gc.Passive[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (self.ask.value - self.bid.value) * self.scale.value
        return True


@shape("number*")
@gc.node
class Total(gc.MutableNode[Any]):
    sources: list[gc.Active[Any]]

    def cycle(self, state: gc.GraphState) -> bool:
        total = 0
        for source in self.sources:
            total += source.value
        self.value = total
        return True


@gc.node(valid="any")
class ByName(gc.MutableNode[Any]):
    sources: dict[str, gc.Active[Any]]

    def cycle(self, state: gc.GraphState) -> bool:
        found = {}
        for name, source in self.sources.items():
            if state.ticked(source):
                found[name] = source.value
        for name in self.sources:
            if name != "n0" and state.valid(self.sources[name]):
                found[f"{name}?"] = self.sources[name].value
        found["field"] = [s.value for s in self.sources.values()] if len(found) == 5 else 0
        self.value = found
        return True


def by_name(streams: list[Any]) -> ByName:
    return ByName({f"n{place}": stream for place, stream in enumerate(streams)})


SHAPES["ByName"] = Shape(by_name, ("number*",), "dict")


@shape("number*")
@gc.node(valid="any")
class Numbered(gc.MutableNode[Any]):
    sources: list[gc.Active[Any]]

    def cycle(self, state: gc.GraphState) -> bool:
        for place, source in enumerate(self.sources):
            if state.ticked(source):
                self.value = place
                return True
        return False


@shape("number*", "number*", gives="tuple")
@gc.node
class TwoLists(gc.MutableNode[Any]):
    triggers: list[gc.Active[Any]]
    others: list[gc.Passive[Any]]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (
            sum([s.value for s in self.triggers]),
            len(self.others),
            self.others[-1].value,
        )
        return True


@shape("number*")
@gc.node(valid="any")
class TotalOfThoseThere(gc.MutableNode[Any]):
    sources: list[gc.Active[Any]]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = sum(source.value for source in self.sources if state.valid(source))
        return True


@shape("number", "number")
@gc.node(valid="any")
class OtherIfThere(gc.MutableNode[Any]):
    first: gc.Active[Any]
    other: gc.Passive[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        if state.valid(self.other):
            self.value = self.other.value
            return True
        self.value = self.first.value
        return state.ticked(self.first)


@shape("number", "number")
@gc.node(valid="any")
class ReadsTooEarly(gc.MutableNode[Any]):
    first: gc.Active[Any]
    other: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.first.value
        self.value = self.value - self.other.value
        return True


@shape("anything", "anything", gives="tuple")
@gc.node(valid="any")
class WhichTicked(gc.MutableNode[Any]):
    one: gc.Active[Any]
    other: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (
            state.ticked(self.one),
            state.ticked(self.other),
            state.valid(self.one),
            state.valid(self.other),
            state.ticked(self),
            state.valid(self),
        )
        return True


@shape("anything", "anything", gives="anything")
@gc.node(valid="any")
class FirstThatTicked(gc.MutableNode[Any]):
    one: gc.Active[Any]
    other: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        if state.ticked(self.one):
            self.value = self.one.value
            return True
        if state.ticked(self.other):
            self.value = self.other.value
            return True
        return False


@shape("anything", gives="anything")
@gc.node
class SameTwice(gc.MutableNode[Any]):
    one: gc.Active[Any]
    again: gc.Passive[Any] = None  # type: ignore[assignment]  # set below

    def __post_init__(self) -> None:
        self.again = self.one
        super().__post_init__()

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (self.one is self.again, self.again.value)
        return True


@shape("number", gives="tuple")
@gc.node
class Clock(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (
            state.time,
            state.start_time,
            state.elapsed,
            str(state.run_mode),
            state.due,
            state.stopping,
            state.ended_by,
        )
        return True


@shape("anything", gives="tuple")
@gc.node
class OtherNames(gc.MutableNode[Any]):
    """`self` and `state` may have any names."""

    source: gc.Active[Any]

    def cycle(this, s: gc.GraphState) -> bool:
        self = this.source.value
        state = s.time
        this.value = (self, state)
        return True


@shape("anything", gives="anything")
@gc.node
class NeverTicks(gc.MutableNode[Any]):
    source: gc.Active[Any]
    seen: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.seen += 1
        record("NeverTicks", self.seen)
        return False


@shape("number")
@gc.node
class SetsItsValueWithoutTicking(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return self.value > 1


@shape("number")
@gc.node
class TicksWithoutAValue(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        if self.source.value != 1:
            self.value = self.source.value
        return True


@shape("number")
@gc.node
class SetsItsValueTwice(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        record("SetsItsValueTwice", self.value)
        self.value = self.value * 10
        return True


@shape("number")
@gc.node
class ReadsItsOwnValue(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        if state.valid(self):
            self.value += self.source.value
        else:
            self.value = self.source.value
        return True


@shape("number")
@gc.node
class ReadsItsOwnValueTooEarly(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        if self.source.value == 1:
            self.value = 1
        self.value = self.value + 1
        return True


@shape("number")
@gc.node
class DeletesItsValue(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        if self.value == 2:
            del self.value
            return False
        return True


@shape("number")
@gc.node
class ReturnsItsValue(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return self.value  # type: ignore[no-any-return]  # what is tried


@shape("number")
@gc.node
class ReturnsAllSorts(gc.MutableNode[Any]):
    source: gc.Active[Any]
    number: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.number
        self.number += 1
        return [1, 0, None, "x", "", [], [0], 2.5, -0.0][self.number % 9]


@shape("number")
@gc.node
class ReturnsNothing(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        nothing = None  # a literal `return None` would be refused
        return nothing


@shape("number")
@gc.node
class ReturnsNothingAtTheEnd(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        if self.value < 2:
            return True


class Undecided:
    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")


@shape("number")
@gc.node
class ReturnsTheUndecided(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return Undecided() if self.value == 3 else True


@shape("number")
@gc.node
class FailsInTheMiddle(gc.MutableNode[Any]):
    source: gc.Active[Any]
    before: int = gc.state(0)
    after: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.before += 1
        self.value = self.before * 100
        if self.source.value == 3:
            raise ValueError(f"{self.source.value} at {state.time}")
        self.after += 1
        return True


@shape("number")
@gc.node
class FailsBetweenTwoTargets(gc.MutableNode[Any]):
    source: gc.Active[Any]
    left: Any = gc.state(0)
    right: Any = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.left, self.right = self.source.value, 1 / (self.source.value - 2)
        self.left = self.value = 1 / (self.source.value - 1)
        return True


@shape("number")
@gc.node
class StopsTheRun(gc.MutableNode[Any]):
    source: gc.Active[Any]
    left: int = gc.state(2)

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        self.left -= 1
        if not self.left:
            state.stop()
            record("stopped", state.stopping)
        return True


@shape("number")
@gc.node
class FailsInStop(gc.MutableNode[Any]):
    source: gc.Active[Any]
    last: Any = gc.state(None)

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.last = self.source.value
        return True

    def stop(self, state: gc.GraphState) -> None:
        record("FailsInStop", self.last, str(state.ended_by), self.source.ticked_in)
        if self.last == 2:
            raise RuntimeError(f"last was {self.last}, read {self.source.value}")
