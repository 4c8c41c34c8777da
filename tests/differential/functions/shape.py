"""Registers kinds of functions for the differential test."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Function = Callable[..., Any]


@dataclass(frozen=True)
class Shape:
    """A kind of function.

    Attributes:
        make: makes one.
        arity: how many arguments it takes, `None` for any number.
        looks: whether `make` is given a stream, at which the function looks.
    """

    make: Callable[..., Function]
    arity: int | None
    looks: bool = False


SHAPES: dict[str, Shape] = {}


def takes(arity: int | None) -> Callable[[Callable[..., Function]], Callable[..., Function]]:
    def add(make: Callable[..., Function]) -> Callable[..., Function]:
        looks = bool(make.__code__.co_argcount)
        SHAPES[make.__name__] = Shape(make, arity, looks)
        return make

    return add


class Refused(Exception):
    """Raised by functions of this package on purpose."""
