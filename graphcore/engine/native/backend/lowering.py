"""Lower a kernel to a function of LLVM.

The function is ``kernel(words, count)``. It runs up to `count` cycles, as long as there are events
or alarms, and returns how many. If a cycle traps, it returns how many came before it, and has
written nothing but the reason and into the memory of rings, lists and alarms. Each variable is a
slot on the stack, which LLVM turns into registers.

A guarded kernel checks the place of each item that it reads or writes against the room of the
array; the tests of random graphs run with it. Should the check ever fail, the process ends with an
illegal instruction, because nothing that the kernel has computed can be trusted.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from llvmlite import ir

from graphcore.engine.native.backend.access import Access, Array
from graphcore.engine.native.backend.arithmetic import (
    BIT,
    TYPES,
    WORD,
    Arithmetic,
    constant,
)
from graphcore.engine.native.backend.layout import (
    CLEAN,
    CYCLE,
    DIRTY,
    DONE,
    NAME,
    REASON,
    ROUNDS,
    STATUS,
    Words,
)
from graphcore.engine.native.backend.starting import Lone, Merged
from graphcore.engine.native.backend.tables import Rows
from graphcore.engine.native.ir import (
    Again,
    Append,
    Assign,
    At,
    Block,
    Body,
    Clear,
    Const,
    Cut,
    Drop,
    Expr,
    Fetch,
    If,
    Input,
    Insert,
    Item,
    Keep,
    Kernel,
    Kind,
    Lazy,
    Leave,
    Length,
    Loop,
    Op,
    Parts,
    Push,
    Read,
    Remove,
    Replace,
    Row,
    Search,
    Statement,
    Swap,
    Trap,
    TrapIf,
    Wake,
)

Llvm = Any  # llvmlite carries no types

_MOST_ROUNDS = 1 << 19  # of all loops in one call, so that a call is short


def lower(kernel: Kernel, words: Words, guarded: bool) -> str:
    """Return the text of a module with the function."""
    return str(Lowering(kernel, words, guarded).module)


class Lowering:
    """Writes the function of a kernel.

    Args:
        kernel: the kernel.
        words: where everything is.
        guarded: whether to check the place of each item.

    Attributes:
        module: the module with the function.
    """

    arguments: tuple[Llvm, ...] = (WORD.as_pointer(), WORD)

    def __init__(self, kernel: Kernel, words: Words, guarded: bool) -> None:
        self._kernel = kernel
        self._words = words
        self.module = ir.Module("graphcore")
        self._function = ir.Function(self.module, ir.FunctionType(WORD, self.arguments), NAME)
        memory, count = self._function.args[:2]
        self._build: Llvm = ir.IRBuilder(self._function.append_basic_block("entry"))
        self._access = self._accessed(memory, guarded)
        self._slots: dict[str, Llvm] = {}
        self._labels: dict[str, Llvm] = {}
        self._arrays: dict[tuple[str, int], Array] = {}
        self._tables: dict[str, Rows] = {}
        self._reason = 0
        self._numbers = {name: at for at, name in enumerate((*kernel.rings, *kernel.lists))}
        self._arithmetic = Arithmetic(self.module, self._trap_if)
        self._arithmetic.build = self._build
        self._trap = self._function.append_basic_block("trap")
        self._trap_builder: Llvm = ir.IRBuilder(self._trap)
        self._trap_reason = self._trap_builder.phi(WORD)
        self._start: Lone = (
            Lone(kernel, words, self._access)
            if kernel.start.lone
            else Merged(kernel, words, self._access, self.module, self._trap_if)
        )
        self._whole(count)

    def _accessed(self, memory: Llvm, guarded: bool) -> Access:
        return Access(self._build, memory, guarded)

    def _whole(self, count: Llvm) -> None:
        b, start = self._build, self._start
        self._load()
        for name, place in (*self._words.rings.items(), *self._words.lists.items()):
            for at in range(3):
                self._slots[f"{name}.{at}"] = self._alloca(WORD)
                b.store(self._access.load(place + at), self._slots[f"{name}.{at}"])
        self._rounds = self._alloca(WORD)
        b.store(self._int(0), self._rounds)
        self._at = self._alloca(WORD)
        b.store(self._int(0), self._at)
        head, more, body, following, done = map(
            self._function.append_basic_block, ("head", "more", "body", "next", "done")
        )
        b.branch(head)
        b.position_at_end(head)
        b.cbranch(b.icmp_signed("<", b.load(self._at), count), more, done)
        b.position_at_end(more)
        b.cbranch(start.more(), body, done)
        b.position_at_end(body)
        start.begin(b.load(self._at))
        self._body(self._kernel.body)
        if not b.block.is_terminated:
            b.branch(following)
        b.position_at_end(following)
        start.end()
        b.store(b.add(b.load(self._at), self._int(1)), self._at)
        b.branch(head)
        b.position_at_end(done)
        self._store()
        start.leave()
        b.ret(b.load(self._at))
        self._access.build = self._trap_builder
        if self._trap_reason.incomings:
            self._write_trap()
            for rows in self._tables.values():
                rows.restore(self._access)
            self._trap_builder.ret(self._trap_builder.load(self._at))
        else:
            self._trap.instructions.clear()
            self._trap_builder.unreachable()

    def _load(self) -> None:
        """Write that the variables and the addresses of arrays are read."""
        b, access = self._build, self._access
        access.store(STATUS, self._int(DIRTY))
        for name, kind in self._kernel.variables.items():
            self._slots[name] = self._alloca(TYPES[kind], name)
            b.store(constant(kind, 0), self._slots[name])
        for name, place in self._words.variables.items():
            b.store(access.load(place, self._kernel.variables[name]), self._slots[name])
        for name, at, array in self._arrays_of(access):
            self._arrays[name, at] = array
        for name, table in self._kernel.tables.items():
            variables = {
                each: (self._kernel.variables[each], self._slots[each])
                for each in (*table.changed, *table.read)
            }
            place = self._words.tables[name]
            self._tables[name] = Rows(table, place, access, variables, self._trap_if)

    def _arrays_of(self, access: Access) -> Iterator[tuple[str, int, Array]]:
        parts_of = self._kernel.rings | self._kernel.lists
        for name, place in (*self._words.rings.items(), *self._words.lists.items()):
            parts = parts_of[name]
            for at, kind in enumerate(parts, place + 3):
                yield name, at - place - 3, access.array(at, kind, at + len(parts))

    def _store(self) -> None:
        """Write that the variables are written."""
        for name, place in self._words.variables.items():
            kind = self._kernel.variables[name]
            self._access.store(place, self._build.load(self._slots[name]), kind)
        self._store_common(self._access)

    def _store_common(self, access: Access) -> None:
        """Write what is written besides the variables."""
        b = self._build
        for name, place in self._words.rings.items():
            for at in range(2):
                access.store(place + at, b.load(self._slots[f"{name}.{at}"]))
        for name, place in self._words.lists.items():
            access.store(place, b.load(self._slots[f"{name}.0"]))
        access.store(DONE, b.add(access.load(CYCLE), b.load(self._at)))
        access.store(STATUS, self._int(CLEAN))

    def _write_trap(self) -> None:
        self._access.store(REASON, self._trap_reason)

    def _int(self, value: int) -> Llvm:
        return ir.Constant(WORD, value)

    def _alloca(self, of: Llvm, name: str = "") -> Llvm:
        """Write a slot on the stack; LLVM makes registers only of those in the entry block."""
        with self._build.goto_entry_block():
            return self._build.alloca(of, name=name)

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
            case Insert(ring, index, parts):
                self._insert(ring, self._value(index), parts)
            case Remove(ring, index):
                self._remove(ring, self._value(index))
            case Swap(ring, index, to, parts):
                self._swap(ring, self._value(index), self._value(to), parts)
            case Cut(ring, count):
                self._cut(ring, self._value(count))
            case Replace(ring, index, parts):
                self._replace(ring, index, parts)
            case Fetch(table, row):
                self._tables[table].fetch(self._value(row))
            case Keep(table, row):
                self._tables[table].keep(self._value(row))
            case Clear(ring):
                b.store(self._int(0), self._slots[f"{ring}.1"])
            case Wake(time):
                self._start.wake(statement, self._value(time))
            case Append(name, parts):
                count, room = (b.load(self._slots[f"{name}.{at}"]) for at in range(2))
                self._trap_if(b.icmp_signed(">=", count, room), -1 - self._numbers[name])
                for at, part in parts:
                    self._store_item(name, at, part.kind, count, self._value(part))
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

    def _push(self, ring: str, parts: Parts) -> None:
        b = self._build
        values = [self._value(value) for _, value in parts]
        head, length, mask = self._ring(ring)
        self._trap_if(b.icmp_signed(">", length, mask), -1 - self._numbers[ring])
        place = b.and_(b.add(head, length), mask)
        for (at, part), value in zip(parts, values, strict=True):
            self._store_item(ring, at, part.kind, place, value)
        b.store(b.add(length, self._int(1)), self._slots[f"{ring}.1"])

    def _drop(self, ring: str, first: bool) -> None:
        b = self._build
        head, length, mask = self._ring(ring)
        self._trap_if(b.icmp_signed("<=", length, self._int(0)))
        if first:
            b.store(b.and_(b.add(head, self._int(1)), mask), self._slots[f"{ring}.0"])
        b.store(b.sub(length, self._int(1)), self._slots[f"{ring}.1"])

    def _from_start(self, given: Llvm, length: Llvm) -> Llvm:
        """Write that a place is counted from the start; a negative one counts from the end."""
        b = self._build
        return b.select(b.icmp_signed("<", given, self._int(0)), b.add(given, length), given)

    def _within(self, given: Llvm, length: Llvm) -> Llvm:
        """Write the same, but for places outside of the list: these become its ends."""
        b = self._build
        place = self._from_start(given, length)
        place = b.select(b.icmp_signed("<", place, self._int(0)), self._int(0), place)
        return b.select(b.icmp_signed(">", place, length), length, place)

    def _place(self, ring: str, given: Llvm) -> Llvm:
        """Write where in memory an item is; it traps if there is none."""
        b = self._build
        head, length, mask = self._ring(ring)
        place = self._from_start(given, length)
        self._trap_if(b.icmp_unsigned(">=", place, length))
        return b.and_(b.add(head, place), mask)

    def _item(self, item: Item) -> Llvm:
        place = self._place(item.ring, self._value(item.index))
        return self._load_item(item, place)

    def _load_item(self, item: Item, place: Llvm) -> Llvm:
        return self._access.load_item(self._arrays[item.ring, item.part], item.kind, place)

    def _store_item(self, name: str, part: int, kind: Kind, place: Llvm, value: Llvm) -> None:
        self._access.store_item(self._arrays[name, part], kind, place, value)

    def _replace(self, ring: str, index: Expr, parts: Parts) -> None:
        values = [self._value(value) for _, value in parts]
        place = self._place(ring, self._value(index))
        for (at, part), value in zip(parts, values, strict=True):
            self._access.store_item(self._arrays[ring, at], part.kind, place, value)

    # The head of a list stays 0, so its items lie one after the other.

    def _insert(self, ring: str, given: Llvm, parts: Parts) -> None:
        b = self._build
        values = [self._value(value) for _, value in parts]
        _, length, mask = self._ring(ring)
        self._trap_if(b.icmp_signed(">", length, mask), -1 - self._numbers[ring])
        place = self._within(given, length)
        following = b.add(place, self._int(1))
        for at in range(len(self._kernel.rings[ring])):
            array = self._arrays[ring, at]
            self._access.move_items(array, place, following, b.sub(length, place))
        for (at, part), value in zip(parts, values, strict=True):
            self._access.store_item(self._arrays[ring, at], part.kind, place, value)
        b.store(b.add(length, self._int(1)), self._slots[f"{ring}.1"])

    def _remove(self, ring: str, given: Llvm) -> None:
        b = self._build
        place = self._place(ring, given)
        following, left = b.add(place, self._int(1)), b.sub(self._ring(ring)[1], self._int(1))
        for at in range(len(self._kernel.rings[ring])):
            array = self._arrays[ring, at]
            self._access.move_items(array, following, place, b.sub(left, place))
        b.store(left, self._slots[f"{ring}.1"])

    def _swap(self, ring: str, given: Llvm, to: Llvm, parts: Parts) -> None:
        b = self._build
        values = [self._value(value) for _, value in parts]
        place = self._place(ring, given)
        target = self._within(to, b.sub(self._ring(ring)[1], self._int(1)))
        later = b.icmp_signed(">", target, place)
        begin = b.select(later, b.add(place, self._int(1)), target)
        after = b.select(later, place, b.add(target, self._int(1)))
        count = b.sub(b.select(later, target, place), b.select(later, place, target))
        for at in range(len(self._kernel.rings[ring])):
            self._access.move_items(self._arrays[ring, at], begin, after, count)
        for (at, part), value in zip(parts, values, strict=True):
            self._access.store_item(self._arrays[ring, at], part.kind, target, value)

    def _cut(self, ring: str, given: Llvm) -> None:
        b = self._build
        length = self._ring(ring)[1]
        count = self._within(given, length)
        left = b.sub(length, count)
        for at in range(len(self._kernel.rings[ring])):
            self._access.move_items(self._arrays[ring, at], count, self._int(0), left)
        b.store(left, self._slots[f"{ring}.1"])

    def _search(self, search: Search) -> Llvm:
        """Write the bisection of Python's `bisect`, comparison by comparison."""
        b = self._build
        value, first = self._value(search.value), self._value(search.low)
        self._trap_if(b.icmp_signed("<", first, self._int(0)))
        head, length, mask = self._ring(search.ring)
        array, kind = self._arrays[search.ring, 0], search.value.kind
        # Nothing could predict a branch on the comparison, so there is none. And there are as many
        # rounds as the longest search takes: where low meets high, the rest changes neither.
        places = b.sub(length, first)
        places = b.select(b.icmp_signed("<", places, self._int(0)), self._int(0), places)
        rounds = b.sub(self._int(64), b.ctlz(places, ir.Constant(BIT, 0)))
        before = b.block
        top, halve, end = map(self._function.append_basic_block, ("top", "halve", "end"))
        b.branch(top)
        b.position_at_end(top)
        low, high, left = b.phi(WORD), b.phi(WORD), b.phi(WORD)
        for variable, begin in ((low, first), (high, length), (left, rounds)):
            variable.add_incoming(begin, before)
        b.cbranch(b.icmp_signed("!=", left, self._int(0)), halve, end)
        b.position_at_end(halve)
        middle = b.lshr(b.add(low, high), self._int(1))
        item = self._access.load_item(array, kind, b.and_(b.add(head, middle), mask))
        less = b.fcmp_ordered if kind is Kind.FLOAT else b.icmp_signed
        upper = b.not_(less("<", value, item)) if search.after else less("<", item, value)
        above = b.select(b.icmp_signed("<", middle, high), b.add(middle, self._int(1)), high)
        for variable, higher, lower in ((low, above, low), (high, high, middle)):
            chosen = b.select(upper, higher, lower)
            chosen.set_metadata("unpredictable", self.module.add_metadata([]))
            variable.add_incoming(chosen, b.block)
        left.add_incoming(b.sub(left, self._int(1)), b.block)
        b.branch(top)
        b.position_at_end(end)
        return low

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
                return self._operation(name, given, [self._value(each) for each in given])
            case Lazy(_, both, left, right):
                return self._lazy(both, left, right)
            case Input():
                return self._start.input(expr, b.load(self._at))
            case Length(_, name) if name in self._kernel.lists:
                new, old = (b.load(self._slots[f"{name}.{at}"]) for at in (0, 2))
                return b.add(new, old)
            case Length(_, ring):
                return b.load(self._slots[f"{ring}.1"])
            case Item():
                return self._item(expr)
            case Search():
                return self._search(expr)
            case Row(_, table, key):
                return self._tables[table].find([self._value(word) for word in key])
        raise AssertionError(expr)

    def _operation(self, name: str, given: Sequence[Expr], values: Sequence[Llvm]) -> Llvm:
        return self._arithmetic.operation(name, given, values)

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
