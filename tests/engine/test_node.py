"""Node classes with `@node`, and written by hand."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import pytest

import graphcore as gc
from graphcore import Active, Passive
from graphcore.testing import ticks
from tests.engine.fused.both import node_class

if TYPE_CHECKING:
    from somewhere import Missing  # type: ignore[import-not-found]  # seen by type checkers alone


@gc.node
class Spread(gc.MutableNode[float]):
    bid: gc.Active[float]
    ask: Active[float]
    scale: gc.Passive[float]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (self.ask.value - self.bid.value) * self.scale.value
        return True


def sources() -> tuple[gc.Stream[float], gc.Stream[float], gc.Stream[float]]:
    bid = gc.replay([1, 4], [10.0, 11.0])
    ask = gc.replay([2, 4], [10.5, 13.0])
    return bid, ask, gc.replay([3, 5], [2.0, 3.0])


def test_node_makes_constructor_and_upstreams_from_the_annotations() -> None:
    bid, ask, scale = sources()
    node = Spread(bid, ask, scale)
    assert node.upstreams() == gc.Upstreams(active=(bid.node, ask.node), passive=(scale.node,))
    assert ticks(gc.Stream(node)) == [(4, 4.0)]


def test_node_takes_streams_and_nodes_by_position_and_by_keyword_and_keeps_nodes() -> None:
    bid, ask, scale = sources()
    node = Spread(bid.node, ask=ask, scale=scale.node)
    assert (node.bid, node.ask, node.scale) == (bid.node, ask.node, scale.node)


def test_node_runs_once_every_input_has_a_value() -> None:
    bid, ask, scale = sources()
    # Passive scale comes last, at 3, and triggers nothing.
    assert [time for time, _ in ticks(gc.Stream(Spread(bid, ask, scale)))] == [4]


@gc.node(valid="any")
class Latest(gc.MutableNode[Any]):
    one: gc.Active[Any]
    other: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = [u.value if state.valid(u) else None for u in (self.one, self.other)]
        return True


def test_node_with_valid_any_runs_from_the_first_value() -> None:
    one, other = gc.replay([1, 3], ["a", "b"]), gc.replay([2], ["x"])
    assert ticks(gc.Stream(Latest(one, other))) == [
        (1, ["a", None]),
        (2, ["a", "x"]),
        (3, ["b", "x"]),
    ]


def test_node_refuses_any_other_valid() -> None:
    with pytest.raises(gc.InvalidValueError, match="not 'some'"):
        gc.node(valid="some")  # type: ignore[call-overload]  # the very mistake


@gc.node
class Sums(gc.MutableNode[int]):
    parts: list[gc.Active[int]]
    weights: list[gc.Passive[int]]
    offset: int
    runs: int = gc.state(0)
    seen: list[int] = gc.state(factory=list)

    def cycle(self, state: gc.GraphState) -> bool:
        self.runs += 1
        self.value = sum(p.value * w.value for p, w in zip(self.parts, self.weights, strict=True))
        self.value += self.offset
        self.seen.append(self.value)
        return True


def test_node_takes_lists_of_any_number_of_streams() -> None:
    parts: list[gc.Active[int]] = [gc.replay([2, 3], [k, k + 1]) for k in range(3)]
    weights: list[gc.Passive[int]] = [gc.replay([1], [10**k]) for k in range(3)]
    node = Sums(parts, weights, 5000)
    assert node.upstreams().active == tuple(gc.Graph(part).nodes[-1] for part in parts)
    assert node.upstreams().passive == tuple(gc.Graph(weight).nodes[-1] for weight in weights)
    assert ticks(gc.Stream(node)) == [(2, 5210), (3, 5321)]


def test_node_takes_an_empty_list_of_streams() -> None:
    node = Sums([], [], 1)
    assert node.upstreams() == gc.Upstreams()


def test_node_sets_declared_state_anew_in_each_run() -> None:
    node = Sums([gc.replay([1, 2], [1, 2])], [gc.replay([1], [1])], 0)
    stream = gc.Stream(node)
    for _ in range(2):
        stream.run()
        assert (node.runs, node.seen) == (2, [1, 2])


def test_node_takes_no_state_in_its_constructor() -> None:
    with pytest.raises(TypeError, match="runs"):
        Sums([], [], 1, runs=3)  # type: ignore[call-arg]  # the very mistake


@pytest.mark.parametrize("default", [[], {}, set(), bytearray()])
def test_state_with_a_default_that_runs_would_share_is_refused(default: Any) -> None:
    name = type(default).__name__
    with pytest.raises(gc.InvalidValueError, match=rf"write state\(factory={name}\)"):
        gc.state(default)


@gc.node
class Typed(gc.MutableNode["Missing"]):
    source: gc.Active[Missing]  # the quotes are tested
    others: list[Passive[Missing]]  # the quotes are tested
    maker: Missing | None = None  # the quotes are tested
    table: dict[str, gc.Active[int]] | None = None  # the quotes are tested

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return True


def test_node_reads_annotations_whose_types_only_a_checker_knows() -> None:
    source, other = gc.constant(1), gc.constant(2)
    node = Typed(source, [other], "maker")
    assert node.upstreams() == gc.Upstreams(active=(source.node,), passive=(other.node,))
    assert (node.maker, node.table) == ("maker", None)


def test_node_reads_annotations_of_a_class_inside_a_function() -> None:
    import graphcore as renamed
    from graphcore import Active as Local

    @renamed.node
    class Inner(renamed.MutableNode[int]):
        one: renamed.Active[int]
        two: Local[int]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.one.value + self.two.value
            return True

    assert ticks(gc.Stream(Inner(gc.constant(1), gc.constant(2)))) == [(0, 3)]


@pytest.mark.parametrize("prologue", ["", "from __future__ import annotations"])
def test_node_reads_annotations_quoted_in_whole_or_in_part_or_not_at_all(prologue: str) -> None:
    program = """
import typing
import graphcore as gc

@gc.node
class Mixed(gc.MutableNode[int]):
    a: gc.Active[int]
    b: list[gc.Passive[int]]
    c: "gc.Passive[int]"
    d: list[int]
    e: gc.Active
    f: typing.List["gc.Active[int]"]
    g: "typing.List[gc.Passive[int]]"

    def cycle(self, state):
        self.value = self.a.value
        return True

streams = [gc.constant(k) for k in range(6)]
a, b, c, e, f, g = streams
node = Mixed(a, [b], c, [1], e, [f], [g])
up = node.upstreams()
assert up == gc.Upstreams(active=(a.node, e.node, f.node), passive=(b.node, c.node, g.node)), up
assert node.d == [1]
"""
    done = subprocess.run(
        [sys.executable, "-c", prologue + program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@gc.node
class Scaled(Spread):
    factor: gc.Passive[float]
    total: float = gc.state(0.0)
    digits: int = 0

    def cycle(self, state: gc.GraphState) -> bool:
        super().cycle(state)
        self.total += self.value
        self.value = round(self.total * self.factor.value, self.digits)
        return True


class Renamed(Spread):
    """Inherits the constructor unchanged."""

    def cycle(self, state: gc.GraphState) -> bool:
        super().cycle(state)
        self.value = -self.value
        return True


def test_node_inherits_inputs_parameters_and_the_constructor() -> None:
    bid, ask, scale = sources()
    plain = Renamed(bid, ask, scale)
    assert plain.upstreams() == Spread(bid, ask, scale).upstreams()
    assert ticks(gc.Stream(plain)) == [(4, -4.0)]


def test_node_adds_inputs_and_state_to_inherited_ones() -> None:
    bid, ask, scale = sources()
    factor = gc.constant(10.0)
    node = Scaled(bid, ask, scale, factor=factor)
    assert node.upstreams().passive == (scale.node, factor.node)
    assert ticks(gc.Stream(node), start=0) == [(4, 40.0)]
    assert Scaled(bid, ask, scale, factor, digits=3).digits == 3


def test_node_decorates_nodes_only() -> None:
    with pytest.raises(gc.InvalidTypeError, match="@node decorates a subclass of MutableNode"):
        gc.node(int)  # type: ignore[type-var]  # the very mistake


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, None, None), r"bid of Spread must be a stream or a node, not 5 \(int\)"),
        (("a", None, None), "bid of Spread must be a stream or a node, not 'a'"),
    ],
)
def test_a_non_stream_in_place_of_a_stream_is_refused_with_its_argument(
    arguments: Any, message: str
) -> None:
    with pytest.raises(gc.InvalidTypeError, match=message):
        Spread(*arguments)


def test_a_single_stream_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(gc.InvalidTypeError, match="parts of Sums must be a list of streams"):
        Sums(gc.constant(1), [], 0)  # type: ignore[arg-type]  # the very mistake
    with pytest.raises(gc.InvalidTypeError, match=r"parts of Sums\[1\] must be a stream"):
        Sums([gc.constant(1), 7], [], 0)  # type: ignore[list-item]  # the very mistake


class ByHand(gc.MutableNode[int]):
    def __init__(self, one: gc.Stream[int], other: gc.Stream[int]) -> None:
        super().__init__()
        self.one, self.other = one, other

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.one,), passive=(self.other.node,))

    def start(self, state: gc.GraphState) -> None:
        self.total = 0

    def cycle(self, state: gc.GraphState) -> bool:
        self.total += self.one.value
        if state.valid(self.other):
            self.total += self.other.value
        self.value = self.total
        return True


def test_a_hand_written_node_names_streams_or_nodes_and_runs_from_the_first_value() -> None:
    one, other = gc.replay([1, 2, 3], [1, 1, 1]), gc.replay([2], [100])
    stream = gc.Stream(ByHand(one, other))
    assert ticks(stream) == ticks(stream) == [(1, 1), (2, 102), (3, 203)]


def test_a_hand_written_node_without_super_init_is_refused_with_the_missing_call() -> None:
    class Forgot(gc.MutableNode[int]):
        def __init__(self) -> None:
            self.source = None

    with pytest.raises(gc.InvalidTypeError, match=r"Forgot.__init__ must call super\(\).__init__"):
        gc.Stream(Forgot())


def test_a_class_called_with_streams_but_without_node_is_refused_with_a_hint() -> None:
    class Forgot(gc.MutableNode[int]):
        source: gc.Active[int]

    class HandedOn(gc.MutableNode[int]):
        def __init__(self, source: gc.Stream[int]) -> None:
            super().__init__(source)  # type: ignore[arg-type]  # the very mistake

    made: list[Any] = [Forgot, lambda source: Forgot(source=source), HandedOn]
    for name, make in zip(("Forgot", "Forgot", "HandedOn"), made, strict=True):
        with pytest.raises(gc.InvalidTypeError) as caught:
            make(gc.constant(1))
        assert str(caught.value) == (
            f"{name} takes no arguments as it is: decorate it with @gc.node, or give it an "
            "__init__ that calls super().__init__() without any"
        )


def test_a_hand_written_node_whose_upstream_is_not_a_stream_is_refused_at_wiring() -> None:
    class Wrong(gc.MutableNode[int]):
        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(active=(42,))  # type: ignore[arg-type]  # the very mistake

    with pytest.raises(gc.InvalidTypeError, match=r"an upstream of wrong_\d+ must be .* not 42"):
        gc.Graph(Wrong())


def test_a_node_without_a_cycle_method_says_so() -> None:
    class Empty(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            state.schedule(state.time)

    with pytest.raises(NotImplementedError, match="Empty has no cycle method"):
        gc.Graph(Empty()).run()


def test_a_class_may_name_its_operator() -> None:
    class Named(gc.MutableNode[int]):
        operator = "price"

    class Below(Named):
        pass

    assert Named().name.startswith("price_")
    assert Below().name.startswith("below_")


def test_a_node_is_named_after_its_class_and_number_or_by_its_operator() -> None:
    node = Spread(*sources())
    assert node.name == f"spread_{node.serial}"
    stream = gc.Stream(node).named("mid")
    assert (node.name, stream.node) == ("mid", node)
    for wrong in ("", None, 5):
        with pytest.raises(gc.InvalidTypeError, match="a name must be text, and not empty"):
            stream.named(wrong)  # type: ignore[arg-type]  # one wrong value of each type


@pytest.mark.parametrize(
    "body",
    [
        "self.value = 1",
        "if self.source.value:\n    return\nself.value = 1",
        "if self.source.value:\n    return None\nraise ValueError",
        "with self.source.value:\n    return\nself.value = 1",
        "with self.source.value:\n    self.value = 1",
        "for x in self.source.value:\n    return",
        "try:\n    return\nfinally:\n    self.value = 1",
        "try:\n    self.value = 1\nexcept ValueError:\n    return",
        "(lambda: True)()",
        "def inner():\n    return True",
        "return",
        "pass",
    ],
)
def test_a_cycle_that_returns_nothing_is_refused(body: str) -> None:
    message = "cycle of Tried returns nothing: return True where it ticks, False where it does not"
    with pytest.raises(gc.InvalidTypeError) as caught:
        node_class(body)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError",
        "while True:\n    self.value = 1",
        "return self.source.value if state.due else None",
        "return None if state.due else self.source.value",
        "return state.due or None",
        "return state.due and None",
        "if state.due:\n    return True",
        "if state.due:\n    return self.value",
        "with self.source.value:\n    return True",
        "for x in self.source.value:\n    return x",
        "try:\n    return state.due\nfinally:\n    self.value = None",
        "try:\n    self.value = 1\nexcept ValueError:\n    return False",
        "while not (x := self.source.value):\n    pass\nelse:\n    return x",
        "match self.source.value:\n    case 1:\n        return False",
        "nothing = None\nreturn nothing",
        "return (x := None)",
        "return self.source.cycle(state)",
    ],
)
def test_a_cycle_that_sometimes_returns_a_value_or_never_returns_is_accepted(body: str) -> None:
    node_class(body)


@pytest.mark.parametrize("head", ["", "@gc.node\n"])
@pytest.mark.parametrize(
    ("way", "body", "fault"),
    [
        ("async def", "return True", "is async: write it with def, and return True"),
        ("async def", "yield True", "is async: write it with def, and return True"),
        ("def", "yield True", "is a generator: write it without yield, and return True"),
        ("def", "return (yield)", "is a generator: write it without yield, and return True"),
        ("def", "pass", "returns nothing: return True where it ticks"),
    ],
)
def test_a_cycle_that_cannot_say_whether_it_ticked_is_refused_in_any_class(
    head: str, way: str, body: str, fault: str
) -> None:
    text = f"{head}class Tried(gc.MutableNode[int]):\n    {way} cycle(self, state):\n        {body}"
    with pytest.raises(gc.InvalidTypeError, match=f"^cycle of Tried {fault}"):
        exec(text, {"gc": gc})


def test_a_cycle_of_a_mixin_class_is_checked() -> None:
    class Beside:
        def cycle(self, state: gc.GraphState) -> None:
            """Return nothing."""

    with pytest.raises(gc.InvalidTypeError, match="cycle of Both returns nothing"):

        class Both(Beside, gc.MutableNode[int]):  # type: ignore[misc]  # the very mistake
            pass


def test_a_cycle_that_subclasses_override_may_be_empty() -> None:
    class Above(gc.MutableNode[int]):
        @abstractmethod
        def cycle(self, state: gc.GraphState) -> bool: ...

    class Below(Above):
        def cycle(self, state: gc.GraphState) -> bool:
            self.value = 5
            return True

        def start(self, state: gc.GraphState) -> None:
            state.schedule(state.time)

    assert ticks(gc.Stream(Below())) == [(0, 5)]


@pytest.mark.parametrize(
    "body",
    [
        "self.count = 5",
        "self.count += 1",
        "x = 1\nself.count += x",
        "x = self.source\ny = x\nself.count = y",
        "self.value = self.count = 5",
        "self.value, (self.count, x) = 1, (2, 3)",
        "self.count: int = 5",
        "del self.count",
        "for self.count in (1, 2):\n    pass",
        "with self.source.value as self.count:\n    pass",
        "if state.due:\n    while True:\n        self.count -= 1",
        "def inner():\n    self.count += 1\ninner()",
        "def inner():\n    return lambda: [self for self.count in (1, 2)]\ninner()()",
        "x = lambda: self\nself.count += 1",
    ],
)
def test_r12_a_parameter_that_cycle_assigns_is_refused(body: str) -> None:
    with pytest.raises(gc.InvalidTypeError) as caught:
        node_class(f"{body}\nreturn True", "source: gc.Active[Any]\ncount: int = 0")
    assert str(caught.value) == (
        "count of Tried is a parameter, and cycle assigns it: declare it count: int = gc.state(0)"
    )


@pytest.mark.parametrize(
    "body",
    [
        "x = self.count\nx += 1",
        "self.value = self.count + 1",
        "self.source.count = 5",
        "self.source.count += 1",
        "self.count.real = 5",
        "self.source.self.count = 5",
        "self.count[0] = 5",
        "state.count = 5",
        "x = self\nx.count = 5",
        "def inner(self):\n    self.count = 5",
        "self.value = self or state.count",
        "match self:\n    case state.count:\n        pass",
        "self.number += 1\nself.kept = self.plain = self.count\ndel self.number",
    ],
)
def test_a_parameter_that_cycle_does_not_assign_is_let_through(body: str) -> None:
    fields = "source: gc.Active[Any]\ncount: Any = 0\nnumber: int = gc.state(0)\n"
    fields += "kept: Any = dataclasses.field(init=False)"
    node_class(f"{body}\nreturn True", fields, dataclasses=dataclasses)


@pytest.mark.parametrize(
    ("field", "declared"),
    [
        ("count: int", "count: int = gc.state(...)"),
        (
            "count: list[int] = field(default_factory=list)",
            "count: list[int] = gc.state(...)",
        ),
        ("count: gc.Alarm | None = None", "count: graphcore.state.Alarm | None = gc.state(None)"),
    ],
)
def test_a_parameter_that_cycle_assigns_is_shown_as_the_state_that_it_is(
    field: str, declared: str
) -> None:
    with pytest.raises(gc.InvalidTypeError) as caught:
        node_class("self.count = 5\nreturn True", field, field=dataclasses.field)
    assert str(caught.value).endswith(f"declare it {declared}")


def test_a_parameter_that_an_inherited_cycle_assigns_is_refused() -> None:
    class Above(gc.MutableNode[int]):
        count: int

        def cycle(self, state: gc.GraphState) -> bool:
            self.count += 1
            return True

    # The annotations of this file are strings.
    with pytest.raises(gc.InvalidTypeError, match=r"count of Below .* count: int = gc.state\(0\)"):

        @gc.node
        class Below(Above):
            count: int = 0


def test_a_dict_of_inputs_gives_each_by_name() -> None:
    @gc.node(valid="any")
    class Quotes(gc.MutableNode[dict[str, int]]):
        venues: dict[str, gc.Active[int]]
        scale: dict[str, gc.Passive[int]]

        def cycle(self, state: gc.GraphState) -> bool:
            ticked = {}
            for name, venue in self.venues.items():
                if state.ticked(venue) and state.valid(self.scale["all"]):
                    ticked[name] = venue.value * self.scale["all"].value
            self.value = ticked
            return True

    a, b = gc.replay([2, 3], [1, 2]), gc.replay([3, 4], [30, 40])
    node = Quotes({"a": a, "b": b}, {"all": gc.replay([1, 4], [10, 100])})
    assert node.upstreams() == gc.Upstreams((a.node, b.node), (node.scale["all"],))  # type: ignore[arg-type]
    assert ticks(gc.Stream(node)) == [(2, {"a": 10}), (3, {"a": 20, "b": 300}), (4, {"b": 4000})]


@pytest.mark.parametrize(
    ("given_as", "message"),
    [
        ([gc.constant(1)], r"named of Takes must be a dict of streams, not \[<Stream"),
        (gc.constant(1), "named of Takes must be a dict of streams, not <Stream"),
        ({1: gc.constant(1)}, "named of Takes must have text as keys, not 1"),
        ({"a": 1}, r"named of Takes\['a'\] must be a stream or a node, not 1"),
    ],
)
def test_a_dict_of_inputs_takes_streams_by_name(given_as: Any, message: str) -> None:
    @gc.node
    class Takes(gc.MutableNode[int]):
        named: "dict[str, gc.Active[int]]"  # noqa: UP037  # quoted annotations are read as well

        def cycle(self, state: gc.GraphState) -> bool:
            return True

    with pytest.raises(gc.InvalidTypeError, match=message):
        Takes(given_as)


def test_a_dict_of_lists_of_inputs_is_refused() -> None:
    with pytest.raises(gc.InvalidTypeError, match="a list or a dict of streams, no deeper"):

        @gc.node
        class Deep(gc.MutableNode[int]):
            named: dict[str, list[gc.Active[int]]]

            def cycle(self, state: gc.GraphState) -> bool:
                return True
