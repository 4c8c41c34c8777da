"""The objects that the compiler took from around a graph; each run compares them first."""

import builtins
from abc import ABCMeta
from collections.abc import Collection, Mapping
from itertools import repeat, starmap
from operator import attrgetter, is_
from types import (
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    NoneType,
    WrapperDescriptorType,
)
from typing import Any, cast

from graphcore.engine.fused.frontend.functions import is_bound
from graphcore.engine.fused.frontend.subset import found_in

ABSENT = object()
_PLAIN = FunctionType, WrapperDescriptorType, NoneType
_get = MappingProxyType.get


class Guards:
    """Objects found at compile time, in parallel lists, because a large graph has many."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._types: list[type] = []
        self._where: list[dict[str, Any]] = []
        self._names: list[str] = []
        self._values: list[Any] = []
        self._items: list[tuple[Collection[Any], tuple[Any, ...]]] = []
        self._functions: list[FunctionType] = []
        self._codes: list[CodeType] = []
        self._cells: dict[int, tuple[CellType, Any]] = {}
        self._bases: dict[type, tuple[type, ...]] = {}
        self._members: dict[tuple[type, str], tuple[MappingProxyType[str, Any], str, object]] = {}
        self._found: dict[tuple[type, str], Any] = {}
        self._plain: dict[tuple[type, str, None], Any] = {}  # by the arguments of `getattr`
        self._builtins: set[tuple[int, str]] = set()
        self._present: dict[tuple[int, str], Mapping[str, Any]] = {}

    def kind(self, node: Any) -> None:
        """Guard a node's class, which an assignment to `__class__` changes."""
        self._nodes.append(node)
        self._types.append(type(node))

    def entry(self, where: dict[str, Any], name: str) -> None:
        """Guard an entry of a dict, such as a node's `__dict__`, or that there is none."""
        self._where.append(where)
        self._names.append(name)
        self._values.append(where.get(name, ABSENT))

    def items(self, given: Collection[Any]) -> None:
        """Guard that a list holds the same objects, or a dict the same keys, in the same order."""
        self._items.append((given, tuple(given)))

    def function(self, function: FunctionType) -> None:
        """Guard a function's code, which autoreload may replace in place."""
        self._functions.append(function)
        self._codes.append(function.__code__)

    def cell(self, cell: CellType) -> None:
        """Guard the contents of a closure's cell."""
        self._cells[id(cell)] = cell, cell.cell_contents

    def member(self, cls: type, name: str) -> None:
        """Guard an attribute of a class or its bases."""
        found = found_in(cls, name)
        # Of a function, asking the class gives the same, and takes a tenth of the time.
        is_plain = type(found) in _PLAIN and type(cls) in (type, ABCMeta)
        same = is_plain and getattr(cls, name, None) is found
        if same:
            self._plain[cls, name, None] = found
        else:
            self._bases[cls] = cls.__mro__
            for each in cls.__mro__:
                own = vars(each)
                self._members[each, name] = own, name, ABSENT
                self._found[each, name] = own.get(name, ABSENT)
                if name in own:
                    break
        if isinstance(found, FunctionType):
            self.function(found)

    def builtin(self, function: FunctionType, name: str) -> None:
        """Guard the builtin that a name means in a function's module."""
        key = id(function.__globals__), name
        if key not in self._builtins:
            self._builtins.add(key)
            self.entry(function.__globals__, name)
            self.entry(builtins_of(function), name)

    def present(self, where: Mapping[str, Any], name: str) -> None:
        """Guard that a mapping has an entry, whatever it is."""
        self._present[id(where), name] = where

    def hold(self) -> bool:
        """Return whether all guarded objects are still the same."""
        # In C as far as that goes: it is a large part of what a short run costs.
        entries = map(dict.get, self._where, self._names, repeat(ABSENT))
        return (
            list(map(type, self._nodes)) == self._types
            and all(map(is_, entries, self._values))
            and all(_same(given, items) for given, items in self._items)
            and all(map(is_, map(attrgetter("__code__"), self._functions), self._codes))
            and all(
                is_bound(cell) and cell.cell_contents is value
                for cell, value in self._cells.values()
            )
            and all(map(is_, starmap(getattr, self._plain), self._plain.values()))
            and all(cls.__mro__ is bases for cls, bases in self._bases.items())
            and all(map(is_, starmap(_get, self._members.values()), self._found.values()))
            and all(name in where for (_, name), where in self._present.items())
        )


def _same(given: Collection[Any], items: tuple[Any, ...]) -> bool:
    return len(given) == len(items) and all(map(is_, given, items))


def builtins_of(function: FunctionType) -> dict[str, Any]:
    """Return a function's builtins; its module may have its own `__builtins__`."""
    return cast(dict[str, Any], getattr(function, "__builtins__"))  # noqa: B009  # in no stub


def is_builtin(function: FunctionType, name: str) -> bool:
    """Return whether a global name of a function means one of its builtins."""
    return name not in function.__globals__ and name in builtins_of(function)


def is_plain_builtin(function: FunctionType, name: str) -> bool:
    """Return whether a global name of a function means Python's own builtin of that name."""
    return is_builtin(function, name) and builtins_of(function)[name] is getattr(
        builtins, name, ABSENT
    )
