"""Which nodes a function may look at, beside what it is given: those that it can reach.

From its closure, its defaults, the object that it is a method of and the globals that it names, all
that hangs on these is followed. Functions and classes are followed within the function's own
package, and where a module knows graphcore: what other code names is not the user's wiring.
"""

import gc
from collections.abc import Iterable
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from graphcore.engine.fused.reading import Node, node_behind
from graphcore.node import MutableNode

_MOST = 100_000
_OPAQUE = (ModuleType, CodeType, type(None), int, float, complex, str, bytes)


class Reached(NamedTuple):
    """What functions can reach.

    Attributes:
        nodes: the nodes, without what these read.
        names: the globals and attributes that the code names.
    """

    nodes: tuple[Node, ...]
    names: frozenset[str]


def nodes_reached(starts: Iterable[Any], package: str) -> Reached | None:
    """Return what can be reached, `None` if there is too much to look through.

    Args:
        starts: functions, or other objects that are called.
        package: the name of the package whose functions and classes are followed.
    """
    waiting = list(starts)
    seen: dict[int, Any] = {}
    found: dict[Node, None] = {}
    names: set[str] = set()
    knowing: dict[int, bool] = {}
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
            where = given.__globals__
            if id(where) not in knowing:
                knowing[id(where)] = _package(given) == package or _knows_graphcore(where)
            if knowing[id(where)]:
                named = names_in(given.__code__)
                names |= named
                waiting += (where[name] for name in named if name in where)
            waiting += gc.get_referents(given.__closure__, given.__defaults__, given.__dict__)
            waiting += (given.__kwdefaults__ or {}).values()
        elif isinstance(given, type):
            if _package(given) == package and not issubclass(given, MutableNode):
                waiting += vars(given).values()
        else:
            waiting += [each for each in gc.get_referents(given) if gc.is_tracked(each)]
    return Reached(tuple(found), frozenset(names))


def reaches_by_itself(function: FunctionType) -> bool:
    """Return whether a function reaches more than others with the same code do."""
    own = function.__closure__, function.__defaults__, function.__kwdefaults__, function.__dict__
    return any(own)


def package_of(given: Any) -> str:
    """Return the name of the package of a function, or of an object's class."""
    function = getattr(given, "__func__", given)
    return _package_of_kind(function if isinstance(function, FunctionType | type) else given)


def names_in(code: CodeType) -> set[str]:
    """Return the globals and attributes that code names, that of functions inside it included."""
    names = set(code.co_names)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            names |= names_in(each)
    return names


def _knows_graphcore(where: dict[str, Any]) -> bool:
    """Return whether a module, not one of graphcore's own, holds anything of graphcore's."""
    return not _is_of_graphcore(where.get("__name__")) and any(
        _is_of_graphcore(each.__name__ if isinstance(each, ModuleType) else _package_of_kind(each))
        for each in list(where.values())
    )


def _is_of_graphcore(name: object) -> bool:
    return isinstance(name, str) and name.startswith("graphcore")


def _package_of_kind(given: Any) -> str:
    return _package(given if isinstance(given, FunctionType | type) else type(given))


def _package(given: Any) -> str:
    module = getattr(given, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else ""
