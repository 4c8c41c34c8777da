"""The errors that graphcore raises by itself; all stand under `GraphcoreError`.

An exception from a user's function is none of these: it keeps its own type and gains a note (R11).
"""

import reprlib

_SHOWN = reprlib.Repr()
_SHOWN.maxother = _SHOWN.maxstring = 60


def shorten(value: object) -> str:
    """Return the repr of a value for an error in one line, with its middle left out if long."""
    return " ".join(_SHOWN.repr(value).split())


class GraphcoreError(Exception):
    """Everything that graphcore raises by itself."""


class InvalidTypeError(GraphcoreError, TypeError):
    """An argument of a type that is not taken; the message says what would be right."""


class InvalidValueError(GraphcoreError, ValueError):
    """An argument of the right type and a wrong value; the message holds the value."""


class WiringError(GraphcoreError, ValueError):
    """A graph that cannot be built: a cycle, an unbound feedback, a taken operator name."""


class RunError(GraphcoreError, RuntimeError):
    """A run that cannot be made, or a source that cannot go on, as asked."""


class NoValueError(GraphcoreError):
    """A stream's value was read before it ticked for the first time (R5)."""


class Stopped(GraphcoreError):
    """The run that a receiver's thread sends to has ended; may leave the thread's function."""
