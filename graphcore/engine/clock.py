"""Where a run's time comes from: alarms that nodes have set (R7) and the wall clock (R1, R13)."""

import time
from heapq import heapify, heappop, heappush

from graphcore.state import Alarm


class Schedule:
    """The alarms of a run: those for a later time in a heap, those for now in a list.

    An alarm that was taken back stays in its place until its time comes; when such alarms are the
    most of the heap, the heap is made anew without them.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Alarm]] = []
        self._again: list[Alarm] = []
        self._serial = 0
        self._cancelled = 0

    def add(self, alarm: Alarm, now: int) -> None:
        """Keep an alarm; one that is not later than now is for a further cycle at this time."""
        if alarm.time <= now:
            alarm.time = now
            self._again.append(alarm)
        else:
            self._serial += 1
            heappush(self._heap, (alarm.time, self._serial, alarm))

    def cancelled(self, alarm: Alarm) -> None:
        """Note that this alarm need not go off."""
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2].cancelled]
            heapify(self._heap)
            self._cancelled = 0

    def next_time(self) -> int | None:
        """Return the earliest time at which an alarm goes off, `None` when there is none."""
        heap = self._heap
        while heap and heap[0][2].cancelled:
            heappop(heap)
        return heap[0][0] if heap else None

    def take(self, now: int) -> list[int]:
        """Return the nodes whose alarms have come by this time.

        A node with alarms for several times that have all gone by is woken once for each, in
        further cycles.
        """
        heap = self._heap
        taken: dict[int, int] = {}
        while heap and heap[0][0] <= now:
            at, _, alarm = heappop(heap)
            if alarm.cancelled:
                continue
            if taken.setdefault(alarm.index, at) != at:
                self._again.append(alarm)
            else:
                alarm.cancelled = True
        return list(taken)

    def take_again(self) -> list[int]:
        """Return the nodes that asked, in an earlier cycle, for a further one at this time."""
        if not self._again:
            return []
        taken: dict[int, int] = {}
        later: list[Alarm] = []
        for alarm in self._again:
            if alarm.cancelled:
                continue
            if taken.setdefault(alarm.index, alarm.time) != alarm.time:
                later.append(alarm)
            else:
                alarm.cancelled = True
        self._again = later
        return list(taken)


class RealTimeClock:
    """The wall clock at the start plus the monotonic time since: stepping it changes nothing."""

    def __init__(self) -> None:
        self.start = time.time_ns()
        self._offset = self.start - time.monotonic_ns()

    def now(self) -> int:
        """Return engine time, ns since the epoch."""
        return self._offset + time.monotonic_ns()
