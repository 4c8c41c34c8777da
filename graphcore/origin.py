"""Where a node was wired: the file and line that an error's note shows (R11).

A node's origin is the innermost line of the user's code that led to its constructor. Three kinds of
code are not the user's: packages that registered themselves (graphcore is one, an adapter registers
itself when it is imported), functions that `stream_operator` made methods of `Stream`, and
constructors of the node itself.
"""

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any
from weakref import WeakValueDictionary

_libraries = {"graphcore"}
# By id, because two code objects are equal if their text is. Weak, so that an operator that a
# notebook defines again is forgotten, and the id of its code with it.
_operator_codes: WeakValueDictionary[int, CodeType] = WeakValueDictionary()


def register_library(package: str) -> None:
    """Show nodes that this package makes as wired by the code that calls the package.

    Args:
        package: the name of a top-level package, such as ``"graphcore_zmq"``.
    """
    _libraries.add(package)


def register_operator(function: Callable[..., Any]) -> None:
    """Show nodes that this function makes as wired by the code that calls the function."""
    _operator_codes[id(function.__code__)] = function.__code__


def origin_of(node: object) -> tuple[str, int]:
    """Return the file and line that wire a node; called by the node's constructor."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        skipped = package in _libraries or id(frame.f_code) in _operator_codes
        if not (skipped or _constructs(frame, node)):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return "<unknown>", 0


def _constructs(frame: FrameType, node: object) -> bool:
    """Return whether a frame runs the constructor of this node."""
    code = frame.f_code
    if code.co_name not in ("__init__", "__post_init__") or not code.co_argcount:
        return False
    return frame.f_locals.get(code.co_varnames[0]) is node
