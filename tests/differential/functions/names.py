"""Functions that differ in the names of their arguments, and in the other names that they read."""

import math
import sys
from typing import Any

from tests.differential.functions.shape import Function, takes
from tests.differential.observe import record, restored_before_each_run

OFFSET = 10
counter = 0


@restored_before_each_run
def _restore() -> None:
    global OFFSET, counter
    OFFSET, counter = 10, 0


def hash(value: object) -> int:
    """Hides the builtin of this name in this module."""
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
    return lambda x: x if x == 1 else nowhere


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
