"""Write what starts the cycles of a kernel (R6): the events of sources, and alarms.

These are the parts of the function of `lowering.py`: before the loop, at its head, at the beginning
and at the end of a cycle, and after the loop.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

from llvmlite import ir

from graphcore.engine.native.backend.access import Access, Array, whole
from graphcore.engine.native.backend.alarms import popping, pushing
from graphcore.engine.native.backend.arithmetic import WORD
from graphcore.engine.native.backend.layout import (
    ALARMS,
    ALIVE,
    CYCLE,
    FIRST,
    KEYS,
    LOOK,
    ROOM,
    STAMPS,
    TIME,
    UNTIL,
    WEAK,
    WEAK_KEY,
    Words,
)
from graphcore.engine.native.ir import Input, Kernel, Kind, Wake

Llvm = Any  # llvmlite carries no types
TrapIf = Callable[..., None]

_NEVER = (1 << 63) - 1
_STAMPS = 1 << 62  # from here on, the stamp of a time has no room in a word


class Lone:
    """Each event of the only source starts a cycle.

    Args:
        kernel: the kernel.
        words: where everything is.
        access: writes the access to memory.
    """

    def __init__(self, kernel: Kernel, words: Words, access: Access) -> None:
        self.access = access
        self.build: Llvm = access.build
        self.base = access.load(CYCLE)
        # If nothing is known about a source, its values cannot be read.
        self.values: list[list[Any]] = [
            [
                None if kind is Kind.OTHER else access.array(place + 3 + at, kind, place + 2)
                for at, kind in enumerate(parts)
            ]
            for place, parts in zip(words.sources, kernel.start.sources, strict=True)
        ]
        self.times = [access.array(place, Kind.INT, place + 2) for place in words.sources]

    def more(self) -> Llvm:
        """Write the head of the loop; return whether there is a further cycle."""
        return ir.Constant(ir.IntType(1), 1)

    def begin(self, at: Llvm) -> None:
        """Write the beginning of a cycle; `at` is its number in this call, from 0."""

    def end(self) -> None:
        """Write the end of a cycle."""

    def leave(self) -> None:
        """Write what follows the loop."""

    def input(self, given: Input, at: Llvm) -> Llvm:
        """Write what started the present cycle."""
        if given.name == "cycle":
            return self.number(at)
        array: Any = self.times[0] if given.name == "time" else self.values[0][given.part]
        return self.access.load_item(array, given.kind, at)

    def wake(self, alarm: Wake, time: Llvm) -> None:
        """Write that an alarm is set."""
        raise AssertionError(alarm)

    def number(self, at: Llvm) -> Llvm:
        """Return the number of a cycle in the run, from 1."""
        return self.build.add(self.build.add(self.base, at), whole(1))


class Merged(Lone):
    """The earliest events of all sources and the earliest alarms start a cycle.

    Args:
        kernel: the kernel.
        words: where everything is.
        access: writes the access to memory.
        module: the module, to which functions are added.
        trap_if: writes a trap, given the test and perhaps the reason.
    """

    def __init__(
        self, kernel: Kernel, words: Words, access: Access, module: Llvm, trap_if: TrapIf
    ) -> None:
        super().__init__(kernel, words, access)
        self._words = words
        self._trap_if = trap_if
        self._crowded = kernel.start.crowded
        self._full = -1 - len(kernel.rings) - len(kernel.lists)
        self._has_alarms = kernel.start.alarms > 0
        self._look, self._until, self._alive = map(access.load, (LOOK, UNTIL, ALIVE))
        self._time, self._first = self._slot(TIME), self._slot(FIRST)
        self._count, self._weak = self._slot(ALARMS), self._slot(WEAK)
        self._event, self._moment, self._woken, self._stamp = (self._slot() for _ in range(4))
        if self._has_alarms:
            self._stamps = access.array(STAMPS, Kind.INT, ROOM)
            self._keys = access.array(KEYS, Kind.INT, ROOM)
            self._push, self._pop = pushing(module), popping(module)
        self._sources = [
            (times, access.load(place + 2), self._slot(), self._slot())
            for times, place in zip(self.times, words.sources, strict=True)
        ]
        for source in self._sources:
            self._advance(*source, whole(0))

    def _slot(self, place: int | None = None) -> Llvm:
        slot = self.build.alloca(WORD)
        if place is not None:
            self.build.store(self.access.load(place), slot)
        return slot

    def _advance(self, times: Array, count: Llvm, place: Llvm, following: Llvm, to: Llvm) -> None:
        """Write that a source goes on to an event, and its time is kept."""
        b = self.build
        b.store(to, place)
        b.store(whole(_NEVER), following)
        with b.if_then(b.icmp_signed("<", to, count)):
            b.store(self.access.load_item(times, Kind.INT, to), following)

    def _top(self) -> Llvm:
        """Write that the stamp of the earliest alarm is read; there has to be one."""
        return self.access.load_item(self._stamps, Kind.INT, whole(0))

    def _any_alarm(self) -> Llvm:
        return self.build.icmp_signed(">", self.build.load(self._count), whole(0))

    def more(self) -> Llvm:
        """Write the head of the loop; return whether there is a further cycle."""
        b = self.build
        times = [b.load(following) for *_, following in self._sources]
        event = reduce(self._earlier, times, whole(_NEVER))
        b.store(event, self._event)
        b.store(event, self._moment)
        if not self._has_alarms:
            return b.icmp_signed("<", event, self._until)
        with b.if_then(self._any_alarm()):
            b.store(self._earlier(event, b.ashr(self._top(), whole(1))), self._moment)
        moment = b.load(self._moment)
        # Without events, alarms that keep no run alive go off at the present time alone.
        over = b.and_(
            b.and_(
                b.icmp_signed("==", self._alive, whole(0)),
                b.icmp_signed("==", event, whole(_NEVER)),
            ),
            b.and_(
                b.icmp_signed("==", b.load(self._count), b.load(self._weak)),
                b.icmp_signed("!=", moment, b.load(self._time)),
            ),
        )
        return b.and_(b.icmp_signed("<", moment, self._until), b.not_(over))

    def _earlier(self, one: Llvm, other: Llvm) -> Llvm:
        return self.build.select(self.build.icmp_signed("<", other, one), other, one)

    def begin(self, at: Llvm) -> None:
        """Write the beginning of a cycle; `at` is its number in this call, from 0."""
        b, cycle = self.build, self.number(at)
        moment = b.load(self._moment)
        again = b.icmp_signed("==", moment, b.load(self._time))
        if self._has_alarms:
            self._trap_if(b.and_(again, b.icmp_signed(">", cycle, self._look)), self._crowded)
        b.store(b.select(again, b.load(self._first), cycle), self._first)
        b.store(moment, self._time)
        woken = whole(0)
        for bit, (*_, following) in enumerate(self._sources):
            due = b.zext(b.icmp_signed("==", b.load(following), moment), WORD)
            woken = b.or_(woken, b.shl(due, whole(bit)))
        b.store(woken, self._woken)
        if self._has_alarms:
            with b.if_then(self._any_alarm()):
                self._take(moment, cycle)

    def _take(self, moment: Llvm, cycle: Llvm) -> None:
        """Write that all alarms of the first kind at this time go off; there has to be an alarm.

        With events, these are only the alarms set by `schedule`, not by `schedule_last`.
        """
        b = self.build
        first, none = self._top(), b.icmp_signed("==", b.load(self._event), moment)
        due = b.icmp_signed("==", b.ashr(first, whole(1)), moment)
        early = b.icmp_signed("==", b.and_(first, whole(1)), whole(0))
        with b.if_then(b.and_(due, b.or_(early, b.not_(none)))):
            function = b.function
            take, on, done = map(function.append_basic_block, ("take", "further", "taken"))
            b.branch(take)
            b.position_at_end(take)
            count = b.load(self._count)
            key = b.call(self._pop, [self._stamps.items, self._keys.items, count])
            b.store(b.sub(count, whole(1)), self._count)
            weak = b.lshr(key, whole(WEAK_KEY.bit_length() - 1))
            b.store(b.sub(b.load(self._weak), weak), self._weak)
            bit = b.and_(key, whole(WEAK_KEY - 1))
            b.store(b.or_(b.load(self._woken), b.shl(whole(1), bit)), self._woken)
            # Not taken back after a trap: the same cycles write the same again.
            place = b.add(bit, whole(self._words.due[0] - len(self._sources)))
            b.store(cycle, b.gep(self.access.words, [place]))
            b.cbranch(self._any_alarm(), on, done)
            b.position_at_end(on)
            b.cbranch(b.icmp_signed("==", self._top(), first), take, done)
            b.position_at_end(done)

    def end(self) -> None:
        """Write the end of a cycle."""
        b = self.build
        moment = b.load(self._time)
        for times, count, place, following in self._sources:
            with b.if_then(b.icmp_signed("==", b.load(following), moment)):
                self._advance(times, count, place, following, b.add(b.load(place), whole(1)))

    def leave(self) -> None:
        """Write what follows the loop."""
        b = self.build
        for place, slot in (
            (TIME, self._time),
            (FIRST, self._first),
            (ALARMS, self._count),
            (WEAK, self._weak),
        ):
            self.access.store(place, b.load(slot))
        for word, (_, _, place, _) in zip(self._words.sources, self._sources, strict=True):
            self.access.store(word + 1, b.load(place))

    def input(self, given: Input, at: Llvm) -> Llvm:
        """Write what started the present cycle."""
        b = self.build
        match given.name:
            case "cycle":
                return self.number(at)
            case "time":
                return b.load(self._time)
            case "woken":
                return b.load(self._woken)
        place = b.load(self._sources[given.source][2])
        array = self.values[given.source][given.part]
        return self.access.load_item(array, given.kind, place)

    def wake(self, alarm: Wake, time: Llvm) -> None:
        """Write that an alarm is set."""
        b = self.build
        far = b.icmp_signed("<", b.add(time, whole(_STAMPS)), whole(0))
        self._trap_if(far)
        count = b.load(self._count)
        self._trap_if(b.icmp_signed(">=", count, self._stamps.room), self._full)
        stamp = b.or_(b.shl(time, whole(1)), whole(int(alarm.last)))
        key = alarm.bit if alarm.keeps_alive else alarm.bit | WEAK_KEY
        b.call(self._push, [self._stamps.items, self._keys.items, count, stamp, whole(key)])
        b.store(b.add(count, whole(1)), self._count)
        if not alarm.keeps_alive:
            b.store(b.add(b.load(self._weak), whole(1)), self._weak)
