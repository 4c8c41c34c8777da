"""Where a run's time comes from: alarms that nodes have set (R7) and the wall clock (R1, R13)."""

import time
from heapq import heapify, heappop, heappush

from graphcore.state import Alarm


class Schedule:
    """The alarms of a run, in one heap.

    An entry of the heap is one whole number, the time with the node's index in its lowest bits:
    such entries order by time and then by R2, and several alarms of a node for one time are equal.
    An alarm that can be taken back is found under its entry; one that was taken back stays in its
    place until its time comes, or until such entries are the most of the heap.

    Args:
        nodes: how many nodes there are.

    Attributes:
        heap: the entries; a tier may push onto it.
        bits: how many of an entry's lowest bits hold the index.
    """

    def __init__(self, nodes: int) -> None:
        self.heap: list[int] = []
        self.bits = nodes.bit_length()
        self._mask = (1 << self.bits) - 1
        self._alarms: dict[int, list[Alarm]] = {}
        self._cancelled = 0

    def add(self, alarm: Alarm) -> None:
        """Keep an alarm."""
        entry = alarm.time << self.bits | alarm.index
        alarms = self._alarms.get(entry)
        if alarms is None:
            self._alarms[entry] = [alarm]
            heappush(self.heap, entry)
        else:
            alarms.append(alarm)

    def cancelled(self, alarm: Alarm) -> None:
        """Note that this alarm need not go off."""
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self.heap):
            dead = {
                entry
                for entry, alarms in self._alarms.items()
                if all(alarm.cancelled for alarm in alarms)
            }
            for entry in dead:
                del self._alarms[entry]
            self.heap[:] = [entry for entry in self.heap if entry not in dead]
            heapify(self.heap)
            self._cancelled = 0

    def next_time(self) -> int | None:
        """Return the earliest time at which an alarm goes off, `None` when there is none."""
        heap = self.heap
        while heap:
            alarms = self._alarms.get(heap[0])
            if alarms is None or not all(alarm.cancelled for alarm in alarms):
                return heap[0] >> self.bits
            del self._alarms[heappop(heap)]
        return None

    def take(self, now: int) -> list[int]:
        """Return the nodes whose alarms have come by this time.

        A node with alarms for several times that have all gone by is woken once for each, in
        further cycles.
        """
        heap, bits, mask = self.heap, self.bits, self._mask
        taken: dict[int, None] = {}
        later: list[int] = []
        last = None
        while heap and heap[0] >> bits <= now:
            entry = heappop(heap)
            if entry == last:
                continue
            last = entry
            index = entry & mask
            if index in taken:
                later.append(entry)
            elif not self._alarms or self._goes_off(entry):
                taken[index] = None
        for entry in later:
            heappush(heap, entry)
        return list(taken)

    def _goes_off(self, entry: int) -> bool:
        """Return whether an alarm of this entry was not taken back; from now on none can be."""
        alarms = self._alarms.pop(entry, None)
        if alarms is None:
            return True
        waiting = [alarm for alarm in alarms if not alarm.cancelled]
        for alarm in waiting:
            alarm.cancelled = True
        return bool(waiting)


class RealTimeClock:
    """The wall clock at the start plus the monotonic time since: stepping it changes nothing."""

    def __init__(self) -> None:
        self.start = time.time_ns()
        self._offset = self.start - time.monotonic_ns()

    def now(self) -> int:
        """Return engine time, ns since the epoch."""
        return self._offset + time.monotonic_ns()
