"""Keep translations beside their machine code, so that another process needs neither.

A translation is found by a hash of all that it was made from: the fused function's text, the kinds
of the values that its variables hold, the kinds that earlier translations found, and what reads
these. A file also names all that was reached from there (see `Surroundings`): the code of functions
that were inlined, builtins and classes that were compared, and which names were lacking. If any of
these is another one now, or is one that a file cannot name, such as a user's class, the loop is
translated anew. Numbers are no part of it, because a kernel reads them anew.
"""

import hashlib
import json
import os
import pathlib
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from functools import cache
from operator import itemgetter
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any

import llvmlite

from graphcore.engine.fused.frontend.capture import ModuleVariables
from graphcore.engine.fused.frontend.source import file_of
from graphcore.engine.native.backend import object_cache
from graphcore.engine.native.backend.machine import Code, found_code, processor
from graphcore.engine.native.frontend.records import Shape
from graphcore.engine.native.frontend.surroundings import (
    Path,
    Surroundings,
    class_of,
    name_of_class,
    name_of_space,
)
from graphcore.engine.native.frontend.translation import Text, Translation
from graphcore.engine.native.frontend.variables import Variables, kind_of
from graphcore.engine.native.ir import NUMBERS, Kernel, Kind, Reason, Start
from graphcore.node import MutableNode
from graphcore.subgraph import ABSENT, QuickRuns
from graphcore.version import __version__

_HERE = pathlib.Path(__file__).parent
_FOLDERS = _HERE, _HERE.parent / "fused" / "frontend"
# The classes of these packages are the same under the same name, for what a translation asks.
_PACKAGES = ("builtins", "collections", "enum", "graphcore", "numpy", "operator", "math", "types")


class Unnamed(Exception):
    """Something cannot be told in a file."""


def key_of(
    text: Text, variables: Variables, observed: Mapping[str, object], shapes: Sequence[Shape]
) -> str | None:
    """Return the name of a translation, `None` if it cannot be kept or is not to be.

    Args:
        text: what is translated.
        variables: the kinds that earlier translations have found.
        observed: what the function's variables hold now.
        shapes: the shapes of the sources' values.
    """
    if object_cache.folder() is None:
        return None
    try:
        held = {name: observed[name] for name in sorted(text.carried) if name in observed}
        if any(isinstance(value, QuickRuns) for value in held.values()):
            return None  # the text of their sub-graphs is another function's
        alarms = text.alarms
        parts = (
            _about(),
            text.source,
            *(sorted(each) for each in (text.carried, text.read, text.symbols, text.namespace)),
            text.values,
            alarms and (sorted(alarms.bits.items()), alarms.weak_bit, alarms.last_bit),
            [(each.parts, None if each.of is None else _class(each.of)) for each in shapes],
            _state(variables),
            [(name, _held(value)) for name, value in held.items()],
            # Which of the lists and deques are one.
            [
                [name for name in held if held[name] is value]
                for value in held.values()
                if type(value) in (list, deque)
            ],
        )
    except Unnamed:
        return None
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def keep(key: str, translation: Translation, code: str) -> None:
    """Write a translation to the cache folder, if it can be told in a file.

    Args:
        key: its name.
        translation: the translation.
        code: the name of its machine code.
    """
    kernel, around = translation.kernel, translation.surroundings
    try:
        for value in filter(_is_function, around.met.values()):
            _check_source(value)
        told = {
            "code": code,
            "met": [[_lasting(path), _told(value)] for path, value in around.met.items()],
            "lacking": sorted(around.lacking, key=repr),
            "named": [[path, name] for path, name in around.named.items()],
            "guarded": around.guarded,
            "start": [kernel.start.sources, *_start(kernel.start)],
            "carried": kernel.carried,
            "rings": kernel.rings,
            "lists": kernel.lists,
            "reasons": [[reason.text, reason.line] for reason in kernel.reasons],
            "variables": _state(translation.variables),
            "lasting": sorted(translation.variables.lasting),
            "held": [translation.carried, translation.inputs, sorted(translation.held)],
            "constants": translation.constants,
        }
        data = json.dumps(told)
    except Unnamed:
        return
    object_cache.write(key, data.encode())


def find(
    key: str, text: Text, variables: Variables, observed: Mapping[str, object]
) -> tuple[Translation, Code] | None:
    """Return a translation that was kept, and its machine code; `None` if there is none.

    Its kernel has no body.

    Args:
        key: its name.
        text: what is to be translated.
        variables: gets the kinds that were found.
        observed: what the function's variables hold now.
    """
    data = object_cache.read(key)
    if data is None:
        return None
    try:
        told = json.loads(data)
        around = Surroundings(text.namespace, text.symbols, variables)
        around.hold(observed)
        paths = {tuple(path): expected for path, expected in told["met"]}
        if any(_told(around.reach(path)()) != expected for path, expected in paths.items()):
            return None
        if any(_has(around.reach(tuple(path))(), name) for path, name in told["lacking"]):
            return None
        named = {tuple(path): name for path, name in told["named"]}
        around.resume(named, list(map(tuple, told["guarded"])), observed)
        kinds, lengths, classes, *others = told["variables"]
        found = {name: class_of(each) for name, each in classes.items()}
        code = found_code(told["code"])
    except (Unnamed, AttributeError, LookupError, NameError, TypeError, ValueError):
        return None  # what it was made for is not there any more
    sources, *more = told["start"]
    kernel = Kernel(
        Start(tuple(tuple(map(Kind, parts)) for parts in sources), *more),
        (),
        {},
        tuple(told["carried"]),
        {name: tuple(map(Kind, parts)) for name, parts in told["rings"].items()},
        {name: tuple(map(Kind, parts)) for name, parts in told["lists"].items()},
        tuple(Reason(reason, line) for reason, line in told["reasons"]),
    )
    if code is None:
        return None
    variables.resume([kinds, lengths, found, *others], told["lasting"])
    carried, inputs, held = told["held"]
    made = Translation(
        kernel,
        variables,
        around,
        tuple(carried),
        tuple(inputs),
        told["constants"],
        frozenset(held),
        {},
    )
    return made, code


def _lasting(path: Path) -> Path:
    """Return a path if it leads to the same place in another process.

    Raises:
        Unnamed: if not: it begins at globals or a class by its number.
    """
    if isinstance(path[1], int):
        raise Unnamed
    return path


def _check_source(function: Any) -> None:
    """Check that another process finds the source of a function if it has its file.

    Raises:
        Unnamed: if the file has changed since it was imported.
    """
    file = file_of(function)
    if file is not None and file.find(function.__code__) is None:
        raise Unnamed


def _is_function(value: object) -> bool:
    return isinstance(value, FunctionType)


def _start(start: Start) -> tuple[bool, int, int]:
    return start.lone, start.alarms, start.crowded


def _has(owner: Any, name: str) -> bool:
    return name in (owner if isinstance(owner, dict) else vars(owner))


def _state(variables: Variables) -> list[Any]:
    kinds, lengths, classes, *others = variables.state
    return [kinds, lengths, {name: _class(cls) for name, cls in classes.items()}, *others]


def _held(value: object) -> object:
    """Return what a translation may learn from the value of a variable."""
    kind = kind_of(value)
    if kind is Kind.BOOL:
        return value  # which may be a constant of the kernel
    if kind is Kind.TUPLE:
        if type(value) is not tuple:
            raise Unnamed
        return list(map(_held, value))
    if isinstance(value, list | deque):
        if type(value) not in (list, deque):
            raise Unnamed
        items = list(dict.fromkeys(repr(_item(item)) for item in value))
        return [type(value).__name__, getattr(value, "maxlen", None), items]
    return int(kind)


def _item(value: object) -> object:
    return int(Kind.BOOL) if isinstance(value, bool) else _held(value)


def _told(value: object) -> object:
    """Return what a file says of an object that a translation has met.

    Raises:
        Unnamed: if the file cannot say it.
    """
    kind = kind_of(value)
    if kind in NUMBERS or value is None:
        return ["number", int(kind)]
    if value is ABSENT:
        return ["absent"]
    if type(value) is str:
        return ["text", value]
    if type(value) is tuple and set(map(type, value)) <= {bool, int, float}:
        return ["numbers", repr(value)]  # which become constants
    if isinstance(value, FunctionType):
        space = name_of_space(value.__globals__)
        if space is None or value.__kwdefaults__:
            raise Unnamed
        has_source = file_of(value) is not None
        defaults = len(value.__defaults__ or ())
        return ["function", _code(value.__code__), space, defaults, has_source]
    if isinstance(value, CellType):
        return ["cell"]
    if isinstance(value, ModuleVariables):
        return [type(value).__name__, name_of_space(vars(value)) or _unnamed()]
    if isinstance(value, ModuleType):
        return ["module", name_of_space(vars(value)) or _unnamed()]
    if isinstance(value, MutableNode):
        return ["node", name_of_class(type(value)) or _unnamed()]
    if isinstance(value, type):
        return ["class", _class(value)]
    if isinstance(value, frozenset):
        return ["set", sorted(map(repr, map(_told, value)))]
    if isinstance(value, BuiltinFunctionType):
        return _builtin(value)
    if type(value) is itemgetter:
        places = value.__reduce__()[1]
        if set(map(type, places)) <= {int, str}:
            return ["items", *places]
    # A translation looks into no other object of graphcore's: where it is used, Python runs.
    if type(value).__module__.partition(".")[0] != "graphcore":
        raise Unnamed
    return ["object", name_of_class(type(value)) or _unnamed()]


def _builtin(value: Any) -> object:
    name = f"{value.__module__}:{value.__qualname__}"
    try:
        found = class_of(name)
    except (LookupError, AttributeError):
        raise Unnamed from None
    if found is not value:
        raise Unnamed
    return ["builtin", name]


def _unnamed() -> str:
    raise Unnamed


def _class(cls: type) -> str:
    if cls.__module__.partition(".")[0] not in _PACKAGES:
        raise Unnamed  # what it does may differ under the same name
    return name_of_class(cls) or _unnamed()


def _code(code: CodeType) -> str:
    """Return a hash of what a function does."""
    constants = [_code(each) if isinstance(each, CodeType) else each for each in code.co_consts]
    told = (
        code.co_name,
        code.co_code,
        code.co_exceptiontable,
        [(type(each).__name__, _constant(each)) for each in constants],
        (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars),
        (code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _constant(value: object) -> str:
    # The order of a set differs from process to process.
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)


@cache
def _about() -> str:
    """Return what translations and their machine code depend on besides the text."""
    files = sorted(path for folder in _FOLDERS for path in folder.rglob("*.py"))
    told = [(path.name, path.stat()) for path in files]
    stamps = [(name, each.st_size, each.st_mtime_ns, each.st_ctime_ns) for name, each in told]
    guard = os.environ.get("GRAPHCORE_NATIVE_GUARD")
    return repr((__version__, sys.version, llvmlite.__version__, processor(), guard, stamps))
