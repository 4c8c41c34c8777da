"""What a fused function uses besides its variables: globals, closures' cells, modules, functions.

Numbers are read anew before each call of the kernel, and get variables of their own. All other
objects are compared: if one has been replaced, the kernel is made anew.
"""

import builtins
import inspect
from collections.abc import Callable, Mapping
from types import CellType, FunctionType, ModuleType
from typing import Any

from graphcore.engine.native.frontend.operations import Untranslated
from graphcore.engine.native.frontend.variables import NOTHING, Known, Value, Variables, kind_of
from graphcore.engine.native.ir import Kind
from graphcore.node import MutableNode

Get = Callable[[], object]


class Surroundings:
    """The objects around a function.

    Args:
        namespace: the function's globals.
        variables: where numbers get variables.

    Attributes:
        inputs: for each variable of a number, how to read it.
    """

    def __init__(self, namespace: Mapping[str, Any], variables: Variables) -> None:
        self._namespace = namespace
        self._variables = variables
        self.inputs: dict[str, Get] = {}
        self._named: dict[tuple[object, ...], str] = {}
        self._guards: dict[tuple[object, ...], tuple[Get, object]] = {}
        self._kept: list[object] = []  # keeps the ids in the keys valid

    def hold(self) -> bool:
        """Return whether each object is still the one for which the kernel was made."""
        try:
            return all(get() is expected for get, expected in self._guards.values())
        except (AttributeError, KeyError, ValueError):  # it has been deleted
            return False

    def of_text(self, name: str) -> Value:
        """Return what a name of the fused function's text stands for."""
        if name in self._namespace:
            value = self._namespace[name]
            return self._found(("text", name), lambda: value, constant=True)
        if hasattr(builtins, name):
            return self._found(("builtin", name), lambda: getattr(builtins, name))
        raise Untranslated(f"the name {name}")

    def of_function(self, function: FunctionType, name: str) -> Value:
        """Return what a free name of an inlined function stands for."""
        if name in function.__code__.co_freevars:
            cell = (function.__closure__ or ())[function.__code__.co_freevars.index(name)]
            return self.of_cell(cell)
        names = function.__globals__
        if name in names:
            return self._found(("global", id(names), name), lambda: names[name], names)
        if hasattr(builtins, name):
            return self._found(("builtin", name), lambda: getattr(builtins, name))
        raise Untranslated(f"the name {name}")

    def of_cell(self, cell: CellType) -> Value:
        """Return what a closure's cell holds."""
        return self._found(("cell", id(cell)), lambda: cell.cell_contents, cell)

    def of_attribute(self, owner: object, name: str) -> Value:
        """Return an attribute of an object that stays the same."""
        if isinstance(owner, CellType) and name == "cell_contents":
            return self.of_cell(owner)
        if isinstance(owner, ModuleType):
            names = vars(owner)
            if name in names:
                return self._found(("global", id(names), name), lambda: names[name], owner)
        elif isinstance(owner, MutableNode) and name not in vars(owner):
            cls = type(owner)
            value = inspect.getattr_static(cls, name, None)
            if kind_of(value) in (Kind.BOOL, Kind.INT, Kind.FLOAT):
                return self._found(
                    ("class", id(cls), name), lambda: inspect.getattr_static(cls, name), cls
                )
        raise Untranslated(f"the attribute {name} of an object")

    def guard(self, key: tuple[object, ...], get: Get) -> None:
        """Have an object compared before each call of the kernel."""
        if key not in self._guards:
            self._guards[key] = (get, get())

    def _found(
        self, key: tuple[object, ...], get: Get, keep: object = None, constant: bool = False
    ) -> Value:
        self._kept.append(keep)
        try:
            value = get()
        except ValueError:  # an empty cell
            raise Untranslated("a variable without a value") from None
        kind = kind_of(value)
        if kind not in (Kind.BOOL, Kind.INT, Kind.FLOAT):
            if not constant:
                self.guard(key, get)
            return NOTHING if value is None else Known(value)
        name = self._named.get(key)
        if name is None:
            name = self._named[key] = f"input{len(self._named)}"
            self.inputs[name] = get
            self._variables.observe(name, value)
        # Python may have changed its kind since the last round.
        return self._variables.read(name, [], _NO_TRAPS)


class _NoTraps:
    def trap_if(self, *given: object) -> None:
        raise AssertionError("a number always has a value")


_NO_TRAPS: Any = _NoTraps()
