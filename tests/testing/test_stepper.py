"""`Stepper`: a test pushes values, lets time pass, and looks, also at live wiring."""

import threading
from collections.abc import Callable

import pytest

import graphcore as gc
from graphcore.testing import Stepper, ticks
from graphcore_zmq import ZmqStatus, zmq_sub


def test_a_pushed_value_runs_the_graph_at_the_present_time() -> None:
    prices = gc.never().named("prices")
    high = prices.filter(lambda price: price > 5)
    out = (high * 2).collect()
    with Stepper(out, start=100) as step:
        step.push(prices, 1)
        assert (prices.value, step.ticked(prices), step.ticked(high)) == (1, True, False)
        step.advance("1us")
        assert not step.ticked(prices)
        step.push(prices, 7, 8)
        assert step.ticked(high) and step.time == 1_100
        assert list(out) == [(1_100, 14), (1_100, 16)]
    assert list(out) == [(1_100, 14), (1_100, 16)]


def test_timers_and_replays_go_by_the_steppers_clock() -> None:
    clock = gc.ticker("1s").count().collect()
    history = gc.replay([500, 2_000_000_000], ["a", "b"]).collect()
    with Stepper(clock, history) as step:
        assert clock.values == [1] and history.values == []
        step.advance("1s")
        assert clock.values == [1, 2] and history.values == ["a"]
        step.advance("999ms")
        step.advance("1ms")
        assert clock.values == [1, 2, 3] and history.values == ["a", "b"]
    assert list(history) == [(500, "a"), (2_000_000_000, "b")]


def test_the_steps_give_what_a_run_gives() -> None:
    given = [(1, 4), (3, 6), (3, 1), (9, 7)]

    def wire(source: gc.Stream[int]) -> gc.Stream[object]:
        keyed = source.group_by(lambda n: n % 2, lambda own, key: own.sum())
        return gc.merge_all(
            source.delay("4ns"), keyed.pairs(), source.buffer(3), source.fold(max, 0)
        )

    expected = ticks(wire(gc.replay(given)))
    source = gc.never()
    out = wire(source).collect()
    with Stepper(out) as step:
        for at, value in given:
            step.advance(at - step.time)
            step.push(source, value)
        step.advance(4)
    assert list(out) == expected


def test_a_watchdog_rings_with_nothing_else_to_happen() -> None:
    source = gc.never()
    silent = source.silent_for("5s")
    with Stepper(silent) as step:
        step.advance("4s")
        assert not step.ticked(silent)
        step.push(source, "alive")
        step.advance("4s")
        assert not step.ticked(silent)
        step.advance("1s")
        assert step.ticked(silent) and silent.value


def test_live_sources_are_pushed_and_never_started() -> None:
    def receive(sender: gc.Sender[int], stop: threading.Event) -> None:
        raise AssertionError("it was started")

    bursts = gc.receiver(receive)
    data, status = zmq_sub(5556)
    total = bursts.map(sum).sum()
    seen = data.unroll().collect()
    states = status.collect()
    with Stepper(total, seen, states) as step:
        step.push(bursts, [1, 2], [3])
        assert total.value == 6
        step.push(status, ZmqStatus.CONNECTED)
        step.push(data, ["a", "b"])
        assert (seen.values, states.values) == (["a", "b"], [ZmqStatus.CONNECTED])


def test_the_block_ends_with_the_closing_instant_unless_it_fails() -> None:
    source = gc.never()
    out = source.buffer(3).collect()
    with Stepper(out) as step:
        step.push(source, 1, 2)
    assert out.values == [[1, 2]]
    with pytest.raises(ZeroDivisionError), Stepper(out) as step:
        step.push(source, 1)
        raise ZeroDivisionError
    assert out.values == []
    assert ticks(gc.constant(1).merge(source)) == [(0, 1)]  # the nodes are free again


def test_an_error_has_the_note_of_its_node_and_ends_the_block() -> None:
    source = gc.never()
    inverse = source.map(lambda n: 1 // n).named("inverse")
    with pytest.raises(ZeroDivisionError) as caught, Stepper(inverse) as step:
        step.push(source, 0)
    assert "in inverse (Map)" in caught.value.__notes__[0]


def test_a_node_that_failed_ends_the_run_even_if_the_test_goes_on() -> None:
    source = gc.never()
    inverse = source.map(lambda n: 1 // n)
    out = inverse.buffer(3).collect()
    with Stepper(out) as step:
        step.push(source, 1)
        with pytest.raises(ZeroDivisionError):
            step.push(source, 0)
        with pytest.raises(gc.RunError, match="a node failed, which ended the run"):
            step.push(source, 1)
        with pytest.raises(gc.RunError, match="a node failed, which ended the run"):
            step.advance("1s")
    assert out.values == []  # after an error there is no closing instant


@gc.node
class Doubled(gc.MutableNode[int]):
    source: gc.Active[int]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value * 2
        return True


@pytest.mark.parametrize(
    "wire", [lambda source: source.map(str), lambda source: gc.Stream(Doubled(source))]
)
def test_what_computes_its_values_is_not_pushed_to(
    wire: Callable[[gc.Stream[int]], gc.Stream[object]],
) -> None:
    source = gc.never().named("source")
    computed = wire(source).named("computed")
    with Stepper(computed) as step:
        with pytest.raises(gc.InvalidValueError, match="computed computes its values from source"):
            step.push(computed, 3)
        assert not step.ticked(computed)


def test_misuse_is_said_in_a_sentence() -> None:
    source, clock = gc.never(), gc.ticker("1s").named("clock")
    step = Stepper(source, clock)
    with pytest.raises(gc.RunError, match="within its block"):
        step.push(source, 1)
    with step:
        with pytest.raises(gc.InvalidValueError, match="clock has values of its own: push takes"):
            step.push(clock, 1)
        with pytest.raises(gc.InvalidValueError, match="other is not in the graph of this stepper"):
            step.push(gc.never().named("other"), 1)
        with pytest.raises(gc.InvalidTypeError, match="must be a stream or a node, not 'clock'"):
            step.ticked("clock")
        with pytest.raises(gc.InvalidValueError, match="cannot be negative: '-1s'"):
            step.advance("-1s")
        with pytest.raises(gc.RunError, match="is in another run"):
            gc.Graph(clock).run(cycles=1)
    stopping = source.stop_run()
    with Stepper(stopping) as step:
        step.push(source, 1)
        with pytest.raises(gc.RunError, match="a node has ended the run"):
            step.advance("1s")
