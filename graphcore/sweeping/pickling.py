"""Pickle what goes to workers, with cloudpickle where it is installed, and name what cannot go.

pickle sends a function as its module and name, so it has to be at the top of a module that the
worker can import. cloudpickle sends functions of `__main__`, local ones and lambdas as code.
"""

import pickle
from collections.abc import Iterator, Mapping
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from inspect import getclosurevars
from types import FunctionType, MethodType, ModuleType
from typing import Any

from graphcore.errors import InvalidTypeError, shorten

_DEEPEST = 8


@cache
def has_cloudpickle() -> bool:
    """Return whether cloudpickle is installed; to find that it is not takes 50 us each time."""
    return find_spec("cloudpickle") is not None


def dumps(value: object) -> bytes:
    """Return a value pickled, by cloudpickle if it is installed."""
    if not has_cloudpickle():
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    found: bytes = import_module("cloudpickle").dumps(value)
    return found


def loads(data: bytes) -> Any:
    """Return what was pickled."""
    return pickle.loads(data)


def pickled(value: object, parts: Mapping[str, object]) -> bytes:
    """Return a value pickled.

    Args:
        value: the value.
        parts: what users gave, of which it is made, by the names that errors have for them.

    Raises:
        InvalidTypeError: if it cannot be pickled; the message names the part that cannot.
    """
    try:
        return dumps(value)
    except Exception as error:
        path, culprit = next(
            (_culprit(part, name, 0) for name, part in parts.items() if not _goes(part)),
            (" and ".join(parts), value),
        )
        hint = ""
        if not has_cloudpickle() and isinstance(culprit, FunctionType):
            hint = (
                "; pickle sends a function by its name only: define it at the top of a module, "
                "or install cloudpickle, which sends its code"
            )
        raise InvalidTypeError(
            f"the workers cannot get {next(iter(parts))}: {path} is {shorten(culprit)}, which "
            f"cannot be pickled{hint}"
        ) from error


def _goes(part: object) -> bool:
    try:
        dumps(part)
    except Exception:
        return False
    return True


def _culprit(value: object, path: str, depth: int) -> tuple[str, object]:
    """Return the innermost part that cannot be pickled, and how it is reached."""
    for name, part in _parts(value) if depth < _DEEPEST else ():
        if not _goes(part):
            return _culprit(part, f"{name} of {path}", depth + 1)
    return path, value


def _parts(value: object) -> Iterator[tuple[str, object]]:
    match value:
        case ModuleType():
            pass
        case FunctionType() if not has_cloudpickle():
            pass  # it goes by name, whatever is in it
        case FunctionType():
            around = getclosurevars(value)
            for name, each in (*around.nonlocals.items(), *around.globals.items()):
                yield f"the variable {name}", each
        case MethodType():
            yield "the object", value.__self__
        case partial():
            yield "the function", value.func
            yield from _parts(list(value.args))
            yield from _parts(value.keywords)
        case dict():
            for key, each in value.items():
                yield f"the item {key!r}", each
        case list() | tuple():
            for place, each in enumerate(value):
                yield f"the item {place}", each
        case _:
            for name, each in getattr(value, "__dict__", {}).items():
                yield f"the attribute {name}", each
