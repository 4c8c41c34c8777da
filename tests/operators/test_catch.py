"""`catch`: a sub-graph whose exceptions tick in place of ending the run."""

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc

SECOND = 1_000_000_000

numbers = st.lists(st.integers(-2, 3), max_size=30)


def each_second(values: list[int]) -> gc.Stream[int]:
    return gc.replay([(n * SECOND, each) for n, each in enumerate(values)]).named("numbers")


def run(
    made: tuple[gc.Stream[Any], gc.Stream[gc.Failure]], **options: Any
) -> tuple[list[tuple[int, Any]], list[gc.Failure]]:
    """Run, and return the ticks of the values, and the failures."""
    out, failures = made[0].collect(), made[1].collect()
    gc.Graph(out, failures).run(**options)
    assert [time for time, _ in failures] == [each.time for each in failures.values]
    return list(out), failures.values


def inverses(stream: gc.Stream[int]) -> gc.Stream[float]:
    return stream.map(lambda n: n + 1).map(lambda n: 6 / (n - 1)).named("inverse").sum()


@given(numbers)
def test_continue_goes_on_with_the_state_as_it_was_at_the_failure(values: list[int]) -> None:
    ticks, failures = run(each_second(values).catch(inverses))
    expected, total = [], 0.0
    for n, value in enumerate(values):
        if value:
            total += 6 / value
            expected.append((n * SECOND, total))
    assert ticks == expected
    failed = [n * SECOND for n, value in enumerate(values) if not value]
    assert [each.time for each in failures] == failed


@given(numbers)
def test_restart_begins_anew_after_a_failure(values: list[int]) -> None:
    ticks, failures = run(each_second(values).catch(inverses, after="restart"))
    expected, total = [], 0.0
    for n, value in enumerate(values):
        total = total + 6 / value if value else 0.0
        expected += [(n * SECOND, total)] if value else []
    assert ticks == expected
    assert len(failures) == values.count(0)


def test_a_failure_says_when_which_node_and_on_what() -> None:
    _, [failure] = run(each_second([1, 0]).catch(inverses))
    assert (failure.time, failure.node) == (SECOND, "inverse")
    assert list(failure.values.values()) == [1]
    assert type(failure.exception) is ZeroDivisionError
    inner, outer = failure.exception.__notes__
    assert inner.startswith("in inverse (Map), wired at ")
    assert outer == "in the sub-graph for the values of 'numbers'"


def test_an_exception_that_is_not_an_error_ends_the_run() -> None:
    def interrupt(value: int) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(each_second([1]).catch(lambda stream: stream.map(interrupt)))


def test_a_stop_iteration_is_a_failure_like_any_other() -> None:
    values = iter([1])
    ticks, failures = run(each_second([5, 6, 7]).catch(lambda s: s.map(lambda n: next(values))))
    assert ticks == [(0, 1)]
    assert [type(each.exception) for each in failures] == [StopIteration] * 2


def test_the_sub_graph_begins_with_the_run() -> None:
    def build(stream: gc.Stream[int]) -> gc.Stream[Any]:
        return gc.ticker("2s").count().with_latest(stream.default(0))

    expected = build(each_second([7, 8, 9])).collect()
    expected.run(duration="5s")
    ticks, _ = run(each_second([7, 8, 9]).catch(build), duration="5s")
    assert ticks == list(expected)


def test_after_a_restart_timers_count_from_the_failure() -> None:
    def build(stream: gc.Stream[int]) -> gc.Stream[Any]:
        checked = stream.check(lambda n: n > 0, "not positive")
        return gc.ticker("2s").count().merge_first(checked.filter(lambda n: False))

    made = each_second([1, 1, 1, 0]).catch(build, after="restart")
    ticks, failures = run(made, duration="8s")
    at = [time // SECOND for time, _ in ticks]
    assert at == [0, 2, 3, 5, 7]
    assert [n for _, n in ticks] == [1, 2, 1, 2, 3]
    assert [each.time for each in failures] == [3 * SECOND]


def test_alarms_of_a_sub_graph_that_failed_do_not_go_off_after_a_restart() -> None:
    def build(stream: gc.Stream[int]) -> gc.Stream[int]:
        return stream.check(lambda n: n > 0, "not positive").delay("5s")

    ticks, _ = run(each_second([1, 2, 0, 4]).catch(build, after="restart"))
    assert ticks == [(8 * SECOND, 4)]
    ticks, _ = run(each_second([1, 2, 0, 4]).catch(build))
    assert ticks == [(5 * SECOND, 1), (6 * SECOND, 2), (8 * SECOND, 4)]


def test_a_feedback_inside_delivers_after_a_failure() -> None:
    def halved(stream: gc.Stream[int]) -> gc.Stream[int]:
        back: gc.FeedbackStream[int] = gc.feedback()
        values = stream.merge(back)
        whole = values.check(lambda n: n % 2 == 0 or n == 1, "odd")
        back.bind(whole.filter(lambda n: n > 1).map(lambda n: n // 2))
        return whole

    ticks, failures = run(each_second([8, 6, 4]).catch(halved))
    assert [n for _, n in ticks] == [8, 4, 2, 1, 6, 4, 2, 1]
    assert [each.time for each in failures] == [SECOND]


def test_a_result_that_ticked_before_the_failure_counts() -> None:
    def build(stream: gc.Stream[int]) -> gc.Stream[int]:
        back: gc.FeedbackStream[float] = gc.feedback()
        result = stream.merge_first(back.filter(lambda n: False).map(int))
        back.bind(result.map(lambda n: 1 / n))
        return result

    for after in ("continue", "restart"):
        ticks, failures = run(each_second([1, 0, 2]).catch(build, after=after))  # type: ignore[arg-type]  # two literals
        assert [n for _, n in ticks] == [1, 0, 2]
        assert [each.time for each in failures] == [SECOND]


def test_a_node_before_the_failure_has_ticked_and_one_after_it_has_not() -> None:
    def build(stream: gc.Stream[int]) -> gc.Stream[Any]:
        early = stream.map(lambda n: n * 10)
        late = early.map(lambda n: 1 // n).map(lambda n: n + 1)
        return stream.filter(lambda n: n == 2).map(lambda n: n).with_latest(early).merge_first(late)

    ticks, failures = run(each_second([0, 2]).catch(build))
    assert [value for _, value in ticks] == [(2, 20)]
    assert len(failures) == 1

    def first_fails(stream: gc.Stream[int]) -> gc.Stream[Any]:
        early = stream.map(lambda n: n * 10)
        failing = early.map(lambda n: 1 // (n - 10))
        trigger = gc.ticker("2s").sample(gc.ticker("2s")).map(lambda n: "beat")
        both = trigger.with_latest(early)
        return failing.map(lambda n: ("late", n)).merge_first(both)

    ticks, failures = run(each_second([1]).catch(first_fails), duration="2s")
    assert ticks == [(0, ("beat", 10)), (2 * SECOND, ("beat", 10))]
    assert len(failures) == 1


def test_r5_a_value_that_a_failing_node_set_is_not_seen_by_others() -> None:
    class Fails(gc.MutableNode[int]):
        def __init__(self, source: gc.Stream[int]) -> None:
            super().__init__()
            self.source = source.node

        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams(active=(self.source,))

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            if self.value % 2:
                raise ValueError("odd")
            return True

    def build(stream: gc.Stream[int]) -> gc.Stream[Any]:
        even = gc.Stream(Fails(stream))
        return even.sample(gc.ticker("1s"))

    ticks, failures = run(each_second([2, 3, 4]).catch(build), duration="3s")
    assert ticks == [(n * SECOND, value) for n, value in enumerate([2, 2, 4, 4])]
    assert len(failures) == 1


def test_an_output_that_ticked_in_a_cycle_that_failed_has_ticked() -> None:
    @gc.node
    class Both(gc.MutableNode[int]):
        source: gc.Active[int]
        other: gc.Output[int] = gc.output()

        def cycle(self, state: gc.GraphState) -> bool:
            self.other.tick(self.source.value * 10)
            self.value = 1 // self.source.value
            return True

    def build(stream: gc.Stream[int]) -> gc.Stream[Any]:
        both = Both(stream)
        other: gc.Stream[int] = both.other  # type: ignore[assignment]  # a stream in a user's class
        return gc.ticker("1s").with_latest(other)

    ticks, failures = run(each_second([0, 1]).catch(build), duration="2s")
    assert len(failures) == 1
    assert [other for _, (_, other) in ticks] == [0, 10, 10]


# The end


def test_r14_the_end_of_the_run_closes_the_sub_graph() -> None:
    made = each_second([1, 2, 3]).catch(lambda stream: stream.buffer(2).unroll())
    ticks, _ = run(made)
    assert [n for _, n in ticks] == [1, 2, 3]


class Watched(gc.MutableNode[int]):
    """Hands values on; writes down what is called; fails where it is told to."""

    def __init__(self, source: gc.Stream[int], log: list[str], name: str, fails: str = "") -> None:
        super().__init__()
        self.source, self.log, self.fails = source.node, log, fails
        self.name = name

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def reach(self, what: str) -> None:
        self.log.append(f"{what} {self.name}")
        if what == self.fails:
            raise OSError(what)

    def start(self, state: gc.GraphState) -> None:
        self.reach("start")

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        if self.value < 0:
            raise ValueError("negative")
        return True

    def close(self, state: gc.GraphState) -> bool:
        self.reach("close")
        return False

    def stop(self, state: gc.GraphState) -> None:
        self.reach("stop")


def watched(log: list[str], *fails: str) -> Any:
    def build(stream: gc.Stream[int]) -> gc.Stream[int]:
        for name, each in zip("ab", [*fails, "", ""], strict=False):
            stream = gc.Stream(Watched(stream, log, name, each))
        return stream

    return build


def test_r10_a_restart_stops_the_nodes_in_reverse_and_does_not_close_them() -> None:
    log: list[str] = []
    run(each_second([1, -1, 2]).catch(watched(log), after="restart"))
    once = ["start a", "start b"]
    assert log == [*once, "stop b", "stop a", *once, "close a", "close b", "stop b", "stop a"]


def test_r10_continue_stops_the_nodes_once() -> None:
    log: list[str] = []
    run(each_second([1, -1, -1, 2]).catch(watched(log)))
    assert log == ["start a", "start b", "close a", "close b", "stop b", "stop a"]


def test_a_node_that_fails_to_close_is_a_failure_and_the_others_close() -> None:
    log: list[str] = []
    _, [failure] = run(each_second([1]).catch(watched(log, "close")))
    assert str(failure.exception) == "close" and failure.node == "a"
    assert log[2:] == ["close a", "close b", "stop b", "stop a"]


def test_errors_of_a_restart_from_stop_join_the_failure() -> None:
    log: list[str] = []
    made = each_second([1, -1]).catch(watched(log, "", "stop"), after="restart")
    out, failures = made[0].collect(), made[1].collect()
    with pytest.raises(OSError, match="stop"):  # that of the sub-graph which runs to the end
        gc.Graph(out, failures).run()
    [failure] = failures.values
    assert failure.node == "a" and isinstance(failure.exception, ExceptionGroup)
    assert [type(each) for each in failure.exception.exceptions] == [ValueError, OSError]
    assert log[2:4] == ["stop b", "stop a"]


def test_an_error_from_the_first_start_ends_the_run() -> None:
    log: list[str] = []
    with pytest.raises(OSError, match="start") as caught:
        run(each_second([1]).catch(watched(log, "", "start")))
    assert caught.value.__notes__[0].startswith("in start of b (Watched)")
    assert log == ["start a", "start b", "stop b", "stop a"]


def test_an_error_from_a_later_start_is_a_failure_and_the_next_value_tries_again() -> None:
    log: list[str] = []
    fails = iter(["", "start", "start", ""])

    def build(stream: gc.Stream[int]) -> gc.Stream[int]:
        return gc.Stream(Watched(stream, log, "a", next(fails)))

    ticks, failures = run(each_second([1, -1, 2, 3]).catch(build, after="restart"))
    assert ticks == [(0, 1), (3 * SECOND, 3)]
    assert [each.time // SECOND for each in failures] == [1, 1, 2]
    assert [each.node for each in failures] == ["a"] * 3
    assert log == [*["start a", "stop a"] * 3, "start a", "close a", "stop a"]


def test_a_sub_graph_that_fails_at_once_begins_again_with_the_next_value() -> None:
    def build(stream: gc.Stream[int]) -> gc.Stream[Any]:
        return gc.ticker("1h").map(lambda n: 1 / 0).merge(stream)

    _, failures = run(each_second([1, 2, 3]).catch(build, after="restart"), duration="2s")
    assert [each.time // SECOND for each in failures] == [0, 0, 1, 2]


# Nesting


@pytest.mark.parametrize("after", ["continue", "restart"])
def test_a_catch_in_each_key_leaves_the_other_keys_alone(after: Any) -> None:
    pairs = gc.replay([(n, pair) for n, pair in enumerate(["a1", "b1", "a?", "b2", "a3"])])
    seen: list[tuple[str, str]] = []

    def build(stream: gc.Stream[str], key: str) -> gc.Stream[int]:
        values, failures = stream.catch(lambda s: s.map(lambda t: int(t[1])).sum(), after=after)
        # A sink cannot stand in a sub-graph: it is no root.
        told = failures.inspect(lambda each: seen.append((key, str(each.exception))))
        return values.merge(told.map(lambda each: -1))

    out = pairs.group_by(lambda text: text[0], build).changes.collect()
    out.run()
    last = 4 if after == "continue" else 3
    assert out.values == [{"a": 1}, {"b": 1}, {"a": -1}, {"b": 3}, {"a": last}]
    assert seen == [("a", "invalid literal for int() with base 10: '?'")]


@pytest.mark.parametrize("after", ["continue", "restart"])
def test_a_group_by_inside_names_the_inner_node_and_goes_on(after: Any) -> None:
    pairs = gc.replay([(n, pair) for n, pair in enumerate(["a1", "b1", "a2", "a?", "b2", "a3"])])

    def build(stream: gc.Stream[str]) -> gc.Stream[dict[str, int]]:
        return stream.group_by(
            lambda text: text[0],
            lambda own, key: own.map(lambda text: int(text[1])).named("digit").sum(),
        ).changes

    ticks, [failure] = run(pairs.catch(build, after=after))
    a, b = (6, 3) if after == "continue" else (3, 2)
    assert [v for _, v in ticks] == [{"a": 1}, {"b": 1}, {"a": 3}, {"b": b}, {"a": a}]
    assert failure.node == "digit" and list(failure.values.values()) == ["a?"]
    assert failure.exception.__notes__[1] == "in the sub-graph for the key 'a'"


def test_the_innermost_catch_takes_the_exception() -> None:
    def inner(stream: gc.Stream[int]) -> gc.Stream[int]:
        values, failures = stream.catch(lambda s: s.map(lambda n: 1 // n))
        return values.merge(failures.map(lambda each: -1))

    ticks, failures = run(each_second([1, 0, 1]).catch(inner))
    assert [n for _, n in ticks] == [1, -1, 1] and not failures


def test_a_switch_inside_goes_on() -> None:
    def build(stream: gc.Stream[int]) -> gc.Stream[int]:
        odd = stream.map(lambda n: n % 2).distinct()
        return gc.switch(odd, {1: lambda s: s.sum(), 0: lambda s: s.map(lambda n: 4 // n)}, stream)

    ticks, failures = run(each_second([1, 3, 0, 2, 5]).catch(build))
    assert [n for _, n in ticks] == [1, 4, 2, 5]
    assert [each.time for each in failures] == [2 * SECOND]


def test_a_sub_graph_may_read_and_be_triggered_by_a_stream_from_outside() -> None:
    beat = gc.replay([(n * SECOND, n) for n in range(5)]).named("beat")

    def build(stream: gc.Stream[int]) -> gc.Stream[Any]:
        return beat.with_latest(stream).map(lambda both: (both[0], 6 // both[1]))

    for after in ("continue", "restart"):
        ticks, failures = run(each_second([1, 0, 3]).catch(build, after=after))  # type: ignore[arg-type]  # two literals
        assert [value for _, value in ticks] == [(0, 6), (2, 2), (3, 2), (4, 2)]
        assert [each.time for each in failures] == [SECOND]


def test_stop_key_inside_a_catch_retires_the_key_around_it() -> None:
    def build(stream: gc.Stream[str], key: str) -> gc.Stream[int]:
        def inner(own: gc.Stream[str]) -> gc.Stream[int]:
            own.filter(lambda text: text[1] == "0").stop_key()
            return own.count()

        return stream.catch(inner)[0]

    source = gc.replay([(n, text) for n, text in enumerate(["a1", "a0", "a1"])])
    keyed = source.group_by(lambda text: text[0], build)
    out, removed = keyed.changes.collect(), keyed.removed.collect()
    gc.Graph(out, removed).run()
    assert out.values == [{"a": 1}, {"a": 2}, {"a": 1}] and removed.values == ["a"]


def test_a_receiver_inside_is_told_to_end_and_begins_again_after_a_restart() -> None:
    attempts: list[threading.Event] = []

    def receive(sender: gc.Sender[int], stop: threading.Event) -> None:
        attempts.append(stop)
        sender.send(len(attempts))
        if len(attempts) > 2:
            return
        sender.error(OSError(len(attempts)))
        stop.wait()  # of this attempt, not of the run

    def build(stream: gc.Stream[int]) -> gc.Stream[int]:
        return gc.receiver(receive).unroll()

    made = each_second([]).catch(build, after="restart")
    ticks, failures = run(made, realtime=True)  # which ends, as no receiver is left
    assert [value for _, value in ticks] == [1, 2, 3]
    assert [str(each.exception) for each in failures] == ["1", "2"]


# Bad input


def test_after_is_one_of_two_words() -> None:
    with pytest.raises(gc.InvalidValueError, match="after must be .* not 'stop'"):
        each_second([]).catch(lambda stream: stream, after="stop")  # type: ignore[arg-type]  # as the test is about it


def test_what_build_itself_raises_ends_the_run() -> None:
    with pytest.raises(gc.InvalidTypeError, match="must return a stream, not 5"):
        run(each_second([1]).catch(lambda stream: 5))  # type: ignore[arg-type, return-value]  # as the test is about it


def test_an_endless_source_inside_needs_a_bound() -> None:
    with pytest.raises(gc.RunError, match="ticker.* never ends"):
        run(each_second([1]).catch(lambda stream: gc.ticker("1s")))
