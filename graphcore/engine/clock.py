"""The time of a run: the alarms that nodes have set (R7), and the wall clock (R1, R13)."""

import time
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
        takes: how many times `take` has returned nodes.
    """

    def __init__(self, nodes: int) -> None:
        self.heap: list[int] = []
        self.bits = nodes.bit_length()
        self._cancelled: dict[int, int] = {}  # entry -> how many of its alarms were cancelled
        self._count = 0  # sum of these
        self.takes = 0
        self._mask = (1 << self.bits) - 1
        self._taken_to = 0
        self._put_off: list[int] = []

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
        taken = made < self.takes and entry >> self.bits <= self._taken_to
        if taken and entry not in self._put_off:
            return
        self._cancelled[entry] = self._cancelled.get(entry, 0) + 1
        self._count += 1
        if self._count > _SOME and self._count * 2 > len(self.heap):
            self._drop_cancelled()

    def next_time(self) -> int | None:
        """Return the time of the earliest alarm, `None` when there is none."""
        heap = self.heap
        while self._cancelled and heap and heap[0] in self._cancelled:
            entry = heap[0]
            if self._goes_off(entry):
                heappush(heap, entry)
        return heap[0] >> self.bits if heap else None

    def take(self, now: int) -> list[int]:
        """Return the nodes with an alarm for this time or before.

        A node with alarms for several such times is woken once for each, in further cycles.
        """
        heap, bits, mask = self.heap, self.bits, self._mask
        taken: dict[int, None] = {}
        put_off: list[int] = []
        while heap and heap[0] >> bits <= now:
            entry = heap[0]
            index = entry & mask
            if index in taken:
                put_off.append(heappop(heap))
            elif self._goes_off(entry):
                taken[index] = None
        for entry in put_off:
            heappush(heap, entry)
        if taken:
            self.takes += 1
            self._taken_to, self._put_off = now, put_off
        return list(taken)

    def _goes_off(self, entry: int) -> bool:
        """Pop the first entry and all equal ones; return whether one of them was not cancelled."""
        heap = self.heap
        heappop(heap)
        count = 1
        while heap and heap[0] == entry:
            heappop(heap)
            count += 1
        if not self._cancelled:
            return True
        cancelled = self._cancelled.pop(entry, 0)
        self._count -= cancelled
        return count > cancelled

    def _drop_cancelled(self) -> None:
        kept = []
        for entry in self.heap:
            count = self._cancelled.get(entry, 0)
            if count:
                self._cancelled[entry] = count - 1
            else:
                kept.append(entry)
        self.heap[:] = kept
        heapify(self.heap)
        self._cancelled.clear()
        self._count = 0


class RealTimeClock:
    """The wall clock at the start plus the monotonic time since, so a stepped clock is harmless."""

    def __init__(self) -> None:
        self.start = time.time_ns()
        self._offset = self.start - time.monotonic_ns()

    def now(self) -> int:
        """Return engine time, ns since the epoch."""
        return self._offset + time.monotonic_ns()
