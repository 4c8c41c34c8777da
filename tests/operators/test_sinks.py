"""Sinks: each hands values to the outside and passes them on."""

import logging
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import ticks


def test_for_each_calls_with_each_value_and_passes_it_on() -> None:
    seen: list[str] = []
    assert ticks(gc.replay([1, 2], "ab").for_each(seen.append)) == [(1, "a"), (2, "b")]
    assert seen == ["a", "b"]


def test_print_writes_time_and_value(capsys: pytest.CaptureFixture[str]) -> None:
    source = gc.replay(["2026-01-31T09:30:00.000000001Z"], ["a"])
    [(_, value)] = ticks(source.print().print("letter:"))
    assert value == "a"
    assert capsys.readouterr().out == (
        "2026-01-31T09:30:00.000000001Z 'a'\n2026-01-31T09:30:00.000000001Z letter: 'a'\n"
    )


def test_log_logs_time_and_value_at_the_level(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "graphcore"):
        passed = ticks(gc.replay([1], "a").log().log("letter:", logging.DEBUG))
    assert passed == [(1, "a")]
    assert caplog.record_tuples == [
        ("graphcore.operators.sinks", logging.INFO, "1970-01-01T00:00:00.000000001Z 'a'"),
        ("graphcore.operators.sinks", logging.DEBUG, "1970-01-01T00:00:00.000000001Z letter: 'a'"),
    ]


def test_accumulate_ticks_with_the_one_growing_list() -> None:
    sizes: list[tuple[int, int]] = []
    out = gc.from_iterable("abc").accumulate().for_each(lambda v: sizes.append((id(v), len(v))))
    [(_, last)] = ticks(out)[-1:]
    assert last == ["a", "b", "c"]
    assert [size for _, size in sizes] == [1, 2, 3]
    assert len({identity for identity, _ in sizes}) == 1


def test_finally_calls_once_at_the_end_with_the_last_value() -> None:
    called: list[Any] = []
    source = gc.replay([1, 2, 3], "abc").for_each(lambda value: called.append(value.upper()))
    source.finally_(called.append).run()
    assert called == ["A", "B", "C", "c"]


def test_finally_does_not_call_without_a_value_or_with_an_earlier_runs_value() -> None:
    called: list[int] = []
    source = gc.replay([1, 2], [1, 2]).finally_(called.append)
    source.run(start=5)
    assert called == []
    source.run()
    source.run(start=5)
    assert called == [2]


def test_finally_calls_also_when_the_run_fails_later() -> None:
    called: list[int] = []
    last = gc.replay([1, 2], [1, 0]).finally_(called.append)
    with pytest.raises(ZeroDivisionError):
        last.map(lambda n: 1 // n).run()
    assert called == [0]


def test_finally_may_be_called_with_none_as_the_last_value() -> None:
    called: list[None] = []
    gc.constant(None).finally_(called.append).run()
    assert called == [None]
