"""The time of a run: the alarms that nodes have set (R7), and the wall clock (R1, R13)."""

import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush

from graphcore.state import Alarm

_SOME = 64


class Schedule:
    """The alarms of a run, in one heap.

    An entry of the heap is one whole number: the time, with the node's index in its lowest bits. So
    entries order by time and then by R2, and several alarms of a node for one time are equal. A
    cancelled entry stays in the heap until its time comes, or until more than half of the heap is
    cancelled entries.

    Args:
        nodes: how many nodes there are.

    Attributes:
        heap: the entries; a tier may push onto it.
        bits: how many of an entry's lowest bits hold the index.
        cancelled: for each entry, how many of its alarms were cancelled.
        put_off: the entries that the last `take` left in the heap though their time had come.
        takes: how many times nodes were taken.
        taken_to: the time up to which they were last taken.
    """

    def __init__(self, nodes: int) -> None:
        self.heap: list[int] = []
        self.bits = nodes.bit_length()
        self.cancelled: dict[int, int] = {}
        self._count = 0  # sum of these
        self.put_off: list[int] = []
        self.takes = self.taken_to = 0
        self._mask = (1 << self.bits) - 1

    def add(self, at: int, index: int) -> Alarm:
        """Add an alarm."""
        entry = at << self.bits | index
        heappush(self.heap, entry)
        return Alarm(self, entry, self.takes)

    def cancel(self, entry: int, made: int) -> None:
        """Cancel an alarm, unless it has gone off.

        Args:
            entry: the alarm's entry.
            made: the value of `takes` when the alarm was added.
        """
        taken = made < self.takes and entry >> self.bits <= self.taken_to
        if taken and entry not in self.put_off:
            return
        self.cancelled[entry] = self.cancelled.get(entry, 0) + 1
        self._count += 1
        if self._count > _SOME and self._count * 2 > len(self.heap):
            self._drop_cancelled()

    def drop(self, is_dropped: Callable[[int], bool]) -> None:
        """Remove the alarms of some nodes.

        Args:
            is_dropped: says so for a node's index.
        """
        self.heap[:] = [entry for entry in self.heap if not is_dropped(entry & self._mask)]
        heapify(self.heap)

    def next_time(self) -> int | None:
        """Return the time of the earliest alarm, `None` when there is none."""
        heap = self.heap
        while self.cancelled and heap and heap[0] in self.cancelled:
            entry = heap[0]
            if self._goes_off(entry):
                heappush(heap, entry)
        return heap[0] >> self.bits if heap else None

    def take(self, now: int) -> list[int]:
        """Return the nodes with an alarm for this time or before.

        A node with alarms for several such times is woken once for each, in further cycles.
        """
        heap, bits = self.heap, self.bits
        if not heap or heap[0] >> bits > now:
            return []
        if not self.cancelled:
            return self.take_with(heappop(heap), now)
        first: dict[int, int] = {}
        put_off: list[int] = []
        while heap and heap[0] >> bits <= now:
            entry = heap[0]
            index = entry & self._mask
            if index in first:
                put_off.append(heappop(heap))
            elif self._goes_off(entry):
                first[index] = entry
        if first:
            self._set_taken(now, put_off)
        return list(first)

    def take_with(self, entry: int, now: int) -> list[int]:
        """Return what `take` returns, given the first entry, already popped; none is cancelled."""
        heap, mask = self.heap, self._mask
        following = now + 1 << self.bits
        first = {entry & mask: entry}
        put_off: list[int] = []
        while heap and heap[0] < following:
            entry = heappop(heap)
            index = entry & mask
            if index not in first:
                first[index] = entry
            elif first[index] != entry:
                put_off.append(entry)
        self._set_taken(now, put_off)
        return list(first)

    def _set_taken(self, now: int, put_off: list[int]) -> None:
        self.takes += 1
        self.taken_to = now
        if put_off or self.put_off:
            self.put_off[:] = put_off
            for entry in put_off:
                heappush(self.heap, entry)

    def _goes_off(self, entry: int) -> bool:
        """Pop the first entry and all equal ones; return whether one of them was not cancelled."""
        heap = self.heap
        heappop(heap)
        count = 1
        while heap and heap[0] == entry:
            heappop(heap)
            count += 1
        if not self.cancelled:
            return True
        cancelled = self.cancelled.pop(entry, 0)
        self._count -= cancelled
        return count > cancelled

    def _drop_cancelled(self) -> None:
        kept = []
        for entry in self.heap:
            count = self.cancelled.get(entry, 0)
            if count:
                self.cancelled[entry] = count - 1
            else:
                kept.append(entry)
        self.heap[:] = kept
        heapify(self.heap)
        self.cancelled.clear()
        self._count = 0


class RealTimeClock:
    """The wall clock at the start plus the monotonic time since, so a stepped clock is harmless.

    Attributes:
        start: engine time of the start.
        offset: engine time less the monotonic time.
    """

    def __init__(self) -> None:
        self.start = time.time_ns()
        self.offset = self.start - time.monotonic_ns()

    def now(self) -> int:
        """Return engine time, ns since the epoch."""
        return self.offset + time.monotonic_ns()
