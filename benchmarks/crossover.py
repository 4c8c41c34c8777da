"""The cost of a tick in an EMA crossover: the graph of a small strategy.

A walk of prices, its exponential means of span 5 and 20, whether the fast one is above the slow
one, the changes of that, filtered to those upwards, and their count, which is the result.
"""

import operator
import random
from functools import partial
from itertools import accumulate
from math import isclose
from typing import Any

import csp  # type: ignore[import-untyped]  # the wheel carries no types
import csp.stats  # type: ignore[import-untyped]  # nor does this part
import reactivex as rx
from reactivex import operators as rx_operators

import graphcore as gc
from benchmarks.contenders import (
    csp_run,
    csp_source,
    graphcore_source,
    graphcore_tiers,
    reactivex_run,
    wingfoil_run,
)
from benchmarks.figures import Figure, Measured
from benchmarks.ticks import Comparison, Prepare, again, compare, compete

_TICKS = 20_000
_FAST, _SLOW = 5, 20  # spans
_WORK = "EMA crossover"


def _alpha(span: int) -> float:
    return 2 / (span + 1)


def measure() -> Measured:
    walk = random.Random(7)
    steps = (walk.gauss(0, 1) for _ in range(_TICKS - 1))
    prices = list(accumulate(steps, initial=100.0))
    count, *means = by_hand(prices)
    assert count > _TICKS / 100
    contenders = {
        **_graphcore(prices, means),
        "hand-written": again(lambda: by_hand(prices)[0]),
        "hand-written, minding missing values": again(lambda: by_hand_with_gaps(prices)[0]),
        "csp C++": _csp(prices, means),
        # Its mean is not adjusted for the small number of values at first: less work, and a
        # difference that disappears after the first ticks.
        "wingfoil": wingfoil_run(prices, _wingfoil),
        "reactivex": reactivex_run(prices, _reactivex),
    }
    return {_WORK: compete(_TICKS, count, contenders)}


def figures(measured: Measured) -> list[Figure]:
    return compare(
        measured,
        [
            Comparison(
                _WORK,
                "hand-written",
                1.25,
                "the peer has no test for prices that are missing; the next line's peer has",
            ),
            Comparison(
                _WORK,
                "hand-written, minding missing values",
                1.25,
                "each of the means may tick or not: that is a flag set and asked for each, where "
                "the loop by hand has one test for both",
            ),
            Comparison(_WORK, "csp C++", 1.0, "the same flags"),
        ],
    )


def means_of(prices: gc.Stream[float]) -> list[gc.Stream[float]]:
    return [prices.ewm(span=span).mean() for span in (_FAST, _SLOW)]


def crossings(prices: gc.Stream[float]) -> gc.Stream[int]:
    fast, slow = means_of(prices)
    return (fast > slow).distinct().filter(lambda above: above).count()


def by_hand(prices: list[float]) -> tuple[int, float, float]:
    """Return the number of crossings upwards, and the last means.

    The formulas are those of `ewm(span=...).mean()`. Two things that graphcore does are left out:
    treating a value that is not finite as missing, and returning exactly the value if all values
    are equal.
    """
    fast_decay, slow_decay = 1.0 - _alpha(_FAST), 1.0 - _alpha(_SLOW)
    fast = slow = fast_weight = slow_weight = 0.0
    above = None
    count = 0
    for price in prices:
        fast_weight *= fast_decay
        fast = (fast_weight * fast + price) / (fast_weight + 1.0)
        fast_weight += 1.0
        slow_weight *= slow_decay
        slow = (slow_weight * slow + price) / (slow_weight + 1.0)
        slow_weight += 1.0
        now = fast > slow
        if now != above:
            above = now
            if now:
                count += 1
    return count, fast, slow


def by_hand_with_gaps(prices: list[float]) -> tuple[int, float, float]:
    """Return the same, computed as `ewm` does, with the two things that `by_hand` leaves out."""
    fast_decay, slow_decay = 1.0 - _alpha(_FAST), 1.0 - _alpha(_SLOW)
    fast = slow = fast_weight = slow_weight = 0.0
    begun = False
    above = None
    count = 0
    for price in prices:
        fast_weight *= fast_decay
        slow_weight *= slow_decay
        if price - price == 0.0:
            total = fast_weight + 1.0
            if price != fast:
                fast = (fast_weight * fast + price) / total
            fast_weight = total
            total = slow_weight + 1.0
            if price != slow:
                slow = (slow_weight * slow + price) / total
            slow_weight = total
            begun = True
        elif not begun:
            continue
        now = fast > slow
        if now != above:
            above = now
            if now:
                count += 1
    return count, fast, slow


def _check(means: list[float], expected: list[float]) -> None:
    assert all(map(partial(isclose, rel_tol=1e-9), means, expected)), f"{means}, not {expected}"


def _graphcore(prices: list[float], means: list[float]) -> dict[str, Prepare]:
    source = graphcore_source(prices)
    both = means_of(source)
    gc.Graph(*both).run()
    _check([stream.value for stream in both], means)
    count = crossings(source)
    return graphcore_tiers(count, result=lambda: count.value)


def _csp(prices: list[float], means: list[float]) -> Prepare:
    def wire_means() -> list[Any]:
        source = csp_source(prices)
        return [csp.stats.ema(source, alpha=_alpha(span), adjust=True) for span in (_FAST, _SLOW)]

    def wire() -> list[Any]:
        fast, slow = wire_means()
        above = csp.drop_dups(fast > slow)
        return [csp.count(csp.filter(above, above))]

    found: Any = csp_run(wire_means, list)()()
    _check(found, means)
    return csp_run(wire)


def _wingfoil(_: Any, prices: Any) -> Any:
    fast, slow = (prices.ewma(_alpha(span)) for span in (_FAST, _SLOW))
    above = fast.bimap(slow, operator.gt).distinct()
    return above.filter_value(lambda above: above).count()


def _reactivex(prices: Any) -> Any:
    def mean(span: int) -> Any:
        decay = 1.0 - _alpha(span)

        def step(present: tuple[float, float], price: float) -> tuple[float, float]:
            mean, weight = present
            weight *= decay
            return (weight * mean + price) / (weight + 1.0), weight + 1.0

        return prices.pipe(
            rx_operators.scan(step, (0.0, 0.0)), rx_operators.map(operator.itemgetter(0))
        )

    return rx.zip(mean(_FAST), mean(_SLOW)).pipe(
        rx_operators.starmap(operator.gt),
        rx_operators.distinct_until_changed(),
        rx_operators.filter(lambda above: above),
        rx_operators.count(),
    )
