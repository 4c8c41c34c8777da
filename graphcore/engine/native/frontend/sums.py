"""What some builtins do to a sequence, as CPython does it, for the translation to inline."""

import builtins
import sys
from collections.abc import Callable
from math import isfinite
from typing import Any


def _added(values: Any) -> Any:
    total = 0
    for each in values:
        total = total + each
    return total


def _added_floats(values: Any) -> Any:
    if len(values) == 0:
        return 0
    total = 0.0
    for each in values:
        total += each
    return total


def _added_with_errors(values: Any) -> Any:
    """Return the sum of floats as from Python 3.12 on: with the sum of the errors (Neumaier)."""
    if len(values) == 0:
        return 0
    total = error = 0.0
    for each in values:
        further = total + each
        if abs(total) >= abs(each):
            error += (total - further) + each
        else:
            error += (each - further) + total
        total = further
    if error != 0.0 and isfinite(error):
        total += error
    return total


def _least(values: Any) -> Any:
    best = values[0]
    for each in values:
        if each < best:
            best = each
    return best


def _greatest(values: Any) -> Any:
    best = values[0]
    for each in values:
        if each > best:
            best = each
    return best


def _any(values: Any) -> bool:
    found = False
    for each in values:
        if each:
            found = True
            break
    return found


def _all(values: Any) -> bool:
    found = True
    for each in values:
        if not each:
            found = False
            break
    return found


sum_of_floats = _added_with_errors if sys.version_info >= (3, 12) else _added_floats
sum_of_integers = _added
FUNCTIONS: dict[object, Callable[[Any], Any]] = {
    builtins.min: _least,
    builtins.max: _greatest,
    builtins.any: _any,
    builtins.all: _all,
}
