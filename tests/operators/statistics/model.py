"""The oracles: windows as plain lists of values, and figures of them in exact fractions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import exp, fsum, isclose, isfinite, isnan, log, nan, sqrt
from typing import Any

Pairs = list[tuple[int, Any]]

# With how many values a figure is defined, if not with one.
LEAST = {
    **dict.fromkeys(("sum", "count", "nunique", "product"), 0),
    **dict.fromkeys(("var", "std", "sem", "zscore"), 2),
    **{"skew": 3, "kurt": 4},
}


@dataclass(frozen=True)
class Step:
    """One cycle: its time, the value if one came, and which of the other streams ticked."""

    time: int
    value: float | None = None
    on: bool = False
    reset: bool = False


@dataclass(frozen=True)
class Rules:
    """The rules of a window; a length or a span, or neither for an expanding one."""

    length: int | None = None
    span: int | None = None
    closed: str = "right"
    triggered: bool = False
    emits: bool = False


def windows(
    steps: Sequence[Step], rules: Rules
) -> Iterator[tuple[int, Pairs | None, Pairs | None]]:
    """Yield, for each cycle that computes a figure, its time and the window's (time, value) pairs.

    The second pairs count if a figure has been defined before or is of them, otherwise the first;
    `None` is no figure.
    """
    held: list[tuple[int, int, float]] = []  # place, time, value
    for place, step in enumerate(steps):
        emitted = _window(held, rules, place, step.time) if step.reset and rules.emits else None
        if step.reset:
            held = []
        if step.value is not None:
            held.append((place, step.time, step.value))
        computes = step.on if rules.triggered else step.value is not None
        now = _window(held, rules, place, step.time) if computes else None
        if now is not None or emitted is not None:
            yield step.time, now, now if emitted is None else emitted


def _window(held: list[tuple[int, int, float]], rules: Rules, place: int, now: int) -> Pairs:
    left, right = rules.closed in ("left", "both"), rules.closed in ("right", "both")
    found = held
    if rules.span is not None:
        begin = now - rules.span - left
        found = [each for each in found if begin < each[1] and (right or each[1] < now)]
    elif not right:
        found = [each for each in found if each[0] < place]
    if rules.length is not None:
        length = rules.length + {"both": 1, "neither": -1}.get(rules.closed, 0)
        found = found[-length:] if length else []
    return [(time, value) for _, time, value in found]


def present(pairs: Pairs) -> list[float]:
    """Return the values that are not missing."""
    return [value for _, value in pairs if isfinite(value)]


def moment(values: Sequence[float], power: int) -> Fraction:
    """Return the exact sum of a power of the distances from the mean."""
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    return sum(((value - mean) ** power for value in exact), Fraction(0))


def rounded(exact: Fraction) -> float:
    """Return a fraction as a float, infinite if it is too great."""
    try:
        return float(exact)
    except OverflowError:
        return float("inf") if exact > 0 else float("-inf")


def root(exact: Fraction) -> float:
    """Return the square root of a fraction, also of one that is too great for a float."""
    scale = 1
    while exact > Fraction(10) ** 300:
        exact, scale = exact / 2**400, scale * 2**200
    while 0 < exact < Fraction(1, 10**300):
        exact, scale = exact * 2**400, Fraction(scale) / 2**200
    return rounded(Fraction(sqrt(exact)) * scale)


def figure(name: str, pairs: Pairs) -> Any:
    """Return a figure of a window, NaN if it is not defined."""
    values = present(pairs)
    count = len(values)
    if count < LEAST.get(name, 1):
        return nan
    match name:
        case "count":
            return count
        case "sum":
            return rounded(sum(map(Fraction, values), Fraction(0)))
        case "mean":
            return rounded(sum(map(Fraction, values)) / count)
        case "var":
            return rounded(moment(values, 2) / (count - 1))
        case "std":
            return root(moment(values, 2) / (count - 1))
        case "sem":
            return root(moment(values, 2) / (count - 1) / count)
        case "zscore":
            squares, newest = moment(values, 2), pairs[-1][1]
            if not squares or not isfinite(newest):
                return nan
            above = Fraction(newest) - sum(map(Fraction, values)) / count
            size = root(above * above * (count - 1) / squares)
            return size if above >= 0 else -size
        case "skew":
            second, third = moment(values, 2), moment(values, 3)
            if not second:
                return nan
            size = root(third**2 * count**2 * (count - 1) / (second**3 * (count - 2) ** 2))
            return size if third >= 0 else -size
        case "kurt":
            second, fourth = moment(values, 2), moment(values, 4)
            if not second:
                return nan
            whole = count * (count + 1) * fourth / second**2 - 3 * (count - 1)
            return float(whole * (count - 1) / ((count - 2) * (count - 3)))
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "median":
            ordered = sorted(map(Fraction, values))
            return float((ordered[(count - 1) // 2] + ordered[count // 2]) / 2)
        case "quantile":
            place = Fraction(1, 4) * (count - 1)
            ordered = sorted(map(Fraction, values))
            low, high = ordered[int(place)], ordered[min(int(place) + 1, count - 1)]
            return float(low + (high - low) * (place - int(place)))
        case "rank":
            newest = pairs[-1][1]
            if not isfinite(newest):
                return nan
            below, same = sum(v < newest for v in values), values.count(newest)
            return below + (1 + same) / 2
        case "nunique":
            return len(set(values))
        case "first":
            return values[0]
        case "last":
            return values[-1]
        case "product":
            whole = Fraction(1)
            for value in values:
                whole *= Fraction(value)
            return rounded(whole)
        case "gmean":
            return gmean(values)
        case "idxmin" | "idxmax":
            best = min(values) if name == "idxmin" else max(values)
            return max(time for time, value in pairs if value == best)
    raise AssertionError(name)


def gmean(values: Sequence[float]) -> float:
    if min(values) < 0:
        return nan
    if min(values) == 0:
        return 0.0
    return exp(fsum(map(log, values)) / len(values))


def from_first_number(pairs: Pairs) -> Pairs:
    """Return the pairs without the NaN at the beginning."""
    first = next((place for place, (_, value) in enumerate(pairs) if not isnan(value)), len(pairs))
    return pairs[first:]


def assert_close(name: str, got: Pairs, expected: Pairs, scale: float = 0.0) -> None:
    """Compare (time, figure) pairs: equal times, figures to 1e-9.

    Args:
        name: the figure's name.
        got: what ticked.
        expected: what should have.
        scale: figures may differ by 1e-9 of this, if they are themselves smaller.
    """
    assert [time for time, _ in got] == [time for time, _ in expected], name
    for (time, one), (_, other) in zip(got, expected, strict=True):
        same = one == other or (isnan(one) and isnan(other))
        assert same or isclose(one, other, rel_tol=1e-9, abs_tol=1e-9 * scale), (
            name,
            time,
            one,
            other,
        )
