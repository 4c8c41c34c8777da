"""The heap of the alarms, as two functions in LLVM: binary heaps as Python's `heapq` keeps them.

An alarm is two words. Its stamp is twice the engine time, and one more for `schedule_last`, so that
alarms order as those of `Schedule` do. Its key is the place of its node's bit, with `WEAK_KEY` if
the alarm keeps no run alive.
"""

from typing import Any

from llvmlite import ir

from graphcore.engine.native.backend.arithmetic import WORD

_POINTER = WORD.as_pointer()
Llvm = Any  # llvmlite carries no types


def pushing(module: Llvm) -> Llvm:
    """Write ``push(stamps, keys, count, stamp, key)``: add an alarm to `count` others."""
    function, b = _begun(module, "push_alarm", ir.VoidType(), 5)
    stamps, keys, count, stamp, key = function.args
    place = b.alloca(WORD)
    b.store(count, place)
    head, up, move, done = map(function.append_basic_block, ("head", "up", "move", "done"))
    b.branch(head)
    b.position_at_end(head)
    at = b.load(place)
    b.cbranch(b.icmp_signed(">", at, _int(0)), up, done)
    b.position_at_end(up)
    parent = b.lshr(b.sub(at, _int(1)), _int(1))
    above = b.load(b.gep(stamps, [parent]))
    b.cbranch(b.icmp_signed("<", stamp, above), move, done)
    b.position_at_end(move)
    _copy(b, stamps, keys, parent, at)
    b.store(parent, place)
    b.branch(head)
    b.position_at_end(done)
    _put(b, stamps, keys, b.load(place), stamp, key)
    b.ret_void()
    return function


def popping(module: Llvm) -> Llvm:
    """Write ``pop(stamps, keys, count)``: remove the first alarm of all, and return its key."""
    function, b = _begun(module, "pop_alarm", WORD, 3)
    stamps, keys, count = function.args
    first = b.load(b.gep(keys, [_int(0)]))
    left = b.sub(count, _int(1))
    stamp, key = (b.load(b.gep(words, [left])) for words in (stamps, keys))
    place = b.alloca(WORD)
    b.store(_int(0), place)
    head, down, move, done = map(function.append_basic_block, ("head", "down", "move", "done"))
    b.branch(head)
    b.position_at_end(head)
    at = b.load(place)
    one = b.add(b.shl(at, _int(1)), _int(1))
    b.cbranch(b.icmp_signed("<", one, left), down, done)
    b.position_at_end(down)
    # With an even number left there may be no second child; the first is then compared with itself.
    second = b.add(one, _int(1))
    other = b.select(b.icmp_signed("<", second, left), second, one)
    of_one, of_other = (b.load(b.gep(stamps, [each])) for each in (one, other))
    child = b.select(b.icmp_signed("<", of_other, of_one), other, one)
    least = b.load(b.gep(stamps, [child]))
    b.cbranch(b.icmp_signed("<", least, stamp), move, done)
    b.position_at_end(move)
    _copy(b, stamps, keys, child, at)
    b.store(child, place)
    b.branch(head)
    b.position_at_end(done)
    _put(b, stamps, keys, b.load(place), stamp, key)
    b.ret(first)
    return function


def _begun(module: Llvm, name: str, result: Llvm, count: int) -> tuple[Llvm, Llvm]:
    types = [_POINTER, _POINTER, WORD, WORD, WORD]
    function = ir.Function(module, ir.FunctionType(result, types[:count]), name)
    function.linkage = "internal"
    return function, ir.IRBuilder(function.append_basic_block("entry"))


def _copy(b: Llvm, stamps: Llvm, keys: Llvm, source: Llvm, target: Llvm) -> None:
    for words in (stamps, keys):
        b.store(b.load(b.gep(words, [source])), b.gep(words, [target]))


def _put(b: Llvm, stamps: Llvm, keys: Llvm, place: Llvm, stamp: Llvm, key: Llvm) -> None:
    b.store(stamp, b.gep(stamps, [place]))
    b.store(key, b.gep(keys, [place]))


def _int(value: int) -> Llvm:
    return ir.Constant(WORD, value)
