"""`Stream` as a handle: identity, names, refused uses, and user-written operators."""

import builtins
import re
from typing import Any

import pytest

import graphcore as gc
from graphcore.stream.ewm import Ewm
from graphcore.stream.windows import Rolling
from graphcore.stream.words import WORDS
from graphcore.testing import ticks


def test_a_stream_is_not_iterable() -> None:
    stream = gc.constant((1, 2)).named("pairs")
    sentence = "pairs.* is a stream, which has no values to iterate over"
    with pytest.raises(TypeError, match=sentence):
        _a, _b = stream  # type: ignore[var-annotated]  # never come
    with pytest.raises(TypeError, match=sentence):
        list(stream)
    with pytest.raises(TypeError, match="'Stream' is not iterable"):
        1 in stream  # type: ignore[operator]  # noqa: B015  # what is tried


def test_a_stream_has_no_truth_value() -> None:
    a, b, c = (gc.constant(n).named(name) for n, name in enumerate("abc"))
    sentence = "is a stream, which is neither true nor false"
    with pytest.raises(TypeError, match=f"a.* {sentence}"):
        if a:
            pass
    with pytest.raises(TypeError, match=sentence):
        a < b < c  # noqa: B015  # what is tried
    with pytest.raises(TypeError, match=sentence):
        _ = a and b
    with pytest.raises(TypeError, match=sentence):
        _ = not a


def test_a_stream_hashes_by_identity() -> None:
    a, b = gc.constant(1), gc.constant(1)
    assert {a: "a", b: "b"}[a] == "a"
    assert len({a, b, a}) == 2


def test_named_gives_the_node_a_name_and_returns_the_stream() -> None:
    stream = gc.constant(1)
    assert re.fullmatch(r"constant_\d+", stream.node.name)
    assert stream.named("one") is stream
    assert stream.node.name == "one"
    assert repr(stream) == "<Stream one>"
    out = stream.collect().named("kept")
    assert repr(out) == "<Collected kept>"


def test_a_stream_may_be_made_of_a_node_or_a_stream() -> None:
    stream = gc.constant(1)
    assert gc.Stream(stream.node).node is stream.node
    assert gc.Stream(stream).node is stream.node  # type: ignore[arg-type]  # taken all the same


def test_r5_reading_a_value_that_is_not_there_names_the_stream() -> None:
    stream = gc.constant(1).named("one")
    with pytest.raises(gc.NoValueError, match="one has no value yet"):
        _ = stream.value
    stream.run()
    assert stream.value == 1


def test_a_stream_operator_is_a_method_and_a_function() -> None:
    @gc.stream_operator
    def scaled_for_test(stream: gc.Stream[int], factor: int = 2) -> gc.Stream[int]:
        return stream.map(lambda value: value * factor)

    source: Any = gc.from_iterable([1, 2])
    assert ticks(source.scaled_for_test(3)) == ticks(scaled_for_test(source, 3)) == [(0, 3), (0, 6)]


def test_a_node_of_a_stream_operator_is_wired_where_it_is_called() -> None:
    @gc.stream_operator
    def inverse_for_test(stream: gc.Stream[int]) -> gc.Stream[float]:
        return stream.map(lambda value: 1 / value)

    source: Any = gc.from_iterable([0])
    inverse = source.inverse_for_test()  # this line
    with pytest.raises(ZeroDivisionError) as caught:
        inverse.run()
    assert "inverse = source.inverse_for_test()  # this line" in caught.value.__notes__[0]


@pytest.mark.parametrize("name", ["map", "named", "value", "node", "run", "__add__", "_binary"])
def test_a_stream_operator_does_not_take_a_name_that_is_taken(name: str) -> None:
    def operator(stream: gc.Stream[int]) -> gc.Stream[int]:
        return stream

    operator.__name__ = operator.__qualname__ = name
    before = getattr(gc.Stream, name)
    with pytest.raises(gc.WiringError, match=rf"Stream\.{name} exists already"):
        gc.stream_operator(operator)
    assert getattr(gc.Stream, name) is before


def test_a_stream_operator_defined_again_replaces_itself() -> None:
    def define(factor: int) -> None:
        @gc.stream_operator
        def again_for_test(stream: gc.Stream[int]) -> gc.Stream[int]:
            return stream.map(lambda value: value * factor)

    define(2)
    define(3)
    source: Any = gc.from_iterable([1])
    assert ticks(source.again_for_test()) == [(0, 3)]


@pytest.mark.parametrize("word", WORDS)
def test_the_words_of_other_libraries_lead_to_graphcores(word: str) -> None:
    stream = gc.constant(1)
    assert not hasattr(gc.Stream, word)
    with pytest.raises(AttributeError, match=re.escape(f"has no {word}: graphcore's word is")):
        getattr(stream, word)


@pytest.mark.parametrize("word", WORDS)
def test_what_is_said_for_a_word_exists(word: str) -> None:
    said = WORDS[word]
    named = re.findall(r"(gc\.)?\b([a-z_]+)(?=\()", said)
    owners = (gc.Stream, gc.Collected, gc.Handle, gc.Graph, gc.EventTime, gc.Bars)
    owners += (Rolling, Ewm, builtins)
    for module, name in named:
        assert hasattr(gc, name) if module else any(hasattr(each, name) for each in owners), said


def test_another_attribute_is_missing_as_usual() -> None:
    with pytest.raises(AttributeError, match="a stream has no nonsense: for an attribute"):
        _ = gc.constant(1).nonsense  # type: ignore[attr-defined]  # what is tried
    assert not hasattr(gc.constant(1), "__array_interface__")
