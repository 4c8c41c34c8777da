"""Which nodes a function may look at, beside what it is given: those that it can reach.

From its closure, its defaults, the object that it is a method of and the globals that it names, all
that hangs on these is followed, and of modules what the code names. Functions, classes and modules
are followed within the function's own package, and where a module knows graphcore: what other code
names is not the user's wiring.

An attribute that is named like a global is not that global, unless it may be an attribute of the
module. Code to which nothing but values is handed, and which reaches nothing but functions, numbers
and texts, has no module at hand.
"""

import builtins
import dis
import gc
import sys
from collections.abc import Iterable, Iterator, Set
from functools import lru_cache
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from graphcore.engine.fused.reading import Node, node_behind
from graphcore.node import MutableNode

_MOST = 100_000
OPAQUE = (CodeType, type(None), bool, int, float, complex, str, bytes)
# Names by which code may come to a module or to globals; beside them those in underscores.
_TO_GLOBALS = {"breakpoint", "eval", "exec", "f_builtins", "f_globals", "globals", "locals", "vars"}
_BUILTINS = {
    name for name, it in vars(builtins).items() if isinstance(it, type | BuiltinFunctionType)
}


class Reached(NamedTuple):
    """What functions can reach.

    Attributes:
        nodes: the nodes, without what these read.
        names: the globals and attributes that the code names.
    """

    nodes: tuple[Node, ...]
    names: frozenset[str]


def nodes_reached(
    starts: Iterable[Any],
    package: str,
    of_values: bool = False,
    knowing: dict[int, bool] | None = None,
) -> Reached | None:
    """Return what can be reached, `None` if there is too much to look through.

    Args:
        starts: functions, or other objects that are called.
        package: the name of the package whose functions and classes are followed.
        of_values: whether these are functions to which nothing but values of streams is given.
        knowing: which modules know graphcore, by the ids of their globals: what searches at one
            time need to find out but once.
    """
    search = _Search(package, of_values, {} if knowing is None else knowing)
    seen: dict[int, Any] = {}
    waiting = list(starts)
    while waiting:
        given = waiting.pop()
        if id(given) not in seen:
            if len(seen) > _MOST:
                return None
            seen[id(given)] = given  # kept, so that no other object gets its id
            waiting += search.behind(given)
        if not waiting:
            waiting = [each for each in search.in_modules() if id(each) not in seen]
    return Reached(tuple(search.nodes), frozenset(search.names))


class _Search:
    """What has been met on the way."""

    def __init__(self, package: str, of_values: bool, knowing: dict[int, bool]) -> None:
        self.nodes: dict[Node, None] = {}
        self.names: set[str] = set()
        self._package = package
        self._modules: list[dict[str, Any]] = []
        self._prefixes = {""}
        self._knowing = knowing
        self._no_module = of_values
        self._namesakes: list[Any] = []

    def behind(self, given: Any) -> Iterable[Any]:
        """Return what hangs on an object."""
        if isinstance(given, FunctionType):
            return self._behind_function(given)
        if isinstance(given, CellType):
            return gc.get_referents(given)
        if type(given) in OPAQUE:
            return ()
        self._no_module = False
        if isinstance(given, OPAQUE):
            return ()
        if isinstance(given, ModuleType):
            where = vars(given)
            if self._is_followed(where, str(where.get("__name__")).partition(".")[0]):
                self._modules.append(where)
            return ()
        node = node_behind(given)
        if node is not None:
            self.nodes[node] = None
            return ()
        if isinstance(given, type):
            own = _package(given) == self._package and not issubclass(given, MutableNode)
            return vars(given).values() if own else ()
        return [each for each in gc.get_referents(given) if gc.is_tracked(each)]

    def in_modules(self) -> Iterator[Any]:
        """Yield what the code that was met may name in modules, and the modules it may import."""
        if not self._no_module:
            yield from self._namesakes
        for where in self._modules:
            yield from (where[name] for name in self.names & where.keys())
        imported = {prefix + name for prefix in self._prefixes for name in self.names}
        yield from (sys.modules[name] for name in imported & sys.modules.keys())

    def _behind_function(self, function: FunctionType) -> list[Any]:
        if _package(function) == "graphcore" and not reaches_by_itself(function):
            return []  # it names nobody's wiring
        where = function.__globals__
        found = gc.get_referents(function.__closure__, function.__defaults__, function.__dict__)
        found += (function.__kwdefaults__ or {}).values()
        if self._is_followed(where, _package(function)):
            self._prefixes |= _prefixes(where)
            named = names_in(function.__code__)
            self.names |= named
            loaded = _globals_in(function.__code__)
            for name in named & where.keys():
                (found if name in loaded else self._namesakes).append(where[name])
            if _may_have_modules(named, loaded - where.keys()):
                self._no_module = False
        else:
            self._no_module = False
        return found

    def _is_followed(self, where: dict[str, Any], home: str) -> bool:
        """Return whether code with these globals, of this package, may name the user's wiring."""
        if home == self._package:
            return True
        if id(where) not in self._knowing:
            self._knowing[id(where)] = _knows_graphcore(where)
        return self._knowing[id(where)]


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


@lru_cache(1024)
def _globals_in(code: CodeType) -> frozenset[str]:
    """Return what code names otherwise than as an attribute, `__import__` if it imports."""
    found: set[str] = set()
    for each in dis.get_instructions(code):
        if each.opname == "IMPORT_NAME":
            found.add("__import__")
        elif each.opcode in dis.hasname and not each.opname.endswith(("_ATTR", "_METHOD")):
            found.add(str(each.argval))
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return frozenset(found.union(*map(_globals_in, inner)))


def _may_have_modules(named: set[str], builtin: Set[str]) -> bool:
    """Return whether code may come to a module by an import, a builtin or Python's own attributes.

    Args:
        named: the names in it.
        builtin: those of them that are neither attributes nor names of globals.
    """
    if not named.isdisjoint(_TO_GLOBALS) or not builtin <= _BUILTINS:
        return True
    return any(name.startswith("__") for name in named | builtin)


def _prefixes(where: dict[str, Any]) -> set[str]:
    """Return what a name may stand behind in an import of a module with these globals."""
    package = where.get("__package__") or ""
    parts = package.split(".") if isinstance(package, str) else []
    return {".".join(parts[:length]) + "." for length in range(1, len(parts) + 1)}


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
