"""`simulate`: a seed draws arrivals and outages for live wiring on a virtual clock."""

import threading
from itertools import count, groupby, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import Arrival, simulate
from graphcore_zmq import ZmqStatus, zmq_sub


def connect(sender: gc.Sender[int], stop: threading.Event) -> None:
    raise AssertionError("it was started")


def test_a_seed_draws_the_same_and_another_seed_something_else() -> None:
    def arrivals(seed: int) -> list[Arrival]:
        data, status = zmq_sub(5556)
        with simulate(data.named("data"), status, seed=seed) as simulation:
            simulation.play({data: range(200)})
            return [each._replace(source="") for each in simulation.arrivals]

    assert arrivals(7) == arrivals(7)
    assert arrivals(7) != arrivals(8)


@settings(max_examples=50)
@given(st.integers(0, 10**9))
def test_the_graph_gets_what_arrives_and_statuses_tell_of_each_loss(seed: int) -> None:
    data, status = zmq_sub(5556)
    values, states = data.unroll().collect(), status.collect()
    with simulate(values, states, seed=seed) as simulation:
        arrived = simulation.play({data: range(100)}, outages=0.2)[data]
        assert values.values == arrived
    times = [time for time, _ in [*values, *states]]
    assert min(times) >= 0
    # Up and down alternate; after a loss a gap is told before the next value.
    told = [state for state in states.values if state is not ZmqStatus.GAP]
    assert [state for state, _ in groupby(told)] == told
    assert told[0] is told[-1] is ZmqStatus.CONNECTED
    losses = [a for a, b in pairwise(arrived) if b != a + 1]
    assert states.values.count(ZmqStatus.GAP) == len(losses)
    assert set(arrived) <= set(range(100))


def test_without_outages_all_values_arrive_in_bursts_and_alone_at_about_the_given_rate() -> None:
    source = gc.receiver(connect)
    bursts, values = source.collect(), source.unroll().collect()
    with simulate(bursts, values, seed=1) as simulation:
        simulation.play({source: range(3000)}, every="1s", outages=0)
    assert values.values == list(range(3000))
    assert {len(burst) for burst in bursts.values} == {1, 2, 3, 4, 5}
    gaps = [b - a for a, b in pairwise(bursts.times)]
    assert 10**9 < sum(gaps) / len(gaps) < 3 * 10**9
    assert max(gaps) > 10 * 10**9


@pytest.mark.parametrize(("delivery", "kept"), [("each", 1.0), ("latest", 0.8)])
def test_a_source_delivers_by_its_policy(delivery: Any, kept: float) -> None:
    source = gc.receiver(connect, delivery=delivery)
    out = source.collect()
    with simulate(out, seed=1) as simulation:
        simulation.play({source: range(500)})
    assert (len(out) == 500) is (kept == 1.0)
    assert out.values == sorted(out.values) and len(out) <= 500 * kept


def test_a_source_that_begins_again_tells_of_its_outages() -> None:
    source = gc.receiver(connect, retry=["1s"])
    states, values = source.status.collect(), source.unroll().collect()
    with simulate(states, values, seed=3) as simulation:
        arrived = simulation.play({source: range(200)}, outages=0.1)
    assert values.values == arrived[source] and len(arrived[source]) < 200
    assert [state.state for state in states.values[:3]] == ["running", "waiting", "running"]
    assert isinstance(states.values[1].error, ConnectionError)
    steady = gc.receiver(connect)
    with simulate(steady, seed=3) as simulation:
        assert simulation.play({steady: range(200)}, outages=1)[steady] == list(range(200))


def test_timers_and_endless_values_go_on_for_the_given_time() -> None:
    source, beats = gc.never(), gc.ticker("1s").count()
    out = beats.collect()
    with simulate(out, source, seed=5) as simulation:
        first = simulation.play({source: count()}, duration="10s")[source]
        assert out.values[-1] == 11 and simulation.time == 10 * 10**9
        assert 10 < len(first) < 400
        simulation.play({source: count()}, duration="10s")
        assert out.values[-1] == 21


def test_the_arrivals_of_a_source_do_not_depend_on_another_source() -> None:
    def times(others: int) -> list[int]:
        first, second = gc.never(), gc.never()
        out = first.collect()
        with simulate(out, second, seed=2) as simulation:
            simulation.play({first: range(20), second: range(others)})
        return out.times

    assert times(5) == times(100)


def test_an_error_tells_the_seed() -> None:
    source = gc.never()
    inverse = source.map(lambda n: 1 // (n - 5))
    with pytest.raises(ZeroDivisionError) as caught, simulate(inverse, seed=11) as simulation:
        simulation.play({source: range(10)})
    assert "simulate(..., seed=11) draws these arrivals again" in caught.value.__notes__
    with pytest.raises(AssertionError) as wrong, simulate(source) as simulation:
        raise AssertionError
    assert f"seed={simulation.seed})" in wrong.value.__notes__[0]
    late = source.buffer(100).map(len).check(lambda size: size > 10)
    with pytest.raises(gc.CheckError) as closing, simulate(late, seed=4) as simulation:
        simulation.play({source: range(3)})
    assert "seed=4)" in closing.value.__notes__[-1]


def test_misuse_is_said_in_a_sentence() -> None:
    data, status = zmq_sub(5556)
    with pytest.raises(gc.InvalidTypeError, match="a seed is a whole number, not '7'"):
        simulate(data, seed="7")  # type: ignore[arg-type]
    with simulate(data, status, seed=1) as simulation:
        with pytest.raises(gc.InvalidValueError, match=r"zmq_sub\S* has values twice"):
            simulation.play({data: [1], status: [2]})
        with pytest.raises(gc.InvalidValueError, match=r"outages must be from 0 to 1, not 1.5"):
            simulation.play({data: [1]}, outages=1.5)
        with pytest.raises(gc.InvalidTypeError, match="outages must be a number from 0 to 1"):
            simulation.play({data: [1]}, outages=True)
        with pytest.raises(gc.InvalidTypeError, match="play needs a dict with the values of each"):
            simulation.play([data])  # type: ignore[arg-type]
        with pytest.raises(gc.InvalidValueError, match="is not in the graph"):
            simulation.play({gc.never(): [1]})
        with pytest.raises(gc.InvalidValueError, match="a period must be longer than 0, not 0"):
            simulation.play({data: [1]}, every=0)
