"""Branches of `demux` that share a text: each has variables of its own, as if it had a text."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.engine.fused.analysis.alike import FEWEST
from graphcore.testing import wait_until

KEYS = FEWEST + 4
TIERS = ("interpreted", "fused")
each_tier = pytest.mark.parametrize("tier", TIERS)

_Item = tuple[int, float]
Wire = Callable[[gc.Stream[_Item], int], gc.Stream[Any]]


def branches(values: list[_Item], wire: Wire, keys: int = KEYS) -> list[gc.Stream[Any]]:
    """Return what `wire` makes of the stream of each key, one value a nanosecond."""
    parts = gc.from_iterable(values, period=1).demux(lambda item: item[0], range(keys))
    return [wire(part, key) for key, part in parts.items()]


def number(part: gc.Stream[_Item]) -> gc.Stream[float]:
    return part.map(lambda item: item[1])


def test_branches_of_the_same_shape_share_one_text() -> None:
    outs = branches([], lambda part, key: number(part).map(lambda v: v + 0.125).count())
    assert gc.Graph(*outs).fused_source().count("+ 0.125") == 1


def test_a_few_branches_have_a_text_each() -> None:
    outs = branches([], lambda part, key: number(part).map(lambda v: v + 0.125), FEWEST - 1)
    assert gc.Graph(*outs).fused_source().count("+ 0.125") == FEWEST - 1


def test_branches_of_two_shapes_have_two_texts() -> None:
    def wire(part: gc.Stream[_Item], key: int) -> gc.Stream[float]:
        if key % 2:
            return number(part).map(lambda v: v + 0.125)
        return number(part).map(lambda v: v * 0.375)

    values = [(n % (2 * KEYS), float(n)) for n in range(5 * KEYS)]
    outs = branches(values, wire, 2 * KEYS)
    graph = gc.Graph(*outs)
    source = graph.fused_source()
    assert (source.count("+ 0.125"), source.count("* 0.375")) == (1, 1)
    graph.run(tier="fused")
    last = {key: number for key, number in values}
    assert [out.value for out in outs] == [
        last[key] + 0.125 if key % 2 else last[key] * 0.375 for key in range(2 * KEYS)
    ]


def test_functions_with_other_variables_around_them_have_a_text_each() -> None:
    def wire(part: gc.Stream[_Item], key: int) -> gc.Stream[float]:
        return number(part).map(lambda v: v + 0.125 * key)

    values = [(n % KEYS, float(n)) for n in range(3 * KEYS)]
    outs = branches(values, wire)
    gc.Graph(*outs).run(tier="fused")
    assert [out.value for out in outs] == [2 * KEYS + key + 0.125 * key for key in range(KEYS)]


@gc.node(valid="any")
class _Both(gc.MutableNode[float]):
    """Adds a value that may be missing; `bias` comes from the class until the node assigns it."""

    source: gc.Active[float]
    other: gc.Passive[float]
    seen: list[float] = gc.state(factory=list)
    bias = 0.0

    def cycle(self, state: gc.GraphState) -> bool:
        value = self.source.value
        self.seen.append(value)
        if value < 0.0:
            self.bias = self.bias - value
        if value > 5.0:
            value += self.other.value
        if value == 7.0:
            raise ValueError(f"seven after {len(self.seen)}")
        self.value = value + self.bias
        return value != 3.0


def _shape_of(numbers: gc.Stream[float], shape: str) -> gc.Stream[Any]:
    match shape:
        case "figures":
            return numbers.ewm(alpha=0.5).mean().filter(lambda v: v > 1.0).count()
        case "changes":
            return numbers.distinct().sum()
        case "both":
            return gc.Stream(_Both(numbers, numbers.filter(lambda v: v > 4.0)))
        case "pairs":
            return numbers.combine(numbers.filter(lambda v: v > 1.0))
        case "window":
            return numbers.rolling(3).mean()
    return (numbers > numbers.map(abs)).sum()


def _observed(values: list[_Item], shapes: list[str], tier: Any) -> Any:
    """Return all that a run leaves: ticks, values, state, and the error with its notes."""

    def wire(part: gc.Stream[_Item], key: int) -> gc.Stream[Any]:
        named = number(part).named(f"number {key}")
        return _shape_of(named, shapes[key % len(shapes)]).named(f"out {key}")

    outs = branches(values, wire)
    meet = outs[0].merge(*outs[1:]).collect()
    pair = outs[1].combine(outs[2]).collect()
    sampled = outs[3].sample(outs[4]).collect()
    graph = gc.Graph(*outs, meet, pair, sampled)
    found: list[Any] = []
    for cycles in (None, len(values) // 2 + 1):
        try:
            graph.run(tier=tier, cycles=cycles)
        except (ValueError, gc.NoValueError) as error:
            notes = [line for note in error.__notes__ for line in note.splitlines()]
            found.append((str(error), [line for line in notes if "wired at" not in line]))
        for out in outs:
            own = dict(vars(out.node))
            found.append([own.get(name, "none") for name in ("value", "bias", "seen", "count")])
        found += [list(meet), list(pair), list(sampled)]
    return repr(found)


_VALUES = st.lists(
    st.tuples(st.integers(0, KEYS + 1), st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0, 5.5, 6.0, 7.0])),
    max_size=60,
)
_SHAPES = st.lists(
    st.sampled_from(["figures", "changes", "both", "pairs", "window", "ordered"]),
    min_size=1,
    max_size=2,
)


@given(_VALUES, _SHAPES)
def test_branches_that_share_a_text_are_as_those_that_are_called(
    values: list[_Item], shapes: list[str]
) -> None:
    assert _observed(values, shapes, "fused") == _observed(values, shapes, "interpreted")


@each_tier
def test_an_error_names_the_node_of_its_branch(tier: Any) -> None:
    def wire(part: gc.Stream[_Item], key: int) -> gc.Stream[float]:
        return number(part).named(f"number {key}").map(lambda v: 1 / v).named(f"inverse {key}")

    outs = branches([(3, 2.0), (5, 4.0), (3, 0.0), (5, 8.0)], wire)
    with pytest.raises(ZeroDivisionError) as caught:
        gc.Graph(*outs).run(tier=tier)
    (note,) = caught.value.__notes__
    assert note.startswith("in inverse 3 (Map), wired at")
    assert note.endswith("reading number 3 = 0.0")
    assert (outs[3].value, outs[5].value) == (0.5, 0.25)


@each_tier
def test_a_missing_value_is_that_of_its_branch(tier: Any) -> None:
    def wire(part: gc.Stream[_Item], key: int) -> gc.Stream[float]:
        late = number(part).filter(lambda v: v > 100.0).named(f"late {key}")
        return gc.Stream(_Both(number(part), late)).named(f"both {key}")

    outs = branches([(2, 1.0), (7, 1.0), (2, 6.0)], wire)
    with pytest.raises(gc.NoValueError, match="late 2 has no value yet") as caught:
        gc.Graph(*outs).run(tier=tier)
    assert caught.value.__notes__[0].startswith("in both 2 (_Both)")


@each_tier
def test_the_nodes_of_a_branch_are_read_and_written_while_it_runs(tier: Any) -> None:
    outs = branches([(n % 3, float(n)) for n in range(9)], lambda part, key: number(part).count())
    found: list[Any] = []

    def look(item: int) -> None:
        node: Any = outs[1].node
        found.append((outs[1].value, node.count, node.ticked_in, vars(node)["count"]))
        if item == 2:
            node.count = 100

    outs[1].for_each(look)
    last = outs[1].for_each(look)
    gc.Graph(*outs, last).run(tier=tier)
    assert found == [(1, 1, 2, 1), (2, 2, 5, 2), (101, 101, 8, 101)]
    assert outs[1].value == 101


def test_another_thread_reads_the_values_of_branches_while_the_graph_runs() -> None:
    numbers = gc.ticker("1ms").count().map(lambda n: n % KEYS)
    outs = [part.count() for part in numbers.demux(lambda n: n, range(KEYS)).values()]
    with gc.Graph(*outs).running(tier="fused") as run:
        wait_until(lambda: sum(out.node.ticked_in > 0 for out in outs) == KEYS)
        counts = [out.value for out in outs]
        wait_until(lambda: outs[0].value > counts[0])
        run.stop()
    assert all(count >= 1 for count in counts)


@gc.node
class _Positive(gc.MutableNode[float]):
    """Sets each value, and ticks with those above 0."""

    source: gc.Active[float]

    def cycle(self, state: gc.GraphState) -> bool:
        number = self.source.value
        self.value = number
        return number > 0


@each_tier
def test_a_value_set_without_a_tick_is_withheld_beside_branches_that_share_a_text(
    tier: Any,
) -> None:
    outs = branches([(1, 1.0), (2, 2.0), (1, -1.0)], lambda part, key: number(part))
    positive = gc.Stream(_Positive(outs[1]))
    gc.Graph(positive, *(out.count() for out in outs)).run(tier=tier)
    assert positive.value == 1.0
