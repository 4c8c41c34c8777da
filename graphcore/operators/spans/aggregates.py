"""Figures of the values of a span, each a fold: for bars, and for windows by event time.

NaN is a missing value, as in pandas. Sums carry their rounding errors along exactly (TwoSum: Knuth,
"The Art of Computer Programming", volume 2, 4.2.2), so a sum of floats is as good as one in twice
the precision, and a sum of whole numbers is exact. Squares are taken about the mean so far (Welford
1962), which is kept to twice the precision as well.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import nan, sqrt
from typing import Any


@dataclass(frozen=True, slots=True)
class Bar:
    """The first, the greatest, the least and the last value of a span; NaN is passed over.

    Attributes:
        count: how many values came.
        start: engine time at which the span begins, ns.
        end: engine time at which it ends, ns; also where the end of the run has cut it off.
        label: the one of the two that names the bar.
    """

    open: Any
    high: Any
    low: Any
    close: Any
    count: int
    start: int
    end: int
    label: int


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A figure of the values of a span.

    Attributes:
        begin: returns the state without values.
        further: returns the state with one more value. It may change the given state.
        result: returns the figure of a state; NaN if no value but NaN came.
        nothing: the figure of a span in which no value came.
    """

    begin: Callable[[], Any]
    further: Callable[[Any, Any], Any]
    result: Callable[[Any], Any]
    nothing: Any = nan

    def of(self, values: Iterable[Any]) -> Any:
        """Return the figure of some values.

        >>> SUM.of([0.1] * 10), MEDIAN.of([3, nan, 1])
        (1.0, 2.0)
        """
        state = self.begin()
        for value in values:
            state = self.further(state, value)
        return self.result(state)


def _itself(state: Any) -> Any:
    return state


def _number(value: Any) -> Any:
    """Return numpy's scalars as Python's numbers, which do not overflow at 16 or 32 bits."""
    return value.item() if hasattr(value, "item") else value


def _sum_further(state: tuple[Any, Any, int], value: Any) -> tuple[Any, Any, int]:
    """Return a sum with one more value, the rounding errors of all additions, and the count."""
    kind = type(value)
    if kind is not float and kind is not int:
        value = _number(value)
    if value != value:
        return state
    total, lost, count = state
    further = total + value
    rest = further - total
    return further, lost + ((total - (further - rest)) + (value - rest)), count + 1


def _sum(state: tuple[Any, Any, int]) -> Any:
    total, lost, _ = state
    return total + lost if lost == lost else total  # an infinite total has lost NaN


def _mean(state: tuple[Any, Any, int]) -> Any:
    return _sum(state) / state[2] if state[2] else nan


_Spread = tuple[int, float, float, float]


def _spread_further(state: _Spread, value: Any) -> _Spread:
    """Return the count, the mean, its rounding errors and the squares about it."""
    number = float(value)
    if number != number:
        return state
    count, mean, lost, squares = state
    count += 1
    before = (number - mean) - lost
    step = before / count
    further = mean + step
    rest = further - mean
    lost += (mean - (further - rest)) + (step - rest)
    return count, further, lost, squares + before * ((number - further) - lost)


def _var(state: _Spread) -> float:
    return state[3] / (state[0] - 1) if state[0] > 1 else nan


def _std(state: _Spread) -> float:
    return sqrt(_var(state))


def _list_further(state: list[Any], value: Any) -> list[Any]:
    state.append(value)
    return state


def _median(values: list[Any]) -> Any:
    known = sorted(_number(value) for value in values if value == value)
    middle = len(known) // 2
    if not known:
        return nan
    return known[middle] if len(known) % 2 else (known[middle - 1] + known[middle]) / 2


def _vwap_further(state: Any, value: tuple[Any, Any]) -> Any:
    price, size = _number(value[0]), _number(value[1])
    if price != price or size != size:
        return state
    turnover, volume = state
    return _sum_further(turnover, price * size), _sum_further(volume, size)


def _vwap(state: Any) -> Any:
    volume = _sum(state[1])
    return _sum(state[0]) / volume if volume else nan


COUNT = Aggregate(
    lambda: 0, lambda count, value: count + 1 if value == value else count, _itself, 0
)
FIRST = Aggregate(lambda: nan, lambda first, value: first if first == first else value, _itself)
LAST = Aggregate(lambda: nan, lambda last, value: value if value == value else last, _itself)
MIN = Aggregate(
    lambda: nan, lambda least, value: value if value < least or least != least else least, _itself
)
MAX = Aggregate(
    lambda: nan, lambda most, value: value if value > most or most != most else most, _itself
)
SUM = Aggregate(lambda: (0, 0, 0), _sum_further, _sum, 0)
MEAN = Aggregate(lambda: (0, 0, 0), _sum_further, _mean)
VAR = Aggregate(lambda: (0, 0.0, 0.0, 0.0), _spread_further, _var)
STD = Aggregate(lambda: (0, 0.0, 0.0, 0.0), _spread_further, _std)
MEDIAN = Aggregate(list, _list_further, _median)
VALUES = Aggregate(list, _list_further, _itself, ())
# Of pairs of a price and its size, or of any value and its weight.
VWAP = Aggregate(lambda: ((0, 0, 0), (0, 0, 0)), _vwap_further, _vwap)
# (open, high, low, close, count)
OHLC = Aggregate(
    lambda: (nan, nan, nan, nan, 0),
    lambda bar, value: (
        bar
        if value != value
        else (value, value, value, value, 1)
        if not bar[4]
        else (
            bar[0],
            value if value > bar[1] else bar[1],
            value if value < bar[2] else bar[2],
            value,
            bar[4] + 1,
        )
    ),
    _itself,
    (nan, nan, nan, nan, 0),
)
