"""Functions of one argument that are a single expression."""

from tests.differential.functions.shape import Function, takes


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
    # NaN hashes by identity, so the order in which errors show such a set would differ.
    return lambda x: {x if x == x else 0, 1}


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
