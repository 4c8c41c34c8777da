"""Write the access to the state of keys: a row of words for each key, and slots that say which.

Python alone adds rows. A kernel changes them in place, and before it first changes one in a call it
saves the row: a call that traps restores the rows that it has changed, however many there are.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llvmlite import ir

from graphcore.engine.native.backend.access import Access, Array, whole
from graphcore.engine.native.backend.arithmetic import BIT, DOUBLE, TYPES, WORD
from graphcore.engine.native.backend.layout import (
    CALL,
    CHANGED,
    COUNT,
    MIX,
    ROW_ROOM,
    ROWS,
    SAVED,
    SLOT_ROOM,
    SLOTS,
)
from graphcore.engine.native.ir import Kind, Table

Llvm = Any  # llvmlite carries no types


class Rows:
    """Writes the access to the rows of one table.

    Args:
        table: the table.
        place: its first word.
        access: writes the access to memory.
        variables: for each variable of the table, its kind and its slot on the stack.
        trap_if: writes a trap, given the test.
    """

    def __init__(
        self,
        table: Table,
        place: int,
        access: Access,
        variables: Mapping[str, tuple[Kind, Llvm]],
        trap_if: Callable[[Llvm], None],
    ) -> None:
        self._table = table
        self._access = access
        self._variables = variables
        self._trap_if = trap_if
        self._call = access.load(place + CALL)
        self._slots, self._rows, self._saved = (
            access.array(place + at, Kind.INT, place + room)
            for at, room in ((SLOTS, SLOT_ROOM), (ROWS, ROW_ROOM), (SAVED, ROW_ROOM))
        )
        self._changed = access.array(place + CHANGED, Kind.INT, place + COUNT)
        with access.build.goto_entry_block():
            self._count = access.build.alloca(WORD)
        access.build.store(whole(0), self._count)

    def find(self, key: Sequence[Llvm]) -> Llvm:
        """Write that the row of a key is looked up, by its words; it traps if there is none."""
        b, width = self._access.build, whole(self._table.slot)
        mask = b.sub(b.udiv(self._slots.room, width), whole(1))
        mixed: Llvm = whole(0)
        for word in key:
            mixed = b.mul(b.xor(mixed, word), whole(MIX))
            mixed = b.xor(mixed, b.lshr(mixed, whole(32)))
        first, before = b.and_(mixed, mask), b.block
        top, further, end = map(b.function.append_basic_block, ("find", "further", "found"))
        b.branch(top)
        b.position_at_end(top)
        place = b.phi(WORD)
        place.add_incoming(first, before)
        begin = b.mul(place, width)
        row = self._load(self._slots, begin)
        self._trap_if(b.icmp_signed("<", row, whole(0)))
        same: Llvm = ir.Constant(BIT, 1)
        for at, word in enumerate(key, 1):
            there = self._load(self._slots, b.add(begin, whole(at)))
            same = b.and_(same, b.icmp_signed("==", there, word))
        b.cbranch(same, end, further)
        b.position_at_end(further)
        place.add_incoming(b.and_(b.add(place, whole(1)), mask), further)
        b.branch(top)
        b.position_at_end(end)
        return row

    def fetch(self, row: Llvm) -> None:
        """Write that the variables are set to what a row holds."""
        b = self._access.build
        begin = b.mul(row, whole(self._table.width))
        is_new = b.icmp_signed("!=", self._load(self._rows, begin), self._call)
        with b.if_then(is_new, likely=False):
            self._copy(self._access, self._rows, self._saved, begin)
            count = b.load(self._count)
            self._access.store_item(self._changed, Kind.INT, count, row)
            b.store(b.add(count, whole(1)), self._count)
            self._access.store_item(self._rows, Kind.INT, begin, self._call)
        for at, name in enumerate((*self._table.changed, *self._table.read), 1):
            kind, slot = self._variables[name]
            word = self._load(self._rows, b.add(begin, whole(at)))
            if kind is Kind.FLOAT:
                word = b.bitcast(word, DOUBLE)
            b.store(b.trunc(word, TYPES[kind]) if kind is Kind.BOOL else word, slot)

    def keep(self, row: Llvm) -> None:
        """Write that a row gets the variables."""
        b = self._access.build
        begin = b.mul(row, whole(self._table.width))
        for at, name in enumerate(self._table.changed, 1):
            kind, slot = self._variables[name]
            value = b.load(slot)
            if kind is Kind.FLOAT:
                value = b.bitcast(value, WORD)
            word = b.zext(value, WORD) if kind is Kind.BOOL else value
            self._access.store_item(self._rows, Kind.INT, b.add(begin, whole(at)), word)

    def restore(self, access: Access) -> None:
        """Write that the rows become what they were when the call began."""
        b = access.build
        count, before = b.load(self._count), b.block
        top, body, end = map(b.function.append_basic_block, ("rows", "restore", "restored"))
        b.branch(top)
        b.position_at_end(top)
        at = b.phi(WORD)
        at.add_incoming(whole(0), before)
        b.cbranch(b.icmp_signed("<", at, count), body, end)
        b.position_at_end(body)
        row = access.load_item(self._changed, Kind.INT, at)
        self._copy(access, self._saved, self._rows, b.mul(row, whole(self._table.width)))
        at.add_incoming(b.add(at, whole(1)), b.block)
        b.branch(top)
        b.position_at_end(end)

    def _load(self, array: Array, place: Llvm) -> Llvm:
        return self._access.load_item(array, Kind.INT, place)

    def _copy(self, access: Access, source: Array, target: Array, begin: Llvm) -> None:
        """Write that what may change of a row is copied, its stamp as well."""
        for at in range(1 + len(self._table.changed)):
            place = access.build.add(begin, whole(at))
            access.store_item(target, Kind.INT, place, access.load_item(source, Kind.INT, place))
