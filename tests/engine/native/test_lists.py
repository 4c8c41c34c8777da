"""Lists in machine code: what nodes insert, remove, replace and search, and what Python decides."""

from bisect import bisect_left, bisect_right, insort, insort_left
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from math import nan
from pathlib import Path
from random import Random
from typing import Any

import pytest

import graphcore as gc

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pytest.importorskip("llvmlite")

from graphcore.engine.native import tier as native_tier
from graphcore.engine.native.run import Pace

COUNT = 600


@pytest.fixture(autouse=True)
def short_pace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native_tier, "PACE", Pace(3, 50, apart=0))
    monkeypatch.setenv("GRAPHCORE_CACHE", str(tmp_path / "cache"))


def replayed(values: Any) -> "gc.Stream[Any]":
    return gc.replay(np.arange(len(values)), np.asarray(values))


def wholes() -> "gc.Stream[int]":
    random = Random(3)
    return replayed([random.randrange(1_000) for _ in range(COUNT)])


def both(wire: Callable[[], Any]) -> tuple[gc.Graph, list[Any]]:
    """Run on the fused and on the native tier; return the native graph, the ticks, and the error.

    Everything is compared: values, the error with its notes, and the lists that the nodes keep.
    """
    seen: list[Any] = []
    for tier in ("fused", "native"):
        out = wire()
        ticks = out.collect()
        graph = gc.Graph(ticks)
        error = None
        try:
            graph.run(tier=tier)  # type: ignore[arg-type]  # a tier's name
        except Exception as raised:
            error = type(raised), str(raised)
        seen.append((list(ticks), error, getattr(out.node, "kept", None)))
    assert list(map(repr, seen[0])) == list(map(repr, seen[1]))
    return graph, seen[1]


def machine_cycles(graph: gc.Graph) -> int:
    return int(graph.explain("native").split()[1].replace(",", ""))


@gc.node
class Editing(gc.MutableNode[int]):
    """Edits a list in ways that the values choose."""

    source: gc.Active[int]
    kept: list[int] = gc.state(factory=list)

    def cycle(self, state: gc.GraphState) -> bool:
        value = self.source.value
        way = value % 8
        place = value // 8 % 40 - 20
        if way < 2 or len(self.kept) < 20:
            self.kept.insert(place, value)
        elif way == 2:
            self.kept.append(value)
        elif way == 3:
            self.kept.pop()
        elif way == 4:
            self.kept.pop(place)
        elif way == 5:
            self.kept[place] = value
        elif way == 6:
            self.kept[place] = self.kept[-place - 1] + 1
        elif value % 11 == 0:
            self.kept.clear()
        total = 0
        for each in self.kept:
            total = total * 31 % 1_000_003 + each
        self.value = total
        return True


def test_lists_are_edited_as_python_does() -> None:
    graph, seen = both(lambda: gc.Stream(Editing(wholes())))
    assert machine_cycles(graph) > COUNT - 20
    assert "but for Python" not in graph.explain("native")
    assert len(seen[2]) > 20


@gc.node
class Swapping(gc.MutableNode[int]):
    """Removes an item of a list of pairs and inserts another, at places that the values choose."""

    source: gc.Active[int]
    kept: list[tuple[int, float]] = gc.state(factory=lambda: [(at, at / 8) for at in range(30)])

    def cycle(self, state: gc.GraphState) -> bool:
        value = self.source.value
        place = value % 60 - 30
        to = value // 60 - 40
        pair = (value, value / 4)
        if value % 3 == 0:
            self.kept.pop(place)
            self.kept.insert(to, pair)
        elif value % 3 == 1:
            gone = self.kept.pop(place)
            self.kept.insert(gone[0] % len(self.kept), gone)
        else:
            self.kept.pop(place)
            self.kept.insert(self.kept[to % 29][0] % 40 - 20, (self.kept[0][0], 0.5))
        self.value = 0
        for each in self.kept:
            self.value = self.value * 31 % 1_000_003 + each[0] + int(each[1] * 8.0)
        return True


def test_an_item_takes_the_place_of_another_as_in_python() -> None:
    random = Random(3)
    values = [random.randrange(5_000) for _ in range(COUNT)]
    graph, _ = both(lambda: gc.Stream(Swapping(replayed(values))))
    assert "but for Python" not in graph.explain("native")
    assert machine_cycles(graph) == COUNT - 3


@gc.node
class Searching(gc.MutableNode[int]):
    """Searches a sorted list, in all ways."""

    source: gc.Active[float]
    kept: list[float] = gc.state(factory=list)

    def cycle(self, state: gc.GraphState) -> bool:
        value = self.source.value
        self.value = (
            bisect_left(self.kept, value)
            + 100 * bisect_right(self.kept, value)
            + 10_000 * bisect_right(self.kept, value, 3)
        )
        if self.value % 3:
            insort(self.kept, value)
        else:
            insort_left(self.kept, value)
        if len(self.kept) > 80:
            self.kept.pop(bisect_left(self.kept, value))
        return True


@pytest.mark.parametrize("special", [[], [float("nan"), -0.0, 0.0, float("inf"), -float("inf")]])
def test_sorted_lists_are_searched_as_python_does(special: list[float]) -> None:
    random = Random(5)
    values = [float(random.randrange(50)) for _ in range(COUNT)]
    if special:
        values = [random.choice([value, *special]) for value in values]
    graph, _ = both(lambda: gc.Stream(Searching(replayed(values))))
    assert machine_cycles(graph) == COUNT - 3


@gc.node
class Popping(gc.MutableNode[int]):
    """Removes the items at the places that come; in the end there is none."""

    source: gc.Active[int]
    kept: list[int] = gc.state(factory=lambda: list(range(400)))

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.kept.pop(self.source.value)
        self.kept[0] = self.value
        return True


@pytest.mark.parametrize(
    ("places", "error", "machine"),
    [
        ([5] * 300 + [100] + [0] * 9, "pop index out of range", 297),
        ([-7] * 300 + [-101], "pop index out of range", 297),
        ([0] * COUNT, "list assignment index out of range", 396),
    ],
)
def test_an_index_without_an_item_is_pythons_error(
    places: list[int], error: str, machine: int
) -> None:
    graph, seen = both(lambda: gc.Stream(Popping(replayed(places))))
    assert seen[1][0] is IndexError and seen[1][1].startswith(error)
    assert machine_cycles(graph) == machine


def test_a_search_from_a_negative_place_is_pythons_error() -> None:
    @gc.node
    class From(gc.MutableNode[int]):
        source: gc.Active[int]
        kept: list[int] = gc.state(factory=lambda: [1, 2])

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = bisect_left(self.kept, self.source.value, 100 - self.source.value)
            self.kept[0] = self.value
            return True

    graph, seen = both(lambda: gc.Stream(From(replayed(range(200)))))
    assert seen[1] == (ValueError, "lo must be non-negative")
    assert machine_cycles(graph) == 98


def test_a_search_among_numbers_of_several_kinds_is_pythons() -> None:
    @gc.node
    class Mixing(gc.MutableNode[int]):
        source: gc.Active[int]
        kept: list[float] = gc.state(factory=lambda: [1.0])

        def cycle(self, state: gc.GraphState) -> bool:
            value = self.source.value
            insort(self.kept, value if value % 100 == 99 else value / 2)
            self.value = len(self.kept)
            return True

    _, seen = both(lambda: gc.Stream(Mixing(wholes())))
    assert {type(each) for each in seen[2]} == {int, float}


def test_lists_that_are_one_object_are_pythons() -> None:
    @gc.node
    class Twice(gc.MutableNode[int]):
        source: gc.Active[int]
        kept: list[int] = gc.state(factory=list)
        same: list[int] = gc.state(factory=list)

        def start(self, state: gc.GraphState) -> None:
            self.same = self.kept

        def cycle(self, state: gc.GraphState) -> bool:
            self.kept.insert(0, self.source.value)
            self.value = self.same[0]
            return True

    graph, seen = both(lambda: gc.Stream(Twice(wholes())))
    assert graph.explain("native").startswith("fused: each cycle is left for Python")
    assert len(seen[2]) == COUNT


@pytest.mark.parametrize(
    "figure",
    [
        lambda w: w.median(),
        lambda w: w.quantile(0.3),
        lambda w: w.rank(),
    ],
)
@pytest.mark.parametrize("window", [30, "30ns"])
def test_figures_of_sorted_values_run_in_machine_code(
    figure: Callable[[Any], Any], window: Any
) -> None:
    values = np.random.default_rng(3).normal(size=COUNT).round(1)
    values[::17] = np.nan

    def wire() -> Any:
        source = replayed(values)
        return figure(source.rolling(window, reset=source.filter(lambda x: x > 2.0)))

    graph, _ = both(wire)
    assert machine_cycles(graph) > COUNT - 60
    assert "but for Python" not in graph.explain("native")


def test_a_list_that_becomes_another_one_is_pythons_for_that_cycle() -> None:
    @gc.node
    class Halved(gc.MutableNode[int]):
        source: gc.Active[int]
        kept: list[int] = gc.state(factory=list)

        def cycle(self, state: gc.GraphState) -> bool:
            insort(self.kept, self.source.value)
            if len(self.kept) == 100:
                self.kept = self.kept[::2]
            self.value = self.kept[0]
            return True

    graph, seen = both(lambda: gc.Stream(Halved(wholes())))
    assert len(seen[2]) == 50 + (COUNT - 100) % 50
    assert "an expression of the kind Slice (11 cycles)" in graph.explain("native")
    assert machine_cycles(graph) == COUNT - 3 - 11


@gc.node
class Waiting(gc.MutableNode[Any]):
    """Keeps a heap: what comes waits, and sometimes the least items leave."""

    source: gc.Active[Any]
    make: Callable[[Any, int], Any]
    number: int = gc.state(0)
    kept: list[Any] = gc.state(factory=list)

    def cycle(self, state: gc.GraphState) -> bool:
        value = self.source.value
        self.number += 1
        heappush(self.kept, self.make(value, self.number))
        left = self.number * 7 % 4
        while self.kept and left > 1:
            self.value = heappop(self.kept)
            left -= 1
        return True


@pytest.mark.parametrize(
    "make",
    [
        lambda value, number: value,
        lambda value, number: (value, number),
        lambda value, number: (value % 3, value % 2 == 0, value / 7),
        lambda value, number: (number % 50, -0.0 if value % 2 else 0.0, value % 5, number),
    ],
)
def test_heaps_lie_in_their_lists_as_python_leaves_them(make: Callable[[Any, int], Any]) -> None:
    graph, seen = both(lambda: gc.Stream(Waiting(wholes(), make)))
    assert machine_cycles(graph) == COUNT - 3
    assert len(seen[2]) > 30


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda x: (x % 20, nan if x % 3 else 1.0), "with NaN"),
        (lambda x: (x % 20, (x, 1)), "that begin alike"),
        (lambda x: (x % 20, None), "that begin alike"),
    ],
)
def test_tuples_that_numbers_do_not_tell_apart_are_compared_by_python(
    make: Callable[[int], Any], reason: str
) -> None:
    def is_less(x: int) -> Any:
        return make(x) < make(27)

    graph, _ = both(lambda: wholes().map(is_less))
    assert f"a comparison of tuples {reason}" in graph.explain("native")
    assert machine_cycles(graph) > 100


def test_an_empty_heap_is_pythons_error() -> None:
    @gc.node
    class Empty(gc.MutableNode[int]):
        source: gc.Active[int]
        kept: list[int] = gc.state(factory=lambda: list(range(120)))

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = heappop(self.kept)
            return True

    graph, seen = both(lambda: gc.Stream(Empty(wholes())))
    assert seen[1] == (IndexError, "index out of range")
    assert machine_cycles(graph) == 117


def test_the_first_items_of_a_list_are_cut_off_as_a_slice_does() -> None:
    @gc.node
    class Cut(gc.MutableNode[int]):
        source: gc.Active[int]
        kept: list[int] = gc.state(factory=list)

        def cycle(self, state: gc.GraphState) -> bool:
            self.kept.append(self.source.value)
            if self.source.value % 4 == 0:
                self.kept[: self.source.value % 37 - 18] = ()
            self.value = len(self.kept)
            return True

    graph, seen = both(lambda: gc.Stream(Cut(wholes())))
    assert machine_cycles(graph) == COUNT - 3
    assert max(seen[0], key=lambda tick: tick[1])[1] > 10


@pytest.mark.parametrize(
    ("direction", "tolerance"),
    [("backward", None), ("backward", "20ns"), ("forward", "20ns"), ("nearest", "20ns")],
)
def test_joins_by_event_time_run_in_machine_code(direction: Any, tolerance: str | None) -> None:
    random = np.random.default_rng(5)
    at = np.sort(random.integers(0, 20 * COUNT, COUNT))
    quotes = np.sort(random.integers(0, 20 * COUNT, 3 * COUNT))
    arrivals = quotes + random.integers(0, 40, 3 * COUNT)
    order = np.argsort(arrivals, kind="stable")

    def wire() -> Any:
        trades = gc.replay(at, at).event_time(lambda time: time, 0)
        other = gc.replay(arrivals[order], quotes[order]).event_time(lambda time: time, 40)
        joined = trades.asof(other, direction=direction, tolerance=tolerance)
        return joined.filter(lambda pair: pair[1] is not None).map(lambda pair: pair[1] + 0)

    graph, seen = both(wire)
    left, right = pd.DataFrame({"at": at}), pd.DataFrame({"at": quotes, "quote": quotes})
    limit = None if tolerance is None else 20
    expected = pd.merge_asof(left, right, on="at", direction=direction, tolerance=limit)
    assert [quote for _, quote in seen[0]] == expected["quote"].dropna().tolist()
    assert machine_cycles(graph) > 4 * COUNT - 40


@gc.node
class Mixed(gc.MutableNode[Any]):
    """Keeps values of several kinds in a list and a deque, and ticks with what leaves."""

    source: gc.Active[int]
    kept: list[Any] = gc.state(factory=list)
    queue: deque[Any] = gc.state(factory=deque)

    def cycle(self, state: gc.GraphState) -> bool:
        value = self.source.value
        if value % 5 == 0:
            self.kept.append(None)
        elif value % 5 == 1:
            self.kept.insert(value % 9, value)
        elif value % 5 == 2:
            self.kept.append(value / 4)
        elif value % 5 == 3:
            self.kept.append((value, None if value % 2 else value / 8))
        else:
            self.kept.insert(0, value % 2 == 0)
        if len(self.kept) > 90:
            self.queue.append(self.kept.pop(3))
        if len(self.queue) > 30:
            self.value = self.queue.popleft()
            self.kept[value % 20] = self.value
            return True
        return False


def test_items_of_several_kinds_are_held() -> None:
    graph, seen = both(lambda: gc.Stream(Mixed(wholes())))
    assert machine_cycles(graph) > COUNT - 60
    assert {type(value) for _, value in seen[0]} == {type(None), int, float, tuple, bool}


@pytest.mark.parametrize("figure", ["corr", "cov"])
def test_pairs_of_which_some_are_missing_are_held(figure: str) -> None:
    random = np.random.default_rng(3)
    values, others = random.normal(size=COUNT), random.normal(size=COUNT)
    values[::7] = np.nan

    def wire() -> Any:
        x, y = (gc.replay(np.arange(COUNT), each) for each in (values, others))
        return getattr(x.rolling(20, min_periods=5), figure)(y)

    graph, seen = both(wire)
    left, right = pd.Series(values), pd.Series(others)
    expected = getattr(left.rolling(20, min_periods=5), figure)(right).dropna()
    found = [value for _, value in seen[0] if value == value]
    np.testing.assert_allclose(found[-500:], expected[-500:], rtol=1e-7)
    assert machine_cycles(graph) > COUNT - 30


@pytest.mark.parametrize("error", ["cannot unpack non-iterable", "is not subscriptable"])
def test_what_turns_out_to_be_no_tuple_is_pythons_error(error: str) -> None:
    unpacks = error.startswith("cannot")

    def taken(x: int) -> int:
        pair = x if x == 300 else (x, -x)
        if unpacks:
            first, _ = pair  # type: ignore[misc]  # that is the point
            return first
        return pair[1]  # type: ignore[index]  # and here

    graph, seen = both(lambda: replayed(range(400)).map(taken))
    assert seen[1][0] is TypeError and error in seen[1][1]
    assert machine_cycles(graph) == 297


def test_tuples_are_equal_as_in_python() -> None:
    def compared(x: int) -> tuple[bool, bool, bool]:
        one, other = (x % 3, x % 2 == 0), (1.0, 1)
        return one == other, one != other, one < other

    graph, seen = both(lambda: wholes().map(compared))
    assert {each for _, each in seen[0]} >= {(True, False, False), (False, True, True)}
    assert machine_cycles(graph) == COUNT - 3


@gc.node
class ReadsMoreLater(gc.MutableNode[float]):
    """Reads items of two lists, and from the 200th value on also what Python alone can make."""

    source: gc.Active[int]
    wholes: list[tuple[int, int]] = gc.state(factory=list)
    halves: list[tuple[float, int]] = gc.state(factory=list)
    late: float | None = gc.state(None)

    def cycle(self, state: gc.GraphState) -> bool:
        number = self.source.value
        if not self.wholes:
            self.wholes.append((number, number))
            self.halves.append((number + 0.5, number))
        total = 0.0
        if self.late is not None:
            total += self.late + number
        elif number == 200:
            self.late = float(str(number))
        total += self.halves[0][0]
        total += self.wholes[0][0]
        total += self.halves[0][0]
        self.value = total
        return True


def test_a_loop_that_is_translated_again_reads_items_of_other_kinds_than_before() -> None:
    # The second translation has one branch more. So its third variable for an item, say, is another
    # expression's than that of the first translation.
    graph, values = both(lambda: gc.Stream(ReadsMoreLater(replayed(range(COUNT)))))
    assert values[0][-1] == (COUNT - 1, 1.0 + 200.0 + COUNT - 1)
    assert machine_cycles(graph) > COUNT - 10
