"""The cost of a tick in a graph whose branches meet again.

The 10 x 10 fan-out is wingfoil's benchmark `10x10`: a source, 10 branches of 10 maps each, merged,
so that the first branch's value is the result. In wingfoil's, a map returns its input; here it adds
one, so that the result proves the work. The other graph has 10 levels, each with two maps whose
results are added: it has 1,024 paths, but only 30 nodes.
"""

import operator
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import csp  # type: ignore[import-untyped]  # the wheel carries no types
import reactivex as rx
from reactivex import operators as rx_operators

from benchmarks.contenders import (
    csp_run,
    csp_source,
    graphcore_source,
    graphcore_tiers,
    reactivex_run,
    wingfoil_run,
)
from benchmarks.figures import Figure, Measured
from benchmarks.loops import straight_loop
from benchmarks.shapes import chained, recombined
from benchmarks.ticks import Comparison, Prepare, again, compare, compete

_VALUES = list(range(10_000))
_BRANCHES = 10
_DEPTH = 10
_FAN_OUT = f"{_BRANCHES} x {_DEPTH} fan-out"
_RECOMBINE = f"branch and recombine, depth {_DEPTH}"


def measure() -> Measured:
    last, ticks = _VALUES[-1], len(_VALUES)
    return {
        _FAN_OUT: compete(ticks, last + _DEPTH, _fan_out()),
        _RECOMBINE: compete(ticks, last * 2**_DEPTH, _recombine()),
    }


def figures(measured: Measured) -> list[Figure]:
    return compare(
        measured,
        [
            Comparison(
                _FAN_OUT,
                "hand-written",
                1.3,
                "each node's value stays to be read, in a variable of its own, where the loop by "
                "hand has ten; and each tick asks whether the run has been ended",
            ),
        ],
    )


def _increment(x: int) -> int:
    return x + 1


def _decrement(x: int) -> int:
    return x - 1


@csp.node  # type: ignore[untyped-decorator]  # csp carries no types
def _add(x: csp.ts[int], by: int) -> csp.ts[int]:
    if csp.ticked(x):
        return x + by


@csp.node  # type: ignore[untyped-decorator]  # csp carries no types
def _sum(x: csp.ts[int], y: csp.ts[int]) -> csp.ts[int]:
    if csp.ticked(x, y):
        return x + y


def _fan_out() -> dict[str, Prepare]:
    def branches(source: Any, link: Callable[[Any], Any]) -> list[Any]:
        return [chained(source, link, _DEPTH) for _ in range(_BRANCHES)]

    first, *others = branches(graphcore_source(_VALUES), lambda x: x.map(lambda x: x + 1))
    merged = first.merge(*others)

    def csp_merged(link: Callable[[Any], Any]) -> list[Any]:
        # By default csp merges equal nodes, which would leave one branch of ten.
        with csp.memoize(False):
            return [reduce(csp.merge, branches(csp_source(_VALUES), link))]

    def wingfoil_merged(_: Any, source: Any) -> Any:
        first, *others = branches(source, lambda x: x.map(lambda x: x + 1))
        return first.merge_all(others)

    def reactivex_merged(source: Any) -> Any:
        ends = branches(source, lambda x: x.pipe(rx_operators.map(_increment)))
        return rx.zip(*ends).pipe(rx_operators.map(operator.itemgetter(0)))

    statements = [
        statement
        for branch in range(_BRANCHES)
        for statement in [f"b{branch} = x + 1"] + [f"b{branch} = b{branch} + 1"] * (_DEPTH - 1)
    ]
    return {
        **graphcore_tiers(merged, result=lambda: merged.value),
        "hand-written": again(partial(straight_loop(statements, "b0"), _VALUES)),
        "csp @csp.node": csp_run(lambda: csp_merged(lambda x: _add(x, 1))),
        "csp C++": csp_run(lambda: csp_merged(lambda x: x + 1)),
        "wingfoil": wingfoil_run(_VALUES, wingfoil_merged),
        "reactivex": reactivex_run(_VALUES, reactivex_merged),
    }


def _recombine() -> dict[str, Prepare]:
    last = chained(graphcore_source(_VALUES), recombined, _DEPTH)

    def csp_last(link: Callable[[Any], Any]) -> Prepare:
        return csp_run(lambda: [chained(csp_source(_VALUES), link, _DEPTH)])

    def wingfoil_level(x: Any) -> Any:
        return x.map(lambda x: x + 1).bimap(x.map(lambda x: x - 1), lambda x, y: x + y)

    def reactivex_level(x: Any) -> Any:
        up, down = (x.pipe(rx_operators.map(f)) for f in (_increment, _decrement))
        # Shared, because otherwise each level would subscribe twice to the one before, and 1,024
        # times to the first.
        return rx.zip(up, down).pipe(rx_operators.starmap(operator.add), rx_operators.share())

    statements = ["up = x + 1", "down = x - 1", "x = up + down"] * _DEPTH
    return {
        **graphcore_tiers(last, result=lambda: last.value),
        "hand-written": again(partial(straight_loop(statements), _VALUES)),
        "csp @csp.node": csp_last(lambda x: _sum(_add(x, 1), _add(x, -1))),
        "csp C++": csp_last(lambda x: (x + 1) + (x - 1)),
        "wingfoil": wingfoil_run(_VALUES, lambda _, x: chained(x, wingfoil_level, _DEPTH)),
        "reactivex": reactivex_run(_VALUES, lambda x: chained(x, reactivex_level, _DEPTH)),
    }
