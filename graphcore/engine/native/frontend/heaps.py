"""What `heapq` does to a list, step by step as CPython does it, for the translation to inline.

A heap then lies in the list as Python would leave it.
"""

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
