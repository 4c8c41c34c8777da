"""Several sequences of events as one, in order of time.

Events at one time come in the order of the sequences. A sequence is opened when its first event is
due, so that of a folder with a file for each day one file is open.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Events = tuple[list[int], list[Any]]


class _Head:
    """The next events of a sequence.

    Attributes:
        times: the times of those that are read; empty at the end of the sequence, and after `take`
            until `fill` is called.
    """

    def __init__(self, chunks: Iterator[Events]) -> None:
        self._chunks = chunks
        self.times: list[int] = []
        self._values: list[Any] = []
        self.fill()

    def fill(self) -> None:
        """Read on if nothing is left of what was read."""
        while not self.times:
            chunk = next(self._chunks, None)
            if chunk is None:
                return
            self.times, self._values = chunk

    def take(self, count: int) -> Events:
        """Return the next events, `count` of those that are read."""
        taken = self.times[:count], self._values[:count]
        self.times, self._values = self.times[count:], self._values[count:]
        return taken


def merged(
    sequences: Sequence[Callable[[], Iterator[Events]]], firsts: Sequence[int | None]
) -> Iterator[Events]:
    """Yield the events of several sequences in order of time.

    Args:
        sequences: opens each of them.
        firsts: the time of the first event of each; `None` if it has none.
    """
    due = [(first, i) for i, first in enumerate(firsts) if first is not None]
    waiting = sorted(due, reverse=True)
    heads: dict[int, _Head] = {}
    while heads or waiting:
        end = min((head.times[-1] for head in heads.values()), default=None)
        while waiting and (end is None or waiting[-1][0] <= end):
            _, number = waiting.pop()
            head = _Head(sequences[number]())
            if head.times:
                heads[number] = head
                end = head.times[-1] if end is None else min(end, head.times[-1])
        if len(heads) == 1:  # the others are over, or have their first event later
            [(number, head)] = heads.items()
            yield head.take(len(head.times))
        elif end is not None:
            heads = dict(sorted(heads.items()))
            before = _in_order([head.take(bisect_left(head.times, end)) for head in heads.values()])
            if before[0]:
                yield before
            for head in heads.values():  # at `end`, where a sequence may have more to read
                while head.times and head.times[0] == end:
                    yield head.take(bisect_right(head.times, end))
                    head.fill()
        for head in heads.values():  # only now: if this fails, all before it has been delivered
            head.fill()
        heads = {number: head for number, head in heads.items() if head.times}


def _in_order(parts: list[Events]) -> Events:
    times = [time for some, _ in parts for time in some]
    values = [value for _, some in parts for value in some]
    order = sorted(range(len(times)), key=times.__getitem__)
    return [times[i] for i in order], [values[i] for i in order]
