"""Pass 11, the text of the function: its names, its literals, its blocks, and which node each line
belongs to."""

import itertools
import re
from itertools import pairwise
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.analysis.drivers import DriverName
from graphcore.engine.fused.backend.instances import Compiled
from graphcore.engine.fused.backend.program import Program
from graphcore.engine.fused.pipeline import compile_for, read
from graphcore.engine.plan import Plan
from tests.engine.fused.both import node_class, numbered, same, source_of, written


def program_of(*streams: gc.Stream[Any], driver: DriverName | None = None) -> tuple[Program, Plan]:
    plan = Plan([stream.node for stream in streams])
    return compile_for(driver, plan, read(plan, {})), plan


def lines_of(*streams: gc.Stream[Any], driver: DriverName | None = None) -> list[tuple[str, int]]:
    """Return the lines of the function, each with the index of the node that it belongs to."""
    program, plan = program_of(*streams, driver=driver)
    lines = numbered(program.source, plan.nodes).splitlines()
    return [(line, program._owner_at(number, {})) for number, line in enumerate(lines, 1)]


def body(*streams: gc.Stream[Any], driver: DriverName | None = None) -> list[str]:
    """Return the lines of the nodes after the first one, inside the loop."""
    lines = lines_of(*streams, driver=driver)
    loop = next(
        n for n, (line, _) in enumerate(lines) if line.startswith(("    for ", "    while "))
    )
    return [line[8:] for line, owner in lines[loop + 1 :] if owner > 0]


def one() -> gc.Stream[int]:
    return gc.constant(1)


# Names


def test_a_variable_has_the_users_name_or_the_operators() -> None:
    assert body(one().map(lambda x: x + 1).named("mid")) == ["mid = constant_0 + 1"]
    assert body(one().map(lambda x: x + 1)) == ["map_1 = constant_0 + 1"]


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("class", "n_class"),
        ("bid price", "bid_price"),
        ("1st", "n_1st"),
        ("größe", "gr_e"),
        ("価格", "_"),
        ("a.b-c", "a_b_c"),
    ],
)
def test_a_name_that_is_not_an_identifier_is_made_one(name: str, variable: str) -> None:
    assert body(one().map(lambda x: x).named(name)) == [f"{variable} = constant_0"]


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
def test_no_two_names_are_equal(names: tuple[str, ...]) -> None:
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


def test_a_local_name_for_an_upstreams_value_is_replaced_by_its_variable() -> None:
    made = node_class("given = self.source.value\nself.value = (given, given + 1)\nreturn True")
    assert body(gc.Stream(made(one()))) == ["tried_1 = (constant_0, constant_0 + 1)"]


@pytest.mark.parametrize("given", ["x", "self.source.value"])
def test_an_attribute_of_the_same_name_is_not_a_local(given: str) -> None:
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


def test_a_local_name_for_a_missing_value_still_raises_the_error() -> None:
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
    "given",
    "-given ** 2",
    "given ** 2",
    "2 ** given",
    "(given, not given, [given][0])",
    "given.real",
    "given[0]",
    "given(1)",
    "given is None or given",
    "1 if given else 2",
    "f'{given}{given!r:>12}|{given:{self.source.value}}'",
    "'%s' % given",
    "self.source.value is given",
    "self.source.value is not given",
    "self.source.value + given",
    "given < self.source.value <= 3",
    "{given: given}",
]
GIVEN = [*LITERALS, float("nan"), float("inf"), 10**50, (1,), "x" * 99]
TOO_LARGE = {("2 ** given", 10**39), ("2 ** given", 10**50)}
CASES = [case for case in itertools.product(EXPRESSIONS, GIVEN) if case not in TOO_LARGE]
AROUND = """
def around(given):
    class Tried(gc.MutableNode[Any]):
        def __init__(self, source):
            super().__init__()
            self.source = source

        def upstreams(self):
            return gc.Upstreams(active=(self.source,))

        def cycle(self, state):
            self.value = {expression}
            return True

    return Tried
"""


@pytest.mark.parametrize(("expression", "given"), CASES)
def test_a_variable_around_the_cycle_means_the_same_in_the_text(
    expression: str, given: Any
) -> None:
    made = written(AROUND.replace("{expression}", expression))["around"](given)
    same(lambda: gc.Stream(made(gc.from_iterable([1, 2]))).named("tried"))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        *((3, "3"), (-3, "(-3)"), (2.5, "2.5"), ("a", "'a'"), (1000, "1000")),
        *((given, "mid_k") for given in (float("nan"), float("inf"), "x" * 99, 10**50, (1,))),
    ],
)
def test_a_short_operand_is_written_into_the_text(given: Any, text: str) -> None:
    def times(k: Any) -> Any:
        return lambda x: k * x

    assert body(one().map(times(given)).named("mid")) == [f"mid = {text} * constant_0"]


@pytest.mark.parametrize(
    ("given", "text"),
    [(3, "3"), (None, "None"), (300, "mid_k"), (2.5, "mid_k"), ("a", "mid_k"), ([1], "mid_k")],
)
def test_an_object_is_written_into_the_text_if_python_has_only_one_of_it(
    given: Any, text: str
) -> None:
    def pair(k: Any) -> Any:
        return lambda x: [k, x]

    assert body(one().map(pair(given)).named("mid")) == [f"mid = [{text}, constant_0]"]


def test_a_parameter_is_read_into_a_variable_before_the_loop() -> None:
    made = node_class(
        "self.value = self.given(self.number * self.source.value, self.word)\nreturn True",
        "source: gc.Active[Any]\ngiven: Any\nnumber: int\nword: str",
    )
    lines = source_of(gc.Stream(made(one(), print, 7, "a"))).splitlines()
    names = ("given", "number", "word")
    left = ", ".join(f"tried_1_{name}" for name in names)
    right = ", ".join(f'attributes[1]["{name}"]' for name in names)
    assert f"    {left} = {right}" in lines
    text = "tried_1 = tried_1_given(tried_1_number * constant_0, tried_1_word)"
    assert f"        {text}" in lines


# Blocks


def test_nodes_after_a_filter_stand_inside_its_if() -> None:
    found = body(one().filter(lambda x: x > 0).named("up").map(lambda x: -x).named("down"))
    assert found == [
        "if constant_0 > 0:",
        "    up = constant_0",
        "    up_at = cycle",
        "    down = -up",
        "    down_at = cycle",
    ]


def test_each_side_of_a_join_tests_only_the_other() -> None:
    odd, small = one().filter(lambda x: x % 2 == 1), one().filter(lambda x: x < 9)
    lines = body(odd + small)
    assert lines[-3].startswith("if ") and " or " in lines[-3]
    first, second = (side.split(" and ") for side in lines[-3][3:-1].split(" or "))
    assert [first[0], second[0]] == [f"{second[1]} == cycle", f"{first[1]} == cycle"]


@pytest.mark.parametrize(
    "driver", [each for each in DriverName if not each.name.startswith("EVENTS")]
)
@pytest.mark.parametrize("count", [24, 25, 100])
def test_many_blocks_side_by_side_are_found_by_comparisons(driver: DriverName, count: int) -> None:
    streams = [gc.constant(n).map(abs) for n in range(count)]
    lines = [line.strip() for line, _ in lines_of(*streams, driver=driver)]
    assert ("first = heappop(due)" in lines) is (count > 24)
    assert (lines.count("else:") >= count - 1) is (count > 24)


@pytest.mark.parametrize("count", [3, 24, 25, 400])
def test_few_and_many_sources_give_the_same_results(count: int) -> None:
    def make() -> gc.Stream[Any]:
        sources = [gc.replay([n % 7, 10 + n], [n, -n]) for n in range(count)]
        odd = [each.map(lambda x: x + 1).filter(lambda x: x % 3) for each in sources]
        joined = [a.join(b, lambda x, y: (x, y)) for a, b in pairwise(odd)]
        return joined[0].merge(*joined[1:]).with_time().enumerate()

    assert len(same(make)) > 1


# Nodes


def test_a_node_that_is_called_is_asked_whether_it_ticks() -> None:
    called = node_class("self.value = id(self)\nreturn True")
    stream = gc.Stream(called(one().map(lambda x: x).named("mid"))).named("own")
    assert body(stream.map(lambda x: -x).named("neg")) == [
        "mid = constant_0",
        'mid_attributes["value"] = mid',
        'mid_attributes["ticked_in"] = cycle',
        "if own_cycle(own_state):",
        "    own_node.ticked_in = cycle",
        "    own_at = cycle",
        "    own_node.value",
        "    neg = -own_node.value",
        "    neg_at = cycle",
    ]


def test_a_value_that_is_set_without_a_tick_has_a_variable_of_its_own() -> None:
    withholds = node_class(
        "self.value = self.source.value\nreturn self.source.value > 1", "source: gc.Active[Any]"
    )
    assert body(gc.Stream(withholds(one())).named("up").map(lambda x: -x).named("neg")) == [
        "up_value = constant_0",
        "if constant_0 > 1:",
        "    up = up_value",
        "    up_at = cycle",
        "    neg = -up",
        "    neg_at = cycle",
    ]


def test_a_branch_without_a_line_of_its_own_is_left_out_or_passes() -> None:
    made = node_class(
        "if self.source.value:\n    self.value = 1\nelif self.no(self.source.value):\n"
        "    pass\nreturn True",
        "source: gc.Active[Any]\nno: Any",
    )
    assert body(gc.Stream(made(one(), lambda x: False)).named("w")) == [
        "if constant_0:",
        "    w = 1",
        "elif False:",
        "    pass",
    ]


LOOPS = {
    DriverName.EVENTS: "for ticker_0, cycle in events:",
    DriverName.MERGED: "for time, due, given, cycle in events:",
    DriverName.EVENTS_AND_FURTHER: "for ticker_0, cycle in events:",
    DriverName.EVENTS_AND_ALARMS: "for moment, given, cycle in events:",
    DriverName.VARIABLES: "for cycle in cycles:",
    DriverName.HEAP: "for cycle in cycles:",
    DriverName.CLOCK: "while True:",
    DriverName.SESSION: "while (due := session.next_cycle()) is not None:",
}


@pytest.mark.parametrize("driver", DriverName)
def test_each_driver_has_its_loop_and_the_nodes_are_the_same(driver: DriverName) -> None:
    lines = [line for line, _ in lines_of(gc.ticker(5).map(lambda x: x + 1), driver=driver)]
    assert f"    {LOOPS[driver]}" in lines
    assert "map_1 = ticker_0 + 1" in map(str.strip, lines)


# Which node a line belongs to


@pytest.mark.parametrize("driver", DriverName)
def test_each_line_of_a_cycle_belongs_to_its_node(driver: DriverName) -> None:
    chain = one().map(lambda x: x + 1).filter(bool).scan(lambda a, x: a + x, 0).throttle("1s")
    for line, owner in lines_of(chain, driver=driver):
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


def test_a_sub_graph_that_asks_for_the_time_is_sent_its_values_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Compiled] = []
    make = Compiled.__init__

    def making(compiled: Compiled, *given: Any) -> None:
        make(compiled, *given)
        made.append(compiled)

    monkeypatch.setattr(Compiled, "__init__", making)
    values = gc.from_iterable([1.0, 3.0, 8.0], period="1s")
    keyed = values.group_by(lambda value: "a", lambda own, key: own.ewm(halflife="1s").mean())
    out = keyed.changes.collect()
    out.run()

    assert [each.takes_value for each in made] == [True]
    alone = values.ewm(halflife="1s").mean().collect()
    alone.run()
    assert [changes["a"] for changes in out.values] == list(alone.values)
