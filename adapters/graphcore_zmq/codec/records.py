"""Dataclasses, named tuples and `msgspec.Struct` as their fields in order, and back."""

import dataclasses
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, get_origin

from graphcore import InvalidTypeError


def taker(names: list[str]) -> Callable[[Any], Sequence[Any]]:
    """Return a function that takes the fields of a record; `AttributeError` if it lacks one."""
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda record: (get(record),)


def maker(kind: Any, names: list[str], codec: str) -> Callable[[Sequence[Any]], Any]:
    """Return a function that makes a record from its fields, by name where the class needs that.

    Raises:
        InvalidTypeError: for a class whose constructor does not take all of its fields.
    """
    origin = get_origin(kind) or kind
    if dataclasses.is_dataclass(origin):
        for field in dataclasses.fields(origin):
            if not field.init:
                raise InvalidTypeError(
                    f"{codec} is not possible: {field.name} is not given to the class, which makes "
                    "it itself"
                )
    if getattr(origin, "__match_args__", ()) == tuple(names):
        return lambda fields: kind(*fields)
    return lambda fields: kind(**dict(zip(names, fields, strict=True)))
