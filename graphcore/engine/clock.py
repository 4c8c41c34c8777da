"""The time of a run: the alarms that nodes have set (R7), and the wall clock (R1, R13)."""

import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush

from graphcore.state import Alarm

_SOME = 64


class Schedule:
    """The alarms of a run, in one heap.

    An entry of the heap is one whole number: the time, then a bit for alarms of `schedule_last`,
    then one for those that keep no run alive, and the node's index in the lowest bits. So entries
    order by time, all others at that time before the last ones, and several equal alarms of a node
    are equal. A cancelled entry stays in the heap until its time comes, or until more than half of
    the heap is cancelled entries.

    Args:
        nodes: how many nodes there are.

    Attributes:
        heap: the entries; a tier may push onto it.
        bits: how many of an entry's lowest bits are not the time.
        mask: those that are the index.
        last_bit: the bit of `schedule_last`.
        weak_bit: the bit of alarms that keep no run alive.
        weak: how many entries in the heap keep no run alive.
        cancelled: for each entry, how many of its alarms were cancelled.
        put_off: the entries that the last `take` left in the heap though their time had come.
        takes: how many times nodes were taken or alarms dropped.
        taken_to: the greatest entry that was taken.
        took_last: whether the last `take` that returned nodes took alarms of `schedule_last`.
    """

    def __init__(self, nodes: int) -> None:
        self.heap: list[int] = []
        self.weak_bit, self.last_bit = weak_bit(nodes), last_bit(nodes)
        self.mask = self.weak_bit - 1
        self._flags = self.weak_bit | self.last_bit
        self.bits = self.last_bit.bit_length()
        self.weak = 0
        self.cancelled: dict[int, int] = {}
        self._count = self._weak_count = 0  # sum of these, and of the weak ones among them
        self.put_off: list[int] = []
        self.takes = 0
        self.taken_to = -1
        # For each `drop`, the value of `takes` before it and the entries that it removed.
        self._drops: list[tuple[int, frozenset[int]]] = []
        self._dropped_at = -1  # the value of `takes` after the last `drop`
        self._taken_before = -1  # and that of `_last_take`
        self.took_last = False

    def add(self, at: int, index: int, keeps_alive: bool = True, last: bool = False) -> Alarm:
        """Add an alarm."""
        entry = at << self.bits | index
        if last:
            entry |= self.last_bit
        if not keeps_alive:
            entry |= self.weak_bit
            self.weak += 1
        heappush(self.heap, entry)
        return Alarm(self, entry, self.takes)

    def cancel(self, entry: int, made: int) -> None:
        """Cancel an alarm, unless it has gone off or was dropped.

        Args:
            entry: the alarm's entry.
            made: the value of `takes` when the alarm was added.
        """
        taken = made < self._last_take and entry <= self.taken_to
        if taken and entry not in self.put_off:
            return
        if any(made <= before and entry in dropped for before, dropped in self._drops):
            return
        self.cancelled[entry] = self.cancelled.get(entry, 0) + 1
        self._count += 1
        self._weak_count += bool(entry & self.weak_bit)
        if self._count > _SOME and self._count * 2 > len(self.heap):
            self._drop_cancelled()

    def drop(self, is_dropped: Callable[[int], bool]) -> None:
        """Remove the alarms of some nodes.

        Args:
            is_dropped: says so for a node's index.
        """
        dropped = frozenset(entry for entry in self.heap if is_dropped(entry & self.mask))
        taken = self._last_take
        self._drops.append((self.takes, dropped))
        self.takes += 1
        self._dropped_at, self._taken_before = self.takes, taken
        for entry in dropped & self.cancelled.keys():
            count = self.cancelled.pop(entry)
            self._count -= count
            self._weak_count -= count * bool(entry & self.weak_bit)
        self._keep([entry for entry in self.heap if entry not in dropped])

    @property
    def _last_take(self) -> int:
        """The value of `takes` after nodes were last taken."""
        return self._taken_before if self.takes == self._dropped_at else self.takes

    def keeps_alive(self) -> bool:
        """Return whether there is an alarm that keeps the run alive."""
        return len(self.heap) - self._count > self.weak - self._weak_count

    def next_time(self) -> int | None:
        """Return the time of the earliest alarm, `None` when there is none."""
        heap = self.heap
        while self.cancelled and heap and heap[0] in self.cancelled:
            entry = heap[0]
            if self._goes_off(entry):
                self.weak += bool(entry & self.weak_bit)
                heappush(heap, entry)
        return heap[0] >> self.bits if heap else None

    def last_is_next(self) -> bool:
        """Return whether the earliest alarm is one of `schedule_last`."""
        return self.next_time() is not None and bool(self.heap[0] & self.last_bit)

    def waiting(self, now: int) -> set[int]:
        """Return the nodes with an alarm for this time or before, which `take` would return."""
        following = now + 1 << self.bits
        if not self.heap or self.heap[0] >= following:
            return set()
        return {entry & self.mask for entry in self.heap if entry < following}

    def take(self, now: int) -> list[int]:
        """Return the nodes with an alarm for this time or before.

        A node with alarms for several such times is woken once for each, in further cycles. The
        alarms of `schedule_last` for a time are taken when no other alarm up to it is left.
        """
        heap, bits = self.heap, self.bits
        if not heap or heap[0] >> bits > now:
            return []
        if not self.cancelled:
            return self.take_with(heappop(heap), now)
        time = self.next_time()
        if time is None or time > now:
            return []
        last, following = self._phase(heap[0], now)
        first: dict[int, int] = {}
        put_off: list[int] = []
        entry = heap[0]
        while heap and heap[0] < following and heap[0] & self.last_bit == last:
            entry = heap[0]
            index = entry & self.mask
            if index in first and first[index] >> bits != entry >> bits:
                put_off.append(heappop(heap))
            elif self._goes_off(entry):
                first.setdefault(index, entry)
        self._set_taken(entry, put_off)
        return list(first)

    def take_with(self, entry: int, now: int) -> list[int]:
        """Return what `take` returns, given the first entry, already popped; none is cancelled."""
        # A live run whose sources are late calls this in each cycle. So it calls no method.
        heap, mask, bits, put_off = self.heap, self.mask, self.bits, self.put_off
        if put_off:
            put_off.clear()
        # Mostly two nodes have one plain alarm each, and no other is due.
        if heap and not (entry | heap[0]) & self._flags:
            second, after = heappop(heap), now + 1 << bits
            if second < after and (not heap or heap[0] >= after) and (entry ^ second) & mask:
                self.takes += 1
                if second > self.taken_to:
                    self.taken_to = second
                self.took_last = False
                return [entry & mask, second & mask]
            heappush(heap, second)
        last_bit, weak_bit = self.last_bit, self.weak_bit
        last = entry & last_bit
        following = (entry >> bits - 1) + 1 << bits - 1 if last else now + 1 << bits
        if entry & weak_bit:
            self.weak -= 1
        first = {entry & mask: entry}
        while heap and heap[0] < following and heap[0] & last_bit == last:
            entry = heappop(heap)
            index = entry & mask
            if index not in first:
                first[index] = entry
            elif first[index] >> bits != entry >> bits:
                put_off.append(entry)
                continue
            if entry & weak_bit:
                self.weak -= 1
        self.takes += 1
        if entry > self.taken_to:
            self.taken_to = entry
        self.took_last = last != 0
        for each in put_off:
            heappush(heap, each)
        return list(first)

    def _phase(self, entry: int, now: int) -> tuple[int, int]:
        """Return the `last_bit` of the entries to take with this one, and where they end."""
        last = entry & self.last_bit
        if not last:
            return last, now + 1 << self.bits
        return last, (entry >> self.bits - 1) + 1 << self.bits - 1

    def _set_taken(self, entry: int, put_off: list[int]) -> None:
        self.takes += 1
        self.taken_to = max(self.taken_to, entry)
        self.took_last = bool(entry & self.last_bit)
        if put_off or self.put_off:
            self.put_off[:] = put_off
            for each in put_off:
                heappush(self.heap, each)

    def _goes_off(self, entry: int) -> bool:
        """Pop the first entry and all equal ones; return whether one of them was not cancelled."""
        heap = self.heap
        heappop(heap)
        count = 1
        while heap and heap[0] == entry:
            heappop(heap)
            count += 1
        is_weak = bool(entry & self.weak_bit)
        self.weak -= count * is_weak
        if not self.cancelled:
            return True
        cancelled = self.cancelled.pop(entry, 0)
        self._count -= cancelled
        self._weak_count -= cancelled * is_weak
        return count > cancelled

    def _drop_cancelled(self) -> None:
        kept = []
        for entry in self.heap:
            count = self.cancelled.get(entry, 0)
            if count:
                self.cancelled[entry] = count - 1
            else:
                kept.append(entry)
        self.cancelled.clear()
        self._count = self._weak_count = 0
        self._keep(kept)

    def _keep(self, entries: list[int]) -> None:
        self.heap[:] = entries
        heapify(self.heap)
        self.weak = sum(1 for entry in entries if entry & self.weak_bit)


def weak_bit(nodes: int) -> int:
    """Return the bit that marks an entry whose alarm does not keep a run alive."""
    return 1 << nodes.bit_length()


def last_bit(nodes: int) -> int:
    """Return the bit that marks an entry as set by `schedule_last`."""
    return weak_bit(nodes) << 1


class RealTimeClock:
    """The wall clock at the start plus the monotonic time since, so a stepped clock is harmless.

    Args:
        offset: that of another clock, to go on with its time.

    Attributes:
        start: engine time of the start.
        offset: engine time less the monotonic time.
    """

    def __init__(self, offset: int | None = None) -> None:
        self.start = time.time_ns() if offset is None else offset + time.monotonic_ns()
        self.offset = self.start - time.monotonic_ns() if offset is None else offset

    def now(self) -> int:
        """Return engine time, ns since the epoch."""
        return self.offset + time.monotonic_ns()
