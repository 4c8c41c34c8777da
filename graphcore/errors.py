"""The errors that graphcore raises itself, all subclasses of `GraphcoreError`, and `Failure`.

An exception from a user's function keeps its own type and gains a note (R11).
"""

import dataclasses
import reprlib
import sys
from collections.abc import Mapping
from typing import Any

_SHOWN = reprlib.Repr()
_SHOWN.maxother = _SHOWN.maxstring = 60


def shorten(value: object) -> str:
    """Return the repr of a value for an error in one line, with its middle left out if long."""
    return " ".join(_SHOWN.repr(value).split())


def place_text(wired_at: tuple[str, int]) -> str:
    """Return a file and line as errors show them; a notebook's cell by its number.

    Args:
        wired_at: the file and line that wired a node.
    """
    file, line = wired_at
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    # A cell has the name of a temporary file, which tells its user nothing.
    cell = None if shell is None else shell.compile.format_code_name(file)
    return f"{file}:{line}" if cell is None else f"{' '.join(cell)}, line {line}"


class GraphcoreError(Exception):
    """The base of all errors that graphcore raises itself."""


class InvalidTypeError(GraphcoreError, TypeError):
    """An argument has a wrong type; the message says which types are right."""


class InvalidValueError(GraphcoreError, ValueError):
    """An argument has the right type and a wrong value; the message shows the value."""


class WiringError(GraphcoreError, ValueError):
    """A graph cannot be built: a cycle, an unbound feedback, an operator name in use."""


class RunError(GraphcoreError, RuntimeError):
    """A run cannot start as asked, or a source cannot go on."""


class NoValueError(GraphcoreError):
    """A stream's value was read before the stream ticked for the first time (R5)."""


class CheckError(GraphcoreError, ValueError):
    """A value is not what `Stream.check` demands."""


class Stopped(GraphcoreError):
    """The run that a receiver's thread sends to has ended; the thread need not catch it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """An exception that ticks as a value instead of ending the run.

    Attributes:
        time: the engine time, ns.
        node: the name of the node that failed.
        values: what it was reading, by the names of its upstreams.
        exception: what it raised.
    """

    time: int
    node: str
    values: Mapping[str, Any]
    exception: Exception
