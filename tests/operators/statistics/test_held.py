"""`weights="time"`: each value counts for as long as it held, beside exact fractions."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import isnan, nan, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks

FEW = settings(max_examples=max(settings().max_examples // 2, 10))
FIGURES = ("sum", "mean", "var", "std", "sem", "cov", "corr")
Step = tuple[int, float | None, bool]  # time, value, whether the window is emptied

numbers = st.one_of(
    st.floats(-9, 9).map(lambda value: round(value, 2)),
    st.sampled_from([0.1, 0.1, 1e9, 1e9 + 0.5, -3e4, nan]),
)


@st.composite
def some_steps(draw: st.DrawFn) -> list[Step]:
    time, steps = 0, []
    for _ in range(draw(st.integers(1, 12))):
        time += draw(st.sampled_from([0, 1, 2, 3, 7, 20]))
        value = draw(st.one_of(numbers, numbers, st.none()))
        steps.append((time, value, draw(st.sampled_from([False] * 7 + [True]))))
    return steps


@cache
def wired(window: str) -> tuple[list[Step], dict[str, Any], gc.Graph]:
    given: list[Step] = []
    steps = gc.replay(lambda: [(step[0], step) for step in given])
    x = steps.filter(lambda step: step[1] is not None).map(lambda step: step[1])
    more: dict[str, Any] = {
        "reset": steps.filter(lambda step: step[2]),
        "on": steps,
        "weights": "time",
        "min_periods": 1,
    }
    if window == "all":
        found: Any = x.expanding(**more)
    else:
        found = x.rolling(int(window) if window.isdigit() else window, **more)
    other = x.map(lambda value: value * value)
    outs = {
        name: getattr(found, name)(*([other] if name in ("cov", "corr") else [])).collect()
        for name in FIGURES
    }
    return given, outs, gc.Graph(*outs.values())


def held(steps: list[Step], window: str, end: int) -> list[tuple[Fraction, int]]:
    """Return the values in the window after the step at this place, each with its weight."""
    values: list[tuple[int, float]] = []
    for time, value, emptied in steps[: end + 1]:
        if emptied:
            values = []
        if value is not None:
            values.append((time, value))
    now = steps[end][0]
    begin = now - int(window[:-2]) if window.endswith("ns") else -1
    if window.isdigit():
        values = values[-int(window) :]
    ends = [*[time for time, _ in values[1:]], *[now] * bool(values)]
    return [
        (Fraction(value), last - max(time, begin))
        for at, ((time, value), last) in enumerate(zip(values, ends, strict=True), 1)
        if not isnan(value) and (last > begin or at == len(values))
    ]


def figure(name: str, values: list[tuple[Fraction, int]]) -> float:
    total = sum(weight for _, weight in values)
    if not total or (name in ("cov", "corr") and len(values) < 2):
        return nan
    mean = sum(value * weight for value, weight in values) / Fraction(total)
    square = sum(value**2 * weight for value, weight in values) / Fraction(total)
    xx = sum((value - mean) ** 2 * weight for value, weight in values)
    xy = sum((value - mean) * (value**2 - square) * weight for value, weight in values)
    yy = sum((value**2 - square) ** 2 * weight for value, weight in values)
    if name == "sum":
        return float(mean * total)
    if name == "mean":
        return float(mean)
    if name == "corr":
        return float(xy) / sqrt(xx) / sqrt(yy) if xx and yy else nan
    if total < 2:
        return nan
    var = xx / (total - 1)
    return {
        "var": float(var),
        "std": sqrt(var),
        "sem": sqrt(var / total),
        "cov": float(xy / (total - 1)),
    }[name]


@pytest.mark.parametrize("window", ["3", "1", "8ns", "2ns", "all"])
@FEW
@given(steps=some_steps())
def test_a_value_counts_for_as_long_as_it_held(
    window: str, steps: list[Step], default_tier: Any
) -> None:
    given, outs, graph = wired(window)
    given[:] = steps
    graph.run(tier=default_tier)
    for name, out in outs.items():
        if name in ("cov", "corr") and any(abs(value or 0) > 9 for _, value, _ in steps):
            continue  # the squares of these are rounded
        expected = []
        for end in range(len(steps)):
            values = held(steps, window, end)
            if values or expected:
                expected.append(figure(name, values) if values else nan)
        least = 1e-9 if name in ("cov", "corr") else 1e-12
        begin = next((at for at, value in enumerate(expected) if not isnan(value)), None)
        if begin is None:
            assert all(isnan(value) for value in out.values), name
            continue
        got = out.values[len(out.values) - len(expected) + begin :]
        assert got == pytest.approx(expected[begin:], rel=1e-9, abs=least, nan_ok=True), name


def test_a_timer_reads_how_long_the_last_value_has_held() -> None:
    x = gc.replay([0, 10, 14, 20], [1.0, 3.0, 5.0, 2.0])
    mean = x.rolling("8ns", weights="time", on=gc.ticker("5ns")).mean()
    got = ticks(mean, duration="40ns")
    assert got[0] == (0, pytest.approx(nan, nan_ok=True))
    assert got[1:] == [
        (5, 1),
        (10, 1),
        (15, 2.5),
        (20, 4.5),
        (25, 3.125),
        (30, 2),
        (35, 2),
        (40, 2),
    ]


@pytest.mark.parametrize("window", [3, "8ns"])
def test_each_element_of_a_vector_holds_for_itself(window: Any) -> None:
    data = np.array([[1.0, 4.0], [3.0, nan], [5.0, 2.0], [nan, 1.0], [2.0, 8.0]])
    times = [0, 10, 14, 20, 23]
    vectors = gc.replay(times, list(data))
    for name in ("sum", "mean", "std"):
        of_vectors = ticks(getattr(vectors.rolling(window, weights="time", min_periods=1), name)())
        for at in (0, 1):
            x = gc.replay(times, data[:, at]).rolling(window, weights="time", min_periods=1)
            one = ticks(getattr(x, name)())
            assert [value[at] for _, value in of_vectors] == pytest.approx(
                [value for _, value in one], nan_ok=True, rel=1e-15
            )


X = gc.replay([1], [1.0])
WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: X.rolling(2, weights="time", closed="left"), "closed=\"right\" alone, not 'left'"),
    (lambda: X.rolling("2s", weights="time", closed="both"), "alone, not 'both'"),
    (lambda: X.rolling(2, weights="size"), "a stream or \"time\", not 'size'"),  # type: ignore[call-overload]  # what is refused
    (lambda: X.expanding(weights="time").median(), "weights= is for sum, mean, var"),
    (lambda: gc.stack(X, X).expanding(weights="time").cov(), "is for no matrix"),
]


@pytest.mark.parametrize(("wire", "says"), WRONG)
def test_what_has_no_meaning_by_time_is_refused(wire: Callable[[], Any], says: str) -> None:
    with pytest.raises(gc.InvalidValueError) as caught:
        wire()
    assert says in str(caught.value)
