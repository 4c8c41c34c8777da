"""Marble diagrams: text becomes a stream, and a stream's ticks become text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import drawn, marbles, ticks


def test_a_diagram_ticks_at_its_places() -> None:
    stream = marbles("a-(b1) 2-", {"a": None, "b": 2.5, "1": 1, "2": "two"}, step="1ms")
    assert ticks(stream) == [(0, None), (2_000_000, 2.5), (2_000_000, 1), (3_000_000, "two")]
    assert ticks(marbles("---")) == []


@given(st.lists(st.text("abc123", max_size=3), max_size=8))
def test_a_drawn_diagram_is_the_one_that_was_written(places: list[str]) -> None:
    signs = [each if len(each) == 1 else f"({each})" if each else "-" for each in places]
    diagram = "".join(signs).rstrip("-")
    assert drawn(marbles(diagram)) == diagram


def test_operators_read_as_diagrams() -> None:
    source = marbles("1-2-2-(34)")
    assert drawn(source.distinct()) == "1-2---(34)"
    assert drawn(source.delay("1s"), duration="9s") == "-1-2-2-(34)"
    assert drawn(source.merge(marbles("-9"))) == "192-2-(34)"
    assert drawn(source > 2, {"t": True, "f": False}) == "f-f-f-(tt)"


@pytest.mark.parametrize(
    ("diagram", "message"),
    [
        ("a(b", "the brackets of 'a\\(b' do not match"),
        ("a)b", "the brackets of 'a\\)b' do not match"),
        ("((a))", "do not match"),
        ("(a-)", "has a step without a tick within brackets"),
        (7, "a diagram is text, not 7"),
    ],
)
def test_a_diagram_that_makes_no_sense_is_refused(diagram: str, message: str) -> None:
    with pytest.raises(gc.GraphcoreError, match=message):
        marbles(diagram)


def test_what_no_diagram_shows_is_said() -> None:
    with pytest.raises(gc.InvalidValueError, match="values lacks 'b', which 'ab' has"):
        marbles("ab", {"a": 1})
    with pytest.raises(gc.InvalidValueError, match="no letter stands for 11: give one in values="):
        drawn(marbles("1").map(lambda n: n + 10))
    with pytest.raises(gc.InvalidValueError, match="no letter stands for True"):
        drawn(marbles("1") > 0, {"a": 1})
    with pytest.raises(gc.InvalidValueError, match="late ticked at 1500000000 ns, between two"):
        drawn(marbles("-1").delay("500ms").named("late"))
