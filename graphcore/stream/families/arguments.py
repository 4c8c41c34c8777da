"""Check the arguments of operators, each in one sentence."""

import inspect
from collections.abc import Callable, Sequence
from decimal import Decimal
from math import isfinite
from numbers import Real
from types import FunctionType
from typing import Any, ParamSpec, SupportsIndex, TypeVar

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.node import refuse_list

_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR

V = TypeVar("V")
P = ParamSpec("P")
R = TypeVar("R")


def function_of(given: Callable[P, R], argument: str | None = None) -> Callable[P, R]:
    """Return a function that an operator was given.

    Raises:
        InvalidTypeError: if it cannot be called, or is async.
    """
    if not callable(given):
        is_needed = "a function is needed" if argument is None else f"{argument} must be a function"
        raise InvalidTypeError(f"{is_needed}, not {given!r}")
    if _is_async(given):
        raise InvalidTypeError(
            f"{name_of(given)} is async, and nobody would await what it returns: "
            "stream.consume_async(function) awaits it for each value"
        )
    return given


def build_of(given: Callable[P, R], argument: str, *gets: str) -> Callable[P, R]:
    """Return a function that wires a sub-graph.

    Args:
        given: the function.
        argument: what it is, for an error.
        gets: what it is called with, for an error.

    Raises:
        InvalidTypeError: as `function_of`, and if it does not take so many arguments.
    """
    function = function_of(given, argument)
    _check_takes(function, f"{argument} is", gets)
    return function


def key_of(given: Callable[P, R], argument: str | None = None) -> Callable[P, R]:
    """Return a function that says the key of a value.

    Args:
        given: the function.
        argument: its name, if the error for what is no function says it.

    Raises:
        InvalidTypeError: as `function_of`, and if it does not take one argument.
    """
    function = function_of(given, argument)
    _check_takes(function, "key is", ("value",))
    return function


def _check_takes(function: Callable[..., object], who: str, gets: Sequence[str]) -> None:
    """Raise InvalidTypeError if a function cannot be called with these arguments.

    Args:
        function: the function.
        who: the beginning of the error.
        gets: the names of the arguments.
    """
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # some functions of C have none
        return
    try:
        signature.bind(*gets)
    except TypeError:
        raise InvalidTypeError(
            f"{who} called with ({', '.join(gets)}), and {name_of(function)} takes {signature}"
        ) from None


def effect_of(given: Callable[P, R]) -> Callable[P, R]:
    """Return a function that an operator calls for its effect alone.

    Raises:
        InvalidTypeError: as `function_of`, and if it is a generator function.
    """
    if _is(given, inspect.isgeneratorfunction):
        raise InvalidTypeError(
            f"{name_of(given)} is a generator function: to call it runs nothing of it, so write it "
            "without yield"
        )
    return function_of(given)


def async_function_of(given: Callable[P, R]) -> Callable[P, R]:
    """Return a function that returns an awaitable; one that is no `async def` may still do so.

    Raises:
        InvalidTypeError: if it cannot be called, or is a generator function of either kind.
    """
    if not callable(given):
        raise InvalidTypeError(f"an async function is needed, not {given!r}")
    if _is(given, inspect.isasyncgenfunction) or _is(given, inspect.isgeneratorfunction):
        raise InvalidTypeError(
            f"{name_of(given)} is a generator function, which cannot be awaited: write it without "
            "yield"
        )
    return given


def source_function_of(given: Callable[P, R], source: str, *gets: str) -> Callable[P, R]:
    """Return the function of a source that calls it in a thread.

    Args:
        given: the function.
        source: the name of the source, for an error.
        gets: what it is called with, for an error.

    Raises:
        InvalidTypeError: if it cannot be called so, is async, or is a generator function.
    """
    if not callable(given):
        raise InvalidTypeError(f"{source} needs a function, not {given!r}")
    if _is(given, inspect.iscoroutinefunction) or _is(given, inspect.isasyncgenfunction):
        raise InvalidTypeError(
            f"{name_of(given)} is async, and {source} calls its function in a thread, without an "
            "event loop: give an async generator to produce_async"
        )
    if _is(given, inspect.isgeneratorfunction):
        raise InvalidTypeError(
            f"{name_of(given)} is a generator function: to call it runs nothing of it, so write it "
            "without yield"
        )
    _check_takes(given, f"the function of {source} is", gets)
    return given


def async_generator_of(given: Callable[P, R]) -> Callable[P, R]:
    """Return a function that returns an asynchronous iterator.

    Raises:
        InvalidTypeError: if it cannot be called without arguments, or shows that it returns
            something else.
    """
    if not callable(given):
        is_iterator = hasattr(given, "__aiter__")
        hint = ": give the function that makes it, without calling it" if is_iterator else ""
        raise InvalidTypeError(
            f"produce_async needs an async generator function, not {given!r}{hint}"
        )
    if _is(given, inspect.iscoroutinefunction):
        raise InvalidTypeError(
            f"{name_of(given)} is async without yield: write it with yield for each value"
        )
    if _is(given, inspect.isgeneratorfunction):
        raise InvalidTypeError(f"{name_of(given)} is a plain generator: write it with async def")
    _check_takes(given, "the function of produce_async is", ())
    return given


def name_of(function: object) -> str:
    """Return a function's name for an error."""
    return getattr(function, "__qualname__", None) or repr(function)


def _is_async(given: object) -> bool:
    """Return whether a function, or the `__call__` of an object, is async."""
    # Of most functions the code tells; `inspect` takes as long as half a node.
    if type(given) is FunctionType and not given.__code__.co_flags & _ASYNC:
        # Python 3.12 lets programs mark a function as one that returns a coroutine.
        return hasattr(given, "_is_coroutine_marker") and inspect.iscoroutinefunction(given)
    return _is(given, inspect.iscoroutinefunction) or _is(given, inspect.isasyncgenfunction)


def _is(given: object, kind: Callable[[Any], bool]) -> bool:
    """Return whether a function, or the `__call__` of an object, is of a kind."""
    if type(given) is FunctionType:
        return kind(given)
    method = inspect.getattr_static(type(given), "__call__", None)
    return kind(given) or kind(method)


def whole(given: int, argument: str, least: int | None = None) -> int:
    """Return a whole number of any type as an `int`.

    Raises:
        InvalidTypeError: if it is not a whole number.
        InvalidValueError: if it is below `least`.
    """
    # `isinstance` takes microseconds for a protocol, and each new key of `group_by` comes here.
    if type(given) is not int and (isinstance(given, bool) or not isinstance(given, SupportsIndex)):
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


def is_right(given: str, argument: str) -> bool:
    """Return whether a side is the right one, not the left one.

    Raises:
        InvalidTypeError: if it is not text.
        InvalidValueError: for another text.
    """
    if given in ("left", "right"):
        return given == "right"
    error = InvalidValueError if isinstance(given, str) else InvalidTypeError
    raise error(f'{argument} must be "left" or "right", not {given!r}')


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
