"""Mistakes that would give wrong figures without anybody noticing."""

import gc as collector
from functools import partial

import pytest

from benchmarks.figures import Target
from benchmarks.ticks import OURS, ROUNDS, Comparison, Run, again, compare, compete, microseconds


@pytest.fixture(autouse=True)
def objects_of_other_tests_stay_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no run collect the objects of all tests, which takes half a second."""
    monkeypatch.setattr(collector, "unfreeze", lambda: None)


def test_contenders_take_turns_and_each_is_prepared_before_each_run() -> None:
    turns: list[str] = []

    def prepare(name: str) -> Run:
        turns.append(f"prepare {name}")
        return partial(turns.append, f"run {name}")

    compete(1, None, {name: partial(prepare, name) for name in "ab"})
    assert turns == ["prepare a", "run a", "prepare b", "run b"] * (ROUNDS + 1)


def test_a_cost_is_the_median_of_the_runs_after_the_first_by_the_ticks() -> None:
    taken = [1_000_000, 700, 100, 200, 300, 400, 500, 600]
    readings = iter([reading for each in taken for reading in (5, 5 + each)])
    assert compete(10, None, {"a": again(lambda: None)}, readings.__next__) == {"a": 40}


def test_a_contender_with_another_result_is_named() -> None:
    with pytest.raises(AssertionError, match="lazy came to 0, not 7"):
        compete(1, 7, {"honest": again(lambda: 7), "lazy": again(lambda: 0)})


def test_a_ratio_is_graphcore_over_the_peer_and_left_out_if_one_is_not_measured() -> None:
    measured = {"sum": {OURS: 300.0, "loop": 400.0}}
    asked = [Comparison(work, peer, 0.5) for work in ("sum", "mean") for peer in ("loop", "csp")]
    (figure,) = compare(measured, asked)
    assert (figure.ratio, figure.target, figure.reached) == (0.75, Target("≤", 0.5), False)
    assert figure.work == f"sum: {OURS} beside loop"


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [(12.34, "0.0123"), (123.4, "0.123"), (1_234, "1.23"), (99_999, "100.0"), (1_234_567, "1,235")],
)
def test_microseconds_have_three_significant_digits(nanoseconds: float, shown: str) -> None:
    assert microseconds(nanoseconds) == shown
