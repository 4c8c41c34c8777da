"""Bad input is refused in one sentence that holds the value, and nothing is half done.

Bad input to the ZeroMQ nodes is tested with the adapter.
"""

import dataclasses
import math
from collections import deque
from collections.abc import Callable
from math import nan
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import graphcore as gc
from graphcore.testing import ticks

# As `Any`, since a type checker refuses what is tried here.
anything: Any = gc
source: Any = gc.from_iterable([1, 2]).named("numbers")


def sentence(call: Callable[[], object], kind: type[Exception]) -> str:
    """Check that the package's own error is one sentence, and return it."""
    with pytest.raises(kind) as caught:
        call()
    assert isinstance(caught.value, gc.GraphcoreError)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    assert ". " not in message.replace("...", "")
    return message


NOT_A_STREAM: dict[str, Callable[[Any], object]] = {
    "Stream": lambda given: gc.Stream(given),
    "Graph": lambda given: gc.Graph(source, given),
    "sample": lambda given: source.sample(given),
    "gate": lambda given: source.gate(given),
    "join": lambda given: source.join(given, function=max),
    "with_latest": lambda given: source.with_latest(given),
    "merge": lambda given: source.merge(source, given),
    "combine": lambda given: source.combine(given),
    "align": lambda given: gc.align(source, given, key=abs),
    "bind": lambda given: gc.feedback().bind(given),
}


@pytest.mark.parametrize("given", [5, "1s", None, gc.ticker])
@pytest.mark.parametrize("operator", NOT_A_STREAM)
def test_a_non_stream_in_place_of_a_stream(operator: str, given: object) -> None:
    message = sentence(lambda: NOT_A_STREAM[operator](given), gc.InvalidTypeError)
    assert f"must be a stream or a node, not {given!r} ({type(given).__name__})" in message


def test_a_name_that_a_stream_lacks_is_told_where_to_look() -> None:
    @gc.node
    class Two(gc.MutableNode[int]):
        source: gc.Active[int]
        rest: gc.Output[int] = gc.output()

        def cycle(self, state: gc.GraphState) -> bool:
            return False

    two: Any = gc.Stream(Two(source))
    told = {
        lambda: source.price: r"a stream has no price: .* write \.field\('price'\); .* its import",
        lambda: source.shift: "a stream has no shift: graphcore's word is lag",
        lambda: two.rest: r"a stream has no rest: it is an output .* node\.rest",
        lambda: source._price: "a stream has no _price$",
        lambda: anything.merge: r"no attribute 'merge': it is a method of a stream, stream\.merge",
        lambda: anything.running: r"method of a graph, gc\.Graph\(stream\)\.running\(",
        lambda: anything.no_such: "no attribute 'no_such'$",
    }
    for look, message in told.items():
        with pytest.raises(AttributeError, match=message):
            look()


def test_functions_of_numbers_are_told_what_does_it_for_streams() -> None:
    with pytest.raises(TypeError, match=r"no number while the graph is wired; gc\.math has"):
        math.log(source)
    with pytest.raises(TypeError, match=r"gc\.maximum and gc\.minimum instead of max and min"):
        max(source, source * 2)


def test_what_belongs_to_another_operator_is_told_with_that_operator() -> None:
    assert "every(period) ticks" in sentence(lambda: source.sample("1s"), gc.InvalidTypeError)
    assert "window(span) ticks" in sentence(lambda: source.buffer("1s"), gc.InvalidTypeError)
    without = sentence(lambda: source.buffer(within="1s"), gc.InvalidTypeError)
    assert without.startswith("buffer needs a count: window(span) ticks")
    assert "combine(other)" in sentence(lambda: source.join(source), gc.InvalidTypeError)
    series = pd.Series([1.5], index=pd.to_datetime(["2026-01-02"]))
    message = sentence(lambda: anything.replay(series), gc.InvalidTypeError)
    assert "write replay(series.index, series)" in message


def test_a_missing_argument_is_told_with_the_name_that_users_know() -> None:
    with pytest.raises(TypeError, match=r"^Stream\.limit\(\) missing .*'count'"):
        source.limit()


@pytest.mark.parametrize("operator", ["Stream", "sample", "gate", "bind"])
def test_a_list_in_place_of_one_stream(operator: str) -> None:
    message = sentence(lambda: NOT_A_STREAM[operator]([source]), gc.InvalidTypeError)
    assert message.endswith("must be a stream or a node, not [<Stream numbers>] (list)")


@pytest.mark.parametrize("many", [list, tuple, set, lambda streams: dict(enumerate(streams)), iter])
@pytest.mark.parametrize(
    "operator", sorted(NOT_A_STREAM.keys() - {"Stream", "sample", "gate", "bind"})
)
def test_a_list_where_streams_are_taken_one_by_one(operator: str, many: Any) -> None:
    given = many([source, source.map(abs)])
    message = sentence(lambda: NOT_A_STREAM[operator](given), gc.InvalidTypeError)
    assert message.startswith(f"{operator} takes streams one by one, not ")
    unpacked = "*streams.values()" if isinstance(given, dict) else "*streams"
    assert message.endswith(f"({type(given).__name__}): write {operator}({unpacked})")


def test_a_long_list_of_streams_is_shortened_in_the_error() -> None:
    message = sentence(lambda: gc.Graph([source] * 1000), gc.InvalidTypeError)
    assert len(message) < 300


def test_a_class_in_place_of_a_node() -> None:
    class Spread(gc.MutableNode[int]):
        pass

    for call in (lambda: gc.Graph(Spread), lambda: anything.Stream(Spread)):
        message = sentence(call, gc.InvalidTypeError)
        assert message.endswith(" is the class Spread: make a node of it, Spread(...)")


@gc.node
class Plain(gc.MutableNode[int]):
    source: gc.Active[int]
    map: dict[str, int]
    run: int = 3

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value + self.run + len(self.map)
        return True


class Spread(gc.MutableNode[int]):
    pass


@pytest.mark.parametrize("name", ["run", "collect", "named", "map"])
def test_a_method_of_streams_called_on_a_node(name: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(Spread(), name)()
    assert str(caught.value) == (
        f"Spread is a node, which has no {name}; a stream has: gc.Stream(Spread(...)).{name}(...)"
    )
    assert callable(getattr(gc.Stream(Spread()), name))
    for given in (Spread, Spread()):
        assert not hasattr(given, name)


@pytest.mark.parametrize("name", ["run", "map", "collect", "sum_"])
def test_an_operator_called_on_a_window(name: str) -> None:
    for window, statistics in (
        (
            source.rolling(2),
            "rolling(...) has no {}: call a statistic on it first, such as .mean()",
        ),
        (source.ewm(span=3), "ewm(...) has no {}: call a statistic on it first, such as .mean()"),
    ):
        with pytest.raises(AttributeError) as caught:
            getattr(window, name)
        assert str(caught.value) == statistics.format(name)


@pytest.mark.parametrize("given", [None, [source], source, (source, source)])
def test_upstreams_that_returns_something_else(given: Any) -> None:
    class Spread(gc.MutableNode[int]):
        def upstreams(self) -> gc.Upstreams:
            return given  # type: ignore[no-any-return]  # what is tried

    message = sentence(lambda: gc.Graph(Spread()), gc.InvalidTypeError)
    wanted = "upstreams of Spread must return gc.Upstreams(active=(...), passive=(...)), not "
    assert message.startswith(wanted)


@pytest.mark.parametrize("name", ["active", "passive"])
def test_one_stream_in_place_of_a_tuple_in_upstreams(name: str) -> None:
    message = sentence(lambda: anything.Upstreams(**{name: source}), gc.InvalidTypeError)
    wanted = f"{name} of Upstreams must be a tuple of streams, not <Stream numbers>: "
    assert message == f"{wanted}write {name}=(stream,)"


@pytest.mark.parametrize("name", ["start", "cycle", "stop"])
def test_a_method_of_a_node_that_takes_no_state(name: str) -> None:
    for method in (lambda self: True, lambda: True, lambda *, state: True):
        message = sentence(lambda: type("Mine", (gc.MutableNode,), {name: method}), TypeError)  # noqa: B023
        assert message == f"{name} of Mine must take a state: write def {name}(self, state)"
    for method in (lambda self, state: True, lambda *given: True, lambda self, state, more=1: True):
        type("Mine", (gc.MutableNode,), {name: method})


def test_a_node_may_have_attributes_that_are_called_as_methods_of_streams() -> None:
    assert ticks(gc.Stream(Plain(gc.constant(1), {"a": 1}))) == [(0, 5)]
    assert ticks(gc.Stream(Plain(gc.constant(1), {}, run=1))) == [(0, 2)]


def declared(annotations: dict[str, Any], **attributes: Any) -> Callable[[], object]:
    """Return a function that declares a node class with these annotations and attributes."""
    body = {"__annotations__": annotations, **attributes}
    return lambda: gc.node(type("Mine", (gc.MutableNode,), body))


@pytest.mark.parametrize(
    "default", [[], [0.5], {}, {"a": 1}, {1}, bytearray(b"a"), deque([1]), np.array([1, 2])]
)
def test_a_default_that_all_nodes_would_share(default: Any) -> None:
    for given in (default, dataclasses.field(default=default)):
        message = sentence(declared({"weights": list}, weights=given), gc.InvalidValueError)
        assert message.startswith(f"weights of Mine cannot have the default {default!r}, which all")
        assert "dataclasses.field(default_factory=...)" in message
        assert "gc.state(factory=...)" in message
    message = sentence(lambda: gc.state(default), gc.InvalidValueError)
    assert message.startswith(
        f"state({default!r}) would be shared by all runs; write state(factory"
    )


def test_the_suggested_replacements_of_a_shared_default_work() -> None:
    @gc.node
    class Weighted(gc.MutableNode[float]):
        source: gc.Active[float]
        weights: list[float] = dataclasses.field(default_factory=lambda: [0.5])
        seen: list[float] = gc.state(factory=lambda: [1.0])
        everywhere: ClassVar[list[int]] = []

        def cycle(self, state: gc.GraphState) -> bool:
            self.seen.append(self.source.value)
            self.value = sum(self.seen) * self.weights[0]
            return True

    one, other = Weighted(gc.constant(1.0)), Weighted(gc.constant(1.0), [2.0])
    assert ticks(gc.Stream(one)) == ticks(gc.Stream(one)) == [(0, 1.0)]
    assert ticks(gc.Stream(other)) == [(0, 4.0)]


def test_state_with_both_a_default_and_a_factory_or_neither() -> None:
    wanted = "state takes a default or a factory, one of them"
    assert sentence(lambda: anything.state(), TypeError) == wanted
    assert sentence(lambda: anything.state(1, factory=int), TypeError) == wanted
    assert "needs a function, not 5" in sentence(lambda: anything.state(factory=5), TypeError)


def test_state_without_an_annotation() -> None:
    message = sentence(declared({}, count=gc.state(0)), gc.InvalidTypeError)
    assert message == "count of Mine needs an annotation, as in count: int = gc.state(0)"


def test_an_argument_without_a_default_after_one_with_a_default() -> None:
    message = sentence(declared({"first": int, "second": int}, first=1), gc.InvalidTypeError)
    assert message.startswith("@node cannot write the constructor of Mine: non-default argument 's")


def test_the_argument_that_is_not_a_stream_is_named() -> None:
    assert sentence(lambda: gc.Graph(source, 5), TypeError).startswith("root 2 must be")
    assert sentence(lambda: source.merge(source, 5), TypeError).startswith("sources of Merge[2]")
    assert sentence(lambda: source.gate(5), TypeError).startswith("condition of Gate")


def test_a_cycle_in_the_wiring_names_its_nodes_and_points_at_feedback() -> None:
    class Late(gc.MutableNode[int]):
        """A node whose upstream is set after it was made, which only a hand-written class
        allows."""

        def __init__(self) -> None:
            super().__init__()
            self.source: gc.Active[int] | None = None

        def upstreams(self) -> gc.Upstreams:
            assert self.source is not None
            return gc.Upstreams(active=(self.source,))

        def cycle(self, state: gc.GraphState) -> bool:
            return False

    late = Late()
    late.name = "late"
    late.source = gc.Stream(late).map(abs).named("inner").map(abs).named("outer")
    message = sentence(lambda: gc.Graph(late), gc.WiringError)
    for name in ("late", "inner", "outer", "feedback"):
        assert name in message


DURATIONS: dict[str, Callable[[Any], object]] = {
    "ticker": lambda given: gc.ticker(given),
    "from_iterable": lambda given: gc.from_iterable([1], given),
    "throttle": lambda given: source.throttle(given),
    "delay": lambda given: source.delay(given),
    "window": lambda given: source.window(given),
    "run": lambda given: source.run(duration=given),
}


@pytest.mark.parametrize("given", [0.5, 1.0, nan, True, [1]])
@pytest.mark.parametrize("operator", DURATIONS)
def test_a_duration_that_is_a_float_or_another_type(operator: str, given: object) -> None:
    message = sentence(lambda: DURATIONS[operator](given), gc.InvalidTypeError)
    assert message.startswith(f"{given!r} is not a duration: give a timedelta, int nanoseconds")


@pytest.mark.parametrize("given", ["", "1", "s", "1 week", "1e3s", "0.1ns", "1s2ms"])
@pytest.mark.parametrize("operator", DURATIONS)
def test_text_that_is_not_a_duration(operator: str, given: str) -> None:
    assert repr(given) in sentence(lambda: DURATIONS[operator](given), gc.InvalidValueError)


@pytest.mark.parametrize("given", [0, "0s", -1, "-5ms"])
@pytest.mark.parametrize("operator", ["ticker", "from_iterable", "throttle", "window"])
def test_a_period_that_is_not_above_zero(operator: str, given: int | str) -> None:
    message = sentence(lambda: DURATIONS[operator](given), gc.InvalidValueError)
    assert message == f"a period must be longer than 0, not {given!r}"


def test_a_negative_duration() -> None:
    assert "-5" in sentence(lambda: source.delay(-5), gc.InvalidValueError)
    assert "'-5ms'" in sentence(lambda: source.run(duration="-5ms"), gc.InvalidValueError)
    assert "'-5ms'" in sentence(lambda: source.rolling("-5ms"), gc.InvalidValueError)


def test_a_time_that_is_a_float() -> None:
    for run in (lambda: source.run(start=1.5), lambda: source.run(until=1.5)):
        assert "1.5 is not a time" in sentence(run, gc.InvalidTypeError)
    replay = gc.replay([1, 2.5], "ab")  # type: ignore[list-item]  # what is tried
    assert "index 1: 2.5 is not a time" in sentence(replay.run, gc.InvalidTypeError)


def test_times_that_go_back() -> None:
    out = gc.replay([10, 5], "ab").collect()
    message = sentence(out.run, gc.InvalidValueError)
    assert message == "times must not go back: 5 at index 1 comes after 10"
    assert list(out) == [(10, "a")]


@pytest.mark.parametrize(
    "call",
    [
        lambda: anything.replay([1], "a", spede=2.0),
        lambda: anything.from_iterable([1], spede=2.0),
        lambda: anything.ticker("1s", spede=2.0),
        lambda: source.throttle("1s", spede=2.0),
        lambda: source.ewm(spede=2.0),
        lambda: anything.align(source, source, key=abs, spede=2.0),
        lambda: source.run(spede=2.0),
        lambda: source.collect().run(spede=2.0),
        lambda: anything.Graph(source).run(spede=2.0),
        lambda: ticks(source, spede=2.0),  # type: ignore[call-arg]  # what is tried
    ],
)
def test_an_unknown_keyword(call: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'spede'") as caught:
        call()
    assert "\n" not in str(caught.value)


WRONG: list[tuple[Callable[[], object], type[Exception], str]] = [
    # functions
    (lambda: source.map(5), TypeError, "a function is needed, not 5"),
    (lambda: source.filter("x"), TypeError, "a function is needed, not 'x'"),
    (lambda: source.scan(5, 0), TypeError, "a function is needed, not 5"),
    (lambda: source.for_each(None), TypeError, "a function is needed, not None"),
    (lambda: source.split(5), TypeError, "a function is needed, not 5"),
    (lambda: source.join(source, 5), TypeError, "a function is needed, not 5"),
    (lambda: source.join(source, source), TypeError, "a function is needed, not <Stream numbers>"),
    (lambda: anything.align(source, source, key="t"), TypeError, "a function is needed, not 't'"),
    (lambda: anything.stream_operator(5), TypeError, "a function, not 5"),
    (lambda: anything.receiver(5), TypeError, "a function, not 5"),
    # functions that take other arguments
    (lambda: anything.receiver(lambda one: 1), TypeError, "is called with (sender, stop), and "),
    (
        lambda: anything.poll(lambda one: 1, 5),
        TypeError,
        "function of poll is called with (), and ",
    ),
    (lambda: anything.produce_async(lambda one: 1), TypeError, "produce_async is called with ()"),
    (lambda: source.group_by(pow, lambda own, key: own), TypeError, "key is called with (value), "),
    (lambda: source.demux(lambda: 1, [1]), TypeError, "key is called with (value), and "),
    (lambda: source.unique(lambda: 2, last=3), TypeError, "key is called with (value), and "),
    (lambda: source.buffer(2, key=lambda: 3), TypeError, "key is called with (value), and "),
    (lambda: anything.align(source, source, key=lambda: 4), TypeError, "called with (value), and "),
    # too few
    (lambda: source.join(max), TypeError, "join needs at least one other stream"),
    (lambda: source.join(), TypeError, "join needs a stream and a function"),
    (lambda: source.merge(), TypeError, "merge needs at least one other stream"),
    (lambda: source.combine(), TypeError, "combine needs at least one other stream"),
    (lambda: source.with_latest(), TypeError, "with_latest needs at least one other stream"),
    (lambda: anything.align(key=abs), TypeError, "align needs streams"),
    (lambda: anything.switch(source, {1: source.count}), TypeError, "streams for its branches"),
    (lambda: anything.Graph(), ValueError, "at least one stream"),
    (lambda: source.join(source), TypeError, "a function is needed, not <Stream numbers>"),
    # streams in place of values
    (lambda: anything.from_iterable(source), TypeError, "iterate over, not <Stream numbers>"),
    (lambda: anything.from_iterable(source.node), TypeError, "to iterate over, not <FromIterable"),
    (lambda: anything.replay(source), TypeError, "times to iterate over, not <Stream numbers>"),
    (lambda: anything.replay([1], source), TypeError, "values to iterate over, not <Stream numb"),
    # numbers
    (lambda: source.limit(1.5), TypeError, "count must be a whole number, not 1.5"),
    (lambda: source.limit(-1), ValueError, "count must be at least 0, not -1"),
    (lambda: source.skip(True), TypeError, "count must be a whole number, not True"),
    (lambda: source.buffer(0), ValueError, "count must be at least 1, not 0"),
    (lambda: source.enumerate("1"), TypeError, "first must be a whole number, not '1'"),
    (lambda: source.log("a", "INFO"), TypeError, "level must be a whole number, not 'INFO'"),
    (lambda: source.print(abs), TypeError, "a label must be text, not <built-in function abs>"),
    (lambda: source.print(0), TypeError, "a label must be text, not 0"),
    (lambda: source.log(3), TypeError, "a label must be text, not 3"),
    (lambda: source.rolling(0), ValueError, "at least 1 value, not 0"),
    *(
        (lambda given=given: source.rolling(given), TypeError, f'such as "5min", not {given!r}')
        for given in (1.5, nan, True, [1], None)
    ),
    (lambda: gc.frame(source), TypeError, "as in frame(a=a, b=b): 1 of its arguments has no name"),
    (lambda: gc.frame(source, source, c=source), TypeError, "2 of its arguments have no name"),
    (lambda: anything.align(source, source, key=abs, capacity=0), ValueError, "at least 1, not 0"),
    (lambda: source.ewm(), ValueError, "one of span, alpha, com and halflife, not none of them"),
    (lambda: source.ewm(span=3, alpha=0.5), ValueError, "span=3, alpha=0.5"),
    (lambda: source.ewm(span=0.5), ValueError, "span must be at least 1, not 0.5"),
    (lambda: source.ewm(span=nan), ValueError, "span must be at least 1, not nan"),
    (lambda: source.ewm(alpha=0), ValueError, "alpha must be above 0 and at most 1, not 0"),
    (lambda: source.ewm(alpha=1.5), ValueError, "alpha must be above 0 and at most 1, not 1.5"),
    (lambda: source.ewm(alpha="1"), TypeError, "alpha must be a number, not '1'"),
    (lambda: source.ewm(com=-1), ValueError, "com must be at least 0, not -1"),
    (lambda: source.ewm(halflife=0), ValueError, "halflife must be above 0, not 0"),
    (lambda: source.ewm(halflife="0s"), ValueError, "a period must be longer than 0, not '0s'"),
    (lambda: source.ewm(halflife=[1]), TypeError, "a number of values or a duration, not [1]"),
    (lambda: source.ewm(alpha=1, adjust=1), TypeError, "adjust must be True or False, not 1"),
    (lambda: source.ewm(alpha=1, on=3), TypeError, "on must be a stream or a node, not 3"),
    (lambda: source.rolling(3, min_periods=4), ValueError, "min_periods=4 is never reached"),
    (lambda: source.rolling(2, closed="neither"), ValueError, "min_periods=2 is never reached"),
    (lambda: source.rolling(2, closed="up"), ValueError, "or \"neither\", not 'up'"),
    (lambda: source.rolling(2, on_reset="emit"), ValueError, "needs reset"),
    (lambda: source.rolling(2, reset=source, on_reset=1), ValueError, '"emit", not 1'),
    (lambda: source.rolling(2, reset="x"), TypeError, "reset must be a stream or a node, not 'x'"),
    (lambda: source.expanding(-1), ValueError, "min_periods must be at least 0, not -1"),
    (lambda: source.expanding().quantile(1.5), ValueError, "q must be from 0 to 1, not 1.5"),
    (lambda: source.expanding().quantile([]), ValueError, "at least one q"),
    (lambda: source.expanding().quantile("1"), TypeError, "q must be a number, not '1'"),
    (lambda: source.expanding().std(ddof=1.5), TypeError, "ddof must be a whole number, not 1.5"),
    (lambda: source.expanding().apply(3), TypeError, "a function is needed, not 3"),
    (lambda: source.run(cycles=0), ValueError, "cycles must be at least 1, not 0"),
    (lambda: source.run(cycles=1.5), TypeError, "cycles must be a whole number, not 1.5"),
    # replay and from_iterable
    (lambda: anything.replay(5), TypeError, "times to iterate over, not 5"),
    (lambda: anything.replay("2026", "abcd"), TypeError, "times to iterate over, not '2026'"),
    (lambda: anything.replay([1], 5), TypeError, "values to iterate over, not 5"),
    (lambda: anything.replay(np.array(3), [1]), TypeError, "times to iterate over, not array(3)"),
    (lambda: anything.replay(np.array(3)), TypeError, "times to iterate over, not array(3)"),
    (lambda: anything.replay([1], np.array(3)), TypeError, "values to iterate over, not array(3)"),
    (lambda: anything.replay([1, 2], "a"), ValueError, "1 values, 2 times"),
    (
        lambda: anything.replay([1, 2]).run(),
        TypeError,
        "index 0 must be a (time, value) pair, not 1",
    ),
    (
        lambda: anything.replay(["soon"], "a").run(),
        ValueError,
        "index 0: 'soon' is not an ISO-8601 time",
    ),
    (lambda: anything.replay([1], "a", speed=0), ValueError, "speed must be above 0, not 0"),
    (lambda: anything.replay([1], "a", speed=nan), ValueError, "speed must be above 0, not nan"),
    (lambda: anything.replay([1], "a", speed="2"), TypeError, "speed must be a number, not '2'"),
    (lambda: anything.replay([1], "a", delivery="all"), ValueError, "not 'all'"),
    (lambda: anything.from_iterable([1], delivery="all"), ValueError, "not 'all'"),
    (lambda: anything.from_iterable(5), TypeError, "values to iterate over, not 5"),
    (lambda: anything.from_iterable(np.array(3)), TypeError, "to iterate over, not array(3)"),
    (lambda: anything.receiver(print, delivery="all"), ValueError, "not 'all'"),
    (lambda: anything.receiver(print, capacity=0), ValueError, "not 0"),
    # names and runs
    (lambda: source.named(""), TypeError, "not ''"),
    (lambda: source.named(5), TypeError, "not 5"),
    (lambda: source.field(5), TypeError, "the name of a field must be text, not 5"),
    (lambda: source.run(tier="warp"), ValueError, "there is no tier 'warp'"),
    (lambda: source.run(realtime="yes"), TypeError, "realtime must be True or False, not 'yes'"),
    (lambda: source.run(realtime=1), TypeError, "realtime must be True or False, not 1"),
    (lambda: source.run(progress="no"), TypeError, "progress must be True or False, not 'no'"),
    (
        lambda: source.run(realtime=True, start="2100-01-01"),
        ValueError,
        "start='2100-01-01' lies in the future",
    ),
    (lambda: source.run(start=9, until=5), ValueError, "until=5 lies before the start"),
    (lambda: anything.ticker("1s").named("clock").run(), RuntimeError, "clock never ends"),
]


@pytest.mark.parametrize(("call", "kind", "part"), WRONG, ids=[part for _, _, part in WRONG])
def test_a_wrong_argument(call: Callable[[], object], kind: type[Exception], part: str) -> None:
    assert part in sentence(call, kind)


def test_a_refused_call_leaves_the_stream_as_it_was() -> None:
    for call, kind, _ in WRONG:
        with pytest.raises(kind):
            call()
    assert source.node.name == "numbers"
    assert ticks(source) == [(0, 1), (0, 2)]
