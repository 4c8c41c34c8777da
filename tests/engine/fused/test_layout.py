"""Pass 10: the function's variables, their names, and what fills the holes of captured objects."""

import builtins
from collections.abc import Container
from types import CellType, SimpleNamespace
from typing import Any

import pytest

from graphcore.engine.fused.analysis.clocks import Placement
from graphcore.engine.fused.analysis.tests import place
from graphcore.engine.fused.backend.layout import Layout, lay_out
from graphcore.engine.fused.ir import (
    Attribute,
    Builtin,
    Capture,
    Captured,
    Cell,
    Constant,
    Contents,
    Do,
    Due,
    Function,
    Global,
    Hole,
    Is,
    Kind,
    Local,
    Member,
    NodeIR,
    Place,
    Run,
    RunState,
    Set,
    State,
    Tick,
    TickForm,
    Value,
)
from tests.engine.fused.made import COPY, always, called, chooses, cycle_of, node, nodes, source


def layout_of(*made: NodeIR, replaced: Container[int] = ()) -> Layout:
    graph = nodes(*made)
    objects = [SimpleNamespace(own=n) for n in range(len(graph))]
    return lay_out(graph, objects, place(graph, Placement(graph)), replaced)


def one(*body: Any, captured: dict[Hole, Capture] | None = None, **more: Any) -> Layout:
    """Return the layout of a source and of a node whose cycle is these statements."""
    cycle = cycle_of(*body, Tick(), **more)
    return layout_of(source(label="x"), node((0,), (), cycle, label="y", captured=captured or {}))


# Names


def test_a_value_is_held_under_the_label_and_other_variables_begin_with_it() -> None:
    found = layout_of(
        source(label="price"),
        chooses(0, label="mid"),
        called(1, label="own"),
        always(2, label="out"),
    )
    assert found.values == ["price", "mid", "own_node.value", "out"]
    assert found.flags == {1: "mid_at", 2: "own_at", 3: "out_at"}
    assert (found.steps, found.states) == ({2: "own_cycle"}, {2: "own_state"})
    assert found.dues == {0: "price_next"}
    assert found.constants["own_node"].own == 2


@pytest.mark.parametrize(
    "label", ["time", "cycle", "session", "attributes", "live", "len", "print", "due", "absent"]
)
def test_a_name_that_the_function_uses_itself_is_left_to_it(label: str) -> None:
    found = layout_of(source(label=label), always(0, label=label))
    assert label not in found.values
    assert len(set(found.values)) == 2
    assert all(each.startswith(label) for each in found.values)


def test_no_name_is_given_twice() -> None:
    both = {"at": Kind(Is.STATE), "_at": Kind(Is.READ)}
    cycle = cycle_of(
        Do((State("at"), State("_at"), Local("a_at"), Local("a"))),
        Tick(),
        kinds=both,
        withheld=True,
    )
    made = [source(label="a"), *(node((n,), (), cycle, label="a") for n in range(3))]
    found = layout_of(*made, chooses(3, label="a_at"), called(4, label="a_value"))
    given = [*found.values, *found.flags.values(), *found.states.values(), *found.steps.values()]
    given += [*found.dues.values(), *(each for each in found.working if each not in found.values)]
    given += [name for names in found.names for name in names.values()]
    given += found.constants
    assert len(set(given)) == len(given)
    assert not set(given) & set(dir(builtins))


def test_names_that_many_nodes_share_stay_short() -> None:
    found = layout_of(source(label="price"), *(always(n, label="price") for n in range(300)))
    assert len(set(found.values)) == 301
    assert max(map(len, found.values)) <= len("price_") + 5


def test_a_local_is_named_after_its_node() -> None:
    found = one(Do((Local("n"), Local("m"))))
    assert found.names[1] == {Local("n"): "n_1", Local("m"): "m_1"}


# The variables of a node


def test_state_and_what_is_read_have_variables_of_their_own() -> None:
    kinds = {"total": Kind(Is.STATE), "factor": Kind(Is.READ), "flag": Kind(Is.FOLDED, True)}
    found = one(Do((State("total"), State("factor"))), COPY, kinds=kinds)
    kept = found.kept[1]
    assert (kept.node, kept.value, kept.working) == (1, "y", "y")
    assert kept.state == (("total", "y_total"),)
    assert kept.read == (("factor", "y_factor"),)
    assert kept.fixed == {"flag"}
    assert found.names[1] == {State("total"): "y_total", State("factor"): "y_factor"}


def test_a_value_that_may_be_withheld_is_held_apart_from_what_the_cycle_set() -> None:
    kept = one(COPY, withheld=True).kept[1]
    assert (kept.value, kept.working) == ("y", "y_value")


def test_a_value_that_the_cycle_does_not_assign_is_left_on_the_node() -> None:
    found = one(sets_value=False, assigns_value=False)
    assert (found.kept[1].value, found.kept[1].working) == ("", "")
    assert found.values[1] == "y_node.value"
    assert found.constants["y_node"].own == 1


def test_a_mirrored_node_gives_the_function_its_attributes() -> None:
    found = layout_of(source(label="x"), always(0, label="y", mirrored=True))
    assert found.attributes == {1: "y_attributes"}
    assert found.constants["y_attributes"] == {"own": 1}


def test_a_source_whose_events_are_the_loop_needs_only_a_variable_for_its_value() -> None:
    cycle = cycle_of(
        Set(((State("count"),),), "+", ("1",)),
        COPY,
        Do((RunState(Run.TIME),)),
        Tick(),
        kinds={"count": Kind(Is.STATE)},
    )
    found = layout_of(node((), (), cycle, label="x"), always(0), replaced={0})
    assert found.kept[0] == (0, "x", "x", (), (), {"count"})
    assert (found.names[0], found.dues, found.states) == ({}, {}, {})
    assert not found.asks_time


# Uses of the run's state


@pytest.mark.parametrize(
    ("hole", "asked"),
    [
        (RunState(Run.TIME), {"time"}),
        (RunState(Run.START), {"start"}),
        (RunState(Run.STATE), {"session"}),
        (Value(), set()),
    ],
)
def test_the_layout_tells_what_the_nodes_ask_of_the_run(hole: Hole, asked: set[str]) -> None:
    found = one(Do((hole,)))
    told = {"time": found.asks_time, "start": found.asks_start, "session": found.asks_session}
    assert {name for name, asks in told.items() if asks} == asked
    assert (1 in found.states) is ("session" in asked)


@pytest.mark.parametrize("woken", [True, False])
def test_a_node_that_is_never_woken_asks_for_no_alarm(woken: bool) -> None:
    asks = node((0,), (), cycle_of(Do((Due(),)), Tick()), woken=woken, label="y")
    found = layout_of(source(label="x"), asks)
    assert found.asks_due is woken
    assert found.dues == ({0: "x_next", 1: "y_next"} if woken else {0: "x_next"})


def test_a_called_node_may_ask_for_anything() -> None:
    assert layout_of(source(), called(0)).asks_session


# Captured objects

NAN, BIG = float("nan"), int("1000")
LITERALS: dict[Place, list[tuple[Any, str]]] = {
    Place.OBJECT: [(5, "5"), (-5, "(-5)"), (256, "256"), (None, "None"), (True, "True")],
    Place.OPERAND: [
        *((5, "5"), (-7, "(-7)"), (BIG, "1000"), (2.5, "2.5"), (-0.0, "(-0.0)"), ("a", "'a'")),
        *((b"a", "b'a'"), (None, "None"), (False, "False")),
    ],
}
NAMES: dict[Place, list[Any]] = {
    Place.NAME: [5, None, "a", 2.5],
    Place.OBJECT: [257, -6, BIG, 2.5, "a", b"", (), [], NAN],
    Place.OPERAND: [NAN, float("inf"), "x" * 99, 10**50, (1,), [1], 1j],
}


@pytest.mark.parametrize(
    ("where", "value", "text"),
    [(where, *pair) for where, pairs in LITERALS.items() for pair in pairs],
)
def test_an_object_is_a_literal_where_its_identity_cannot_matter(
    where: Place, value: Any, text: str
) -> None:
    for hole in (Cell("k", where), Captured("function", "k", where)):
        found = one(Do((hole,)), captured={hole: Constant(value)})
        assert found.names[1] == {hole: text}
        assert found.constants == {}


@pytest.mark.parametrize(
    ("where", "value"), [(where, value) for where, values in NAMES.items() for value in values]
)
def test_other_objects_have_a_name(where: Place, value: Any) -> None:
    hole = Cell("_k", where)
    found = one(Do((hole,)), captured={hole: Constant(value)})
    assert found.names[1] == {hole: "y_k"}
    assert found.constants["y_k"] is value


def test_a_number_of_another_type_is_not_written_as_a_literal() -> None:
    class Number(int):
        pass

    hole = Cell("k", Place.OPERAND)
    assert one(Do((hole,)), captured={hole: Constant(Number(5))}).names[1] == {hole: "y_k"}


def test_a_global_is_a_builtin_or_read_from_its_module() -> None:
    module = SimpleNamespace(__name__="package.prices")
    found = one(
        Do((Global("abs"), Global("limit"), Global("gc"))),
        captured={
            Global("abs"): Builtin(),
            Global("limit"): Member(module),
            Global("gc"): Constant(module),
        },
    )
    assert list(found.names[1].values()) == ["abs", "prices.limit", "gc"]
    assert found.constants == {"prices": module, "gc": module}


def test_modules_with_the_same_last_name_are_distinguished() -> None:
    one_, other = (SimpleNamespace(__name__=f"{name}.prices") for name in "ab")
    found = one(
        Do((Global("x"), Global("y"), Global("z"))),
        captured={Global("x"): Member(one_), Global("y"): Member(other), Global("z"): Member(one_)},
    )
    first, second, third = found.names[1].values()
    assert first.partition(".")[0] == third.partition(".")[0] != second.partition(".")[0]
    assert found.constants[second.partition(".")[0]] is other


def test_a_variable_that_may_change_is_read_from_its_cell() -> None:
    cell, hole = CellType(5), Cell("k", Place.OPERAND)
    found = one(Do((hole,)), captured={hole: Contents(cell)})
    assert found.names[1] == {hole: "y_k.cell_contents"}
    assert found.constants["y_k"] is cell


def test_a_function_and_an_attribute_are_found_by_name() -> None:
    found = one(Do((Function("key"), Attribute("kept"))), captured={Function("key"): Constant(abs)})
    assert found.names[1] == {Function("key"): "y_key", Attribute("kept"): "y_node.kept"}
    assert found.constants["y_key"] is abs


def test_nodes_share_the_name_of_one_global() -> None:
    hole = Global("helper")
    cycle = cycle_of(Do((hole,)), Tick(), form=TickForm.ALWAYS)
    same, other = Constant(abs), Constant(len)
    found = layout_of(
        source(),
        *(node((0,), (), cycle, captured={hole: given}) for given in (same, same, other)),
    )
    first, second, third = (found.names[n][hole] for n in (1, 2, 3))
    assert first == second == "helper"
    assert third != "helper"
    assert found.constants[third] is len
