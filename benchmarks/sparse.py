"""The cost of an event in a graph of many sources, one of which has an event at a time.

Each source replays events of its own, and a map and a sum follow it. The hand-written loop holds
the sources' iterators in a heap, by the time of their next event. csp makes its engine's nodes
anew in each run, which is in its figure.
"""

import random
from functools import partial
from heapq import heapify, heappop, heapreplace
from typing import Any

import csp  # type: ignore[import-untyped]  # the wheel carries no types
import numpy as np

import graphcore as gc
from benchmarks.contenders import csp_run, graphcore_tiers, times_of
from benchmarks.figures import Figure, Measured, Target
from benchmarks.ticks import OURS, Comparison, Prepare, again, compare, compete, microseconds

Events = list[tuple[int, int]]

_EVENTS = {1: 20_000, 100: 20, 10_000: 20}  # sources -> events of each
_ENOUGH = 20_000  # fewer events are run through again and again, or they could not be timed
_MANY, _FEW = 10_000, 100


def _work(sources: int) -> str:
    return f"sparse graph, sources: {sources:,}"


def measure() -> Measured:
    return {_work(number): _measure(number, events) for number, events in _EVENTS.items()}


def figures(measured: Measured) -> list[Figure]:
    found = compare(
        measured,
        [
            Comparison(
                _work(_MANY),
                "hand-written",
                1.8,
                "starting, reading and stopping 30,000 nodes for 20 events each is two fifths of "
                "it, and sorting the events a quarter; and each source's block and state are out "
                "of the cache when its turn comes",
            )
        ],
    )
    if measured:
        many, few = (measured[_work(number)][OURS] for number in (_MANY, _FEW))
        found.append(
            Figure(
                f"{_work(_MANY)}: {OURS} beside itself with {_FEW} sources",
                f"{microseconds(many)} µs an event, {microseconds(few)} µs",
                many / few,
                Target("≤", 2.0),
                reason="what 100 sources have stays in the cache, and what 10,000 have does not: "
                "the hand-written loop grows by more",
            )
        )
    return found


def _measure(number: int, events: int) -> dict[str, float]:
    sources = _sources(number, events)
    runs = max(1, _ENOUGH // (number * events))
    contenders = {
        **_graphcore(sources),
        "hand-written": again(partial(by_hand, sources)),
        "csp C++": _csp(sources),
    }
    result = number * sum(range(1, events + 1))
    repeated = {name: _repeated(prepare, runs) for name, prepare in contenders.items()}
    return compete(runs * number * events, result, repeated)


def _sources(number: int, events: int) -> list[Events]:
    """Return the events of each source; the times are shuffled, and no two are the same."""
    times = [1_000 * i for i in range(number * events)]
    random.Random(7).shuffle(times)
    return [
        list(zip(sorted(times[i : i + events]), range(events), strict=True))
        for i in range(0, len(times), events)
    ]


def _repeated(prepare: Prepare, runs: int) -> Prepare:
    run = prepare()
    return again(lambda: [run() for _ in range(runs)][-1])


def by_hand(sources: list[Events]) -> int:
    """Return the total of all sources' sums."""
    sums = [0] * len(sources)
    iterators = [iter(events) for events in sources]
    ahead = []
    for number, iterator in enumerate(iterators):
        time, value = next(iterator)
        ahead.append((time, number, value))
    heapify(ahead)
    while ahead:
        _, number, value = ahead[0]
        sums[number] += value + 1
        following = next(iterators[number], None)
        if following is None:
            heappop(ahead)
        else:
            time, value = following
            heapreplace(ahead, (time, number, value))
    return sum(sums)


def _graphcore(sources: list[Events]) -> dict[str, Prepare]:
    sums = [gc.replay(events).map(lambda x: x + 1).sum() for events in sources]
    return graphcore_tiers(*sums, result=lambda: sum(stream.value for stream in sums))


def _csp(sources: list[Events]) -> Prepare:
    def wire() -> list[Any]:
        sums = []
        for events in sources:
            times, values = zip(*events, strict=True)
            sums.append(csp.accum(csp.curve(int, (times_of(times), np.array(values))) + 1))
        return sums

    return csp_run(wire, sum)
