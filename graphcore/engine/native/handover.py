"""Hand the engine time and the alarms of a run over to a kernel, and back to the session (R7)."""

from collections.abc import Container, Sequence

from graphcore.engine.native.backend.layout import (
    ALARMS,
    ALIVE,
    FIRST,
    LOOK,
    TIME,
    UNTIL,
    WEAK,
    WEAK_KEY,
)
from graphcore.engine.native.backend.memory import Memory
from graphcore.engine.native.backend.places import Unfit
from graphcore.engine.native.feed import Feed
from graphcore.engine.run.session import Session

_MOST = (1 << 63) - 1
_STAMPS = range(-(1 << 62), 1 << 62)


class Handover:
    """Hands over between a session and kernels.

    Args:
        session: the run.
        woken: the nodes that start cycles, by their bits.
        sources: how many of them are sources; the others have alarms.

    Attributes:
        fused: of a split plan, the nodes of the fused part. Their alarms stay with the session.
    """

    fused: Container[int] = frozenset()

    def __init__(self, session: Session, woken: Sequence[int], sources: int) -> None:
        self._session = session
        self._woken = woken
        self._alarmed = woken[sources:]
        self._bits = {index: bit for bit, index in enumerate(woken)}

    def give(self, memory: Memory) -> None:
        """Give a kernel the time and the alarms.

        Raises:
            Unfit: if the time of an alarm has no room in a stamp.
        """
        session, words = self._session, memory.words
        words[TIME], words[FIRST] = session.time, session.first_cycle
        schedule = session.schedule
        given = sorted(entry for entry in schedule.heap if not self._stays(entry))
        memory.make_room(len(given))
        stamps, keys = memory.alarms
        for place, entry in enumerate(given):
            time, bit = entry >> schedule.bits, self._bits[entry & schedule.mask]
            if time not in _STAMPS:
                raise Unfit
            stamps[place] = time << 1 | bool(entry & schedule.last_bit)
            keys[place] = bit | (WEAK_KEY if entry & schedule.weak_bit else 0)
        words[ALARMS] = len(given)
        words[WEAK] = sum(entry & schedule.weak_bit != 0 for entry in given)
        for place, index in zip(memory.due, self._alarmed, strict=True):
            words[place] = session.states[index].due_in

    def limit(self, memory: Memory, feed: Feed) -> None:
        """Tell a kernel how far it may go."""
        words = memory.words
        words[LOOK] = min(self._session.look_at, _MOST)
        words[UNTIL] = min(feed.until, feed.fails_at, _MOST)
        words[ALIVE] = feed.is_open
        if self.fused:
            schedule = self._session.schedule
            alarm = schedule.next_time()
            words[UNTIL] = words[UNTIL] if alarm is None else min(words[UNTIL], alarm)

    def part(self) -> None:
        """Leave the session only the alarms that the kernel has not been given."""
        self._set([])

    def _stays(self, entry: int) -> bool:
        return entry & self._session.schedule.mask in self.fused

    def _set(self, given_back: list[int]) -> None:
        """Have the session hold these alarms, and those that it has kept."""
        schedule = self._session.schedule
        schedule.heap[:] = sorted([*filter(self._stays, schedule.heap), *given_back])
        schedule.weak = sum(entry & schedule.weak_bit != 0 for entry in schedule.heap)

    def take(self, memory: Memory) -> None:
        """Take the time and the alarms back from a kernel."""
        session, words = self._session, memory.words
        session.time, session.first_cycle, session.cycle = words[TIME], words[FIRST], memory.done
        schedule, count = session.schedule, words[ALARMS]
        heap = []
        for stamp, key in zip(*(part[:count] for part in memory.alarms), strict=True):
            flags = self._woken[key & WEAK_KEY - 1]
            flags |= schedule.last_bit if stamp & 1 else 0
            flags |= schedule.weak_bit if key & WEAK_KEY else 0
            heap.append(stamp >> 1 << schedule.bits | flags)
        self._set(heap)
        for place, index in zip(memory.due, self._alarmed, strict=True):
            session.states[index].due_in = words[place]
