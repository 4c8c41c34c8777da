"""Functions of every shape, for `map`, `filter`, `scan`, `join` and what else takes one.

Each is made anew for each graph, so that what a closure keeps belongs to one graph. The plainest
stand first: hypothesis shrinks towards them. Some note that they were called, with what, and in
which order; the others leave nothing behind but their result, as a function that is fused must.
"""

import functools
import math
import operator
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import graphcore as gc
from tests.differential.observe import record, restored_before_each_run

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
    """What functions here raise of their own accord."""


# One argument, an expression


@takes(1)
def one_more() -> Function:
    return lambda x: x + 1


@takes(1)
def itself() -> Function:
    return lambda x: x


@takes(1)
def twice() -> Function:
    return lambda x: x + x


@takes(1)
def is_odd() -> Function:
    return lambda x: x % 2 == 1


@takes(1)
def always_true() -> Function:
    return lambda x: True


@takes(1)
def always_none() -> Function:
    return lambda x: None


@takes(1)
def none_if_even() -> Function:
    return lambda x: None if x % 2 == 0 else x


@takes(1)
def chained_comparison() -> Function:
    return lambda x: 0 < x <= 3


@takes(1)
def boolean_operators() -> Function:
    return lambda x: (x > 1 and x) or not x


@takes(1)
def inverse() -> Function:
    return lambda x: 1 / x


@takes(1)
def negative_zero() -> Function:
    return lambda x: x * -0.0


@takes(1)
def infinite_constant() -> Function:
    return lambda x: x - 1e999


@takes(1)
def unequal_to_itself() -> Function:
    return lambda x: x != x


@takes(1)
def one_of() -> Function:
    return lambda x: x in (0, 1, "a", (1, 2), None)


@takes(1)
def pair() -> Function:
    return lambda x: (x, x)


@takes(1)
def new_list() -> Function:
    return lambda x: [x, *[1, x]]


@takes(1)
def new_dict() -> Function:
    return lambda x: {"x": x, **{"y": (x,)}}


@takes(1)
def new_set() -> Function:
    return lambda x: {x, 1}


@takes(1)
def formatted() -> Function:
    return lambda x: f"{x!r:>{4}}|{x}"


@takes(1)
def first_item() -> Function:
    return lambda x: x[0]


@takes(1)
def last_slice() -> Function:
    return lambda x: x[-1:]


@takes(1)
def real_part() -> Function:
    return lambda x: x.real


@takes(1)
def upper_case() -> Function:
    return lambda x: x.upper()


@takes(1)
def over_several_lines() -> Function:
    return lambda x: (
        x
        if x  # true
        else 7
    )


@takes(1)
def assigning_expression() -> Function:
    return lambda x: (y := x + 1) * y - y


@takes(1)
def comprehension() -> Function:
    return lambda x: [x + i for i in range(2) if i or x]


@takes(1)
def comprehension_with_the_arguments_name() -> Function:
    return lambda x: ([x for x in (x, 5)], x)


@takes(1)
def assigning_in_a_comprehension() -> Function:
    return lambda x: ([last := i for i in (x, 2)], last)


@takes(1)
def generator_expression() -> Function:
    return lambda x: sum(x for _ in range(2))


@takes(1)
def lambda_inside() -> Function:
    return lambda x: (lambda y: y + x)(1)


@takes(1)
def lambda_returned_and_called() -> Function:
    return lambda x: (lambda: x)()


@takes(1)
def sort_key_inside() -> Function:
    return lambda x: sorted([3, x, 1], key=lambda x: -x)


# Names: what a function may call its arguments, and what it reads beside them

OFFSET = 10
counter = 0


@restored_before_each_run
def _restore() -> None:
    global OFFSET, counter
    OFFSET, counter = 10, 0


def hash(value: object) -> int:
    """Stand before the builtin of this name in this module."""
    return 7


@takes(1)
def argument_called_t() -> Function:
    return lambda t: t + 1


@takes(1)
def argument_called_cycle() -> Function:
    return lambda cycle: cycle + 1


@takes(1)
def argument_called_state() -> Function:
    return lambda state: state


@takes(1)
def argument_called_self() -> Function:
    return lambda self: self


@takes(1)
def argument_called_as_generated() -> Function:
    return lambda value, mid_17=2: value + mid_17


@takes(1)
def default_argument() -> Function:
    return lambda x, k=3: x - k


@takes(1)
def default_argument_changed_later() -> Function:
    function: Any = lambda x, k=3: x - k
    function.__defaults__ = (9,)
    return function


@takes(1)
def default_argument_that_is_kept() -> Function:
    def kept(x: Any, box: list[Any] = []) -> Any:
        box.append(x)
        return len(box)

    kept.__defaults__ = ([],)
    return kept


@takes(1)
def keyword_default() -> Function:
    return lambda x, *, k=3: x * k


@takes(1)
def keyword_default_changed_later() -> Function:
    function: Any = lambda x, *, k=3: x * k
    function.__kwdefaults__["k"] = 2
    return function


@takes(1)
def positional_only() -> Function:
    return lambda x, /: x


@takes(1)
def rest_of_the_arguments() -> Function:
    return lambda x, *rest, **named: (x, rest, named)


@takes(1)
def closure_over_a_constant() -> Function:
    k = 3
    return lambda x: x + k


@takes(1)
def closure_over_what_changed_before() -> Function:
    k = 3
    function = lambda x: x + k
    k = 4
    return function


@takes(1)
def closure_over_a_loop() -> Function:
    return [lambda x: x + i for i in range(3)][0]


@takes(1)
def closure_over_what_it_changes() -> Function:
    k = 0

    def counting(x: Any) -> Any:
        nonlocal k
        k += 1
        return x + k

    return counting


@takes(1)
def closure_over_what_another_changes() -> Function:
    k = 0

    def change() -> None:
        nonlocal k
        k += 1

    return lambda x: (change(), x + k)[1]


@takes(1)
def closure_over_what_is_not_there() -> Function:
    function = lambda x: x + k
    if OFFSET > 10:
        k = 1
    return function


@takes(1)
def closure_with_a_builtins_name() -> Function:
    abs = str
    return lambda x: abs(x)


@takes(1)
def closure_over_a_function() -> Function:
    note = record
    return lambda x: (note("closure", x), x)[1]


@takes(1)
def closure_over_a_list() -> Function:
    seen: list[Any] = []
    return lambda x: seen.append(x) or len(seen)


@takes(1)
def itself_again() -> Function:
    def down(x: Any) -> Any:
        return down(x - 1) if 0 < x < 9 else x

    return down


@takes(1)
def global_constant() -> Function:
    return lambda x: x + OFFSET


@takes(1)
def global_that_it_changes() -> Function:
    def change(x: Any) -> Any:
        global OFFSET
        OFFSET += 1
        return x + OFFSET

    return change


@takes(1)
def global_that_is_not_there() -> Function:
    return lambda x: x if x == 1 else nowhere  # noqa: F821  # it is to fail


@takes(1)
def global_with_a_builtins_name() -> Function:
    return lambda x: hash(x)


@takes(1)
def builtin_inside() -> Function:
    return lambda x: max(abs(x), 2)


@takes(1)
def module_inside() -> Function:
    return lambda x: math.floor(x)


@takes(1)
def names_of_its_locals() -> Function:
    return lambda x: sorted(locals())


@takes(1)
def evaluates_text() -> Function:
    return lambda x: eval("x + 1")


@takes(1)
def looks_at_its_frame() -> Function:
    return lambda x: sys._getframe().f_code.co_name


class _Private:
    __factor = 3
    scale = staticmethod(lambda x: x * _Private.__factor)


@takes(1)
def name_mangled_in_its_class() -> Function:
    return _Private.scale


# Order and number of the calls


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


# Errors


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


# Functions by `def`, objects, and what else can be called


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
def generator() -> Function:
    def each(x: Any) -> Any:
        yield x

    return each


@takes(1)
def generator_in_a_lambda() -> Function:
    return lambda x: (yield x)


@takes(1)
def asynchronous_generator() -> Function:
    async def each(x: Any) -> Any:
        yield x

    return each


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
    """Things that can be called, of an object and of its class."""

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
    """What has no truth value."""

    def __bool__(self) -> bool:
        raise Refused("neither true nor false")


@takes(1)
def undecided() -> Function:
    return lambda x: Undecided()


# Functions whose source is not where it seems to be


@takes(1)
def second_of_two_on_a_line() -> Function:
    return (lambda x: x + 1, lambda x: x + 2)[1]


@takes(1)
def last_of_three_alike_on_a_line() -> Function:
    a, b = 1, 2
    return (lambda x: x + a, lambda x: x + b, lambda y: y + b)[2]


@takes(1)
def without_source() -> Function:
    function: Function = eval("lambda x: x + 1")
    return function


@takes(1)
def without_source_by_def() -> Function:
    scope: dict[str, Any] = {}
    exec("def made(x):\n    return x + 1\n", scope)
    function: Function = scope["made"]
    return function


@takes(1)
def of_another_text_than_its_file() -> Function:
    function: Function = eval(compile("lambda x: x + 100", __file__, "eval"))
    return function


@takes(1)
def where_another_function_stands() -> Function:
    code = one_more().__code__
    body = next(column for _, _, column, _ in code.co_positions() if column)
    text = (
        "\n" * (code.co_firstlineno - 1) + "(".ljust(body - len("lambda x: ")) + "lambda x: x + 9)"
    )
    function: Function = eval(compile(text, __file__, "eval"))
    return function


@takes(1)
def code_exchanged() -> Function:
    function: Any = lambda x: x + 1
    function.__code__ = (lambda x: x + 50).__code__
    return function


@takes(1)
def code_with_other_constants() -> Function:
    code = (lambda x: x + 77).__code__
    return types.FunctionType(
        code.replace(co_consts=tuple(78 if c == 77 else c for c in code.co_consts)), globals()
    )


@takes(1)
def code_with_other_globals() -> Function:
    return types.FunctionType(global_constant().__code__, {"OFFSET": 1000})


@takes(1)
def code_with_another_cell() -> Function:
    inner: Any = closure_over_a_constant()
    return types.FunctionType(inner.__code__, globals(), closure=(types.CellType(30),))


# Functions that look at a stream which their node does not read, as it is at that moment


def value_of(seen: Any) -> Any:
    try:
        return seen.value
    except gc.NoValueError as error:
        return str(error)


def all_of(seen: Any) -> None:
    record("all_of", vars(seen.node), value_of(seen))


class Holder:
    """Holds a stream, and looks at it when called."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __call__(self, x: Any) -> Any:
        return (x, value_of(self.held), self.held.node.ticked_in)

    def look(self, x: Any) -> Any:
        return (x, value_of(self.held))


class SlottedHolder:
    """Holds a stream where `vars` does not show it."""

    __slots__ = ("held",)

    def __init__(self, held: Any) -> None:
        self.held = held

    def look(self, x: Any) -> Any:
        return (x, value_of(self.held))


@takes(1)
def looks_from_a_closure(seen: Any) -> Function:
    return lambda x: (x, value_of(seen))


@takes(1)
def looks_at_the_node(seen: Any) -> Function:
    node = seen.node
    return lambda x: (x, node.ticked_in, value_of(node))


@takes(1)
def looks_at_a_state(seen: Any) -> Function:
    def look(x: Any) -> Any:
        all_of(seen)
        return x

    return look


@takes(1)
def looks_where_it_may_be_written_out(seen: Any) -> Function:
    return lambda x: (x, seen.node.ticked_in)


@takes(1)
def looks_by_a_default(seen: Any) -> Function:
    return lambda x, seen=seen: (x, value_of(seen))


@takes(1)
def looks_from_an_object(seen: Any) -> Function:
    return Holder(seen)


@takes(1)
def looks_from_a_method(seen: Any) -> Function:
    return Holder(seen).look


@takes(1)
def looks_from_slots(seen: Any) -> Function:
    return SlottedHolder(seen).look


@takes(1)
def looks_by_a_partial(seen: Any) -> Function:
    return functools.partial(lambda seen, x: (x, value_of(seen)), seen)


@takes(1)
def looks_into_a_list(seen: Any) -> Function:
    boxes = [[seen]]
    return lambda x: (x, [value_of(each) for each in boxes[0]])


@takes(1)
def looks_through_functions(seen: Any) -> Function:
    def inner() -> Any:
        return value_of(seen)

    middle = lambda: inner()
    return lambda x: (x, middle())


def defined_beside(seen: Any, text: str) -> Function:
    """Run text in which `held` is a global, of this graph alone."""
    scope = {"held": seen, "value_of": value_of}
    exec(text, scope)
    function: Any = scope["look"]
    return function


@takes(1)
def looks_at_a_global(seen: Any) -> Function:
    return defined_beside(seen, "def look(x): return (x, value_of(held))")


@takes(1)
def looks_by_a_global_function(seen: Any) -> Function:
    text = "def look(x): return (x, inner())\ndef inner(): return value_of(held)"
    return defined_beside(seen, text)


@takes(1)
def changes_what_it_sees(seen: Any) -> Function:
    def change(x: Any) -> Any:
        for name, known in list(vars(seen.node).items()):
            if type(known) in (int, float) and name not in ("serial", "ticked_in"):
                setattr(seen.node, name, known + 1)
        return x

    return change


# Two arguments


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


# Three, and any number


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
