"""Check the arguments of operators, each in one sentence."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from math import isfinite
from numbers import Real
from typing import Any, ParamSpec, SupportsIndex, TypeVar

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.node import refuse_list

V = TypeVar("V")
P = ParamSpec("P")
R = TypeVar("R")


def function_of(given: Callable[P, R]) -> Callable[P, R]:
    """Return a function that an operator was given.

    Raises:
        InvalidTypeError: if it cannot be called.
    """
    if not callable(given):
        raise InvalidTypeError(f"a function is needed, not {given!r}")
    return given


def whole(given: int, argument: str, least: int | None = None) -> int:
    """Return a whole number of any type as an `int`.

    Raises:
        InvalidTypeError: if it is not a whole number.
        InvalidValueError: if it is below `least`.
    """
    if isinstance(given, bool) or not isinstance(given, SupportsIndex):
        raise InvalidTypeError(f"{argument} must be a whole number, not {given!r}")
    number = given.__index__()
    if least is not None and number < least:
        raise InvalidValueError(f"{argument} must be at least {least}, not {number}")
    return number


def flag(given: bool, argument: str) -> bool:
    """Return a truth value.

    Raises:
        InvalidTypeError: if it is neither True nor False.
    """
    if not isinstance(given, bool):
        raise InvalidTypeError(f"{argument} must be True or False, not {given!r}")
    return given


def amount(given: float, argument: str) -> Any:
    """Return a number that says how much.

    Raises:
        InvalidTypeError: if it is not a number.
        InvalidValueError: if it is negative, infinite or NaN.
    """
    if isinstance(given, bool) or not isinstance(given, Real | Decimal):
        raise InvalidTypeError(f"{argument} must be a number, not {given!r}")
    if not isfinite(given) or given < 0:
        raise InvalidValueError(f"{argument} must be at least 0 and finite, not {given!r}")
    return given


def label_prefix(label: str) -> str:
    """Return a label with a space after it, or no text for no label.

    Raises:
        InvalidTypeError: if it is not text.
    """
    if not isinstance(label, str):
        raise InvalidTypeError(f"a label must be text, not {label!r}")
    return label and f"{label} "


def streams_of(streams: Sequence[V], what: str, least: str = "streams") -> list[V]:
    """Return the streams that a function or an operator was given.

    Args:
        streams: the streams.
        what: the name of the function.
        least: what it needs at least.

    Raises:
        InvalidTypeError: if there are none, or a list holds them.
    """
    if not streams:
        raise InvalidTypeError(f"{what} needs {least}")
    for each in streams:
        refuse_list(each, what)
    return list(streams)


def several_of(streams: Sequence[V], what: str) -> list[V]:
    """Return the further streams that an operator was given.

    Raises:
        InvalidTypeError: if there are none, or a list holds them.
    """
    return streams_of(streams, what, "at least one other stream")
