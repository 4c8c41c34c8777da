"""Nodes that differ in how their class is made: by hand, by inheritance, by exec."""

import functools
from typing import Any, ClassVar, Generic, TypeVar

import graphcore as gc
from tests.differential.nodes.shape import shape
from tests.differential.observe import record

T = TypeVar("T")


@shape("number", "number", gives="tuple")
class ByHand(gc.MutableNode[Any]):
    def __init__(self, source: gc.Stream[Any], other: gc.Stream[Any]) -> None:
        super().__init__()
        self.source = source.node
        self.others = {"other": other.node}

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,), passive=(self.others["other"],))

    def start(self, state: gc.GraphState) -> None:
        self.seen: list[Any] = []

    def cycle(self, state: gc.GraphState) -> bool:
        other = self.others["other"]
        self.seen.append(self.source.value)
        self.value = (len(self.seen), other.value if state.valid(other) else None)
        return True


@shape("number", "number")
class KeepsStreams(gc.MutableNode[Any]):
    """Keeps streams, which have a `value` of their own, and returns them as its upstreams."""

    def __init__(self, source: gc.Stream[Any], other: gc.Stream[Any]) -> None:
        super().__init__()
        self.source, self.other = source, other

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source, self.other))

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value if state.ticked(self.source) else self.other.node.value
        return True


@shape("number", "number", gives="anything")
class ReadsWhatItDoesNotName(gc.MutableNode[Any]):
    """Reads a node that is not one of its upstreams."""

    def __init__(self, source: gc.Stream[Any], other: gc.Stream[Any]) -> None:
        super().__init__()
        self.source, self.other = source.node, other.node

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def cycle(self, state: gc.GraphState) -> bool:
        try:
            self.value = (self.other.value, self.other.ticked_in)
        except gc.NoValueError as error:
            self.value = str(error)
        return True


@shape("number")
class AllMustBeValid(gc.MutableNode[Any]):
    """Written by hand, but still runs only once its input has a value."""

    valid = "all"

    def __init__(self, source: gc.Stream[Any]) -> None:
        super().__init__()
        self.source = source.node

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def start(self, state: gc.GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return True


@gc.node
class Parent(gc.MutableNode[Any]):
    source: gc.Active[Any]
    total: Any = gc.state(0)
    factor: ClassVar[int] = 1

    def start(self, state: gc.GraphState) -> None:
        self.started = state.time

    def cycle(self, state: gc.GraphState) -> bool:
        self.total = self.total + self.source.value * self.factor
        self.value = self.bent(self.total)
        return True

    def bent(self, x: Any) -> Any:
        return x


@shape("number")
class Inherits(Parent):
    factor = 3


@shape("number")
class OverridesAMethod(Parent):
    def bent(self, x: Any) -> Any:
        return x + self.factor


@shape("number")
class CallsSuper(Parent):
    def start(self, state: gc.GraphState) -> None:
        super().start(state)
        self.cycles = 0

    def cycle(self, state: gc.GraphState) -> bool:
        self.cycles += 1
        ticked = super().cycle(state)
        self.value += self.cycles
        return ticked and self.cycles != 2


@shape("number")
class CallsItsParentByName(Parent):
    def cycle(self, state: gc.GraphState) -> bool:
        Parent.cycle(self, state)
        self.value = (self.value, __class__.__name__)
        return True


@shape("number", "number")
@gc.node
class AddsAnInput(Parent):
    other: gc.Active[Any]
    total: Any = gc.state(100)

    def cycle(self, state: gc.GraphState) -> bool:
        self.total += self.other.value
        return super().cycle(state)


class Mixin:
    kept: Any

    def cycle(self, state: gc.GraphState) -> bool:
        self.kept = state.time
        return super().cycle(state)


@shape("number")
class Mixed(Mixin, Parent):
    pass


@shape("number")
@gc.node
class OfAType(gc.MutableNode[T], Generic[T]):
    source: gc.Active[T]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return True


def add(self: Any, state: gc.GraphState) -> bool:
    self.total += self.source.value
    self.value = self.total
    return True


@shape("number")
@gc.node
class CycleFromElsewhere(gc.MutableNode[Any]):
    source: gc.Active[Any]
    total: Any = gc.state(0)
    cycle = add


@shape("number")
@gc.node
class CycleIsALambda(gc.MutableNode[Any]):
    source: gc.Active[Any]
    cycle = lambda self, state: setattr(self, "value", self.source.value) or True


def noted(method: Any) -> Any:
    @functools.wraps(method)
    def noting(self: Any, state: gc.GraphState) -> Any:
        record("cycle", self.source.value)
        return not method(self, state)

    return noting


@shape("number")
@gc.node
class CycleIsWrapped(gc.MutableNode[Any]):
    source: gc.Active[Any]

    @noted
    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return bool(self.value == 2)


@shape("number")
@gc.node
class CycleIsPartial(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def add(self, more: int, state: gc.GraphState) -> bool:
        self.value = self.source.value + more
        return True

    cycle = functools.partialmethod(add, 5)


@shape("number")
@gc.node
class CycleOfTheInstance(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cycle = self.other

    def other(self, state: gc.GraphState) -> bool:
        self.value = -self.source.value
        return True

    def cycle(self, state: gc.GraphState) -> bool:
        raise AssertionError("the instance has a cycle of its own")


@shape("number")
@gc.node
class CycleWithADefault(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState, more: int = 4, *rest: Any, **named: Any) -> bool:
        self.value = (self.source.value + more, rest, named)
        return True


def _made_with(k: int, kept: list[Any]) -> type[gc.MutableNode[Any]]:
    @gc.node
    class Closure(gc.MutableNode[Any]):
        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            nonlocal k
            k += 1
            kept.append(k)
            self.value = self.source.value + k
            return True

    return Closure


@shape("number")
class Closure(gc.MutableNode[Any]):
    def __new__(cls, source: gc.Stream[Any]) -> Any:
        return _made_with(3, [])(source)


def _another() -> type[gc.MutableNode[Any]]:
    @gc.node
    class Parent(gc.MutableNode[Any]):
        """Has the name of another class."""

        source: gc.Active[Any]
        total: Any = gc.state(7)

        def cycle(self, state: gc.GraphState) -> bool:
            self.total -= self.source.value
            self.value = self.total
            return True

    return Parent


@shape("number")
class SameNameAsAnother(gc.MutableNode[Any]):
    def __new__(cls, source: gc.Stream[Any]) -> Any:
        return _another()(source)


_TEXT = """
@gc.node
class WithoutSource(gc.MutableNode):
    source: gc.Active

    def cycle(self, state):
        self.value = self.source.value * 4
        return True
"""
_scope: dict[str, Any] = {"gc": gc, "__name__": __name__}
exec(_TEXT, _scope)
WithoutSource = shape("number")(_scope["WithoutSource"])


class Meta(type(gc.MutableNode)):
    """A metaclass."""

    size = 3


@shape("number")
@gc.node
class OfAMetaclass(gc.MutableNode[Any], metaclass=Meta):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value + type(self).size
        return True


@shape("number")
class CycleChangedLater(Parent):
    def cycle(self, state: gc.GraphState) -> bool:
        raise AssertionError("another cycle was put in this one's place")


def _changed(self: Any, state: gc.GraphState) -> bool:
    self.value = self.source.value - 1
    return True


CycleChangedLater.cycle = _changed


@shape("number")
class RenewsItself(Parent):
    def reset(self) -> None:
        super().reset()
        self.total = 1000
