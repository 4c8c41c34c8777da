"""Functions of two arguments, of three, and of any number."""

import functools
import operator
from typing import Any

from tests.differential.functions.shape import Function, Refused, takes
from tests.differential.observe import record


@takes(2)
def sum_of_two() -> Function:
    return lambda a, b: a + b


@takes(2)
def second() -> Function:
    return lambda a, b: b


@takes(2)
def exchanged() -> Function:
    return lambda a, b: (b, a)


@takes(2)
def difference_of_two() -> Function:
    return lambda b, a: b - a


@takes(2)
def greater_of_two() -> Function:
    return lambda a, b: a if a > b else b


@takes(2)
def named_as_nodes_are() -> Function:
    return lambda function, source: (source, function)


@takes(2)
def weighted() -> Function:
    weight = 0.25
    return lambda a, b: a * (1 - weight) + b * weight


@takes(2)
def appended_anew() -> Function:
    return lambda a, b: [*a, b] if isinstance(a, list) else [a, b]


@takes(2)
def appended_in_place() -> Function:
    return lambda a, b: (a.append(b), a)[1]


@takes(2)
def notes_two() -> Function:
    return lambda a, b: record("notes_two", a, b) or b


@takes(2)
def fails_at_three_of_two() -> Function:
    def failing(a: Any, b: Any) -> Any:
        if b == 3:
            raise Refused(f"{a!r}, {b!r}")
        return b

    return failing


@takes(2)
def two_by_def() -> Function:
    def joined(a: Any, b: Any = 5) -> Any:
        return (a, b)

    return joined


@takes(2)
def operator_add() -> Function:
    return operator.add


@takes(2)
def operator_sub() -> Function:
    return operator.sub


@takes(2)
def operator_truediv() -> Function:
    return operator.truediv


@takes(2)
def operator_lt() -> Function:
    return operator.lt


@takes(2)
def operator_is() -> Function:
    return operator.is_


@takes(2)
def operator_getitem() -> Function:
    return operator.getitem


@takes(2)
def operator_iadd() -> Function:
    return operator.iadd


@takes(2)
def builtin_divmod() -> Function:
    return divmod


@takes(2)
def method_of_an_object_with_two() -> Function:
    return {1: "one"}.get


@takes(2)
def partial_of_two() -> Function:
    return functools.partial(max, 2)


@takes(3)
def three() -> Function:
    return lambda a, b, c: a + b * 2 - c


@takes(3)
def three_by_def() -> Function:
    def joined(a: Any, b: Any, c: Any) -> Any:
        record("three_by_def", a, b, c)
        return (c, a, b)

    return joined


@takes(None)
def all_of_them() -> Function:
    return lambda *values: values


@takes(None)
def all_of_them_noted() -> Function:
    def noting(*values: Any) -> Any:
        record("all_of_them_noted", *values)
        return values[-1]

    return noting


@takes(None)
def first_and_number_of_the_rest() -> Function:
    return lambda first, *rest: (first, len(rest))


@takes(None)
def builtin_max() -> Function:
    return max


@takes(None)
def length() -> Function:
    return lambda *values, start=2: start + len(values)
