"""Numbers of numpy as Python's, which neither wrap around nor drift: as uint8, 200 + 100 is 44."""

import sys
from collections.abc import Sequence
from typing import Any, TypeVar

S = TypeVar("S", bound=Sequence[Any])

_PYTHONS = frozenset((int, float, bool, str, bytes, tuple, list, dict, type(None)))


def in_python(values: S) -> S | list[Any]:
    """Return the values, those that are numbers of numpy as Python's."""
    if any(map(_is_numpys, set(map(type, values)) - _PYTHONS)):
        return [python_number(value) for value in values]
    return values


def python_number(value: Any) -> Any:
    """Return a number or a truth value of numpy as Python's, and any other value as it is."""
    return value.item() if _is_numpys(type(value)) and value.dtype.kind in "biufc" else value


def _is_numpys(kind: type) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(kind, numpy.generic)
