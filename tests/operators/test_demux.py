"""`demux`: a stream for each of some keys, beside a loop that sorts values into lists."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

numbers = st.lists(st.integers(0, 30), max_size=30)


def collected(made: "gc.Demuxed[int, gc.Stream[int]]") -> tuple[dict[int, Any], Any]:
    outs = {key: stream.collect() for key, stream in made.items()}
    other = made.other.collect()
    gc.Graph(*outs.values(), other).run()
    return {key: list(out) for key, out in outs.items()}, list(other)


@given(numbers, st.integers(1, 30))
def test_demux_hands_each_value_to_the_stream_of_its_key(values: list[int], count: int) -> None:
    made = gc.from_iterable(values, period=1).demux(lambda n: n % 20, range(count))
    found, other = collected(made)
    pairs = list(enumerate(values))
    assert found == {k: [(t, n) for t, n in pairs if n % 20 == k] for k in range(count)}
    assert other == [(t, n) for t, n in pairs if n % 20 >= count]


@given(numbers)
def test_streams_of_demux_meet_again_in_order(values: list[int]) -> None:
    made = gc.from_iterable(values, period=1).demux(lambda n: n, range(30))
    counts = [made[k].count() for k in range(30)]
    combined = counts[1].combine(made[2]).collect()
    sampled = made[1].sample(made[2]).collect()
    firsts = counts[3].merge(counts[4], made.other).collect()
    gc.Graph(*counts, combined, sampled, firsts).run()
    seen: dict[int, int] = {}
    expected: dict[str, list[Any]] = {"combined": [], "sampled": [], "firsts": []}
    for time, n in enumerate(values):
        seen[n] = seen.get(n, 0) + 1
        if n in (1, 2) and 1 in seen and 2 in seen:
            expected["combined"].append((time, (seen[1], 2)))
        if n == 2 and 1 in seen:
            expected["sampled"].append((time, 1))
        if n in (3, 4, 30):
            expected["firsts"].append((time, 30 if n == 30 else seen[n]))
    assert list(combined) == expected["combined"]
    assert list(sampled) == expected["sampled"]
    assert list(firsts) == expected["firsts"]


def test_demux_in_a_graph_with_many_sources() -> None:
    made = [gc.replay([n, n + 100], [n, n + 1]).demux(lambda v: v % 2, [0, 1]) for n in range(60)]
    outs = [(each[0].count().collect(), each[1].map(abs).collect()) for each in made]
    gc.Graph(*[out for pair in outs for out in pair]).run()
    for n, (even, odd) in enumerate(outs):
        first, second = (even, odd) if n % 2 == 0 else (odd, even)
        assert first.times == [n]
        assert second.times == [n + 100]


def test_demux_within_a_stream_of_demux_and_after_a_filter() -> None:
    outer = gc.from_iterable(range(20), period=1).filter(lambda n: n > 3).demux(_second, [0, 1, 2])
    inner = outer[1].demux(lambda n: n % 2, [0])
    assert ticks(inner[0]) == [(n, n) for n in range(4, 20) if n % 3 == 1 and n % 2 == 0]
    assert ticks(inner.other) == [(n, n) for n in range(4, 20) if n % 3 == 1 and n % 2]


def _second(n: int) -> int:
    return int(f"{n % 3}")


def test_demux_is_fused_and_its_streams_have_names() -> None:
    made = gc.from_iterable(["a", "b"]).demux(lambda text: text, ["a"])
    made["a"].run()
    graph = gc.Graph(made["a"].named("only a"), made.other)
    assert "called" not in graph.explain()
    assert made.other.node.name.endswith(".other")
    assert dict(made) == {"a": made["a"]}


def test_an_error_in_a_branch_and_in_the_key_names_its_node() -> None:
    source = gc.from_iterable([1, 0]).named("numbers")
    made = source.demux(lambda n: n, [0, 1])
    zero = made[0].map(lambda n: 1 / n).named("inverse")
    with pytest.raises(ZeroDivisionError) as caught:
        gc.Graph(zero, made[1]).run()
    assert "in inverse" in caught.value.__notes__[0]
    assert made[0].value == 0
    with pytest.raises(ZeroDivisionError) as caught:
        source.demux(lambda n: 1 // n, [1])[1].run()
    assert "reading numbers = 0" in caught.value.__notes__[0]
    with pytest.raises(TypeError, match="unhashable"):
        source.demux(lambda n: [n], [1])[1].run()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([], "demux needs at least one key"),
        ("ab", "the keys of demux must be a list of keys, not 'ab'"),
        (5, "the keys of demux must be a list of keys, not 5"),
        (["a", "b", "a"], "demux has the key 'a' twice"),
        ([0, 1, True], "demux has the key True twice"),
        ([0, [1]], r"a key of demux must be hashable, not \[1\]"),
    ],
)
def test_demux_refuses(keys: Any, message: str) -> None:
    with pytest.raises(gc.GraphcoreError, match=message):
        gc.constant(1).demux(lambda n: n, keys)
