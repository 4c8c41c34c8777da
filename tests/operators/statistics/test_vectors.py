"""Statistics of vectors: each element has the figure of a stream of its own, to the bit."""

from collections.abc import Callable, Sequence
from functools import cache
from math import inf, isfinite, isnan, nan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

NO_TIME = -(2**63)
SIZE = 2
WINDOW = (
    *("count", "sum", "mean", "var", "std", "sem", "zscore", "skew", "kurt", "min", "max"),
    *("median", "rank", "nunique", "first", "last", "product", "gmean", "idxmin", "idxmax"),
)
WEIGHTED = ("sum", "mean", "var", "std", "sem")
EWM = ("mean", "sum", "var", "std", "zscore")
JOINT = ("cov", "corr")
FEW = settings(max_examples=max(settings().max_examples // 5, 10))

Step = tuple[int, list[float] | None, bool, bool]  # time, vector, on, reset
WINDOWS: dict[str, Callable[[gc.Stream[Any], dict[str, Any]], Any]] = {
    "3": lambda x, more: x.rolling(3, min_periods=2, reset=more["reset"]),
    "3 left": lambda x, more: x.rolling(3, closed="left"),
    "4ns left": lambda x, more: x.rolling("4ns", closed="left"),
    "4ns on": lambda x, more: x.rolling("4ns", on=more["on"], reset=more["reset"]),
    "5 emits": lambda x, more: x.rolling(
        5, on=more["on"], reset=more["reset"], on_reset="emit", min_periods=1
    ),
    "all": lambda x, more: x.expanding(2, reset=more["reset"]),
}
DECAYS: dict[str, Callable[[gc.Stream[Any], dict[str, Any]], Any]] = {
    "span": lambda x, more: x.ewm(span=3, reset=more["reset"]),
    "plain": lambda x, more: x.ewm(alpha=0.3, adjust=False, min_periods=2),
    "ignoring": lambda x, more: x.ewm(com=2, ignore_na=True, on=more["on"]),
    "by time": lambda x, more: x.ewm(halflife="2ns", reset=more["reset"]),
    "plain by time": lambda x, more: x.ewm(halflife="2ns", adjust=False, on=more["on"]),
}

ordinary = st.floats(-100, 100).map(lambda value: round(value, 2))
few = st.sampled_from([0.0, 0.1, 0.1, 0.3, -0.7, 2.0])
sizes = st.sampled_from([1e9, 6e7, 3e4, 20.1, 20.2, 1.0, 1e-7, -3e4])
huge = st.sampled_from([1.7e308, -1.7e308, 1.12e16, 20.1, 20.2, 1.0])
missing = st.sampled_from([nan, inf, -inf])


@st.composite
def some_steps(draw: st.DrawFn) -> list[Step]:
    kind = draw(st.sampled_from([ordinary, few, sizes, huge]))
    values = st.one_of(kind, kind, missing) if draw(st.booleans()) else kind
    vectors = st.lists(values, min_size=SIZE, max_size=SIZE)
    time, steps = 0, []
    for _ in range(draw(st.integers(1, 12))):
        time += draw(st.sampled_from([0, 1, 1, 2, 3, 9]))
        vector = draw(st.one_of(vectors, vectors, vectors, st.none()))
        reset = draw(st.sampled_from([False] * 6 + [True]))
        steps.append((time, vector, draw(st.booleans()), reset))
    return steps


class Wired:
    """A graph of figures of vectors and of a stream for each element, which runs on any steps."""

    def __init__(self, make: Callable[[gc.Stream[Any], dict[str, Any]], dict[str, Any]]) -> None:
        self._steps: Sequence[Step] = []
        steps = gc.replay(lambda: [(step[0], step) for step in self._steps])
        vectors = steps.filter(lambda step: step[1] is not None).map(lambda step: np.array(step[1]))
        more = {
            "on": steps.filter(lambda step: step[2]),
            "reset": steps.filter(lambda step: step[3]),
            "other": steps.map(lambda step: float(len(step[1] or ()) + step[0] % 5)),
        }
        self._of_vectors = {name: out.collect() for name, out in make(vectors, more).items()}
        self._of_elements = [
            {
                name: out.collect()
                for name, out in make(
                    vectors.map(lambda vector, at=element: float(vector[at])), more
                ).items()
            }
            for element in range(SIZE)
        ]
        outs = [*self._of_vectors.values()]
        outs += [out for element in self._of_elements for out in element.values()]
        self._graph = gc.Graph(*outs)

    def check(self, steps: Sequence[Step]) -> None:
        """Run on these steps, and compare."""
        self._steps = steps
        self._graph.run()
        for name, out in self._of_vectors.items():
            got = list(out)
            for element, outs in enumerate(self._of_elements):
                expected = list(outs[name])
                begin = len(got) - len(expected)
                found = [(time, vector[element]) for time, vector in got]
                # An empty window has the sum 0, also for an element that never had a value.
                nothing = 0.0 if name in ("count", "sum") else nan
                assert all(is_missing(v) or v == nothing for _, v in found[:begin]), name
                assert [time for time, _ in found[begin:]] == [time for time, _ in expected], name
                for (_, one), (time, other) in zip(found[begin:], expected, strict=True):
                    same = one == other or (is_missing(one) and isnan(other))
                    assert same, (name, element, time, one, other)


def known(vector: list[float]) -> list[float]:
    return [value if isfinite(value) else 1.0 for value in vector]


def is_missing(value: float) -> bool:
    return bool(isnan(value)) or value == NO_TIME


def figures(make: Callable[..., Any], names: Sequence[str]) -> Callable[..., dict[str, Any]]:
    def made(x: gc.Stream[Any], more: dict[str, Any]) -> dict[str, Any]:
        window = make(x, more)
        return {
            name: getattr(window, name)(*([more["other"]] if name in JOINT else []))
            for name in names
        }

    return made


wired: Callable[[str], Wired] = cache(
    lambda name: Wired(
        figures(WINDOWS[name], (*WINDOW, *JOINT))
        if name in WINDOWS
        else figures(DECAYS[name], (*EWM, *JOINT))
    )
)


@pytest.mark.parametrize("name", [*WINDOWS, *DECAYS])
@FEW
@given(steps=some_steps())
def test_each_element_has_the_figure_of_a_stream_of_its_own(name: str, steps: list[Step]) -> None:
    if "emits" in name:
        # A reset emits the window before it, and an element without a value has none: where a new
        # value comes in that cycle, its own stream ticks with that value.
        steps = [(time, vector and known(vector), on, reset) for time, vector, on, reset in steps]
    wired(name).check(steps)


@cache
def weighted(window: str) -> Wired:
    def make(x: gc.Stream[Any], more: dict[str, Any]) -> dict[str, Any]:
        found = x.rolling(int(window)) if window == "3" else x.rolling(window)
        weights = more["other"].map(lambda value: value if value < 6 else nan)
        found = x.rolling(3 if window == "3" else window, weights=weights, min_periods=1)
        return {name: getattr(found, name)() for name in WEIGHTED}

    return Wired(make)


@pytest.mark.parametrize("window", ["3", "4ns"])
@FEW
@given(steps=some_steps())
def test_a_number_weighs_a_whole_vector(window: str, steps: list[Step]) -> None:
    weighted(window).check(steps)


def frame(size: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(7)
    data = random.normal(size=(size, 4)).cumsum(axis=0)
    data[random.random(data.shape) < 0.1] = nan
    return pd.DataFrame(data, index=pd.DatetimeIndex(range(size)))


@pytest.mark.parametrize("name", ["sum", "mean", "std", "median", "skew", "kurt", "min", "sem"])
def test_a_window_of_vectors_has_the_figures_of_a_pandas_frame(name: str) -> None:
    table = frame()
    vectors = gc.replay(range(len(table)), list(table.to_numpy()))
    got = dict(ticks(getattr(vectors.rolling(20, min_periods=5), name)()))
    expected = getattr(table.rolling(20, min_periods=5), name)().to_numpy()
    for time, row in enumerate(expected):
        assert got.get(time, np.full(4, nan)) == pytest.approx(row, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", ["mean", "std", "var", "sum"])
def test_weights_over_vectors_have_the_figures_of_a_pandas_frame(name: str) -> None:
    table = frame()
    vectors = gc.replay(range(len(table)), list(table.to_numpy()))
    got = dict(ticks(getattr(vectors.ewm(span=9), name)()))
    expected = getattr(table.ewm(span=9), name)().to_numpy()
    for time, row in enumerate(expected):
        assert got.get(time, np.full(4, nan)) == pytest.approx(row, rel=1e-9, nan_ok=True)


def test_a_window_of_vectors_ticks_quantiles_rows_and_results() -> None:
    x = gc.replay(range(4), [np.array([value, 2 * value]) for value in (1.0, 3.0, 2.0, 5.0)])
    (_, first), (_, (low, high)) = ticks(x.rolling(3).quantile([0.0, 0.5]))
    assert [list(each) for each in first] == [[1, 2], [2, 4]]
    assert list(low) == [2, 4] and list(high) == [3, 6]
    assert ticks(x.rolling(2).values())[-1][1].tolist() == [[2, 4], [5, 10]]
    assert ticks(x.rolling(2).apply(np.ptp))[-1][1].tolist() == [3, 6]


def test_stacked_streams_are_vectors() -> None:
    a, b = gc.replay([1, 2, 3], [1.0, 2.0, 6.0]), gc.replay([2, 3], [4.0, 8.0])
    got = ticks(gc.stack(a, b).expanding().mean())
    assert [list(each) for _, each in got][1:] == [[1.5, 4.0], [3.0, 6.0]]
    assert got[0][1] == pytest.approx([1.0, nan], nan_ok=True)


@pytest.mark.parametrize("kind", ["int16", "uint8", "float32", "bool", "int64"])
def test_small_numbers_do_not_wrap_around(kind: str) -> None:
    values = [np.array([100, 1], kind), np.array([200 if kind != "bool" else 1, 0], kind)]
    got = ticks(gc.replay([1, 2], values).expanding().sum())[-1][1]
    assert got.tolist() == [float(sum(float(value[at]) for value in values)) for at in (0, 1)]
    assert got.dtype == np.float64


def test_a_vector_that_changes_later_was_taken_as_it_was() -> None:
    one = np.array([1.0, 2.0])

    def changed(step: int) -> np.ndarray[Any, Any]:
        one[:] = step
        return one

    x = gc.from_iterable([1, 2, 3], period=1).map(changed)
    out = x.rolling(3, min_periods=1).values().collect()
    out.run()
    assert [each.tolist() for each in out.values][-1] == [[1, 1], [2, 2], [3, 3]]


def test_figures_that_ticked_do_not_change_later() -> None:
    x = gc.replay(range(30), [np.array([float(t), -t]) for t in range(30)])
    for make in (
        *[getattr(x.rolling(4), name) for name in ("count", "sum", "mean", "var", "min", "max")],
        *[getattr(x.ewm(span=3), name) for name in EWM],
        *[getattr(window, name) for window in (x.rolling(4), x.expanding()) for name in JOINT],
        x.ewm(span=3).cov,
    ):
        kept: list[tuple[Any, Any]] = []
        gc.Graph(make().for_each(lambda value, kept=kept: kept.append((value, value.copy())))).run()
        assert all(np.array_equal(one, other, equal_nan=True) for one, other in kept)


def test_a_run_may_have_vectors_of_another_length_than_the_run_before() -> None:
    given: list[Any] = []
    out = gc.replay(lambda: list(enumerate(given))).rolling(2).sum().collect()
    for vectors in ([[1, 2], [3, 4]], [[1, 2, 3], [4, 5, 6]], [7, 8]):
        given[:] = [np.array(each, float) for each in vectors]
        out.run()
        assert np.array_equal(out.values[0], np.sum(given, axis=0))


X = gc.replay([1, 2], [np.array([1.0, 2.0]), np.array([1.0, 2.0, 3.0])])
PAIR = gc.replay([1, 2], [np.array([1.0, 2.0])] * 2)
ONE = gc.replay([1, 2], [1.0, 2.0])
WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: X.rolling(3, min_periods=1).mean(), ValueError, "the first had 2 elements, this one"),
    (lambda: X.rolling(3, min_periods=1).mean(), ValueError, "this one has 3"),
    (lambda: X.expanding().median(), ValueError, "the first had 2 elements, this one has 3"),
    (lambda: X.ewm(span=3).std(), ValueError, "the first had 2 elements, this one has 3"),
    (lambda: X.expanding().cov(), ValueError, "the first had 2 elements, this one has 3"),
    (lambda: X.ewm(span=3).corr(), ValueError, "the first had 2 elements, this one has 3"),
    (lambda: X.expanding().cov(ONE), ValueError, "the first had 2 elements, this one has 3"),
    (lambda: PAIR.expanding().cov(X), ValueError, "x has 2, y has 3 elements"),
    (lambda: ONE.expanding().cov(X), ValueError, "the first had 2 elements, this one has 3"),
    (lambda: PAIR.rolling(1, weights=X).mean(), ValueError, "weights has 3 elements"),
    (lambda: PAIR.rolling(1, weights=-PAIR).mean(), ValueError, "at least 0, not -2.0"),
    (lambda: PAIR.expanding(weights=PAIR).cov(), ValueError, "one weight for each vector, not"),
    (lambda: ONE.rolling(2).cov(), TypeError, "matrix is computed of vectors, as from gc.stack"),
    (lambda: ONE.ewm(span=2).corr(), TypeError, "matrix is computed of vectors, as from gc.stack"),
    (lambda: PAIR.map(lambda v: v.reshape(1, 2)).rolling(1).sum(), TypeError, "one dimension"),
    (lambda: PAIR.map(lambda v: v.astype(str)).rolling(1).sum(), TypeError, "arrays of numbers"),
    (lambda: PAIR.map(lambda v: v.astype(str)).ewm(span=2).sum(), TypeError, "arrays of numbers"),
    (lambda: PAIR.merge(ONE).rolling(1).mean(), TypeError, "one dimension, not of 1.0"),
    (lambda: ONE.merge(PAIR).rolling(1).mean(), TypeError, "of vectors, not of both"),
    (lambda: ONE.merge(PAIR).ewm(span=1).mean(), TypeError, "came after 1 numbers"),
]


@pytest.mark.parametrize(("wire", "kind", "says"), WRONG)
def test_wrong_vectors_are_refused_in_a_sentence(
    wire: Callable[[], Any], kind: type[Exception], says: str
) -> None:
    with pytest.raises(gc.GraphcoreError) as caught:
        wire().run()
    assert isinstance(caught.value, kind)
    assert says in str(caught.value)
    assert str(caught.value).count("\n") == 0
