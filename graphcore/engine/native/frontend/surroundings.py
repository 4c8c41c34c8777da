"""What a fused function uses besides its variables: globals, closures' cells, modules, functions.

Numbers are read anew before each call of the kernel, and get variables of their own. All other
objects are compared: if one has been replaced, the kernel is made anew. Each object is reached by a
path from the function's globals and variables, so a kernel serves all graphs of one shape: the same
paths lead to the numbers of each. A path names modules and classes, so it leads there in another
process as well, unless it begins at a class or at globals that no module has.
"""

import builtins
import inspect
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from enum import EnumType
from types import CellType, FunctionType, ModuleType
from typing import Any

from graphcore.engine.fused.frontend.capture import ModuleGlobals, ModuleVariables
from graphcore.engine.fused.frontend.subset import is_ours
from graphcore.engine.native.frontend import inlined
from graphcore.engine.native.frontend.operations import Untranslated
from graphcore.engine.native.frontend.variables import NOTHING, Known, Value, Variables, kind_of
from graphcore.engine.native.ir import NUMBERS
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
        named: for each path to a number, its variable.
        met: by their paths, all objects and the first values of numbers that were asked for.
        lacking: the names that were looked for in vain, each with the path to what lacks it.
    """

    def __init__(
        self, namespace: Mapping[str, Any], symbols: Container[str], variables: Variables
    ) -> None:
        self._namespace = namespace
        self._symbols = symbols
        self._variables = variables
        self._held: Mapping[str, Any] = {}
        self.inputs: dict[str, Get] = {}
        self.named: dict[Path, str] = {}
        self.met: dict[Path, object] = {}
        self.lacking: set[tuple[Path, str]] = set()
        self._guards: dict[Path, tuple[Get, object]] = {}
        self._spaces: dict[object, dict[str, Any]] = {}
        self._classes: dict[object, type] = {}

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

    def watch(self) -> Callable[[], bool] | None:
        """Return what tells whether anything has been replaced since; `None` if nothing is used.

        It compares by identity, so it may take an equal number for another one.
        """
        reached = {path: self.inputs[name] for path, name in self.named.items()}
        reached |= {path: get for path, (get, _) in self._guards.items()}
        gets = [get for path, get in reached.items() if not self._is_lasting(path)]
        if not gets:
            return None
        now = [(get, get()) for get in gets]

        def has_changed() -> bool:
            try:
                return any(get() is not given for get, given in now)
            except (AttributeError, LookupError, NameError, TypeError, ValueError):  # it is gone
                return True

        return has_changed

    def _is_lasting(self, path: Path) -> bool:
        """Return whether no code replaces the object at the end of a path."""
        match path:
            case "global", space, *_:
                return is_ours(self.space(space))
            case ("variable" | "text" | "constant", _):
                return True  # the fused function's own
            case "text", str(name), *_:
                return is_ours(getattr(self._namespace[name], "__globals__", {}))
            case "builtin", *_:
                return True  # the fused function takes builtins for constants as well
        return False

    def of_variable(self, name: str, value: object) -> Known:
        """Return the object that a variable of the function holds and no cycle assigns.

        It is not compared unless the kernel uses it.
        """
        path = "variable", name
        self.met[path] = value
        return Known(value, path, self.reach(path))

    def of_text(self, name: str) -> Value:
        """Return what a name of the fused function's text stands for."""
        if name in self._namespace:
            return self._found(("text", name), name not in self._symbols)
        if hasattr(builtins, name):
            return self._found(("builtin", name))
        raise Untranslated(f"the name {name}")

    def of_function(self, function: Known, name: str) -> Value:
        """Return what a free name of an inlined function stands for."""
        free = function.value.__code__.co_freevars
        if name in free:
            return self._found((*function.path, "cell", free.index(name), "contents"))
        names = function.value.__globals__
        if name in names:
            return self._found(("global", self._space(names), name))
        if hasattr(builtins, name):
            self.lacking.add((("space", self._space(names)), name))
            return self._found(("builtin", name))
        raise Untranslated(f"the name {name}")

    def of_default(self, function: Known, place: int) -> Value:
        """Return the default of a function's parameter, by its place among the defaults."""
        return self._found((*function.path, "default", place))

    def of_attribute(self, owner: Known, name: str) -> Value:
        """Return an attribute of an object that stays the same."""
        given = owner.value
        if isinstance(given, CellType) and name == "cell_contents":
            return self._found((*owner.path, "contents"))
        if isinstance(given, ModuleType | ModuleVariables):
            self.use(owner)
            names = vars(given)
            if name in names:
                return self._found(("global", self._space(names), name))
            if isinstance(given, ModuleGlobals) and hasattr(builtins, name):
                # The name may get a value in the module at any time.
                return self._found(("module", self._space(names), name))
        elif isinstance(given, EnumType) and name in given.__members__:
            self.use(owner)
            return self._found((*owner.path, "member", name))
        elif isinstance(given, MutableNode) and name not in vars(given):
            cls = type(given)
            value = inspect.getattr_static(cls, name, None)
            if kind_of(value) in NUMBERS:
                self.lacking.add((owner.path, name))
                return self._found(("class", self._class(cls), name))
        raise Untranslated(f"the attribute {name} of an object")

    def of_category(self, known: Known) -> Value:
        """Return the variable of a string or member of an enum."""
        return self._input(known.path, known.get, known.value)

    def use(self, known: Known) -> None:
        """Have an object compared before each call of the kernel; of a function, its code."""
        if known.path[0] != "type":  # the class of a number, which stays the same
            self._use(known.path, known.value)

    def _use(self, path: Path, value: object) -> None:
        if isinstance(value, FunctionType):
            for part in ("code", "globals", "defaults"):
                self._guard((*path, part))
        else:
            self._guard(path)

    def _guard(self, path: Path) -> None:
        if path not in self._guards:
            get = self.reach(path)
            self._guards[path] = (get, get())

    def _found(self, path: Path, constant: bool = False) -> Value:
        get = self.reach(path)
        try:
            value = get()
        except ValueError:  # an empty cell
            raise Untranslated("a variable without a value") from None
        self.met.setdefault(path, value)
        if kind_of(value) not in NUMBERS:
            # Cells and nodes are but steps on the way to what they hold.
            if not constant and not isinstance(value, CellType | MutableNode):
                self._use(path, value)
            return NOTHING if value is None else Known(value, path, get)
        return self._input(path, get, value)

    def _input(self, path: Path, get: Get, value: object) -> Value:
        name = self.named.get(path)
        if name is None:
            name = self.named[path] = f"input{len(self.named)}"
            self.inputs[name] = get
            self._variables.observe(name, value)
        # Python may have changed its kind since the last round.
        return self._variables.read(name, [], _NO_TRAPS)

    # Paths

    def reach(self, path: Path) -> Get:
        """Return what reads the object at the end of a path."""
        match path:
            case "text", str(name):
                return lambda: self._namespace[name]
            case "own", str(name):
                return lambda: getattr(inlined, name)
            case "variable", str(name):
                return lambda: self._held[name]
            case "builtin", str(name):
                return lambda: getattr(builtins, name)
            case "global", space, str(name):
                names = self.space(space)
                return lambda: names[name]
            case "module", space, str(name):
                module = ModuleGlobals(self.space(space))
                return lambda: getattr(module, name)
            case "space", space:
                return lambda: self.space(space)
            case "class", cls, str(name):
                of = self._classes.get(cls) or class_of(str(cls))
                return lambda: inspect.getattr_static(of, name)
            case *owner, "cell", int(place), "contents":
                get = self.reach(tuple(owner))
                return lambda: get().__closure__[place].cell_contents
            case *owner, "default", int(place):
                get = self.reach(tuple(owner))
                return lambda: get().__defaults__[place]
            case *owner, "member", str(name):
                get = self.reach(tuple(owner))
                return lambda: getattr(get(), name)
            case *owner, "contents":
                get = self.reach(tuple(owner))
                return lambda: get().cell_contents
            case *owner, "code":
                get = self.reach(tuple(owner))
                return lambda: get().__code__
            case *owner, "globals":
                get = self.reach(tuple(owner))
                return lambda: get().__globals__
            case *owner, "defaults":
                get = self.reach(tuple(owner))
                return lambda: len(get().__defaults__ or ())
        raise LookupError(path)

    def space(self, named: object) -> dict[str, Any]:
        """Return the globals that a path names."""
        return self._spaces[named] if named in self._spaces else vars(sys.modules[str(named)])

    def _space(self, names: dict[str, Any]) -> object:
        """Return the name of a module's globals, of others a number."""
        named = name_of_space(names) or id(names)
        self._spaces[named] = names
        return named

    def _class(self, cls: type) -> object:
        named = name_of_class(cls) or id(cls)
        self._classes[named] = cls
        return named

    @property
    def guarded(self) -> list[Path]:
        """The paths of the objects that are compared."""
        return list(self._guards)

    def resume(
        self, named: Mapping[Path, str], guarded: Sequence[Path], held: Mapping[str, Any]
    ) -> None:
        """Take what another process found for the same text.

        Args:
            named: for each path to a number, its variable.
            guarded: the paths of the objects to compare.
            held: the function's variables.
        """
        self._held = held
        for path, name in named.items():
            self.named[path] = name
            self.inputs[name] = self.reach(path)
        for path in guarded:
            self._guard(path)


def name_of_space(names: dict[str, Any]) -> str | None:
    """Return the name of the module whose globals these are, `None` if there is none."""
    name = names.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    return name if module is not None and vars(module) is names else None


def name_of_class(cls: type) -> str | None:
    """Return a name by which `class_of` finds a class, `None` if there is none."""
    name = f"{cls.__module__}:{cls.__qualname__}"
    try:
        return name if class_of(name) is cls else None
    except (LookupError, AttributeError):
        return None


def class_of(name: str) -> Any:
    """Return the object of this name in a module that is loaded."""
    module, _, inner = name.partition(":")
    found: Any = sys.modules[module]
    for part in inner.split("."):
        found = getattr(found, part)
    return found


class _NoTraps:
    def trap_if(self, *given: object) -> None:
        raise AssertionError("a number always has a value")


_NO_TRAPS: Any = _NoTraps()
