"""The cost of a tick in a chain of 1, 11 and 51 nodes that add one.

Such a node is written in three ways: as a map with a lambda, as arithmetic on the stream, and as a
    node class. One hand-written loop has the additions written out; a second loop calls the lambda.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import csp  # type: ignore[import-untyped]  # the wheel carries no types
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
from benchmarks.loops import calling_loop, straight_loop
from benchmarks.shapes import chained
from benchmarks.ticks import Comparison, Prepare, again, compare, compete, tier_label

try:
    from benchmarks.bytewax_flow import bytewax_run
except ImportError:  # it has no wheel for Python 3.13 and later
    bytewax_run = None  # type: ignore[assignment]  # its wheel is not there for every Python

_VALUES = list(range(20_000))
_LENGTHS = (1, 11, 51)
_BATCHES = {"bytewax, batches of 1,000": 1_000, "bytewax, batches of 1": 1}
_LAMBDA = "maps with a lambda, chain of {}"
_ADDITION = "additions, chain of {}"
_NODE = "nodes of one's own, chain of {}"


def measure() -> Measured:
    measured: Measured = {}
    for work, contenders in ((_LAMBDA, _lambdas), (_ADDITION, _additions), (_NODE, _nodes)):
        for n in _LENGTHS:
            measured[work.format(n)] = compete(len(_VALUES), _VALUES[-1] + n, contenders(n))
    return measured


def figures(measured: Measured) -> list[Figure]:
    return compare(
        measured,
        (
            Comparison(_LAMBDA.format(51), "csp @csp.node", 0.30),
            Comparison(_LAMBDA.format(51), "wingfoil", 0.12),
            Comparison(_LAMBDA.format(51), "bytewax, batches of 1,000", 0.8),
            Comparison(_LAMBDA.format(51), "bytewax, batches of 1", 0.05),
            Comparison(_ADDITION.format(51), "csp C++", 0.80),
            Comparison(_LAMBDA.format(1), "csp @csp.node", 0.50),
            Comparison(_NODE.format(51), "csp @csp.node", 0.30),
            Comparison(
                _LAMBDA.format(51),
                "csp @csp.node, calling",
                2.2,
                "csp's loop is C++ and resumes one generator a node; ours makes two Python calls",
                tier_label("interpreted"),
            ),
            Comparison(
                _LAMBDA.format(51),
                "csp @csp.node",
                2.2,
                "the peer calls no function at all; ours makes two Python calls a node",
                tier_label("interpreted"),
            ),
        ),
    )


def _increment() -> Callable[[int], int]:
    return lambda x: x + 1


@csp.node  # type: ignore[untyped-decorator]  # csp carries no types
def _call(x: csp.ts[int], function: object) -> csp.ts[int]:
    if csp.ticked(x):
        return function(x)  # type: ignore[operator]  # csp checks it no further than object


@csp.node  # type: ignore[untyped-decorator]  # csp carries no types
def _add_one(x: csp.ts[int]) -> csp.ts[int]:
    if csp.ticked(x):
        return x + 1


@gc.node
class _AddOne(gc.MutableNode[int]):
    source: gc.Active[int]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value + 1
        return True


class _WingfoilAddOne:
    def cycle(self, values: list[int]) -> bool:
        self._value = values[0] + 1
        return True

    def peek(self) -> int:
        return self._value


def _lambdas(length: int) -> dict[str, Prepare]:
    function = _increment()
    contenders = {
        **_graphcore(lambda stream: stream.map(function), length),
        "hand-written": again(partial(straight_loop(["x = x + 1"] * length), _VALUES)),
        "hand-written, calling": again(partial(calling_loop([function] * length), _VALUES)),
        "csp @csp.node": _csp(_add_one, length),
        "csp @csp.node, calling": _csp(lambda x: _call(x, function), length),
        "wingfoil": _wingfoil_maps(function, length),
        "reactivex": reactivex_run(
            _VALUES, lambda x: x.pipe(*[rx_operators.map(function)] * length)
        ),
    }
    if bytewax_run is not None:
        for name, batch in _BATCHES.items():
            contenders[name] = bytewax_run(_VALUES, batch, function, length)
    return contenders


def _additions(length: int) -> dict[str, Prepare]:
    return {
        **_graphcore(lambda stream: stream + 1, length),
        "hand-written": again(partial(straight_loop(["x = x + 1"] * length), _VALUES)),
        "csp C++": _csp(lambda x: x + 1, length),
        "wingfoil": _wingfoil_maps(_increment(), length),  # it has no arithmetic of its own
    }


def _nodes(length: int) -> dict[str, Prepare]:
    def wingfoil_chain(graph: Any, source: Any) -> Any:
        return chained(source, lambda x: graph.custom_node([x], _WingfoilAddOne()), length)

    return {
        **_graphcore(lambda stream: gc.Stream(_AddOne(stream)), length),
        "hand-written": again(partial(straight_loop(["x = x + 1"] * length), _VALUES)),
        "csp @csp.node": _csp(_add_one, length),
        "wingfoil": wingfoil_run(_VALUES, wingfoil_chain),
    }


def _graphcore(link: Callable[[Any], Any], length: int) -> dict[str, Prepare]:
    last = chained(graphcore_source(_VALUES), link, length)
    return graphcore_tiers(last, result=lambda: last.value)


def _csp(link: Callable[[Any], Any], length: int) -> Prepare:
    return csp_run(lambda: [chained(csp_source(_VALUES), link, length)])


def _wingfoil_maps(function: Callable[[int], int], length: int) -> Prepare:
    return wingfoil_run(_VALUES, lambda _, x: chained(x, lambda x: x.map(function), length))
