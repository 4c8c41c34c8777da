"""The nodes that a function may use: those in its closure, its globals and its bound object.

The owner of a sub-graph must run after the streams that its `build` uses, and know when they tick.
`build` is called during the run, long after the order of the nodes was fixed, so this module reads
off its code which streams it reaches.
"""

import dis
import functools
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType
from typing import Any

from graphcore.handle import Handle
from graphcore.node import MutableNode

_CONTAINERS = (list, tuple, set, frozenset)
_MOST = 10_000  # items of a container that are looked at: more are data
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type)


def nodes_used_by(function: Callable[..., Any]) -> list[MutableNode[Any]]:
    """Return the nodes and the nodes of streams that a function reaches, in order of construction.

    It follows closures, default arguments, global variables that the code loads, bound objects and
    partial arguments, the functions among these, and lists, tuples, sets and dicts of up to 10,000
    items. Of other objects it looks at the attributes, and no further.
    """
    found: dict[int, MutableNode[Any]] = {}
    met: dict[int, object] = {}
    waiting: list[tuple[object, bool]] = [(function, True)]
    while waiting:
        given, further = waiting.pop()
        node = given.node if isinstance(given, Handle) else given
        if isinstance(node, MutableNode):
            found[id(node)] = node
        elif not isinstance(given, _PLAIN) and id(given) not in met:
            met[id(given)] = given
            waiting += ((each, inner) for each, inner in _inside(given, further))
    return sorted(found.values(), key=lambda node: node.serial)


def _inside(given: object, further: bool) -> Iterator[tuple[object, bool]]:
    """Yield what an object holds, and whether to look at the attributes of that."""
    if isinstance(given, FunctionType):
        for cell in given.__closure__ or ():
            try:
                yield cell.cell_contents, True
            except ValueError:  # not assigned yet
                continue
        names = given.__globals__
        yield from ((names[name], True) for name in _globals_of(given.__code__) if name in names)
        yield given.__defaults__, True
        yield given.__kwdefaults__, True
    elif isinstance(given, MethodType):
        yield given.__func__, True
        yield given.__self__, True
    elif isinstance(given, functools.partial):
        yield from ((each, True) for each in (given.func, given.args, given.keywords))
    elif isinstance(given, _CONTAINERS):
        yield from ((each, further) for each in given if len(given) <= _MOST)
    elif isinstance(given, dict):
        yield from ((each, further) for each in given.values() if len(given) <= _MOST)
    elif further and type(given).__module__ != "builtins":
        try:
            own = object.__getattribute__(given, "__dict__")
        except AttributeError:
            return
        yield from ((each, False) for each in own.values())


@functools.lru_cache(1024)
def _globals_of(code: CodeType) -> tuple[str, ...]:
    """Return the names of the global variables that a function and those inside it load."""
    own = {each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL"}
    inner = (_globals_of(each) for each in code.co_consts if isinstance(each, CodeType))
    return tuple(sorted(own.union(*inner)))
