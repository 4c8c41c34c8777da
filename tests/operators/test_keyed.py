"""`group_by`, `Keyed` and `switch`: sub-graphs that come and go during a run."""

import threading
from collections import defaultdict
from collections.abc import Hashable
from time import sleep
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import wait_until

SECOND = 1_000_000_000

_Item = tuple[str, int]


def items(*given: _Item) -> gc.Stream[_Item]:
    """Return a stream of (key, value), one a second."""
    return gc.replay([(n * SECOND, each) for n, each in enumerate(given)])


def first(item: tuple[Hashable, Any]) -> Hashable:
    return item[0]


def summed(stream: gc.Stream[_Item], key: str) -> gc.Stream[int]:
    return stream.map(lambda item: item[1]).sum()


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(-9, 9)), max_size=40))
def test_each_key_has_a_sub_graph_with_state_of_its_own(given: list[_Item]) -> None:
    keyed = items(*given).group_by(first, summed)
    changes, latest, pairs = (
        keyed.changes.collect(),
        keyed.latest.collect(),
        keyed.pairs().collect(),
    )
    gc.Graph(changes, latest, pairs).run()
    totals: dict[str, int] = defaultdict(int)
    expected, present = [], []
    for key, value in given:
        totals[key] += value
        expected.append({key: totals[key]})
        present.append(dict(totals))
    assert changes.values == expected
    assert latest.values == present
    assert pairs.values == [pair for each in expected for pair in each.items()]


def test_a_key_gets_its_first_value_in_the_cycle_of_its_birth() -> None:
    keyed = items(("a", 1), ("b", 5)).group_by(first, lambda stream, key: stream.with_time())
    out = keyed.changes.collect()
    out.run()
    assert list(out) == [(0, {"a": (0, ("a", 1))}), (SECOND, {"b": (SECOND, ("b", 5))})]


def test_build_gets_the_key() -> None:
    limits = {"a": 1, "b": 10}

    def above(stream: gc.Stream[_Item], key: str) -> gc.Stream[_Item]:
        limit = limits[key]
        return stream.filter(lambda item: item[1] > limit)

    out = items(("a", 5), ("b", 5), ("b", 50), ("a", 0)).group_by(first, above).changes.collect()
    out.run()
    assert out.values == [{"a": ("a", 5)}, {"b": ("b", 50)}]


def test_keys_whose_timers_are_due_at_once_tick_in_one_cycle_in_order_of_birth() -> None:
    def delayed(stream: gc.Stream[_Item], key: str) -> gc.Stream[int]:
        return stream.map(lambda item: item[1]).delay("3s" if key == "b" else "2s")

    source = items(("b", 1), ("a", 2), ("a", 3))
    out = source.group_by(first, delayed).changes.collect()
    out.run()
    assert list(out) == [(3 * SECOND, {"b": 1, "a": 2}), (4 * SECOND, {"a": 3})]
    assert list(out.values[0]) == ["b", "a"]


def test_a_ticker_inside_a_sub_graph_counts_from_the_birth_of_the_key() -> None:
    def beats(stream: gc.Stream[_Item], key: str) -> gc.Stream[int]:
        return gc.ticker("2s").count()

    out = items(("a", 1), ("b", 1)).group_by(first, beats).changes.collect()
    out.run(duration="5s")
    assert list(out) == [
        (0, {"a": 1}),
        (1 * SECOND, {"b": 1}),
        (2 * SECOND, {"a": 2}),
        (3 * SECOND, {"b": 2}),
        (4 * SECOND, {"a": 3}),
        (5 * SECOND, {"b": 3}),
    ]


def test_a_feedback_inside_a_sub_graph_delivers_in_the_next_cycle() -> None:
    def halved(stream: gc.Stream[_Item], key: str) -> gc.Stream[int]:
        back: gc.FeedbackStream[int] = gc.feedback()
        values = stream.map(lambda item: item[1]).merge(back)
        back.bind(values.filter(lambda n: n > 1).map(lambda n: n // 2))
        return values

    out = items(("a", 8), ("b", 2)).group_by(first, halved).changes.collect()
    out.run()
    assert list(out) == [
        (0, {"a": 8}),
        (0, {"a": 4}),
        (0, {"a": 2}),
        (0, {"a": 1}),
        (SECOND, {"b": 2}),
        (SECOND, {"b": 1}),
    ]


def test_a_sub_graph_may_read_a_stream_from_outside_that_its_build_holds() -> None:
    factor = gc.replay([(0, 10), (2 * SECOND, 100)])

    def scaled(stream: gc.Stream[_Item], key: str) -> gc.Stream[int]:
        return stream.with_latest(factor).map(lambda both: both[0][1] * both[1])

    out = items(("a", 1), ("a", 2), ("b", 3)).group_by(first, scaled).changes.collect()
    out.run()
    assert out.values == [{"a": 10}, {"a": 20}, {"b": 300}]


def test_a_stream_from_outside_triggers_the_sub_graphs_that_read_it_actively() -> None:
    beat = gc.ticker("1s")

    def last(stream: gc.Stream[_Item], key: str) -> gc.Stream[_Item]:
        return stream.sample(beat)

    out = items(("a", 1), ("b", 2)).group_by(first, last).changes.collect()
    out.run(duration="2s")
    a, b = ("a", 1), ("b", 2)
    assert out.values == [{"a": a}, {"a": a, "b": b}, {"a": a, "b": b}]


def test_a_stream_named_in_uses_may_be_used_however_build_gets_it() -> None:
    factor = gc.constant(3)
    hidden = type("Hidden", (), {"get": staticmethod(iter([factor, factor]).__next__)})
    source = items(("a", 1), ("b", 2))

    def scaled(stream: gc.Stream[_Item], key: str) -> gc.Stream[int]:
        return stream.with_latest(hidden.get()).map(lambda both: both[0][1] * both[1])

    out = source.group_by(first, scaled, uses=(factor,)).changes.collect()
    out.run()
    assert out.values == [{"a": 3}, {"b": 6}]


def test_a_stream_that_build_hides_is_refused() -> None:
    factor = gc.constant(3).named("factor")
    hidden = iter([factor]).__next__

    def scaled(stream: gc.Stream[_Item], key: str) -> gc.Stream[Any]:
        return stream.with_latest(hidden())

    out = items(("a", 1)).group_by(first, scaled).changes.collect()
    with pytest.raises(gc.WiringError, match="factor, .* name its stream in uses=") as caught:
        out.run()
    assert "the sub-graph for the key 'a'" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("first", [0, 1])
def test_a_key_whose_build_gives_a_reset_is_not_run_as_one_whose_build_gives_none(
    first: int,
) -> None:
    def build(own: gc.Stream[tuple[int, float]], key: int) -> gc.Stream[float]:
        numbers = own.map(lambda item: item[1])
        threes = numbers.filter(lambda number: number == 3.0)
        return numbers.ewm(alpha=0.5, reset=threes if key == first else None).mean()

    values = [(key, number) for key in (0, 1) for number in (1.0, 3.0, 3.0)]
    out = gc.from_iterable(values).group_by(lambda item: item[0], build).pairs().collect()
    out.run()

    found = {key: [mean for each, mean in out.values if each == key] for key in (0, 1)}
    assert found[first] == [1.0, 3.0, 3.0]
    assert found[1 - first] == pytest.approx([1.0, 7 / 3, 19 / 7])


def test_sub_graphs_nest() -> None:
    def inner(stream: gc.Stream[_Item], key: str) -> gc.Stream[dict[int, int]]:
        return stream.group_by(lambda item: item[1], lambda s, k: s.count()).changes

    out = items(("a", 1), ("a", 1), ("a", 2), ("b", 1)).group_by(first, inner).changes.collect()
    out.run()
    assert out.values == [{"a": {1: 1}}, {"a": {1: 2}}, {"a": {2: 1}}, {"b": {1: 1}}]


def test_a_run_again_starts_without_keys() -> None:
    out = items(("a", 1), ("a", 2)).group_by(first, summed).changes.collect()
    graph = gc.Graph(out)
    for _ in range(2):
        graph.run()
        assert out.values == [{"a": 1}, {"a": 3}]


# The end of a key


def test_stop_key_retires_its_key_after_the_cycle_in_which_it_ticks() -> None:
    def until_zero(stream: gc.Stream[_Item], key: str) -> gc.Stream[int]:
        values = stream.map(lambda item: item[1])
        values.filter(lambda n: n == 0).stop_key()
        return values.sum()

    keyed = items(("a", 1), ("a", 2), ("b", 7), ("a", 0), ("a", 5)).group_by(first, until_zero)
    changes, removed, latest = (
        keyed.changes.collect(),
        keyed.removed.collect(),
        keyed.latest.collect(),
    )
    gc.Graph(changes, removed, latest).run()
    assert changes.values == [{"a": 1}, {"a": 3}, {"b": 7}, {"a": 3}, {"a": 5}]
    assert list(removed) == [(3 * SECOND, "a")]
    assert latest.values[-2:] == [{"b": 7}, {"b": 7, "a": 5}]


def test_removed_ticks_in_a_graph_that_needs_nothing_else_of_the_keys() -> None:
    def until_zero(stream: gc.Stream[_Item], key: str) -> gc.Stream[int]:
        values = stream.map(lambda item: item[1])
        values.filter(lambda n: n == 0).stop_key()
        return values

    source = items(("a", 1), ("b", 0), ("a", 0))
    for make in (
        lambda stream: stream.group_by(first, until_zero).removed,
        lambda stream: stream.group_by(first, until_zero).build(lambda own, key: own).removed,
        lambda stream: gc.switch(
            gc.constant(1), {1: lambda own: own.group_by(first, until_zero).removed}, stream
        ),
    ):
        out = make(source).collect()
        out.run()
        assert list(out) == [(SECOND, "b"), (2 * SECOND, "a")]


def test_retiring_a_key_closes_its_sub_graph() -> None:
    def grouped(stream: gc.Stream[_Item], key: str) -> gc.Stream[list[int]]:
        values = stream.map(lambda item: item[1])
        values.filter(lambda n: n == 0).stop_key()
        return values.buffer(2)

    keyed = items(("a", 1), ("a", 2), ("a", 0), ("b", 5)).group_by(first, grouped)
    changes, removed = keyed.changes.collect(), keyed.removed.collect()
    gc.Graph(changes, removed).run()
    assert list(changes) == [
        (SECOND, {"a": [1, 2]}),
        (2 * SECOND, {"a": [0]}),
        (3 * SECOND, {"b": [5]}),
    ]
    assert list(removed) == [(2 * SECOND, "a")]


def test_a_value_of_a_key_that_is_retiring_waits_for_the_next_sub_graph_of_the_key() -> None:
    def grouped(stream: gc.Stream[_Item], key: str) -> gc.Stream[list[int]]:
        values = stream.map(lambda item: item[1])
        values.filter(lambda n: n == 0).stop_key()
        return values.buffer(3)

    source = gc.replay([(0, ("a", n)) for n in (1, 0, 2, 3)])
    keyed = source.group_by(first, grouped)
    changes, latest = keyed.changes.collect(), keyed.latest.collect()
    gc.Graph(changes, latest).run()
    assert changes.values == [{"a": [1, 0]}, {"a": [2, 3]}]
    assert latest.values[-1] == {"a": [2, 3]}


def test_the_end_of_the_run_closes_every_sub_graph() -> None:
    def grouped(stream: gc.Stream[_Item], key: str) -> gc.Stream[list[int]]:
        return stream.map(lambda item: item[1]).buffer(2)

    out = items(("a", 1), ("b", 2), ("a", 3), ("a", 4)).group_by(first, grouped).changes.collect()
    out.run()
    assert out.values == [{"a": [1, 3]}, {"a": [4], "b": [2]}]


def test_an_idle_key_is_retired() -> None:
    source = gc.replay(
        [(t * SECOND, (key, t)) for t, key in [(0, "a"), (2, "b"), (3, "a"), (9, "b")]]
    )
    keyed = source.group_by(first, summed, idle="3s")
    changes, removed = keyed.changes.collect(), keyed.removed.collect()
    gc.Graph(changes, removed).run()
    # The value at 3 s comes within (0 s, 3 s] and keeps the key.
    assert list(removed) == [(5 * SECOND, "b"), (6 * SECOND, "a")]
    assert changes.values == [{"a": 0}, {"b": 2}, {"a": 3}, {"b": 9}]


def test_alarms_of_a_retired_key_keep_no_run_alive() -> None:
    def late(stream: gc.Stream[_Item], key: str) -> gc.Stream[_Item]:
        stream.stop_key()
        return stream.delay("1h")

    keyed = items(("a", 1)).group_by(first, late)
    assert keyed.changes.run().end == 0


def test_r7_a_last_alarm_in_a_sub_graph_waits_for_all_cycles_of_its_time() -> None:
    # At 4 s the cycle of "b" comes before that of "a", whose alarm is due then.
    source = gc.replay([(2 * SECOND, ("a", 1)), (4 * SECOND, ("b", 2)), (4 * SECOND, ("a", 3))])
    settled = source.group_by(first, lambda stream, key: stream.debounce("2s")).pairs().collect()
    settled.run()
    assert list(settled) == [(6 * SECOND, ("a", ("a", 3))), (6 * SECOND, ("b", ("b", 2)))]


# Keyed


def test_build_of_keyed_wires_a_further_sub_graph_for_each_key() -> None:
    totals = items(("a", 1), ("b", 5), ("a", 2)).group_by(first, summed)
    keyed = totals.build(lambda stream, key: stream.pairwise())
    out = keyed.changes.collect()
    out.run()
    assert out.values == [{"a": (1, 3)}]


# Switch


@pytest.mark.parametrize("inside", ["switch", "threaded"])
def test_stop_key_in_a_sub_graph_inside_retires_the_key_around_it(inside: str) -> None:
    def until_zero(own: gc.Stream[_Item]) -> gc.Stream[int]:
        own.filter(lambda item: item[1] == 0).stop_key()
        return own.count()

    def build(stream: gc.Stream[_Item], key: str) -> gc.Stream[int]:
        if inside == "threaded":
            return gc.threaded(until_zero, stream)
        return gc.switch(stream.map(lambda item: "one"), {"one": until_zero}, stream)

    keyed = items(("a", 1), ("a", 0), ("a", 5)).group_by(first, build)
    changes, removed = keyed.changes.collect(), keyed.removed.collect()
    gc.Graph(changes, removed).run()
    assert changes.values == [{"a": 1}, {"a": 2}, {"a": 1}] and removed.values == ["a"]


def test_a_receiver_in_a_branch_is_told_to_end_with_the_branch() -> None:
    stopped: list[str] = []

    def branch(name: str) -> Any:
        def receive(sender: gc.Sender[str], stop: threading.Event) -> None:
            sender.send(name)
            stop.wait()
            stopped.append(name)

        return lambda own: gc.receiver(receive).unroll()

    key = gc.ticker("100ms", count=2).count()
    out = gc.switch(key, {1: branch("a"), 2: branch("b")}, key).collect()
    with gc.Graph(out).running():
        wait_until(lambda: len(out) == 2)
        assert stopped == ["a"]
    assert out.values == ["a", "b"] and stopped == ["a", "b"]


def test_switch_starts_the_branch_of_the_present_key_anew_at_each_change() -> None:
    numbers = gc.replay([(n * SECOND, n) for n in range(1, 7)])
    key = gc.replay([(0, "sum"), (3 * SECOND, "max"), (5 * SECOND, "sum")])
    out = gc.switch(key, {"sum": lambda s: s.sum(), "max": lambda s: s.max()}, numbers).collect()
    out.run()
    assert out.values == [1, 3, 3, 4, 5, 11]


def test_an_input_of_switch_that_has_not_ticked_again_can_still_be_read() -> None:
    beat = gc.replay([(n * SECOND, n) for n in range(4)])
    level = gc.constant(10)
    key = gc.replay([(0, 1), (2 * SECOND, 2)])
    out = gc.switch(
        key,
        {n: (lambda b, v, n=n: b.with_latest(v).map(lambda both: (n, *both))) for n in (1, 2)},
        beat,
        level,
    ).collect()
    out.run()
    assert out.values == [(1, 0, 10), (1, 1, 10), (2, 2, 10), (2, 3, 10)]


def test_the_end_of_the_run_closes_the_present_branch() -> None:
    numbers = gc.replay([(n, n) for n in range(5)])
    out = gc.switch(gc.constant("b"), {"b": lambda own: own.buffer(2).unroll()}, numbers).collect()
    out.run()
    assert out.values == [0, 1, 2, 3, 4]


def test_a_key_that_switch_has_no_branch_for_is_refused() -> None:
    out = gc.switch(gc.constant("c"), {"a": lambda own: own}, gc.constant(1))
    with pytest.raises(gc.InvalidValueError, match="no branch for 'c'; it has 'a'"):
        out.run()


# Bad input


def test_a_build_that_returns_no_stream_is_refused() -> None:
    out = items(("a", 1)).group_by(first, lambda stream, key: 5).changes
    with pytest.raises(gc.InvalidTypeError, match="build .* must return a stream, not 5"):
        out.run()


def test_a_build_that_returns_a_keyed_is_told_of_its_streams() -> None:
    out = items(("a", 1)).group_by(first, lambda stream, key: stream.group_by(first, summed))
    with pytest.raises(gc.InvalidTypeError, match=r"must return a stream, not <Keyed .*\.changes"):
        out.changes.run()


def test_a_keyed_in_place_of_a_stream_is_told_of_its_streams() -> None:
    keyed: Any = items(("a", 1)).group_by(first, summed).build(lambda stream, key: stream)
    with pytest.raises(AttributeError, match=r"a Keyed has no map: take one .* \.changes, "):
        keyed.map(str)
    with pytest.raises(TypeError, match=r"no streams by key, .* demux\(key, keys\)"):
        keyed["a"]
    with pytest.raises(gc.InvalidTypeError, match=r"root 1 must be a stream .* \.changes, "):
        gc.Graph(keyed)


def test_what_cannot_be_called_with_a_stream_and_a_key_is_refused_at_wiring() -> None:
    source: Any = items(("a", 1))
    with pytest.raises(gc.InvalidTypeError, match="key must be a function, not 'symbol'"):
        source.group_by("symbol", summed)
    with pytest.raises(gc.InvalidTypeError, match="build must be a function, not None"):
        source.group_by(first, None)
    for build in (lambda stream: stream, lambda stream, key, more: stream):
        with pytest.raises(gc.InvalidTypeError, match=r"is called with \(stream, key\), and .* \("):
            source.group_by(first, build)
        with pytest.raises(gc.InvalidTypeError, match=r"is called with \(stream, key\), and .* \("):
            source.group_by(first, summed).build(build)
    with pytest.raises(gc.InvalidTypeError, match=r"branch of 'a' is called with \(stream\), and"):
        gc.switch(gc.constant("a"), {"a": lambda one, two: one}, source)
    assert source.group_by(first, lambda *both: both[0]).changes.run().cycles == 1


def test_a_key_without_a_hash_is_refused() -> None:
    source = items(("a", 1), ("b", 2))
    keyed = source.group_by(lambda item: [item] if item[0] == "b" else item[0], summed)
    keyed.changes.node.name = "by letter"
    with pytest.raises(gc.InvalidTypeError) as caught:
        keyed.changes.run()
    assert str(caught.value).startswith("the key [('b', 2)] of by letter is not hashable")
    (note,) = caught.value.__notes__
    assert "in by letter (GroupBy)" in note and "('b', 2)" in note


def test_a_type_error_in_a_sub_graph_is_not_taken_for_a_key_without_a_hash() -> None:
    out = items(("a", 1), ("a", 2)).group_by(first, lambda stream, key: stream + 1).changes
    with pytest.raises(TypeError, match="concatenate"):
        out.run()


def test_a_key_function_that_raises_names_the_value_and_the_node() -> None:
    source = gc.from_iterable([{"key": 1}, {"key": 1}, {"other": 1}])
    out = source.group_by(lambda item: item["key"], lambda stream, key: stream.count()).changes
    with pytest.raises(KeyError) as caught:
        out.run()
    (note,) = caught.value.__notes__
    assert "in group_by" in note and "{'other': 1}" in note


def test_more_keys_than_max_keys_are_refused() -> None:
    out = items(("a", 1), ("b", 2), ("c", 3)).group_by(first, summed, max_keys=2).changes
    with pytest.raises(gc.InvalidValueError, match="the key 'c' .* max_keys=2"):
        out.run()


def test_an_unbound_feedback_inside_a_key_is_refused() -> None:
    def build(stream: gc.Stream[_Item], key: str) -> gc.Stream[Any]:
        return stream.merge(gc.feedback())

    out = items(("a", 1)).group_by(first, build).changes
    with pytest.raises(gc.WiringError, match="never closed"):
        out.run()


def test_stop_key_outside_of_a_build_is_refused() -> None:
    with pytest.raises(gc.WiringError, match="stop_key belongs in a build function"):
        items(("a", 1)).stop_key()


def test_an_endless_source_inside_a_sub_graph_needs_a_bound() -> None:
    out = items(("a", 1)).group_by(first, lambda stream, key: gc.ticker("1s")).changes
    with pytest.raises(gc.RunError, match="ticker.* never ends"):
        out.run()


@pytest.mark.parametrize("before", [[], [("b", 1)], [("b", 1), ("a", 3), ("b", 2)]])
def test_an_error_inside_a_sub_graph_names_the_node_and_the_key(before: list[_Item]) -> None:
    def inverse(stream: gc.Stream[_Item], key: str) -> gc.Stream[float]:
        return stream.map(lambda item: 1 / item[1]).named("inverse")

    source = items(*before, ("b", 0)).named("items")
    with pytest.raises(ZeroDivisionError) as caught:
        source.group_by(first, inverse).changes.run()
    inner, key, outer = caught.value.__notes__
    assert inner.startswith("in inverse (Map), wired at") and inner.endswith("items = ('b', 0)")
    assert key == "in the sub-graph for the key 'b'"
    assert outer.startswith("in group_by") and outer.endswith("items = ('b', 0)")


def test_an_error_two_sub_graphs_deep_names_both_keys() -> None:
    def inner(stream: gc.Stream[_Item], key: str) -> gc.Stream[dict[int, float]]:
        return stream.group_by(lambda item: item[1] % 2, inverse).changes

    def inverse(stream: gc.Stream[_Item], key: int) -> gc.Stream[float]:
        return stream.map(lambda item: 1 / item[1]).named("inverse")

    out = items(("a", 2), ("a", 4), ("a", 0)).group_by(first, inner).changes
    with pytest.raises(ZeroDivisionError) as caught:
        out.run()
    starts = [note.partition(" (")[0] for note in caught.value.__notes__]
    assert starts[0] == "in inverse"
    assert starts[1::2] == ["in the sub-graph for the key 0", "in the sub-graph for the key 'a'"]
    assert len(starts) == 5


def test_after_an_error_the_nodes_of_each_key_stop_with_their_own_values() -> None:
    stopped: list[tuple[str, object]] = []

    @gc.node
    class Share(gc.MutableNode[int]):
        source: gc.Active[int]
        key: str

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = 12 // self.source.value
            return True

        def stop(self, state: gc.GraphState) -> None:
            try:
                stopped.append((self.key, self.value))
            except gc.NoValueError:
                stopped.append((self.key, None))

    def build(stream: gc.Stream[_Item], key: str) -> gc.Stream[int]:
        return gc.Stream(Share(stream.map(lambda item: item[1]).filter(lambda n: n != 1), key))

    out = items(("a", 1), ("b", 3), ("c", 4), ("b", 0)).group_by(first, build).changes
    with pytest.raises(ZeroDivisionError):
        out.run()
    assert stopped == [("c", 3), ("b", 4), ("a", None)]


def test_an_error_at_one_key_gives_the_streams_of_another_key_no_values() -> None:
    built: dict[str, gc.Stream[float]] = {}

    def inverse(stream: gc.Stream[_Item], key: str) -> gc.Stream[float]:
        odd = stream.map(lambda item: item[1]).filter(lambda n: n != 1).named("odd")
        built[key] = odd
        return odd.map(lambda n: 1 / n)

    out = items(("a", 1), ("b", 3), ("b", 0)).group_by(first, inverse).changes
    with pytest.raises(ZeroDivisionError) as caught:
        out.run()
    assert caught.value.__notes__[0].endswith("odd = 0")
    with pytest.raises(gc.NoValueError, match="odd has no value yet"):
        _ = built["a"].value


def test_a_stop_iteration_inside_a_sub_graph_is_an_error_like_any_other() -> None:
    values = iter([1, 2])
    out = items(("a", 1), ("a", 2), ("a", 3)).group_by(
        first, lambda stream, key: stream.map(lambda item: next(values)).named("next")
    )
    with pytest.raises(StopIteration) as caught:
        out.changes.run()
    assert [note.partition(" (")[0] for note in caught.value.__notes__][:1] == ["in next"]


def test_a_missing_value_inside_a_sub_graph_is_named() -> None:
    @gc.node(valid="any")
    class Sum(gc.MutableNode[int]):
        source: gc.Active[_Item]
        other: gc.Passive[_Item]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = 0
            if self.source.value[1] > 1:
                self.value = self.source.value[1] + self.other.value[1]
            return True

    def build(stream: gc.Stream[_Item], key: str) -> gc.Stream[int]:
        late = stream.filter(lambda item: item[1] > 9).named("late")
        return gc.Stream(Sum(stream, late)).named("both")

    out = items(("a", 1), ("a", 2)).group_by(first, build).changes
    with pytest.raises(gc.NoValueError, match="late has no value yet") as caught:
        out.run()
    assert caught.value.__notes__[0].startswith("in both (Sum)")
    assert caught.value.__notes__[1] == "in the sub-graph for the key 'a'"


def test_a_node_that_fails_to_stop_does_not_keep_the_others_from_stopping() -> None:
    stopped: list[str] = []

    class Watched(gc.MutableNode[Any]):
        def __init__(self, source: gc.Stream[Any], key: str) -> None:
            super().__init__()
            self.source, self.key = source, key

        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(active=(self.source,))

        def cycle(self, state: gc.GraphState) -> bool:
            return False

        def stop(self, state: gc.GraphState) -> None:
            stopped.append(self.key)
            if self.key == "b":
                raise OSError("b")

    out = items(("a", 1), ("b", 2), ("c", 3))
    keyed = out.group_by(first, lambda stream, key: gc.Stream(Watched(stream, key)))
    with pytest.raises(OSError, match="b"):
        keyed.changes.run()
    assert stopped == ["c", "b", "a"]


def test_alarms_of_a_key_whose_first_value_takes_long_go_off_and_none_is_lost() -> None:
    def feed(sender: gc.Sender[str], stop: threading.Event) -> None:
        sender.send("a")
        stop.wait()

    def slow(key: str) -> str:
        sleep(0.05)  # as compiling its sub-graph may
        return key

    def watch(own: gc.Stream[str], _: str) -> gc.Stream[str]:
        value = own.map(slow)
        silent = value.silent_for("200ms").map(lambda _: "silent")
        return value.debounce("10ms").merge(silent)

    out = gc.receiver(feed, delivery="each").group_by(lambda key: key, watch).pairs().collect()
    with gc.Graph(out).running():
        wait_until(lambda: len(out.values) == 2)
    assert out.values == [("a", "a"), ("a", "silent")]
