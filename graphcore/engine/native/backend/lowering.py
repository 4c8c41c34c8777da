"""Lower a kernel to a function of LLVM.

The function is ``kernel(words, first, last)``. It runs the cycles of the events first..last-1, and
returns `last`; or it returns the event at which it trapped, and has written nothing but the reason
and into the memory of rings and lists. Each variable is a slot on the stack, which LLVM turns into
registers.

A guarded kernel checks the place of each item that it reads or writes against the room of the
array; the tests run with it. Should the check ever fail, the process ends with an illegal
instruction, because nothing that the kernel has computed can be trusted.
"""

from typing import Any

from llvmlite import ir

from graphcore.engine.native.backend.arithmetic import (
    BYTE,
    DOUBLE,
    TYPES,
    WORD,
    Arithmetic,
    constant,
)
from graphcore.engine.native.backend.layout import (
    CLEAN,
    COUNT,
    CYCLE,
    DIRTY,
    DONE,
    REASON,
    ROUNDS,
    STATUS,
    TIMES,
    VALUES,
    Words,
)
from graphcore.engine.native.ir import (
    Again,
    Append,
    Assign,
    At,
    Block,
    Body,
    Clear,
    Const,
    Drop,
    Expr,
    If,
    Input,
    Item,
    Kernel,
    Kind,
    Lazy,
    Leave,
    Length,
    Loop,
    Op,
    Push,
    Read,
    Statement,
    Trap,
    TrapIf,
)

Llvm = Any  # llvmlite carries no types

NAME = "kernel"
_MOST_ROUNDS = 1 << 19  # of all loops in one call, so that a call is short
_NO_ARGUMENTS = ir.FunctionType(ir.VoidType(), [])
_MEMORY = {Kind.BOOL: BYTE, Kind.INT: WORD, Kind.FLOAT: DOUBLE}


def lower(kernel: Kernel, words: Words, guarded: bool) -> str:
    """Return the text of a module with the function."""
    return str(_Lowering(kernel, words, guarded).module)


class _Lowering:
    def __init__(self, kernel: Kernel, words: Words, guarded: bool) -> None:
        self._kernel = kernel
        self._guarded = guarded
        self._words = words
        self.module = ir.Module("graphcore")
        of = ir.FunctionType(WORD, [WORD.as_pointer(), WORD, WORD])
        self._function = ir.Function(self.module, of, NAME)
        self._memory, first, last = self._function.args
        self._build: Llvm = ir.IRBuilder(self._function.append_basic_block("entry"))
        self._slots: dict[str, Llvm] = {}
        self._labels: dict[str, Llvm] = {}
        self._pointers: dict[tuple[str, int], Llvm] = {}
        self._rooms: dict[tuple[str, int], Llvm] = {}
        self._reason = 0
        self._numbers = {name: at for at, name in enumerate((*kernel.rings, *kernel.lists))}
        self._arithmetic = Arithmetic(self.module, self._trap_if)
        self._arithmetic.build = self._build
        self._trap = self._function.append_basic_block("trap")
        self._trap_builder: Llvm = ir.IRBuilder(self._trap)
        self._trap_reason = self._trap_builder.phi(WORD)
        self._whole(first, last)

    def _whole(self, first: Llvm, last: Llvm) -> None:
        b = self._build
        self._store_word(STATUS, self._int(DIRTY))
        self._base = self._load_word(CYCLE)
        self._times = self._pointer(TIMES, Kind.INT)
        self._values: Llvm = None
        for name, kind in self._kernel.variables.items():
            self._slots[name] = b.alloca(TYPES[kind], name=name)
            b.store(constant(kind, 0), self._slots[name])
        for name, place in self._words.variables.items():
            b.store(self._load_word(place, self._kernel.variables[name]), self._slots[name])
        for name, place in (*self._words.rings.items(), *self._words.lists.items()):
            for at in range(3):
                self._slots[f"{name}.{at}"] = b.alloca(WORD)
                b.store(self._load_word(place + at), self._slots[f"{name}.{at}"])
            parts = (self._kernel.rings | self._kernel.lists)[name]
            for at, kind in enumerate(parts):
                self._pointers[name, at] = self._pointer(place + 3 + at, kind)
                self._rooms[name, at] = self._load_word(place + 3 + len(parts) + at)
        self._events = self._load_word(COUNT)
        self._rounds = b.alloca(WORD)
        b.store(self._int(0), self._rounds)
        self._at = b.alloca(WORD)
        b.store(first, self._at)
        head, body, following, done = map(
            self._function.append_basic_block, ("head", "body", "next", "done")
        )
        b.branch(head)
        b.position_at_end(head)
        b.cbranch(b.icmp_signed("<", b.load(self._at), last), body, done)
        b.position_at_end(body)
        self._body(self._kernel.body)
        if not b.block.is_terminated:
            b.branch(following)
        b.position_at_end(following)
        b.store(b.add(b.load(self._at), self._int(1)), self._at)
        b.branch(head)
        b.position_at_end(done)
        for name, place in self._words.variables.items():
            self._store_word(place, b.load(self._slots[name]), self._kernel.variables[name])
        for name, place in self._words.rings.items():
            for at in range(2):
                self._store_word(place + at, b.load(self._slots[f"{name}.{at}"]))
        for name, place in self._words.lists.items():
            self._store_word(place, b.load(self._slots[f"{name}.0"]))
        self._store_word(DONE, b.sub(b.add(self._base, last), self._int(1)))
        self._store_word(STATUS, self._int(CLEAN))
        b.ret(last)
        self._build = self._trap_builder
        if self._trap_reason.incomings:
            self._store_word(REASON, self._trap_reason)
            self._trap_builder.ret(self._trap_builder.load(self._at))
        else:
            self._trap.instructions.clear()
            self._trap_builder.unreachable()

    # Memory

    def _int(self, value: int) -> Llvm:
        return ir.Constant(WORD, value)

    def _word(self, place: int) -> Llvm:
        return self._build.gep(self._memory, [self._int(place)])

    def _load_word(self, place: int, kind: Kind = Kind.INT) -> Llvm:
        b, word = self._build, self._word(place)
        if kind is Kind.FLOAT:
            return b.load(b.bitcast(word, DOUBLE.as_pointer()))
        value = b.load(word)
        return b.trunc(value, TYPES[kind]) if kind is Kind.BOOL else value

    def _store_word(self, place: int, value: Llvm, kind: Kind = Kind.INT) -> None:
        b, word = self._build, self._word(place)
        if kind is Kind.FLOAT:
            b.store(value, b.bitcast(word, DOUBLE.as_pointer()))
        else:
            b.store(b.zext(value, WORD) if kind is Kind.BOOL else value, word)

    def _pointer(self, place: int, kind: Kind) -> Llvm:
        return self._build.inttoptr(self._load_word(place), _MEMORY[kind].as_pointer())

    def _check_place(self, place: Llvm, room: Llvm) -> None:
        if not self._guarded:
            return
        b = self._build
        with b.if_then(b.icmp_unsigned(">=", place, room), likely=False):
            b.call(self.module.declare_intrinsic("llvm.trap", (), _NO_ARGUMENTS), [])

    def _load_item(self, pointer: Llvm, kind: Kind, place: Llvm, room: Llvm) -> Llvm:
        self._check_place(place, room)
        value = self._build.load(self._build.gep(pointer, [place]))
        return self._build.trunc(value, TYPES[kind]) if kind is Kind.BOOL else value

    def _store_item(self, name: str, at: int, part: Expr, place: Llvm, value: Llvm) -> None:
        b = self._build
        self._check_place(place, self._rooms[name, at])
        given = b.zext(value, BYTE) if part.kind is Kind.BOOL else value
        b.store(given, b.gep(self._pointers[name, at], [place]))

    # Traps

    def _leave(self, reason: int) -> None:
        self._trap_reason.add_incoming(self._int(reason), self._build.block)

    def _trap_if(self, test: Llvm, reason: int | None = None) -> None:
        go_on = self._function.append_basic_block("on")
        self._leave(self._reason if reason is None else reason)
        self._build.cbranch(test, self._trap, go_on)
        self._build.position_at_end(go_on)

    # Statements

    def _body(self, body: Body) -> None:
        for each in body:
            self._statement(each)
            if self._build.block.is_terminated:
                break

    def _statement(self, statement: Statement) -> None:
        b = self._build
        match statement:
            case Assign(name, value):
                b.store(self._value(value), self._slots[name])
            case If(test, body, orelse):
                self._if(self._value(test), body, orelse)
            case Loop(label, again, body):
                self._loop(label, again, body)
            case Block(label, body):
                end = self._function.append_basic_block("end")
                self._labels[label] = end
                self._body(body)
                if not b.block.is_terminated:
                    b.branch(end)
                b.position_at_end(end)
            case Leave(label) | Again(label):
                b.branch(self._labels[label])
            case Trap(reason):
                self._leave(reason)
                b.branch(self._trap)
            case TrapIf(test, reason):
                self._trap_if(self._value(test), reason)
            case At(reason):
                self._reason = reason
            case Push(ring, parts):
                self._push(ring, parts)
            case Drop(ring, first):
                self._drop(ring, first)
            case Clear(ring):
                b.store(self._int(0), self._slots[f"{ring}.1"])
            case Append(name, parts):
                count, room = (b.load(self._slots[f"{name}.{at}"]) for at in range(2))
                self._trap_if(b.icmp_signed(">=", count, room), -1 - self._numbers[name])
                for at, part in enumerate(parts):
                    self._store_item(name, at, part, count, self._value(part))
                b.store(b.add(count, self._int(1)), self._slots[f"{name}.0"])

    def _if(self, test: Llvm, body: Body, orelse: Body) -> None:
        b = self._build
        reason = self._reason
        then, end = map(self._function.append_basic_block, ("then", "end"))
        other = self._function.append_basic_block("else") if orelse else end
        b.cbranch(test, then, other)
        b.position_at_end(then)
        self._body(body)
        if not b.block.is_terminated:
            b.branch(end)
        self._reason = reason
        if orelse:
            b.position_at_end(other)
            self._body(orelse)
            if not b.block.is_terminated:
                b.branch(end)
            self._reason = reason
        b.position_at_end(end)

    def _loop(self, label: str, again: str, body: Body) -> None:
        b = self._build
        top, end = map(self._function.append_basic_block, ("top", "end"))
        self._labels[again], self._labels[label] = top, end
        b.branch(top)
        b.position_at_end(top)
        count = b.add(b.load(self._rounds), self._int(1))
        b.store(count, self._rounds)
        self._trap_if(b.icmp_signed(">", count, self._int(_MOST_ROUNDS)), ROUNDS - self._reason)
        self._body(body)
        if not b.block.is_terminated:
            b.branch(top)
        b.position_at_end(end)

    # Rings: the head, the length, and the size less one

    def _ring(self, ring: str) -> tuple[Llvm, Llvm, Llvm]:
        head, length, mask = (self._build.load(self._slots[f"{ring}.{at}"]) for at in range(3))
        return head, length, mask

    def _push(self, ring: str, parts: tuple[Expr, ...]) -> None:
        b = self._build
        values = [self._value(part) for part in parts]
        head, length, mask = self._ring(ring)
        self._trap_if(b.icmp_signed(">", length, mask), -1 - self._numbers[ring])
        place = b.and_(b.add(head, length), mask)
        for at, (part, value) in enumerate(zip(parts, values, strict=True)):
            self._store_item(ring, at, part, place, value)
        b.store(b.add(length, self._int(1)), self._slots[f"{ring}.1"])

    def _drop(self, ring: str, first: bool) -> None:
        b = self._build
        head, length, mask = self._ring(ring)
        self._trap_if(b.icmp_signed("<=", length, self._int(0)))
        if first:
            b.store(b.and_(b.add(head, self._int(1)), mask), self._slots[f"{ring}.0"])
        b.store(b.sub(length, self._int(1)), self._slots[f"{ring}.1"])

    def _item(self, item: Item) -> Llvm:
        b = self._build
        head, length, mask = self._ring(item.ring)
        given = self._value(item.index)
        negative = b.icmp_signed("<", given, self._int(0))
        place = b.select(negative, b.add(given, length), given)
        self._trap_if(b.icmp_unsigned(">=", place, length))
        return self._load_item(
            self._pointers[item.ring, item.part],
            item.kind,
            b.and_(b.add(head, place), mask),
            self._rooms[item.ring, item.part],
        )

    # Expressions

    def _value(self, expr: Expr) -> Llvm:
        b = self._build
        match expr:
            case Const(kind, value):
                return constant(kind, value)
            case Read(_, name):
                return b.load(self._slots[name])
            case Op(_, "not", (inner,)):
                return b.not_(self._value(inner))
            case Op(_, name, given):
                values = [self._value(each) for each in given]
                return self._arithmetic.operation(name, given, values)
            case Lazy(_, both, left, right):
                return self._lazy(both, left, right)
            case Input(kind, name):
                return self._input(kind, name)
            case Length(_, name) if name in self._kernel.lists:
                new, old = (b.load(self._slots[f"{name}.{at}"]) for at in (0, 2))
                return b.add(new, old)
            case Length(_, ring):
                return b.load(self._slots[f"{ring}.1"])
            case Item():
                return self._item(expr)
        raise AssertionError(expr)

    def _lazy(self, both: bool, left: Expr, right: Expr) -> Llvm:
        b = self._build
        first, here = self._value(left), b.block
        more, end = map(self._function.append_basic_block, ("more", "end"))
        b.cbranch(first, *((more, end) if both else (end, more)))
        b.position_at_end(more)
        second, there = self._value(right), b.block
        b.branch(end)
        b.position_at_end(end)
        found = b.phi(TYPES[Kind.BOOL])
        found.add_incoming(ir.Constant(TYPES[Kind.BOOL], int(not both)), here)
        found.add_incoming(second, there)
        return found

    def _input(self, kind: Kind, name: str) -> Llvm:
        b, at = self._build, self._build.load(self._at)
        if name == "cycle":
            return b.add(self._base, at)
        if name == "time":
            return self._load_item(self._times, kind, at, self._events)
        if self._values is None:
            with b.goto_entry_block():
                self._values = self._pointer(VALUES, kind)
        return self._load_item(self._values, kind, at, self._events)
