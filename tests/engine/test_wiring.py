"""The structure of a graph: cycles, feedback, roots, and its memory."""

import gc as garbage
import multiprocessing
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc


def test_r2_a_cycle_in_the_wiring_names_its_nodes_and_points_at_feedback() -> None:
    start = gc.constant(1).named("start")
    one = start.map(lambda n: n).named("one")
    two = one.map(lambda n: n).named("two")
    three = two.map(lambda n: n).named("three")
    node: Any = one.node
    node.source = three.node
    with pytest.raises(gc.WiringError, match="the wiring has a cycle: .*feedback") as caught:
        gc.Graph(three)
    cycle = str(caught.value).split(": ")[1].split(";")[0].split(" -> ")
    assert cycle[0] == cycle[-1]
    turned = cycle[:-1]
    while turned[0] != "one":
        turned = [*turned[1:], turned[0]]
    assert turned == ["one", "two", "three"]


def test_r2_a_node_that_reads_itself_is_a_cycle() -> None:
    stream = gc.constant(1).map(lambda n: n).named("me")
    node: Any = stream.node
    node.source = node
    with pytest.raises(gc.WiringError, match="cycle: me -> me; close a loop with .*feedback"):
        gc.Graph(stream)


def test_r2_a_cycle_over_a_passive_edge_is_refused_too() -> None:
    one, other = gc.constant(1).named("one"), gc.constant(2)
    sampled = one.sample(other).named("sampled")
    mapped = sampled.map(lambda n: n).named("mapped")
    node: Any = sampled.node
    node.source = mapped.node
    with pytest.raises(gc.WiringError, match="feedback"):
        gc.Graph(mapped)


def test_r6_a_feedback_left_unbound_is_refused_by_name() -> None:
    loop = gc.feedback().named("loop")
    with pytest.raises(gc.WiringError, match=r"^loop was never closed: call \.bind\(stream\)"):
        gc.Graph(loop.map(str))


def test_r6_a_feedback_is_bound_once() -> None:
    loop = gc.feedback().named("loop")
    loop.bind(gc.constant(1))
    with pytest.raises(gc.WiringError, match="^loop is bound already"):
        loop.bind(gc.constant(2))
    with pytest.raises(gc.InvalidTypeError, match="the argument of bind must be a stream"):
        gc.feedback().bind(3)  # type: ignore[arg-type]  # the very mistake


def test_r6_both_ends_of_a_loop_are_in_the_graph_whichever_end_the_root_reaches() -> None:
    loop = gc.feedback()
    source = gc.constant(3)
    down = source.merge(loop).filter(lambda n: n > 0).map(lambda n: n - 1)
    loop.bind(down)
    for root in (loop, down):
        out = root.collect()
        out.run()
        assert out.values[-1] == 0


@pytest.mark.parametrize("root", [5, None, "stream"])
def test_a_root_that_is_not_a_stream_is_refused_with_its_number(root: Any) -> None:
    with pytest.raises(gc.InvalidTypeError, match="root 2 must be a stream or a node, not "):
        gc.Graph(gc.constant(1), root)


def test_a_graph_needs_a_root() -> None:
    with pytest.raises(gc.InvalidValueError, match="at least one stream"):
        gc.Graph()


def test_a_graph_takes_streams_sinks_and_nodes() -> None:
    stream = gc.constant(1)
    sink, node = stream.collect(), stream.map(str).node
    assert set(gc.Graph(stream, sink, node).nodes) == {stream.node, sink.node, node}


def test_the_networkx_graph_is_a_copy() -> None:
    graph = gc.Graph(gc.constant(1).map(str))
    graph.networkx.clear()
    assert len(graph.networkx) == 2


def chain(source: gc.Stream[int], function: Callable[[int], int], count: int) -> gc.Stream[int]:
    for _ in range(count):
        source = source.map(function)
    return source


def same(value: int) -> int:
    return value


def weigh(shape: str, tier: Any, count: int) -> tuple[int, int, int]:
    """Return the bytes that a graph takes when wired, after a second run, and at most during that
    run."""
    tracemalloc.start()
    gc.Graph(gc.constant(1).map(same)).run(tier=tier)  # what is loaded once does not count
    before = tracemalloc.get_traced_memory()[0]
    source = gc.constant(1)
    if shape == "chain":
        roots = [chain(source, same, count)]
    else:
        roots = [source.map(same) for _ in range(count)]
    graph = gc.Graph(*roots)
    wired = tracemalloc.get_traced_memory()[0]
    graph.run(tier=tier)  # the first run compiles it, which needs more memory for a while
    garbage.collect()
    tracemalloc.reset_peak()
    graph.run(tier=tier)
    ran, peak = tracemalloc.get_traced_memory()
    assert roots[-1].value == 1
    return wired - before, ran - before, peak - before


@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_a_node_of_a_graph_of_10_000_takes_less_than_2_kb(shape: str, default_tier: str) -> None:
    count = 10_000
    # In a separate process, where leftovers of other tests cannot grow meanwhile.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        weights = pool.apply(weigh, (shape, default_tier, count))
    # CPython 3.13 takes some bytes more for the same objects.
    most = 2048 if sys.version_info < (3, 13) else 2176
    assert all(weight / count < most for weight in weights), weights


def test_a_chain_of_10_000_nodes_needs_no_deep_stack() -> None:
    stream = chain(gc.from_iterable([1, 2]), lambda n: n + 1, 10_000)
    out = stream.collect()
    out.run()
    assert out.values == [10_001, 10_002]
