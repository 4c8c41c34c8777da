"""Which nodes a function may look at, beside what it is given: those that it can reach.

From its closure, its defaults, the object that it is a method of and the globals that it names, all
that hangs on these is followed. Functions and classes are followed within the function's own
package: what a library's code names is not the user's wiring.
"""

import gc
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from graphcore.engine.fused.reading import Node, node_behind
from graphcore.node import MutableNode

_MOST = 100_000
_OPAQUE = (ModuleType, CodeType, type(None), int, float, complex, str, bytes)


def nodes_reached(starts: Iterable[Any], package: str) -> Iterator[Node] | None:
    """Return the nodes that can be reached, `None` if there is too much to look through.

    Args:
        starts: functions, or other objects that are called.
        package: the name of the package whose functions and classes are followed.
    """
    waiting = list(starts)
    seen: dict[int, Any] = {}
    found: dict[Node, None] = {}
    while waiting:
        given = waiting.pop()
        if id(given) in seen or isinstance(given, _OPAQUE):
            continue
        if len(seen) > _MOST:
            return None
        seen[id(given)] = given  # kept, so that no other object gets its id
        node = node_behind(given)
        if node is not None:
            found[node] = None
        elif isinstance(given, FunctionType):
            if _package(given) == package:
                waiting += _named_by(given)
            waiting += gc.get_referents(given.__closure__, given.__defaults__, given.__dict__)
            waiting += (given.__kwdefaults__ or {}).values()
        elif isinstance(given, type):
            if _package(given) == package and not issubclass(given, MutableNode):
                waiting += vars(given).values()
        else:
            waiting += [each for each in gc.get_referents(given) if gc.is_tracked(each)]
    return iter(found)


def reaches_by_itself(function: FunctionType) -> bool:
    """Return whether a function reaches more than others with the same code do."""
    own = function.__closure__, function.__defaults__, function.__kwdefaults__, function.__dict__
    return any(own)


def package_of(given: Any) -> str:
    """Return the name of the package of a function, or of an object's class."""
    function = getattr(given, "__func__", given)
    return _package(function if isinstance(function, FunctionType | type) else type(given))


def names_in(code: CodeType) -> set[str]:
    """Return the globals and attributes that code names, that of functions inside it included."""
    names = set(code.co_names)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            names |= names_in(each)
    return names


def _named_by(function: FunctionType) -> Iterator[Any]:
    where = function.__globals__
    return (where[name] for name in names_in(function.__code__) if name in where)


def _package(given: Any) -> str:
    module = getattr(given, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else ""
