"""Tell which attributes of other objects a node's code may assign.

While the fused part of a split plan runs, the native part is further cycles ahead, so no node of
the fused part may assign an attribute of one of the native part.
"""

import dis
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType

from graphcore.engine.fused.backend.live import attributes_of
from graphcore.engine.plan import Node

ANY = "any attribute"  # no identifier
_DYNAMIC = {"setattr", "vars", "__setattr__", "__dict__", "exec", "eval"}
_NOT_USERS = {"graphcore", "typing", "builtins"}

# Code, its globals, and the variable that holds the node itself, if one does.
_Found = tuple[CodeType, dict[str, object], str | None]


def assigned_to_others(node: Node) -> set[str]:
    """Return the names of the attributes of others that a node's code may assign.

    That is the code of the methods of its class and of the functions among its attributes, of the
    functions within them, and of the functions that they name among their globals. `ANY` stands for
    names that are no text of the code.
    """
    waiting: list[_Found] = []
    for cls in type(node).__mro__:
        if cls.__module__.partition(".")[0] not in _NOT_USERS:
            waiting += [found for item in vars(cls).values() for found in _codes(item, True)]
    waiting += [found for item in attributes_of(node).values() for found in _codes(item)]
    seen: set[CodeType] = set()
    names: set[str] = set()
    while waiting:
        code, variables, own = waiting.pop()
        if code in seen:
            continue
        seen.add(code)
        names |= set(_assigned(code, own))
        waiting += [(each, variables, own) for each in code.co_consts if isinstance(each, CodeType)]
        named = [each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL"]
        waiting += [found for name in named for found in _codes(variables.get(name))]
    return names


def _codes(item: object, is_method: bool = False) -> Iterator[_Found]:
    if isinstance(item, staticmethod | classmethod | MethodType):
        item, is_method = item.__func__, False
    if isinstance(item, property):
        yield from (found for each in (item.fget, item.fset) for found in _codes(each, True))
    if isinstance(item, FunctionType):
        code = item.__code__
        own = code.co_varnames[0] if is_method and code.co_argcount else None
        yield code, item.__globals__, own


def _assigned(code: CodeType, own: str | None) -> Iterator[str]:
    if _DYNAMIC.intersection(code.co_names):
        yield ANY
    loaded: object = None
    # `x.count += 1` loads x, copies it, loads its `count`, and swaps before it stores.
    added_to: dict[str, object] = {}
    before = ""
    for each in dis.get_instructions(code):
        if each.opname == "LOAD_ATTR" and before == "COPY":
            added_to[each.argval] = loaded
        if each.opname in ("STORE_ATTR", "DELETE_ATTR"):
            holder = added_to.get(each.argval) if before == "SWAP" else loaded
            if own is None or holder != own:
                yield each.argval
        if each.opname != "COPY":
            # From Python 3.13 on, one instruction may load two variables.
            loads = isinstance(each.argval, tuple) and each.argval
            loaded = each.argval[-1] if loads else each.argval
        before = each.opname
