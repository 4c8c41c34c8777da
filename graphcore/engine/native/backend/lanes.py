"""Lower a kernel to a function that runs it for several sets side by side, one in each lane.

The function is ``kernel(addresses, count, marks)``: the addresses of the words of each lane, then
those of memory for the rings and lists of all lanes, part by part. A variable that may differ is a
vector with a number for each lane. Where lanes go different ways, all of them go every way that one
of them takes, and a mask says whose variables change. If some lanes trap, the function ends as that
of one set does, has changed nothing in the memory of the lanes, and writes to `marks` which lanes
these were, a bit each.

Each lane computes what its set computes alone, bit for bit: the operations on vectors are those on
numbers, lane by lane.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from graphcore.engine.native.backend.access import Access, Array
from graphcore.engine.native.backend.arithmetic import (
    BIT,
    BYTE,
    WORD,
    Arithmetic,
    constant,
    type_of,
)
from graphcore.engine.native.backend.layout import DIRTY, LANES, STATUS, Words
from graphcore.engine.native.backend.lowering import Lowering
from graphcore.engine.native.backend.varying import Varying
from graphcore.engine.native.ir import (
    Again,
    Assign,
    At,
    Block,
    Body,
    Const,
    Expr,
    If,
    Item,
    Kernel,
    Kind,
    Lazy,
    Leave,
    Length,
    Op,
    Read,
    Statement,
)

Llvm = Any  # llvmlite carries no types

_PLACE = ir.IntType(32)
_MASK = type_of(Kind.BOOL, LANES)
_BITS = ir.IntType(LANES)
_NOBODY, _EVERYBODY = (constant(Kind.BOOL, value, LANES) for value in (0, 1))
# Operations that never trap, and take less time than a branch.
_QUICK = frozenset(
    ("not", "bool_and", "bool_or", "bool_xor", "select", "is_nan", "is_finite", "is_infinite")
) | frozenset(
    ("float_add", "float_subtract", "float_multiply", "float_negate", "float_abs", "int_of_bool")
)


def lower_lanes(kernel: Kernel, words: Words, guarded: bool, varying: Varying) -> str:
    """Return the text of a module with the function.

    Args:
        kernel: the kernel.
        words: where everything is.
        guarded: whether to check the place of each item.
        varying: what may differ between the lanes.
    """
    return str(_Lanes(kernel, words, guarded, varying).module)


class _Lanes(Lowering):
    arguments = (WORD.as_pointer(), WORD, WORD.as_pointer())

    def __init__(self, kernel: Kernel, words: Words, guarded: bool, varying: Varying) -> None:
        self._varying = varying
        self._lanes: list[Access] = []
        self._shared: Llvm = None  # the words of all lanes, in rows
        self._is_apart = False
        self._left: dict[str, Llvm] = {}  # for each label, the slot of the lanes that left for it
        self._left_apart: set[str] = set()  # the labels of these for which some may have left
        self._leaves = 0  # how many times some lanes may have left, as far as it is written
        self._across: Any = None
        self._active: Llvm = None
        self._trap_marks: Llvm = None
        super().__init__(kernel, words, guarded)

    def _accessed(self, memory: Llvm, guarded: bool) -> Access:
        b = self._build
        for lane in range(LANES):
            address = b.load(b.gep(memory, [self._int(lane)]))
            words = b.inttoptr(address, WORD.as_pointer())
            self._lanes.append(Access(b, words, guarded))
        return self._lanes[0]

    def _load(self) -> None:
        b = self._build
        self._across = Arithmetic(self.module, self._trap_if, LANES)
        self._across.build = b
        self._trap_marks = self._trap_builder.phi(_BITS)
        self._active = self._alloca(_MASK)
        b.store(_EVERYBODY, self._active)
        self._shared = b.alloca(WORD, self._int(LANES * self._words.count))
        self._copy_words(True)
        for name, kind in self._kernel.variables.items():
            lanes = LANES if name in self._varying.names else 0
            self._slots[name] = self._alloca(type_of(kind, lanes), name)
            b.store(constant(kind, 0, lanes), self._slots[name])
        for name, place in self._words.variables.items():
            kind = self._kernel.variables[name]
            if name in self._varying.names:
                words = b.load(self._row(self._shared, self._int(place)), align=8)
                value = self._as(kind, words)
            else:
                value = self._access.load(place, kind)
            b.store(value, self._slots[name])
        number = LANES
        for name, at, array in self._arrays_of(self._access):
            address = b.load(b.gep(self._function.args[0], [self._int(number)]))
            rows = b.inttoptr(address, array.items.type)
            self._arrays[name, at] = Array(rows, array.room)
            if name in self._kernel.rings:
                self._copy_ring(name, at, True)
            number += 1
        for lane in self._lanes:
            lane.store(STATUS, self._int(DIRTY))

    def _store(self) -> None:
        b = self._build
        for name, place in self._words.variables.items():
            kind = self._kernel.variables[name]
            value = self._spread(b.load(self._slots[name]))
            word = self._row(self._shared, self._int(place))
            b.store(self._as_words(kind, value), word, align=8)
        self._copy_words(False)
        for name, at in self._arrays:
            if name in self._kernel.rings:
                self._copy_ring(name, at, False)
            else:
                # What earlier calls have appended is not in the rows.
                first = self._access.load(self._words.lists[name])
                self._copy_part(name, at, first, b.load(self._slots[f"{name}.0"]), False)
        for lane in self._lanes:
            self._store_common(lane)

    def _write_trap(self) -> None:
        super()._write_trap()
        b = self._trap_builder
        b.store(b.zext(self._trap_marks, WORD), self._function.args[2])

    # Memory: the words and arrays of each lane are copied to rows with an item for each lane

    def _copy_words(self, to_rows: bool) -> None:
        lanes = [lane.words for lane in self._lanes]
        count = self._int(self._words.count)
        self._copy(lanes, self._shared, self._int(0), count, to_rows)

    def _copy_ring(self, name: str, part: int, to_rows: bool) -> None:
        # The mask is the same in all lanes; an array may be longer, if Ctrl-C kept it from growing.
        mask = self._access.load(self._words.rings[name] + 2)
        end = self._build.add(mask, self._int(1))
        self._copy_part(name, part, self._int(0), end, to_rows)

    def _copy_part(self, name: str, part: int, first: Llvm, end: Llvm, to_rows: bool) -> None:
        rows = self._arrays[name, part].items
        place = (self._words.rings | self._words.lists)[name] + 3 + part
        parts = len((self._kernel.rings | self._kernel.lists)[name])
        for lane in self._lanes:
            lane.check_end(end, place + parts)
        lanes = [self._build.inttoptr(lane.load(place), rows.type) for lane in self._lanes]
        self._copy(lanes, rows, first, end, to_rows)

    def _copy(
        self, lanes: Sequence[Llvm], rows: Llvm, first: Llvm, end: Llvm, to_rows: bool
    ) -> None:
        """Write that items are copied from each lane to rows, or back."""
        copying = _copying(self.module, rows.type.pointee, to_rows)
        self._build.call(copying, [*lanes, rows, first, end])

    def _row(self, rows: Llvm, place: Llvm) -> Llvm:
        """Write the address of a row, as that of a vector."""
        b = self._build
        first = b.gep(rows, [b.mul(place, self._int(LANES))])
        return b.bitcast(first, ir.VectorType(rows.type.pointee, LANES).as_pointer())

    def _as(self, kind: Kind, words: Llvm) -> Llvm:
        """Write the numbers that are in a vector of words."""
        if kind is Kind.FLOAT:
            return self._build.bitcast(words, type_of(kind, LANES))
        return self._build.trunc(words, _MASK) if kind is Kind.BOOL else words

    def _as_words(self, kind: Kind, numbers: Llvm) -> Llvm:
        if kind is Kind.FLOAT:
            return self._build.bitcast(numbers, type_of(Kind.INT, LANES))
        words = type_of(Kind.INT, LANES)
        return self._build.zext(numbers, words) if kind is Kind.BOOL else numbers

    # Vectors

    def _spread(self, value: Llvm) -> Llvm:
        """Write a vector of a number; of a vector nothing."""
        if isinstance(value.type, ir.VectorType):
            return value
        vector = ir.VectorType(value.type, LANES)
        if isinstance(value, ir.Constant):
            return ir.Constant(vector, [value] * LANES)
        b, nothing = self._build, ir.Constant(vector, ir.Undefined)
        first = b.insert_element(nothing, value, ir.Constant(_PLACE, 0))
        places = ir.Constant(ir.VectorType(_PLACE, LANES), [0] * LANES)
        return b.shuffle_vector(first, nothing, places)

    def _any(self, mask: Llvm) -> Llvm:
        b = self._build
        return b.icmp_unsigned("!=", b.bitcast(mask, _BITS), ir.Constant(_BITS, 0))

    def _among_active(self, test: Llvm) -> Llvm:
        """Write which lanes that take part pass a test.

        Not by `and_`: what a lane that takes no part has computed may be poison, as after a shift
        by 64, and only `select` keeps that out.
        """
        b = self._build
        return b.select(b.load(self._active), self._spread(test), _NOBODY)

    # Traps

    def _leave(self, reason: int) -> None:
        self._leave_with(reason, self._build.load(self._active))

    def _leave_with(self, reason: int, mask: Llvm) -> None:
        marks = self._build.bitcast(mask, _BITS)
        super()._leave(reason)
        self._trap_marks.add_incoming(marks, self._build.block)

    def _trap_if(self, test: Llvm, reason: int | None = None) -> None:
        b = self._build
        go_on = self._function.append_basic_block("on")
        mask = b.load(self._active)
        if isinstance(test.type, ir.VectorType):
            mask = self._among_active(test)
            test = self._any(mask)
        self._leave_with(self._reason if reason is None else reason, mask)
        b.cbranch(test, self._trap, go_on)
        b.position_at_end(go_on)

    # Statements: each is reached only while some lanes take part, so that what all lanes have in
    # common is computed, and traps, only where one of them would

    def _body(self, body: Body) -> None:
        b = self._build
        for place, each in enumerate(body, 1):
            before = self._leaves
            self._statement(each)
            if b.block.is_terminated:
                return
            if self._leaves > before and body[place:]:
                self._if_any(b.load(self._active), body[place:])
                return

    def _if_any(self, mask: Llvm, body: Body) -> None:
        """Write what is skipped if no lane takes part."""
        b = self._build
        some, end = map(self._function.append_basic_block, ("some", "end"))
        b.cbranch(self._any(mask), some, end)
        b.position_at_end(some)
        self._body(body)
        if not b.block.is_terminated:
            b.branch(end)
        b.position_at_end(end)

    def _statement(self, statement: Statement) -> None:
        b = self._build
        match statement:
            case Assign(name, value):
                given = self._value(value)
                if name in self._varying.names:
                    given = self._spread(given)
                    if self._is_apart or self._left_apart:
                        before = b.load(self._slots[name])
                        given = b.select(b.load(self._active), given, before)
                b.store(given, self._slots[name])
            case If(test, body, orelse):
                found = self._value(test)
                if isinstance(found.type, ir.VectorType):
                    self._if_apart(found, body, orelse)
                else:
                    self._if(found, body, orelse)
            case Block(label, body):
                left = self._alloca(_MASK)
                b.store(_NOBODY, left)
                self._left[label] = left
                super()._statement(statement)
                if label in self._left_apart:
                    b.store(b.or_(b.load(self._active), b.load(left)), self._active)
                    self._left_apart.discard(label)
            case Leave(label) | Again(label) if self._is_apart or self._left_apart:
                left, active = self._left[label], b.load(self._active)
                b.store(b.or_(b.load(left), active), left)
                b.store(_NOBODY, self._active)
                self._left_apart.add(label)
                self._leaves += 1
            case _:
                super()._statement(statement)

    def _if_apart(self, test: Llvm, body: Body, orelse: Body) -> None:
        """Write a choice that each lane makes for itself."""
        b, was_apart, reason = self._build, self._is_apart, self._reason
        self._is_apart = True
        active, before = b.load(self._active), self._leaves
        ways = (body, self._among_active(test)), (orelse, self._among_active(b.not_(test)))
        after = []
        for part, mask in ways:
            after.append(self._way(part, mask))
            self._reason = reason
        if self._leaves > before:
            active = b.or_(b.load(after[0]), b.load(after[1]))
        b.store(active, self._active)
        self._is_apart = was_apart

    def _way(self, body: Body, mask: Llvm) -> Llvm:
        """Write what some lanes do, if there are any; return the slot of those that are left."""
        b = self._build
        still = self._alloca(_MASK)
        b.store(mask, self._active)
        if _are_quick(body):
            self._body(body)
        else:
            self._if_any(mask, body)
        b.store(b.load(self._active), still)
        return still

    # Items

    def _place(self, ring: str, given: Llvm) -> Llvm:
        if not isinstance(given.type, ir.VectorType):
            return super()._place(ring, given)
        b = self._build
        head, length, mask = map(self._spread, self._ring(ring))
        negative = b.icmp_signed("<", given, constant(Kind.INT, 0, LANES))
        place = b.select(negative, b.add(given, length), given)
        self._trap_if(b.icmp_unsigned(">=", place, length))
        return b.and_(b.add(head, place), mask)

    def _load_item(self, item: Item, place: Llvm) -> Llvm:
        b, rows = self._build, self._arrays[item.ring, item.part]
        if not self._varying.differs(item) and not isinstance(place.type, ir.VectorType):
            self._access.check(rows, place)
            return self._number(item, rows, place, 0)
        if not isinstance(place.type, ir.VectorType):
            self._access.check(rows, place)
            row = b.load(self._row(rows.items, place), align=1)
            return b.trunc(row, _MASK) if item.kind is Kind.BOOL else row
        numbers = ir.Constant(type_of(item.kind, LANES), ir.Undefined)
        for lane in range(LANES):
            at = ir.Constant(_PLACE, lane)
            each = b.extract_element(place, at)
            self._access.check(rows, each)
            numbers = b.insert_element(numbers, self._number(item, rows, each, lane), at)
        return numbers

    def _number(self, item: Item, rows: Array, place: Llvm, lane: int) -> Llvm:
        """Write the item of one lane in a row."""
        b = self._build
        inside = b.add(b.mul(place, self._int(LANES)), self._int(lane))
        number = b.load(b.gep(rows.items, [inside]))
        return b.trunc(number, BIT) if item.kind is Kind.BOOL else number

    def _store_item(self, name: str, part: int, kind: Kind, place: Llvm, value: Llvm) -> None:
        b, rows = self._build, self._arrays[name, part]
        self._access.check(rows, place)
        row = self._spread(value)
        row = b.zext(row, ir.VectorType(BYTE, LANES)) if kind is Kind.BOOL else row
        b.store(row, self._row(rows.items, place), align=1)

    # Expressions

    def _operation(self, name: str, given: Sequence[Expr], values: Sequence[Llvm]) -> Llvm:
        if any(isinstance(each.type, ir.VectorType) for each in values):
            return self._across.operation(name, given, list(map(self._spread, values)))
        return super()._operation(name, given, values)

    def _lazy(self, both: bool, left: Expr, right: Expr) -> Llvm:
        if not self._varying.differs(Lazy(Kind.BOOL, both, left, right)):
            return super()._lazy(both, left, right)
        b = self._build
        first, active = self._spread(self._value(left)), b.load(self._active)
        if _is_quick(right):
            second = self._spread(self._value(right))
            return b.and_(first, second) if both else b.or_(first, second)
        asked = self._among_active(first if both else b.not_(first))
        here = b.block
        some, end = map(self._function.append_basic_block, ("some", "end"))
        b.cbranch(self._any(asked), some, end)
        b.position_at_end(some)
        b.store(asked, self._active)
        second = self._spread(self._value(right))
        b.store(active, self._active)
        there = b.block
        b.branch(end)
        b.position_at_end(end)
        found = b.phi(_MASK)
        found.add_incoming(_NOBODY, here)
        found.add_incoming(second, there)
        return b.select(first, found, _NOBODY) if both else b.select(first, _EVERYBODY, found)


def _are_quick(body: Body) -> bool:
    """Return whether statements may run as well where no lane takes part."""
    return all(
        isinstance(each, At) or (isinstance(each, Assign) and _is_quick(each.value))
        for each in body
    )


def _is_quick(expr: Expr) -> bool:
    match expr:
        case Const() | Read() | Length():
            return True
        case Op(_, name, args):
            return (name in _QUICK or " " in name) and all(map(_is_quick, args))
        case Lazy(_, _, left, right):
            return _is_quick(left) and _is_quick(right)
    return False


def _copying(module: Llvm, of: Llvm, to_rows: bool) -> Llvm:
    """Write ``copy(lane, ..., rows, first, end)``: copy items from each lane to rows, or back."""
    name = f"{'to' if to_rows else 'from'}_rows_of_{of}"
    function = module.globals.get(name)
    if function is not None:
        return function
    types = [of.as_pointer()] * (LANES + 1)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [*types, WORD, WORD]), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    *lanes, rows, start, stop = function.args
    before, head, body, end = map(function.append_basic_block, ("before", "head", "body", "end"))
    b = ir.IRBuilder(before)
    b.branch(head)
    b.position_at_end(head)
    at = b.phi(WORD)
    at.add_incoming(start, before)
    b.cbranch(b.icmp_signed("<", at, stop), body, end)
    b.position_at_end(body)
    first = b.mul(at, ir.Constant(WORD, LANES))
    for number, lane in enumerate(lanes):
        item = b.gep(lane, [at])
        row = b.gep(rows, [b.add(first, ir.Constant(WORD, number))])
        source, target = (item, row) if to_rows else (row, item)
        b.store(b.load(source), target)
    at.add_incoming(b.add(at, ir.Constant(WORD, 1)), body)
    b.branch(head)
    b.position_at_end(end)
    b.ret_void()
    return function
