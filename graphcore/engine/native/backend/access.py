"""Write the access to the words that a kernel and Python share, and to arrays."""

from typing import Any, NamedTuple

from llvmlite import ir

from graphcore.engine.native.backend.arithmetic import BYTE, DOUBLE, TYPES, WORD
from graphcore.engine.native.ir import Kind

Llvm = Any  # llvmlite carries no types

_MEMORY = TYPES | {Kind.BOOL: BYTE}


_BYTES = BYTE.as_pointer()
_NO_ARGUMENTS = ir.FunctionType(ir.VoidType(), [])


class Array(NamedTuple):
    """An array: the address of its items, and for how many there is room."""

    items: Llvm
    room: Llvm


def whole(value: int) -> Llvm:
    """Return a constant."""
    return ir.Constant(WORD, value)


class Access:
    """Writes the access to memory.

    Args:
        build: where to write.
        words: the address of the words.
        guarded: whether the place of each item is checked against the room of the array.
    """

    def __init__(self, build: Llvm, words: Llvm, guarded: bool) -> None:
        self.build = build
        self.words = words
        self._guarded = guarded

    def load(self, place: int, kind: Kind = Kind.INT) -> Llvm:
        """Write that a word is read."""
        b, word = self.build, self._word(place)
        if kind is Kind.FLOAT:
            return b.load(b.bitcast(word, DOUBLE.as_pointer()))
        value = b.load(word)
        return b.trunc(value, TYPES[kind]) if kind is Kind.BOOL else value

    def store(self, place: int, value: Llvm, kind: Kind = Kind.INT) -> None:
        """Write that a word gets a value."""
        b, word = self.build, self._word(place)
        if kind is Kind.FLOAT:
            b.store(value, b.bitcast(word, DOUBLE.as_pointer()))
        else:
            b.store(b.zext(value, WORD) if kind is Kind.BOOL else value, word)

    def array(self, place: int, kind: Kind, room: int) -> Array:
        """Write that the address of an array is read from a word, and its room from another."""
        items = self.build.inttoptr(self.load(place), _MEMORY[kind].as_pointer())
        return Array(items, self.load(room))

    def load_item(self, array: Array, kind: Kind, place: Llvm) -> Llvm:
        """Write that an item of an array is read."""
        self.check(array, place)
        value = self.build.load(self.build.gep(array.items, [place]))
        return self.build.trunc(value, TYPES[kind]) if kind is Kind.BOOL else value

    def store_item(self, array: Array, kind: Kind, place: Llvm, value: Llvm) -> None:
        """Write that an item of an array gets a value."""
        self.check(array, place)
        given = self.build.zext(value, BYTE) if kind is Kind.BOOL else value
        self.build.store(given, self.build.gep(array.items, [place]))

    def move_items(self, array: Array, begin: Llvm, to: Llvm, count: Llvm) -> None:
        """Write that some items of an array move to another place, which may overlap theirs."""
        b = self.build
        last = b.sub(count, whole(1))
        with b.if_then(b.icmp_signed(">", count, whole(0))):
            for place in (begin, to):
                self.check(array, b.add(place, last))
            source, target = (
                b.bitcast(b.gep(array.items, [place]), _BYTES) for place in (begin, to)
            )
            width = 1 if array.items.type == _BYTES else 8
            move = b.module.globals.get("memmove")
            if move is None:
                of = ir.FunctionType(_BYTES, [_BYTES, _BYTES, WORD])
                move = ir.Function(b.module, of, "memmove")
            b.call(move, [target, source, b.mul(count, whole(width))])

    def check(self, array: Array, place: Llvm) -> None:
        """Write in a guarded kernel that a place is checked against the room of an array."""
        if self._guarded:
            self._trap_if(self.build.icmp_unsigned(">=", place, array.room))

    def check_end(self, end: Llvm, room: int) -> None:
        """Write in a guarded kernel that the end of some items is checked against a word's room."""
        if self._guarded:
            self._trap_if(self.build.icmp_unsigned(">", end, self.load(room)))

    def _trap_if(self, test: Llvm) -> None:
        b = self.build
        with b.if_then(test, likely=False):
            trap = b.module.declare_intrinsic("llvm.trap", (), _NO_ARGUMENTS)
            b.call(trap, [])

    def _word(self, place: int) -> Llvm:
        return self.build.gep(self.words, [whole(place)])
