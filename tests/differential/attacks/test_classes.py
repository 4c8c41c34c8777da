"""Classes with special attributes, methods and comparisons."""

import functools
import operator
import threading
from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import wait_until
from tests.differential.both import agree


class Base(gc.MutableNode[Any]):
    """Adds its input to `n`."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.source = source.node

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def start(self, state: gc.GraphState) -> None:
        self.n = 0

    def cycle(self, state: gc.GraphState) -> bool:
        self.n += self.source.value
        self.value = self.n
        return True


def fed(cls: Any, *values: Any) -> list[Any]:
    return agree(lambda: gc.Stream(cls(gc.from_iterable(list(values)))).collect())[0]


# Attributes with descriptors


class Positive:
    """A validator: it has only `__set__`, and keeps the value in the object's own dict."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __set__(self, node: Any, value: int) -> None:
        if value < 0:
            raise ValueError(f"{self.name} must not be negative: {value}")
        vars(node)[self.name] = value


class Deletes(Positive):
    def __delete__(self, node: Any) -> None:
        vars(node).pop(self.name, None)


class Doubles(Positive):
    def __get__(self, node: Any, owner: type) -> Any:
        return self if node is None else 2 * vars(node)[self.name]


class Once:
    """It has only `__get__`, so that an attribute of the object hides it."""

    def __get__(self, node: Any, owner: type) -> Any:
        return self if node is None else 50


class Validated(Base):
    n = Positive()


class ValidatedByABase(Validated):
    pass


class ValidatedAndDeleted(Base):
    n = Deletes()

    def cycle(self, state: gc.GraphState) -> bool:
        self.n += self.source.value
        self.value = self.n
        del self.n
        self.n = 1
        return True


class Doubled(Base):
    n = Doubles()


class HidesADescriptor(Base):
    n = Once()

    def start(self, state: gc.GraphState) -> None:
        vars(self).pop("n", None)


class SetsByHand(Base):
    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, -value if name == "n" else value)


class GetsByHand(Base):
    def __getattribute__(self, name: str) -> Any:
        got = super().__getattribute__(name)
        return got + 100 if name == "n" else got


class GetsWhatIsMissing(Base):
    def start(self, state: gc.GraphState) -> None:
        vars(self).pop("n", None)

    def __getattr__(self, name: str) -> Any:
        if name == "n":
            return 1000
        raise AttributeError(name)


class Slotted(Base):
    __slots__ = ("n",)


class ValidatesItsValue(Base):
    value = Positive()  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (Validated, [1, "ValueError: n must not be negative: -1"]),
        (ValidatedByABase, [1, "ValueError: n must not be negative: -1"]),
        (ValidatedAndDeleted, [1, "ValueError: n must not be negative: -1"]),
        (Doubled, [2, 0, 6]),
        (HidesADescriptor, [51, 49, 52]),
        (SetsByHand, [-1, 3, -6]),
        (GetsByHand, [201, 299, 402]),
        (GetsWhatIsMissing, [1001, 999, 1002]),
        (Slotted, [1, -1, 2]),
    ],
)
def test_an_attribute_that_is_more_than_a_place(cls: Any, expected: list[Any]) -> None:
    assert fed(cls, 1, -2, 3) == expected


def test_a_descriptor_of_value_refuses_what_it_refuses() -> None:
    wire = lambda: gc.Stream(ValidatesItsValue(gc.from_iterable([1, -2]))).collect()  # noqa: E731
    seen = agree(wire, judged=False)[0]
    assert seen == [1, "ValueError: value must not be negative: -1"]


def test_a_property_with_a_setter_and_one_without() -> None:
    class Through(Base):
        @property
        def m(self) -> int:
            return self.n * 10

        @m.setter
        def m(self, m: int) -> None:
            self.n = m + 1

        def cycle(self, state: gc.GraphState) -> bool:
            self.m += self.source.value
            self.value = (self.m, self.n)
            return True

    assert fed(Through, 1, 2) == [(20, 2), (230, 23)]


def test_a_property_that_cannot_be_set() -> None:
    class Fixed(Base):
        @property
        def m(self) -> int:
            return 1

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.m
            self.m = 2
            return True

    (error,) = fed(Fixed, 1)
    assert error.startswith("AttributeError: property 'm'")


# Methods that are not plain functions


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        args[0].calls += 1
        return function(*args, **kwargs)

    return wrapper


class AttributeGetter(Base):
    total = property(operator.attrgetter("n"))

    def cycle(self, state: gc.GraphState) -> bool:
        self.n += self.source.value
        self.value = self.total
        return True


class WrapsAPartial(Base):
    @functools.wraps(functools.partial(max, 1))
    def helper(self) -> int:
        return 1

    def cycle(self, state: gc.GraphState) -> bool:
        self.n += self.helper()
        self.value = self.n
        return True


class PartialMethod(Base):
    def add(self, a: int, b: int) -> int:
        self.n += a + b
        return self.n

    add_ten = functools.partialmethod(add, 10)

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.add_ten(self.source.value)
        return True


class Dispatches(Base):
    @functools.singledispatchmethod
    def add(self, x: Any) -> None:
        raise TypeError

    @add.register
    def _(self, x: int) -> None:
        self.n += x

    def cycle(self, state: gc.GraphState) -> bool:
        self.add(self.source.value)
        self.value = self.n
        return True


class Builtins(Base):
    largest = staticmethod(max)
    smallest = min
    length = len

    def cycle(self, state: gc.GraphState) -> bool:
        self.n += self.source.value
        self.value = (self.largest(self.n, 2), self.smallest(1, 2), self.length("ab"))
        return True


class _CallsBack:
    def __get__(self, node: Any, owner: type) -> Any:
        return functools.partial(self, node)

    def __call__(self, node: Any, x: int) -> int:
        node.n += x
        return int(node.n)


class ObjectAsMethod(Base):
    add = _CallsBack()

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (self.add(self.source.value), self.n)
        return True


class LambdaAsMethod(Base):
    add = lambda self, x: setattr(self, "n", self.n + x)  # noqa: E731

    def cycle(self, state: gc.GraphState) -> bool:
        self.add(self.source.value)
        self.value = self.n
        return True


class Decorated(Base):
    calls = 0

    @counted
    def poke(self) -> int:
        return self.n

    def start(self, state: gc.GraphState) -> None:
        self.n = self.calls = 0

    def cycle(self, state: gc.GraphState) -> bool:
        self.n += 1
        self.value = (self.poke(), self.calls)
        return True


class DecoratedCycle(Base):
    calls = 0

    def start(self, state: gc.GraphState) -> None:
        self.n = self.calls = 0

    @counted
    def cycle(self, state: gc.GraphState) -> bool:
        self.n += 1
        self.value = (self.n, self.calls)
        return True


class ClassMethods(Base):
    total = 0

    @classmethod
    def add(cls, x: int) -> int:
        cls.total += x
        return cls.total

    @staticmethod
    def twice(x: int) -> int:
        return 2 * x

    def start(self, state: gc.GraphState) -> None:
        type(self).total = 0

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (self.twice(self.source.value), self.add(self.source.value), self.total)
        return True


class CallsSuper(Base):
    def cycle(self, state: gc.GraphState) -> bool:
        ticked = super().cycle(state)
        self.value = (self.value, ticked)
        return ticked


class RecursiveMethod(Base):
    def factorial(self, x: int) -> int:
        self.n += 1
        return x * self.factorial(x - 1) if x > 1 else 1

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (self.factorial(self.source.value), self.n)
        return True


class AliasedMethod(Base):
    def add(self, x: int) -> None:
        self.n += x

    plus = add

    def cycle(self, state: gc.GraphState) -> bool:
        plus, add = self.plus, type(self).add
        plus(self.source.value)
        add(self, 1)
        self.value = self.n
        return True


@pytest.mark.parametrize(
    "cls",
    [
        AttributeGetter,
        WrapsAPartial,
        PartialMethod,
        Dispatches,
        Builtins,
        ObjectAsMethod,
        LambdaAsMethod,
        Decorated,
        DecoratedCycle,
        ClassMethods,
        CallsSuper,
        RecursiveMethod,
        AliasedMethod,
    ],
)
def test_a_method_that_is_no_plain_function(cls: Any) -> None:
    seen = fed(cls, 1, 2, 3)
    assert len(seen) == 3 and "Error" not in str(seen)


@pytest.mark.parametrize("cls", [AttributeGetter, Decorated, ClassMethods, PartialMethod])
def test_a_function_of_another_node_calls_the_method(cls: Any) -> None:
    calls: dict[Any, Callable[[Any], Any]] = {
        AttributeGetter: lambda node: node.total,
        Decorated: lambda node: (node.poke(), node.calls),
        ClassMethods: lambda node: node.add(100),
        PartialMethod: lambda node: node.add_ten(100),
    }

    def wire() -> Any:
        node = cls(gc.from_iterable([1, 2, 3]))
        looked = gc.Stream(node).map(lambda v: calls[cls](node))
        return looked.combine(gc.Stream(node)).collect()

    assert len(agree(wire)[0]) == 3


@pytest.mark.parametrize("tier", ["interpreted", "fused"])
def test_a_live_run_sees_what_a_threads_decorated_call_sets(tier: Any) -> None:
    @gc.node
    class Poked(gc.MutableNode[Any]):
        source: gc.Active[Any]
        calls: int = gc.state(0)

        @counted
        def poke(self) -> int:
            return 1

        def start(self, state: gc.GraphState) -> None:
            self.state = state

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.calls
            return True

    node = Poked(gc.ticker("1ms"))
    seen: list[int] = []

    def feed() -> None:
        wait_until(lambda: seen)
        for _ in range(3):
            node.poke()

    def see(calls: int) -> None:
        seen.append(calls)
        if calls == 3:
            node.state.stop()

    thread = threading.Thread(target=feed, name="pokes")
    thread.start()
    gc.Stream(node).for_each(see).run(realtime=True, duration="20s", tier=tier)
    thread.join()
    assert seen[-1] == 3


# Nodes that define `__class__`, comparison or hashing


class Scales(Base):
    def __init__(self, source: Any, k: int) -> None:
        super().__init__(source)
        self.k = k

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value * self.k
        return True


class Equal(Scales):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scales) and self.k == other.k

    def __hash__(self) -> int:
        return hash(self.k)


class Unhashable(Scales):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scales) and self.k == other.k

    __hash__ = None  # type: ignore[assignment]


class Incomparable(Scales):
    def __eq__(self, other: object) -> bool:
        raise TypeError("not to be compared")

    def __hash__(self) -> int:
        return 1


class Empty(Scales):
    def __len__(self) -> int:
        return 0


class Untrue(Scales):
    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")


class Iterates(Scales):
    def __iter__(self) -> Any:
        return iter((1, 2))

    def __contains__(self, item: object) -> bool:
        return True


class Orders(Scales):
    def __lt__(self, other: object) -> bool:
        raise TypeError("not to be ordered")


class Arithmetic(Scales):
    def __eq__(self, other: object) -> Any:
        return self

    def __hash__(self) -> int:
        return 2

    def __bool__(self) -> bool:
        return True


@pytest.mark.parametrize(
    "cls",
    [Equal, Unhashable, Incomparable, Empty, Untrue, Iterates, Orders, Arithmetic],
)
def test_nodes_are_told_apart_by_identity(cls: Any) -> None:
    def wire() -> Any:
        x, y = gc.from_iterable([1, 2]), gc.from_iterable([10, 20])
        return (gc.Stream(cls(x, 2)) + gc.Stream(cls(y, 2))).collect()

    assert agree(wire, lambda _: None) == [[22, 44]] * 2


@pytest.mark.parametrize("cls", [Equal, Unhashable, Incomparable, Untrue, Arithmetic])
def test_an_error_names_the_node_that_failed_among_equal_ones(cls: Any) -> None:
    def wire() -> Any:
        x, y = gc.from_iterable([1, 2]), gc.from_iterable([10, None])
        return (gc.Stream(cls(x, 2)).named("good") + gc.Stream(cls(y, 2)).named("bad")).collect()

    (seen,) = agree(wire)
    assert seen[0] == 22 and seen[1].startswith("TypeError: unsupported operand")


def test_state_is_asked_about_equal_nodes_one_by_one() -> None:
    @gc.node(valid="any")
    class Which(gc.MutableNode[Any]):
        a: gc.Active[Any]
        b: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            asked = [state.ticked(self.a), state.ticked(self.b)]
            self.value = [*asked, state.valid(self.a), state.valid(self.b)]
            return True

    def wire() -> Any:
        x, y = gc.replay([(1, 1), (3, 3)]), gc.replay([(2, 2), (3, 3)])
        return gc.Stream(Which(Equal(x, 2), Equal(y, 2))).collect()

    assert agree(wire) == [
        [[True, False, True, False], [False, True, True, True], [True, True, True, True]]
    ]
