"""Other callables, functions that record their calls, and functions that fail."""

import functools
import operator
from typing import Any

from tests.differential.functions.shape import Function, Refused, takes
from tests.differential.observe import record


@takes(1)
def notes_its_call() -> Function:
    return lambda x: record("notes_its_call", x) or x


@takes(1)
def notes_its_call_in_a_body() -> Function:
    def noting(x: Any) -> Any:
        record("in_a_body", x)
        return x

    return noting


@takes(1)
def notes_left_before_right() -> Function:
    def side(name: str, x: Any) -> Any:
        record(name, x)
        return x

    return lambda x: side("left", x) + side("right", x)


@takes(1)
def fails_at_three() -> Function:
    def failing(x: Any) -> Any:
        if x == 3:
            raise Refused(f"{x!r} is refused")
        return x

    return failing


@takes(1)
def fails_for_a_reason() -> Function:
    def failing(x: Any) -> Any:
        try:
            return 1 // (x - 2)
        except ZeroDivisionError as error:
            error.add_note("its own note")
            raise Refused("for a reason") from error

    return failing


@takes(1)
def stops_iteration_at_three() -> Function:
    def failing(x: Any) -> Any:
        if x == 3:
            raise StopIteration(x)
        return x

    return failing


@takes(1)
def missing_key() -> Function:
    return lambda x: {0: "nought", 1: "one", 2: "two", 2.5: "more"}[x]


@takes(1)
def wrong_number_of_arguments() -> Function:
    return lambda x, y, z: x


@takes(1)
def one_return() -> Function:
    def described(x: Any) -> Any:
        """Return one more."""
        return x + 1

    return described


@takes(1)
def annotated() -> Function:
    def typed(x: int, k: int = 2) -> int:
        return x * k

    return typed


@takes(1)
def several_statements() -> Function:
    def body(x: Any) -> Any:
        total = 0
        for i in range(3):
            if i == 2:
                break
            total = total + x
        return total

    return body


@takes(1)
def without_return() -> Function:
    def nothing(x: Any) -> Any:
        x + 1

    return nothing


@takes(1)
def wrapped() -> Function:
    def one_more(x: Any) -> Any:
        return x + 1

    @functools.wraps(one_more)
    def ten_more(x: Any) -> Any:
        return one_more(x) + 9

    return ten_more


@takes(1)
def remembered() -> Function:
    @functools.lru_cache
    def kept(x: Any) -> Any:
        record("remembered", x)
        return x

    return kept


@takes(1)
def builtin_str() -> Function:
    return str


@takes(1)
def builtin_abs() -> Function:
    return abs


@takes(1)
def builtin_bool() -> Function:
    return bool


@takes(1)
def builtin_float() -> Function:
    return float


@takes(1)
def builtin_len() -> Function:
    return len


@takes(1)
def builtin_type() -> Function:
    return type


@takes(1)
def operator_neg() -> Function:
    return operator.neg


@takes(1)
def operator_not() -> Function:
    return operator.not_


@takes(1)
def item_getter() -> Function:
    return operator.itemgetter(0)


@takes(1)
def attribute_getter() -> Function:
    return operator.attrgetter("real")


@takes(1)
def method_of_a_type() -> Function:
    return str.upper


@takes(1)
def partial_by_position() -> Function:
    return functools.partial(operator.sub, 10)


@takes(1)
def partial_by_keyword() -> Function:
    return functools.partial(lambda x, k: x + k, k=5)


class Box:
    """Methods of an object and of its class."""

    factor = 2

    def __init__(self) -> None:
        self.kept = 0

    def __call__(self, x: Any) -> Any:
        self.kept += 1
        return (x, self.kept)

    def keep(self, x: Any) -> Any:
        last, self.kept = self.kept, x
        return last

    def scaled(self, x: Any) -> Any:
        return x * self.factor

    @staticmethod
    def of_nothing(x: Any) -> Any:
        return x + 2

    @classmethod
    def of_the_class(cls, x: Any) -> Any:
        return x * cls.factor


@takes(1)
def callable_object() -> Function:
    return Box()


@takes(1)
def bound_method() -> Function:
    return Box().keep


@takes(1)
def bound_method_of_one_expression() -> Function:
    return Box().scaled


@takes(1)
def static_method() -> Function:
    return Box().of_nothing


@takes(1)
def class_method() -> Function:
    return Box.of_the_class


class Wrapped:
    """A class that is called as a function."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wrapped) and bool(self.x == other.x)

    __hash__ = None  # type: ignore[assignment]  # not to be hashed


@takes(1)
def class_as_function() -> Function:
    return Wrapped


class Undecided:
    """A value without a truth value."""

    def __bool__(self) -> bool:
        raise Refused("neither true nor false")


@takes(1)
def undecided() -> Function:
    return lambda x: Undecided()
