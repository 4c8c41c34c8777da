"""What a fused function uses besides its variables: globals, closures' cells, modules, functions.

Numbers are read anew before each call of the kernel, and get variables of their own. All other
objects are compared: if one has been replaced, the kernel is made anew. Each object is reached by a
path from the function's globals and variables, so a kernel serves all graphs of one shape: the same
paths lead to the numbers of each.
"""

import builtins
import inspect
from collections.abc import Callable, Container, Mapping
from enum import EnumType
from types import CellType, FunctionType, ModuleType
from typing import Any

from graphcore.engine.fused.frontend.capture import ModuleGlobals, ModuleVariables
from graphcore.engine.native.frontend.operations import Untranslated
from graphcore.engine.native.frontend.variables import NOTHING, Known, Value, Variables, kind_of
from graphcore.engine.native.ir import Kind
from graphcore.node import MutableNode

Get = Callable[[], Any]
Path = tuple[object, ...]


class Surroundings:
    """The objects around a function.

    Args:
        namespace: the function's globals.
        symbols: the names in it that stand for an object around a node.
        variables: where numbers get variables.

    Attributes:
        inputs: for each variable of a number, how to read it.
    """

    def __init__(
        self, namespace: Mapping[str, Any], symbols: Container[str], variables: Variables
    ) -> None:
        self._namespace = namespace
        self._symbols = symbols
        self._variables = variables
        self._held: Mapping[str, Any] = {}
        self.inputs: dict[str, Get] = {}
        self._named: dict[Path, str] = {}
        self._guards: dict[Path, tuple[Get, object]] = {}

    def hold(self, held: Mapping[str, Any]) -> bool:
        """Return whether each object is still one for which the kernel was made.

        Args:
            held: the function's variables.
        """
        self._held = held
        try:
            return all(get() is expected for get, expected in self._guards.values())
        except (AttributeError, LookupError, NameError, TypeError, ValueError):  # it is gone
            return False

    def of_variable(self, name: str, value: object) -> Known:
        """Return the object that a variable of the function holds and no cycle assigns.

        It is not compared unless the kernel uses it.
        """
        return Known(value, ("variable", name), lambda: self._held[name])

    def of_text(self, name: str) -> Value:
        """Return what a name of the fused function's text stands for."""
        namespace = self._namespace
        if name in namespace:
            return self._found(("text", name), lambda: namespace[name], name not in self._symbols)
        if hasattr(builtins, name):
            return self._found(("builtin", name), lambda: getattr(builtins, name))
        raise Untranslated(f"the name {name}")

    def of_function(self, function: Known, name: str) -> Value:
        """Return what a free name of an inlined function stands for."""
        free = function.value.__code__.co_freevars
        if name in free:
            place, get = free.index(name), function.get
            path = (*function.path, "cell", place)
            return self._found((*path, "contents"), lambda: get().__closure__[place].cell_contents)
        names = function.value.__globals__
        if name in names:
            return self._found(("global", id(names), name), lambda: names[name])
        if hasattr(builtins, name):
            return self._found(("builtin", name), lambda: getattr(builtins, name))
        raise Untranslated(f"the name {name}")

    def of_default(self, function: Known, place: int) -> Value:
        """Return the default of a function's parameter, by its place among the defaults."""
        get = function.get
        return self._found((*function.path, "default", place), lambda: get().__defaults__[place])

    def of_attribute(self, owner: Known, name: str) -> Value:
        """Return an attribute of an object that stays the same."""
        given, get = owner.value, owner.get
        if isinstance(given, CellType) and name == "cell_contents":
            return self._found((*owner.path, "contents"), lambda: get().cell_contents)
        if isinstance(given, ModuleType | ModuleVariables):
            self.use(owner)
            names = vars(given)
            if name in names:
                return self._found(("global", id(names), name), lambda: names[name])
            if isinstance(given, ModuleGlobals) and hasattr(builtins, name):
                # The name may get a value in the module at any time.
                return self._found(("module", id(names), name), lambda: getattr(given, name))
        elif isinstance(given, EnumType) and name in given.__members__:
            self.use(owner)
            return self._found((*owner.path, "member", name), lambda: getattr(get(), name))
        elif isinstance(given, MutableNode) and name not in vars(given):
            cls = type(given)
            value = inspect.getattr_static(cls, name, None)
            if kind_of(value) in (Kind.BOOL, Kind.INT, Kind.FLOAT):
                return self._found(
                    ("class", id(cls), name), lambda: inspect.getattr_static(cls, name)
                )
        raise Untranslated(f"the attribute {name} of an object")

    def of_category(self, known: Known) -> Value:
        """Return the variable of a string or member of an enum."""
        return self._input(known.path, known.get, known.value)

    def use(self, known: Known) -> None:
        """Have an object compared before each call of the kernel; of a function, its code."""
        if isinstance(known.value, FunctionType):
            self._guard_function(known)
        else:
            self._guard(known.path, known.get)

    def _guard_function(self, function: Known) -> None:
        get, path = function.get, function.path
        self._guard((*path, "code"), lambda: get().__code__)
        self._guard((*path, "globals"), lambda: get().__globals__)
        self._guard((*path, "defaults"), lambda: len(get().__defaults__ or ()))

    def _guard(self, path: Path, get: Get) -> None:
        if path not in self._guards:
            self._guards[path] = (get, get())

    def _found(self, path: Path, get: Get, constant: bool = False) -> Value:
        try:
            value = get()
        except ValueError:  # an empty cell
            raise Untranslated("a variable without a value") from None
        kind = kind_of(value)
        if kind not in (Kind.BOOL, Kind.INT, Kind.FLOAT):
            known = Known(value, path, get)
            # Cells and nodes are but steps on the way to what they hold.
            if not constant and not isinstance(value, CellType | MutableNode):
                self.use(known)
            return NOTHING if value is None else known
        return self._input(path, get, value)

    def _input(self, path: Path, get: Get, value: object) -> Value:
        name = self._named.get(path)
        if name is None:
            name = self._named[path] = f"input{len(self._named)}"
            self.inputs[name] = get
            self._variables.observe(name, value)
        # Python may have changed its kind since the last round.
        return self._variables.read(name, [], _NO_TRAPS)


class _NoTraps:
    def trap_if(self, *given: object) -> None:
        raise AssertionError("a number always has a value")


_NO_TRAPS: Any = _NoTraps()
