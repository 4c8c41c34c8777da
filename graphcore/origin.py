"""Where a node was wired: the file and line that an error's note shows (R11).

A node's origin is the innermost line of the user's code that led to its constructor. Four kinds of
code are not the user's: packages that registered themselves (graphcore is one, an adapter registers
itself when it is imported), functions that `stream_operator` made methods of `Stream`,
constructors of the node itself, and `typing`, which calls the constructor in `Spread[float](...)`.
"""

import sys
import weakref
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

_libraries = {"graphcore", "typing"}
_of_a_library: dict[str, bool] = {}  # by the name of a module; a node is made in microseconds
# The code of functions in these packages, by its id: code objects are equal if their text is.
_library_codes: dict[int, CodeType] = {}
# Ids, because two code objects are equal if their text is. An operator that a notebook defines
# again takes the id of its code with it.
_operator_codes: set[int] = set()


def register_library(package: str) -> None:
    """Show nodes that this package makes as wired by the code that calls the package.

    Args:
        package: the name of a top-level package, such as ``"graphcore_zmq"``.
    """
    _libraries.add(package)
    _of_a_library.clear()


def is_of_adapter(cls: type) -> bool:
    """Return whether a class belongs to a package that registered itself, such as an adapter."""
    package = cls.__module__.partition(".")[0]
    return package in _libraries and package != "graphcore"


def register_operator(function: Callable[..., Any]) -> None:
    """Show nodes that this function makes as wired by the code that calls the function."""
    code = function.__code__
    _operator_codes.add(id(code))
    weakref.finalize(code, _operator_codes.discard, id(code)).atexit = False


def origin_of(node: object) -> tuple[str, int]:
    """Return the file and line that wire a node; called by the node's constructor."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if not (
            id(code) in _library_codes
            or _is_of_library(frame)
            or id(code) in _operator_codes
            or _constructs(frame, node)
        ):
            return code.co_filename, frame.f_lineno
        frame = frame.f_back
    return "<unknown>", 0


def _is_of_library(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__", "")
    found = _of_a_library.get(module)
    if found is None:
        found = _of_a_library[module] = module.partition(".")[0] in _libraries
    if found:
        _library_codes[id(frame.f_code)] = frame.f_code
    return found


def _constructs(frame: FrameType, node: object) -> bool:
    """Return whether a frame runs the constructor of this node."""
    code = frame.f_code
    if code.co_name not in ("__init__", "__post_init__") or not code.co_argcount:
        return False
    return frame.f_locals.get(code.co_varnames[0]) is node
