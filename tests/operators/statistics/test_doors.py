"""Numbers of numpy through each door, and whether the compiler takes every statistic."""

from collections.abc import Callable
from math import nan
from typing import Any

import numpy as np
import pytest

import graphcore as gc

KINDS = ("int8", "uint8", "int16", "uint16", "int32", "uint64", "float16", "float32", "bool")
TIMES = range(6)
DOORS: dict[str, Callable[[Any], gc.Stream[Any]]] = {
    "array": lambda array: gc.replay(np.array(TIMES), array),
    "scalars": lambda array: gc.replay(list(TIMES), list(array)),
    "pairs": lambda array: gc.replay(list(zip(TIMES, array, strict=True))),
    "function": lambda array: gc.replay(lambda: zip(TIMES, array, strict=True)),
    "iterable": lambda array: gc.from_iterable(list(array), period=1),
    "map": lambda array: gc.replay(TIMES, TIMES).map(lambda place: array[place]),
}
FIGURES: dict[str, Callable[[gc.Stream[Any]], Any]] = {
    "rolling sum": lambda x: x.rolling(3).sum(),
    "rolling mean": lambda x: x.rolling(3).mean(),
    "rolling std": lambda x: x.rolling("3ns").std(),
    "rolling max": lambda x: x.rolling(3).max(),
    "rolling median": lambda x: x.rolling(2).median(),
    "rolling cov": lambda x: x.rolling(3).cov(x),
    "expanding sum": lambda x: x.expanding().sum(),
    "expanding product": lambda x: x.expanding().product(),
    "weighted mean": lambda x: x.rolling(3, weights=x).mean(),
    "ewm mean": lambda x: x.ewm(span=3).mean(),
    "ewm std": lambda x: x.ewm(span=3).std(),
    "running sum": lambda x: x.sum(),
    "running mean": lambda x: x.mean(),
}


def of_kind(kind: str) -> Any:
    """Return values near the limits of a type, where its own arithmetic overflows or rounds."""
    if kind == "bool":
        return np.array([True, False, True, True, False, True])
    if kind.startswith("float"):
        return np.array([0.1, 1000.3, 0.2, 0.7, 60000.0, 0.3]).astype(kind)
    most = min(np.iinfo(kind).max, 2**62)
    return np.array([most, most - 1, most - 2, 1, most, 3], dtype=kind)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", KINDS)
def test_statistics_of_numbers_of_numpy_are_those_of_pythons(kind: str, door: str) -> None:
    array = of_kind(kind)
    ours = figures_of(DOORS[door](array))
    assert ours == figures_of(gc.replay(TIMES, array.tolist()))
    assert not any(isinstance(value, np.generic) for got in ours.values() for _, value in got)


def figures_of(stream: gc.Stream[Any]) -> dict[str, list[tuple[int, Any]]]:
    """Return the times and values of each figure of a stream, from one run."""
    outs = {name: figure(stream).collect() for name, figure in FIGURES.items()}
    gc.Graph(*outs.values()).run()
    return {name: list(zip(out.times, out.values, strict=True)) for name, out in outs.items()}


STATISTICS: dict[str, Callable[[Any], Any]] = {
    **{
        name: lambda window, name=name: getattr(window, name)()
        for name in (
            *("count", "sum", "mean", "var", "std", "sem", "min", "max", "median", "skew", "kurt"),
            *("rank", "first", "last", "nunique", "product", "gmean", "idxmin", "idxmax"),
            *("zscore", "values"),
        )
    },
    "quantile": lambda window: window.quantile(0.3),
    "quantiles": lambda window: window.quantile([0.3, 0.6]),
    "apply": lambda window: window.apply(np.ptp),
}
OF_WEIGHTS = ("mean", "sum", "var", "std", "zscore")


def statistics_of(x: gc.Stream[float], other: gc.Stream[float]) -> dict[str, gc.Stream[Any]]:
    found = {}
    for window, label in ((x.rolling(3), "3"), (x.rolling("3ns"), "3ns"), (x.expanding(), "all")):
        found |= {f"{name} of {label}": make(window) for name, make in STATISTICS.items()}
        found |= {f"cov of {label}": window.cov(other), f"corr of {label}": window.corr(other)}
    found |= {f"ewm {name}": getattr(x.ewm(span=3), name)() for name in OF_WEIGHTS}
    return found | {"ewm cov": x.ewm(span=3).cov(other), "ewm corr": x.ewm(span=3).corr(other)}


def test_each_statistic_is_compiled_and_none_is_called() -> None:
    x = gc.replay(range(9), [3.0, 1.0, nan, 2.0, 5.0, 4.0, 4.0, nan, 1.0])
    for name, stream in statistics_of(x, x.map(lambda value: 2 * value)).items():
        graph = gc.Graph(stream)
        graph.run(tier="fused")
        assert "_cycle = steps" not in graph.fused_source(), name
        assert "called" not in graph.explain(), name
