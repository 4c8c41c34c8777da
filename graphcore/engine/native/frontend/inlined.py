"""What some builtins and `heapq` do, step by step as CPython does it, to be inlined.

A heap then lies in its list as Python would leave it.
"""

import builtins
import heapq
import sys
from collections.abc import Callable
from math import isfinite
from typing import Any


def heappush(heap: list[Any], item: Any) -> None:
    """Add an item to a heap."""
    place = len(heap)
    heap.append(item)
    while place > 0:
        parent = (place - 1) >> 1
        above = heap[parent]
        if not item < above:
            break
        heap[place] = above
        place = parent
    heap[place] = item


def heappop(heap: list[Any]) -> Any:
    """Remove the least item of a heap and return it."""
    last = heap.pop()
    end = len(heap)
    if not end:
        return last
    first = heap[0]
    place, child = 0, 1
    while child < end:  # the free place goes down to the bottom, then the last item up from there
        other = child + 1
        if other < end and not heap[child] < heap[other]:
            child = other
        heap[place] = heap[child]
        place = child
        child = 2 * place + 1
    while place > 0:
        parent = (place - 1) >> 1
        above = heap[parent]
        if not last < above:
            break
        heap[place] = above
        place = parent
    heap[place] = last
    return first


def _added(values: Any) -> Any:
    total = 0
    for each in values:
        total = total + each
    return total


def _added_floats(values: Any) -> Any:
    if len(values) == 0:
        return 0
    total = 0.0
    for each in values:
        total += each
    return total


def _added_with_errors(values: Any) -> Any:
    """Return the sum of floats as from Python 3.12 on: with the sum of the errors (Neumaier)."""
    if len(values) == 0:
        return 0
    total = error = 0.0
    for each in values:
        further = total + each
        if abs(total) >= abs(each):
            error += (total - further) + each
        else:
            error += (each - further) + total
        total = further
    if error != 0.0 and isfinite(error):
        total += error
    return total


def _least(values: Any) -> Any:
    best = values[0]
    for each in values:
        if each < best:
            best = each
    return best


def _greatest(values: Any) -> Any:
    best = values[0]
    for each in values:
        if each > best:
            best = each
    return best


def _any(values: Any) -> bool:
    found = False
    for each in values:
        if each:
            found = True
            break
    return found


def _all(values: Any) -> bool:
    found = True
    for each in values:
        if not each:
            found = False
            break
    return found


HEAPS: dict[object, Callable[..., Any]] = {heapq.heappush: heappush, heapq.heappop: heappop}
sum_of_floats = _added_with_errors if sys.version_info >= (3, 12) else _added_floats
sum_of_integers = _added
OF_SEQUENCES: dict[object, Callable[[Any], Any]] = {
    builtins.min: _least,
    builtins.max: _greatest,
    builtins.any: _any,
    builtins.all: _all,
}
