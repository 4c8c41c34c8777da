"""`feedback`: a stream wired with now and closed later; it delivers in the next cycle."""

import pytest

import graphcore as gc
from graphcore.testing import ticks


def test_r6_feedback_delivers_in_the_next_cycle_at_the_same_time() -> None:
    source = gc.replay([10, 20], "ab")
    echo = gc.feedback()
    echo.bind(source)
    out = source.merge(echo.map(str.upper)).collect()
    report = out.run()
    assert list(out) == [(10, "a"), (10, "A"), (20, "b"), (20, "B")]
    assert report.cycles == 4


def test_a_loop_goes_on_until_nothing_feeds_it() -> None:
    again = gc.feedback()
    number = gc.constant(6).merge(again)
    again.bind(number.filter(lambda n: n > 1).map(lambda n: n // 2 if n % 2 == 0 else 3 * n + 1))
    assert [value for _, value in ticks(number)] == [6, 3, 10, 5, 16, 8, 4, 2, 1]


def test_feedback_keeps_one_value_a_cycle_in_order() -> None:
    source = gc.replay([1, 1, 1], "abc")
    echo = gc.feedback()
    echo.bind(source)
    assert ticks(source.combine(echo)) == [(1, ("b", "a")), (1, ("c", "b")), (1, ("c", "c"))]


def test_r5_an_operator_on_a_feedback_waits_for_its_first_value() -> None:
    previous = gc.feedback()
    source = gc.replay([1, 2, 3], [1, 2, 4])
    previous.bind(source)
    assert ticks(source.with_latest(previous)) == [(2, (2, 1)), (3, (4, 2))]


def test_a_feedback_brings_the_stream_that_feeds_it_into_the_graph() -> None:
    echo = gc.feedback()
    echo.bind(gc.replay([1], "a"))
    assert ticks(echo) == [(1, "a")]


def test_r12_a_loop_begins_anew_in_each_run() -> None:
    rest = gc.feedback()
    order = gc.constant(3).merge(rest)
    rest.bind(order.filter(lambda n: n > 1).map(lambda n: n - 1))
    out = order.collect()
    for _ in range(2):
        out.run(cycles=2)
        assert out.values == [3, 2]
    out.run()
    assert out.values == [3, 2, 1]


def test_an_unbound_feedback_is_refused_by_name() -> None:
    with pytest.raises(gc.WiringError, match=r"balance was never closed: call \.bind\(stream\)"):
        gc.Graph(gc.feedback().named("balance").map(str))


def test_a_feedback_is_bound_once() -> None:
    echo = gc.feedback().named("echo")
    echo.bind(gc.constant(1))
    with pytest.raises(gc.WiringError, match="echo is bound already"):
        echo.bind(gc.constant(2))


def test_a_failed_bind_leaves_the_feedback_open() -> None:
    echo = gc.feedback()
    with pytest.raises(gc.InvalidTypeError, match="bind must be a stream or a node, not 5"):
        echo.bind(5)  # type: ignore[arg-type]  # what is tried
    echo.bind(gc.constant(1))
    assert ticks(echo) == [(0, 1)]


def test_later_ticks_in_the_cycle_of_the_stream_it_is_bound_to() -> None:
    later = gc.later()
    numbers = gc.replay([1, 2], [10, 20])
    pairs = later.combine(numbers)
    doubled = later.map(lambda n: 2 * n)
    later.bind(numbers)
    assert ticks(pairs) == [(1, (10, 10)), (2, (20, 20))]
    assert ticks(doubled) == [(1, 20), (2, 40)]


def test_later_refuses_to_be_unbound_bound_twice_or_bound_to_what_depends_on_it() -> None:
    later = gc.later().named("limit")
    with pytest.raises(gc.WiringError, match=r"limit was never bound: call \.bind\(stream\) on it"):
        later.run()
    with pytest.raises(gc.InvalidTypeError, match="the argument of bind must be a stream"):
        later.bind(5)  # type: ignore[arg-type]  # what is tried
    loop = later.map(abs).named("loop")
    later.bind(loop)
    with pytest.raises(gc.WiringError, match="is bound already"):
        later.bind(loop)
    with pytest.raises(
        gc.WiringError, match="the wiring has a cycle: .*close a loop with graphcore.feedback"
    ):
        loop.run()
