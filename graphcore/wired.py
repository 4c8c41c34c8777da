"""Where a node was wired: the line that an error's note shows (R11)."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

_operator_codes: set[int] = set()
_libraries = {"graphcore", "graphcore_zmq"}


def mark_operator(function: Callable[..., Any]) -> None:
    """Have nodes that this function makes be shown as wired by the function's caller."""
    _operator_codes.add(id(function.__code__))


def wiring_line(node: object) -> tuple[str, int]:
    """Return the file and line that wires a node: the first outside libraries and constructors."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        skipped = package in _libraries or id(frame.f_code) in _operator_codes
        if not (skipped or _constructs(frame, node)):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return "<unknown>", 0


def _constructs(frame: FrameType, node: object) -> bool:
    code = frame.f_code
    if code.co_name not in ("__init__", "__post_init__") or not code.co_argcount:
        return False
    return frame.f_locals.get(code.co_varnames[0]) is node
