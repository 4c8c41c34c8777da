"""All figures of all windows, beside exact fractions of the values that a window should hold."""

from collections.abc import Callable
from functools import cache
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphcore as gc
from graphcore.testing import ticks
from tests.operators.statistics.model import (
    LEAST,
    Pairs,
    Rules,
    Step,
    assert_close,
    figure,
    from_first_number,
    present,
    windows,
)

NAMES = (
    *("count", "sum", "mean", "var", "std", "sem", "zscore", "skew", "kurt", "min", "max"),
    *("median", "quantile", "rank", "nunique", "first", "last", "product", "gmean"),
    *("idxmin", "idxmax"),
)
# Figures that may be 0 though the values are not small.
AROUND_ONE = ("skew", "kurt", "zscore")
FEW = settings(max_examples=max(settings().max_examples // 5, 10))

RULES = {
    "3": Rules(length=3),
    "1": Rules(length=1),
    "4 left": Rules(length=4, closed="left"),
    "3 both": Rules(length=3, closed="both"),
    "4 neither": Rules(length=4, closed="neither"),
    "4s": Rules(span=4),
    "3s left": Rules(span=3, closed="left"),
    "3s both": Rules(span=3, closed="both"),
    "4s neither": Rules(span=4, closed="neither"),
    "expanding": Rules(),
    "3 on": Rules(length=3, triggered=True),
    "4s on": Rules(span=4, triggered=True),
    "expanding on": Rules(triggered=True),
    "5 emits": Rules(length=5, emits=True),
    "5s emits": Rules(span=5, emits=True),
}

ordinary = st.floats(-100, 100).map(lambda value: round(value, 2))
few = st.sampled_from([0.0, 0.1, 0.1, 0.3, -0.7, 2.0])
far = st.floats(0, 1).map(lambda part: 1e9 + part)
missing = st.sampled_from([nan, inf, -inf])
sizes = st.sampled_from([1e9, 6e7, 65535.0, 1e5, 3e4, 20.1, 20.2, 1.0, 1e-3, 1e-7, -1e-7, -3e4])
huge = st.sampled_from([1.7e308, -1.7e308, 1.12e16, -6.88e30, 20.1, 20.2, 20.3, 1.0, 1e-7])
kinds = [ordinary, few, far, sizes]


@st.composite
def some_steps(draw: st.DrawFn, rules: Rules) -> list[Step]:
    # Of all values so far, sums of squares beyond the greatest float are infinite.
    leaves = rules.length is not None or rules.span is not None
    kind = draw(st.sampled_from([*kinds, huge] if leaves else kinds))
    values = st.one_of(kind, *([missing] if draw(st.booleans()) else []))
    time, steps = 0, []
    for _ in range(draw(st.integers(1, 12))):
        time += draw(st.sampled_from([0, 1, 1, 2, 3, 9]))
        value = draw(st.one_of(values, values, values, st.none()))
        on = draw(st.booleans())
        steps.append(Step(time, value, on, draw(st.sampled_from([False] * 6 + [True]))))
    return steps


class Wired:
    """A graph of all figures of a window, which runs on any steps."""

    def __init__(self, rules: Rules, minimum: int | None) -> None:
        self._steps: list[Step] = []
        steps = gc.replay(lambda: [(step.time, step) for step in self._steps])
        values = steps.filter(lambda step: step.value is not None).map(lambda step: step.value)
        more: dict[str, Any] = {"reset": steps.filter(lambda step: step.reset)}
        if rules.triggered:
            more["on"] = steps.filter(lambda step: step.on)
        if rules.emits:
            more["on_reset"] = "emit"
        if minimum is not None:
            more["min_periods"] = minimum
        window = rules.length or rules.span
        if window is None:
            found: Any = values.expanding(**more)
        else:
            given: Any = rules.length or f"{rules.span}ns"
            found = values.rolling(given, closed=rules.closed, **more)  # type: ignore[arg-type]
        figures = {name: getattr(found, name) for name in NAMES}
        figures["quantile"] = lambda: found.quantile(0.25)
        self.outs = {name: make().collect() for name, make in figures.items()}
        self._graph = gc.Graph(*self.outs.values())

    def run(self, steps: list[Step], tier: str) -> dict[str, Pairs]:
        self._steps = steps
        self._graph.run(tier=tier)  # type: ignore[arg-type]
        return {name: list(out) for name, out in self.outs.items()}


wired: Callable[[Rules, int | None], Wired] = cache(Wired)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES.keys())
@FEW
@given(data=st.data())
def test_figures_are_those_of_the_values_in_the_window(
    rules: Rules, data: st.DataObject, default_tier: str
) -> None:
    minimum = data.draw(st.sampled_from([None, 0, 2]))
    most = rules.length
    if most is not None:
        most += {"both": 1, "neither": -1}.get(rules.closed, 0)
    if minimum is None and rules.closed == "neither":
        minimum = 2
    if minimum is not None and most is not None and minimum > most:
        return
    steps = data.draw(some_steps(rules))
    least = (rules.length or 1) if minimum is None else minimum
    got = wired(rules, minimum).run(steps, default_tier)
    held = list(windows(steps, rules))
    for name in NAMES:
        expected: Pairs = []
        begun = False
        for time, at_first, later in held:
            for pairs in (later, at_first):
                count = len(pairs or []) if name == "count" else len(present(pairs or []))
                enough = pairs is not None and count >= max(least, LEAST.get(name, 1))
                if begun or enough:
                    begun = True
                    break
            if pairs is None:
                continue
            value = figure(name, pairs) if count >= least else nan
            if not pairs and minimum is None and rules.triggered and name in ("sum", "count"):
                value = 0.0
            if begun:
                expected.append((time, value))
        scale = 1.0 if name in AROUND_ONE else 0.0
        assert_close(name, from_first_number(got[name]), from_first_number(expected), scale)


@pytest.mark.parametrize(
    "values",
    [
        [1.7e308, 1.6e308, 1e308, -1.7e308, -1.7e308, -1.2e308, 5.0],
        [-1.7e308, -1.7e308, 1.7e308, 1.7e308, 3.0, 4.0],
        [1.0, 1.7e308, 1.7e308, 1e292, -1.7e308, -1.7e308],
        [1.7e308] * 4,
    ],
)
def test_sums_of_all_values_come_back_from_beyond_the_greatest_float(values: list[float]) -> None:
    x = gc.replay(range(len(values)), values)
    vectors = x.map(lambda value: np.array([value, 1.0]))
    for name in ("sum", "mean"):
        expected = [figure(name, list(enumerate(values[: end + 1]))) for end in range(len(values))]
        got = [value for _, value in ticks(getattr(x.expanding(), name)())]
        assert got == pytest.approx(expected, rel=1e-9)
        of_vectors = ticks(getattr(vectors.expanding(), name)())
        assert [value[0] for _, value in of_vectors] == got
