"""On both tiers an error keeps its type, its text and its node, whatever raises it."""

from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc
from tests.differential.both import agree
from tests.differential.observe import difference, run
from tests.differential.recipe import graph_of


class Reading:
    """An object whose attributes and items are missing."""

    price = 1


# Missing keys and attributes with the names of a node's own

_ROWS = [{"value": 1, "source": "a", "count": 1, "function": 1, "times": 1}, {"price": 2}]
_OF_ROWS: dict[str, Callable[[Any, str], Any]] = {
    "map": lambda rows, key: rows.map(lambda r: r[key]),
    "filter": lambda rows, key: rows.filter(lambda r: r[key]),
    "filter_map": lambda rows, key: rows.filter_map(lambda r: r[key]),
    "item": lambda rows, key: rows[key],
    "for_each": lambda rows, key: rows.for_each(lambda r: r[key]),
    "scan": lambda rows, key: rows.scan(lambda n, r: (n, r[key]), 0),
    "join": lambda rows, key: rows.join(rows, function=lambda a, b: (a[key], b)),
    "map twice": lambda rows, key: rows.map(lambda r: dict(r)).map(lambda r: r[key]),
    "split": lambda rows, key: rows.split(lambda r: r[key])[0],
}


@pytest.mark.parametrize("key", ["value", "source", "function", "count", "times"])
@pytest.mark.parametrize("of", _OF_ROWS)
def test_a_missing_key_is_a_key_error(of: str, key: str) -> None:
    (seen,) = agree(lambda: _OF_ROWS[of](gc.from_iterable(_ROWS), key).collect())
    assert seen[-1] == f"KeyError: {key!r}"


def test_a_missing_key_with_the_key_in_the_text() -> None:
    for function in (
        lambda r: r["value"],
        lambda r: r.__getitem__("value"),
        lambda r: {"value": 1, **r}["value"] and r["value"],
        lambda r: {k: r[k] for k in ("value",)},
    ):
        (seen,) = agree(lambda f=function: gc.from_iterable(_ROWS).map(f).collect())
        assert seen[-1] == "KeyError: 'value'"


@pytest.mark.parametrize("name", ["value", "source", "ticked_in", "count"])
def test_a_missing_attribute_is_an_attribute_error(name: str) -> None:
    (seen,) = agree(lambda: gc.from_iterable([Reading()]).field(name).collect())
    assert seen == [f"AttributeError: 'Reading' object has no attribute '{name}'"]
    (seen,) = agree(lambda: gc.from_iterable([Reading()]).map(lambda r: getattr(r, name)).collect())
    assert seen == [f"AttributeError: 'Reading' object has no attribute '{name}'"]


def test_a_missing_attribute_of_the_node_itself() -> None:
    @gc.node
    class Forgets(gc.MutableNode[Any]):
        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.total + self.source.value  # type: ignore[attr-defined]
            return True

    (seen,) = agree(lambda: gc.Stream(Forgets(gc.from_iterable([1]))).collect())
    assert seen == ["AttributeError: 'Forgets' object has no attribute 'total'"]


# Names that are not bound


@gc.node
class NeverBegan(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value += self.source.value
        return True


@gc.node
class ReadsItsValueFirst(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (self.value, self.source.value)
        return True


@gc.node
class HandsItsValueOn(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = max(self.source.value, self.value)
        return True


@gc.node
class LocalOfABranch(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        if self.source.value < 0:
            total = 1
        self.value = total
        return True


@gc.node
class DeletedState(gc.MutableNode[Any]):
    source: gc.Active[Any]
    n: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        del self.n
        self.value = self.n
        return True


@pytest.mark.parametrize(
    "cls", [NeverBegan, ReadsItsValueFirst, HandsItsValueOn, LocalOfABranch, DeletedState]
)
def test_the_note_of_an_unbound_name_shows_the_node_that_read_it(cls: Any) -> None:
    def wire() -> Any:
        innocent = gc.from_iterable(range(40)).filter(lambda v: v > 20).map(lambda v: v + 1)
        return gc.Stream(cls(innocent.named("innocent"))).named("guilty").collect()

    outcomes = [run(graph_of(wire()), tier=tier) for tier in ("interpreted", "fused")]
    assert difference(*outcomes) is None
    assert "in guilty (" in outcomes[1]["error"]
    agree(wire)


def test_a_value_that_is_read_too_early_by_a_function() -> None:
    def wire() -> Any:
        late = gc.replay([(5, 1)]).map(lambda v: v)
        return [gc.replay([(1, 1)]).map(lambda v: late.value).collect(), late]

    (seen,) = agree(wire)
    assert seen[0].endswith("has no value yet: it has not ticked in this run")


def test_a_variable_of_a_closure_that_is_not_bound() -> None:
    def make() -> Any:
        class Calls(gc.MutableNode[Any]):
            def __init__(self, source: Any) -> None:
                super().__init__()
                self.source = source.node

            def upstreams(self) -> gc.Upstreams:
                return gc.Upstreams(active=(self.source,))

            def cycle(self, state: gc.GraphState) -> bool:
                self.value = helper(self.source.value)
                return True

        def wire() -> Any:
            return gc.Stream(Calls(gc.from_iterable([1]))).collect()

        return wire
        helper = None

    (seen,) = agree(make())
    assert seen[0].startswith("NameError: cannot access free variable 'helper'")


def test_a_variable_of_a_lambdas_closure_that_is_not_bound() -> None:
    def make() -> Any:
        def wire() -> Any:
            return gc.from_iterable([1]).map(lambda v: v + later).collect()

        return wire
        later = 1

    (seen,) = agree(make())
    assert seen[0].startswith("NameError: cannot access free variable 'later'")


def test_a_global_that_is_missing() -> None:
    function = lambda v: not_there_at_all + v  # type: ignore[name-defined]  # noqa: E731, F821
    (seen,) = agree(lambda: gc.from_iterable([1]).map(function).collect())
    assert seen == ["NameError: name 'not_there_at_all' is not defined"]


# Errors whose text looks like the engine's own


@pytest.mark.parametrize("kind", [NameError, UnboundLocalError, KeyError, gc.NoValueError])
@pytest.mark.parametrize(
    "text",
    [
        "column 'from_iterable_1' is not known",
        "cannot access local variable 'from_iterable_1' where it is not associated with a value",
        "name 'raises_2' is not defined",
    ],
)
def test_an_error_of_the_users_own_keeps_its_text(kind: type[Exception], text: str) -> None:
    @gc.node
    class Raises(gc.MutableNode[Any]):
        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            if self.source.value == 2:
                raise kind(text)
            self.value = 1
            return True

    (seen,) = agree(lambda: gc.Stream(Raises(gc.from_iterable([1, 2]))).collect())
    assert seen == [1, f"{kind.__name__}: {kind(text)}"]

    def fail(v: int) -> None:
        raise kind(text)

    (seen,) = agree(lambda: gc.from_iterable([1, 2]).map(fail).collect())
    assert seen == [f"{kind.__name__}: {kind(text)}"]


# StopIteration and other errors that end loops


def _next_of_nothing(*_: Any) -> Any:
    return next(iter(()))


@pytest.mark.parametrize("error", [StopIteration, IndexError, StopAsyncIteration])
@pytest.mark.parametrize("place", ["map", "filter", "cycle", "start", "stop", "for_each"])
def test_an_error_that_ends_loops_ends_the_run_as_itself(
    place: str, error: type[Exception]
) -> None:
    class Raises(gc.MutableNode[Any]):
        def __init__(self, source: Any) -> None:
            super().__init__()
            self.source = source.node

        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(active=(self.source,))

        def start(self, state: gc.GraphState) -> None:
            if place == "start":
                raise error("told")

        def cycle(self, state: gc.GraphState) -> bool:
            if place == "cycle":
                raise error("told")
            self.value = self.source.value
            return True

        def stop(self, state: gc.GraphState) -> None:
            if place == "stop":
                raise error("told")

    def fail(v: int) -> None:
        raise error("told")

    def wire() -> Any:
        s = gc.from_iterable([1, 2])
        if place in ("map", "filter", "for_each"):
            return getattr(s, place)(fail).collect()
        return gc.Stream(Raises(s)).collect()

    (seen,) = agree(wire)
    assert seen[-1] == f"{error.__name__}: told"


@pytest.mark.parametrize("error", [StopIteration, IndexError, ValueError])
@pytest.mark.parametrize("tier", ["interpreted", "fused"])
def test_an_error_out_of_call_soon_ends_a_live_run_as_itself(
    tier: Any, error: type[Exception]
) -> None:
    class Soon(gc.MutableNode[Any]):
        def __init__(self, source: Any) -> None:
            super().__init__()
            self.source = source.node

        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(active=(self.source,))

        def cycle(self, state: gc.GraphState) -> bool:
            def fail() -> None:
                raise error("told")

            state.call_soon(fail)
            self.value = self.source.value
            return True

    out = gc.Stream(Soon(gc.replay([(1, 1), (2, 2)]))).named("soon").collect()
    with pytest.raises(error, match="told") as raised:
        out.run(realtime=True, duration="5s", tier=tier)
    assert raised.value.__notes__[0].startswith("in soon (Soon)")


def test_an_iterator_that_ends_in_a_function_ends_the_run_by_its_error() -> None:
    (seen,) = agree(lambda: gc.from_iterable([1, 2]).map(_next_of_nothing).collect())
    assert seen == ["StopIteration: "]


def test_an_error_that_a_failing_node_left_half_done() -> None:
    @gc.node
    class Halves(gc.MutableNode[Any]):
        source: gc.Active[Any]
        a: int = gc.state(0)
        b: int = gc.state(0)

        def cycle(self, state: gc.GraphState) -> bool:
            self.a += 1
            self.value = self.a
            self.b += 1 // (2 - self.source.value)
            self.a += 100
            return True

    (seen,) = agree(lambda: gc.Stream(Halves(gc.from_iterable([1, 2]))).collect())
    assert len(seen) == 2 and seen[1].startswith("ZeroDivisionError: ")
