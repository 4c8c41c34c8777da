"""Matrices of covariances, and covariances that decay, beside pandas and exact ones."""

from functools import cache
from math import nan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

SIZE = 3
FEW = settings(max_examples=max(settings().max_examples // 4, 10))
numbers = st.floats(-9, 9).map(lambda value: round(value, 2))
rows = st.lists(
    st.lists(st.one_of(numbers, numbers, numbers, st.just(nan)), min_size=SIZE, max_size=SIZE),
    min_size=1,
    max_size=14,
)
WINDOWS: dict[str, tuple[Any, Any]] = {
    "4": (lambda x: x.rolling(4), lambda x: x.rolling(4)),
    "4, 2": (lambda x: x.rolling(4, min_periods=2), lambda x: x.rolling(4, min_periods=2)),
    "5ns": (lambda x: x.rolling("5ns"), lambda x: x.rolling("5ns")),
    "all": (lambda x: x.expanding(), lambda x: x.expanding()),
}
DECAYS: dict[str, dict[str, Any]] = {
    "span": {"span": 3},
    "plain": {"alpha": 0.3, "adjust": False},
    "ignoring": {"com": 2, "ignore_na": True},
    "late": {"halflife": 2, "min_periods": 3},
}


class Wired:
    """A graph of figures, which runs on any rows."""

    def __init__(self, make: Any) -> None:
        self._rows: list[list[float]] = []
        vectors = gc.replay(lambda: [(at, np.array(row)) for at, row in enumerate(self._rows)])
        self._outs = {name: out.collect() for name, out in make(vectors).items()}
        self._graph = gc.Graph(*self._outs.values())

    def run(self, rows: list[list[float]]) -> dict[str, list[tuple[int, Any]]]:
        self._rows = rows
        self._graph.run()
        return {name: list(out) for name, out in self._outs.items()}


@cache
def wired(name: str) -> Wired:
    window = WINDOWS[name][0]
    return Wired(lambda x: {"cov": window(x).cov(), "corr": window(x).corr()})


@cache
def decaying(name: str) -> Wired:
    def make(x: gc.Stream[Any]) -> dict[str, Any]:
        one, other = x.map(lambda vector: vector[0]), x.map(lambda vector: vector[1])
        of_vectors, of_numbers = x.ewm(**DECAYS[name]), one.ewm(**DECAYS[name])
        return {
            "cov": of_vectors.cov(),
            "biased": of_vectors.cov(bias=True),
            "corr": of_vectors.corr(),
            "cov of two": of_numbers.cov(other),
            "biased cov of two": of_numbers.cov(other, bias=True),
            "corr of two": of_numbers.corr(other),
        }

    return Wired(make)


def assert_matrices(
    got: list[tuple[int, Any]], expected: Any, rows: list[list[float]], pairs: int = 0
) -> None:
    """Compare with a frame of matrices.

    Args:
        got: the matrices that ticked.
        expected: the frame.
        rows: the vectors.
        pairs: with fewer pairs of values, pandas' figure is rounding noise and NaN is right.
    """
    found = dict(got)
    matrices = expected.to_numpy().reshape(len(rows), SIZE, SIZE).copy()
    known = ~np.isnan(np.array(rows))
    matrices[(known[:, :, None] & known[:, None, :]).cumsum(axis=0) < pairs] = nan
    begun = False
    for time, matrix in enumerate(matrices):
        begun = begun or time in found
        given = found.get(time, None if begun else np.full((SIZE, SIZE), nan))
        assert given == pytest.approx(matrix, rel=1e-9, abs=1e-11, nan_ok=True), (time, given)


@pytest.mark.parametrize("name", WINDOWS)
@FEW
@given(rows=rows)
def test_a_matrix_of_a_window_is_that_of_pandas(name: str, rows: list[list[float]]) -> None:
    table = pd.DataFrame(rows, index=pd.DatetimeIndex(range(len(rows))))
    got = wired(name).run(rows)
    window = WINDOWS[name][1](table)
    assert_matrices(got["cov"], window.cov(pairwise=True), rows)


@pytest.mark.parametrize("name", DECAYS)
@FEW
@given(rows=rows)
def test_covariances_that_decay_are_those_of_pandas(name: str, rows: list[list[float]]) -> None:
    table = pd.DataFrame(rows)
    got = decaying(name).run(rows)
    ewm = table.ewm(**DECAYS[name])
    assert_matrices(got["cov"], ewm.cov(pairwise=True), rows, 2)
    assert_matrices(got["biased"], ewm.cov(pairwise=True, bias=True), rows)
    for name_of_two, matrices in (("cov of two", got["cov"]), ("biased cov of two", got["biased"])):
        two = dict(got[name_of_two])
        for time, matrix in matrices:
            assert two.get(time, nan) == pytest.approx(matrix[0, 1], nan_ok=True, rel=1e-15)


def exact(rows: Any) -> tuple[Any, Any]:
    """Return covariances and correlations of rows, in extended precision."""
    exact_rows = np.asarray(rows, np.longdouble)
    about = exact_rows - exact_rows.mean(axis=0)
    cov = about.T @ about / (len(exact_rows) - 1)
    deviation = np.sqrt(cov.diagonal())
    return cov, cov / np.outer(deviation, deviation)


def awkward(kind: str) -> Any:
    """Return rows with which running sums lose digits."""
    random = np.random.default_rng(3)
    data = random.normal(size=(260, SIZE))
    match kind:
        case "near 1e9":
            return 1e9 + data * 0.03
        case "an outlier":
            data[40] = [1e9, -3e8, 1e7]
        case "decaying":
            return data * np.logspace(0, -13, 260)[:, None]
        case "a walk":
            return 1e6 + data.cumsum(axis=0)
        case "one moves":
            data[:, 1] = 1e6 + data[:, 1] * 1e-3
            data[60:90, 0] *= 1e7
    return data


@pytest.mark.parametrize("kind", ["near 1e9", "an outlier", "decaying", "a walk", "one moves"])
@pytest.mark.parametrize("lacks", [False, True])
def test_a_matrix_loses_no_digits(kind: str, lacks: bool) -> None:
    data = awkward(kind)
    if lacks:
        data[::50, 2] = nan  # then each pair has sums of its own
    x = gc.replay(range(len(data)), list(data))
    cov, corr = x.rolling(20, min_periods=19).cov(), x.rolling(20, min_periods=19).corr()
    outs = [cov.collect(), corr.collect()]
    gc.Graph(*outs).run()
    for (time, one), (_, other) in zip(*outs, strict=True):
        held = data[max(0, time - 19) : time + 1]
        for pair in ((0, 1), (0, 2), (1, 2)):
            both = held[:, pair]
            both = both[~np.isnan(both).any(axis=1)]
            if len(both) < 19:
                continue
            expected, of_one = exact(both)
            scale = float(np.sqrt(expected[0, 0] * expected[1, 1]))
            assert one[pair] == pytest.approx(float(expected[0, 1]), rel=1e-9, abs=1e-9 * scale)
            assert other[pair] == pytest.approx(float(of_one[0, 1]), abs=1e-9)


def test_all_vectors_so_far_lose_no_digits_far_from_zero() -> None:
    data = awkward("near 1e9")
    data[100, 0] = nan
    x = gc.replay(range(len(data)), list(data))
    got = ticks(x.expanding().cov())[-1][1]
    expected, _ = exact(data[:, 1:])
    assert got[1:, 1:] == pytest.approx(expected.astype(float), rel=1e-9)
    expected, _ = exact(np.delete(data, 100, axis=0))
    assert got[0, :] == pytest.approx(expected[0].astype(float), rel=1e-9)


def test_a_value_that_a_pair_never_had_costs_it_no_digits() -> None:
    data = awkward("usual")
    data[0] = [1e9, nan, 3e8]  # the pairs of the second element do not have it
    x = gc.replay(range(len(data)), list(data))
    got = ticks(x.expanding().cov())[-1][1]
    expected, _ = exact(data[1:])
    assert got[1] == pytest.approx(expected[1].astype(float), rel=1e-9)


def test_a_sentinel_leaves_no_trace_in_a_matrix() -> None:
    data = np.random.default_rng(1).normal(size=(12, SIZE))
    data[3] = 1.7e308
    data[4, 1] = -1.7e308
    x = gc.replay(range(12), list(data))
    cov, corr = ticks(x.rolling(5).cov())[-1][1], ticks(x.rolling(5).corr())[-1][1]
    expected, of_one = exact(data[-5:])
    assert cov == pytest.approx(expected.astype(float), rel=1e-9)
    assert corr == pytest.approx(of_one.astype(float), rel=1e-9)


def test_correlations_are_from_minus_1_to_1_and_nan_for_equal_values() -> None:
    x = gc.replay(range(6), [np.array([t, 3.0 * t + 1e9, -t, 0.1]) for t in range(6)])
    for window in (x.rolling(4), x.expanding(), x.ewm(span=3)):
        got = ticks(window.corr())[-1][1]
        line = [[1, 1, -1], [1, 1, -1], [-1, -1, 1]]
        assert got[:3, :3] == pytest.approx(np.array(line), rel=1e-9)
        assert np.abs(got[:3, :3]).max() <= 1.0
        assert np.isnan(got[3]).all() and np.isnan(got[:, 3]).all()


def test_a_weight_says_how_often_a_vector_counts() -> None:
    random = np.random.default_rng(5)
    data, often = random.normal(size=(40, SIZE)), random.integers(0, 4, 40)
    data[7, 1] = nan
    x, weights = gc.replay(range(40), list(data)), gc.replay(range(40), often)
    got = dict(ticks(x.rolling(10, min_periods=2, weights=weights).cov()))
    for end in range(10, 40):
        held = pd.DataFrame(np.repeat(data[end - 9 : end + 1], often[end - 9 : end + 1], axis=0))
        assert got[end] == pytest.approx(held.cov().to_numpy(), rel=1e-9, abs=1e-12, nan_ok=True)


def test_a_matrix_is_computed_for_a_trigger_and_begins_again_after_a_reset() -> None:
    data = np.random.default_rng(2).normal(size=(9, SIZE))
    x = gc.replay(range(9), list(data))
    on, reset = gc.replay([3, 8], [None] * 2), gc.replay([5], [None])
    got = ticks(x.expanding(on=on, reset=reset).cov())
    assert [time for time, _ in got] == [3, 8]
    assert got[0][1] == pytest.approx(np.cov(data[:4].T), rel=1e-9)
    assert got[1][1] == pytest.approx(np.cov(data[5:].T), rel=1e-9)


def test_covariances_by_time_have_the_weights_of_the_halflife() -> None:
    random = np.random.default_rng(4)
    data, times = random.normal(size=(30, SIZE)), np.cumsum(random.integers(1, 5, 30))
    x = gc.replay(times, list(data))
    got = ticks(x.ewm(halflife="3ns").cov())[-1][1]
    weights = np.longdouble(0.5) ** ((times[-1] - times) / np.longdouble(3))
    about = data - (weights[:, None] * data).sum(axis=0) / weights.sum()
    whole = weights.sum() - (weights**2).sum() / weights.sum()
    expected = (about * weights[:, None]).T @ about / whole
    assert got == pytest.approx(expected.astype(float), rel=1e-9)


def test_a_sentinel_leaves_a_covariance_that_decays_with_its_weight() -> None:
    random = np.random.default_rng(6)
    x, y = random.normal(size=2500), random.normal(size=2500)
    huge = x.copy()
    huge[10:12] = 1.7e308
    times = range(2500)
    other = gc.replay(times, y)
    for figure in ("cov", "corr"):
        got = getattr(gc.replay(times, huge).ewm(alpha=0.5), figure)(other)
        expected = getattr(gc.replay(times, x).ewm(alpha=0.5), figure)(other)
        assert ticks(got)[-1][1] == pytest.approx(ticks(expected)[-1][1], rel=1e-9)
