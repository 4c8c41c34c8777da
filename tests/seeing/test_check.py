"""`graph.check()`: each mistake has a finding, and what only looks like one has none."""

import gc as collector
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

import graphcore as gc
from graphcore.checking import Kind
from graphcore.commands.check import check
from graphcore_zmq import zmq_sub


@pytest.fixture
def prices() -> gc.Stream[float]:
    return gc.replay([1, 2, 3], [1.0, 2.0, 3.0]).named("prices")


def problems(*roots: object) -> list[str]:
    return [finding.problem for finding in gc.Graph(*roots).check()]


def kinds(*roots: object) -> list[Kind]:
    return [finding.kind for finding in gc.Graph(*roots).check()]


def test_sub_graphs_are_checked_once_a_run_has_made_them() -> None:
    def build(own: gc.Stream[int], key: int) -> gc.Stream[int]:
        low, high = own.split(lambda n: n > 1)
        spread = (high - low).named("spread")
        return (spread + gc.never().named("limit")).named("limits")

    graph = gc.Graph(gc.from_iterable([1, 2, 3]).group_by(lambda n: n % 2, build).changes)
    assert graph.check() == []
    graph.run()
    found = {finding.node: finding for finding in graph.check()}
    assert {name: each.kind for name, each in found.items()} == {
        "spread": Kind.NEVER_TOGETHER,
        "limits": Kind.NEVER_TICKS,
    }
    assert found["spread"].wired_at == (__file__, build.__code__.co_firstlineno + 2)
    graph.run()
    assert len(graph.check()) == 2


def test_a_finding_names_the_node_the_line_and_what_to_do() -> None:
    total = gc.from_iterable([]).named("none").sum().named("total")
    line = sys._getframe().f_lineno - 1
    (finding,) = gc.Graph(total.map(str).collect()).check()
    assert (finding.kind, finding.node, finding.wired_at) == (
        Kind.NEVER_TICKS,
        "total",
        (__file__, line),
    )
    assert str(finding) == (
        f"{__file__}:{line}: total can never tick: it waits for none, which has no events, and "
        "neither can the 2 after it; give that source events"
    )


# Wirings of which a node can never tick, with what the finding says of it.
NEVER: dict[str, tuple[Callable[[gc.Stream[float]], gc.Stream[Any]], str]] = {
    "one input never ticks": (lambda p: p + gc.never().named("no"), "it waits for no, a gc.never"),
    "a passive input never ticks": (lambda p: p.with_latest(gc.replay([], [])), "has no events"),
    "too few values": (
        lambda p: gc.constant(1.0).named("one").difference(),
        "it takes 1 value before it first ticks, and one ticks at most once",
    ),
    "too few in a list": (
        lambda p: p.filter(lambda price: price > 1).skip(3),
        "it takes 3 values before it first ticks",
    ),
    "a window that is never full": (lambda p: p.rolling(4).mean(), "prices ticks at most 3 times"),
    "a trigger that never ticks": (
        lambda p: p.skip_until(gc.replay([], []).named("start")),
        "it waits for start",
    ),
    "a partner that never comes": (
        lambda p: gc.zip(p, gc.from_iterable([]), capacity=10),
        "has no events",
    ),
}


@pytest.mark.parametrize("name", NEVER)
def test_a_node_that_can_never_tick_is_told_with_its_cause(
    prices: gc.Stream[float], name: str
) -> None:
    wire, expected = NEVER[name]
    stream = wire(prices)
    found = problems(stream)
    assert any("can never tick" in each and expected in each for each in found), found
    out = stream.collect()
    gc.Graph(out).run()
    assert len(out) == 0  # and it is true


def test_a_loop_in_which_each_waits_for_the_other_is_told() -> None:
    back: gc.FeedbackStream[int] = gc.feedback().named("back")
    total = (gc.ticker("1s").count() + back).named("total")
    back.bind(total)
    assert problems(total) == [
        "total can never tick: it waits for back, which delivers only what total ticked"
    ]
    begun: gc.FeedbackStream[int] = gc.feedback()
    total = gc.ticker("1s").count() + begun.default(0)
    begun.bind(total)
    assert problems(total) == []


TICKING: dict[str, Callable[[gc.Stream[float]], gc.Stream[Any]]] = {
    "merge with a stream that never ticks": lambda p: p.merge(gc.never()),
    "a fold over nothing": lambda p: gc.from_iterable([]).fold(lambda a, b: a, 0),
    "a default": lambda p: gc.from_iterable([]).default(0) + 1,
    "a watchdog": lambda p: gc.from_iterable([]).silent_for("1s"),
    "exactly enough values": lambda p: p.skip(2).rolling(1).mean(),
    "the last of a full window": lambda p: p.rolling(3).mean(),
    "an iterator": lambda p: gc.from_iterable(iter([])).map(str),
    "never alone": lambda p: gc.never().map(str),
    "keys": lambda p: p.group_by(lambda v: v, lambda own, key: own.count()).latest,
    "a switch": lambda p: gc.switch(p.map(str), {"1.0": lambda own: own + 1}, p),
    "delay": lambda p: p.delay("1s"),
    "demux": lambda p: p.demux(lambda v: v, [1.0, 2.0])[1.0],
    "try_map": lambda p: p.try_map(lambda v: 1 / v)[1],
    "both sides of a split, merged": lambda p: p.split(lambda v: v > 1)[0].merge(p),
    "two filters of one stream": lambda p: p.filter(lambda v: v > 1) + p.filter(lambda v: v < 9),
    "a buffer with a trigger": lambda p: p.buffer_until(gc.ticker("1s")),
}


@pytest.mark.parametrize("name", TICKING)
def test_what_may_tick_is_no_finding(prices: gc.Stream[float], name: str) -> None:
    assert problems(TICKING[name](prices)) == []


def test_a_sink_that_nobody_keeps_is_told_until_it_is_wired_properly(
    prices: gc.Stream[float],
) -> None:
    prices.print("price")
    graph = gc.Graph(prices.sum())
    (finding,) = graph.check()
    assert finding.kind is Kind.NOT_IN_GRAPH and "does nothing" in finding.problem
    assert finding.wired_at[1] == sys._getframe().f_lineno - 4
    assert problems(prices.print("price")) == []


def test_a_stream_in_no_graph_is_told_at_the_end_of_its_chain(prices: gc.Stream[float]) -> None:
    alarm = prices.map(str).named("texts").filter(bool).named("alarm")
    assert problems(prices.sum()) == [
        "alarm never runs: it was wired to prices, and no graph has it"
    ]
    kept = gc.Graph(alarm)
    assert problems(prices.sum()) == [] and kept.nodes


def test_streams_of_one_call_need_not_all_be_used(prices: gc.Stream[float]) -> None:
    sides = prices.split(lambda price: price > 1)
    subscription = zmq_sub(5556)
    by_count = [prices.skip(count) for count in (1, 2)]
    assert problems(sides[0], subscription.data, by_count[0]) == []


def test_a_stream_that_is_gone_or_belongs_to_another_graph_is_no_finding(
    prices: gc.Stream[float],
) -> None:
    gone = prices.map(str)
    del gone
    collector.collect()
    prices.map(str).collect().run()
    assert problems(prices.sum()) == []


def test_an_operator_on_both_sides_of_a_filter_is_told(prices: gc.Stream[float]) -> None:
    low, high = prices.split(lambda price: price > 1)
    (finding,) = gc.Graph((low - high).named("spread")).check()
    assert finding.kind is Kind.NEVER_TOGETHER
    assert finding.problem.startswith("spread ticks on either, never on both")


def test_a_queue_that_only_grows_is_told(prices: gc.Stream[float]) -> None:
    held = prices.buffer_until(gc.constant(1).named("once")).named("held")
    assert problems(held) == [
        "held keeps every value until once ticks, and once ticks at most once, so its queue only "
        "grows"
    ]


def test_functions_that_look_at_a_loop_variable_are_told(prices: gc.Stream[float]) -> None:
    shared = []
    for factor in (1, 2):
        shift = factor + 1
        shared.append(prices.map(lambda price: price * factor).named("a"))  # noqa: B023  # the mistake
        shared.append(prices.map(lambda price: price + shift).named("b"))  # noqa: B023  # and so is this
    comprehended = [prices.filter(lambda price: price > low) for low in (1, 2)]  # noqa: B023
    found = gc.Graph(*shared, *comprehended).check()
    assert [finding.kind for finding in found] == [Kind.LOOP_VARIABLE] * 3
    assert [finding.advice.split(", ")[-1] for finding in found] == [
        f"{name}={name}: ..." for name in ("factor", "shift", "low")
    ]


def test_functions_of_a_loop_that_keep_their_values_are_no_finding(
    prices: gc.Stream[float],
) -> None:
    def scaled(by: int) -> gc.Stream[float]:
        return prices.map(lambda price: price * by)

    kept = [prices.map(lambda price, by=by: price * by) for by in (1, 2)]

    def once(by: int) -> gc.Stream[float]:
        for factor in (by,):
            stream = prices.map(lambda price: price * factor)  # noqa: B023  # the last is the only
        return stream

    limit = 3
    for _ in range(2):
        kept.append(prices.map(lambda price: price * limit))
    function = str
    kept += [prices.map(lambda price: function(price)) for _ in range(2)]  # type: ignore[misc]
    # Each call has a variable of its own.
    assert problems(*kept, *map(scaled, (1, 2)), once(1), once(2)) == []


async def send(price: float) -> None:
    """Do nothing, once somebody awaits it."""


def test_a_function_that_nobody_awaits_is_told(prices: gc.Stream[float]) -> None:
    def forgets(price: float) -> None:
        send(price)  # type: ignore[unused-coroutine]  # the mistake

    for wired in (prices.for_each(lambda price: send(price)), prices.for_each(forgets)):
        (finding,) = gc.Graph(wired.named("sent")).check()
        assert finding.kind is Kind.NOT_AWAITED and finding.advice == "write consume_async(send)"
    assert problems(prices.consume_async(lambda price: send(price))) == []


@pytest.mark.zmq
def test_a_publisher_that_waits_for_a_subscriber_of_its_own_graph_is_told(
    prices: gc.Stream[float],
) -> None:
    def found(port: int, on_full: str) -> list[Kind]:
        publisher = prices.zmq_pub(port, on_full=on_full, bind="127.0.0.1")
        return kinds(publisher, zmq_sub("tcp://localhost:5599").data)

    assert found(5599, "block") == [Kind.WAITS_FOR_ITSELF]
    assert found(5598, "block") == found(5599, "drop") == []


def test_a_graph_warns_at_the_line_that_wired_the_node_or_refuses() -> None:
    total = gc.from_iterable([]).sum().named("total")
    with pytest.warns(gc.CheckWarning, match="total can never tick") as caught:
        gc.Graph(total, check="warn")
    assert (caught[0].filename, caught[0].lineno) == total.node.wired_at
    with pytest.raises(gc.WiringError, match="the graph has mistakes:\n.*total can never tick"):
        gc.Graph(total, check="error")
    with pytest.raises(gc.InvalidValueError, match='"off", "warn" or "error", not True'):
        gc.Graph(total, check=True)  # type: ignore[arg-type]
    assert gc.Graph(gc.constant(1).sum(), check="error").run().cycles == 1


@gc.node
class Forgetful(gc.MutableNode[float]):
    source: gc.Active[float]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        del self.source
        return True


def test_a_graph_is_checked_after_a_run_that_deleted_attributes() -> None:
    graph = gc.Graph(Forgetful(gc.constant(1.0)))
    graph.run(tier="interpreted")
    assert graph.check() == []


def test_the_command_prints_the_findings_and_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", sys.path.copy())
    file = tmp_path / "wired_badly.py"
    file.write_text("import graphcore as gc\nbad = gc.from_iterable([]).sum().named('total')\n")
    for name, code in (("bad", 1), ("good", 2)):
        with pytest.raises(typer.Exit) as exit:
            check(f"{file}:{name}")
        assert exit.value.exit_code == code
    out, err = capsys.readouterr()
    assert out.startswith(f"{file}:2: total can never tick") and out.count("\n") == 1
    assert err.startswith(f"graphcore: {file} has no good; it has bad")
