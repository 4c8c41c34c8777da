"""Checks on the bytecode of a node's methods, made when its class is declared.

Bytecode and not source, because the source may be missing, and because declaring a class should
read no files.
"""

import dis
import inspect
from collections.abc import Set
from itertools import pairwise
from types import CodeType

_EXTENDED_ARG, _LOAD_CONST = dis.opmap["EXTENDED_ARG"], dis.opmap["LOAD_CONST"]
_RETURN_VALUE = dis.opmap["RETURN_VALUE"]
_RETURN_CONST = dis.opmap.get("RETURN_CONST")  # Python 3.12 and 3.13
_SETTING = (dis.opmap["STORE_ATTR"], dis.opmap["DELETE_ATTR"])

_RIGHT = "return True where it ticks, False where it does not"


def fault_of_ticking(code: CodeType) -> str | None:
    """Return why a `cycle` or a `close` can never say whether it ticked, `None` if it can."""
    if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        return f"is async: write it with def, and {_RIGHT}"
    if code.co_flags & inspect.CO_GENERATOR:
        return f"is a generator: write it without yield, and {_RIGHT}"
    if _returns_nothing(code):
        return f"returns nothing: {_RIGHT}"
    return None


def takes_too_few(code: CodeType) -> bool:
    """Return whether a method cannot be called with `self` and one argument more."""
    return code.co_argcount < 2 and not code.co_flags & inspect.CO_VARARGS


def _returns_nothing(code: CodeType) -> bool:
    """Return whether a function returns, and every return in it is a literal `None`."""
    if _returns_something(code):
        return False
    nothing = [
        _is_none(before, each)
        for before, each in pairwise(dis.get_instructions(code))
        if each.opname in ("RETURN_VALUE", "RETURN_CONST")
    ]
    return bool(nothing) and all(nothing)


def _returns_something(code: CodeType) -> bool:
    """Return whether a return in a function is plainly of something else than a literal `None`.

    Almost every function has one, and `dis` takes a hundred times as long to read it.
    """
    raw = code.co_code
    for at in range(0, len(raw), 2):
        if raw[at] == _RETURN_VALUE:
            given = at - 2
            if raw[given] != _LOAD_CONST:
                return True
        elif raw[at] == _RETURN_CONST:
            given = at
        else:
            continue
        long = given >= 2 and raw[given - 2] == _EXTENDED_ARG
        if not long and code.co_consts[raw[given + 1]] is not None:
            return True
    return False


def _is_none(before: dis.Instruction, returning: dis.Instruction) -> bool:
    if returning.opname == "RETURN_CONST":  # Python 3.12 and 3.13
        return returning.argval is None
    constant = before.opname == "LOAD_CONST" and before.argval is None
    return constant and not returning.is_jump_target  # a jump may bring another value


def attributes_set(method: CodeType, names: Set[str]) -> set[str]:
    """Return which of these attributes a method sets or deletes on its first argument by name."""
    return _set_on(method.co_varnames[0], method, names) if method.co_argcount else set()


def _set_on(owner: str, code: CodeType, names: Set[str]) -> set[str]:
    found = _set_in(owner, code) & names if _may_set(code, names) else set()
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and owner in inner.co_freevars:
            found |= _set_on(owner, inner, names)
    return found


def _may_set(code: CodeType, names: Set[str]) -> bool:
    """Return whether code sets or deletes an attribute of these names on any object.

    This is quick to tell, in contrast to on which object. A name's number may be the low byte of
    a larger one.
    """
    raw = code.co_code
    stored = {raw[at + 1] for at in range(0, len(raw), 2) if raw[at] in _SETTING}
    numbered = enumerate(code.co_names)
    return any(name in names and number & 0xFF in stored for number, name in numbered)


def _set_in(owner: str, code: CodeType) -> set[str]:
    instructions = list(dis.get_instructions(code))
    found: set[str] = set()
    for i, each in enumerate(instructions[:-2]):
        if not _loads(each, owner):
            continue
        following, after = instructions[i + 1 : i + 3]
        if following.opname in ("STORE_ATTR", "DELETE_ATTR"):
            found.add(following.argval)
        elif (following.opname, following.arg, after.opname) == ("COPY", 1, "LOAD_ATTR"):
            found.add(after.argval)  # an augmented assignment loads it first
    return found


def _loads(instruction: dis.Instruction, variable: str) -> bool:
    """Return whether an instruction leaves this variable's value on top of the stack."""
    name = instruction.opname
    if "LOAD" not in name or not ("FAST" in name or "DEREF" in name):
        return False
    loaded = instruction.argval
    if isinstance(loaded, tuple):  # Python 3.13 joins two loads in one instruction
        loaded = loaded[-1]
    return bool(loaded == variable)
