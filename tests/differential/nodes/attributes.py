"""Nodes that differ in their attributes, and in how they read them."""

import functools
from typing import Any, ClassVar

import graphcore as gc
from tests.differential.nodes.shape import shape
from tests.differential.observe import record, restored_before_each_run


@shape("number")
@gc.node
class Counts(gc.MutableNode[Any]):
    source: gc.Active[Any]
    count: int = gc.state(0)
    step: int = 2

    def cycle(self, state: gc.GraphState) -> bool:
        self.count += self.step
        self.value = self.count
        return True


@shape("number", gives="anything")
@gc.node
class CountsByValue(gc.MutableNode[Any]):
    source: gc.Active[Any]
    counts: dict[Any, int] = gc.state(factory=dict)
    order: list[Any] = gc.state(factory=list)

    def cycle(self, state: gc.GraphState) -> bool:
        x = self.source.value
        if x not in self.counts:
            self.counts[x] = 0
            self.order.append(x)
        self.counts[x] += 1
        self.value = self.counts
        return True


@shape("number", gives="tuple")
@gc.node
class SeveralTargets(gc.MutableNode[Any]):
    source: gc.Active[Any]
    a: Any = gc.state(0)
    b: Any = gc.state(1)
    items: list[Any] = gc.state(factory=lambda: [0, 0])

    def cycle(self, state: gc.GraphState) -> bool:
        self.a, self.b = self.b, self.a + self.source.value
        last = self.items[0] = self.items[1]
        self.items[1], (x, self.a) = self.b, (last, self.a)
        self.value = (self.a, self.b, x)
        return True


@shape("number")
@gc.node
class DeletesState(gc.MutableNode[Any]):
    source: gc.Active[Any]
    x: Any = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.x
        del self.x
        if self.source.value == 3:
            self.value = self.x
        self.x = self.source.value
        return True


@shape("number")
@gc.node
class NewAttribute(gc.MutableNode[Any]):
    """An undeclared attribute, which keeps its value in the next run."""

    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.before = self.source.value
        self.value = self.before
        return True


@shape("number")
@gc.node
class AttributeThatMayBeMissing(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def start(self, state: gc.GraphState) -> None:
        if hasattr(self, "seen"):
            del self.seen

    def cycle(self, state: gc.GraphState) -> bool:
        if not hasattr(self, "seen"):
            self.seen = 0
        self.seen += 1
        self.value = self.seen
        return True


@shape("number")
@gc.node
class AttributeThatIsMissing(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        if self.source.value == 2:
            self.late = 5
        self.value = self.late  # missing before
        return True


@shape("number")
@gc.node
class AttributesByName(gc.MutableNode[Any]):
    source: gc.Active[Any]
    x: Any = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        setattr(self, "x", getattr(self, "x") + 1)  # what is tried
        vars(self)["y"] = self.x
        self.__dict__["x"] += 10
        self.value = self.x
        return True


@shape("number")
@gc.node
class Private(gc.MutableNode[Any]):
    source: gc.Active[Any]
    __hidden: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.__hidden += 1
        __local = self.__hidden * 2
        self.value = __local
        return True


@shape("number")
@gc.node
class Property(gc.MutableNode[Any]):
    source: gc.Active[Any]
    celsius: Any = gc.state(0)

    @property
    def fahrenheit(self) -> Any:
        record("get", self.celsius)
        return self.celsius * 2 + 32

    @fahrenheit.setter
    def fahrenheit(self, degrees: Any) -> None:
        self.celsius = (degrees - 32) / 2

    def cycle(self, state: gc.GraphState) -> bool:
        self.fahrenheit = self.source.value
        self.celsius = self.celsius + 1
        self.value = self.fahrenheit
        return True


@shape("number")
@gc.node
class CachedProperty(gc.MutableNode[Any]):
    source: gc.Active[Any]
    x: Any = gc.state(0)

    @functools.cached_property
    def first(self) -> Any:
        return self.x

    def cycle(self, state: gc.GraphState) -> bool:
        self.x = self.source.value
        self.value = self.first
        return True


@shape("number")
class ValueIsAProperty(gc.MutableNode[Any]):
    def __init__(self, source: gc.Stream[Any]) -> None:
        super().__init__()
        self.source = source.node
        self.kept = 0

    @property
    def value(self) -> Any:
        return self.kept * 10

    @value.setter
    def value(self, given: Any) -> None:
        self.kept = given

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return True


@shape("number")
@gc.node
class ClassAttribute(gc.MutableNode[Any]):
    source: gc.Active[Any]
    factor = 3
    made: ClassVar[int] = 0

    def cycle(self, state: gc.GraphState) -> bool:
        type(self).made += 1
        self.value = self.source.value * self.factor + self.made
        if self.source.value == 2:
            self.factor = 5
        return True


@restored_before_each_run
def _restore() -> None:
    ClassAttribute.made = 0
    ChangedByAnother.limit = 1


class ChangedByAnother(gc.MutableNode[Any]):
    limit = 1


@shape("number")
@gc.node
class ReadsAClassAttribute(ChangedByAnother):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.limit
        return True


@shape("number")
@gc.node
class ChangesAClassAttribute(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        ChangedByAnother.limit += 1
        self.value = self.source.value
        return True


@shape("number")
@gc.node
class Slots(gc.MutableNode[Any]):
    __slots__ = ("kept",)
    source: gc.Active[Any]

    def start(self, state: gc.GraphState) -> None:
        self.kept = 0

    def cycle(self, state: gc.GraphState) -> bool:
        self.kept += self.source.value
        self.value = self.kept
        return True


class Positive:
    """A descriptor that refuses negative numbers."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.place = f"_{name}"

    def __get__(self, instance: object, owner: type) -> Any:
        return self if instance is None else getattr(instance, self.place, 0)

    def __set__(self, instance: object, given: Any) -> None:
        if given < 0:
            raise ValueError(f"{given} is negative")
        setattr(instance, self.place, given)


@shape("number")
@gc.node
class Descriptor(gc.MutableNode[Any]):
    source: gc.Active[Any]
    size = Positive()

    def cycle(self, state: gc.GraphState) -> bool:
        self.size = self.source.value + self.size
        self.value = self.size
        return True


@shape("number")
@gc.node
class SetsByItsOwnRule(gc.MutableNode[Any]):
    source: gc.Active[Any]
    x: Any = gc.state(0)

    def __setattr__(self, name: str, given: Any) -> None:
        if name == "x":
            record("set", given)
        super().__setattr__(name, given)

    def cycle(self, state: gc.GraphState) -> bool:
        self.x = self.source.value
        self.value = self.x
        return True


@shape("number")
@gc.node
class GetsByItsOwnRule(gc.MutableNode[Any]):
    source: gc.Active[Any]
    x: Any = gc.state(0)

    def __getattribute__(self, name: str) -> Any:
        if name == "x":
            record("get")
        return super().__getattribute__(name)

    def cycle(self, state: gc.GraphState) -> bool:
        self.x = self.source.value
        self.value = self.x + self.x
        return True


@shape("number")
@gc.node
class GetsWhatIsMissing(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "node":
            raise AttributeError(name)
        return len(name)

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value + self.seven
        return True


@shape("number")
@gc.node
class HandsItselfOn(gc.MutableNode[Any]):
    source: gc.Active[Any]
    x: Any = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.x += 1
        change(self)
        self.value = self.x
        return True


def change(node: Any) -> None:
    record("change", node.x)
    node.x += 10


@shape("number")
@gc.node
class CallsItsMethods(gc.MutableNode[Any]):
    source: gc.Active[Any]
    total: Any = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.total += 1
        self._take(self.source.value)
        self.value = self._twice(*[self.total], **{"more": 1}) + self.of_the_class()
        return self._large()

    def _take(self, x: Any) -> None:
        self.total = self.total + x

    @staticmethod
    def _twice(x: Any, more: Any = 0) -> Any:
        return x * 2 + more

    @classmethod
    def of_the_class(cls) -> int:
        return len(cls.__name__)

    def _large(self) -> bool:
        return bool(self.value > 20)


@shape("number")
@gc.node
class KeepsABoundMethod(gc.MutableNode[Any]):
    source: gc.Active[Any]
    x: Any = gc.state(0)

    def start(self, state: gc.GraphState) -> None:
        self.take = self._take

    def _take(self, x: Any) -> Any:
        self.x += x
        return self.x

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.take(self.source.value)
        return True


@shape("number")
@gc.node
class CallsAFunctionOfItsOwn(gc.MutableNode[Any]):
    source: gc.Active[Any]
    function: Any = staticmethod(lambda *values: (record("own", *values), max(values))[1])

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.function(*[self.source.value, 1])
        return True


@shape("number", gives="tuple")
@gc.node
class LooksAtItself(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (self.name, self.ticked_in, self.operator, repr(self), self.wired_at[1] > 0)
        return True
