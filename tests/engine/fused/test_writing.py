"""The text of the function: its names, its literals, its blocks, and whose line is whose."""

import itertools
import re
from itertools import pairwise
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.clocks import Placement, Reads
from graphcore.engine.fused.head import Head
from graphcore.engine.fused.parts import parts_of
from graphcore.engine.fused.returns import Form
from graphcore.engine.fused.text import Text
from graphcore.engine.fused.writing import write
from graphcore.engine.plan import Plan
from tests.engine.fused.both import node_class, same


def text_of(*streams: gc.Stream[Any], head: Head = Head.VARIABLES) -> Text:
    parts = parts_of(Plan([stream.node for stream in streams]), {})
    placement = Placement(
        [
            Reads(
                part.active,
                part.passive,
                part.woken,
                part.node.valid == "all",
                part.form is Form.ALWAYS,
                part.form is Form.NEVER,
            )
            for part in parts
        ]
    )
    return write(parts, placement, head)


def body(*streams: gc.Stream[Any], head: Head = Head.VARIABLES) -> list[str]:
    """Return the lines of the nodes behind the first one."""
    text = text_of(*streams, head=head)
    pairs = zip(text.lines, text.owners, strict=True)
    cycle = next(i for i, line in enumerate(text.lines) if line.startswith("    for "))
    return [line[8:] for i, (line, owner) in enumerate(pairs) if i > cycle and owner > 0]


def one() -> gc.Stream[int]:
    return gc.constant(1)


# Names


def test_a_variable_has_the_users_name_or_the_operators() -> None:
    assert body(one().map(lambda x: x + 1).named("mid")) == ["mid_1 = constant_0 + 1"]
    assert body(one().map(lambda x: x + 1)) == ["map_1 = constant_0 + 1"]


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("class", "n_class_1"),
        ("bid price", "bid_price_1"),
        ("1st", "n_1st_1"),
        ("größe", "gr_e_1"),
        ("価格", "__1"),
        ("a.b-c", "a_b_c_1"),
    ],
)
def test_a_name_that_is_no_identifier_is_made_one(name: str, variable: str) -> None:
    assert body(one().map(lambda x: x).named(name))[0].startswith(variable)


@pytest.mark.parametrize(
    "names",
    [
        ("a", "a", "a"),
        ("a", "a_1", "a_1_2"),
        ("time", "cycle", "due"),
        ("session", "nodes", "states"),
        ("x_at", "x", "x_next"),
        ("len", "max", "print"),
        ("None", "True", "False"),
        ("__a", "_", "__"),
        ("é", "è", "ζ"),
    ],
)
def test_names_never_meet(names: tuple[str, ...]) -> None:
    def make() -> gc.Stream[Any]:
        stream: gc.Stream[Any] = gc.replay([1, 2, 3], [1, 2, 3])
        for name in names:
            stream = stream.filter(bool).named(name).scan(lambda a, x: a + x, 0).named(name)
        return stream.map(lambda x: max(x, 2)).named(names[0])

    assert len(same(make)) == 3


def test_locals_of_a_cycle_are_its_own() -> None:
    made = node_class(
        "time = self.source.value\ncycle = due = time + 1\ntried_1_total = 3\nrun = nodes = 1\n"
        "self.total += cycle + run\nself.value = (time, due, tried_1_total, self.total, nodes)\n"
        "return True",
        fields="source: gc.Active[Any]\ntotal: int = gc.state(0)",
    )
    assert same(lambda: gc.Stream(made(gc.Stream(made(one())).map(lambda x: x[1]))))


def test_a_local_name_for_an_upstreams_value_is_that_values_own_variable() -> None:
    made = node_class("given = self.source.value\nself.value = (given, given + 1)\nreturn True")
    assert body(gc.Stream(made(one()))) == ["tried_1 = (constant_0, constant_0 + 1)"]


@pytest.mark.parametrize("given", ["x", "self.source.value"])
def test_an_attribute_of_the_same_name_is_no_local(given: str) -> None:
    made = node_class(
        f"x = self.source.value\nfound = self.x, x\nself.x = {given}\nself.value = found\n"
        "return True",
        "source: gc.Active[Any]\nx: int = gc.state(7)",
    )
    assert [value for _, value in same(lambda: gc.Stream(made(gc.from_iterable([1, 2, 3]))))] == [
        *((7, 1), (1, 2), (2, 3)),
    ]


@pytest.mark.parametrize(
    "cycle",
    [
        "given = self.source.value\ngiven += 1\nself.value = given\nreturn True",
        "given = self.source.value\nfor given in [given, 7]:\n    pass\n"
        "self.value = given\nreturn True",
        "if self.source.value > 1:\n    given = self.source.value\nelse:\n    given = 0\n"
        "self.value = given\nreturn True",
        "given = self.source.value\nif given > 1:\n    given = 5\nself.value = given\nreturn True",
        "given = self.source.value\nif given > 1:\n    given: int = 5\nself.value = given\n"
        "return True",
        "given = other = self.source.value\nother = 9\nself.value = (given, other)\nreturn True",
    ],
)
def test_a_local_that_is_set_twice_keeps_a_variable_of_its_own(cycle: str) -> None:
    made = node_class(cycle)
    stream = gc.Stream(made(one()))
    assert any(re.match(r"\s*(given|other)_1 ", line) for line in body(stream)), body(stream)
    same(lambda: (x := gc.from_iterable([1, 2, 3])).join(gc.Stream(made(x)), lambda *both: both))


def test_a_local_name_for_what_may_lack_a_value_still_says_that_there_is_none() -> None:
    made = node_class(
        "given = self.late.value\nself.value = given if state.time > 1 else 0\nreturn True",
        "source: gc.Active[Any]\nlate: gc.Passive[Any]",
    )
    any_ = gc.node(valid="any")(made)
    error, text, _ = same(
        lambda: gc.Stream(any_(gc.replay([1, 3], "ab"), gc.replay([2], "x").named("late")))
    )
    assert error is gc.NoValueError
    assert "late" in text


# Literals

LITERALS = [5, -5, 0, 2.5, -2.5, -0.0, 1e300, 10**39, "text", "'\"\n\\", "é", b"\x00", True, None]


EXPRESSIONS = [
    "self.given",
    "-self.given ** 2",
    "self.given ** 2",
    "2 ** self.given",
    "(self.given, not self.given, [self.given][0])",
    "self.given.real",
    "self.given[0]",
    "self.given(1)",
    "self.given is None or self.given",
    "1 if self.given else 2",
    "f'{self.given}{self.given!r:>12}|{self.given:{self.source.value}}'",
    "'%s' % self.given",
    "self.source.value is self.given",
    "self.given < self.source.value <= 3",
]
GIVEN = [*LITERALS, float("nan"), float("inf"), 10**50, (1,), "x" * 99]
TOO_LARGE = {("2 ** self.given", 10**39), ("2 ** self.given", 10**50)}
CASES = [case for case in itertools.product(EXPRESSIONS, GIVEN) if case not in TOO_LARGE]


@pytest.mark.parametrize(("expression", "given"), CASES)
def test_a_parameter_means_the_same_written_out(expression: str, given: Any) -> None:
    made = node_class(
        f"self.value = {expression}\nreturn True", "source: gc.Active[Any]\ngiven: Any"
    )
    same(lambda: gc.Stream(made(gc.from_iterable([1, 2]), given)).named("tried"))


def test_numbers_stand_in_the_text_and_what_is_long_or_no_number_has_a_name() -> None:
    made = node_class(
        "self.value = self.given * self.source.value\nreturn True",
        "source: gc.Active[Any]\ngiven: Any",
    )
    for given, text in ((3, "3"), (-3, "(-3)"), (2.5, "2.5"), ("a", "'a'")):
        assert body(gc.Stream(made(one(), given))) == [f"tried_1 = {text} * constant_0"]
    for given in (float("nan"), float("inf"), "x" * 99, 10**50, (1,)):
        assert body(gc.Stream(made(one(), given))) == ["tried_1 = tried_1_given * constant_0"]


# Blocks


def test_nodes_behind_a_filter_stand_inside_its_if() -> None:
    found = body(one().filter(lambda x: x > 0).named("up").map(lambda x: -x).named("down"))
    assert found == [
        "if constant_0 > 0:",
        "    up_1 = constant_0",
        "    up_1_at = cycle",
        "    down_2 = -up_1",
        "    down_2_at = cycle",
    ]


def test_each_side_of_a_join_asks_for_the_other_alone() -> None:
    odd, small = one().filter(lambda x: x % 2 == 1), one().filter(lambda x: x < 9)
    lines = body(odd + small)
    assert lines[-3].startswith("if ") and " or " in lines[-3]
    first, second = (side.split(" and ") for side in lines[-3][3:-1].split(" or "))
    assert [first[0], second[0]] == [f"{second[1]} == cycle", f"{first[1]} == cycle"]


@pytest.mark.parametrize("head", Head)
@pytest.mark.parametrize("count", [24, 25, 100])
def test_many_blocks_side_by_side_are_found_by_comparisons(head: Head, count: int) -> None:
    streams = [gc.constant(n).map(abs) for n in range(count)]
    lines = [line.strip() for line in text_of(*streams, head=head).lines]
    assert ("first = heappop(due)" in lines) is (count > 24)
    assert (lines.count("else:") >= count - 1) is (count > 24)


@pytest.mark.parametrize("count", [3, 24, 25, 400])
def test_the_same_comes_of_few_and_of_many_sources(count: int) -> None:
    def make() -> gc.Stream[Any]:
        sources = [gc.replay([n % 7, 10 + n], [n, -n]) for n in range(count)]
        odd = [each.map(lambda x: x + 1).filter(lambda x: x % 3) for each in sources]
        joined = [a.join(b, lambda x, y: (x, y)) for a, b in pairwise(odd)]
        return joined[0].merge(*joined[1:]).with_time().enumerate()

    assert len(same(make)) > 1


# Whose line is whose


@pytest.mark.parametrize("head", Head)
def test_each_line_of_a_cycle_belongs_to_the_node_that_it_is_of(head: Head) -> None:
    chain = one().map(lambda x: x + 1).filter(bool).scan(lambda a, x: a + x, 0).throttle("1s")
    text = text_of(chain.named("last"), head=head)
    assert len(text.lines) == len(text.owners)
    for line, owner in zip(text.lines, text.owners, strict=True):
        assigned = re.match(r"\s*[a-z]+_(\d+)(_\w+)? \+?= ", line)
        if assigned and owner >= 0:
            assert int(assigned[1]) == owner, line


@pytest.mark.parametrize("progress", [False, True])
@pytest.mark.parametrize("place", range(6))
def test_an_error_in_any_place_of_a_chain_is_noted_on_its_node(place: int, progress: bool) -> None:
    stream: gc.Stream[Any] = gc.replay([1, 2], [1, 0])
    for n in range(6):
        if n == place:
            stream = stream.map(lambda x: (1 // x) * x).named(f"step {n}")
        else:
            stream = stream.map(lambda x: x + 0).named(f"step {n}").filter(lambda x: x < 9)
    with pytest.raises(ZeroDivisionError) as caught:
        gc.Graph(stream.count(), gc.replay([1], [5]).map(abs)).run(progress=progress)
    (note,) = caught.value.__notes__
    assert note.startswith(f"in step {place} (Map), ")
    assert "at 1970-01-01T00:00:00.000000002Z (2 ns)" in note
