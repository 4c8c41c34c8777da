"""An object given to a function, a node or a graph is the same object when it is read."""

import math
from typing import Any

import pytest

import graphcore as gc
from tests.differential.attacks.texts import fed
from tests.differential.both import agree

MISSING = "<not there>"


@gc.node
class Fills(gc.MutableNode[Any]):
    source: gc.Active[Any]
    default: Any

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.default if self.source.value is None else self.source.value
        return True


_OBJECTS = [
    "".join(["<not", " there>"]),
    10**30,
    float("1.5"),
    bytes([1, 2, 3]),
    (1, "a"),
    math.nan,
    frozenset([1]),
    complex(1, 2),
    "e".join("xyz"),
]


@pytest.mark.parametrize("missing", _OBJECTS, ids=repr)
def test_an_object_of_a_closure_is_that_object(missing: Any) -> None:
    def wire() -> Any:
        filled = gc.from_iterable([1, None, 3]).map(lambda v: missing if v is None else v)
        return filled.filter(lambda v: v is not missing).collect()

    assert agree(wire) == [[1, 3]]


@pytest.mark.parametrize("missing", _OBJECTS, ids=repr)
def test_an_object_that_is_a_parameter_is_that_object(missing: Any) -> None:
    def wire() -> Any:
        filled = gc.Stream(Fills(gc.from_iterable([1, None, 3]), missing))
        return filled.map(lambda v: v is missing).collect()

    assert agree(wire) == [[False, True, False]]


@pytest.mark.parametrize("missing", _OBJECTS, ids=repr)
def test_an_object_that_is_a_constant_is_that_object(missing: Any) -> None:
    assert agree(lambda: gc.constant(missing).map(lambda v: v is missing).collect()) == [[True]]


@pytest.mark.parametrize("missing", _OBJECTS, ids=repr)
def test_an_object_that_is_a_default_or_a_first_value_is_that_object(missing: Any) -> None:
    def wire() -> Any:
        kept = gc.from_iterable([1, 2]).scan(lambda acc, v: acc, missing)
        return kept.map(lambda v, missing=missing: v is missing).collect()

    assert agree(wire) == [[True, True]]


def test_an_object_that_is_a_global_or_a_class_attribute_is_that_object() -> None:
    @gc.node
    class Marks(gc.MutableNode[Any]):
        source: gc.Active[Any]
        mark = MISSING

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = (self.mark is MISSING, self.source.value is MISSING)
            return True

    assert fed(Marks, MISSING, str(MISSING[:3] + MISSING[3:])) == [(True, True), (True, False)]


def test_an_object_that_is_state_is_that_object() -> None:
    first = "".join(["fir", "st"])

    @gc.node
    class Begins(gc.MutableNode[Any]):
        source: gc.Active[Any]
        last: Any = gc.state(first)

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.last is first
            self.last = self.source.value
            return True

    assert fed(Begins, "first", first, 3) == [True, first == "x", True]
