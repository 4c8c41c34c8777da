"""Numbers of numpy, and missing ones, as Python's."""

from math import nan
from numbers import Number
from typing import Any

# Types whose values `plain` returns as they are. Asking first takes a quarter of the call's time.
NEVER_NUMPYS = frozenset((str, bytes, tuple, list, dict, type(None)))


def plain(value: Any) -> Any:
    """Return a scalar of numpy as Python's number, a number that is NaN as NaN, else the value.

    numpy's small integers wrap around and its small floats drift: 200 + 100 is 44 as uint8.
    """
    if type(value) in NEVER_NUMPYS:
        return value
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind and kind in "biuf" and getattr(value, "shape", None) == ():
        return value.item()
    if isinstance(value, Number) and value != value:
        return nan
    return value
